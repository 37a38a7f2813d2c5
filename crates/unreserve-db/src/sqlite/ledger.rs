//! Our own tables: the lease, the ledger, and the orders that are set aside.

use serde_json::Value as Json;
use unreserve_engine::ledger::{
    BatchRecord, Entry, EntryRecord, HistoryQuery, SetAside, SetAsideRecord, SweepEnd, SweepRecord, SweepStart,
};
use unreserve_engine::model::{BatchId, Holder, Key, Mutant, SweepId, planted};
use unreserve_engine::shop::{Acquired, InstallState, ShopError, ShopErrorKind};

use super::connect::Link;
use super::values::{Parameters, only_row, read, read_count, signed};
use crate::records;

/// The version of our tables that this program writes.
const VERSION: u32 = 1;

/// Creates our tables.
pub(super) const INSTALL: &str = include_str!("ledger.sql");

/// A lease that was not heard of for so long is free. A live holder is heard of with every batch.
const LEASE_MS: i64 = 30_000;

/// An order that was set aside is tried again after so long.
const ASIDE_MS: i64 = 3_600_000;

/// Where a batch belongs.
pub(super) struct BatchPlace<'a> {
    pub(super) profile: &'a str,
    pub(super) sweep_id: SweepId,
    pub(super) epoch: i64,
    pub(super) cutoff_ms: i64,
}

/// The database's now, in whole milliseconds since 1970; what is left over is dropped, so that nothing is due early.
pub(super) async fn now(link: &mut Link) -> Result<i64, ShopError> {
    const SQL: &str = "/* unreserve now */ SELECT CAST(unixepoch('now', 'subsec') * 1000 AS INTEGER)";
    read(&only_row(link.rows("now", SQL, Parameters::new().plain()?).await?, "now")?, 0, "now")
}

/// Which version of our tables is there.
pub(super) async fn state(link: &mut Link) -> Result<InstallState, ShopError> {
    const THERE: &str =
        "/* unreserve state */ SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'unreserve_meta'";
    const FOUND: &str = "/* unreserve version */ SELECT max(version) FROM unreserve_meta";
    let there = only_row(link.rows("state", THERE, Parameters::new().plain()?).await?, "state")?;
    if read_count(&there, 0, "state")? == 0 {
        return Ok(InstallState::Absent);
    }
    let found = only_row(link.rows("version", FOUND, Parameters::new().plain()?).await?, "version")?;
    let version = u32::try_from(read_count(&found, 0, "version")?).unwrap_or(u32::MAX);
    Ok(match version.cmp(&VERSION) {
        // Made, but never filled: an install would fill it.
        std::cmp::Ordering::Less if version == 0 => InstallState::Absent,
        std::cmp::Ordering::Less => InstallState::Old(version),
        std::cmp::Ordering::Equal => InstallState::Current,
        std::cmp::Ordering::Greater => InstallState::Newer(version),
    })
}

/// Creates our tables, all of them or none.
pub(super) async fn install(link: &mut Link) -> Result<InstallState, ShopError> {
    link.begin_write(None).await?;
    let outcome = try_install(link).await;
    link.end(outcome).await
}

async fn try_install(link: &mut Link) -> Result<InstallState, ShopError> {
    // Looked up again: another instance may have been at it since this one connected.
    if let InstallState::Newer(version) = state(link).await? {
        let message = format!("the ledger's tables are of version {version}, which is newer than this program knows");
        return Err(ShopError::new(ShopErrorKind::SchemaChanged, message).hint("use the newer unreserve"));
    }
    link.simple("install", INSTALL).await?;
    state(link).await
}

fn fenced() -> ShopError {
    ShopError::new(ShopErrorKind::Fenced, "another instance has taken over the sweep of this shop")
}

/// Checks that the lease is still ours, inside the batch's own transaction, and is heard of. Gives the epoch.
pub(super) async fn fence(link: &mut Link, profile: &str, token: &str, now: i64) -> Result<i64, ShopError> {
    const SQL: &str = "/* unreserve fence */ UPDATE unreserve_lease SET heard_at = ?1 WHERE profile = ?2 AND token = ?3 RETURNING epoch";
    let parameters = Parameters::new().with(now).with(profile.to_owned()).with(token.to_owned()).plain()?;
    let sql = if planted(Mutant::SessionLock) { SQL.replace("token =", "'' <>") } else { SQL.to_owned() };
    let rows = link.rows("fence", &sql, parameters).await?;
    let row = rows.first().ok_or_else(|| fenced().during("fence"))?;
    read(row, 0, "fence")
}

/// Takes the lease, and writes that the sweep begins.
pub(super) async fn acquire(link: &mut Link, holder: &Holder, start: &SweepStart) -> Result<Acquired, ShopError> {
    let taken = match link.begin_write(None).await {
        Ok(()) => {
            let outcome = try_acquire(link, holder, start).await;
            link.end(outcome).await
        }
        Err(error) => Err(error),
    };
    match taken {
        // Whoever is in a batch may have shut us out all the time: that is an answer too, and a reader sees it.
        Err(error) if error.kind == ShopErrorKind::LockTimeout => {
            link.begin_read().await?;
            let outcome = held_by(link, holder, &start.profile).await;
            link.end(outcome).await?.ok_or(error)
        }
        answer => answer,
    }
}

/// Who holds the lease; nobody where it is free. Free is a lease that nobody holds, that is ours already, whose holder fell
/// silent, or whose state directory is the one whose lock this process has been given: its holder is dead.
async fn held_by(link: &mut Link, holder: &Holder, profile: &str) -> Result<Option<Acquired>, ShopError> {
    const LOOK: &str = "/* unreserve lease */ SELECT token, host, process_id, lock_file, heard_at FROM unreserve_lease WHERE profile = ?1";
    let now = now(link).await?;
    let rows = link.rows("lease", LOOK, Parameters::new().with(profile.to_owned()).plain()?).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let Some(token) = read::<Option<String>>(row, 0, "lease")? else { return Ok(None) };
    let process_id = u32::try_from(read::<i64>(row, 2, "lease")?).unwrap_or(0);
    let other = Holder { token, host: read(row, 1, "lease")?, process_id, lock_file: read(row, 3, "lease")? };
    // A clock that was set back must not keep a dead holder alive for ever.
    let silent_ms = now.saturating_sub(read(row, 4, "lease")?).saturating_abs();
    let same_place = other.host == holder.host && other.lock_file == holder.lock_file;
    if other.token == holder.token || same_place || silent_ms >= LEASE_MS {
        return Ok(None);
    }
    let heard_seconds_ago = silent_ms.checked_div(1_000).unwrap_or(0);
    Ok(Some(Acquired::HeldBy { holder: other, heard_seconds_ago }))
}

/// Nobody writes between the look and the taking.
async fn try_acquire(link: &mut Link, holder: &Holder, start: &SweepStart) -> Result<Acquired, ShopError> {
    const TAKE: &str = "/* unreserve acquire */
INSERT INTO unreserve_lease (profile, epoch, token, host, process_id, lock_file, heard_at) VALUES (?1, 1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT (profile) DO UPDATE SET epoch = epoch + 1, token = excluded.token, host = excluded.host,
    process_id = excluded.process_id, lock_file = excluded.lock_file, heard_at = excluded.heard_at";
    const BEGIN: &str = "/* unreserve sweep */
INSERT INTO unreserve_sweep (sweep_id, profile, version, holder, started_at) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING";
    if let Some(held) = held_by(link, holder, &start.profile).await? {
        return Ok(held);
    }
    let now = now(link).await?;
    let taken = Parameters::new()
        .with(start.profile.clone())
        .with(holder.token.clone())
        .with(holder.host.clone())
        .with(i64::from(holder.process_id))
        .with(holder.lock_file.clone())
        .with(now);
    link.execute("acquire", TAKE, taken.plain()?).await?;
    let begun = Parameters::new()
        .with(start.sweep_id.to_string())
        .with(start.profile.clone())
        .with(start.version.clone())
        .with(start.holder.clone())
        .with(now);
    link.execute("sweep", BEGIN, begun.plain()?).await?;
    Ok(Acquired::Yes)
}

/// Appends a batch and its entries, and takes its orders from those that are set aside.
pub(super) async fn append(
    link: &mut Link,
    place: BatchPlace<'_>,
    record: &BatchRecord,
    entries: &[Entry],
) -> Result<(), ShopError> {
    const BATCH: &str = "/* unreserve append_batch */
INSERT INTO unreserve_batch (batch_id, sweep_id, epoch, committed_at, reservations, units, stock_rows, orders_cancelled, drift)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    const ENTRIES: &str = "/* unreserve append_ledger */
INSERT INTO unreserve_entry (batch_id, kind, order_key, order_number, reservation_key, stock, quantity, drift, expires_at, at, overdue_us)
SELECT ?1, j.value ->> 0, j.value ->> 1, j.value ->> 2, j.value ->> 3, j.value ->> 4, j.value ->> 5, j.value ->> 6, j.value ->> 7, ?2, j.value ->> 8
FROM json_each(?3) AS j ORDER BY j.key";
    const SETTLED: &str = "/* unreserve settled */
DELETE FROM unreserve_set_aside WHERE profile = ?1 AND order_key IN (SELECT j.value ->> 1 FROM json_each(?2) AS j)";
    let parameters = Parameters::new()
        .with(record.batch_id.to_string())
        .with(place.sweep_id.to_string())
        .with(place.epoch)
        .with(place.cutoff_ms)
        .with(signed(record.reservations))
        .with(record.units)
        .with(signed(record.stock_rows))
        .with(signed(record.orders_cancelled))
        .with(record.drift);
    link.execute("append_batch", BATCH, parameters.plain()?).await?;
    let rows: Vec<Vec<Json>> = entries.iter().map(json_entry).collect();
    let parameters = Parameters::new().with(record.batch_id.to_string()).with(place.cutoff_ms).with_json(&rows);
    let written = link.execute("append_ledger", ENTRIES, parameters.plain()?).await?;
    if usize::try_from(written).is_ok_and(|written| written != entries.len()) {
        let message = format!("{written} of {} ledger entries were written", entries.len());
        return Err(ShopError::new(ShopErrorKind::Invariant, message).during("append_ledger"));
    }
    let parameters = Parameters::new().with(place.profile.to_owned()).with_json(&rows);
    link.execute("settled", SETTLED, parameters.plain()?).await?;
    Ok(())
}

fn json_entry(entry: &Entry) -> Vec<Json> {
    vec![
        Json::from(entry.kind.word()),
        Json::from(entry.order.to_string()),
        Json::from(entry.number.clone()),
        Json::from(entry.reservation.as_ref().map(Key::to_string)),
        Json::from(entry.stock.clone()),
        Json::from(entry.quantity.units()),
        Json::from(entry.drift.units()),
        Json::from(entry.expires_at.map(jiff::Timestamp::as_millisecond)),
        Json::from(entry.overdue_micros),
    ]
}

/// The committed batch of that identity.
pub(super) async fn find_batch(link: &mut Link, batch_id: BatchId) -> Result<Option<BatchRecord>, ShopError> {
    const SQL: &str = "/* unreserve find_batch */
SELECT reservations, units, stock_rows, orders_cancelled, drift FROM unreserve_batch WHERE batch_id = ?1";
    let rows = link.rows("find_batch", SQL, Parameters::new().with(batch_id.to_string()).plain()?).await?;
    rows.first().map(|row| records::batch(row, batch_id)).transpose()
}

/// Keeps an order out of the way for an hour, if the lease is still ours.
pub(super) async fn set_aside(link: &mut Link, profile: &str, token: &str, aside: &SetAside) -> Result<(), ShopError> {
    link.begin_write(None).await?;
    let outcome = try_set_aside(link, profile, token, aside).await;
    link.end(outcome).await
}

async fn try_set_aside(link: &mut Link, profile: &str, token: &str, aside: &SetAside) -> Result<(), ShopError> {
    const SQL: &str = "/* unreserve set_aside */
INSERT INTO unreserve_set_aside (profile, order_key, order_number, reason, attempts, since, last_at, retry_at)
VALUES (?1, ?2, ?3, ?4, 1, ?5, ?5, ?6)
ON CONFLICT (profile, order_key) DO UPDATE SET order_number = coalesce(excluded.order_number, order_number),
    reason = excluded.reason, attempts = attempts + 1, last_at = excluded.last_at, retry_at = excluded.retry_at";
    let now = now(link).await?;
    fence(link, profile, token, now).await?;
    let parameters = Parameters::new()
        .with(profile.to_owned())
        .with(aside.order.to_string())
        .with(aside.number.clone())
        .with(aside.reason.clone())
        .with(now)
        .with(now.saturating_add(ASIDE_MS));
    link.execute("set_aside", SQL, parameters.plain()?).await.map(|_| ())
}

/// Closes the books of a sweep, and frees the lease.
pub(super) async fn close(link: &mut Link, profile: &str, token: &str, end: &SweepEnd) -> Result<(), ShopError> {
    link.begin_write(None).await?;
    let outcome = try_close(link, profile, token, end).await;
    link.end(outcome).await
}

async fn try_close(link: &mut Link, profile: &str, token: &str, end: &SweepEnd) -> Result<(), ShopError> {
    const CLOSED: &str = "/* unreserve closed */ SELECT 1 FROM unreserve_sweep_end WHERE sweep_id = ?1";
    const END: &str = "/* unreserve close */
INSERT INTO unreserve_sweep_end (sweep_id, ending, finished_at, duration_us, protected, set_aside, oldest_overdue_us, remaining_due, error)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    const FREE: &str = "/* unreserve free_lease */ UPDATE unreserve_lease SET token = NULL, heard_at = ?3 WHERE profile = ?1 AND token = ?2";
    let closed = link.rows("closed", CLOSED, Parameters::new().with(end.sweep_id.to_string()).plain()?).await?;
    if !closed.is_empty() {
        // The answer to an earlier close was lost: it was done all the same.
        return Ok(());
    }
    let now = now(link).await?;
    let freed = Parameters::new().with(profile.to_owned()).with(token.to_owned()).with(now);
    if link.execute("free_lease", FREE, freed.plain()?).await? == 0 {
        return Err(fenced().during("close"));
    }
    let parameters = Parameters::new()
        .with(end.sweep_id.to_string())
        .with(end.ending.word().to_owned())
        .with(now)
        .with(end.duration_micros)
        .with(serde_json::to_string(&end.protected).unwrap_or_else(|_| "{}".to_owned()))
        .with(signed(end.set_aside))
        .with(end.oldest_overdue_micros)
        .with(i64::from(end.remaining_due))
        .with(end.error.clone());
    link.execute("close", END, parameters.plain()?).await.map(|_| ())
}

/// What is told of a sweep `s`, of which identity, profile, holder and beginning are there.
pub(super) const SWEEP_COLUMNS: &str = "SELECT s.sweep_id, s.profile, s.holder, s.started_at, e.finished_at, e.ending, e.duration_us, e.protected, e.set_aside,
       e.oldest_overdue_us, e.remaining_due, e.error,
       count(b.batch_id), sum(b.reservations), sum(b.units), sum(b.stock_rows), sum(b.orders_cancelled), sum(b.drift)";

/// `?1` how many.
const NEWEST: &str = "(SELECT * FROM unreserve_sweep AS x ORDER BY x.started_at DESC, x.sweep_id DESC LIMIT ?1)";

/// `?1` how many, `?2` and `?3` the first and the last identity: so the key's index finds those that begin alike.
const ALIKE: &str = "(SELECT * FROM unreserve_sweep AS x WHERE x.sweep_id BETWEEN ?2 AND ?3
      ORDER BY x.started_at DESC, x.sweep_id DESC LIMIT ?1)";

/// Its end and the sums over its batches, the newest sweep first.
pub(super) const SWEEP_SUMS: &str = "LEFT JOIN unreserve_sweep_end AS e ON e.sweep_id = s.sweep_id
LEFT JOIN unreserve_batch AS b ON b.sweep_id = s.sweep_id
GROUP BY s.sweep_id ORDER BY s.started_at DESC, s.sweep_id DESC";

/// Sweeps with the sums over their batches.
pub(super) async fn history(link: &mut Link, query: &HistoryQuery) -> Result<Vec<SweepRecord>, ShopError> {
    let (which, parameters) = match query {
        HistoryQuery::Latest { limit } => (NEWEST, Parameters::new().with(i64::from(*limit))),
        HistoryQuery::Sweep { id } => {
            let Some((first, last)) = SweepId::between(id) else { return Ok(Vec::new()) };
            (ALIKE, Parameters::new().with(2_i64).with(first.to_string()).with(last.to_string()))
        }
    };
    let sql = format!("/* unreserve history */ {SWEEP_COLUMNS} FROM {which} AS s {SWEEP_SUMS}");
    let rows = link.rows("history", &sql, parameters.plain()?).await?;
    rows.iter().map(records::sweep).collect()
}

/// The entries of one sweep, in the order they were written.
pub(super) async fn entries(link: &mut Link, sweep_id: SweepId, limit: u32) -> Result<Vec<EntryRecord>, ShopError> {
    const SQL: &str = "/* unreserve entries */
SELECT e.kind, e.order_key, e.order_number, e.reservation_key, e.stock, e.quantity, e.drift, e.expires_at, e.at, e.overdue_us / 1000000
FROM unreserve_batch AS b JOIN unreserve_entry AS e ON e.batch_id = b.batch_id
WHERE b.sweep_id = ?1 ORDER BY e.entry_id LIMIT ?2";
    let parameters = Parameters::new().with(sweep_id.to_string()).with(i64::from(limit)).plain()?;
    link.rows("entries", SQL, parameters).await?.iter().map(records::entry).collect()
}

/// The entries of one order under one profile, newest first.
pub(super) async fn entries_of_order(
    link: &mut Link,
    profile: &str,
    order: &Key,
) -> Result<Vec<EntryRecord>, ShopError> {
    const SQL: &str = "/* unreserve order_entries */
SELECT e.kind, e.order_key, e.order_number, e.reservation_key, e.stock, e.quantity, e.drift, e.expires_at, e.at, e.overdue_us / 1000000
FROM unreserve_entry AS e JOIN unreserve_batch AS b ON b.batch_id = e.batch_id JOIN unreserve_sweep AS s ON s.sweep_id = b.sweep_id
WHERE e.order_key = ?1 AND s.profile = ?2 ORDER BY e.entry_id DESC LIMIT 50";
    let parameters = Parameters::new().with(order.to_string()).with(profile.to_owned()).plain()?;
    link.rows("order_entries", SQL, parameters).await?.iter().map(records::entry).collect()
}

/// `?1` now, `?2` profile or NULL for all, `?3` order or NULL for all, `?4` limit.
const ASIDE: &str = "/* unreserve orders_set_aside */
SELECT order_key, order_number, reason, attempts, since, retry_at FROM unreserve_set_aside
WHERE retry_at > ?1 AND (?2 IS NULL OR profile = ?2) AND (?3 IS NULL OR order_key = ?3)
ORDER BY since, order_key LIMIT ?4";

/// How many orders of a profile are set aside now; inside a transaction that is open already.
pub(super) async fn count_set_aside(link: &mut Link, profile: &str, now_ms: i64) -> Result<u64, ShopError> {
    const SQL: &str =
        "/* unreserve count_set_aside */ SELECT count(*) FROM unreserve_set_aside WHERE profile = ?1 AND retry_at > ?2";
    let parameters = Parameters::new().with(profile.to_owned()).with(now_ms).plain()?;
    read_count(
        &only_row(link.rows("count_set_aside", SQL, parameters).await?, "count_set_aside")?,
        0,
        "count_set_aside",
    )
}

/// The orders that are set aside now: of one profile or of all, one order or all.
pub(super) async fn orders_set_aside(
    link: &mut Link,
    profile: Option<&str>,
    order: Option<&Key>,
    limit: u32,
) -> Result<Vec<SetAsideRecord>, ShopError> {
    const NAME: &str = "orders_set_aside";
    let parameters = Parameters::new()
        .with(now(link).await?)
        .with(profile.map(str::to_owned))
        .with(order.map(Key::to_string))
        .with(i64::from(limit));
    let rows = link.rows(NAME, ASIDE, parameters.plain()?).await?;
    rows.iter().map(records::aside).collect()
}

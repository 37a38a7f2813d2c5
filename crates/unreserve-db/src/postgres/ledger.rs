//! Our own tables: the lease, the ledger, and the orders that are set aside.

use sqlx::postgres::PgRow;
use unreserve_engine::ledger::{
    BatchRecord, Entry, EntryRecord, HistoryQuery, SetAside, SetAsideRecord, SweepEnd, SweepRecord, SweepStart,
};
use unreserve_engine::model::{BatchId, Holder, Key, SweepId};
use unreserve_engine::shop::{Acquired, InstallState, ShopError, ShopErrorKind};

use super::connect::Link;
use super::fragments::Statement;
use super::message::{Call, Transaction};
use super::values::{Parameters, only_row, read, read_count, signed};
use crate::records;

/// The version of our tables that this program writes.
const VERSION: u32 = 1;

/// Creates our tables.
pub(super) const INSTALL: &str = include_str!("ledger.sql");

/// A lease that was not heard of for so long is free. A live holder is heard of with every batch.
const LEASE: &str = "interval '30 seconds'";

/// `$1` profile, `$2` token. Locks the lease row, so that whoever takes over waits until this transaction has ended.
pub(super) const FENCE: &str = "/* unreserve fence */
UPDATE unreserve.lease SET heard_at = clock_timestamp(), backend_pid = pg_backend_pid(),
       backend_start = (SELECT a.backend_start FROM pg_stat_get_activity(pg_backend_pid()) AS a)
WHERE profile = $1::text AND token = $2::text
RETURNING epoch, (extract(epoch FROM now()) * 1000000)::bigint, backend_pid::bigint, (extract(epoch FROM backend_start) * 1000000)::bigint";

/// Where a batch belongs.
pub(super) struct BatchPlace<'a> {
    pub(super) profile: &'a str,
    pub(super) sweep_id: SweepId,
    pub(super) epoch: i64,
}

/// Asks whether our tables are there, and may be read.
pub(super) fn whether_there() -> Result<Call<'static>, ShopError> {
    const THERE: &str = "/* unreserve state */ SELECT count(*) FROM pg_catalog.pg_class AS c
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = 'unreserve' AND c.relname = 'meta'
          AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')";
    Call::once("state", THERE, Parameters::new())
}

/// Which version of our tables is there, where [`whether_there`] gave this row.
pub(super) async fn state(link: &mut Link, there: &PgRow) -> Result<InstallState, ShopError> {
    const FOUND: &str = "/* unreserve version */ SELECT coalesce(max(version), 0)::bigint FROM unreserve.meta";
    if read_count(there, 0, "state")? == 0 {
        return Ok(InstallState::Absent);
    }
    let found = only_row(read_ledger(link, "version", FOUND, Parameters::new()).await?, "version")?;
    let version = u32::try_from(read_count(&found, 0, "version")?).unwrap_or(u32::MAX);
    Ok(match version.cmp(&VERSION) {
        std::cmp::Ordering::Less => InstallState::Old(version),
        std::cmp::Ordering::Equal => InstallState::Current,
        std::cmp::Ordering::Greater => InstallState::Newer(version),
    })
}

/// Free is a lease that nobody holds, that was ours already, whose holder fell silent, whose connection is gone, or
/// whose lock file is the one this process has just been given. A clock that was set back must not keep a dead holder
/// alive for ever. `$2` token, `$3` host, `$5` lock file.
pub(super) const FREE: &str = "l.token IS NULL OR l.token = $2::text OR l.heard_at < clock_timestamp() - LEASE OR l.heard_at > clock_timestamp() + LEASE
        OR (l.host = $3::text AND l.lock_file = $5::text)
        OR NOT EXISTS (SELECT 1 FROM pg_stat_get_activity(l.backend_pid) AS a
                       WHERE a.backend_start IS NULL OR a.backend_start = l.backend_start)";

/// `$1` profile, `$2` token, `$3` host, `$4` process, `$5` lock file, `$6` sweep, `$7` version, `$8` holder.
const ACQUIRE: &str = "/* unreserve acquire */
WITH taken AS (
    UPDATE unreserve.lease AS l
    SET epoch = l.epoch + 1, token = $2::text, host = $3::text, process_id = $4::bigint, lock_file = $5::text, heard_at = clock_timestamp(),
        backend_pid = pg_backend_pid(), backend_start = (SELECT a.backend_start FROM pg_stat_get_activity(pg_backend_pid()) AS a)
    WHERE l.profile = $1::text AND (FREE)
    RETURNING l.epoch
)
INSERT INTO unreserve.sweep (sweep_id, profile, version, holder)
SELECT $6::text::uuid, $1::text, $7::text, $8::text FROM taken
ON CONFLICT DO NOTHING
RETURNING 1";

const LEASE_ROW: &str = "/* unreserve lease_row */ INSERT INTO unreserve.lease (profile) SELECT $1::text
     WHERE NOT EXISTS (SELECT 1 FROM unreserve.lease WHERE profile = $1::text) ON CONFLICT DO NOTHING";

const HOLDER: &str = "/* unreserve holder */
SELECT token, coalesce(host, ''), coalesce(process_id, 0), coalesce(lock_file, ''),
       greatest(coalesce(extract(epoch FROM clock_timestamp() - heard_at), 0), 0)::bigint
FROM unreserve.lease WHERE profile = $1::text";

/// Takes the lease, and writes that the sweep begins. Not waiting for the disk is safe here: the token is random, so a
/// lease that a crash forgets is a lease that no batch of ours can pass, and every batch's own commit waits.
pub(super) async fn acquire(link: &mut Link, holder: &Holder, start: &SweepStart) -> Result<Acquired, ShopError> {
    link.begin(Transaction::Lease);
    let outcome = try_acquire(link, holder, start).await;
    match link.end(outcome).await {
        // Whoever is in a batch holds the row: that is an answer too.
        Err(error) if error.kind == ShopErrorKind::LockTimeout => {
            link.begin_read();
            let outcome = held_by(link, holder, &start.profile).await;
            match link.end(outcome).await? {
                Acquired::Yes => Err(error),
                held => Ok(held),
            }
        }
        answer => answer,
    }
}

async fn try_acquire(link: &mut Link, holder: &Holder, start: &SweepStart) -> Result<Acquired, ShopError> {
    let sql = ACQUIRE.replace("FREE", &FREE.replace("LEASE", LEASE));
    let profile = || Parameters::new().with(start.profile.clone());
    for first in [true, false] {
        let parameters = profile()
            .with(holder.token.clone())
            .with(holder.host.clone())
            .with(i64::from(holder.process_id))
            .with(holder.lock_file.clone())
            .with(start.sweep_id.to_string())
            .with(start.version.clone())
            .with(start.holder.clone());
        let taken = link.rows("acquire", &sql, parameters).await?;
        if !taken.is_empty() {
            return Ok(Acquired::Yes);
        }
        if first {
            // The first sweep of this profile ever: the row is made, then taken like any other.
            lease_row(link, &start.profile).await?;
        }
    }
    held_by(link, holder, &start.profile).await
}

/// Makes the row of a name, where it is not there.
pub(super) async fn lease_row(link: &mut Link, name: &str) -> Result<(), ShopError> {
    link.execute("lease_row", LEASE_ROW, Parameters::new().with(name.to_owned())).await.map(|_| ())
}

/// Who holds the row of a name.
pub(super) async fn held_by(link: &mut Link, holder: &Holder, profile: &str) -> Result<Acquired, ShopError> {
    let parameters = Parameters::new().with(profile.to_owned());
    let row = only_row(link.rows("holder", HOLDER, parameters).await?, "holder")?;
    let token: Option<String> = read(&row, 0, "holder")?;
    if token.as_deref() == Some(holder.token.as_str()) {
        // Ours, and the sweep was written before: acquiring again is how a commit under way is waited for.
        return Ok(Acquired::Yes);
    }
    let process_id = u32::try_from(read::<i64>(&row, 2, "holder")?).unwrap_or(0);
    let (host, lock_file) = (read(&row, 1, "holder")?, read(&row, 3, "holder")?);
    let other = Holder { token: token.unwrap_or_default(), host, process_id, lock_file };
    Ok(Acquired::HeldBy { holder: other, heard_seconds_ago: read(&row, 4, "holder")? })
}

/// `$1…$8` the batch, `$9` profile, `$10…$18` the entries, a list a column.
pub(super) const APPEND: &str = "/* unreserve append_ledger */
WITH batch AS (
    INSERT INTO unreserve.batch (batch_id, sweep_id, epoch, reservations, units, stock_rows, orders_cancelled, drift)
    VALUES ($1::text::uuid, $2::text::uuid, $3::bigint, $4::bigint, $5::bigint, $6::bigint, $7::bigint, $8::bigint)
), settled AS (
    DELETE FROM unreserve.set_aside AS s WHERE s.profile = $9::text AND s.order_key = ANY ($11::text[])
)
INSERT INTO unreserve.entry (batch_id, line, kind, order_key, order_number, reservation_key, stock, quantity, drift, expires_at, overdue_us)
SELECT $1::text::uuid, e.line::int, e.kind, e.order_key, e.order_number, e.reservation_key, e.stock, e.quantity, e.drift,
       timestamptz 'epoch' + e.expires_us * interval '1 microsecond', e.overdue_us
FROM unnest($10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::bigint[], $16::bigint[], $17::bigint[], $18::bigint[])
     WITH ORDINALITY AS e(kind, order_key, order_number, reservation_key, stock, quantity, drift, expires_us, overdue_us, line)";

/// Appends a batch and its entries in one statement.
pub(super) async fn append(
    link: &mut Link,
    statement: &Statement,
    place: BatchPlace<'_>,
    record: &BatchRecord,
    entries: &[Entry],
) -> Result<(), ShopError> {
    fn column<T>(entries: &[Entry], read: impl Fn(&Entry) -> T) -> Vec<T> {
        entries.iter().map(read).collect()
    }
    let parameters = Parameters::new()
        .with(record.batch_id.to_string())
        .with(place.sweep_id.to_string())
        .with(place.epoch)
        .with(signed(record.reservations))
        .with(record.units)
        .with(signed(record.stock_rows))
        .with(signed(record.orders_cancelled))
        .with(record.drift)
        .with(place.profile.to_owned())
        .with(column(entries, |entry| entry.kind.word().to_owned()))
        .with(column(entries, |entry| entry.order.to_string()))
        .with(column(entries, |entry| entry.number.clone()))
        .with(column(entries, |entry| entry.reservation.as_ref().map(Key::to_string)))
        .with(column(entries, |entry| entry.stock.clone()))
        .with(column(entries, |entry| entry.quantity.units()))
        .with(column(entries, |entry| entry.drift.units()))
        .with(column(entries, |entry| entry.expires_at.map(jiff::Timestamp::as_microsecond)))
        .with(column(entries, |entry| entry.overdue_micros));
    let written = link.run(link.planned(statement, parameters)?).await?.affected;
    if usize::try_from(written).is_ok_and(|written| written == entries.len()) {
        return Ok(());
    }
    Err(ShopError::new(ShopErrorKind::Invariant, format!("{written} of {} ledger entries were written", entries.len()))
        .during("append_ledger"))
}

/// The committed batch of that identity.
pub(super) async fn find_batch(link: &mut Link, batch_id: BatchId) -> Result<Option<BatchRecord>, ShopError> {
    const SQL: &str = "/* unreserve find_batch */
        SELECT reservations, units, stock_rows, orders_cancelled, drift FROM unreserve.batch WHERE batch_id = $1::text::uuid";
    link.begin_read();
    let outcome = link.rows("find_batch", SQL, Parameters::new().with(batch_id.to_string())).await;
    let rows = link.end(outcome).await?;
    rows.first().map(|row| records::batch(row, batch_id)).transpose()
}

/// `$1` profile, `$2` token, `$3` order, `$4` number, `$5` reason.
const SET_ASIDE: &str = "/* unreserve set_aside */
INSERT INTO unreserve.set_aside AS s (profile, order_key, order_number, reason, retry_at)
SELECT $1::text, $3::text, $4::text, $5::text, now() + interval '1 hour'
FROM unreserve.lease AS l WHERE l.profile = $1::text AND l.token = $2::text
ON CONFLICT (profile, order_key) DO UPDATE SET reason = excluded.reason, attempts = s.attempts + 1, retry_at = excluded.retry_at";

/// Keeps an order out of the way for an hour.
pub(super) async fn set_aside(link: &mut Link, profile: &str, token: &str, aside: &SetAside) -> Result<(), ShopError> {
    let parameters = Parameters::new()
        .with(profile.to_owned())
        .with(token.to_owned())
        .with(aside.order.to_string())
        .with(aside.number.clone())
        .with(aside.reason.clone());
    link.begin(Transaction::Write);
    let outcome = link.execute("set_aside", SET_ASIDE, parameters).await;
    match link.end(outcome).await? {
        0 => Err(ShopError::new(ShopErrorKind::Fenced, "another instance has taken over the sweep of this shop")),
        _ => Ok(()),
    }
}

/// `$1` profile, `$2` token, `$3…` the sweep's end.
const CLOSE: &str = "/* unreserve close */
WITH freed AS (
    UPDATE unreserve.lease SET token = NULL, heard_at = clock_timestamp() WHERE profile = $1::text AND token = $2::text RETURNING 1
)
INSERT INTO unreserve.sweep_end (sweep_id, ending, duration_us, protected, set_aside, oldest_overdue_us, remaining_due, error)
SELECT $3::text::uuid, $4::text, $5::bigint, $6::text, $7::bigint, $8::bigint, $9::boolean, $10::text FROM freed";

const CLOSED: &str = "/* unreserve closed */ SELECT 1 FROM unreserve.sweep_end WHERE sweep_id = $1::text::uuid";

/// Closes the books of a sweep. Its counts are sums over batches whose commits did wait for the disk.
pub(super) async fn close(link: &mut Link, profile: &str, token: &str, end: &SweepEnd) -> Result<(), ShopError> {
    let protected = serde_json::to_string(&end.protected).unwrap_or_else(|_| "{}".to_owned());
    let parameters = Parameters::new()
        .with(profile.to_owned())
        .with(token.to_owned())
        .with(end.sweep_id.to_string())
        .with(end.ending.word().to_owned())
        .with(end.duration_micros)
        .with(protected)
        .with(signed(end.set_aside))
        .with(end.oldest_overdue_micros)
        .with(end.remaining_due)
        .with(end.error.clone());
    link.begin(Transaction::Lease);
    let outcome = match link.execute("close", CLOSE, parameters).await {
        // The answer to an earlier close was lost: it was done all the same.
        Ok(0) => {
            let sweep = Parameters::new().with(end.sweep_id.to_string());
            link.rows("closed", CLOSED, sweep).await.map(|rows| rows.len())
        }
        other => other.map(|_| 1),
    };
    match link.end(outcome).await? {
        0 => Err(ShopError::new(ShopErrorKind::Fenced, "another instance has taken over the sweep of this shop")),
        _ => Ok(()),
    }
}

/// What is told of a sweep `s`, of which identity, profile, holder and beginning are there.
pub(super) const SWEEP_COLUMNS: &str =
    "SELECT s.sweep_id::text, s.profile, s.holder, (extract(epoch FROM s.started_at) * 1000000)::bigint,
       (extract(epoch FROM e.finished_at) * 1000000)::bigint, e.ending, e.duration_us, coalesce(e.protected, '{}'),
       coalesce(e.set_aside, 0), coalesce(e.oldest_overdue_us, 0), coalesce(e.remaining_due, false), e.error,
       b.batches, b.reservations, b.units, b.stock_rows, b.orders_cancelled, b.drift";

/// Its end and the sums over its batches, the newest sweep first.
pub(super) const SWEEP_SUMS: &str = "LEFT JOIN unreserve.sweep_end AS e ON e.sweep_id = s.sweep_id
CROSS JOIN LATERAL (
    SELECT count(*) AS batches, coalesce(sum(b.reservations), 0)::bigint AS reservations, coalesce(sum(b.units), 0)::bigint AS units,
           coalesce(sum(b.stock_rows), 0)::bigint AS stock_rows, coalesce(sum(b.orders_cancelled), 0)::bigint AS orders_cancelled,
           coalesce(sum(b.drift), 0)::bigint AS drift
    FROM unreserve.batch AS b WHERE b.sweep_id = s.sweep_id) AS b
ORDER BY s.started_at DESC, s.sweep_id DESC";

/// `$1` how many.
const NEWEST: &str =
    "(SELECT * FROM unreserve.sweep AS x ORDER BY x.started_at DESC, x.sweep_id DESC LIMIT $1::bigint)";

/// `$1` how many, `$2` and `$3` the first and the last identity: so the key's index finds those that begin alike.
const ALIKE: &str = "(SELECT * FROM unreserve.sweep AS x WHERE x.sweep_id BETWEEN $2::text::uuid AND $3::text::uuid
      ORDER BY x.started_at DESC, x.sweep_id DESC LIMIT $1::bigint)";

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
    let rows = read_ledger(link, "history", &sql, parameters).await?;
    rows.iter().map(records::sweep).collect()
}

pub(super) const ENTRY_COLUMNS: &str = "SELECT e.kind, e.order_key, e.order_number, e.reservation_key, e.stock, e.quantity, e.drift,
       (extract(epoch FROM e.expires_at) * 1000000)::bigint, (extract(epoch FROM e.at) * 1000000)::bigint, e.overdue_us / 1000000";

/// The entries of one sweep, in the order they were written.
pub(super) async fn entries(link: &mut Link, sweep_id: SweepId, limit: u32) -> Result<Vec<EntryRecord>, ShopError> {
    let sql = format!(
        "/* unreserve entries */ {ENTRY_COLUMNS} FROM unreserve.entry AS e JOIN unreserve.batch AS b ON b.batch_id = e.batch_id
         WHERE b.sweep_id = $1::text::uuid ORDER BY b.at, b.batch_id, e.line LIMIT $2::bigint"
    );
    let parameters = Parameters::new().with(sweep_id.to_string()).with(i64::from(limit));
    read_ledger(link, "entries", &sql, parameters).await?.iter().map(records::entry).collect()
}

/// The entries of one order, newest first; inside a transaction that is open already.
pub(super) async fn entries_of_order(link: &mut Link, order: &Key) -> Result<Vec<EntryRecord>, ShopError> {
    let sql = format!(
        "/* unreserve order_entries */ {ENTRY_COLUMNS} FROM unreserve.entry AS e WHERE e.order_key = $1::text ORDER BY e.at DESC, e.batch_id DESC, e.line DESC LIMIT 50"
    );
    let parameters = Parameters::new().with(order.to_string());
    link.rows("order_entries", &sql, parameters).await?.iter().map(records::entry).collect()
}

/// `$1` profile or NULL for all, `$2` order or NULL for all, `$3` limit.
const ASIDE: &str = "/* unreserve orders_set_aside */
SELECT order_key, order_number, reason, attempts, (extract(epoch FROM since) * 1000000)::bigint, (extract(epoch FROM retry_at) * 1000000)::bigint
FROM unreserve.set_aside
WHERE retry_at > now() AND ($1::text IS NULL OR profile = $1::text) AND ($2::text IS NULL OR order_key = $2::text)
ORDER BY since, order_key LIMIT $3::bigint";

/// The orders that are set aside now.
pub(super) async fn orders_set_aside(
    link: &mut Link,
    profile: Option<&str>,
    limit: u32,
) -> Result<Vec<SetAsideRecord>, ShopError> {
    let parameters = Parameters::new().with(profile.map(str::to_owned)).with(None::<String>).with(i64::from(limit));
    read_ledger(link, "orders_set_aside", ASIDE, parameters).await?.iter().map(records::aside).collect()
}

/// Whether one order is set aside; inside a transaction that is open already.
pub(super) async fn order_set_aside(
    link: &mut Link,
    profile: &str,
    order: &Key,
) -> Result<Option<SetAsideRecord>, ShopError> {
    let parameters = Parameters::new().with(Some(profile.to_owned())).with(Some(order.to_string())).with(1_i64);
    let rows = link.rows("orders_set_aside", ASIDE, parameters).await?;
    rows.first().map(records::aside).transpose()
}

/// Runs one reading statement in a transaction of its own.
async fn read_ledger(
    link: &mut Link,
    name: &'static str,
    sql: &str,
    parameters: Parameters,
) -> Result<Vec<PgRow>, ShopError> {
    let calls = vec![Call::once(name, sql, parameters)?];
    Ok(link.transact(Transaction::Read, calls).await?.pop().unwrap_or_default().rows)
}

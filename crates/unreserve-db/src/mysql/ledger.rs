//! Our own tables: the lease, the ledger, and the orders that are set aside.

use jiff::Timestamp;
use serde_json::Value as Json;
use sqlx::mysql::MySqlRow;
use unreserve_engine::ledger::{
    BatchRecord, Entry, EntryRecord, HistoryQuery, SetAside, SetAsideRecord, SweepEnd, SweepRecord,
};
use unreserve_engine::model::{BatchId, Key, Mutant, SweepId, planted};
use unreserve_engine::shop::{InstallState, ShopError, ShopErrorKind};

use super::connect::Link;
use super::values::{Parameters, only_row, read, read_count, read_own_instant, signed};
use crate::records;

/// The version of our tables that this program writes.
const VERSION: u32 = 1;

/// Creates our tables.
pub(super) const INSTALL: &str = include_str!("ledger.sql");

/// An order that was set aside is tried again after so long.
const ASIDE_MICROS: i64 = 3_600_000_000;

/// A longer text would not fit its column.
const LETTERS_MAX: usize = 10_000;

/// Where a batch belongs.
pub(super) struct BatchPlace<'a> {
    pub(super) profile: &'a str,
    pub(super) sweep_id: SweepId,
    pub(super) epoch: i64,
    pub(super) cutoff: Timestamp,
}

/// The database's now.
pub(super) async fn now(link: &mut Link) -> Result<Timestamp, ShopError> {
    const SQL: &str = "/* unreserve now */ SELECT TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6))";
    read_own_instant(&only_row(link.rows("now", SQL, Parameters::new().plain()?).await?, "now")?, 0, "now")
}

/// Which version of our tables is there.
pub(super) async fn state(link: &mut Link) -> Result<InstallState, ShopError> {
    const THERE: &str = "/* unreserve state */ SELECT COUNT(*) FROM information_schema.tables
        WHERE table_schema = DATABASE() AND table_name = 'unreserve_meta'";
    const FOUND: &str = "/* unreserve version */ SELECT CAST(COALESCE(MAX(version), 0) AS SIGNED) FROM unreserve_meta";
    let there = only_row(link.rows("state", THERE, Parameters::new().plain()?).await?, "state")?;
    if read_count(&there, 0, "state")? == 0 {
        return Ok(InstallState::Absent);
    }
    let found = only_row(link.rows("version", FOUND, Parameters::new().plain()?).await?, "version")?;
    let version = u32::try_from(read_count(&found, 0, "version")?).unwrap_or(u32::MAX);
    Ok(match version.cmp(&VERSION) {
        // The version is written last: an install that was cut off would go on from here.
        std::cmp::Ordering::Less if version == 0 => InstallState::Absent,
        std::cmp::Ordering::Less => InstallState::Old(version),
        std::cmp::Ordering::Equal => InstallState::Current,
        std::cmp::Ordering::Greater => InstallState::Newer(version),
    })
}

/// Creates our tables. There is no transaction round statements that create tables here: each may be repeated, and the last
/// one says that all were done.
pub(super) async fn install(link: &mut Link) -> Result<InstallState, ShopError> {
    if let InstallState::Newer(version) = state(link).await? {
        let message = format!("the ledger's tables are of version {version}, which is newer than this program knows");
        return Err(ShopError::new(ShopErrorKind::SchemaChanged, message).hint("use the newer unreserve"));
    }
    link.begin_write().await?;
    let outcome = link.simple("install", INSTALL.to_owned()).await;
    link.end(outcome).await?;
    state(link).await
}

pub(super) fn fenced() -> ShopError {
    ShopError::new(ShopErrorKind::Fenced, "another instance has taken over the sweep of this shop")
}

/// Locks the lease row, if it is still ours, so that whoever takes over waits until this transaction has ended. Gives the
/// epoch and the database's now.
pub(super) async fn fence(link: &mut Link, profile: &str, token: &str) -> Result<(i64, Timestamp), ShopError> {
    const HEARD: &str = "/* unreserve fence */
UPDATE unreserve_lease SET heard_at = TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)), connection_id = CONNECTION_ID()
WHERE profile = ? AND token = ?";
    const EPOCH: &str = "/* unreserve epoch */
SELECT epoch, TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) FROM unreserve_lease WHERE profile = ?";
    let parameters = Parameters::new().text(profile).text(token).plain()?;
    let heard = if planted(Mutant::SessionLock) { HEARD.replace("token =", "'' <>") } else { HEARD.to_owned() };
    if link.execute("fence", &heard, parameters).await? == 0 {
        return Err(fenced().during("fence"));
    }
    let row = only_row(link.rows("epoch", EPOCH, Parameters::new().text(profile).plain()?).await?, "epoch")?;
    let now = planted_now().map_or_else(|| read_own_instant(&row, 1, "epoch"), Ok)?;
    Ok((read(&row, 0, "epoch")?, now))
}

/// The process's own now, where that fault is planted.
fn planted_now() -> Option<Timestamp> {
    if !planted(Mutant::ProcessClock) {
        return None;
    }
    let (seconds, _) = uuid::Uuid::now_v7().get_timestamp()?.to_unix();
    Timestamp::from_second(i64::try_from(seconds).ok()?).ok()
}

/// Appends a batch and its entries, and takes its orders from those that are set aside.
pub(super) async fn append(
    link: &mut Link,
    place: BatchPlace<'_>,
    record: &BatchRecord,
    entries: &[Entry],
) -> Result<(), ShopError> {
    const BATCH: &str = "/* unreserve append_batch */
INSERT INTO unreserve_batch (batch_id, sweep_id, epoch, at, reservations, units, stock_rows, orders_cancelled, drift)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
    const ENTRIES: &str = "/* unreserve append_ledger */
INSERT INTO unreserve_entry (batch_id, line, kind, order_key, order_number, reservation_key, stock, quantity, drift, expires_at, at, overdue_us)
SELECT ?, t.line, t.kind, t.order_key, t.order_number, t.reservation_key, t.stock, t.quantity, t.drift, t.expires_at, ?, t.overdue_us
FROM JSON_TABLE(?, '$[*]' COLUMNS (line FOR ORDINALITY, kind varchar(10) PATH '$[0]', order_key varchar(1024) PATH '$[1]',
    order_number text PATH '$[2]', reservation_key text PATH '$[3]', stock text PATH '$[4]', quantity bigint PATH '$[5]',
    drift bigint PATH '$[6]', expires_at bigint PATH '$[7]', overdue_us bigint PATH '$[8]')) AS t";
    const SETTLED: &str = "/* unreserve settled */
DELETE a FROM JSON_TABLE(?, '$[*]' COLUMNS (order_key varchar(1024) character set utf8mb4 collate utf8mb4_bin PATH '$[1]')) AS t
STRAIGHT_JOIN unreserve_set_aside AS a FORCE INDEX (PRIMARY) ON a.profile = ? AND a.order_key = t.order_key";
    let at = place.cutoff.as_microsecond();
    let parameters = Parameters::new()
        .text(record.batch_id.to_string())
        .text(place.sweep_id.to_string())
        .integer(place.epoch)
        .integer(at)
        .integer(signed(record.reservations))
        .integer(record.units)
        .integer(signed(record.stock_rows))
        .integer(signed(record.orders_cancelled))
        .integer(record.drift);
    link.execute("append_batch", BATCH, parameters.plain()?).await?;
    let rows: Vec<Vec<Json>> = entries.iter().map(json_entry).collect();
    let parameters = Parameters::new().text(record.batch_id.to_string()).integer(at).json(&rows);
    let written = link.execute("append_ledger", ENTRIES, parameters.plain()?).await?;
    if usize::try_from(written).is_ok_and(|written| written != entries.len()) {
        let message = format!("{written} of {} ledger entries were written", entries.len());
        return Err(ShopError::new(ShopErrorKind::Invariant, message).during("append_ledger"));
    }
    let parameters = Parameters::new().json(&rows).text(place.profile);
    link.execute("settled", SETTLED, parameters.plain()?).await.map(|_| ())
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
        Json::from(entry.expires_at.map(Timestamp::as_microsecond)),
        Json::from(entry.overdue_micros),
    ]
}

/// The committed batch of that identity.
pub(super) async fn find_batch(link: &mut Link, batch_id: BatchId) -> Result<Option<BatchRecord>, ShopError> {
    const SQL: &str = "/* unreserve find_batch */
SELECT reservations, units, stock_rows, orders_cancelled, drift FROM unreserve_batch WHERE batch_id = ?";
    let parameters = Parameters::new().text(batch_id.to_string());
    let rows = read_ledger(link, "find_batch", SQL, &parameters).await?;
    rows.first().map(|row| records::batch(row, batch_id)).transpose()
}

/// Keeps an order out of the way for an hour, if the lease is still ours.
pub(super) async fn set_aside(link: &mut Link, profile: &str, token: &str, aside: &SetAside) -> Result<(), ShopError> {
    link.begin_write().await?;
    let outcome = try_set_aside(link, profile, token, aside).await;
    link.end(outcome).await
}

async fn try_set_aside(link: &mut Link, profile: &str, token: &str, aside: &SetAside) -> Result<(), ShopError> {
    const SQL: &str = "/* unreserve set_aside */
INSERT INTO unreserve_set_aside (profile, order_key, order_number, reason, attempts, since, retry_at)
VALUES (?, ?, ?, ?, 1, ?, ?)
ON DUPLICATE KEY UPDATE order_number = COALESCE(VALUES(order_number), order_number), reason = VALUES(reason),
    attempts = attempts + 1, retry_at = VALUES(retry_at)";
    let (_, now) = fence(link, profile, token).await?;
    let now = now.as_microsecond();
    let parameters = Parameters::new()
        .text(profile)
        .text(aside.order.to_string())
        .maybe(aside.number.clone())
        .text(aside.reason.chars().take(LETTERS_MAX).collect::<String>())
        .integer(now)
        .integer(now.saturating_add(ASIDE_MICROS));
    link.execute("set_aside", SQL, parameters.plain()?).await.map(|_| ())
}

/// Closes the books of a sweep, and frees the lease.
pub(super) async fn close(link: &mut Link, profile: &str, token: &str, end: &SweepEnd) -> Result<(), ShopError> {
    link.begin_write().await?;
    let outcome = try_close(link, profile, token, end).await;
    link.end(outcome).await
}

async fn try_close(link: &mut Link, profile: &str, token: &str, end: &SweepEnd) -> Result<(), ShopError> {
    const CLOSED: &str = "/* unreserve closed */ SELECT 1 FROM unreserve_sweep_end WHERE sweep_id = ?";
    const END: &str = "/* unreserve close */
INSERT INTO unreserve_sweep_end (sweep_id, ending, finished_at, duration_us, protected, set_aside, oldest_overdue_us, remaining_due, error)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
    const FREE: &str =
        "/* unreserve free_lease */ UPDATE unreserve_lease SET token = NULL WHERE profile = ? AND token = ?";
    let sweep = Parameters::new().text(end.sweep_id.to_string());
    if !link.rows("closed", CLOSED, sweep.plain()?).await?.is_empty() {
        // The answer to an earlier close was lost: it was done all the same.
        return Ok(());
    }
    let (_, now) = fence(link, profile, token).await.map_err(|error| error.during("close"))?;
    link.execute("free_lease", FREE, Parameters::new().text(profile).text(token).plain()?).await?;
    let parameters = sweep
        .text(end.ending.word())
        .integer(now.as_microsecond())
        .integer(end.duration_micros)
        .text(serde_json::to_string(&end.protected).unwrap_or_else(|_| "{}".to_owned()))
        .integer(signed(end.set_aside))
        .integer(end.oldest_overdue_micros)
        .integer(i64::from(end.remaining_due))
        .maybe(end.error.as_ref().map(|error| error.chars().take(LETTERS_MAX).collect()));
    link.execute("close", END, parameters.plain()?).await.map(|_| ())
}

/// What is told of a sweep `s`, of which identity, profile, holder and beginning are there.
pub(super) const SWEEP_COLUMNS: &str =
    "SELECT s.sweep_id, s.profile, s.holder, s.started_at, MAX(e.finished_at), MAX(e.ending), MAX(e.duration_us), MAX(e.protected),
       MAX(e.set_aside), MAX(e.oldest_overdue_us), CAST(MAX(e.remaining_due) AS SIGNED), MAX(e.error), COUNT(b.batch_id),
       CAST(SUM(b.reservations) AS SIGNED), CAST(SUM(b.units) AS SIGNED), CAST(SUM(b.stock_rows) AS SIGNED),
       CAST(SUM(b.orders_cancelled) AS SIGNED), CAST(SUM(b.drift) AS SIGNED)";

/// How many.
const NEWEST: &str = "(SELECT x.sweep_id, x.profile, x.holder, x.started_at FROM unreserve_sweep AS x
      ORDER BY x.started_at DESC, x.sweep_id DESC LIMIT ?)";

/// The first and the last identity, so that the key's index finds those that begin alike; how many.
const ALIKE: &str = "(SELECT x.sweep_id, x.profile, x.holder, x.started_at FROM unreserve_sweep AS x
      WHERE x.sweep_id BETWEEN ? AND ? ORDER BY x.started_at DESC, x.sweep_id DESC LIMIT ?)";

/// Its end and the sums over its batches, the newest sweep first.
pub(super) const SWEEP_SUMS: &str = "LEFT JOIN unreserve_sweep_end AS e ON e.sweep_id = s.sweep_id
LEFT JOIN unreserve_batch AS b ON b.sweep_id = s.sweep_id
GROUP BY s.sweep_id, s.profile, s.holder, s.started_at ORDER BY s.started_at DESC, s.sweep_id DESC";

/// Sweeps with the sums over their batches.
pub(super) async fn history(link: &mut Link, query: &HistoryQuery) -> Result<Vec<SweepRecord>, ShopError> {
    let (which, parameters) = match query {
        HistoryQuery::Latest { limit } => (NEWEST, Parameters::new().integer(i64::from(*limit))),
        HistoryQuery::Sweep { id } => {
            let Some((first, last)) = SweepId::between(id) else { return Ok(Vec::new()) };
            (ALIKE, Parameters::new().text(first.to_string()).text(last.to_string()).integer(2))
        }
    };
    let sql = format!("/* unreserve history */ {SWEEP_COLUMNS} FROM {which} AS s {SWEEP_SUMS}");
    let rows = read_ledger(link, "history", &sql, &parameters).await?;
    rows.iter().map(records::sweep).collect()
}

pub(super) const ENTRY_COLUMNS: &str =
    "SELECT e.kind, e.order_key, e.order_number, e.reservation_key, e.stock, e.quantity, e.drift,
       e.expires_at, e.at, e.overdue_us DIV 1000000";

/// The entries of one sweep, in the order they were written.
pub(super) async fn entries(link: &mut Link, sweep_id: SweepId, limit: u32) -> Result<Vec<EntryRecord>, ShopError> {
    let sql = format!(
        "/* unreserve entries */ {ENTRY_COLUMNS} FROM unreserve_entry AS e JOIN unreserve_batch AS b ON b.batch_id = e.batch_id
WHERE b.sweep_id = ? ORDER BY b.at, b.batch_id, e.line LIMIT ?"
    );
    let parameters = Parameters::new().text(sweep_id.to_string()).integer(i64::from(limit));
    read_ledger(link, "entries", &sql, &parameters).await?.iter().map(records::entry).collect()
}

/// The entries of one order under one profile, newest first; inside a transaction that is open already.
pub(super) async fn entries_of_order(
    link: &mut Link,
    profile: &str,
    order: &Key,
) -> Result<Vec<EntryRecord>, ShopError> {
    let sql = format!(
        "/* unreserve order_entries */ {ENTRY_COLUMNS} FROM unreserve_entry AS e JOIN unreserve_batch AS b ON b.batch_id = e.batch_id
JOIN unreserve_sweep AS s ON s.sweep_id = b.sweep_id
WHERE e.order_key = ? AND s.profile = ? ORDER BY e.at DESC, e.batch_id DESC, e.line DESC LIMIT 50"
    );
    let parameters = Parameters::new().text(order.to_string()).text(profile);
    link.rows("order_entries", &sql, parameters.plain()?).await?.iter().map(records::entry).collect()
}

/// How many orders of a profile are set aside now; inside a transaction that is open already.
pub(super) async fn count_set_aside(link: &mut Link, profile: &str, now: Timestamp) -> Result<u64, ShopError> {
    const NAME: &str = "count_set_aside";
    const SQL: &str =
        "/* unreserve count_set_aside */ SELECT COUNT(*) FROM unreserve_set_aside WHERE profile = ? AND retry_at > ?";
    let parameters = Parameters::new().text(profile).integer(now.as_microsecond()).plain()?;
    read_count(&only_row(link.rows(NAME, SQL, parameters).await?, NAME)?, 0, NAME)
}

/// Profile twice, or NULL for all; order twice, or NULL for all; limit.
const ASIDE: &str = "/* unreserve orders_set_aside */
SELECT order_key, order_number, reason, attempts, since, retry_at FROM unreserve_set_aside
WHERE retry_at > TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) AND (? IS NULL OR profile = ?) AND (? IS NULL OR order_key = ?)
ORDER BY since, order_key LIMIT ?";

/// The orders that are set aside now.
pub(super) async fn orders_set_aside(
    link: &mut Link,
    profile: Option<&str>,
    limit: u32,
) -> Result<Vec<SetAsideRecord>, ShopError> {
    let profile = profile.map(str::to_owned);
    let parameters =
        Parameters::new().maybe(profile.clone()).maybe(profile).maybe(None).maybe(None).integer(i64::from(limit));
    read_ledger(link, "orders_set_aside", ASIDE, &parameters).await?.iter().map(records::aside).collect()
}

/// Whether one order is set aside; inside a transaction that is open already.
pub(super) async fn order_set_aside(
    link: &mut Link,
    profile: &str,
    order: &Key,
) -> Result<Option<SetAsideRecord>, ShopError> {
    let order = order.to_string();
    let parameters = Parameters::new().text(profile).text(profile).text(order.clone()).text(order).integer(1);
    let rows = link.rows("orders_set_aside", ASIDE, parameters.plain()?).await?;
    rows.first().map(records::aside).transpose()
}

/// Runs one reading statement in a transaction of its own.
async fn read_ledger(
    link: &mut Link,
    name: &'static str,
    sql: &str,
    parameters: &Parameters,
) -> Result<Vec<MySqlRow>, ShopError> {
    let parameters = parameters.plain()?;
    link.begin_read().await?;
    let outcome = link.rows(name, sql, parameters).await;
    link.end(outcome).await
}

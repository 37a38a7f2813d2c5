//! How the sweeps go.

use unreserve_engine::shop::{AppendOnly, ShopError, Vitals, VitalsQuery};

use super::connect::Link;
use super::ledger;
use super::values::{Parameters, only_row, read, read_sum};
use crate::duty::row_name;
use crate::records;

/// Profile, how many.
const SWEEPS: &str = "/* unreserve recent_sweeps */
SELECT s.started_at, e.finished_at, e.ending, e.duration_us
FROM (SELECT sweep_id, started_at FROM unreserve_sweep WHERE profile = ? ORDER BY started_at DESC, sweep_id DESC LIMIT ?) AS s
LEFT JOIN unreserve_sweep_end AS e ON e.sweep_id = s.sweep_id ORDER BY s.started_at DESC, s.sweep_id DESC";

/// Profile, since when.
const DRIFT: &str = "/* unreserve drift */
SELECT CAST(COALESCE(SUM(b.drift), 0) AS SIGNED)
FROM (SELECT sweep_id FROM unreserve_sweep WHERE profile = ? AND started_at >= ? ORDER BY started_at DESC LIMIT 10000) AS s
JOIN unreserve_batch AS b ON b.sweep_id = s.sweep_id";

/// The row of who sweeps, the row of who watches. Only the connections of our own account on our own server are in sight.
const LEASES: &str = "/* unreserve leases */
SELECT l.profile, l.host, l.process_id, (TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) - l.heard_at) DIV 1000000,
       CASE WHEN l.account = CURRENT_USER() AND l.server = CONCAT(@@hostname, ':', @@port)
            THEN (SELECT COUNT(*) FROM information_schema.processlist AS p WHERE p.id = l.connection_id) END
FROM unreserve_lease AS l WHERE l.profile IN (?, ?) AND l.token IS NOT NULL";

/// How many batches. Their identities are in the order of time.
const BOOKS: &str = "/* unreserve books */
SELECT COUNT(*), CAST(COALESCE(SUM(t.orphan), 0) AS SIGNED), CAST(COALESCE(SUM(t.differs), 0) AS SIGNED)
FROM (SELECT s.sweep_id IS NULL AS orphan,
             NOT (b.reservations = COALESCE(SUM(e.kind = 'release'), 0) AND b.units = COALESCE(SUM(e.quantity), 0)
                  AND b.orders_cancelled = COALESCE(SUM(e.kind = 'cancel'), 0) AND b.drift = COALESCE(SUM(e.drift), 0)) AS differs
      FROM (SELECT * FROM unreserve_batch ORDER BY batch_id DESC LIMIT ?) AS b
      LEFT JOIN unreserve_sweep AS s ON s.sweep_id = b.sweep_id
      LEFT JOIN unreserve_entry AS e ON e.batch_id = b.batch_id
      GROUP BY b.batch_id, b.reservations, b.units, b.orders_cancelled, b.drift, s.sweep_id) AS t";

/// Everything this account was granted itself, as far as it matters here; what comes by a role is not listed.
const RIGHTS: &str = "/* unreserve ledger_rights */
SELECT r.what, r.privilege FROM (
    SELECT 'all' AS what, privilege_type AS privilege, grantee FROM information_schema.user_privileges
    UNION ALL SELECT 'all', privilege_type, grantee FROM information_schema.schema_privileges WHERE DATABASE() LIKE table_schema
    UNION ALL SELECT table_name, privilege_type, grantee FROM information_schema.table_privileges
        WHERE table_schema = DATABASE() AND table_name IN ('unreserve_sweep', 'unreserve_sweep_end', 'unreserve_batch', 'unreserve_entry')) AS r
WHERE r.grantee = CONCAT('''', REPLACE(CURRENT_USER(), '@', '''@'''), '''') AND r.privilege IN ('UPDATE', 'DELETE', 'DROP', 'ALTER')
LIMIT 1000";

/// How the sweeps of a profile go.
pub(super) async fn vitals(link: &mut Link, query: &VitalsQuery) -> Result<Vitals, ShopError> {
    link.begin_read().await?;
    let outcome = read_vitals(link, query).await;
    link.end(outcome).await
}

async fn read_vitals(link: &mut Link, query: &VitalsQuery) -> Result<Vitals, ShopError> {
    let VitalsQuery { profile, days, sweeps_max, batches_max } = query;
    let now = ledger::now(link).await?;
    let of_profile = || Parameters::new().text(profile.clone());
    let sweeps = of_profile().integer(i64::from(*sweeps_max)).plain()?;
    let sweeps = link.rows("recent_sweeps", SWEEPS, sweeps).await?;
    let since = now.as_microsecond().saturating_sub(i64::from(*days).saturating_mul(86_400_000_000));
    let drift = only_row(link.rows("drift", DRIFT, of_profile().integer(since).plain()?).await?, "drift")?;
    let (mut lease, mut duty) = (None, None);
    for row in link.rows("leases", LEASES, of_profile().text(row_name(profile)).plain()?).await? {
        let (name, seen) = records::lease_seen(&row)?;
        *(if name == *profile { &mut lease } else { &mut duty }) = Some(seen);
    }
    let batches = Parameters::new().integer(i64::from(*batches_max)).plain()?;
    let books = only_row(link.rows("books", BOOKS, batches).await?, "books")?;
    Ok(Vitals {
        now,
        sweeps: sweeps.iter().map(records::sweep_seen).collect::<Result<_, _>>()?,
        drift_units: read_sum(&drift, 0, "drift")?,
        set_aside: ledger::count_set_aside(link, profile, now).await?,
        lease,
        duty,
        books: records::books(&books)?,
        append_only: append_only(link).await?,
    })
}

async fn append_only(link: &mut Link) -> Result<AppendOnly, ShopError> {
    const NAME: &str = "ledger_rights";
    let mut open = Vec::new();
    for row in link.rows(NAME, RIGHTS, Parameters::new().plain()?).await? {
        let (what, privilege): (String, String) = (read(&row, 0, NAME)?, read(&row, 1, NAME)?);
        if matches!(privilege.as_str(), "DROP" | "ALTER") {
            return Ok(AppendOnly::Owned);
        }
        let what = if what == "all" { "every table".to_owned() } else { format!("`{what}`") };
        open.push(format!("{privilege} on {what}"));
    }
    Ok(match open.as_slice() {
        [] => AppendOnly::Kept,
        rights => AppendOnly::Open(format!("the account has {}", rights.join(", "))),
    })
}

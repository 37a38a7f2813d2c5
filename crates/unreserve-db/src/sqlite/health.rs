//! How the sweeps go.

use unreserve_engine::shop::{AppendOnly, ShopError, Vitals, VitalsQuery};

use super::connect::Link;
use super::ledger;
use super::to_instant;
use super::values::{Parameters, only_row, read, read_sum};
use crate::records;

/// `?1` profile, `?2` how many.
const SWEEPS: &str = "/* unreserve recent_sweeps */
SELECT s.started_at, e.finished_at, e.ending, e.duration_us
FROM (SELECT sweep_id, started_at FROM unreserve_sweep WHERE profile = ?1 ORDER BY started_at DESC, sweep_id DESC LIMIT ?2) AS s
LEFT JOIN unreserve_sweep_end AS e ON e.sweep_id = s.sweep_id ORDER BY s.started_at DESC, s.sweep_id DESC";

/// `?1` profile, `?2` since when.
const DRIFT: &str = "/* unreserve drift */
SELECT sum(b.drift) FROM (SELECT sweep_id FROM unreserve_sweep WHERE profile = ?1 AND started_at >= ?2
                          ORDER BY started_at DESC LIMIT 10000) AS s
JOIN unreserve_batch AS b ON b.sweep_id = s.sweep_id";

/// `?1` profile, `?2` now. There are no connections to ask for.
const LEASE: &str = "/* unreserve leases */
SELECT profile, host, process_id, (?2 - heard_at) / 1000, NULL FROM unreserve_lease WHERE profile = ?1 AND token IS NOT NULL";

/// `?1` how many batches. Their identities are in the order of time.
const BOOKS: &str = "/* unreserve books */
SELECT count(*), sum(t.orphan), sum(t.differs)
FROM (SELECT s.sweep_id IS NULL AS orphan,
             (b.reservations, b.units, b.orders_cancelled, b.drift) IS NOT (count(*) FILTER (WHERE e.kind = 'release'),
              coalesce(sum(e.quantity), 0), count(*) FILTER (WHERE e.kind = 'cancel'), coalesce(sum(e.drift), 0)) AS differs
      FROM (SELECT * FROM unreserve_batch ORDER BY batch_id DESC LIMIT ?1) AS b
      LEFT JOIN unreserve_sweep AS s ON s.sweep_id = b.sweep_id
      LEFT JOIN unreserve_entry AS e ON e.batch_id = b.batch_id
      GROUP BY b.batch_id) AS t";

const TRIGGERS: &str = "/* unreserve ledger_triggers */
SELECT name FROM sqlite_schema WHERE type = 'trigger' AND name LIKE 'unreserve\\_%' ESCAPE '\\'";

/// What keeps the ledger from being changed.
const KEEPERS: [&str; 8] = [
    "unreserve_entry_stays",
    "unreserve_entry_kept",
    "unreserve_batch_stays",
    "unreserve_batch_kept",
    "unreserve_sweep_stays",
    "unreserve_sweep_kept",
    "unreserve_sweep_end_stays",
    "unreserve_sweep_end_kept",
];

/// How the sweeps of a profile go.
pub(super) async fn vitals(link: &mut Link, query: &VitalsQuery) -> Result<Vitals, ShopError> {
    link.begin_read().await?;
    let outcome = read_vitals(link, query).await;
    link.end(outcome).await
}

async fn read_vitals(link: &mut Link, query: &VitalsQuery) -> Result<Vitals, ShopError> {
    let VitalsQuery { profile, days, sweeps_max, batches_max } = query;
    let now_ms = ledger::now(link).await?;
    let of_profile = || Parameters::new().with(profile.clone());
    let sweeps = of_profile().with(i64::from(*sweeps_max)).plain()?;
    let sweeps = link.rows("recent_sweeps", SWEEPS, sweeps).await?;
    let since = now_ms.saturating_sub(i64::from(*days).saturating_mul(86_400_000));
    let drift = only_row(link.rows("drift", DRIFT, of_profile().with(since).plain()?).await?, "drift")?;
    let lease = link.rows("leases", LEASE, of_profile().with(now_ms).plain()?).await?;
    let lease = lease.first().map(records::lease_seen).transpose()?;
    let batches = Parameters::new().with(i64::from(*batches_max)).plain()?;
    let books = only_row(link.rows("books", BOOKS, batches).await?, "books")?;
    let mut there: Vec<String> = Vec::new();
    for row in link.rows("ledger_triggers", TRIGGERS, Parameters::new().plain()?).await? {
        there.push(read(&row, 0, "ledger_triggers")?);
    }
    let missing: Vec<&str> = KEEPERS.into_iter().filter(|keeper| !there.iter().any(|name| name == keeper)).collect();
    Ok(Vitals {
        now: to_instant(now_ms)?,
        sweeps: sweeps.iter().map(records::sweep_seen).collect::<Result<_, _>>()?,
        drift_units: read_sum(&drift, 0, "drift")?,
        set_aside: ledger::count_set_aside(link, profile, now_ms).await?,
        lease: lease.map(|(_, seen)| seen),
        duty: None,
        books: records::books(&books)?,
        append_only: match missing.as_slice() {
            [] => AppendOnly::Kept,
            missing => AppendOnly::Open(format!("triggers are missing: {}", missing.join(", "))),
        },
    })
}

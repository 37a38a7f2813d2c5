//! Sums over some days of the ledger.

use std::collections::BTreeMap;

use unreserve_engine::ledger::{Tally, TallyQuery};
use unreserve_engine::shop::ShopError;

use super::connect::Link;
use super::ledger;
use super::to_instant;
use super::values::Parameters;
use crate::records;

/// `?1` profile, `?2` and `?3` the span, in milliseconds since 1970.
pub(super) const SWEEPS: &str = "/* unreserve tally_sweeps */
SELECT s.started_at / 86400000, count(*), count(*) FILTER (WHERE e.ending IN ('done', 'problems'))
FROM unreserve_sweep AS s LEFT JOIN unreserve_sweep_end AS e ON e.sweep_id = s.sweep_id
WHERE s.profile = ?1 AND s.started_at >= ?2 AND s.started_at < ?3 GROUP BY 1";

/// The batches of the span. A sweep may begin the day before.
pub(super) const BATCHES: &str =
    "unreserve_sweep AS s JOIN unreserve_batch AS b ON b.sweep_id = s.sweep_id AND s.profile = ?1
    AND s.started_at >= ?2 - 86400000 AND s.started_at < ?3 AND b.committed_at >= ?2 AND b.committed_at < ?3";

/// No sum is told beyond this: it would not fit.
pub(super) const MOST: i64 = 9_000_000_000_000_000_000;

const RELEASES: &str = "JOIN unreserve_entry AS e ON e.batch_id = b.batch_id AND e.kind = 'release'";

/// The sums over the batches of each day, of the profile and the span.
pub(super) fn batches_by_day() -> String {
    format!(
        "/* unreserve tally_batches */
SELECT b.committed_at / 86400000, sum(b.reservations), sum(b.units), sum(b.orders_cancelled), sum(b.drift) FROM {BATCHES} GROUP BY 1"
    )
}

/// Sums over some days of the ledger.
pub(super) async fn tally(link: &mut Link, query: &TallyQuery) -> Result<Tally, ShopError> {
    link.begin_read().await?;
    let outcome = read(link, query).await;
    link.end(outcome).await
}

async fn read(link: &mut Link, query: &TallyQuery) -> Result<Tally, ShopError> {
    let now_ms = ledger::now(link).await?;
    let (from, to) = (query.from.as_millisecond(), query.to.as_millisecond());
    let span = || Parameters::new().with(query.profile.clone()).with(from).with(to);
    let mut days = BTreeMap::new();
    for row in link.rows("tally_sweeps", SWEEPS, span().plain()?).await? {
        records::tally_sweeps(&mut days, &row)?;
    }
    link.let_others_commit().await?;
    for row in link.rows("tally_batches", &batches_by_day(), span().plain()?).await? {
        records::tally_batches(&mut days, &row)?;
    }
    let sql = format!(
        "/* unreserve tally_hours */
SELECT e.at / 86400000, CAST(min(total(e.quantity * max(e.overdue_us / 1000, 0)), {MOST}) AS INTEGER),
       CAST(min(total(e.quantity * max(?4 - e.at, 0)), {MOST}) AS INTEGER)
FROM {BATCHES} {RELEASES} GROUP BY 1"
    );
    link.let_others_commit().await?;
    for row in link.rows("tally_hours", &sql, span().with(to.min(now_ms)).plain()?).await? {
        records::tally_hours(&mut days, &row)?;
    }
    let sql = format!(
        "/* unreserve tally_lags */
SELECT CASE WHEN e.overdue_us < 10000000 THEN e.overdue_us / 1000 ELSE e.overdue_us / 1000000 * 1000 END, count(*)
FROM {BATCHES} {RELEASES} GROUP BY 1 ORDER BY 1"
    );
    link.let_others_commit().await?;
    let lags = link.rows("tally_lags", &sql, span().plain()?).await?;
    let sql = format!(
        "/* unreserve tally_stock */
SELECT e.stock, count(*), sum(e.quantity) FROM {BATCHES} {RELEASES} AND e.stock IS NOT NULL GROUP BY 1 ORDER BY 3 DESC, 1 LIMIT ?4"
    );
    link.let_others_commit().await?;
    let stock = link.rows("tally_stock", &sql, span().with(i64::from(query.stock_max)).plain()?).await?;
    Ok(Tally {
        now: to_instant(now_ms)?,
        days,
        lags: lags.iter().map(records::lag).collect::<Result<_, _>>()?,
        stock: stock.iter().map(records::stock_tally).collect::<Result<_, _>>()?,
    })
}

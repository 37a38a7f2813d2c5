//! Sums over some days of the ledger.

use std::collections::BTreeMap;

use unreserve_engine::ledger::{Tally, TallyQuery};
use unreserve_engine::shop::ShopError;

use super::connect::Link;
use super::ledger;
use super::values::Parameters;
use crate::records;

/// Profile, from, to.
pub(super) const SWEEPS: &str = "/* unreserve tally_sweeps */
SELECT s.started_at DIV 86400000000, COUNT(*), CAST(COALESCE(SUM(e.ending IN ('done', 'problems')), 0) AS SIGNED)
FROM unreserve_sweep AS s LEFT JOIN unreserve_sweep_end AS e ON e.sweep_id = s.sweep_id
WHERE s.profile = ? AND s.started_at >= ? AND s.started_at < ? GROUP BY 1";

/// Profile, from, to, from, to: the batches of the span. A sweep may begin the day before.
pub(super) const BATCHES: &str = "unreserve_sweep AS s JOIN unreserve_batch AS b ON b.sweep_id = s.sweep_id
    AND s.profile = ? AND s.started_at >= ? - 86400000000 AND s.started_at < ? AND b.at >= ? AND b.at < ?";

/// No sum is told beyond this: it would not fit.
pub(super) const MOST: i64 = 9_000_000_000_000_000_000;

const RELEASES: &str = "JOIN unreserve_entry AS e ON e.batch_id = b.batch_id AND e.kind = 'release'";

/// The sums over the batches of each day; given what [`BATCHES`] is given.
pub(super) fn batches_by_day() -> String {
    format!(
        "/* unreserve tally_batches */
SELECT b.at DIV 86400000000, CAST(SUM(b.reservations) AS SIGNED), CAST(SUM(b.units) AS SIGNED), CAST(SUM(b.orders_cancelled) AS SIGNED),
       CAST(SUM(b.drift) AS SIGNED)
FROM {BATCHES} GROUP BY 1"
    )
}

/// Sums over some days of the ledger.
pub(super) async fn tally(link: &mut Link, query: &TallyQuery) -> Result<Tally, ShopError> {
    link.begin_snapshot().await?;
    let outcome = read(link, query).await;
    link.end(outcome).await
}

async fn read(link: &mut Link, query: &TallyQuery) -> Result<Tally, ShopError> {
    let now = ledger::now(link).await?;
    let (from, to) = (query.from.as_microsecond(), query.to.as_microsecond());
    let of_profile = || Parameters::new().text(query.profile.clone()).integer(from).integer(to);
    let span = || of_profile().integer(from).integer(to);
    let mut days = BTreeMap::new();
    for row in link.rows("tally_sweeps", SWEEPS, of_profile().plain()?).await? {
        records::tally_sweeps(&mut days, &row)?;
    }
    for row in link.rows("tally_batches", &batches_by_day(), span().plain()?).await? {
        records::tally_batches(&mut days, &row)?;
    }
    let sql = format!(
        "/* unreserve tally_hours */
SELECT e.at DIV 86400000000, CAST(LEAST(SUM(CAST(e.quantity AS DECIMAL(30)) * GREATEST(e.overdue_us DIV 1000, 0)), {MOST}) AS SIGNED),
       CAST(LEAST(SUM(CAST(e.quantity AS DECIMAL(30)) * GREATEST(? - e.at DIV 1000, 0)), {MOST}) AS SIGNED)
FROM {BATCHES} {RELEASES} GROUP BY 1"
    );
    let end = to.min(now.as_microsecond()).checked_div(1_000).unwrap_or(0);
    let until = Parameters::new().integer(end).text(query.profile.clone()).integer(from).integer(to);
    for row in link.rows("tally_hours", &sql, until.integer(from).integer(to).plain()?).await? {
        records::tally_hours(&mut days, &row)?;
    }
    let sql = format!(
        "/* unreserve tally_lags */
SELECT CASE WHEN e.overdue_us < 10000000 THEN e.overdue_us DIV 1000 ELSE e.overdue_us DIV 1000000 * 1000 END AS lag, COUNT(*)
FROM {BATCHES} {RELEASES} GROUP BY 1 ORDER BY 1"
    );
    let lags = link.rows("tally_lags", &sql, span().plain()?).await?;
    let sql = format!(
        "/* unreserve tally_stock */
SELECT e.stock, COUNT(*), CAST(SUM(e.quantity) AS SIGNED)
FROM {BATCHES} {RELEASES} AND e.stock IS NOT NULL GROUP BY 1 ORDER BY 3 DESC, 1 LIMIT ?"
    );
    let stock = link.rows("tally_stock", &sql, span().integer(i64::from(query.stock_max)).plain()?).await?;
    Ok(Tally {
        now,
        days,
        lags: lags.iter().map(records::lag).collect::<Result<_, _>>()?,
        stock: stock.iter().map(records::stock_tally).collect::<Result<_, _>>()?,
    })
}

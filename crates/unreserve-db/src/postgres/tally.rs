//! Sums over some days of the ledger.

use std::collections::BTreeMap;

use unreserve_engine::ledger::{Tally, TallyQuery};
use unreserve_engine::shop::ShopError;

use super::connect::Link;
use super::message::{Call, Transaction};
use super::values::{Parameters, only_row, read_own_instant};
use crate::records;

pub(super) const NOW: &str =
    "/* unreserve tally_now */ SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";

/// `$1` profile, `$2` and `$3` the span, in microseconds since 1970.
pub(super) const SWEEPS: &str = "/* unreserve tally_sweeps */
SELECT floor(extract(epoch FROM s.started_at) / 86400)::bigint, count(*), count(*) FILTER (WHERE e.ending IN ('done', 'problems'))
FROM unreserve.sweep AS s LEFT JOIN unreserve.sweep_end AS e ON e.sweep_id = s.sweep_id
WHERE s.profile = $1::text AND s.started_at >= timestamptz 'epoch' + $2::bigint * interval '1 microsecond'
  AND s.started_at < timestamptz 'epoch' + $3::bigint * interval '1 microsecond'
GROUP BY 1";

/// The batches of the span. A sweep may begin the day before; the index is that of the sweeps' beginnings.
pub(super) const BATCHES: &str = "unreserve.sweep AS s JOIN unreserve.batch AS b ON b.sweep_id = s.sweep_id
     AND b.at >= timestamptz 'epoch' + $2::bigint * interval '1 microsecond' AND b.at < timestamptz 'epoch' + $3::bigint * interval '1 microsecond'";

/// That they are of the span and of the profile.
pub(super) const OF_SPAN: &str = "s.profile = $1::text AND s.started_at >= timestamptz 'epoch' + $2::bigint * interval '1 microsecond' - interval '1 day'
  AND s.started_at < timestamptz 'epoch' + $3::bigint * interval '1 microsecond'";

/// No sum is told beyond this: it would not fit.
pub(super) const MOST: i64 = 9_000_000_000_000_000_000;

const RELEASES: &str = "JOIN unreserve.entry AS e ON e.batch_id = b.batch_id AND e.kind = 'release'";

/// The sums over the batches of each day, of the profile and the span.
pub(super) fn batches_by_day() -> String {
    format!(
        "/* unreserve tally_batches */
SELECT floor(extract(epoch FROM b.at) / 86400)::bigint, sum(b.reservations)::bigint, sum(b.units)::bigint, sum(b.orders_cancelled)::bigint,
       sum(b.drift)::bigint
FROM {BATCHES} WHERE {OF_SPAN} GROUP BY 1"
    )
}

/// The statements over batches; `$4` is the most stock rows, or the end up to which what came back is counted.
fn statements() -> [(&'static str, String); 4] {
    [
        ("tally_batches", batches_by_day()),
        (
            "tally_hours",
            format!(
                "/* unreserve tally_hours */
SELECT floor(extract(epoch FROM e.at) / 86400)::bigint, least(sum(e.quantity::numeric * greatest(e.overdue_us / 1000, 0)), {MOST})::bigint,
       least(sum(e.quantity::numeric * greatest(least($3::bigint, (extract(epoch FROM now()) * 1000000)::bigint) / 1000
                                                - (extract(epoch FROM e.at) * 1000)::bigint, 0)), {MOST})::bigint
FROM {BATCHES} {RELEASES} WHERE {OF_SPAN} GROUP BY 1"
            ),
        ),
        (
            "tally_lags",
            format!(
                "/* unreserve tally_lags */
SELECT CASE WHEN e.overdue_us < 10000000 THEN e.overdue_us / 1000 ELSE e.overdue_us / 1000000 * 1000 END, count(*)
FROM {BATCHES} {RELEASES} WHERE {OF_SPAN} GROUP BY 1 ORDER BY 1"
            ),
        ),
        (
            "tally_stock",
            format!(
                "/* unreserve tally_stock */
SELECT e.stock, count(*), sum(e.quantity)::bigint
FROM {BATCHES} {RELEASES} AND e.stock IS NOT NULL WHERE {OF_SPAN} GROUP BY 1 ORDER BY 3 DESC, 1 LIMIT $4::bigint"
            ),
        ),
    ]
}

/// Sums over some days of the ledger.
pub(super) async fn tally(link: &mut Link, query: &TallyQuery) -> Result<Tally, ShopError> {
    let span = || {
        let (from, to) = (query.from.as_microsecond(), query.to.as_microsecond());
        Parameters::new().with(query.profile.clone()).with(from).with(to)
    };
    let statements = statements();
    let mut calls = vec![Call::once("tally_now", NOW, Parameters::new())?, Call::once("tally_sweeps", SWEEPS, span())?];
    for (name, sql) in &statements {
        let bounded = *name == "tally_stock";
        let parameters = if bounded { span().with(i64::from(query.stock_max)) } else { span() };
        calls.push(Call::once(name, sql, parameters)?);
    }
    let mut replies = link.transact(Transaction::Snapshot, calls).await?.into_iter();
    let mut next = || replies.next().unwrap_or_default().rows;
    let now = read_own_instant(&only_row(next(), "tally_now")?, 0, "tally_now")?;
    let mut days = BTreeMap::new();
    next().iter().try_for_each(|row| records::tally_sweeps(&mut days, row))?;
    next().iter().try_for_each(|row| records::tally_batches(&mut days, row))?;
    next().iter().try_for_each(|row| records::tally_hours(&mut days, row))?;
    let lags = next().iter().map(records::lag).collect::<Result<_, _>>()?;
    let stock = next().iter().map(records::stock_tally).collect::<Result<_, _>>()?;
    Ok(Tally { now, days, lags, stock })
}

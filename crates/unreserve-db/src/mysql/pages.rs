//! The ledger page after page, and what it has of late.

use std::collections::BTreeMap;

use unreserve_engine::ledger::{
    EntriesPage, EntriesQuery, Lately, LatelyQuery, SweepFilter, SweepsPage, SweepsQuery, days_back, page_of,
};
use unreserve_engine::shop::ShopError;

use super::connect::Link;
use super::ledger::{self, ENTRY_COLUMNS, SWEEP_COLUMNS, SWEEP_SUMS};
use super::tally::{SWEEPS, batches_by_day};
use super::values::Parameters;
use crate::records;

/// Profile; the instant to go on behind four times, in microseconds since 1970, or NULL; the identity; how many to look at.
const LOOKED: &str = "SELECT x.sweep_id, x.profile, x.holder, x.started_at FROM unreserve_sweep AS x
    WHERE x.profile = ? AND x.started_at <= COALESCE(?, 9223372036854775807)
      AND (? IS NULL OR x.started_at < ? OR x.sweep_id < ?)
    ORDER BY x.started_at DESC, x.sweep_id DESC LIMIT ?";

/// A page of the sweeps of one profile.
pub(super) async fn sweeps_page(link: &mut Link, query: &SweepsQuery) -> Result<SweepsPage, ShopError> {
    link.begin_read().await?;
    let outcome = read_sweeps(link, query).await;
    link.end(outcome).await
}

async fn read_sweeps(link: &mut Link, query: &SweepsQuery) -> Result<SweepsPage, ShopError> {
    // Besides what is looked at: an ending twice or NULL, whether only those without an end, whether only those with a
    // batch, how many.
    let sql = format!(
        "/* unreserve sweeps_page */
{SWEEP_COLUMNS} FROM (
    SELECT l.sweep_id, l.profile, l.holder, l.started_at FROM ({LOOKED}) AS l LEFT JOIN unreserve_sweep_end AS e ON e.sweep_id = l.sweep_id
    WHERE (? IS NULL OR e.ending = ?) AND (NOT ? OR e.sweep_id IS NULL)
      AND (NOT ? OR EXISTS (SELECT 1 FROM unreserve_batch AS b WHERE b.sweep_id = l.sweep_id))
    ORDER BY l.started_at DESC, l.sweep_id DESC LIMIT ?
) AS s {SWEEP_SUMS}"
    );
    let looked = || {
        let at = query.after.map(|place| place.started_at.as_microsecond());
        Parameters::new()
            .text(query.profile.clone())
            .maybe_integer(at)
            .maybe_integer(at)
            .maybe_integer(at)
            .maybe(query.after.map(|place| place.sweep_id.to_string()))
            .integer(i64::from(query.look()))
    };
    let ending = match query.filter {
        SweepFilter::Ended(ending) => Some(ending.word().to_owned()),
        _ => None,
    };
    let asked = looked()
        .maybe(ending.clone())
        .maybe(ending)
        .integer(i64::from(query.filter == SweepFilter::Unfinished))
        .integer(i64::from(query.filter == SweepFilter::Changed))
        .integer(i64::from(query.limit).saturating_add(1));
    let rows = link.rows("sweeps_page", &sql, asked.plain()?).await?;
    let found = rows.iter().map(records::placed_sweep).collect::<Result<_, _>>()?;
    let mut last = None;
    if query.filter != SweepFilter::All {
        let sql = format!(
            "/* unreserve sweeps_looked */ SELECT l.sweep_id, l.started_at FROM ({LOOKED}) AS l
ORDER BY l.started_at DESC, l.sweep_id DESC LIMIT 1 OFFSET ?"
        );
        let asked = looked().integer(i64::from(query.look()).saturating_sub(1).max(0));
        let rows = link.rows("sweeps_looked", &sql, asked.plain()?).await?;
        last = rows.first().map(records::sweep_place).transpose()?;
    }
    let (sweeps, next) = page_of(found, query.limit, last);
    Ok(SweepsPage { sweeps, next })
}

/// The sweep; the instant of the batch to go on behind three times, in microseconds since 1970, or NULL; the batch; how many to look
/// at; the instant three times again; the batch twice; the line; how many to look at. The batches come in their order, each with how
/// many entries those in front of it have (but for the first, of which the place to go on behind may have been the last), so that
/// no more of them are looked into than the page needs.
const ENTRIES_LOOKED: &str = "SELECT e.*, b.at AS batch_at FROM (
        SELECT y.batch_id, y.at FROM (
            SELECT x.batch_id, x.at, SUM(x.reservations + x.orders_cancelled) OVER in_order - (x.reservations + x.orders_cancelled)
                   - FIRST_VALUE(x.reservations + x.orders_cancelled) OVER in_order AS in_front
            FROM unreserve_batch AS x WHERE x.sweep_id = ? AND (? IS NULL OR x.at > ? OR (x.at = ? AND x.batch_id >= ?))
            WINDOW in_order AS (ORDER BY x.at, x.batch_id)
        ) AS y WHERE y.in_front < ?
    ) AS b STRAIGHT_JOIN unreserve_entry AS e ON e.batch_id = b.batch_id
    WHERE ? IS NULL OR b.at > ? OR (b.at = ? AND (b.batch_id > ? OR (b.batch_id = ? AND e.line > ?)))
    ORDER BY b.at, b.batch_id, e.line LIMIT ?";

/// A page of the entries of one sweep.
pub(super) async fn entries_page(link: &mut Link, query: &EntriesQuery) -> Result<EntriesPage, ShopError> {
    link.begin_read().await?;
    let outcome = read_entries(link, query).await;
    link.end(outcome).await
}

async fn read_entries(link: &mut Link, query: &EntriesQuery) -> Result<EntriesPage, ShopError> {
    // Besides what is looked at: a text in small letters five times or NULL, how many to tell.
    let sql = format!(
        "/* unreserve entries_page */ {ENTRY_COLUMNS}, e.batch_at, e.batch_id, CAST(e.line AS SIGNED) FROM ({ENTRIES_LOOKED}) AS e
WHERE ? IS NULL OR LOCATE(?, LOWER(e.order_key)) > 0 OR LOCATE(?, LOWER(e.order_number)) > 0
   OR LOCATE(?, LOWER(e.reservation_key)) > 0 OR LOCATE(?, LOWER(e.stock)) > 0
ORDER BY e.batch_at, e.batch_id, e.line LIMIT ?"
    );
    let looked = || {
        let at = query.after.map(|place| place.at.as_microsecond());
        let batch = query.after.map(|place| place.batch_id.to_string());
        Parameters::new()
            .text(query.sweep_id.to_string())
            .maybe_integer(at)
            .maybe_integer(at)
            .maybe_integer(at)
            .maybe(batch.clone())
            .integer(i64::from(query.look()))
            .maybe_integer(at)
            .maybe_integer(at)
            .maybe_integer(at)
            .maybe(batch.clone())
            .maybe(batch)
            .maybe_integer(query.after.map(|place| place.line))
            .integer(i64::from(query.look()))
    };
    let matching = query.matching.as_ref().map(|text| text.to_lowercase());
    let asked = (0..5).fold(looked(), |asked, _| asked.maybe(matching.clone()));
    let asked = asked.integer(i64::from(query.limit).saturating_add(1));
    let rows = link.rows("entries_page", &sql, asked.plain()?).await?;
    let found = rows.iter().map(records::placed_entry).collect::<Result<_, _>>()?;
    let mut last = None;
    if query.matching.is_some() {
        let sql = format!(
            "/* unreserve entries_looked */ SELECT e.batch_at, e.batch_id, CAST(e.line AS SIGNED) FROM ({ENTRIES_LOOKED}) AS e
ORDER BY e.batch_at, e.batch_id, e.line LIMIT 1 OFFSET ?"
        );
        let asked = looked().integer(i64::from(query.look()).saturating_sub(1).max(0));
        let rows = link.rows("entries_looked", &sql, asked.plain()?).await?;
        last = rows.first().map(|row| records::entry_place(row, 0)).transpose()?;
    }
    let (entries, next) = page_of(found, query.limit, last);
    Ok(EntriesPage { entries, next })
}

/// Profile, from when on in microseconds since 1970, how many. The newest sweeps first, so that an index ends the search.
const RELEASES: &str = "/* unreserve newest_releases */
SELECT e.at, e.stock, e.quantity, e.overdue_us
FROM unreserve_sweep AS s FORCE INDEX (unreserve_sweep_started_at)
STRAIGHT_JOIN unreserve_batch AS b ON b.sweep_id = s.sweep_id
STRAIGHT_JOIN unreserve_entry AS e ON e.batch_id = b.batch_id AND e.kind = 'release'
WHERE s.profile = ? AND s.started_at >= ? ORDER BY s.started_at DESC LIMIT ?";

/// What came back of late.
pub(super) async fn lately(link: &mut Link, query: &LatelyQuery) -> Result<Lately, ShopError> {
    link.begin_read().await?;
    let outcome = read_lately(link, query).await;
    link.end(outcome).await
}

async fn read_lately(link: &mut Link, query: &LatelyQuery) -> Result<Lately, ShopError> {
    let now = ledger::now(link).await?;
    let from = days_back(now, query.days).as_microsecond();
    // A sweep that begins in this moment belongs to it.
    let to = now.as_microsecond().saturating_add(86_400_000_000);
    let of_profile = || Parameters::new().text(query.profile.clone()).integer(from);
    let mut days = BTreeMap::new();
    for row in link.rows("tally_sweeps", SWEEPS, of_profile().integer(to).plain()?).await? {
        records::tally_sweeps(&mut days, &row)?;
    }
    let span = of_profile().integer(to).integer(from).integer(to);
    for row in link.rows("tally_batches", &batches_by_day(), span.plain()?).await? {
        records::tally_batches(&mut days, &row)?;
    }
    let releases_from = days_back(now, query.release_days).as_microsecond();
    let newest = Parameters::new().text(query.profile.clone()).integer(releases_from);
    let newest = newest.integer(i64::from(query.releases_max));
    let rows = link.rows("newest_releases", RELEASES, newest.plain()?).await?;
    let releases = rows.iter().map(records::release_seen).collect::<Result<Vec<_>, _>>()?;
    Ok(Lately::of(now, days, &releases, query.stock_max))
}

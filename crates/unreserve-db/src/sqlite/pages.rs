//! The ledger page after page, and what it has of late.

use std::collections::BTreeMap;

use unreserve_engine::ledger::{
    EntriesPage, EntriesQuery, Lately, LatelyQuery, SweepFilter, SweepsPage, SweepsQuery, days_back, page_of,
};
use unreserve_engine::shop::ShopError;

use super::connect::Link;
use super::ledger::{self, SWEEP_COLUMNS, SWEEP_SUMS};
use super::tally::{SWEEPS, batches_by_day};
use super::to_instant;
use super::values::Parameters;
use crate::records;

/// `?1` profile, `?2` and `?3` the place to go on behind, in milliseconds since 1970 and as an identity, `?4` how many to look at.
/// Its first half says less than the second and lets the index serve.
const LOOKED: &str = "SELECT x.sweep_id, x.profile, x.holder, x.started_at FROM unreserve_sweep AS x
    WHERE x.profile = ?1 AND x.started_at <= coalesce(?2, 9223372036854775807)
      AND (?2 IS NULL OR x.started_at < ?2 OR x.sweep_id < ?3)
    ORDER BY x.started_at DESC, x.sweep_id DESC LIMIT ?4";

/// A page of the sweeps of one profile.
pub(super) async fn sweeps_page(link: &mut Link, query: &SweepsQuery) -> Result<SweepsPage, ShopError> {
    link.begin_read().await?;
    let outcome = read_sweeps(link, query).await;
    link.end(outcome).await
}

async fn read_sweeps(link: &mut Link, query: &SweepsQuery) -> Result<SweepsPage, ShopError> {
    // `?5` an ending or NULL for all, `?6` whether only those without an end, `?7` whether only those with a batch, `?8` how many.
    let sql = format!(
        "/* unreserve sweeps_page */
{SWEEP_COLUMNS} FROM (
    SELECT l.* FROM ({LOOKED}) AS l LEFT JOIN unreserve_sweep_end AS e ON e.sweep_id = l.sweep_id
    WHERE (?5 IS NULL OR e.ending = ?5) AND (NOT ?6 OR e.sweep_id IS NULL)
      AND (NOT ?7 OR EXISTS (SELECT 1 FROM unreserve_batch AS b WHERE b.sweep_id = l.sweep_id))
    ORDER BY l.started_at DESC, l.sweep_id DESC LIMIT ?8
) AS s {SWEEP_SUMS}"
    );
    let looked = || {
        let after = query.after.as_ref();
        Parameters::new()
            .with(query.profile.clone())
            .with(after.map(|place| place.started_at.as_millisecond()))
            .with(after.map(|place| place.sweep_id.to_string()))
            .with(i64::from(query.look()))
    };
    let ending = match query.filter {
        SweepFilter::Ended(ending) => Some(ending.word().to_owned()),
        _ => None,
    };
    let asked = looked()
        .with(ending)
        .with(query.filter == SweepFilter::Unfinished)
        .with(query.filter == SweepFilter::Changed)
        .with(i64::from(query.limit).saturating_add(1));
    let rows = link.rows("sweeps_page", &sql, asked.plain()?).await?;
    let found = rows.iter().map(records::placed_sweep).collect::<Result<_, _>>()?;
    let mut last = None;
    if query.filter != SweepFilter::All {
        let sql = format!(
            "/* unreserve sweeps_looked */ SELECT l.sweep_id, l.started_at FROM ({LOOKED}) AS l
ORDER BY l.started_at DESC, l.sweep_id DESC LIMIT 1 OFFSET max(?4 - 1, 0)"
        );
        let rows = link.rows("sweeps_looked", &sql, looked().plain()?).await?;
        last = rows.first().map(records::sweep_place).transpose()?;
    }
    let (sweeps, next) = page_of(found, query.limit, last);
    Ok(SweepsPage { sweeps, next })
}

/// `?1` the sweep, `?2` the line to go on behind, `?3` how many to look at. The ledger is read in its own order, from the sweep's first
/// entry to its last: so nothing is sorted, and the page is found without the rest.
const ENTRIES_LOOKED: &str = "SELECT e.*, b.committed_at FROM unreserve_entry AS e CROSS JOIN unreserve_batch AS b ON b.batch_id = e.batch_id
    WHERE b.sweep_id = ?1 AND e.entry_id > max(coalesce(?2, 0), (SELECT min((SELECT min(x.entry_id) FROM unreserve_entry AS x WHERE x.batch_id = y.batch_id))
                                                                  FROM unreserve_batch AS y WHERE y.sweep_id = ?1) - 1)
      AND e.entry_id <= (SELECT max((SELECT max(x.entry_id) FROM unreserve_entry AS x WHERE x.batch_id = y.batch_id))
                         FROM unreserve_batch AS y WHERE y.sweep_id = ?1)
    ORDER BY e.entry_id LIMIT ?3";

/// A page of the entries of one sweep.
pub(super) async fn entries_page(link: &mut Link, query: &EntriesQuery) -> Result<EntriesPage, ShopError> {
    link.begin_read().await?;
    let outcome = read_entries(link, query).await;
    link.end(outcome).await
}

async fn read_entries(link: &mut Link, query: &EntriesQuery) -> Result<EntriesPage, ShopError> {
    // `?4` a text in small letters or NULL for all, `?5` how many to tell.
    let sql = format!(
        "/* unreserve entries_page */
SELECT e.kind, e.order_key, e.order_number, e.reservation_key, e.stock, e.quantity, e.drift, e.expires_at, e.at, e.overdue_us / 1000000,
       e.committed_at, e.batch_id, e.entry_id
FROM ({ENTRIES_LOOKED}) AS e
WHERE ?4 IS NULL OR instr(lower(e.order_key), ?4) OR instr(lower(e.order_number), ?4) OR instr(lower(e.reservation_key), ?4)
   OR instr(lower(e.stock), ?4)
ORDER BY e.entry_id LIMIT ?5"
    );
    let looked = || {
        Parameters::new()
            .with(query.sweep_id.to_string())
            .with(query.after.map(|place| place.line))
            .with(i64::from(query.look()))
    };
    let matching = query.matching.as_ref().map(|text| text.to_ascii_lowercase());
    let asked = looked().with(matching).with(i64::from(query.limit).saturating_add(1));
    let rows = link.rows("entries_page", &sql, asked.plain()?).await?;
    let found = rows.iter().map(records::placed_entry).collect::<Result<_, _>>()?;
    let mut last = None;
    if query.matching.is_some() {
        let sql = format!(
            "/* unreserve entries_looked */ SELECT e.committed_at, e.batch_id, e.entry_id FROM ({ENTRIES_LOOKED}) AS e
ORDER BY e.entry_id LIMIT 1 OFFSET max(?3 - 1, 0)"
        );
        let rows = link.rows("entries_looked", &sql, looked().plain()?).await?;
        last = rows.first().map(|row| records::entry_place(row, 0)).transpose()?;
    }
    let (entries, next) = page_of(found, query.limit, last);
    Ok(EntriesPage { entries, next })
}

/// `?1` profile, `?2` from when on, in milliseconds since 1970, `?3` how many. The newest sweeps first, so that an index ends the
/// search.
const RELEASES: &str = "/* unreserve newest_releases */
SELECT e.at, e.stock, e.quantity, e.overdue_us
FROM unreserve_sweep AS s CROSS JOIN unreserve_batch AS b ON b.sweep_id = s.sweep_id
CROSS JOIN unreserve_entry AS e ON e.batch_id = b.batch_id AND e.kind = 'release'
WHERE s.profile = ?1 AND s.started_at >= ?2 ORDER BY s.started_at DESC LIMIT ?3";

/// What came back of late.
pub(super) async fn lately(link: &mut Link, query: &LatelyQuery) -> Result<Lately, ShopError> {
    link.begin_read().await?;
    let outcome = read_lately(link, query).await;
    link.end(outcome).await
}

async fn read_lately(link: &mut Link, query: &LatelyQuery) -> Result<Lately, ShopError> {
    let now = to_instant(ledger::now(link).await?)?;
    let from = days_back(now, query.days).as_millisecond();
    // A sweep that begins in this moment belongs to it.
    let to = now.as_millisecond().saturating_add(86_400_000);
    let span = || Parameters::new().with(query.profile.clone()).with(from).with(to);
    let mut days = BTreeMap::new();
    for row in link.rows("tally_sweeps", SWEEPS, span().plain()?).await? {
        records::tally_sweeps(&mut days, &row)?;
    }
    link.let_others_commit().await?;
    for row in link.rows("tally_batches", &batches_by_day(), span().plain()?).await? {
        records::tally_batches(&mut days, &row)?;
    }
    let releases_from = days_back(now, query.release_days).as_millisecond();
    let newest = Parameters::new().with(query.profile.clone()).with(releases_from).with(i64::from(query.releases_max));
    link.let_others_commit().await?;
    let rows = link.rows("newest_releases", RELEASES, newest.plain()?).await?;
    let releases = rows.iter().map(records::release_seen).collect::<Result<Vec<_>, _>>()?;
    Ok(Lately::of(now, days, &releases, query.stock_max))
}

//! The ledger page after page, and what it has of late.

use std::collections::BTreeMap;

use unreserve_engine::ledger::{
    EntriesPage, EntriesQuery, Lately, LatelyQuery, SweepFilter, SweepsPage, SweepsQuery, days_back, page_of,
};
use unreserve_engine::shop::ShopError;

use super::connect::Link;
use super::ledger::{ENTRY_COLUMNS, SWEEP_COLUMNS, SWEEP_SUMS};
use super::message::{Call, Transaction};
use super::tally::{NOW, SWEEPS, batches_by_day};
use super::values::{Parameters, only_row, read_own_instant};
use crate::records;

/// `$1` profile, `$2` and `$3` the place to go on behind, in microseconds since 1970 and as an identity, `$4` how many to look at.
const LOOKED: &str = "SELECT s.sweep_id, s.profile, s.holder, s.started_at FROM unreserve.sweep AS s
    WHERE s.profile = $1::text AND ($2::bigint IS NULL OR (s.started_at <= timestamptz 'epoch' + $2::bigint * interval '1 microsecond'
      AND (s.started_at < timestamptz 'epoch' + $2::bigint * interval '1 microsecond' OR s.sweep_id < $3::text::uuid)))
    ORDER BY s.started_at DESC, s.sweep_id DESC LIMIT $4::bigint";

/// `$5` an ending or NULL for all, `$6` whether only those without an end, `$7` whether only those with a batch, `$8` how many to tell.
fn sweeps() -> String {
    format!(
        "/* unreserve sweeps_page */
WITH looked AS MATERIALIZED ({LOOKED}), found AS MATERIALIZED (
    SELECT l.* FROM looked AS l LEFT JOIN unreserve.sweep_end AS e ON e.sweep_id = l.sweep_id
    WHERE ($5::text IS NULL OR e.ending = $5::text) AND (NOT $6::boolean OR e.sweep_id IS NULL)
      AND (NOT $7::boolean OR EXISTS (SELECT 1 FROM unreserve.batch AS b WHERE b.sweep_id = l.sweep_id))
    ORDER BY l.started_at DESC, l.sweep_id DESC LIMIT $8::bigint
)
{SWEEP_COLUMNS} FROM found AS s {SWEEP_SUMS}"
    )
}

/// The last place that was looked at, if so many were.
fn last_sweep() -> String {
    format!(
        "/* unreserve sweeps_looked */
SELECT l.sweep_id::text, (extract(epoch FROM l.started_at) * 1000000)::bigint FROM ({LOOKED}) AS l
ORDER BY l.started_at DESC, l.sweep_id DESC OFFSET greatest($4::bigint - 1, 0) LIMIT 1"
    )
}

/// A page of the sweeps of one profile.
pub(super) async fn sweeps_page(link: &mut Link, query: &SweepsQuery) -> Result<SweepsPage, ShopError> {
    let look = query.look();
    let looked = || {
        let after = query.after.as_ref();
        Parameters::new()
            .with(query.profile.clone())
            .with(after.map(|place| place.started_at.as_microsecond()))
            .with(after.map(|place| place.sweep_id.to_string()))
            .with(i64::from(look))
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
    let (page, last) = (sweeps(), last_sweep());
    let mut calls = vec![Call::once("sweeps_page", &page, asked)?];
    if query.filter != SweepFilter::All {
        calls.push(Call::once("sweeps_looked", &last, looked())?);
    }
    let mut replies = link.transact(Transaction::Read, calls).await?.into_iter();
    let mut next = || replies.next().unwrap_or_default().rows;
    let found = next().iter().map(records::placed_sweep).collect::<Result<_, _>>()?;
    let looked = next().first().map(records::sweep_place).transpose()?;
    let (sweeps, next) = page_of(found, query.limit, looked);
    Ok(SweepsPage { sweeps, next })
}

/// `$1` the sweep, `$2`, `$3` and `$4` the place to go on behind, `$5` how many to look at. The batches come in their order, so that
/// only as many of them are looked into as the page needs; each has an entry, and that of the place to go on behind may have no more.
/// The offset has each batch looked up by itself: joined, the whole ledger would be read and sorted for a large sweep. (PostgreSQL 12
/// sorts all entries of those batches; newer ones end when they have enough.)
const ENTRIES_LOOKED: &str = "SELECT e.*, b.at AS batch_at FROM (
        SELECT x.batch_id, x.at FROM unreserve.batch AS x WHERE x.sweep_id = $1::text::uuid
          AND ($2::bigint IS NULL OR (x.at, x.batch_id) >= (timestamptz 'epoch' + $2::bigint * interval '1 microsecond', $3::text::uuid))
        ORDER BY x.at, x.batch_id LIMIT $5::bigint + 1
    ) AS b CROSS JOIN LATERAL (SELECT * FROM unreserve.entry AS y WHERE y.batch_id = b.batch_id OFFSET 0) AS e
    WHERE $2::bigint IS NULL OR (b.at, b.batch_id, e.line) > (timestamptz 'epoch' + $2::bigint * interval '1 microsecond', $3::text::uuid, $4::bigint)
    ORDER BY b.at, b.batch_id, e.line LIMIT $5::bigint";

const ENTRY_PLACE: &str = "(extract(epoch FROM e.batch_at) * 1000000)::bigint, e.batch_id::text, e.line::bigint";

/// A page of the entries of one sweep.
pub(super) async fn entries_page(link: &mut Link, query: &EntriesQuery) -> Result<EntriesPage, ShopError> {
    // `$6` a text in small letters or NULL for all, `$7` how many to tell.
    let sql = format!(
        "/* unreserve entries_page */
WITH looked AS MATERIALIZED ({ENTRIES_LOOKED})
{ENTRY_COLUMNS}, {ENTRY_PLACE} FROM looked AS e
WHERE $6::text IS NULL OR strpos(lower(e.order_key COLLATE \"C\"), $6::text) > 0 OR strpos(lower(e.order_number COLLATE \"C\"), $6::text) > 0
   OR strpos(lower(e.reservation_key COLLATE \"C\"), $6::text) > 0 OR strpos(lower(e.stock COLLATE \"C\"), $6::text) > 0
ORDER BY e.batch_at, e.batch_id, e.line LIMIT $7::bigint"
    );
    let last = format!(
        "/* unreserve entries_looked */ SELECT {ENTRY_PLACE} FROM ({ENTRIES_LOOKED}) AS e
ORDER BY e.batch_at, e.batch_id, e.line OFFSET greatest($5::bigint - 1, 0) LIMIT 1"
    );
    let looked = || {
        let after = query.after.as_ref();
        Parameters::new()
            .with(query.sweep_id.to_string())
            .with(after.map(|place| place.at.as_microsecond()))
            .with(after.map(|place| place.batch_id.to_string()))
            .with(after.map(|place| place.line))
            .with(i64::from(query.look()))
    };
    let matching = query.matching.as_ref().map(|text| text.to_ascii_lowercase());
    let asked = looked().with(matching).with(i64::from(query.limit).saturating_add(1));
    let mut calls = vec![Call::once("entries_page", &sql, asked)?];
    if query.matching.is_some() {
        calls.push(Call::once("entries_looked", &last, looked())?);
    }
    let mut replies = link.transact(Transaction::Read, calls).await?.into_iter();
    let mut next = || replies.next().unwrap_or_default().rows;
    let found = next().iter().map(records::placed_entry).collect::<Result<_, _>>()?;
    let looked = next().first().map(|row| records::entry_place(row, 0)).transpose()?;
    let (entries, next) = page_of(found, query.limit, looked);
    Ok(EntriesPage { entries, next })
}

/// `$1` profile, `$2` from when on, in microseconds since 1970, `$3` how many. The newest sweeps first, so that an index ends
/// the search.
const RELEASES: &str = "/* unreserve newest_releases */
SELECT (extract(epoch FROM e.at) * 1000000)::bigint, e.stock, e.quantity, e.overdue_us
FROM unreserve.sweep AS s JOIN unreserve.batch AS b ON b.sweep_id = s.sweep_id
JOIN unreserve.entry AS e ON e.batch_id = b.batch_id AND e.kind = 'release'
WHERE s.profile = $1::text AND s.started_at >= timestamptz 'epoch' + $2::bigint * interval '1 microsecond'
ORDER BY s.started_at DESC LIMIT $3::bigint";

/// What came back of late.
pub(super) async fn lately(link: &mut Link, query: &LatelyQuery) -> Result<Lately, ShopError> {
    const NAME: &str = "tally_now";
    let reply = link.transact(Transaction::Read, vec![Call::once(NAME, NOW, Parameters::new())?]).await?.pop();
    let now = read_own_instant(&only_row(reply.unwrap_or_default().rows, NAME)?, 0, NAME)?;
    let from = days_back(now, query.days);
    let span = || {
        // A sweep that begins in this moment belongs to it.
        let to = now.as_microsecond().saturating_add(86_400_000_000);
        Parameters::new().with(query.profile.clone()).with(from.as_microsecond()).with(to)
    };
    let newest = Parameters::new()
        .with(query.profile.clone())
        .with(days_back(now, query.release_days).as_microsecond())
        .with(i64::from(query.releases_max));
    let by_day = batches_by_day();
    let calls = vec![
        Call::once("tally_sweeps", SWEEPS, span())?,
        Call::once("tally_batches", &by_day, span())?,
        Call::once("newest_releases", RELEASES, newest)?,
    ];
    let mut replies = link.transact(Transaction::Read, calls).await?.into_iter();
    let mut next = || replies.next().unwrap_or_default().rows;
    let mut days = BTreeMap::new();
    next().iter().try_for_each(|row| records::tally_sweeps(&mut days, row))?;
    next().iter().try_for_each(|row| records::tally_batches(&mut days, row))?;
    let releases = next().iter().map(records::release_seen).collect::<Result<Vec<_>, _>>()?;
    Ok(Lately::of(now, days, &releases, query.stock_max))
}

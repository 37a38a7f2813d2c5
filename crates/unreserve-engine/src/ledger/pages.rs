//! The ledger page after page, and what it has of late: bounded reads for somebody who looks at it.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::record::{Ending, EntryRecord, SweepRecord};
use super::tally::{DayTally, StockTally};
use crate::model::{BatchId, SweepId};

/// A place in the line of sweeps, newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SweepPlace {
    /// When the sweep began.
    pub started_at: Timestamp,
    /// Which sweep, where several began at the same instant.
    pub sweep_id: SweepId,
}

/// Which sweeps a page is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SweepFilter {
    /// All of them.
    #[default]
    All,
    /// Those with a committed batch.
    Changed,
    /// Those that ended so.
    Ended(Ending),
    /// Those that have no end.
    Unfinished,
}

/// Which page of sweeps to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SweepsQuery {
    /// The profile.
    pub profile: String,
    /// Which sweeps.
    pub filter: SweepFilter,
    /// Only sweeps behind this place, that is older ones.
    pub after: Option<SweepPlace>,
    /// At most so many are told.
    pub limit: u32,
    /// At most so many are looked at.
    pub look_max: u32,
}

impl SweepsQuery {
    /// How many sweeps to look at: where every one is told, no more than one behind the page.
    #[must_use]
    pub fn look(&self) -> u32 {
        let page = self.limit.saturating_add(1);
        if self.filter == SweepFilter::All { page } else { self.look_max.max(page) }
    }
}

/// A page of sweeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SweepsPage {
    /// The sweeps, newest first.
    pub sweeps: Vec<SweepRecord>,
    /// The place behind which it goes on; nothing where everything was looked at.
    pub next: Option<SweepPlace>,
}

/// A place among the entries of one sweep, in the order they were written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryPlace {
    /// When the entry's batch was.
    pub at: Timestamp,
    /// The batch.
    pub batch_id: BatchId,
    /// The entry's number in its batch, or in the ledger where a database numbers it so.
    pub line: i64,
}

/// Which page of a sweep's entries to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntriesQuery {
    /// The sweep.
    pub sweep_id: SweepId,
    /// Only entries with this text in the order's number or key, the reservation's key or the stock row. Capital letters
    /// are as good as small ones, of ASCII at least.
    pub matching: Option<String>,
    /// Only entries behind this place.
    pub after: Option<EntryPlace>,
    /// At most so many are told.
    pub limit: u32,
    /// At most so many are looked at.
    pub look_max: u32,
}

impl EntriesQuery {
    /// How many entries to look at: where every one is told, no more than one behind the page.
    #[must_use]
    pub fn look(&self) -> u32 {
        let page = self.limit.saturating_add(1);
        if self.matching.is_none() { page } else { self.look_max.max(page) }
    }
}

/// A page of entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntriesPage {
    /// The entries, in the order they were written.
    pub entries: Vec<EntryRecord>,
    /// The place behind which it goes on; nothing where everything was looked at.
    pub next: Option<EntryPlace>,
}

/// A page from what was found, `limit + 1` of it if there is so much, and the last place that was looked at where not
/// everything was: both are places behind which it goes on, and the nearer one counts.
#[must_use]
pub fn page_of<T, P>(mut found: Vec<(P, T)>, limit: u32, looked: Option<P>) -> (Vec<T>, Option<P>) {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = found.len() > limit;
    found.truncate(limit);
    let (mut rows, mut last) = (Vec::with_capacity(found.len()), None);
    for (place, row) in found {
        last = Some(place);
        rows.push(row);
    }
    (rows, if more { last } else { looked })
}

/// What part of the ledger is of late.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LatelyQuery {
    /// The profile.
    pub profile: String,
    /// Sums are of so many whole days in UTC, today included.
    pub days: u32,
    /// Lags and stock rows are of releases of so many whole days in UTC, today included.
    pub release_days: u32,
    /// Lags and stock rows are of at most so many of the newest of them.
    pub releases_max: u32,
    /// At most so many stock rows are told, those with the most units first.
    pub stock_max: u32,
}

/// What the ledger has of late.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lately {
    /// The database's now.
    pub now: Timestamp,
    /// The days on which a sweep began or a batch was committed, by their number since 1970. Units times time are not
    /// summed here: they stay 0.
    pub days: BTreeMap<i64, DayTally>,
    /// How many releases the rest is of.
    pub releases: u64,
    /// When the oldest of them was.
    pub since: Option<Timestamp>,
    /// How many of them were released so many milliseconds after their expiry, shortest first. From ten seconds on
    /// milliseconds are those of whole seconds.
    pub lags: Vec<(i64, u64)>,
    /// The stock rows with the most units given back by them.
    pub stock: Vec<StockTally>,
}

/// One release, as far as it is needed to tell what is of late.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseSeen {
    /// When.
    pub at: Timestamp,
    /// The stock row, as `table:key`.
    pub stock: Option<String>,
    /// What was given back.
    pub quantity: i64,
    /// Microseconds from the expiry to the release.
    pub overdue_micros: i64,
}

impl Lately {
    /// What the days and the newest releases come to.
    #[must_use]
    pub fn of(now: Timestamp, days: BTreeMap<i64, DayTally>, releases: &[ReleaseSeen], stock_max: u32) -> Self {
        let mut lags: BTreeMap<i64, u64> = BTreeMap::new();
        let mut rows: BTreeMap<&str, StockTally> = BTreeMap::new();
        for release in releases {
            let count = lags.entry(lag_millis(release.overdue_micros)).or_default();
            *count = count.saturating_add(1);
            let Some(stock) = release.stock.as_deref() else { continue };
            let row =
                rows.entry(stock).or_insert_with(|| StockTally { stock: stock.to_owned(), reservations: 0, units: 0 });
            row.reservations = row.reservations.saturating_add(1);
            row.units = row.units.saturating_add(release.quantity);
        }
        let mut stock: Vec<StockTally> = rows.into_values().collect();
        stock.sort_by_key(|row| (std::cmp::Reverse(row.units), row.stock.clone()));
        stock.truncate(usize::try_from(stock_max).unwrap_or(usize::MAX));
        Self {
            now,
            days,
            releases: u64::try_from(releases.len()).unwrap_or(u64::MAX),
            since: releases.iter().map(|release| release.at).min(),
            lags: lags.into_iter().collect(),
            stock,
        }
    }
}

/// Milliseconds, from ten seconds on those of whole seconds: as the sums over days have them.
fn lag_millis(micros: i64) -> i64 {
    if micros < 10_000_000 {
        micros.checked_div(1_000).unwrap_or(0)
    } else {
        micros.checked_div(1_000_000).unwrap_or(0).saturating_mul(1_000)
    }
}

/// The first instant of the span that begins so many days back in UTC, today included.
#[must_use]
pub fn days_back(now: Timestamp, days: u32) -> Timestamp {
    let today = now.as_second().div_euclid(86_400);
    let first = today.saturating_sub(i64::from(days.max(1)).saturating_sub(1));
    Timestamp::from_second(first.saturating_mul(86_400)).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_goes_on_behind_what_was_told_or_behind_what_was_looked_at() {
        let found = || vec![(1, 'a'), (2, 'b'), (3, 'c')];
        assert_eq!(page_of(found(), 2, None), (vec!['a', 'b'], Some(2)));
        assert_eq!(page_of(found(), 2, Some(9)), (vec!['a', 'b'], Some(2)));
        assert_eq!(page_of(found(), 3, None), (vec!['a', 'b', 'c'], None));
        assert_eq!(page_of(found(), 3, Some(9)), (vec!['a', 'b', 'c'], Some(9)));
        assert_eq!(page_of(Vec::<(i32, char)>::new(), 3, Some(9)), (vec![], Some(9)));
    }

    #[test]
    fn releases_are_summed_by_lag_and_by_stock_row() {
        let at = Timestamp::UNIX_EPOCH;
        let release = |stock: Option<&str>, quantity, overdue_micros| ReleaseSeen {
            at,
            stock: stock.map(str::to_owned),
            quantity,
            overdue_micros,
        };
        let releases = [release(Some("v:1"), 2, 1_900), release(Some("v:2"), 9, 1_000), release(None, 5, 61_900_000)];
        let lately = Lately::of(at, BTreeMap::new(), &releases, 1);
        assert_eq!((lately.releases, lately.since), (3, Some(at)));
        assert_eq!(lately.lags, [(1, 2), (61_000, 1)]);
        assert_eq!(lately.stock, [StockTally { stock: "v:2".to_owned(), reservations: 1, units: 9 }]);
        assert_eq!(Lately::of(at, BTreeMap::new(), &[], 1).since, None);
    }

    #[test]
    fn days_begin_at_midnight_in_utc() {
        let now: Timestamp = "2026-11-23T02:30:00Z".parse().unwrap();
        assert_eq!(days_back(now, 1).to_string(), "2026-11-23T00:00:00Z");
        assert_eq!(days_back(now, 30).to_string(), "2026-10-25T00:00:00Z");
    }
}

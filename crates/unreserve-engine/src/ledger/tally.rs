//! What the ledger has of a span of days, summed where it stands.

use std::collections::BTreeMap;

use jiff::Timestamp;

/// Which part of the ledger to sum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TallyQuery {
    /// The profile.
    pub profile: String,
    /// The first instant that belongs to it: the beginning of a day in UTC.
    pub from: Timestamp,
    /// The first instant that does not belong to it any more: the beginning of a day in UTC.
    pub to: Timestamp,
    /// At most so many stock rows are told, those with the most units first.
    pub stock_max: u32,
}

/// Sums over the sweeps and batches of some days. A day is one in UTC, counted from 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    /// The database's now.
    pub now: Timestamp,
    /// The days on which a sweep began or a batch was committed.
    pub days: BTreeMap<i64, DayTally>,
    /// How many reservations were released so many milliseconds after their expiry, shortest first. From ten seconds on
    /// milliseconds are those of whole seconds.
    pub lags: Vec<(i64, u64)>,
    /// The stock rows with the most units given back.
    pub stock: Vec<StockTally>,
}

impl Tally {
    /// The sums of all its days.
    #[must_use]
    pub fn sum(&self) -> DayTally {
        self.days.values().fold(DayTally::default(), |sum, day| DayTally {
            sweeps: sum.sweeps.saturating_add(day.sweeps),
            sweeps_well: sum.sweeps_well.saturating_add(day.sweeps_well),
            reservations: sum.reservations.saturating_add(day.reservations),
            units: sum.units.saturating_add(day.units),
            orders_cancelled: sum.orders_cancelled.saturating_add(day.orders_cancelled),
            drift: sum.drift.saturating_add(day.drift),
            lost_unit_millis: sum.lost_unit_millis.saturating_add(day.lost_unit_millis),
            back_unit_millis: sum.back_unit_millis.saturating_add(day.back_unit_millis),
        })
    }
}

/// The sums of one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DayTally {
    /// Sweeps that began.
    pub sweeps: u64,
    /// Those of them that ended well.
    pub sweeps_well: u64,
    /// Reservations released.
    pub reservations: u64,
    /// Units given back.
    pub units: i64,
    /// Orders cancelled.
    pub orders_cancelled: u64,
    /// What counters lacked.
    pub drift: i64,
    /// Units times the milliseconds from their expiry to their release.
    pub lost_unit_millis: i64,
    /// Units times the milliseconds from their release to the end of the span, or to now if that is earlier.
    pub back_unit_millis: i64,
}

/// What was given back to one stock row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockTally {
    /// The stock row, as `table:key`.
    pub stock: String,
    /// Reservations released.
    pub reservations: u64,
    /// Units given back.
    pub units: i64,
}

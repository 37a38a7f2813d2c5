//! What the shop's own tables tell of some days, counted where they stand: the facts that `report` is made of.

use std::collections::BTreeMap;

use jiff::Timestamp;

/// Which days to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FiguresQuery {
    /// The first instant that belongs to them: the beginning of a day in UTC.
    pub from: Timestamp,
    /// The first instant that does not belong to them any more: the beginning of a day in UTC.
    pub to: Timestamp,
    /// No statement reads more rows of a table than so many; one that would have to is not answered. With 0 every statement
    /// is run, to see whether it can be.
    pub rows_max: u32,
}

/// What came of one part of the question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part<T> {
    /// It was read.
    Read(T),
    /// More rows would have had to be read than were allowed.
    TooMany,
    /// The database took longer than a statement may.
    TooLong,
    /// The database does not know the time zone that the column is said to be in.
    UnknownZone,
    /// The plan does not say how to ask, or names a form that this database cannot read.
    NotAsked,
}

impl<T> Part<T> {
    /// Whether the database was asked for it, whatever came of that.
    #[must_use]
    pub fn was_asked(&self) -> bool {
        matches!(self, Self::Read(_) | Self::TooMany | Self::TooLong)
    }

    /// What was read.
    #[must_use]
    pub fn read(&self) -> Option<&T> {
        match self {
            Self::Read(read) => Some(read),
            Self::TooMany | Self::TooLong | Self::UnknownZone | Self::NotAsked => None,
        }
    }
}

/// What the shop's own tables tell. Days are days in UTC, counted from 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figures {
    /// The orders that were made on each day, and what they are now.
    pub orders: Part<BTreeMap<i64, OrdersMade>>,
    /// The reservations that were made on each day, and what became of them.
    pub reservations: Part<BTreeMap<i64, ReservationsMade>>,
    /// How long the orders made in these days took to be paid.
    pub payments: Part<PaymentTimes>,
    /// What the orders that we cancelled in these days are worth.
    pub cancelled_value: Part<Vec<CancelledValue>>,
}

/// The orders of one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OrdersMade {
    /// How many were made.
    pub made: u64,
    /// How many of them are unpaid and not cancelled.
    pub unpaid: u64,
    /// How many are cancelled, whoever did it.
    pub cancelled: u64,
    /// How many are paid, and neither unpaid nor cancelled, so that each order counts once; 0 where the plan does not say what paid is.
    pub paid: u64,
}

/// The reservations of one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReservationsMade {
    /// How many were made.
    pub made: u64,
    /// How many units they held.
    pub units: i64,
    /// How many still hold stock.
    pub active: u64,
    /// How many of those are due.
    pub due: u64,
    /// How many are fulfilled; 0 where the plan does not say what that is.
    pub fulfilled: u64,
    /// How many we released, by the ledger.
    pub released: u64,
}

/// How long orders took to be paid.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PaymentTimes {
    /// How many orders took so many seconds, shortest first: whole minutes from an hour on, whole hours from a week on.
    pub seconds: Vec<(i64, u64)>,
    /// Of how many it is known when everything they had reserved had expired; nothing where that is not known of any.
    pub judged: Option<u64>,
    /// How many of those were paid after that.
    pub late: u64,
}

/// What the cancelled orders of one day and one currency are worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CancelledValue {
    /// The day on which we cancelled them.
    pub day: i64,
    /// The currency as the shop writes it; nothing where it does not.
    pub currency: Option<String>,
    /// How many orders they are.
    pub orders: u64,
    /// Of how many the amount could be read: it is no number for the others, or has more decimals than the plan says.
    pub readable: u64,
    /// Their sum, in the smallest unit.
    pub amount: i64,
}

impl OrdersMade {
    /// The sums of two days.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            made: self.made.saturating_add(other.made),
            unpaid: self.unpaid.saturating_add(other.unpaid),
            cancelled: self.cancelled.saturating_add(other.cancelled),
            paid: self.paid.saturating_add(other.paid),
        }
    }
}

impl ReservationsMade {
    /// The sums of two days.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            made: self.made.saturating_add(other.made),
            units: self.units.saturating_add(other.units),
            active: self.active.saturating_add(other.active),
            due: self.due.saturating_add(other.due),
            fulfilled: self.fulfilled.saturating_add(other.fulfilled),
            released: self.released.saturating_add(other.released),
        }
    }
}

impl PaymentTimes {
    /// The place in [`Self::seconds`] that a time belongs to; one before the order counts as none.
    #[must_use]
    pub fn rounded(seconds: i64) -> i64 {
        let unit = match seconds {
            ..3_600 => 1,
            3_600..604_800 => 60,
            _ => 3_600,
        };
        seconds.max(0).div_euclid(unit).saturating_mul(unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rounded_down_the_more_the_longer_they_are() {
        for (seconds, rounded) in [
            (-5, 0),
            (59, 59),
            (3_599, 3_599),
            (3_659, 3_600),
            (604_799, 604_740),
            (608_399, 604_800),
            (608_400, 608_400),
        ] {
            assert_eq!(PaymentTimes::rounded(seconds), rounded, "{seconds}");
        }
    }
}

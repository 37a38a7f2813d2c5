//! How many of the orders that are decided were cancelled, and whether that is strange.

use jiff::civil::Date;
use serde::Serialize;

use crate::shop::OrdersMade;

/// A rate over fewer decided orders says nothing.
const SPAN_LEAST: u64 = 50;
/// One day's rate over fewer decided orders says nothing.
const DAY_LEAST: u64 = 20;
/// From here on something must be broken: the timeout, or the way to pay.
const HIGH: u64 = 7_000;
/// A day's rate must be so many basis points above that of the other days to be told at all.
const RISE: u64 = 1_000;

/// Cancelled orders among those that are decided: neither still unpaid, nor in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Rate {
    /// Orders that are no longer unpaid.
    pub orders_decided: u64,
    /// Those of them that are cancelled, whoever did it.
    pub orders_cancelled: u64,
    /// The second of the first, in hundredths of a percent; nothing where nothing is decided.
    pub basis_points: Option<u64>,
}

impl Rate {
    /// The rate of orders as they are counted.
    #[must_use]
    pub fn of(orders: &OrdersMade) -> Self {
        let orders_decided = orders.made.saturating_sub(orders.unpaid);
        let orders_cancelled = orders.cancelled.min(orders_decided);
        let basis_points = orders_cancelled.saturating_mul(10_000).checked_div(orders_decided);
        Self { orders_decided, orders_cancelled, basis_points }
    }

    /// The rate without that of a part.
    fn without(self, part: Self) -> Self {
        let orders_decided = self.orders_decided.saturating_sub(part.orders_decided);
        let orders_cancelled = self.orders_cancelled.saturating_sub(part.orders_cancelled);
        let basis_points = orders_cancelled.saturating_mul(10_000).checked_div(orders_decided);
        Self { orders_decided, orders_cancelled, basis_points }
    }
}

/// What is strange about a cancellation rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strange {
    /// It is so high that something must be broken.
    High {
        /// Of all days.
        all: Rate,
    },
    /// The last day with enough orders differs from the others by more than chance makes likely.
    Risen {
        /// That day.
        day: Date,
        /// Its rate.
        then: Rate,
        /// That of the other days.
        else_days: Rate,
    },
}

/// Judges the days, oldest first. Small counts are never strange.
#[must_use]
pub fn judge_rate(days: &[(Date, Rate)]) -> Option<Strange> {
    let none = Rate { orders_decided: 0, orders_cancelled: 0, basis_points: None };
    let all = days.iter().fold(none, |sum, (_, day)| Rate {
        orders_decided: sum.orders_decided.saturating_add(day.orders_decided),
        orders_cancelled: sum.orders_cancelled.saturating_add(day.orders_cancelled),
        basis_points: None,
    });
    let all = all.without(none);
    if all.orders_decided >= SPAN_LEAST && all.basis_points.is_some_and(|rate| rate >= HIGH) {
        return Some(Strange::High { all });
    }
    let (day, then) = *days.iter().rev().find(|(_, rate)| rate.orders_decided >= DAY_LEAST)?;
    let else_days = all.without(then);
    let risen = else_days.orders_decided >= SPAN_LEAST
        && then.basis_points? >= else_days.basis_points?.saturating_add(RISE)
        && beyond_chance(then, else_days);
    risen.then_some(Strange::Risen { day, then, else_days })
}

/// Whether a day's count lies more than three standard deviations above what the other days let expect:
/// `k - n·p > 3·√(n·p·(1-p))`, squared and multiplied out, so that whole numbers suffice.
fn beyond_chance(day: Rate, others: Rate) -> bool {
    let wide = |count: u64| u128::from(count.min(u64::from(u32::MAX)));
    let (n, k) = (wide(day.orders_decided), wide(day.orders_cancelled));
    // One order of each kind is added to the others, so that "never before" is not taken for certainty.
    let (all, cancelled) =
        (wide(others.orders_decided).saturating_add(2), wide(others.orders_cancelled).saturating_add(1));
    let Some(above) = k.saturating_mul(all).checked_sub(n.saturating_mul(cancelled)) else { return false };
    let spread = n.saturating_mul(cancelled).saturating_mul(all.saturating_sub(cancelled)).saturating_mul(9);
    above.saturating_mul(above) > spread
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;
    use jiff::civil::date;

    use super::*;

    fn rate(made: u64, unpaid: u64, cancelled: u64) -> Rate {
        Rate::of(&OrdersMade { made, unpaid, cancelled, paid: 0 })
    }

    fn judged(days: &[(u64, u64)]) -> Option<Strange> {
        let days: Vec<(Date, Rate)> = days
            .iter()
            .zip(date(2026, 11, 1).series(1.day()))
            .map(|((decided, cancelled), day)| (day, rate(*decided, 0, *cancelled)))
            .collect();
        judge_rate(&days)
    }

    #[test]
    fn the_rate_is_of_decided_orders_and_none_where_there_are_none() {
        assert_eq!(rate(10, 2, 2), Rate { orders_decided: 8, orders_cancelled: 2, basis_points: Some(2_500) });
        assert_eq!(rate(3, 3, 0).basis_points, None);
        // An order that counts as both is not counted twice.
        assert_eq!(rate(4, 1, 4).orders_cancelled, 3);
    }

    #[test]
    fn a_usual_rate_is_not_strange() {
        assert_eq!(judged(&[(100, 20), (100, 22), (100, 19), (100, 24)]), None);
        // A weekend that is a little worse is chance.
        assert_eq!(judged(&[(100, 20), (100, 22), (40, 13)]), None);
        assert_eq!(judged(&[]), None);
    }

    #[test]
    fn small_counts_are_never_strange() {
        assert_eq!(judged(&[(19, 19)]), None);
        assert_eq!(judged(&[(49, 49)]), None);
        assert_eq!(judged(&[(100, 5), (19, 19)]), None);
        assert_eq!(judged(&[(49, 0), (30, 30)]), None);
    }

    #[test]
    fn a_rate_that_means_something_is_broken_is_told() {
        assert!(
            matches!(judged(&[(25, 18), (25, 17)]), Some(Strange::High { all }) if all.basis_points == Some(7_000))
        );
        assert_eq!(judged(&[(25, 18), (25, 16)]), None);
    }

    #[test]
    fn a_day_that_stands_out_is_told_with_the_others_beside_it() {
        let strange = judged(&[(100, 20), (100, 20), (100, 60)]);
        let Some(Strange::Risen { day, then, else_days }) = strange else { panic!("{strange:?}") };
        assert_eq!(day, date(2026, 11, 3));
        assert_eq!((then.basis_points, else_days.basis_points), (Some(6_000), Some(2_000)));
        // The last day that has enough orders counts, not an empty one after it.
        assert!(matches!(judged(&[(200, 40), (100, 60), (3, 0)]), Some(Strange::Risen { .. })));
        // Never before, and now many: told; now a few: not.
        assert!(matches!(judged(&[(500, 0), (20, 4)]), Some(Strange::Risen { .. })));
        assert_eq!(judged(&[(500, 0), (20, 1)]), None);
        // A fall is good news.
        assert_eq!(judged(&[(100, 60), (100, 60), (100, 5)]), None);
    }
}

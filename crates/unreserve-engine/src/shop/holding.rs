//! What reservations hold right now: by when it comes back, and of which stock rows.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::model::{Quantity, StockRef, StockRow};

/// Reservations that expire later than so many minutes from now are told together.
pub const HELD_MINUTES: i64 = 1_440;

/// What unpaid and unprotected orders hold: it comes back when it expires, unless it is paid. Reservations that never
/// expire are not among it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The database's now.
    pub now: Timestamp,
    /// By the whole minutes until the expiry: -1 has expired already, [`HELD_MINUTES`] is that or later.
    pub minutes: BTreeMap<i64, HeldSum>,
    /// Whether there may be more: of very many reservations only those are read that expire first.
    pub at_least: bool,
}

/// Some reservations, summed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HeldSum {
    /// How many.
    pub reservations: u64,
    /// What they hold.
    pub units: i64,
}

impl HeldSum {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            reservations: self.reservations.saturating_add(other.reservations),
            units: self.units.saturating_add(other.units),
        }
    }
}

impl Held {
    /// Everything together.
    #[must_use]
    pub fn sum(&self) -> HeldSum {
        self.minutes.values().copied().fold(HeldSum::default(), HeldSum::plus)
    }
}

/// What is held of one stock row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockHolding {
    /// The row.
    pub stock: StockRef,
    /// By every active reservation, of paid orders too.
    pub all: HeldSum,
    /// By those of unpaid and unprotected orders.
    pub coming_back: HeldSum,
}

/// What is held of the stock rows, and their counters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockHoldings {
    /// The database's now.
    pub now: Timestamp,
    /// The stock rows that active reservations hold.
    pub rows: Vec<StockHolding>,
    /// The counters of those rows, where the shop has them, and of rows with a counter of reserved units that is not 0.
    pub counters: Vec<StockRow>,
    /// Whether there may be more: only so many reservations and counters are read.
    pub at_least: bool,
}

/// A stock row with a counter that does not say what reservations hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The row.
    pub stock: StockRef,
    /// What its counter says is reserved.
    pub counter: Quantity,
    /// What active reservations hold.
    pub held: i64,
}

impl Difference {
    /// The counter less what reservations hold.
    #[must_use]
    pub fn units(&self) -> i64 {
        self.counter.units().saturating_sub(self.held)
    }
}

impl StockHoldings {
    /// Every row whose counter of reserved units does not say what active reservations hold, the largest difference
    /// first, and how many rows were compared.
    #[must_use]
    pub fn differences(&self) -> (u64, Vec<Difference>) {
        let held: BTreeMap<&StockRef, i64> = self.rows.iter().map(|row| (&row.stock, row.all.units)).collect();
        let mut compared = 0_u64;
        let mut differences = Vec::new();
        for row in &self.counters {
            let Some(counter) = row.reserved else { continue };
            compared = compared.saturating_add(1);
            let held = held.get(&row.stock).copied().unwrap_or(0);
            if counter.units() != held {
                differences.push(Difference { stock: row.stock.clone(), counter, held });
            }
        }
        differences.sort_by_key(|difference| {
            (std::cmp::Reverse(difference.units().saturating_abs()), difference.stock.clone())
        });
        (compared, differences)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Key;

    fn stock(key: &str) -> StockRef {
        StockRef { pool: 0, key: Key::single(key) }
    }

    fn counted(key: &str, reserved: Option<i64>) -> StockRow {
        StockRow { stock: stock(key), reserved: reserved.map(Quantity::new), on_hand: None }
    }

    fn held(key: &str, units: i64) -> StockHolding {
        let all = HeldSum { reservations: 1, units };
        StockHolding { stock: stock(key), all, coming_back: HeldSum::default() }
    }

    #[test]
    fn a_counter_is_compared_with_all_that_is_held_and_the_largest_difference_comes_first() {
        let holdings = StockHoldings {
            now: Timestamp::UNIX_EPOCH,
            rows: vec![held("even", 3), held("lacks", 5), held("uncounted", 9)],
            counters: vec![
                counted("even", Some(3)),
                counted("lacks", Some(4)),
                counted("stuck", Some(7)),
                counted("uncounted", None),
            ],
            at_least: false,
        };
        let (compared, differences) = holdings.differences();
        let told: Vec<(String, i64)> = differences.iter().map(|row| (row.stock.key.to_string(), row.units())).collect();
        assert_eq!((compared, told), (3, vec![("stuck".to_owned(), 7), ("lacks".to_owned(), -1)]));
    }
}

//! Reads what reservations hold: every dialect asks for the same columns in the same order.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use unreserve_engine::model::{Quantity, StockRef, StockRow};
use unreserve_engine::plan::Plan;
use unreserve_engine::shop::{Held, HeldSum, ShopError, StockHolding, StockHoldings};

use crate::cells::{Cells, read_count, read_key, read_sum};

/// No sum is told beyond this: it would not fit.
pub(crate) const MOST: i64 = 9_000_000_000_000_000_000;

/// The rows of `held`: minutes until the expiry, how many, and what they hold.
pub(crate) fn held_minutes(now: Timestamp, rows: &[impl Cells], read_max: u32) -> Result<Held, ShopError> {
    const NAME: &str = "held";
    let (mut minutes, mut read) = (BTreeMap::new(), 0_u64);
    for row in rows {
        let sum = HeldSum { reservations: read_count(row, 1, NAME)?, units: read_sum(row, 2, NAME)? };
        read = read.saturating_add(sum.reservations);
        // An expiry that cannot be read is never due.
        if let Some(minute) = row.integer(0, NAME)? {
            minutes.insert(minute, sum);
        }
    }
    Ok(Held { now, minutes, at_least: read >= u64::from(read_max) })
}

/// What is held of the stock rows, while it is put together.
pub(crate) struct Holdings {
    now: Timestamp,
    rows: BTreeMap<StockRef, StockHolding>,
    counters: BTreeMap<StockRef, StockRow>,
    at_least: bool,
}

impl Holdings {
    /// The rows of `stock_holdings`: the keys of the stock rows, then how many reservations and what they hold, of all and of
    /// those that come back.
    pub(crate) fn of(plan: &Plan, now: Timestamp, rows: &[impl Cells], read_max: u32) -> Result<Self, ShopError> {
        const NAME: &str = "stock_holdings";
        let width = plan.stock.iter().fold(0_usize, |sum, stock| sum.saturating_add(stock.key.len()));
        let (mut held, mut read): (BTreeMap<StockRef, StockHolding>, u64) = (BTreeMap::new(), 0);
        for row in rows {
            let sum = |first: usize| -> Result<HeldSum, ShopError> {
                let units = read_sum(row, first.saturating_add(1), NAME)?;
                Ok(HeldSum { reservations: read_count(row, first, NAME)?, units })
            };
            let (all, coming_back) = (sum(width)?, sum(width.saturating_add(2))?);
            read = read.saturating_add(all.reservations);
            let mut index = 0_usize;
            for (pool, stock) in plan.stock.iter().enumerate() {
                if let Some(key) = read_key(row, index, stock.key.len(), NAME)? {
                    let stock = StockRef { pool, key };
                    let none = HeldSum::default();
                    let known =
                        held.entry(stock.clone()).or_insert(StockHolding { stock, all: none, coming_back: none });
                    known.all = known.all.plus(all);
                    known.coming_back = known.coming_back.plus(coming_back);
                }
                index = index.saturating_add(stock.key.len());
            }
        }
        Ok(Self { now, rows: held, counters: BTreeMap::new(), at_least: read >= u64::from(read_max) })
    }

    /// The rows of `reserved_counters` of one stock table: the key, the counter of reserved units, the one of units on hand.
    pub(crate) fn count(
        &mut self,
        pool: usize,
        columns: usize,
        rows: &[impl Cells],
        read_max: u32,
    ) -> Result<(), ShopError> {
        const NAME: &str = "reserved_counters";
        self.at_least |= rows.len() >= usize::try_from(read_max).unwrap_or(usize::MAX);
        for row in rows {
            let Some(key) = read_key(row, 0, columns, NAME)? else { continue };
            let stock = StockRef { pool, key };
            let counter = |index: usize| Ok::<_, ShopError>(row.integer(index, NAME)?.map(Quantity::new));
            let row = StockRow {
                stock: stock.clone(),
                reserved: counter(columns)?,
                on_hand: counter(columns.saturating_add(1))?,
            };
            self.counters.insert(stock, row);
        }
        Ok(())
    }

    /// The stock rows that something holds and whose counters were not read yet.
    pub(crate) fn uncounted(&self) -> Vec<StockRef> {
        let counted: BTreeSet<&StockRef> = self.counters.keys().collect();
        self.rows.keys().filter(|stock| !counted.contains(stock)).cloned().collect()
    }

    /// Everything, with the counters of those rows.
    pub(crate) fn finish(mut self, counters: Vec<StockRow>) -> StockHoldings {
        self.counters.extend(counters.into_iter().map(|row| (row.stock.clone(), row)));
        StockHoldings {
            now: self.now,
            rows: self.rows.into_values().collect(),
            counters: self.counters.into_values().collect(),
            at_least: self.at_least,
        }
    }
}

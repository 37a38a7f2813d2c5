//! Stock rows before and after a release.

use super::order::StockRef;
use super::quantity::Quantity;

/// A stock row that a batch has locked, with its counters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockRow {
    /// Which row.
    pub stock: StockRef,
    /// The reserved counter, where the profile names one and it is not NULL.
    pub reserved: Option<Quantity>,
    /// The on-hand counter, where the profile names one and it is not NULL.
    pub on_hand: Option<Quantity>,
}

/// What a release writes to one stock row, summed over everything that holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockChange {
    /// The row as it was locked; the write repeats these values as its guard.
    pub before: StockRow,
    /// The reserved counter to write; nothing where it stays NULL or there is none.
    pub reserved: Option<Quantity>,
    /// The on-hand counter to write; nothing where it stays NULL or there is none.
    pub on_hand: Option<Quantity>,
}

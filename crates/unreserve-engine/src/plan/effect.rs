//! What a release does to the shop's rows.

use super::condition::Assignment;
use super::table::{Column, Table};

/// What a release does to the reservation's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReleasePlan {
    /// The row is deleted.
    Delete,
    /// The row is marked.
    Mark(Vec<Assignment>),
}

/// One stock table whose counters a release moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockPlan {
    /// The table.
    pub table: Table,
    /// Its key columns, each with the reservation's column that holds its value.
    pub key: Vec<(Column, Column)>,
    /// The counter that goes down, never below 0.
    pub reserved: Option<Column>,
    /// The counter that goes up.
    pub on_hand: Option<Column>,
    /// What else is written.
    pub set: Vec<Assignment>,
}

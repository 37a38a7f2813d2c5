//! Stock: what is held most, what came back most, and where a counter and the reservations differ.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// The stock rows of one shop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct StockView {
    /// The database's now.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) now: Timestamp,
    /// The stock rows of which reservations hold most, at most 100, the most units first.
    pub(crate) held_most: Vec<StockHeld>,
    /// Whether there may be more of everything held: only so many reservations are read.
    pub(crate) at_least: bool,
    /// Stock rows whose counter differs from what reservations hold, at most 100, the largest difference first. Nothing
    /// where it cannot be told.
    pub(crate) differences: Option<Vec<CounterDifference>>,
    /// How many stock rows were compared.
    pub(crate) rows_compared: u64,
    /// Why counters were not compared; nothing where they were.
    #[schema(example = "the profile names no counter of reserved units")]
    pub(crate) not_compared: Option<String>,
    /// What counters lacked when their units were given back, in the last 30 days.
    pub(crate) drift_units_30_days: i64,
    /// The stock rows that came back most, at most 20, the most units first, in the newest releases: at most 20,000 and 30
    /// days.
    pub(crate) given_back_most: Vec<StockGivenBack>,
    /// When the oldest of those releases was; nothing where there was none.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) given_back_since: Option<Timestamp>,
}

/// What is held of one stock row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct StockHeld {
    /// The stock row, as `table:key`.
    #[schema(example = "product_variants:17")]
    pub(crate) stock: String,
    /// Units that unpaid and unprotected orders hold: they come back when they expire.
    pub(crate) units_coming_back: i64,
    /// Reservations of such orders.
    pub(crate) reservations_coming_back: u64,
    /// Units that all reservations hold, of paid orders too.
    pub(crate) units_held: i64,
    /// The counter of reserved units; nothing where there is none.
    pub(crate) reserved_counter_units: Option<i64>,
    /// The counter of units on hand; nothing where the profile names none.
    pub(crate) on_hand_counter_units: Option<i64>,
}

/// A stock row whose counter differs from what reservations hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct CounterDifference {
    /// The stock row, as `table:key`.
    pub(crate) stock: String,
    /// What the counter says is reserved, in units.
    pub(crate) counter_units: i64,
    /// What reservations hold, in units.
    pub(crate) held_units: i64,
    /// The counter less what reservations hold, in units: above 0 units are blocked that no reservation holds.
    pub(crate) difference_units: i64,
}

/// What came back of one stock row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct StockGivenBack {
    /// The stock row, as `table:key`.
    pub(crate) stock: String,
    /// Reservations released.
    pub(crate) reservations: u64,
    /// Units given back.
    pub(crate) units: i64,
}

//! Stock: what is held most, what came back most, and where a counter and the reservations differ.

use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::Mutex;
use unreserve_engine::ledger::Lately;
use unreserve_engine::model::{Quantity, StockRef};
use unreserve_engine::plan::Plan;
use unreserve_engine::shop::{CheckedShop, HeldSum, StockHolding, StockHoldings};
use utoipa::ToSchema;

use super::Problem;
use super::lately::{self, LatelyKept};
use super::reader::Reader;
use super::shop::unreadable;
use crate::clock::ProcessClock;

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
    /// The stock rows that came back most, at most 20, the most units first, in the newest releases: at most 5,000 and 30
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

/// At most so many active reservations are read, and as many counters.
const READ_MAX: u32 = 20_000;

/// So many stock rows are shown of each kind.
const ROWS_MAX: usize = 100;

/// A stock row as the ledger names it: `table:key`.
fn named(plan: &Plan, stock: &StockRef) -> String {
    let table = plan.stock.get(stock.pool).map_or("", |stock| stock.table.name.as_str());
    format!("{table}:{}", stock.key)
}

impl StockView {
    /// Reads it.
    pub(super) async fn read(reader: &Reader, clock: &ProcessClock, kept: &Mutex<LatelyKept>) -> Result<Self, Problem> {
        let mut taken = reader.take().await?;
        let answer = read(taken.shop(), clock, kept).await;
        taken.give_back(answer)
    }

    fn of(plan: &Plan, holdings: &StockHoldings, lately: &Lately) -> Self {
        let not_compared = not_compared(plan, holdings);
        let (compared, differences) = holdings.differences();
        let differences = differences.iter().take(ROWS_MAX).map(|row| CounterDifference {
            stock: named(plan, &row.stock),
            counter_units: row.counter.units(),
            held_units: row.held,
            difference_units: row.units(),
        });
        Self {
            now: holdings.now,
            held_most: held_most(plan, holdings),
            at_least: holdings.at_least,
            differences: not_compared.is_none().then(|| differences.collect()),
            rows_compared: if not_compared.is_none() { compared } else { 0 },
            not_compared,
            drift_units_30_days: lately.days.values().fold(0, |sum, day| sum.saturating_add(day.drift)),
            given_back_most: lately
                .stock
                .iter()
                .map(|row| StockGivenBack {
                    stock: row.stock.clone(),
                    reservations: row.reservations,
                    units: row.units,
                })
                .collect(),
            given_back_since: lately.since,
        }
    }
}

async fn read(
    shop: &mut dyn CheckedShop,
    clock: &ProcessClock,
    kept: &Mutex<LatelyKept>,
) -> Result<StockView, Problem> {
    let holdings = shop.stock_holdings(READ_MAX).await;
    let holdings = holdings.map_err(|error| unreadable(&error, "the stock cannot be read"))?;
    let lately = lately::read(shop, clock, kept).await?;
    Ok(StockView::of(shop.plan(), &holdings, &lately))
}

/// Why counters cannot be compared with what reservations hold.
fn not_compared(plan: &Plan, holdings: &StockHoldings) -> Option<String> {
    if plan.stock.iter().all(|stock| stock.reserved.is_none()) {
        return Some("the profile names no counter of reserved units".to_owned());
    }
    holdings.at_least.then(|| format!("more than {READ_MAX} reservations or counters: not all of them are read"))
}

fn held_most(plan: &Plan, holdings: &StockHoldings) -> Vec<StockHeld> {
    let mut rows: Vec<&StockHolding> = holdings.rows.iter().collect();
    let rank = |row: &StockHolding| (row.coming_back.units, row.all.units);
    rows.sort_by_key(|row| (std::cmp::Reverse(rank(row)), row.stock.clone()));
    let of = |row: &&StockHolding| {
        let HeldSum { reservations, units } = row.coming_back;
        let counters = holdings.counters.iter().find(|counter| counter.stock == row.stock);
        StockHeld {
            stock: named(plan, &row.stock),
            units_coming_back: units,
            reservations_coming_back: reservations,
            units_held: row.all.units,
            reserved_counter_units: counters.and_then(|row| row.reserved).map(Quantity::units),
            on_hand_counter_units: counters.and_then(|row| row.on_hand).map(Quantity::units),
        }
    };
    rows.iter().take(ROWS_MAX).map(of).collect()
}

//! Text scenarios: a shop, a sweep, and what must be true afterwards, in a few readable lines.
//!
//! ```text
//! scenario: an order with one expired and one live reservation stays open
//! stock variant 1: on hand 20, reserved 4
//! order M-2 pending
//!   reservation variant 1 x 1 expired 30m ago
//!   reservation variant 1 x 3 expires in 10y
//! sweep
//! expect released 1 reservation, 1 unit, 0 cancelled, drift 0
//! expect order M-2 pending/pending_payment
//! expect variant 1 reserved 3
//! sweep again changes nothing
//! ```
//!
//! Before each `sweep` a dry run must foresee what it does and write nothing; after each, the shop and the ledger are audited
//! against each other. The whole language stands in [`Step`]; a file is in `scenarios/`, and joins the tests of every
//! database by its name in [`scenario_tests!`](crate::scenario_tests).

mod audit;
mod parse;
mod run;
mod words;

use std::path::Path;
use std::time::Duration;

pub use audit::audit;
pub use parse::{ParseError, parse};

use crate::failure::Failure;
use crate::shops::{MakeShop, NewReservation, Pool, Rules};

/// A scenario as it was read.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// What it shows.
    pub title: String,
    /// The rules that the shop's database keeps.
    pub rules: Rules,
    /// `profile without expires_at, timeout 20m`: reservations expire so long after their creation.
    pub profile_timeout: Option<String>,
    /// What happens, each with its line.
    pub steps: Vec<(usize, Step)>,
}

/// What a sweep is asked to do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SweepWords {
    /// `timeout 15m`
    pub timeout: Option<Duration>,
    /// `grace 5m`
    pub grace: Duration,
    /// `batch 3`: at most so many reservations a batch.
    pub batch: Option<u32>,
    /// `most 3`: stop where more orders are due.
    pub most: Option<u64>,
    /// `only M-1`
    pub only: Option<String>,
    /// `unforeseen`: a dry run cannot know what the shop's triggers will refuse.
    pub unforeseen: bool,
    /// `is refused: text`: it does not begin, and says why.
    pub refused: Option<String>,
}

/// One line of a scenario.
#[derive(Debug, Clone)]
pub enum Step {
    /// `stock variant 1: on hand 20, reserved 4`; `reserved null` is a counter that is not kept.
    Stock {
        /// Which pool.
        pool: Pool,
        /// Which row.
        id: i64,
        /// What is on hand.
        on_hand: i64,
        /// What is reserved.
        reserved: Option<i64>,
    },
    /// `order M-1 pending`, `order M-8 cancelled/cancelled`, `orders P-1..P-20 pending`.
    Orders {
        /// Their numbers.
        numbers: Vec<String>,
        /// The payment status.
        payment_status: String,
        /// The order status, where it is not the usual one.
        order_status: Option<String>,
    },
    /// `reservation variant 1 x 2 expired 30m ago`, `… expires in 5s`, with `created 2h ago` and `fulfilled` behind it:
    /// one for each of the orders above.
    Reservation(NewReservation),
    /// `payment succeeded`: one for each of the orders above.
    Payment {
        /// Its status.
        status: String,
    },
    /// `payment of M-1 succeeded`
    PaymentOf {
        /// The order.
        number: String,
        /// Its status.
        status: String,
    },
    /// `refuse order M-7`: a trigger refuses every change to it.
    Refuse {
        /// The order.
        number: String,
    },
    /// `an hour passes for what is set aside`
    Ripen,
    /// `sweep`
    Sweep(SweepWords),
    /// `sweep again changes nothing`
    SweepAgain,
    /// `expect released 1 reservation, 1 unit, 0 cancelled, drift 0`
    ExpectReleased {
        /// Reservations released by the last sweep.
        reservations: u64,
        /// Units given back.
        units: i64,
        /// Orders cancelled.
        cancelled: u64,
        /// What counters lacked.
        drift: i64,
    },
    /// `expect protected payment 1, status 2`, `expect protected nothing`
    ExpectProtected(Vec<(String, u64)>),
    /// `expect set aside M-7`, `expect set aside nothing`
    ExpectSetAside(Vec<String>),
    /// `expect order M-1 cancelled/cancelled`, `expect orders P-1..P-6 …`
    ExpectOrders {
        /// Their numbers.
        numbers: Vec<String>,
        /// The payment status.
        payment_status: String,
        /// The order status.
        order_status: String,
    },
    /// `expect order M-3 untouched`: neither its row nor its reservations changed since the shop was filled.
    ExpectUntouched(Vec<String>),
    /// `expect variant 1 reserved 3`
    ExpectStock {
        /// Which pool.
        pool: Pool,
        /// Which row.
        id: i64,
        /// What is reserved.
        reserved: Option<i64>,
    },
    /// `expect ledger of M-9: released 5, drift 2`
    ExpectLedger {
        /// The order.
        number: String,
        /// Units released.
        units: i64,
        /// What the counters lacked.
        drift: i64,
    },
}

/// Runs the scenario in `scenarios/NAME.txt`.
///
/// # Errors
/// The file cannot be read, a line is not understood, or an expectation does not hold; the line is told.
pub fn run(make: MakeShop, name: &str) -> Result<(), Failure> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios").join(format!("{name}.txt"));
    let text = std::fs::read_to_string(&path).map_err(|error| Failure::from(error).during(name))?;
    let scenario = parse(&text).map_err(|error| Failure::from(error).during(name))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(Box::pin(run::run(make, &scenario))).map_err(|failure| failure.during(name))
}

/// Registers every scenario for one database, each file as a test of its own.
#[macro_export]
macro_rules! scenario_tests {
    ($name:ident, $make:expr) => {
        mod $name {
            $crate::scenario_tests!(@files $make;
                a_batch_of_one_gives_the_same_as_a_large_one,
                a_cancelled_order_that_leaked_gives_its_stock_back,
                a_counter_below_zero_stays_where_it_is,
                a_counter_never_goes_below_zero,
                a_counter_that_is_null_stays_null,
                a_grace_period_protects,
                a_late_payment_finds_the_order_cancelled,
                a_payment_before_the_sweep_protects,
                a_quantity_that_is_none_is_set_aside,
                a_reservation_may_expire_after_its_creation,
                a_stock_row_that_is_gone_blocks_nobody,
                a_sweep_of_one_order_leaves_the_others,
                a_sweep_that_is_too_large_writes_nothing,
                a_timeout_replaces_the_stored_expiry,
                an_order_in_two_pools_is_cancelled_when_all_is_released,
                an_unknown_status_protects,
                nothing_is_due_in_an_empty_shop,
                one_poisoned_order_of_twenty_is_set_aside,
                one_second_ago_is_due_and_in_five_seconds_is_not,
                the_malikli_shop,
                two_orders_on_one_stock_row_are_summed,
            );
        }
    };
    (@files $make:expr; $($file:ident),+ $(,)?) => {
        $(
            #[test]
            fn $file() -> Result<(), $crate::failure::Failure> {
                $crate::scenario::run($make, stringify!($file))
            }
        )+
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_can_be_read_and_is_registered() {
        let list = include_str!("mod.rs");
        let mut files = 0;
        for file in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios")).unwrap() {
            let path = file.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            assert!(list.contains(&format!(" {name},")), "{name} is not in scenario_tests!");
            parse(&std::fs::read_to_string(&path).unwrap()).unwrap_or_else(|error| panic!("{name}: {error}"));
            files += 1;
        }
        assert!(files > 20, "only {files} files were found");
    }
}

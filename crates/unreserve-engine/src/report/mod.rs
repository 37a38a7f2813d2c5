//! What every face shows: the report of a sweep, made from the ledger in one place, and how a shop is.

pub mod health;
pub mod period;
pub mod rate;
pub mod shop_side;
mod sweep_report;
mod unknown;

pub use sweep_report::{Change, SweepReport, report_dry, report_sweep};

//! What every face shows: the report of a sweep, made from the ledger in one place, and how a shop is.

pub mod health;
pub mod period;
mod sweep_report;

pub use sweep_report::{Change, SweepReport, report_dry, report_sweep};

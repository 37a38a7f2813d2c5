//! What every face shows: one report of a sweep, made from the ledger in one place.

mod sweep_report;

pub use sweep_report::{Change, SweepReport, report_dry, report_sweep};

//! The sweep: batch after batch, until nothing due is left that may be released.

mod attempt;
mod clock;
mod decide;
mod dry;
mod error;
mod pace;
mod run;
mod settle;

pub use clock::{Clock, Observer, Progress, Silent};
pub use decide::{Decision, Release, decide};
pub use dry::dry_sweep;
pub use error::SweepError;
pub use pace::Pace;
pub use run::{Facts, ProtectedOrder, SweepOutcome, SweepRequest, sweep};
pub use settle::{Settlement, settle};

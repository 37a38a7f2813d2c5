//! The sweep: batch after batch, until nothing due is left that may be released.

mod attempt;
mod clock;
mod decide;
mod dry;
mod error;
mod pace;
mod run;
mod settle;
mod stop;

/// Reservations that batches have written, whether they were committed or not: what a report must never be made of.
static COUNTED: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);

fn counted(reservations: usize) {
    if crate::model::planted(crate::model::Mutant::CountsFromMemory) {
        COUNTED.fetch_add(u64::try_from(reservations).unwrap_or(0), std::sync::atomic::Ordering::Relaxed);
    }
}

/// What was counted on the way, where that fault is planted.
pub(crate) fn counted_on_the_way() -> Option<u64> {
    crate::model::planted(crate::model::Mutant::CountsFromMemory)
        .then(|| COUNTED.load(std::sync::atomic::Ordering::Relaxed))
}

pub use clock::{Clock, Observer, Progress, Silent};
pub use decide::{Decision, Release, decide};
pub use dry::dry_sweep;
pub use error::SweepError;
pub use pace::Pace;
pub use run::{Facts, ProtectedOrder, SweepOutcome, SweepRequest, sweep};
pub use settle::{Settlement, settle};
pub use stop::Stop;

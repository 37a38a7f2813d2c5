//! The append-only record of releases and cancellations, and what can be read back from it.

mod entry;
mod record;

pub use entry::{Entry, EntryKind, SetAside};
pub use record::{BatchRecord, Ending, EntryRecord, HistoryQuery, SetAsideRecord, SweepEnd, SweepRecord, SweepStart};

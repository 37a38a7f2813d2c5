//! The append-only record of releases and cancellations, and what can be read back from it.

mod entry;
mod pages;
mod record;
mod tally;

pub use entry::{Entry, EntryKind, SetAside};
pub use pages::{
    EntriesPage, EntriesQuery, EntryPlace, Lately, LatelyQuery, ReleaseSeen, SweepFilter, SweepPlace, SweepsPage,
    SweepsQuery, days_back, page_of,
};
pub use record::{BatchRecord, Ending, EntryRecord, HistoryQuery, SetAsideRecord, SweepEnd, SweepRecord, SweepStart};
pub use tally::{DayTally, StockTally, Tally, TallyQuery};

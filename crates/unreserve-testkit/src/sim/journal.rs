//! What happened in the shop in memory, told to the auditor as it happens.

use unreserve_engine::model::{Key, SweepId};

use super::own::BatchRow;
use super::store::{OurPart, Values};

/// One row before and after a commit.
#[derive(Debug, Clone)]
pub struct Change {
    /// The table's place.
    pub table: usize,
    /// The row's key.
    pub key: Key,
    /// What stood there.
    pub before: Option<Values>,
    /// What stands there now.
    pub after: Option<Values>,
}

/// What the shop says that a transaction of its own is about, for books that are kept apart from the rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// So much of a stock row came in.
    Restocked(usize, Key, i64),
    /// So much of it was sold.
    Sold(usize, Key, i64),
}

/// A transaction that was committed.
#[derive(Debug, Clone)]
pub struct Commit {
    /// Its connection.
    pub connection: u64,
    /// Whether it was one of `unreserve`.
    pub ours: bool,
    /// Its sweep, where it was a batch.
    pub sweep: Option<SweepId>,
    /// When it began, by the database's clock.
    pub began: i64,
    /// When it was committed, by the database's clock.
    pub at: i64,
    /// The shop's rows it changed.
    pub changes: Vec<Change>,
    /// What it appended to the ledger.
    pub batch: Option<BatchRow>,
    /// What the shop itself says of it.
    pub notes: Vec<Note>,
    /// Whether it was a batch of somebody who does not hold the lease.
    pub lease_lost: bool,
}

/// One thing that happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// A transaction was committed.
    Committed(Commit),
    /// A batch locked orders, and left out those that others had locked.
    LockedDue {
        /// Its sweep.
        sweep: SweepId,
        /// What it locked.
        locked: Vec<Key>,
        /// What it left out.
        skipped: Vec<Key>,
    },
    /// A batch left out a stock row that others had locked, and with it the orders that hold it.
    StockBusy {
        /// Its sweep.
        sweep: SweepId,
        /// The table of the row.
        table: usize,
        /// Its key.
        key: Key,
    },
    /// A batch was rolled back, or its client went away.
    Undone {
        /// Its sweep.
        sweep: SweepId,
    },
    /// A transaction of the shop waited for a lock that one of ours held.
    ShopWaited {
        /// Since when, in real time.
        since: i64,
        /// How long one of ours stood in the way, in microseconds.
        micros: i64,
        /// Whether one of ours still did when it was given up.
        in_vain: bool,
    },
    /// A transaction of the shop was chosen as a deadlock's victim.
    ShopVictim {
        /// Since when it had waited, in real time.
        since: i64,
        /// Our part in it.
        our_part: OurPart,
    },
}

impl Event {
    /// The event for somebody who reads a schedule; nothing where it is the shop's everyday work, which tells of itself.
    #[must_use]
    pub fn line(&self) -> Option<String> {
        let list = |keys: &[Key]| keys.iter().map(Key::to_string).collect::<Vec<_>>().join(" ");
        match self {
            Self::Committed(Commit { batch: Some(batch), .. }) => {
                let released = batch.entries.iter().filter_map(|entry| entry.reservation.clone());
                Some(format!("a batch releases {}", list(&released.collect::<Vec<_>>())))
            }
            Self::Committed(_) => None,
            Self::StockBusy { table, key, .. } => Some(format!("a batch finds row {key} of table {table} busy")),
            Self::LockedDue { locked, skipped, .. } => {
                Some(format!("a batch locks [{}], and leaves out [{}]", list(locked), list(skipped)))
            }
            Self::Undone { .. } => Some("a batch is undone".to_owned()),
            Self::ShopWaited { micros, in_vain, .. } => {
                let vain = if *in_vain { ", in vain" } else { "" };
                Some(format!("somebody of the shop waited {micros} µs behind us{vain}"))
            }
            Self::ShopVictim { our_part, .. } => {
                Some(format!("the shop is a deadlock's victim, our part: {our_part:?}"))
            }
        }
    }
}

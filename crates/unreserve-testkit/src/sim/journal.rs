//! What happened in the shop in memory, told to the auditor as it happens.

use unreserve_engine::model::{Key, SweepId};

use super::own::BatchRow;
use super::store::Values;

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
    /// A batch was rolled back, or its client went away.
    Undone {
        /// Its sweep.
        sweep: SweepId,
    },
    /// A transaction of the shop waited for a lock.
    ShopWaited {
        /// How long, in microseconds.
        micros: i64,
        /// Whether one of ours stood in the way.
        behind_us: bool,
        /// Whether it was given up in the end.
        in_vain: bool,
    },
    /// A transaction of the shop was chosen as a deadlock's victim.
    ShopVictim {
        /// Whether one of ours was in the circle.
        with_us: bool,
    },
    /// A lock was taken on a connection of ours.
    OurLock {
        /// The connection.
        connection: u64,
    },
}

//! What the ledger tells afterwards: sweeps, batches, entries.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{BatchId, SweepId};

/// What is written when a sweep begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SweepStart {
    /// The sweep.
    pub sweep_id: SweepId,
    /// The profile.
    pub profile: String,
    /// The program's version.
    pub version: String,
    /// The machine and process, as a second instance is told.
    pub holder: String,
}

/// How a sweep ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Everything due was released, or protected for a reason.
    Done,
    /// Some orders were set aside, or something due was left.
    Problems,
    /// Nothing was written: more was due than the bound allows.
    TooMany,
    /// It stopped on an error.
    Failed,
}

impl Ending {
    /// The word in the ledger.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Problems => "problems",
            Self::TooMany => "too_many",
            Self::Failed => "failed",
        }
    }
}

/// What is written when a sweep ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SweepEnd {
    /// The sweep.
    pub sweep_id: SweepId,
    /// How it ended.
    pub ending: Ending,
    /// Microseconds it took, on the process's monotonic clock.
    pub duration_micros: i64,
    /// How many orders were left alone, by reason.
    pub protected: BTreeMap<String, u64>,
    /// How many orders are set aside.
    pub set_aside: u64,
    /// The overdue time of the oldest due reservation when the sweep began.
    pub oldest_overdue_micros: i64,
    /// Whether something due was left.
    pub remaining_due: bool,
    /// The error it stopped on.
    pub error: Option<String>,
}

/// One sweep, as the ledger has it: the counts are sums over its committed batches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SweepRecord {
    /// The sweep.
    pub sweep_id: SweepId,
    /// The profile.
    pub profile: String,
    /// The machine and process.
    pub holder: String,
    /// When it began, by the database's clock.
    pub started_at: Timestamp,
    /// When it ended; nothing where it was interrupted, or still runs.
    pub finished_at: Option<Timestamp>,
    /// How it ended; nothing where it was interrupted, or still runs.
    pub ending: Option<String>,
    /// Milliseconds it took.
    pub duration_ms: Option<i64>,
    /// Committed batches.
    pub batches: u64,
    /// Reservations released.
    pub reservations_released: u64,
    /// Units given back.
    pub units_released: i64,
    /// Stock rows written.
    pub stock_rows_updated: u64,
    /// Orders cancelled.
    pub orders_cancelled: u64,
    /// What counters lacked.
    pub drift_units: i64,
    /// Orders left alone, by reason.
    pub orders_protected: BTreeMap<String, u64>,
    /// Orders set aside.
    pub orders_set_aside: u64,
    /// The overdue time of the oldest due reservation when the sweep began, in seconds.
    pub oldest_overdue_seconds: i64,
    /// Whether something due was left.
    pub remaining_due: bool,
    /// The error it stopped on.
    pub error: Option<String>,
}

/// What a committed batch did, found by its identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchRecord {
    /// The batch.
    pub batch_id: BatchId,
    /// Reservations released.
    pub reservations: u64,
    /// Units given back.
    pub units: i64,
    /// Stock rows written.
    pub stock_rows: u64,
    /// Orders cancelled.
    pub orders_cancelled: u64,
    /// What counters lacked.
    pub drift: i64,
}

/// One entry of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EntryRecord {
    /// `release` or `cancel`.
    pub kind: String,
    /// The order's key.
    pub order: String,
    /// The order's number.
    pub number: Option<String>,
    /// The reservation's key.
    pub reservation: Option<String>,
    /// The stock row, as `table:key`.
    pub stock: Option<String>,
    /// What was given back.
    pub quantity: i64,
    /// What the counter lacked.
    pub drift: i64,
    /// When the reservation expired.
    pub expires_at: Option<Timestamp>,
    /// When the change was made, by the database's clock.
    pub at: Timestamp,
    /// Whole seconds from the expiry to the release.
    pub overdue_seconds: i64,
}

/// An order that is set aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SetAsideRecord {
    /// The order's key.
    pub order: String,
    /// The order's number.
    pub number: Option<String>,
    /// Why.
    pub reason: String,
    /// How often it was tried.
    pub attempts: u64,
    /// When it was set aside first.
    pub since: Timestamp,
    /// When it is tried again.
    pub retry_at: Timestamp,
}

/// What part of the ledger to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HistoryQuery {
    /// The newest sweeps.
    Latest {
        /// At most so many.
        limit: u32,
    },
    /// The sweeps whose identity begins so (at most two, to see whether it is ambiguous).
    Sweep {
        /// The first letters of the identity, or all of it.
        id: String,
    },
}

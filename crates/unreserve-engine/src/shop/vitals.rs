//! What our own tables tell of how the sweeps go, in bounded reads: the facts that `health` judges.

use jiff::Timestamp;

/// What part of our own tables to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VitalsQuery {
    /// The profile whose sweeps are meant.
    pub profile: String,
    /// Drift is summed over so many days, and at most over its newest 10,000 sweeps.
    pub days: u32,
    /// At most so many of the newest sweeps are read.
    pub sweeps_max: u32,
    /// At most so many of the newest batches, of all profiles, are compared with their entries.
    pub batches_max: u32,
}

/// What our own tables tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vitals {
    /// The database's now.
    pub now: Timestamp,
    /// The newest sweeps of the profile, newest first.
    pub sweeps: Vec<SweepSeen>,
    /// What counters lacked in the days that were asked for, in units.
    pub drift_units: i64,
    /// Orders of the profile that are set aside now, counted up to 10,000.
    pub set_aside: u64,
    /// Who holds the right to write; nobody where it is free.
    pub lease: Option<LeaseSeen>,
    /// Who watches this shop; nobody where nobody does, or where the database does not say it.
    pub duty: Option<LeaseSeen>,
    /// The newest batches against their sweeps and entries.
    pub books: Books,
    /// Whether anything keeps the ledger from being changed.
    pub append_only: AppendOnly,
}

/// One sweep, as far as health needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SweepSeen {
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended; nothing where it was interrupted, or still runs.
    pub finished_at: Option<Timestamp>,
    /// How it ended, as the ledger's word.
    pub ending: Option<String>,
    /// Microseconds it took.
    pub duration_micros: Option<i64>,
}

/// Who holds a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseSeen {
    /// The machine.
    pub host: String,
    /// The process on that machine.
    pub process_id: i64,
    /// Seconds since it was heard of last; negative where a clock was set back.
    pub heard_seconds_ago: i64,
    /// Whether the database still has its connection; nothing where the database cannot tell.
    pub connected: Option<bool>,
}

/// The newest batches against their sweeps and entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Books {
    /// How many batches were looked at.
    pub batches: u64,
    /// How many of them belong to no sweep.
    pub without_sweep: u64,
    /// How many of them have other sums than their entries.
    pub sums_differ: u64,
}

/// Whether anything but our own good manners keeps the ledger from being changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AppendOnly {
    /// Rights or triggers do.
    Kept,
    /// The account owns the tables, or may drop them: no right can keep it from anything.
    Owned,
    /// Something that should is not there, in one line.
    Open(String),
}

//! One check as a value: what was looked at, how it is, the figure with its thresholds, and what to do.

use serde::{Deserialize, Serialize};

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckId {
    /// Whether the database is reached, and how fast.
    Database,
    /// Whether its version can be relied on.
    Version,
    /// Whether it takes writes.
    Writable,
    /// Whether the profile fits the live schema.
    Plan,
    /// Whether the shop's clock and the database's belong together.
    Clock,
    /// How many orders are due.
    Overdue,
    /// How long the oldest of them has been.
    OldestOverdue,
    /// How long ago a sweep ended well.
    LastSweep,
    /// How long sweeps take.
    SweepDuration,
    /// Whether whoever holds the lease lives.
    Lease,
    /// Whether the daemon lives.
    Daemon,
    /// How many orders are set aside.
    SetAside,
    /// How much counters lacked.
    Drift,
    /// Whether the ledger can be read, adds up, and only grows.
    Ledger,
    /// Whether the indexes that a sweep wants are there.
    Index,
    /// How exactly payments are seen.
    Protection,
}

impl CheckId {
    /// Every check, in the order in which they are shown: what others depend on comes first.
    pub const ALL: [Self; 16] = [
        Self::Database,
        Self::Version,
        Self::Writable,
        Self::Plan,
        Self::Clock,
        Self::Overdue,
        Self::OldestOverdue,
        Self::LastSweep,
        Self::SweepDuration,
        Self::Lease,
        Self::Daemon,
        Self::SetAside,
        Self::Drift,
        Self::Ledger,
        Self::Index,
        Self::Protection,
    ];

    /// The word in every format, and for `--only`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::Version => "version",
            Self::Writable => "writable",
            Self::Plan => "plan",
            Self::Clock => "clock",
            Self::Overdue => "overdue",
            Self::OldestOverdue => "oldest_overdue",
            Self::LastSweep => "last_sweep",
            Self::SweepDuration => "sweep_duration",
            Self::Lease => "lease",
            Self::Daemon => "daemon",
            Self::SetAside => "set_aside",
            Self::Drift => "drift",
            Self::Ledger => "ledger",
            Self::Index => "index",
            Self::Protection => "protection",
        }
    }

    /// The check of that word; a hyphen will do for the underscore.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        let word = word.trim().replace('-', "_");
        Self::ALL.into_iter().find(|check| check.word() == word)
    }
}

/// How it is, from the best to the worst: what is not known is worse than a warning, since it may be anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// As it should be.
    Ok,
    /// It wants to be looked at.
    Warning,
    /// It could not be looked at.
    Unknown,
    /// It wants to be looked at now.
    Critical,
}

impl Status {
    /// The word in every format.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Unknown => "unknown",
            Self::Critical => "critical",
        }
    }
}

/// What a figure counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Unit {
    /// Milliseconds.
    #[serde(rename = "ms")]
    Milliseconds,
    /// Seconds.
    #[serde(rename = "s")]
    Seconds,
    /// Orders.
    #[serde(rename = "orders")]
    Orders,
    /// Units of stock.
    #[serde(rename = "units")]
    Units,
    /// Batches of the ledger.
    #[serde(rename = "batches")]
    Batches,
    /// Indexes.
    #[serde(rename = "indexes")]
    Indexes,
}

impl Unit {
    /// The word in text and JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Milliseconds => "ms",
            Self::Seconds => "s",
            Self::Orders => "orders",
            Self::Units => "units",
            Self::Batches => "batches",
            Self::Indexes => "indexes",
        }
    }
}

impl Unit {
    /// The word after a figure.
    #[must_use]
    pub fn of(self, figure: i64) -> &'static str {
        match (self, figure) {
            (Self::Orders, 1) => "order",
            (Self::Units, 1) => "unit",
            (Self::Batches, 1) => "batch",
            (Self::Indexes, 1) => "index",
            (unit, _) => unit.word(),
        }
    }
}

/// A figure above a threshold has that status. A status may have none: then no figure leads to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Threshold {
    /// More than this is a warning.
    pub warning: Option<i64>,
    /// More than this is critical.
    pub critical: Option<i64>,
}

impl Threshold {
    /// Both thresholds.
    #[must_use]
    pub fn of(warning: i64, critical: i64) -> Self {
        Self { warning: Some(warning), critical: Some(critical) }
    }

    /// A warning, and nothing beyond.
    #[must_use]
    pub fn warning(warning: i64) -> Self {
        Self { warning: Some(warning), critical: None }
    }

    /// What a figure comes to.
    #[must_use]
    pub fn judge(self, figure: i64) -> Status {
        let above = |threshold: Option<i64>| threshold.is_some_and(|threshold| figure > threshold);
        if above(self.critical) {
            Status::Critical
        } else if above(self.warning) {
            Status::Warning
        } else {
            Status::Ok
        }
    }
}

/// Another figure of the same check, in the same unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Measure {
    /// What it is: `mean`, `p50`, `max`.
    pub name: &'static str,
    /// The figure.
    pub figure: i64,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was looked at.
    pub check: CheckId,
    /// How it is.
    pub status: Status,
    /// The figure it was judged by; nothing where there is none.
    pub figure: Option<i64>,
    /// What the figure counts.
    pub unit: Option<Unit>,
    /// What the figure was compared with.
    pub threshold: Threshold,
    /// What was found, in one line, for people.
    pub says: String,
    /// What to do about it; nothing where nothing has to be done.
    pub remedy: Option<String>,
    /// Other figures, in the same unit.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub more: Vec<Measure>,
}

impl Check {
    /// A check without a figure.
    pub(super) fn plain(check: CheckId, status: Status, says: impl Into<String>) -> Self {
        let (figure, unit, threshold) = (None, None, Threshold::default());
        Self { check, status, figure, unit, threshold, says: says.into(), remedy: None, more: Vec::new() }
    }

    /// A check that its figure decides.
    pub(super) fn figure(check: CheckId, figure: i64, unit: Unit, threshold: Threshold, says: String) -> Self {
        let plain = Self::plain(check, threshold.judge(figure), says);
        Self { figure: Some(figure), unit: Some(unit), threshold, ..plain }
    }

    /// Adds what to do, where something is to be done.
    pub(super) fn remedy(mut self, remedy: impl Into<String>) -> Self {
        if self.status != Status::Ok {
            self.remedy = Some(remedy.into());
        }
        self
    }
}

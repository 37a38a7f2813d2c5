//! The overview: how it is in one sentence, what is held, what came back, and what wants to be looked at.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;
use utoipa::ToSchema;

use super::{CheckView, Problem, Sentence, SweepSummary};

/// How one shop is. It is always told: what is not known is left out, and `trouble` says why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Overview {
    /// The shop's name in the settings; nothing where the settings have one shop without a name.
    pub(crate) shop: Option<String>,
    /// The profile; nothing where none is set.
    pub(crate) profile: Option<String>,
    /// The database's address, its password masked.
    #[schema(example = "postgres://shop:***@localhost/shop")]
    pub(crate) database: String,
    /// How it is, in one sentence.
    pub(crate) sentence: Sentence,
    /// What the database told; nothing where it could not be asked.
    pub(crate) figures: Option<Figures>,
    /// Why there are no figures; nothing where there are.
    pub(crate) trouble: Option<Problem>,
    /// The health checks that are not as they should be, the worst first.
    pub(crate) problems: Vec<CheckView>,
    /// How the daemon of this machine stands.
    pub(crate) daemon: DaemonView,
}

/// What the database told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Figures {
    /// The database's now.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) now: Timestamp,
    /// What is due.
    pub(crate) due: DueView,
    /// What unpaid orders hold, and when it comes back.
    pub(crate) held: HeldUnits,
    /// What was given back today, in UTC.
    pub(crate) given_back_today: GivenBack,
    /// What was given back in the last 30 days.
    pub(crate) given_back_30_days: GivenBack,
    /// The same day by day, oldest first, in UTC: 30 days, also those on which nothing happened.
    pub(crate) given_back_by_day: Vec<GivenBackDay>,
    /// How long after their expiry the newest reservations were released; nothing where none was in the last 30 days.
    pub(crate) release_lag: Option<ReleaseLag>,
    /// The newest sweeps, at most ten, newest first.
    pub(crate) newest_sweeps: Vec<SweepSummary>,
}

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct DueView {
    /// Orders that a sweep would work on now.
    pub(crate) orders: u64,
    /// Whether there may be more: they are counted up to a bound.
    pub(crate) at_least: bool,
    /// How long the oldest of them has been due, in seconds; 0 where none is due.
    pub(crate) oldest_overdue_seconds: i64,
    /// When the next reservation expires; nothing where none is waiting.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) next_expiry_at: Option<Timestamp>,
}

/// What unpaid and unprotected orders hold: it comes back when it expires, unless it is paid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct HeldUnits {
    /// Units.
    pub(crate) units: i64,
    /// Reservations.
    pub(crate) reservations: u64,
    /// Whether there may be more: only so many reservations are read, those that expire first.
    pub(crate) at_least: bool,
    /// How many minutes each step of `until` is long.
    #[schema(example = 5)]
    pub(crate) step_minutes: i64,
    /// Units by when they come back, soonest first: no step is left out up to the last one that holds something. The
    /// first one, where `from` is nothing, is what has expired already; the last one, where `to` is nothing, is what comes
    /// back later than a day from now.
    pub(crate) until: Vec<HeldUntil>,
}

/// What comes back in one step of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct HeldUntil {
    /// The first instant of it; nothing where it has expired already.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) from: Option<Timestamp>,
    /// The first instant after it; nothing where it has no end.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) to: Option<Timestamp>,
    /// Units.
    pub(crate) units: i64,
    /// Reservations.
    pub(crate) reservations: u64,
}

/// What was given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, ToSchema)]
pub(crate) struct GivenBack {
    /// Units.
    pub(crate) units: i64,
    /// Reservations released.
    pub(crate) reservations: u64,
    /// Orders cancelled.
    pub(crate) orders_cancelled: u64,
    /// Sweeps that began.
    pub(crate) sweeps: u64,
    /// Those of them that ended well.
    pub(crate) sweeps_ended_well: u64,
    /// What counters lacked, in units.
    pub(crate) drift_units: i64,
}

/// What was given back on one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct GivenBackDay {
    /// The day, in UTC.
    #[schema(value_type = String, format = Date)]
    pub(crate) day: Date,
    /// What was given back.
    #[serde(flatten)]
    pub(crate) given_back: GivenBack,
}

/// How long after their expiry reservations were released.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct ReleaseLag {
    /// Half of them took no longer, in milliseconds.
    pub(crate) p50_ms: i64,
    /// 95 of 100 took no longer, in milliseconds.
    pub(crate) p95_ms: i64,
    /// 99 of 100 took no longer, in milliseconds.
    pub(crate) p99_ms: i64,
    /// None took longer, in milliseconds.
    pub(crate) max_ms: i64,
    /// How many releases this is of: the newest, at most 20,000 and 30 days.
    pub(crate) releases: u64,
    /// When the oldest of them was.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) since: Timestamp,
}

/// How the daemon of this machine stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct DaemonView {
    /// In one word.
    pub(crate) standing: DaemonWord,
    /// In a sentence.
    pub(crate) says: String,
    /// Whether its process lives.
    pub(crate) lives: bool,
}

/// How a daemon stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DaemonWord {
    /// It works, waits, or stands by for another one.
    Well,
    /// The database is out of its reach; it tries again.
    BackingOff,
    /// A person has to act.
    Halted,
    /// It has ended, and said so.
    Stopped,
    /// None has run here: sweeps come from elsewhere, such as cron.
    None,
    /// Its record cannot be read.
    Unknown,
}

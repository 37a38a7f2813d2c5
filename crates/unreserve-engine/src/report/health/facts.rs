//! What is known of a shop, and what is not: the only thing that checks are judged by.

use std::time::Duration;

use super::check::{Check, CheckId, Status};
use super::protection::Protection;
use crate::plan::ClockFault;
use crate::shop::{Outlook, ShopInfo, Vitals, VitalsQuery};

/// Drift and durations are of so many days.
pub const VITALS_DAYS: u32 = 7;

/// Durations are of so many sweeps at most, and a sweep that ended well is looked for among so many.
const SWEEPS_MAX: u32 = 1_000;

/// So many of the newest batches are compared with their entries.
const BATCHES_MAX: u32 = 30;

/// What health asks of our own tables.
#[must_use]
pub fn vitals_query(profile: &str) -> VitalsQuery {
    VitalsQuery { profile: profile.to_owned(), days: VITALS_DAYS, sweeps_max: SWEEPS_MAX, batches_max: BATCHES_MAX }
}

/// What kept a fact from being known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obstacle {
    /// What happened, with its causes, in one line and without a secret.
    pub says: String,
    /// What to do about it.
    pub remedy: Option<String>,
}

/// A fact, if it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact<T> {
    /// It is.
    Known(T),
    /// It was asked for, in vain.
    Failed(Obstacle),
    /// It was not asked for, since something it needs is not there.
    Unasked,
}

/// A database that answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// What it says of itself.
    pub info: ShopInfo,
    /// How long connecting and the first answer took.
    pub latency: Duration,
}

/// What a sweep would look at first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// Whether the clocks belong together.
    pub clock: Result<(), ClockFault>,
    /// What lies ahead.
    pub outlook: Outlook,
    /// Due orders were counted no further than this.
    pub count_limit: u64,
}

/// How a daemon said that it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DaemonStanding {
    /// It works, waits, or stands by for another one.
    Well,
    /// The database is out of its reach; it tries again.
    BackingOff,
    /// A person has to act.
    Halted,
    /// It has ended, and said so.
    Stopped,
}

/// What this machine knows of its daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DaemonSeen {
    /// Whether its process lives.
    pub lives: bool,
    /// How it said that it stands, in one word and in a sentence; nothing where there is no record of one.
    pub record: Option<(DaemonStanding, String)>,
    /// Where the record lies.
    pub place: String,
}

/// What is known of one shop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthFacts {
    /// More due orders than this are a warning, ten times as many critical.
    pub alert_threshold: u64,
    /// A sweep is to come so often.
    pub interval: Duration,
    /// How much longer than its expiry a reservation is left alone.
    pub grace: Duration,
    /// Whether the database answered.
    pub reached: Fact<Reached>,
    /// Our own tables.
    pub vitals: Fact<Vitals>,
    /// Whether the profile fits the live schema.
    pub plan: Fact<()>,
    /// What a sweep would look at first.
    pub look: Fact<Look>,
    /// The statements that create the indexes which a sweep wants and the schema lacks.
    pub indexes: Fact<Vec<String>>,
    /// How exactly payments are seen.
    pub protection: Fact<Protection>,
    /// The daemon of this machine.
    pub daemon: Fact<DaemonSeen>,
}

impl HealthFacts {
    /// What a fact says of a check, or that it is not known, and why.
    pub(super) fn judge<T>(&self, check: CheckId, fact: &Fact<T>, judge: impl FnOnce(&T) -> Check) -> Check {
        match fact {
            Fact::Known(known) => judge(known),
            Fact::Failed(obstacle) => {
                let unknown = Check::plain(check, Status::Unknown, format!("not known: {}", obstacle.says));
                Check { remedy: obstacle.remedy.clone(), ..unknown }
            }
            Fact::Unasked => Check::plain(check, Status::Unknown, format!("not known: {}", self.why_unasked())),
        }
    }

    fn why_unasked(&self) -> &'static str {
        match (&self.reached, &self.plan) {
            (Fact::Known(_), Fact::Failed(_)) => "the profile does not fit",
            (Fact::Known(_), _) => "the ledger's tables are not there",
            _ => "the database was not reached",
        }
    }
}

/// So many whole seconds, in a figure.
pub(super) fn whole_seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

/// Seconds as people say them.
pub(super) fn say_seconds(seconds: i64) -> String {
    crate::model::write_duration(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
}

/// A count with its noun.
pub(super) fn plural(count: impl Into<i128>, noun: &str) -> String {
    let count: i128 = count.into();
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

impl HealthFacts {
    /// The database's answer; where there was none, that is told by a check of its own, and is no fact of others.
    pub(super) fn unless_unreached(&self) -> Fact<Reached> {
        match &self.reached {
            Fact::Failed(_) => Fact::Unasked,
            reached => reached.clone(),
        }
    }
}

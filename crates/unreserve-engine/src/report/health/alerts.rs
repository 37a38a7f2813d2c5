//! Which problems are told: from what a look sees, and what was told before, to what has to be told now.
//!
//! A problem is told once it has stood for a while, again when it gets worse, again and again while it lasts, and once more
//! when it is over. One that keeps coming back has to stay away for longer and longer before it counts as over, so that
//! nobody is told every minute of something that comes and goes.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::HealthReport;
use super::check::{Check, CheckId, Status};

/// How often a problem that came back within the hour may make the time longer for which it has to stay away.
const LEVEL_MAX: u32 = 6;

/// The longest that a problem has to stay away before it counts as over.
const CALM_MAX: Duration = Duration::from_secs(3_600);

/// For so long after its end it is remembered that a problem came back, a level an hour.
const FORGIVE: SignedDuration = SignedDuration::from_hours(1);

/// More of a text than this is not remembered.
const LETTERS_MAX: usize = 1_000;

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It wants to be looked at, or could not be looked at.
    Warning,
    /// It wants to be looked at now.
    Critical,
}

impl Severity {
    /// The word in every format.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// What is told, and how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertPolicy {
    /// A problem is told once it has stood for so long.
    pub after: Duration,
    /// What lasts is told again so often.
    pub repeat: Duration,
    /// What is less severe than this is not told.
    pub severity: Severity,
    /// Checks that nothing is told of.
    pub ignored: Vec<CheckId>,
}

/// What is remembered between two looks.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct AlertMemory {
    checks: BTreeMap<CheckId, Followed>,
}

/// What is remembered of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Followed {
    /// The problem that stands; nothing once it is over.
    problem: Option<Standing>,
    /// How often it came back of late.
    #[serde(default)]
    level: u32,
    /// When it was told to be over last.
    #[serde(default)]
    over_at: Option<Timestamp>,
}

/// A problem that stands, told or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Standing {
    /// The first look that saw it.
    began_at: Timestamp,
    /// How bad it was when it was seen last.
    severity: Severity,
    /// Since when it is critical.
    critical_since: Option<Timestamp>,
    /// Since when it is not seen any more, though it was told.
    well_since: Option<Timestamp>,
    /// What was told last, the worst of it, and when.
    told: Option<Told>,
    says: String,
    remedy: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Told {
    at: Timestamp,
    severity: Severity,
    worst: Severity,
}

/// Why a problem is in a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It is told for the first time.
    New,
    /// It was a warning.
    Worse,
    /// It lasts, and is told again.
    Repeated,
    /// It was told, and stands beside what is.
    Known,
}

/// A problem that is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// What was looked at.
    pub check: CheckId,
    /// How bad it is.
    pub severity: Severity,
    /// Why it is told.
    pub change: Change,
    /// The first look that saw it, by the process's clock.
    pub began_at: Timestamp,
    /// What was found, in one line.
    pub says: String,
    /// What to do about it.
    pub remedy: Option<String>,
}

/// A problem that is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Over {
    /// What was looked at.
    pub check: CheckId,
    /// The worst that was told of it.
    pub severity: Severity,
    /// The first look that saw it.
    pub began_at: Timestamp,
    /// The first look that did not see it any more.
    pub ended_at: Timestamp,
    /// What is found now.
    pub says: String,
}

/// Everything that is to be told of one shop at one time: never empty of news.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest {
    /// Every problem that stands and was told, the worst first.
    pub problems: Vec<Problem>,
    /// What is over since the last one.
    pub over: Vec<Over>,
}

impl Digest {
    /// What is left for somebody who is told of nothing less severe; nothing where no news is.
    #[must_use]
    pub fn at_least(&self, severity: Severity) -> Option<Self> {
        let problems = self.problems.iter().filter(|problem| problem.severity >= severity);
        let over = self.over.iter().filter(|over| over.severity >= severity);
        let left = Self { problems: problems.cloned().collect(), over: over.cloned().collect() };
        left.has_news().then_some(left)
    }

    fn has_news(&self) -> bool {
        !self.over.is_empty() || self.problems.iter().any(|problem| problem.change != Change::Known)
    }
}

/// What comes of a look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What has to be told now; mostly nothing.
    pub digest: Option<Digest>,
    /// The earliest instant at which a look that sees the same would tell something; nothing where none would.
    pub again_at: Option<Timestamp>,
}

/// What a look says of one check, as far as it matters here.
enum Sight<'a> {
    /// Nothing is known.
    Nothing,
    Well(&'a Check),
    Bad(Severity, &'a Check),
}

/// What is not known is a warning, unless something is critical: then that is the news, and this mostly its consequence.
fn sight<'a>(report: &'a HealthReport, check: CheckId, policy: &AlertPolicy) -> Sight<'a> {
    let Some(seen) = report.checks.iter().find(|seen| seen.check == check) else { return Sight::Nothing };
    let is_blind = report.checks.iter().any(|check| check.status == Status::Critical);
    let severity = match seen.status {
        Status::Unknown if is_blind => return Sight::Nothing,
        Status::Ok => return Sight::Well(seen),
        Status::Warning | Status::Unknown => Severity::Warning,
        Status::Critical => Severity::Critical,
    };
    if severity < policy.severity || policy.ignored.contains(&check) {
        return Sight::Well(seen);
    }
    Sight::Bad(severity, seen)
}

impl AlertMemory {
    /// Takes a look into account, and says what has to be told.
    pub fn judge(&mut self, report: &HealthReport, policy: &AlertPolicy, now: Timestamp) -> Verdict {
        self.not_beyond(now);
        let mut news: BTreeMap<CheckId, Change> = BTreeMap::new();
        let mut over = Vec::new();
        for check in CheckId::ALL {
            match sight(report, check, policy) {
                Sight::Nothing => {}
                Sight::Bad(severity, seen) => {
                    let followed = self.checks.entry(check).or_insert_with(Followed::new);
                    let change = followed.see(severity, seen, policy, now);
                    news.extend(change.map(|change| (check, change)));
                }
                Sight::Well(seen) => {
                    over.extend(self.checks.get_mut(&check).and_then(|followed| followed.miss(seen, policy, now)));
                }
            }
        }
        self.checks.retain(|_, followed| followed.problem.is_some() || followed.level_at(now) > 0);
        let digest = self.digest(&mut news, over, policy, now);
        Verdict { digest, again_at: self.again_at(policy) }
    }

    /// The problems that were told and are not over, the worst first.
    #[must_use]
    pub fn open(&self) -> Vec<Problem> {
        self.problems(&BTreeMap::new())
    }

    fn problems(&self, news: &BTreeMap<CheckId, Change>) -> Vec<Problem> {
        let told = self.checks.iter().filter_map(|(check, followed)| Some((*check, followed.problem.as_ref()?)));
        let told = told.filter(|(_, standing)| standing.told.is_some() && standing.well_since.is_none());
        let mut problems: Vec<Problem> = told
            .map(|(check, standing)| Problem {
                check,
                severity: standing.severity,
                change: news.get(&check).copied().unwrap_or(Change::Known),
                began_at: standing.began_at,
                says: standing.says.clone(),
                remedy: standing.remedy.clone(),
            })
            .collect();
        problems.sort_by_key(|problem| std::cmp::Reverse(problem.severity));
        problems
    }

    fn digest(
        &mut self,
        news: &mut BTreeMap<CheckId, Change>,
        over: Vec<Over>,
        policy: &AlertPolicy,
        now: Timestamp,
    ) -> Option<Digest> {
        if self.checks.values().any(|followed| followed.repeat_at(policy).is_some_and(|at| at <= now)) {
            // Where one is told again all are, so that they stay together.
            for (check, followed) in &mut self.checks {
                if followed.repeat_at(policy).is_some() {
                    news.entry(*check).or_insert(Change::Repeated);
                    followed.tell(now);
                }
            }
        }
        let digest = Digest { problems: self.problems(news), over };
        digest.has_news().then_some(digest)
    }

    fn again_at(&self, policy: &AlertPolicy) -> Option<Timestamp> {
        self.checks.values().filter_map(|followed| followed.again_at(policy)).min()
    }

    /// A clock that was set back must not put off what has to be told: what was remembered of its future is now.
    fn not_beyond(&mut self, now: Timestamp) {
        for followed in self.checks.values_mut() {
            followed.over_at = followed.over_at.map(|at| at.min(now));
            if let Some(standing) = &mut followed.problem {
                standing.began_at = standing.began_at.min(now);
                standing.critical_since = standing.critical_since.map(|at| at.min(now));
                standing.well_since = standing.well_since.map(|at| at.min(now));
                standing.told = standing.told.map(|told| Told { at: told.at.min(now), ..told });
            }
        }
    }
}

impl Followed {
    fn new() -> Self {
        Self { problem: None, level: 0, over_at: None }
    }

    /// The problem is there.
    fn see(&mut self, severity: Severity, seen: &Check, policy: &AlertPolicy, now: Timestamp) -> Option<Change> {
        if self.problem.is_none() && self.over_at.is_some() {
            self.level = self.level_at(now);
        }
        let standing = self.problem.get_or_insert_with(|| Standing::new(severity, now));
        standing.severity = severity;
        standing.well_since = None;
        standing.critical_since = (severity == Severity::Critical).then(|| standing.critical_since.unwrap_or(now));
        standing.says = seen.says.chars().take(LETTERS_MAX).collect();
        standing.remedy = seen.remedy.as_ref().map(|remedy| remedy.chars().take(LETTERS_MAX).collect());
        let change = match standing.news_at(policy) {
            Some((at, change)) if at <= now => change,
            _ => return None,
        };
        self.tell(now);
        Some(change)
    }

    /// The problem is not there, or not any more.
    fn miss(&mut self, seen: &Check, policy: &AlertPolicy, now: Timestamp) -> Option<Over> {
        let calm = self.calm(policy);
        let standing = self.problem.as_mut()?;
        let Some(told) = standing.told else {
            // Nobody heard of it.
            self.problem = None;
            return None;
        };
        let ended_at = *standing.well_since.get_or_insert(now);
        if later(ended_at, calm) > now {
            return None;
        }
        let says = seen.says.clone();
        let over = Over { check: seen.check, severity: told.worst, began_at: standing.began_at, ended_at, says };
        self.problem = None;
        self.over_at = Some(now);
        Some(over)
    }

    fn tell(&mut self, now: Timestamp) {
        if let Some(standing) = &mut self.problem {
            let severity = standing.severity;
            let worst = standing.told.map_or(severity, |told| told.worst.max(severity));
            standing.told = Some(Told { at: now, severity, worst });
        }
    }

    /// How long the problem has to stay away before it is over.
    fn calm(&self, policy: &AlertPolicy) -> Duration {
        if self.level == 0 {
            return policy.after;
        }
        let minutes = 1_u64.checked_shl(self.level).unwrap_or(u64::MAX);
        Duration::from_secs(minutes.saturating_mul(60)).min(CALM_MAX).max(policy.after)
    }

    /// The level that a problem would have which comes back now: one more, less one for each hour since it was over.
    fn level_at(&self, now: Timestamp) -> u32 {
        let Some(over_at) = self.over_at else { return self.level };
        let hours = now.duration_since(over_at).as_secs().checked_div(FORGIVE.as_secs()).unwrap_or(0);
        let hours = u32::try_from(hours).unwrap_or(0);
        self.level.saturating_add(1).saturating_sub(hours).min(LEVEL_MAX)
    }

    /// When a problem that was told is told again; nothing while it is not seen.
    fn repeat_at(&self, policy: &AlertPolicy) -> Option<Timestamp> {
        let standing = self.problem.as_ref().filter(|standing| standing.well_since.is_none())?;
        Some(later(standing.told?.at, policy.repeat))
    }

    fn again_at(&self, policy: &AlertPolicy) -> Option<Timestamp> {
        let standing = self.problem.as_ref()?;
        if let Some(well_since) = standing.well_since {
            return Some(later(well_since, self.calm(policy)));
        }
        let news = standing.news_at(policy).map(|(at, _)| at);
        news.into_iter().chain(self.repeat_at(policy)).min()
    }
}

impl Standing {
    fn new(severity: Severity, now: Timestamp) -> Self {
        Self {
            began_at: now,
            severity,
            critical_since: None,
            well_since: None,
            told: None,
            says: String::new(),
            remedy: None,
        }
    }

    /// When it is told for the first time, or that it is worse.
    fn news_at(&self, policy: &AlertPolicy) -> Option<(Timestamp, Change)> {
        match self.told {
            None => Some((later(self.began_at, policy.after), Change::New)),
            Some(told) if self.severity > told.severity => {
                Some((later(self.critical_since.unwrap_or(self.began_at), policy.after), Change::Worse))
            }
            Some(_) => None,
        }
    }
}

fn later(at: Timestamp, span: Duration) -> Timestamp {
    at.checked_add(span).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;

//! The overview: how it is in one sentence, what is held, what came back, and what wants to be looked at.

use std::sync::Arc;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp, ToSpan};
use serde::Serialize;
use tokio::sync::Mutex;
use unreserve_engine::ledger::{DayTally, Lately, SweepFilter, SweepsQuery};
use unreserve_engine::report::health::{DaemonSeen, DaemonStanding, Fact};
use unreserve_engine::report::period::{day_of, lag};
use unreserve_engine::shop::{CheckedShop, HELD_MINUTES, Held, HeldSum, Outlook};
use utoipa::ToSchema;

use super::lately::{self, DAYS, LatelyKept};
use super::reader::Reader;
use super::shop::unreadable;
use super::{CheckView, Problem, Sentence, ShopName, SweepSummary, sentence};
use crate::clock::ProcessClock;
use crate::settings::Settings;

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
    /// Units by when they come back, soonest first, without a gap: steps for nearly all that comes back within a day. The
    /// first one, where `from` is nothing, is what has expired already; the last one, where `to` is nothing, is all that
    /// comes back later than those steps.
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
    /// How many releases this is of: the newest, at most 5,000 and 30 days.
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
    /// What it does, to be read behind "The daemon".
    #[schema(example = "waits for the next expiry at 2026-11-23T02:30:00Z")]
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
    /// Its process is gone, and it did not say why.
    Gone,
    /// None has run here: sweeps come from elsewhere, such as cron.
    None,
    /// Its record cannot be read.
    Unknown,
}

/// Due orders are counted no further.
const COUNTED: u64 = 10_000;

/// At most so many held reservations are read.
const HELD_MAX: u32 = 20_000;

/// So many of the newest sweeps are shown.
const NEWEST: u32 = 10;

/// At most so many steps of time are shown.
const STEPS_MAX: i64 = 24;

/// Steps are shown for so many hundredths of what lies ahead: a few that expire much later do not press the rest together.
const NEARLY_ALL: u64 = 95;

/// What the database told, and the profile it told it of.
pub(super) struct Found {
    profile: String,
    figures: Figures,
}

/// Asks the database for everything that the overview shows.
pub(super) async fn find(reader: &Reader, clock: &ProcessClock, kept: &Mutex<LatelyKept>) -> Result<Found, Problem> {
    let mut taken = reader.take().await?;
    let answer = read(taken.shop(), clock, kept).await;
    taken.give_back(answer)
}

async fn read(shop: &mut dyn CheckedShop, clock: &ProcessClock, kept: &Mutex<LatelyKept>) -> Result<Found, Problem> {
    let outlook = shop.outlook(COUNTED).await;
    let outlook = outlook.map_err(|error| unreadable(&error, "what is due cannot be read"))?;
    let held = shop.held(HELD_MAX).await;
    let held = held.map_err(|error| unreadable(&error, "what is held cannot be read"))?;
    let lately = lately::read(shop, clock, kept).await?;
    let profile = shop.plan().profile.clone();
    let (filter, after) = (SweepFilter::All, None);
    let query = SweepsQuery { profile: profile.clone(), filter, after, limit: NEWEST, look_max: NEWEST };
    let newest = shop.sweeps_page(&query).await;
    let newest = newest.map_err(|error| unreadable(&error, "the ledger cannot be read"))?;
    let newest_sweeps = newest.sweeps.iter().map(SweepSummary::of).collect();
    Ok(Found { profile, figures: figures(&outlook, &held, &lately, newest_sweeps) })
}

fn figures(outlook: &Outlook, held: &Held, lately: &Lately, newest_sweeps: Vec<SweepSummary>) -> Figures {
    let given_back_by_day = by_day(lately);
    let nothing = GivenBack::default();
    Figures {
        now: outlook.now,
        due: DueView {
            orders: outlook.due_orders,
            at_least: outlook.due_orders >= COUNTED,
            oldest_overdue_seconds: outlook.oldest_overdue_micros.checked_div(1_000_000).unwrap_or(0),
            next_expiry_at: outlook.next_expiry,
        },
        held: HeldUnits::of(held),
        given_back_today: given_back_by_day.last().map_or(nothing, |day| day.given_back),
        given_back_30_days: given_back_by_day.iter().fold(nothing, |sum, day| sum.plus(day.given_back)),
        given_back_by_day,
        release_lag: lag(&lately.lags).zip(lately.since).map(|(lag, since)| ReleaseLag {
            p50_ms: lag.p50_ms,
            p95_ms: lag.p95_ms,
            p99_ms: lag.p99_ms,
            max_ms: lag.max_ms,
            releases: lately.releases,
            since,
        }),
        newest_sweeps,
    }
}

fn by_day(lately: &Lately) -> Vec<GivenBackDay> {
    let today = day_of(lately.now);
    let first = today.checked_sub(i64::from(DAYS.saturating_sub(1)).days()).unwrap_or(today);
    let numbers = lately.now.as_second().div_euclid(86_400).saturating_sub(i64::from(DAYS.saturating_sub(1)))..;
    let days = first.series(1.day()).take_while(|day| *day <= today);
    let of = |(number, day): (i64, Date)| GivenBackDay {
        day,
        given_back: GivenBack::of(&lately.days.get(&number).copied().unwrap_or_default()),
    };
    numbers.zip(days).map(of).collect()
}

impl GivenBack {
    fn of(day: &DayTally) -> Self {
        Self {
            units: day.units,
            reservations: day.reservations,
            orders_cancelled: day.orders_cancelled,
            sweeps: day.sweeps,
            sweeps_ended_well: day.sweeps_well,
            drift_units: day.drift,
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            units: self.units.saturating_add(other.units),
            reservations: self.reservations.saturating_add(other.reservations),
            orders_cancelled: self.orders_cancelled.saturating_add(other.orders_cancelled),
            sweeps: self.sweeps.saturating_add(other.sweeps),
            sweeps_ended_well: self.sweeps_ended_well.saturating_add(other.sweeps_ended_well),
            drift_units: self.drift_units.saturating_add(other.drift_units),
        }
    }
}

impl HeldUnits {
    /// What is held, in steps of time that fit nearly all of what lies ahead; the rest is told together.
    fn of(held: &Held) -> Self {
        let sum = held.sum();
        let near = near(held);
        let fits = |step: &i64| near.unwrap_or(0).div_euclid(*step) < STEPS_MAX;
        let step_minutes = [1_i64, 5, 15, 30, 60].into_iter().find(fits).unwrap_or(60);
        let at = |minutes: i64| held.now.checked_add(SignedDuration::from_mins(minutes)).unwrap_or(held.now);
        let within =
            |from: i64, to: i64| held.minutes.range(from..to).fold(HeldSum::default(), |all, (_, one)| all.plus(*one));
        let one = |from: Option<Timestamp>, to: Option<Timestamp>, sum: HeldSum| HeldUntil {
            from,
            to,
            units: sum.units,
            reservations: sum.reservations,
        };
        let mut until = Vec::new();
        until.extend(held.minutes.get(&-1).map(|sum| one(None, Some(held.now), *sum)));
        let steps = near.map_or(0, |near| near.div_euclid(step_minutes).saturating_add(1));
        for step in 0..steps {
            let from = step.saturating_mul(step_minutes);
            let to = from.saturating_add(step_minutes);
            until.push(one(Some(at(from)), Some(at(to)), within(from, to.min(HELD_MINUTES))));
        }
        let end = steps.saturating_mul(step_minutes).min(HELD_MINUTES);
        let later = within(end, i64::MAX);
        until.extend((later.reservations > 0).then(|| one(Some(at(end)), None, later)));
        Self { units: sum.units, reservations: sum.reservations, at_least: held.at_least, step_minutes, until }
    }
}

/// The minute within a day from now up to which nearly all of what lies ahead has come back; nothing where nothing comes back
/// within a day.
fn near(held: &Held) -> Option<i64> {
    let ahead = || held.minutes.range(0..);
    let all = ahead().fold(HeldSum::default(), |all, (_, one)| all.plus(*one));
    let mut so_far = 0_u64;
    let reached = ahead().find(|(_, one)| {
        so_far = so_far.saturating_add(one.reservations);
        so_far.saturating_mul(100) >= all.reservations.saturating_mul(NEARLY_ALL)
    });
    let last = held.minutes.range(0..HELD_MINUTES).next_back().map(|(minute, _)| *minute)?;
    Some(reached.map_or(last, |(minute, _)| *minute).min(last))
}

/// Puts the overview together.
pub(super) fn overview(
    name: ShopName,
    found: Result<Arc<Found>, Problem>,
    problems: Vec<CheckView>,
    daemon: DaemonView,
) -> Overview {
    let (found, trouble) = match found {
        Ok(found) => (Some(found), None),
        Err(problem) => (None, Some(problem)),
    };
    let profile = found.as_ref().map(|found| found.profile.clone()).or(name.profile);
    let figures = found.map(|found| found.figures.clone());
    let sentence = sentence::say(
        figures.as_ref().map(|figures| figures.now),
        figures.as_ref().map(|figures| &figures.due),
        &problems,
    );
    Overview { shop: name.shop, profile, database: name.database, sentence, figures, trouble, problems, daemon }
}

/// How the daemon of this machine stands, by what it left on the disk and by its lock.
pub(super) fn daemon(settings: &Settings) -> DaemonView {
    let view = |standing, says: &str, lives| DaemonView { standing, says: says.to_owned(), lives };
    match crate::health::daemon(settings) {
        Fact::Known(DaemonSeen { lives, record: None, .. }) => {
            let says = if lives { "has just begun" } else { "has not run here: sweeps come from elsewhere" };
            view(if lives { DaemonWord::Well } else { DaemonWord::None }, says, lives)
        }
        Fact::Known(DaemonSeen { lives: false, record: Some((standing, says)), .. }) => match standing {
            DaemonStanding::Stopped => view(DaemonWord::Stopped, &says, false),
            _ => view(DaemonWord::Gone, "is gone without a word", false),
        },
        Fact::Known(DaemonSeen { lives: true, record: Some((standing, says)), .. }) => {
            let word = match standing {
                DaemonStanding::Well => DaemonWord::Well,
                DaemonStanding::BackingOff => DaemonWord::BackingOff,
                DaemonStanding::Halted => DaemonWord::Halted,
                DaemonStanding::Stopped => DaemonWord::Stopped,
            };
            view(word, &says, true)
        }
        Fact::Failed(obstacle) => view(DaemonWord::Unknown, &format!("cannot be judged: {}", obstacle.says), false),
        Fact::Unasked => view(DaemonWord::Unknown, "cannot be judged: the profile cannot be read", false),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn held(minutes: &[(i64, i64)]) -> Held {
        let sum = |units: i64| HeldSum { reservations: 1, units };
        let minutes = minutes.iter().map(|(minute, units)| (*minute, sum(*units)));
        Held { now: Timestamp::UNIX_EPOCH, minutes: minutes.collect(), at_least: false }
    }

    #[test]
    fn what_is_held_is_told_in_steps_that_fit_it() {
        let told = |held: &Held| {
            let view = HeldUnits::of(held);
            let minute = |at: Option<Timestamp>| at.map(|at| at.as_second() / 60);
            let until = view.until.iter().map(|step| (minute(step.from), minute(step.to), step.units));
            (view.step_minutes, view.units, until.collect::<Vec<_>>())
        };
        assert_eq!(told(&held(&[])), (1, 0, vec![]));
        let soon = vec![(None, Some(0), 4), (Some(0), Some(1), 0), (Some(1), Some(2), 2)];
        assert_eq!(told(&held(&[(-1, 4), (1, 2)])), (1, 6, soon));
        let (step, units, until) = told(&held(&[(0, 1), (59, 2), (61, 3), (HELD_MINUTES, 9)]));
        assert_eq!((step, units, until.len()), (5, 15, 14));
        assert_eq!(until[11], (Some(55), Some(60), 2));
        assert_eq!(until[12], (Some(60), Some(65), 3));
        assert_eq!(until[13], (Some(65), None, 9));
        let (step, _, until) = told(&held(&[(1_439, 1)]));
        assert_eq!((step, until.len(), until[23]), (60, 24, (Some(1_380), Some(1_440), 1)));
        // One of very many that expires much later does not press the others together.
        let mut most = held(&[(700, 1)]);
        most.minutes.insert(10, HeldSum { reservations: 99, units: 99 });
        let (step, units, until) = told(&most);
        assert_eq!((step, units, until.len()), (1, 100, 12));
        assert_eq!((until[10], until[11]), ((Some(10), Some(11), 99), (Some(11), None, 1)));
        assert_eq!(told(&held(&[(HELD_MINUTES, 9)])), (1, 9, vec![(Some(0), None, 9)]));
    }

    #[test]
    fn every_one_of_thirty_days_is_told_and_their_sums() {
        let now: Timestamp = "2026-11-23T02:30:00Z".parse().unwrap();
        let today = now.as_second().div_euclid(86_400);
        let day = |units| DayTally { units, sweeps: 1, ..DayTally::default() };
        let days = BTreeMap::from([(today, day(5)), (today - 29, day(7)), (today - 30, day(100))]);
        let lately = Lately { now, days, releases: 0, since: None, lags: Vec::new(), stock: Vec::new() };
        let told = by_day(&lately);
        assert_eq!(told.len(), 30);
        let figures = |day: &GivenBackDay| (day.day.to_string(), day.given_back.units);
        assert_eq!(told.first().map(figures), Some(("2026-10-25".to_owned(), 7)));
        assert_eq!(told.last().map(figures), Some(("2026-11-23".to_owned(), 5)));
    }
}

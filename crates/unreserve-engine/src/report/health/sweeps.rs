//! What waits to be released, and whether somebody does it.

use crate::ledger::Ending;
use crate::shop::{LeaseSeen, SweepSeen, Vitals};

use super::check::{Check, CheckId, Measure, Status, Threshold, Unit};
use super::facts::{DaemonSeen, DaemonStanding, Fact, HealthFacts, VITALS_DAYS, plural, say_seconds, whole_seconds};

/// So many intervals without a sweep are a warning, so many critical; the same for an order that waits.
const INTERVALS: (i64, i64) = (2, 5);

/// A lease that was not heard of for so long is free, in seconds.
const LEASE_SECONDS: i64 = 30;

/// Whoever watches is heard of every few seconds; after so many it is taken for dead.
const DUTY_SECONDS: i64 = 10;

/// A watch that was not heard of for a day has been given up.
const GIVEN_UP_SECONDS: i64 = 86_400;

const START: &str =
    "start the daemon, or the timer that runs `unreserve sweep`; `unreserve history` shows how the last sweeps ended";

fn intervals(facts: &HealthFacts) -> Threshold {
    let interval = whole_seconds(facts.interval).max(1);
    Threshold::of(interval.saturating_mul(INTERVALS.0), interval.saturating_mul(INTERVALS.1))
}

/// How many orders are due.
pub(super) fn overdue(facts: &HealthFacts) -> Check {
    const ID: CheckId = CheckId::Overdue;
    facts.judge(ID, &facts.look, |look| {
        let warning = i64::try_from(facts.alert_threshold).unwrap_or(i64::MAX);
        let threshold = Threshold::of(warning, warning.saturating_mul(10));
        let figure = i64::try_from(look.outlook.due_orders).unwrap_or(i64::MAX);
        let counted = if look.outlook.due_orders >= look.count_limit { "at least " } else { "" };
        let verb = if figure == 1 { "is" } else { "are" };
        let says = match figure {
            0 => "nothing is due".to_owned(),
            _ => format!("{counted}{} {verb} due", plural(figure, "order")),
        };
        Check::figure(ID, figure, Unit::Orders, threshold, says)
            .remedy("look with `unreserve sweep --dry-run`, then release them with `unreserve sweep`")
    })
}

/// How long the oldest due order has been.
pub(super) fn oldest_overdue(facts: &HealthFacts) -> Check {
    const ID: CheckId = CheckId::OldestOverdue;
    facts.judge(ID, &facts.look, |look| {
        let figure = look.outlook.oldest_overdue_micros.checked_div(1_000_000).unwrap_or(0);
        let says = match look.outlook.due_orders {
            0 => "nothing is due".to_owned(),
            _ => format!("the oldest has been due for {}", say_seconds(figure)),
        };
        Check::figure(ID, figure, Unit::Seconds, intervals(facts), says).remedy(START)
    })
}

fn ended_well(sweep: &&SweepSeen) -> bool {
    let well = [Ending::Done.word(), Ending::Problems.word()];
    sweep.ending.as_deref().is_some_and(|ending| well.contains(&ending))
}

fn seconds_since(now: jiff::Timestamp, then: jiff::Timestamp) -> i64 {
    now.duration_since(then).as_secs().max(0)
}

/// How long ago a sweep ended well.
pub(super) fn last_sweep(facts: &HealthFacts) -> Check {
    const ID: CheckId = CheckId::LastSweep;
    facts.judge(ID, &facts.vitals, |vitals| {
        let newest = vitals.sweeps.first().filter(|sweep| !ended_well(sweep)).map(|sweep| match &sweep.ending {
            Some(ending) => format!("; the newest one ended as `{ending}`"),
            None => "; the newest one was interrupted, or still runs".to_owned(),
        });
        let newest = newest.unwrap_or_default();
        let Some(ended) = vitals.sweeps.iter().find(ended_well).and_then(|sweep| sweep.finished_at) else {
            let says = match vitals.sweeps.len() {
                0 => "no sweep has run yet".to_owned(),
                sweeps => {
                    format!(
                        "none of the newest {} ended well{newest}",
                        plural(i64::try_from(sweeps).unwrap_or(0), "sweep")
                    )
                }
            };
            let check = Check { threshold: intervals(facts), ..Check::plain(ID, Status::Critical, says) };
            return Check { unit: Some(Unit::Seconds), ..check }.remedy(START);
        };
        let age = seconds_since(vitals.now, ended);
        let every = say_seconds(whole_seconds(facts.interval));
        let says = format!("a sweep ended well {} ago, and one is to come every {every}{newest}", say_seconds(age));
        Check::figure(ID, age, Unit::Seconds, intervals(facts), says).remedy(START)
    })
}

/// How long sweeps take.
pub(super) fn sweep_duration(facts: &HealthFacts) -> Check {
    const ID: CheckId = CheckId::SweepDuration;
    facts.judge(ID, &facts.vitals, |vitals| {
        let oldest = i64::from(VITALS_DAYS).saturating_mul(86_400);
        let young = vitals.sweeps.iter().filter(|sweep| seconds_since(vitals.now, sweep.started_at) <= oldest);
        let millis = |sweep: &SweepSeen| sweep.duration_micros.and_then(|micros| micros.checked_div(1_000));
        let mut durations: Vec<i64> = young.filter_map(millis).collect();
        durations.sort_unstable();
        let Some(max) = durations.last().copied() else {
            return Check::plain(
                ID,
                Status::Unknown,
                format!("not known: no sweep has ended in the last {VITALS_DAYS} days"),
            );
        };
        let count = i64::try_from(durations.len()).unwrap_or(i64::MAX);
        let mean = durations.iter().fold(0_i64, |sum, one| sum.saturating_add(*one)).checked_div(count).unwrap_or(0);
        let (p50, p95) = (percentile(&durations, 50), percentile(&durations, 95));
        let interval = whole_seconds(facts.interval).max(1).saturating_mul(1_000);
        let says = format!(
            "95 % of the sweeps took at most {p95} ms; mean {mean} ms, median {p50} ms, longest {max} ms, of {}",
            plural(count, "sweep")
        );
        let more = [("mean", mean), ("p50", p50), ("max", max)].map(|(name, figure)| Measure { name, figure });
        let threshold = Threshold::of(interval, interval.saturating_mul(INTERVALS.1));
        let check = Check::figure(ID, p95, Unit::Milliseconds, threshold, says);
        Check { more: more.to_vec(), ..check }
            .remedy("sweeps take longer than their interval: see whether an index is missing, or the database is busy")
    })
}

/// The smallest value that so many of a hundred do not exceed. The values are sorted.
fn percentile(sorted: &[i64], percent: usize) -> i64 {
    let rank = sorted.len().saturating_mul(percent).div_ceil(100).max(1);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0)
}

/// Whether whoever holds the lease lives.
pub(super) fn lease(facts: &HealthFacts) -> Check {
    const ID: CheckId = CheckId::Lease;
    facts.judge(ID, &facts.vitals, |vitals| {
        let Some(lease) = &vitals.lease else {
            return Check::plain(ID, Status::Ok, "nobody is sweeping right now");
        };
        let who = who(lease);
        let heard = lease.heard_seconds_ago.max(0);
        let gone = lease.connected == Some(false);
        let says = match (gone, heard > LEASE_SECONDS) {
            (true, _) => {
                format!("{who} holds the lease and its connection is gone; it was heard of {} ago", say_seconds(heard))
            }
            (false, true) => format!("{who} holds the lease and was not heard of for {}", say_seconds(heard)),
            (false, false) => format!("{who} is sweeping, heard of {} ago", say_seconds(heard)),
        };
        let check = Check::figure(ID, heard, Unit::Seconds, Threshold::warning(LEASE_SECONDS), says);
        let status = if gone { Status::Warning } else { check.status };
        Check { status, ..check }
            .remedy("nothing is lost: the next sweep takes over. See that one comes, and why that process ended")
    })
}

fn who(lease: &LeaseSeen) -> String {
    format!("process {} on {}", lease.process_id, lease.host)
}

/// Whether the daemon lives. What this machine knows comes first, then what the database says.
pub(super) fn daemon(facts: &HealthFacts) -> Check {
    const ID: CheckId = CheckId::Daemon;
    facts.judge(ID, &facts.daemon, |seen| match seen {
        DaemonSeen { lives: true, record, .. } => living(record.as_ref()),
        DaemonSeen { record: Some((standing, says)), place, .. } if *standing != DaemonStanding::Stopped => {
            let says =
                format!("the daemon of this machine is gone and did not say why; the last it said was that it {says}");
            let remedy = format!("start it again; where a timer has taken its place, delete `{place}`");
            Check::plain(ID, Status::Warning, says).remedy(remedy)
        }
        DaemonSeen { .. } => elsewhere(&facts.vitals),
    })
}

fn living(record: Option<&(DaemonStanding, String)>) -> Check {
    const ID: CheckId = CheckId::Daemon;
    match record {
        Some((DaemonStanding::Halted, says)) => Check::plain(ID, Status::Critical, format!("the daemon {says}"))
            .remedy("put that right; it looks again by itself, or at once after SIGHUP"),
        Some((DaemonStanding::BackingOff, says)) => {
            Check::plain(ID, Status::Warning, format!("the daemon cannot reach the database, and {says}"))
                .remedy("it tries again by itself; see why the database is out of its reach")
        }
        Some((_, says)) => Check::plain(ID, Status::Ok, format!("the daemon lives: {says}")),
        None => Check::plain(ID, Status::Ok, "the daemon lives"),
    }
}

fn elsewhere(vitals: &Fact<Vitals>) -> Check {
    const ID: CheckId = CheckId::Daemon;
    let duty = if let Fact::Known(vitals) = vitals { vitals.duty.as_ref() } else { None };
    match duty {
        Some(duty) if duty.heard_seconds_ago < GIVEN_UP_SECONDS => {
            let silent = duty.connected == Some(false) || duty.heard_seconds_ago > DUTY_SECONDS;
            let heard = say_seconds(duty.heard_seconds_ago);
            if silent {
                let says = format!("{} was on duty, and was last heard of {heard} ago", who(duty));
                return Check::plain(ID, Status::Warning, says).remedy("start the daemon of that machine again");
            }
            Check::plain(ID, Status::Ok, format!("{} is on duty, heard of {heard} ago", who(duty)))
        }
        _ if matches!(vitals, Fact::Known(_)) => {
            Check::plain(ID, Status::Ok, "no daemon watches this shop: sweeps come from a timer or by hand")
        }
        // Another machine's daemon is known by the database alone.
        _ => Check::plain(
            ID,
            Status::Unknown,
            "not known: none runs on this machine, and the database cannot be asked for another",
        ),
    }
}

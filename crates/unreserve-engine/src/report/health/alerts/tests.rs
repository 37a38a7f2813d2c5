//! What is told and what is not, as stories of looks; and that nothing is told too often, whatever is seen.
#![expect(clippy::arithmetic_side_effects, reason = "helpers of a test may fail it")]

use proptest::prelude::*;

use super::*;
use crate::report::health::Threshold;

const MINUTE: i64 = 60;
const HOUR: i64 = 3_600;

fn policy() -> AlertPolicy {
    AlertPolicy {
        after: Duration::from_secs(60),
        repeat: Duration::from_secs(4 * 3_600),
        severity: Severity::Warning,
        ignored: Vec::new(),
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_000_000 + second).unwrap()
}

fn report(seen: &[(CheckId, Status)]) -> HealthReport {
    let checks: Vec<Check> = seen
        .iter()
        .map(|(check, status)| Check {
            check: *check,
            status: *status,
            figure: None,
            unit: None,
            threshold: Threshold::default(),
            says: format!("{} {}", check.word(), status.word()),
            remedy: None,
            more: Vec::new(),
        })
        .collect();
    HealthReport { status: checks.iter().map(|check| check.status).max().unwrap(), checks }
}

/// A digest in one line: `+overdue!` is new and critical, `^` worse, `*` repeated, `=` known, `-` over.
fn line(digest: &Digest) -> String {
    let problems = digest.problems.iter().map(|problem| {
        let mark = match problem.change {
            Change::New => '+',
            Change::Worse => '^',
            Change::Repeated => '*',
            Change::Known => '=',
        };
        let bad = if problem.severity == Severity::Critical { "!" } else { "" };
        format!("{mark}{}{bad}", problem.check.word())
    });
    let over = digest.over.iter().map(|over| format!("-{}", over.check.word()));
    problems.chain(over).collect::<Vec<_>>().join(" ")
}

/// Plays looks, each so many seconds after the beginning, and compares what was told: the second and the line.
#[track_caller]
fn check(policy: &AlertPolicy, looks: &[(i64, &[(CheckId, Status)])], expected: &[(i64, &str)]) {
    let mut memory = AlertMemory::default();
    let mut told = Vec::new();
    for (second, seen) in looks {
        // What is remembered survives the way through the file at every look.
        let text = serde_json::to_string(&memory).unwrap();
        memory = serde_json::from_str(&text).unwrap();
        let verdict = memory.judge(&report(seen), policy, at(*second));
        told.extend(verdict.digest.map(|digest| (*second, line(&digest))));
        assert!(verdict.again_at.is_none_or(|again| again > at(*second)), "a look at once would tell nothing new");
    }
    let told: Vec<(i64, &str)> = told.iter().map(|(second, line)| (*second, line.as_str())).collect();
    assert_eq!(told, expected);
}

use CheckId::{Daemon, Database, Index, Overdue};
use Status::{Critical, Ok as Well, Unknown, Warning};

#[test]
fn a_problem_is_told_once_it_stands_when_it_gets_worse_and_when_it_is_over() {
    check(
        &policy(),
        &[
            (0, &[(Overdue, Well)]),
            (60, &[(Overdue, Warning)]),
            (90, &[(Overdue, Warning)]),
            (120, &[(Overdue, Warning)]),
            (180, &[(Overdue, Warning)]),
            (240, &[(Overdue, Critical)]),
            (300, &[(Overdue, Critical)]),
            (360, &[(Overdue, Warning)]),
            (420, &[(Overdue, Critical)]),
            (480, &[(Overdue, Critical)]),
            (540, &[(Overdue, Well)]),
            (600, &[(Overdue, Well)]),
            (660, &[(Overdue, Well)]),
        ],
        &[(120, "+overdue"), (300, "^overdue!"), (600, "-overdue")],
    );
}

#[test]
fn what_passes_by_itself_is_not_told_and_a_gap_in_it_is_no_end() {
    check(
        &policy(),
        &[
            (0, &[(Database, Critical)]),
            (30, &[(Database, Well)]),
            (60, &[(Database, Critical)]),
            (120, &[(Database, Critical)]),
            (180, &[(Database, Well)]),
            (210, &[(Database, Critical)]),
            (270, &[(Database, Critical)]),
        ],
        &[(120, "+database!")],
    );
}

#[test]
fn one_message_tells_of_everything_and_what_lasts_is_told_again_together() {
    check(
        &policy(),
        &[
            (0, &[(Overdue, Warning), (Index, Well)]),
            (60, &[(Overdue, Warning), (Index, Warning)]),
            (HOUR, &[(Overdue, Warning), (Index, Warning)]),
            (4 * HOUR, &[(Overdue, Warning), (Index, Warning)]),
            (4 * HOUR + 60, &[(Overdue, Critical), (Index, Warning)]),
            (4 * HOUR + 120, &[(Overdue, Critical), (Index, Warning)]),
            (8 * HOUR + 90, &[(Overdue, Critical), (Index, Warning)]),
            (8 * HOUR + 120, &[(Overdue, Well), (Index, Warning)]),
            (8 * HOUR + 180, &[(Overdue, Well), (Index, Warning)]),
        ],
        &[
            (60, "+overdue"),
            (HOUR, "=overdue +index"),
            (4 * HOUR + 60, "*overdue! *index"),
            (8 * HOUR + 90, "*overdue! *index"),
            (8 * HOUR + 180, "=index -overdue"),
        ],
    );
}

#[test]
fn what_is_not_known_is_a_warning_only_where_nothing_is_critical() {
    check(
        &policy(),
        &[
            (0, &[(Overdue, Warning), (Database, Well)]),
            (60, &[(Overdue, Warning), (Database, Well)]),
            // It is not known whether it still is: it neither ends nor is told anew.
            (120, &[(Overdue, Unknown), (Database, Critical)]),
            (180, &[(Overdue, Unknown), (Database, Critical)]),
            (240, &[(Overdue, Well), (Database, Well)]),
            (300, &[(Overdue, Well), (Database, Well)]),
            (360, &[(Overdue, Unknown), (Database, Well)]),
            (420, &[(Overdue, Unknown), (Database, Well)]),
        ],
        &[(60, "+overdue"), (180, "+database! =overdue"), (300, "-database -overdue"), (420, "+overdue")],
    );
}

#[test]
fn a_single_run_tells_at_once() {
    let policy = AlertPolicy { after: Duration::ZERO, ..policy() };
    check(
        &policy,
        &[
            (0, &[(Overdue, Warning)]),
            (5 * MINUTE, &[(Overdue, Well)]),
            (10 * MINUTE, &[(Overdue, Warning)]),
            (15 * MINUTE, &[(Overdue, Well)]),
            (20 * MINUTE, &[(Overdue, Warning)]),
            (25 * MINUTE, &[(Overdue, Well)]),
            (30 * MINUTE, &[(Overdue, Well)]),
        ],
        // Having come back, it has to stay away for two minutes, which only a second look can tell.
        &[(0, "+overdue"), (5 * MINUTE, "-overdue"), (10 * MINUTE, "+overdue"), (30 * MINUTE, "-overdue")],
    );
}

#[test]
fn only_what_is_severe_enough_and_not_ignored_is_told() {
    let policy = AlertPolicy { after: Duration::ZERO, severity: Severity::Critical, ignored: vec![Index], ..policy() };
    check(
        &policy,
        &[
            (0, &[(Overdue, Warning), (Index, Critical)]),
            (60, &[(Overdue, Critical), (Index, Critical)]),
            (120, &[(Overdue, Warning), (Index, Critical)]),
        ],
        &[(60, "+overdue!"), (120, "-overdue")],
    );
}

#[test]
fn who_hears_only_of_what_is_critical_hears_nothing_else() {
    let mut memory = AlertMemory::default();
    let policy = AlertPolicy { after: Duration::ZERO, ..policy() };
    let mut tell = |second, seen: &[(CheckId, Status)]| {
        let digest = memory.judge(&report(seen), &policy, at(second)).digest.unwrap();
        digest.at_least(Severity::Critical).map(|digest| line(&digest))
    };
    assert_eq!(tell(0, &[(Overdue, Warning), (Daemon, Well)]), None);
    assert_eq!(tell(60, &[(Overdue, Warning), (Daemon, Critical)]).as_deref(), Some("+daemon!"));
    assert_eq!(tell(120, &[(Overdue, Well), (Daemon, Critical)]), None);
    assert_eq!(tell(180, &[(Overdue, Well), (Daemon, Well)]).as_deref(), Some("-daemon"));
}

#[test]
fn a_clock_that_is_set_back_delays_nothing() {
    check(
        &policy(),
        &[
            (1_000 * HOUR, &[(Overdue, Warning)]),
            (0, &[(Overdue, Warning)]),
            (60, &[(Overdue, Warning)]),
            (1_000 * HOUR, &[(Overdue, Warning)]),
            (120, &[(Overdue, Warning)]),
            (120 + 4 * HOUR, &[(Overdue, Warning)]),
        ],
        &[(60, "+overdue"), (1_000 * HOUR, "*overdue"), (120 + 4 * HOUR, "*overdue")],
    );
}

fn status() -> impl Strategy<Value = Status> {
    prop::sample::select(vec![Well, Well, Warning, Unknown, Critical])
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(100) })]

    /// However it comes and goes, a check is told to begin or to be over at most 62 times a day: once an hour each, and
    /// what it takes until it has to stay away for an hour. What is told alternates, and ends as it was seen last.
    #[test]
    fn nothing_flaps(spells in prop::collection::vec((status(), 1..90_usize), 1..200), after in 0..3_u64) {
        let policy = AlertPolicy { after: Duration::from_secs(after * 60), ..policy() };
        let mut memory = AlertMemory::default();
        let (mut begun, mut changes) = (false, Vec::new());
        let minutes = spells.iter().flat_map(|(status, minutes)| std::iter::repeat_n(*status, *minutes));
        let mut minute = 0;
        for status in minutes.chain(std::iter::repeat_n(Well, 130)) {
            minute += 1;
            let verdict = memory.judge(&report(&[(Overdue, status)]), &policy, at(minute * MINUTE));
            let Some(digest) = verdict.digest else { continue };
            for problem in &digest.problems {
                prop_assert_eq!(problem.change == Change::New, !begun);
                if problem.change == Change::New {
                    changes.push(minute);
                }
                begun = true;
            }
            if !digest.over.is_empty() {
                prop_assert!(begun && digest.problems.is_empty());
                changes.push(minute);
                begun = false;
            }
        }
        prop_assert!(!begun, "it was well for two hours");
        for (index, first) in changes.iter().enumerate() {
            let of_a_day = changes[index..].iter().filter(|minute| **minute < first + 1_440).count();
            prop_assert!(of_a_day <= 62, "{of_a_day} in a day");
        }
    }

    /// What looks would tell on the way, a look at the instant that was named tells: nothing is slept through.
    #[test]
    fn the_next_instant_is_the_right_one(statuses in prop::collection::vec(status(), 1..8), wait in 1..7_200_i64) {
        let mut memory = AlertMemory::default();
        let mut second = 0;
        for status in statuses {
            second += 50;
            let seen = report(&[(Overdue, status)]);
            let verdict = memory.judge(&seen, &policy(), at(second));
            let early = memory.clone().judge(&seen, &policy(), at(second + wait));
            let is_due = verdict.again_at.is_some_and(|again| again <= at(second + wait));
            prop_assert_eq!(early.digest.is_some(), is_due, "{:?}", verdict.again_at);
        }
    }
}

//! The goals of the speed section of the project's plan, each judged by the figures.

use std::time::Duration;

use super::contender::Contender;
use super::figures::{Figures, Series, ratio, whole};

/// A limit, and what was measured against it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Goal {
    /// What is asked.
    pub(super) text: String,
    /// What was measured; nothing where it was not.
    pub(super) measured: Option<String>,
    pub(super) verdict: Verdict,
}

/// Whether a goal is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Reached,
    Missed,
    NotMeasured,
}

impl Verdict {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Reached => "reached",
            Self::Missed => "**not reached**",
            Self::NotMeasured => "not measured",
        }
    }
}

const SMALL: u64 = 100;
const LARGE: [u64; 2] = [10_000, 100_000];
const SMALL_RATIO: f64 = 1.5;
const SMALL_MEMORY_MB: f64 = 20.0;
/// Half the throughput is twice the time.
const LARGE_RATIO: f64 = 2.0;
const TRANSACTION: Duration = Duration::from_millis(50);
const MEMORY_RATIO: f64 = 1.1;
const GROWTH_OLD: [u64; 2] = [10_000, 1_000_000];
const GROWTH_RATIO: f64 = 1.3;

/// Judges every goal.
pub(super) fn judge(figures: &Figures) -> Vec<Goal> {
    let series = |due: u64, contender| figures.at(due).map(|size| size.of(contender));
    let sweep = |due| series(due, Contender::Sweep);
    let against_hand = |due| ratio(sweep(due)?, series(due, Contender::ByHand)?);
    let mut goals = vec![
        limit(
            format!("{SMALL} due: the whole process at most {SMALL_RATIO} × the whole `psql` process"),
            against_hand(SMALL),
            SMALL_RATIO,
            |value| format!("{value:.2} ×"),
        ),
        limit(
            format!("{SMALL} due: at most {SMALL_MEMORY_MB} MB, in every round"),
            sweep(SMALL).and_then(Series::memory_max).map(megabytes),
            SMALL_MEMORY_MB,
            |value| format!("{value:.1} MB"),
        ),
    ];
    for due in LARGE {
        goals.push(limit(
            format!("{due} due: at least half the throughput of the hand-written statement"),
            against_hand(due),
            LARGE_RATIO,
            |value| format!("{:.2} of it", 1.0 / value),
        ));
        goals.push(limit(
            format!("{due} due: each transaction at most {} ms at p99", TRANSACTION.as_millis()),
            sweep(due).and_then(|series| series.transaction(99)).map(|took| took.as_secs_f64()),
            TRANSACTION.as_secs_f64(),
            |value| format!("{:.1} ms", value * 1_000.0),
        ));
    }
    let [few, many] = LARGE.map(|due| sweep(due).and_then(Series::memory).map(megabytes));
    goals.push(limit(
        "10000 and 100000 due: the same memory within 10 %".to_owned(),
        few.zip(many).map(|(few, many)| few.max(many) / few.min(many)),
        MEMORY_RATIO,
        |value| format!("{:.1} % apart", (value - 1.0) * 100.0),
    ));
    let [few_old, many_old] = GROWTH_OLD;
    let growth = figures.growth.as_ref().filter(|growth| (growth.few.0, growth.many.0) == (few_old, many_old));
    goals.push(limit(
        format!("{SMALL} due, old orders {few_old} → {many_old}: the time at most {GROWTH_RATIO} ×"),
        growth.and_then(|growth| ratio(&growth.many.1, &growth.few.1)),
        GROWTH_RATIO,
        |value| format!("{value:.2} ×"),
    ));
    goals
}

fn limit(text: String, measured: Option<f64>, most: f64, shown: impl Fn(f64) -> String) -> Goal {
    let verdict = match measured {
        None => Verdict::NotMeasured,
        Some(value) if value <= most => Verdict::Reached,
        Some(_) => Verdict::Missed,
    };
    Goal { text, measured: measured.map(shown), verdict }
}

/// Millions of bytes.
pub(super) fn megabytes(bytes: u64) -> f64 {
    whole(bytes) / 1_000_000.0
}

#[cfg(test)]
mod tests {
    use super::super::figures::{Growth, Run, Size};
    use super::*;

    fn series(wall_ms: u64, released: u64, memory: u64) -> Series {
        let transactions = vec![10_000; 99].into_iter().chain([90_000]).collect();
        Series { runs: vec![Run { wall: Duration::from_millis(wall_ms), memory, released, transactions }] }
    }

    fn size(due: u64, sweep_ms: u64, memory: u64) -> Size {
        Size {
            due,
            series: [series(sweep_ms, due, memory), series(100, due, 1), series(200, due, 1), series(900, due, 1)],
        }
    }

    #[test]
    fn every_goal_is_computed_from_the_figures() {
        let figures = |sweep_ms, memory, many| Figures {
            old: 100_000,
            sizes: vec![size(100, sweep_ms, memory), size(10_000, sweep_ms, 10_000_000), size(100_000, 190, memory)],
            growth: Some(Growth {
                due: 100,
                few: (10_000, series(100, 100, 1)),
                many: (1_000_000, series(many, 100, 1)),
            }),
        };
        let verdicts = |figures: &Figures| judge(figures).iter().map(|goal| goal.verdict).collect::<Vec<_>>();
        use Verdict::{Missed, Reached};
        assert_eq!(verdicts(&figures(150, 10_900_000, 130)), [Reached; 8]);
        let missed = [Missed, Missed, Missed, Reached, Reached, Reached, Missed, Missed];
        assert_eq!(verdicts(&figures(201, 21_000_000, 131)), missed);
    }

    #[test]
    fn what_was_not_measured_is_not_reached() {
        let figures = Figures { old: 1, sizes: Vec::new(), growth: None };
        assert!(judge(&figures).iter().all(|goal| goal.verdict == Verdict::NotMeasured));
    }
}

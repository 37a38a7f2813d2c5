//! What a daemon is asked for, and whether it was reached.

use super::Seen;
use crate::bench::goals::{Goal, Verdict};

const LAG_MS: f64 = 1_000.0;
const MEMORY_MB: f64 = 30.0;
const CONNECTIONS: f64 = 2.0;
/// What rounds to nothing: half a hundredth of a core.
const REST: f64 = 5.0;
/// Each shop has its lock. Of the shops that are files sixteen are open at once, with three files each; the rest is the
/// process's own.
const OPEN_FILES: f64 = 100.0;

/// Judges every goal.
pub(super) fn judge(seen: &[Seen]) -> Vec<Goal> {
    let mut goals = Vec::new();
    for one in seen {
        let mut goal = |what: &str, value: Option<f64>, most: f64, unit: &str| {
            let verdict = match value {
                Some(value) if value <= most => Verdict::Reached,
                Some(_) => Verdict::Missed,
                None => Verdict::NotMeasured,
            };
            let text = format!("{}: {what} at most {most} {unit}", one.name);
            goals.push(Goal { text, measured: value.map(|value| format!("{value:.1} {unit}")), verdict });
        };
        goal("release lag at p99", Some(one.lag.p99).filter(|lag| !lag.is_nan()), LAG_MS, "ms");
        match one.connections {
            Some(connections) => {
                goal("processor at rest", Some(one.busy_rest), REST, "‰ of a core");
                goal("memory", Some(megabytes(one)), MEMORY_MB, "MB");
                goal("connections", Some(connections as f64), CONNECTIONS, "");
            }
            None => {
                let without_locks = one.open_files.saturating_sub(u64::from(one.shops));
                goal("open files beside one lock a shop", Some(without_locks as f64), OPEN_FILES, "");
            }
        }
    }
    goals
}

/// The memory in megabytes.
pub(super) fn megabytes(seen: &Seen) -> f64 {
    seen.memory as f64 / 1_000_000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::daemon::Lag;

    #[test]
    fn a_goal_that_was_not_measured_is_not_reached() {
        let lag = Lag { releases: 10, half: 5.0, p99: 1_000.5, longest: 2_000.0 };
        let seen = Seen { name: "x".to_owned(), lag, memory: 20_000_000, connections: Some(2), ..Seen::default() };
        let verdicts =
            |seen: &Seen| judge(std::slice::from_ref(seen)).iter().map(|goal| goal.verdict).collect::<Vec<_>>();
        let reached = Verdict::Reached;
        assert_eq!(verdicts(&seen), [Verdict::Missed, reached, reached, reached]);
        let none = Seen { lag: Lag::of(Vec::new()), connections: None, shops: 7, open_files: 108, ..seen };
        assert_eq!(verdicts(&none), [Verdict::NotMeasured, Verdict::Missed]);
    }
}

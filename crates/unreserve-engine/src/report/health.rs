//! How a shop is: checks as values, each judged by a pure function from one set of facts.

mod alerts;
mod books;
mod check;
mod database;
mod facts;
mod protection;
mod sweeps;
mod trail;

pub use alerts::{AlertMemory, AlertPolicy, Change, Digest, Over, Problem, Severity, Verdict};
pub use check::{Check, CheckId, Measure, Status, Threshold, Unit};
pub use facts::{DaemonSeen, DaemonStanding, Fact, HealthFacts, Look, Obstacle, Reached, VITALS_DAYS, vitals_query};
pub use protection::{Protection, judge_protection};
pub use trail::{Episode, Run, Seen, episodes};

use serde::Serialize;

/// The checks of one shop, and the worst of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HealthReport {
    /// The worst status of the checks.
    pub status: Status,
    /// The checks, in the order of [`CheckId::ALL`].
    pub checks: Vec<Check>,
}

/// Judges the facts: every check, or only those that are named.
#[must_use]
pub fn report_health(facts: &HealthFacts, only: &[CheckId]) -> HealthReport {
    let wanted = |check: &CheckId| only.is_empty() || only.contains(check);
    let checks: Vec<Check> = CheckId::ALL.into_iter().filter(wanted).map(|check| judge(check, facts)).collect();
    let status = checks.iter().map(|check| check.status).max().unwrap_or(Status::Ok);
    HealthReport { status, checks }
}

fn judge(check: CheckId, facts: &HealthFacts) -> Check {
    match check {
        CheckId::Database => database::reachable(facts),
        CheckId::Version => database::version(facts),
        CheckId::Writable => database::writable(facts),
        CheckId::Plan => database::plan(facts),
        CheckId::Clock => database::clock(facts),
        CheckId::Index => database::index(facts),
        CheckId::Protection => protection::protection(facts),
        CheckId::Overdue => sweeps::overdue(facts),
        CheckId::OldestOverdue => sweeps::oldest_overdue(facts),
        CheckId::LastSweep => sweeps::last_sweep(facts),
        CheckId::SweepDuration => sweeps::sweep_duration(facts),
        CheckId::Lease => sweeps::lease(facts),
        CheckId::Daemon => sweeps::daemon(facts),
        CheckId::SetAside => books::set_aside(facts),
        CheckId::Drift => books::drift(facts),
        CheckId::Ledger => books::ledger(facts),
    }
}

#[cfg(test)]
mod tests;

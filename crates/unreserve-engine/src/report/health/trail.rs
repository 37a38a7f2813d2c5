//! What past runs saw, and the episodes that come of it: when each problem began, and when it ended.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::HealthReport;
use super::check::{CheckId, Status};

/// One check of a past run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// How it was.
    pub status: Status,
    /// What was found, where it was not as it should be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub says: Option<String>,
}

/// One past run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// When, by the process's clock.
    pub at: Timestamp,
    /// What was looked at.
    pub checks: BTreeMap<CheckId, Seen>,
}

impl Run {
    /// What is kept of a report.
    #[must_use]
    pub fn of(report: &HealthReport, at: Timestamp) -> Self {
        let seen = report.checks.iter().map(|check| {
            let says = (check.status != Status::Ok).then(|| check.says.clone());
            (check.check, Seen { status: check.status, says })
        });
        Self { at, checks: seen.collect() }
    }

    /// What can be told of a check: what is not known only because of another check is that one's problem.
    fn told(&self, check: CheckId) -> Option<&Seen> {
        let critical = |check| self.checks.get(&check).is_some_and(|seen| seen.status == Status::Critical);
        let blind = [CheckId::Database, CheckId::Plan, CheckId::Ledger].into_iter().any(critical);
        self.checks.get(&check).filter(|seen| seen.status != Status::Unknown || !blind)
    }
}

/// A problem from the first run that saw it to the first that did not see it any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Episode {
    /// What was looked at.
    pub check: CheckId,
    /// The worst that was seen.
    pub status: Status,
    /// The first run that saw it.
    pub began_at: Timestamp,
    /// The first run that did not see it any more; nothing where it goes on.
    pub ended_at: Option<Timestamp>,
    /// Whether no run before had seen the check well, so that it may have begun earlier.
    pub may_be_older: bool,
    /// What was found last.
    pub says: String,
}

/// The episodes in past runs, oldest run first; the newest episodes come first.
#[must_use]
pub fn episodes(runs: &[Run]) -> Vec<Episode> {
    let mut episodes: Vec<Episode> = Vec::new();
    for check in CheckId::ALL {
        let mut open: Option<Episode> = None;
        let mut was_well = false;
        for run in runs {
            let Some(seen) = run.told(check) else { continue };
            if seen.status == Status::Ok {
                was_well = true;
                episodes.extend(open.take().map(|episode| Episode { ended_at: Some(run.at), ..episode }));
                continue;
            }
            let says = seen.says.clone().unwrap_or_default();
            let (status, began_at, may_be_older) = (seen.status, run.at, !was_well);
            let fresh = Episode { check, status, began_at, ended_at: None, may_be_older, says: says.clone() };
            let episode = open.take().unwrap_or(fresh);
            open = Some(Episode { status: episode.status.max(status), says, ..episode });
        }
        episodes.extend(open);
    }
    episodes.sort_by_key(|episode| std::cmp::Reverse((episode.ended_at.is_none(), episode.began_at)));
    episodes
}

//! The health checks as the page shows them, with what past runs saw.

use std::io;

use jiff::Timestamp;
use serde::Serialize;
use unreserve_engine::report::health::{Check, Episode, HealthReport, Run, Status, episodes};
use utoipa::ToSchema;

/// How a shop is: every check, and when each problem began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct HealthView {
    /// The worst status of the checks.
    pub(crate) status: StatusWord,
    /// The checks, in the order in which they are shown: what others depend on comes first.
    pub(crate) checks: Vec<CheckView>,
    /// How many past runs of `unreserve health` are kept.
    pub(crate) runs_kept: u64,
    /// When the oldest of them was, by the process's clock.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) runs_since: Option<Timestamp>,
    /// When each problem began and ended, the newest first, at most 200.
    pub(crate) episodes: Vec<EpisodeView>,
    /// Why past runs cannot be told; nothing where they can.
    pub(crate) history_trouble: Option<String>,
}

/// How a check is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StatusWord {
    /// As it should be.
    Ok,
    /// It wants to be looked at.
    Warning,
    /// It could not be looked at.
    Unknown,
    /// It wants to be looked at now.
    Critical,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct CheckView {
    /// What was looked at, in one word.
    #[schema(example = "oldest_overdue")]
    pub(crate) check: &'static str,
    /// How it is.
    pub(crate) status: StatusWord,
    /// What was found, in one line.
    pub(crate) says: String,
    /// What to do about it; nothing where nothing has to be done.
    pub(crate) remedy: Option<String>,
    /// The figure it was judged by; nothing where there is none.
    pub(crate) figure: Option<i64>,
    /// What the figure counts: `ms`, `s`, `orders`, `units`, `batches` or `indexes`.
    #[schema(example = "s")]
    pub(crate) unit: Option<&'static str>,
    /// A figure above this is a warning; nothing where no figure is one.
    pub(crate) warning_above: Option<i64>,
    /// A figure above this is critical; nothing where no figure is.
    pub(crate) critical_above: Option<i64>,
    /// Other figures, in the same unit.
    pub(crate) more: Vec<MeasureView>,
}

/// Another figure of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct MeasureView {
    /// What it is.
    #[schema(example = "p95")]
    pub(crate) name: &'static str,
    /// The figure.
    pub(crate) figure: i64,
}

/// A problem, from the first run that saw it to the first that did not see it any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct EpisodeView {
    /// What was looked at, in one word.
    pub(crate) check: &'static str,
    /// The worst that was seen.
    pub(crate) status: StatusWord,
    /// The first run that saw it, by the process's clock.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) began_at: Timestamp,
    /// The first run that did not see it any more; nothing where it goes on.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) ended_at: Option<Timestamp>,
    /// Whether no run before had seen the check well, so that it may have begun earlier.
    pub(crate) may_be_older: bool,
    /// What was found last, in one line.
    pub(crate) says: String,
}

impl From<Status> for StatusWord {
    fn from(status: Status) -> Self {
        match status {
            Status::Ok => Self::Ok,
            Status::Warning => Self::Warning,
            Status::Unknown => Self::Unknown,
            Status::Critical => Self::Critical,
        }
    }
}

impl CheckView {
    /// A check as it is shown.
    pub(crate) fn of(check: &Check) -> Self {
        Self {
            check: check.check.word(),
            status: check.status.into(),
            says: check.says.clone(),
            remedy: check.remedy.clone(),
            figure: check.figure,
            unit: check.unit.map(unreserve_engine::report::health::Unit::word),
            warning_above: check.threshold.warning,
            critical_above: check.threshold.critical,
            more: check.more.iter().map(|more| MeasureView { name: more.name, figure: more.figure }).collect(),
        }
    }
}

impl EpisodeView {
    fn of(episode: &Episode) -> Self {
        Self {
            check: episode.check.word(),
            status: episode.status.into(),
            began_at: episode.began_at,
            ended_at: episode.ended_at,
            may_be_older: episode.may_be_older,
            says: episode.says.clone(),
        }
    }
}

/// More episodes are not shown.
const EPISODES_MAX: usize = 200;

impl HealthView {
    /// What a look found, and what past ones saw.
    pub(super) fn of(report: &HealthReport, past: &io::Result<Vec<Run>>) -> Self {
        let runs = past.as_deref().unwrap_or_default();
        Self {
            status: report.status.into(),
            checks: report.checks.iter().map(CheckView::of).collect(),
            runs_kept: u64::try_from(runs.len()).unwrap_or(u64::MAX),
            runs_since: runs.first().map(|run| run.at),
            episodes: episodes(runs).iter().take(EPISODES_MAX).map(EpisodeView::of).collect(),
            history_trouble: past.as_ref().err().map(|error| format!("what past runs saw cannot be read: {error}")),
        }
    }

    /// The checks that are not as they should be, the worst first.
    pub(super) fn problems(&self) -> impl Iterator<Item = &CheckView> {
        let of = |status| self.checks.iter().filter(move |check| check.status == status);
        of(StatusWord::Critical).chain(of(StatusWord::Unknown)).chain(of(StatusWord::Warning))
    }
}

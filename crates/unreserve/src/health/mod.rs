//! How a shop is: one look for everybody who tells of it, and what past looks saw.

mod gather;
pub(crate) mod kept;

use std::time::Duration;

use unreserve_engine::report::health::{CheckId, DaemonSeen, Fact, HealthReport, Run, Status, report_health};

use crate::clock::utc_now;
use crate::profiles;
use crate::settings::Settings;

/// More due orders than this are a warning, ten times as many critical, where nobody says anything.
pub(crate) const ALERT_THRESHOLD: u64 = 100;

/// What looks see is kept so often where nothing changes.
const AGAIN: Duration = Duration::from_secs(900);

/// Looks at one shop, on connections of its own, and judges: every check, or those that are named. What cannot be found
/// out is told as such; nothing here fails, and nothing is written.
pub(crate) async fn look(settings: &Settings, alert_threshold: u64, only: &[CheckId]) -> HealthReport {
    report_health(&gather::gather(settings, alert_threshold).await, only)
}

/// What this machine's files say of its daemon for one shop; unasked where the profile cannot be read.
pub(crate) fn daemon(settings: &Settings) -> Fact<DaemonSeen> {
    profiles::load(settings).map_or(Fact::Unasked, |loaded| gather::daemon(settings, &loaded.profile.name))
}

/// Keeps the looks of somebody who looks again and again: those in which a check has changed, and one every quarter of an hour.
#[derive(Default)]
pub(crate) struct Keeper {
    /// What was kept last, and when on the process's clock.
    kept: Option<(Vec<Status>, Duration)>,
}

impl Keeper {
    /// Keeps this look, unless the last one that was kept says the same.
    pub(crate) fn keep(&mut self, settings: &Settings, report: &HealthReport, now: Duration) {
        if self.is_news(report, now) {
            keep(settings, report);
        }
    }

    fn is_news(&mut self, report: &HealthReport, now: Duration) -> bool {
        let statuses: Vec<Status> = report.checks.iter().map(|check| check.status).collect();
        let is_known =
            |(kept, since): &(Vec<Status>, Duration)| *kept == statuses && now.saturating_sub(*since) < AGAIN;
        if self.kept.as_ref().is_some_and(is_known) {
            return false;
        }
        self.kept = Some((statuses, now));
        true
    }
}

/// Keeps what a look saw, so that it can be told when a problem began. Where that fails the log says so.
pub(crate) fn keep(settings: &Settings, report: &HealthReport) {
    let place = kept::place(settings);
    if let Err(error) = kept::add(&place, Run::of(report, utc_now())) {
        tracing::warn!(event = "not_kept", "this run cannot be kept in `{}`: {error}", place.display());
    }
}

#[cfg(test)]
mod tests {
    use unreserve_engine::report::health::{Check, Threshold};

    use super::*;

    fn look(status: Status) -> HealthReport {
        let check = Check {
            check: CheckId::Plan,
            status,
            figure: None,
            unit: None,
            threshold: Threshold::default(),
            says: String::new(),
            remedy: None,
            more: Vec::new(),
        };
        HealthReport { status, checks: vec![check] }
    }

    #[test]
    fn a_look_is_kept_when_a_check_has_changed_and_every_quarter_of_an_hour() {
        let mut keeper = Keeper::default();
        let kept = [
            (Status::Ok, 0, true),
            (Status::Ok, 10, false),
            (Status::Warning, 20, true),
            (Status::Ok, 30, true),
            (Status::Ok, 929, false),
            (Status::Ok, 930, true),
        ];
        for (status, seconds, expected) in kept {
            assert_eq!(keeper.is_news(&look(status), Duration::from_secs(seconds)), expected, "{seconds}");
        }
    }
}

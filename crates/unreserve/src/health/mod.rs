//! How a shop is: one look for everybody who tells of it, and what past looks saw.

mod gather;
pub(crate) mod kept;

use unreserve_engine::report::health::{CheckId, DaemonSeen, Fact, HealthReport, Run, report_health};

use crate::clock::utc_now;
use crate::profiles;
use crate::settings::Settings;

/// More due orders than this are a warning, ten times as many critical, where nobody says anything.
pub(crate) const ALERT_THRESHOLD: u64 = 100;

/// Looks at one shop, on connections of its own, and judges: every check, or those that are named. What cannot be found
/// out is told as such; nothing here fails, and nothing is written.
pub(crate) async fn look(settings: &Settings, alert_threshold: u64, only: &[CheckId]) -> HealthReport {
    report_health(&gather::gather(settings, alert_threshold).await, only)
}

/// What this machine's files say of its daemon for one shop; unasked where the profile cannot be read.
pub(crate) fn daemon(settings: &Settings) -> Fact<DaemonSeen> {
    profiles::load(settings).map_or(Fact::Unasked, |loaded| gather::daemon(settings, &loaded.profile.name))
}

/// Keeps what a look saw, so that it can be told when a problem began. Where that fails the log says so.
pub(crate) fn keep(settings: &Settings, report: &HealthReport) {
    let place = kept::place(settings);
    if let Err(error) = kept::add(&place, Run::of(report, utc_now())) {
        tracing::warn!(event = "not_kept", "this run cannot be kept in `{}`: {error}", place.display());
    }
}

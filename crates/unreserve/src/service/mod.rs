//! Running unattended: what each system's own way of running things is told, and how it stands.
//!
//! The texts are pure and have their golden tests; only `machine`, `process` and `background` touch the machine.

pub(crate) mod account;
pub(crate) mod background;
mod cron;
pub(crate) mod earlier;
pub(crate) mod kind;
pub(crate) mod kubernetes;
pub(crate) mod launch;
mod launchd;
pub(crate) mod leftovers;
pub(crate) mod machine;
pub(crate) mod managing;
pub(crate) mod process;
pub(crate) mod quote;
pub(crate) mod steps;
mod systemd;
mod task_scheduler;

use std::path::{Path, PathBuf};

use crate::service::launch::Launch;

/// The log file of a service whose manager keeps no log: the settings' own, else one in the state directory.
pub(crate) fn own_log(launch: &Launch) -> PathBuf {
    launch.log_file.clone().unwrap_or_else(|| in_state_dir(launch, "log"))
}

/// Where such a service says what its log does not: a failure before the log began.
pub(crate) fn output_file(launch: &Launch) -> PathBuf {
    in_state_dir(launch, "out")
}

fn in_state_dir(launch: &Launch, ending: &str) -> PathBuf {
    let name = launch.shop.as_ref().map_or_else(|| "service".to_owned(), |shop| format!("service-{shop}"));
    Path::new(&launch.state_dir).join(format!("{name}.{ending}"))
}

/// The words of a daemon whose manager keeps no log: it keeps one itself, which rotates and is bounded.
pub(crate) fn daemon_words(launch: &Launch) -> Vec<String> {
    let mut words = launch.words(&["daemon"]);
    if launch.log_file.is_none() {
        words.extend(["--log-file".to_owned(), own_log(launch).display().to_string()]);
    }
    words
}

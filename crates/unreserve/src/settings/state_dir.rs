//! Where our own files lie when nobody says where.

use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;

use crate::settings::error::SettingsError;
use crate::settings::origin::{Origin, Sourced};

/// The directory for our files on a server, where root runs us.
const SYSTEM_DIRECTORY: &str = "/var/lib/unreserve";

/// The directory's name below the user's state directory.
const NAME: &str = "unreserve";

/// Root's is the system's, since a timer and an administrator must meet at the same lock; anybody else's lies below the
/// user's state directory (`$XDG_STATE_HOME`, `~/.local/state`). Who owns `/proc/self` says who runs us; where there is
/// no `/proc`, root is treated like anybody else.
pub(super) fn default() -> Result<Sourced<PathBuf>, SettingsError> {
    if runs_as_root() {
        return Ok(Sourced::new(PathBuf::from(SYSTEM_DIRECTORY), Origin::Default));
    }
    let strategy = etcetera::choose_base_strategy().map_err(|_| SettingsError::NoStateDir)?;
    let base = strategy.state_dir().unwrap_or_else(|| strategy.data_dir());
    Ok(Sourced::new(base.join(NAME), Origin::Default))
}

/// systemd may name several state directories, separated by colons: ours is the first.
pub(super) fn first_of_list(path: Sourced<String>) -> Sourced<String> {
    let is_systemd = matches!(&path.origin, Origin::Environment(variable) if variable == "STATE_DIRECTORY");
    match path.value.split_once(':').filter(|_| is_systemd) {
        Some((first, _)) => Sourced::new(first.to_owned(), path.origin.clone()),
        None => path,
    }
}

#[cfg(unix)]
fn runs_as_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    Path::new("/proc/self").metadata().is_ok_and(|metadata| metadata.uid() == 0)
}

#[cfg(not(unix))]
fn runs_as_root() -> bool {
    false
}

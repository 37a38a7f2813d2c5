//! Reads settings files, and refuses a password in one that everyone can read.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::settings::error::SettingsError;
use crate::settings::origin::{Origin, Sourced};

/// What a file holds that nobody else may read.
const PASSWORD: &str = "a password";

/// A file that was read.
#[derive(Debug)]
pub(super) struct FileOnDisk {
    /// Its text, without a byte order mark.
    pub(super) text: String,
    /// Its permission bits, if everyone can read it.
    readable_mode: Option<u32>,
}

/// Reads the file. `None` if it is missing and nobody named it.
pub(super) fn read(what: &'static str, path: &Sourced<PathBuf>) -> Result<Option<FileOnDisk>, SettingsError> {
    let named = path.origin != Origin::Default;
    match fs::read_to_string(&path.value) {
        Ok(text) => {
            let text = text.strip_prefix('\u{feff}').unwrap_or(&text).to_owned();
            Ok(Some(FileOnDisk { text, readable_mode: mode_if_readable_by_all(&path.value) }))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound && !named => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(SettingsError::Missing { origin: path.origin.clone(), path: path.value.clone() })
        }
        Err(source) => Err(SettingsError::Unreadable { what, path: path.value.clone(), source }),
    }
}

/// Refuses a file that everyone can read. For a file that holds a password.
pub(super) fn demand_privacy(what: &'static str, path: &Path) -> Result<(), SettingsError> {
    demand_privacy_of(what, PASSWORD, path)
}

/// The same for a file that holds another secret.
pub(super) fn demand_privacy_of(what: &'static str, secret: &'static str, path: &Path) -> Result<(), SettingsError> {
    match mode_if_readable_by_all(path) {
        Some(mode) => Err(SettingsError::WorldReadable { what, secret, path: path.to_owned(), mode }),
        None => Ok(()),
    }
}

impl FileOnDisk {
    /// Refuses the file if everyone can read it. For a file that holds a password.
    pub(super) fn demand_privacy(&self, what: &'static str, path: &Path) -> Result<(), SettingsError> {
        self.demand_privacy_of(what, PASSWORD, path)
    }

    /// The same for a file that holds another secret.
    pub(super) fn demand_privacy_of(
        &self,
        what: &'static str,
        secret: &'static str,
        path: &Path,
    ) -> Result<(), SettingsError> {
        match self.readable_mode {
            Some(mode) => Err(SettingsError::WorldReadable { what, secret, path: path.to_owned(), mode }),
            None => Ok(()),
        }
    }
}

#[cfg(unix)]
fn mode_if_readable_by_all(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::metadata(path).ok()?.permissions().mode() & 0o7777;
    (mode & 0o004 != 0).then_some(mode)
}

/// Other systems keep no such bits; their access lists are the administrator's business.
#[cfg(not(unix))]
fn mode_if_readable_by_all(_path: &Path) -> Option<u32> {
    None
}

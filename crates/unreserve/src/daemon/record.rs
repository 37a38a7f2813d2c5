//! What a daemon leaves on the disk for `service status`: one small file a shop, beside the shop's lock.
//!
//! Whether the daemon lives is never read from the file: its lock says that, which goes with the process.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// How a shop stands with its daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Standing {
    /// It connects, and checks the profile.
    Opening,
    /// It waits for the next expiry.
    Waiting,
    /// It sweeps.
    Sweeping,
    /// Another instance is on duty.
    Standby,
    /// The database is out of reach; it tries again.
    BackingOff,
    /// Something must be put right by a person; it looks again from time to time.
    Halted,
    /// It has ended.
    Stopped,
}

/// The record of one shop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// The shop's name in the settings; nothing where the settings have one shop without a name.
    pub(crate) shop: Option<String>,
    /// The daemon's process.
    pub(crate) process_id: u32,
    /// Its machine.
    pub(crate) host: String,
    /// The program's version.
    pub(crate) version: String,
    /// When the daemon began, by the process's clock.
    pub(crate) started_at: jiff::Timestamp,
    /// When this was written, by the process's clock.
    pub(crate) written_at: jiff::Timestamp,
    /// How it stands.
    pub(crate) standing: Standing,
    /// The same in a sentence, for people.
    pub(crate) says: String,
    /// When it looks again, by the process's clock; nothing where it has ended.
    pub(crate) next_look_at: Option<jiff::Timestamp>,
    /// The last error, and when it was.
    pub(crate) last_error: Option<LastError>,
}

/// An error that a daemon met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LastError {
    /// When, by the process's clock.
    pub(crate) at: jiff::Timestamp,
    /// What, in one line.
    pub(crate) text: String,
}

/// Where the record of the shop with this lock file lies: `daemon-….json` beside `daemon-….lock`.
pub(crate) fn path_beside(lock_file: &Path) -> PathBuf {
    lock_file.with_extension("json")
}

impl Record {
    /// Writes it under a temporary name first, so that a reader never finds half of it.
    pub(crate) fn write(&self, path: &Path) -> std::io::Result<()> {
        let draft = path.with_extension("json.new");
        std::fs::write(&draft, serde_json::to_string(self)?)?;
        std::fs::rename(&draft, path)
    }
}

impl Standing {
    /// Every one.
    pub(crate) const ALL: [Self; 7] =
        [Self::Opening, Self::Waiting, Self::Sweeping, Self::Standby, Self::BackingOff, Self::Halted, Self::Stopped];

    /// The word in the record and in metrics.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Opening => "opening",
            Self::Waiting => "waiting",
            Self::Sweeping => "sweeping",
            Self::Standby => "standby",
            Self::BackingOff => "backing_off",
            Self::Halted => "halted",
            Self::Stopped => "stopped",
        }
    }

    /// The word for people.
    pub(crate) fn in_words(self) -> &'static str {
        match self {
            Self::Opening => "connecting",
            Self::Waiting => "waiting",
            Self::Sweeping => "sweeping",
            Self::Standby => "standing by",
            Self::BackingOff => "out of reach",
            Self::Halted => "halted",
            Self::Stopped => "ended",
        }
    }
}

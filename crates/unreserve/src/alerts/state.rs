//! What is remembered between two looks and two processes: one small file a shop, beside its locks.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use unreserve_engine::report::health::AlertMemory;
use unreserve_engine::sweep::Clock;

use crate::alerts::outbox::Outbox;
use crate::clock::ProcessClock;
use crate::health::kept;
use crate::settings::Settings;

/// Another process that tells of the same shop is waited for so long.
const WAIT: Duration = Duration::from_secs(3);

/// Between two tries to get the file.
const AGAIN: Duration = Duration::from_millis(50);

/// What is remembered of a shop.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct State {
    /// What was told.
    pub(crate) memory: AlertMemory,
    /// What waits for each channel, by its name.
    pub(crate) channels: BTreeMap<String, Outbox>,
}

/// Where it lies: beside the runs that health keeps.
pub(crate) fn place(settings: &Settings) -> PathBuf {
    let runs = kept::place(settings);
    let name = runs.file_name().map(|name| name.to_string_lossy().replacen("health-", "alerts-", 1));
    runs.with_file_name(name.unwrap_or_default()).with_extension("json")
}

/// Whether the file is ours to change.
#[derive(Debug)]
pub(crate) enum Entered {
    /// It is, as long as this value lives.
    Ours {
        /// The lock's file.
        _lock: File,
    },
    /// Another process has it for longer than it should: it tells of the shop.
    Held,
    /// Nothing can be kept here.
    Unkept,
}

/// Takes the right to change the file.
pub(crate) async fn enter(place: &Path, clock: &ProcessClock) -> Entered {
    let path = place.with_extension("json.lock");
    let opened = || -> io::Result<File> {
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory)?;
        }
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)
    };
    let file = match opened() {
        Ok(file) => file,
        Err(error) => {
            tracing::warn!(event = "alerts_unkept", "cannot use `{}`: {error}", path.display());
            return Entered::Unkept;
        }
    };
    let end = clock.elapsed().saturating_add(WAIT);
    loop {
        match file.try_lock() {
            Ok(()) => return Entered::Ours { _lock: file },
            Err(TryLockError::WouldBlock) if clock.elapsed() < end => clock.sleep(AGAIN).await,
            Err(TryLockError::WouldBlock) => return Entered::Held,
            Err(TryLockError::Error(_)) => return Entered::Unkept,
        }
    }
}

/// Reads it. One that is not there is empty; one that cannot be understood is told and begun anew, so that what stands is
/// told once more.
///
/// # Errors
/// It is there and cannot be read.
pub(crate) fn read(place: &Path) -> io::Result<State> {
    let text = match std::fs::read_to_string(place) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(State::default()),
        Err(error) => return Err(error),
    };
    Ok(serde_json::from_str(&text).unwrap_or_else(|error| {
        let place = place.display();
        tracing::warn!(event = "alerts_unkept", "`{place}` cannot be understood and is begun anew: {error}");
        State::default()
    }))
}

/// Writes it under another name first, so that no reader finds half of it. What receivers answer is nobody else's business:
/// only the account that we run as may read it.
///
/// # Errors
/// The state directory cannot be written.
pub(crate) fn write(place: &Path, state: &State) -> io::Result<()> {
    let draft = place.with_extension(format!("json.{}.new", std::process::id()));
    let written = serde_json::to_string(state).map_err(io::Error::from);
    let written = written.and_then(|text| write_for_us(&draft, &text)).and_then(|()| std::fs::rename(&draft, place));
    if written.is_err() {
        // What is left of it is of no use to anybody.
        drop(std::fs::remove_file(&draft));
    }
    written
}

fn write_for_us(draft: &Path, text: &str) -> io::Result<()> {
    // One that was left behind would keep its rights.
    drop(std::fs::remove_file(draft));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(draft)?.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::message::{Message, samples};

    #[tokio::test]
    async fn it_survives_and_a_broken_one_is_begun_anew() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("state").join("alerts-x.json");
        let clock = ProcessClock::new();
        let entered = enter(&place, &clock).await;
        assert!(matches!(entered, Entered::Ours { .. }));
        assert_eq!(read(&place).unwrap(), State::default());
        let mut state = State::default();
        state.channels.entry("ops".to_owned()).or_default().put(Message::test(samples::about(), samples::at(0)));
        write(&place, &state).unwrap();
        assert_eq!(read(&place).unwrap(), state);
        #[cfg(unix)]
        {
            let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&place).unwrap());
            assert_eq!(mode & 0o777, 0o600, "{mode:o}");
        }
        std::fs::write(&place, "{\"memory\": torn").unwrap();
        assert_eq!(read(&place).unwrap(), State::default());
        // What a later version adds is no reason to forget.
        std::fs::write(&place, "{\"later\": 1}").unwrap();
        assert_eq!(read(&place).unwrap(), State::default());
        assert_eq!(std::fs::read_dir(place.parent().unwrap()).unwrap().count(), 2, "the file and its lock");
    }
}

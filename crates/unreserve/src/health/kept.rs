//! What past runs saw: a line each in a file of the state directory, so that it can be told when a problem began.

use std::io;
use std::path::{Path, PathBuf};

use unreserve_engine::report::health::Run;

use crate::lock::{self, Purpose};
use crate::opening;
use crate::settings::Settings;

/// So many runs are kept of each shop, the newest.
pub(crate) const RUNS: usize = 1_000;

/// Where the runs of a shop are kept: beside its locks.
pub(crate) fn place(settings: &Settings) -> PathBuf {
    let place = opening::place(settings).unwrap_or_default();
    let profile = settings.profile.as_ref().map_or("", |profile| profile.value.as_str());
    let whose: String = settings.shop.as_deref().unwrap_or(profile).chars().map(plain).collect();
    let name = lock::file_name(Purpose::Daemon, &place, &whose).with_extension("jsonl");
    let name = name.to_string_lossy().replacen("daemon-", "health-", 1);
    settings.state_dir.value.join(name)
}

fn plain(c: char) -> char {
    if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '+' }
}

/// The runs that are kept, oldest first. A line that cannot be read is left out.
///
/// # Errors
/// The file is there and cannot be read.
pub(crate) fn read(place: &Path) -> io::Result<Vec<Run>> {
    match std::fs::read_to_string(place) {
        Ok(text) => Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Adds a run, and forgets the oldest ones. The file is written under another name first, so that no reader finds half
/// of it; of two runs at the same moment one may be forgotten.
///
/// # Errors
/// The state directory cannot be written.
pub(crate) fn add(place: &Path, run: Run) -> io::Result<()> {
    if let Some(directory) = place.parent() {
        std::fs::create_dir_all(directory)?;
    }
    let mut runs = read(place)?;
    runs.push(run);
    let forgotten = runs.len().saturating_sub(RUNS);
    let mut text = String::new();
    for run in runs.iter().skip(forgotten) {
        text.push_str(&serde_json::to_string(run)?);
        text.push('\n');
    }
    let draft = place.with_extension(format!("jsonl.{}.new", std::process::id()));
    let written = std::fs::write(&draft, text).and_then(|()| std::fs::rename(&draft, place));
    if written.is_err() {
        // What is left of it is of no use to anybody.
        drop(std::fs::remove_file(&draft));
    }
    written
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::Timestamp;
    use unreserve_engine::report::health::{CheckId, Seen, Status};

    use super::*;

    fn run(second: i64) -> Run {
        let seen = Seen { status: Status::Warning, says: Some("120 orders are due".to_owned()) };
        Run { at: Timestamp::from_second(second).unwrap(), checks: BTreeMap::from([(CheckId::Overdue, seen)]) }
    }

    #[test]
    fn a_check_has_one_word_everywhere() {
        for check in CheckId::ALL {
            assert_eq!(serde_json::to_string(&check).unwrap(), format!("\"{}\"", check.word()));
        }
    }

    #[test]
    fn the_newest_thousand_are_kept_and_a_broken_line_harms_nobody() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("state").join("health-x.jsonl");
        assert_eq!(read(&place).unwrap(), []);
        add(&place, run(0)).unwrap();
        assert_eq!(read(&place).unwrap(), [run(0)]);
        let line = serde_json::to_string(&run(1)).unwrap();
        std::fs::write(&place, format!("{}{{\"at\": torn", format!("{line}\n").repeat(RUNS + 5))).unwrap();
        add(&place, run(2)).unwrap();
        let runs = read(&place).unwrap();
        assert_eq!((runs.len(), runs.first(), runs.last()), (RUNS, Some(&run(1)), Some(&run(2))));
        assert_eq!(std::fs::read_dir(place.parent().unwrap()).unwrap().count(), 1, "no draft is left");
    }
}

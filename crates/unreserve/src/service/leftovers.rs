//! What a service leaves in the state directory, and its removal once nothing works there any more.
//!
//! A lock file is otherwise never unlinked: two processes could each hold "the" lock. Here every lock is held by us while
//! the files go, and whoever comes in between is kept apart by the lease in the database.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::background;

/// What became of the state directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Left {
    /// It is gone, or was not there.
    Nothing,
    /// It stays, for this reason.
    Stays(String),
}

/// Removes what is ours in the state directory, and the directory with it where nothing else is in it. Where a process works
/// there, everything stays.
pub(crate) fn remove(state_dir: &Path) -> Left {
    let Ok(entries) = fs::read_dir(state_dir) else {
        return Left::Nothing;
    };
    let files: Vec<PathBuf> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    let (ours, others): (Vec<PathBuf>, Vec<PathBuf>) = files.into_iter().partition(|file| is_ours(file));
    let mut held = Vec::new();
    for lock in ours.iter().filter(|file| file.extension().is_some_and(|ending| ending == "lock")) {
        match File::options().read(true).write(true).open(lock).map(|file| file.try_lock().map(|()| file)) {
            Ok(Ok(file)) => held.push(file),
            Ok(Err(_)) => return Left::Stays(format!("a process holds `{}`", lock.display())),
            Err(error) => return Left::Stays(format!("cannot open `{}`: {error}", lock.display())),
        }
    }
    for file in &ours {
        if let Err(error) = fs::remove_file(file) {
            return Left::Stays(format!("cannot remove `{}`: {error}", file.display()));
        }
    }
    drop(held);
    if let Some(other) = others.first() {
        return Left::Stays(format!("`{}` in it is not ours", other.display()));
    }
    // systemd makes it a link to the directory of an account that it made.
    let link = state_dir.is_symlink();
    let directory = fs::canonicalize(state_dir).unwrap_or_else(|_| state_dir.to_owned());
    let removed = fs::remove_dir(directory).and_then(|()| if link { fs::remove_file(state_dir) } else { Ok(()) });
    removed.map_or_else(|error| Left::Stays(error.to_string()), |()| Left::Nothing)
}

/// Files that this program makes in a state directory of its own.
fn is_ours(file: &Path) -> bool {
    let Some(name) = file.file_name().and_then(|name| name.to_str()).filter(|_| file.is_file()) else {
        return false;
    };
    let has = |starts: &[&str], ends: &[&str]| {
        starts.iter().any(|start| name.starts_with(start)) && ends.iter().any(|end| name.ends_with(end))
    };
    has(&["sweep-", "demo-"], &[".lock"])
        || has(&["daemon-"], &[".lock", ".json", ".json.new"])
        || has(&["health-"], &[".jsonl", ".new"])
        || has(&["background"], &[".json"]) && background::is_record(file)
        || is_log(name)
}

/// `service.log`, `service.2026-11-22.log`, `service-eu.2026-11-22.1.log`, `service.out`.
fn is_log(name: &str) -> bool {
    let parts = name.strip_prefix("service").and_then(|rest| rest.split_once('.'));
    let Some((shop, rest)) = parts.filter(|(shop, _)| shop.is_empty() || shop.starts_with('-')) else { return false };
    let mut parts: Vec<&str> = rest.split('.').collect();
    let ending = parts.pop();
    let number = |part: &&str| part.chars().all(|letter| letter.is_ascii_digit() || letter == '-');
    !shop.contains('/') && matches!(ending, Some("log" | "out")) && parts.iter().all(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(files: &[&str]) -> (tempfile::TempDir, PathBuf) {
        let outer = tempfile::tempdir().unwrap();
        let inner = outer.path().join("state");
        fs::create_dir(&inner).unwrap();
        for file in files {
            fs::write(inner.join(file), "").unwrap();
        }
        (outer, inner)
    }

    const OURS: [&str; 9] = [
        "sweep-a-b.lock",
        "demo-a-b.lock",
        "daemon-a-b.lock",
        "daemon-a-b.json",
        "health-a-b.jsonl",
        "health-a-b.jsonl.7.new",
        "background.json",
        "service.2026-11-22.log",
        "service-eu.out",
    ];

    #[test]
    fn everything_of_ours_goes_with_its_directory() {
        let (_outer, inner) = directory(&OURS);
        assert_eq!(remove(&inner), Left::Nothing);
        assert!(!inner.exists());
        assert_eq!(remove(&inner), Left::Nothing);
    }

    #[test]
    fn what_is_not_ours_stays_and_everything_where_a_process_works() {
        let (_outer, inner) = directory(&[&OURS[..], &["shop.db"]].concat());
        let lock = File::open(inner.join("sweep-a-b.lock")).unwrap();
        lock.try_lock().unwrap();
        assert!(matches!(remove(&inner), Left::Stays(why) if why.contains("a process holds")));
        assert_eq!(fs::read_dir(&inner).unwrap().count(), 10);
        drop(lock);
        assert!(matches!(remove(&inner), Left::Stays(why) if why.contains("shop.db` in it is not ours")));
        let left: Vec<_> = fs::read_dir(&inner).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["shop.db"]);
    }

    #[test]
    fn what_only_looks_like_ours_is_not() {
        for name in
            ["service-worker.js.log", "services.log", "service-catalog.logo.svg", "services.out", "service.log.md"]
        {
            assert!(!is_log(name), "{name}");
        }
        for name in ["service.log", "service.2026-11-22.1.log", "service-eu.2026-11-22.log", "service-eu.out"] {
            assert!(is_log(name), "{name}");
        }
        let (_outer, inner) = directory(&["background-jobs.json"]);
        fs::write(inner.join("background-jobs.json"), r#"{"jobs": []}"#).unwrap();
        assert!(matches!(remove(&inner), Left::Stays(_)));
        assert!(inner.join("background-jobs.json").exists());
    }

    #[test]
    fn a_directory_behind_a_link_goes_with_the_link() {
        let (outer, inner) = directory(&OURS);
        let link = outer.path().join("link");
        std::os::unix::fs::symlink(&inner, &link).unwrap();
        assert_eq!(remove(&link), Left::Nothing);
        assert!(!inner.exists() && !link.is_symlink());
    }
}

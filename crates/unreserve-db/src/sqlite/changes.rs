//! Whether somebody has written to the file: told by its size and the time of its last change, without opening it.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A change that is younger than this when it is looked at may be followed by one that looks the same.
const SETTLED: Duration = Duration::from_millis(100);

/// How the file and its log looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Looks {
    file: (u64, SystemTime),
    log: Option<(u64, SystemTime)>,
}

/// How the file looks now; nothing where it cannot be told.
pub(super) fn looks(path: &Path) -> Option<Looks> {
    // The log lies beside the file itself, wherever a link to it lies.
    let path = path.canonicalize().ok()?;
    let mut log: PathBuf = path.clone();
    log.as_mut_os_string().push("-wal");
    let of = |path: &Path| {
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.len(), metadata.modified().ok()?))
    };
    Some(Looks { file: of(&path)?, log: of(&log) })
}

impl Looks {
    /// Whether every change it shows is old enough, at an instant in milliseconds since 1970, that a later one would
    /// look different.
    pub(super) fn has_settled(&self, now_ms: i64) -> bool {
        let now = UNIX_EPOCH.checked_add(Duration::from_millis(u64::try_from(now_ms).unwrap_or(0)));
        let settled = |at: SystemTime| now.is_some_and(|now| now.duration_since(at).is_ok_and(|age| age >= SETTLED));
        settled(self.file.1) && self.log.is_none_or(|(_, at)| settled(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_shows_and_a_young_one_is_not_trusted() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("shop.db");
        assert!(looks(&path).is_none());
        std::fs::write(&path, "one").unwrap();
        let first = looks(&path).unwrap();
        assert_eq!(looks(&path), Some(first));
        let written = first.file.1.duration_since(UNIX_EPOCH).unwrap().as_millis();
        let written = i64::try_from(written).unwrap();
        assert!(!first.has_settled(written - 3_600_000), "a change of the future has not settled");
        assert!(!first.has_settled(written + 50));
        assert!(first.has_settled(written + 200));
        std::fs::write(directory.path().join("shop.db-wal"), "two").unwrap();
        let second = looks(&path).unwrap();
        assert_ne!(second, first);
        let link = directory.path().join("link.db");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert_eq!(looks(&link), Some(second), "by a link the same is seen, the log too");
    }
}

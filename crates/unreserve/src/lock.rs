//! One instance at a time on this machine: a kernel lock on a file in the state directory.
//!
//! The file is never removed: after an unlink, two processes could each hold "the" lock. The kernel frees it when its
//! holder ends, however it ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use unreserve_engine::model::Holder;
use uuid::Uuid;

use crate::exit::Exit;
use crate::failure::Failure;

/// Held as long as it lives.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
    /// Where the file is.
    pub(crate) path: PathBuf,
    /// Who we are, for the lease in the database.
    pub(crate) holder: Holder,
}

/// What a lock is for: a sweep beside a daemon is allowed, a second daemon is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// One sweep.
    Sweep,
    /// Watching the shop.
    Daemon,
    /// Making a demo's shop, and running it.
    Demo,
}

impl Purpose {
    /// What the file's name begins with.
    fn word(self) -> &'static str {
        match self {
            Self::Sweep => "sweep",
            Self::Daemon => "daemon",
            Self::Demo => "demo",
        }
    }

    /// What its holder does.
    fn doing(self) -> &'static str {
        match self {
            Self::Sweep => "another instance is sweeping this shop",
            Self::Daemon => "another instance is on duty",
            Self::Demo => "another demo runs in this directory",
        }
    }
}

/// What the file says of its holder, for a second instance to tell.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    process_id: u32,
    host: String,
    /// What tells this file from one of the same path on a machine, or in a container, of the same name: given to it once.
    file: Option<Uuid>,
}

impl Lock {
    /// Takes the lock for one shop: the place of its database, as [`crate::opening::place`] tells it, and a profile.
    ///
    /// # Errors
    /// Another process holds it, or the state directory cannot be used.
    pub(crate) fn take(purpose: Purpose, state_dir: &Path, place: &str, profile: &str) -> Result<Self, Failure> {
        let unusable = |error: &std::io::Error, path: &Path| {
            Failure::new(Exit::Usage, format!("cannot use the state directory: `{}`", path.display()))
                .because(error)
                .hint(
                    "name a directory that this user may write to: --state-dir DIR, UNRESERVE_STATE_DIR or `state_dir`",
                )
        };
        std::fs::create_dir_all(state_dir).map_err(|error| unusable(&error, state_dir))?;
        let state_dir = state_dir.canonicalize().map_err(|error| unusable(&error, state_dir))?;
        let path = state_dir.join(file_name(purpose, place, profile));
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = file.map_err(|error| unusable(&error, &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(held(purpose, &mut file, &path)),
            Err(TryLockError::Error(error)) => return Err(unusable(&error, &path)),
        }
        let id = read_note(&mut file).and_then(|note| note.file).unwrap_or_else(Uuid::new_v4);
        let holder = Holder {
            token: Uuid::new_v4().to_string(),
            host: gethostname::gethostname().to_string_lossy().into_owned(),
            process_id: std::process::id(),
            lock_file: format!("{} {id}", path.display()),
        };
        let note = Note { process_id: holder.process_id, host: holder.host.clone(), file: Some(id) };
        write_note(&mut file, &note).map_err(|error| unusable(&error, &path))?;
        Ok(Self { _file: file, path, holder })
    }
}

fn read_note(file: &mut File) -> Option<Note> {
    let mut text = String::new();
    file.rewind().and_then(|()| file.read_to_string(&mut text)).ok()?;
    serde_json::from_str(&text).ok()
}

fn write_note(file: &mut File, note: &Note) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(serde_json::to_string(note)?.as_bytes())
}

fn held(purpose: Purpose, file: &mut File, path: &Path) -> Failure {
    // The holder may have the lock and not have written its note yet: it is looked for a few times.
    let note = (0..50_u32).find_map(|_| {
        let note = read_note(file);
        if note.is_none() {
            crate::clock::pause_briefly();
        }
        note
    });
    let who = note
        .map_or_else(|| "another process".to_owned(), |note| format!("process {} on {}", note.process_id, note.host));
    Failure::new(Exit::AlreadyRunning, format!("{}: {who}", purpose.doing()))
        .because(&std::io::Error::other(format!("it holds the lock `{}`", path.display())))
        .hint("wait for it to end; the lock goes with its process, even a killed one")
}

/// Whether a process holds the lock on this file, and so lives.
pub(crate) fn is_held(file: &Path) -> bool {
    let tried = File::open(file).map(|file| file.try_lock_shared());
    matches!(tried, Ok(Err(TryLockError::WouldBlock)))
}

/// A name that a person can tell the shop by, and that no other shop has.
pub(crate) fn file_name(purpose: Purpose, place: &str, profile: &str) -> PathBuf {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '+' };
    let shown: String = place.chars().map(plain).collect();
    // The end of a place tells more than its beginning.
    let skipped = shown.len().saturating_sub(120);
    let shown: String = shown.chars().skip(skipped).collect();
    PathBuf::from(format!("{}-{profile}-{shown}-{:016x}.lock", purpose.word(), fingerprint(place)))
}

/// FNV-1a: the same on every machine and in every version, since two instances must come to the same name.
fn fingerprint(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_places_share_a_name_and_one_place_has_one() {
        let name = |place: &str| file_name(Purpose::Daemon, place, "malikli").to_string_lossy().into_owned();
        assert_eq!(name("sqlite /srv/shop.db"), "daemon-malikli-sqlite++srv+shop.db-0e07e48eceb08ea6.lock");
        let long = "x".repeat(200);
        for (one, other) in [
            ("sqlite /srv/a b.db".to_owned(), "sqlite /srv/a+b.db".to_owned()),
            (format!("sqlite /one/{long}"), format!("sqlite /two/{long}")),
        ] {
            assert_ne!(name(&one), name(&other));
            assert!(name(&one).len() < 200);
        }
    }

    #[test]
    fn a_second_one_is_told_who_holds_it_and_the_file_stays() {
        let dir = tempfile::tempdir().expect("a directory");
        let first = Lock::take(Purpose::Sweep, dir.path(), "postgres://shop:***@host/db", "malikli").expect("free");
        let failure =
            Lock::take(Purpose::Sweep, dir.path(), "postgres://shop:***@host/db", "malikli").expect_err("held");
        assert_eq!(failure.exit, Exit::AlreadyRunning);
        assert!(failure.message.contains(&format!("process {}", std::process::id())), "{}", failure.message);
        Lock::take(Purpose::Sweep, dir.path(), "postgres://shop:***@host/other", "malikli")
            .expect("another shop is free");
        drop(first);
        Lock::take(Purpose::Sweep, dir.path(), "postgres://shop:***@host/db", "malikli").expect("free again");
        Lock::take(Purpose::Daemon, dir.path(), "postgres://shop:***@host/db", "malikli")
            .expect("a daemon is no sweep");
        assert_eq!(std::fs::read_dir(dir.path()).expect("readable").count(), 3);
    }

    #[test]
    fn a_file_keeps_its_identity_and_no_other_file_has_it() {
        let dirs = [0, 1].map(|_| tempfile::tempdir().expect("a directory"));
        let identity = |dir: &tempfile::TempDir| {
            let lock = Lock::take(Purpose::Daemon, dir.path(), "a", "malikli").expect("free");
            lock.holder.lock_file.rsplit(' ').next().map(str::to_owned)
        };
        let [one, other] = [&dirs[0], &dirs[1]].map(identity);
        assert_ne!(one, other);
        assert_eq!(identity(&dirs[0]), one);
    }
}

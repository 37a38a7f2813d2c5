//! The log file: a new one each day and whenever one is full, of which the newest are kept.
//!
//! Several processes may write to the same one: each line is appended in one piece, nothing is ever renamed, and a file that
//! somebody deleted is made anew. Whatever goes wrong after the start is borne: a line that cannot be written is dropped,
//! and where no new file can be begun the old one goes on.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use tracing_subscriber::fmt::MakeWriter;

use crate::clock;

/// The log files of one name.
#[derive(Debug)]
pub(crate) struct LogFile {
    names: Names,
    /// A file that holds so many bytes takes no more lines.
    max_size: u64,
    /// So many files are kept.
    keep: usize,
    open: Mutex<Open>,
}

/// The file that is written to.
#[derive(Debug)]
struct Open {
    name: Name,
    file: File,
}

/// Which of the files one is: the day it is of (UTC), and which of that day's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Name {
    day: String,
    part: u32,
}

/// Where the files are and what their names begin and end with.
#[derive(Debug)]
struct Names {
    directory: PathBuf,
    stem: String,
    /// With its dot; empty where there is none.
    ending: String,
}

impl LogFile {
    /// Opens today's file. The directory is made where it is missing.
    ///
    /// # Errors
    /// The path names no file, or the system refuses. Later trouble is no error.
    pub(crate) fn open(path: &Path, max_size: u64, keep: u32) -> io::Result<Self> {
        Self::open_on(&today(), path, max_size, keep)
    }

    fn open_on(day: &str, path: &Path, max_size: u64, keep: u32) -> io::Result<Self> {
        let names = Names::of(path).ok_or(io::Error::from(io::ErrorKind::InvalidFilename))?;
        fs::create_dir_all(&names.directory)?;
        let keep = usize::try_from(keep).unwrap_or(usize::MAX);
        let open = Mutex::new(names.begin(day, 0, max_size, keep)?);
        Ok(Self { names, max_size, keep, open })
    }

    /// Appends a line, to a new file where it is time for one.
    fn append(&self, day: &str, line: &[u8]) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let size = fs::metadata(self.names.path(&open.name)).map(|found| found.len()).ok();
        if open.name.day != day || size.is_none_or(|size| is_full(size, line.len(), self.max_size)) {
            // Where it cannot be begun, the old one goes on.
            if let Ok(next) = self.names.begin(day, line.len(), self.max_size, self.keep) {
                *open = next;
            }
        }
        // There is nobody left to tell when the log itself fails.
        drop(open.file.write_all(line));
    }
}

impl<'a> MakeWriter<'a> for LogFile {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> &'a Self {
        self
    }
}

impl Write for &LogFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.append(&today(), line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether a line has to go to the next file. A file takes one line, however long.
fn is_full(size: u64, line: usize, max_size: u64) -> bool {
    let line = u64::try_from(line).unwrap_or(u64::MAX);
    size > 0 && size.saturating_add(line) > max_size
}

fn today() -> String {
    clock::utc_now().strftime("%Y-%m-%d").to_string()
}

impl Names {
    fn of(path: &Path) -> Option<Self> {
        let stem = path.file_stem()?.to_str()?.to_owned();
        let ending = match path.extension() {
            Some(ending) => format!(".{}", ending.to_str()?),
            None => String::new(),
        };
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Some(Self { directory: directory.to_owned(), stem, ending })
    }

    /// `unreserve.2026-11-22.log`, then `unreserve.2026-11-22.1.log`.
    fn path(&self, name: &Name) -> PathBuf {
        let part = if name.part == 0 { String::new() } else { format!(".{}", name.part) };
        self.directory.join(format!("{}.{}{part}{}", self.stem, name.day, self.ending))
    }

    /// What a file's name says, where it is one of these.
    fn read(&self, file: &str) -> Option<Name> {
        let middle = file.strip_prefix(&self.stem)?.strip_prefix('.')?.strip_suffix(&self.ending)?;
        let (day, part) = match middle.split_once('.') {
            Some((day, part)) => (day, part.parse().ok().filter(|part| *part > 0)?),
            None => (middle, 0),
        };
        let is_day = day.parse::<jiff::civil::Date>().is_ok_and(|date| date.to_string() == day);
        let name = Name { day: day.to_owned(), part };
        (is_day && self.path(&name).file_name().is_some_and(|own| own == file)).then_some(name)
    }

    /// Every file of this name, the oldest first.
    fn all(&self) -> io::Result<Vec<Name>> {
        let entries = fs::read_dir(&self.directory)?.filter_map(Result::ok);
        let mut names: Vec<Name> = entries.filter_map(|entry| self.read(entry.file_name().to_str()?)).collect();
        names.sort();
        Ok(names)
    }

    /// Opens the day's newest file that has room for a line, or the one after it, and deletes the oldest files.
    fn begin(&self, day: &str, line: usize, max_size: u64, keep: usize) -> io::Result<Open> {
        let newest = self.all()?.into_iter().rfind(|name| name.day == day);
        let mut name = newest.unwrap_or_else(|| Name { day: day.to_owned(), part: 0 });
        // Something else than a file in its place is as good as a full one.
        if fs::metadata(self.path(&name)).is_ok_and(|found| !found.is_file() || is_full(found.len(), line, max_size)) {
            name.part = name.part.saturating_add(1);
        }
        let file = OpenOptions::new().append(true).create(true).open(self.path(&name))?;
        // Files that cannot be listed or deleted now are so with the next one.
        let files = self.all().unwrap_or_default();
        for old in files.iter().take(files.len().saturating_sub(keep)).filter(|old| **old != name) {
            drop(fs::remove_file(self.path(old)));
        }
        Ok(Open { name, file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: &str = "2026-11-22";

    /// A log of three files with at most 20 bytes each.
    fn log(directory: &Path) -> LogFile {
        LogFile::open_on(DAY, &directory.join("logs/x.log"), 20, 3).unwrap()
    }

    /// The files and what stands in them.
    fn files(directory: &Path) -> Vec<(String, String)> {
        let entries = fs::read_dir(directory.join("logs")).unwrap().map(Result::unwrap);
        let mut files: Vec<(String, String)> = entries
            .map(|entry| {
                (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap_or_default())
            })
            .collect();
        files.sort();
        files
    }

    fn named(files: &[(&str, &str)]) -> Vec<(String, String)> {
        files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn a_new_file_begins_each_day_and_whenever_one_is_full_and_the_newest_are_kept() {
        let place = tempfile::tempdir().unwrap();
        let log = log(place.path());
        for foreign in ["x.log", "x.2026-11-01.gz", "y.2026-11-01.log", "x.2026-13-01.log", "x.2026-11-01.0.log"] {
            fs::write(place.path().join("logs").join(foreign), "").unwrap();
        }
        let own = || files(place.path()).into_iter().filter(|(_, text)| !text.is_empty()).collect::<Vec<_>>();
        log.append(DAY, b"one 890\ntwo 890\n");
        log.append(DAY, b"1234\n");
        assert_eq!(own(), named(&[("x.2026-11-22.1.log", "1234\n"), ("x.2026-11-22.log", "one 890\ntwo 890\n")]));
        log.append(DAY, &[b'z'; 50]);
        log.append("2026-11-23", b"next\n");
        let long = "z".repeat(50);
        assert_eq!(
            own(),
            named(&[("x.2026-11-22.1.log", "1234\n"), ("x.2026-11-22.2.log", &long), ("x.2026-11-23.log", "next\n")])
        );
        assert_eq!(files(place.path()).len(), 3 + 5, "what is no log of ours was deleted");
        // The tenth is newer than the ninth.
        for _ in 0..11 {
            log.append("2026-11-23", &[b'y'; 20]);
        }
        let names: Vec<String> = own().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["x.2026-11-23.10.log", "x.2026-11-23.11.log", "x.2026-11-23.9.log"]);
    }

    #[test]
    fn two_processes_share_a_file_and_a_start_goes_on_where_the_last_one_ended() {
        let place = tempfile::tempdir().unwrap();
        let (one, other) = (log(place.path()), log(place.path()));
        one.append(DAY, b"one\n");
        other.append(DAY, b"other\n");
        one.append(DAY, b"0123456789abcdef\n");
        other.append(DAY, b"2\n");
        drop((one, other));
        log(place.path()).append(DAY, b"3\n");
        assert_eq!(
            files(place.path()),
            named(&[("x.2026-11-22.1.log", "0123456789abcdef\n3\n"), ("x.2026-11-22.log", "one\nother\n2\n")])
        );
    }

    #[test]
    fn a_file_that_is_deleted_is_made_anew_and_one_that_cannot_be_begun_leaves_the_old_one() {
        let place = tempfile::tempdir().unwrap();
        let log = log(place.path());
        log.append(DAY, b"one\n");
        fs::remove_file(place.path().join("logs/x.2026-11-22.log")).unwrap();
        log.append(DAY, b"two\n");
        assert_eq!(files(place.path()), named(&[("x.2026-11-22.log", "two\n")]));
        // A directory stands where tomorrow's file would be.
        fs::create_dir(place.path().join("logs/x.2026-11-23.log")).unwrap();
        log.append("2026-11-23", b"three\n");
        assert_eq!(files(place.path())[1], ("x.2026-11-23.1.log".to_owned(), "three\n".to_owned()));
        // The whole directory is gone, and comes back.
        fs::rename(place.path().join("logs"), place.path().join("away")).unwrap();
        log.append(DAY, b"four\n");
        let old = fs::read_to_string(place.path().join("away/x.2026-11-23.1.log")).unwrap();
        assert_eq!(old, "three\nfour\n", "the old one goes on");
        fs::create_dir(place.path().join("logs")).unwrap();
        log.append(DAY, b"back\n");
        assert_eq!(files(place.path()), named(&[("x.2026-11-22.log", "back\n")]));
    }

    #[test]
    fn a_full_disk_drops_lines_and_fails_nothing() {
        let place = tempfile::tempdir().unwrap();
        let log = log(place.path());
        log.open.lock().unwrap().file = OpenOptions::new().append(true).open("/dev/full").unwrap();
        log.append(DAY, b"lost\n");
        assert_eq!(files(place.path()), named(&[("x.2026-11-22.log", "")]));
    }

    #[test]
    fn a_path_that_names_no_file_is_refused() {
        assert!(LogFile::open(Path::new("/"), 20, 3).is_err());
        assert!(LogFile::open(Path::new(""), 20, 3).is_err());
    }
}

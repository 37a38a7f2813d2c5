//! Finds the programs of a database server on this machine.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::ServerError;

/// Where Debian and Ubuntu keep one directory a major version, each with a `bin` in it.
const VERSIONED_ROOT: &str = "/usr/lib/postgresql";

/// The two programs that a throw-away PostgreSQL server needs, from one and the same directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresBinaries {
    /// Makes a new data directory.
    pub initdb: PathBuf,
    /// The server.
    pub postgres: PathBuf,
}

/// Finds PostgreSQL's programs: on PATH, else the newest in `/usr/lib/postgresql/*/bin`.
///
/// # Errors
/// [`ServerError::NotFound`] where no directory holds both programs.
pub fn find_postgres() -> Result<PostgresBinaries, ServerError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    find_in(&path, Path::new(VERSIONED_ROOT)).ok_or(ServerError::NotFound)
}

/// The two programs that a throw-away MariaDB server needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MariaDbBinaries {
    /// Makes a new data directory.
    pub install: PathBuf,
    /// The server.
    pub mariadbd: PathBuf,
}

/// Where the server's program stands, which is not on everybody's PATH.
const SYSTEM_PROGRAMS: [&str; 4] = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"];

/// Finds MariaDB's programs: on PATH, else where systems keep them.
///
/// # Errors
/// [`ServerError::MariaDbNotFound`] where one of them is nowhere.
pub fn find_mariadb() -> Result<MariaDbBinaries, ServerError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places: Vec<PathBuf> = std::env::split_paths(&path).chain(SYSTEM_PROGRAMS.map(PathBuf::from)).collect();
    mariadb_in(&places).ok_or(ServerError::MariaDbNotFound)
}

fn mariadb_in(places: &[PathBuf]) -> Option<MariaDbBinaries> {
    let find = |name: &str| places.iter().map(|place| place.join(name)).find(|path| path.is_file());
    // The installer looks for it beside itself; Debian keeps it in a package of its own.
    find("my_print_defaults")?;
    Some(MariaDbBinaries { install: find("mariadb-install-db")?, mariadbd: find("mariadbd")? })
}

/// Where Debian keeps the library that fakes a clock, on each kind of machine.
const FAKETIME: [&str; 3] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib/faketime/libfaketime.so.1",
];

/// Finds the library that fakes a process's clock.
///
/// # Errors
/// [`ServerError::NoFaketime`] where it is not installed; the text says how to install it.
pub fn find_faketime() -> Result<PathBuf, ServerError> {
    FAKETIME.into_iter().map(PathBuf::from).find(|path| path.is_file()).ok_or(ServerError::NoFaketime)
}

/// Finds Debian's cron; it needs not run.
///
/// # Errors
/// [`ServerError::NoCron`] where it is not installed; the text says how to install it.
pub fn find_cron() -> Result<PathBuf, ServerError> {
    find_program("cron").ok_or(ServerError::NoCron)
}

/// Finds a Python that has the mail server `aiosmtpd`: the system's own, else the one on PATH.
///
/// # Errors
/// [`ServerError::NoAiosmtpd`] where neither has it; the text says how to install it.
pub fn find_aiosmtpd() -> Result<PathBuf, ServerError> {
    let has_it = |python: &&str| {
        let mut command = std::process::Command::new(python);
        command.args(["-c", "import aiosmtpd"]).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    ["/usr/bin/python3", "python3"].into_iter().find(has_it).map(PathBuf::from).ok_or(ServerError::NoAiosmtpd)
}

/// Finds systemd's judge of units; systemd needs not run.
///
/// # Errors
/// [`ServerError::NoSystemdAnalyze`] where it is not installed; the text says how to install it.
pub fn find_systemd_analyze() -> Result<PathBuf, ServerError> {
    find_program("systemd-analyze").ok_or(ServerError::NoSystemdAnalyze)
}

/// Prometheus and its tool; neither needs to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrometheusBinaries {
    /// The server.
    pub prometheus: PathBuf,
    /// Checks metrics and rules.
    pub promtool: PathBuf,
}

/// Finds Prometheus.
///
/// # Errors
/// [`ServerError::NoPrometheus`] where it is not installed; the text says how to install it.
pub fn find_prometheus() -> Result<PrometheusBinaries, ServerError> {
    let both = find_program("prometheus").zip(find_program("promtool"));
    both.map(|(prometheus, promtool)| PrometheusBinaries { prometheus, promtool }).ok_or(ServerError::NoPrometheus)
}

/// Finds Debian's Chromium, by any of the names that systems give it.
///
/// # Errors
/// [`ServerError::NoChromium`] where it is not installed; the text says how to install it.
pub fn find_chromium() -> Result<PathBuf, ServerError> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    names.into_iter().find_map(find_program).ok_or(ServerError::NoChromium)
}

/// A program on PATH, or where systems keep their own.
fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places = std::env::split_paths(&path).chain(SYSTEM_PROGRAMS.map(PathBuf::from));
    places.find_map(|place| Some(place.join(name)).filter(|program| program.is_file()))
}

fn find_in(path: &OsStr, versioned_root: &Path) -> Option<PostgresBinaries> {
    std::env::split_paths(path).chain(newest_first(versioned_root)).find_map(|directory| both_in(&directory))
}

fn both_in(directory: &Path) -> Option<PostgresBinaries> {
    let binaries = PostgresBinaries { initdb: directory.join("initdb"), postgres: directory.join("postgres") };
    (binaries.initdb.is_file() && binaries.postgres.is_file()).then_some(binaries)
}

/// The `bin` directories under `root`, the highest version number first: 15 before 9.6.
fn newest_first(root: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(root) else {
        return Vec::new();
    };
    let mut versions: Vec<(Vec<u32>, PathBuf)> = entries
        .filter_map(Result::ok)
        .map(|entry| (version_of(&entry.file_name()), entry.path().join("bin")))
        .collect();
    versions.sort();
    versions.into_iter().rev().map(|(_, path)| path).collect()
}

fn version_of(name: &OsStr) -> Vec<u32> {
    let name = name.to_string_lossy();
    name.split('.').map_while(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn install(directory: &Path, programs: &[&str]) {
        std::fs::create_dir_all(directory).unwrap();
        for program in programs {
            std::fs::write(directory.join(program), "").unwrap();
        }
    }

    #[test]
    fn takes_the_newest_version_by_number() {
        let root = tempfile::tempdir().unwrap();
        for version in ["9.6", "15", "8"] {
            install(&root.path().join(version).join("bin"), &["initdb", "postgres"]);
        }
        let found = find_in(OsStr::new(""), root.path()).unwrap();
        assert_eq!(found.postgres, root.path().join("15/bin/postgres"));
    }

    #[test]
    fn prefers_path_and_passes_over_a_directory_with_only_one_of_the_two() {
        let root = tempfile::tempdir().unwrap();
        install(&root.path().join("half"), &["initdb"]);
        install(&root.path().join("whole"), &["initdb", "postgres"]);
        install(&root.path().join("versions/15/bin"), &["initdb", "postgres"]);
        let path = std::env::join_paths([root.path().join("half"), root.path().join("whole")]).unwrap();
        let found = find_in(&path, &root.path().join("versions")).unwrap();
        assert_eq!(found.initdb, root.path().join("whole/initdb"));
    }

    #[test]
    fn mariadbs_programs_may_stand_apart_but_all_must_be_there() {
        let root = tempfile::tempdir().unwrap();
        let (bin, sbin) = (root.path().join("bin"), root.path().join("sbin"));
        install(&bin, &["mariadb-install-db"]);
        assert_eq!(mariadb_in(&[bin.clone(), sbin.clone()]), None);
        install(&sbin, &["mariadbd"]);
        assert_eq!(mariadb_in(&[bin.clone(), sbin.clone()]), None);
        install(&bin, &["mariadb-install-db", "my_print_defaults"]);
        let found = mariadb_in(&[bin.clone(), sbin.clone()]).unwrap();
        assert_eq!((found.install, found.mariadbd), (bin.join("mariadb-install-db"), sbin.join("mariadbd")));
    }

    #[test]
    fn finds_nothing_where_nothing_is() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(find_in(OsStr::new(""), root.path()), None);
    }
}

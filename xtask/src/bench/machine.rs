//! Where and of what the figures were taken.

use std::path::Path;
use std::process::Command;

use super::database::Database;
use crate::Failure;
use crate::programs::output;

/// The document that this command writes.
pub(super) const DOCUMENT: &str = "docs/BENCHMARKS.md";

/// What stands above the tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Machine {
    pub(super) processor: String,
    pub(super) memory: String,
    pub(super) postgres: String,
    pub(super) commit: String,
    pub(super) date: String,
}

impl Machine {
    /// Reads everything; `page` is the one that is being written, and makes no tree dirty.
    pub(super) fn read(root: &Path, database: &Database, page: &str) -> Result<Self, Failure> {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        Ok(Self {
            processor: processor(&read("/proc/cpuinfo")),
            memory: memory(&read("/proc/meminfo")),
            postgres: database.value("SELECT current_setting('server_version')")?,
            commit: commit(root, page)?,
            date: database.value("SELECT to_char(now(), 'YYYY-MM-DD')")?,
        })
    }
}

/// The processor, from `/proc/cpuinfo`.
pub(crate) fn processor(cpuinfo: &str) -> String {
    let models: Vec<&str> = values(cpuinfo, "model name").collect();
    let cores = models.len().max(values(cpuinfo, "processor").count());
    format!("{}, {cores} cores", models.first().unwrap_or(&"unknown processor"))
}

/// The memory, from `/proc/meminfo`.
pub(crate) fn memory(meminfo: &str) -> String {
    let kilobytes = values(meminfo, "MemTotal").next().and_then(|value| value.split(' ').next()?.parse::<u64>().ok());
    kilobytes.map_or_else(|| "unknown".to_owned(), |kb| format!("{} MB", kb.saturating_mul(1_024) / 1_000_000))
}

fn values<'a>(text: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    let pairs = text.lines().filter_map(|line| line.split_once(':'));
    pairs.filter(move |(key, _)| key.trim() == name).map(|(_, value)| value.trim())
}

/// The commit, and whether the tree differs from it in more than the page itself.
pub(crate) fn commit(root: &Path, page: &str) -> Result<String, Failure> {
    let git = |words: &[&str]| output(Command::new("git").current_dir(root).args(words));
    let commit = git(&["rev-parse", "--short=10", "HEAD"])?.trim().to_owned();
    let changed = git(&["status", "--porcelain", "--", ".", &format!(":(exclude){page}")])?;
    Ok(if changed.trim().is_empty() { commit } else { format!("{commit}-dirty") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_processor_and_the_memory() {
        let cpuinfo = "processor\t: 0\nmodel name\t: Example 3000\n\nprocessor\t: 1\nmodel name\t: Example 3000\n";
        assert_eq!(processor(cpuinfo), "Example 3000, 2 cores");
        assert_eq!(memory("MemTotal:       16000000 kB\nMemFree: 1 kB\n"), "16384 MB");
        assert_eq!((processor(""), memory("")), ("unknown processor, 0 cores".to_owned(), "unknown".to_owned()));
    }
}

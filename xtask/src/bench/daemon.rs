//! `cargo xtask bench daemon`: how late a daemon releases, and what it needs, under load and at rest.

mod goals;
mod many_files;
mod one_server;
mod page;
mod watched;

use unreserve_testkit::servers::{Durability, PostgresServer};

use super::contender::Contenders;
use super::database::Database;
use super::machine::Machine;
use super::process::Launcher;
use super::{BenchError, build};
use crate::programs::workspace_root;
use crate::{Failure, say};

/// The page that this command writes.
const PAGE: &str = "docs/BENCHMARKS-daemon.md";

/// The options of `cargo xtask bench daemon`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// A short look with less data; does not write the page
    #[arg(long)]
    quick: bool,
    /// End with an error when a goal is missed
    #[arg(long)]
    strict: bool,
}

/// How much is measured.
#[derive(Debug, Clone, Copy)]
struct Scale {
    /// How long something expires, and how long nothing does.
    seconds: u32,
    /// Orders that are over, in the server's shop.
    old: u64,
    /// Expiries a second there.
    rate: u32,
    /// Shops that are files.
    files: u32,
}

/// How late releases were: from the expiry to the commit, by the database's clock, in milliseconds.
#[derive(Debug, Clone, Copy, Default)]
struct Lag {
    releases: u64,
    half: f64,
    p99: f64,
    longest: f64,
}

impl Lag {
    /// From lags in microseconds.
    fn of(mut micros: Vec<i64>) -> Self {
        micros.sort_unstable();
        let at = |hundredths: usize| {
            let place = micros.len().saturating_mul(hundredths).div_ceil(100).saturating_sub(1);
            micros.get(place).map_or(f64::NAN, |micros| *micros as f64 / 1_000.0)
        };
        Self { releases: u64::try_from(micros.len()).unwrap_or(0), half: at(50), p99: at(99), longest: at(100) }
    }
}

/// What one daemon did and needed.
#[derive(Debug, Clone, Default)]
struct Seen {
    name: String,
    shops: u32,
    lag: Lag,
    /// Resident memory at its most, in bytes.
    memory: u64,
    /// Threads, open files and connections at their most.
    threads: u64,
    open_files: u64,
    connections: Option<u64>,
    /// Processor time in thousandths of the wall time, under load and at rest.
    busy_load: f64,
    busy_rest: f64,
}

/// Runs the benchmark.
pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let scale = if arguments.quick {
        Scale { seconds: 8, old: 2_000, rate: 50, files: 100 }
    } else {
        Scale { seconds: 60, old: 100_000, rate: 100, files: 1_000 }
    };
    let root = workspace_root()?;
    let unreserve = build(&root, "unreserve")?;
    let program = build(&root, "xtask")?;
    let directory = tempfile::tempdir().map_err(BenchError::file(&std::env::temp_dir()))?;
    let launcher = Launcher { program, directory: directory.path().to_owned() };
    let contenders = Contenders { launcher, unreserve, psql: std::path::PathBuf::new() };

    say::line("starting a throw-away PostgreSQL server");
    let server = PostgresServer::start(Durability::Real)?;
    let postgres = Database { url: server.url("postgres") };
    let seen = [one_server::measure(&server, &contenders, scale)?, many_files::measure(&contenders, scale)?];
    let goals = goals::judge(&seen);
    say::line(&format!("\n{}", page::tables(&seen, &goals)));
    let missed = goals.iter().filter(|goal| goal.verdict == super::goals::Verdict::Missed).count();
    if !arguments.quick {
        let path = root.join(PAGE);
        let text = page::page(&Machine::read(&root, &postgres, PAGE)?, scale, &seen, &goals);
        std::fs::write(&path, text).map_err(BenchError::file(&path))?;
        say::line(&format!("wrote {PAGE}"));
    }
    if arguments.strict && missed > 0 { Err(BenchError::Missed(missed).into()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lag_is_told_by_its_place_in_the_line() {
        let lag = Lag::of((1..=200).rev().map(|millis| millis * 1_000).collect());
        assert_eq!((lag.releases, lag.half, lag.p99, lag.longest), (200, 100.0, 198.0, 200.0));
        assert!(Lag::of(Vec::new()).p99.is_nan());
    }
}

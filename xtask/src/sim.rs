//! `cargo xtask sim`: plays the simulator, seed after seed, and tells of every one that fails.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use unreserve_testkit::sim::seeds::play_seed;
use unreserve_testkit::sim::world::Setup;

use crate::{Failure, say};

/// How many failures are told before the run ends.
const TOLD: usize = 5;

/// The options of `cargo xtask sim`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Arguments {
    /// Play this seed alone, and write down what happens in it.
    #[arg(long, value_name = "SEED", conflicts_with_all = ["seeds", "first_seed"])]
    seed: Option<u64>,
    /// How many seeds to play.
    #[arg(long, value_name = "COUNT", default_value_t = 2_000)]
    seeds: u64,
    /// The first of them.
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    first_seed: u64,
    /// How many steps the faults last; then the world heals, and everything due must be released.
    #[arg(long, value_name = "COUNT", default_value_t = 500)]
    steps: usize,
}

impl Default for Arguments {
    fn default() -> Self {
        Self { seed: None, seeds: 2_000, first_seed: 0, steps: 500 }
    }
}

/// Nothing planted, clocks that lie as the seed has it.
const SETUP: Setup = Setup { mutation: None, skew: 0, trace: false, daemons: true };

/// Plays, and fails where a seed does.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    match arguments.seed {
        Some(seed) => play_one(seed, arguments.steps),
        None => play_many(arguments),
    }
}

fn play_one(seed: u64, steps: usize) -> Result<(), Failure> {
    let setup = Setup { trace: true, ..SETUP };
    match play_seed(seed, steps, setup).map_err(|failure| Failure::Simulator(format!("{failure:?}")))? {
        Ok(outcome) => {
            for line in &outcome.trace {
                say::line(line);
            }
            say::line(&format!(
                "seed {seed}: {} reservations released, {} transactions, every invariant holds",
                outcome.releases, outcome.commits
            ));
            Ok(())
        }
        Err(failed) => {
            say::line(&failed.to_string());
            Err(Failure::Simulator(format!("seed {seed} breaks {}", failed.violation.invariant)))
        }
    }
}

/// What all threads add to.
#[derive(Default)]
struct Sums {
    next: AtomicU64,
    played: AtomicU64,
    releases: AtomicU64,
    commits: AtomicU64,
    longest_wait: AtomicU64,
    circles: AtomicU64,
    due: AtomicU64,
    hindered: AtomicU64,
    successions: AtomicU64,
    failed: Mutex<Vec<String>>,
}

fn play_many(arguments: &Arguments) -> Result<(), Failure> {
    let sums = Sums::default();
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    say::line(&format!(
        "playing seeds {} to {}, {} steps each, on {threads} threads",
        arguments.first_seed,
        arguments.first_seed.saturating_add(arguments.seeds).saturating_sub(1),
        arguments.steps
    ));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| while play_next(arguments, &sums) {});
        }
    });
    let count = |sum: &AtomicU64| sum.load(Ordering::Relaxed);
    let failed = sums.failed.lock().map(|failed| failed.len()).unwrap_or(usize::MAX);
    say::line(&format!(
        "{} seeds: {} reservations released, {} transactions; the shop waited {} ms behind us at most, and lost {} \
         circles of three in which we had just begun to wait; the duty went to another {} times, and outside faults \
         nothing was due for longer than {} ms, {} ms where the shop was in the way",
        count(&sums.played),
        count(&sums.releases),
        count(&sums.commits),
        count(&sums.longest_wait) / 1_000,
        count(&sums.circles),
        count(&sums.successions),
        count(&sums.due) / 1_000,
        count(&sums.hindered) / 1_000,
    ));
    if failed == 0 { Ok(()) } else { Err(Failure::Simulator(format!("{failed} seeds break an invariant"))) }
}

/// Plays the next seed. Whether there may be another.
fn play_next(arguments: &Arguments, sums: &Sums) -> bool {
    let place = sums.next.fetch_add(1, Ordering::Relaxed);
    if place >= arguments.seeds || sums.failed.lock().is_ok_and(|failed| failed.len() >= TOLD) {
        return false;
    }
    let seed = arguments.first_seed.saturating_add(place);
    let told = match play_seed(seed, arguments.steps, SETUP) {
        Ok(Ok(outcome)) => {
            sums.releases.fetch_add(outcome.releases, Ordering::Relaxed);
            sums.commits.fetch_add(outcome.commits, Ordering::Relaxed);
            sums.longest_wait.fetch_max(outcome.longest_wait.max(0).unsigned_abs(), Ordering::Relaxed);
            sums.circles.fetch_add(outcome.circles, Ordering::Relaxed);
            sums.due.fetch_max(outcome.longest_due.0.max(0).unsigned_abs(), Ordering::Relaxed);
            sums.hindered.fetch_max(outcome.longest_due.1.max(0).unsigned_abs(), Ordering::Relaxed);
            sums.successions.fetch_add(outcome.successions, Ordering::Relaxed);
            None
        }
        Ok(Err(failed)) => Some(failed.to_string()),
        Err(failure) => Some(format!("seed {seed} cannot be played: {failure:?}")),
    };
    if let Some(told) = told {
        say::line(&told);
        if let Ok(mut failed) = sums.failed.lock() {
            failed.push(told);
        }
    }
    let played = sums.played.fetch_add(1, Ordering::Relaxed).saturating_add(1);
    let tenth = (arguments.seeds / 10).max(1);
    if played.is_multiple_of(tenth) && played < arguments.seeds {
        say::line(&format!("{played} of {} seeds", arguments.seeds));
    }
    true
}

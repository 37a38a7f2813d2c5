//! Runs of many seeds, and what is told of one that fails: its seed, the shrunk schedule, and how to see it again.

use super::auditor::Violation;
use super::choices::{Choices, Taken};
use super::run::{Outcome, play};
use super::shrink::shrink;
use super::world::Setup;
use crate::failure::Failure;

/// Seeds that once showed a fault, each with its steps and what it was. They are played in every test run.
pub const REGRESSIONS: &str = include_str!("regressions.txt");

/// One seed that failed.
#[derive(Debug)]
pub struct FailedSeed {
    /// The seed.
    pub seed: u64,
    /// The steps that were asked for.
    pub steps: usize,
    /// After how many steps it was seen.
    pub at: usize,
    /// What does not hold.
    pub violation: Violation,
    /// What happened, as short as it could be made.
    pub schedule: Vec<String>,
    /// How many choices were made, and how many of them are left in the schedule.
    pub choices: (usize, usize),
}

impl std::fmt::Display for FailedSeed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(formatter, "seed {}, step {}: {}", self.seed, self.at, self.violation)?;
        writeln!(formatter, "the shrunk schedule ({} of {} choices are left):", self.choices.1, self.choices.0)?;
        for line in &self.schedule {
            writeln!(formatter, "    {line}")?;
        }
        write!(formatter, "see it again with: cargo xtask sim --seed {} --steps {}", self.seed, self.steps)
    }
}

/// Plays one seed; where it fails, its schedule is shrunk.
///
/// # Errors
/// The shop could not be made.
pub fn play_seed(seed: u64, steps: usize, setup: Setup) -> Result<Result<Outcome, Box<FailedSeed>>, Failure> {
    let outcome = play(&Choices::seeded(seed), steps, setup)?;
    let Some((at, violation)) = &outcome.violation else { return Ok(Ok(outcome)) };
    let shrunk = shrink(&outcome, steps, setup)?;
    let count = |choices: &Taken| choices.iter().map(Vec::len).sum();
    let all = count(&outcome.choices);
    let (schedule, left) = match shrunk {
        Some(shrunk) => (shrunk.trace, count(&shrunk.choices)),
        None => (play(&Choices::seeded(seed), steps, Setup { trace: true, ..setup })?.trace, all),
    };
    let (at, violation) = (*at, violation.clone());
    Ok(Err(Box::new(FailedSeed { seed, steps, at, violation, schedule, choices: (all, left) })))
}

/// The seeds of the list: seed, steps, and what it showed.
///
/// # Errors
/// A line is not understood.
pub fn regressions(text: &str) -> Result<Vec<(u64, usize, &str)>, Failure> {
    let mut list = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let mut words = line.splitn(3, ' ');
        let seed = words.next().and_then(|word| word.parse().ok());
        let steps = words.next().and_then(|word| word.parse().ok());
        match (seed, steps, words.next()) {
            (Some(seed), Some(steps), Some(what)) => list.push((seed, steps, what)),
            _ => return Err(Failure::new(format!("`{line}` is not `seed steps what it showed`"))),
        }
    }
    Ok(list)
}

//! `cargo xtask ci`: everything that has to pass before a change goes in.

use std::net::{TcpStream, ToSocketAddrs};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::programs::{cargo, has_cargo_command, run as run_program, workspace_root};
use crate::{Failure, docs, say, sim, test, tidy};

/// One thing to check.
struct Step {
    name: &'static str,
    check: fn() -> Result<Outcome, Failure>,
}

/// How a step ended that did not fail.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    Passed,
    /// Could not run on this machine, and why.
    Skipped(&'static str),
}

/// The steps, the quick ones first. A new one is one more line.
const STEPS: &[Step] = &[
    Step { name: "format", check: || cargo_passes(&["fmt", "--all", "--check"], &[]) },
    Step { name: "tidy", check: || tidy::run().map(|()| Outcome::Passed) },
    Step {
        name: "clippy",
        check: || {
            let words = "clippy --workspace --all-targets --all-features -- -D warnings";
            cargo_passes(&split(words), &[])
        },
    },
    Step {
        name: "documentation",
        check: || {
            let words = "doc --workspace --no-deps --document-private-items";
            cargo_passes(&split(words), &[("RUSTDOCFLAGS", "-D warnings")])
        },
    },
    Step {
        name: "reference pages",
        check: || docs::run(&docs::Arguments { check: true, picture: false }).map(|()| Outcome::Passed),
    },
    Step { name: "licences, bans and sources", check: || deny(&["bans", "licenses", "sources"]) },
    Step {
        name: "known vulnerabilities",
        check: || {
            if reaches("github.com:443") {
                deny(&["advisories"])
            } else {
                Ok(Outcome::Skipped("the list of vulnerabilities cannot be reached from here"))
            }
        },
    },
    Step { name: "simulation", check: || sim::run(&sim::Arguments::default()).map(|()| Outcome::Passed) },
    Step { name: "tests", check: || test::run(&test::Arguments::default()).map(|()| Outcome::Passed) },
];

/// Runs every step, whether or not one before it failed, and sums up.
pub(crate) fn run() -> Result<(), Failure> {
    let root = workspace_root()?;
    std::env::set_current_dir(&root).map_err(|source| Failure::File { path: root.display().to_string(), source })?;
    run_steps(STEPS)
}

fn run_steps(steps: &[Step]) -> Result<(), Failure> {
    let mut summary = Vec::new();
    let mut failed = Vec::new();
    for step in steps {
        say::heading(step.name);
        let (result, elapsed) = timed(step.check);
        let outcome = match result {
            Ok(Outcome::Passed) => "passed".to_owned(),
            Ok(Outcome::Skipped(why)) => format!("not run: {why}"),
            Err(failure) => {
                say::error(&failure);
                failed.push(step.name);
                "FAILED".to_owned()
            }
        };
        let line = format!("{:>7.1} s  {}: {outcome}", elapsed.as_secs_f64(), step.name);
        say::line(&line);
        summary.push(line);
    }
    say::heading("summary");
    for line in &summary {
        say::line(line);
    }
    if failed.is_empty() { Ok(()) } else { Err(Failure::Steps(failed.join(", "))) }
}

#[expect(clippy::disallowed_methods, reason = "a developer's tool shows how long a step took; no decision hangs on it")]
fn timed<T>(work: fn() -> T) -> (T, Duration) {
    let start = Instant::now();
    let result = work();
    (result, start.elapsed())
}

fn split(words: &str) -> Vec<&str> {
    words.split(' ').collect()
}

fn cargo_passes(words: &[&str], variables: &[(&str, &str)]) -> Result<Outcome, Failure> {
    let mut command: Command = cargo();
    command.args(words).envs(variables.iter().copied());
    run_program(&mut command).map(|()| Outcome::Passed)
}

fn deny(checks: &[&str]) -> Result<Outcome, Failure> {
    if !has_cargo_command("deny") {
        return Ok(Outcome::Skipped("cargo-deny is not installed; `cargo install --locked cargo-deny` installs it"));
    }
    let mut words = vec!["deny", "--all-features", "check"];
    words.extend(checks);
    cargo_passes(&words, &[])
}

/// Whether a connection to `address` comes about within three seconds.
fn reaches(address: &str) -> bool {
    address.to_socket_addrs().is_ok_and(|mut addresses| {
        addresses.any(|one| TcpStream::connect_timeout(&one, Duration::from_secs(3)).is_ok())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSES: Step = Step { name: "good", check: || Ok(Outcome::Passed) };
    const SKIPS: Step = Step { name: "absent", check: || Ok(Outcome::Skipped("not here")) };
    const FAILS: Step = Step { name: "bad", check: || Err(Failure::Missing("missing".to_owned())) };
    const FAILS_TOO: Step = Step { name: "worse", ..FAILS };

    #[test]
    fn passes_when_no_step_failed() {
        run_steps(&[PASSES, SKIPS]).unwrap();
    }

    #[test]
    fn goes_on_after_a_failure_and_names_every_failed_step() {
        let failure = run_steps(&[FAILS, PASSES, FAILS_TOO]).unwrap_err();
        assert_eq!(failure.to_string(), "failed: bad, worse");
    }
}

//! L9: every fault that is planted on purpose is caught, each in a process of its own; and where none is, nothing is.

use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use unreserve_engine::model::Mutant;
use unreserve_testkit::failure::Failure;
use unreserve_testkit::proof::{CAUGHT_WITHIN, hunt};
use unreserve_testkit::servers::{SHARED_MARIADB, SHARED_POSTGRES, shared_mariadb, shared_server};

/// Which databases are hunted on, the one that knows the most faults first. A database joins with one line, and its test below.
const HUNTS: &[&str] = &["on_postgres", "on_sqlite", "on_mariadb"];

/// The faults that have to be found on MariaDB as well: what another database's statements prove says nothing of its own, and
/// its locks and transactions are others. The order of stock rows cannot be wrong where none is waited for.
const IN_MARIADB: [Mutant; 9] = [
    Mutant::NoStatusGuard,
    Mutant::OneStatement,
    Mutant::NoKeyUpdate,
    Mutant::RepeatableRead,
    Mutant::NoRollback,
    Mutant::ProcessClock,
    Mutant::SessionLock,
    Mutant::BlindCommit,
    Mutant::AffectedIgnored,
];

/// Not tests by themselves: the ones below run them in processes of their own.
#[test]
#[ignore = "is run with a fault planted"]
fn on_postgres() -> Result<(), Failure> {
    hunt(&super::postgres())
}

#[test]
#[ignore = "is run with a fault planted"]
fn on_mariadb() -> Result<(), Failure> {
    hunt(&super::mariadb())
}

#[test]
#[ignore = "is run with a fault planted"]
fn on_sqlite() -> Result<(), Failure> {
    hunt(&super::sqlite())
}

/// Runs a hunt; what it found, if it did.
fn run(database: &str, mutant: Option<Mutant>) -> Result<Option<String>, Failure> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--ignored", "--exact", "--nocapture"]).arg(format!("mutants::{database}"));
    // One server for all of them: what is timed is the hunt.
    command.env(SHARED_POSTGRES, shared_server()?.url("postgres")).env(SHARED_MARIADB, shared_mariadb()?);
    command.env_remove("UNRESERVE_MUTANT").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    if let Some(mutant) = mutant {
        command.env("UNRESERVE_MUTANT", format!("{mutant:?}"));
    }
    let mut child = command.spawn()?;
    let mut told = String::new();
    if let Some(errors) = &mut child.stderr {
        errors.read_to_string(&mut told)?;
    }
    if child.wait()?.success() {
        return Ok(None);
    }
    let found = told.lines().find_map(|line| line.strip_prefix("Error: "));
    found.map(|line| Some(line.to_owned())).ok_or_else(|| Failure::new(format!("the hunt itself failed:\n{told}")))
}

/// Every fault, with the databases it is looked for in until one finds it.
fn hunts() -> Vec<(Mutant, Vec<&'static str>)> {
    let anywhere = Mutant::ALL.into_iter().map(|mutant| (mutant, order(mutant)));
    anywhere.chain(IN_MARIADB.into_iter().map(|mutant| (mutant, vec!["on_mariadb"]))).collect()
}

/// A fault that one database cannot have is looked for in the other first.
fn order(mutant: Mutant) -> Vec<&'static str> {
    let mut databases = vec!["on_postgres", "on_sqlite"];
    // A server that refuses a statement refuses the whole transaction; only the other kind can keep half of it.
    if mutant == Mutant::NoRollback {
        databases.reverse();
    }
    databases
}

/// Where it was caught, by what, and after how long.
#[expect(clippy::disallowed_methods, reason = "how long it takes is what is tested")]
fn catch(mutant: Mutant, databases: &[&str]) -> Result<(String, Duration), Failure> {
    let began = Instant::now();
    for database in databases {
        if let Some(found) = run(database, Some(mutant))? {
            return Ok((format!("{database}: {found}"), began.elapsed()));
        }
    }
    Err(Failure::new(format!("{mutant:?} survived {databases:?}: the tests have a hole")))
}

/// Every mutant with who caught it, as the figures of the proof have it.
pub(crate) fn all() -> Vec<Json> {
    let row = |(mutant, databases): (Mutant, Vec<&str>)| match catch(mutant, &databases) {
        Ok((by, took)) => json!({ "mutant": format!("{mutant:?}"), "seconds": took.as_secs(), "by": by }),
        Err(failure) => {
            json!({ "mutant": format!("{mutant:?}"), "seconds": null, "by": null, "error": format!("{failure:?}") })
        }
    };
    hunts().into_iter().map(row).collect()
}

#[test]
fn every_planted_fault_is_caught_in_time() -> Result<(), Failure> {
    let mut missed = Vec::new();
    // Starting a server is not what is timed.
    shared_server()?;
    shared_mariadb()?;
    for (mutant, databases) in hunts() {
        match catch(mutant, &databases) {
            Ok((by, took)) => {
                println!("| {mutant:?} | {:.1} s | {by} |", took.as_secs_f64());
                if took > CAUGHT_WITHIN {
                    missed.push(format!("{mutant:?} was caught only after {took:?}"));
                }
            }
            Err(failure) => missed.push(format!("{failure:?}")),
        }
    }
    if missed.is_empty() { Ok(()) } else { Err(Failure::new(missed.join("\n"))) }
}

/// The counter-test: a suite that always finds something would catch every fault as well.
#[test]
fn where_no_fault_is_planted_nothing_is_caught() -> Result<(), Failure> {
    for database in HUNTS {
        if let Some(found) = run(database, None)? {
            return Err(Failure::new(format!("{database}: {found}")));
        }
    }
    Ok(())
}

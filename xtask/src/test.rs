//! `cargo xtask test`: runs all tests, with the database servers they need.

use std::path::Path;
use std::process::Command;

use unreserve_testkit::servers::{
    Durability, MariaDbServer, PostgresServer, SHARED_MARIADB, SHARED_POSTGRES, ServerError, find_aiosmtpd,
    find_chromium, find_cron, find_faketime, find_mariadb, find_pgbouncer, find_postgres, find_prometheus,
    find_systemd_analyze, runs_as_root,
};

use crate::programs::{cargo, has_cargo_command, run as run_program, workspace_root};
use crate::{Failure, say};

/// The options of `cargo xtask test`.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Arguments {
    /// Handed on to the test runner, such as the name of a test; then documentation tests are left out.
    #[arg(last = true, value_name = "ARGUMENT")]
    runner: Vec<String>,
}

/// What the suite needs on this machine.
struct Needed {
    name: &'static str,
    /// The Debian packages with its programs, with blanks between.
    packages: &'static str,
    find: fn() -> Result<(), ServerError>,
}

/// A kind of database server that the suite needs. A new one is one more line in [`SERVERS`].
struct ServerKind {
    programs: Needed,
    /// Where the tests find the running server.
    variable: &'static str,
    start: fn() -> Result<Running, ServerError>,
}

/// A server that runs for as long as this value is held.
struct Running {
    url: String,
    _server: Box<dyn std::any::Any>,
}

const SERVERS: &[ServerKind] = &[
    ServerKind {
        programs: Needed { name: "PostgreSQL", packages: POSTGRESQL, find: || find_postgres().map(drop) },
        variable: SHARED_POSTGRES,
        start: || {
            let server = PostgresServer::start(Durability::Fast)?;
            Ok(Running { url: server.url("postgres"), _server: Box::new(server) })
        },
    },
    ServerKind {
        // The programs alone: `mariadb-server` would start a server of the system's as well.
        programs: Needed {
            name: "MariaDB",
            packages: "mariadb-server-core mariadb-client-core",
            find: || find_mariadb().map(drop),
        },
        variable: SHARED_MARIADB,
        start: || {
            let server = MariaDbServer::start()?;
            Ok(Running { url: server.url("mysql"), _server: Box::new(server) })
        },
    },
];

/// What the proof and the services' tests need beside the servers; the tests start it themselves.
const PROGRAMS: &[Needed] = &[
    Needed { name: "PgBouncer", packages: PGBOUNCER, find: || find_pgbouncer().map(drop) },
    Needed { name: "libfaketime", packages: "faketime", find: || find_faketime().map(drop) },
    // Without what it recommends, which is a mail server.
    Needed { name: "cron", packages: "--no-install-recommends cron", find: || find_cron().map(drop) },
    // The page is tested in it; what it recommends is for a desk.
    Needed { name: "Chromium", packages: "--no-install-recommends chromium", find: || find_chromium().map(drop) },
    Needed { name: "Prometheus", packages: PROMETHEUS, find: || find_prometheus().map(drop) },
    Needed { name: "aiosmtpd", packages: "python3-aiosmtpd", find: || find_aiosmtpd().map(drop) },
    Needed { name: "systemd-analyze", packages: "systemd", find: || find_systemd_analyze().map(drop) },
];

const POSTGRESQL: &str = "postgresql";
const PGBOUNCER: &str = "pgbouncer";
/// Without what it recommends, which is an exporter that runs.
const PROMETHEUS: &str = "--no-install-recommends prometheus";

/// Packages that start a service of the system's, which is ended again.
const SERVICES: [(&str, &str); 2] = [(PGBOUNCER, "pgbouncer"), (PROMETHEUS, "prometheus")];

/// Runs all tests. The servers end with this process, however it ends.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let root = workspace_root()?;
    for needed in SERVERS.iter().map(|kind| &kind.programs).chain(PROGRAMS) {
        make_available(needed)?;
    }
    let mut running = Vec::new();
    for kind in SERVERS {
        say::line(&format!("starting a throw-away {} server", kind.programs.name));
        running.push((kind.variable, (kind.start)()?));
    }
    let cargo_here = |words: &[&str]| {
        let mut command = cargo();
        command.current_dir(&root).args(words);
        for (variable, server) in &running {
            command.env(variable, &server.url);
        }
        command
    };
    run_program(&mut cargo_here(&["build", "--package=unreserve", "--all-features"]))?;
    let runner = if has_cargo_command("nextest") {
        ["nextest", "run"].as_slice()
    } else {
        say::line("cargo-nextest is not installed: using `cargo test`");
        ["test", "--no-fail-fast", "--lib", "--bins", "--tests"].as_slice()
    };
    let tests = run_program(cargo_here(runner).args(["--workspace", "--all-features"]).args(&arguments.runner));
    if !arguments.runner.is_empty() {
        return tests;
    }
    // Both always run, so that one failure does not hide the other.
    tests.and(run_program(&mut cargo_here(&["test", "--doc", "--workspace", "--all-features"])))
}

/// Makes sure that something is on this machine: installs it where we may, else says how to.
fn make_available(needed: &Needed) -> Result<(), Failure> {
    match (needed.find)() {
        Ok(()) => return Ok(()),
        Err(
            ServerError::NotFound
            | ServerError::MariaDbNotFound
            | ServerError::NoPooler
            | ServerError::NoFaketime
            | ServerError::NoCron
            | ServerError::NoSystemdAnalyze
            | ServerError::NoAiosmtpd
            | ServerError::NoChromium
            | ServerError::NoPrometheus,
        ) => {}
        Err(other) => return Err(other.into()),
    }
    let debian = Path::new("/etc/debian_version").exists();
    if !(debian && runs_as_root()?) {
        return Err(Failure::Missing(how_to_install(needed)));
    }
    say::line(&format!("{} is missing: installing it", needed.name));
    install(needed)?;
    (needed.find)()?;
    Ok(())
}

fn how_to_install(needed: &Needed) -> String {
    format!(
        "the tests need {name}'s programs, which are not on PATH; install them, on Debian or Ubuntu with:\n    \
         sudo apt-get update && sudo apt-get install -y {packages}",
        name = needed.name,
        packages = needed.packages,
    )
}

/// Installs a server's package without leaving a server of the system running that was not there before.
fn install(needed: &Needed) -> Result<(), Failure> {
    apt(&["update"])?;
    if needed.packages == POSTGRESQL {
        // The package makes and starts a cluster unless this says otherwise; the file comes with `postgresql-common`.
        let settings = Path::new("/etc/postgresql-common/createcluster.conf");
        if !settings.exists() {
            apt(&["install", "-y", "postgresql-common"])?;
            let wanted = format!("echo 'create_main_cluster = false' >>{}", settings.display());
            run_program(Command::new("sh").args(["-c", &wanted]))?;
        }
    }
    let words: Vec<&str> = ["install", "-y"].into_iter().chain(needed.packages.split(' ')).collect();
    apt(&words)?;
    let service = SERVICES.iter().find(|(packages, _)| *packages == needed.packages).map(|(_, service)| *service);
    if let Some(service) = service.filter(|_| Path::new("/run/systemd/system").exists()) {
        run_program(Command::new("systemctl").args(["disable", "--now", service]))?;
    }
    Ok(())
}

fn apt(words: &[&str]) -> Result<(), Failure> {
    run_program(Command::new("apt-get").args(words).env("DEBIAN_FRONTEND", "noninteractive"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MISSING: Needed = Needed { name: "Example", packages: "example-server", find: || Err(ServerError::NotFound) };

    #[test]
    fn says_the_one_command_that_installs_a_missing_server() {
        let text = how_to_install(&MISSING);
        assert!(text.ends_with("sudo apt-get update && sudo apt-get install -y example-server"), "{text}");
    }

    #[test]
    fn every_server_has_its_own_variable() {
        let mut variables: Vec<_> = SERVERS.iter().map(|kind| kind.variable).collect();
        variables.sort_unstable();
        variables.dedup();
        assert_eq!(variables.len(), SERVERS.len());
    }
}

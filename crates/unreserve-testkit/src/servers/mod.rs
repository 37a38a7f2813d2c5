//! Throw-away database servers that end with the process that started them.

mod account;
mod client;
mod finding;
mod mariadb;
mod pgbouncer;
mod postgres;
mod shared;
mod supervisor;

pub use account::runs_as_root;
pub use finding::{
    MariaDbBinaries, PostgresBinaries, PrometheusBinaries, find_aiosmtpd, find_chromium, find_cron, find_faketime,
    find_mariadb, find_postgres, find_prometheus, find_systemd_analyze,
};
pub use mariadb::MariaDbServer;
pub use pgbouncer::{PgBouncer, PoolMode, find_pgbouncer};
pub use postgres::{Durability, PASSWORD_USERS, PostgresServer};
pub use shared::{
    FreshDatabase, SHARED_MARIADB, SHARED_POSTGRES, SharedServer, fresh_database, fresh_mariadb, shared_mariadb,
    shared_server,
};

use std::path::PathBuf;

/// Why a throw-away server could not be found, started or asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// No directory holds both `initdb` and `postgres`.
    #[error("the programs `initdb` and `postgres` were not found on PATH or in `/usr/lib/postgresql/*/bin`")]
    NotFound,
    /// One of `mariadbd` and `mariadb-install-db` is nowhere.
    #[error("the programs `mariadbd` and `mariadb-install-db` were not found on PATH or where systems keep them")]
    MariaDbNotFound,
    /// The pooler is not installed.
    #[error(
        "the program `pgbouncer` was not found on PATH or in `/usr/sbin`; on Debian or Ubuntu: \
         sudo apt-get update && sudo apt-get install -y pgbouncer"
    )]
    NoPooler,
    /// The library that fakes a clock is not installed.
    #[error("libfaketime was not found; on Debian or Ubuntu: sudo apt-get update && sudo apt-get install -y faketime")]
    NoFaketime,
    /// Debian's cron is not installed.
    #[error(
        "cron was not found; on Debian or Ubuntu: sudo apt-get update && sudo apt-get install -y --no-install-recommends cron"
    )]
    NoCron,
    /// The mail server is not installed.
    #[error(
        "the Python package aiosmtpd was not found; on Debian or Ubuntu: \
         sudo apt-get update && sudo apt-get install -y python3-aiosmtpd"
    )]
    NoAiosmtpd,
    /// systemd's judge of units is not installed.
    #[error(
        "systemd-analyze was not found; on Debian or Ubuntu: sudo apt-get update && sudo apt-get install -y systemd"
    )]
    NoSystemdAnalyze,
    /// Prometheus is not installed.
    #[error(
        "prometheus and promtool were not found; on Debian or Ubuntu: sudo apt-get update && sudo apt-get install -y --no-install-recommends prometheus"
    )]
    NoPrometheus,
    /// The browser is not installed.
    #[error(
        "Chromium was not found; on Debian or Ubuntu: \
         sudo apt-get update && sudo apt-get install -y --no-install-recommends chromium"
    )]
    NoChromium,
    /// A database server refuses to run as root, and no other account was found to run it as.
    #[error("a database server does not run as root, and neither `postgres` nor `nobody` is an account here")]
    NoAccount,
    /// A file or directory of the server could not be read or written.
    #[error("cannot {action} `{}`", path.display())]
    File {
        /// What was tried, as a verb: `create`, `write`.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The shell that watches over the server could not be started or spoken to.
    #[error("cannot {action} the shell that watches over the server")]
    Supervisor {
        /// What was tried, as a verb: `start`, `write to`.
        action: &'static str,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The server ended or did not answer in time; `log` is the end of what it wrote.
    #[error("the server {what}; the end of its log:\n{log}")]
    Server {
        /// What happened, as the rest of the sentence "the server …".
        what: String,
        /// The last lines of the server's log.
        log: String,
    },
    /// A statement or a connection failed.
    #[error("the test server refused `{statement}`")]
    Refused {
        /// The statement, or `connect`.
        statement: String,
        /// What the driver said.
        source: Box<sqlx::Error>,
    },
    /// A runtime or thread to speak to the server could not be started.
    #[error("cannot start a thread that speaks to the server")]
    Thread(#[source] std::io::Error),
    /// The thread that spoke to the server ended without an answer.
    #[error("the thread that spoke to the server ended without an answer")]
    ThreadEnded,
    /// The URL in `UNRESERVE_TEST_POSTGRES` has no host or no scheme.
    #[error("`{variable}` is not a database URL")]
    Url {
        /// The environment variable it was read from.
        variable: &'static str,
    },
}

//! The proof in small: every layer of RELIABILITY's plan on every database. `cargo xtask proof` runs the same in large.
#![expect(clippy::print_stdout, reason = "what a layer did is shown where a test fails or is asked for")]

use std::path::PathBuf;
use std::time::Duration;

use unreserve_db::{Options, open};
use unreserve_engine::shop::{Answer, Shop};
use unreserve_testkit::failure::Failure;
use unreserve_testkit::proof::{Arena, EXECUTED, Intensity, NUMBERED};
use unreserve_testkit::proof_tests;
use unreserve_testkit::shops::{MariaDbShop, PostgresShop, SqliteShop, TestShop};

fn opener(url: String, statement_timeout: Duration) -> Answer<'static, Box<dyn Shop>> {
    open(&url, Options { statement_timeout, ..Options::default() })
}

fn postgres_shop() -> Result<Box<dyn TestShop>, Failure> {
    PostgresShop::make(opener)
}

fn postgres_alone() -> Result<Box<dyn TestShop>, Failure> {
    PostgresShop::make_alone(opener)
}

fn mariadb_shop() -> Result<Box<dyn TestShop>, Failure> {
    MariaDbShop::make(opener)
}

fn mariadb_alone() -> Result<Box<dyn TestShop>, Failure> {
    MariaDbShop::make_alone(opener)
}

fn sqlite_shop() -> Result<Box<dyn TestShop>, Failure> {
    SqliteShop::make(opener)
}

fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_unreserve"))
}

fn postgres() -> Arena {
    Arena {
        database: "PostgreSQL",
        make: postgres_shop,
        pooled: true,
        moments: EXECUTED,
        halts: false,
        opener,
        make_alone: Some(postgres_alone),
        program: program(),
        intensity: Intensity::Ci,
    }
}

fn mariadb() -> Arena {
    Arena {
        database: "MariaDB",
        make: mariadb_shop,
        make_alone: Some(mariadb_alone),
        pooled: false,
        moments: NUMBERED,
        halts: true,
        opener,
        program: program(),
        intensity: Intensity::Ci,
    }
}

fn sqlite() -> Arena {
    Arena {
        database: "SQLite",
        make: sqlite_shop,
        make_alone: None,
        pooled: false,
        moments: &[],
        halts: true,
        opener,
        program: program(),
        intensity: Intensity::Ci,
    }
}

mod everything;
mod mutants;

/// Every database of the proof, one line each.
const ARENAS: &[fn() -> Arena] = &[postgres, mariadb, sqlite];

proof_tests!(
    on_postgres,
    super::postgres(),
    [interleave, soak, deadlocks, kills, crashes, network, clocks, instances, daemons, resources]
);
proof_tests!(
    on_mariadb,
    super::mariadb(),
    [interleave, soak, deadlocks, kills, crashes, network, clocks, instances, daemons, resources]
);
proof_tests!(
    on_sqlite,
    super::sqlite(),
    [interleave, soak, deadlocks, kills, crashes, network, clocks, instances, daemons, resources]
);

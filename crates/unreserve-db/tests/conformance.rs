//! The conformance suite, once for each database. A database joins with one line.

use std::time::Duration;

use unreserve_db::{Options, open};
use unreserve_engine::shop::{Answer, Shop};
use unreserve_testkit::conformance_tests;
use unreserve_testkit::failure::Failure;
use unreserve_testkit::shops::{MariaDbShop, PostgresShop, SqliteShop, TestShop};

fn opener(url: String, statement_timeout: Duration) -> Answer<'static, Box<dyn Shop>> {
    open(&url, Options { statement_timeout, ..Options::default() })
}

fn postgres_shop() -> Result<Box<dyn TestShop>, Failure> {
    PostgresShop::make(opener)
}

fn mariadb_shop() -> Result<Box<dyn TestShop>, Failure> {
    MariaDbShop::make(opener)
}

fn sqlite_shop() -> Result<Box<dyn TestShop>, Failure> {
    SqliteShop::make(opener)
}

conformance_tests!(postgres, super::postgres_shop, [every, commit_checks, row_locks, server]);
conformance_tests!(mysql, super::mariadb_shop, [every, row_locks, server]);
conformance_tests!(sqlite, super::sqlite_shop, [every, commit_checks]);
conformance_tests!(memory, unreserve_testkit::sim::SimulatedShop::make, [every, commit_checks, row_locks, server]);

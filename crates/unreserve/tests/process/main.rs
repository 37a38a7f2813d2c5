//! The program as a process against a real PostgreSQL: races, crashes, other instances, grants, wrong input, its words.
//!
//! One test program for all of them, so that the shop they share is built once.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "tests and their helpers may fail, measure time, wait for a condition with a bound, and print their seed"
)]

mod audit;
mod bad_database;
mod bad_input;
mod busy_shop;
mod chance;
mod cli_snapshots;
mod daemon_manners;
mod daemons;
mod equal_keys;
mod grants;
mod health;
mod instances;
mod kill_nine;
mod malikli;
mod payment_race;
mod report;
mod session;
mod shop;
mod wait;

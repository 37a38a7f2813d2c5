//! The page, and what stands on the terminal.

use std::fmt::Write;

use super::goals::megabytes;
use super::{Scale, Seen};
use crate::bench::goals::Goal;
use crate::bench::machine::Machine;

/// The tables.
pub(super) fn tables(seen: &[Seen], goals: &[Goal]) -> String {
    let mut text = "| daemon | releases | lag p50 | lag p99 | longest | memory | threads | open files | connections | processor under load | at rest |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n".to_owned();
    for one in seen {
        let connections = one.connections.map_or_else(|| "–".to_owned(), |count| count.to_string());
        let _ = writeln!(
            text,
            "| {} | {} | {:.0} ms | {:.0} ms | {:.0} ms | {:.1} MB | {} | {} | {connections} | {:.1} % | {:.2} % |",
            one.name,
            one.lag.releases,
            one.lag.half,
            one.lag.p99,
            one.lag.longest,
            megabytes(one),
            one.threads,
            one.open_files,
            one.busy_load / 10.0,
            one.busy_rest / 10.0,
        );
    }
    text.push_str("\n| goal | measured | |\n|---|---:|---|\n");
    for goal in goals {
        let measured = goal.measured.as_deref().unwrap_or("–");
        let _ = writeln!(text, "| {} | {measured} | {} |", goal.text, goal.verdict.text());
    }
    text
}

/// The whole page.
pub(super) fn page(machine: &Machine, scale: Scale, seen: &[Seen], goals: &[Goal]) -> String {
    format!(
        "# Benchmarks of the daemon

Written by `cargo xtask bench daemon`; do not edit. {date}, commit `{commit}`, PostgreSQL {postgres} on the same machine ({processor}, {memory}), with its own defaults and `fsync` on.

{tables}
Lag is from the reservation's expiry to its release, by the database's clock: on PostgreSQL to the timestamp of the batch's commit, on SQLite to the instant the batch began. The shop on PostgreSQL has {old} old orders. Each daemon was watched for {seconds} seconds in which something expired, and for as long in which nothing did. Memory, threads and open files are the most that the kernel counted; processor time is a share of one core.
",
        date = machine.date,
        commit = machine.commit,
        postgres = machine.postgres,
        processor = machine.processor,
        memory = machine.memory,
        tables = tables(seen, goals),
        old = scale.old,
        seconds = scale.seconds,
    )
}

//! L8: no room, no handles, nobody who reads, no place for the state, and a great deal to do.

use std::process::Command;
use std::time::{Duration, Instant};

use super::market::refill;
use super::program::{Program, Running, ended_with};
use super::{Arena, Figures, Intensity, audit, block_on};
use crate::failure::{Failure, equal, holds};
use crate::shops::{Pool, ROWS, Rules, World};

/// What is taken from the program: a line of shell before it, the codes it may end with, and whether it has done its work.
const LACKS: [(&str, &str, &[i32], Option<bool>); 7] = [
    // Whoever closes it before the start gets the null device instead, by the runtime of the language.
    ("its output is closed", "exec \"$0\" \"$@\" >&-", &[0], Some(true)),
    ("its output is full", "exec \"$0\" \"$@\" >/dev/full", &[1], Some(true)),
    ("its output and errors are full", "exec \"$0\" \"$@\" >/dev/full 2>&1", &[1], Some(true)),
    ("it gets no file handle", "ulimit -n 4; exec \"$0\" \"$@\"", &[1, 2, 3, 4], Some(false)),
    ("it gets few file handles", "ulimit -n 9; exec \"$0\" \"$@\"", &[0, 1, 2, 3, 4], None),
    ("no file may grow", "ulimit -f 0; exec \"$0\" \"$@\"", &[-1, 0, 1, 2, 3, 4], None),
    ("its state directory is a file", "rm -rf state; : >state; exec \"$0\" \"$@\"", &[1, 2], Some(false)),
];

/// So many orders are due at the beginning of each.
const ORDERS: i64 = 12;

/// How many orders "a great deal" are, in a test shop that has no index of its own; and a million reservations in one that has.
const CI: i64 = 500;
const NIGHTLY: i64 = 1_500;
const MILLION: u64 = 1_000_000;

/// The program's memory does not grow with what is due: in kilobytes, the libraries included.
const MEMORY_MAX: u64 = 64 * 1_024;

/// So many reservations instead of a million, for somebody who has no time.
const DUE: &str = "UNRESERVE_PROOF_DUE";

/// A million takes minutes; a sweep that has not ended by then goes round in circles.
const PATIENCE: Duration = Duration::from_secs(900);

/// Takes one thing after another away.
pub(super) fn run(arena: &Arena) -> Result<Figures, Failure> {
    block_on(async {
        let mut world = World::new(arena.make, Rules::default()).await?;
        drop(world.open().await?);
        let program = Program::on(arena, &world)?;
        for (what, line, codes, done) in LACKS {
            let told = |failure: Failure| failure.during(what);
            lack(&mut world, &program, line, (codes, done)).await.map_err(told)?;
        }
        let orders = arena.intensity.pick(CI, NIGHTLY);
        refill(&mut world, orders).await?;
        // Half a gigabyte of addresses, of which the libraries take most.
        let mut command = in_shell("ulimit -v 524288; exec \"$0\" \"$@\"", &program);
        ended_with(&Running::start(&mut command)?.output()?, &[0])?;
        let seen = audit::shop(&mut world).await?;
        let cancelled = seen.orders.values().filter(|order| order.payment_status == "cancelled").count();
        equal(&i64::try_from(cancelled)?, &orders, "orders cancelled, of a great many")?;
        let mut notes = vec![format!("{orders} orders due at once, in half a gigabyte of addresses")];
        if arena.intensity == Intensity::Nightly {
            notes.extend(million(arena).await?);
        }
        Ok(Figures { operations: 16, faults: 8, notes, ..Figures::default() })
    })
}

/// Very many due reservations at once: all are released, in bounded batches and bounded memory; what it took, in words.
/// Nothing where the database is not filled with so many.
async fn million(arena: &Arena) -> Result<Option<String>, Failure> {
    let mut world = World::new(arena.make, Rules::default()).await?;
    drop(world.open().await?);
    let due = std::env::var(DUE).ok().and_then(|due| due.parse().ok()).unwrap_or(MILLION);
    for pool in [Pool::Variant, Pool::Drop] {
        for id in 1..=ROWS {
            world.add_stock(pool, i64::try_from(id)?, 1_000_000_000, Some(0)).await?;
        }
    }
    let orders = due / 2;
    if !world.shop.fill_many(orders).await? {
        return Ok(None);
    }
    let before = world.shop.count_many().await?;
    equal(&(before.active, before.reserved, before.cancelled), &(orders * 2, orders * 2, 0), "what is due at first")?;
    let program = Program::on(arena, &world)?;
    let began = Instant::now();
    let running = Running::start(&mut program.sweep(&program.url, "state", &["--batch-size", "500"]))?;
    let (output, memory) = running.watched(PATIENCE, Duration::from_millis(20))?;
    let took = began.elapsed().as_secs();
    ended_with(&output, &[0])?;
    let seen = world.shop.count_many().await?;
    equal(&(seen.active, seen.reserved), &(0, 0), "I1: what is reserved still")?;
    equal(&(seen.released, seen.reservations), &(orders * 2, orders * 2), "I2: releases, and reservations among them")?;
    equal(
        &(seen.cancelled, seen.cancellations),
        &(orders, orders),
        "I5: orders cancelled, in the shop and the ledger",
    )?;
    // A batch looks at 500 reservations of the line, and releases what their orders hold: here two each.
    let bounded = seen.largest <= 1_000 && seen.batches >= orders * 2 / 1_000;
    holds(bounded, &format!("no batch has more than the orders of 500 reservations hold: {seen:?}"))?;
    holds((1..MEMORY_MAX).contains(&memory), &format!("the program used {memory} kB of memory"))?;
    let megabytes = memory / 1_024;
    Ok(Some(format!(
        "{} reservations due at once: {took} s, {} batches, {megabytes} MB at most",
        orders * 2,
        seen.batches
    )))
}

fn in_shell(line: &str, program: &Program) -> Command {
    let sweep = program.sweep(&program.url, "state", &[]);
    let mut command = Command::new("sh");
    command.env_clear().current_dir(program.place()).args(["-c", line]).arg(sweep.get_program()).args(sweep.get_args());
    command.envs(sweep.get_envs().filter_map(|(name, value)| value.map(|value| (name, value))));
    command
}

async fn lack(
    world: &mut World,
    program: &Program,
    line: &str,
    (codes, done): (&[i32], Option<bool>),
) -> Result<(), Failure> {
    refill(world, ORDERS).await?;
    ended_with(&Running::start(&mut in_shell(line, program))?.output()?, codes)?;
    let seen = audit::shop(world).await?;
    let cancelled = seen.orders.values().filter(|order| order.payment_status == "cancelled").count();
    if let Some(done) = done {
        let expected = if done { ORDERS } else { 0 };
        equal(&i64::try_from(cancelled)?, &expected, "orders cancelled")?;
    }
    let state = program.place().join("state");
    if state.is_file() {
        std::fs::remove_file(state)?;
    }
    program.must_sweep("state")?;
    let after = audit::shop(world).await?;
    audit::grew(&seen, &after)?;
    holds(
        after.orders.values().all(|order| order.payment_status == "cancelled"),
        "P6: the next sweep finishes the rest",
    )
}

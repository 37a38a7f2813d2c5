//! L8: no room, no handles, nobody who reads, no place for the state, and a great deal to do.

use std::process::Command;

use super::market::refill;
use super::program::{Program, Running, ended_with};
use super::{Arena, Figures, audit, block_on};
use crate::failure::{Failure, equal, holds};
use crate::shops::{Rules, World};

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

/// How many orders "a great deal" are. The test shop has no index of its own, so that many more would measure its absence.
const CI: i64 = 500;
const NIGHTLY: i64 = 1_500;

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
        let notes = vec![format!("{orders} orders due at once, in half a gigabyte of addresses")];
        Ok(Figures { operations: 16, faults: 8, notes, ..Figures::default() })
    })
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

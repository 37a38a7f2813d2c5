//! L7: several instances at once, one that is frozen in the middle of its work, and all of it through a pooler.

use std::time::Duration;

use super::market::refill;
use super::program::{Program, Running, ended_with};
use super::proxy::server_of;
use super::{Arena, Chance, Figures, audit, block_on};
use crate::failure::{Failure, equal, holds};
use crate::servers::{PgBouncer, PoolMode};
use crate::shops::{Rules, World};

/// How many rounds: at once, frozen, and through the pooler in each of its modes.
const CI: [u64; 3] = [6, 10, 2];
const NIGHTLY: [u64; 3] = [30, 50, 10];

/// How many start at the same time.
const AT_ONCE: usize = 8;

/// It worked, or another instance did; also where one writer shuts out the others.
const KEPT_OUT: [i32; 2] = [0, 75];

/// So many orders are due at the beginning of a round.
const ORDERS: i64 = 30;

/// So long after a transaction has fallen silent the server ends it.
const SILENCE: Duration = Duration::from_millis(2_300);

/// Lets instances meet.
pub(super) fn run(arena: &Arena) -> Result<Figures, Failure> {
    let [at_once, frozen, pooled] = arena.intensity.pick(CI, NIGHTLY);
    let mut chance = Chance::from_environment();
    let mut figures = Figures { seed: Some(chance.seed()), ..Figures::default() };
    block_on(async {
        let mut world = World::new(arena.make, Rules::default()).await?;
        drop(world.open().await?);
        let program = Program::on(arena, &world)?;
        let url = program.url.clone();
        let mut kept_out = 0;
        for _ in 0..at_once {
            kept_out += eight(&mut world, &program, &url).await?;
        }
        let mut taken_over = 0;
        for round in 0..frozen {
            taken_over += u64::from(freeze(&mut world, &program, &mut chance, round).await?);
        }
        holds(kept_out > 0, "of instances that start at once some are kept out")?;
        figures.operations = at_once * 8 + frozen * 2;
        figures.faults = frozen;
        figures.notes.push(format!("{kept_out} kept out, {taken_over} frozen ones taken over"));
        if arena.pooled {
            for mode in [PoolMode::Session, PoolMode::Transaction] {
                let server = server_of(&url)?;
                let pooler = PgBouncer::start(server, mode)?;
                for _ in 0..pooled {
                    eight(&mut world, &program, &pooler.url(&url, server)).await?;
                    figures.operations += 8;
                }
                figures.notes.push(format!("{pooled} rounds of eight through a pooler in {mode:?} mode"));
            }
        }
        Ok(())
    })?;
    Ok(figures)
}

/// Eight at once with state directories of their own: how many were kept out.
async fn eight(world: &mut World, program: &Program, url: &str) -> Result<u64, Failure> {
    refill(world, ORDERS).await?;
    let running: Vec<Running> = (0..AT_ONCE)
        .map(|number| Running::start(&mut program.sweep(url, &format!("state-{number}"), &["--batch-size", "4"])))
        .collect::<Result<_, _>>()?;
    let (mut kept_out, mut worked) = (0, 0);
    for one in running {
        match ended_with(&one.output()?, &KEPT_OUT)? {
            0 => worked += 1,
            _ => kept_out += 1,
        }
    }
    holds(worked > 0, "of instances that start at once one works")?;
    all_released(world).await?;
    Ok(kept_out)
}

async fn all_released(world: &mut World) -> Result<(), Failure> {
    let seen = audit::shop(world).await?;
    let cancelled = seen.orders.values().filter(|order| order.payment_status == "cancelled").count();
    equal(&i64::try_from(cancelled)?, &ORDERS, "orders cancelled in the end")
}

/// One is frozen in the middle of its work, another comes; whether that one worked.
async fn freeze(world: &mut World, program: &Program, chance: &mut Chance, round: u64) -> Result<bool, Failure> {
    refill(world, ORDERS).await?;
    let mut first = Running::start(&mut program.sweep(&program.url, "first", &["--batch-size", "2"]))?;
    tokio::time::sleep(Duration::from_micros(chance.below(200_000))).await;
    first.signal("STOP")?;
    let second = Running::start(&mut program.sweep(&program.url, "second", &["--batch-size", "8"]))?;
    // Now and then for longer than the server waits for a client inside a transaction.
    let long = round % 5 == 4;
    tokio::time::sleep(if long { SILENCE } else { Duration::from_micros(chance.below(150_000)) }).await;
    first.signal("CONT")?;
    // Frozen for so long while it connects, it has lost its connection before it had begun.
    let unlucky: &[i32] = if long { &[0, 4, 75] } else { &KEPT_OUT };
    ended_with(&first.output()?, unlucky)?;
    let code = ended_with(&second.output()?, &KEPT_OUT)?;
    audit::shop(world).await?;
    program.must_sweep("third")?;
    all_released(world).await?;
    Ok(code == 0)
}

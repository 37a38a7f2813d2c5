//! L4: `kill -9` of the program at named moments and at random ones, of the database under load, and of both.

use std::time::{Duration, Instant};

use super::market::refill;
use super::program::{Program, Running, ended_with};
use super::proxy::{Action, Break, Proxy, server_of};
use super::{Arena, Chance, Figures, Moment, audit, block_on, on_threads};
use crate::failure::{Failure, equal, holds};
use crate::shops::{MakeShop, Rules, Snapshot, World};

/// How many kills: at named moments, at random, and of the database.
const CI: [u64; 3] = [210, 100, 50];
const NIGHTLY: [u64; 3] = [1_050, 500, 250];

/// A batch of that many reservations, so that a sweep has many.
const BATCH: &str = "8";

/// Kills the program.
pub(super) fn program(arena: &Arena) -> Result<Figures, Failure> {
    let [named, random, _] = arena.intensity.pick(CI, NIGHTLY);
    let mut chance = Chance::from_environment();
    let seed = chance.seed();
    let chances = [chance.fork(), chance.fork()];
    let tried = on_threads(2, |part| {
        let mut chance = chances.get(part).cloned().unwrap_or_else(|| Chance::new(seed));
        block_on(async {
            let middle = if arena.halts {
                at_steps(arena, named / 2).await?
            } else {
                at_moments(arena, &mut chance, named / 2).await?
            };
            Ok((middle, at_random(arena, &mut chance, random / 2).await?))
        })
    })?;
    let (middle, random_middle) = tried.iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    let notes = vec![format!(
        "{named} kills at named moments ({middle} of them after a first commit), {random} at random ({random_middle})"
    )];
    Ok(Figures { operations: 2 * (named + random), faults: named + random, seed: Some(seed), notes })
}

/// Kills the database while the program works, every third time the program as well.
pub(super) fn database(arena: &Arena) -> Result<Figures, Failure> {
    let Some(make) = arena.make_alone else {
        let why = "the database is no process of its own: killing the program is killing it";
        return Ok(Figures { notes: vec![why.to_owned()], ..Figures::default() });
    };
    let [_, _, kills] = arena.intensity.pick(CI, NIGHTLY);
    let mut chance = Chance::from_environment();
    let seed = chance.seed();
    let chances = [chance.fork(), chance.fork()];
    let tried = on_threads(2, |part| {
        let mut chance = chances.get(part).cloned().unwrap_or_else(|| Chance::new(seed));
        block_on(crashes(arena, make, &mut chance, kills / 2))
    })?;
    let (survived, both) = tried.iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    holds(survived > 0, "a sweep gets over a crash of its database")?;
    let notes = vec![format!(
        "{kills} kills of the database; {survived} sweeps ended well all the same, {both} were killed with it"
    )];
    Ok(Figures { operations: 2 * kills, faults: kills + both, seed: Some(seed), notes })
}

/// A shop with something to do, and the program for it.
async fn ready(arena: &Arena, make: MakeShop) -> Result<(World, Program), Failure> {
    let world = World::new(make, Rules::default()).await?;
    drop(world.open().await?);
    let program = Program::on(arena, &world)?;
    Ok((world, program))
}

/// What stands when the server has finished what it had heard of: tables are read one after the other, so twice the same.
async fn settled(world: &mut World) -> Result<Snapshot, Failure> {
    let mut last = world.look().await?;
    for _ in 0..200 {
        let now = world.look().await?;
        if now == last {
            return Ok(now);
        }
        last = now;
    }
    Err(Failure::new("the shop does not come to rest after a kill"))
}

/// After a kill: what stands is whole, and the next run finishes it. Tells whether something had been committed.
async fn finish(world: &mut World, program: &Program, orders: usize) -> Result<bool, Failure> {
    let killed = settled(world).await?;
    audit::stands(&killed)?;
    program.must_sweep("state")?;
    let after = audit::shop(world).await?;
    audit::grew(&killed, &after)?;
    let cancelled = after.orders.values().filter(|order| order.payment_status == "cancelled").count();
    equal(&cancelled, &orders, "P6: orders that are cancelled after the next sweep")?;
    Ok(!killed.ledger.batches.is_empty())
}

/// Kills at each moment of a batch, before and after the server has heard of it.
async fn at_moments(arena: &Arena, chance: &mut Chance, kills: u64) -> Result<u64, Failure> {
    let (mut world, program) = ready(arena, arena.make).await?;
    let mut committed = 0;
    for (kill, Moment { behind, word, again }) in (0..kills).zip(arena.moments.iter().copied().cycle()) {
        refill(&mut world, 16).await?;
        let action = if chance.below(2) == 0 { Action::Silence } else { Action::HoldAnswer };
        let passed = if again { chance.below(4) } else { 0 };
        let place = Break { behind, word, passed, action };
        let proxy = Proxy::to(server_of(&program.url)?).await?;
        proxy.arm(place);
        let mut command = program.sweep(&proxy.url(&program.url)?, "state", &["--batch-size", BATCH]);
        let running = Running::start(&mut command)?;
        let met = tokio::time::timeout(Duration::from_secs(20), proxy.broke()).await;
        holds(met.is_ok(), &format!("the program comes to {place:?}"))?;
        if action == Action::HoldAnswer {
            // The server works on what it has heard while the program dies.
            tokio::time::sleep(Duration::from_micros(chance.below(3_000))).await;
        }
        running.kill()?;
        proxy.close().await;
        let done = finish(&mut world, &program, 16).await;
        committed += u64::from(done.map_err(|failure| failure.during(&format!("kill {kill} at {place:?}")))?);
    }
    Ok(committed)
}

/// Where nobody can hear at which step it is: the program halts itself there, and is killed.
async fn at_steps(arena: &Arena, kills: u64) -> Result<u64, Failure> {
    const STEPS: [&str; 7] = ["begun", "locked", "examined", "stock", "released", "appended", "committed"];
    let (mut world, program) = ready(arena, arena.make).await?;
    let mut committed = 0;
    for (kill, step) in (0..kills).zip(STEPS.into_iter().cycle()) {
        refill(&mut world, 16).await?;
        let batch = 1 + kill / 7 % 3;
        let halted = program.place().join("halted");
        let mut command = program.sweep(&program.url, "state", &["--batch-size", BATCH]);
        command.env("UNRESERVE_HALT_AT", format!("{step}:{batch}:{}", halted.display()));
        let running = Running::start(&mut command)?;
        let began = Instant::now();
        while !halted.exists() {
            holds(began.elapsed() < Duration::from_secs(20), &format!("the program comes to `{step}`"))?;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        running.kill()?;
        std::fs::remove_file(halted)?;
        let done = finish(&mut world, &program, 16).await;
        committed +=
            u64::from(done.map_err(|failure| failure.during(&format!("kill {kill} at `{step}` of batch {batch}")))?);
    }
    Ok(committed)
}

/// Kills at random moments; how long a sweep lives is adapted, so that most are killed in the middle of their work.
async fn at_random(arena: &Arena, chance: &mut Chance, kills: u64) -> Result<u64, Failure> {
    let (mut world, program) = ready(arena, arena.make).await?;
    let (mut committed, mut life) = (0, 150_000_u64);
    for kill in 0..kills {
        refill(&mut world, 40).await?;
        let mut running = Running::start(&mut program.sweep(&program.url, "state", &["--batch-size", "2"]))?;
        tokio::time::sleep(Duration::from_micros(life / 2 + chance.below(life / 2))).await;
        let ended = running.has_ended()?;
        running.kill()?;
        let done = finish(&mut world, &program, 40).await;
        let done = done.map_err(|failure| failure.during(&format!("random kill {kill}")))?;
        committed += u64::from(done && !ended);
        life = if done { life - life / 12 } else { life + life / 5 }.clamp(10_000, 5_000_000);
    }
    holds(committed >= kills / 6, &format!("{committed} of {kills} were killed in the middle of their work"))?;
    Ok(committed)
}

/// Kills the server under a sweep: how many sweeps ended well all the same, and how many were killed with it.
async fn crashes(arena: &Arena, make: MakeShop, chance: &mut Chance, kills: u64) -> Result<(u64, u64), Failure> {
    let (mut world, program) = ready(arena, make).await?;
    let (mut survived, mut both) = (0, 0);
    for kill in 0..kills {
        let told = |failure: Failure| failure.during(&format!("kill {kill} of the database"));
        refill(&mut world, 24).await.map_err(told)?;
        let running = Running::start(&mut program.sweep(&program.url, "state", &["--batch-size", "4"]))?;
        tokio::time::sleep(Duration::from_micros(chance.below(150_000))).await;
        world.shop.crash().await.map_err(told)?;
        world.session = world.shop.session().await?;
        if kill % 3 == 2 {
            running.kill()?;
            both += 1;
        } else {
            // 0: it got over it; 4: it could not connect in time; 1, 75: what it had begun is another's, or in doubt.
            let code = ended_with(&running.output()?, &[0, 1, 4, 75]).map_err(told)?;
            survived += u64::from(code == 0);
        }
        finish(&mut world, &program, 24).await.map_err(told)?;
    }
    Ok((survived, both))
}

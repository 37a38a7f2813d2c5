//! L3: customers and sweeps at work on one shop for a while, and an audit at the end.

use std::time::{Duration, Instant};

use super::customer::Style;
use super::market::{Market, Tally, opened, settle_up, stock, swept};
use super::{Arena, Chance, Figures, block_on};
use crate::failure::{Failure, holds};
use crate::shops::{Rules, World};

/// How many rounds, and how long each is.
const CI: (u64, Duration) = (1, Duration::from_secs(15));
const NIGHTLY: (u64, Duration) = (20, Duration::from_secs(10));

/// The longest that a step of a customer's may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// Lets a shop work, round after round, each in a database of its own.
pub(super) fn run(arena: &Arena) -> Result<Figures, Failure> {
    let (rounds, length) = arena.intensity.pick(CI, NIGHTLY);
    let mut chance = Chance::from_environment();
    let mut figures = Figures { seed: Some(chance.seed()), ..Figures::default() };
    let (mut in_time, mut late, mut cancelled) = (0, 0, 0);
    for _ in 0..rounds {
        let (tally, swept_orders) = block_on(round(arena, &mut chance, length))?;
        figures.operations += tally.transactions;
        in_time += tally.in_time.len();
        late += tally.late;
        cancelled += swept_orders;
        holds(tally.longest < PATIENCE, &format!("P9: no step of a customer's took {:?}", tally.longest))?;
    }
    holds(in_time > 20 && cancelled > 20, "there were payments and releases enough to prove something")?;
    figures.notes.push(format!("{in_time} payments in time, {late} late; {cancelled} orders cancelled"));
    Ok(figures)
}

/// One round: what the customers went through, and how many orders were cancelled.
async fn round(arena: &Arena, chance: &mut Chance, length: Duration) -> Result<(Tally, u64), Failure> {
    let mut world = World::new(arena.make, Rules::default()).await?;
    stock(&mut world).await?;
    let row_locks = world.open().await?.info().capability.row_locks;
    let market = Market::new(world.shop.as_ref(), &world.profile, row_locks);
    let threads = if row_locks { 3 } else { 2 };
    let chances: Vec<Chance> = (0..threads).map(|_| chance.fork()).collect();
    let mut sizes = chance.fork();
    std::thread::scope(|scope| {
        let market = &market;
        let workers: Vec<_> =
            chances.into_iter().map(|chance| scope.spawn(move || market.customers(chance, &Style::ALL))).collect();
        // Customers go home in time: on a slow database they would give a sweep more to do than it gets done.
        let watch = scope.spawn(move || {
            let began = Instant::now();
            while began.elapsed() < length && !market.stopped() {
                std::thread::sleep(Duration::from_millis(20));
            }
            market.stop();
        });
        let ended = scope.spawn(|| block_on(sweeps(market, &mut sizes, length))).join();
        market.stop();
        drop(watch.join());
        let ended = ended.unwrap_or_else(|_| Err(Failure::new("the sweeping thread panicked")));
        for worker in workers {
            worker.join().unwrap_or_else(|_| Err(Failure::new("a customer's thread panicked")))?;
        }
        ended
    })?;
    let tally = market.into_tally();
    let mut shop = world.open().await?;
    let cancelled = settle_up(&mut world, shop.as_mut(), &tally).await?;
    Ok((tally, cancelled))
}

/// Sweeps again and again, with batches of all sizes, until the time is over.
async fn sweeps(market: &Market<'_>, sizes: &mut Chance, length: Duration) -> Result<(), Failure> {
    let mut shop = opened(market.shop, &market.profile).await?;
    let began = Instant::now();
    while began.elapsed() < length && !market.stopped() {
        let size = u32::try_from(1 + sizes.below(60))?;
        swept(shop.as_mut(), size).await?;
        tokio::time::sleep(Duration::from_millis(sizes.below(60))).await;
    }
    Ok(())
}

//! L3, of locks: a shop that locks stock rows in the opposite order is never the victim, and never waits long.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::market::{ITEMS, Market, opened, settle_up, stock, swept};
use super::{Arena, Chance, Figures, audit, block_on};
use crate::failure::{Failure, equal, holds};
use crate::shops::{Cell, NewReservation, Pool, Rules, Session, TestShop, World};
use crate::waiting::wait_until;

/// How long the shop's transactions and our sweeps meet.
const CI: Duration = Duration::from_secs(6);
const NIGHTLY: Duration = Duration::from_secs(120);

/// The longest that one lock of the shop's may take to come.
const PATIENCE: Duration = Duration::from_secs(2);

/// Lets both lock the same rows, each in its own order.
pub(super) fn run(arena: &Arena) -> Result<Figures, Failure> {
    if !block_on(has_row_locks(arena))? {
        let why = "a writer shuts every other writer out: there is nothing to lock in another order";
        return Ok(Figures { notes: vec![why.to_owned()], ..Figures::default() });
    }
    block_on(waits_with_nothing_in_hand(arena))?;
    let mut chance = Chance::from_environment();
    let mut figures = block_on(opposite(arena, &mut chance))?;
    figures.seed = Some(chance.seed());
    Ok(figures)
}

async fn has_row_locks(arena: &Arena) -> Result<bool, Failure> {
    let world = World::new(arena.make, Rules::default()).await?;
    Ok(world.open().await?.info().capability.row_locks)
}

/// While a batch waits for a stock row it holds none that comes later: batches lock in one order, the same as everybody's.
pub(super) async fn waits_with_nothing_in_hand(arena: &Arena) -> Result<(), Failure> {
    let mut world = World::new(arena.make, Rules::default()).await?;
    world.add_order("M-1", "pending").await?;
    for id in 1..=3 {
        world.add_stock(Pool::Variant, id, 10, Some(1)).await?;
        world.add_reservation("M-1", NewReservation::variant(id, 1, -60)).await?;
    }
    let mut shop = world.open().await?;
    let mut customer = world.shop.session().await?;
    let mut probe = world.shop.session().await?;
    customer.begin().await?;
    customer.lock(Pool::Variant.table(), &[("id", Cell::Integer(1))]).await?;
    let probing = async {
        wait_until("the batch waits", || Box::pin(async { Ok(world.shop.waiting_sessions().await? > 0) })).await?;
        let began = Instant::now();
        probe.begin().await?;
        for id in [2, 3] {
            probe.lock(Pool::Variant.table(), &[("id", Cell::Integer(id))]).await?;
        }
        let took = began.elapsed();
        probe.rollback().await?;
        customer.rollback().await?;
        holds(took < Duration::from_millis(100), "a batch that waits for a stock row holds none that comes later")
    };
    tokio::try_join!(swept(shop.as_mut(), 100), probing)?;
    audit::shop(&mut world).await.map(drop)
}

/// Transactions of the shop's that lock some rows from the last to the first, against sweeps.
async fn opposite(arena: &Arena, chance: &mut Chance) -> Result<Figures, Failure> {
    let length = arena.intensity.pick(CI, NIGHTLY);
    let mut world = World::new(arena.make, Rules::default()).await?;
    stock(&mut world).await?;
    drop(world.open().await?);
    let before = world.shop.deadlocks().await?;
    let market = Market::new(world.shop.as_ref(), &world.profile, true);
    let (locks, longest_us) = (AtomicU64::new(0), AtomicU64::new(0));
    let (mut first, mut second, mut orders) = (chance.fork(), chance.fork(), chance.fork());
    let mut sweeps = 0_u64;
    std::thread::scope(|scope| {
        let (market, locks, longest) = (&market, &locks, &longest_us);
        let lockers = [&mut first, &mut second]
            .map(|chance| scope.spawn(move || block_on(locker(market, chance, (locks, longest)))));
        let sweeping = scope.spawn(|| {
            block_on(async {
                let mut shop = opened(market.shop, &market.profile).await?;
                let mut session = market.shop.session().await?;
                let began = Instant::now();
                while began.elapsed() < length && !market.stopped() {
                    for _ in 0..15 {
                        market.order(session.as_mut(), &mut orders, -60).await?;
                    }
                    swept(shop.as_mut(), 20).await?;
                    sweeps += 1;
                }
                Ok(())
            })
        });
        let ended = sweeping.join().unwrap_or_else(|_| Err(Failure::new("the sweeping thread panicked")));
        market.stop();
        for locker in lockers {
            locker.join().unwrap_or_else(|_| Err(Failure::new("a thread of the shop's panicked")))?;
        }
        ended
    })?;
    let tally = market.into_tally();
    let longest = Duration::from_micros(longest_us.into_inner());
    holds(longest < PATIENCE, &format!("P9: no lock of the shop's took {longest:?}"))?;
    equal(&world.shop.deadlocks().await?, &before, "I11: deadlocks that the database found")?;
    let mut shop = world.open().await?;
    let cancelled = settle_up(&mut world, shop.as_mut(), &tally).await?;
    let locks = locks.into_inner();
    holds(locks > 50 && cancelled > 50, "both got to work")?;
    let notes =
        vec![format!("{cancelled} orders cancelled in {sweeps} sweeps; the longest lock of the shop's {longest:?}")];
    Ok(Figures { operations: locks + tally.transactions, notes, ..Figures::default() })
}

/// Locks some rows of both pools, from the last to the first, again and again. None of it may fail.
async fn locker(
    market: &Market<'_>,
    chance: &mut Chance,
    (locks, longest): (&AtomicU64, &AtomicU64),
) -> Result<(), Failure> {
    let worked = try_locker(market.shop, market, chance, (locks, longest)).await;
    worked.map_err(|failure| failure.during("P9: a transaction of the shop's failed")).inspect_err(|_| market.stop())
}

async fn try_locker(
    shop: &dyn TestShop,
    market: &Market<'_>,
    chance: &mut Chance,
    (locks, longest): (&AtomicU64, &AtomicU64),
) -> Result<(), Failure> {
    let mut session: Box<dyn Session> = shop.session().await?;
    while !market.stopped() {
        session.begin().await?;
        for pool in [Pool::Drop, Pool::Variant] {
            for id in (1..=ITEMS).rev().filter(|_| chance.below(2) == 0).collect::<Vec<_>>() {
                let began = Instant::now();
                session.update(pool.table(), &[("updated_at", Cell::FromNow(0))], &[("id", Cell::Integer(id))]).await?;
                longest.fetch_max(u64::try_from(began.elapsed().as_micros())?, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_micros(500)).await;
            }
        }
        session.commit().await?;
        locks.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_micros(chance.below(3_000))).await;
    }
    Ok(())
}

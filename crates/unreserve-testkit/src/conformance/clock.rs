//! What the clock relation is judged by.

use unreserve_engine::plan::judge_clock;

use super::steps::{acquire, lock};
use crate::failure::{Failure, equal, holds, present};
use crate::shops::{MakeShop, NewReservation, Pool, Rules, Sweeper, World};

/// Without a reservation nothing can be proven, and nothing can be released early.
///
/// # Errors
/// It does not hold.
pub async fn an_empty_shop_gives_no_evidence_and_no_fault(make: MakeShop) -> Result<(), Failure> {
    let world = World::new(make, Rules::default()).await?;
    let mut shop = world.open().await?;
    let (evidence, _) = shop.look(10).await?;
    equal(&(evidence.newest_creation, evidence.unreadable, evidence.looked_at), &(None, 0, 0), "the evidence")?;
    holds(evidence.now.as_second() > 1_767_225_600, "the database's now is later than this program")?;
    Ok(judge_clock(&shop.plan().due, &evidence)?)
}

/// A row that was made two hours ahead of the database's now means another zone.
///
/// # Errors
/// It does not hold.
pub async fn a_reservation_from_the_future_is_seen(make: MakeShop) -> Result<(), Failure> {
    let mut world = World::new(make, Rules::default()).await?;
    world.add_due_orders(&[("M-1", 30)]).await?;
    let mut shop = world.open().await?;
    let (evidence, _) = shop.look(10).await?;
    equal(&evidence.looked_at, &1, "reservations looked at")?;
    judge_clock(&shop.plan().due, &evidence)?;
    let ahead = NewReservation { created_in: 7_200, ..NewReservation::variant(1, 1, 8_000) };
    world.add_order("M-2", "pending").await?;
    world.add_reservation("M-2", ahead).await?;
    let (evidence, _) = shop.look(10).await?;
    let newest = present(evidence.newest_creation, "newest creation")?;
    let seconds = newest.as_second().saturating_sub(evidence.now.as_second());
    holds((7_100..=7_200).contains(&seconds), "the newest creation lies two hours ahead")?;
    holds(judge_clock(&shop.plan().due, &evidence).is_err(), "the clock is judged to be wrong")
}

/// What expired a second ago is due, what expires in a minute is not; the database's own now parts them.
///
/// # Errors
/// It does not hold.
pub async fn a_batch_splits_at_the_databases_own_now(make: MakeShop) -> Result<(), Failure> {
    let mut world = World::new(make, Rules::default()).await?;
    world.add_stock(Pool::Variant, 1, 10, Some(2)).await?;
    for (number, seconds) in [("M-1", -1), ("M-2", 60)] {
        world.add_order(number, "pending").await?;
        world.add_reservation(number, NewReservation::variant(1, 1, seconds)).await?;
    }
    let mut shop = world.open().await?;
    let sweeper = Sweeper::new("one");
    acquire(shop.as_mut(), &sweeper).await?;
    let before = shop.outlook(10).await?.now;
    let mut batch = shop.begin(sweeper.batch()).await?;
    holds(batch.cutoff() >= before, "the cutoff is the database's now")?;
    let keys = lock(batch.as_mut()).await?;
    equal(&keys, &vec![world.key("M-1")?], "orders locked")?;
    Ok(batch.rollback().await?)
}

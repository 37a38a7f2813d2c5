//! Orders that are kept out of the way.

use unreserve_engine::ledger::SetAside;
use unreserve_engine::shop::LockTest;

use super::steps::{acquire, lock, whole_batch};
use crate::failure::{Failure, equal, holds, present};
use crate::shops::{Fault, MakeShop, Rules, Sweeper, World};

async fn with_one_aside(make: MakeShop) -> Result<(World, SetAside), Failure> {
    let mut world = World::new(make, Rules::default()).await?;
    world.add_due_orders(&[("M-1", 30), ("M-2", 20)]).await?;
    let order = world.key("M-1")?;
    let aside = SetAside { order, number: Some("M-1".to_owned()), reason: "a trigger's own words".to_owned() };
    Ok((world, aside))
}

/// It is shown, it is not locked, and when its hour is over it is tried again.
///
/// # Errors
/// It does not hold.
pub async fn an_order_set_aside_is_left_out_until_its_time_comes(make: MakeShop) -> Result<(), Failure> {
    let (world, aside) = with_one_aside(make).await?;
    let mut shop = world.open().await?;
    let sweeper = Sweeper::new("one");
    acquire(shop.as_mut(), &sweeper).await?;
    for attempts in [1, 2] {
        shop.set_aside(&sweeper.holder.token, &aside).await?;
        let shown = shop.orders_set_aside(10).await?;
        let shown = present(shown.first(), "order set aside")?;
        equal(&shown.number.as_deref(), &Some("M-1"), "its number")?;
        equal(&(shown.reason.as_str(), shown.attempts), &("a trigger's own words", attempts), "reason and attempts")?;
        let minutes = shown.retry_at.as_second().saturating_sub(shown.since.as_second()) / 60;
        holds((59..=61).contains(&minutes), "it is tried again after an hour")?;
        equal(&shop.outlook(10).await?.due_orders, &1, "orders due")?;
        let seen = present(shop.explain("M-1", LockTest::Try).await?, "explanation")?;
        equal(&seen.set_aside.map(|aside| aside.attempts), &Some(attempts), "attempts, explained")?;
        let mut batch = shop.begin(sweeper.batch()).await?;
        equal(&lock(batch.as_mut()).await?, &vec![world.key("M-2")?], "orders locked")?;
        batch.rollback().await?;
    }
    world.shop.provoke(Fault::SetAsideRipened).await?;
    equal(&shop.orders_set_aside(10).await?.len(), &0, "orders set aside after their hour")?;
    let mut batch = shop.begin(sweeper.batch()).await?;
    equal(&lock(batch.as_mut()).await?, &vec![world.key("M-1")?, world.key("M-2")?], "orders locked after the hour")?;
    Ok(batch.rollback().await?)
}

/// What was released in the end is forgotten in the same transaction.
///
/// # Errors
/// It does not hold.
pub async fn an_order_that_is_released_is_no_longer_set_aside(make: MakeShop) -> Result<(), Failure> {
    let (mut world, aside) = with_one_aside(make).await?;
    let mut shop = world.open().await?;
    let sweeper = Sweeper::new("one");
    acquire(shop.as_mut(), &sweeper).await?;
    shop.set_aside(&sweeper.holder.token, &aside).await?;
    world.shop.provoke(Fault::SetAsideRipened).await?;
    equal(&whole_batch(shop.as_mut(), &sweeper).await?.orders_cancelled, &2, "orders cancelled")?;
    equal(&world.look().await?.ledger.set_aside.len(), &0, "orders in the table of those set aside")
}

//! One watches at a time: the duty, which decides who looks, and never who may write.

use unreserve_engine::shop::{Acquired, CheckedShop};

use super::steps::whole_batch;
use crate::failure::{Failure, equal, holds};
use crate::shops::{Fault, MakeShop, Rules, Sweeper, World};

async fn must_take(shop: &mut dyn CheckedShop, who: &Sweeper) -> Result<(), Failure> {
    equal(&shop.take_duty(&who.holder).await?, &Acquired::Yes, "going on duty")
}

async fn must_be_told(shop: &mut dyn CheckedShop, who: &Sweeper, other: &str) -> Result<(), Failure> {
    match shop.take_duty(&who.holder).await? {
        Acquired::HeldBy { holder, heard_seconds_ago } => {
            equal(&(holder.host.as_str(), holder.process_id), &(other, 7), "who is on duty")?;
            holds((0..10).contains(&heard_seconds_ago), "it was heard of just now")
        }
        Acquired::Yes => Err(Failure::new("two are on duty")),
    }
}

/// Whoever comes second is told who watches, until that one leaves.
///
/// # Errors
/// It does not hold.
pub async fn a_second_watch_is_told_who_is_on_duty_until_that_one_leaves(make: MakeShop) -> Result<(), Failure> {
    let world = World::new(make, Rules::default()).await?;
    let (one, two) = (Sweeper::new("one"), Sweeper::new("two"));
    let mut first = world.open().await?;
    let mut second = world.open().await?;
    for _ in 0..3 {
        must_take(first.as_mut(), &one).await?;
        must_be_told(second.as_mut(), &two, "one").await?;
    }
    // Whoever is not on duty cannot end another's.
    second.leave_duty(&two.holder.token).await?;
    must_be_told(second.as_mut(), &two, "one").await?;
    first.leave_duty(&one.holder.token).await?;
    must_take(second.as_mut(), &two).await?;
    must_be_told(first.as_mut(), &one, "two").await
}

/// Whoever fell silent is taken for dead, and stands by when it is back.
///
/// # Errors
/// It does not hold.
pub async fn a_watch_that_fell_silent_is_replaced(make: MakeShop) -> Result<(), Failure> {
    let world = World::new(make, Rules::default()).await?;
    let (one, two) = (Sweeper::new("one"), Sweeper::new("two"));
    let mut first = world.open().await?;
    let mut second = world.open().await?;
    must_take(first.as_mut(), &one).await?;
    world.shop.provoke(Fault::LeaseFellSilent).await?;
    must_take(second.as_mut(), &two).await?;
    must_be_told(first.as_mut(), &one, "two").await
}

/// A server knows when the connection of the one on duty is gone, and a lock file says that its holder is dead.
///
/// # Errors
/// It does not hold.
pub async fn a_dead_watch_is_replaced_at_once(make: MakeShop) -> Result<(), Failure> {
    let world = World::new(make, Rules::default()).await?;
    let mut first = world.open().await?;
    must_take(first.as_mut(), &Sweeper::new("one")).await?;
    world.shop.provoke(Fault::CutConnections).await?;
    let mut second = world.open().await?;
    must_take(second.as_mut(), &Sweeper::new("two")).await?;
    let mut third = world.open().await?;
    must_take(third.as_mut(), &Sweeper::new("two")).await
}

/// The duty keeps nobody from sweeping: a sweep by hand beside a watch is allowed.
///
/// # Errors
/// It does not hold.
pub async fn somebody_elses_duty_keeps_nobody_from_sweeping(make: MakeShop) -> Result<(), Failure> {
    let mut world = World::new(make, Rules::default()).await?;
    world.add_due_orders(&[("M-1", 30)]).await?;
    let (one, two) = (Sweeper::new("one"), Sweeper::new("two"));
    let mut first = world.open().await?;
    let mut second = world.open().await?;
    must_take(first.as_mut(), &one).await?;
    super::steps::acquire(second.as_mut(), &two).await?;
    whole_batch(second.as_mut(), &two).await?;
    must_take(first.as_mut(), &one).await
}

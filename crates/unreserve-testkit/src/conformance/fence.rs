//! One sweeps at a time: the lease, and the fence that every write passes.

use unreserve_engine::ledger::SetAside;
use unreserve_engine::shop::{Acquired, ShopErrorKind};

use super::steps::{acquire, end, whole_batch};
use crate::failure::{Failure, equal, fails_as, holds};
use crate::shops::{Fault, MakeShop, Rules, Sweeper, World};

/// Acquiring twice with one token is how a commit under way is waited for.
///
/// # Errors
/// It does not hold.
pub async fn taking_the_lease_again_with_the_same_token_is_no_mistake(make: MakeShop) -> Result<(), Failure> {
    let mut world = World::new(make, Rules::default()).await?;
    world.add_due_orders(&[("M-1", 30)]).await?;
    let mut shop = world.open().await?;
    let sweeper = Sweeper::new("one");
    for _ in 0..3 {
        acquire(shop.as_mut(), &sweeper).await?;
    }
    whole_batch(shop.as_mut(), &sweeper).await?;
    equal(&world.look().await?.ledger.sweeps.len(), &1, "sweeps in the ledger")
}

/// Whoever comes second is told who is there, and writes nothing.
///
/// # Errors
/// It does not hold.
pub async fn a_second_holder_is_told_who_holds_the_lease(make: MakeShop) -> Result<(), Failure> {
    let mut world = World::new(make, Rules::default()).await?;
    let (one, two) = (Sweeper::new("one"), Sweeper::new("two"));
    let mut first = world.open().await?;
    let mut second = world.open().await?;
    acquire(first.as_mut(), &one).await?;
    match second.acquire(&two.holder, &two.start).await? {
        Acquired::HeldBy { holder, heard_seconds_ago } => {
            equal(&(holder.host, holder.process_id), &("one".to_owned(), 7), "who holds it")?;
            holds((0..30).contains(&heard_seconds_ago), "it was heard of just now")?;
        }
        Acquired::Yes => return Err(Failure::new("two hold the lease")),
    }
    equal(&world.look().await?.ledger.sweeps.len(), &1, "sweeps in the ledger")
}

/// A holder that was not heard of for an hour blocks nobody.
///
/// # Errors
/// It does not hold.
pub async fn a_lease_whose_holder_fell_silent_is_free(make: MakeShop) -> Result<(), Failure> {
    let world = World::new(make, Rules::default()).await?;
    let mut first = world.open().await?;
    let mut second = world.open().await?;
    acquire(first.as_mut(), &Sweeper::new("one")).await?;
    world.shop.provoke(Fault::LeaseFellSilent).await?;
    acquire(second.as_mut(), &Sweeper::new("two")).await
}

/// Whoever was taken for dead and comes back can begin no batch, set nothing aside, and close no books.
///
/// # Errors
/// It does not hold.
pub async fn whoever_was_taken_over_can_write_nothing_more(make: MakeShop) -> Result<(), Failure> {
    let mut world = World::new(make, Rules::default()).await?;
    world.add_due_orders(&[("M-1", 30)]).await?;
    let (one, two) = (Sweeper::new("one"), Sweeper::new("two"));
    let mut first = world.open().await?;
    let mut second = world.open().await?;
    acquire(first.as_mut(), &one).await?;
    world.shop.provoke(Fault::LeaseFellSilent).await?;
    acquire(second.as_mut(), &two).await?;
    let before = world.look().await?;
    let begun = first.begin(one.batch()).await.map(|_| "a batch");
    fails_as(begun, ShopErrorKind::Fenced, "beginning a batch")?;
    let aside = SetAside { order: world.key("M-1")?, number: None, reason: "none".to_owned() };
    fails_as(first.set_aside(&one.holder.token, &aside).await, ShopErrorKind::Fenced, "setting aside")?;
    fails_as(first.close(&one.holder.token, &end(&one)).await, ShopErrorKind::Fenced, "closing")?;
    equal(&world.look().await?, &before, "the shop and the ledger")?;
    // And the one who took over is not disturbed by it.
    whole_batch(second.as_mut(), &two).await.map(|_| ())
}

/// A process that holds the lock file of a place knows that whoever wrote the lease from there is dead.
///
/// # Errors
/// It does not hold.
pub async fn the_lease_of_a_dead_process_in_the_same_place_is_free(make: MakeShop) -> Result<(), Failure> {
    let world = World::new(make, Rules::default()).await?;
    let mut first = world.open().await?;
    let mut second = world.open().await?;
    acquire(first.as_mut(), &Sweeper::new("here")).await?;
    acquire(second.as_mut(), &Sweeper::new("here")).await
}

/// A sweep that ended holds nothing.
///
/// # Errors
/// It does not hold.
pub async fn closing_a_sweep_lets_the_next_one_in(make: MakeShop) -> Result<(), Failure> {
    let mut world = World::new(make, Rules::default()).await?;
    let (one, two) = (Sweeper::new("one"), Sweeper::new("two"));
    let mut first = world.open().await?;
    let mut second = world.open().await?;
    acquire(first.as_mut(), &one).await?;
    first.close(&one.holder.token, &end(&one)).await?;
    acquire(second.as_mut(), &two).await?;
    // The answer to the first close may have been lost; closing again is no mistake, and takes nothing from the next one.
    first.close(&one.holder.token, &end(&one)).await?;
    let third = second.acquire(&Sweeper::new("three").holder, &Sweeper::new("three").start).await?;
    holds(matches!(third, Acquired::HeldBy { .. }), "the second holder keeps the lease")?;
    let sweeps = world.look().await?.ledger.sweeps;
    equal(&sweeps.get(&one.start.sweep_id.to_string()), &Some(&Some("done".to_owned())), "how the first sweep ended")?;
    equal(&sweeps.get(&two.start.sweep_id.to_string()), &Some(&None), "how the second sweep ended")
}

/// A server knows when the holder's connection is gone.
///
/// # Errors
/// It does not hold.
pub async fn a_lease_whose_connection_is_gone_is_free_at_once(make: MakeShop) -> Result<(), Failure> {
    let world = World::new(make, Rules::default()).await?;
    let mut first = world.open().await?;
    acquire(first.as_mut(), &Sweeper::new("one")).await?;
    world.shop.provoke(Fault::CutConnections).await?;
    let mut second = world.open().await?;
    acquire(second.as_mut(), &Sweeper::new("two")).await
}

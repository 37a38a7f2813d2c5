//! What our own tables tell of how the sweeps go.

use unreserve_engine::ledger::SetAside;
use unreserve_engine::shop::{AppendOnly, Books, CheckedShop, Vitals, VitalsQuery};

use super::steps::{acquire, end, whole_batch};
use crate::failure::{Failure, equal, holds, present};
use crate::shops::{Cell, Fault, MakeShop, Rules, Sweeper, VARIANTS, World};

fn query() -> VitalsQuery {
    VitalsQuery { profile: "malikli".to_owned(), days: 7, sweeps_max: 2, batches_max: 2 }
}

async fn vitals(shop: &mut dyn CheckedShop) -> Result<Vitals, Failure> {
    Ok(shop.vitals(&query()).await?)
}

/// Before the first sweep there is nothing to tell.
///
/// # Errors
/// It does not hold.
pub async fn an_empty_ledger_tells_of_nothing(make: MakeShop) -> Result<(), Failure> {
    let world = World::new(make, Rules::default()).await?;
    let mut shop = world.open().await?;
    let told = vitals(shop.as_mut()).await?;
    equal(&told.sweeps, &Vec::new(), "sweeps")?;
    equal(&(told.drift_units, told.set_aside), &(0, 0), "drift and orders set aside")?;
    equal(&(told.lease, told.duty), &(None, None), "who holds the lease, and who watches")?;
    equal(&told.books, &Books::default(), "the books")?;
    let open = matches!(told.append_only, AppendOnly::Open(_));
    holds(!open, "whoever made the tables is not told that somebody opened them")
}

/// Sweeps are told newest first and up to the bound, and so are the batches that are compared with their entries.
///
/// # Errors
/// It does not hold.
pub async fn tells_the_newest_sweeps_and_whether_their_batches_add_up(make: MakeShop) -> Result<(), Failure> {
    let mut world = World::new(make, Rules::default()).await?;
    world.add_due_orders(&[("M-1", 30), ("M-2", 20)]).await?;
    // The counter lacks the unit that the second order holds.
    let lacking = [("reserved_quantity", Cell::Integer(1))];
    world.session.update(VARIANTS, &lacking, &[("id", Cell::Integer(1))]).await?;
    let mut shop = world.open().await?;
    let mut last = None;
    for name in ["one", "two", "three"] {
        let sweeper = Sweeper::new(name);
        acquire(shop.as_mut(), &sweeper).await?;
        if name == "one" {
            whole_batch(shop.as_mut(), &sweeper).await?;
        }
        if name != "three" {
            shop.close(&sweeper.holder.token, &end(&sweeper)).await?;
        }
        last = Some(sweeper);
    }
    let told = vitals(shop.as_mut()).await?;
    equal(&told.drift_units, &1, "drift")?;
    equal(&told.books, &Books { batches: 1, without_sweep: 0, sums_differ: 0 }, "the books")?;
    let [newest, before] = told.sweeps.as_slice() else {
        return Err(Failure::new(format!("two sweeps were asked for, not {:?}", told.sweeps)));
    };
    equal(
        &(newest.finished_at, newest.ending.as_deref(), newest.duration_micros),
        &(None, None, None),
        "the running one",
    )?;
    equal(&(before.ending.as_deref(), before.duration_micros), &(Some("done"), Some(1_234_567)), "the one before")?;
    let finished = present(before.finished_at, "end of a sweep")?;
    holds(before.started_at <= finished && finished <= told.now, "a sweep ends after it began, and before now")?;
    holds(before.started_at <= newest.started_at, "the newest comes first")?;
    let lease = present(told.lease, "who holds the lease")?;
    equal(&(lease.host.as_str(), lease.process_id), &("three", 7), "who holds the lease")?;
    holds((-1..10).contains(&lease.heard_seconds_ago), "it was heard of just now")?;
    holds(lease.connected != Some(false), "its connection is not gone")?;
    let last = present(last, "sweeper")?;
    shop.close(&last.holder.token, &end(&last)).await?;
    equal(&vitals(shop.as_mut()).await?.lease, &None, "who holds the lease when nobody sweeps")
}

/// Only another profile's sweeps are there: they are not this one's.
///
/// # Errors
/// It does not hold.
pub async fn another_profiles_sweeps_are_not_this_ones(make: MakeShop) -> Result<(), Failure> {
    let mut world = World::new(make, Rules::default()).await?;
    world.add_due_orders(&[("M-1", 30)]).await?;
    let mut shop = world.open().await?;
    let sweeper = Sweeper::new("one");
    acquire(shop.as_mut(), &sweeper).await?;
    whole_batch(shop.as_mut(), &sweeper).await?;
    shop.close(&sweeper.holder.token, &end(&sweeper)).await?;
    let other = VitalsQuery { profile: "other".to_owned(), ..query() };
    let told = shop.vitals(&other).await?;
    equal(&(told.sweeps.len(), told.drift_units, told.set_aside), &(0, 0, 0), "sweeps, drift and orders set aside")?;
    equal(&vitals(shop.as_mut()).await?.sweeps.len(), &1, "sweeps of its own")
}

/// An order that is set aside counts until its time has come; a lease that fell silent tells since when.
///
/// # Errors
/// It does not hold.
pub async fn tells_orders_set_aside_and_a_lease_that_fell_silent(make: MakeShop) -> Result<(), Failure> {
    let mut world = World::new(make, Rules::default()).await?;
    world.add_due_orders(&[("M-1", 30)]).await?;
    let mut shop = world.open().await?;
    let sweeper = Sweeper::new("one");
    acquire(shop.as_mut(), &sweeper).await?;
    let aside = SetAside { order: world.key("M-1")?, number: None, reason: "its own".to_owned() };
    shop.set_aside(&sweeper.holder.token, &aside).await?;
    equal(&vitals(shop.as_mut()).await?.set_aside, &1, "orders set aside")?;
    world.shop.provoke(Fault::SetAsideRipened).await?;
    equal(&vitals(shop.as_mut()).await?.set_aside, &0, "orders set aside after their hour")?;
    world.shop.provoke(Fault::LeaseFellSilent).await?;
    let lease = present(vitals(shop.as_mut()).await?.lease, "who holds the lease")?;
    holds((3_590..3_700).contains(&lease.heard_seconds_ago), "it was heard of an hour ago")
}

/// A server tells who watches, and when that one's connection is gone.
///
/// # Errors
/// It does not hold.
pub async fn tells_who_watches_and_whether_it_is_still_connected(make: MakeShop) -> Result<(), Failure> {
    let world = World::new(make, Rules::default()).await?;
    let (mut watch, mut shop) = (world.open().await?, world.open().await?);
    let one = Sweeper::new("one");
    watch.take_duty(&one.holder).await?;
    let told = vitals(shop.as_mut()).await?;
    equal(&told.lease, &None, "who sweeps")?;
    let duty = present(told.duty, "who watches")?;
    equal(&(duty.host.as_str(), duty.connected), &("one", Some(true)), "who watches, and whether it is connected")?;
    world.shop.provoke(Fault::CutConnections).await?;
    let mut other = world.open().await?;
    let duty = present(vitals(other.as_mut()).await?.duty, "who watched")?;
    equal(&duty.connected, &Some(false), "whether it is connected after its connection was cut")
}

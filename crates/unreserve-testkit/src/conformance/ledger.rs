//! The ledger: it and the shop change together, and it can be read back.

use unreserve_engine::ledger::HistoryQuery;
use unreserve_engine::shop::CheckedShop;

use super::steps::{acquire, end, whole_batch, write};
use crate::failure::{Failure, equal, holds, present};
use crate::shops::{MakeShop, Pool, Rules, Sweeper, World};

async fn two_due(make: MakeShop) -> Result<World, Failure> {
    let mut world = World::new(make, Rules::default()).await?;
    world.add_due_orders(&[("M-1", 30), ("M-2", 20)]).await?;
    Ok(world)
}

/// What was committed stands in the shop and in the ledger, and is found by the batch's identity.
///
/// # Errors
/// It does not hold.
pub async fn a_committed_batch_is_found_and_stands_in_the_shop_and_the_ledger(make: MakeShop) -> Result<(), Failure> {
    let mut world = two_due(make).await?;
    let mut shop = world.open().await?;
    let sweeper = Sweeper::new("one");
    acquire(shop.as_mut(), &sweeper).await?;
    let record = whole_batch(shop.as_mut(), &sweeper).await?;
    equal(&shop.find_batch(record.batch_id).await?, &Some(record), "the batch in the ledger")?;
    equal(&(record.reservations, record.units, record.orders_cancelled), &(2, 2, 2), "what the batch did")?;
    let seen = world.look().await?;
    let stock = present(seen.stock.get(&(Pool::Variant, 1)), "stock row")?;
    equal(&stock.reserved, &Some(0), "the counter")?;
    for order in seen.orders.values() {
        equal(&(order.payment_status.as_str(), order.order_status.as_str()), &("cancelled", "cancelled"), "the order")?;
    }
    holds(seen.reservations.iter().all(|row| !row.is_active && row.is_cancelled), "every reservation has ended")?;
    let kinds: Vec<&str> = seen.ledger.entries.iter().map(|entry| entry.kind.as_str()).collect();
    equal(&kinds, &vec!["cancel", "cancel", "release", "release"], "the entries")
}

/// A batch that goes away without a commit has done nothing, and blocks nobody.
///
/// # Errors
/// It does not hold.
pub async fn a_batch_that_was_dropped_leaves_nothing(make: MakeShop) -> Result<(), Failure> {
    let mut world = two_due(make).await?;
    let mut shop = world.open().await?;
    let sweeper = Sweeper::new("one");
    acquire(shop.as_mut(), &sweeper).await?;
    let before = world.look().await?;
    let plan = shop.plan().clone();
    let start = sweeper.batch();
    let batch_id = start.batch_id;
    let mut batch = shop.begin(start).await?;
    write(batch.as_mut(), &plan, batch_id).await?;
    drop(batch);
    // Taking the lease waits for what the server has not undone yet.
    acquire(shop.as_mut(), &sweeper).await?;
    equal(&shop.find_batch(batch_id).await?, &None, "the batch in the ledger")?;
    equal(&world.look().await?, &before, "the shop and the ledger")?;
    whole_batch(shop.as_mut(), &sweeper).await.map(|_| ())
}

/// The same when it is rolled back in so many words.
///
/// # Errors
/// It does not hold.
pub async fn a_batch_that_was_rolled_back_leaves_nothing_and_the_next_one_works(make: MakeShop) -> Result<(), Failure> {
    let mut world = two_due(make).await?;
    let mut shop = world.open().await?;
    let sweeper = Sweeper::new("one");
    acquire(shop.as_mut(), &sweeper).await?;
    let before = world.look().await?;
    let plan = shop.plan().clone();
    let start = sweeper.batch();
    let batch_id = start.batch_id;
    let mut batch = shop.begin(start).await?;
    write(batch.as_mut(), &plan, batch_id).await?;
    batch.rollback().await?;
    equal(&shop.find_batch(batch_id).await?, &None, "the batch in the ledger")?;
    equal(&world.look().await?, &before, "the shop and the ledger")?;
    whole_batch(shop.as_mut(), &sweeper).await.map(|_| ())
}

/// Three sweeps, of which the middle one released something.
async fn three_sweeps(world: &mut World, shop: &mut dyn CheckedShop) -> Result<Vec<Sweeper>, Failure> {
    let sweepers = vec![Sweeper::new("one"), Sweeper::new("two"), Sweeper::new("three")];
    for (index, sweeper) in sweepers.iter().enumerate() {
        acquire(shop, sweeper).await?;
        if index == 1 {
            whole_batch(shop, sweeper).await?;
        }
        if index < 2 {
            shop.close(&sweeper.holder.token, &end(sweeper)).await?;
        }
    }
    equal(&world.look().await?.ledger.sweeps.len(), &3, "sweeps in the ledger")?;
    Ok(sweepers)
}

/// The newest sweep comes first; one without an end was interrupted or still runs.
///
/// # Errors
/// It does not hold.
pub async fn history_tells_the_newest_sweeps_first_with_the_sums_of_their_batches(
    make: MakeShop,
) -> Result<(), Failure> {
    let mut world = two_due(make).await?;
    let mut shop = world.open().await?;
    let sweepers = three_sweeps(&mut world, shop.as_mut()).await?;
    let records = shop.history(&HistoryQuery::Latest { limit: 10 }).await?;
    let ids: Vec<_> = records.iter().map(|record| record.sweep_id).collect();
    let expected: Vec<_> = sweepers.iter().rev().map(|sweeper| sweeper.start.sweep_id).collect();
    equal(&ids, &expected, "the sweeps, newest first")?;
    let running = present(records.first(), "newest sweep")?;
    equal(&(&running.ending, running.finished_at, running.duration_ms), &(&None, None, None), "the one that runs")?;
    let middle = present(records.get(1), "middle sweep")?;
    equal(
        &(middle.batches, middle.reservations_released, middle.units_released, middle.orders_cancelled),
        &(1, 2, 2, 2),
        "the sums of its batches",
    )?;
    equal(&middle.stock_rows_updated, &1, "stock rows written")?;
    equal(&(middle.ending.as_deref(), middle.duration_ms), &(Some("done"), Some(1_234)), "how it ended")?;
    equal(&middle.orders_protected.get("payment"), &Some(&2), "orders protected")?;
    equal(&middle.oldest_overdue_seconds, &60, "how long the oldest was overdue")?;
    let latest = shop.history(&HistoryQuery::Latest { limit: 1 }).await?;
    equal(&latest.len(), &1, "sweeps where one was asked for")
}

/// The first letters are enough; two that begin alike are both given, and what is no identity is found nowhere.
///
/// # Errors
/// It does not hold.
pub async fn a_sweep_is_found_by_the_first_letters_of_its_identity(make: MakeShop) -> Result<(), Failure> {
    let mut world = two_due(make).await?;
    let mut shop = world.open().await?;
    let sweepers = three_sweeps(&mut world, shop.as_mut()).await?;
    let wanted = present(sweepers.first(), "sweep")?.start.sweep_id;
    let whole = wanted.to_string();
    for id in [whole.clone(), whole.to_uppercase()] {
        let found = shop.history(&HistoryQuery::Sweep { id }).await?;
        equal(&found.iter().map(|record| record.sweep_id).collect::<Vec<_>>(), &vec![wanted], "the whole identity")?;
    }
    // Identities begin with the time, so these three begin alike.
    let start: String = whole.chars().take(6).collect();
    equal(&shop.history(&HistoryQuery::Sweep { id: start }).await?.len(), &2, "sweeps that begin alike")?;
    for id in ["%", "_", "' OR true --", "zz", "ffffffff"] {
        let found = shop.history(&HistoryQuery::Sweep { id: id.to_owned() }).await?;
        equal(&found.len(), &0, id)?;
    }
    Ok(())
}

/// Entries come as they were written, and no more of them than were asked for.
///
/// # Errors
/// It does not hold.
pub async fn entries_come_in_the_order_they_were_written(make: MakeShop) -> Result<(), Failure> {
    let world = two_due(make).await?;
    let mut shop = world.open().await?;
    let sweeper = Sweeper::new("one");
    acquire(shop.as_mut(), &sweeper).await?;
    whole_batch(shop.as_mut(), &sweeper).await?;
    let entries = shop.entries(sweeper.start.sweep_id, 100).await?;
    let seen: Vec<(&str, Option<&str>)> =
        entries.iter().map(|entry| (entry.kind.as_str(), entry.number.as_deref())).collect();
    let expected =
        vec![("release", Some("M-1")), ("cancel", Some("M-1")), ("release", Some("M-2")), ("cancel", Some("M-2"))];
    equal(&seen, &expected, "the entries")?;
    let first = present(entries.first(), "first entry")?;
    equal(&first.stock, &Some(Pool::Variant.label(1)), "its stock row")?;
    equal(&(first.quantity, first.drift), &(1, 0), "its quantity and drift")?;
    holds((1_800..1_900).contains(&first.overdue_seconds), "it was half an hour overdue")?;
    let expired = present(first.expires_at, "expiry of the first entry")?;
    let between = first.at.as_second().saturating_sub(expired.as_second());
    holds(between.abs_diff(first.overdue_seconds) <= 1, "what it was overdue is the time from expiry to release")?;
    equal(&shop.entries(sweeper.start.sweep_id, 3).await?.len(), &3, "entries where three were asked for")
}

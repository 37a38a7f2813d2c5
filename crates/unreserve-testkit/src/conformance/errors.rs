//! Errors, provoked for real, and what is to be done about each.

use std::time::Duration;

use unreserve_engine::model::{Key, Quantity};
use unreserve_engine::plan::Policy;
use unreserve_engine::shop::{CheckedShop, ShopErrorKind};

use super::steps::{acquire, lock, prepare, record, whole_batch};
use crate::failure::{Failure, equal, fails_as, holds, present};
use crate::shops::{
    Access, Cell, Code, Fault, MakeShop, ORDERS, Pool, RESERVATIONS, Rules, STATEMENT_TIMEOUT, Sweeper, VARIANTS, World,
};
use crate::waiting::wait_until;

async fn ready(make: MakeShop) -> Result<(World, Box<dyn CheckedShop>, Sweeper), Failure> {
    let mut world = World::new(make, Rules::default()).await?;
    world.add_due_orders(&[("M-1", 30), ("M-2", 20)]).await?;
    let mut shop = world.open().await?;
    let sweeper = Sweeper::new("one");
    acquire(shop.as_mut(), &sweeper).await?;
    Ok((world, shop, sweeper))
}

/// A counter that the shop's own rule refuses.
///
/// # Errors
/// It does not hold.
pub async fn a_check_that_fails_is_one_orders_own_trouble(make: MakeShop) -> Result<(), Failure> {
    let (mut world, mut shop, sweeper) = ready(make).await?;
    let before = world.look().await?;
    let plan = shop.plan().clone();
    let mut batch = shop.begin(sweeper.batch()).await?;
    let mut settlement = prepare(batch.as_mut(), &plan).await?;
    // More reserved than there is.
    present(settlement.stock.first_mut(), "stock change")?.reserved = Some(Quantity::new(1_000));
    let written = batch.release(&settlement.stock, &settlement.reservations).await;
    let error = fails_as(written, ShopErrorKind::Constraint, "writing what a check refuses")?;
    holds(error.code.is_some() && error.statement.is_some(), "the error has a code and the statement's name")?;
    batch.rollback().await?;
    equal(&world.look().await?, &before, "the shop and the ledger")
}

/// A trigger of the shop's that refuses one row.
///
/// # Errors
/// It does not hold.
pub async fn a_trigger_that_refuses_is_one_orders_own_trouble(make: MakeShop) -> Result<(), Failure> {
    let (mut world, mut shop, sweeper) = ready(make).await?;
    let value = Cell::text("M-1");
    world.shop.provoke(Fault::Refuse { table: ORDERS, column: "order_number", value }).await?;
    let before = world.look().await?;
    let plan = shop.plan().clone();
    let mut batch = shop.begin(sweeper.batch()).await?;
    let orders = [world.key("M-1")?];
    let settlement = prepare(batch.as_mut(), &plan).await?;
    batch.release(&settlement.stock, &settlement.reservations).await?;
    let error = fails_as(batch.cancel_orders(&orders).await, ShopErrorKind::Constraint, "what a trigger refuses")?;
    holds(error.message.contains("the shop refuses this row"), "the trigger's own words are told")?;
    batch.rollback().await?;
    equal(&world.look().await?, &before, "the shop and the ledger")
}

/// The identity of a batch is unique, so that looking it up can be believed.
///
/// # Errors
/// It does not hold.
pub async fn a_batch_that_is_written_twice_is_refused(make: MakeShop) -> Result<(), Failure> {
    let (_world, mut shop, sweeper) = ready(make).await?;
    let plan = shop.plan().clone();
    let start = sweeper.batch();
    let batch_id = start.batch_id;
    let mut batch = shop.begin(start).await?;
    let settlement = prepare(batch.as_mut(), &plan).await?;
    let record = record(batch_id, &settlement)?;
    batch.append_ledger(&record, &settlement.entries).await?;
    let again = batch.append_ledger(&record, &settlement.entries).await;
    fails_as(again, ShopErrorKind::Constraint, "appending the same batch twice")?;
    batch.rollback().await?;
    whole_batch(shop.as_mut(), &sweeper).await.map(|_| ())
}

/// A migration of the shop's while we run.
///
/// # Errors
/// It does not hold.
pub async fn a_column_that_is_gone_is_a_changed_schema(make: MakeShop) -> Result<(), Failure> {
    let (world, mut shop, sweeper) = ready(make).await?;
    world.shop.provoke(Fault::RenameColumn { table: RESERVATIONS, from: "is_active", to: "active" }).await?;
    let mut batch = shop.begin(sweeper.batch()).await?;
    let locked = lock_error(batch.as_mut()).await;
    fails_as(locked, ShopErrorKind::SchemaChanged, "locking without a column")?;
    batch.rollback().await?;
    fails_as(shop.outlook(10).await, ShopErrorKind::SchemaChanged, "looking ahead without a column")?;
    Ok(())
}

async fn lock_error(batch: &mut dyn unreserve_engine::shop::Batch) -> Result<usize, unreserve_engine::shop::ShopError> {
    batch.lock_due(&super::steps::all(10)).await.map(|page| page.orders.len())
}

/// A plan is checked statement by statement before anything is written.
///
/// # Errors
/// It does not hold.
pub async fn a_plan_for_another_schema_is_refused_by_the_statements_name(make: MakeShop) -> Result<(), Failure> {
    let world = World::new(make, Rules::default()).await?;
    let mut shop = world.install().await?;
    let plan = world.plan(shop.as_mut(), Policy::default()).await?;
    world.shop.provoke(Fault::RenameColumn { table: ORDERS, from: "updated_at", to: "changed_at" }).await?;
    let checked = shop.check(plan).await.map(|_| "a checked shop");
    let error = fails_as(checked, ShopErrorKind::SchemaChanged, "checking a plan that does not fit")?;
    equal(&error.statement, &Some("cancel_orders"), "the statement that does not fit")
}

/// A replica, a role or a file that takes no writes is known before the first one.
///
/// # Errors
/// It does not hold.
pub async fn a_connection_that_takes_no_writes_says_so(make: MakeShop) -> Result<(), Failure> {
    let mut world = World::new(make, Rules::default()).await?;
    world.add_due_orders(&[("M-1", 30)]).await?;
    world.install().await?;
    let shop = world.open_as(Access::ReadOnly, STATEMENT_TIMEOUT).await?;
    holds(shop.info().read_only.is_some(), "it says that it is read-only, and why")?;
    let shop = world.open().await?;
    equal(&shop.info().read_only, &None, "whether the owner's connection is read-only")
}

/// A role that may only read.
///
/// # Errors
/// It does not hold.
pub async fn a_role_without_the_right_to_write_is_told_so(make: MakeShop) -> Result<(), Failure> {
    let mut world = World::new(make, Rules::default()).await?;
    world.add_due_orders(&[("M-1", 30)]).await?;
    world.install().await?;
    let mut shop = world.open_as(Access::SelectOnly, STATEMENT_TIMEOUT).await?;
    let sweeper = Sweeper::new("one");
    let acquired = shop.acquire(&sweeper.holder, &sweeper.start).await;
    let error = fails_as(acquired, ShopErrorKind::Permission, "taking the lease without the right to")?;
    holds(error.hint.is_some(), "it says what to do")
}

/// A real deadlock, in which the database chose us.
///
/// # Errors
/// It does not hold.
pub async fn a_deadlock_is_to_be_tried_again(make: MakeShop) -> Result<(), Failure> {
    let (mut world, mut shop, sweeper) = ready(make).await?;
    world.shop.provoke(Fault::FindDeadlocks { table: VARIANTS }).await?;
    let plan = shop.plan().clone();
    let mut batch = shop.begin(sweeper.batch()).await?;
    let settlement = {
        let orders = lock(batch.as_mut()).await?;
        let examined = batch.examine(&orders).await?;
        let releases = super::steps::releases(&plan, examined);
        let stock: Vec<_> =
            releases.iter().flat_map(|release| &release.due).flat_map(|due| due.stock.clone()).collect();
        let row = unreserve_engine::model::StockRow {
            stock: present(stock.first(), "stock row")?.clone(),
            reserved: Some(Quantity::new(2)),
            on_hand: None,
        };
        unreserve_engine::sweep::settle(&plan, &releases, &[row])?
    };
    // The shop has the stock row and wants our order; the trigger makes us, not it, look for the deadlock first.
    world.session.begin().await?;
    // Some databases choose whoever has written less: that must be us.
    for id in 100..200 {
        world.add_stock(Pool::Variant, id, 1, Some(0)).await?;
    }
    world.session.lock(VARIANTS, &[("id", Cell::Integer(1))]).await?;
    let World { shop: database, session, .. } = &mut world;
    let (paid, order) = ([("payment_status", Cell::text("paid"))], [("order_number", Cell::text("M-1"))]);
    let theirs = session.update(ORDERS, &paid, &order);
    let ours = async {
        wait_until("the shop waits for the order", || Box::pin(async { Ok(database.waiting_sessions().await? > 0) }))
            .await?;
        let outcome = batch.release(&settlement.stock, &settlement.reservations).await;
        batch.rollback().await?;
        fails_as(outcome, ShopErrorKind::Retry, "writing into a deadlock")
    };
    let (ours, theirs) = tokio::join!(ours, theirs);
    equal(&ours?.code.as_deref(), &Some(world.shop.code(Code::Deadlock)), "the database's own code")?;
    equal(&theirs?, &1, "rows that the shop could write")?;
    world.session.commit().await
}

/// A statement that runs into its own timeout did so behind a lock here, and elsewhere had too much to do.
///
/// # Errors
/// It does not hold.
pub async fn a_statement_that_takes_too_long_is_a_lock_that_was_not_to_be_had(make: MakeShop) -> Result<(), Failure> {
    let mut world = World::new(make, Rules::default()).await?;
    world.add_due_orders(&[("M-1", 30)]).await?;
    world.install().await?;
    world.shop.provoke(Fault::LongWaits).await?;
    let mut shop = world.open_as(Access::Owner, Duration::from_secs(1)).await?;
    let sweeper = Sweeper::new("one");
    acquire(shop.as_mut(), &sweeper).await?;
    let mut start = sweeper.batch();
    start.lock_wait = Duration::from_secs(5);
    let plan = shop.plan().clone();
    let mut batch = shop.begin(start).await?;
    let settlement = prepare(batch.as_mut(), &plan).await?;
    world.session.begin().await?;
    // Our batch has locked stock and order; the reservation's row is the one that is left.
    world.session.lock(RESERVATIONS, &[]).await?;
    let written = batch.release(&settlement.stock, &settlement.reservations).await;
    let error = fails_as(written, ShopErrorKind::LockTimeout, "a statement that takes too long")?;
    equal(&error.code.as_deref(), &Some(world.shop.code(Code::LockedTooLong)), "the database's own code")?;
    batch.rollback().await?;
    world.session.rollback().await?;
    whole_batch(shop.as_mut(), &sweeper).await.map(|_| ())
}

/// The server restarts: the call that meets it fails, the next one connects again.
///
/// # Errors
/// It does not hold.
pub async fn a_connection_that_was_cut_off_is_made_again(make: MakeShop) -> Result<(), Failure> {
    let (world, mut shop, sweeper) = ready(make).await?;
    world.shop.provoke(Fault::CutConnections).await?;
    fails_as(shop.outlook(10).await, ShopErrorKind::Disconnected, "looking ahead on a dead connection")?;
    equal(&shop.outlook(10).await?.due_orders, &2, "orders due, on a new connection")?;
    let mut batch = shop.begin(sweeper.batch()).await?;
    let keys: Vec<Key> = lock(batch.as_mut()).await?;
    world.shop.provoke(Fault::CutConnections).await?;
    fails_as(batch.examine(&keys).await, ShopErrorKind::Disconnected, "examining on a dead connection")?;
    drop(batch);
    whole_batch(shop.as_mut(), &sweeper).await.map(|_| ())
}

/// A failover in the middle of a transaction.
///
/// # Errors
/// It does not hold.
pub async fn a_transaction_that_turned_read_only_says_so(make: MakeShop) -> Result<(), Failure> {
    let (mut world, mut shop, sweeper) = ready(make).await?;
    world.shop.provoke(Fault::TurnReadOnly { table: RESERVATIONS }).await?;
    let before = world.look().await?;
    let plan = shop.plan().clone();
    let mut batch = shop.begin(sweeper.batch()).await?;
    let settlement = prepare(batch.as_mut(), &plan).await?;
    batch.release(&settlement.stock, &settlement.reservations).await?;
    let cancelled = batch.cancel_orders(&settlement.cancel).await;
    fails_as(cancelled, ShopErrorKind::ReadOnly, "writing in a read-only transaction")?;
    batch.rollback().await?;
    equal(&world.look().await?, &before, "the shop and the ledger")
}

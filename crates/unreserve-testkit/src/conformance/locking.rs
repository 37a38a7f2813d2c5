//! Which orders are locked, in which order, and who has to wait for whom.

use std::collections::BTreeSet;

use unreserve_engine::model::{Key, Quantity, StockRef};
use unreserve_engine::plan::Plan;
use unreserve_engine::shop::{LockTest, Selection, ShopErrorKind, StockWait};

use super::steps::{acquire, all, lock, prepare};
use crate::failure::{Failure, equal, fails_as, holds, present};
use crate::shops::{Cell, Fault, MakeShop, NewReservation, ORDERS, PAYMENTS, Pool, Rules, Sweeper, VARIANTS, World};
use crate::waiting::wait_until;

async fn five_due(make: MakeShop) -> Result<World, Failure> {
    let mut world = World::new(make, Rules::default()).await?;
    world.add_due_orders(&[("M-1", 20), ("M-2", 50), ("M-3", 10), ("M-4", 40), ("M-5", 30)]).await?;
    Ok(world)
}

fn keys(world: &World, numbers: &[&str]) -> Result<Vec<Key>, Failure> {
    numbers.iter().map(|number| world.key(number)).collect()
}

/// Whoever has waited longest is first.
///
/// # Errors
/// It does not hold.
pub async fn takes_the_oldest_expiry_first(make: MakeShop) -> Result<(), Failure> {
    let world = five_due(make).await?;
    let mut shop = world.open().await?;
    let sweeper = Sweeper::new("one");
    acquire(shop.as_mut(), &sweeper).await?;
    let mut batch = shop.begin(sweeper.batch()).await?;
    let locked = lock(batch.as_mut()).await?;
    equal(&locked, &keys(&world, &["M-2", "M-4", "M-5", "M-1", "M-3"])?, "the orders, oldest expiry first")?;
    let examined: Vec<Key> = batch.examine(&locked).await?.into_iter().map(|order| order.key).collect();
    equal(&examined, &locked, "the orders examined, in the order asked for")?;
    Ok(batch.rollback().await?)
}

/// Page after page gives every order once, also where several expired in the same instant.
///
/// # Errors
/// It does not hold.
pub async fn goes_on_behind_the_last_place(make: MakeShop) -> Result<(), Failure> {
    let mut world = five_due(make).await?;
    // All at the same instant: then the keys decide.
    world.session.update("orders_inventoryreservation", &[("expires_at", Cell::FromNow(-600))], &[]).await?;
    let mut shop = world.open().await?;
    let sweeper = Sweeper::new("one");
    acquire(shop.as_mut(), &sweeper).await?;
    let mut batch = shop.begin(sweeper.batch()).await?;
    let mut seen = Vec::new();
    let mut selection = Selection { after: None, only: None, limit: 2 };
    // More pages than there can be, so that a line that goes round in a circle is seen.
    for _ in 0..10 {
        let page = batch.lock_due(&selection).await?;
        holds(page.orders.len() <= 2, "a page is no longer than was asked for")?;
        seen.extend(page.orders.into_iter().map(|row| row.key));
        selection.after = page.next;
        if selection.after.is_none() {
            break;
        }
    }
    let distinct: BTreeSet<&Key> = seen.iter().collect();
    equal(&(seen.len(), distinct.len()), &(5, 5), "the orders of all pages, and how many of them differ")?;
    Ok(batch.rollback().await?)
}

/// A selection of orders is kept to.
///
/// # Errors
/// It does not hold.
pub async fn takes_only_the_orders_that_were_asked_for(make: MakeShop) -> Result<(), Failure> {
    let world = five_due(make).await?;
    let mut shop = world.open().await?;
    let sweeper = Sweeper::new("one");
    acquire(shop.as_mut(), &sweeper).await?;
    let mut batch = shop.begin(sweeper.batch()).await?;
    for (only, expected) in [(vec!["M-3", "M-4"], vec!["M-4", "M-3"]), (vec![], vec![])] {
        let selection = Selection { after: None, only: Some(keys(&world, &only)?), limit: 10 };
        let locked: Vec<Key> = batch.lock_due(&selection).await?.orders.into_iter().map(|row| row.key).collect();
        equal(&locked, &keys(&world, &expected)?, "the orders locked")?;
    }
    Ok(batch.rollback().await?)
}

/// Only what the profile lists as unpaid is ever touched; an unknown status protects.
///
/// # Errors
/// It does not hold.
pub async fn an_order_that_was_paid_is_not_even_locked(make: MakeShop) -> Result<(), Failure> {
    let mut world = five_due(make).await?;
    for (number, status) in [("M-1", "paid"), ("M-2", "refunded_full"), ("M-3", "never heard of")] {
        world.change_order(number, &[("payment_status", Cell::text(status))]).await?;
    }
    let mut shop = world.open().await?;
    let sweeper = Sweeper::new("one");
    acquire(shop.as_mut(), &sweeper).await?;
    let mut batch = shop.begin(sweeper.batch()).await?;
    equal(&lock(batch.as_mut()).await?, &keys(&world, &["M-4", "M-5"])?, "the orders locked")?;
    Ok(batch.rollback().await?)
}

/// An order that the shop works on is left out, without a wait.
///
/// # Errors
/// It does not hold.
pub async fn skips_an_order_that_the_shop_has_locked(make: MakeShop) -> Result<(), Failure> {
    let mut world = five_due(make).await?;
    let mut shop = world.open().await?;
    let sweeper = Sweeper::new("one");
    acquire(shop.as_mut(), &sweeper).await?;
    world.session.begin().await?;
    // By its key: where nothing else finds the row, some databases lock every row they look at.
    let key = world.order_key("M-2")?;
    world.session.lock(ORDERS, &[("order_id", Cell::text(key))]).await?;
    let mut batch = shop.begin(sweeper.batch()).await?;
    equal(&lock(batch.as_mut()).await?, &keys(&world, &["M-4", "M-5", "M-1", "M-3"])?, "the orders locked")?;
    batch.rollback().await?;
    world.session.rollback().await?;
    let mut batch = shop.begin(sweeper.batch()).await?;
    equal(&lock(batch.as_mut()).await?.len(), &5, "orders locked when nobody works on them")?;
    Ok(batch.rollback().await?)
}

/// A page may be all locked by the shop: the line goes on behind it, and nothing is searched for in its place.
///
/// # Errors
/// It does not hold.
pub async fn goes_on_behind_orders_that_the_shop_has_locked(make: MakeShop) -> Result<(), Failure> {
    let mut world = five_due(make).await?;
    let mut shop = world.open().await?;
    let sweeper = Sweeper::new("one");
    acquire(shop.as_mut(), &sweeper).await?;
    world.session.begin().await?;
    for number in ["M-2", "M-4", "M-1"] {
        let key = world.order_key(number)?;
        world.session.lock(ORDERS, &[("order_id", Cell::text(key))]).await?;
    }
    let mut batch = shop.begin(sweeper.batch()).await?;
    let mut selection = all(2);
    for (expected, ends) in [(vec![], false), (vec!["M-5"], false), (vec!["M-3"], true)] {
        let page = batch.lock_due(&selection).await?;
        let locked: Vec<Key> = page.orders.into_iter().map(|row| row.key).collect();
        equal(&locked, &keys(&world, &expected)?, "the orders of a page that nobody else has locked")?;
        equal(&page.next.is_none(), &ends, "whether the line ends with this page")?;
        selection.after = page.next;
    }
    batch.rollback().await?;
    world.session.rollback().await
}

/// A payment row that is not committed yet holds its order through the foreign key alone, and that is enough.
///
/// # Errors
/// It does not hold.
pub async fn skips_an_order_whose_payment_is_under_way(make: MakeShop) -> Result<(), Failure> {
    let mut world = five_due(make).await?;
    let mut shop = world.open().await?;
    let sweeper = Sweeper::new("one");
    acquire(shop.as_mut(), &sweeper).await?;
    world.session.begin().await?;
    world.add_payment("M-4", "succeeded").await?;
    let mut batch = shop.begin(sweeper.batch()).await?;
    equal(&lock(batch.as_mut()).await?, &keys(&world, &["M-2", "M-5", "M-1", "M-3"])?, "the orders locked")?;
    batch.rollback().await?;
    world.session.commit().await?;
    let mut batch = shop.begin(sweeper.batch()).await?;
    equal(&lock(batch.as_mut()).await?, &keys(&world, &["M-2", "M-5", "M-1", "M-3"])?, "the orders locked afterwards")?;
    let named = Selection { only: Some(vec![world.key("M-4")?]), ..all(100) };
    equal(&batch.lock_due(&named).await?.orders.len(), &1, "the order asked for by name")?;
    let paid = batch.examine(&[world.key("M-4")?]).await?;
    equal(&present(paid.first(), "order M-4")?.guards, &vec!["payment".to_owned()], "the guards once it is committed")?;
    Ok(batch.rollback().await?)
}

/// `explain` tells from another connection whether a row is locked.
///
/// # Errors
/// It does not hold.
pub async fn an_order_is_seen_to_be_locked_until_the_batch_ends(make: MakeShop) -> Result<(), Failure> {
    let world = five_due(make).await?;
    let mut shop = world.open().await?;
    let mut other = world.open().await?;
    let sweeper = Sweeper::new("one");
    acquire(shop.as_mut(), &sweeper).await?;
    let mut batch = shop.begin(sweeper.batch()).await?;
    lock(batch.as_mut()).await?;
    let seen = present(other.explain("M-1", LockTest::Try).await?, "explanation")?;
    equal(&seen.locked, &Some(true), "whether it is locked while the batch runs")?;
    let seen = present(other.explain("M-1", LockTest::Leave).await?, "explanation")?;
    equal(&seen.locked, &None, "whether it is locked, where the lock was not to be tried")?;
    batch.rollback().await?;
    let seen = present(other.explain("M-1", LockTest::Try).await?, "explanation")?;
    equal(&seen.locked, &Some(false), "whether it is locked afterwards")
}

/// The counter-test of the one-statement recipe: what is committed between the lock and the look is seen.
///
/// # Errors
/// It does not hold.
pub async fn examine_sees_a_payment_that_was_committed_after_the_lock(make: MakeShop) -> Result<(), Failure> {
    let mut world = five_due(make).await?;
    let payment = world.add_payment("M-2", "pending").await?;
    let mut shop = world.open().await?;
    let sweeper = Sweeper::new("one");
    acquire(shop.as_mut(), &sweeper).await?;
    let mut batch = shop.begin(sweeper.batch()).await?;
    let locked = lock(batch.as_mut()).await?;
    // Not through the foreign key: its column does not change, so nothing stops it.
    let paid = [("status", Cell::text("succeeded"))];
    world.session.update(PAYMENTS, &paid, &[("id", Cell::Integer(payment))]).await?;
    let ended = [("is_active", Cell::Boolean(false))];
    let of_order = [("order_id", Cell::text(world.order_key("M-4")?))];
    world.session.update("orders_inventoryreservation", &ended, &of_order).await?;
    let examined = batch.examine(&locked).await?;
    let order = |number: &str| {
        let found = examined.iter().find(|order| order.number.as_deref() == Some(number));
        present(found, &format!("order {number}"))
    };
    equal(&order("M-2")?.guards, &vec!["payment".to_owned()], "the guards of the order that was paid")?;
    equal(&order("M-4")?.reservations.len(), &0, "active reservations of the order that was fulfilled")?;
    equal(&order("M-5")?.guards.len(), &0, "the guards of another order")?;
    Ok(batch.rollback().await?)
}

fn variant(plan: &Plan, id: &str) -> Result<StockRef, Failure> {
    let pool = plan.stock.iter().position(|stock| stock.table.name == VARIANTS);
    Ok(StockRef { pool: present(pool, "pool of variants")?, key: Key::single(id) })
}

/// A checkout that adds to the counter is waited for, and what it wrote is what is read.
///
/// # Errors
/// It does not hold.
pub async fn lock_stock_waits_and_reads_what_was_committed(make: MakeShop) -> Result<(), Failure> {
    let mut world = five_due(make).await?;
    world.shop.provoke(Fault::LongWaits).await?;
    let mut shop = world.open().await?;
    let sweeper = Sweeper::new("one");
    acquire(shop.as_mut(), &sweeper).await?;
    let stock = [variant(shop.plan(), "1")?];
    let more = [("reserved_quantity", Cell::Integer(9))];
    world.session.begin().await?;
    world.session.update(VARIANTS, &more, &[("id", Cell::Integer(1))]).await?;
    let mut start = sweeper.batch();
    // Long enough for the other side to see us waiting.
    start.lock_wait = std::time::Duration::from_secs(5);
    let mut batch = shop.begin(start).await?;
    lock(batch.as_mut()).await?;
    let World { shop: database, session, .. } = &mut world;
    let commits = async {
        wait_until("the batch waits for the stock row", || {
            Box::pin(async { Ok(database.waiting_sessions().await? > 0) })
        })
        .await?;
        session.commit().await
    };
    let (rows, committed) = tokio::join!(batch.lock_stock(&stock, StockWait::Bounded), commits);
    committed?;
    let rows = rows?;
    equal(&present(rows.first(), "stock row")?.reserved, &Some(Quantity::new(9)), "the counter")?;
    Ok(batch.rollback().await?)
}

/// Where nothing is to be waited for, a busy row is left out, and the free ones are locked.
///
/// # Errors
/// It does not hold.
pub async fn lock_stock_leaves_busy_rows_out_where_it_may_not_wait(make: MakeShop) -> Result<(), Failure> {
    let mut world = five_due(make).await?;
    world.add_stock(Pool::Variant, 2, 10, Some(3)).await?;
    let mut shop = world.open().await?;
    let sweeper = Sweeper::new("one");
    acquire(shop.as_mut(), &sweeper).await?;
    let stock = [variant(shop.plan(), "1")?, variant(shop.plan(), "2")?, variant(shop.plan(), "404")?];
    world.session.begin().await?;
    world.session.lock(VARIANTS, &[("id", Cell::Integer(1))]).await?;
    let mut batch = shop.begin(sweeper.batch()).await?;
    lock(batch.as_mut()).await?;
    let rows = batch.lock_stock(&stock, StockWait::None).await?;
    let seen: Vec<(&StockRef, Option<Quantity>)> = rows.iter().map(|row| (&row.stock, row.reserved)).collect();
    let [_, free, _] = &stock;
    equal(&seen, &vec![(free, Some(Quantity::new(3)))], "the rows locked")?;
    batch.rollback().await?;
    world.session.commit().await
}

/// A row that stays busy is given up, and the shop is not disturbed.
///
/// # Errors
/// It does not hold.
pub async fn lock_stock_gives_up_after_the_wait_it_was_given(make: MakeShop) -> Result<(), Failure> {
    let mut world = five_due(make).await?;
    let mut shop = world.open().await?;
    let sweeper = Sweeper::new("one");
    acquire(shop.as_mut(), &sweeper).await?;
    let stock = [variant(shop.plan(), "1")?];
    world.session.begin().await?;
    world.session.lock(VARIANTS, &[]).await?;
    let mut start = sweeper.batch();
    start.lock_wait = std::time::Duration::from_millis(50);
    let mut batch = shop.begin(start).await?;
    lock(batch.as_mut()).await?;
    fails_as(
        batch.lock_stock(&stock, StockWait::Bounded).await,
        ShopErrorKind::LockTimeout,
        "locking a busy stock row",
    )?;
    batch.rollback().await?;
    world.session.commit().await
}

/// The shop holds a stock row and wants an order; we hold the order and want the row. We let go, never the customer.
///
/// # Errors
/// It does not hold.
pub async fn gives_way_in_a_deadlock_with_the_shop(make: MakeShop) -> Result<(), Failure> {
    let mut world = World::new(make, Rules::default()).await?;
    world.add_stock(Pool::Variant, 1, 10, Some(1)).await?;
    world.add_order("M-1", "pending").await?;
    world.add_reservation("M-1", NewReservation::variant(1, 1, -600)).await?;
    let mut shop = world.open().await?;
    let sweeper = Sweeper::new("one");
    acquire(shop.as_mut(), &sweeper).await?;
    let plan = shop.plan().clone();
    world.session.begin().await?;
    world.session.lock(VARIANTS, &[]).await?;
    let World { shop: database, session, .. } = &mut world;
    let mut batch = shop.begin(sweeper.batch()).await?;
    equal(&lock(batch.as_mut()).await?.len(), &1, "orders locked")?;
    let (paid, order) = ([("payment_status", Cell::text("paid"))], [("order_number", Cell::text("M-1"))]);
    let theirs = session.update(ORDERS, &paid, &order);
    let stock = [variant(&plan, "1")?];
    let ours = async {
        wait_until("the shop waits for the order", || Box::pin(async { Ok(database.waiting_sessions().await? > 0) }))
            .await?;
        let outcome = batch.lock_stock(&stock, StockWait::Bounded).await;
        batch.rollback().await?;
        fails_as(outcome, ShopErrorKind::LockTimeout, "locking what the shop holds")
    };
    let (ours, theirs) = tokio::join!(ours, theirs);
    ours?;
    equal(&theirs?, &1, "rows that the shop could write")?;
    world.session.commit().await?;
    let mut batch = shop.begin(sweeper.batch()).await?;
    equal(&prepare(batch.as_mut(), &plan).await?.reservations.len(), &0, "reservations due of a paid order")?;
    Ok(batch.rollback().await?)
}

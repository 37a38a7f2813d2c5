//! What a dry run sees: without a lock, without a write, without our own tables, without the right to write.

use std::collections::BTreeSet;

use unreserve_engine::model::Key;
use unreserve_engine::shop::{CheckedShop, InstallState, LockTest, ShopErrorKind, UNREADABLE};

use super::steps::{acquire, all, examine};
use crate::failure::{Failure, equal, fails_as, holds, present};
use crate::shops::{
    Access, DROPS, MakeShop, NewReservation, ORDERS, Pool, RESERVATIONS, Rules, STATEMENT_TIMEOUT, Sweeper, VARIANTS,
    World,
};

async fn three_due(make: MakeShop) -> Result<World, Failure> {
    let mut world = World::new(make, Rules::default()).await?;
    world.add_due_orders(&[("M-1", 30), ("M-2", 20), ("M-3", 10)]).await?;
    world.add_stock(Pool::Drop, 1, 5, Some(2)).await?;
    world.add_reservation("M-1", NewReservation::drop(1, 2, -1_500)).await?;
    world.add_payment("M-3", "succeeded").await?;
    Ok(world)
}

async fn surveyed(shop: &mut dyn CheckedShop) -> Result<Vec<Option<String>>, Failure> {
    let page = shop.survey(&all(100)).await?;
    Ok(page.orders.into_iter().map(|order| order.number).collect())
}

/// The two that no guard protects.
fn unguarded() -> Vec<Option<String>> {
    ["M-1", "M-2"].map(|number| Some(number.to_owned())).to_vec()
}

/// The same orders, the same reservations, the same counters as under a lock.
///
/// # Errors
/// It does not hold.
pub async fn shows_what_a_batch_would_examine_and_writes_nothing(make: MakeShop) -> Result<(), Failure> {
    let mut world = three_due(make).await?;
    let mut shop = world.open().await?;
    let sweeper = Sweeper::new("one");
    acquire(shop.as_mut(), &sweeper).await?;
    let before = world.look().await?;
    let page = shop.survey(&all(100)).await?;
    equal(&world.look().await?, &before, "the shop and the ledger")?;
    equal(&page.last, &None, "the place where the line goes on")?;
    let counters: BTreeSet<Option<i64>> =
        page.stock.iter().map(|row| row.reserved.map(unreserve_engine::model::Quantity::units)).collect();
    equal(&counters, &BTreeSet::from([Some(2), Some(3)]), "the counters")?;
    let mut batch = shop.begin(sweeper.batch()).await?;
    let mut examined = examine(batch.as_mut()).await?;
    batch.rollback().await?;
    let mut seen = page.orders;
    for reservation in examined.iter_mut().chain(&mut seen).flat_map(|order| &mut order.reservations) {
        // The batch began a moment later.
        holds(reservation.overdue_micros > 0, "it is overdue")?;
        reservation.overdue_micros = 0;
    }
    equal(&seen, &examined, "what a dry run sees, against what a batch examines")
}

/// Nothing of ours has to be there.
///
/// # Errors
/// It does not hold.
pub async fn works_before_anything_is_installed(make: MakeShop) -> Result<(), Failure> {
    let mut world = three_due(make).await?;
    let before = world.look_without_ledger().await?;
    let mut shop = world.open_as(Access::Owner, STATEMENT_TIMEOUT).await?;
    equal(&shop.info().installed, &InstallState::Absent, "our own tables")?;
    equal(&surveyed(shop.as_mut()).await?, &unguarded(), "orders seen")?;
    equal(&shop.outlook(10).await?.due_orders, &2, "orders due")?;
    holds(shop.explain("M-1", LockTest::Try).await?.is_some(), "an order can be explained")?;
    equal(&world.look_without_ledger().await?, &before, "the shop")
}

/// Nobody has to be allowed to write.
///
/// # Errors
/// It does not hold.
pub async fn works_for_somebody_who_may_only_read(make: MakeShop) -> Result<(), Failure> {
    let mut world = three_due(make).await?;
    for installed in [false, true] {
        if installed {
            world.install().await?;
        }
        let access = if installed { Access::SelectOnly } else { Access::ReadOnly };
        let mut shop = world.open_as(access, STATEMENT_TIMEOUT).await?;
        equal(&surveyed(shop.as_mut()).await?, &unguarded(), "orders seen")?;
        equal(&shop.outlook(10).await?.due_orders, &2, "orders due")?;
        equal(&shop.look(10).await?.0.looked_at, &4, "reservations looked at")?;
        holds(shop.explain("M-1", LockTest::Try).await?.is_some(), "an order can be explained")?;
    }
    let seen = world.look().await?;
    equal(&seen.ledger.sweeps.len(), &0, "sweeps in the ledger")
}

/// Page after page gives every order, and the line ends.
///
/// # Errors
/// It does not hold.
pub async fn turns_page_after_page(make: MakeShop) -> Result<(), Failure> {
    let world = three_due(make).await?;
    let mut shop = world.open().await?;
    let mut selection = all(1);
    let mut seen: Vec<Key> = Vec::new();
    for _ in 0..10 {
        let page = shop.survey(&selection).await?;
        seen.extend(page.orders.into_iter().map(|order| order.key));
        let Some(last) = page.last else { break };
        selection.after = Some(last);
    }
    // M-1 comes twice: it has two reservations.
    let distinct: BTreeSet<Key> = seen.iter().cloned().collect();
    equal(&(seen.len(), distinct.len()), &(3, 2), "orders of all pages, and how many differ")
}

/// What one order's row holds is that order's trouble alone, and it can still be explained.
///
/// # Errors
/// It does not hold.
pub async fn an_order_that_cannot_be_read_hides_no_other(make: MakeShop) -> Result<(), Failure> {
    let mut world = World::new(make, Rules { checks: false, ..Rules::default() }).await?;
    world.add_due_orders(&[("M-1", 30), ("M-2", 20)]).await?;
    world.add_order("odd", "pending").await?;
    world.add_reservation("odd", NewReservation::variant(1, -4, -1_500)).await?;
    let mut shop = world.open().await?;
    let page = shop.survey(&all(100)).await?;
    let guards = |number: &str| {
        let order = page.orders.iter().find(|order| order.number.as_deref() == Some(number));
        present(order.map(|order| order.guards.clone()), number)
    };
    equal(&guards("odd")?, &vec![UNREADABLE.to_owned()], "what keeps the odd order from its release")?;
    equal(&(guards("M-1")?, guards("M-2")?), &(Vec::new(), Vec::new()), "what keeps the others from theirs")?;
    let explained = present(shop.explain("odd", LockTest::Try).await?, "explanation")?;
    equal(&explained.reservations.len(), &1, "reservations explained")
}

/// P8: it ends while another session has every row of the shop locked.
///
/// # Errors
/// It does not hold.
pub async fn works_while_another_session_has_every_row_locked(make: MakeShop) -> Result<(), Failure> {
    let mut world = three_due(make).await?;
    let mut shop = world.open().await?;
    world.session.begin().await?;
    for table in [ORDERS, RESERVATIONS, VARIANTS, DROPS] {
        holds(world.session.lock(table, &[]).await? > 0, "rows were locked")?;
    }
    equal(&surveyed(shop.as_mut()).await?, &unguarded(), "orders seen")?;
    equal(&shop.outlook(10).await?.due_orders, &2, "orders due")?;
    let seen = present(shop.explain("M-1", LockTest::Try).await?, "explanation")?;
    equal(&seen.locked, &Some(true), "whether the order is locked")?;
    world.session.rollback().await
}

/// Who names an order by what is another's key is asked, not guessed at; written plainly, each is found.
///
/// # Errors
/// It does not hold.
pub async fn a_name_of_two_orders_is_refused(make: MakeShop) -> Result<(), Failure> {
    let mut world = World::new(make, Rules::default()).await?;
    let key = world.add_order("M-1", "pending").await?;
    world.add_order(&key, "pending").await?;
    let mut shop = world.open().await?;
    fails_as(shop.explain(&key, LockTest::Leave).await, ShopErrorKind::Ambiguous, "a key that is another's number")?;
    let by_key = present(shop.explain(&format!("key:{key}"), LockTest::Leave).await?, "the order of that key")?;
    equal(&by_key.number, &Some("M-1".to_owned()), "the number of the order of that key")?;
    let by_number =
        present(shop.explain(&format!("number:{key}"), LockTest::Leave).await?, "the order of that number")?;
    equal(&by_number.number, &Some(key), "the number of the order of that number")?;
    world.add_order("twice", "pending").await?;
    world.add_order("twice", "pending").await?;
    fails_as(shop.explain("twice", LockTest::Leave).await, ShopErrorKind::Ambiguous, "a number that two orders have")?;
    let plain = present(shop.explain("M-1", LockTest::Leave).await?, "an order by its number alone")?;
    equal(&plain.key.to_string(), &by_key.key.to_string(), "its key")
}

//! Every write repeats its guard, and the counts must match.

use unreserve_engine::model::{EndedReservation, Key, Quantity};
use unreserve_engine::shop::ShopErrorKind;
use unreserve_engine::sweep::Settlement;

use super::steps::{acquire, prepare};
use crate::failure::{Failure, equal, fails_as, present};
use crate::shops::{Cell, Fault, MakeShop, NewReservation, Pool, Rules, State, Sweeper, VARIANTS, World};

/// A counter that is not what was locked is left alone, and so is everything else of the batch.
///
/// # Errors
/// It does not hold.
pub async fn a_stock_row_that_changed_is_not_written(make: MakeShop) -> Result<(), Failure> {
    let mut world = World::new(make, Rules::default()).await?;
    world.add_due_orders(&[("M-1", 30), ("M-2", 20)]).await?;
    let mut shop = world.open().await?;
    let sweeper = Sweeper::new("one");
    acquire(shop.as_mut(), &sweeper).await?;
    let before = world.look().await?;
    let plan = shop.plan().clone();
    let mut batch = shop.begin(sweeper.batch()).await?;
    let mut settlement = prepare(batch.as_mut(), &plan).await?;
    let change = present(settlement.stock.first_mut(), "stock change")?;
    change.before.reserved = Some(Quantity::new(77));
    let written = batch.release(&settlement.stock, &settlement.reservations).await;
    fails_as(written, ShopErrorKind::Invariant, "releasing with a counter that changed")?;
    batch.rollback().await?;
    equal(&world.look().await?, &before, "the shop and the ledger")
}

/// A reservation that was fulfilled meanwhile is not released a second time.
///
/// # Errors
/// It does not hold.
pub async fn a_reservation_that_ended_is_not_released_again(make: MakeShop) -> Result<(), Failure> {
    let ended = NewReservation { state: State::Fulfilled, ..NewReservation::variant(1, 1, -600) };
    refuses_to_release(make, ended).await
}

/// A reservation that has not expired is not released, whoever asks for it.
///
/// # Errors
/// It does not hold.
pub async fn a_reservation_that_has_not_expired_is_not_released(make: MakeShop) -> Result<(), Failure> {
    refuses_to_release(make, NewReservation::variant(1, 1, 600)).await
}

async fn refuses_to_release(make: MakeShop, other: NewReservation) -> Result<(), Failure> {
    let mut world = World::new(make, Rules::default()).await?;
    world.add_due_orders(&[("M-1", 30)]).await?;
    world.add_order("M-2", "pending").await?;
    let other = world.add_reservation("M-2", other).await?;
    let order = world.key("M-2")?;
    refuses_after(world, |settlement| {
        let mut ended = present(settlement.reservations.first().cloned(), "reservation")?;
        (ended.key, ended.order) = (Key::single(other), order);
        settlement.reservations.push(ended);
        Ok(())
    })
    .await
}

/// Works out what is to be written, changes that, and expects that nothing of it is written.
async fn refuses_after(
    mut world: World,
    change: impl FnOnce(&mut Settlement) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut shop = world.open().await?;
    let sweeper = Sweeper::new("one");
    acquire(shop.as_mut(), &sweeper).await?;
    let before = world.look().await?;
    let plan = shop.plan().clone();
    let mut batch = shop.begin(sweeper.batch()).await?;
    let mut settlement = prepare(batch.as_mut(), &plan).await?;
    equal(&settlement.reservations.len(), &1, "reservations that are due")?;
    change(&mut settlement)?;
    let written = batch.release(&settlement.stock, &settlement.reservations).await;
    fails_as(written, ShopErrorKind::Invariant, "releasing what is not as it was examined")?;
    batch.rollback().await?;
    equal(&world.look().await?, &before, "the shop and the ledger")
}

/// A reservation that holds another quantity, another stock row or belongs to another order than when it was examined.
///
/// # Errors
/// It does not hold.
pub async fn a_reservation_that_is_not_as_it_was_examined_is_not_released(make: MakeShop) -> Result<(), Failure> {
    let changes: [fn(&mut EndedReservation); 4] = [
        |ended| ended.quantity = Quantity::new(2),
        |ended| ended.order = Key::single("00000000-0000-4000-8000-000000000000"),
        |ended| ended.stock.clear(),
        |ended| ended.stock.iter_mut().for_each(|stock| stock.key = Key::single("2")),
    ];
    for change in changes {
        let mut world = World::new(make, Rules::default()).await?;
        world.add_due_orders(&[("M-1", 30)]).await?;
        refuses_after(world, |settlement| {
            change(present(settlement.reservations.first_mut(), "reservation")?);
            Ok(())
        })
        .await?;
    }
    Ok(())
}

/// The reservation of an order that was paid, by status or by a payment, is not released, whoever asks for it.
///
/// # Errors
/// It does not hold.
pub async fn a_reservation_of_a_paid_order_is_not_released(make: MakeShop) -> Result<(), Failure> {
    for by_status in [true, false] {
        let mut world = World::new(make, Rules::default()).await?;
        world.add_due_orders(&[("M-1", 30)]).await?;
        let status = if by_status { "paid" } else { "pending" };
        world.add_order("M-2", status).await?;
        let other = world.add_reservation("M-2", NewReservation::variant(1, 1, -600)).await?;
        if !by_status {
            world.add_payment("M-2", "succeeded").await?;
        }
        let order = world.key("M-2")?;
        refuses_after(world, |settlement| {
            let mut ended = present(settlement.reservations.first().cloned(), "reservation")?;
            (ended.key, ended.order) = (Key::single(other), order);
            settlement.reservations.push(ended);
            Ok(())
        })
        .await?;
    }
    Ok(())
}

/// A trigger that writes another counter than the one it was given is noticed before the commit.
///
/// # Errors
/// It does not hold.
pub async fn a_counter_that_a_trigger_changes_is_noticed(make: MakeShop) -> Result<(), Failure> {
    let mut world = World::new(make, Rules::default()).await?;
    world.add_due_orders(&[("M-1", 30)]).await?;
    world.shop.provoke(Fault::Meddle { table: VARIANTS, column: "reserved_quantity" }).await?;
    refuses_after(world, |_| Ok(())).await
}

/// Paid, guarded, cancelled already, or with something still reserved: none of them is cancelled.
///
/// # Errors
/// It does not hold.
pub async fn an_order_that_may_not_be_cancelled_is_not(make: MakeShop) -> Result<(), Failure> {
    let mut world = World::new(make, Rules::default()).await?;
    world.add_stock(Pool::Variant, 1, 10, Some(1)).await?;
    world.add_order("paid", "paid").await?;
    world.add_order("guarded", "pending").await?;
    world.add_payment("guarded", "succeeded").await?;
    world.add_order("cancelled", "cancelled").await?;
    world.add_order("holding", "pending").await?;
    world.add_reservation("holding", NewReservation::variant(1, 1, 600)).await?;
    world.add_order("fit", "pending").await?;
    let mut shop = world.open().await?;
    let sweeper = Sweeper::new("one");
    acquire(shop.as_mut(), &sweeper).await?;
    let before = world.look().await?;
    for number in ["paid", "guarded", "cancelled", "holding"] {
        let orders = [world.key("fit")?, world.key(number)?];
        let mut batch = shop.begin(sweeper.batch()).await?;
        fails_as(batch.cancel_orders(&orders).await, ShopErrorKind::Invariant, number)?;
        batch.rollback().await?;
        equal(&world.look().await?, &before, number)?;
    }
    // The counter-test: alone, the one that may be cancelled is.
    let orders = [world.key("fit")?];
    let mut batch = shop.begin(sweeper.batch()).await?;
    batch.cancel_orders(&orders).await?;
    batch.rollback().await?;
    world.change_order("fit", &[("order_status", Cell::text("failed"))]).await
}

//! Every write repeats its guard, and the counts must match.

use unreserve_engine::model::{Key, Quantity};
use unreserve_engine::shop::ShopErrorKind;

use super::steps::{acquire, prepare};
use crate::failure::{Failure, equal, fails_as, present};
use crate::shops::{Cell, MakeShop, NewReservation, Pool, Rules, State, Sweeper, World};

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
    let mut shop = world.open().await?;
    let sweeper = Sweeper::new("one");
    acquire(shop.as_mut(), &sweeper).await?;
    let before = world.look().await?;
    let plan = shop.plan().clone();
    let mut batch = shop.begin(sweeper.batch()).await?;
    let mut settlement = prepare(batch.as_mut(), &plan).await?;
    equal(&settlement.reservations.len(), &1, "reservations that are due")?;
    settlement.reservations.push(Key::single(other));
    let written = batch.release(&settlement.stock, &settlement.reservations).await;
    fails_as(written, ShopErrorKind::Invariant, "releasing one that is not due")?;
    batch.rollback().await?;
    equal(&world.look().await?, &before, "the shop and the ledger")
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

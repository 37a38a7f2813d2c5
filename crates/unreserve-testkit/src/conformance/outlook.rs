//! What lies ahead, and the database's now, in one answer.

use unreserve_engine::ledger::SetAside;
use unreserve_engine::shop::Selection;

use super::steps::acquire;
use crate::failure::{Failure, equal, holds, present};
use crate::shops::{Cell, MakeShop, NewReservation, Pool, Rules, State, Sweeper, World};

/// Nothing is due, and nothing will be.
///
/// # Errors
/// It does not hold.
pub async fn nothing_lies_ahead_in_an_empty_shop(make: MakeShop) -> Result<(), Failure> {
    let world = World::new(make, Rules::default()).await?;
    let mut shop = world.open().await?;
    let seen = shop.outlook(10).await?;
    equal(&(seen.due_orders, seen.oldest_overdue_micros, seen.next_expiry), &(0, 0, None), "the outlook")
}

/// What no batch tries is told: guarded orders once each, orders set aside, expired reservations without an order.
///
/// # Errors
/// It does not hold.
pub async fn tells_what_is_left_alone(make: MakeShop) -> Result<(), Failure> {
    let mut world = World::new(make, Rules::default()).await?;
    world.add_due_orders(&[("due", 10), ("younger", 20), ("older", 40), ("aside", 50), ("paid", 60)]).await?;
    world.change_order("paid", &[("payment_status", Cell::text("paid"))]).await?;
    for guarded in ["older", "younger"] {
        world.add_reservation(guarded, NewReservation::variant(1, 1, -60)).await?;
        world.add_payment(guarded, "succeeded").await?;
    }
    world.add_reservation_without_order(NewReservation::variant(1, 1, -60)).await?;
    world.add_reservation_without_order(NewReservation::variant(1, 1, 600)).await?;
    let ended = NewReservation { state: State::Fulfilled, ..NewReservation::variant(1, 1, -60) };
    world.add_reservation_without_order(ended).await?;
    let mut shop = world.open().await?;
    let sweeper = Sweeper::new("one");
    acquire(shop.as_mut(), &sweeper).await?;
    let aside = SetAside { order: world.key("aside")?, number: None, reason: "a trigger refuses it".to_owned() };
    shop.set_aside(&sweeper.holder.token, &aside).await?;
    let left = shop.leftovers(100).await?;
    let guarded: Vec<_> = left.guarded.iter().filter_map(|order| order.number.clone()).collect();
    equal(&guarded, &vec!["older".to_owned(), "younger".to_owned()], "guarded orders, oldest first")?;
    let guard = present(left.guarded.first(), "guarded order")?.guards.len();
    equal(&(guard, left.set_aside, left.without_order), &(1, 1, 1), "guards, orders set aside, without an order")?;
    equal(&left.outlook.due_orders, &1, "orders due")?;
    equal(&left.at_least, &false, "whether there may be more")?;
    let locked = shop.begin(sweeper.batch()).await?.lock_due(&Selection { limit: 100, ..Selection::default() }).await?;
    let locked: Vec<_> = locked.orders.into_iter().filter_map(|order| order.number).collect();
    equal(&locked, &vec!["due".to_owned()], "what a batch locks")
}

/// Of very many expired reservations only the oldest are read, and then it is said that there may be more.
///
/// # Errors
/// It does not hold.
pub async fn reads_no_more_than_was_asked_for_to_tell_what_is_left_alone(make: MakeShop) -> Result<(), Failure> {
    let mut world = World::new(make, Rules::default()).await?;
    let numbers: Vec<String> = (1..=8).map(|minutes| format!("M-{minutes}")).collect();
    let mut orders: Vec<(&str, i64)> = numbers.iter().map(String::as_str).zip(10..).collect();
    orders.push(("guarded", 5));
    world.add_due_orders(&orders).await?;
    world.add_payment("guarded", "succeeded").await?;
    world.add_reservation_without_order(NewReservation::variant(1, 1, -60)).await?;
    let mut shop = world.open().await?;
    for (limit, expected) in [(1, (0, 0, true)), (2, (1, 1, false))] {
        let left = shop.leftovers(limit).await?;
        let seen = (left.guarded.len(), left.without_order, left.at_least);
        equal(&seen, &expected, &format!("guarded, without an order, and whether there may be more, of {limit}"))?;
    }
    Ok(())
}

/// Paid, guarded, set aside and not yet expired orders are not counted; each order counts once.
///
/// # Errors
/// It does not hold.
pub async fn counts_only_orders_that_can_be_released(make: MakeShop) -> Result<(), Failure> {
    let mut world = World::new(make, Rules::default()).await?;
    world
        .add_due_orders(&[("M-1", 10), ("M-2", 20), ("paid", 30), ("guarded", 40), ("aside", 50), ("leak", 15)])
        .await?;
    world.add_reservation("M-2", NewReservation::variant(1, 1, -600)).await?;
    world.change_order("paid", &[("payment_status", Cell::text("paid"))]).await?;
    world.change_order("leak", &[("payment_status", Cell::text("cancelled"))]).await?;
    world.add_payment("guarded", "succeeded").await?;
    world.add_payment("M-1", "failed").await?;
    for (number, seconds) in [("later", 900), ("soon", 300)] {
        world.add_order(number, "pending").await?;
        world.add_reservation(number, NewReservation::variant(1, 1, seconds)).await?;
    }
    let mut shop = world.open().await?;
    let sweeper = Sweeper::new("one");
    acquire(shop.as_mut(), &sweeper).await?;
    let aside = SetAside { order: world.key("aside")?, number: None, reason: "a trigger refuses it".to_owned() };
    shop.set_aside(&sweeper.holder.token, &aside).await?;
    let seen = shop.outlook(100).await?;
    equal(&seen.due_orders, &3, "orders due")?;
    let overdue = seen.oldest_overdue_micros.checked_div(1_000_000).unwrap_or(0);
    holds((1_200..1_260).contains(&overdue), &format!("the oldest is twenty minutes overdue, not {overdue} s"))?;
    let next = present(seen.next_expiry, "next expiry")?;
    let seconds = next.as_second().saturating_sub(seen.now.as_second());
    holds((240..=300).contains(&seconds), &format!("the next one expires in five minutes, not in {seconds} s"))
}

/// A bounded count never says more than its bound.
///
/// # Errors
/// It does not hold.
pub async fn counts_up_to_the_bound(make: MakeShop) -> Result<(), Failure> {
    let mut world = World::new(make, Rules::default()).await?;
    world.add_due_orders(&[("M-1", 10), ("M-2", 20), ("M-3", 30), ("M-4", 40)]).await?;
    let mut shop = world.open().await?;
    for (bound, expected) in [(1, 1), (3, 3), (4, 4), (5, 4), (u64::MAX, 4)] {
        equal(&shop.outlook(bound).await?.due_orders, &expected, &format!("orders due, counted up to {bound}"))?;
    }
    Ok(())
}

/// However few are counted, the age of the oldest is the age of the oldest.
///
/// # Errors
/// It does not hold.
pub async fn a_bounded_count_still_knows_the_oldest(make: MakeShop) -> Result<(), Failure> {
    let mut world = World::new(make, Rules::default()).await?;
    let numbers: Vec<String> = (1..=30).map(|minutes| format!("M-{minutes}")).collect();
    let orders: Vec<(&str, i64)> = numbers.iter().map(String::as_str).zip(1..).collect();
    world.add_due_orders(&orders).await?;
    let mut shop = world.open().await?;
    let seen = shop.outlook(1).await?;
    let overdue = seen.oldest_overdue_micros.checked_div(1_000_000).unwrap_or(0);
    holds((1_800..1_860).contains(&overdue), &format!("the oldest is thirty minutes overdue, not {overdue} s"))
}

/// The bound on orders is what stops a sweep that is too large: many reservations to an order must not hide the orders.
///
/// # Errors
/// It does not hold.
pub async fn orders_with_many_reservations_are_counted_up_to_the_bound(make: MakeShop) -> Result<(), Failure> {
    let mut world = World::new(make, Rules::default()).await?;
    world.add_stock(Pool::Variant, 1, 100, Some(60)).await?;
    for number in ["M-1", "M-2", "M-3"] {
        world.add_order(number, "pending").await?;
        for _ in 0..20 {
            world.add_reservation(number, NewReservation::variant(1, 1, -600)).await?;
        }
    }
    let mut shop = world.open().await?;
    for (bound, expected) in [(1, 1), (2, 2), (3, 3), (10, 3)] {
        equal(&shop.outlook(bound).await?.due_orders, &expected, &format!("orders due, counted up to {bound}"))?;
    }
    Ok(())
}

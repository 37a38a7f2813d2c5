//! What reservations hold right now: by when it comes back, and of which stock rows.

use unreserve_engine::model::Quantity;
use unreserve_engine::shop::{HELD_MINUTES, HeldSum};

use crate::failure::{Failure, equal, holds, present};
use crate::shops::{MakeShop, NewReservation, Pool, Rules, State, World};

const PLENTY: u32 = 100;

/// Some of an unpaid order, some of a paid one, one that is protected by its payment, one without an order, one that has
/// ended.
async fn some_held(make: MakeShop) -> Result<World, Failure> {
    let mut world = World::new(make, Rules::default()).await?;
    world.add_stock(Pool::Variant, 1, 50, Some(17)).await?;
    world.add_stock(Pool::Variant, 2, 50, Some(4)).await?;
    world.add_stock(Pool::Variant, 3, 50, Some(0)).await?;
    world.add_stock(Pool::Drop, 1, 50, Some(2)).await?;
    for (number, status) in [("M-1", "pending"), ("M-2", "paid"), ("M-3", "pending")] {
        world.add_order(number, status).await?;
    }
    world.add_payment("M-3", "succeeded").await?;
    world.add_reservation("M-1", NewReservation::variant(1, 1, -30)).await?;
    world.add_reservation("M-1", NewReservation::variant(1, 2, 630)).await?;
    world.add_reservation("M-1", NewReservation::variant(1, 3, 640)).await?;
    world.add_reservation("M-1", NewReservation::drop(1, 2, 7 * 86_400)).await?;
    world.add_reservation("M-2", NewReservation::variant(1, 5, 600)).await?;
    world.add_reservation("M-3", NewReservation::variant(1, 6, 600)).await?;
    world
        .add_reservation("M-1", NewReservation { state: State::Fulfilled, ..NewReservation::variant(1, 9, 600) })
        .await?;
    Ok(world)
}

fn sum(reservations: u64, units: i64) -> HeldSum {
    HeldSum { reservations, units }
}

/// Only what comes back is told, by the minute it does, up to the bound.
///
/// # Errors
/// It does not hold.
pub async fn tells_by_when_what_is_held_comes_back(make: MakeShop) -> Result<(), Failure> {
    let world = some_held(make).await?;
    let mut shop = world.open().await?;
    let held = shop.held(PLENTY).await?;
    equal(&held.sum(), &sum(4, 8), "all that comes back")?;
    equal(&held.minutes.get(&-1), &Some(&sum(1, 1)), "what has expired")?;
    equal(&held.minutes.get(&HELD_MINUTES), &Some(&sum(1, 2)), "what comes back later than a day from now")?;
    let soon = held.minutes.range(0..=10).fold(sum(0, 0), |all, (_, one)| all.plus(*one));
    equal(&soon, &sum(2, 5), "what comes back within eleven minutes")?;
    holds(held.minutes.range(0..5).next().is_none(), "nothing of it within five minutes")?;
    holds(!held.at_least, "everything was read")?;
    let first = shop.held(2).await?;
    equal(&(first.sum().reservations, first.at_least), &(2, true), "the two that expire first")?;
    equal(&first.minutes.get(&-1), &Some(&sum(1, 1)), "the one that has expired comes first")
}

/// Where nothing is held, nothing is told.
///
/// # Errors
/// It does not hold.
pub async fn an_empty_shop_holds_nothing(make: MakeShop) -> Result<(), Failure> {
    let world = World::new(make, Rules::default()).await?;
    let mut shop = world.open().await?;
    let held = shop.held(PLENTY).await?;
    equal(&(held.minutes.len(), held.at_least), &(0, false), "what is held")?;
    let stock = shop.stock_holdings(PLENTY).await?;
    equal(&(stock.rows.len(), stock.counters.len(), stock.at_least), &(0, 0, false), "of which stock rows")?;
    let now = shop.outlook(1).await?.now;
    let seconds = now.as_second().saturating_sub(held.now.as_second());
    holds((0..60).contains(&seconds), "the database's now")
}

/// Every active reservation is summed by its stock row, those that come back apart, and compared with the counter.
///
/// # Errors
/// It does not hold.
pub async fn tells_what_is_held_of_each_stock_row_and_what_its_counter_says(make: MakeShop) -> Result<(), Failure> {
    let mut world = some_held(make).await?;
    world.add_reservation_without_order(NewReservation::variant(3, 1, 600)).await?;
    let mut shop = world.open().await?;
    let holdings = shop.stock_holdings(PLENTY).await?;
    holds(!holdings.at_least, "everything was read")?;
    let variants = present(
        shop.plan().stock.iter().position(|stock| stock.table.name == Pool::Variant.table()),
        "the table of variants",
    )?;
    let of = |item: &str| {
        let found = holdings.rows.iter().find(|row| row.stock.pool == variants && row.stock.key.to_string() == item);
        found.map(|row| (row.all, row.coming_back))
    };
    equal(&of("1"), &Some((sum(5, 17), sum(3, 6))), "the first variant")?;
    equal(&of("2"), &None, "the second, which nothing holds")?;
    equal(&of("3"), &Some((sum(1, 1), sum(0, 0))), "the third, held for no order")?;
    equal(&holdings.rows.len(), &3, "rows, the other table's too")?;
    let (compared, differences) = holdings.differences();
    equal(&compared, &4, "rows whose counters were compared")?;
    let told: Vec<(String, Quantity, i64)> =
        differences.iter().map(|row| (row.stock.key.to_string(), row.counter, row.held)).collect();
    let (stuck, lacking) = (("2".to_owned(), Quantity::new(4), 0), ("3".to_owned(), Quantity::ZERO, 1));
    equal(&told, &vec![stuck, lacking], "the counters that differ, the largest difference first")?;
    let few = shop.stock_holdings(1).await?;
    holds(few.at_least, "that there may be more is told")
}

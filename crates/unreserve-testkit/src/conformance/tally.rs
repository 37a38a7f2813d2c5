//! Sums over some days of the ledger.

use jiff::{SignedDuration, Timestamp};
use unreserve_engine::ledger::{DayTally, Tally, TallyQuery};
use unreserve_engine::shop::CheckedShop;

use super::steps::{acquire, end, whole_batch};
use crate::failure::{Failure, equal, holds, present};
use crate::shops::{MakeShop, NewReservation, Rules, Sweeper, World};

/// The days round this instant: so many before it, and the one after it.
fn days_round(now: Timestamp, before: i64) -> Result<TallyQuery, Failure> {
    let midnight = |days: i64| {
        let day = now.as_second().div_euclid(86_400).saturating_add(days);
        Timestamp::from_second(day.saturating_mul(86_400))
    };
    let (from, to) = (midnight(before.saturating_neg())?, midnight(2)?);
    Ok(TallyQuery { profile: "malikli".to_owned(), from, to, stock_max: 1 })
}

async fn sum(shop: &mut dyn CheckedShop, query: &TallyQuery) -> Result<(Tally, DayTally), Failure> {
    let tally = shop.tally(query).await?;
    // A test that runs at midnight has two days.
    let all = tally.sum();
    Ok((tally, all))
}

/// Where nothing was swept, there is nothing to sum.
///
/// # Errors
/// It does not hold.
pub async fn an_empty_ledger_sums_to_nothing(make: MakeShop) -> Result<(), Failure> {
    let world = World::new(make, Rules::default()).await?;
    let mut shop = world.open().await?;
    let now = shop.outlook(1).await?.now;
    let (tally, all) = sum(shop.as_mut(), &days_round(now, 7)?).await?;
    equal(&all, &DayTally::default(), "the sums")?;
    equal(&(tally.days.len(), tally.lags.len(), tally.stock.len()), &(0, 0, 0), "days, lags and stock")?;
    holds(tally.now >= now, "the database's now")
}

/// Batches, sweeps, lags and stock of the days that were asked for, of this profile, and no others.
///
/// # Errors
/// It does not hold.
pub async fn sums_what_the_ledger_has_of_these_days_and_of_no_others(make: MakeShop) -> Result<(), Failure> {
    let mut world = World::new(make, Rules::default()).await?;
    world.add_due_orders(&[("M-1", 1)]).await?;
    world.add_order("M-2", "pending").await?;
    world.add_reservation("M-2", NewReservation::variant(1, 5, -3_600)).await?;
    let mut shop = world.open().await?;
    for name in ["one", "two"] {
        let sweeper = Sweeper::new(name);
        acquire(shop.as_mut(), &sweeper).await?;
        if name == "one" {
            whole_batch(shop.as_mut(), &sweeper).await?;
            shop.close(&sweeper.holder.token, &end(&sweeper)).await?;
        }
    }
    let now = shop.outlook(1).await?.now;
    let query = days_round(now, 1)?;
    let (tally, all) = sum(shop.as_mut(), &query).await?;
    equal(&(all.sweeps, all.sweeps_well), &(2, 1), "sweeps, and those that ended well")?;
    equal(&(all.reservations, all.units, all.orders_cancelled), &(2, 6, 2), "reservations, units, orders")?;
    // One unit for a minute, five for an hour, and whatever the test took.
    let lost_minutes = all.lost_unit_millis / 60_000;
    holds((301..360).contains(&lost_minutes), &format!("units times minutes lost, not {lost_minutes}"))?;
    holds((0..600_000).contains(&all.back_unit_millis), "units times milliseconds given back since just now")?;
    let [(short, 1), (long, 1)] = tally.lags.as_slice() else {
        return Err(Failure::new(format!("two lags were expected, not {:?}", tally.lags)));
    };
    holds((60_000..120_000).contains(short) && (3_600_000..3_660_000).contains(long), "the lags")?;
    holds(short % 1_000 == 0 && long % 1_000 == 0, "long lags are told in whole seconds")?;
    let stock = present(tally.stock.first(), "stock row")?;
    equal(&(tally.stock.len(), stock.reservations, stock.units), &(1, 2, 6), "the stock row with the most units")?;

    let later =
        TallyQuery { from: query.to, to: query.to.checked_add(SignedDuration::from_hours(24))?, ..query.clone() };
    equal(&sum(shop.as_mut(), &later).await?.1, &DayTally::default(), "the sums of the days after")?;
    let earlier =
        TallyQuery { from: query.from.checked_sub(SignedDuration::from_hours(240))?, to: query.from, ..query.clone() };
    equal(&sum(shop.as_mut(), &earlier).await?.1, &DayTally::default(), "the sums of the days before")?;
    let other = TallyQuery { profile: "other".to_owned(), ..query };
    equal(&sum(shop.as_mut(), &other).await?.1, &DayTally::default(), "the sums of another profile")
}

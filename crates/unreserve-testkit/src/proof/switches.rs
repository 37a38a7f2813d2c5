//! L6: columns without a zone, over both switches of the hour: no local time is taken for an earlier instant than it may mean.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use unreserve_engine::plan::Policy;
use unreserve_engine::shop::CheckedShop;
use uuid::Uuid;

use super::Arena;
use super::clocks::naive_or_not;
use super::market::swept;
use crate::failure::{Failure, equal, holds, present};
use crate::shops::{Cell, Pool, RESERVATIONS, World};

/// Zones that switch by an hour, on both sides of Greenwich.
const CI: &[&str] = &["Europe/Berlin"];
const NIGHTLY: &[&str] = &["Europe/Berlin", "America/New_York", "Australia/Sydney"];

/// Where the cutoff lies, in minutes from the switch; no local time of the test lies there.
const CUTOFFS: [i64; 5] = [-62, -17, 13, 43, 73];

/// A reservation every so many minutes, for so many minutes on both sides of the switch.
const STEP: i64 = 5;
const WIDTH: i64 = 180;

/// Sweeps over the switches; how many sweeps there were. Nothing where the database knows no zones by name.
pub(super) async fn run(arena: &Arena) -> Result<u64, Failure> {
    let mut sweeps = 0;
    for zone in arena.intensity.pick(CI, NIGHTLY) {
        let mut world = naive_or_not(arena, true).await?;
        world.shop.know_zone(zone).await?;
        let profile = world.profile.replace("time_zone = \"UTC\"", &format!("time_zone = \"{zone}\""));
        holds(profile.contains(zone), "the profile says a zone")?;
        world.set_profile(&profile);
        let tz = TimeZone::get(zone).map_err(|error| Failure::new(error.to_string()))?;
        let now = world.open().await?.outlook(1).await?.now;
        let switches: Vec<Timestamp> = tz.preceding(now).take(2).map(|switch| switch.timestamp()).collect();
        equal(&switches.len(), &2, "switches of the hour before now")?;
        for switch in switches {
            for minutes in CUTOFFS {
                let told = |failure: Failure| failure.during(&format!("{zone}, {minutes} minutes after {switch}"));
                one(&mut world, &tz, (switch, minutes)).await.map_err(told)?;
                sweeps += 1;
            }
        }
    }
    Ok(sweeps)
}

/// One sweep whose cutoff lies so many minutes after a switch that is long past: what is added to every expiry moves it there.
async fn one(world: &mut World, tz: &TimeZone, (switch, minutes): (Timestamp, i64)) -> Result<(), Failure> {
    let columns = fill(world, tz, switch).await?;
    let cutoff = switch + SignedDuration::from_mins(minutes);
    let mut shop = world.open().await?;
    let now = shop.outlook(1).await?.now;
    let grace = Duration::try_from(now.duration_since(cutoff)).map_err(|error| Failure::new(error.to_string()))?;
    drop(shop);
    shop = world.open_with(Policy { timeout: None, grace }).await?;
    swept(shop.as_mut(), 25).await?;
    let later = later(shop.as_mut(), grace).await?;
    let released: BTreeSet<DateTime> = released(world, &columns).await?;
    let mut due = 0;
    for (_, column) in &columns {
        let meant = tz.to_ambiguous_timestamp(*column).later().map_err(|error| Failure::new(error.to_string()))?;
        let what = format!("{column}, which may mean {meant}");
        holds(!released.contains(column) || meant <= later, &format!("P1: not released early: {what}"))?;
        holds(released.contains(column) || meant > cutoff, &format!("P6: released when it is due: {what}"))?;
        due += usize::from(meant <= cutoff);
    }
    equal(&released.len(), &due, "reservations released")?;
    holds(due > 0 && due < columns.len(), "some are due and some are not")
}

/// The database's now, less what is added to every expiry.
async fn later(shop: &mut dyn CheckedShop, grace: Duration) -> Result<Timestamp, Failure> {
    let grace = SignedDuration::try_from(grace).map_err(|error| Failure::new(error.to_string()))?;
    Ok(shop.outlook(1).await?.now - grace)
}

/// Every local time round the switch that a clock on the wall shows or leaves out, each once, with an order of its own.
async fn fill(world: &mut World, tz: &TimeZone, switch: Timestamp) -> Result<Vec<(String, DateTime)>, Failure> {
    let wall = tz.to_datetime(switch);
    let mut columns = Vec::new();
    world.session.clear().await?;
    world.session.begin().await?;
    let count = 2 * WIDTH / STEP + 1;
    world.add_stock(Pool::Variant, 1, 1_000, Some(count)).await?;
    for index in 0..count {
        let column = wall + (index * STEP - WIDTH).minutes();
        let number = format!("S-{index}");
        let order = world.add_order(&number, "pending").await?;
        let (written, created) = (column.strftime("%F %T"), (column - 15.minutes()).strftime("%F %T").to_string());
        let row = [
            ("reservation_id", Cell::text(Uuid::new_v4().to_string())),
            ("order_id", Cell::text(&order)),
            ("product_variant_id", Cell::Integer(1)),
            ("reservation_type", Cell::text("standard")),
            ("quantity", Cell::Integer(1)),
            ("expires_at", Cell::text(written.to_string())),
            ("is_active", Cell::Boolean(true)),
            ("created_at", Cell::text(created)),
        ];
        world.session.insert(RESERVATIONS, &row).await?;
        columns.push((number, column));
    }
    world.session.commit().await?;
    Ok(columns)
}

async fn released(world: &mut World, columns: &[(String, DateTime)]) -> Result<BTreeSet<DateTime>, Failure> {
    let seen = super::audit::shop(world).await?;
    let mut released = BTreeSet::new();
    for (number, column) in columns {
        let order = present(seen.orders.get(number), &format!("order {number}"))?;
        if order.payment_status == "cancelled" {
            released.insert(*column);
        }
    }
    Ok(released)
}

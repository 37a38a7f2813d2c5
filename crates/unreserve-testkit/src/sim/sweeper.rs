//! Those who sweep: the engine itself, on a shop that meets trouble, by a clock that lies.

use std::sync::Arc;
use std::time::Duration;

use unreserve_engine::model::SweepId;
use unreserve_engine::report::report_sweep;
use unreserve_engine::shop::{CheckedShop, Shop, ShopError};
use unreserve_engine::sweep::{Clock, Silent, Stop, SweepError, SweepOutcome, SweepRequest, dry_sweep, sweep};

use super::choices::Choices;
use super::faults::Faulty;
use super::lying_clock::LyingClock;
use super::shop::MemoryShop;
use super::world::{ChosenTroubles, Told, World, ledger_of};
use crate::shops::{Access, LOCK_WAIT};

/// Which of them it is, in a place of his own: a machine and a lock file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place(pub(super) usize);

impl Place {
    /// The machine.
    #[must_use]
    pub(super) fn host(self) -> String {
        format!("host {}", self.0)
    }
}

/// Sweeps again and again, until everybody is to finish.
pub(super) async fn sweep_for_ever(world: Arc<World>, choices: Choices, place: Place, begins_in: i64) {
    world.sleep(begins_in).await;
    let lies = world.lies.get(place.0).copied().unwrap_or((0, 1_000));
    let clock = LyingClock::new(&world.database.time, &choices, lies);
    while !world.is_closing() {
        if world.trouble > 0 && choices.happens(20) {
            clock.jump(choices.one_of(&[1_000_000, 60_000_000, 86_400_000_000]));
        }
        if choices.happens(120) {
            dry(&world, &choices, place, &clock).await;
        } else {
            let sizes = [500_u32, 1, 2, 5];
            let size = choices.one_of(&sizes);
            let most = if choices.happens(50) { 2 } else { 5_000 };
            once(&world, &choices, place, &clock, (size, most)).await;
        }
        world.ponder(&choices, &[30_000, 10_000, 100_000, 1_000_000, 3_000_000]).await;
    }
}

fn request(world: &World, place: Place, (batch_size, max_orders): (u32, u64)) -> SweepRequest {
    SweepRequest {
        sweep_id: SweepId::new(),
        holder: world.holder(place),
        version: "simulated".to_owned(),
        batch_size,
        max_orders,
        only: None,
        lock_wait: LOCK_WAIT,
        stop: Stop::default(),
    }
}

/// A shop that meets trouble.
pub(super) async fn open<'c>(
    world: &Arc<World>,
    choices: &Choices,
    clock: &'c dyn Clock,
    shop: MemoryShop,
) -> Result<Faulty<'c>, ShopError> {
    let checked: Box<dyn CheckedShop> = Box::new(shop).check(world.plan.clone()).await?;
    Ok(Faulty::new(checked, Arc::new(ChosenTroubles(Arc::clone(world), choices.clone())), clock))
}

/// A way to the database.
pub(super) fn connect(world: &World) -> MemoryShop {
    MemoryShop::connect(&world.database, Access::Owner, Duration::from_secs(5))
}

async fn dry(world: &Arc<World>, choices: &Choices, place: Place, clock: &LyingClock) {
    let Ok(mut shop) = open(world, choices, clock, connect(world).dry()).await else { return };
    let request = request(world, place, (3, 5_000));
    let foreseen = dry_sweep(&mut shop, clock, &request).await;
    world.trace(|| {
        format!("sweeper {} foresees {} batches", place.0, foreseen.map_or(0, |(_, batches, _)| batches.len()))
    });
}

/// One sweep, and its report. Whether it ended with nothing due and nothing wrong.
pub(super) async fn once(
    world: &Arc<World>,
    choices: &Choices,
    place: Place,
    clock: &LyingClock,
    sizes: (u32, u64),
) -> bool {
    let Ok(mut shop) = open(world, choices, clock, connect(world)).await else { return false };
    let swept = sweep_and_tell(world, &mut shop, clock, (place, sizes.0, sizes.1), &Stop::default()).await;
    swept.is_ok_and(|outcome| outcome.stopped_by.is_none() && !outcome.facts.remaining_due)
}

/// One sweep of a shop that is open, and its report.
pub(super) async fn sweep_and_tell(
    world: &World,
    shop: &mut dyn CheckedShop,
    clock: &LyingClock,
    (place, batch_size, max_orders): (Place, u32, u64),
    stop: &Stop,
) -> Result<SweepOutcome, SweepError> {
    let request = SweepRequest { stop: stop.clone(), ..request(world, place, (batch_size, max_orders)) };
    let swept = sweep(shop, clock, &request, &mut Silent).await;
    match &swept {
        Ok(outcome) => {
            let stopped = outcome.stopped_by.as_ref().map(ToString::to_string);
            world.trace(|| {
                format!("sweeper {} has swept, stopped by {stopped:?}: {:?}", place.0, outcome.facts.protected)
            });
        }
        Err(error) => world.trace(|| format!("sweeper {} does not begin: {error}", place.0)),
    }
    let outcome = swept?;
    if let Some((record, entries)) = ledger_of(shop, request.sweep_id).await {
        let report = report_sweep(&outcome, &record, Some(&entries), "memory");
        world.tell(Told {
            sweep_id: report.sweep_id,
            batches: report.batches,
            reservations: report.reservations_released,
            units: report.units_released,
            cancelled: report.orders_cancelled,
            changes: report.changes.map_or(0, |changes| changes.len()),
        });
    }
    Ok(outcome)
}

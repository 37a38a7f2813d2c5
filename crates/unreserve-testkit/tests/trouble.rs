//! What a sweep makes of calls that are refused, or whose answers are lost, one place at a time.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use unreserve_engine::ledger::HistoryQuery;
use unreserve_engine::shop::{Ledger, ShopErrorKind};
use unreserve_engine::sweep::{Silent, Stop, SweepError, SweepOutcome, SweepRequest, dry_sweep, sweep};
use unreserve_testkit::clock::StillClock;
use unreserve_testkit::failure::Failure;
use unreserve_testkit::shops::{Cell, NewReservation, Pool, Rules, Sweeper, VARIANTS, World};
use unreserve_testkit::sim::SimulatedShop;
use unreserve_testkit::sim::faults::{Faulty, Trouble, Troubles};

/// Trouble at these calls of one name, counted from 1.
#[derive(Debug)]
struct At {
    call: &'static str,
    calls: RangeInclusive<u32>,
    trouble: Trouble,
    met: AtomicU32,
}

impl Troubles for At {
    fn next(&self, call: &'static str) -> Trouble {
        if call != self.call {
            return Trouble::None;
        }
        let count = self.met.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if self.calls.contains(&count) { self.trouble } else { Trouble::None }
    }
}

fn at(call: &'static str, calls: RangeInclusive<u32>, trouble: Trouble) -> Arc<At> {
    Arc::new(At { call, calls, trouble, met: AtomicU32::new(0) })
}

fn request(batch_size: u32) -> SweepRequest {
    let sweeper = Sweeper::new("trouble");
    SweepRequest {
        sweep_id: sweeper.start.sweep_id,
        holder: sweeper.holder,
        version: "test".to_owned(),
        batch_size,
        max_orders: 1_000,
        only: None,
        lock_wait: Duration::from_millis(300),
        stop: Stop::default(),
    }
}

/// Sweeps with batches of that many reservations; gives how it ended, and how the ledger says it did.
async fn swept(
    world: &World,
    batch_size: u32,
    trouble: &Arc<At>,
) -> Result<Result<(SweepOutcome, Option<String>), SweepError>, Failure> {
    let request = request(batch_size);
    let clock = StillClock::new();
    let mut shop = Faulty::new(world.open().await?, Arc::clone(trouble) as Arc<dyn Troubles>, &clock);
    let outcome = sweep(&mut shop, &clock, &request, &mut Silent).await;
    assert!(trouble.met.load(Ordering::Relaxed) >= *trouble.calls.start(), "the trouble came");
    let Ok(outcome) = outcome else { return Ok(outcome.map(|outcome| (outcome, None))) };
    let records = shop.history(&HistoryQuery::Sweep { id: outcome.sweep_id.to_string() }).await?;
    let ending = records.into_iter().next().and_then(|record| record.ending);
    Ok(Ok((outcome, ending)))
}

/// The same where the sweep has to come to its end.
async fn ended(world: &World, batch_size: u32, trouble: &Arc<At>) -> Result<(SweepOutcome, Option<String>), Failure> {
    swept(world, batch_size, trouble).await?.map_err(|error| Failure::new(format!("{error:?}")))
}

async fn six_due() -> Result<World, Failure> {
    let mut world = World::new(SimulatedShop::make, Rules::default()).await?;
    world.add_due_orders(&[("M-1", 60), ("M-2", 50), ("M-3", 40), ("M-4", 30), ("M-5", 20), ("M-6", 10)]).await?;
    Ok(world)
}

fn counts(rows: &[(&str, u64)]) -> BTreeMap<String, u64> {
    rows.iter().map(|(reason, count)| ((*reason).to_owned(), *count)).collect()
}

#[tokio::test]
async fn a_close_whose_answer_is_lost_is_sent_again_and_the_books_are_closed_once() -> Result<(), Failure> {
    for trouble in [Trouble::FailAfter, Trouble::Reject(ShopErrorKind::LockTimeout)] {
        let world = six_due().await?;
        let (outcome, ending) = ended(&world, 100, &at("close", 1..=2, trouble)).await?;
        assert_eq!((outcome.stopped_by, ending.as_deref()), (None, Some("done")), "{trouble:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_lease_that_several_want_at_once_is_asked_for_again() -> Result<(), Failure> {
    let world = six_due().await?;
    let (outcome, ending) = ended(&world, 100, &at("acquire", 1..=3, Trouble::Reject(ShopErrorKind::Retry))).await?;
    assert_eq!((outcome.stopped_by, ending.as_deref()), (None, Some("done")));
    // What does not pass by itself is not tried again.
    let world = six_due().await?;
    let refused = at("acquire", 1..=9, Trouble::Reject(ShopErrorKind::Permission));
    assert!(matches!(swept(&world, 100, &refused).await?, Err(SweepError::Shop(_))));
    assert_eq!(refused.met.load(Ordering::Relaxed), 1);
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_counted_for_people_fails_no_sweep() -> Result<(), Failure> {
    let world = six_due().await?;
    let refused = at("leftovers", 1..=1, Trouble::Reject(ShopErrorKind::LockTimeout));
    let (outcome, ending) = ended(&world, 100, &refused).await?;
    assert_eq!((outcome.stopped_by, ending.as_deref()), (None, Some("done")));
    assert!(!outcome.facts.remaining_due);
    assert!(outcome.facts.protected_at_least && outcome.facts.uncounted.is_some(), "{:?}", outcome.facts);
    Ok(())
}

#[tokio::test]
async fn a_dry_run_tells_what_it_knows_where_the_rest_cannot_be_counted() -> Result<(), Failure> {
    for (trouble, uncounted) in [(Trouble::None, false), (Trouble::Reject(ShopErrorKind::LockTimeout), true)] {
        let mut world = six_due().await?;
        world.add_payment("M-1", "succeeded").await?;
        let clock = StillClock::new();
        let troubles = at("leftovers", 1..=1, trouble) as Arc<dyn Troubles>;
        let mut shop = Faulty::new(world.open().await?, troubles, &clock);
        let (outcome, batches, entries) = dry_sweep(&mut shop, &clock, &request(2)).await?;
        assert_eq!((batches.iter().map(|batch| batch.reservations).sum::<u64>(), entries.len()), (5, 10));
        let guarded = if uncounted { counts(&[]) } else { counts(&[("payment", 1)]) };
        assert_eq!((&outcome.facts.protected, outcome.facts.protected_at_least), (&guarded, uncounted));
        assert_eq!(outcome.facts.uncounted.is_some_and(|why| why.contains("refused on purpose")), uncounted);
    }
    Ok(())
}

#[tokio::test]
async fn what_a_sweep_never_came_to_is_not_called_locked() -> Result<(), Failure> {
    let world = six_due().await?;
    let full = at("begin", 2..=2, Trouble::Reject(ShopErrorKind::Full));
    let (outcome, ending) = ended(&world, 2, &full).await?;
    assert!(matches!(&outcome.stopped_by, Some(SweepError::Shop(error)) if error.kind == ShopErrorKind::Full));
    assert_eq!(ending.as_deref(), Some("failed"));
    assert_eq!(outcome.facts.protected, counts(&[("not_tried", 4)]));
    Ok(())
}

#[tokio::test]
async fn a_connection_that_breaks_while_a_stock_row_is_busy_is_not_the_orders_fault() -> Result<(), Failure> {
    let mut world = six_due().await?;
    world.add_stock(Pool::Variant, 2, 10, Some(1)).await?;
    world.add_order("hot", "pending").await?;
    world.add_reservation("hot", NewReservation::variant(2, 1, -4_000)).await?;
    world.session.begin().await?;
    world.session.lock(VARIANTS, &[("id", Cell::Integer(2))]).await?;
    // The first batch leaves the order out; every try after it is of that order alone.
    for calls in [2..=2, 5..=6, 7..=10] {
        let broken = at("begin", calls.clone(), Trouble::Reject(ShopErrorKind::Disconnected));
        let (outcome, _) = ended(&world, 100, &broken).await?;
        assert_eq!((&outcome.stopped_by, outcome.facts.set_aside), (&None, 0), "broken at {calls:?}");
        assert_eq!(outcome.facts.protected, counts(&[("busy", 1)]), "broken at {calls:?}");
    }
    world.session.rollback().await?;
    let (outcome, ending) = ended(&world, 100, &at("begin", 1..=1, Trouble::None)).await?;
    assert_eq!((outcome.facts.protected, ending.as_deref()), (BTreeMap::new(), Some("done")));
    Ok(())
}

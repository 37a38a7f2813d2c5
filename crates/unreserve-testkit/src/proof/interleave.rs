//! L2: every order in which the six steps of a batch and the five of a customer's payment can happen, on a real database.
//!
//! A step that waits for a lock is left waiting, and the schedule goes on; so a schedule says when each step begins.

use std::cell::Cell as Shared;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use unreserve_engine::model::{Key, StockRef, StockRow};
use unreserve_engine::shop::{Batch, CheckedShop, Committed, ShopError, ShopErrorKind, StockWait};
use unreserve_engine::sweep::{Release, Silent, Stop, SweepRequest, settle, sweep};

use super::customer::{Act, Customer, Style};
use super::{Arena, Figures, RealClock, audit, block_on, on_threads};
use crate::conformance::steps;
use crate::failure::{Failure, equal, holds, present};
use crate::shops::{LOCK_WAIT, MakeShop, NewReservation, Pool, Rules, Session, Snapshot, Sweeper, World};

/// How many steps a batch takes.
const OURS: usize = 6;
/// How many steps a payment takes.
const THEIRS: usize = 5;
/// A step that has not ended after this long waits for a lock: the schedule goes on.
const BLOCKED: Duration = Duration::from_millis(12);
/// The longest that a step of the customer's may take: twice the wait for one lock, and some for a slow machine.
const PATIENCE: Duration = Duration::from_secs(2);
/// A schedule that has not ended by then never will.
const STUCK: Duration = Duration::from_secs(30);

/// Every schedule: a bit for each of eleven steps, set where it is the customer's. There are C(11, 5) = 462.
pub(super) fn schedules() -> Vec<u16> {
    let steps = OURS + THEIRS;
    let customers = u32::try_from(THEIRS).unwrap_or(0);
    (0_u16..1 << steps).filter(|bits| bits.count_ones() == customers).collect()
}

/// A schedule in letters: `s` a step of the sweep, `c` one of the customer's.
fn letters(schedule: u16) -> String {
    (0..OURS + THEIRS).map(|step| if schedule >> step & 1 == 1 { 'c' } else { 's' }).collect()
}

/// Tries every schedule in some styles.
pub(super) fn run(arena: &Arena) -> Result<Figures, Failure> {
    let styles = arena.intensity.pick(&[Style::PaymentFirst, Style::PaymentAlone][..], &Style::ALL[..]);
    let tried = on_threads(2, |part| {
        let schedules = schedules().into_iter().enumerate().filter(|(place, _)| place % 2 == part);
        let schedules: Vec<u16> = schedules.map(|(_, schedule)| schedule).collect();
        block_on(run_styles(arena.make, styles, &schedules))
    })?;
    let mut figures = Figures::default();
    let (mut seen, mut waits) = (Seen::default(), 0);
    for one in tried {
        figures.operations += one.schedules;
        waits += one.waits;
        seen.released += one.released;
        seen.protected += one.protected;
    }
    holds(seen.released > 50 && seen.protected > 50, "orders were released and protected, each often")?;
    figures.notes.push(format!(
        "{} styles × {} schedules; {} times the order was released, {} times protected; {waits} steps waited for a lock",
        styles.len(),
        schedules().len(),
        seen.released,
        seen.protected
    ));
    Ok(figures)
}

/// What came of some schedules.
#[derive(Debug, Default)]
pub(super) struct Seen {
    schedules: u64,
    released: u64,
    protected: u64,
    waits: u64,
}

/// Tries these schedules in these styles on a shop of its own.
pub(super) async fn run_styles(make: MakeShop, styles: &[Style], schedules: &[u16]) -> Result<Seen, Failure> {
    let mut stage = Stage::new(make).await?;
    let mut seen = Seen::default();
    for style in styles {
        for schedule in schedules {
            let played = tokio::time::timeout(STUCK, stage.play(*style, *schedule)).await;
            let played = played.unwrap_or_else(|_| Err(Failure::new("the schedule never came to its end")));
            let what = || format!("{style:?} {}", letters(*schedule));
            let played = played.map_err(|failure| failure.during(&what()))?;
            seen.schedules += 1;
            seen.released += u64::from(played.released);
            seen.protected += u64::from(!played.released);
            seen.waits += played.waits;
        }
    }
    Ok(seen)
}

/// A shop that is filled anew for every schedule.
struct Stage {
    world: World,
    shop: Box<dyn CheckedShop>,
    customer: Box<dyn Session>,
    row_locks: bool,
}

/// What came of one schedule.
struct Played {
    released: bool,
    waits: u64,
}

/// What the two did, in the order in which it happened.
#[derive(Default)]
struct Record {
    ticks: Shared<u32>,
    /// When the batch's commit was sent.
    commit_sent: Shared<Option<u32>>,
    committed: Shared<bool>,
    /// When evidence that protects the order was committed.
    evidence_stands: Shared<Option<u32>>,
    longest: Shared<Duration>,
}

impl Record {
    fn tick(&self) -> u32 {
        self.ticks.set(self.ticks.get() + 1);
        self.ticks.get()
    }
}

/// One of the two: how many steps it may take, and how many it has taken.
struct Player {
    permits: mpsc::UnboundedSender<()>,
    taken: watch::Receiver<usize>,
    permitted: usize,
}

/// What a player waits for before a step, and tells after it.
struct Seat {
    permits: mpsc::UnboundedReceiver<()>,
    taken: watch::Sender<usize>,
}

fn player() -> (Player, Seat) {
    let (permits, permitted) = mpsc::unbounded_channel();
    let (done, taken) = watch::channel(0);
    (Player { permits, taken, permitted: 0 }, Seat { permits: permitted, taken: done })
}

impl Player {
    /// Lets it take its next step; whether it took it at once.
    async fn step(&mut self) -> bool {
        let waits = *self.taken.borrow() < self.permitted;
        self.permitted += 1;
        let permitted = self.permitted;
        // A player that has given up takes no more steps.
        let _ = self.permits.send(());
        !waits && tokio::time::timeout(BLOCKED, self.taken.wait_for(|taken| *taken >= permitted)).await.is_ok()
    }
}

impl Seat {
    async fn turn(&mut self) {
        let _ = self.permits.recv().await;
    }

    fn told(&self) {
        self.taken.send_modify(|taken| *taken += 1);
    }
}

impl Stage {
    async fn new(make: MakeShop) -> Result<Self, Failure> {
        let world = World::new(make, Rules::default()).await?;
        let shop = world.open().await?;
        let customer = world.shop.session().await?;
        let row_locks = shop.info().capability.row_locks;
        Ok(Self { world, shop, customer, row_locks })
    }

    /// Two due orders on one stock row: the customer's, and one that nobody touches.
    async fn fill(&mut self) -> Result<Sweeper, Failure> {
        let world = &mut self.world;
        world.session.clear().await?;
        world.session.begin().await?;
        world.add_stock(Pool::Variant, 1, 100, Some(3)).await?;
        for (number, quantity, overdue) in [("M-1", 2, 1_800), ("M-2", 1, 900)] {
            world.add_order(number, "pending").await?;
            world.add_reservation(number, NewReservation::variant(1, quantity, -overdue)).await?;
        }
        world.session.commit().await?;
        let sweeper = Sweeper::new("interleave");
        steps::acquire(self.shop.as_mut(), &sweeper).await?;
        Ok(sweeper)
    }

    async fn play(&mut self, style: Style, schedule: u16) -> Result<Played, Failure> {
        let sweeper = self.fill().await?;
        let order = self.world.order_key("M-1")?;
        let record = Record::default();
        let (mut ours, our_seat) = player();
        let (mut theirs, their_seat) = player();
        let customer = Customer { session: self.customer.as_mut(), order, row_locks: self.row_locks, held: None };
        let conduct = async {
            let mut waits = 0;
            for step in 0..OURS + THEIRS {
                let player = if schedule >> step & 1 == 1 { &mut theirs } else { &mut ours };
                waits += u64::from(!player.step().await);
            }
            Ok(waits)
        };
        let (waits, (), ()) = tokio::try_join!(
            conduct,
            batch(self.shop.as_mut(), &sweeper, our_seat, &record),
            pay(customer, style, their_seat, &record),
        )?;
        holds(record.longest.get() < PATIENCE, "the customer never waited longer than the lock budget")?;
        steps_end(self.shop.as_mut(), &sweeper).await?;
        let seen = self.world.look().await?;
        check(style, &record, &seen)?;
        self.heal(&seen).await?;
        let released = present(self.world.look().await?.orders.get("M-1"), "order M-1")?.payment_status == "cancelled";
        equal(&(released || protects(style, &record)), &true, "an order that nothing protects is released in the end")?;
        Ok(Played { released, waits })
    }

    /// Whatever happened, the next sweep finishes the rest.
    async fn heal(&mut self, before: &Snapshot) -> Result<(), Failure> {
        let outcome = sweep(self.shop.as_mut(), &RealClock::new(), &request(), &mut Silent).await?;
        equal(&outcome.stopped_by, &None, "what stopped the sweep afterwards")?;
        equal(&outcome.facts.set_aside, &0, "orders set aside")?;
        audit::nothing_due(self.shop.as_mut()).await?;
        let after = self.world.look().await?;
        audit::grew(before, &after)?;
        audit::stands(&after)?;
        let bystander = present(after.orders.get("M-2"), "order M-2")?;
        equal(&bystander.payment_status.as_str(), &"cancelled", "the order that nobody touched")
    }
}

fn request() -> SweepRequest {
    let sweeper = Sweeper::new("afterwards");
    SweepRequest {
        sweep_id: sweeper.start.sweep_id,
        holder: sweeper.holder,
        version: "test".to_owned(),
        batch_size: 100,
        max_orders: 1_000,
        only: None,
        lock_wait: LOCK_WAIT,
        stop: Stop::default(),
    }
}

async fn steps_end(shop: &mut dyn CheckedShop, sweeper: &Sweeper) -> Result<(), Failure> {
    Ok(shop.close(&sweeper.holder.token, &steps::end(sweeper)).await?)
}

/// Whether what the customer did keeps the order from ever being released.
fn protects(style: Style, record: &Record) -> bool {
    style != Style::Declined && record.evidence_stands.get().is_some()
}

/// P3 and the invariants, right after the schedule.
fn check(style: Style, record: &Record, seen: &Snapshot) -> Result<(), Failure> {
    audit::stands(seen)?;
    let order = present(seen.orders.get("M-1"), "order M-1")?;
    let released = seen.ledger.entries.iter().any(|entry| entry.order == order.key);
    holds(!released || record.committed.get(), "only a committed batch releases")?;
    if let (Some(evidence), Some(commit)) = (record.evidence_stands.get(), record.commit_sent.get()) {
        let in_time = evidence < commit && style != Style::Declined;
        holds(!(in_time && released), "I3: no order is released whose payment was committed before our commit")?;
    }
    Ok(())
}

/// The batch's six steps. What a lock or a guard refuses is rolled back, as the engine does.
async fn batch(shop: &mut dyn CheckedShop, sweeper: &Sweeper, mut seat: Seat, record: &Record) -> Result<(), Failure> {
    match try_batch(shop, sweeper, &mut seat, record).await {
        Ok(()) => {}
        Err(Refused::Shop(error)) if is_passing(&error) => {}
        Err(Refused::Shop(error)) => return Err(error.into()),
        Err(Refused::Test(failure)) => return Err(failure),
    }
    // Steps that are not taken any more are over at once.
    seat.taken.send_modify(|taken| *taken = OURS);
    Ok(())
}

fn is_passing(error: &ShopError) -> bool {
    matches!(error.kind, ShopErrorKind::Retry | ShopErrorKind::LockTimeout | ShopErrorKind::Invariant)
}

enum Refused {
    Shop(ShopError),
    Test(Failure),
}

impl From<ShopError> for Refused {
    fn from(error: ShopError) -> Self {
        Self::Shop(error)
    }
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self::Test(failure)
    }
}

async fn try_batch(
    shop: &mut dyn CheckedShop,
    sweeper: &Sweeper,
    seat: &mut Seat,
    record: &Record,
) -> Result<(), Refused> {
    let plan = shop.plan().clone();
    let start = sweeper.batch();
    let batch_id = start.batch_id;
    seat.turn().await;
    let mut batch = shop.begin(start).await?;
    seat.told();
    let worked = async {
        seat.turn().await;
        let mut keys: Vec<Key> = Vec::new();
        for row in batch.lock_due(&steps::all(100)).await?.orders {
            if !keys.contains(&row.key) {
                keys.push(row.key);
            }
        }
        seat.told();
        seat.turn().await;
        let releases = steps::releases(&plan, batch.examine(&keys).await?);
        seat.told();
        seat.turn().await;
        let rows = lock_stock(batch.as_mut(), &releases).await?;
        seat.told();
        seat.turn().await;
        if !releases.is_empty() {
            let settlement = settle(&plan, &releases, &rows).map_err(Failure::from)?;
            batch.release(&settlement.stock, &settlement.reservations).await?;
            if !settlement.cancel.is_empty() {
                batch.cancel_orders(&settlement.cancel).await?;
            }
            batch.append_ledger(&steps::record(batch_id, &settlement)?, &settlement.entries).await?;
        }
        seat.told();
        Ok::<_, Refused>(!releases.is_empty())
    };
    match worked.await {
        Ok(true) => {
            seat.turn().await;
            record.commit_sent.set(Some(record.tick()));
            let committed = batch.commit().await;
            seat.told();
            match committed {
                Committed::Yes => record.committed.set(true),
                Committed::No(error) | Committed::Unknown(error) => return Err(Refused::Shop(error)),
            }
        }
        Ok(false) => {
            seat.turn().await;
            batch.rollback().await?;
            seat.told();
        }
        Err(error) => {
            batch.rollback().await?;
            return Err(error);
        }
    }
    Ok(())
}

async fn lock_stock(batch: &mut dyn Batch, releases: &[Release]) -> Result<Vec<StockRow>, Refused> {
    let stock: std::collections::BTreeSet<StockRef> =
        releases.iter().flat_map(|release| &release.due).flat_map(|due| due.stock.clone()).collect();
    if stock.is_empty() {
        return Ok(Vec::new());
    }
    Ok(batch.lock_stock(&stock.into_iter().collect::<Vec<_>>(), StockWait::Bounded).await?)
}

/// The customer's five steps. None of them may fail.
async fn pay(mut customer: Customer<'_>, style: Style, mut seat: Seat, record: &Record) -> Result<(), Failure> {
    let mut evidence = 0;
    let mut open = false;
    for act in style.acts() {
        seat.turn().await;
        let began = Instant::now();
        let done = customer.act(act).await;
        evidence += done.map_err(|failure| failure.during(&format!("P9: the customer's {act:?}")))?;
        record.longest.set(record.longest.get().max(began.elapsed()));
        open = (open || act == Act::Begin) && act != Act::Commit;
        let stands = act == Act::Commit || (act == Act::Pay && !open);
        if stands && evidence > 0 && record.evidence_stands.get().is_none() {
            record.evidence_stands.set(Some(record.tick()));
        }
        seat.told();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_462_schedules_and_each_is_another() {
        let mut all: Vec<String> = schedules().into_iter().map(letters).collect();
        assert_eq!(all.len(), 462);
        assert!(all.iter().all(|one| one.matches('c').count() == THEIRS && one.matches('s').count() == OURS));
        all.dedup();
        assert_eq!(all.len(), 462);
    }
}

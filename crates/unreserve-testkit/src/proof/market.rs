//! A shop at work: customers who order, pay in every style, and lock stock rows in an order that is not ours.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use unreserve_engine::ledger::{BatchRecord, HistoryQuery, SetAside};
use unreserve_engine::plan::{Policy, request as schema_request, resolve};
use unreserve_engine::profile::{check, parse};
use unreserve_engine::shop::{CheckedShop, ShopError, ShopErrorKind};
use unreserve_engine::sweep::{Observer, Progress, Stop, SweepError, SweepRequest, sweep};
use uuid::Uuid;

use super::customer::{Act, Customer, Held, Style};
use super::{Chance, RealClock, audit, block_on};
use crate::failure::{Failure, equal, holds, present};
use crate::shops::{
    Access, Cell, LOCK_WAIT, NewReservation, ORDERS, Pool, RESERVATIONS, STATEMENT_TIMEOUT, Session, Sweeper, TestShop,
    World,
};

/// How many rows each pool of stock has.
pub(super) const ITEMS: i64 = 6;
/// With fewer orders that are neither paid nor given up than this, a new one is made.
const LIVE: usize = 60;

/// An order that may still be paid.
#[derive(Debug, Clone)]
struct Open {
    key: String,
    held: Vec<Held>,
}

/// What the customers went through.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Transactions that were committed.
    pub(super) transactions: u64,
    /// Orders whose payment was committed while they were not cancelled, by key, and how many reservations each has.
    pub(super) in_time: Vec<(String, usize)>,
    /// Payments that found their order cancelled.
    pub(super) late: u64,
    /// The longest step of a transaction.
    pub(super) longest: Duration,
}

/// A shop and those who work in it.
pub(super) struct Market<'a> {
    pub(super) shop: &'a dyn TestShop,
    /// The profile's text.
    pub(super) profile: String,
    pub(super) row_locks: bool,
    open: Mutex<Vec<Open>>,
    stop: AtomicBool,
    numbers: AtomicU64,
    tally: Mutex<Tally>,
}

/// Stock with plenty on hand and nothing reserved.
pub(super) async fn stock(world: &mut World) -> Result<(), Failure> {
    for pool in [Pool::Variant, Pool::Drop] {
        for id in 1..=ITEMS {
            world.add_stock(pool, id, 1_000_000_000, Some(0)).await?;
        }
    }
    Ok(())
}

/// Connects `unreserve` to a shop that is installed; a connection belongs to the runtime it was made in.
pub(super) async fn opened(shop: &dyn TestShop, profile: &str) -> Result<Box<dyn CheckedShop>, Failure> {
    let mut found = shop.connect(Access::Owner, STATEMENT_TIMEOUT).await?;
    let profile = check(parse(profile)?)?;
    let schema = found.schema(&schema_request(&profile)).await?;
    Ok(found.check(resolve(&profile, &schema, Policy::default())?).await?)
}

impl<'a> Market<'a> {
    pub(super) fn new(shop: &'a dyn TestShop, profile: &str, row_locks: bool) -> Self {
        Self {
            shop,
            profile: profile.to_owned(),
            row_locks,
            open: Mutex::default(),
            stop: AtomicBool::new(false),
            numbers: AtomicU64::new(0),
            tally: Mutex::default(),
        }
    }

    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    pub(super) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    pub(super) fn into_tally(self) -> Tally {
        self.tally.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Orders and pays until it is told to stop. No transaction may fail.
    pub(super) fn customers(&self, mut chance: Chance, styles: &[Style]) -> Result<(), Failure> {
        let ended = block_on(async {
            let mut session = self.shop.session().await?;
            while !self.stopped() {
                let few = self.open.lock().unwrap_or_else(PoisonError::into_inner).len() < LIVE;
                if few || chance.below(3) == 0 {
                    let seconds = i64::try_from(chance.below(4)).unwrap_or(0) - 1;
                    self.order(session.as_mut(), &mut chance, seconds).await?;
                } else {
                    self.settle(session.as_mut(), &mut chance, styles).await?;
                }
                tokio::time::sleep(Duration::from_micros(chance.below(2_000))).await;
            }
            Ok(())
        });
        // Nobody is to wait for the others where one has failed.
        ended.inspect_err(|_| self.stop())
    }

    /// A checkout: the order, one or two units of stock, and their reservations, which expire so many seconds from now.
    pub(super) async fn order(
        &self,
        session: &mut dyn Session,
        chance: &mut Chance,
        expires_in: i64,
    ) -> Result<(), Failure> {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let key = Uuid::new_v4().to_string();
        let mut held: Vec<Held> = Vec::new();
        for pool in [Pool::Drop, Pool::Variant] {
            if chance.below(2) == 0 || (held.is_empty() && pool == Pool::Variant) {
                let below =
                    |chance: &mut Chance, bound: i64| i64::try_from(chance.below(bound.unsigned_abs())).unwrap_or(0);
                let (item, quantity) = (1 + below(chance, ITEMS), 1 + below(chance, 3));
                held.push(Held { key: Uuid::new_v4().to_string(), pool, item, quantity });
            }
        }
        let began = Instant::now();
        session.begin().await?;
        let row = [
            ("order_id", Cell::text(&key)),
            ("order_number", Cell::text(format!("N-{number}"))),
            ("order_status", Cell::text("pending_payment")),
            ("payment_status", Cell::text("pending")),
            ("created_at", Cell::FromNow(-900)),
            ("updated_at", Cell::FromNow(-900)),
        ];
        session.insert(ORDERS, &row).await.map_err(blame)?;
        let mut customer =
            Customer { session, order: key.clone(), row_locks: self.row_locks, held: Some(held.clone()) };
        for one in &held {
            customer.take(one.pool, one.item, one.quantity, 0).await.map_err(blame)?;
            customer.session.insert(RESERVATIONS, &reservation(&key, one, expires_in)).await.map_err(blame)?;
        }
        customer.act(Act::Commit).await.map_err(blame)?;
        self.open.lock().unwrap_or_else(PoisonError::into_inner).push(Open { key, held });
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.transactions += 1;
        tally.longest = tally.longest.max(began.elapsed());
        Ok(())
    }

    /// One of the open orders is paid, or given more time, or its payment is declined.
    async fn settle(&self, session: &mut dyn Session, chance: &mut Chance, styles: &[Style]) -> Result<(), Failure> {
        let style = present(chance.one_of(styles), "style")?;
        let order = {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            let place = usize::try_from(chance.below(u64::try_from(open.len())?))?;
            open.swap_remove(place)
        };
        let mut customer =
            Customer { session, order: order.key.clone(), row_locks: self.row_locks, held: Some(order.held.clone()) };
        let mut longest = Duration::ZERO;
        let mut changed = 0;
        for act in style.acts() {
            let began = Instant::now();
            changed += customer.act(act).await.map_err(blame)?;
            longest = longest.max(began.elapsed());
            if chance.below(3) == 0 {
                tokio::time::sleep(Duration::from_micros(chance.below(1_500))).await;
            }
        }
        // Looked up after the commit: an order that is not cancelled now must never be.
        let set = [("updated_at", Cell::FromNow(0))];
        let rows = [("order_id", Cell::text(&order.key)), ("payment_status", Cell::text("cancelled"))];
        let cancelled = customer.session.update(ORDERS, &set, &rows).await.map_err(blame)? == 1;
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.transactions += 1;
        tally.longest = tally.longest.max(longest);
        tally.late += u64::from(cancelled);
        if !cancelled && changed > 0 && style != Style::Declined {
            tally.in_time.push((order.key, order.held.len()));
        }
        Ok(())
    }
}

fn blame(failure: Failure) -> Failure {
    failure.during("P9: a transaction of the shop's failed")
}

fn reservation<'a>(order: &str, held: &Held, expires_in: i64) -> [(&'a str, Cell); 11] {
    let other = if held.pool == Pool::Variant { Pool::Drop } else { Pool::Variant };
    [
        ("reservation_id", Cell::text(&held.key)),
        ("order_id", Cell::text(order)),
        (held.pool.column(), Cell::Integer(held.item)),
        (other.column(), Cell::Null),
        ("reservation_type", Cell::text("standard")),
        ("quantity", Cell::Integer(held.quantity)),
        ("expires_at", Cell::FromNow(expires_in)),
        ("is_active", Cell::Boolean(true)),
        ("fulfilled_at", Cell::Null),
        ("cancelled_at", Cell::Null),
        ("created_at", Cell::FromNow(expires_in - 900)),
    ]
}

/// What the engine told of a sweep while it ran.
#[derive(Debug, Default)]
struct Watched {
    reservations: u64,
    units: i64,
}

impl Observer for Watched {
    fn progressed(&mut self, _: Progress) {}

    fn committed(&mut self, record: &BatchRecord, _: Duration) {
        self.reservations += record.reservations;
        self.units += record.units;
    }

    fn failed(&mut self, _: &ShopError, _: usize) {}

    fn put_aside(&mut self, _: &SetAside) {}
}

/// What a sweep of the proof is asked to do.
pub(super) fn request(batch_size: u32) -> SweepRequest {
    let sweeper = Sweeper::new("proof");
    SweepRequest {
        sweep_id: sweeper.start.sweep_id,
        holder: sweeper.holder,
        version: "test".to_owned(),
        batch_size,
        max_orders: 1_000_000,
        only: None,
        lock_wait: LOCK_WAIT,
        stop: Stop::default(),
    }
}

/// A due order with one unit of a row of each pool, in the session's open transaction; the counters are the caller's to set.
async fn due_order(world: &mut World, number: &str, item: i64, overdue: i64) -> Result<(), Failure> {
    world.add_order(number, "pending").await?;
    world.add_reservation(number, NewReservation::variant(item, 1, -overdue)).await?;
    world.add_reservation(number, NewReservation::drop(item, 1, -overdue)).await.map(drop)
}

/// Empties the shop and fills it with so many due orders, the oldest first, whose counters fit.
pub(super) async fn refill(world: &mut World, orders: i64) -> Result<(), Failure> {
    world.session.clear().await?;
    world.session.begin().await?;
    for pool in [Pool::Variant, Pool::Drop] {
        for item in 1..=ITEMS {
            let held = (0..orders).filter(|order| order % ITEMS + 1 == item).count();
            world.add_stock(pool, item, 1_000_000, Some(i64::try_from(held)?)).await?;
        }
    }
    for order in 0..orders {
        due_order(world, &format!("D-{order}"), order % ITEMS + 1, 10_000 - order).await?;
    }
    world.session.commit().await
}

/// One sweep that must end well; what it told on the way must be what the ledger has of it (P7, I9).
pub(super) async fn swept(shop: &mut dyn CheckedShop, batch_size: u32) -> Result<(), Failure> {
    let request = request(batch_size);
    let mut watched = Watched::default();
    let single_writer = shop.info().capability.single_writer;
    let stopped_by = match sweep(shop, &RealClock::new(), &request, &mut watched).await {
        Ok(outcome) => {
            equal(&outcome.facts.set_aside, &0, "orders set aside")?;
            outcome.stopped_by
        }
        // It did not begin, so the ledger has nothing of it.
        Err(error) if is_busy(&error, single_writer) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    if !stopped_by.as_ref().is_some_and(|error| is_busy(error, single_writer)) {
        equal(&stopped_by, &None, "what stopped the sweep")?;
    }
    let query = HistoryQuery::Sweep { id: request.sweep_id.to_string() };
    let record = present(shop.history(&query).await?.into_iter().next(), "sweep in the ledger")?;
    let told = (watched.reservations, watched.units);
    equal(&told, &(record.reservations_released, record.units_released), "I9: what was told, and what the ledger has")
}

/// Where one writer shuts out the others, a busy shop may keep a sweep out for as long as it likes.
fn is_busy(error: &SweepError, single_writer: bool) -> bool {
    single_writer && matches!(error, SweepError::Shop(error) if error.kind == ShopErrorKind::LockTimeout)
}

/// Sweeps until nothing is due, then audits everything. `tally` is what the customers went through.
pub(super) async fn settle_up(world: &mut World, shop: &mut dyn CheckedShop, tally: &Tally) -> Result<u64, Failure> {
    // Nothing that was ordered expires later than this.
    tokio::time::sleep(Duration::from_secs(3)).await;
    for _ in 0..3 {
        swept(shop, 500).await?;
        if shop.outlook(1).await?.due_orders == 0 {
            break;
        }
    }
    audit::nothing_due(shop).await?;
    let seen = audit::shop(world).await?;
    let of_kind = |kind: &str| -> BTreeSet<&str> {
        seen.ledger.entries.iter().filter(|entry| entry.kind == kind).map(|entry| entry.order.as_str()).collect()
    };
    let (released, cancelled) = (of_kind("release"), of_kind("cancel"));
    for (key, reservations) in &tally.in_time {
        // Of several reservations one may have expired, and been released, before the payment came.
        let ended = cancelled.contains(key.as_str()) || (*reservations == 1 && released.contains(key.as_str()));
        let what = format!("I3: order {key} was not cancelled when its payment had been committed, and never is after");
        holds(!ended, &what)?;
    }
    Ok(u64::try_from(cancelled.len())?)
}

//! The sweep itself: takes the lease, works the line off batch by batch, and closes the books.

mod line;

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use jiff::Timestamp;
use line::Line;

use super::clock::{Clock, Observer};
use super::error::SweepError;
use super::pace::{TRIES, passing, pause};
use super::stop::Stop;
use crate::ledger::{Ending, SweepEnd, SweepStart};
use crate::model::{Holder, Key, SweepId};
use crate::plan::judge_clock;
use crate::shop::{
    Acquired, CheckedShop, Explanation, InstallState, Leftovers, LockTest, NO_ORDER, Outlook, ShopError, ShopErrorKind,
};

/// What a sweep is asked to do.
#[derive(Debug, Clone)]
pub struct SweepRequest {
    /// The sweep.
    pub sweep_id: SweepId,
    /// Who we are; its token is the fence.
    pub holder: Holder,
    /// The program's version, for the ledger.
    pub version: String,
    /// At most so many reservations a batch.
    pub batch_size: u32,
    /// Stop before the first write where more orders are due than this.
    pub max_orders: u64,
    /// Only this order, by its key or number.
    pub only: Option<String>,
    /// How long a lock may be waited for.
    pub lock_wait: Duration,
    /// Asks the sweep to end after the batch it is in.
    pub stop: Stop,
}

/// An order that was left alone.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ProtectedOrder {
    /// Its number, or its key where it has none.
    pub order: String,
    /// Why.
    pub reason: String,
}

/// What a sweep knows beside the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// Orders left alone, by reason.
    pub protected: BTreeMap<String, u64>,
    /// The first of them by name, at most [`Facts::SHOWN`].
    pub protected_orders: Vec<ProtectedOrder>,
    /// Whether there may be more of them than were counted.
    pub protected_at_least: bool,
    /// Why guarded orders could not be counted, nor what is set aside in a dry run; nothing where they were.
    pub uncounted: Option<String>,
    /// Orders that are set aside now.
    pub set_aside: u64,
    /// The overdue time of the oldest due reservation when the sweep began, in microseconds.
    pub oldest_overdue_micros: i64,
    /// Whether something due was left.
    pub remaining_due: bool,
    /// What lay ahead when the sweep ended; nothing where that was not counted.
    pub ahead: Option<Outlook>,
}

impl Facts {
    /// How many protected orders are named.
    pub const SHOWN: usize = 1_000;

    /// Remembers that what is left alone could not be counted: that is told for the sake of people, and fails nothing.
    pub(super) fn leave_uncounted(&mut self, error: &ShopError) {
        self.protected_at_least = true;
        self.uncounted = Some(error.to_string());
    }

    pub(super) fn protect(&mut self, key: &Key, number: Option<String>, reason: String) {
        let count = self.protected.entry(reason.clone()).or_default();
        *count = count.saturating_add(1);
        if self.protected_orders.len() < Self::SHOWN {
            let order = number.unwrap_or_else(|| key.to_string());
            self.protected_orders.push(ProtectedOrder { order, reason });
        }
    }
}

/// What came of a sweep; its counts are read from the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SweepOutcome {
    /// The sweep.
    pub sweep_id: SweepId,
    /// What it knows beside the ledger.
    pub facts: Facts,
    /// The database's now when it began.
    pub started_at: Timestamp,
    /// How long it took, on the process's monotonic clock.
    pub took: Duration,
    /// The error it stopped on after its first batch; what was committed before stands.
    pub stopped_by: Option<SweepError>,
}

/// Checks that a sweep of this shop may begin; the same for a dry run and a real one.
pub(super) async fn look(shop: &mut dyn CheckedShop, request: &SweepRequest) -> Result<Outlook, SweepError> {
    // One more than allowed is enough to know; the exact number is counted only to be told.
    let (evidence, outlook) = shop.look(request.max_orders.saturating_add(1)).await?;
    judge_clock(&shop.plan().due, &evidence).map_err(SweepError::Clock)?;
    if request.only.is_none() && outlook.due_orders > request.max_orders {
        let due = shop.outlook(u64::MAX).await.map_or(outlook.due_orders, |exact| exact.due_orders);
        return Err(SweepError::TooMany { due, max: request.max_orders });
    }
    Ok(outlook)
}

/// The one order that was asked for.
pub(super) async fn only(
    shop: &mut dyn CheckedShop,
    request: &SweepRequest,
    lock: LockTest,
) -> Result<Option<Explanation>, SweepError> {
    let Some(order) = &request.only else { return Ok(None) };
    match shop.explain(order, lock).await? {
        Some(found) => Ok(Some(found)),
        None => Err(SweepError::NoSuchOrder(order.clone())),
    }
}

/// Why the one order that was asked for is not in the line at all; an order that is gets its reason there.
pub(super) fn why_not(order: &Explanation) -> Option<&'static str> {
    if !order.unpaid && !order.cancelled {
        Some("status")
    } else if !order.reservations.iter().any(|reservation| reservation.active && reservation.expired) {
        Some("not_due")
    } else if order.locked == Some(true) {
        Some("locked")
    } else {
        None
    }
}

/// Runs one sweep.
///
/// # Errors
/// Whatever kept it from beginning; nothing was written then. An error after the first batch is told in the outcome.
pub async fn sweep(
    shop: &mut dyn CheckedShop,
    clock: &dyn Clock,
    request: &SweepRequest,
    observer: &mut dyn Observer,
) -> Result<SweepOutcome, SweepError> {
    let began = clock.elapsed();
    let info = shop.info().clone();
    if let Some(reason) = info.read_only {
        return Err(SweepError::ReadOnly(reason));
    }
    if info.installed != InstallState::Current {
        return Err(SweepError::NotInstalled(info.installed));
    }
    let outlook = look(shop, request).await?;
    let only = only(shop, request, LockTest::Try).await?;
    acquire(shop, clock, request).await?;
    let mut line = Line::new(shop, clock, request, observer, outlook.due_orders);
    let stopped_by = line.work(only.as_ref().map(|order| order.key.clone())).await.err();
    let untouched = line.progress.orders_done == 0;
    let told = Told { orders: line.protected, ended: line.ended };
    let mut facts = line.facts;
    if untouched && let Some((order, reason)) = only.and_then(|order| why_not(&order).map(|reason| (order, reason))) {
        facts.protect(&order.key, order.number, reason.to_owned());
    }
    facts.oldest_overdue_micros = outlook.oldest_overdue_micros;
    let left = leftovers(shop, request, observer, (&mut facts, &told)).await;
    let stopped_by = stopped_by.or_else(|| left.err().map(SweepError::Shop));
    let stopped_by = finish(shop, clock, request, &facts, (began, stopped_by)).await;
    let took = clock.elapsed().saturating_sub(began);
    Ok(SweepOutcome { sweep_id: request.sweep_id, facts, started_at: outlook.now, took, stopped_by })
}

/// What is written when the sweep begins.
fn sweep_start(shop: &dyn CheckedShop, request: &SweepRequest) -> SweepStart {
    SweepStart {
        sweep_id: request.sweep_id,
        profile: shop.plan().profile.clone(),
        version: request.version.clone(),
        holder: request.holder.to_string(),
    }
}

async fn acquire(shop: &mut dyn CheckedShop, clock: &dyn Clock, request: &SweepRequest) -> Result<(), SweepError> {
    let start = sweep_start(shop, request);
    // Several that begin at once may be each other's deadlock; whoever comes again sees who got it.
    let mut tries = 0;
    let acquired = loop {
        match shop.acquire(&request.holder, &start).await {
            Err(error) if error.kind == ShopErrorKind::Retry && tries < TRIES => pause(clock, error.kind, tries).await,
            answer => break answer?,
        }
        tries = tries.saturating_add(1);
    };
    match acquired {
        Acquired::Yes => Ok(()),
        Acquired::HeldBy { holder, heard_seconds_ago } => Err(SweepError::Held { holder, heard_seconds_ago }),
    }
}

/// What the line has said already.
struct Told {
    /// Orders that were counted as left alone.
    orders: HashSet<Key>,
    /// Whether it was worked off to its end.
    ended: bool,
}

/// Closes the books; an error here must not hide what the sweep did.
async fn finish(
    shop: &mut dyn CheckedShop,
    clock: &dyn Clock,
    request: &SweepRequest,
    facts: &Facts,
    (began, stopped_by): (Duration, Option<SweepError>),
) -> Option<SweepError> {
    if matches!(&stopped_by, Some(SweepError::Shop(error)) if error.kind == ShopErrorKind::Fenced) {
        // The lease is another's: its books are not ours to close.
        return stopped_by;
    }
    let ending = match &stopped_by {
        Some(_) => Ending::Failed,
        None if facts.set_aside > 0 => Ending::Problems,
        None => Ending::Done,
    };
    let end = SweepEnd {
        sweep_id: request.sweep_id,
        ending,
        duration_micros: i64::try_from(clock.elapsed().saturating_sub(began).as_micros()).unwrap_or(i64::MAX),
        protected: facts.protected.clone(),
        set_aside: facts.set_aside,
        oldest_overdue_micros: facts.oldest_overdue_micros,
        remaining_due: facts.remaining_due,
        error: stopped_by.as_ref().map(describe),
    };
    // A close whose answer was lost may be repeated: the books are closed once.
    let mut tries = 0;
    let closed = loop {
        match shop.close(&request.holder.token, &end).await {
            Err(error) if passing(error.kind) && tries < TRIES => pause(clock, error.kind, tries).await,
            answer => break answer,
        }
        tries = tries.saturating_add(1);
    };
    stopped_by.or_else(|| closed.err().map(SweepError::Shop))
}

/// The whole chain of an error in one line, for the ledger.
fn describe(error: &SweepError) -> String {
    match error {
        SweepError::Shop(source) => format!("{error}: {source}"),
        other => other.to_string(),
    }
}

/// What is due still was locked by the shop, or was busy, or came in the meantime; what is guarded was never tried.
async fn leftovers(
    shop: &mut dyn CheckedShop,
    request: &SweepRequest,
    observer: &mut dyn Observer,
    (facts, told): (&mut Facts, &Told),
) -> Result<(), ShopError> {
    let left = match shop.leftovers(COUNTED).await {
        Ok(left) => left,
        Err(error) => {
            // What is left alone is told for the sake of people: that it could not be counted is no fault of the sweep.
            observer.failed(&error, 0);
            facts.leave_uncounted(&error);
            facts.remaining_due = shop.outlook(1).await?.due_orders > 0;
            let shown = u32::try_from(COUNTED).unwrap_or(u32::MAX);
            facts.set_aside = u64::try_from(shop.orders_set_aside(shown).await?.len()).unwrap_or(u64::MAX);
            return Ok(());
        }
    };
    facts.ahead = Some(left.outlook);
    let busy = facts.protected.get("busy").copied().unwrap_or(0);
    facts.remaining_due = left.outlook.due_orders > 0;
    let rest = left.outlook.due_orders.saturating_sub(busy);
    if rest > 0 && request.only.is_none() {
        // What a sweep that stopped early never came to is not locked by anybody.
        facts.protected.insert(if told.ended { "locked" } else { "not_tried" }.to_owned(), rest);
    }
    tell(facts, request, left, &told.orders);
    Ok(())
}

/// Up to how many of what is left alone is counted.
pub(super) const COUNTED: u64 = 10_000;

/// Tells of what no batch tries: guarded orders, reservations whose order is not there, orders set aside.
pub(super) fn tell(facts: &mut Facts, request: &SweepRequest, left: Leftovers, told: &HashSet<Key>) {
    facts.set_aside = left.set_aside;
    if request.only.is_some() {
        return;
    }
    facts.protected_at_least = left.at_least;
    if left.without_order > 0 {
        facts.protected.insert(NO_ORDER.to_owned(), left.without_order);
    }
    for order in left.guarded.into_iter().filter(|order| !told.contains(&order.key)) {
        if let Some(guard) = order.guards.into_iter().next() {
            facts.protect(&order.key, order.number, guard);
        }
    }
}

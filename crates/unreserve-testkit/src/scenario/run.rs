//! Plays a scenario: fills the shop, sweeps it, and compares.

use std::collections::{BTreeMap, BTreeSet};

use unreserve_engine::ledger::{HistoryQuery, SweepRecord};
use unreserve_engine::plan::Policy;
use unreserve_engine::shop::CheckedShop;
use unreserve_engine::sweep::{Facts, Silent, Stop, SweepRequest, dry_sweep, sweep};

use super::audit::audit;
use super::{Scenario, Step, SweepWords};
use crate::clock::StillClock;
use crate::failure::{Failure, equal, holds, present};
use crate::shops::{Cell, Fault, LOCK_WAIT, MakeShop, ORDERS, Snapshot, Sweeper, World};

/// At most so many reservations a batch, where the scenario does not say otherwise.
const BATCH: u32 = 500;

/// At most so many orders a sweep, where the scenario does not say otherwise.
const MOST: u64 = 5_000;

/// A scenario under way.
struct Play {
    world: World,
    /// The orders that a reservation or payment is added to.
    current: Vec<String>,
    /// The shop as it was filled.
    filled: Option<Snapshot>,
    /// What the last sweep did.
    last: Option<(SweepRecord, Facts)>,
    /// What the last sweep was asked.
    words: SweepWords,
}

/// Plays every step.
///
/// # Errors
/// The first that does not hold, with its line.
pub(super) async fn run(make: MakeShop, scenario: &Scenario) -> Result<(), Failure> {
    let mut world = World::new(make, scenario.rules).await?;
    if let Some(timeout) = &scenario.profile_timeout {
        let stored = "expires_at = \"expires_at\"\n";
        holds(world.profile.contains(stored), "the profile has an expiry to be left out")?;
        world.profile = world.profile.replace(stored, &format!("timeout = \"{timeout}\"\n"));
    }
    world.install().await?;
    let mut play = Play { world, current: Vec::new(), filled: None, last: None, words: SweepWords::default() };
    for (line, step) in &scenario.steps {
        let done = play.step(step).await;
        done.map_err(|failure| failure.during(&format!("line {line} of `{}`", scenario.title)))?;
    }
    Ok(())
}

impl Play {
    async fn step(&mut self, step: &Step) -> Result<(), Failure> {
        match step {
            Step::Sweep(words) => self.sweep(words).await,
            Step::SweepAgain => self.sweep_again().await,
            Step::Ripen => self.world.shop.provoke(Fault::SetAsideRipened).await,
            Step::ExpectReleased { .. }
            | Step::ExpectProtected(_)
            | Step::ExpectSetAside(_)
            | Step::ExpectOrders { .. }
            | Step::ExpectUntouched(_)
            | Step::ExpectStock { .. }
            | Step::ExpectLedger { .. } => self.expect(step).await,
            other => self.fill(other).await,
        }
    }

    async fn fill(&mut self, step: &Step) -> Result<(), Failure> {
        let world = &mut self.world;
        match step {
            Step::Stock { pool, id, on_hand, reserved } => world.add_stock(*pool, *id, *on_hand, *reserved).await?,
            Step::Orders { numbers, payment_status, order_status } => {
                for number in numbers {
                    match order_status {
                        Some(status) => world.add_order_with(number, payment_status, status).await?,
                        None => world.add_order(number, payment_status).await?,
                    };
                }
                self.current.clone_from(numbers);
            }
            Step::Reservation(new) => {
                for number in &self.current {
                    world.add_reservation(number, *new).await?;
                }
            }
            Step::Payment { status } => {
                for number in &self.current {
                    world.add_payment(number, status).await?;
                }
            }
            Step::PaymentOf { number, status } => {
                world.add_payment(number, status).await?;
            }
            Step::Refuse { number } => {
                let value = Cell::text(number);
                world.shop.provoke(Fault::Refuse { table: ORDERS, column: "order_number", value }).await?;
            }
            other => return Err(Failure::new(format!("{other:?} fills nothing"))),
        }
        Ok(())
    }

    /// A dry run that must foresee everything, then the sweep, then the audit.
    async fn sweep(&mut self, words: &SweepWords) -> Result<(), Failure> {
        let before = self.world.look().await?;
        if self.filled.is_none() {
            self.filled = Some(before.clone());
        }
        self.words = words.clone();
        let policy = Policy { timeout: words.timeout, grace: words.grace };
        let mut shop = self.world.open_with(policy).await?;
        let request = request(words);
        let clock = StillClock::new();
        let foreseen = dry_sweep(shop.as_mut(), &clock, &request).await;
        equal(&self.world.look().await?, &before, "the shop and the ledger after a dry run")?;
        let swept = sweep(shop.as_mut(), &clock, &request, &mut Silent).await;
        if let Some(reason) = &words.refused {
            for (what, outcome) in [("a dry run", foreseen.map(|_| ())), ("a sweep", swept.map(|_| ()))] {
                let told = outcome.err().map(|error| error.to_string()).unwrap_or_default();
                holds(told.contains(reason.as_str()), &format!("{what} is refused with `{reason}`, not `{told}`"))?;
            }
            return equal(&self.world.look().await?, &before, "the shop and the ledger after a sweep that was refused");
        }
        let outcome = swept?;
        equal(&outcome.stopped_by, &None, "what stopped the sweep")?;
        let record = record(shop.as_mut(), &request).await?;
        let after = self.world.look().await?;
        audit(&before, &after)?;
        let (dry, batches, entries) = foreseen?;
        if !words.unforeseen {
            let sum = |read: fn(&unreserve_engine::ledger::BatchRecord) -> i64| batches.iter().map(read).sum::<i64>();
            let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
            equal(&sum(|batch| batch.units), &record.units_released, "units, foreseen by the dry run")?;
            equal(&sum(|batch| batch.drift), &record.drift_units, "drift, foreseen by the dry run")?;
            let reservations: u64 = batches.iter().map(|batch| batch.reservations).sum();
            equal(&reservations, &record.reservations_released, "reservations, foreseen by the dry run")?;
            let cancelled: u64 = batches.iter().map(|batch| batch.orders_cancelled).sum();
            equal(&cancelled, &record.orders_cancelled, "orders cancelled, foreseen by the dry run")?;
            let lines = record.reservations_released.saturating_add(record.orders_cancelled);
            equal(&count(u64::try_from(entries.len())?), &count(lines), "entries, foreseen by the dry run")?;
            equal(&dry.facts.protected, &outcome.facts.protected, "orders protected, foreseen by the dry run")?;
        }
        self.last = Some((record, outcome.facts));
        Ok(())
    }

    async fn sweep_again(&mut self) -> Result<(), Failure> {
        let mut before = self.world.look().await?;
        let mut words = self.words.clone();
        // What was refused once is set aside, so a dry run knows it now.
        words.unforeseen = false;
        self.sweep(&words).await?;
        let (record, _) = present(self.last.as_ref(), "sweep")?;
        let did = (record.batches, record.reservations_released, record.orders_cancelled);
        equal(&did, &(0, 0, 0), "batches, reservations and cancellations of the second sweep")?;
        let mut after = self.world.look().await?;
        // That it took place is in the ledger, and nothing else is.
        before.ledger.sweeps.clear();
        after.ledger.sweeps.clear();
        equal(&after, &before, "the shop and the ledger after a second sweep")
    }

    async fn expect(&mut self, step: &Step) -> Result<(), Failure> {
        let seen = self.world.look().await?;
        match step {
            Step::ExpectReleased { reservations, units, cancelled, drift } => {
                let (record, _) = present(self.last.as_ref(), "sweep")?;
                let did =
                    (record.reservations_released, record.units_released, record.orders_cancelled, record.drift_units);
                equal(&did, &(*reservations, *units, *cancelled, *drift), "reservations, units, cancelled, drift")
            }
            Step::ExpectProtected(reasons) => {
                let (_, facts) = present(self.last.as_ref(), "sweep")?;
                let expected: BTreeMap<String, u64> = reasons.iter().cloned().collect();
                equal(&facts.protected, &expected, "the orders protected, by reason")
            }
            Step::ExpectSetAside(numbers) => {
                let aside: BTreeSet<&str> = seen.ledger.set_aside.keys().map(String::as_str).collect();
                let keys = numbers.iter().map(|number| self.world.order_key(number)).collect::<Result<Vec<_>, _>>()?;
                equal(&aside, &keys.iter().map(String::as_str).collect(), "the orders set aside, by key")?;
                let named = seen.ledger.set_aside.values().filter_map(|aside| aside.number.clone());
                equal(&named.collect::<BTreeSet<_>>(), &numbers.iter().cloned().collect(), "the same, by number")
            }
            Step::ExpectOrders { numbers, payment_status, order_status } => {
                for number in numbers {
                    let order = present(seen.orders.get(number), number)?;
                    let found = (order.payment_status.as_str(), order.order_status.as_str());
                    equal(&found, &(payment_status.as_str(), order_status.as_str()), &format!("order {number}"))?;
                }
                Ok(())
            }
            Step::ExpectUntouched(numbers) => {
                let filled = present(self.filled.as_ref(), "sweep")?;
                numbers.iter().try_for_each(|number| untouched(filled, &seen, number))
            }
            Step::ExpectStock { pool, id, reserved } => {
                let row = present(seen.stock.get(&(*pool, *id)), "stock row")?;
                equal(&row.reserved, reserved, &format!("what is reserved of {}", pool.label(*id)))
            }
            Step::ExpectLedger { number, units, drift } => {
                let of_order = |entry: &&crate::shops::EntrySeen| entry.number.as_deref() == Some(number.as_str());
                let entries = seen.ledger.entries.iter().filter(of_order);
                let sums = entries.fold((0, 0), |sums: (i64, i64), entry| {
                    (sums.0.saturating_add(entry.quantity), sums.1.saturating_add(entry.drift))
                });
                equal(&sums, &(*units, *drift), &format!("units and drift of {number} in the ledger"))
            }
            other => Err(Failure::new(format!("{other:?} expects nothing"))),
        }
    }
}

fn untouched(filled: &Snapshot, seen: &Snapshot, number: &str) -> Result<(), Failure> {
    let order = present(seen.orders.get(number), number)?;
    equal(&Some(order), &filled.orders.get(number), &format!("the row of order {number}"))?;
    let of = |snapshot: &Snapshot| {
        let rows = snapshot.reservations.iter().filter(|row| row.order == number);
        rows.cloned().collect::<Vec<_>>()
    };
    equal(&of(seen), &of(filled), &format!("the reservations of order {number}"))
}

fn request(words: &SweepWords) -> SweepRequest {
    let sweeper = Sweeper::new("scenario");
    SweepRequest {
        sweep_id: sweeper.start.sweep_id,
        holder: sweeper.holder,
        version: "test".to_owned(),
        batch_size: words.batch.unwrap_or(BATCH),
        max_orders: words.most.unwrap_or(MOST),
        only: words.only.clone(),
        lock_wait: LOCK_WAIT,
        stop: Stop::default(),
    }
}

async fn record(shop: &mut dyn CheckedShop, request: &SweepRequest) -> Result<SweepRecord, Failure> {
    let query = HistoryQuery::Sweep { id: request.sweep_id.to_string() };
    present(shop.history(&query).await?.into_iter().next(), "sweep in the ledger")
}

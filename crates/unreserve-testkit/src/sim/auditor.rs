//! The auditor: books of its own, checked against everything that is committed, step by step (RELIABILITY, I1 to I12).
//!
//! I12, that the process's clock and zone do not matter, is checked by the clocks that lie in every run and by a test that
//! compares two runs. I13, that no secret is written anywhere, has nothing to look at here: in memory there are no secrets.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use unreserve_engine::ledger::EntryKind;
use unreserve_engine::model::{BatchId, Key, SweepId};

use super::books::{self, Tables};
use super::journal::{Commit, Event, Note};
use super::own::BatchRow;
use super::punctual::{self, Instants, Punctual};
use super::store::{OurPart, State};
use super::world::{ON_HAND, STOCK, Told};

/// How long the shop may wait behind us, in microseconds, where nobody was held up on purpose: a batch locks two pools of
/// stock and the reservations, each for the lock budget of 300 ms at most, and there is the way between its statements.
const BUDGET: i64 = 1_000_000;

/// An invariant that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub invariant: &'static str,
    /// What was found.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.invariant, self.what)
    }
}

fn violation(invariant: &'static str, what: impl Into<String>) -> Violation {
    Violation { invariant, what: what.into() }
}

/// What is known of one stock row.
#[derive(Debug, Clone, Copy, Default)]
struct Stock {
    came_in: i64,
    sold: i64,
}

/// What is known of one sweep.
#[derive(Debug, Default)]
struct Sweep {
    told: Sums,
    /// The latest expiry of what was released, as far as nothing excuses its order.
    furthest: i64,
    /// Orders whose place in the line is excused: the shop was at them, or a batch with them failed.
    excused: BTreeSet<Key>,
    /// What the batch under way has locked.
    locked: Vec<Key>,
}

#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Sums {
    batches: u64,
    reservations: u64,
    units: i64,
    cancelled: u64,
    changes: usize,
}

/// The auditor.
#[derive(Debug)]
pub struct Auditor {
    tables: Tables,
    stock: BTreeMap<(usize, Key), Stock>,
    released: BTreeSet<Key>,
    ledger: Vec<BatchId>,
    sweeps: BTreeMap<SweepId, Sweep>,
    /// How many reservations were released.
    pub releases: u64,
    /// How many transactions were committed.
    pub commits: u64,
    /// How long the shop waited behind us at most, in microseconds, where nobody was held up on purpose.
    pub longest_wait: i64,
    /// How often somebody of the shop, who had waited long for somebody else of the shop, was the victim of a circle in
    /// which we had waited for a moment. Yielding early does not save him: it is told, and not counted as ours.
    pub circles: u64,
    /// Who looks whether those who watch are in time.
    punctual: Punctual,
}

impl Auditor {
    /// Opens the books of a shop that was just filled.
    #[must_use]
    pub fn new(state: &State) -> Option<Self> {
        let tables = Tables::of(state)?;
        let rows = STOCK.iter().filter_map(|(pool, item)| {
            let table = state.table(pool.table())?;
            Some(((table, Key::single(item.to_string())), Stock { came_in: ON_HAND, sold: 0 }))
        });
        Some(Self {
            tables,
            stock: rows.collect(),
            released: BTreeSet::new(),
            ledger: Vec::new(),
            sweeps: BTreeMap::new(),
            releases: 0,
            commits: 0,
            longest_wait: 0,
            circles: 0,
            punctual: Punctual::new(tables),
        })
    }

    /// Looks at everything that happened in one step. Whoever waited since before `disturbed_until` may have waited for
    /// somebody who was held up on purpose.
    ///
    /// # Errors
    /// The first invariant that does not hold.
    pub fn look(&mut self, state: &mut State, told: &[Told], disturbed_until: i64) -> Result<(), Violation> {
        let events = state.journal.as_mut().map(std::mem::take).unwrap_or_default();
        for event in events {
            match event {
                Event::Committed(commit) => self.committed(state, &commit)?,
                Event::LockedDue { sweep, locked, skipped } => {
                    self.punctual.hinder(skipped.iter().cloned());
                    let sweep = self.sweeps.entry(sweep).or_default();
                    sweep.excused.extend(skipped);
                    sweep.locked.extend(locked);
                }
                Event::StockBusy { sweep, table, key } => {
                    let all = books::reservations(self.tables, state).into_iter();
                    let holders = all.filter(|(_, row)| row.stock == (table, key.clone())).map(|(_, row)| row.order);
                    let holders: Vec<Key> = holders.collect();
                    self.punctual.hinder(holders.iter().cloned());
                    self.sweeps.entry(sweep).or_default().excused.extend(holders);
                }
                Event::Undone { sweep } => {
                    let sweep = self.sweeps.entry(sweep).or_default();
                    let undone = std::mem::take(&mut sweep.locked);
                    self.punctual.hinder(undone.iter().cloned());
                    sweep.excused.extend(undone);
                }
                Event::ShopWaited { since, micros, in_vain } => {
                    let disturbed = since <= disturbed_until;
                    self.longest_wait = self.longest_wait.max(if disturbed { 0 } else { micros });
                    if !disturbed && (micros > BUDGET || in_vain) {
                        return Err(violation(
                            "I11",
                            format!("the shop waited {micros} µs behind us, in vain: {in_vain}"),
                        ));
                    }
                }
                Event::ShopVictim { since, our_part } => match our_part {
                    OurPart::InTheWay if since > disturbed_until => {
                        return Err(violation("I11", "the shop is the victim of a deadlock with us"));
                    }
                    OurPart::Further => self.circles = self.circles.saturating_add(1),
                    _ => {}
                },
            }
        }
        dry_runs_hold_nothing(state)?;
        told.iter().try_for_each(|told| self.reported(told))
    }

    fn committed(&mut self, state: &State, commit: &Commit) -> Result<(), Violation> {
        self.commits = self.commits.saturating_add(1);
        if commit.ours {
            self.ours(state, commit)?;
        } else {
            self.theirs(commit);
        }
        let reservations_or_stock = [self.tables.reservations, self.tables.variants, self.tables.drops];
        if commit.changes.iter().any(|change| reservations_or_stock.contains(&change.table)) {
            self.conserved(state)?;
        }
        Ok(())
    }

    /// The shop's own work: its notes go into the books, and whatever it was at is excused from its place in the line.
    fn theirs(&mut self, commit: &Commit) {
        for note in &commit.notes {
            let (Note::Restocked(table, key, _) | Note::Sold(table, key, _)) = note;
            let stock = self.stock.entry((*table, key.clone())).or_default();
            match note {
                Note::Restocked(.., quantity) => stock.came_in = stock.came_in.saturating_add(*quantity),
                Note::Sold(.., quantity) => stock.sold = stock.sold.saturating_add(*quantity),
            }
        }
        let mut touched = Vec::new();
        for change in &commit.changes {
            for row in [&change.before, &change.after].into_iter().flatten() {
                if change.table == self.tables.orders {
                    touched.push(change.key.clone());
                } else if change.table == self.tables.reservations {
                    touched.extend(books::reservation(self.tables, row).map(|row| row.order));
                } else if change.table == self.tables.payments {
                    touched.extend(books::paid_order(row));
                }
            }
        }
        for sweep in self.sweeps.values_mut() {
            sweep.excused.extend(touched.iter().cloned());
        }
    }

    /// I1: what is on hand is what came in less what was sold, and what is reserved is what the reservations hold.
    fn conserved(&self, state: &State) -> Result<(), Violation> {
        let mut held: BTreeMap<(usize, Key), i64> = BTreeMap::new();
        for (_, row) in books::reservations(self.tables, state) {
            if row.is_active {
                let sum = held.entry(row.stock).or_default();
                *sum = sum.saturating_add(row.quantity);
            }
        }
        for (place, stock) in &self.stock {
            let Some(row) = state.row(place.0, &place.1, None) else { continue };
            let found = books::counters(row);
            let expected = (stock.came_in.saturating_sub(stock.sold), held.get(place).copied().unwrap_or(0));
            if found != expected {
                let what =
                    format!("stock row {} has (on hand, reserved) {found:?}, the books have {expected:?}", place.1);
                return Err(violation("I1", what));
            }
        }
        Ok(())
    }

    fn ours(&mut self, state: &State, commit: &Commit) -> Result<(), Violation> {
        let Some(batch) = &commit.batch else {
            if commit.changes.is_empty() {
                return Ok(());
            }
            return Err(violation("I5", "rows of the shop were changed, and the ledger says nothing"));
        };
        if commit.lease_lost {
            return Err(violation("fence", "a batch was committed by somebody who does not hold the lease"));
        }
        self.once(batch)?;
        self.told_is_done(commit, batch)?;
        self.allowed(state, commit)?;
        self.in_order(batch)?;
        self.ledger_grew(state, batch)?;
        let sweep = self.sweeps.entry(batch.sweep_id).or_default();
        sweep.locked.clear();
        let releases = batch.entries.iter().filter(|entry| entry.kind == EntryKind::Release);
        let released = u64::try_from(releases.clone().count()).unwrap_or(u64::MAX);
        let cancelled = batch.entries.iter().filter(|entry| entry.kind == EntryKind::Cancel).count();
        let sums = &mut sweep.told;
        sums.batches = sums.batches.saturating_add(1);
        sums.reservations = sums.reservations.saturating_add(released);
        sums.units = releases.fold(sums.units, |units, entry| units.saturating_add(entry.quantity.units()));
        sums.cancelled = sums.cancelled.saturating_add(u64::try_from(cancelled).unwrap_or(u64::MAX));
        sums.changes = usize::try_from(sums.reservations).unwrap_or(usize::MAX);
        self.releases = self.releases.saturating_add(released);
        Ok(())
    }

    /// I2: no reservation is released twice.
    fn once(&mut self, batch: &BatchRow) -> Result<(), Violation> {
        for key in batch.entries.iter().filter_map(|entry| entry.reservation.as_ref()) {
            if !self.released.insert(key.clone()) {
                return Err(violation("I2", format!("reservation {key} is released a second time")));
            }
        }
        Ok(())
    }

    /// I2 and I5: the ledger tells exactly what was done to reservations, orders and stock.
    fn told_is_done(&self, commit: &Commit, batch: &BatchRow) -> Result<(), Violation> {
        let mut done: BTreeMap<String, i64> = BTreeMap::new();
        let mut moved: BTreeMap<String, i64> = BTreeMap::new();
        let mut cancelled = BTreeSet::new();
        for change in &commit.changes {
            let (Some(before), Some(after)) = (&change.before, &change.after) else {
                return Err(violation("I5", format!("row {} came or went", change.key)));
            };
            if change.table == self.tables.reservations {
                let row = books::reservation(self.tables, before).map_or(0, |row| row.quantity);
                done.insert(change.key.to_string(), row);
            } else if change.table == self.tables.orders {
                cancelled.insert(change.key.to_string());
            } else {
                let down = books::counters(before).1.saturating_sub(books::counters(after).1);
                if books::counters(before).0 != books::counters(after).0 {
                    return Err(violation("I1", format!("what is on hand of {} was written", change.key)));
                }
                moved.insert(format!("{}:{}", self.pool_name(change.table), change.key), down);
            }
        }
        let releases = batch.entries.iter().filter(|entry| entry.kind == EntryKind::Release);
        let told: BTreeMap<String, i64> = releases
            .clone()
            .map(|entry| (entry.reservation.as_ref().map(Key::to_string).unwrap_or_default(), entry.quantity.units()))
            .collect();
        if told != done {
            return Err(violation("I5", format!("reservations ended {done:?}, and the ledger tells {told:?}")));
        }
        let mut given: BTreeMap<String, i64> = BTreeMap::new();
        for entry in releases {
            let sum = given.entry(entry.stock.clone().unwrap_or_default()).or_default();
            *sum = sum.saturating_add(entry.quantity.units()).saturating_sub(entry.drift.units());
        }
        moved.retain(|_, down| *down != 0);
        given.retain(|_, down| *down != 0);
        if moved != given {
            return Err(violation("I2", format!("counters went down by {moved:?}, and the ledger tells {given:?}")));
        }
        let kept: BTreeSet<String> = batch
            .entries
            .iter()
            .filter(|entry| entry.kind == EntryKind::Cancel)
            .map(|entry| entry.order.to_string())
            .collect();
        if kept == cancelled {
            return Ok(());
        }
        Err(violation("I5", format!("orders changed {cancelled:?}, and the ledger tells {kept:?}")))
    }

    fn pool_name(&self, table: usize) -> &'static str {
        if table == self.tables.variants { crate::shops::VARIANTS } else { crate::shops::DROPS }
    }

    /// I3, I4 and I5: nothing paid, nothing early, and nothing left reserved of what was cancelled.
    fn allowed(&self, state: &State, commit: &Commit) -> Result<(), Violation> {
        for change in &commit.changes {
            let Some(before) = &change.before else { continue };
            if change.table == self.tables.orders {
                let key = &change.key;
                if !matches!(books::payment_status(before), "pending" | "failed")
                    || books::is_paid(self.tables, state, key)
                {
                    return Err(violation("I3", format!("order {key} was cancelled, and money had come")));
                }
                let holds = |row: &books::ReservationRow| row.is_active && row.order == *key;
                if books::reservations(self.tables, state).iter().any(|(_, row)| holds(row)) {
                    return Err(violation("I5", format!("order {key} was cancelled, and holds stock")));
                }
            } else if change.table == self.tables.reservations
                && let Some(row) = books::reservation(self.tables, before)
            {
                let order = state.row(self.tables.orders, &row.order, None);
                let status_before =
                    commit.changes.iter().find(|one| one.table == self.tables.orders && one.key == row.order);
                let order = status_before.and_then(|one| one.before.as_ref()).or(order);
                if !order.is_some_and(|order| books::may_be_released(order))
                    || books::is_paid(self.tables, state, &row.order)
                {
                    return Err(violation(
                        "I3",
                        format!("reservation {} was released, and money had come", change.key),
                    ));
                }
                if row.expires_at > commit.began {
                    let early = row.expires_at.saturating_sub(commit.began);
                    return Err(violation("I4", format!("reservation {} was released {early} µs early", change.key)));
                }
                if !row.is_active {
                    return Err(violation("I2", format!("reservation {} had ended before", change.key)));
                }
            }
        }
        Ok(())
    }

    /// I8: within a batch and from batch to batch, the oldest come first, orders aside that are excused.
    fn in_order(&mut self, batch: &BatchRow) -> Result<(), Violation> {
        let mut oldest: Vec<(&Key, i64)> = Vec::new();
        for entry in batch.entries.iter().filter(|entry| entry.kind == EntryKind::Release) {
            let expiry = entry.expires_at.map_or(i64::MAX, jiff::Timestamp::as_microsecond);
            match oldest.iter_mut().find(|(order, _)| *order == &entry.order) {
                Some((_, first)) => *first = (*first).min(expiry),
                None => oldest.push((&entry.order, expiry)),
            }
        }
        let sweep = self.sweeps.entry(batch.sweep_id).or_default();
        for (order, expiry) in oldest.into_iter().filter(|(order, _)| !sweep.excused.contains(order)) {
            if expiry < sweep.furthest {
                let late = sweep.furthest.saturating_sub(expiry);
                return Err(violation("I8", format!("order {order} comes behind one that expired {late} µs later")));
            }
            sweep.furthest = expiry;
        }
        Ok(())
    }

    /// I6: the ledger has everything it had, and this batch.
    fn ledger_grew(&mut self, state: &State, batch: &BatchRow) -> Result<(), Violation> {
        self.ledger.push(batch.record.batch_id);
        let stands: Vec<BatchId> = state.own.batches.iter().map(|batch| batch.record.batch_id).collect();
        // Several batches may have been committed in one step: what is told later is looked at then.
        if stands.starts_with(&self.ledger) {
            return Ok(());
        }
        Err(violation(
            "I6",
            format!("the ledger has {} batches, of {} that were committed", stands.len(), self.ledger.len()),
        ))
    }

    /// I9: what is reported is what stands in the books.
    fn reported(&mut self, told: &Told) -> Result<(), Violation> {
        let Told { batches, reservations, units, cancelled, changes, sweep_id } = told.clone();
        let told = Sums { batches, reservations, units, cancelled, changes };
        let known = self.sweeps.get(&sweep_id).map(|sweep| sweep.told.clone()).unwrap_or_default();
        if told == known {
            return Ok(());
        }
        Err(violation("I9", format!("a sweep reports {told:?}, the books have {known:?}")))
    }

    /// Whether those who watch are in time.
    ///
    /// # Errors
    /// They are not.
    pub fn in_time(&mut self, state: &State, profile: &str, instants: Instants) -> Result<(), Violation> {
        self.punctual.look(state, profile, instants)
    }

    /// Whoever is on duty from that host is lost now; another has to follow.
    pub fn lose(&mut self, host: String, instants: Instants) {
        self.punctual.lose(host, instants);
    }

    /// How long something was due at most while those who watch had to be in time, in microseconds: what nobody of the
    /// shop stood in the way of, and what somebody did.
    #[must_use]
    pub fn longest_due(&self) -> (i64, i64) {
        self.punctual.longest
    }

    /// How often the duty went to another host.
    #[must_use]
    pub fn successions(&self) -> u64 {
        self.punctual.successions
    }

    /// The host that is on duty.
    #[must_use]
    pub fn on_duty(&self) -> Option<&str> {
        self.punctual.on_duty()
    }

    /// Nothing is due any more but what is set aside.
    ///
    /// # Errors
    /// Something is: `invariant` says what that breaks.
    pub fn nothing_left(
        &self,
        state: &State,
        profile: &str,
        (now, invariant, when): (i64, &'static str, &str),
    ) -> Result<(), Violation> {
        let due = punctual::due(self.tables, state, profile, now);
        if due.is_empty() { Ok(()) } else { Err(violation(invariant, format!("still due {when} are {due:?}"))) }
    }

    /// I7: once the faults have ended, nothing is due any more.
    ///
    /// # Errors
    /// Something is.
    pub fn nothing_due(&self, state: &State, now: i64) -> Result<(), Violation> {
        let due = books::due(self.tables, state, now);
        if due.is_empty() {
            return Ok(());
        }
        Err(violation("I7", format!("the faults are over, and still due are {due:?}")))
    }
}

/// I10: a dry run begins no transaction that could lock or write.
fn dry_runs_hold_nothing(state: &State) -> Result<(), Violation> {
    if state.dry.is_empty() {
        return Ok(());
    }
    match state.txs.values().find(|tx| state.dry.contains(&tx.connection)) {
        Some(_) => Err(violation("I10", "a dry run locks or writes")),
        None => Ok(()),
    }
}

//! Whether those who watch are in time: nothing stays due, somebody is on duty, and no two are at once.

use std::collections::{BTreeMap, BTreeSet};

use unreserve_engine::model::Key;

use super::auditor::Violation;
use super::books::{self, Tables};
use super::ledger::duty_row;
use super::locks::RowId;
use super::own::Lease;
use super::store::State;

/// How often it is looked what is due, in microseconds.
const TICK: i64 = 500_000;

/// What nobody of the shop stood in the way of is released so soon, in microseconds. A look comes every 4 s, on a clock
/// that takes a tenth longer for it; before it a sweep may be under way that is patient with busy orders for 10 s and
/// pauses for 2 s at most between its tries; and then there is the sweep itself.
const PROMPT: i64 = 20_000_000;

/// What somebody of the shop stood in the way of is tried again after 30 s at the latest, on a slow clock; before and
/// after it is what there is for the others.
const LEFT: i64 = 60_000_000;

/// Whoever is on duty and falls silent has a successor so soon, in microseconds.
pub(super) const TAKEOVER: i64 = 15_000_000;

/// Whoever was on duty and not heard of for so long, in microseconds, may be taken for dead.
const SILENT: i64 = 10_000_000;

fn violation(invariant: &'static str, what: impl Into<String>) -> Violation {
    Violation { invariant, what: what.into() }
}

/// What time it is, really and by the database's clock, and until when nobody has to be in time.
#[derive(Debug, Clone, Copy)]
pub struct Instants {
    /// Real time.
    pub now: i64,
    /// The database's clock.
    pub database_now: i64,
    /// Until when nobody has to be in time, in real time.
    pub unsettled_until: i64,
}

/// A loss of the one on duty that nobody has made up for yet.
#[derive(Debug)]
struct Loss {
    host: String,
    instants: Instants,
}

/// Looks at the time.
#[derive(Debug)]
pub(super) struct Punctual {
    tables: Tables,
    next_look: i64,
    /// Since when an order could have been released.
    due_since: BTreeMap<Key, i64>,
    /// Orders that somebody of the shop stood in the way of.
    hindered: BTreeSet<Key>,
    duty: Lease,
    loss: Option<Loss>,
    /// How long something was due at most that nobody of the shop stood in the way of, and that somebody did, in
    /// microseconds, while everybody had to be in time.
    pub(super) longest: (i64, i64),
    /// How often the duty went to another host.
    pub(super) successions: u64,
}

impl Punctual {
    pub(super) fn new(tables: Tables) -> Self {
        Self {
            tables,
            next_look: 0,
            due_since: BTreeMap::new(),
            hindered: BTreeSet::new(),
            duty: Lease::default(),
            loss: None,
            longest: (0, 0),
            successions: 0,
        }
    }

    /// Somebody of the shop stood in the way of these orders' release.
    pub(super) fn hinder(&mut self, orders: impl IntoIterator<Item = Key>) {
        self.hindered.extend(orders);
    }

    /// Whoever is on duty from that host is lost now.
    pub(super) fn lose(&mut self, host: String, instants: Instants) {
        if self.duty.holder.as_ref().is_some_and(|holder| holder.host == host) {
            self.loss = Some(Loss { host, instants });
        }
    }

    /// Who is on duty.
    pub(super) fn on_duty(&self) -> Option<&str> {
        self.duty.holder.as_ref().map(|holder| holder.host.as_str())
    }

    /// Looks.
    pub(super) fn look(&mut self, state: &State, profile: &str, instants: Instants) -> Result<(), Violation> {
        self.one_on_duty(state, profile)?;
        self.made_up_for(instants)?;
        if instants.now < self.next_look {
            return Ok(());
        }
        self.next_look = instants.now.saturating_add(TICK);
        if instants.now <= instants.unsettled_until {
            self.due_since.clear();
            return Ok(());
        }
        self.nothing_late(state, profile, instants)
    }

    /// The duty changes hands only where whoever had it has left, is gone, or was silent.
    fn one_on_duty(&mut self, state: &State, profile: &str) -> Result<(), Violation> {
        let Some(lease) = state.own.leases.get(&duty_row(profile)) else { return Ok(()) };
        let before = std::mem::replace(&mut self.duty, lease.clone());
        let (Some(old), Some(new)) = (&before.holder, &lease.holder) else { return Ok(()) };
        self.successions = self.successions.saturating_add(u64::from(old.host != new.host));
        let silent = lease.heard_at.saturating_sub(before.heard_at) >= SILENT;
        let gone = !state.connections.contains_key(&before.connection);
        if old.token == new.token || old.host == new.host || silent || gone {
            return Ok(());
        }
        Err(violation("duty", format!("{new} goes on duty while {old} is")))
    }

    fn made_up_for(&mut self, instants: Instants) -> Result<(), Violation> {
        let Some(loss) = &self.loss else { return Ok(()) };
        let again = instants.unsettled_until > loss.instants.unsettled_until;
        // Or he is back himself.
        let heard = self.duty.holder.is_some() && self.duty.heard_at > loss.instants.database_now;
        if again || heard {
            self.loss = None;
        } else if instants.now > loss.instants.now.saturating_add(TAKEOVER) {
            let what = format!("{} on duty was lost, and 15 s later nobody has followed", loss.host);
            return Err(violation("takeover", what));
        }
        Ok(())
    }

    fn nothing_late(&mut self, state: &State, profile: &str, instants: Instants) -> Result<(), Violation> {
        let due: BTreeSet<Key> = due(self.tables, state, profile, instants.database_now).into_iter().collect();
        self.due_since.retain(|order, _| due.contains(order));
        for order in due {
            if is_held(self.tables, state, &order) {
                self.hindered.insert(order.clone());
                self.due_since.insert(order, instants.now);
                continue;
            }
            let since = *self.due_since.entry(order.clone()).or_insert(instants.now);
            let passed = instants.now.saturating_sub(since);
            let (prompt, left) = &mut self.longest;
            let (bound, longest) = if self.hindered.contains(&order) { (LEFT, left) } else { (PROMPT, prompt) };
            *longest = passed.max(*longest);
            if passed > bound {
                return Err(violation("late", format!("order {order} is due and free for {} ms", passed / 1_000)));
            }
        }
        Ok(())
    }
}

/// The orders that are due and not set aside.
pub(super) fn due(tables: Tables, state: &State, profile: &str, now: i64) -> Vec<Key> {
    let mut due = books::due(tables, state, now);
    due.retain(|order| !state.own.is_aside(profile, order, now));
    due
}

/// Whether somebody of the shop holds a row that the release of an order needs.
fn is_held(tables: Tables, state: &State, order: &Key) -> bool {
    let theirs = |table: usize, key: &Key| {
        let mut holders = state.locks.holders(&RowId { table, key: key.clone() });
        holders.any(|tx| state.txs.get(&tx).is_some_and(|tx| !tx.ours))
    };
    theirs(tables.orders, order)
        || books::reservations(tables, state).iter().any(|(key, row)| {
            row.order == *order && (theirs(tables.reservations, key) || theirs(row.stock.0, &row.stock.1))
        })
}

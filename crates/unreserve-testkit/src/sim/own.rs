//! Our own tables in memory: the lease, the ledger, and the orders that are set aside.

use std::collections::BTreeMap;

use unreserve_engine::ledger::{BatchRecord, Entry, SetAside, SweepEnd, SweepStart};
use unreserve_engine::model::{BatchId, Holder, Key, SweepId};

/// Who may sweep one profile.
#[derive(Debug, Clone, Default)]
pub struct Lease {
    /// Counts the holders.
    pub epoch: i64,
    /// Who holds it; nobody where it is free.
    pub holder: Option<Holder>,
    /// When it was heard of, by the database's clock.
    pub heard_at: i64,
    /// The connection it was heard of on.
    pub connection: u64,
}

/// A batch that was committed, or is about to be.
#[derive(Debug, Clone)]
pub struct BatchRow {
    /// What it did.
    pub record: BatchRecord,
    /// Its sweep.
    pub sweep_id: SweepId,
    /// Its profile.
    pub profile: String,
    /// When its transaction began, by the database's clock.
    pub at: i64,
    /// Its entries.
    pub entries: Vec<Entry>,
}

/// An order that is set aside.
#[derive(Debug, Clone)]
pub struct AsideRow {
    /// What is told of it.
    pub aside: SetAside,
    /// How often it was tried.
    pub attempts: u64,
    /// Since when.
    pub since: i64,
    /// When it is tried again.
    pub retry_at: i64,
}

/// A change to our own tables, made when its transaction commits.
#[derive(Debug, Clone)]
pub enum OwnWrite {
    /// The lease of a profile.
    Lease(String, Lease),
    /// A sweep began.
    Begun(SweepStart, i64),
    /// A sweep ended.
    Ended(SweepEnd, i64),
    /// A batch was done.
    Batch(BatchRow),
    /// An order was set aside for a profile, at this instant.
    Aside(String, SetAside, i64),
}

/// Everything that stands in our own tables.
#[derive(Debug, Default)]
pub struct Own {
    /// The leases.
    pub leases: BTreeMap<String, Lease>,
    /// The sweeps in the order they began.
    pub sweeps: Vec<(SweepStart, i64)>,
    /// How sweeps ended.
    pub ends: BTreeMap<SweepId, (SweepEnd, i64)>,
    /// The batches in the order of their commits.
    pub batches: Vec<BatchRow>,
    /// The orders set aside, by profile and key.
    pub set_aside: BTreeMap<(String, String), AsideRow>,
}

/// An hour.
pub const HOUR: i64 = 3_600_000_000;

impl Own {
    /// Makes a change.
    pub fn apply(&mut self, write: OwnWrite) {
        match write {
            OwnWrite::Lease(profile, lease) => {
                self.leases.insert(profile, lease);
            }
            OwnWrite::Begun(start, at) => {
                if !self.sweeps.iter().any(|(sweep, _)| sweep.sweep_id == start.sweep_id) {
                    self.sweeps.push((start, at));
                }
            }
            OwnWrite::Ended(end, at) => {
                self.ends.insert(end.sweep_id, (end, at));
            }
            OwnWrite::Batch(batch) => {
                for entry in &batch.entries {
                    self.set_aside.remove(&(batch.profile.clone(), entry.order.to_string()));
                }
                self.batches.push(batch);
            }
            OwnWrite::Aside(profile, aside, at) => {
                let place = (profile, aside.order.to_string());
                let before = self.set_aside.get(&place);
                let (attempts, since) = before.map_or((0, at), |row| (row.attempts, row.since));
                let row =
                    AsideRow { aside, attempts: attempts.saturating_add(1), since, retry_at: at.saturating_add(HOUR) };
                self.set_aside.insert(place, row);
            }
        }
    }

    /// The committed batch of that identity.
    #[must_use]
    pub fn batch(&self, batch_id: BatchId) -> Option<&BatchRow> {
        self.batches.iter().find(|batch| batch.record.batch_id == batch_id)
    }

    /// Whether an order is kept out of the way now.
    #[must_use]
    pub fn is_aside(&self, profile: &str, order: &Key, now: i64) -> bool {
        if self.set_aside.is_empty() {
            return false;
        }
        let place = (profile.to_owned(), order.to_string());
        self.set_aside.get(&place).is_some_and(|row| row.retry_at > now)
    }
}

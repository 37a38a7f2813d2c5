//! The report of one sweep: the fields of `sweep --format json`, and the source of every other face.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::ledger::{BatchRecord, Entry, EntryKind, EntryRecord, SweepRecord};
use crate::model::{Quantity, SweepId};
use crate::shop::Outlook;
use crate::sweep::{ProtectedOrder, SweepOutcome};

/// One reservation that was released, or would be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The order's number, or its key where it has none.
    pub order: String,
    /// The reservation's key.
    pub reservation: String,
    /// The stock row, as `table:key`; nothing for an untracked item.
    pub stock: Option<String>,
    /// What was given back.
    pub quantity: Quantity,
    /// Whole seconds from its expiry to its release.
    pub overdue_seconds: i64,
}

/// The report of one sweep. In a dry run the same fields say what would happen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SweepReport {
    /// The sweep's identity, the same as in the ledger.
    pub sweep_id: SweepId,
    /// Whether nothing was written.
    pub dry_run: bool,
    /// The profile.
    pub profile: String,
    /// The database's address, its password masked.
    pub database: String,
    /// When it began, by the database's clock.
    pub started_at: Timestamp,
    /// When it ended, by the database's clock.
    pub finished_at: Timestamp,
    /// Milliseconds it took.
    pub duration_ms: i64,
    /// Committed transactions.
    pub batches: u64,
    /// Reservations released.
    pub reservations_released: u64,
    /// Units given back, drift included.
    pub units_released: i64,
    /// Stock rows written.
    pub stock_rows_updated: u64,
    /// Orders cancelled.
    pub orders_cancelled: u64,
    /// Orders left alone although something of them had expired, by reason.
    pub orders_protected: BTreeMap<String, u64>,
    /// Whether there may be more of them: of very many expired reservations only the oldest are read. Left out where not.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub orders_protected_at_least: bool,
    /// Why guarded orders could not be counted, nor orders set aside in a dry run. Left out where they were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uncounted: Option<String>,
    /// Orders kept out of the way, to be tried again.
    pub orders_set_aside: u64,
    /// What counters lacked.
    pub drift_units: i64,
    /// How long the oldest due reservation was overdue when the sweep began, in seconds.
    pub oldest_overdue_seconds: i64,
    /// Whether something due was left.
    pub remaining_due: bool,
    /// What changed, line by line; only where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changes: Option<Vec<Change>>,
    /// The first of the orders left alone, for people.
    #[serde(skip)]
    pub protected_orders: Vec<ProtectedOrder>,
    /// What lay ahead when it ended, for metrics; nothing where that was not counted.
    #[serde(skip)]
    pub ahead: Option<Outlook>,
}

/// The report of a sweep, from what stands in the ledger.
#[must_use]
pub fn report_sweep(
    outcome: &SweepOutcome,
    record: &SweepRecord,
    entries: Option<&[EntryRecord]>,
    database: &str,
) -> SweepReport {
    SweepReport {
        sweep_id: record.sweep_id,
        dry_run: false,
        profile: record.profile.clone(),
        database: database.to_owned(),
        started_at: record.started_at,
        finished_at: record.finished_at.unwrap_or_else(|| later(record.started_at, outcome)),
        duration_ms: record.duration_ms.unwrap_or_else(|| milliseconds(outcome)),
        batches: record.batches,
        reservations_released: crate::sweep::counted_on_the_way().unwrap_or(record.reservations_released),
        units_released: record.units_released,
        stock_rows_updated: record.stock_rows_updated,
        orders_cancelled: record.orders_cancelled,
        orders_protected: outcome.facts.protected.clone(),
        orders_protected_at_least: outcome.facts.protected_at_least,
        uncounted: outcome.facts.uncounted.clone(),
        orders_set_aside: outcome.facts.set_aside,
        drift_units: record.drift_units,
        oldest_overdue_seconds: seconds(outcome.facts.oldest_overdue_micros),
        remaining_due: outcome.facts.remaining_due,
        changes: entries.map(|entries| entries.iter().filter_map(recorded).collect()),
        protected_orders: outcome.facts.protected_orders.clone(),
        ahead: outcome.facts.ahead,
    }
}

/// The report of a dry run, from what would have been written.
#[must_use]
pub fn report_dry(
    outcome: &SweepOutcome,
    profile: &str,
    batches: &[BatchRecord],
    entries: Option<&[Entry]>,
    database: &str,
) -> SweepReport {
    let sum = |field: fn(&BatchRecord) -> u64| batches.iter().map(field).fold(0_u64, u64::saturating_add);
    let units = |field: fn(&BatchRecord) -> i64| batches.iter().map(field).fold(0_i64, i64::saturating_add);
    SweepReport {
        sweep_id: outcome.sweep_id,
        dry_run: true,
        profile: profile.to_owned(),
        database: database.to_owned(),
        started_at: outcome.started_at,
        finished_at: later(outcome.started_at, outcome),
        duration_ms: milliseconds(outcome),
        batches: u64::try_from(batches.len()).unwrap_or(u64::MAX),
        reservations_released: sum(|batch| batch.reservations),
        units_released: units(|batch| batch.units),
        stock_rows_updated: sum(|batch| batch.stock_rows),
        orders_cancelled: sum(|batch| batch.orders_cancelled),
        orders_protected: outcome.facts.protected.clone(),
        orders_protected_at_least: outcome.facts.protected_at_least,
        uncounted: outcome.facts.uncounted.clone(),
        orders_set_aside: outcome.facts.set_aside,
        drift_units: units(|batch| batch.drift),
        oldest_overdue_seconds: seconds(outcome.facts.oldest_overdue_micros),
        remaining_due: outcome.facts.remaining_due,
        changes: entries.map(|entries| entries.iter().filter_map(planned).collect()),
        protected_orders: outcome.facts.protected_orders.clone(),
        ahead: outcome.facts.ahead,
    }
}

fn recorded(entry: &EntryRecord) -> Option<Change> {
    Some(Change {
        order: entry.number.clone().unwrap_or_else(|| entry.order.clone()),
        reservation: entry.reservation.clone()?,
        stock: entry.stock.clone(),
        quantity: Quantity::new(entry.quantity),
        overdue_seconds: entry.overdue_seconds,
    })
}

fn planned(entry: &Entry) -> Option<Change> {
    debug_assert!(
        entry.kind == EntryKind::Release || entry.reservation.is_none(),
        "only a release names a reservation"
    );
    Some(Change {
        order: entry.number.clone().unwrap_or_else(|| entry.order.to_string()),
        reservation: entry.reservation.as_ref()?.to_string(),
        stock: entry.stock.clone(),
        quantity: entry.quantity,
        overdue_seconds: seconds(entry.overdue_micros),
    })
}

fn seconds(micros: i64) -> i64 {
    micros.checked_div(1_000_000).unwrap_or(0)
}

fn milliseconds(outcome: &SweepOutcome) -> i64 {
    i64::try_from(outcome.took.as_millis()).unwrap_or(i64::MAX)
}

fn later(start: Timestamp, outcome: &SweepOutcome) -> Timestamp {
    start.checked_add(outcome.took).unwrap_or(start)
}

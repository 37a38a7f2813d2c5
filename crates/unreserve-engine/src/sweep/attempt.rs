//! One try at one batch: lock, examine, decide, settle, write, commit.

use std::collections::BTreeSet;

use super::decide::{Decision, Release, decide};
use super::settle::{Settlement, settle};
use crate::ledger::BatchRecord;
use crate::model::{BatchId, Key, LockedOrder, Position, StockRef, StockRow};
use crate::model::{Mutant, planted};
use crate::plan::Plan;
use crate::shop::{Batch, BatchStart, CheckedShop, Committed, Selection, ShopError, ShopErrorKind, StockWait};

/// What one committed batch did.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// What the ledger has of it; nothing where there was nothing to write.
    pub(super) record: Option<BatchRecord>,
    /// How long each reservation that it released was overdue, in microseconds.
    pub(super) overdue_micros: Vec<i64>,
    /// Orders left alone: key, number, reason.
    pub(super) protected: Vec<(Key, Option<String>, String)>,
    /// Orders left for later because somebody holds a stock row of theirs.
    pub(super) busy: Vec<(Key, Option<String>)>,
    /// Orders something of which was released.
    pub(super) released: u64,
    /// Orders dealt with.
    pub(super) orders: u64,
    /// Where the line goes on; nothing where it ended.
    pub(super) next: Option<Position>,
}

/// A batch that did not come to its commit, or whose commit failed.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) error: ShopError,
    /// The orders it had locked, with their numbers where they were known.
    pub(super) orders: Vec<(Key, Option<String>)>,
    /// Where the line goes on behind them.
    pub(super) next: Option<Position>,
    /// Whether the commit may have happened all the same.
    pub(super) unknown: Option<(BatchId, Done)>,
}

struct Locked {
    orders: Vec<(Key, Option<String>)>,
    next: Option<Position>,
}

/// Tries one batch.
pub(super) async fn attempt(
    shop: &mut dyn CheckedShop,
    start: BatchStart<'_>,
    selection: &Selection,
    wait: StockWait,
) -> Result<Done, Failed> {
    let plan = shop.plan().clone();
    let batch_id = start.batch_id;
    let mut locked = Locked { orders: Vec::new(), next: None };
    let mut batch = match shop.begin(start).await {
        Ok(batch) => batch,
        Err(error) => return Err(Failed { error, orders: Vec::new(), next: None, unknown: None }),
    };
    let done = match work(batch.as_mut(), (&plan, batch_id), (selection, wait), &mut locked).await {
        Ok(done) => done,
        Err(error) => {
            if planted(Mutant::NoRollback) {
                let _ = batch.commit().await;
                return Err(Failed { error, orders: locked.orders, next: locked.next, unknown: None });
            }
            // A rollback that fails leaves a dropped connection, which rolls back as well.
            let _ = batch.rollback().await;
            return Err(Failed { error, orders: locked.orders, next: locked.next, unknown: None });
        }
    };
    if done.record.is_none() {
        let _ = batch.rollback().await;
        return Ok(done);
    }
    match batch.commit().await {
        Committed::Yes => Ok(done),
        Committed::No(error) => Err(Failed { error, orders: locked.orders, next: locked.next, unknown: None }),
        Committed::Unknown(error) => {
            Err(Failed { error, orders: locked.orders, next: locked.next, unknown: Some((batch_id, done)) })
        }
    }
}

async fn work(
    batch: &mut dyn Batch,
    (plan, batch_id): (&Plan, BatchId),
    (selection, wait): (&Selection, StockWait),
    locked: &mut Locked,
) -> Result<Done, ShopError> {
    let page = batch.lock_due(selection).await?;
    locked.next = page.next;
    locked.orders = distinct(page.orders);
    let keys: Vec<Key> = locked.orders.iter().map(|(key, _)| key.clone()).collect();
    let mut done =
        Done { next: locked.next.clone(), orders: u64::try_from(keys.len()).unwrap_or(u64::MAX), ..Done::default() };
    if keys.is_empty() {
        return Ok(done);
    }
    let examined = batch.examine(&keys).await?;
    if examined.len() != keys.len() {
        let message = format!("{} of {} locked orders could be read again", examined.len(), keys.len());
        return Err(ShopError::new(ShopErrorKind::Invariant, message));
    }
    let mut releases = Vec::new();
    for order in examined {
        match decide(order, !plan.order.cancel.is_empty()) {
            Decision::Release(release) => releases.push(release),
            Decision::Protect { order, number, reason } => done.protected.push((order, number, reason)),
        }
    }
    let stock = stock_in_order(&releases);
    let rows = if stock.is_empty() { Vec::new() } else { batch.lock_stock(&stock, wait).await? };
    if wait == StockWait::None {
        let free: BTreeSet<&StockRef> = rows.iter().map(|row| &row.stock).collect();
        let (ready, busy): (Vec<_>, Vec<_>) =
            releases.into_iter().partition(|release| held(release).all(|stock| free.contains(stock)));
        releases = ready;
        done.orders = done.orders.saturating_sub(u64::try_from(busy.len()).unwrap_or(0));
        done.busy = busy.into_iter().map(|release| (release.order, release.number)).collect();
    }
    if !releases.is_empty() {
        done.released = u64::try_from(releases.len()).unwrap_or(u64::MAX);
        done.overdue_micros = releases.iter().flat_map(|release| &release.due).map(|due| due.overdue_micros).collect();
        done.record = Some(write(batch, plan, batch_id, (&releases, &rows)).await?);
    }
    Ok(done)
}

fn held(release: &Release) -> impl Iterator<Item = &StockRef> {
    release.due.iter().flat_map(|due| &due.stock)
}

async fn write(
    batch: &mut dyn Batch,
    plan: &Plan,
    batch_id: BatchId,
    (releases, rows): (&[Release], &[StockRow]),
) -> Result<BatchRecord, ShopError> {
    let settlement =
        settle(plan, releases, rows).map_err(|error| ShopError::new(ShopErrorKind::Invariant, error.to_string()))?;
    super::counted(settlement.reservations.len());
    batch.release(&settlement.stock, &settlement.reservations).await?;
    if !settlement.cancel.is_empty() {
        batch.cancel_orders(&settlement.cancel).await?;
    }
    let record = record(batch_id, &settlement);
    batch.append_ledger(&record, &settlement.entries).await?;
    Ok(record)
}

/// The stock rows of a batch in the one order in which every batch locks them.
pub(super) fn stock_in_order(releases: &[Release]) -> Vec<StockRef> {
    let all: BTreeSet<&StockRef> = releases.iter().flat_map(held).collect();
    if planted(Mutant::UnorderedStock) {
        return all.into_iter().rev().cloned().collect();
    }
    all.into_iter().cloned().collect()
}

pub(super) fn record(batch_id: BatchId, settlement: &Settlement) -> BatchRecord {
    let count = |length: usize| u64::try_from(length).unwrap_or(u64::MAX);
    BatchRecord {
        batch_id,
        reservations: count(settlement.reservations.len()),
        units: settlement.units.units(),
        stock_rows: count(settlement.stock.len()),
        orders_cancelled: count(settlement.cancel.len()),
        drift: settlement.drift.units(),
    }
}

/// Each order once, in the order of its oldest reservation.
fn distinct(rows: Vec<LockedOrder>) -> Vec<(Key, Option<String>)> {
    let mut seen = BTreeSet::new();
    rows.into_iter().filter(|row| seen.insert(row.key.clone())).map(|row| (row.key, row.number)).collect()
}

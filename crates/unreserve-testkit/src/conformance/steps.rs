//! The steps of a batch, as the engine takes them, one at a time.

use std::collections::BTreeSet;

use unreserve_engine::ledger::{BatchRecord, Ending, SweepEnd};
use unreserve_engine::model::{BatchId, ExaminedOrder, Key, StockRef};
use unreserve_engine::plan::Plan;
use unreserve_engine::shop::{Acquired, Batch, CheckedShop, Committed, Selection, StockWait};
use unreserve_engine::sweep::{Decision, Release, Settlement, decide, settle};

use crate::failure::{Failure, equal};
use crate::shops::Sweeper;

/// Everything, up to a limit.
pub(crate) fn all(limit: u32) -> Selection {
    Selection { after: None, only: None, limit }
}

/// Takes the lease, which must be free.
pub(crate) async fn acquire(shop: &mut dyn CheckedShop, sweeper: &Sweeper) -> Result<(), Failure> {
    equal(&shop.acquire(&sweeper.holder, &sweeper.start).await?, &Acquired::Yes, "taking the lease")
}

/// Locks what is due, and gives the orders' keys in the order they came.
pub(crate) async fn lock(batch: &mut dyn Batch) -> Result<Vec<Key>, Failure> {
    let mut keys: Vec<Key> = Vec::new();
    for row in batch.lock_due(&all(100)).await?.orders {
        if !keys.contains(&row.key) {
            keys.push(row.key);
        }
    }
    Ok(keys)
}

/// Locks what is due, and examines it.
pub(crate) async fn examine(batch: &mut dyn Batch) -> Result<Vec<ExaminedOrder>, Failure> {
    let keys = lock(batch).await?;
    Ok(batch.examine(&keys).await?)
}

/// What the engine decides to release.
pub(crate) fn releases(plan: &Plan, orders: Vec<ExaminedOrder>) -> Vec<Release> {
    let may_cancel = !plan.order.cancel.is_empty();
    orders
        .into_iter()
        .filter_map(|order| match decide(order, may_cancel) {
            Decision::Release(release) => Some(release),
            Decision::Protect { .. } => None,
        })
        .collect()
}

/// Locks and examines, locks the stock, and works out what is to be written.
pub(crate) async fn prepare(batch: &mut dyn Batch, plan: &Plan) -> Result<Settlement, Failure> {
    let releases = releases(plan, examine(batch).await?);
    let stock: BTreeSet<StockRef> =
        releases.iter().flat_map(|release| &release.due).flat_map(|due| due.stock.clone()).collect();
    let rows = batch.lock_stock(&stock.into_iter().collect::<Vec<_>>(), StockWait::Bounded).await?;
    Ok(settle(plan, &releases, &rows)?)
}

/// What the ledger is told of a settlement.
pub(crate) fn record(batch_id: BatchId, settlement: &Settlement) -> Result<BatchRecord, Failure> {
    Ok(BatchRecord {
        batch_id,
        reservations: u64::try_from(settlement.reservations.len())?,
        units: settlement.units.units(),
        stock_rows: u64::try_from(settlement.stock.len())?,
        orders_cancelled: u64::try_from(settlement.cancel.len())?,
        drift: settlement.drift.units(),
    })
}

/// Everything a batch does before its commit.
pub(crate) async fn write(batch: &mut dyn Batch, plan: &Plan, batch_id: BatchId) -> Result<BatchRecord, Failure> {
    let settlement = prepare(batch, plan).await?;
    batch.release(&settlement.stock, &settlement.reservations).await?;
    if !settlement.cancel.is_empty() {
        batch.cancel_orders(&settlement.cancel).await?;
    }
    let record = record(batch_id, &settlement)?;
    batch.append_ledger(&record, &settlement.entries).await?;
    Ok(record)
}

/// One whole batch, which must be committed.
pub(crate) async fn whole_batch(shop: &mut dyn CheckedShop, sweeper: &Sweeper) -> Result<BatchRecord, Failure> {
    let plan = shop.plan().clone();
    let start = sweeper.batch();
    let batch_id = start.batch_id;
    let mut batch = shop.begin(start).await?;
    let record = write(batch.as_mut(), &plan, batch_id).await?;
    equal(&batch.commit().await, &Committed::Yes, "the commit")?;
    Ok(record)
}

/// The end of a sweep that went well.
pub(crate) fn end(sweeper: &Sweeper) -> SweepEnd {
    SweepEnd {
        sweep_id: sweeper.start.sweep_id,
        ending: Ending::Done,
        duration_micros: 1_234_567,
        protected: [("payment".to_owned(), 2)].into(),
        set_aside: 0,
        oldest_overdue_micros: 60_000_000,
        remaining_due: false,
        error: None,
    }
}

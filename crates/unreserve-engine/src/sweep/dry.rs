//! A dry run: the read-only part of the same path, without a lock and without a write.

use std::collections::{BTreeMap, HashSet};

use super::attempt::record;
use super::clock::Clock;
use super::decide::{Decision, decide};
use super::error::SweepError;
use super::run::{COUNTED, Facts, SweepOutcome, SweepRequest, look, only, tell, why_not};
use super::settle::settle;
use crate::ledger::{BatchRecord, Entry};
use crate::model::{BatchId, StockRef, StockRow};
use crate::shop::{CheckedShop, LockTest, Selection};

/// Says what a sweep would do now. The entries are what the ledger would get.
///
/// # Errors
/// Whatever would keep the sweep from beginning.
pub async fn dry_sweep(
    shop: &mut dyn CheckedShop,
    clock: &dyn Clock,
    request: &SweepRequest,
) -> Result<(SweepOutcome, Vec<BatchRecord>, Vec<Entry>), SweepError> {
    let began = clock.elapsed();
    let outlook = look(shop, request).await?;
    let only = only(shop, request, LockTest::Leave).await?;
    let plan = shop.plan().clone();
    let mut facts = Facts { oldest_overdue_micros: outlook.oldest_overdue_micros, ..Facts::default() };
    let mut counters = Counters::default();
    let (mut batches, mut entries) = (Vec::new(), Vec::new());
    let mut selection =
        Selection { after: None, only: only.as_ref().map(|order| vec![order.key.clone()]), limit: request.batch_size };
    let (mut seen, mut told) = (HashSet::new(), HashSet::new());
    loop {
        let page = shop.survey(&selection).await?;
        let mut releases = Vec::new();
        for order in page.orders {
            if !seen.insert(order.key.clone()) {
                continue;
            }
            match decide(order, !plan.order.cancel.is_empty()) {
                Decision::Release(release) => releases.push(release),
                Decision::Protect { order, number, reason } => {
                    facts.protect(&order, number, reason);
                    told.insert(order);
                }
            }
        }
        if !releases.is_empty() {
            let rows = counters.with(page.stock);
            let settlement = settle(&plan, &releases, &rows)?;
            counters.write(&settlement.stock);
            batches.push(record(BatchId::new(), &settlement));
            entries.extend(settlement.entries);
        }
        match page.last {
            Some(last) if selection.only.is_none() => selection.after = Some(last),
            _ => break,
        }
    }
    if seen.is_empty()
        && let Some((order, reason)) = only.and_then(|order| why_not(&order).map(|reason| (order, reason)))
    {
        facts.protect(&order.key, order.number, reason.to_owned());
    }
    match shop.leftovers(COUNTED).await {
        Ok(left) => tell(&mut facts, request, left, &told),
        // What was asked for is known already.
        Err(error) => facts.leave_uncounted(&error),
    }
    let took = clock.elapsed().saturating_sub(began);
    let outcome = SweepOutcome { sweep_id: request.sweep_id, facts, started_at: outlook.now, took, stopped_by: None };
    Ok((outcome, batches, entries))
}

/// The counters as earlier batches of the same dry run would have left them.
#[derive(Debug, Default)]
struct Counters(BTreeMap<StockRef, StockRow>);

impl Counters {
    fn with(&self, rows: Vec<StockRow>) -> Vec<StockRow> {
        rows.into_iter().map(|row| self.0.get(&row.stock).cloned().unwrap_or(row)).collect()
    }

    fn write(&mut self, changes: &[crate::model::StockChange]) {
        for change in changes {
            let row = StockRow {
                stock: change.before.stock.clone(),
                reserved: change.reserved.or(change.before.reserved),
                on_hand: change.on_hand.or(change.before.on_hand),
            };
            self.0.insert(row.stock.clone(), row);
        }
    }
}

//! Compares what stands with what was written, whatever the shop's triggers did.

use std::collections::HashMap;

use unreserve_engine::model::{StockChange, StockRef, StockRow};
use unreserve_engine::plan::Plan;
use unreserve_engine::shop::{ShopError, ShopErrorKind};

/// The rows of a batch's stock changes.
pub(crate) fn changed_rows(changes: &[StockChange]) -> Vec<StockRef> {
    changes.iter().map(|change| change.before.stock.clone()).collect()
}

/// The counters must stand as they were written: a trigger that gives stock back as well would give it back twice.
///
/// # Errors
/// `Invariant`, with the first row that differs.
pub(crate) fn stands_as_written(plan: &Plan, changes: &[StockChange], rows: &[StockRow]) -> Result<(), ShopError> {
    let now: HashMap<&StockRef, &StockRow> = rows.iter().map(|row| (&row.stock, row)).collect();
    let differs = |change: &&StockChange| {
        let row = now.get(&change.before.stock);
        row.is_none_or(|row| row.reserved != change.reserved || row.on_hand != change.on_hand)
    };
    let Some(change) = changes.iter().find(differs) else { return Ok(()) };
    let stock = &change.before.stock;
    let table = plan.stock.get(stock.pool).map_or("", |plan| plan.table.name.as_str());
    let message = format!(
        "row `{}` of `{table}` does not hold what was written: does a trigger of the shop give stock back as well?",
        stock.key
    );
    Err(ShopError::new(ShopErrorKind::Invariant, message).during("read_stock"))
}

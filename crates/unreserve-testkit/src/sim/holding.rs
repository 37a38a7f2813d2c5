//! What reservations of the shop in memory hold right now.

use std::collections::BTreeMap;

use jiff::Timestamp;
use unreserve_engine::model::{Quantity, StockRef, StockRow};
use unreserve_engine::shop::{HELD_MINUTES, Held, HeldSum, ShopError, StockHolding, StockHoldings};

use super::eval::{self, View};

fn bound(read_max: u32) -> usize {
    usize::try_from(read_max).unwrap_or(usize::MAX)
}

/// Whether what this reservation holds comes back: its order is unpaid or cancelled, and nothing protects it.
fn comes_back(view: &View<'_>, held: eval::Held<'_>) -> Result<bool, ShopError> {
    let (unpaid, cancelled) = view.status(held.order)?;
    Ok((unpaid || cancelled) && view.guards(held.order)?.is_empty())
}

/// What unpaid and unprotected orders hold.
pub(super) fn held(view: &View<'_>, read_max: u32) -> Result<Held, ShopError> {
    let mut found = Vec::new();
    for (row, held) in view.holding()? {
        let Some(held) = held else { continue };
        let Some(at) = view.expires_at(held)? else { continue };
        if comes_back(view, held)? {
            found.push((at, view.quantity(row)?.unwrap_or(0)));
        }
    }
    found.sort_unstable();
    let at_least = found.len() >= bound(read_max);
    let mut minutes: BTreeMap<i64, HeldSum> = BTreeMap::new();
    for (at, units) in found.into_iter().take(bound(read_max)) {
        let left = at.saturating_sub(view.now);
        let minute = if left <= 0 { -1 } else { left.div_euclid(60_000_000).min(HELD_MINUTES) };
        let sum = minutes.entry(minute).or_default();
        *sum = sum.plus(HeldSum { reservations: 1, units });
    }
    Ok(Held { now: Timestamp::from_microsecond(view.now).unwrap_or(Timestamp::UNIX_EPOCH), minutes, at_least })
}

/// What is held of the stock rows, and their counters.
pub(super) fn stock_holdings(view: &View<'_>, read_max: u32) -> Result<StockHoldings, ShopError> {
    let mut rows: BTreeMap<StockRef, StockHolding> = BTreeMap::new();
    let holding = view.holding()?;
    let mut at_least = holding.len() >= bound(read_max);
    for (row, held) in holding.into_iter().take(bound(read_max)) {
        let one = HeldSum { reservations: 1, units: view.quantity(row)?.unwrap_or(0) };
        let back = held.map_or(Ok(false), |held| comes_back(view, held))?;
        for stock in view.stock_of(row)? {
            let none = HeldSum::default();
            let sum = rows.entry(stock.clone()).or_insert(StockHolding { stock, all: none, coming_back: none });
            sum.all = sum.all.plus(one);
            sum.coming_back = sum.coming_back.plus(if back { one } else { none });
        }
    }
    let mut counters: BTreeMap<StockRef, StockRow> = BTreeMap::new();
    for (pool, plan) in view.plan.stock.iter().enumerate().filter(|(_, plan)| plan.reserved.is_some()) {
        let (place, table) = view.table(&plan.table.name)?;
        let mut counted = 0_usize;
        for (_, row) in view.state.rows(place, view.tx) {
            let parts = plan.key.iter().map(|(own, _)| view.cell(table, row, &own.name).text());
            let Some(parts) = parts.collect::<Option<Vec<String>>>() else { continue };
            let stock = StockRef { pool, key: unreserve_engine::model::Key::of(parts) };
            // A counter that cannot be read is left out.
            let Ok(Some(row)) = view.counters(&stock) else { continue };
            if row.reserved.is_some_and(|counter| counter != Quantity::ZERO) && counted < bound(read_max) {
                counted = counted.saturating_add(1);
                counters.insert(stock, row);
            }
        }
        at_least |= counted >= bound(read_max);
    }
    for stock in rows.keys() {
        if let (false, Ok(Some(row))) = (counters.contains_key(stock), view.counters(stock)) {
            counters.insert(stock.clone(), row);
        }
    }
    let now = Timestamp::from_microsecond(view.now).unwrap_or(Timestamp::UNIX_EPOCH);
    Ok(StockHoldings { now, rows: rows.into_values().collect(), counters: counters.into_values().collect(), at_least })
}

//! The arithmetic of giving back: what each stock row becomes, and what the ledger says of it.

use std::collections::BTreeMap;

use super::decide::Release;
use crate::ledger::{Entry, EntryKind};
use crate::model::{Key, Quantity, QuantityError, StockChange, StockRef, StockRow};
use crate::plan::Plan;

/// Everything one batch writes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settlement {
    /// The stock rows, in the order they were locked.
    pub stock: Vec<StockChange>,
    /// The reservations to end.
    pub reservations: Vec<Key>,
    /// The orders to cancel.
    pub cancel: Vec<Key>,
    /// The ledger's entries.
    pub entries: Vec<Entry>,
    /// Units given back.
    pub units: Quantity,
    /// What counters lacked.
    pub drift: Quantity,
}

/// Works out what a batch writes. Several reservations on one stock row are summed first; a counter stops at its
/// floor of 0, and what it lacked is drift, told at the reservations that came last.
///
/// # Errors
/// A sum does not fit 64 bits.
pub fn settle(plan: &Plan, releases: &[Release], locked: &[StockRow]) -> Result<Settlement, QuantityError> {
    let totals = totals(releases)?;
    let mut settlement = Settlement::default();
    let mut lacking: BTreeMap<StockRef, Quantity> = totals.clone();
    for row in locked {
        let Some(total) = totals.get(&row.stock) else { continue };
        let (change, lacked) = change(row, *total)?;
        lacking.insert(row.stock.clone(), lacked);
        if change.reserved.is_some() || change.on_hand.is_some() {
            settlement.stock.push(change);
        }
    }
    // From the last to the first, so that drift falls on those that came last; the entries are turned round below.
    for release in releases.iter().rev() {
        if release.cancel {
            settlement.cancel.push(release.order.clone());
            settlement.entries.push(cancellation(release));
        }
        for reservation in release.due.iter().rev() {
            let mut drift = Quantity::ZERO;
            for stock in &reservation.stock {
                if let Some(lacked) = lacking.get_mut(stock) {
                    let share = (*lacked).min(reservation.quantity);
                    *lacked = lacked.minus(share)?;
                    drift = drift.plus(share)?;
                }
            }
            settlement.reservations.push(reservation.key.clone());
            settlement.units = settlement.units.plus(reservation.quantity)?;
            settlement.drift = settlement.drift.plus(drift)?;
            settlement.entries.push(Entry {
                kind: EntryKind::Release,
                order: release.order.clone(),
                number: release.number.clone(),
                reservation: Some(reservation.key.clone()),
                stock: stock_label(plan, &reservation.stock),
                quantity: reservation.quantity,
                drift,
                expires_at: reservation.expires_at,
                overdue_micros: reservation.overdue_micros,
            });
        }
    }
    settlement.reservations.reverse();
    settlement.cancel.reverse();
    settlement.entries.reverse();
    Ok(settlement)
}

fn totals(releases: &[Release]) -> Result<BTreeMap<StockRef, Quantity>, QuantityError> {
    let mut totals: BTreeMap<StockRef, Quantity> = BTreeMap::new();
    for reservation in releases.iter().flat_map(|release| &release.due) {
        for stock in &reservation.stock {
            let total = totals.entry(stock.clone()).or_default();
            *total = total.plus(reservation.quantity)?;
        }
    }
    Ok(totals)
}

/// What a row becomes when `total` comes back, and how much its counter lacked for that.
fn change(row: &StockRow, total: Quantity) -> Result<(StockChange, Quantity), QuantityError> {
    let mut lacked = Quantity::ZERO;
    let reserved = match row.reserved {
        None => None,
        Some(counter) => {
            // A counter that is below 0 already is not this sweep's to mend: it stays where it is.
            let floor = counter.min(Quantity::ZERO);
            let after = counter.minus(total)?.max(floor);
            lacked = total.minus(counter.minus(after)?)?;
            Some(after)
        }
    };
    let on_hand = row.on_hand.map(|counter| counter.plus(total)).transpose()?;
    Ok((StockChange { before: row.clone(), reserved, on_hand }, lacked))
}

fn cancellation(release: &Release) -> Entry {
    Entry {
        kind: EntryKind::Cancel,
        order: release.order.clone(),
        number: release.number.clone(),
        reservation: None,
        stock: None,
        quantity: Quantity::ZERO,
        drift: Quantity::ZERO,
        expires_at: None,
        overdue_micros: 0,
    }
}

fn stock_label(plan: &Plan, stock: &[StockRef]) -> Option<String> {
    let names: Vec<String> = stock
        .iter()
        .map(|stock| {
            let table = plan.stock.get(stock.pool).map_or("", |pool| pool.table.name.as_str());
            format!("{table}:{}", stock.key)
        })
        .collect();
    (!names.is_empty()).then(|| names.join(", "))
}

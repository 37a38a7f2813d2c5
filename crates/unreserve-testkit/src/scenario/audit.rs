//! The auditor: what changed in the shop must be what stands in the ledger, no more and no less.

use std::collections::{BTreeMap, BTreeSet};

use crate::failure::{Failure, equal, holds};
use crate::shops::{EntrySeen, Snapshot};

/// Checks a shop before and after a sweep against its ledger (RELIABILITY, I1 to I6).
///
/// # Errors
/// Something changed that the ledger does not tell, or the ledger tells what did not happen.
pub fn audit(before: &Snapshot, after: &Snapshot) -> Result<(), Failure> {
    let old: BTreeSet<&EntrySeen> = before.ledger.entries.iter().collect();
    let new: Vec<&EntrySeen> = after.ledger.entries.iter().filter(|entry| !old.contains(entry)).collect();
    let kept = new.len().saturating_add(old.len());
    equal(&after.ledger.entries.len(), &kept, "the ledger only grows: its entries")?;
    equal(&after.payments, &before.payments, "the payments")?;
    audit_reservations(before, after, &new)?;
    audit_stock(before, after, &new)?;
    audit_orders(before, after, &new)?;
    audit_batches(after)
}

fn audit_reservations(before: &Snapshot, after: &Snapshot, new: &[&EntrySeen]) -> Result<(), Failure> {
    let released: Vec<&str> = new.iter().filter_map(|entry| entry.reservation.as_deref()).collect();
    let distinct: BTreeSet<&str> = released.iter().copied().collect();
    equal(&released.len(), &distinct.len(), "each reservation is released at most once")?;
    let was: BTreeMap<&str, bool> = before.reservations.iter().map(|row| (row.key.as_str(), row.is_active)).collect();
    for row in &after.reservations {
        let active_before = was.get(row.key.as_str()).copied().unwrap_or(false);
        let told = distinct.contains(row.key.as_str());
        let ended = active_before && !row.is_active;
        equal(&told, &ended, &format!("whether the ledger tells of the end of {row:?}"))?;
        if told {
            let of_row = |entry: &&&EntrySeen| entry.reservation.as_deref() == Some(row.key.as_str());
            let quantities: Vec<i64> = new.iter().filter(of_row).map(|entry| entry.quantity).collect();
            equal(&quantities, &vec![row.quantity], &format!("the quantity released of {row:?}"))?;
        }
    }
    Ok(())
}

fn audit_stock(before: &Snapshot, after: &Snapshot, new: &[&EntrySeen]) -> Result<(), Failure> {
    for ((pool, id), row) in &after.stock {
        let Some(was) = before.stock.get(&(*pool, *id)) else {
            return Err(Failure::new("a stock row came out of nowhere"));
        };
        let label = pool.label(*id);
        let of_row = new.iter().filter(|entry| entry.stock.as_deref() == Some(label.as_str()));
        let given: i64 = of_row.map(|entry| entry.quantity.saturating_sub(entry.drift)).fold(0, i64::saturating_add);
        equal(&row.on_hand, &was.on_hand, &format!("what is on hand of {label}"))?;
        match (was.reserved, row.reserved) {
            (Some(was), Some(now)) => {
                equal(&was.saturating_sub(now), &given, &format!("what the counter of {label} went down by"))?;
            }
            (was, now) => equal(&now, &was, &format!("the counter of {label}"))?,
        }
        let named = new.iter().any(|entry| entry.stock.as_deref() == Some(label.as_str()));
        holds(named || row.updated_at == was.updated_at, &format!("{label} is written only when the ledger names it"))?;
    }
    Ok(())
}

fn audit_orders(before: &Snapshot, after: &Snapshot, new: &[&EntrySeen]) -> Result<(), Failure> {
    let cancelled: BTreeSet<&str> =
        new.iter().filter(|entry| entry.kind == "cancel").map(|entry| entry.order.as_str()).collect();
    for (number, order) in &after.orders {
        let changed = before.orders.get(number) != Some(order);
        let told = cancelled.contains(order.key.as_str());
        equal(&told, &changed, &format!("whether the ledger tells of the change to order {number}"))?;
        if told {
            let holds_stock = after.reservations.iter().any(|row| row.order == *number && row.is_active);
            holds(!holds_stock, &format!("nothing is reserved for the cancelled order {number}"))?;
            let paid = after.payments.iter().any(|(order, status)| order == number && status == "succeeded");
            holds(!paid, &format!("the cancelled order {number} was not paid"))?;
        }
    }
    Ok(())
}

/// The sums that a batch tells are the sums of its entries.
fn audit_batches(after: &Snapshot) -> Result<(), Failure> {
    for batch in &after.ledger.batches {
        let entries: Vec<&EntrySeen> =
            after.ledger.entries.iter().filter(|entry| entry.batch_id == batch.batch_id).collect();
        let count = |kind: &str| i64::try_from(entries.iter().filter(|entry| entry.kind == kind).count()).unwrap_or(0);
        let sum = |read: fn(&EntrySeen) -> i64| entries.iter().map(|entry| read(entry)).fold(0, i64::saturating_add);
        let told = (batch.reservations, batch.units, batch.orders_cancelled, batch.drift);
        let summed = (count("release"), sum(|entry| entry.quantity), count("cancel"), sum(|entry| entry.drift));
        equal(&told, &summed, &format!("the sums of batch {}", batch.batch_id))?;
    }
    Ok(())
}

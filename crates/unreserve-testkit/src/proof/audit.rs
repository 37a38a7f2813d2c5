//! What must hold in a shop after every run, whatever happened in it: the invariants of RELIABILITY, from what stands there.

use std::collections::{BTreeMap, BTreeSet};

use unreserve_engine::shop::CheckedShop;

use crate::failure::Failure;
use crate::shops::{EntrySeen, ReservationSeen, Session, Snapshot, Source, TestShop, World};

/// More broken lines than this are not shown.
const SHOWN: usize = 8;

/// What is broken in a shop whose counters fitted when it was filled, and which keeps them itself; empty where all holds.
#[must_use]
pub fn broken(seen: &Snapshot) -> Vec<String> {
    let mut broken = Vec::new();
    stock(seen, &mut broken);
    entries(seen, &mut broken);
    orders(seen, &mut broken);
    batches(seen, &mut broken);
    broken
}

/// I1: what a counter says is what the active reservations of its row hold.
fn stock(seen: &Snapshot, broken: &mut Vec<String>) {
    let mut held: BTreeMap<_, i64> = BTreeMap::new();
    for row in seen.reservations.iter().filter(|row| row.is_active) {
        *held.entry((row.pool, row.item)).or_default() += row.quantity;
    }
    for ((pool, id), row) in &seen.stock {
        let held = held.get(&(*pool, *id)).copied().unwrap_or(0);
        if row.reserved != Some(held) {
            broken.push(format!("I1 {} counts {:?}, and {held} are held", pool.label(*id), row.reserved));
        }
    }
}

/// I2 and the half of I5 that is about reservations.
fn entries(seen: &Snapshot, broken: &mut Vec<String>) {
    let mut told: BTreeMap<&str, Vec<&EntrySeen>> = BTreeMap::new();
    for entry in seen.ledger.entries.iter().filter(|entry| entry.kind == "release") {
        told.entry(entry.reservation.as_deref().unwrap_or_default()).or_default().push(entry);
    }
    let of: BTreeMap<&str, &ReservationSeen> = seen.reservations.iter().map(|row| (row.key.as_str(), row)).collect();
    for (key, entries) in &told {
        if entries.len() > 1 {
            broken.push(format!("I2 reservation {key} was released {} times", entries.len()));
        }
        for entry in entries {
            let Some(row) = of.get(key) else {
                broken.push(format!("I2 the ledger names a reservation {key} that there is not"));
                continue;
            };
            let label = row.pool.label(row.item);
            let fits = (entry.quantity, entry.drift, entry.stock.as_deref()) == (row.quantity, 0, Some(label.as_str()));
            if !fits || entry.number.as_deref() != Some(row.order.as_str()) {
                broken.push(format!("I2 the ledger's {entry:?} is not {row:?}"));
            }
        }
    }
    for row in &seen.reservations {
        let told = told.contains_key(row.key.as_str());
        if told != row.is_cancelled || (told && row.is_active) {
            broken.push(format!("I5 {row:?}, and the ledger tells of its release: {told}"));
        }
    }
}

/// I3 and I5 of orders.
fn orders(seen: &Snapshot, broken: &mut Vec<String>) {
    let mut cancelled: BTreeMap<&str, u32> = BTreeMap::new();
    for entry in seen.ledger.entries.iter().filter(|entry| entry.kind == "cancel") {
        *cancelled.entry(entry.order.as_str()).or_default() += 1;
    }
    let active: BTreeSet<&str> =
        seen.reservations.iter().filter(|row| row.is_active).map(|row| row.order.as_str()).collect();
    for (number, order) in &seen.orders {
        let times = cancelled.get(order.key.as_str()).copied().unwrap_or(0);
        let stands = order.payment_status == "cancelled" && order.order_status == "cancelled";
        if times > 1 || stands != (times == 1) {
            broken.push(format!("I5 order {number} is {order:?}, and was cancelled {times} times"));
        }
        if stands && active.contains(number.as_str()) {
            broken.push(format!("I5 order {number} was cancelled while something is reserved for it"));
        }
    }
}

/// The sums that a batch tells are the sums of its entries (I2, I9), and no entry is without its batch (P4).
fn batches(seen: &Snapshot, broken: &mut Vec<String>) {
    let mut sums: BTreeMap<&str, (i64, i64, i64, i64)> = BTreeMap::new();
    for entry in &seen.ledger.entries {
        let sum = sums.entry(entry.batch_id.as_str()).or_default();
        let (released, cancelled) = if entry.kind == "release" { (1, 0) } else { (0, 1) };
        *sum = (sum.0 + released, sum.1 + entry.quantity, sum.2 + cancelled, sum.3 + entry.drift);
    }
    let mut known = BTreeSet::new();
    for batch in &seen.ledger.batches {
        known.insert(batch.batch_id.as_str());
        let told = (batch.reservations, batch.units, batch.orders_cancelled, batch.drift);
        let summed = sums.get(batch.batch_id.as_str()).copied().unwrap_or_default();
        if told != summed {
            broken.push(format!("I2 batch {} tells {told:?}, its entries {summed:?}", batch.batch_id));
        }
    }
    for batch in sums.keys().filter(|batch| !known.contains(*batch)) {
        broken.push(format!("I2 there are entries of a batch {batch} that there is not"));
    }
}

/// Fails where something is broken.
///
/// # Errors
/// Each broken invariant.
#[track_caller]
pub fn stands(seen: &Snapshot) -> Result<(), Failure> {
    told(broken(seen))
}

#[track_caller]
fn told(broken: Vec<String>) -> Result<(), Failure> {
    if broken.is_empty() {
        return Ok(());
    }
    let shown: Vec<&str> = broken.iter().take(SHOWN).map(String::as_str).collect();
    Err(Failure::new(format!("{} broken invariants:\n  {}", broken.len(), shown.join("\n  "))))
}

/// I6: the ledger only grew.
///
/// # Errors
/// Something that stood in it does not any more.
#[track_caller]
pub fn grew(before: &Snapshot, after: &Snapshot) -> Result<(), Failure> {
    let now: BTreeSet<&EntrySeen> = after.ledger.entries.iter().collect();
    let gone: Vec<String> = before
        .ledger
        .entries
        .iter()
        .filter(|entry| !now.contains(entry))
        .map(|entry| format!("I6 gone: {entry:?}"))
        .collect();
    told(gone)
}

/// I4, by the ledger: nothing was released before it had expired.
///
/// # Errors
/// Something was.
pub async fn not_early(session: &mut dyn Session) -> Result<(), Failure> {
    let mut early = Vec::new();
    for row in session.read(Source::Own("entry"), &["overdue_us", "reservation_key", "kind"]).await? {
        let text = |index: usize| row.get(index).cloned().flatten().unwrap_or_default();
        if text(2) == "release" && text(0).parse::<i64>().map_or(true, |overdue| overdue < 0) {
            early.push(format!("I4 reservation {} was released {} µs after its expiry", text(1), text(0)));
        }
    }
    told(early)
}

/// Everything that a shop shows by itself: I1 to I5, and I3 by the database's own order of commits where it keeps one.
///
/// # Errors
/// Each broken invariant.
pub async fn shop(world: &mut World) -> Result<Snapshot, Failure> {
    let seen = world.look().await?;
    stands(&seen)?;
    not_early(world.session.as_mut()).await?;
    in_order(world.shop.as_ref()).await?;
    Ok(seen)
}

async fn in_order(shop: &dyn TestShop) -> Result<(), Failure> {
    match shop.released_after_payment().await? {
        None | Some(0) => Ok(()),
        Some(count) => {
            Err(Failure::new(format!("I3 {count} orders were released after their payment had been committed")))
        }
    }
}

/// I7: nothing is due any more.
///
/// # Errors
/// Something is.
pub async fn nothing_due(shop: &mut dyn CheckedShop) -> Result<(), Failure> {
    match shop.outlook(1_000_000).await?.due_orders {
        0 => Ok(()),
        due => Err(Failure::new(format!("I7 {due} orders are due still"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shops::{BatchSeen, LedgerSeen, OrderSeen, Pool, StockSeen};

    /// One order that was released and cancelled as it has to be.
    fn good() -> Snapshot {
        let status = || "cancelled".to_owned();
        let order = OrderSeen {
            key: "k".to_owned(),
            order_status: status(),
            payment_status: status(),
            updated_at: String::new(),
        };
        let reservation = ReservationSeen {
            order: "M-1".to_owned(),
            pool: Pool::Variant,
            item: 1,
            quantity: 2,
            is_active: false,
            is_cancelled: true,
            key: "r".to_owned(),
        };
        let entry = |kind: &str, reservation: Option<&str>, quantity| EntrySeen {
            kind: kind.to_owned(),
            number: Some("M-1".to_owned()),
            order: "k".to_owned(),
            reservation: reservation.map(str::to_owned),
            stock: reservation.map(|_| Pool::Variant.label(1)),
            quantity,
            drift: 0,
            batch_id: "b".to_owned(),
        };
        let batch = BatchSeen {
            batch_id: "b".to_owned(),
            sweep_id: "s".to_owned(),
            reservations: 1,
            units: 2,
            orders_cancelled: 1,
            drift: 0,
        };
        let ledger = LedgerSeen {
            batches: vec![batch],
            entries: vec![entry("release", Some("r"), 2), entry("cancel", None, 0)],
            ..LedgerSeen::default()
        };
        let row = StockSeen { on_hand: 9, reserved: Some(0), updated_at: String::new() };
        Snapshot {
            orders: [("M-1".to_owned(), order)].into(),
            reservations: vec![reservation],
            stock: [((Pool::Variant, 1), row)].into(),
            payments: Vec::new(),
            ledger,
        }
    }

    fn breaks(change: fn(&mut Snapshot), says: &str) {
        let mut seen = good();
        change(&mut seen);
        let broken = broken(&seen).join("\n");
        assert!(broken.contains(says), "`{says}` is not in:\n{broken}");
    }

    #[test]
    fn a_shop_in_order_breaks_nothing() {
        assert_eq!(broken(&good()), Vec::<String>::new());
    }

    #[test]
    fn every_invariant_can_be_broken() {
        breaks(|seen| seen.stock.values_mut().for_each(|row| row.reserved = Some(2)), "I1");
        breaks(
            |seen| seen.ledger.entries.push(seen.ledger.entries[0].clone()),
            "I2 reservation r was released 2 times",
        );
        breaks(|seen| seen.ledger.entries[0].quantity = 1, "I2 the ledger's");
        breaks(|seen| seen.ledger.batches[0].units = 1, "I2 batch b");
        breaks(|seen| seen.ledger.batches.clear(), "of a batch b that there is not");
        breaks(|seen| seen.ledger.entries.clear(), "I5");
        breaks(|seen| seen.reservations[0].is_active = true, "I5 order M-1 was cancelled while");
        breaks(|seen| drop(seen.ledger.entries.remove(1)), "I5 order M-1 is");
    }

    #[test]
    fn a_ledger_that_shrank_is_noticed() {
        let mut after = good();
        assert!(grew(&good(), &after).is_ok());
        after.ledger.entries.remove(0);
        assert!(grew(&good(), &after).is_err());
    }
}

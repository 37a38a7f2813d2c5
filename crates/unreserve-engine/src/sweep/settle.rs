//! The arithmetic of giving back: what each stock row becomes, and what the ledger says of it.

use std::collections::BTreeMap;

use super::decide::Release;
use crate::ledger::{Entry, EntryKind};
use crate::model::{EndedReservation, Key, Quantity, QuantityError, StockChange, StockRef, StockRow};
use crate::plan::Plan;

/// Everything one batch writes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settlement {
    /// The stock rows, in the order they were locked.
    pub stock: Vec<StockChange>,
    /// The reservations to end.
    pub reservations: Vec<EndedReservation>,
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
            settlement.reservations.push(EndedReservation {
                key: reservation.key.clone(),
                order: release.order.clone(),
                quantity: reservation.quantity,
                stock: reservation.stock.clone(),
            });
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::ActiveReservation;
    use crate::plan::{
        Column, Due, FiguresPlan, Kind, OrderPlan, ReleasePlan, ReservationPlan, StockPlan, Table, TimeEncoding,
        TimePlan,
    };
    use crate::profile::ExpiryHome;

    fn plan() -> Plan {
        let table = |name: &str| Table { schema: None, name: name.to_owned() };
        let column = |name: &str| Column { name: name.to_owned(), sql_type: "bigint".to_owned(), kind: Kind::Integer };
        let time = TimePlan {
            home: ExpiryHome::Reservation,
            column: column("expires_at"),
            encoding: TimeEncoding::Instant,
            declared: true,
        };
        Plan {
            profile: "test".to_owned(),
            order: OrderPlan {
                table: table("orders"),
                key: column("id"),
                number: None,
                unpaid: Vec::new(),
                cancelled: Vec::new(),
                cancel: Vec::new(),
            },
            guards: Vec::new(),
            reservation: ReservationPlan {
                table: table("reservations"),
                key: vec![column("id")],
                order: column("order_id"),
                quantity: column("quantity"),
                scale: 0,
                active: Vec::new(),
                release: ReleasePlan::Delete,
            },
            stock: vec![StockPlan {
                table: table("stock"),
                key: vec![(column("id"), column("stock_id"))],
                reserved: Some(column("reserved")),
                on_hand: None,
                set: Vec::new(),
            }],
            due: Due { time, after: Duration::ZERO, created_at: None },
            figures: FiguresPlan::default(),
        }
    }

    fn row(key: &str, reserved: Option<i64>, on_hand: Option<i64>) -> StockRow {
        StockRow {
            stock: StockRef { pool: 0, key: Key::single(key) },
            reserved: reserved.map(Quantity::new),
            on_hand: on_hand.map(Quantity::new),
        }
    }

    /// One order that holds these quantities of these rows.
    fn release(order: &str, held: &[(&str, i64)]) -> Release {
        let due = held.iter().enumerate().map(|(index, (stock, quantity))| ActiveReservation {
            key: Key::single(format!("{order}-{index}")),
            quantity: Quantity::new(*quantity),
            expires_at: None,
            due: true,
            overdue_micros: 7,
            stock: vec![StockRef { pool: 0, key: Key::single(*stock) }],
        });
        Release { order: Key::single(order), number: None, due: due.collect(), cancel: true }
    }

    /// What is written: each row's new counters, the units and the drift of the batch, and the drift of each entry.
    fn check(releases: &[Release], rows: &[StockRow], stock: &str, units: i64, drift: i64, entries: &str) {
        let settlement = settle(&plan(), releases, rows).unwrap();
        let show = |quantity: Option<Quantity>| quantity.map_or("-".to_owned(), |quantity| quantity.to_string());
        let changes = settlement
            .stock
            .iter()
            .map(|change| format!("{}:{}/{}", change.before.stock.key, show(change.reserved), show(change.on_hand)));
        assert_eq!(changes.collect::<Vec<_>>().join(" "), stock);
        assert_eq!((settlement.units.units(), settlement.drift.units()), (units, drift));
        let lines = settlement.entries.iter().map(|entry| match &entry.reservation {
            Some(reservation) => format!("{reservation}~{}", entry.drift),
            None => format!("cancel {}", entry.order),
        });
        assert_eq!(lines.collect::<Vec<_>>().join(" "), entries);
    }

    #[test]
    fn sums_what_comes_back_and_records_what_a_counter_lacked() {
        let a = || release("a", &[("1", 2), ("2", 1)]);
        let b = || release("b", &[("1", 3)]);
        check(
            &[a(), b()],
            &[row("1", Some(9), None), row("2", Some(1), None)],
            "1:4/- 2:0/-",
            6,
            0,
            "a-0~0 a-1~0 cancel a b-0~0 cancel b",
        );
        // The counter lacks 2: it stops at 0, and the reservation that came last is told to have lacked them.
        check(
            &[a(), b()],
            &[row("1", Some(3), None), row("2", Some(1), None)],
            "1:0/- 2:0/-",
            6,
            2,
            "a-0~0 a-1~0 cancel a b-0~2 cancel b",
        );
        // It lacks more than the last one holds: the one before lacks the rest.
        check(
            &[a(), b()],
            &[row("1", Some(1), None), row("2", Some(1), None)],
            "1:0/- 2:0/-",
            6,
            4,
            "a-0~1 a-1~0 cancel a b-0~3 cancel b",
        );
    }

    #[test]
    fn leaves_null_counters_null_and_negative_ones_where_they_are() {
        let b = || release("b", &[("1", 3)]);
        check(&[b()], &[row("1", None, None)], "", 3, 0, "b-0~0 cancel b");
        check(&[b()], &[row("1", Some(-2), None)], "1:-2/-", 3, 3, "b-0~3 cancel b");
        check(&[b()], &[row("1", None, Some(5))], "1:-/8", 3, 0, "b-0~0 cancel b");
    }

    #[test]
    fn a_stock_row_that_is_gone_is_drift_and_no_error() {
        check(&[release("b", &[("1", 3)])], &[], "", 3, 3, "b-0~3 cancel b");
    }

    #[test]
    fn a_sum_that_does_not_fit_is_an_error() {
        let huge = release("a", &[("1", i64::MAX), ("1", 1)]);
        assert_eq!(settle(&plan(), &[huge], &[]), Err(QuantityError));
    }
}

//! Which columns each statement of a plan needs, so that a changed schema is seen by the statement's name.

use unreserve_engine::plan::{Assignment, Column, Plan, ReleasePlan, Table, TimeEncoding, TimePlan, Zone};
use unreserve_engine::profile::ExpiryHome;
use unreserve_engine::shop::{ShopError, ShopErrorKind};

use super::store::{State, refusal};

/// The statements in the order in which they are prepared.
const STATEMENTS: [&str; 9] = [
    "outlook",
    "clock_evidence",
    "survey",
    "lock_due",
    "examine_orders",
    "examine_reservations",
    "lock_stock",
    "release",
    "cancel_orders",
];

type Need<'a> = (&'a Table, &'a Column);

/// Prepares every statement.
///
/// # Errors
/// The first that does not fit the tables, by name.
pub(super) fn prepare(plan: &Plan, state: &State) -> Result<(), ShopError> {
    refuse_times(plan)?;
    STATEMENTS.iter().try_for_each(|name| fits(plan, state, name))
}

/// Whether one statement still fits the tables.
///
/// # Errors
/// `SchemaChanged`, with the statement's name.
pub(super) fn fits(plan: &Plan, state: &State, name: &'static str) -> Result<(), ShopError> {
    for (table, column) in needs(plan, name) {
        let known = state.table(&table.name).and_then(|place| state.tables.get(place));
        if known.is_none_or(|known| known.place(&column.name).is_none()) {
            let message = format!("column `{}.{}` does not exist", table.name, column.name);
            return Err(refusal(ShopErrorKind::SchemaChanged, "42703", message).during(name));
        }
    }
    Ok(())
}

fn needs<'a>(plan: &'a Plan, name: &str) -> Vec<Need<'a>> {
    let mut needs = line(plan);
    let (order, reservation) = (&plan.order.table, &plan.reservation.table);
    match name {
        "clock_evidence" => {
            needs.extend(plan.due.created_at.iter().map(|created| (home(plan, created), &created.column)))
        }
        "survey" | "lock_due" => needs.extend(plan.reservation.key.iter().map(|column| (reservation, column))),
        "examine_reservations" => {
            needs.push((reservation, &plan.reservation.quantity));
            needs.extend(plan.stock.iter().flat_map(|stock| &stock.key).map(|(_, theirs)| (reservation, theirs)));
        }
        "lock_stock" => {
            needs.clear();
            for stock in &plan.stock {
                let counters =
                    stock.reserved.iter().chain(&stock.on_hand).chain(stock.set.iter().map(Assignment::column));
                needs.extend(stock.key.iter().map(|(own, _)| own).chain(counters).map(|column| (&stock.table, column)));
            }
        }
        "release" => {
            if let ReleasePlan::Mark(sets) = &plan.reservation.release {
                needs.extend(sets.iter().map(|set| (reservation, set.column())));
            }
        }
        "cancel_orders" => needs.extend(plan.order.cancel.iter().map(|set| (order, set.column()))),
        _ => {}
    }
    needs
}

fn home<'a>(plan: &'a Plan, time: &TimePlan) -> &'a Table {
    match time.home {
        ExpiryHome::Reservation => &plan.reservation.table,
        ExpiryHome::Order => &plan.order.table,
    }
}

/// What every statement on the line of due reservations needs.
fn line(plan: &Plan) -> Vec<Need<'_>> {
    let (order, reservation) = (&plan.order.table, &plan.reservation.table);
    let mut needs = vec![(order, &plan.order.key)];
    needs.extend(plan.order.number.iter().map(|number| (order, number)));
    needs.extend(plan.order.unpaid.iter().chain(&plan.order.cancelled).map(|condition| (order, &condition.column)));
    needs.push((reservation, &plan.reservation.order));
    needs.extend(plan.reservation.active.iter().map(|condition| (reservation, &condition.column)));
    needs.push((home(plan, &plan.due.time), &plan.due.time.column));
    for guard in &plan.guards {
        let table = guard.evidence.as_ref().map_or(order, |(table, _)| table);
        needs.extend(guard.evidence.iter().map(|(table, column)| (table, column)));
        needs.extend(guard.conditions.iter().map(|condition| (table, &condition.column)));
    }
    needs
}

/// Instants as text, and zones by name, are read by the databases alone.
fn refuse_times(plan: &Plan) -> Result<(), ShopError> {
    for time in [Some(&plan.due.time), plan.due.created_at.as_ref()].into_iter().flatten() {
        if matches!(time.encoding, TimeEncoding::Text { .. } | TimeEncoding::DateTime(Zone::Named(_))) {
            let message =
                format!("column `{}` is written in a way that the shop in memory does not read", time.column.name);
            return Err(ShopError::new(ShopErrorKind::SchemaChanged, message));
        }
    }
    Ok(())
}

//! Names and values for tests that look like SQL, and a plan that is made of them.

use std::collections::BTreeMap;

use proptest::prelude::*;
use unreserve_engine::plan::{Assignment, Currency, PaidAt, Plan, Test, TimeEncoding, Value, Zone};

/// What a name or a value of a test can be made of, beside letters.
const LETTERS: &[&str] = &[
    "`", "\"", "'", "\\", ".", ";", "--", "/*", "*/", "$1", "$$", "%", "_", " ", "\n", "(", ")", "::text", "{", "}",
    "?", ":x", "ß", "名", "🦀", "SELECT", "order", "NULL", "E'", "U&\"", "\u{202e}",
];

/// Hostile letters round a mark, so that every place where it stands in a statement can be found.
pub(crate) fn hostile(mark: &'static str) -> impl Strategy<Value = String> {
    let letters = || prop::collection::vec(prop::sample::select(LETTERS), 0..4).prop_map(|parts| parts.concat());
    (letters(), letters()).prop_map(move |(before, after)| format!("{before}{mark}{after}"))
}

/// A plan of the depot's tables with other names and other values.
pub(crate) fn renamed(mut plan: Plan, names: &BTreeMap<&str, String>, value: &str, zone: &str) -> Plan {
    let name = |wanted: &mut String| {
        if let Some(other) = names.get(wanted.as_str()) {
            wanted.clone_from(other);
        }
    };
    value.clone_into(&mut plan.profile);
    name(&mut plan.order.table.name);
    plan.order.table.schema.as_mut().map(name);
    name(&mut plan.order.key.name);
    plan.order.number = Some(plan.order.key.clone());
    let conditions = plan.order.unpaid.iter_mut().chain(plan.guards.iter_mut().flat_map(|g| &mut g.conditions));
    for condition in conditions {
        name(&mut condition.column.name);
        if let Test::OneOf(values) = &mut condition.test {
            *values = vec![Value::Text(value.to_owned())];
        }
    }
    for assignment in &mut plan.order.cancel {
        match assignment {
            Assignment::Value(column, written) => {
                name(&mut column.name);
                *written = Value::Text(value.to_owned());
            }
            Assignment::Now(column, _) | Assignment::Null(column) => name(&mut column.name),
        }
    }
    for (table, column) in plan.guards.iter_mut().filter_map(|guard| guard.evidence.as_mut()) {
        name(&mut table.name);
        name(&mut column.name);
    }
    name(&mut plan.reservation.table.name);
    for column in plan.reservation.key.iter_mut().chain([&mut plan.reservation.order, &mut plan.reservation.quantity]) {
        name(&mut column.name);
    }
    for stock in &mut plan.stock {
        name(&mut stock.table.name);
        for (own, theirs) in &mut stock.key {
            name(&mut own.name);
            name(&mut theirs.name);
        }
        for column in [&mut stock.reserved, &mut stock.on_hand].into_iter().flatten() {
            name(&mut column.name);
        }
    }
    let figures = &mut plan.figures;
    for condition in &mut figures.paid {
        name(&mut condition.column.name);
        condition.test = Test::OneOf(vec![Value::Text(value.to_owned())]);
    }
    if let Some(PaidAt::Guard(_, time) | PaidAt::Order(time)) = &mut figures.paid_at {
        name(&mut time.column.name);
        time.encoding = TimeEncoding::DateTime(Zone::Named(zone.to_owned()));
    }
    if let Some(made) = &mut figures.order_made {
        name(&mut made.time.column.name);
        made.indexed = true;
    }
    if let Some(amount) = &mut figures.amount {
        name(&mut amount.column.name);
        if let Currency::Column(column) = &mut amount.currency {
            name(&mut column.name);
        }
    }
    name(&mut plan.due.time.column.name);
    plan.due.time.encoding = TimeEncoding::DateTime(Zone::Named(zone.to_owned()));
    plan
}

/// The names of the depot's plan that a statement can hold.
pub(crate) const NAMES: &[&str] = &[
    "shop",
    "sale",
    "sale_no",
    "state",
    "paid_at",
    "closed_at",
    "note",
    "pay_until",
    "captured",
    "sale_line",
    "place",
    "depot",
    "sku",
    "weight",
    "invoice",
    "kind",
    "voided_at",
    "shelf",
    "held",
    "free",
    "born",
    "settled",
    "total",
    "money",
];

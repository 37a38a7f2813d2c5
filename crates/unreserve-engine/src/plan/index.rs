//! Which index the candidate query needs, and whether the table has one.

use super::condition::Test;
use super::schema::{Schema, TableInfo};
use super::table::{Column, Plan, Table};
use crate::profile::ExpiryHome;

/// The index that lets a sweep find what is due without reading what is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexAdvice {
    /// The table it belongs to.
    pub table: Table,
    /// The columns, in order.
    pub columns: Vec<Column>,
    /// Whether it should cover only rows that still hold stock.
    pub partial: bool,
}

/// Every index this plan needs and the live schema lacks: the one that finds what is due, and those that find the rows
/// of one order. Without the latter each batch would search whole tables while it holds locks.
#[must_use]
pub fn advise_indexes(plan: &Plan, schema: &Schema) -> Vec<IndexAdvice> {
    let info = |table: &Table| schema.tables.iter().find(|info| info.name == table.name && info.schema == table.schema);
    let home = match plan.due.time.home {
        ExpiryHome::Reservation => &plan.reservation.table,
        ExpiryHome::Order => &plan.order.table,
    };
    let mut advice: Vec<IndexAdvice> = info(home).and_then(|info| advise_index(plan, info)).into_iter().collect();
    let guards = plan.guards.iter().filter_map(|guard| guard.evidence.as_ref()).map(|(table, column)| (table, column));
    for (table, column) in guards.chain([(&plan.reservation.table, &plan.reservation.order)]) {
        let leads = |info: &TableInfo| {
            info.indexes.iter().any(|index| index.condition.is_none() && index.columns.first() == Some(&column.name))
        };
        let wanted = IndexAdvice { table: table.clone(), columns: vec![column.clone()], partial: false };
        if info(table).is_some_and(|info| !leads(info)) && !advice.contains(&wanted) {
            advice.push(wanted);
        }
    }
    advice
}

/// The index this plan needs and the live table lacks; nothing where one is there.
///
/// An index whose first column is the expiry is enough to find what is due in order; one over active rows only
/// keeps a sweep as fast after years as on its first day.
#[must_use]
pub fn advise_index(plan: &Plan, table: &TableInfo) -> Option<IndexAdvice> {
    let on_reservation = plan.due.time.home == ExpiryHome::Reservation;
    let expiry = &plan.due.time.column;
    let partial = on_reservation && !plan.reservation.active.is_empty();
    let leads = |columns: &[String]| columns.first().is_some_and(|first| *first == expiry.name);
    let good = table.indexes.iter().any(|index| {
        leads(&index.columns)
            && (!partial || index.condition.as_deref().is_some_and(|condition| mentions_active(plan, condition)))
    });
    if good {
        return None;
    }
    let mut columns = vec![expiry.clone()];
    if on_reservation {
        columns.extend(plan.reservation.key.iter().cloned());
    }
    let home = if on_reservation { &plan.reservation.table } else { &plan.order.table };
    Some(IndexAdvice { table: home.clone(), columns, partial })
}

fn mentions_active(plan: &Plan, condition: &str) -> bool {
    plan.reservation.active.iter().any(|active| {
        condition.contains(active.column.name.as_str())
            && !matches!(&active.test, Test::OneOf(values) if values.is_empty())
    })
}

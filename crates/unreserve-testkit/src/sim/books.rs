//! The auditor's own reading of the shop's rows: written apart from the code that reads plans, so that it can disagree.

use unreserve_engine::model::Key;

use super::store::{State, Values};
use super::value::Datum;
use crate::shops::{DROPS, ORDERS, PAYMENTS, RESERVATIONS, VARIANTS};

/// Where the tables stand.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tables {
    /// The orders.
    pub(super) orders: usize,
    /// The payments.
    pub(super) payments: usize,
    /// The reservations.
    pub(super) reservations: usize,
    /// The first pool.
    pub(super) variants: usize,
    /// The second pool.
    pub(super) drops: usize,
}

impl Tables {
    /// Finds them.
    #[must_use]
    pub(super) fn of(state: &State) -> Option<Self> {
        Some(Self {
            orders: state.table(ORDERS)?,
            payments: state.table(PAYMENTS)?,
            reservations: state.table(RESERVATIONS)?,
            variants: state.table(VARIANTS)?,
            drops: state.table(DROPS)?,
        })
    }
}

fn number(row: &[Datum], place: usize) -> Option<i64> {
    match row.get(place) {
        Some(Datum::Integer(number)) => Some(*number),
        _ => None,
    }
}

fn letters(row: &[Datum], place: usize) -> &str {
    match row.get(place) {
        Some(Datum::Text(text)) => text,
        _ => "",
    }
}

/// A reservation's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ReservationRow {
    /// The order's key.
    pub(super) order: Key,
    /// Which pool it holds, and which row of it.
    pub(super) stock: (usize, Key),
    /// How much.
    pub(super) quantity: i64,
    /// When it expires.
    pub(super) expires_at: i64,
    /// Whether it holds stock.
    pub(super) is_active: bool,
}

/// Reads a reservation.
#[must_use]
pub(super) fn reservation(tables: Tables, row: &[Datum]) -> Option<ReservationRow> {
    let (pool, item) = match number(row, 2) {
        Some(item) => (tables.variants, item),
        None => (tables.drops, number(row, 3)?),
    };
    let Some(Datum::Instant(expires_at)) = row.get(6) else { return None };
    Some(ReservationRow {
        order: Key::single(letters(row, 1)),
        stock: (pool, Key::single(item.to_string())),
        quantity: number(row, 5)?,
        expires_at: *expires_at,
        is_active: row.get(7) == Some(&Datum::Boolean(true)),
    })
}

/// What is on hand of a stock row, and what is reserved of it.
#[must_use]
pub(super) fn counters(row: &[Datum]) -> (i64, i64) {
    (number(row, 1).unwrap_or(0), number(row, 2).unwrap_or(0))
}

/// The payment status of an order's row.
#[must_use]
pub(super) fn payment_status(row: &[Datum]) -> &str {
    letters(row, 3)
}

/// Whether an order's status lets its stock be given back.
#[must_use]
pub(super) fn may_be_released(row: &[Datum]) -> bool {
    matches!(payment_status(row), "pending" | "failed" | "cancelled")
}

/// The order of a payment, if money has come with it.
#[must_use]
pub(super) fn paid_order(row: &[Datum]) -> Option<Key> {
    (letters(row, 2) == "succeeded").then(|| Key::single(letters(row, 1)))
}

/// Whether money has come for an order, as far as it is committed.
#[must_use]
pub(super) fn is_paid(tables: Tables, state: &State, order: &Key) -> bool {
    state.rows(tables.payments, None).any(|(_, row)| paid_order(row).as_ref() == Some(order))
}

/// Every committed reservation.
#[must_use]
pub(super) fn reservations(tables: Tables, state: &State) -> Vec<(Key, ReservationRow)> {
    let rows = state.rows(tables.reservations, None);
    rows.filter_map(|(key, row)| Some((key.clone(), reservation(tables, row)?))).collect()
}

/// The orders that something is still to be given back of, by this instant.
#[must_use]
pub(super) fn due(tables: Tables, state: &State, now: i64) -> Vec<Key> {
    let mut due = Vec::new();
    for (_, row) in reservations(tables, state) {
        let order: Option<&Values> = state.row(tables.orders, &row.order, None);
        if row.is_active
            && row.expires_at <= now
            && order.is_some_and(|order| may_be_released(order))
            && !is_paid(tables, state, &row.order)
            && !due.contains(&row.order)
        {
            due.push(row.order);
        }
    }
    due
}

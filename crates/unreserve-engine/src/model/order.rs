//! Orders and reservations as a batch sees them.

use jiff::Timestamp;
use serde::Serialize;

use super::key::Key;
use super::quantity::Quantity;

/// A place in the line of reservations, oldest expiry first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The expiry column's value as the database writes it.
    pub expiry: String,
    /// The reservation's key, which decides between equal expiries.
    pub reservation: Key,
}

/// An order whose row a batch has locked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedOrder {
    /// The order's key.
    pub key: Key,
    /// The number that people know it by.
    pub number: Option<String>,
    /// The reservation that brought it up.
    pub position: Position,
}

/// What a batch has locked of a page of the line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LockedPage {
    /// The orders that were free, in the order of the line.
    pub orders: Vec<LockedOrder>,
    /// The last place of the page, behind which the line goes on; nothing where the line ended. What others had locked is
    /// not in `orders`, but the page is not made full again from further down: nothing is searched for under locks.
    pub next: Option<Position>,
}

impl LockedPage {
    /// A page as it was found, where at most `limit` places were looked at: behind a full one there may be more.
    #[must_use]
    pub fn of(orders: Vec<LockedOrder>, limit: u32) -> Self {
        let full = orders.len() >= usize::try_from(limit).unwrap_or(usize::MAX);
        let next = orders.last().filter(|_| full).map(|row| row.position.clone());
        Self { orders, next }
    }
}

/// A stock row that a reservation points at.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct StockRef {
    /// Which stock table of the profile, counted from 0.
    pub pool: usize,
    /// The key of the row in it.
    pub key: Key,
}

/// A reservation that still holds stock, as re-read under the order's lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveReservation {
    /// The reservation's key.
    pub key: Key,
    /// What it holds.
    pub quantity: Quantity,
    /// When it expires (grace included), by the database's clock; nothing where the column is empty or unreadable.
    pub expires_at: Option<Timestamp>,
    /// Whether it had expired when the batch began, decided by the database.
    pub due: bool,
    /// Microseconds from its expiry to the batch's cutoff; 0 where it is not due.
    pub overdue_micros: i64,
    /// The stock rows it holds; none where the item is not tracked.
    pub stock: Vec<StockRef>,
}

/// A reservation that a batch ends, as it was examined: the write repeats all of this as its guard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndedReservation {
    /// The reservation's key.
    pub key: Key,
    /// The order it belongs to.
    pub order: Key,
    /// What it holds.
    pub quantity: Quantity,
    /// The stock rows it holds.
    pub stock: Vec<StockRef>,
}

/// Everything known of one order, read in one new statement under its lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExaminedOrder {
    /// The order's key.
    pub key: Key,
    /// The number that people know it by.
    pub number: Option<String>,
    /// Whether its status is one that the profile lists as unpaid.
    pub unpaid: bool,
    /// Whether its status is one that the profile lists as cancelled: it only gives its stock back.
    pub cancelled: bool,
    /// The payment guards that hold, by name.
    pub guards: Vec<String>,
    /// Its reservations that still hold stock, due or not, oldest expiry first.
    pub reservations: Vec<ActiveReservation>,
}

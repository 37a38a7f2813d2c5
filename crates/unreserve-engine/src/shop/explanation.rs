//! Every condition of one order with the value that was found.

use jiff::Timestamp;
use serde::Serialize;

use crate::ledger::{EntryRecord, SetAsideRecord};
use crate::model::{Key, Quantity};

/// One condition on the order's row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConditionValueSeen {
    /// The column.
    pub column: String,
    /// Its value, as text; nothing for NULL.
    pub value: Option<String>,
    /// Whether it is one that the profile lists as unpaid.
    pub unpaid: bool,
}

/// One payment guard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GuardSeen {
    /// Its name.
    pub name: String,
    /// Whether it holds, and so protects the order.
    pub holds: bool,
}

/// One reservation of the order, active or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReservationSeen {
    /// Its key.
    pub key: Key,
    /// What it holds.
    pub quantity: Quantity,
    /// Whether it still holds stock.
    pub active: bool,
    /// When it expires, grace included; nothing where the value cannot be read.
    pub expires_at: Option<Timestamp>,
    /// Whether it has expired by the database's clock.
    pub expired: bool,
    /// Microseconds since its expiry, negative before it.
    pub overdue_micros: i64,
}

/// Everything a sweep would look at for one order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The order's key.
    pub key: Key,
    /// The number people know it by.
    pub number: Option<String>,
    /// The database's now when it was read.
    pub now: Timestamp,
    /// The conditions that make it unpaid.
    pub unpaid_conditions: Vec<ConditionValueSeen>,
    /// Whether all of them hold.
    pub unpaid: bool,
    /// Whether it is cancelled already.
    pub cancelled: bool,
    /// The payment guards.
    pub guards: Vec<GuardSeen>,
    /// Its reservations, at most 200.
    pub reservations: Vec<ReservationSeen>,
    /// Whether another session holds its row locked right now; nothing where that could not be tried.
    pub locked: Option<bool>,
    /// Whether it is set aside.
    pub set_aside: Option<SetAsideRecord>,
    /// What the ledger has of it, newest first, at most 50.
    pub ledger: Vec<EntryRecord>,
}

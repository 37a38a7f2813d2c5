//! What a batch writes to the ledger, in the same transaction as the change itself.

use jiff::Timestamp;
use serde::Serialize;

use crate::model::{Key, Quantity};

/// What kind of change an entry records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    /// A reservation was ended and its quantity given back.
    Release,
    /// An order was moved to its cancelled state.
    Cancel,
}

impl EntryKind {
    /// The word in the ledger.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Cancel => "cancel",
        }
    }
}

/// One change to the shop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What kind of change.
    pub kind: EntryKind,
    /// The order it belongs to.
    pub order: Key,
    /// The number people know the order by.
    pub number: Option<String>,
    /// The reservation that was released; nothing for a cancellation.
    pub reservation: Option<Key>,
    /// The stock row, as `table:key`; nothing for a cancellation or an untracked item.
    pub stock: Option<String>,
    /// What was given back.
    pub quantity: Quantity,
    /// What the counter lacked.
    pub drift: Quantity,
    /// When the reservation expired; nothing for a cancellation.
    pub expires_at: Option<Timestamp>,
    /// Microseconds from the expiry to the batch's cutoff.
    pub overdue_micros: i64,
}

/// An order that a sweep could not release for the order's own reasons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAside {
    /// The order.
    pub order: Key,
    /// The number people know it by.
    pub number: Option<String>,
    /// Why, in one line.
    pub reason: String,
}

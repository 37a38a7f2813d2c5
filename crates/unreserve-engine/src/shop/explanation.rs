//! Every condition of one order with the value that was found.

use jiff::Timestamp;
use serde::Serialize;

use super::error::{ShopError, ShopErrorKind};
use crate::ledger::{EntryRecord, SetAsideRecord};
use crate::model::{Key, Quantity};

/// How somebody names an order: by its number or its key, or plainly with `number:` or `key:` before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderName<'a> {
    /// The name itself.
    pub text: &'a str,
    /// Whether it may be a number.
    pub number: bool,
    /// Whether it may be a key.
    pub key: bool,
}

impl<'a> OrderName<'a> {
    /// Reads a name as it was given.
    #[must_use]
    pub fn parse(given: &'a str) -> Self {
        if let Some(text) = given.strip_prefix("key:") {
            Self { text, number: false, key: true }
        } else if let Some(text) = given.strip_prefix("number:") {
            Self { text, number: true, key: false }
        } else {
            Self { text: given, number: true, key: true }
        }
    }

    /// The one order among those that go by this name.
    ///
    /// # Errors
    /// `Ambiguous`, with the keys, where they are several: guessing could release another customer's order.
    pub fn the_one(self, mut found: Vec<Explanation>) -> Result<Option<Explanation>, ShopError> {
        found.dedup_by(|one, other| one.key == other.key);
        let Some(first) = found.pop() else { return Ok(None) };
        if found.is_empty() {
            return Ok(Some(first));
        }
        found.push(first);
        let named = found.iter().map(|order| match &order.number {
            Some(number) => format!("number `{number}` with key `{}`", order.key),
            None => format!("key `{}`", order.key),
        });
        let message = format!("several orders go by `{}`: {}", self.text, named.collect::<Vec<_>>().join(", "));
        Err(ShopError::new(ShopErrorKind::Ambiguous, message)
            .hint("write `key:` before a key, or `number:` before a number"))
    }
}

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
    /// When it was made; nothing where the profile does not name a column that says so, or the value cannot be read.
    pub reserved_at: Option<Timestamp>,
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

//! One order: every condition with its verdict, and what happened to it and will, in the order of time.

use jiff::Timestamp;
use serde::Serialize;
use unreserve_engine::shop::Explanation;
use utoipa::ToSchema;

/// One order, as a sweep sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct OrderView {
    /// Its key.
    pub(crate) key: String,
    /// The number people know it by.
    pub(crate) number: Option<String>,
    /// The database's now when it was read.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) now: Timestamp,
    /// What the next sweep does with it, in one sentence.
    #[schema(example = "Not expired yet: its next reservation expires at 2026-11-30T12:00:00Z.")]
    pub(crate) verdict: String,
    /// Every condition a sweep looks at, with its value and verdict.
    pub(crate) conditions: Vec<ConditionView>,
    /// Its reservations, at most 200.
    pub(crate) reservations: Vec<ReservationView>,
    /// What happened to it and what lies ahead, oldest first, at most 500 events.
    pub(crate) timeline: Vec<EventView>,
}

/// One condition of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct ConditionView {
    /// What was looked at: a column, a guard, the row's lock.
    #[schema(example = "guard `paid`")]
    pub(crate) condition: String,
    /// What was found.
    #[schema(example = "does not hold")]
    pub(crate) value: String,
    /// What it means.
    #[schema(example = "nothing protects")]
    pub(crate) verdict: String,
    /// Whether it keeps the order from being worked on now.
    pub(crate) protects: bool,
}

/// One reservation of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct ReservationView {
    /// Its key.
    pub(crate) key: String,
    /// Units it holds, or held.
    pub(crate) units: i64,
    /// Whether it still holds stock.
    pub(crate) active: bool,
    /// When it expires, grace included; nothing where it never does, or the value cannot be read.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) expires_at: Option<Timestamp>,
    /// Seconds since its expiry, negative before it; nothing where it has ended or never expires.
    pub(crate) overdue_seconds: Option<i64>,
    /// How it stands, in words.
    #[schema(example = "not expired yet: in 4m30s")]
    pub(crate) says: String,
}

/// What kind of event it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum EventKind {
    /// Stock was reserved.
    Reserved,
    /// A reservation expired.
    Expired,
    /// A reservation was released and its units given back.
    Released,
    /// The order was cancelled.
    Cancelled,
    /// The order was set aside: its release failed for its own reasons.
    SetAside,
    /// Now.
    Now,
    /// The order is tried again.
    TriedAgain,
    /// A reservation will expire.
    Expires,
}

/// One event of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct EventView {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) at: Timestamp,
    /// What kind of event.
    pub(crate) kind: EventKind,
    /// What happened, in words.
    #[schema(example = "2 units given back, 0 s after their expiry")]
    pub(crate) says: String,
    /// The reservation it is about.
    pub(crate) reservation: Option<String>,
    /// Units it is about.
    pub(crate) units: Option<i64>,
    /// Whether it lies ahead.
    pub(crate) ahead: bool,
}

//! The plan itself: tables and columns that the catalogue has confirmed.

use super::condition::{Assignment, Condition};
use super::due::Due;
use super::effect::{ReleasePlan, StockPlan};
use super::figures::FiguresPlan;
use super::schema::Kind;

/// A table that exists.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Table {
    /// Its schema, where the database has schemas.
    pub schema: Option<String>,
    /// Its name.
    pub name: String,
}

/// A column that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type, as the database writes it.
    pub sql_type: String,
    /// What it can hold.
    pub kind: Kind,
}

/// The orders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderPlan {
    /// The table.
    pub table: Table,
    /// Its key.
    pub key: Column,
    /// The number people use.
    pub number: Option<Column>,
    /// All must hold for the order to be unpaid.
    pub unpaid: Vec<Condition>,
    /// All must hold for the order to be cancelled already; empty where the profile names none.
    pub cancelled: Vec<Condition>,
    /// What cancelling writes; empty where orders are never written.
    pub cancel: Vec<Assignment>,
}

/// What protects an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuardPlan {
    /// What reports call it.
    pub name: String,
    /// The table of evidence and its column with the order's key; nothing where the order's own row is tested.
    pub evidence: Option<(Table, Column)>,
    /// All must hold for a row to protect.
    pub conditions: Vec<Condition>,
}

/// The reservations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReservationPlan {
    /// The table.
    pub table: Table,
    /// Its key.
    pub key: Vec<Column>,
    /// The column with the order's key.
    pub order: Column,
    /// The quantity.
    pub quantity: Column,
    /// Digits after the decimal point that quantities keep.
    pub scale: u8,
    /// All must hold while the row holds stock.
    pub active: Vec<Condition>,
    /// What a release does to the row.
    pub release: ReleasePlan,
}

/// A profile resolved against the live schema: everything a dialect needs to write its statements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The profile's name.
    pub profile: String,
    /// The orders.
    pub order: OrderPlan,
    /// What protects an order.
    pub guards: Vec<GuardPlan>,
    /// The reservations.
    pub reservation: ReservationPlan,
    /// The stock tables, in the order of their names, so that every batch locks them in the same order.
    pub stock: Vec<StockPlan>,
    /// What counts as expired.
    pub due: Due,
    /// What the report reads.
    pub figures: FiguresPlan,
}

//! Why a sweep stopped.

use crate::model::{Holder, QuantityError};
use crate::plan::ClockFault;
use crate::shop::{InstallState, ShopError};

/// Why a sweep stopped. What had been committed before stands, and is in the ledger.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SweepError {
    /// Our own tables are not there, or of another version.
    #[error("the ledger's tables are not ready in this database: {}", state_text(.0))]
    NotInstalled(InstallState),
    /// The database takes no writes.
    #[error("the database is read-only: {0}")]
    ReadOnly(String),
    /// The clock relation cannot be right; nothing was written.
    #[error("the shop's clock and the database's clock do not fit together; nothing was written")]
    Clock(#[source] ClockFault),
    /// More is due than the bound allows; nothing was written.
    #[error("{due} orders are due, more than the {max} that one sweep may touch; nothing was written")]
    TooMany {
        /// How many are due.
        due: u64,
        /// How many are allowed.
        max: u64,
    },
    /// Another instance sweeps this shop.
    #[error("another instance is sweeping this shop: {holder}, heard of {heard_seconds_ago} s ago")]
    Held {
        /// Who.
        holder: Holder,
        /// Seconds since it was heard of last.
        heard_seconds_ago: i64,
    },
    /// No such order.
    #[error("there is no order `{0}`, neither by key nor by number")]
    NoSuchOrder(String),
    /// Quantities that 64 bits cannot hold.
    #[error("a sum of quantities is too large")]
    Quantity(#[from] QuantityError),
    /// The database.
    #[error("the sweep stopped on a database error")]
    Shop(#[source] ShopError),
}

impl From<ShopError> for SweepError {
    fn from(error: ShopError) -> Self {
        Self::Shop(error)
    }
}

fn state_text(state: &InstallState) -> String {
    match state {
        InstallState::Absent => "they do not exist, or this role may not use them".to_owned(),
        InstallState::Old(version) => format!("they are of the older version {version}"),
        InstallState::Current => "they are current".to_owned(),
        InstallState::Newer(version) => format!("they are of the newer version {version}"),
    }
}

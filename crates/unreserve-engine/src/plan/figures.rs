//! What the report reads of the shop's tables: everything in it may be missing, and nothing in it is swept by.

use super::condition::Condition;
use super::due::TimePlan;
use super::effect::ReleasePlan;
use super::schema::TableInfo;
use super::table::{Column, Plan};
use crate::profile::{ExpiryHome, Problem};

/// What the report reads of the shop's tables. A sweep does not stop because something of it is gone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FiguresPlan {
    /// When an order was made; nothing where the profile does not name it.
    pub order_made: Option<MadePlan>,
    /// When a reservation was made; nothing where the profile does not name it.
    pub reservation_made: Option<MadePlan>,
    /// Whether an index leads with the reservations' expiry, where their own row says it.
    pub expiry_indexed: bool,
    /// All must hold for an order to be paid; empty where the profile does not say it.
    pub paid: Vec<Condition>,
    /// When an order was paid.
    pub paid_at: Option<PaidAt>,
    /// All must hold for a reservation to be fulfilled; empty where the profile does not say it.
    pub fulfilled: Vec<Condition>,
    /// What an order is worth.
    pub amount: Option<AmountPlan>,
    /// What the profile names and the schema lacks, or has in another type, by the profile's field. Then the figures it is
    /// needed for are missing.
    pub problems: Vec<(&'static str, Problem)>,
}

/// A column with an instant of creation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadePlan {
    /// The column.
    pub time: TimePlan,
    /// Whether an index leads with it.
    pub indexed: bool,
}

/// Where the instant of payment stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PaidAt {
    /// On the order.
    Order(TimePlan),
    /// On the rows that the guard of this place tests; the earliest counts.
    Guard(usize, TimePlan),
}

impl PaidAt {
    /// The column.
    #[must_use]
    pub fn time(&self) -> &TimePlan {
        match self {
            Self::Order(time) | Self::Guard(_, time) => time,
        }
    }
}

/// What an order is worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AmountPlan {
    /// The column: a decimal number, or a whole number of the smallest unit.
    pub column: Column,
    /// Digits after the decimal point.
    pub scale: u8,
    /// Its currency.
    pub currency: Currency,
}

/// The currency of an amount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Currency {
    /// Nobody says it.
    Unnamed,
    /// It is the same everywhere.
    Fixed(String),
    /// A column of the order says it.
    Column(Column),
}

impl Plan {
    /// By what orders can be counted: a column whose zone is known.
    #[must_use]
    pub fn counts_orders(&self) -> Option<&MadePlan> {
        self.figures.order_made.as_ref().filter(|made| made.time.declared)
    }

    /// By what reservations can be counted: a column whose zone is known, of rows that stay when they are released.
    #[must_use]
    pub fn counts_reservations(&self) -> Option<&MadePlan> {
        let stay = matches!(self.reservation.release, ReleasePlan::Mark(_));
        self.figures.reservation_made.as_ref().filter(|made| made.time.declared && stay)
    }

    /// By what the time from order to payment can be told.
    #[must_use]
    pub fn times_payments(&self) -> Option<(&MadePlan, &PaidAt)> {
        let paid_at = self.figures.paid_at.as_ref().filter(|paid_at| paid_at.time().declared)?;
        Some((self.counts_orders()?, paid_at))
    }

    /// Whether it is known of a paid order when everything it had reserved had expired.
    #[must_use]
    pub fn judges_timeout(&self) -> bool {
        let stays = match self.due.time.home {
            ExpiryHome::Order => true,
            ExpiryHome::Reservation => matches!(self.reservation.release, ReleasePlan::Mark(_)),
        };
        stays && self.due.time.declared
    }

    /// How reservations of a span are found.
    #[must_use]
    pub fn reservations_by(&self) -> FoundBy {
        match &self.figures.reservation_made {
            Some(made) if made.indexed => FoundBy::Creation,
            Some(made) if made.time.home == ExpiryHome::Reservation && self.figures.expiry_indexed => FoundBy::Expiry,
            _ => FoundBy::Everything,
        }
    }

    /// How orders of a span are found.
    #[must_use]
    pub fn orders_by(&self) -> FoundBy {
        match &self.figures.order_made {
            Some(made) if made.indexed => FoundBy::Creation,
            _ => FoundBy::Everything,
        }
    }
}

/// How the rows of a span are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FoundBy {
    /// An index on their creation.
    Creation,
    /// An index on their expiry, which comes after their creation.
    Expiry,
    /// No index serves: every row is read, up to the bound.
    Everything,
}

/// Whether an index of the table leads with the column, for every row.
pub(super) fn leads(table: &TableInfo, column: &str) -> bool {
    table
        .indexes
        .iter()
        .any(|index| index.condition.is_none() && index.columns.first().is_some_and(|first| first.as_str() == column))
}

//! Why a figure cannot be known, and what would make it known.

use serde::Serialize;

use crate::plan::{FoundBy, IndexAdvice, Plan, ReleasePlan, Table, TimePlan};
use crate::shop::{Figures, Part};

/// A figure that cannot be known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unknown {
    /// Its name, as in the report.
    pub figure: &'static str,
    /// Why.
    pub reason: String,
    /// What would make it known.
    pub remedy: Option<String>,
}

/// Says why, part by part.
pub(super) struct Reasons<'a> {
    pub(super) plan: &'a Plan,
    pub(super) rows_max: u32,
}

impl Reasons<'_> {
    /// The profile does not name a field, or what it names does not fit the schema.
    fn unnamed(&self, figure: &'static str, field: &'static str, remedy: &str) -> Unknown {
        match self.plan.figures.problems.iter().find(|(of, _)| *of == field) {
            Some((_, problem)) => Unknown { figure, reason: problem.message.clone(), remedy: problem.hint.clone() },
            None => Unknown {
                figure,
                reason: match field {
                    "paid_at" => "the profile names neither `order.paid_at` nor `guard.paid_at`".to_owned(),
                    field => format!("the profile does not name `{field}`"),
                },
                remedy: Some(remedy.to_owned()),
            },
        }
    }

    fn zone(figure: &'static str, time: &TimePlan) -> Unknown {
        Unknown {
            figure,
            reason: format!(
                "column `{}` carries no time zone, and the profile does not say which one it is in",
                time.column.name
            ),
            remedy: Some("say it in the profile: time_zone = \"UTC\", or a name such as \"Europe/Vienna\"".to_owned()),
        }
    }

    fn unknown_zone(figure: &'static str, time: &TimePlan) -> Unknown {
        Unknown {
            figure,
            reason: format!(
                "column `{}` is said to be in the time zone `{}`, which this database does not know",
                time.column.name,
                time.encoding.zone_name().unwrap_or_default()
            ),
            remedy: Some(
                "write it as the database lists it, or as an offset such as `+02:00` where that holds all the year round; \
                 MariaDB and MySQL know the names of zones once they are loaded"
                    .to_owned(),
            ),
        }
    }

    fn form(figure: &'static str, time: &TimePlan) -> Unknown {
        Unknown {
            figure,
            reason: format!(
                "column `{}` holds instants in a form that this database cannot compare with others",
                time.column.name
            ),
            remedy: Some("name a column of a time type, for example a generated one".to_owned()),
        }
    }

    /// Too many rows, or too slow.
    fn limit<T>(&self, figure: &'static str, part: &Part<T>, by: FoundBy) -> Unknown {
        let reason = match part {
            Part::TooMany => format!("more than {} rows would have to be read", self.rows_max),
            _ => "reading it took longer than a statement may".to_owned(),
        };
        let remedy = match by {
            FoundBy::Creation => "ask for fewer days",
            FoundBy::Expiry => "ask for fewer and later days",
            FoundBy::Everything => "create an index on the instant of creation, which finds the rows of these days",
        };
        Unknown { figure, reason, remedy: Some(remedy.to_owned()) }
    }

    /// Why orders are not counted.
    pub(super) fn orders<T>(&self, part: &Part<T>) -> Unknown {
        const FIGURE: &str = "orders";
        match (&self.plan.figures.order_made, part) {
            (None, _) => self.unnamed(FIGURE, "order.created_at", "name the column under [order]"),
            (Some(made), _) if !made.time.declared => Self::zone(FIGURE, &made.time),
            (Some(made), Part::UnknownZone) => Self::unknown_zone(FIGURE, &made.time),
            (Some(made), Part::NotAsked | Part::Read(_)) => Self::form(FIGURE, &made.time),
            (Some(_), part) => self.limit(FIGURE, part, self.plan.orders_by()),
        }
    }

    /// Why reservations are not counted.
    pub(super) fn reservations<T>(&self, part: &Part<T>) -> Unknown {
        const FIGURE: &str = "reservations";
        match (&self.plan.figures.reservation_made, part) {
            _ if self.plan.reservation.release == ReleasePlan::Delete => Unknown {
                figure: FIGURE,
                reason: "a release deletes the reservation's row, so that those that ended cannot be counted"
                    .to_owned(),
                remedy: None,
            },
            (None, _) => self.unnamed(FIGURE, "reservation.created_at", "name the column under [reservation]"),
            (Some(made), _) if !made.time.declared => Self::zone(FIGURE, &made.time),
            (Some(made), Part::UnknownZone) => Self::unknown_zone(FIGURE, &made.time),
            (Some(made), Part::NotAsked | Part::Read(_)) => Self::form(FIGURE, &made.time),
            (Some(_), part) => self.limit(FIGURE, part, self.plan.reservations_by()),
        }
    }

    /// Why the time to payment is not told; nothing where the reason is that orders are not counted.
    pub(super) fn payments<T, O>(&self, part: &Part<T>, orders: &Part<O>) -> Option<Unknown> {
        const FIGURE: &str = "time_to_payment";
        let Some(paid_at) = &self.plan.figures.paid_at else {
            return Some(self.unnamed(FIGURE, "paid_at", "name the column with the instant of payment"));
        };
        let time = paid_at.time();
        match part {
            _ if !time.declared => Some(Self::zone(FIGURE, time)),
            _ if self.plan.counts_orders().is_none() || matches!(orders, Part::UnknownZone) => None,
            Part::UnknownZone => Some(Self::unknown_zone(FIGURE, time)),
            Part::NotAsked | Part::Read(_) => Some(Self::form(FIGURE, time)),
            part => Some(self.limit(FIGURE, part, self.plan.orders_by())),
        }
    }

    /// What is not told since the database does not know a zone.
    pub(super) fn unknown_zones(&self, figures: &Figures) -> Vec<Unknown> {
        let orders = matches!(figures.orders, Part::UnknownZone).then(|| self.orders(&figures.orders));
        let reservations =
            matches!(figures.reservations, Part::UnknownZone).then(|| self.reservations(&figures.reservations));
        let payments = matches!(figures.payments, Part::UnknownZone)
            .then(|| self.payments(&figures.payments, &figures.orders))
            .flatten();
        [orders, reservations, payments].into_iter().flatten().collect()
    }

    /// Why nobody can say how many were paid after their time.
    pub(super) fn paid_late(&self) -> Unknown {
        const FIGURE: &str = "paid_after_expiry";
        if !self.plan.due.time.declared {
            return Self::zone(FIGURE, &self.plan.due.time);
        }
        let reason = "a fulfilled or released reservation is deleted, and with it the instant at which it expired";
        Unknown { figure: FIGURE, reason: reason.to_owned(), remedy: None }
    }

    /// Why the value of cancelled orders is not told.
    pub(super) fn value<T>(&self, part: &Part<T>) -> Unknown {
        const FIGURE: &str = "cancelled_value";
        match part {
            Part::NotAsked | Part::Read(_) => self.unnamed(FIGURE, "order.amount", "name the column under [order]"),
            part => self.limit(FIGURE, part, FoundBy::Creation),
        }
    }

    /// Why paid orders are not told from others.
    pub(super) fn paid(&self) -> Unknown {
        self.unnamed("orders.paid", "order.paid", "name the statuses that mean paid, under [order]")
    }

    /// Why cancelled orders are not told from others.
    pub(super) fn cancelled(&self) -> Unknown {
        self.unnamed("orders.cancelled", "order.cancelled", "name the statuses that mean cancelled, under [order]")
    }

    /// Why fulfilled reservations are not told from others that ended.
    pub(super) fn fulfilled(&self) -> Unknown {
        let remedy = "name what a row holds once its stock was sold, under [reservation]";
        self.unnamed("reservations.fulfilled", "reservation.fulfilled", remedy)
    }
}

/// What no index finds, and the index that would.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unindexed {
    /// What is said of it.
    pub note: String,
    /// The index.
    pub index: IndexAdvice,
}

/// That no index finds the rows of a figure, so that a whole table was read for it, or would have had to be.
pub(super) fn unindexed<T>(table: &Table, time: &TimePlan, part: &Part<T>, what: &str) -> Unindexed {
    let column = time.column.clone();
    let consequence = match part {
        Part::Read(_) => format!("so every row of the table was read to count {what}"),
        _ => format!("so {what} could not be counted"),
    };
    Unindexed {
        note: format!("no index of `{}` begins with `{}`, {consequence}", table.name, column.name),
        index: IndexAdvice { table: table.clone(), columns: vec![column], partial: false },
    }
}

//! Decides what happens to an order that was examined under its lock.

use crate::model::{ActiveReservation, ExaminedOrder, Key};

/// An order whose due reservations are to be released.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// The order.
    pub order: Key,
    /// The number people know it by.
    pub number: Option<String>,
    /// The reservations to release, oldest expiry first; never empty.
    pub due: Vec<ActiveReservation>,
    /// Whether the order is to be cancelled as well.
    pub cancel: bool,
}

/// What happens to an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Its due reservations are released.
    Release(Release),
    /// It is left alone.
    Protect {
        /// The order.
        order: Key,
        /// The number people know it by.
        number: Option<String>,
        /// Why: a guard's name, `status`, or `not_due`.
        reason: String,
    },
}

/// Decides. An order is released only when its status is one that the profile lists, no payment guard holds, and a
/// reservation of it has expired; it is cancelled only when nothing of it stays reserved.
#[must_use]
pub fn decide(order: ExaminedOrder, may_cancel: bool) -> Decision {
    let ExaminedOrder { key, number, unpaid, cancelled, guards, reservations } = order;
    let reason = if !unpaid && !cancelled {
        Some("status".to_owned())
    } else if let Some(guard) = guards.into_iter().next() {
        Some(guard)
    } else if !reservations.iter().any(|reservation| reservation.due) {
        Some("not_due".to_owned())
    } else {
        None
    };
    if let Some(reason) = reason {
        return Decision::Protect { order: key, number, reason };
    }
    let all_due = reservations.iter().all(|reservation| reservation.due);
    let cancel = may_cancel && unpaid && !cancelled && all_due;
    let due = reservations.into_iter().filter(|reservation| reservation.due).collect();
    Decision::Release(Release { order: key, number, due, cancel })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Quantity;

    fn reservation(key: &str, due: bool) -> ActiveReservation {
        ActiveReservation {
            key: Key::single(key),
            quantity: Quantity::new(1),
            expires_at: None,
            due,
            overdue_micros: 0,
            stock: Vec::new(),
        }
    }

    fn check(unpaid: bool, cancelled: bool, guards: &[&str], due: &[bool], expected: &str) {
        let order = ExaminedOrder {
            key: Key::single("o"),
            number: None,
            unpaid,
            cancelled,
            guards: guards.iter().map(|guard| (*guard).to_owned()).collect(),
            reservations: due.iter().enumerate().map(|(index, due)| reservation(&index.to_string(), *due)).collect(),
        };
        let text = match decide(order, true) {
            Decision::Release(release) => {
                format!("release {}{}", release.due.len(), if release.cancel { " and cancel" } else { "" })
            }
            Decision::Protect { reason, .. } => reason,
        };
        assert_eq!(text, expected);
    }

    #[test]
    fn releases_only_what_is_due_unpaid_and_unguarded() {
        check(true, false, &[], &[true, true], "release 2 and cancel");
        check(true, false, &[], &[true, false], "release 1");
        check(true, true, &[], &[true], "release 1");
        check(false, true, &[], &[true], "release 1");
        check(false, false, &[], &[true], "status");
        check(true, false, &["payment"], &[true], "payment");
        check(false, true, &["payment"], &[true], "payment");
        check(true, false, &[], &[false], "not_due");
        check(true, false, &[], &[], "not_due");
    }
}

//! What keeps a shop from being swept, sorted by what a watch does about it.

use std::fmt;

use crate::shop::{ShopError, ShopErrorKind};
use crate::sweep::SweepError;

/// What a watch does about a trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TroubleKind {
    /// It may pass by itself: tries again, after ever longer pauses.
    Passing,
    /// Another instance is at this shop: looks again soon.
    Held,
    /// More is due than one sweep may touch: says so, and looks from time to time whether a person has allowed it.
    TooMany,
    /// The settings, the profile, the role or the schema must be put right by a person: looks from time to time.
    Unfit,
    /// An invariant is broken: nothing more is written until a person has looked at it.
    Broken,
}

/// What keeps a shop from being swept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What to do about it.
    pub kind: TroubleKind,
    /// What happened, with its causes, in one line and without a secret.
    pub text: String,
    /// The class of the error, as in logs and metrics.
    pub class: &'static str,
    /// What a person can do about it.
    pub hint: Option<String>,
}

impl Trouble {
    /// A trouble with nothing but its text.
    #[must_use]
    pub fn new(kind: TroubleKind, class: &'static str, text: impl Into<String>) -> Self {
        Self { kind, text: text.into(), class, hint: None }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// What a watch does about a database's error.
fn kind_of(kind: ShopErrorKind) -> TroubleKind {
    match kind {
        ShopErrorKind::Disconnected
        | ShopErrorKind::Retry
        | ShopErrorKind::LockTimeout
        | ShopErrorKind::ReadOnly
        | ShopErrorKind::Full
        | ShopErrorKind::Other => TroubleKind::Passing,
        ShopErrorKind::Fenced => TroubleKind::Held,
        ShopErrorKind::Permission
        | ShopErrorKind::SchemaChanged
        | ShopErrorKind::Constraint
        | ShopErrorKind::Refused
        | ShopErrorKind::Ambiguous => TroubleKind::Unfit,
        ShopErrorKind::Invariant => TroubleKind::Broken,
    }
}

impl From<&ShopError> for Trouble {
    fn from(error: &ShopError) -> Self {
        let hint = error.hint.clone();
        Self { hint, ..Self::new(kind_of(error.kind), error.kind.word(), error.to_string()) }
    }
}

impl From<&SweepError> for Trouble {
    fn from(error: &SweepError) -> Self {
        let plain = |kind, class| Self::new(kind, class, error.to_string());
        match error {
            SweepError::NotInstalled(_) => {
                let hint = Some("run `unreserve setup` once".to_owned());
                Self { hint, ..plain(TroubleKind::Unfit, "not_installed") }
            }
            SweepError::ReadOnly(_) => plain(TroubleKind::Passing, ShopErrorKind::ReadOnly.word()),
            SweepError::Clock(fault) => {
                let text = format!("{error}: {fault}");
                Self { hint: Some(fault.hint()), ..Self::new(TroubleKind::Unfit, "clock", text) }
            }
            SweepError::TooMany { due, .. } => {
                let hint = format!(
                    "look with `unreserve sweep --dry-run --max-orders {due}`, then allow it once with `unreserve sweep --max-orders {due}`"
                );
                Self { hint: Some(hint), ..plain(TroubleKind::TooMany, "too_many") }
            }
            SweepError::Held { .. } => plain(TroubleKind::Held, "held"),
            SweepError::NoSuchOrder(_) => plain(TroubleKind::Unfit, "no_such_order"),
            SweepError::Quantity(_) => plain(TroubleKind::Broken, "quantity"),
            SweepError::Shop(source) => Self { text: format!("{error}: {source}"), ..Self::from(source) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_is_tried_again_and_what_is_broken_is_not() {
        let kind = |kind| Trouble::from(&SweepError::Shop(ShopError::new(kind, "x"))).kind;
        assert_eq!(kind(ShopErrorKind::Disconnected), TroubleKind::Passing);
        assert_eq!(kind(ShopErrorKind::SchemaChanged), TroubleKind::Unfit);
        assert_eq!(kind(ShopErrorKind::Fenced), TroubleKind::Held);
        assert_eq!(kind(ShopErrorKind::Invariant), TroubleKind::Broken);
        let many = Trouble::from(&SweepError::TooMany { due: 7, max: 5 });
        assert_eq!((many.kind, many.class), (TroubleKind::TooMany, "too_many"));
        assert!(many.hint.is_some_and(|hint| hint.contains("--max-orders 7")));
    }
}

//! A quantity of stock, in the shop's smallest unit.

use std::fmt;
use std::iter;

use serde::{Deserialize, Serialize};

/// A quantity in the shop's smallest unit (pieces, or 10⁻ˢᶜᵃˡᵉ of a piece where the profile states a scale).
///
/// Every sum and difference is checked: a quantity never wraps round and never becomes a float.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Quantity(i64);

/// A sum or difference of quantities that 64 bits cannot hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the quantities add up to more than 64 bits hold")]
pub struct QuantityError;

impl Quantity {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// So many of the smallest unit.
    #[must_use]
    pub const fn new(units: i64) -> Self {
        Self(units)
    }

    /// How many of the smallest unit.
    #[must_use]
    pub const fn units(self) -> i64 {
        self.0
    }

    /// The sum of two quantities.
    ///
    /// # Errors
    /// The sum does not fit 64 bits.
    pub fn plus(self, other: Self) -> Result<Self, QuantityError> {
        self.0.checked_add(other.0).map(Self).ok_or(QuantityError)
    }

    /// The difference of two quantities.
    ///
    /// # Errors
    /// The difference does not fit 64 bits.
    pub fn minus(self, other: Self) -> Result<Self, QuantityError> {
        self.0.checked_sub(other.0).map(Self).ok_or(QuantityError)
    }

    /// The sum of many quantities.
    ///
    /// # Errors
    /// The sum does not fit 64 bits.
    pub fn sum(quantities: impl iter::IntoIterator<Item = Self>) -> Result<Self, QuantityError> {
        quantities.into_iter().try_fold(Self::ZERO, Self::plus)
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_that_does_not_fit_is_an_error_and_not_a_wrap() {
        assert_eq!(Quantity::new(i64::MAX).plus(Quantity::new(1)), Err(QuantityError));
        assert_eq!(Quantity::new(i64::MIN).minus(Quantity::new(1)), Err(QuantityError));
        assert_eq!(Quantity::sum([Quantity::new(2), Quantity::new(3)]), Ok(Quantity::new(5)));
    }
}

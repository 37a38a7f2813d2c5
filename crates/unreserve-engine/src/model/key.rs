//! The key of a row, whatever its type in the shop.

use std::fmt;

use serde::{Serialize, Serializer};

/// The value of a row's key: the database's own text for it, one part for each key column.
///
/// Keys are compared and sent back exactly as the database wrote them, so that integer, text, UUID and
/// composite keys need no type of ours.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(Vec<String>);

impl Key {
    /// A key of one column.
    #[must_use]
    pub fn single(part: impl Into<String>) -> Self {
        Self(vec![part.into()])
    }

    /// A key of several columns, in the order the profile names them.
    #[must_use]
    pub fn of(parts: Vec<String>) -> Self {
        Self(parts)
    }

    /// The parts, one for each key column.
    #[must_use]
    pub fn parts(&self) -> &[String] {
        &self.0
    }

    /// The part of the column at `index`, or an empty text where there is none.
    #[must_use]
    pub fn part(&self, index: usize) -> &str {
        self.0.get(index).map_or("", String::as_str)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.join("/"))
    }
}

impl Serialize for Key {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

//! Conditions and assignments on confirmed columns.

use super::due::TimeEncoding;
use super::table::Column;

/// A plain value, as it is sent to the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A text; the database casts it to the column's type.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// True or false.
    Boolean(bool),
}

impl Value {
    /// The value as text, for databases that cast.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Integer(number) => number.to_string(),
            Self::Boolean(value) => value.to_string(),
        }
    }
}

/// What a column is tested for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    /// One of these values; NULL is none of them.
    OneOf(Vec<Value>),
    /// NULL.
    Null,
    /// Anything but NULL.
    NotNull,
}

/// A condition on one column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// The column.
    pub column: Column,
    /// What it is tested for.
    pub test: Test,
}

/// What one column is set to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Assignment {
    /// A plain value.
    Value(Column, Value),
    /// The database's now, in the column's own form.
    Now(Column, TimeEncoding),
    /// NULL.
    Null(Column),
}

impl Assignment {
    /// The column that is written.
    #[must_use]
    pub fn column(&self) -> &Column {
        match self {
            Self::Value(column, _) | Self::Now(column, _) | Self::Null(column) => column,
        }
    }
}

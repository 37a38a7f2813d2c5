//! Sends values and reads answers.

use jiff::Timestamp;
use sqlx::postgres::PgRow;
use sqlx::{Decode, Postgres, Row, Type, ValueRef};
use unreserve_engine::model::Key;
use unreserve_engine::shop::{ShopError, ShopErrorKind};

use super::errors::statement_error;
use super::literal::{array, literal};
pub(super) use crate::cells::*;

/// What can be sent.
pub(super) trait Sent {
    /// The text it is read from, or nothing for NULL.
    fn text(self) -> Option<String>;
}

impl Sent for String {
    fn text(self) -> Option<String> {
        Some(self)
    }
}

impl Sent for i64 {
    fn text(self) -> Option<String> {
        Some(self.to_string())
    }
}

impl Sent for bool {
    fn text(self) -> Option<String> {
        Some(self.to_string())
    }
}

impl<T: Sent> Sent for Option<T> {
    fn text(self) -> Option<String> {
        self.and_then(Sent::text)
    }
}

impl<T: Sent> Sent for Vec<T> {
    fn text(self) -> Option<String> {
        let elements: Vec<Option<String>> = self.into_iter().map(Sent::text).collect();
        Some(array(elements.iter().map(Option::as_deref)))
    }
}

/// The parameters of one statement, in order, as literals.
#[derive(Default)]
pub(super) struct Parameters {
    literals: Vec<String>,
    refused: bool,
}

impl Parameters {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn with(mut self, value: impl Sent) -> Self {
        let text = value.text();
        // It would end the message early.
        self.refused |= text.as_ref().is_some_and(|text| text.contains('\0'));
        self.literals.push(text.map_or_else(|| "NULL".to_owned(), |text| literal(&text)));
        self
    }

    /// The parts of many keys, one array for each key column.
    pub(super) fn with_keys<'k>(mut self, keys: impl Iterator<Item = &'k Key> + Clone, columns: usize) -> Self {
        for column in 0..columns {
            let parts: Vec<String> = keys.clone().map(|key| key.part(column).to_owned()).collect();
            self = self.with(parts);
        }
        self
    }

    /// The literals, in order.
    pub(super) fn finish(self) -> Result<Vec<String>, ShopError> {
        if self.refused {
            let message = "a value has a zero byte, which PostgreSQL cannot store";
            return Err(ShopError::new(ShopErrorKind::Constraint, message));
        }
        Ok(self.literals)
    }
}

/// One value of an answer.
pub(super) fn read<'r, T: Decode<'r, Postgres> + Type<Postgres>>(
    row: &'r PgRow,
    index: usize,
    statement: &'static str,
) -> Result<T, ShopError> {
    row.try_get(index).map_err(|error| statement_error(&error, statement))
}

impl Cells for PgRow {
    fn text(&self, index: usize, statement: &'static str) -> Result<Option<String>, ShopError> {
        read(self, index, statement)
    }

    /// A database that checks no encoding may hold any bytes.
    fn shown(&self, index: usize, statement: &'static str) -> Result<Option<String>, ShopError> {
        let value = self.try_get_raw(index).map_err(|error| statement_error(&error, statement))?;
        if value.is_null() {
            return Ok(None);
        }
        let bytes = value.as_bytes().map_err(|error| {
            ShopError::new(ShopErrorKind::Other, format!("a text cannot be read: {error}")).during(statement)
        })?;
        Ok(Some(String::from_utf8_lossy(bytes).into_owned()))
    }

    fn integer(&self, index: usize, statement: &'static str) -> Result<Option<i64>, ShopError> {
        read(self, index, statement)
    }

    fn is_true(&self, index: usize, statement: &'static str) -> Result<bool, ShopError> {
        Ok(read::<Option<bool>>(self, index, statement)?.unwrap_or(false))
    }

    /// Microseconds since 1970.
    fn instant(&self, index: usize, statement: &'static str) -> Result<Option<Timestamp>, ShopError> {
        Ok(read::<Option<i64>>(self, index, statement)?.and_then(|micros| Timestamp::from_microsecond(micros).ok()))
    }
}

//! Sends values and reads answers.

use jiff::Timestamp;
use sqlx::postgres::PgRow;
use sqlx::{Decode, Postgres, Row, Type};
use unreserve_engine::model::{Key, Quantity};
use unreserve_engine::shop::{ShopError, ShopErrorKind};

use super::errors::statement_error;
use super::literal::{array, literal};

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

    /// The list in parentheses; nothing where there is none.
    pub(super) fn finish(self) -> Result<String, ShopError> {
        if self.refused {
            let message = "a value has a zero byte, which PostgreSQL cannot store";
            return Err(ShopError::new(ShopErrorKind::Constraint, message));
        }
        Ok(if self.literals.is_empty() { String::new() } else { format!("({})", self.literals.join(", ")) })
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

/// A key of `columns` parts that begins at `index`; nothing where a part is NULL.
pub(super) fn read_key(
    row: &PgRow,
    index: usize,
    columns: usize,
    statement: &'static str,
) -> Result<Option<Key>, ShopError> {
    let mut parts = Vec::with_capacity(columns);
    for column in index..index.saturating_add(columns) {
        match read::<Option<String>>(row, column, statement)? {
            Some(part) => parts.push(part),
            None => return Ok(None),
        }
    }
    Ok(Some(Key::of(parts)))
}

/// A key that cannot be NULL.
pub(super) fn read_whole_key(
    row: &PgRow,
    index: usize,
    columns: usize,
    statement: &'static str,
) -> Result<Key, ShopError> {
    read_key(row, index, columns, statement)?
        .ok_or_else(|| ShopError::new(ShopErrorKind::Invariant, "a key column is NULL").during(statement))
}

/// An instant that was sent as microseconds since 1970.
pub(super) fn read_instant(row: &PgRow, index: usize, statement: &'static str) -> Result<Option<Timestamp>, ShopError> {
    let micros: Option<i64> = read(row, index, statement)?;
    Ok(micros.and_then(|micros| Timestamp::from_microsecond(micros).ok()))
}

/// An instant that cannot be NULL.
pub(super) fn read_now(row: &PgRow, index: usize, statement: &'static str) -> Result<Timestamp, ShopError> {
    read_instant(row, index, statement)?
        .ok_or_else(|| ShopError::new(ShopErrorKind::Other, "the database's now is not an instant").during(statement))
}

/// A counter, which may be NULL.
pub(super) fn read_quantity(row: &PgRow, index: usize, statement: &'static str) -> Result<Option<Quantity>, ShopError> {
    Ok(read::<Option<i64>>(row, index, statement)?.map(Quantity::new))
}

/// A count, which the database keeps signed.
pub(super) fn read_count(row: &PgRow, index: usize, statement: &'static str) -> Result<u64, ShopError> {
    Ok(u64::try_from(read::<i64>(row, index, statement)?).unwrap_or(0))
}

/// A count as the database keeps it.
pub(super) fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// The one row of a statement that gives exactly one.
pub(super) fn only_row(rows: Vec<PgRow>, statement: &'static str) -> Result<PgRow, ShopError> {
    rows.into_iter()
        .next()
        .ok_or_else(|| ShopError::new(ShopErrorKind::Other, "the database gave no row").during(statement))
}

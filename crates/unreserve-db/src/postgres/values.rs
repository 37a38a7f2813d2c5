//! Sends values and reads answers.

use jiff::Timestamp;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::{Arguments, Decode, Encode, Postgres, Row, Type};
use unreserve_engine::model::{Key, Quantity};
use unreserve_engine::shop::{ShopError, ShopErrorKind};

use super::errors::statement_error;

/// The parameters of one statement, in order.
#[derive(Default)]
pub(super) struct Parameters {
    arguments: PgArguments,
    refused: Option<String>,
}

impl Parameters {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn with<'q, T: Encode<'q, Postgres> + Type<Postgres> + 'q>(mut self, value: T) -> Self {
        if let Err(error) = self.arguments.add(value) {
            self.refused = Some(error.to_string());
        }
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

    pub(super) fn finish(self) -> Result<PgArguments, ShopError> {
        match self.refused {
            None => Ok(self.arguments),
            Some(reason) => Err(ShopError::new(ShopErrorKind::Other, format!("a value cannot be sent: {reason}"))),
        }
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

//! Sends values and reads answers.

use jiff::Timestamp;
use serde_json::Value as Json;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Arguments, Decode, Encode, Row, Sqlite, Type};
use unreserve_engine::model::{Key, Quantity};
use unreserve_engine::shop::{ShopError, ShopErrorKind};

use super::errors::statement_error;
use super::fragments::{Constant, Statement};

/// The parameters of one statement, in order.
#[derive(Default)]
pub(super) struct Parameters {
    arguments: SqliteArguments,
    refused: Option<String>,
}

impl Parameters {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn with<'q, T: Encode<'q, Sqlite> + Type<Sqlite> + 'q>(mut self, value: T) -> Self {
        if let Err(error) = self.arguments.add(value) {
            self.refused = Some(error.to_string());
        }
        self
    }

    /// Rows of values, as one JSON text.
    pub(super) fn with_json(self, rows: &[Vec<Json>]) -> Self {
        self.with(Json::from(rows.to_vec()).to_string())
    }

    /// Keys, as one JSON text: `[["1"], ["2"]]`.
    pub(super) fn with_keys<'k>(self, keys: impl IntoIterator<Item = &'k Key>) -> Self {
        let rows: Vec<Vec<Json>> = keys.into_iter().map(json_key).collect();
        self.with_json(&rows)
    }

    /// The constants that follow what changes from call to call.
    pub(super) fn finish(mut self, statement: &Statement) -> Result<SqliteArguments, ShopError> {
        for constant in &statement.constants {
            self = match constant {
                Constant::Text(text) => self.with(text.clone()),
                Constant::Integer(number) => self.with(*number),
            };
        }
        self.plain()
    }

    /// The parameters of a statement without constants.
    pub(super) fn plain(self) -> Result<SqliteArguments, ShopError> {
        match self.refused {
            None => Ok(self.arguments),
            Some(reason) => Err(ShopError::new(ShopErrorKind::Other, format!("a value cannot be sent: {reason}"))),
        }
    }
}

/// A key's parts as JSON texts; the column they are compared with gives them its type.
pub(super) fn json_key(key: &Key) -> Vec<Json> {
    key.parts().iter().map(|part| Json::from(part.as_str())).collect()
}

/// A counter as the column keeps it: a whole number, or a decimal text that loses no digit on the way.
pub(super) fn json_quantity(quantity: Option<Quantity>, scale: u8) -> Json {
    match quantity {
        None => Json::Null,
        Some(quantity) if scale == 0 => Json::from(quantity.units()),
        Some(quantity) => Json::from(decimal(quantity.units(), scale)),
    }
}

fn decimal(units: i64, scale: u8) -> String {
    let digits = usize::from(scale);
    let all = format!("{:0>width$}", units.unsigned_abs(), width = digits.saturating_add(1));
    let (whole, part) = all.split_at_checked(all.len().saturating_sub(digits)).unwrap_or((&all, ""));
    format!("{}{whole}.{part}", if units < 0 { "-" } else { "" })
}

/// One value of an answer.
pub(super) fn read<'r, T: Decode<'r, Sqlite> + Type<Sqlite>>(
    row: &'r SqliteRow,
    index: usize,
    statement: &'static str,
) -> Result<T, ShopError> {
    row.try_get(index).map_err(|error| statement_error(&error, statement))
}

/// A condition's value; NULL is not true.
pub(super) fn read_flag(row: &SqliteRow, index: usize, statement: &'static str) -> Result<bool, ShopError> {
    Ok(read::<Option<i64>>(row, index, statement)?.is_some_and(|flag| flag != 0))
}

/// A key of `columns` parts that begins at `index`; nothing where a part is NULL.
pub(super) fn read_key(
    row: &SqliteRow,
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
    row: &SqliteRow,
    index: usize,
    columns: usize,
    statement: &'static str,
) -> Result<Key, ShopError> {
    read_key(row, index, columns, statement)?
        .ok_or_else(|| ShopError::new(ShopErrorKind::Constraint, "a key column is NULL").during(statement))
}

/// An instant that was sent as milliseconds since 1970.
pub(super) fn read_instant(
    row: &SqliteRow,
    index: usize,
    statement: &'static str,
) -> Result<Option<Timestamp>, ShopError> {
    let millis: Option<i64> = read(row, index, statement)?;
    Ok(millis.and_then(instant))
}

/// Milliseconds since 1970 as an instant; nothing where no calendar reaches.
pub(super) fn instant(millis: i64) -> Option<Timestamp> {
    Timestamp::from_millisecond(millis).ok()
}

/// An instant of ours, which cannot be NULL.
pub(super) fn read_own_instant(row: &SqliteRow, index: usize, statement: &'static str) -> Result<Timestamp, ShopError> {
    read_instant(row, index, statement)?
        .ok_or_else(|| ShopError::new(ShopErrorKind::Other, "the answer holds no instant").during(statement))
}

/// A count, which the database keeps signed.
pub(super) fn read_count(row: &SqliteRow, index: usize, statement: &'static str) -> Result<u64, ShopError> {
    Ok(u64::try_from(read::<Option<i64>>(row, index, statement)?.unwrap_or(0)).unwrap_or(0))
}

/// A sum, which is NULL over no rows.
pub(super) fn read_sum(row: &SqliteRow, index: usize, statement: &'static str) -> Result<i64, ShopError> {
    Ok(read::<Option<i64>>(row, index, statement)?.unwrap_or(0))
}

/// A count as the database keeps it.
pub(super) fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// The one row of a statement that gives exactly one.
pub(super) fn only_row(rows: Vec<SqliteRow>, statement: &'static str) -> Result<SqliteRow, ShopError> {
    rows.into_iter()
        .next()
        .ok_or_else(|| ShopError::new(ShopErrorKind::Other, "the database gave no row").during(statement))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_keeps_every_digit() {
        let rows = [
            (250, 2, "2.50"),
            (5, 2, "0.05"),
            (-5, 2, "-0.05"),
            (0, 3, "0.000"),
            (i64::MIN, 6, "-9223372036854.775808"),
        ];
        for (units, scale, text) in rows {
            assert_eq!(decimal(units, scale), text);
        }
    }
}

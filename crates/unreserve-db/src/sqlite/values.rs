//! Sends values and reads answers.

use jiff::Timestamp;
use serde_json::Value as Json;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Arguments, Decode, Encode, Row, Sqlite, Type};
use unreserve_engine::model::{Key, Quantity};
use unreserve_engine::shop::{ShopError, ShopErrorKind};

use super::errors::statement_error;
use super::fragments::{Constant, Statement};
pub(super) use crate::cells::*;

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

impl Cells for SqliteRow {
    fn text(&self, index: usize, statement: &'static str) -> Result<Option<String>, ShopError> {
        read(self, index, statement)
    }

    /// SQLite checks no encoding: a text may hold any bytes.
    fn shown(&self, index: usize, statement: &'static str) -> Result<Option<String>, ShopError> {
        let bytes: Option<Vec<u8>> =
            self.try_get_unchecked(index).map_err(|error| statement_error(&error, statement))?;
        Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    fn integer(&self, index: usize, statement: &'static str) -> Result<Option<i64>, ShopError> {
        read(self, index, statement)
    }

    fn is_true(&self, index: usize, statement: &'static str) -> Result<bool, ShopError> {
        Ok(read::<Option<i64>>(self, index, statement)?.is_some_and(|flag| flag != 0))
    }

    /// Milliseconds since 1970.
    fn instant(&self, index: usize, statement: &'static str) -> Result<Option<Timestamp>, ShopError> {
        Ok(read::<Option<i64>>(self, index, statement)?.and_then(instant))
    }
}

/// Milliseconds since 1970 as an instant; nothing where no calendar reaches.
pub(super) fn instant(millis: i64) -> Option<Timestamp> {
    Timestamp::from_millisecond(millis).ok()
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

    #[tokio::test]
    async fn a_number_with_bytes_that_are_no_text_is_shown_without_them() {
        use sqlx::{Connection, SqliteConnection};
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        let ask = "SELECT CAST(x'4d2dff37' AS TEXT), 'M-8', NULL";
        let row = sqlx::query(ask).fetch_one(&mut connection).await.unwrap();
        assert!(row.text(0, "x").is_err(), "a key has to be exact");
        let shown: Vec<Option<String>> = (0..3).map(|index| row.shown(index, "x").unwrap()).collect();
        assert_eq!(shown, [Some("M-\u{fffd}7".to_owned()), Some("M-8".to_owned()), None]);
    }
}

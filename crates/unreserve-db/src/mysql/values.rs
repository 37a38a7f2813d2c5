//! Sends values and reads answers.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value as Json;
use sqlx::mysql::{MySqlArguments, MySqlRow};
use sqlx::{Arguments, Decode, MySql, Row, Type};
use unreserve_engine::model::{Key, Quantity};
use unreserve_engine::plan::{Column, Kind};
use unreserve_engine::shop::{ShopError, ShopErrorKind};

use super::errors::statement_error;
use super::fragments::{Constant, Slot, Statement};
pub(super) use crate::cells::*;

/// One value to send.
#[derive(Debug, Clone)]
enum Sent {
    Text(Option<String>),
    Integer(Option<i64>),
    Unsigned(u64),
}

/// The values that a caller gives to one statement, in order.
#[derive(Debug, Clone, Default)]
pub(super) struct Parameters(Vec<Sent>);

impl Parameters {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Begins with the cutoff, as whatever speaks of time does.
    pub(super) fn at(cutoff: Timestamp) -> Self {
        Self::new().text(date_time(cutoff))
    }

    /// Begins with nothing, where a statement does not speak of time.
    pub(super) fn timeless() -> Self {
        Self::new().maybe(None)
    }

    pub(super) fn text(self, text: impl Into<String>) -> Self {
        self.maybe(Some(text.into()))
    }

    /// An instant in universal time.
    pub(super) fn instant(self, instant: Timestamp) -> Self {
        self.text(date_time(instant))
    }

    pub(super) fn maybe(mut self, text: Option<String>) -> Self {
        self.0.push(Sent::Text(text));
        self
    }

    pub(super) fn integer(self, number: i64) -> Self {
        self.maybe_integer(Some(number))
    }

    pub(super) fn maybe_integer(mut self, number: Option<i64>) -> Self {
        self.0.push(Sent::Integer(number));
        self
    }

    /// A key's text as its column's type takes it: a number must not be compared as a text, which is compared as a float.
    /// Nothing where it cannot be such a key.
    pub(super) fn key(mut self, column: &Column, text: &str) -> Option<Self> {
        let sent = match column.kind {
            Kind::Integer => match text.parse() {
                Ok(number) => Sent::Integer(Some(number)),
                Err(_) => Sent::Unsigned(text.parse().ok()?),
            },
            _ => Sent::Text(Some(text.to_owned())),
        };
        self.0.push(sent);
        Some(self)
    }

    /// Rows of values, as one JSON text.
    pub(super) fn json(self, rows: &[Vec<Json>]) -> Self {
        self.text(Json::from(rows.to_vec()).to_string())
    }

    /// Keys, as one JSON text: `[["1"], ["2"]]`.
    pub(super) fn keys<'k>(self, keys: impl IntoIterator<Item = &'k Key>) -> Self {
        let rows: Vec<Vec<Json>> = keys.into_iter().map(json_key).collect();
        self.json(&rows)
    }

    /// Puts each value where the statement has a `?` for it.
    pub(super) fn finish(&self, statement: &Statement) -> Result<MySqlArguments, ShopError> {
        let missing = || ShopError::new(ShopErrorKind::Other, "a parameter was not given").during(statement.name);
        let mut arguments = MySqlArguments::default();
        for slot in &statement.slots {
            match slot {
                Slot::Given(place) => add(&mut arguments, self.0.get(*place).ok_or_else(missing)?)?,
                Slot::Constant(place) => match statement.constants.get(*place).ok_or_else(missing)? {
                    Constant::Text(text) => add(&mut arguments, &Sent::Text(Some(text.clone())))?,
                    Constant::Integer(number) => add(&mut arguments, &Sent::Integer(Some(*number)))?,
                },
            }
        }
        Ok(arguments)
    }

    /// The values in their own order, for a statement that is not rendered.
    pub(super) fn plain(&self) -> Result<MySqlArguments, ShopError> {
        let mut arguments = MySqlArguments::default();
        for sent in &self.0 {
            add(&mut arguments, sent)?;
        }
        Ok(arguments)
    }
}

fn add(arguments: &mut MySqlArguments, sent: &Sent) -> Result<(), ShopError> {
    let added = match sent {
        Sent::Text(text) => arguments.add(text.clone()),
        Sent::Integer(number) => arguments.add(*number),
        Sent::Unsigned(number) => arguments.add(*number),
    };
    added.map_err(|error| ShopError::new(ShopErrorKind::Other, format!("a value cannot be sent: {error}")))
}

/// An instant as the database reads it: `2026-11-22 10:15:00.123456`, in universal time.
fn date_time(instant: Timestamp) -> String {
    instant.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M:%S.%6f").to_string()
}

/// A key's parts as JSON texts; the JSON table gives them their type.
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
pub(super) fn read<'r, T: Decode<'r, MySql> + Type<MySql>>(
    row: &'r MySqlRow,
    index: usize,
    statement: &'static str,
) -> Result<T, ShopError> {
    row.try_get(index).map_err(|error| statement_error(&error, statement))
}

impl Cells for MySqlRow {
    fn text(&self, index: usize, statement: &'static str) -> Result<Option<String>, ShopError> {
        read(self, index, statement)
    }

    fn integer(&self, index: usize, statement: &'static str) -> Result<Option<i64>, ShopError> {
        read(self, index, statement)
    }

    fn is_true(&self, index: usize, statement: &'static str) -> Result<bool, ShopError> {
        Ok(read::<Option<i64>>(self, index, statement)?.is_some_and(|flag| flag != 0))
    }

    /// Microseconds since 1970.
    fn instant(&self, index: usize, statement: &'static str) -> Result<Option<Timestamp>, ShopError> {
        Ok(read::<Option<i64>>(self, index, statement)?.and_then(|micros| Timestamp::from_microsecond(micros).ok()))
    }
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

    #[test]
    fn an_instant_is_written_in_universal_time_to_the_microsecond() {
        let instant = Timestamp::from_microsecond(1_795_343_700_000_123).unwrap();
        assert_eq!(date_time(instant), "2026-11-22 10:35:00.000123");
    }

    #[test]
    fn a_number_that_is_none_is_no_key() {
        let column = Column { name: "id".to_owned(), sql_type: "bigint unsigned".to_owned(), kind: Kind::Integer };
        assert!(Parameters::new().key(&column, "18446744073709551615").is_some());
        assert!(Parameters::new().key(&column, "-7").is_some());
        assert!(Parameters::new().key(&column, "7 or 1").is_none());
    }
}

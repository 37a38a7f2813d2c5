//! Values of the shop in memory, and how they are compared and written as text.

use std::cmp::Ordering;
use std::sync::Arc;

use jiff::Timestamp;
use unreserve_engine::plan::{Kind, Value};

use crate::shops::{Cell, ColumnKind};

/// One value of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Datum {
    /// NULL.
    Null,
    /// A whole number.
    Integer(i64),
    /// A decimal number: so many units of its last digit, and how many digits stand behind the point.
    Decimal(i64, u8),
    /// A text, also a UUID.
    Text(Arc<str>),
    /// True or false.
    Boolean(bool),
    /// Microseconds since 1970, in UTC.
    Instant(i64),
}

impl Datum {
    /// A text.
    #[must_use]
    pub fn text_of(text: &str) -> Self {
        Self::Text(Arc::from(text))
    }

    /// The value as text; nothing for NULL.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        match self {
            Self::Null => None,
            Self::Integer(number) => Some(number.to_string()),
            Self::Decimal(units, scale) => Some(decimal_text(*units, *scale)),
            Self::Text(text) => Some(text.to_string()),
            Self::Boolean(value) => Some(value.to_string()),
            Self::Instant(micros) => Timestamp::from_microsecond(*micros).ok().map(|instant| instant.to_string()),
        }
    }

    /// Whether it is the value that a profile names.
    #[must_use]
    pub fn is(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Text(text), Value::Text(wanted)) => **text == **wanted,
            (Self::Integer(number), Value::Integer(wanted)) => number == wanted,
            (Self::Integer(number), Value::Boolean(wanted)) => *number == i64::from(*wanted),
            (Self::Boolean(value), Value::Boolean(wanted)) => value == wanted,
            (Self::Null, _) => false,
            (other, value) => other.text() == Some(value.text()),
        }
    }

    /// The order in which a database sorts values of one column; NULL comes last.
    #[must_use]
    pub fn order(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Integer(one), Self::Integer(two)) | (Self::Instant(one), Self::Instant(two)) => one.cmp(two),
            (Self::Decimal(one, _), Self::Decimal(two, _)) => one.cmp(two),
            (Self::Text(one), Self::Text(two)) => one.cmp(two),
            (Self::Boolean(one), Self::Boolean(two)) => one.cmp(two),
            (Self::Null, Self::Null) => Ordering::Equal,
            (Self::Null, _) => Ordering::Greater,
            (_, Self::Null) => Ordering::Less,
            (one, two) => one.text().cmp(&two.text()),
        }
    }

    /// The value of a cell in a column of this kind; nothing where the column cannot hold it.
    #[must_use]
    pub fn of_cell(cell: &Cell, kind: ColumnKind, now_micros: i64) -> Option<Self> {
        match (cell, kind) {
            (Cell::Null, _) => Some(Self::Null),
            (Cell::FromNow(seconds), ColumnKind::Instant | ColumnKind::DateTime) => {
                Some(Self::Instant(now_micros.saturating_add(seconds.saturating_mul(1_000_000))))
            }
            (Cell::Text(text), _) => Self::read(text, kind),
            (Cell::Decimal(text), _) => Self::read(text, kind),
            (Cell::Integer(number), _) => Self::read(&number.to_string(), kind),
            (Cell::Boolean(value), ColumnKind::Boolean) => Some(Self::Boolean(*value)),
            _ => None,
        }
    }

    /// Reads a text as a value of this kind.
    #[must_use]
    pub fn read(text: &str, kind: ColumnKind) -> Option<Self> {
        match kind {
            ColumnKind::Integer => text.parse::<i32>().ok().map(|number| Self::Integer(number.into())),
            ColumnKind::BigInteger => text.parse().ok().map(Self::Integer),
            ColumnKind::Decimal(_, scale) => decimal_units(text, scale).map(|units| Self::Decimal(units, scale)),
            ColumnKind::Varchar(_) | ColumnKind::Uuid => Some(Self::text_of(text)),
            ColumnKind::Boolean => text.parse().ok().map(Self::Boolean),
            ColumnKind::Instant | ColumnKind::DateTime => {
                text.parse::<Timestamp>().ok().map(|instant| Self::Instant(instant.as_microsecond()))
            }
        }
    }

    /// How many smallest units it is where quantities keep so many decimals; nothing where it has more of them.
    #[must_use]
    pub fn units(&self, scale: u8) -> Option<i64> {
        match self {
            Self::Integer(number) => number.checked_mul(power_of_ten(scale)),
            Self::Decimal(units, own) if *own <= scale => units.checked_mul(power_of_ten(scale.saturating_sub(*own))),
            Self::Decimal(units, own) => {
                let factor = power_of_ten(own.saturating_sub(scale));
                (units.checked_rem(factor) == Some(0)).then(|| units.checked_div(factor)).flatten()
            }
            _ => None,
        }
    }

    /// So many smallest units in a column of this kind; nothing where it would have to be rounded.
    #[must_use]
    pub fn of_units(units: i64, scale: u8, kind: ColumnKind) -> Option<Self> {
        Self::read(&decimal_text(units, scale), kind).or_else(|| {
            let factor = power_of_ten(scale);
            let whole = units.checked_div(factor).filter(|_| units.checked_rem(factor) == Some(0));
            whole.and_then(|whole| Self::read(&whole.to_string(), kind))
        })
    }
}

/// What a plan calls a column of this kind.
#[must_use]
pub fn plan_kind(kind: ColumnKind) -> Kind {
    match kind {
        ColumnKind::Integer | ColumnKind::BigInteger => Kind::Integer,
        ColumnKind::Decimal(..) => Kind::Decimal,
        ColumnKind::Varchar(_) => Kind::Text,
        ColumnKind::Boolean => Kind::Boolean,
        ColumnKind::Uuid => Kind::Uuid,
        ColumnKind::Instant => Kind::Instant,
        ColumnKind::DateTime => Kind::DateTime,
    }
}

/// The name of the type.
#[must_use]
pub fn type_name(kind: ColumnKind) -> String {
    match kind {
        ColumnKind::Integer => "integer".to_owned(),
        ColumnKind::BigInteger => "bigint".to_owned(),
        ColumnKind::Decimal(digits, scale) => format!("numeric({digits},{scale})"),
        ColumnKind::Varchar(letters) => format!("varchar({letters})"),
        ColumnKind::Boolean => "boolean".to_owned(),
        ColumnKind::Uuid => "uuid".to_owned(),
        ColumnKind::Instant => "instant".to_owned(),
        ColumnKind::DateTime => "datetime".to_owned(),
    }
}

fn power_of_ten(scale: u8) -> i64 {
    10_i64.checked_pow(u32::from(scale)).unwrap_or(1)
}

fn decimal_text(units: i64, scale: u8) -> String {
    if scale == 0 {
        return units.to_string();
    }
    let factor = power_of_ten(scale).unsigned_abs();
    let (whole, rest) = (units.unsigned_abs().checked_div(factor), units.unsigned_abs().checked_rem(factor));
    let sign = if units < 0 { "-" } else { "" };
    format!("{sign}{}.{:0width$}", whole.unwrap_or(0), rest.unwrap_or(0), width = usize::from(scale))
}

fn decimal_units(text: &str, scale: u8) -> Option<i64> {
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    let kept = usize::from(scale);
    let (rest, beyond) = rest.split_at_checked(kept).unwrap_or((rest, ""));
    if beyond.chars().any(|digit| digit != '0') {
        return None;
    }
    format!("{whole}{rest:0<kept$}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact_or_nothing() {
        let three = ColumnKind::Decimal(12, 3);
        assert_eq!(Datum::read("10.500", three), Some(Datum::Decimal(10_500, 3)));
        assert_eq!(Datum::read("1", three), Some(Datum::Decimal(1_000, 3)));
        assert_eq!(Datum::read("-0.25", three), Some(Datum::Decimal(-250, 3)));
        assert_eq!(Datum::read("0.2505", three), None);
        assert_eq!(Datum::Decimal(-250, 3).text().as_deref(), Some("-0.250"));
        assert_eq!(Datum::Decimal(250, 3).units(2), Some(25));
        assert_eq!(Datum::Decimal(255, 3).units(2), None);
        assert_eq!(Datum::Integer(2).units(3), Some(2_000));
        assert_eq!(Datum::of_units(2_500, 3, ColumnKind::Integer), None);
        assert_eq!(Datum::of_units(2_000, 3, ColumnKind::Integer), Some(Datum::Integer(2)));
    }
}

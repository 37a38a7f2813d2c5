//! The values a profile may hold: conditions, assignments and time columns.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use toml::Spanned;

use super::Text;
use super::file::Columns;

/// Conditions by column; all must hold.
pub type Conditions = BTreeMap<Text, Spanned<ConditionValue>>;

/// Assignments by column.
pub type Sets = BTreeMap<Text, Spanned<SetValue>>;

/// A plain value, as the shop stores it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Literal {
    /// A text, also for dates, UUIDs and enumerations.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// True or false.
    Boolean(bool),
}

impl fmt::Display for Literal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(formatter, "`{text}`"),
            Self::Integer(number) => write!(formatter, "{number}"),
            Self::Boolean(value) => write!(formatter, "{value}"),
        }
    }
}

/// What a column must hold: one of some values, NULL (`"$null"`), or anything but NULL (`"$not_null"`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConditionValue {
    /// One of these values. A NULL is never one of them.
    OneOf(Vec<Literal>),
    /// NULL.
    Null,
    /// Anything but NULL.
    NotNull,
}

/// What a column is set to: a plain value, the database's now (`"$now"`) or NULL (`"$null"`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetValue {
    /// A plain value.
    Literal(Literal),
    /// The database's now, in the column's own form.
    Now,
    /// NULL.
    Null,
}

/// What a release does to the reservation's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReleaseAct {
    /// The row is deleted (`release = "delete"`).
    Delete,
    /// The row is marked (`release = { is_active = false }`).
    Mark(Sets),
}

/// A column that holds an instant: its name, or a table with its name and how the instant is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeColumn {
    /// The column.
    pub column: Text,
    /// `"UTC"`, a zone name, `"epoch_seconds"` or `"epoch_milliseconds"`, where the column's type does not say it.
    pub time: Option<Text>,
}

struct LiteralVisitor;

impl Visitor<'_> for LiteralVisitor {
    type Value = Literal;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a text, a whole number, or true or false")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Literal, E> {
        if text.starts_with('$') {
            return Err(E::custom(format!(
                "`{text}` is not known here: a condition knows `\"$null\"` and `\"$not_null\"`, an assignment `\"$now\"` and `\"$null\"`"
            )));
        }
        Ok(Literal::Text(text.to_owned()))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Literal, E> {
        Ok(Literal::Integer(number))
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Literal, E> {
        Ok(Literal::Boolean(value))
    }
}

impl<'de> Deserialize<'de> for Literal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LiteralVisitor)
    }
}

struct ConditionVisitor;

impl<'de> Visitor<'de> for ConditionVisitor {
    type Value = ConditionValue;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value, a list of values, \"$null\" or \"$not_null\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<ConditionValue, E> {
        match text {
            "$null" => Ok(ConditionValue::Null),
            "$not_null" => Ok(ConditionValue::NotNull),
            _ => LiteralVisitor.visit_str(text).map(|value| ConditionValue::OneOf(vec![value])),
        }
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<ConditionValue, E> {
        LiteralVisitor.visit_i64(number).map(|value| ConditionValue::OneOf(vec![value]))
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<ConditionValue, E> {
        LiteralVisitor.visit_bool(value).map(|value| ConditionValue::OneOf(vec![value]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<ConditionValue, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = values.next_element()? {
            list.push(value);
        }
        if list.is_empty() {
            return Err(de::Error::custom("an empty list matches nothing: name at least one value"));
        }
        Ok(ConditionValue::OneOf(list))
    }
}

impl<'de> Deserialize<'de> for ConditionValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ConditionVisitor)
    }
}

struct SetVisitor;

impl Visitor<'_> for SetVisitor {
    type Value = SetValue;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value, \"$now\" or \"$null\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<SetValue, E> {
        match text {
            "$now" => Ok(SetValue::Now),
            "$null" => Ok(SetValue::Null),
            _ => LiteralVisitor.visit_str(text).map(SetValue::Literal),
        }
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<SetValue, E> {
        LiteralVisitor.visit_i64(number).map(SetValue::Literal)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<SetValue, E> {
        LiteralVisitor.visit_bool(value).map(SetValue::Literal)
    }
}

impl<'de> Deserialize<'de> for SetValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SetVisitor)
    }
}

struct ReleaseVisitor;

impl<'de> Visitor<'de> for ReleaseVisitor {
    type Value = ReleaseAct;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("\"delete\" or a table of columns and values")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<ReleaseAct, E> {
        match text {
            "delete" => Ok(ReleaseAct::Delete),
            other => {
                Err(E::custom(format!("`{other}` is not an act: write \"delete\" or a table of columns and values")))
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ReleaseAct, A::Error> {
        Sets::deserialize(de::value::MapAccessDeserializer::new(map)).map(ReleaseAct::Mark)
    }
}

impl<'de> Deserialize<'de> for ReleaseAct {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ReleaseVisitor)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TimeColumnTable {
    column: Text,
    time: Option<Text>,
}

enum TimeColumnText {
    Name(String),
    Table(TimeColumnTable),
}

struct TimeColumnVisitor;

impl<'de> Visitor<'de> for TimeColumnVisitor {
    type Value = TimeColumnText;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a column's name, or { column = \"…\", time = \"…\" }")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<TimeColumnText, E> {
        Ok(TimeColumnText::Name(text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<TimeColumnText, A::Error> {
        TimeColumnTable::deserialize(de::value::MapAccessDeserializer::new(map)).map(TimeColumnText::Table)
    }
}

impl<'de> Deserialize<'de> for TimeColumnText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TimeColumnVisitor)
    }
}

impl<'de> Deserialize<'de> for TimeColumn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = Spanned::<TimeColumnText>::deserialize(deserializer)?;
        let span = written.span();
        Ok(match written.into_inner() {
            TimeColumnText::Name(name) => Self { column: Spanned::new(span, name), time: None },
            TimeColumnText::Table(table) => Self { column: table.column, time: table.time },
        })
    }
}

enum ColumnsText {
    Name(String),
    Names(Vec<Text>),
}

struct ColumnsVisitor;

impl<'de> Visitor<'de> for ColumnsVisitor {
    type Value = ColumnsText;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a column's name, or a list of names")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<ColumnsText, E> {
        Ok(ColumnsText::Name(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut names: A) -> Result<ColumnsText, A::Error> {
        let mut list = Vec::new();
        while let Some(name) = names.next_element()? {
            list.push(name);
        }
        Ok(ColumnsText::Names(list))
    }
}

impl<'de> Deserialize<'de> for ColumnsText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ColumnsVisitor)
    }
}

impl<'de> Deserialize<'de> for Columns {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = Spanned::<ColumnsText>::deserialize(deserializer)?;
        let span = written.span();
        Ok(match written.into_inner() {
            ColumnsText::Name(name) => Self::One(Spanned::new(span, name)),
            ColumnsText::Names(names) => Self::Several(names),
        })
    }
}

//! Looks names up in the schema, and compares types with what the profile does with them.

use std::collections::BTreeSet;

use super::{comparable, place, written};
use crate::plan::condition::{Assignment, Condition, Test, Value};
use crate::plan::due::{TimeEncoding, TimePlan};
use crate::plan::schema::{ColumnInfo, Kind, Schema, TableInfo, TableName};
use crate::plan::table::Column;
use crate::profile::{
    ConditionValue, Conditions, ExpiryHome, Literal, Problem, Profile, SetValue, Sets, Text, nearest,
};

/// Collects every problem of one profile against one schema.
pub(super) struct Resolver<'a> {
    schema: &'a Schema,
    pub(super) profile: &'a Profile,
    pub(super) problems: Vec<Problem>,
    /// Tables already complained about, so that one slip gives one problem.
    missing: BTreeSet<String>,
}

/// Stands for a column that does not exist; the problem is recorded, so no plan comes of it.
fn no_column() -> Column {
    Column { name: String::new(), sql_type: String::new(), kind: Kind::Other }
}

/// Stands for a time column that does not exist.
pub(super) fn no_time() -> TimePlan {
    TimePlan { home: ExpiryHome::Reservation, column: no_column(), encoding: TimeEncoding::Instant, declared: true }
}

fn confirmed(info: &ColumnInfo) -> Column {
    Column { name: info.name.clone(), sql_type: info.sql_type.clone(), kind: info.kind }
}

impl<'a> Resolver<'a> {
    pub(super) fn new(schema: &'a Schema, profile: &'a Profile) -> Self {
        Self { schema, profile, problems: Vec::new(), missing: BTreeSet::new() }
    }

    pub(super) fn table_quietly(&self, name: &Text) -> Option<&'a TableInfo> {
        self.schema.table(&TableName::parse(name.get_ref()))
    }

    pub(super) fn table(&mut self, name: &Text) -> Option<&'a TableInfo> {
        let found = self.table_quietly(name);
        if found.is_none() && self.missing.insert(name.get_ref().clone()) {
            let message = format!("table `{}` named by profile `{}` does not exist", name.get_ref(), self.profile.name);
            let bare = TableName::parse(name.get_ref()).table;
            let hint = match nearest(&bare, self.schema.others.iter().map(String::as_str)) {
                Some(other) => format!("there is a table `{other}`; did you mean that?"),
                None => "is this the right database, and the right profile for it? `unreserve profile list` shows the shipped ones".to_owned(),
            };
            self.problems.push(Problem::at(place(name), message).hint(hint));
        }
        found
    }

    pub(super) fn must_be_writable(&mut self, name: &Text, table: &TableInfo) {
        if !table.writable {
            let message = format!("`{}` is not a table but a view, whose rows cannot be locked", name.get_ref());
            self.problems.push(Problem::at(place(name), message).hint("name the table behind it"));
        }
    }

    fn info<'t>(&mut self, table: &'t TableInfo, name: &Text) -> Option<&'t ColumnInfo> {
        let found = table.column(name.get_ref());
        if found.is_none() {
            let message = format!(
                "column `{}.{}` named by profile `{}` does not exist",
                table.name,
                name.get_ref(),
                self.profile.name
            );
            let mut problem = Problem::at(place(name), message);
            let names = table.columns.iter().map(|column| column.name.as_str());
            problem = match nearest(name.get_ref(), names) {
                Some(other) => problem.hint(format!("the table has `{other}`; did you mean that?")),
                None => {
                    let all: Vec<&str> = table.columns.iter().take(40).map(|column| column.name.as_str()).collect();
                    problem.hint(format!("the table has: {}", all.join(", ")))
                }
            };
            self.problems.push(problem);
        }
        found
    }

    pub(super) fn column(&mut self, table: &TableInfo, name: &Text) -> Column {
        self.info(table, name).map_or_else(no_column, confirmed)
    }

    /// A quantity or a counter: a whole number, or a decimal with a declared scale.
    pub(super) fn number(&mut self, table: &TableInfo, name: &Text, scale: u8) -> Column {
        let Some(info) = self.info(table, name) else { return no_column() };
        let fits = match info.kind {
            Kind::Integer => scale == 0,
            Kind::Decimal => scale > 0 || info.sql_type.ends_with(",0)") || !info.sql_type.contains('('),
            _ => false,
        };
        if !fits {
            let message =
                format!("column `{}.{}` has type `{}`, which is not a quantity", table.name, info.name, info.sql_type);
            let hint = match info.kind {
                Kind::Decimal => "say how many decimals it keeps: quantity_scale = … under [reservation]",
                _ => "quantities and counters are whole numbers, or decimals with `quantity_scale`",
            };
            self.problems.push(Problem::at(place(name), message).hint(hint));
        }
        confirmed(info)
    }

    /// A column that refers to the key of another table must hold what the key holds.
    pub(super) fn must_match(&mut self, name: &Text, (own_type, own): (&str, Kind), (table, key): (&TableInfo, &Text)) {
        let Some(other) = table.column(key.get_ref()) else { return };
        if !own_type.is_empty() && !comparable(own, other.kind) {
            let message = format!(
                "column `{}` has type `{own_type}`, but the key `{}.{}` it refers to has type `{}`",
                name.get_ref(),
                table.name,
                other.name,
                other.sql_type
            );
            self.problems.push(Problem::at(place(name), message).hint("name a column of the same kind"));
        }
    }

    pub(super) fn conditions(&mut self, table: &TableInfo, conditions: &Conditions) -> Vec<Condition> {
        let mut list = Vec::new();
        for (name, wanted) in conditions {
            let Some(info) = self.info(table, name) else { continue };
            let test = match wanted.get_ref() {
                ConditionValue::Null => Test::Null,
                ConditionValue::NotNull => Test::NotNull,
                ConditionValue::OneOf(literals) => Test::OneOf(
                    literals.iter().filter_map(|literal| self.value(table, info, literal, wanted.span())).collect(),
                ),
            };
            list.push(Condition { column: confirmed(info), test });
        }
        list
    }

    pub(super) fn assignments(&mut self, table: &TableInfo, sets: &Sets) -> Vec<Assignment> {
        let mut list = Vec::new();
        for (name, wanted) in sets {
            let Some(info) = self.info(table, name) else { continue };
            if info.generated {
                let message =
                    format!("column `{}.{}` is computed by the database and cannot be written", table.name, info.name);
                self.problems.push(Problem::at(place(name), message).hint("leave it out"));
            }
            match wanted.get_ref() {
                SetValue::Null if !info.nullable => {
                    let message = format!("column `{}.{}` cannot be NULL", table.name, info.name);
                    self.problems.push(Problem::at(wanted.span(), message));
                }
                SetValue::Null => list.push(Assignment::Null(confirmed(info))),
                SetValue::Now => {
                    let encoding = self.now_encoding(table, info, name);
                    list.push(Assignment::Now(confirmed(info), encoding));
                }
                SetValue::Literal(literal) => {
                    if let Some(value) = self.value(table, info, literal, wanted.span()) {
                        list.push(Assignment::Value(confirmed(info), value));
                    }
                }
            }
        }
        debug_assert!(written(&list).collect::<BTreeSet<_>>().len() == list.len(), "TOML keys are unique");
        list
    }

    /// A plain value, if the column can hold it.
    fn value(
        &mut self,
        table: &TableInfo,
        info: &ColumnInfo,
        literal: &Literal,
        span: std::ops::Range<usize>,
    ) -> Option<Value> {
        let value = match (literal, info.kind) {
            (Literal::Text(text), Kind::Text | Kind::Uuid | Kind::Instant | Kind::DateTime | Kind::Other) => {
                Value::Text(text.clone())
            }
            (Literal::Integer(number), Kind::Integer | Kind::Decimal) => Value::Integer(*number),
            // Databases without a boolean type keep 0 and 1.
            (Literal::Boolean(value), Kind::Boolean | Kind::Integer) => Value::Boolean(*value),
            (Literal::Integer(number @ (0 | 1)), Kind::Boolean) => Value::Boolean(*number == 1),
            _ => {
                let message = format!(
                    "column `{}.{}` has type `{}` and cannot hold {literal}",
                    table.name, info.name, info.sql_type
                );
                self.problems.push(
                    Problem::at(span, message).hint("write the value as the column's type: \"text\", 1, or true"),
                );
                return None;
            }
        };
        if let (Literal::Text(text), Some(labels)) = (literal, &info.labels)
            && !labels.contains(text)
        {
            let message = format!("`{text}` is not a value of `{}.{}`", table.name, info.name);
            let hint = match nearest(text, labels.iter().map(String::as_str)) {
                Some(label) => format!("did you mean `{label}`?"),
                None => format!("its values are: {}", labels.join(", ")),
            };
            self.problems.push(Problem::at(span, message).hint(hint));
            return None;
        }
        Some(value)
    }
}

//! The parts that statements are made of: conditions, assignments, quantities, and the places of their parameters.

use unreserve_engine::model::{Mutant, planted};
use unreserve_engine::plan::{Assignment, Column, Condition, GuardPlan, Kind, Plan, Table, Test, TimeEncoding, Value};
use unreserve_engine::profile::ExpiryHome;

use super::keys::{alike, folds_letters, key_text};
use super::times::{instant, micros, now};
use crate::write::all;

/// A value of the profile, sent as a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Constant {
    /// A text.
    Text(String),
    /// A whole number; also 0 and 1 for false and true.
    Integer(i64),
}

/// Where the value of one `?` comes from. Parameters have no numbers here, so one value may be sent several times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    /// From the caller, by its place.
    Given(usize),
    /// From the statement's own constants, by their place.
    Constant(usize),
}

/// One statement: its text, and what stands behind each `?`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement {
    /// What an operator finds in the process list.
    pub(super) name: &'static str,
    /// The text.
    pub(super) sql: String,
    /// What is sent for each `?`, in order.
    pub(super) slots: Vec<Slot>,
    /// The profile's values.
    pub(super) constants: Vec<Constant>,
}

/// How a text is compared with the profile's.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Letters {
    /// Letter by letter.
    Exact,
    /// As the column's collation compares.
    Folded,
}

/// The mark round a parameter's place while a statement is written: the one letter that no identifier can hold.
const MARK: char = '\0';

/// The cutoff's place among the values that the caller gives: the first in whatever speaks of time.
const CUTOFF: usize = 0;

/// Writes one statement.
pub(super) struct Writer<'a> {
    pub(super) plan: &'a Plan,
    name: &'static str,
    constants: Vec<Constant>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(plan: &'a Plan, name: &'static str) -> Self {
        Self { plan, name, constants: Vec::new() }
    }

    /// Puts a `?` where a place was marked, and remembers what is sent for it.
    pub(super) fn finish(self, body: &str) -> Statement {
        let mut sql = format!("/* unreserve {} */\n", self.name);
        let mut slots = Vec::new();
        for (index, part) in body.split(MARK).enumerate() {
            let slot = match part.split_at_checked(1) {
                Some(("g", number)) if index % 2 == 1 => number.parse().map(Slot::Given).ok(),
                Some(("c", number)) if index % 2 == 1 => number.parse().map(Slot::Constant).ok(),
                _ => None,
            };
            match slot {
                Some(slot) => {
                    slots.push(slot);
                    sql.push('?');
                }
                None => sql.push_str(part),
            }
        }
        Statement { name: self.name, sql, slots, constants: self.constants }
    }

    /// A value that the caller gives, by its place.
    pub(super) fn given(place: usize) -> String {
        format!("{MARK}g{place}{MARK}")
    }

    /// The instant that splits expired from not, in universal time.
    pub(super) fn cutoff() -> String {
        format!("CAST({} AS DATETIME(6))", Self::given(CUTOFF))
    }

    pub(super) fn constant(&mut self, constant: Constant) -> String {
        let known = self.constants.iter().position(|other| *other == constant);
        let index = known.unwrap_or_else(|| {
            self.constants.push(constant);
            self.constants.len().saturating_sub(1)
        });
        format!("{MARK}c{index}{MARK}")
    }

    fn value(&mut self, value: &Value) -> String {
        self.constant(match value {
            Value::Text(text) => Constant::Text(text.clone()),
            Value::Integer(number) => Constant::Integer(*number),
            Value::Boolean(value) => Constant::Integer(i64::from(*value)),
        })
    }

    fn condition(&mut self, alias: &str, condition: &Condition, letters: Letters) -> String {
        let column = format!("{alias}.{}", quoted(&condition.column.name));
        match &condition.test {
            Test::Null => format!("{column} IS NULL"),
            Test::NotNull => format!("{column} IS NOT NULL"),
            Test::OneOf(values) => {
                let values: Vec<String> = values.iter().map(|value| self.value(value)).collect();
                let text = match values.as_slice() {
                    [one] => format!("{column} = {one}"),
                    several => format!("{column} IN ({})", several.join(", ")),
                };
                if letters == Letters::Folded || !folds_letters(&condition.column) {
                    return text;
                }
                let exact = list(values.iter().map(|value| format!("CAST({value} AS BINARY)")));
                format!("{text} AND CAST(CONVERT({column} USING utf8mb4) AS BINARY) IN ({exact})")
            }
        }
    }

    fn all_of(&mut self, alias: &str, conditions: &[Condition], letters: Letters) -> String {
        let list: Vec<String> = conditions.iter().map(|condition| self.condition(alias, condition, letters)).collect();
        format!("({})", all(&list, "TRUE"))
    }

    /// All of these conditions, in parentheses; true where there are none. A status is what the profile says letter by
    /// letter, whatever the column's collation takes for the same: an unknown one protects.
    pub(super) fn conditions(&mut self, alias: &str, conditions: &[Condition]) -> String {
        self.all_of(alias, conditions, Letters::Exact)
    }

    /// The same as the column's collation sees it, for guards: what may be a payment is taken for one.
    pub(super) fn evidence(&mut self, alias: &str, conditions: &[Condition]) -> String {
        self.all_of(alias, conditions, Letters::Folded)
    }

    /// Whether the reservation `r` still holds stock.
    pub(super) fn active(&mut self) -> String {
        self.conditions("r", &self.plan.reservation.active)
    }

    /// Whether the order `o` is unpaid. NULL is not unpaid.
    pub(super) fn unpaid(&mut self) -> String {
        if planted(Mutant::NoStatusGuard) {
            return "TRUE".to_owned();
        }
        self.conditions("o", &self.plan.order.unpaid)
    }

    /// Whether the order `o` is cancelled already.
    pub(super) fn cancelled(&mut self) -> String {
        if self.plan.order.cancelled.is_empty() {
            "FALSE".to_owned()
        } else {
            self.conditions("o", &self.plan.order.cancelled)
        }
    }

    /// Whether a guard holds for the order `o`.
    pub(super) fn guard(&mut self, guard: &GuardPlan) -> String {
        if planted(Mutant::OneStatement) && !self.name.starts_with("find_due") {
            return "FALSE".to_owned();
        }
        match &guard.evidence {
            None => self.evidence("o", &guard.conditions),
            Some((table, key)) => {
                let conditions = self.evidence("g", &guard.conditions);
                let order = alike("o", &self.plan.order.key, key);
                format!(
                    "EXISTS (SELECT 1 FROM {} AS g WHERE g.{} = {order} AND {conditions})",
                    table_name(table),
                    quoted(&key.name)
                )
            }
        }
    }

    /// That no guard holds for the order `o`.
    pub(super) fn unguarded(&mut self) -> String {
        let guards: Vec<String> =
            self.plan.guards.iter().map(|guard| format!("({}) IS NOT TRUE", self.guard(guard))).collect();
        all(&guards, "TRUE")
    }

    /// That no guard on the order's own row holds: what the write itself can say again without reading another table.
    pub(super) fn unguarded_by_itself(&mut self) -> String {
        let own = self.plan.guards.iter().filter(|guard| guard.evidence.is_none());
        let guards: Vec<String> = own.map(|guard| format!("({}) IS NOT TRUE", self.guard(guard))).collect();
        all(&guards, "TRUE")
    }

    /// That evidence in a table of its own protects the order `o`; nothing where no guard looks for any. What the order's own
    /// row says is under our lock, and written by us.
    pub(super) fn guarded_elsewhere(&mut self) -> Option<String> {
        let elsewhere = self.plan.guards.iter().filter(|guard| guard.evidence.is_some());
        let guards: Vec<String> = elsewhere.map(|guard| self.guard(guard)).collect();
        (!guards.is_empty()).then(|| guards.join("\n  OR "))
    }

    /// The expiry column, as it stands.
    pub(super) fn expiry_column(&self) -> String {
        let time = &self.plan.due.time;
        format!("{}.{}", alias(time.home), quoted(&time.column.name))
    }

    /// When the reservation `r` expires, timeout and grace included, in universal time; NULL where nobody can say.
    pub(super) fn expires_at(&mut self) -> String {
        let time = self.plan.due.time.clone();
        let instant = instant(self, time.home, &time.column, &time.encoding);
        match self.after_seconds() {
            0 => instant,
            after => format!("({instant} + INTERVAL {after} SECOND)"),
        }
    }

    /// What is added to the column, rounded up so that nothing is ever released early. Beyond a century is never.
    pub(super) fn after_seconds(&self) -> u64 {
        const CENTURY: u64 = 3_155_760_000;
        let after = self.plan.due.after;
        after.as_secs().saturating_add(u64::from(after.subsec_nanos() > 0)).min(CENTURY)
    }

    /// The reservations and their orders, as `r` and `o`, the reservations first: an index on their expiry finds them.
    pub(super) fn line(&self) -> String {
        let (reservation, order) = (&self.plan.reservation, &self.plan.order);
        let join = match self.plan.due.time.home {
            ExpiryHome::Reservation => "STRAIGHT_JOIN",
            ExpiryHome::Order => "JOIN",
        };
        format!(
            "FROM {} AS r\n{join} {} AS o ON o.{} = {}",
            table_name(&reservation.table),
            table_name(&order.table),
            quoted(&order.key.name),
            alike("r", &reservation.order, &order.key)
        )
    }

    /// That the reservation `r` belongs to the order `o`, so that an index on the reservation's column serves.
    pub(super) fn belongs(&self) -> String {
        let (reservation, order) = (&self.plan.reservation, &self.plan.order);
        format!("r.{} = {}", quoted(&reservation.order.name), alike("o", &order.key, &reservation.order))
    }

    /// That the order `o` is not kept out of the way.
    pub(super) fn not_set_aside(&mut self) -> String {
        let profile = self.constant(Constant::Text(self.plan.profile.clone()));
        format!(
            "NOT EXISTS (SELECT 1 FROM unreserve_set_aside AS a WHERE a.profile = {profile}\n    \
             AND a.order_key = {} COLLATE utf8mb4_bin AND a.retry_at > {})",
            self.order_key(),
            micros(&Self::cutoff())
        )
    }

    /// The order's key as text.
    pub(super) fn order_key(&self) -> String {
        key_text("o", &self.plan.order.key)
    }

    /// The order's number as text.
    pub(super) fn order_number(&self) -> String {
        self.plan.order.number.as_ref().map_or_else(|| "NULL".to_owned(), |number| key_text("o", number))
    }

    /// The reservation's key columns as text.
    pub(super) fn reservation_key(&self) -> String {
        list(self.plan.reservation.key.iter().map(|column| key_text("r", column)))
    }

    /// A quantity or counter in the smallest unit; NULL where it has more decimals than the profile keeps, or is larger
    /// than 64 bits with a sign hold.
    pub(super) fn quantity(&self, alias: &str, column: &Column) -> String {
        const LARGEST: i64 = i64::MAX;
        let name = format!("{alias}.{}", quoted(&column.name));
        let signed = column.kind == Kind::Integer && !column.sql_type.contains("unsigned");
        match (power_of_ten(self.plan.reservation.scale), column.kind) {
            (1, Kind::Integer) if signed => format!("CAST({name} AS SIGNED)"),
            (1, Kind::Integer) => format!("CASE WHEN {name} <= {LARGEST} THEN CAST({name} AS SIGNED) END"),
            (factor, _) => format!(
                "CASE WHEN {name} * {factor} = TRUNCATE({name} * {factor}, 0) AND ABS({name} * {factor}) <= {LARGEST}\n  \
                 THEN CAST({name} * {factor} AS SIGNED) END"
            ),
        }
    }

    /// `alias.column = value` for each.
    pub(super) fn assignments(&mut self, alias: &str, assignments: &[Assignment]) -> Vec<String> {
        assignments
            .iter()
            .map(|assignment| {
                let value = match assignment {
                    Assignment::Null(_) => "NULL".to_owned(),
                    Assignment::Value(_, value) => self.value(value),
                    Assignment::Now(column, encoding) => now(self, column, encoding),
                };
                format!("{alias}.{} = {value}", quoted(&assignment.column().name))
            })
            .collect()
    }

    /// How the deciding column writes instants.
    pub(super) fn encoding(&self) -> &TimeEncoding {
        &self.plan.due.time.encoding
    }
}

/// An identifier in backticks.
pub(super) fn quoted(identifier: &str) -> String {
    format!("`{}`", identifier.replace('`', "``"))
}

pub(super) fn alias(home: ExpiryHome) -> &'static str {
    match home {
        ExpiryHome::Reservation => "r",
        ExpiryHome::Order => "o",
    }
}

/// Parts joined by commas.
pub(super) fn list(parts: impl IntoIterator<Item = String>) -> String {
    parts.into_iter().collect::<Vec<_>>().join(", ")
}

/// A table, with its database where it stands in another one.
pub(super) fn table_name(table: &Table) -> String {
    match &table.schema {
        Some(schema) => format!("{}.{}", quoted(schema), quoted(&table.name)),
        None => quoted(&table.name),
    }
}

/// The lock on the orders' rows, or a planted fault of it: one that a payment's foreign key does not notice, or one that is
/// waited for.
pub(super) fn order_lock() -> &'static str {
    if planted(Mutant::NoKeyUpdate) {
        "LOCK IN SHARE MODE SKIP LOCKED"
    } else if planted(Mutant::OneStatement) {
        "FOR UPDATE"
    } else {
        "FOR UPDATE SKIP LOCKED"
    }
}

pub(super) fn power_of_ten(scale: u8) -> u64 {
    10_u64.checked_pow(u32::from(scale)).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_double_inside_an_identifier() {
        assert_eq!(quoted("or`ders; DROP TABLE x"), "`or``ders; DROP TABLE x`");
        assert_eq!(quoted("Bestellung.ß\"'"), "`Bestellung.ß\"'`");
    }
}

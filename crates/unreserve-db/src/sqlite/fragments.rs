//! The parts that statements are made of: conditions, assignments, instants, quantities, keys.

use unreserve_engine::model::{Mutant, planted};
use unreserve_engine::plan::{
    Assignment, Column, Condition, GuardPlan, Kind, Plan, Table, Test, TimeEncoding, Value, Zone,
};
use unreserve_engine::profile::ExpiryHome;

use crate::write::{all, quoted};

/// A value of the profile, sent as a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Constant {
    /// A text.
    Text(String),
    /// A whole number; also 0 and 1 for false and true.
    Integer(i64),
}

/// One statement: its text, and the constants that follow its own parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement {
    /// What errors call it.
    pub(super) name: &'static str,
    /// The text.
    pub(super) sql: String,
    /// Sent behind the parameters that change.
    pub(super) constants: Vec<Constant>,
}

/// The parameter that every statement about time begins with: the cutoff, in milliseconds since 1970.
const CUTOFF: &str = "?1";

/// A date and a time of day must be there: a bare number is a Julian day to the date functions, and `now` is now.
const DATE_AND_TIME: &str = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9][ T][0-9][0-9]:[0-9][0-9]*";

/// Writes one statement, numbering its parameters: first those that change from call to call, then the constants.
pub(super) struct Writer<'a> {
    pub(super) plan: &'a Plan,
    name: &'static str,
    changing: usize,
    constants: Vec<Constant>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(plan: &'a Plan, name: &'static str, changing: usize) -> Self {
        Self { plan, name, changing, constants: Vec::new() }
    }

    pub(super) fn finish(self, body: &str) -> Statement {
        Statement { name: self.name, sql: format!("/* unreserve {} */\n{body}", self.name), constants: self.constants }
    }

    pub(super) fn constant(&mut self, constant: Constant) -> String {
        let known = self.constants.iter().position(|other| *other == constant);
        let index = known.unwrap_or_else(|| {
            self.constants.push(constant);
            self.constants.len().saturating_sub(1)
        });
        format!("?{}", self.changing.saturating_add(index).saturating_add(1))
    }

    fn value(&mut self, value: &Value) -> String {
        self.constant(match value {
            Value::Text(text) => Constant::Text(text.clone()),
            Value::Integer(number) => Constant::Integer(*number),
            Value::Boolean(value) => Constant::Integer(i64::from(*value)),
        })
    }

    fn condition(&mut self, alias: &str, condition: &Condition) -> String {
        let column = format!("{alias}.{}", quoted(&condition.column.name));
        match &condition.test {
            Test::Null => format!("{column} IS NULL"),
            Test::NotNull => format!("{column} IS NOT NULL"),
            Test::OneOf(values) => {
                let values: Vec<String> = values.iter().map(|value| self.value(value)).collect();
                match values.as_slice() {
                    // Only so does a partial index over `column = value` serve.
                    [one] => format!("{column} = {one}"),
                    several => format!("{column} IN ({})", several.join(", ")),
                }
            }
        }
    }

    /// All of these conditions, in parentheses; true where there are none.
    pub(super) fn conditions(&mut self, alias: &str, conditions: &[Condition]) -> String {
        let list: Vec<String> = conditions.iter().map(|condition| self.condition(alias, condition)).collect();
        format!("({})", all(&list, "TRUE"))
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
        match &guard.evidence {
            None => self.conditions("o", &guard.conditions),
            Some((table, key)) => {
                let conditions = self.conditions("g", &guard.conditions);
                let (table, key, order) = (table_name(table), quoted(&key.name), quoted(&self.plan.order.key.name));
                format!("EXISTS (SELECT 1 FROM {table} AS g WHERE g.{key} = o.{order} AND {conditions})")
            }
        }
    }

    /// That no guard holds for the order `o`.
    pub(super) fn unguarded(&mut self) -> String {
        let guards: Vec<String> =
            self.plan.guards.iter().map(|guard| format!("{} IS NOT TRUE", self.guard(guard))).collect();
        all(&guards, "TRUE")
    }

    /// The expiry column, as it stands.
    pub(super) fn expiry_column(&self) -> String {
        let time = &self.plan.due.time;
        format!("{}.{}", alias(time.home), quoted(&time.column.name))
    }

    /// When the reservation `r` expires, timeout and grace included, in milliseconds; NULL where it cannot be read.
    pub(super) fn expires_at(&self) -> String {
        let time = &self.plan.due.time;
        let instant = instant(time.home, &time.column, &time.encoding);
        match self.after_ms() {
            0 => instant,
            after => format!("({instant} + {after})"),
        }
    }

    /// What is added to the column, rounded up so that nothing is ever released early.
    fn after_ms(&self) -> i64 {
        let after = self.plan.due.after;
        let millis = i64::try_from(after.as_millis()).unwrap_or(i64::MAX);
        let rest = i64::from(after.subsec_nanos().checked_rem(1_000_000).unwrap_or(0) > 0);
        // A span longer than the calendar releases nothing; a sum must not wrap.
        millis.saturating_add(rest).min(MILLIS_LAST)
    }

    /// Whether the reservation `r` has expired at the cutoff. The first half says less than the second and lets an
    /// index on the bare column serve: whatever zone or separator a text has, its date is at most a day away.
    pub(super) fn due(&self) -> String {
        let (column, cutoff) = (self.expiry_column(), self.cutoff());
        let near = match &self.plan.due.time.encoding {
            TimeEncoding::EpochSeconds => format!("{column} <= {cutoff} / 1000"),
            TimeEncoding::EpochMilliseconds => format!("{column} <= {cutoff}"),
            TimeEncoding::Instant | TimeEncoding::DateTime(_) | TimeEncoding::Text { .. } => {
                format!("{column} < strftime('%Y-%m-%d', {cutoff} / 1000, 'unixepoch', '+2 days')")
            }
        };
        format!("{near}\n  AND {} <= {CUTOFF}", self.expires_at())
    }

    /// Whether the reservation `r` will expire after the cutoff; its first half as in [`Self::due`].
    pub(super) fn not_yet_due(&self) -> String {
        let (column, cutoff) = (self.expiry_column(), self.cutoff());
        let near = match &self.plan.due.time.encoding {
            TimeEncoding::EpochSeconds => format!("{column} >= {cutoff} / 1000"),
            TimeEncoding::EpochMilliseconds => format!("{column} >= {cutoff}"),
            TimeEncoding::Instant | TimeEncoding::DateTime(_) | TimeEncoding::Text { .. } => {
                format!("{column} >= strftime('%Y-%m-%d', {cutoff} / 1000, 'unixepoch', '-1 day')")
            }
        };
        format!("{near}\n  AND {} > {CUTOFF}", self.expires_at())
    }

    /// The cutoff less what is added to the column.
    fn cutoff(&self) -> String {
        format!("({CUTOFF} - {})", self.after_ms())
    }

    /// The reservations and their orders, as `r` and `o`. `CROSS` keeps the reservations on the outside: they are what
    /// an index on the expiry finds.
    pub(super) fn line(&self) -> String {
        let (reservation, order) = (&self.plan.reservation, &self.plan.order);
        let join = match self.plan.due.time.home {
            ExpiryHome::Reservation => "CROSS JOIN",
            ExpiryHome::Order => "JOIN",
        };
        format!(
            "FROM {} AS r\n{join} {} AS o ON o.{} = r.{}",
            table_name(&reservation.table),
            table_name(&order.table),
            quoted(&order.key.name),
            quoted(&reservation.order.name)
        )
    }

    /// The same, for orders whose keys are known.
    pub(super) fn orders_line(&self) -> String {
        let (reservation, order) = (&self.plan.reservation, &self.plan.order);
        format!(
            "FROM {} AS o\nJOIN {} AS r ON r.{} = o.{}",
            table_name(&order.table),
            table_name(&reservation.table),
            quoted(&reservation.order.name),
            quoted(&order.key.name)
        )
    }

    /// That the order `o` is not kept out of the way.
    pub(super) fn not_set_aside(&mut self) -> String {
        let profile = self.constant(Constant::Text(self.plan.profile.clone()));
        let key = self.order_key();
        format!(
            "NOT EXISTS (SELECT 1 FROM unreserve_set_aside AS a WHERE a.profile = {profile} AND a.order_key = {key} AND a.retry_at > {CUTOFF})"
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

    /// The reservation's key columns, to compare and to sort by.
    pub(super) fn reservation_key_columns(&self) -> String {
        list(self.plan.reservation.key.iter().map(|column| key_column("r", column)))
    }

    /// A quantity or counter in the smallest unit; NULL where it is no number or has more decimals than the profile keeps.
    pub(super) fn quantity(&self, alias: &str, column: &Column) -> String {
        units(&format!("{alias}.{}", quoted(&column.name)), self.plan.reservation.scale)
    }

    /// `"column" = value` for each.
    pub(super) fn assignments(&mut self, assignments: &[Assignment]) -> Vec<String> {
        assignments
            .iter()
            .map(|assignment| {
                let value = match assignment {
                    Assignment::Null(_) => "NULL".to_owned(),
                    Assignment::Value(_, value) => self.value(value),
                    Assignment::Now(_, encoding) => now(encoding),
                };
                format!("{} = {value}", quoted(&assignment.column().name))
            })
            .collect()
    }
}

/// A number in its smallest unit, of which so many digits stand behind the point; NULL where it is none, or has more.
pub(super) fn units(column: &str, scale: u8) -> String {
    match scale {
        0 => format!("CASE WHEN typeof({column}) = 'integer' THEN {column} END"),
        scale => {
            let text = format!("printf('%.{scale}f', {column})");
            // The value must be the very one that so many decimals stand for; beyond 10¹² it has not that many.
            format!(
                "CASE WHEN typeof({column}) IN ('integer', 'real') AND {column} BETWEEN -1000000000000 AND 1000000000000\n  \
                 AND CAST({text} AS NUMERIC) = {column} THEN CAST(replace({text}, '.', '') AS INTEGER) END"
            )
        }
    }
}

/// 9999-12-31T23:59:59.999Z, where the calendar of the date functions ends.
const MILLIS_LAST: i64 = 253_402_300_799_999;

/// The place of a time column on the line of time, in milliseconds; NULL where the value is not of the form the plan says,
/// so that it is never due. The kind of each value is asked for, since a number always sorts before a text.
pub(super) fn instant(home: ExpiryHome, column: &Column, encoding: &TimeEncoding) -> String {
    instant_of(&format!("{}.{}", alias(home), quoted(&column.name)), encoding)
}

/// The same of any column.
pub(super) fn instant_of(column: &str, encoding: &TimeEncoding) -> String {
    match encoding {
        // The bounds keep seconds out of milliseconds, milliseconds out of seconds, and 0 from meaning 1970.
        TimeEncoding::EpochSeconds => {
            format!(
                "CASE WHEN typeof({column}) = 'integer' AND {column} BETWEEN 100000000 AND 99999999999 THEN {column} * 1000 END"
            )
        }
        TimeEncoding::EpochMilliseconds => {
            format!(
                "CASE WHEN typeof({column}) = 'integer' AND {column} BETWEEN 100000000000 AND {MILLIS_LAST} THEN {column} END"
            )
        }
        TimeEncoding::Instant => text_instant(column, &Zone::Utc),
        TimeEncoding::DateTime(zone) | TimeEncoding::Text { zone, .. } => text_instant(column, zone),
    }
}

/// The date functions read `T` and the space, `Z` and offsets, and keep three decimals: a fourth one counts as one
/// millisecond more, so that an instant is never early.
fn text_instant(column: &str, zone: &Zone) -> String {
    let millis = format!("CAST(round(unixepoch({column}, 'subsec') * 1000) AS INTEGER)");
    let rest = format!("({column} GLOB '*.[0-9][0-9][0-9][0-9]*')");
    let shift = match zone {
        Zone::Offset(seconds) if *seconds != 0 => {
            let own_zone = format!("{column} GLOB '*[Zz]' OR substr({column}, 11) GLOB '*[+-]*'");
            format!(" - CASE WHEN {own_zone} THEN 0 ELSE {} END", i64::from(*seconds).saturating_mul(1_000))
        }
        // A zone by name is refused before anything is rendered.
        _ => String::new(),
    };
    format!("CASE WHEN typeof({column}) = 'text' AND {column} GLOB '{DATE_AND_TIME}' THEN {millis} + {rest}{shift} END")
}

/// The database's now, in the form the column has.
fn now(encoding: &TimeEncoding) -> String {
    let text = |letter_t: bool, suffix: &str, zone: &Zone| {
        let middle = if letter_t { "T" } else { " " };
        let shift = match zone {
            // A suffix says that the value is in universal time.
            Zone::Offset(seconds) if suffix.is_empty() => format!(", '{seconds:+} seconds'"),
            _ => String::new(),
        };
        format!("strftime('%Y-%m-%d{middle}%H:%M:%f{suffix}', 'now'{shift})")
    };
    match encoding {
        TimeEncoding::EpochSeconds => "CAST(unixepoch('now') AS INTEGER)".to_owned(),
        TimeEncoding::EpochMilliseconds => "CAST(unixepoch('now', 'subsec') * 1000 AS INTEGER)".to_owned(),
        TimeEncoding::Instant => text(false, "", &Zone::Utc),
        TimeEncoding::DateTime(zone) => text(false, "", zone),
        TimeEncoding::Text { zone, letter_t, suffix } => text(*letter_t, known_suffix(suffix), zone),
    }
}

/// The suffix comes from the shop's own values: only what is known stands in a statement.
fn known_suffix(suffix: &str) -> &'static str {
    ["Z", "+00:00", "+00"].into_iter().find(|known| *known == suffix).unwrap_or("")
}

fn alias(home: ExpiryHome) -> &'static str {
    match home {
        ExpiryHome::Reservation => "r",
        ExpiryHome::Order => "o",
    }
}

/// A key column as text; bytes in hexadecimal digits.
pub(super) fn key_text(alias: &str, column: &Column) -> String {
    let name = format!("{alias}.{}", quoted(&column.name));
    match column.kind {
        Kind::Binary => format!("CASE WHEN {name} IS NOT NULL THEN hex({name}) END"),
        _ => format!("CAST({name} AS TEXT)"),
    }
}

/// A key column, to compare with [`key_value`]. A column without a declared type gives a text nothing of its own type.
pub(super) fn key_column(alias: &str, column: &Column) -> String {
    let name = format!("{alias}.{}", quoted(&column.name));
    match column.kind {
        Kind::Other => format!("CAST({name} AS TEXT)"),
        _ => name,
    }
}

/// A key's text as what [`key_column`] is compared with: the column's affinity makes a number of it where it is one.
pub(super) fn key_value(column: &Column, text: &str) -> String {
    match column.kind {
        Kind::Binary => format!("unhex({text})"),
        _ => text.to_owned(),
    }
}

/// That these key columns are among the keys of a JSON parameter.
pub(super) fn key_in(alias: &str, columns: &[&Column], parameter: &str) -> String {
    let names = list(columns.iter().map(|column| key_column(alias, column)));
    let parts = list(columns.iter().enumerate().map(|(index, column)| key_value(column, &part(index))));
    format!("({names}) IN (SELECT {parts} FROM json_each({parameter}) AS j)")
}

/// That these key columns are those of the JSON row `j`.
pub(super) fn key_matches(alias: &str, columns: &[&Column]) -> String {
    let parts: Vec<String> = columns
        .iter()
        .enumerate()
        .map(|(index, column)| format!("{} = {}", key_column(alias, column), key_value(column, &part(index))))
        .collect();
    all(&parts, "TRUE")
}

/// One value of the JSON row `j`.
pub(super) fn part(index: usize) -> String {
    format!("j.value ->> {index}")
}

/// Parts joined by commas.
pub(super) fn list(parts: impl IntoIterator<Item = String>) -> String {
    parts.into_iter().collect::<Vec<_>>().join(", ")
}

/// A table, quoted.
pub(super) fn table_name(table: &Table) -> String {
    match &table.schema {
        Some(schema) => format!("{}.{}", quoted(schema), quoted(&table.name)),
        None => quoted(&table.name),
    }
}

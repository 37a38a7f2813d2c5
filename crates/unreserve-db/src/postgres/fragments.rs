//! The parts that statements are made of: conditions, assignments, instants, quantities.

use unreserve_engine::model::{Mutant, planted};
use unreserve_engine::plan::{Assignment, Column, Condition, GuardPlan, Kind, Plan, Table, Test, TimeEncoding, Zone};
use unreserve_engine::profile::ExpiryHome;

use super::literal::literal;
use crate::write::{all, quoted};

/// One statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement {
    /// What an operator finds in the process list.
    pub(super) name: &'static str,
    /// The text. What a profile says stands in it as literals, so that the condition of a partial index is seen to hold.
    pub(super) sql: String,
    /// Where it stands among the statements of a batch, which are parsed once a connection; nothing for the others.
    pub(super) slot: Option<usize>,
}

/// Writes one statement.
pub(super) struct Writer<'a> {
    pub(super) plan: &'a Plan,
    name: &'static str,
}

impl<'a> Writer<'a> {
    pub(super) fn new(plan: &'a Plan, name: &'static str) -> Self {
        Self { plan, name }
    }

    pub(super) fn finish(self, body: &str) -> Statement {
        let body = planted_lock(body);
        Statement { name: self.name, sql: format!("/* unreserve {} */\n{body}", self.name), slot: None }
    }

    /// The profile's name, as it stands in our own tables.
    pub(super) fn profile(&self) -> String {
        format!("{}::text", literal(&self.plan.profile))
    }

    fn condition(&self, alias: &str, condition: &Condition) -> String {
        let column = format!("{alias}.{}", quoted(&condition.column.name));
        match &condition.test {
            Test::Null => format!("{column} IS NULL"),
            Test::NotNull => format!("{column} IS NOT NULL"),
            Test::OneOf(values) => {
                let values: Vec<String> =
                    values.iter().map(|value| constant(&condition.column, &value.text())).collect();
                match values.as_slice() {
                    [one] => format!("{column} = {one}"),
                    several => format!("{column} IN ({})", several.join(", ")),
                }
            }
        }
    }

    /// All of these conditions, in parentheses; true where there are none.
    pub(super) fn conditions(&self, alias: &str, conditions: &[Condition]) -> String {
        let list: Vec<String> = conditions.iter().map(|condition| self.condition(alias, condition)).collect();
        format!("({})", all(&list, "true"))
    }

    /// Whether the reservation `r` still holds stock.
    pub(super) fn active(&self) -> String {
        self.conditions("r", &self.plan.reservation.active)
    }

    /// Whether the order `o` is unpaid. NULL is not unpaid.
    pub(super) fn unpaid(&self) -> String {
        if planted(Mutant::NoStatusGuard) {
            return "true".to_owned();
        }
        self.conditions("o", &self.plan.order.unpaid)
    }

    /// Whether the order `o` is cancelled already.
    pub(super) fn cancelled(&self) -> String {
        if self.plan.order.cancelled.is_empty() {
            "false".to_owned()
        } else {
            self.conditions("o", &self.plan.order.cancelled)
        }
    }

    /// Whether a guard holds for the order `o`.
    pub(super) fn guard(&self, guard: &GuardPlan) -> String {
        if planted(Mutant::OneStatement) && self.name != "lock_due" {
            return "false".to_owned();
        }
        match &guard.evidence {
            None => self.conditions("o", &guard.conditions),
            Some((table, key)) => {
                let conditions = self.conditions("g", &guard.conditions);
                format!(
                    "EXISTS (SELECT 1 FROM {} AS g WHERE g.{} = o.{} AND {conditions})",
                    table_name(table),
                    quoted(&key.name),
                    quoted(&self.plan.order.key.name)
                )
            }
        }
    }

    /// That no guard holds for the order `o`.
    pub(super) fn unguarded(&self) -> String {
        let guards: Vec<String> =
            self.plan.guards.iter().map(|guard| format!("(NOT coalesce({}, false))", self.guard(guard))).collect();
        all(&guards, "true")
    }

    /// The expiry column, as it stands.
    pub(super) fn expiry_column(&self) -> String {
        let time = &self.plan.due.time;
        format!("{}.{}", alias(time.home), quoted(&time.column.name))
    }

    /// The place of a time column on the line of time, as `timestamptz`.
    pub(super) fn instant(&self, home: ExpiryHome, column: &Column, encoding: &TimeEncoding) -> String {
        instant(&format!("{}.{}", alias(home), quoted(&column.name)), encoding)
    }

    /// When the reservation `r` expires, timeout and grace included.
    pub(super) fn expires_at(&self) -> String {
        let time = self.plan.due.time.clone();
        let instant = self.instant(time.home, &time.column, &time.encoding);
        // A date beyond all calendars means never; adding to it would fail the whole statement.
        let sane = format!("CASE WHEN {instant} < timestamptz '9999-01-01' THEN {instant} END");
        format!("({sane} + interval '{} seconds')", self.plan.due.after.as_secs())
    }

    /// Whether the reservation `r` has expired: the bare column against the transaction's now, so that an index serves.
    pub(super) fn due(&self) -> String {
        let time = self.plan.due.time.clone();
        let column = self.expiry_column();
        let now = planted_now().unwrap_or_else(|| "now()".to_owned());
        let cutoff = format!("({now} - interval '{} seconds')", self.plan.due.after.as_secs());
        match &time.encoding {
            TimeEncoding::Instant => format!("{column} <= {cutoff}"),
            TimeEncoding::DateTime(Zone::Utc) => format!("{column} <= ({cutoff} AT TIME ZONE 'UTC')"),
            TimeEncoding::DateTime(Zone::Offset(seconds)) => {
                format!("{column} <= ({cutoff} AT TIME ZONE 'UTC') + interval '{seconds} seconds'")
            }
            TimeEncoding::DateTime(Zone::Named(_)) | TimeEncoding::Text { .. } => {
                format!("{} <= {cutoff}", self.instant(time.home, &time.column, &time.encoding))
            }
            TimeEncoding::EpochSeconds => format!("{column} >= 0 AND {column} <= floor(extract(epoch FROM {cutoff}))"),
            TimeEncoding::EpochMilliseconds => {
                format!("{column} >= 0 AND {column} <= floor(extract(epoch FROM {cutoff}) * 1000)")
            }
        }
    }

    /// The orders and reservations a sweep looks at, as `r` and `o`.
    pub(super) fn line(&self) -> String {
        let reservation = &self.plan.reservation;
        let order = &self.plan.order;
        format!(
            "FROM {} AS r\nJOIN {} AS o ON o.{} = r.{}",
            table_name(&reservation.table),
            table_name(&order.table),
            quoted(&order.key.name),
            quoted(&reservation.order.name)
        )
    }

    /// That the order `o` is not kept out of the way.
    pub(super) fn not_set_aside(&self) -> String {
        let profile = self.profile();
        format!(
            "NOT EXISTS (SELECT 1 FROM unreserve.set_aside AS s WHERE s.profile = {profile} AND s.order_key = {} AND s.retry_at > now())",
            self.order_key()
        )
    }

    /// The order's key as text.
    pub(super) fn order_key(&self) -> String {
        text("o", &self.plan.order.key)
    }

    /// The order's number as text.
    pub(super) fn order_number(&self) -> String {
        self.plan.order.number.as_ref().map_or_else(|| "NULL::text".to_owned(), |number| text("o", number))
    }

    /// The reservation's key columns as text.
    pub(super) fn reservation_key(&self) -> String {
        list(self.plan.reservation.key.iter().map(|column| text("r", column)))
    }

    /// A quantity or counter in the smallest unit; NULL where it has more decimals than the profile keeps.
    pub(super) fn quantity(&self, alias: &str, column: &Column) -> String {
        let whole = column.kind == Kind::Integer;
        let column = format!("{alias}.{}", quoted(&column.name));
        match power_of_ten(self.plan.reservation.scale) {
            1 if whole => format!("{column}::bigint"),
            1 => format!("CASE WHEN {column} = trunc({column}::numeric) THEN {column}::bigint END"),
            factor => format!(
                "CASE WHEN {column} * {factor} = trunc({column} * {factor}) THEN ({column} * {factor})::bigint END"
            ),
        }
    }

    /// A count of smallest units as the column keeps it.
    pub(super) fn written_quantity(&self, value: &str) -> String {
        match power_of_ten(self.plan.reservation.scale) {
            1 => value.to_owned(),
            factor => format!("({value}::numeric / {factor})"),
        }
    }

    /// `column = value, …`
    pub(super) fn assignments(&self, assignments: &[Assignment]) -> Vec<String> {
        assignments
            .iter()
            .map(|assignment| {
                let column = assignment.column();
                let value = match assignment {
                    Assignment::Null(_) => "NULL".to_owned(),
                    Assignment::Value(column, value) => constant(column, &value.text()),
                    Assignment::Now(_, encoding) => self.now(encoding),
                };
                format!("{} = {value}", quoted(&column.name))
            })
            .collect()
    }

    fn now(&self, encoding: &TimeEncoding) -> String {
        match encoding {
            TimeEncoding::Instant => "now()".to_owned(),
            TimeEncoding::DateTime(Zone::Utc) => "(now() AT TIME ZONE 'UTC')".to_owned(),
            TimeEncoding::DateTime(Zone::Offset(seconds)) => {
                format!("((now() AT TIME ZONE 'UTC') + interval '{seconds} seconds')")
            }
            TimeEncoding::DateTime(Zone::Named(zone)) => {
                format!("(now() AT TIME ZONE {})", literal(zone))
            }
            TimeEncoding::EpochSeconds => "floor(extract(epoch FROM now()))::bigint".to_owned(),
            TimeEncoding::EpochMilliseconds => "floor(extract(epoch FROM now()) * 1000)::bigint".to_owned(),
            TimeEncoding::Text { letter_t, suffix, .. } => {
                let middle = if *letter_t { "\"T\"" } else { " " };
                let suffix = if suffix.is_empty() { "" } else { "\"Z\"" };
                format!("to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD{middle}HH24:MI:SS.US{suffix}')")
            }
        }
    }
}

/// The place of an instant on the line of time, as `timestamptz`.
pub(super) fn instant(column: &str, encoding: &TimeEncoding) -> String {
    match encoding {
        TimeEncoding::Instant | TimeEncoding::Text { .. } => format!("{column}::timestamptz"),
        TimeEncoding::DateTime(Zone::Utc) => format!("({column} AT TIME ZONE 'UTC')"),
        TimeEncoding::DateTime(Zone::Offset(seconds)) => {
            format!("(({column} - interval '{seconds} seconds') AT TIME ZONE 'UTC')")
        }
        // An hour that comes twice is read as the later one, so nothing is released early.
        TimeEncoding::DateTime(Zone::Named(zone)) => {
            format!("({column} AT TIME ZONE {})", literal(zone))
        }
        TimeEncoding::EpochSeconds => {
            format!("to_timestamp(CASE WHEN {column} BETWEEN 0 AND 253402300799 THEN {column} END::double precision)")
        }
        TimeEncoding::EpochMilliseconds => format!(
            "to_timestamp(CASE WHEN {column} BETWEEN 0 AND 253402300799999 THEN {column} END::double precision / 1000)"
        ),
    }
}

/// A value of the profile as a literal of its column's type.
fn constant(column: &Column, text: &str) -> String {
    format!("{}::{}", literal(text), cast_type(column))
}

/// The lock on the order's row, where a fault of it is planted.
fn planted_lock(body: &str) -> String {
    const RIGHT: &str = "FOR UPDATE OF o SKIP LOCKED";
    if planted(Mutant::NoKeyUpdate) {
        body.replace(RIGHT, "FOR NO KEY UPDATE OF o SKIP LOCKED")
    } else if planted(Mutant::OneStatement) {
        body.replace(RIGHT, "FOR NO KEY UPDATE OF o")
    } else {
        body.to_owned()
    }
}

/// The process's own now, where that fault is planted.
fn planted_now() -> Option<String> {
    if !planted(Mutant::ProcessClock) {
        return None;
    }
    let (seconds, _) = uuid::Uuid::now_v7().get_timestamp()?.to_unix();
    Some(format!("to_timestamp({seconds})"))
}

/// Microseconds since 1970; NULL for NULL and for infinity.
pub(super) fn micros(instant: &str) -> String {
    format!("(CASE WHEN isfinite({instant}) THEN (extract(epoch FROM {instant}) * 1000000)::bigint END)")
}

fn alias(home: ExpiryHome) -> &'static str {
    match home {
        ExpiryHome::Reservation => "r",
        ExpiryHome::Order => "o",
    }
}

/// A column as text.
pub(super) fn text(alias: &str, column: &Column) -> String {
    format!("{alias}.{}::text", quoted(&column.name))
}

/// Parts joined by commas.
pub(super) fn list(parts: impl IntoIterator<Item = String>) -> String {
    parts.into_iter().collect::<Vec<_>>().join(", ")
}

/// A table with its schema, quoted.
pub(super) fn table_name(table: &Table) -> String {
    match &table.schema {
        Some(schema) => format!("{}.{}", quoted(schema), quoted(&table.name)),
        None => quoted(&table.name),
    }
}

/// The column's type without its modifiers: a cast to `varchar(3)` would cut a value off without a word.
pub(super) fn cast_type(column: &Column) -> String {
    let mut name = String::new();
    let mut depth = 0_u32;
    let mut quoted = false;
    for letter in column.sql_type.chars() {
        // A type of the shop's own may have any name, which then stands in double quotes.
        quoted ^= letter == '"';
        match letter {
            '(' if !quoted => depth = depth.saturating_add(1),
            ')' if !quoted => depth = depth.saturating_sub(1),
            letter if depth == 0 => name.push(letter),
            _ => {}
        }
    }
    // A bare `character` means one letter.
    if name == "character" { "bpchar".to_owned() } else { name }
}

pub(super) fn power_of_ten(scale: u8) -> u64 {
    10_u64.checked_pow(u32::from(scale)).unwrap_or(1)
}

/// `unnest($1::text[]::uuid[], …)`: arrays of key parts, from parameter `first` on.
pub(super) fn key_arrays(columns: &[&Column], first: usize) -> String {
    list(
        columns
            .iter()
            .enumerate()
            .map(|(index, column)| format!("${}::text[]::{}[]", first.saturating_add(index), cast_type(column))),
    )
}

/// `k0, k1, …`
pub(super) fn key_names(count: usize) -> String {
    list((0..count).map(|index| format!("k{index}")))
}

/// `alias."a" = t.k0 AND …`
pub(super) fn key_matches(alias: &str, columns: &[&Column]) -> String {
    let parts: Vec<String> = columns
        .iter()
        .enumerate()
        .map(|(index, column)| format!("{alias}.{} = t.k{index}", quoted(&column.name)))
        .collect();
    all(&parts, "true")
}

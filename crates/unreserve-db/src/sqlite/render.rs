//! Plan → statements: pure, and readable in the golden files.
//!
//! Whatever speaks of time begins with the cutoff as `?1`, in milliseconds since 1970: it is read once a batch, so that
//! every statement of the batch means the same instant. Many keys come as one JSON parameter, a row a key.

use unreserve_engine::plan::{Column, Kind, Plan, ReleasePlan, SKEW, StockPlan, ZONE_WIDTH};
use unreserve_engine::profile::ExpiryHome;

use super::fragments::{
    Statement, Writer, instant, key_column, key_in, key_matches, key_text, key_value, list, part, table_name,
};
use crate::write::quoted;

/// One question to the line of due reservations, in its three forms; only the one by name shows guarded orders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// `?2` the limit.
    pub(super) start: Statement,
    /// `?2` the limit, `?3` expiry column and `?4…` key of the last place.
    pub(super) after: Statement,
    /// `?2` the limit, `?3` only these orders.
    pub(super) only: Statement,
}

/// Every statement of one plan that touches the shop's tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statements {
    /// What lies ahead.
    pub(super) outlook: Statement,
    /// What the clock relation is judged by.
    pub(super) clock_evidence: Statement,
    /// Due orders that a guard protects; nothing where the profile has no guard.
    pub(super) guarded: Option<Statement>,
    /// Counts what no line shows: expired reservations without an order.
    pub(super) unseen: Statement,
    /// The line of due reservations, for a dry run.
    pub(super) survey: Line,
    /// The same for a batch, which has shut every other writer out.
    pub(super) lock_due: Line,
    /// Status and guards of orders.
    pub(super) examine_orders: Statement,
    /// The active reservations of orders.
    pub(super) examine_reservations: Statement,
    /// The counters, a statement a stock table.
    pub(super) lock_stock: Vec<Statement>,
    /// The counters' change.
    pub(super) write_stock: Vec<Statement>,
    /// The end of reservations.
    pub(super) release: Statement,
    /// The end of orders; nothing where the profile never writes orders.
    pub(super) cancel_orders: Option<Statement>,
    /// One order, by its number; nothing where the profile names none.
    pub(super) explain_by_number: Option<Statement>,
    /// One order, by its key.
    pub(super) explain_by_key: Statement,
    /// All reservations of one order.
    pub(super) explain_reservations: Statement,
}

impl Statements {
    /// All of them, for the database to look at before the first write.
    pub(super) fn all(&self) -> Vec<&Statement> {
        let lines = [&self.survey, &self.lock_due];
        let mut all = vec![&self.outlook, &self.clock_evidence, &self.examine_orders, &self.examine_reservations];
        all.extend(&self.guarded);
        all.push(&self.unseen);
        all.extend(lines.into_iter().flat_map(|line| [&line.start, &line.after, &line.only]));
        all.extend(&self.lock_stock);
        all.extend(&self.write_stock);
        all.push(&self.release);
        all.extend(&self.cancel_orders);
        all.extend(&self.explain_by_number);
        all.extend([&self.explain_by_key, &self.explain_reservations]);
        all
    }
}

/// Renders a plan. Where our own tables are not installed, nothing can be set aside yet.
pub(super) fn render(plan: &Plan, installed: bool) -> Statements {
    let line = |name| Line {
        start: candidates(plan, installed, name, From::Start),
        after: candidates(plan, installed, name, From::Place),
        only: candidates(plan, installed, name, From::Orders),
    };
    Statements {
        outlook: outlook(plan, installed),
        clock_evidence: clock_evidence(plan),
        guarded: (!plan.guards.is_empty()).then(|| guarded(plan, installed)),
        unseen: unseen(plan),
        survey: line("survey"),
        lock_due: line("lock_due"),
        examine_orders: examine_orders(plan),
        examine_reservations: examine_reservations(plan),
        lock_stock: plan.stock.iter().map(|stock| lock_stock(plan, stock)).collect(),
        write_stock: plan.stock.iter().map(|stock| write_stock(plan, stock)).collect(),
        release: release(plan),
        cancel_orders: (!plan.order.cancel.is_empty()).then(|| cancel_orders(plan)),
        explain_by_number: plan.order.number.as_ref().map(|number| explain_order(plan, number)),
        explain_by_key: explain_order(plan, &plan.order.key),
        explain_reservations: explain_reservations(plan),
    }
}

/// The condition that something of the order is to be given back, guards aside.
fn wanted(w: &mut Writer<'_>, installed: bool) -> String {
    let (active, due, unpaid, cancelled) = (w.active(), w.due(), w.unpaid(), w.cancelled());
    let not_set_aside = if installed { w.not_set_aside() } else { "TRUE".to_owned() };
    format!("{active}\n  AND {due}\n  AND ({unpaid} OR {cancelled})\n  AND {not_set_aside}")
}

/// `?2` how many orders to count at most.
fn outlook(plan: &Plan, installed: bool) -> Statement {
    let mut w = Writer::new(plan, "outlook", 2);
    let (wanted, unguarded) = (wanted(&mut w, installed), w.unguarded());
    let (line, active, expires_at, not_yet_due) = (w.line(), w.active(), w.expires_at(), w.not_yet_due());
    // In the order of the bare column, like the line: an index gives the first of very many without reading the others.
    let (key, column) = (key_column("o", &plan.order.key), w.expiry_column());
    // The reservations alone, where their own row says when they expire.
    let next_line = match plan.due.time.home {
        ExpiryHome::Reservation => format!("FROM {} AS r", table_name(&plan.reservation.table)),
        ExpiryHome::Order => w.line(),
    };
    w.finish(&format!(
        "SELECT (SELECT count(*) FROM (SELECT DISTINCT {key}\n{line}\nWHERE {wanted}\n  AND {unguarded}\nLIMIT ?2)),\n\
         (SELECT {expires_at}\n{line}\nWHERE {wanted}\n  AND {unguarded}\nORDER BY {column} LIMIT 1),\n\
         (SELECT {expires_at}\n{next_line}\nWHERE {active}\n  AND {not_yet_due}\nORDER BY {column} LIMIT 1)"
    ))
}

/// The oldest expired reservations that hold stock, as many as may be read, whatever their order is: `r`, with the column
/// that names the order, and `unreserve_expiry`.
fn oldest_expired(w: &mut Writer<'_>, limit: &str) -> String {
    let plan = w.plan;
    let (active, due, column) = (w.active(), w.due(), w.expiry_column());
    let (key, line) = match plan.due.time.home {
        ExpiryHome::Reservation => (
            format!("r.{}", quoted(&plan.reservation.order.name)),
            format!("FROM {} AS r", table_name(&plan.reservation.table)),
        ),
        ExpiryHome::Order => {
            let key = (quoted(&plan.order.key.name), quoted(&plan.reservation.order.name));
            (format!("o.{} AS {}", key.0, key.1), w.line())
        }
    };
    format!(
        "SELECT {key}, {column} AS unreserve_expiry\n{line}\nWHERE {active}\n  AND {due}\nORDER BY {column} LIMIT {limit}"
    )
}

/// `?2` how many rows to tell at most, `?3` how many to read.
fn guarded(plan: &Plan, installed: bool) -> Statement {
    let mut w = Writer::new(plan, "guarded", 3);
    let (unpaid, cancelled, unguarded) = (w.unpaid(), w.cancelled(), w.unguarded());
    let not_set_aside = if installed { w.not_set_aside() } else { "TRUE".to_owned() };
    let guards = list(plan.guards.iter().map(|guard| format!("{} IS TRUE", w.guard(guard))));
    let (key, number, read) = (w.order_key(), w.order_number(), oldest_expired(&mut w, "?3"));
    w.finish(&format!(
        "SELECT {key}, {number}, {guards}\nFROM ({read}) AS r\nCROSS JOIN {} AS o ON o.{} = r.{}\n\
         WHERE ({unpaid} OR {cancelled})\n  AND {not_set_aside}\n  AND NOT ({unguarded})\nORDER BY r.unreserve_expiry LIMIT ?2",
        table_name(&plan.order.table),
        quoted(&plan.order.key.name),
        quoted(&plan.reservation.order.name)
    ))
}

/// `?2` how many rows to read at most. Gives the reservations without an order among them, and how many there are.
fn unseen(plan: &Plan) -> Statement {
    let mut w = Writer::new(plan, "unseen", 2);
    let read = oldest_expired(&mut w, "?2");
    w.finish(&format!(
        "SELECT count(*) FILTER (WHERE NOT EXISTS (SELECT 1 FROM {} AS o WHERE o.{} = r.{})), count(*)\nFROM ({read}) AS r",
        table_name(&plan.order.table),
        quoted(&plan.order.key.name),
        quoted(&plan.reservation.order.name)
    ))
}

/// No parameter. Looks at the newest reservations that hold stock, at most 1,000.
fn clock_evidence(plan: &Plan) -> Statement {
    let mut w = Writer::new(plan, "clock_evidence", 1);
    let (line, active, column, expires_at) = (w.line(), w.active(), w.expiry_column(), w.expires_at());
    let created = match &plan.due.created_at {
        Some(created) => instant(created.home, &created.column, &created.encoding),
        None => "NULL".to_owned(),
    };
    let expiry = match &plan.due.created_at {
        Some(created) if created.column != plan.due.time.column => expires_at.clone(),
        // The column of creation decides itself: nothing can stand before it.
        _ => "NULL".to_owned(),
    };
    let (skew, width) = (SKEW.as_millis(), ZONE_WIDTH.as_millis());
    w.finish(&format!(
        "SELECT max(created) FILTER (WHERE created <= ?1 + {width}),\n\
         count(*) FILTER (WHERE created BETWEEN ?1 - 86400000 AND ?1 + {width}),\n\
         count(*) FILTER (WHERE created BETWEEN ?1 + {skew} + 1 AND ?1 + {width}),\n\
         count(*) FILTER (WHERE expiry <= created), count(*) FILTER (WHERE unreadable), count(*)\nFROM (\n\
         SELECT {created} AS created, {expiry} AS expiry, {column} IS NOT NULL AND {expires_at} IS NULL AS unreadable\n{line}\n\
         WHERE {active}\nORDER BY {column} DESC LIMIT 1000\n)"
    ))
}

/// Where in the line a question begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum From {
    Start,
    Place,
    Orders,
}

/// See [`Line`]. Gives the order's key, the expiry column as text, the reservation's key.
///
/// The line is in the order of the bare column, so that an index gives a page without reading the whole line while the
/// file is shut: that is the order of time wherever a column's values have one form, as a shop's own have. Whether a
/// reservation is due is decided by the instant alone.
fn candidates(plan: &Plan, installed: bool, name: &'static str, from: From) -> Statement {
    let keys: Vec<&Column> = plan.reservation.key.iter().collect();
    let changing = match from {
        From::Start => 2,
        From::Orders => 3,
        From::Place => keys.len().saturating_add(3),
    };
    let mut w = Writer::new(plan, name, changing);
    // Somebody who asks for an order by name wants it tried now, and its guards told.
    let mut wanted = wanted(&mut w, installed && from != From::Orders);
    if from != From::Orders {
        wanted.push_str(&format!("\n  AND {}", w.unguarded()));
    }
    let (column, columns) = (w.expiry_column(), w.reservation_key_columns());
    let behind = match from {
        From::Start => String::new(),
        From::Orders => format!("\n  AND {}", key_in("o", &[&plan.order.key], "?3")),
        From::Place => {
            let place = list(
                keys.iter().enumerate().map(|(index, key)| key_value(key, &format!("?{}", index.saturating_add(4)))),
            );
            format!("\n  AND ({column}, {columns}) > (?3, {place})")
        }
    };
    // A row without a whole key could not be named again.
    let whole: Vec<String> = keys.iter().map(|key| format!("\n  AND r.{} IS NOT NULL", quoted(&key.name))).collect();
    let (order_key, reservation_key, number) = (w.order_key(), w.reservation_key(), w.order_number());
    let line = if from == From::Orders { w.orders_line() } else { w.line() };
    w.finish(&format!(
        "SELECT {order_key}, CAST({column} AS TEXT), {reservation_key}, {number}\n{line}\nWHERE {wanted}{}{behind}\n\
         ORDER BY {column}, {columns}\nLIMIT ?2",
        whole.concat()
    ))
}

/// `?1` the orders' keys.
fn examine_orders(plan: &Plan) -> Statement {
    let mut w = Writer::new(plan, "examine_orders", 1);
    let (unpaid, cancelled) = (w.unpaid(), w.cancelled());
    let guards: Vec<String> = plan.guards.iter().map(|guard| format!(", {} IS TRUE", w.guard(guard))).collect();
    let (key, number) = (w.order_key(), w.order_number());
    w.finish(&format!(
        "SELECT {key}, {number}, {unpaid} IS TRUE, {cancelled} IS TRUE{}\nFROM {} AS o\nWHERE {}",
        guards.concat(),
        table_name(&plan.order.table),
        key_in("o", &[&plan.order.key], "?1")
    ))
}

/// `order key, reservation key…, quantity, expires_at, stock keys…` of the reservation `r`.
fn reservation_columns(w: &Writer<'_>) -> String {
    let plan = w.plan;
    let quantity = w.quantity("r", &plan.reservation.quantity);
    let mut columns = vec![w.order_key(), w.reservation_key(), quantity, w.expires_at()];
    for stock in &plan.stock {
        columns.extend(stock.key.iter().map(|(own, theirs)| stock_key(stock, own, theirs)));
    }
    list(columns)
}

/// The key of the stock row that a reservation holds, as the stock table writes it: a collation or an affinity may take two
/// texts for one key, and what comes back to one row has to be summed.
pub(super) fn stock_key(stock: &StockPlan, own: &Column, theirs: &Column) -> String {
    let as_written = key_text("r", theirs);
    if stock.key.iter().all(|(own, theirs)| own.kind == Kind::Integer && theirs.kind == Kind::Integer) {
        return as_written;
    }
    let same = stock.key.iter().map(|(own, theirs)| {
        format!("{} = {}", key_column("s", own), key_value(own, &format!("({})", key_text("r", theirs))))
    });
    let same: Vec<String> = same.collect();
    format!(
        "coalesce((SELECT {} FROM {} AS s WHERE {} LIMIT 1), {as_written})",
        key_text("s", own),
        table_name(&stock.table),
        same.join(" AND ")
    )
}

/// `?1` the orders' keys, `?2` the limit.
fn examine_reservations(plan: &Plan) -> Statement {
    let mut w = Writer::new(plan, "examine_reservations", 2);
    let columns = reservation_columns(&w);
    let (line, active, expires_at, key) = (w.orders_line(), w.active(), w.expires_at(), w.reservation_key_columns());
    let orders = key_in("o", &[&plan.order.key], "?1");
    w.finish(&format!("SELECT {columns}\n{line}\nWHERE {orders} AND {active}\nORDER BY {expires_at}, {key}\nLIMIT ?2"))
}

fn own_keys(stock: &StockPlan) -> Vec<&Column> {
    stock.key.iter().map(|(own, _)| own).collect()
}

/// `?1` the keys. Gives the place of the key, counted from 1, and each counter with whether it is NULL.
fn lock_stock(plan: &Plan, stock: &StockPlan) -> Statement {
    let w = Writer::new(plan, "lock_stock", 1);
    let counter = |column: &Option<Column>| match column {
        Some(column) => format!("{}, s.{} IS NULL", w.quantity("s", column), quoted(&column.name)),
        None => "NULL, TRUE".to_owned(),
    };
    let body = format!(
        "SELECT j.key + 1, {}, {}\nFROM json_each(?1) AS j\nCROSS JOIN {} AS s ON {}\nORDER BY j.key",
        counter(&stock.reserved),
        counter(&stock.on_hand),
        table_name(&stock.table),
        key_matches("s", &own_keys(stock))
    );
    w.finish(&body)
}

/// `?1` rows of key parts, then the counters: reserved before and after, on hand before and after.
fn write_stock(plan: &Plan, stock: &StockPlan) -> Statement {
    let keys = own_keys(stock);
    let mut w = Writer::new(plan, "write_stock", 1);
    let (mut sets, mut guards) = (Vec::new(), Vec::new());
    for (column, before) in [(&stock.reserved, keys.len()), (&stock.on_hand, keys.len().saturating_add(2))] {
        if let Some(column) = column {
            let column = quoted(&column.name);
            sets.push(format!("{column} = {}", part(before.saturating_add(1))));
            guards.push(format!(" AND s.{column} IS {}", part(before)));
        }
    }
    sets.extend(w.assignments(&stock.set));
    w.finish(&format!(
        "UPDATE {} AS s SET {}\nFROM json_each(?1) AS j\nWHERE {}{}",
        table_name(&stock.table),
        list(sets),
        key_matches("s", &keys),
        guards.concat()
    ))
}

/// `?2` the reservations' keys.
fn release(plan: &Plan) -> Statement {
    let mut w = Writer::new(plan, "release", 2);
    let (active, due) = (w.active(), w.due());
    let due = match plan.due.time.home {
        ExpiryHome::Reservation => due,
        ExpiryHome::Order => format!(
            "EXISTS (SELECT 1 FROM {} AS o WHERE o.{} = r.{} AND {due})",
            table_name(&plan.order.table),
            quoted(&plan.order.key.name),
            quoted(&plan.reservation.order.name)
        ),
    };
    let keys: Vec<&Column> = plan.reservation.key.iter().collect();
    let condition = format!("WHERE {}\n  AND {active}\n  AND {due}", key_in("r", &keys, "?2"));
    let table = table_name(&plan.reservation.table);
    let body = match &plan.reservation.release {
        ReleasePlan::Delete => format!("DELETE FROM {table} AS r\n{condition}"),
        ReleasePlan::Mark(sets) => format!("UPDATE {table} AS r SET {}\n{condition}", list(w.assignments(sets))),
    };
    w.finish(&body)
}

/// `?1` the orders' keys.
fn cancel_orders(plan: &Plan) -> Statement {
    let mut w = Writer::new(plan, "cancel_orders", 1);
    let sets = list(w.assignments(&plan.order.cancel));
    let (unpaid, cancelled, unguarded, active) = (w.unpaid(), w.cancelled(), w.unguarded(), w.active());
    w.finish(&format!(
        "UPDATE {} AS o SET {sets}\nWHERE {}\n  AND {unpaid} AND {cancelled} IS NOT TRUE\n  AND {unguarded}\n  \
         AND NOT EXISTS (SELECT 1 FROM {} AS r WHERE r.{} = o.{} AND {active})",
        table_name(&plan.order.table),
        key_in("o", &[&plan.order.key], "?1"),
        table_name(&plan.reservation.table),
        quoted(&plan.reservation.order.name),
        quoted(&plan.order.key.name)
    ))
}

/// `?1` the key or the number, as text.
fn explain_order(plan: &Plan, by: &Column) -> Statement {
    let mut w = Writer::new(plan, "explain_order", 1);
    let mut columns = vec![w.order_key(), w.order_number()];
    columns.push(format!("{} IS TRUE", w.unpaid()));
    columns.push(format!("{} IS TRUE", w.cancelled()));
    for condition in &plan.order.unpaid {
        columns.push(key_text("o", &condition.column));
        columns.push(format!("{} IS TRUE", w.conditions("o", std::slice::from_ref(condition))));
    }
    for guard in &plan.guards {
        columns.push(format!("{} IS TRUE", w.guard(guard)));
    }
    w.finish(&format!(
        "SELECT {}\nFROM {} AS o\nWHERE {} = {} LIMIT 2",
        list(columns),
        table_name(&plan.order.table),
        key_column("o", by),
        key_value(by, "?1")
    ))
}

/// `?1` the order's key, in a list of one. Gives each reservation, then whether it is active.
fn explain_reservations(plan: &Plan) -> Statement {
    let mut w = Writer::new(plan, "explain_reservations", 1);
    let columns = reservation_columns(&w);
    let (line, active, expires_at) = (w.orders_line(), w.active(), w.expires_at());
    let order = key_in("o", &[&plan.order.key], "?1");
    let reserved_at = match &plan.due.created_at {
        Some(time) => instant(time.home, &time.column, &time.encoding),
        None => "NULL".to_owned(),
    };
    w.finish(&format!(
        "SELECT {columns}, {active} IS TRUE, {reserved_at}\n{line}\nWHERE {order}\nORDER BY {expires_at} LIMIT 200"
    ))
}

#[cfg(test)]
mod tests {
    use super::super::figures;
    use unreserve_engine::plan::{ColumnInfo, Policy, Schema, TableInfo, TableName, resolve};
    use unreserve_engine::profile::{check, parse};

    use super::*;

    fn table(name: &str, columns: &[(&str, &str, Kind)]) -> TableInfo {
        let column = |(name, sql_type, kind): &(&str, &str, Kind)| ColumnInfo {
            name: (*name).to_owned(),
            sql_type: (*sql_type).to_owned(),
            kind: *kind,
            nullable: true,
            generated: false,
            labels: None,
            samples: Vec::new(),
        };
        TableInfo {
            asked: TableName::parse(name),
            schema: None,
            name: name.to_owned(),
            writable: true,
            columns: columns.iter().map(column).collect(),
            indexes: Vec::new(),
            references: Vec::new(),
        }
    }

    fn malikli() -> Plan {
        let id = ("id", "INTEGER", Kind::Integer);
        let updated_at = ("updated_at", "datetime", Kind::Text);
        let reserved = ("reserved_quantity", "integer", Kind::Integer);
        let order_id = ("order_id", "char(32)", Kind::Text);
        let text = |name: &'static str| (name, "varchar(50)", Kind::Text);
        let date = |name: &'static str| (name, "datetime", Kind::Text);
        let number = |name: &'static str| (name, "bigint", Kind::Integer);
        let tables = vec![
            table("products_productvariant", &[id, reserved, updated_at]),
            table("drops_dropproduct", &[id, reserved, updated_at]),
            table(
                "orders_order",
                &[
                    order_id,
                    text("order_number"),
                    text("order_status"),
                    text("payment_status"),
                    ("total_amount", "decimal(10,2)", Kind::Decimal),
                    date("created_at"),
                    updated_at,
                ],
            ),
            table("orders_payment", &[order_id, text("status"), date("created_at")]),
            table(
                "orders_inventoryreservation",
                &[
                    text("reservation_id"),
                    order_id,
                    number("product_variant_id"),
                    number("drop_product_id"),
                    number("quantity"),
                    date("expires_at"),
                    date("created_at"),
                    date("cancelled_at"),
                    date("fulfilled_at"),
                    ("is_active", "bool", Kind::Boolean),
                ],
            ),
        ];
        let schema = Schema { tables, others: Vec::new() };
        let profile = check(parse(include_str!("../../../../profiles/malikli.toml")).unwrap()).unwrap();
        resolve(&profile, &schema, Policy::default()).unwrap()
    }

    #[test]
    fn the_statements_of_the_malikli_shop() {
        let plan = malikli();
        let (statements, figures) = (render(&plan, true), figures::render(&plan));
        let looks = super::super::holding::statements(&plan);
        let mut text = String::new();
        for statement in statements.all().into_iter().chain(&looks).chain(figures.all()) {
            text.push_str(&format!("{}\n-- {:?}\n\n", statement.sql, statement.constants));
        }
        insta::assert_snapshot!(text);
    }

    #[test]
    fn every_parameter_that_a_statement_names_has_a_place() {
        let plan = malikli();
        let (statements, figures) = (render(&plan, true), figures::render(&plan));
        let looks = super::super::holding::statements(&plan);
        let first = statements.all().into_iter().chain(&looks).map(|statement| (statement, 1));
        // What is given to these is the same for all, so one or the other may be left out.
        for (statement, first) in first.chain(figures.all().map(|statement| (statement, figures::GIVEN + 1))) {
            let numbers: Vec<usize> = statement
                .sql
                .split('?')
                .skip(1)
                .filter_map(|rest| rest.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok())
                .collect();
            let last = numbers.iter().copied().max().unwrap_or(0);
            let named = (first..=last).all(|number| numbers.contains(&number));
            assert!(named && last >= statement.constants.len(), "{}", statement.sql);
        }
    }
}

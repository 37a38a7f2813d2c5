//! Plan → statements: pure, and readable in the golden files.
//!
//! Whatever speaks of time is given the cutoff first, in universal time: it is read once a batch, so that every statement
//! of the batch means the same instant. Many keys come as one JSON parameter, a row a key. A statement that locks or
//! writes reads no table but its own: InnoDB would lock what a sub-select reads, and wait for it.

use unreserve_engine::plan::{Column, Plan, ReleasePlan, StockPlan};
use unreserve_engine::profile::ExpiryHome;

use super::ahead::{clock_evidence, guarded, outlook, unseen};
use super::fragments::{Statement, Writer, list, order_lock, quoted, table_name};
use super::keys::{JsonTable, alike, are_keys, folds_letters, is_key, key_text, key_value};
use super::times::{due, instant, micros};

/// One question to the line of due reservations, in its three forms; only the one by name shows guarded orders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// Given: cutoff, limit.
    pub(super) start: Statement,
    /// Given: cutoff, limit, expiry column and key of the last place.
    pub(super) after: Statement,
    /// Given: cutoff, limit, only these orders.
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
    /// The line of due reservations, without a lock.
    pub(super) line: Line,
    /// Locks orders, those aside that others have locked.
    pub(super) lock_due: Statement,
    /// Status and guards of orders.
    pub(super) examine_orders: Statement,
    /// The active reservations of orders.
    pub(super) examine_reservations: Statement,
    /// The counters, a statement a stock table, without a lock.
    pub(super) read_stock: Vec<Statement>,
    /// The same, locking the rows.
    pub(super) lock_stock: Vec<Statement>,
    /// The same, leaving out rows that others have locked.
    pub(super) lock_free_stock: Vec<Statement>,
    /// The counters' change.
    pub(super) write_stock: Vec<Statement>,
    /// Locks reservations, or fails at once.
    pub(super) lock_reservations: Statement,
    /// How many reservations are still as they were examined, of orders still unpaid and unguarded.
    pub(super) recheck: Statement,
    /// The end of reservations.
    pub(super) release: Statement,
    /// How many of them still seem active, which only a trigger can bring about; nothing where they are deleted.
    pub(super) still_active: Option<Statement>,
    /// How many orders may still be cancelled.
    pub(super) recheck_orders: Statement,
    /// The end of orders; nothing where the profile never writes orders.
    pub(super) cancel_orders: Option<Statement>,
    /// How many orders are paid by now; nothing where no guard looks into another table.
    pub(super) last_look: Option<Statement>,
    /// One order, by its number; nothing where the profile names none.
    pub(super) explain_by_number: Option<Statement>,
    /// One order, by its key.
    pub(super) explain_by_key: Statement,
    /// All reservations of one order.
    pub(super) explain_reservations: Statement,
    /// Tries the lock on one order.
    pub(super) try_lock: Statement,
}

impl Statements {
    /// Those that only read.
    pub(super) fn reading(&self) -> Vec<&Statement> {
        let mut all = vec![&self.outlook, &self.clock_evidence, &self.line.start, &self.line.after, &self.line.only];
        all.extend(&self.guarded);
        all.push(&self.unseen);
        all.extend([&self.examine_orders, &self.examine_reservations, &self.recheck, &self.recheck_orders]);
        all.extend(self.read_stock.iter().chain(&self.still_active).chain(&self.last_look));
        all.extend(&self.explain_by_number);
        all.extend([&self.explain_by_key, &self.explain_reservations]);
        all
    }

    /// Those that lock or write.
    pub(super) fn writing(&self) -> Vec<&Statement> {
        let mut all = vec![&self.lock_due];
        all.extend(self.lock_stock.iter().chain(&self.lock_free_stock).chain(&self.write_stock));
        all.extend([&self.lock_reservations, &self.release]);
        all.extend(&self.cancel_orders);
        all.push(&self.try_lock);
        all
    }
}

/// The indexes that find rows by their keys. A statement that locks must not look at any other row: it would lock that as
/// well, or fail because somebody else has it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct KeyIndexes {
    /// Of the orders' table.
    pub(super) order: String,
    /// Of the reservations' table.
    pub(super) reservation: String,
    /// Of each stock table.
    pub(super) stock: Vec<String>,
}

/// Renders a plan. Where our own tables are not installed, nothing can be set aside yet.
pub(super) fn render(plan: &Plan, indexes: &KeyIndexes, installed: bool) -> Statements {
    let line = |from| candidates(plan, installed, from);
    let pools: Vec<(&StockPlan, &str)> =
        plan.stock.iter().zip(indexes.stock.iter().map(String::as_str).chain(std::iter::repeat(""))).collect();
    let counters = |lock: Lock| pools.iter().map(|(stock, index)| stock_rows(plan, stock, index, lock)).collect();
    let number = plan.order.number.as_ref();
    Statements {
        outlook: outlook(plan, installed),
        clock_evidence: clock_evidence(plan),
        guarded: (!plan.guards.is_empty()).then(|| guarded(plan, installed)),
        unseen: unseen(plan),
        line: Line { start: line(From::Start), after: line(From::Place), only: line(From::Orders) },
        lock_due: lock_orders(plan, indexes, "lock_due"),
        examine_orders: examine_orders(plan),
        examine_reservations: examine_reservations(plan),
        read_stock: counters(Lock::None),
        lock_stock: counters(Lock::Now),
        lock_free_stock: counters(Lock::Free),
        write_stock: pools.iter().map(|(stock, index)| write_stock(plan, stock, index)).collect(),
        lock_reservations: lock_reservations(plan, indexes),
        recheck: recheck(plan),
        release: release(plan, indexes),
        still_active: matches!(plan.reservation.release, ReleasePlan::Mark(_)).then(|| still_active(plan)),
        recheck_orders: recheck_orders(plan),
        cancel_orders: (!plan.order.cancel.is_empty()).then(|| cancel_orders(plan, indexes)),
        last_look: last_look(plan),
        explain_by_number: number.map(|number| explain_order(plan, number)),
        explain_by_key: explain_order(plan, &plan.order.key),
        explain_reservations: explain_reservations(plan),
        try_lock: lock_orders(plan, indexes, "try_lock"),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Lock {
    None,
    Now,
    Free,
}

/// `FORCE INDEX (…)`, where an index is known.
fn by(index: &str) -> String {
    if index.is_empty() { String::new() } else { format!(" FORCE INDEX ({})", quoted(index)) }
}

/// The condition that something of the order is to be given back, guards aside.
pub(super) fn wanted(w: &mut Writer<'_>, installed: bool) -> String {
    let (active, due, unpaid, cancelled) = (w.active(), due(w), w.unpaid(), w.cancelled());
    let not_set_aside = if installed { w.not_set_aside() } else { "TRUE".to_owned() };
    format!("{active}\n  AND {due}\n  AND ({unpaid} OR {cancelled})\n  AND {not_set_aside}")
}

/// Where in the line a question begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum From {
    Start,
    Place,
    Orders,
}

/// See [`Line`]. Gives the order's key, the expiry column as text, the reservation's key, the order's number.
fn candidates(plan: &Plan, installed: bool, from: From) -> Statement {
    let keys: Vec<&Column> = plan.reservation.key.iter().collect();
    let name = match from {
        From::Start => "find_due",
        From::Place => "find_due_after",
        From::Orders => "find_due_of",
    };
    let mut w = Writer::new(plan, name);
    // Somebody who asks for an order by name wants it tried now, and its guards told.
    let mut wanted = wanted(&mut w, installed && from != From::Orders);
    if from != From::Orders {
        wanted.push_str(&format!("\n  AND {}", w.unguarded()));
    }
    let column = w.expiry_column();
    let columns: Vec<String> = keys.iter().map(|key| format!("r.{}", quoted(&key.name))).collect();
    let line = match from {
        From::Start | From::Place => w.line(),
        From::Orders => orders_line(&w, 2),
    };
    let behind = if from == From::Place { behind(plan, &column, &columns) } else { String::new() };
    let (order_key, reservation_key, number) = (w.order_key(), w.reservation_key(), w.order_number());
    let (columns, limit) = (list(columns), Writer::given(1));
    w.finish(&format!(
        "SELECT {order_key}, CAST({column} AS CHAR), {reservation_key}, {number}\n{line}\nWHERE {wanted}{behind}\n\
         ORDER BY {column}, {columns}\nLIMIT {limit}"
    ))
}

/// Whatever stands behind a place, spelled out: an index does not serve a comparison of rows.
fn behind(plan: &Plan, column: &str, columns: &[String]) -> String {
    let first = key_value(&plan.due.time.column, &Writer::given(2));
    let place = format!("{column} >= {first}");
    let mut later = String::new();
    for (index, (name, key)) in columns.iter().zip(&plan.reservation.key).enumerate().rev() {
        let value = key_value(key, &Writer::given(index.saturating_add(3)));
        later = match later.as_str() {
            "" => format!("{name} > {value}"),
            rest => format!("({name} > {value} OR ({name} = {value} AND {rest}))"),
        };
    }
    format!("\n  AND {place} AND ({column} > {first} OR {later})")
}

/// The orders of a JSON parameter as `o`, in its order, with their reservations as `r`.
fn orders_line(w: &Writer<'_>, place: usize) -> String {
    let plan = w.plan;
    let key = [&plan.order.key];
    format!(
        "FROM {}\nSTRAIGHT_JOIN {} AS o ON {}\nSTRAIGHT_JOIN {} AS r ON {}",
        JsonTable::new(Writer::given(place), &key).finish(),
        table_name(&plan.order.table),
        are_keys("o", &key),
        table_name(&plan.reservation.table),
        w.belongs()
    )
}

/// Given: nothing, the orders' keys.
fn lock_orders(plan: &Plan, indexes: &KeyIndexes, name: &'static str) -> Statement {
    let w = Writer::new(plan, name);
    let key = [&plan.order.key];
    let (order_key, table) = (w.order_key(), table_name(&plan.order.table));
    w.finish(&format!(
        "SELECT {order_key}\nFROM {}\nSTRAIGHT_JOIN {table} AS o{} ON {}\n{}",
        JsonTable::new(Writer::given(1), &key).finish(),
        by(&indexes.order),
        are_keys("o", &key),
        order_lock()
    ))
}

/// Given: nothing, the orders' keys.
fn examine_orders(plan: &Plan) -> Statement {
    let mut w = Writer::new(plan, "examine_orders");
    let (unpaid, cancelled) = (w.unpaid(), w.cancelled());
    let guards: Vec<String> = plan.guards.iter().map(|guard| format!(",\n({}) IS TRUE", w.guard(guard))).collect();
    let (key, number) = (w.order_key(), w.order_number());
    let keys = [&plan.order.key];
    w.finish(&format!(
        "SELECT {key}, {number}, {unpaid} IS TRUE, {cancelled} IS TRUE{}\nFROM {}\nSTRAIGHT_JOIN {} AS o ON {}\nORDER BY t.place",
        guards.concat(),
        JsonTable::new(Writer::given(1), &keys).finish(),
        table_name(&plan.order.table),
        are_keys("o", &keys)
    ))
}

/// `order key, reservation key…, quantity, expires_at, due, overdue, stock keys…` of the reservation `r`.
fn reservation_columns(w: &mut Writer<'_>) -> String {
    let plan = w.plan;
    let (due, expires_at) = (due(w), w.expires_at());
    let quantity = w.quantity("r", &plan.reservation.quantity);
    let mut columns = vec![w.order_key(), w.reservation_key(), quantity, micros(&expires_at)];
    columns.push(format!("({due}) IS TRUE"));
    columns.push(format!("COALESCE(TIMESTAMPDIFF(MICROSECOND, {expires_at}, {}), 0)", Writer::cutoff()));
    for stock in &plan.stock {
        columns.extend(stock.key.iter().map(|(own, theirs)| stock_key(stock, own, theirs)));
    }
    columns.join(",\n")
}

/// The key of the stock row that a reservation holds, as the stock table writes it: where letters are folded, two texts
/// may name one row, and what comes back to one row has to be summed.
pub(super) fn stock_key(stock: &StockPlan, own: &Column, theirs: &Column) -> String {
    let as_written = key_text("r", theirs);
    if !folds_letters(own) {
        return as_written;
    }
    let same: Vec<String> = stock
        .key
        .iter()
        .map(|(own, theirs)| format!("s.{} = {}", quoted(&own.name), alike("r", theirs, own)))
        .collect();
    format!(
        "COALESCE((SELECT {} FROM {} AS s WHERE {} LIMIT 1), {as_written})",
        key_text("s", own),
        table_name(&stock.table),
        same.join(" AND ")
    )
}

/// Given: cutoff, the orders' keys.
fn examine_reservations(plan: &Plan) -> Statement {
    let mut w = Writer::new(plan, "examine_reservations");
    let columns = reservation_columns(&mut w);
    let (line, active, column) = (orders_line(&w, 1), w.active(), w.expiry_column());
    let key = list(plan.reservation.key.iter().map(|key| format!("r.{}", quoted(&key.name))));
    w.finish(&format!("SELECT {columns}\n{line}\nWHERE {active}\nORDER BY {column}, {key}"))
}

fn own_keys(stock: &StockPlan) -> Vec<&Column> {
    stock.key.iter().map(|(own, _)| own).collect()
}

/// Given: nothing, the keys, in the order in which they are locked.
fn stock_rows(plan: &Plan, stock: &StockPlan, index: &str, lock: Lock) -> Statement {
    let keys = own_keys(stock);
    let (name, lock) = match lock {
        Lock::None => ("read_stock", ""),
        Lock::Now => ("lock_stock", "\nFOR UPDATE NOWAIT"),
        Lock::Free => ("lock_free_stock", "\nFOR UPDATE SKIP LOCKED"),
    };
    let w = Writer::new(plan, name);
    let counter = |column: &Option<Column>| match column {
        Some(column) => format!("{}, s.{} IS NULL", w.quantity("s", column), quoted(&column.name)),
        None => "NULL, TRUE".to_owned(),
    };
    let body = format!(
        "SELECT CAST(t.place AS SIGNED), {},\n{}\nFROM {}\nSTRAIGHT_JOIN {} AS s{} ON {}{lock}",
        counter(&stock.reserved),
        counter(&stock.on_hand),
        JsonTable::new(Writer::given(1), &keys).finish(),
        table_name(&stock.table),
        by(index),
        are_keys("s", &keys)
    );
    w.finish(&body)
}

/// The type that a counter travels in.
fn counter_type(plan: &Plan) -> String {
    match plan.reservation.scale {
        0 => "bigint".to_owned(),
        scale => format!("decimal(38,{scale})"),
    }
}

/// Given: cutoff, rows of key parts, then the counters: reserved before and after, on hand before and after.
fn write_stock(plan: &Plan, stock: &StockPlan, index: &str) -> Statement {
    let keys = own_keys(stock);
    let mut w = Writer::new(plan, "write_stock");
    let (mut sets, mut guards) = (Vec::new(), Vec::new());
    let mut given = JsonTable::new(Writer::given(1), &keys);
    for (column, name) in [(&stock.reserved, "reserved"), (&stock.on_hand, "on_hand")] {
        given = given
            .with(&format!("{name}_before"), counter_type(plan))
            .with(&format!("{name}_after"), counter_type(plan));
        if let Some(column) = column {
            let column = quoted(&column.name);
            sets.push(format!("s.{column} = t.{name}_after"));
            guards.push(format!("s.{column} <=> t.{name}_before"));
        }
    }
    sets.extend(w.assignments("s", &stock.set));
    w.finish(&format!(
        "UPDATE {}\nSTRAIGHT_JOIN {} AS s{} ON {}\nSET {}\nWHERE {}",
        given.finish(),
        table_name(&stock.table),
        by(index),
        are_keys("s", &keys),
        list(sets),
        if guards.is_empty() { "TRUE".to_owned() } else { guards.join(" AND ") }
    ))
}

/// Rows of reservations as they were examined: key parts, the order, the quantity, the parts of the stock keys.
fn examined(plan: &Plan, place: usize) -> String {
    let keys: Vec<&Column> = plan.reservation.key.iter().collect();
    let mut given = JsonTable::new(Writer::given(place), &keys)
        .with_key("order_key", &plan.order.key)
        .with("quantity", "bigint".to_owned());
    let stock = plan.stock.iter().flat_map(|stock| &stock.key);
    for (index, (own, _)) in stock.enumerate() {
        given = given.with_key(&format!("s{index}"), own);
    }
    given.finish()
}

fn reservation_keys(plan: &Plan) -> Vec<&Column> {
    plan.reservation.key.iter().collect()
}

/// Given: nothing, the reservations as they were examined.
fn lock_reservations(plan: &Plan, indexes: &KeyIndexes) -> Statement {
    let w = Writer::new(plan, "lock_reservations");
    w.finish(&format!(
        "SELECT 1\nFROM {}\nSTRAIGHT_JOIN {} AS r{} ON {}\nFOR UPDATE NOWAIT",
        examined(plan, 1),
        table_name(&plan.reservation.table),
        by(&indexes.reservation),
        are_keys("r", &reservation_keys(plan))
    ))
}

/// That the reservation `r` is as it was examined, as far as its own row says.
fn as_examined(w: &mut Writer<'_>) -> String {
    let plan = w.plan;
    let (active, quantity) = (w.active(), w.quantity("r", &plan.reservation.quantity));
    let order = alike("r", &plan.reservation.order, &plan.order.key);
    let order_key = key_value(&plan.order.key, "t.order_key");
    let mut text = format!("{active}\n  AND {quantity} = t.quantity\n  AND {order} = {order_key}");
    if plan.due.time.home == ExpiryHome::Reservation {
        text.push_str(&format!("\n  AND {}", due(w)));
    }
    let mut index = 0_usize;
    for stock in &plan.stock {
        let (mut none, mut same, mut given) = (Vec::new(), Vec::new(), Vec::new());
        for (own, theirs) in &stock.key {
            none.push(format!("r.{} IS NULL", quoted(&theirs.name)));
            same.push(format!("{} = {}", alike("r", theirs, own), key_value(own, &format!("t.s{index}"))));
            given.push(format!("t.s{index} IS NULL"));
            index = index.saturating_add(1);
        }
        text.push_str(&format!(
            "\n  AND CASE WHEN {} THEN {} ELSE {} END",
            given.join(" AND "),
            none.join(" OR "),
            same.join(" AND ")
        ));
    }
    text
}

/// Given: cutoff, the reservations as they were examined: the shop may change them without the order's lock.
fn recheck(plan: &Plan) -> Statement {
    let mut w = Writer::new(plan, "recheck");
    let same = as_examined(&mut w);
    let of_order = match plan.due.time.home {
        ExpiryHome::Reservation => String::new(),
        ExpiryHome::Order => format!("\n  AND {}", due(&mut w)),
    };
    let (unpaid, cancelled, unguarded) = (w.unpaid(), w.cancelled(), w.unguarded());
    w.finish(&format!(
        "SELECT COUNT(*)\nFROM {}\nSTRAIGHT_JOIN {} AS r ON {}\nSTRAIGHT_JOIN {} AS o ON {}\n\
         WHERE {same}{of_order}\n  AND ({unpaid} OR {cancelled})\n  AND {unguarded}",
        examined(plan, 1),
        table_name(&plan.reservation.table),
        are_keys("r", &reservation_keys(plan)),
        table_name(&plan.order.table),
        is_key("o", &plan.order.key, "order_key")
    ))
}

/// Given: cutoff, the reservations as they were examined.
fn release(plan: &Plan, indexes: &KeyIndexes) -> Statement {
    let mut w = Writer::new(plan, "release");
    let condition = as_examined(&mut w);
    let rows = format!(
        "{}\nSTRAIGHT_JOIN {} AS r{} ON {}",
        examined(plan, 1),
        table_name(&plan.reservation.table),
        by(&indexes.reservation),
        are_keys("r", &reservation_keys(plan))
    );
    let body = match &plan.reservation.release {
        ReleasePlan::Delete => format!("DELETE r FROM {rows}\nWHERE {condition}"),
        ReleasePlan::Mark(sets) => {
            format!("UPDATE {rows}\nSET {}\nWHERE {condition}", list(w.assignments("r", sets)))
        }
    };
    w.finish(&body)
}

/// Given: nothing, the reservations as they were examined.
fn still_active(plan: &Plan) -> Statement {
    let mut w = Writer::new(plan, "still_active");
    let active = w.active();
    w.finish(&format!(
        "SELECT COUNT(*)\nFROM {}\nSTRAIGHT_JOIN {} AS r ON {}\nWHERE {active}",
        examined(plan, 1),
        table_name(&plan.reservation.table),
        are_keys("r", &reservation_keys(plan))
    ))
}

/// Given: cutoff, the orders' keys.
fn recheck_orders(plan: &Plan) -> Statement {
    let mut w = Writer::new(plan, "recheck_orders");
    let (unpaid, cancelled, unguarded, active) = (w.unpaid(), w.cancelled(), w.unguarded(), w.active());
    let keys = [&plan.order.key];
    let belongs = w.belongs();
    w.finish(&format!(
        "SELECT COUNT(*)\nFROM {}\nSTRAIGHT_JOIN {} AS o ON {}\nWHERE {unpaid} AND {cancelled} IS NOT TRUE\n  AND {unguarded}\n  \
         AND NOT EXISTS (SELECT 1 FROM {} AS r WHERE {belongs} AND {active})",
        JsonTable::new(Writer::given(1), &keys).finish(),
        table_name(&plan.order.table),
        are_keys("o", &keys),
        table_name(&plan.reservation.table)
    ))
}

/// Given: cutoff, the orders' keys.
fn cancel_orders(plan: &Plan, indexes: &KeyIndexes) -> Statement {
    let mut w = Writer::new(plan, "cancel_orders");
    let sets = list(w.assignments("o", &plan.order.cancel));
    let (unpaid, cancelled, unguarded) = (w.unpaid(), w.cancelled(), w.unguarded_by_itself());
    let keys = [&plan.order.key];
    w.finish(&format!(
        "UPDATE {}\nSTRAIGHT_JOIN {} AS o{} ON {}\nSET {sets}\nWHERE {unpaid} AND {cancelled} IS NOT TRUE\n  AND {unguarded}",
        JsonTable::new(Writer::given(1), &keys).finish(),
        table_name(&plan.order.table),
        by(&indexes.order),
        are_keys("o", &keys)
    ))
}

/// Given: nothing, the orders' keys. Writes read no payment here, so without a foreign key one may have come since.
fn last_look(plan: &Plan) -> Option<Statement> {
    let mut w = Writer::new(plan, "last_look");
    let guarded = w.guarded_elsewhere()?;
    let keys = [&plan.order.key];
    Some(w.finish(&format!(
        "SELECT COUNT(*)\nFROM {}\nSTRAIGHT_JOIN {} AS o ON {}\nWHERE {guarded}",
        JsonTable::new(Writer::given(1), &keys).finish(),
        table_name(&plan.order.table),
        are_keys("o", &keys)
    )))
}

/// Given: nothing, the key or the number as its column's type.
fn explain_order(plan: &Plan, by: &Column) -> Statement {
    let mut w = Writer::new(plan, "explain_order");
    let mut columns = vec![w.order_key(), w.order_number()];
    columns.push(format!("{} IS TRUE", w.unpaid()));
    columns.push(format!("{} IS TRUE", w.cancelled()));
    for condition in &plan.order.unpaid {
        columns.push(key_text("o", &condition.column));
        columns.push(format!("{} IS TRUE", w.conditions("o", std::slice::from_ref(condition))));
    }
    for guard in &plan.guards {
        columns.push(format!("({}) IS TRUE", w.guard(guard)));
    }
    w.finish(&format!(
        "SELECT {}\nFROM {} AS o\nWHERE o.{} = {} LIMIT 2",
        columns.join(",\n"),
        table_name(&plan.order.table),
        quoted(&by.name),
        key_value(by, &Writer::given(1))
    ))
}

/// Given: cutoff, the order's key, in a list of one. Gives each reservation, then whether it is active.
fn explain_reservations(plan: &Plan) -> Statement {
    let mut w = Writer::new(plan, "explain_reservations");
    let columns = reservation_columns(&mut w);
    let reserved_at = match &plan.due.created_at {
        Some(time) => micros(&instant(&mut w, time.home, &time.column, &time.encoding)),
        None => "NULL".to_owned(),
    };
    let (line, active, column) = (orders_line(&w, 1), w.active(), w.expiry_column());
    w.finish(&format!("SELECT {columns},\n{active} IS TRUE, {reserved_at}\n{line}\nORDER BY {column} LIMIT 200"))
}

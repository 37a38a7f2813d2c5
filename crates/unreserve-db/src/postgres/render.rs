//! Plan → statements: pure, and readable in the golden files.
//!
//! Every write repeats the due predicate; every statement that follows a lock is a new one, since after a lock wait
//! only the locked row is re-checked and a sub-select keeps its old snapshot (RELIABILITY, finding 1).

use unreserve_engine::plan::{Column, Kind, Plan, ReleasePlan, SKEW, StockPlan, ZONE_WIDTH};
use unreserve_engine::profile::ExpiryHome;

use super::fragments::{
    Statement, Writer, cast_type, key_arrays, key_matches, key_names, list, micros, table_name, text,
};
use super::ledger;
use crate::write::quoted;

/// One question to the line of due reservations, in its two forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// `$1` the limit, `$2` expiry and `$3…` key of the last place. Guarded orders are left out.
    pub(super) rest: Statement,
    /// `$1` the limit, `$2` only these orders, guarded and set aside or not.
    pub(super) named: Statement,
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
    /// Counts what no line shows: reservations without an order, orders that are set aside.
    pub(super) unseen: Statement,
    /// The line of due reservations, without a lock.
    pub(super) survey: Line,
    /// The same, locking the orders.
    pub(super) lock_due: Line,
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
    /// Tries the lock on one order.
    pub(super) try_lock: Statement,
    /// Writes what a batch did, into our own tables.
    pub(super) append_ledger: Statement,
}

impl Statements {
    /// Those that every batch runs. They are kept prepared.
    pub(super) fn of_a_batch(&self) -> Vec<&Statement> {
        let mut all = vec![&self.lock_due.rest, &self.examine_orders, &self.examine_reservations];
        all.extend(self.lock_stock.iter().chain(&self.lock_free_stock).chain(&self.write_stock));
        all.push(&self.release);
        all.extend(self.read_stock.iter().chain(&self.cancel_orders));
        all.push(&self.append_ledger);
        all
    }

    fn number(mut self) -> Self {
        let mut all = vec![&mut self.lock_due.rest, &mut self.examine_orders, &mut self.examine_reservations];
        all.extend(self.lock_stock.iter_mut().chain(&mut self.lock_free_stock).chain(&mut self.write_stock));
        all.push(&mut self.release);
        all.extend(self.read_stock.iter_mut().chain(&mut self.cancel_orders));
        all.push(&mut self.append_ledger);
        for (slot, statement) in all.into_iter().enumerate() {
            statement.slot = Some(slot);
        }
        self
    }
}

/// Renders a plan. Where our own tables are not installed, nothing can be set aside yet.
pub(super) fn render(plan: &Plan, installed: bool) -> Statements {
    let line = |lock| Line {
        rest: candidates(plan, installed, lock, From::Place),
        named: candidates(plan, installed, lock, From::Orders),
    };
    Statements {
        outlook: outlook(plan, installed),
        clock_evidence: clock_evidence(plan),
        guarded: (!plan.guards.is_empty()).then(|| guarded(plan, installed)),
        unseen: unseen(plan, installed),
        survey: line(Lock::None),
        lock_due: line(Lock::Orders),
        examine_orders: examine_orders(plan),
        examine_reservations: examine_reservations(plan),
        read_stock: plan.stock.iter().map(|stock| stock_rows(plan, stock, Lock::None)).collect(),
        lock_stock: plan.stock.iter().map(|stock| stock_rows(plan, stock, Lock::Stock)).collect(),
        lock_free_stock: plan.stock.iter().map(|stock| stock_rows(plan, stock, Lock::FreeStock)).collect(),
        write_stock: plan.stock.iter().map(|stock| write_stock(plan, stock)).collect(),
        release: release(plan),
        cancel_orders: (!plan.order.cancel.is_empty()).then(|| cancel_orders(plan)),
        explain_by_number: plan.order.number.as_ref().map(|number| explain_order(plan, number)),
        explain_by_key: explain_order(plan, &plan.order.key),
        explain_reservations: explain_reservations(plan),
        try_lock: try_lock(plan),
        append_ledger: Statement { name: "append_ledger", sql: ledger::APPEND.to_owned(), slot: None },
    }
    .number()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Lock {
    None,
    Orders,
    Stock,
    FreeStock,
}

/// `$1` how many rows to read at most; the last column tells how many were.
fn outlook(plan: &Plan, installed: bool) -> Statement {
    let w = Writer::new(plan, "outlook");
    let (line, active, due) = (w.line(), w.active(), w.due());
    let (wanted, unguarded) = (wanted(&w, installed), w.unguarded());
    let (key, expires_at, column) = (quoted(&plan.order.key.name), w.expires_at(), w.expiry_column());
    let next_line = next_line(&w, plan);
    let now = micros("now()");
    w.finish(&format!(
        "WITH due AS MATERIALIZED (\n\
         SELECT o.{key} AS order_key, {expires_at} AS due_at\n{line}\n\
         WHERE {wanted}\n  AND {unguarded}\n\
         ORDER BY {column} LIMIT $1::bigint\n)\n\
         SELECT {now}, (SELECT count(DISTINCT order_key) FROM due), (SELECT {} FROM due),\n\
         (SELECT {} FROM (SELECT {expires_at} AS next_at {next_line}\nWHERE {active} AND NOT ({due})\nORDER BY {column} LIMIT 1) AS n),\n\
         (SELECT count(*) FROM due)",
        micros("min(due_at)"),
        micros("next_at"),
    ))
}

/// The reservations alone, where their own row says when they expire.
fn next_line(w: &Writer<'_>, plan: &Plan) -> String {
    match plan.due.time.home {
        ExpiryHome::Reservation => format!("FROM {} AS r", table_name(&plan.reservation.table)),
        ExpiryHome::Order => w.line(),
    }
}

/// No parameter. Looks at the newest reservations that hold stock, at most 1,000.
fn clock_evidence(plan: &Plan) -> Statement {
    let w = Writer::new(plan, "clock_evidence");
    let active = w.active();
    let line = w.line();
    let created = match &plan.due.created_at {
        Some(created) => w.instant(created.home, &created.column, &created.encoding),
        None => "NULL::timestamptz".to_owned(),
    };
    let column = w.expiry_column();
    let (now, newest) = (micros("now()"), micros("max(created) FILTER (WHERE near)"));
    let instant = match &plan.due.created_at {
        Some(created) if created.column != plan.due.time.column => w.expires_at(),
        // The column of creation decides itself: nothing can stand before it.
        _ => "NULL::timestamptz".to_owned(),
    };
    w.finish(&format!(
        "SELECT {now}, {newest}, count(*) FILTER (WHERE near AND created > now() - interval '1 day'),\n\
         count(*) FILTER (WHERE near AND created > now() + interval '{} seconds'), count(*) FILTER (WHERE expiry <= created), count(*)\n\
         FROM (\nSELECT created, expiry, created <= now() + interval '{} seconds' AS near FROM (\n\
         SELECT {created} AS created, {instant} AS expiry\n{line}\n\
         WHERE {active}\nORDER BY {column} DESC LIMIT 1000\n) AS newest) AS judged",
        SKEW.as_secs(),
        ZONE_WIDTH.as_secs(),
    ))
}

/// The oldest expired reservations that hold stock, as many as may be read, whatever their order is: `r`, with the column
/// that names the order, and `unreserve_expiry`.
fn oldest_expired(w: &Writer<'_>, plan: &Plan, limit: &str) -> String {
    let (active, due, column) = (w.active(), w.due(), w.expiry_column());
    let key = match plan.due.time.home {
        ExpiryHome::Reservation => format!("r.{}", quoted(&plan.reservation.order.name)),
        ExpiryHome::Order => {
            format!("o.{} AS {}", quoted(&plan.order.key.name), quoted(&plan.reservation.order.name))
        }
    };
    let line = next_line(w, plan);
    format!(
        "SELECT {key}, {column} AS unreserve_expiry\n{line}\nWHERE {active} AND {due}\nORDER BY {column} LIMIT {limit}"
    )
}

/// `$1` how many rows to tell at most, `$2` how many to read.
fn guarded(plan: &Plan, installed: bool) -> Statement {
    let w = Writer::new(plan, "guarded");
    let (unpaid, cancelled, unguarded) = (w.unpaid(), w.cancelled(), w.unguarded());
    let not_set_aside = if installed { w.not_set_aside() } else { "true".to_owned() };
    let guards = list(plan.guards.iter().map(|guard| format!("coalesce({}, false)", w.guard(guard))));
    let (key, number, read) = (w.order_key(), w.order_number(), oldest_expired(&w, plan, "$2::bigint"));
    w.finish(&format!(
        "SELECT {key}, {number}, {guards}\nFROM ({read}) AS r\nJOIN {} AS o ON o.{} = r.{}\n\
         WHERE ({unpaid} OR {cancelled})\n  AND {not_set_aside}\n  AND NOT ({unguarded})\nORDER BY r.unreserve_expiry LIMIT $1::bigint",
        table_name(&plan.order.table),
        quoted(&plan.order.key.name),
        quoted(&plan.reservation.order.name)
    ))
}

/// `$1` how many rows to read at most. Gives the reservations without an order among them, orders set aside, rows read.
fn unseen(plan: &Plan, installed: bool) -> Statement {
    let w = Writer::new(plan, "unseen");
    let read = oldest_expired(&w, plan, "$1::bigint");
    let without_order = format!(
        "SELECT count(*) FROM read AS r WHERE NOT EXISTS (SELECT 1 FROM {} AS o WHERE o.{} = r.{})",
        table_name(&plan.order.table),
        quoted(&plan.order.key.name),
        quoted(&plan.reservation.order.name)
    );
    let aside = match installed {
        false => "0::bigint".to_owned(),
        true => {
            let profile = w.profile();
            format!("(SELECT count(*) FROM unreserve.set_aside WHERE profile = {profile} AND retry_at > now())")
        }
    };
    w.finish(&format!(
        "WITH read AS MATERIALIZED (\n{read}\n)\nSELECT ({without_order}),\n{aside}, (SELECT count(*) FROM read)"
    ))
}

/// The condition that something of the order is to be given back, guards aside.
fn wanted(w: &Writer<'_>, installed: bool) -> String {
    let (active, due, unpaid, cancelled) = (w.active(), w.due(), w.unpaid(), w.cancelled());
    let not_set_aside = if installed { w.not_set_aside() } else { "true".to_owned() };
    format!("{active} AND {due}\n  AND ({unpaid} OR {cancelled})\n  AND {not_set_aside}")
}

/// Where in the line a question begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum From {
    Place,
    Orders,
}

/// See [`Line`].
fn candidates(plan: &Plan, installed: bool, lock: Lock, from: From) -> Statement {
    let keys: Vec<&Column> = plan.reservation.key.iter().collect();
    let name = if lock == Lock::Orders { "lock_due" } else { "survey" };
    let w = Writer::new(plan, name);
    // Somebody who asks for an order by name wants it tried now, and its guards told.
    let wanted = wanted(&w, installed && from != From::Orders);
    let column = w.expiry_column();
    let columns = list(keys.iter().map(|key| format!("r.{}", quoted(&key.name))));
    let which = match from {
        From::Place => {
            let place = list(
                keys.iter()
                    .enumerate()
                    .map(|(index, key)| format!("${}::text::{}", index.saturating_add(3), cast_type(key))),
            );
            let unguarded = w.unguarded();
            format!(
                "{unguarded}\n  AND ($2::text IS NULL OR ({column}, {columns}) > ($2::text::{}, {place}))",
                cast_type(&plan.due.time.column)
            )
        }
        From::Orders => {
            let key = &plan.order.key;
            format!("o.{} = ANY ($2::text[]::{}[])", quoted(&key.name), cast_type(key))
        }
    };
    let (line, order_key, reservation_key, number) = (w.line(), w.order_key(), w.reservation_key(), w.order_number());
    let (now, asked) =
        (micros("now()"), format!("{line}\nWHERE {wanted}\n  AND {which}\nORDER BY {column}, {columns}"));
    if lock != Lock::Orders {
        return w.finish(&format!(
            "SELECT {order_key}, {column}::text, {reservation_key}, {number}, {now}\n{asked}\nLIMIT $1::bigint"
        ));
    }
    // An array is whole before anything is looked up in it: the search is over before the first row is locked.
    let named = list(keys.iter().enumerate().map(|(index, key)| format!("r.{} AS k{index}", quoted(&key.name))));
    let texts = list((0..keys.len()).map(|index| format!("f.k{index}::text")));
    let places = list((0..keys.len()).map(|index| format!("f.k{index}")));
    let (key, table) = (quoted(&plan.order.key.name), table_name(&plan.order.table));
    let (unpaid, cancelled) = (w.unpaid(), w.cancelled());
    w.finish(&format!(
        "WITH found AS MATERIALIZED (\nSELECT o.{key} AS order_key, {column} AS expiry, {named}, {number} AS order_number\n{asked}\nLIMIT $1::bigint\n), \
         locked AS MATERIALIZED (\nSELECT o.{key} AS order_key FROM {table} AS o\n\
         WHERE o.{key} = ANY (ARRAY(SELECT order_key FROM found)) AND ({unpaid} OR {cancelled})\nFOR UPDATE OF o SKIP LOCKED\n)\n\
         SELECT f.order_key::text, f.expiry::text, {texts}, f.order_number, {now}, l.order_key IS NOT NULL\n\
         FROM found AS f LEFT JOIN locked AS l ON l.order_key = f.order_key\nORDER BY f.expiry, {places}"
    ))
}

/// `$1` the orders' keys.
fn examine_orders(plan: &Plan) -> Statement {
    let w = Writer::new(plan, "examine_orders");
    let (unpaid, cancelled) = (w.unpaid(), w.cancelled());
    let guards: Vec<String> =
        plan.guards.iter().map(|guard| format!(", coalesce({}, false)", w.guard(guard))).collect();
    let (key, number) = (w.order_key(), w.order_number());
    w.finish(&format!(
        "SELECT {key}, {number}, coalesce({unpaid}, false), coalesce({cancelled}, false){}\n\
         FROM unnest({}) WITH ORDINALITY AS t(k0, place)\nJOIN {} AS o ON {}\nORDER BY t.place",
        guards.concat(),
        key_arrays(&[&plan.order.key], 1),
        table_name(&plan.order.table),
        key_matches("o", &[&plan.order.key])
    ))
}

/// `order key, reservation key…, quantity, expires_at, due, overdue, stock keys…` of the reservation `r`.
fn reservation_columns(w: &Writer<'_>) -> String {
    let plan = w.plan;
    let (due, expires_at) = (w.due(), w.expires_at());
    let quantity = w.quantity("r", &plan.reservation.quantity);
    let mut columns = vec![w.order_key(), w.reservation_key(), quantity, micros(&expires_at)];
    columns.push(format!("coalesce({due}, false)"));
    columns.push(format!("coalesce({} - {}, 0)", micros("now()"), micros(&expires_at)));
    for stock in &plan.stock {
        columns.extend(stock.key.iter().map(|(own, theirs)| stock_key(stock, own, theirs)));
    }
    list(columns)
}

/// Whether two texts that differ are always two keys: not where letters are folded, or `5` and `5.0` are one number.
fn differ_as_texts(stock: &StockPlan) -> bool {
    const TEXTS: [&str; 3] = ["text", "character varying", "name"];
    const OTHERS: [&str; 4] = ["bpchar", "uuid", "bytea", "boolean"];
    stock.key.iter().all(|(own, theirs)| {
        let (own_type, their_type) = (cast_type(own), cast_type(theirs));
        let texts = [&own_type, &their_type].into_iter().all(|name| TEXTS.contains(&name.as_str()));
        let numbers = own.kind == Kind::Integer && theirs.kind == Kind::Integer;
        numbers || texts || (own_type == their_type && OTHERS.contains(&own_type.as_str()))
    })
}

/// What a reservation says of a stock row's key, as the stock table's own type.
fn in_own_type(own: &Column, theirs: &Column) -> String {
    format!("{}::{}", text("r", theirs), cast_type(own))
}

/// The key of the stock row that a reservation holds, as the stock table writes it: what comes back to one row has to be
/// summed, however differently two reservations spell its key.
pub(super) fn stock_key(stock: &StockPlan, own: &Column, theirs: &Column) -> String {
    let as_written = text("r", theirs);
    if differ_as_texts(stock) {
        return as_written;
    }
    let same = stock.key.iter().map(|(own, theirs)| format!("s.{} = {}", quoted(&own.name), in_own_type(own, theirs)));
    let same: Vec<String> = same.collect();
    format!(
        "coalesce((SELECT {} FROM {} AS s WHERE {} LIMIT 1), {as_written})",
        text("s", own),
        table_name(&stock.table),
        same.join(" AND ")
    )
}

/// `$1` the orders' keys.
fn examine_reservations(plan: &Plan) -> Statement {
    let w = Writer::new(plan, "examine_reservations");
    let columns = reservation_columns(&w);
    let (line, active, column) = (w.line(), w.active(), w.expiry_column());
    let key = w.reservation_key();
    w.finish(&format!(
        "SELECT {columns}\n{line}\nWHERE o.{} = ANY ($1::text[]::{}[]) AND {active}\nORDER BY {column}, {key}",
        quoted(&plan.order.key.name),
        cast_type(&plan.order.key)
    ))
}

fn own_keys(stock: &StockPlan) -> Vec<&Column> {
    stock.key.iter().map(|(own, _)| own).collect()
}

/// `$1…` the keys, in the order in which they are locked.
fn stock_rows(plan: &Plan, stock: &StockPlan, lock: Lock) -> Statement {
    let keys = own_keys(stock);
    let name = match lock {
        Lock::Stock => "lock_stock",
        Lock::FreeStock => "lock_free_stock",
        Lock::None | Lock::Orders => "read_stock",
    };
    let w = Writer::new(plan, name);
    let counter = |column: &Option<Column>| {
        column.as_ref().map_or_else(|| "NULL::bigint".to_owned(), |column| w.quantity("s", column))
    };
    let missing = |column: &Option<Column>| {
        column.as_ref().map_or_else(|| "true".to_owned(), |column| format!("s.{} IS NULL", quoted(&column.name)))
    };
    // NO KEY UPDATE is what the UPDATE takes; it does not stand in the way of the foreign keys of new order lines.
    let lock = match lock {
        Lock::Stock => "\nFOR NO KEY UPDATE OF s",
        Lock::FreeStock => "\nFOR NO KEY UPDATE OF s SKIP LOCKED",
        Lock::None | Lock::Orders => "",
    };
    let body = format!(
        "SELECT t.place, {}, {}, {}, {}\nFROM unnest({}) WITH ORDINALITY AS t({}, place)\nJOIN {} AS s ON {}\nORDER BY t.place{lock}",
        counter(&stock.reserved),
        missing(&stock.reserved),
        counter(&stock.on_hand),
        missing(&stock.on_hand),
        key_arrays(&keys, 1),
        key_names(keys.len()),
        table_name(&stock.table),
        key_matches("s", &keys)
    );
    w.finish(&body)
}

/// `$1…` the keys, then the counters before and after: reserved, on hand.
fn write_stock(plan: &Plan, stock: &StockPlan) -> Statement {
    let keys = own_keys(stock);
    let first = keys.len().saturating_add(1);
    let w = Writer::new(plan, "write_stock");
    let mut sets = Vec::new();
    let mut guards = Vec::new();
    for (column, before, after) in
        [(&stock.reserved, "reserved_before", "reserved_after"), (&stock.on_hand, "on_hand_before", "on_hand_after")]
    {
        if let Some(column) = column {
            sets.push(format!("{} = {}", quoted(&column.name), w.written_quantity(&format!("t.{after}"))));
            guards.push(format!(
                "s.{} IS NOT DISTINCT FROM {}",
                quoted(&column.name),
                w.written_quantity(&format!("t.{before}"))
            ));
            if plan.reservation.scale > 0 {
                // An assignment would round what the column cannot hold; then the row is not written at all.
                let value = w.written_quantity(&format!("t.{after}"));
                guards.push(format!("{value}::{} IS NOT DISTINCT FROM {value}", column.sql_type));
            }
        }
    }
    sets.extend(w.assignments(&stock.set));
    let arrays: Vec<String> = (0..4_usize).map(|index| format!("${}::bigint[]", first.saturating_add(index))).collect();
    w.finish(&format!(
        "UPDATE {} AS s SET {}\nFROM unnest({}, {}) AS t({}, reserved_before, reserved_after, on_hand_before, on_hand_after)\nWHERE {} AND {}",
        table_name(&stock.table), list(sets), key_arrays(&keys, 1), list(arrays), key_names(keys.len()), key_matches("s", &keys), guards.join(" AND ")
    ))
}

/// `$1…` the reservations' keys, then the orders' keys, the quantities, and the keys of the stock they hold, as they were
/// examined: the shop may change a reservation without the order's lock. Gives a row for each that ended, and whether it
/// still seems active, which only a trigger can bring about.
fn release(plan: &Plan) -> Statement {
    let keys: Vec<&Column> = plan.reservation.key.iter().collect();
    let stock: Vec<&Column> = plan.stock.iter().flat_map(|stock| &stock.key).map(|(_, theirs)| theirs).collect();
    let order_place = keys.len().saturating_add(1);
    let (quantity_place, stock_place) = (order_place.saturating_add(1), order_place.saturating_add(2));
    let w = Writer::new(plan, "release");
    let (active, due, unpaid, cancelled, unguarded) = (w.active(), w.due(), w.unpaid(), w.cancelled(), w.unguarded());
    let quantity = w.quantity("r", &plan.reservation.quantity);
    let stock_arrays = (0..stock.len()).map(|index| format!(", ${}::text[]", stock_place.saturating_add(index)));
    let stock_names = (0..stock.len()).map(|index| format!(", s{index}"));
    let given = format!(
        "unnest({}, ${order_place}::text[]::{}[], ${quantity_place}::bigint[]{}) AS t({}, order_key, quantity{})",
        key_arrays(&keys, 1),
        cast_type(&plan.order.key),
        stock_arrays.collect::<String>(),
        key_names(keys.len()),
        stock_names.collect::<String>(),
    );
    let condition = format!(
        "WHERE {} AND o.{} = r.{} AND o.{} = t.order_key\n  AND {active} AND {due}\n  AND {quantity} = t.quantity{}\n  \
         AND ({unpaid} OR {cancelled})\n  AND {unguarded}",
        key_matches("r", &keys),
        quoted(&plan.order.key.name),
        quoted(&plan.reservation.order.name),
        quoted(&plan.order.key.name),
        holds_the_same(plan),
    );
    let (table, orders) = (table_name(&plan.reservation.table), table_name(&plan.order.table));
    let body = match &plan.reservation.release {
        ReleasePlan::Delete => {
            format!("DELETE FROM {table} AS r USING {given}, {orders} AS o\n{condition}\nRETURNING false")
        }
        ReleasePlan::Mark(sets) => {
            let sets = list(w.assignments(sets));
            format!(
                "UPDATE {table} AS r SET {sets}\nFROM {given}, {orders} AS o\n{condition}\nRETURNING coalesce({active}, false)"
            )
        }
    };
    w.finish(&body)
}

/// That the reservation `r` holds the stock rows that were examined, and no others.
fn holds_the_same(plan: &Plan) -> String {
    let mut text = String::new();
    let mut index = 0_usize;
    for stock in &plan.stock {
        let (mut none, mut same) = (Vec::new(), Vec::new());
        let mut given = Vec::new();
        let texts = differ_as_texts(stock);
        for (own, theirs) in &stock.key {
            none.push(format!("r.{} IS NULL", quoted(&theirs.name)));
            same.push(match texts {
                true => format!("{} = t.s{index}", super::fragments::text("r", theirs)),
                false => format!("{} = t.s{index}::{}", in_own_type(own, theirs), cast_type(own)),
            });
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

/// `$1` the orders' keys.
fn cancel_orders(plan: &Plan) -> Statement {
    let w = Writer::new(plan, "cancel_orders");
    let sets = list(w.assignments(&plan.order.cancel));
    let (unpaid, cancelled, unguarded, active) = (w.unpaid(), w.cancelled(), w.unguarded(), w.active());
    let key = quoted(&plan.order.key.name);
    w.finish(&format!(
        "UPDATE {} AS o SET {sets}\nWHERE o.{key} = ANY ($1::text[]::{}[])\n  AND {unpaid} AND NOT coalesce({cancelled}, false)\n  AND {unguarded}\n  \
         AND NOT EXISTS (SELECT 1 FROM {} AS r WHERE r.{} = o.{key} AND {active})",
        table_name(&plan.order.table), cast_type(&plan.order.key), table_name(&plan.reservation.table), quoted(&plan.reservation.order.name)
    ))
}

/// `$1` the key or the number, as text.
fn explain_order(plan: &Plan, by: &Column) -> Statement {
    let w = Writer::new(plan, "explain_order");
    let now = micros("now()");
    let mut columns = vec![w.order_key(), w.order_number(), now];
    let (unpaid, cancelled) = (w.unpaid(), w.cancelled());
    columns.push(format!("coalesce({unpaid}, false)"));
    columns.push(format!("coalesce({cancelled}, false)"));
    for condition in &plan.order.unpaid {
        columns.push(text("o", &condition.column));
        columns.push(format!("coalesce({}, false)", w.conditions("o", std::slice::from_ref(condition))));
    }
    for guard in &plan.guards {
        columns.push(format!("coalesce({}, false)", w.guard(guard)));
    }
    w.finish(&format!(
        "SELECT {}\nFROM {} AS o\nWHERE o.{} = $1::text::{} LIMIT 2",
        list(columns),
        table_name(&plan.order.table),
        quoted(&by.name),
        cast_type(by)
    ))
}

/// `$1` the order's key, in a list of one.
fn explain_reservations(plan: &Plan) -> Statement {
    let w = Writer::new(plan, "explain_reservations");
    let columns = reservation_columns(&w);
    let created = plan.due.created_at.as_ref();
    let reserved_at = created.map(|time| micros(&w.instant(time.home, &time.column, &time.encoding)));
    let reserved_at = reserved_at.unwrap_or_else(|| "NULL::bigint".to_owned());
    let (line, active, column) = (w.line(), w.active(), w.expiry_column());
    w.finish(&format!(
        "SELECT {columns}, coalesce({active}, false), {reserved_at}\n{line}\nWHERE o.{} = ANY ($1::text[]::{}[])\nORDER BY {column} LIMIT 200",
        quoted(&plan.order.key.name), cast_type(&plan.order.key)
    ))
}

/// `$1` the order's key, in a list of one.
fn try_lock(plan: &Plan) -> Statement {
    let w = Writer::new(plan, "try_lock");
    w.finish(&format!(
        "SELECT 1 FROM {} AS o WHERE o.{} = ANY ($1::text[]::{}[])\nFOR UPDATE SKIP LOCKED",
        table_name(&plan.order.table),
        quoted(&plan.order.key.name),
        cast_type(&plan.order.key)
    ))
}

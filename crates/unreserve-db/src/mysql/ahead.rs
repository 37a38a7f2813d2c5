//! The statements that look ahead: what is due, what comes next, what is left alone, and what the clock is judged by.

use unreserve_engine::plan::{Plan, SKEW, ZONE_WIDTH};
use unreserve_engine::profile::ExpiryHome;

use super::fragments::{Statement, Writer, quoted, table_name};
use super::keys::alike;
use super::render::wanted;
use super::times::{due, instant, micros, not_yet_due, unreadable};

/// Given: cutoff, how many orders to count at most.
pub(super) fn outlook(plan: &Plan, installed: bool) -> Statement {
    let mut w = Writer::new(plan, "outlook");
    let (wanted, unguarded, line) = (wanted(&mut w, installed), w.unguarded(), w.line());
    let (active, expires_at, later) = (w.active(), w.expires_at(), not_yet_due(&mut w));
    let (key, column, limit) = (quoted(&plan.order.key.name), w.expiry_column(), Writer::given(1));
    // The reservations alone, where their own row says when they expire.
    let next_line = match plan.due.time.home {
        ExpiryHome::Reservation => format!("FROM {} AS r", table_name(&plan.reservation.table)),
        ExpiryHome::Order => w.line(),
    };
    let when = micros(&expires_at);
    w.finish(&format!(
        "SELECT (SELECT COUNT(*) FROM (SELECT DISTINCT o.{key}\n{line}\nWHERE {wanted}\n  AND {unguarded}\nLIMIT {limit}) AS counted),\n\
         (SELECT {when}\n{line}\nWHERE {wanted}\n  AND {unguarded}\nORDER BY {column} LIMIT 1),\n\
         (SELECT {when}\n{next_line}\nWHERE {active}\n  AND {later}\nORDER BY {column} LIMIT 1)"
    ))
}

/// The oldest expired reservations that hold stock, as many as may be read, whatever their order is: `r`, with the column
/// that names the order, and `unreserve_expiry`.
fn oldest_expired(w: &mut Writer<'_>, limit: usize) -> String {
    let plan = w.plan;
    let (active, due, column) = (w.active(), due(w), w.expiry_column());
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
    let limit = Writer::given(limit);
    format!(
        "SELECT {key}, {column} AS unreserve_expiry\n{line}\nWHERE {active}\n  AND {due}\nORDER BY {column} LIMIT {limit}"
    )
}

/// The key of the order that such a reservation names.
fn named_order(plan: &Plan) -> String {
    match plan.due.time.home {
        ExpiryHome::Reservation => alike("r", &plan.reservation.order, &plan.order.key),
        ExpiryHome::Order => format!("r.{}", quoted(&plan.reservation.order.name)),
    }
}

/// Given: cutoff, how many rows to tell at most, how many to read.
pub(super) fn guarded(plan: &Plan, installed: bool) -> Statement {
    let mut w = Writer::new(plan, "guarded");
    let (unpaid, cancelled, unguarded) = (w.unpaid(), w.cancelled(), w.unguarded());
    let not_set_aside = if installed { w.not_set_aside() } else { "TRUE".to_owned() };
    let guards: Vec<String> = plan.guards.iter().map(|guard| format!("({}) IS TRUE", w.guard(guard))).collect();
    let (key, number, limit) = (w.order_key(), w.order_number(), Writer::given(1));
    let read = oldest_expired(&mut w, 2);
    w.finish(&format!(
        "SELECT {key}, {number},\n{}\nFROM ({read}) AS r\nSTRAIGHT_JOIN {} AS o ON o.{} = {}\n\
         WHERE ({unpaid} OR {cancelled})\n  AND {not_set_aside}\n  AND NOT ({unguarded})\nORDER BY r.unreserve_expiry LIMIT {limit}",
        guards.join(",\n"),
        table_name(&plan.order.table),
        quoted(&plan.order.key.name),
        named_order(plan)
    ))
}

/// Given: cutoff, how many rows to read at most. Gives the reservations without an order among them, and how many there are.
pub(super) fn unseen(plan: &Plan) -> Statement {
    let mut w = Writer::new(plan, "unseen");
    let read = oldest_expired(&mut w, 1);
    w.finish(&format!(
        "SELECT CAST(COALESCE(SUM(NOT EXISTS (SELECT 1 FROM {} AS o WHERE o.{} = {})), 0) AS SIGNED), COUNT(*)\nFROM ({read}) AS r",
        table_name(&plan.order.table),
        quoted(&plan.order.key.name),
        named_order(plan)
    ))
}

/// Given: cutoff. Looks at the newest reservations that hold stock, at most 1,000.
pub(super) fn clock_evidence(plan: &Plan) -> Statement {
    let mut w = Writer::new(plan, "clock_evidence");
    let (line, active, column, unreadable) = (w.line(), w.active(), w.expiry_column(), unreadable(&w));
    let created = match &plan.due.created_at {
        Some(created) => instant(&mut w, created.home, &created.column, &created.encoding),
        None => "CAST(NULL AS DATETIME(6))".to_owned(),
    };
    let expiry = match &plan.due.created_at {
        Some(created) if created.column != plan.due.time.column => w.expires_at(),
        // The column of creation decides itself: nothing can stand before it.
        _ => "CAST(NULL AS DATETIME(6))".to_owned(),
    };
    let cutoff = Writer::cutoff();
    let near = format!("created <= {cutoff} + INTERVAL {} SECOND", ZONE_WIDTH.as_secs());
    let count = |condition: String| format!("CAST(COALESCE(SUM(({condition}) IS TRUE), 0) AS SIGNED)");
    let newest = micros(&format!("MAX(CASE WHEN {near} THEN created END)"));
    let recent = count(format!("{near} AND created > {cutoff} - INTERVAL 1 DAY"));
    let ahead = count(format!("{near} AND created > {cutoff} + INTERVAL {} SECOND", SKEW.as_secs()));
    let (backwards, odd) = (count("expiry <= created".to_owned()), count("odd".to_owned()));
    w.finish(&format!(
        "SELECT {newest},\n{recent},\n{ahead},\n{backwards}, {odd}, COUNT(*)\nFROM (\n\
         SELECT {created} AS created,\n{expiry} AS expiry, {unreadable} AS odd\n{line}\nWHERE {active}\nORDER BY {column} DESC LIMIT 1000\n) AS newest"
    ))
}

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

/// Given: cutoff, how many rows to read at most.
pub(super) fn guarded(plan: &Plan, installed: bool) -> Statement {
    let mut w = Writer::new(plan, "guarded");
    let (wanted, unguarded, line, column) = (wanted(&mut w, installed), w.unguarded(), w.line(), w.expiry_column());
    let guards: Vec<String> = plan.guards.iter().map(|guard| format!("({}) IS TRUE", w.guard(guard))).collect();
    let (key, number, limit) = (w.order_key(), w.order_number(), Writer::given(1));
    w.finish(&format!(
        "SELECT {key}, {number},\n{}\n{line}\nWHERE {wanted}\n  AND NOT ({unguarded})\nORDER BY {column} LIMIT {limit}",
        guards.join(",\n")
    ))
}

/// Given: cutoff, up to how many are counted.
pub(super) fn without_order(plan: &Plan) -> Statement {
    let mut w = Writer::new(plan, "without_order");
    let (active, due) = (w.active(), due(&mut w));
    w.finish(&format!(
        "SELECT COUNT(*) FROM (SELECT 1 FROM {} AS r\nWHERE {active}\n  AND {due}\n  \
         AND NOT EXISTS (SELECT 1 FROM {} AS o WHERE o.{} = {})\nLIMIT {}) AS counted",
        table_name(&plan.reservation.table),
        table_name(&plan.order.table),
        quoted(&plan.order.key.name),
        alike("r", &plan.reservation.order, &plan.order.key),
        Writer::given(1)
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

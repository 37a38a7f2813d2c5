//! What the shop's own tables tell of some days.

use sqlx::sqlite::SqliteRow;
use unreserve_engine::plan::{Currency, FoundBy, Kind, MadePlan, PaidAt, Plan, TimeEncoding, TimePlan, Zone};
use unreserve_engine::profile::ExpiryHome;
use unreserve_engine::shop::{Figures, FiguresQuery, ShopError, ShopErrorKind};

use super::connect::Link;
use super::fragments::{
    Constant, Statement, Writer, instant, instant_of, key_column, key_text, key_value, list, table_name, units,
};
use super::ledger;
use super::tally::{BATCHES, MOST};
use super::values::{Parameters, signed};
use crate::figures::{self, Of, Questions, Writers};
use crate::write::quoted;

/// The span's beginning and end, in milliseconds since 1970, and how many rows to read at most: behind the cutoff.
const FROM: &str = "?2";
const TO: &str = "?3";
const ROWS: &str = "?4";
pub(super) const GIVEN: usize = 4;

/// What can be asked of a plan.
pub(super) fn render(plan: &Plan) -> Questions<Statement> {
    Questions::of(plan, &Writers { readable, orders, reservations: reserved, payments: payment_times, value })
}

/// Only a table of zones knows when summer begins somewhere, and there is none here.
fn readable(time: &TimePlan) -> bool {
    !matches!(time.encoding, TimeEncoding::DateTime(Zone::Named(_)) | TimeEncoding::Text { zone: Zone::Named(_), .. })
}

/// That the bare column does not lie before the span, so that an index serves: whatever zone or separator a text has, its
/// date is at most a day away.
fn not_before(column: &str, encoding: &TimeEncoding) -> String {
    match encoding {
        TimeEncoding::EpochSeconds => format!("{column} >= {FROM} / 1000"),
        TimeEncoding::EpochMilliseconds => format!("{column} >= {FROM}"),
        TimeEncoding::Instant | TimeEncoding::DateTime(_) | TimeEncoding::Text { .. } => {
            format!("{column} >= strftime('%Y-%m-%d', {FROM} / 1000, 'unixepoch', '-1 day')")
        }
    }
}

/// The same of its end.
fn not_after(column: &str, encoding: &TimeEncoding) -> String {
    match encoding {
        TimeEncoding::EpochSeconds => format!("{column} < {TO} / 1000"),
        TimeEncoding::EpochMilliseconds => format!("{column} < {TO}"),
        TimeEncoding::Instant | TimeEncoding::DateTime(_) | TimeEncoding::Text { .. } => {
            format!("{column} < strftime('%Y-%m-%d', {TO} / 1000, 'unixepoch', '+2 days')")
        }
    }
}

/// What an index can find of the rows of the span; nothing where none serves.
fn found(plan: &Plan, by: FoundBy, alias: &str, made: &MadePlan) -> String {
    let column = format!("{alias}.{}", quoted(&made.time.column.name));
    match by {
        FoundBy::Creation => {
            let encoding = &made.time.encoding;
            format!("\nWHERE {} AND {}", not_before(&column, encoding), not_after(&column, encoding))
        }
        FoundBy::Expiry => {
            let time = &plan.due.time;
            // What never expires has no expiry, and was made all the same.
            let column = format!("r.{}", quoted(&time.column.name));
            format!("\nWHERE ({} OR {column} IS NULL)", not_before(&column, &time.encoding))
        }
        FoundBy::Everything => String::new(),
    }
}

/// Whether a row is of the span.
fn in_span(made: &str) -> String {
    format!("({made} >= {FROM} AND {made} < {TO})")
}

fn day_of(made: &str) -> String {
    format!("{made} / 86400000")
}

/// `?2` and `?3` the span, `?4` how many rows to read at most.
fn orders(plan: &Plan, made: &MadePlan) -> Statement {
    let mut w = Writer::new(plan, "figures_orders", GIVEN);
    let (unpaid, cancelled) = (w.unpaid(), w.cancelled());
    let paid = match plan.figures.paid.as_slice() {
        [] => "FALSE".to_owned(),
        paid => w.conditions("o", paid),
    };
    let at = instant(ExpiryHome::Order, &made.time.column, &made.time.encoding);
    w.finish(&format!(
        "SELECT CASE WHEN {} THEN {} END, count(*), count(*) FILTER (WHERE t.unpaid AND NOT t.cancelled),\n\
         count(*) FILTER (WHERE t.cancelled), count(*) FILTER (WHERE t.paid AND NOT t.cancelled AND NOT t.unpaid)\n\
         FROM (SELECT {at} AS made, {unpaid} IS TRUE AS unpaid, {cancelled} IS TRUE AS cancelled, {paid} IS TRUE AS paid\n\
         FROM {} AS o{}\nLIMIT {ROWS}) AS t\nGROUP BY 1",
        in_span("t.made"),
        day_of("t.made"),
        table_name(&plan.order.table),
        found(plan, plan.orders_by(), "o", made),
    ))
}

/// `?1` the cutoff, `?2` and `?3` the span, `?4` how many rows to read at most.
fn reserved(plan: &Plan, made: &MadePlan) -> Statement {
    let mut w = Writer::new(plan, "figures_reservations", GIVEN);
    let reservation = &plan.reservation;
    let (active, expired, quantity) = (w.active(), w.due(), w.quantity("r", &reservation.quantity));
    let fulfilled = match plan.figures.fulfilled.as_slice() {
        [] => "FALSE".to_owned(),
        fulfilled => w.conditions("r", fulfilled),
    };
    let at = instant(made.time.home, &made.time.column, &made.time.encoding);
    let joined = [made.time.home, plan.due.time.home].contains(&ExpiryHome::Order);
    let line = match (joined, made.time.home) {
        (false, _) => format!("FROM {} AS r", table_name(&reservation.table)),
        (true, ExpiryHome::Order) => w.orders_line(),
        (true, ExpiryHome::Reservation) => w.line(),
    };
    let alias = if made.time.home == ExpiryHome::Order { "o" } else { "r" };
    let keys: Vec<String> = reservation.key.iter().map(|column| key_text("r", column)).collect();
    let profile = w.constant(Constant::Text(plan.profile.clone()));
    let due = format!(
        "EXISTS (SELECT 1 FROM {} AS o WHERE o.{} = t.order_key AND ({} OR {})\n  AND {}\n  AND {})",
        table_name(&plan.order.table),
        quoted(&plan.order.key.name),
        w.unpaid(),
        w.cancelled(),
        w.not_set_aside(),
        w.unguarded()
    );
    let released = format!(
        "EXISTS (SELECT 1 FROM unreserve_entry AS e JOIN unreserve_batch AS b ON b.batch_id = e.batch_id\n  \
         JOIN unreserve_sweep AS s ON s.sweep_id = b.sweep_id\n  \
         WHERE e.order_key = t.order_text AND e.reservation_key = t.reservation_key AND e.kind = 'release' AND s.profile = {profile})"
    );
    let span = in_span("t.made");
    w.finish(&format!(
        "SELECT u.day, count(*), CAST(min(total(u.quantity), {MOST}) AS INTEGER), count(*) FILTER (WHERE u.active),\n\
         count(*) FILTER (WHERE u.due), count(*) FILTER (WHERE u.fulfilled), count(*) FILTER (WHERE u.released)\n\
         FROM (SELECT CASE WHEN {span} THEN {} END AS day, t.quantity, t.active,\n\
         CASE WHEN {span} AND t.active AND t.expired THEN {due} END AS due,\n\
         NOT t.active AND t.fulfilled AS fulfilled,\n\
         CASE WHEN {span} AND NOT t.active AND NOT t.fulfilled THEN {released} END AS released\n\
         FROM (SELECT {at} AS made, {active} IS TRUE AS active, ({expired}) IS TRUE AS expired, {fulfilled} IS TRUE AS fulfilled,\n\
         {quantity} AS quantity, r.{} AS order_key, {} AS order_text, {} AS reservation_key\n\
         {line}{}\nLIMIT {ROWS}) AS t) AS u\nGROUP BY u.day",
        day_of("t.made"),
        quoted(&reservation.order.name),
        key_text("r", &reservation.order),
        keys.join(" || '/' || "),
        found(plan, plan.reservations_by(), alias, made),
    ))
}

/// `?2` and `?3` the span, `?4` how many rows to read at most.
fn payment_times(plan: &Plan, made: &MadePlan, paid_at: &PaidAt) -> Statement {
    let mut w = Writer::new(plan, "figures_payments", GIVEN);
    let at = instant(ExpiryHome::Order, &made.time.column, &made.time.encoding);
    let (own, paid) = paid(&mut w, paid_at);
    let (own_expiry, expiry) = expiry(&w);
    w.finish(&format!(
        "SELECT CASE WHEN v.taken < 3600 THEN v.taken WHEN v.taken < 604800 THEN v.taken / 60 * 60 ELSE v.taken / 3600 * 3600 END,\n\
         count(*), count(v.expiry), count(*) FILTER (WHERE v.paid > v.expiry)\n\
         FROM (SELECT max((u.paid - u.made) / 1000, 0) AS taken, u.paid, u.expiry\n\
         FROM (SELECT t.made, {paid} AS paid,\n{expiry} AS expiry\n\
         FROM (SELECT o.{} AS order_key, {at} AS made, {own} AS own, {own_expiry} AS expiry\n\
         FROM {} AS o{}\nLIMIT {ROWS}) AS t\nWHERE {}) AS u\nWHERE u.paid IS NOT NULL) AS v\nGROUP BY 1 ORDER BY 1",
        quoted(&plan.order.key.name),
        table_name(&plan.order.table),
        found(plan, plan.orders_by(), "o", made),
        in_span("t.made"),
    ))
}

/// When an order was paid: as the order's row `o` says it, and where it is looked up for the orders of the span alone.
fn paid(w: &mut Writer<'_>, paid_at: &PaidAt) -> (String, String) {
    let (plan, time) = (w.plan, paid_at.time());
    let at = |alias: &str| instant_of(&format!("{alias}.{}", quoted(&time.column.name)), &time.encoding);
    let guard = match paid_at {
        PaidAt::Order(_) => None,
        PaidAt::Guard(place, _) => plan.guards.get(*place),
    };
    match guard.map(|guard| (guard, &guard.evidence)) {
        None => (at("o"), "t.own".to_owned()),
        Some((guard, None)) => {
            let holds = w.conditions("o", &guard.conditions);
            (format!("CASE WHEN {holds} THEN {} END", at("o")), "t.own".to_owned())
        }
        Some((guard, Some((table, order)))) => {
            let holds = w.conditions("g", &guard.conditions);
            let (table, order) = (table_name(table), quoted(&order.name));
            let earliest =
                format!("(SELECT min({}) FROM {table} AS g WHERE g.{order} = t.order_key AND {holds})", at("g"));
            ("NULL".to_owned(), earliest)
        }
    }
}

/// When everything that an order had reserved had expired, in the same two parts.
fn expiry(w: &Writer<'_>) -> (String, String) {
    let plan = w.plan;
    if !plan.judges_timeout() {
        return ("NULL".to_owned(), "NULL".to_owned());
    }
    match plan.due.time.home {
        ExpiryHome::Order => (w.expires_at(), "t.expiry".to_owned()),
        ExpiryHome::Reservation => {
            let (table, order) = (table_name(&plan.reservation.table), quoted(&plan.reservation.order.name));
            let last = format!("(SELECT max({}) FROM {table} AS r WHERE r.{order} = t.order_key)", w.expires_at());
            ("NULL".to_owned(), last)
        }
    }
}

/// `?1` the profile, `?2` and `?3` the span, `?4` how many rows to read at most.
fn value(plan: &Plan) -> Option<Statement> {
    let amount = plan.figures.amount.as_ref()?;
    let mut w = Writer::new(plan, "figures_value", GIVEN);
    let scale = if amount.column.kind == Kind::Integer { 0 } else { amount.scale };
    let worth = units(&format!("o.{}", quoted(&amount.column.name)), scale);
    let currency = match &amount.currency {
        Currency::Unnamed => "NULL".to_owned(),
        Currency::Fixed(code) => w.constant(Constant::Text(code.clone())),
        Currency::Column(column) => key_text("o", column),
    };
    let key = &plan.order.key;
    Some(w.finish(&format!(
        "SELECT v.day, v.currency, count(*), count(v.amount), CAST(max(min(total(v.amount), {MOST}), -{MOST}) AS INTEGER)\n\
         FROM (SELECT c.day, {currency} AS currency, {worth} AS amount\n\
         FROM (SELECT e.order_key, b.committed_at / 86400000 AS day\nFROM {BATCHES}\n\
         JOIN unreserve_entry AS e ON e.batch_id = b.batch_id AND e.kind = 'cancel'\nLIMIT {ROWS}) AS c\n\
         LEFT JOIN {} AS o ON {} = {}) AS v\nGROUP BY 1, 2 ORDER BY 1, 2",
        table_name(&plan.order.table),
        list([key_column("o", key)]),
        key_value(key, "c.order_key"),
    )))
}

/// Asks what can be asked, each part by itself.
pub(super) async fn ask(link: &mut Link, plan: &Plan, query: &FiguresQuery) -> Result<Figures, ShopError> {
    link.begin_read().await?;
    let now_ms = ledger::now(link).await;
    let now_ms = link.end(now_ms).await?;
    figures::ask(&mut Asking { link, plan, now_ms, query: *query }, plan, &render(plan), query.rows_max).await
}

/// The questions of one span.
struct Asking<'a> {
    link: &'a mut Link,
    plan: &'a Plan,
    now_ms: i64,
    query: FiguresQuery,
}

impl figures::Ask for Asking<'_> {
    type Statement = Statement;
    type Row = SqliteRow;

    /// A zone by its name is not asked for at all.
    async fn knows_zone(&mut self, _: &TimePlan) -> Result<bool, ShopError> {
        Ok(true)
    }

    /// There is no server that could be gone, so no answer in time means that the statement takes too long.
    async fn rows(&mut self, statement: &Statement, of: Of) -> Result<Option<Vec<Self::Row>>, ShopError> {
        let parameters = match of {
            Of::Shop => Parameters::new().with(self.now_ms),
            Of::Ledger => Parameters::new().with(self.plan.profile.clone()),
        };
        let (from, to) = (self.query.from.as_millisecond(), self.query.to.as_millisecond());
        let more = signed(u64::from(self.query.rows_max).saturating_add(1));
        let parameters = parameters.with(from).with(to).with(more).finish(statement)?;
        self.link.begin_read().await?;
        let outcome = self.link.rows(statement.name, &statement.sql, parameters).await;
        match self.link.end(outcome).await {
            Err(error) if error.kind == ShopErrorKind::Disconnected => Ok(None),
            outcome => figures::rows_or_too_long(outcome),
        }
    }
}

//! What the shop's own tables tell of some days.
//!
//! Where a sub-select in a derived table refers to another one, the former has a limit as well, which keeps MariaDB from merging
//! it: merged, it runs once, and when the statement that was prepared runs again, its columns are unknown.

use sqlx::mysql::MySqlRow;
use unreserve_engine::plan::{Column, Currency, FoundBy, Kind, MadePlan, PaidAt, Plan, TimeEncoding, TimePlan, Zone};
use unreserve_engine::profile::ExpiryHome;
use unreserve_engine::shop::{Figures, FiguresQuery, ShopError};

use super::check::knows_zone;
use super::connect::Link;
use super::fragments::{Constant, Statement, Writer, list, power_of_ten, quoted, table_name};
use super::keys::{alike, key_as, key_text};
use super::ledger;
use super::tally::{BATCHES, MOST};
use super::times::{due, instant, instant_of, micros};
use super::values::{Parameters, signed};
use crate::figures::{self, Of, Questions, Writers};

/// The places of what is given to each statement, behind the cutoff: the span's beginning and end in universal time, and
/// how many rows to read at most.
const FROM: usize = 1;
const TO: usize = 2;
const ROWS: usize = 3;

/// Days are counted in UTC.
const DAY: i64 = 86_400_000_000;

/// What can be asked of a plan.
pub(super) fn render(plan: &Plan) -> Questions<Statement> {
    Questions::of(plan, &Writers { readable, orders, reservations: reserved, payments: payment_times, value })
}

/// Text is compared letter by letter here.
fn readable(time: &TimePlan) -> bool {
    !matches!(time.encoding, TimeEncoding::Text { .. })
}

/// A bound of the span, in universal time.
fn bound(place: usize) -> String {
    format!("CAST({} AS DATETIME(6))", Writer::given(place))
}

/// The same as the bare column is written, so that an index serves. A zone by its name is at most a day away.
fn written_bound(place: usize, encoding: &TimeEncoding) -> String {
    let bound = bound(place);
    match encoding {
        TimeEncoding::Instant | TimeEncoding::DateTime(Zone::Utc) | TimeEncoding::Text { .. } => bound,
        TimeEncoding::DateTime(Zone::Offset(seconds)) => format!("{bound} + INTERVAL {seconds} SECOND"),
        TimeEncoding::DateTime(Zone::Named(_)) => {
            let sign = if place == FROM { '-' } else { '+' };
            format!("{bound} {sign} INTERVAL 1 DAY")
        }
        TimeEncoding::EpochSeconds => format!("TIMESTAMPDIFF(SECOND, '1970-01-01', {bound})"),
        TimeEncoding::EpochMilliseconds => format!("{} DIV 1000", micros(&bound)),
    }
}

/// What an index can find of the rows of the span; nothing where none serves.
fn found(plan: &Plan, by: FoundBy, alias: &str, made: &MadePlan) -> String {
    let column = format!("{alias}.{}", quoted(&made.time.column.name));
    match by {
        FoundBy::Creation => {
            let (from, to) = (written_bound(FROM, &made.time.encoding), written_bound(TO, &made.time.encoding));
            format!("\nWHERE {column} >= {from} AND {column} < {to}")
        }
        FoundBy::Expiry => {
            let time = &plan.due.time;
            // What never expires has no expiry, and was made all the same.
            let column = quoted(&time.column.name);
            format!("\nWHERE (r.{column} >= {} OR r.{column} IS NULL)", written_bound(FROM, &time.encoding))
        }
        FoundBy::Everything => String::new(),
    }
}

/// Whether a row is of the span.
fn in_span(made: &str) -> String {
    format!("({made} >= {} AND {made} < {})", bound(FROM), bound(TO))
}

fn day_of(made: &str) -> String {
    format!("{} DIV {DAY}", micros(made))
}

/// How many rows a condition holds for.
fn counted(condition: &str) -> String {
    format!("CAST(COALESCE(SUM({condition}), 0) AS SIGNED)")
}

/// Given: nothing, the span, how many rows to read at most.
fn orders(plan: &Plan, made: &MadePlan) -> Statement {
    let mut w = Writer::new(plan, "figures_orders");
    let (unpaid, cancelled) = (w.unpaid(), w.cancelled());
    let paid = match plan.figures.paid.as_slice() {
        [] => "FALSE".to_owned(),
        paid => w.conditions("o", paid),
    };
    let at = instant(&mut w, ExpiryHome::Order, &made.time.column, &made.time.encoding);
    w.finish(&format!(
        "SELECT CASE WHEN {} THEN {} END AS day, COUNT(*), {}, {}, {}\n\
         FROM (SELECT {at} AS made, {unpaid} IS TRUE AS unpaid, {cancelled} IS TRUE AS cancelled, {paid} IS TRUE AS paid\n\
         FROM {} AS o{}\nLIMIT {}) AS t\nGROUP BY day",
        in_span("t.made"),
        day_of("t.made"),
        counted("t.unpaid AND NOT t.cancelled"),
        counted("t.cancelled"),
        counted("t.paid AND NOT t.cancelled AND NOT t.unpaid"),
        table_name(&plan.order.table),
        found(plan, plan.orders_by(), "o", made),
        Writer::given(ROWS),
    ))
}

/// Given: cutoff, the span, how many rows to read at most.
fn reserved(plan: &Plan, made: &MadePlan) -> Statement {
    let mut w = Writer::new(plan, "figures_reservations");
    let reservation = &plan.reservation;
    let (active, expired, quantity) = (w.active(), due(&mut w), w.quantity("r", &reservation.quantity));
    let fulfilled = match plan.figures.fulfilled.as_slice() {
        [] => "FALSE".to_owned(),
        fulfilled => w.conditions("r", fulfilled),
    };
    let at = instant(&mut w, made.time.home, &made.time.column, &made.time.encoding);
    let joined = [made.time.home, plan.due.time.home].contains(&ExpiryHome::Order);
    let line = if joined { w.line() } else { format!("FROM {} AS r", table_name(&reservation.table)) };
    let alias = if made.time.home == ExpiryHome::Order { "o" } else { "r" };
    let key = match reservation.key.as_slice() {
        [one] => key_text("r", one),
        several => format!("CONCAT_WS('/', {})", list(several.iter().map(|column| key_text("r", column)))),
    };
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
         WHERE e.order_key = t.order_text COLLATE utf8mb4_bin AND e.reservation_key = t.reservation_key COLLATE utf8mb4_bin\n  \
         AND e.kind = 'release' AND s.profile = {profile})"
    );
    let span = in_span("t.made");
    w.finish(&format!(
        "SELECT u.day, COUNT(*), CAST(LEAST(COALESCE(SUM(u.quantity), 0), {MOST}) AS SIGNED), {}, {}, {}, {}\n\
         FROM (SELECT CASE WHEN {span} THEN {} END AS day, t.quantity, t.active,\n\
         CASE WHEN {span} AND t.active AND t.expired THEN {due} END AS due,\n\
         NOT t.active AND t.fulfilled AS fulfilled,\n\
         CASE WHEN {span} AND NOT t.active AND NOT t.fulfilled THEN {released} END AS released\n\
         FROM (SELECT {at} AS made, {active} IS TRUE AS active, ({expired}) IS TRUE AS expired, {fulfilled} IS TRUE AS fulfilled,\n\
         {quantity} AS quantity, {} AS order_key, {} AS order_text, {key} AS reservation_key\n\
         {line}{}\nLIMIT {}) AS t\nLIMIT {}) AS u\nGROUP BY u.day",
        counted("u.active"),
        counted("u.due"),
        counted("u.fulfilled"),
        counted("u.released"),
        day_of("t.made"),
        alike("r", &reservation.order, &plan.order.key),
        key_text("r", &reservation.order),
        found(plan, plan.reservations_by(), alias, made),
        Writer::given(ROWS),
        Writer::given(ROWS),
    ))
}

/// Given: nothing, the span, how many rows to read at most.
fn payment_times(plan: &Plan, made: &MadePlan, paid_at: &PaidAt) -> Statement {
    let mut w = Writer::new(plan, "figures_payments");
    let at = instant(&mut w, ExpiryHome::Order, &made.time.column, &made.time.encoding);
    let (own, paid) = paid(&mut w, paid_at);
    let (own_expiry, expiry) = expiry(&mut w);
    let (taken, late) =
        ("GREATEST(TIMESTAMPDIFF(MICROSECOND, u.made, u.paid) DIV 1000000, 0)", counted("v.paid > v.expiry"));
    w.finish(&format!(
        "SELECT CASE WHEN v.taken < 3600 THEN v.taken WHEN v.taken < 604800 THEN v.taken DIV 60 * 60 ELSE v.taken DIV 3600 * 3600 END AS seconds,\n\
         COUNT(*), COUNT(v.expiry), {late}\n\
         FROM (SELECT {taken} AS taken, u.paid, u.expiry\n\
         FROM (SELECT t.made, {paid} AS paid,\n{expiry} AS expiry\n\
         FROM (SELECT o.{} AS order_key, {at} AS made, {own} AS own, {own_expiry} AS expiry\n\
         FROM {} AS o{}\nLIMIT {}) AS t\nWHERE {}\nLIMIT {}) AS u\nWHERE u.paid IS NOT NULL) AS v\nGROUP BY seconds ORDER BY seconds",
        quoted(&plan.order.key.name),
        table_name(&plan.order.table),
        found(plan, plan.orders_by(), "o", made),
        Writer::given(ROWS),
        in_span("t.made"),
        Writer::given(ROWS),
    ))
}

/// When an order was paid: as the order's row `o` says it, and where it is looked up for the orders of the span alone.
fn paid(w: &mut Writer<'_>, paid_at: &PaidAt) -> (String, String) {
    let (plan, time) = (w.plan, paid_at.time());
    let column = |alias: &str| format!("{alias}.{}", quoted(&time.column.name));
    let guard = match paid_at {
        PaidAt::Order(_) => None,
        PaidAt::Guard(place, _) => plan.guards.get(*place),
    };
    match guard.map(|guard| (guard, &guard.evidence)) {
        None => (instant_of(w, &column("o"), &time.encoding), "t.own".to_owned()),
        Some((guard, None)) => {
            let (holds, at) = (w.evidence("o", &guard.conditions), instant_of(w, &column("o"), &time.encoding));
            (format!("CASE WHEN {holds} THEN {at} END"), "t.own".to_owned())
        }
        Some((guard, Some((table, order)))) => {
            let (holds, at) = (w.evidence("g", &guard.conditions), instant_of(w, &column("g"), &time.encoding));
            let key = alike("t", &Column { name: "order_key".to_owned(), ..plan.order.key.clone() }, order);
            let (table, order) = (table_name(table), quoted(&order.name));
            let earliest = format!("(SELECT MIN({at}) FROM {table} AS g WHERE g.{order} = {key} AND {holds})");
            ("NULL".to_owned(), earliest)
        }
    }
}

/// When everything that an order had reserved had expired, in the same two parts.
fn expiry(w: &mut Writer<'_>) -> (String, String) {
    let plan = w.plan;
    if !plan.judges_timeout() {
        return ("NULL".to_owned(), "CAST(NULL AS DATETIME(6))".to_owned());
    }
    let expires_at = w.expires_at();
    match plan.due.time.home {
        ExpiryHome::Order => (expires_at, "t.expiry".to_owned()),
        ExpiryHome::Reservation => {
            let order = &plan.reservation.order;
            let key = alike("t", &Column { name: "order_key".to_owned(), ..plan.order.key.clone() }, order);
            let (table, order) = (table_name(&plan.reservation.table), quoted(&order.name));
            ("NULL".to_owned(), format!("(SELECT MAX({expires_at}) FROM {table} AS r WHERE r.{order} = {key})"))
        }
    }
}

/// Given: nothing, the span as microseconds since 1970, how many rows to read at most.
fn value(plan: &Plan) -> Option<Statement> {
    let amount = plan.figures.amount.as_ref()?;
    let mut w = Writer::new(plan, "figures_value");
    let column = format!("o.{}", quoted(&amount.column.name));
    let worth = match (amount.column.kind, power_of_ten(amount.scale)) {
        (Kind::Integer, _) => format!("CASE WHEN {column} <= {} THEN CAST({column} AS SIGNED) END", i64::MAX),
        (_, factor) => format!(
            "CASE WHEN ABS({column}) < 1000000000000 AND {column} * {factor} = TRUNCATE({column} * {factor}, 0)\n  \
             THEN CAST({column} * {factor} AS SIGNED) END"
        ),
    };
    let currency = match &amount.currency {
        Currency::Unnamed => "NULL".to_owned(),
        Currency::Fixed(code) => {
            let code = w.constant(Constant::Text(code.clone()));
            format!("CAST({code} AS CHAR)")
        }
        Currency::Column(column) => key_text("o", column),
    };
    let profile = w.constant(Constant::Text(plan.profile.clone()));
    let mut given =
        [profile, Writer::given(FROM), Writer::given(TO), Writer::given(FROM), Writer::given(TO)].into_iter();
    // The condition is that of the tally, whose parameters have their own order.
    let batches: String =
        BATCHES.split('?').flat_map(|part| [part.to_owned(), given.next().unwrap_or_default()]).collect();
    let key = &plan.order.key;
    Some(w.finish(&format!(
        "SELECT v.day, v.currency, COUNT(*), COUNT(v.amount), CAST(GREATEST(LEAST(COALESCE(SUM(v.amount), 0), {MOST}), -{MOST}) AS SIGNED)\n\
         FROM (SELECT c.day, {currency} AS currency, {worth} AS amount\n\
         FROM (SELECT e.order_key, b.at DIV {DAY} AS day\nFROM {batches}\n\
         JOIN unreserve_entry AS e ON e.batch_id = b.batch_id AND e.kind = 'cancel'\nLIMIT {}) AS c\n\
         LEFT JOIN {} AS o ON o.{} = {}) AS v\nGROUP BY v.day, v.currency ORDER BY v.day, v.currency",
        Writer::given(ROWS),
        table_name(&plan.order.table),
        quoted(&key.name),
        key_as(key, "c.order_key"),
    )))
}

/// Asks what can be asked, each part by itself.
pub(super) async fn ask(link: &mut Link, plan: &Plan, query: &FiguresQuery) -> Result<Figures, ShopError> {
    link.begin_read().await?;
    let now = ledger::now(link).await;
    let now = link.end(now).await?;
    figures::ask(&mut Asking { link, now, query: *query }, plan, &render(plan), query.rows_max).await
}

/// The questions of one span.
struct Asking<'a> {
    link: &'a mut Link,
    now: jiff::Timestamp,
    query: FiguresQuery,
}

impl figures::Ask for Asking<'_> {
    type Statement = Statement;
    type Row = MySqlRow;

    async fn knows_zone(&mut self, time: &TimePlan) -> Result<bool, ShopError> {
        if time.encoding.zone_name().is_none() {
            return Ok(true);
        }
        self.link.begin_read().await?;
        let known = knows_zone(self.link, &time.encoding).await;
        self.link.end(known).await
    }

    async fn rows(&mut self, statement: &Statement, of: Of) -> Result<Option<Vec<Self::Row>>, ShopError> {
        let (from, to) = (self.query.from, self.query.to);
        let span = match of {
            Of::Shop => Parameters::at(self.now).instant(from).instant(to),
            Of::Ledger => Parameters::timeless().integer(from.as_microsecond()).integer(to.as_microsecond()),
        };
        let more = signed(u64::from(self.query.rows_max).saturating_add(1));
        let parameters = span.integer(more).finish(statement)?;
        self.link.begin_read().await?;
        let outcome = self.link.rows(statement.name, &statement.sql, parameters).await;
        figures::rows_or_too_long(self.link.end(outcome).await)
    }
}

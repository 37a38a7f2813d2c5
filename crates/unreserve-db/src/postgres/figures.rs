//! What the shop's own tables tell of some days.

use unreserve_engine::plan::{Currency, FoundBy, Kind, MadePlan, PaidAt, Plan, TimeEncoding, TimePlan, Zone};
use unreserve_engine::profile::ExpiryHome;
use unreserve_engine::shop::{Figures, FiguresQuery, ShopError};

use super::check::knows_zone;
use super::connect::Link;
use super::fragments::{Statement, Writer, cast_type, instant, power_of_ten, table_name, text};
use super::literal::literal;
use super::message::{Call, Transaction};
use super::tally::{BATCHES, MOST, OF_SPAN};
use super::values::{Parameters, signed};
use crate::figures::{self, Of, Questions, Writers};
use crate::write::quoted;

/// What can be asked of a plan.
pub(super) fn render(plan: &Plan) -> Questions<Statement> {
    Questions::of(plan, &Writers { readable, orders, reservations: reserved, payments: payment_times, value })
}

/// Text is compared letter by letter here.
fn readable(time: &TimePlan) -> bool {
    !matches!(time.encoding, TimeEncoding::Text { .. })
}

/// A bound of the span as `timestamptz`: `$1` its beginning, `$2` its end, in microseconds since 1970.
fn bound(parameter: u8) -> String {
    format!("(timestamptz 'epoch' + ${parameter}::bigint * interval '1 microsecond')")
}

/// The same as the bare column is written, so that an index serves. A zone by its name is at most a day away.
fn written_bound(parameter: u8, encoding: &TimeEncoding) -> String {
    let bound = bound(parameter);
    match encoding {
        TimeEncoding::Instant | TimeEncoding::Text { .. } => bound,
        TimeEncoding::DateTime(Zone::Utc) => format!("({bound} AT TIME ZONE 'UTC')"),
        TimeEncoding::DateTime(Zone::Offset(seconds)) => {
            format!("(({bound} AT TIME ZONE 'UTC') + interval '{seconds} seconds')")
        }
        TimeEncoding::DateTime(Zone::Named(_)) => {
            let sign = if parameter == 1 { '-' } else { '+' };
            format!("(({bound} AT TIME ZONE 'UTC') {sign} interval '1 day')")
        }
        // A day begins with a whole second.
        TimeEncoding::EpochSeconds => format!("(${parameter}::bigint / 1000000)"),
        TimeEncoding::EpochMilliseconds => format!("(${parameter}::bigint / 1000)"),
    }
}

/// What an index can find of the rows of the span; nothing where none serves.
fn found(plan: &Plan, by: FoundBy, alias: &str, made: &MadePlan) -> String {
    let column = format!("{alias}.{}", quoted(&made.time.column.name));
    match by {
        FoundBy::Creation => {
            let (from, to) = (written_bound(1, &made.time.encoding), written_bound(2, &made.time.encoding));
            format!("\nWHERE {column} >= {from} AND {column} < {to}")
        }
        FoundBy::Expiry => {
            let time = &plan.due.time;
            // What never expires has no expiry, and was made all the same.
            let column = quoted(&time.column.name);
            format!("\nWHERE (r.{column} >= {} OR r.{column} IS NULL)", written_bound(1, &time.encoding))
        }
        FoundBy::Everything => String::new(),
    }
}

/// Whether a row is of the span, and its day.
fn in_span(made: &str) -> String {
    format!("({made} >= {} AND {made} < {})", bound(1), bound(2))
}

fn day_of(made: &str) -> String {
    format!("floor(extract(epoch FROM {made}) / 86400)::bigint")
}

/// `$1` and `$2` the span, `$3` how many rows to read at most.
fn orders(plan: &Plan, made: &MadePlan) -> Statement {
    let w = Writer::new(plan, "figures_orders");
    let (unpaid, cancelled) = (w.unpaid(), w.cancelled());
    let paid = match plan.figures.paid.as_slice() {
        [] => "false".to_owned(),
        paid => w.conditions("o", paid),
    };
    let at = w.instant(ExpiryHome::Order, &made.time.column, &made.time.encoding);
    w.finish(&format!(
        "SELECT CASE WHEN {} THEN {} END, count(*), count(*) FILTER (WHERE t.unpaid AND NOT t.cancelled),\n\
         count(*) FILTER (WHERE t.cancelled), count(*) FILTER (WHERE t.paid AND NOT t.cancelled AND NOT t.unpaid)\n\
         FROM (SELECT {at} AS made, coalesce({unpaid}, false) AS unpaid, coalesce({cancelled}, false) AS cancelled,\n\
         coalesce({paid}, false) AS paid\nFROM {} AS o{}\nLIMIT $3::bigint) AS t\nGROUP BY 1",
        in_span("t.made"),
        day_of("t.made"),
        table_name(&plan.order.table),
        found(plan, plan.orders_by(), "o", made),
    ))
}

/// `$1` and `$2` the span, `$3` how many rows to read at most.
fn reserved(plan: &Plan, made: &MadePlan) -> Statement {
    let w = Writer::new(plan, "figures_reservations");
    let reservation = &plan.reservation;
    let (active, expired, quantity) = (w.active(), w.due(), w.quantity("r", &reservation.quantity));
    let fulfilled = match plan.figures.fulfilled.as_slice() {
        [] => "false".to_owned(),
        fulfilled => w.conditions("r", fulfilled),
    };
    let at = w.instant(made.time.home, &made.time.column, &made.time.encoding);
    let joined = [made.time.home, plan.due.time.home].contains(&ExpiryHome::Order);
    let line = if joined { w.line() } else { format!("FROM {} AS r", table_name(&reservation.table)) };
    let alias = if made.time.home == ExpiryHome::Order { "o" } else { "r" };
    let keys: Vec<String> = reservation.key.iter().map(|column| text("r", column)).collect();
    let (order, profile) = (quoted(&reservation.order.name), w.profile());
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
        "EXISTS (SELECT 1 FROM unreserve.entry AS e JOIN unreserve.batch AS b ON b.batch_id = e.batch_id\n  \
         JOIN unreserve.sweep AS s ON s.sweep_id = b.sweep_id\n  \
         WHERE e.order_key = t.order_key::text AND e.reservation_key = t.reservation_key AND e.kind = 'release' AND s.profile = {profile})"
    );
    let span = in_span("t.made");
    w.finish(&format!(
        "SELECT u.day, count(*), least(coalesce(sum(u.quantity), 0), {MOST})::bigint, count(*) FILTER (WHERE u.active),\n\
         count(*) FILTER (WHERE u.due), count(*) FILTER (WHERE u.fulfilled), count(*) FILTER (WHERE u.released)\n\
         FROM (SELECT CASE WHEN {span} THEN {} END AS day, t.quantity, t.active,\n\
         CASE WHEN {span} AND t.active AND t.expired THEN {due} END AS due,\n\
         NOT t.active AND t.fulfilled AS fulfilled,\n\
         CASE WHEN {span} AND NOT t.active AND NOT t.fulfilled THEN {released} END AS released\n\
         FROM (SELECT {at} AS made, coalesce({active}, false) AS active, coalesce({expired}, false) AS expired,\n\
         coalesce({fulfilled}, false) AS fulfilled, {quantity} AS quantity, r.{order} AS order_key,\n\
         concat_ws('/', {}) AS reservation_key\n{line}{}\nLIMIT $3::bigint) AS t) AS u\nGROUP BY 1",
        day_of("t.made"),
        keys.join(", "),
        found(plan, plan.reservations_by(), alias, made),
    ))
}

/// `$1` and `$2` the span, `$3` how many rows to read at most.
fn payment_times(plan: &Plan, made: &MadePlan, paid_at: &PaidAt) -> Statement {
    let w = Writer::new(plan, "figures_payments");
    let at = w.instant(ExpiryHome::Order, &made.time.column, &made.time.encoding);
    let paid_column =
        |alias: &str| instant(&format!("{alias}.{}", quoted(&paid_at.time().column.name)), &paid_at.time().encoding);
    let key = quoted(&plan.order.key.name);
    let guard = match paid_at {
        PaidAt::Order(_) => None,
        PaidAt::Guard(place, _) => plan.guards.get(*place),
    };
    // On the order's own row it is read with the row; elsewhere it is looked up for the orders of the span alone.
    let (own, paid) = match guard.map(|guard| (guard, &guard.evidence)) {
        None => (paid_column("o"), "t.own".to_owned()),
        Some((guard, None)) => {
            let holds = w.conditions("o", &guard.conditions);
            (format!("CASE WHEN {holds} THEN {} END", paid_column("o")), "t.own".to_owned())
        }
        Some((guard, Some((table, order)))) => {
            let holds = w.conditions("g", &guard.conditions);
            let earliest = format!(
                "(SELECT min({}) FROM {} AS g WHERE g.{} = t.order_key AND {holds})",
                paid_column("g"),
                table_name(table),
                quoted(&order.name)
            );
            ("NULL::timestamptz".to_owned(), earliest)
        }
    };
    let expires_at = w.expires_at();
    let (own_expiry, expiry) = match (plan.judges_timeout(), plan.due.time.home) {
        (false, _) => ("NULL::timestamptz".to_owned(), "NULL::timestamptz".to_owned()),
        (true, ExpiryHome::Order) => (expires_at, "t.expiry".to_owned()),
        (true, ExpiryHome::Reservation) => {
            let (table, order) = (table_name(&plan.reservation.table), quoted(&plan.reservation.order.name));
            let last = format!("(SELECT max({expires_at}) FROM {table} AS r WHERE r.{order} = t.order_key)");
            ("NULL::timestamptz".to_owned(), last)
        }
    };
    let taken = "greatest(floor(extract(epoch FROM u.paid - u.made)), 0)::bigint";
    w.finish(&format!(
        "SELECT CASE WHEN u.taken < 3600 THEN u.taken WHEN u.taken < 604800 THEN u.taken / 60 * 60 ELSE u.taken / 3600 * 3600 END,\n\
         count(*), count(u.expiry), count(*) FILTER (WHERE u.paid > u.expiry)\n\
         FROM (SELECT {taken} AS taken, u.paid, u.expiry\n\
         FROM (SELECT t.made, {paid} AS paid,\n{expiry} AS expiry\n\
         FROM (SELECT o.{key} AS order_key, {at} AS made, {own} AS own, {own_expiry} AS expiry\n\
         FROM {} AS o{}\nLIMIT $3::bigint) AS t\nWHERE {}) AS u\nWHERE isfinite(u.paid)) AS u\nGROUP BY 1 ORDER BY 1",
        table_name(&plan.order.table),
        found(plan, plan.orders_by(), "o", made),
        in_span("t.made"),
    ))
}

/// `$1` the profile, `$2` and `$3` the span, `$4` how many rows to read at most.
fn value(plan: &Plan) -> Option<Statement> {
    let amount = plan.figures.amount.as_ref()?;
    let w = Writer::new(plan, "figures_value");
    let column = format!("o.{}", quoted(&amount.column.name));
    // An infinity and what is no number lie beyond the bound.
    let worth = match (amount.column.kind, power_of_ten(amount.scale)) {
        (Kind::Integer, _) => format!("{column}::bigint"),
        (_, factor) => format!(
            "CASE WHEN abs({column}) < 1000000000000 AND {column} * {factor} = trunc({column} * {factor}) THEN ({column} * {factor})::bigint END"
        ),
    };
    let currency = match &amount.currency {
        Currency::Unnamed => "NULL::text".to_owned(),
        Currency::Fixed(code) => format!("{}::text", literal(code)),
        Currency::Column(column) => text("o", column),
    };
    let key = &plan.order.key;
    Some(w.finish(&format!(
        "WITH cancelled AS MATERIALIZED (\nSELECT e.order_key, {} AS day\nFROM {BATCHES}\n\
         JOIN unreserve.entry AS e ON e.batch_id = b.batch_id AND e.kind = 'cancel'\nWHERE {OF_SPAN}\nLIMIT $4::bigint\n)\n\
         SELECT c.day, {currency}, count(*), count(w.amount), greatest(least(coalesce(sum(w.amount), 0), {MOST}), -{MOST})::bigint\n\
         FROM cancelled AS c LEFT JOIN {} AS o ON o.{} = c.order_key::{}\nCROSS JOIN LATERAL (SELECT {worth} AS amount) AS w\n\
         GROUP BY 1, 2 ORDER BY 1, 2",
        day_of("b.at"),
        table_name(&plan.order.table),
        quoted(&key.name),
        cast_type(key),
    )))
}

/// Asks what can be asked, each part by itself.
pub(super) async fn ask(link: &mut Link, plan: &Plan, query: &FiguresQuery) -> Result<Figures, ShopError> {
    figures::ask(&mut Asking { link, plan, query: *query }, plan, &render(plan), query.rows_max).await
}

/// The questions of one span.
struct Asking<'a> {
    link: &'a mut Link,
    plan: &'a Plan,
    query: FiguresQuery,
}

impl figures::Ask for Asking<'_> {
    type Statement = Statement;
    type Row = sqlx::postgres::PgRow;

    async fn knows_zone(&mut self, time: &TimePlan) -> Result<bool, ShopError> {
        knows_zone(self.link, &time.encoding).await
    }

    async fn rows(&mut self, statement: &Statement, of: Of) -> Result<Option<Vec<Self::Row>>, ShopError> {
        let parameters = match of {
            Of::Shop => Parameters::new(),
            Of::Ledger => Parameters::new().with(self.plan.profile.clone()),
        };
        let (from, to) = (self.query.from.as_microsecond(), self.query.to.as_microsecond());
        let more = signed(u64::from(self.query.rows_max).saturating_add(1));
        let call = Call::of(statement, parameters.with(from).with(to).with(more))?;
        let outcome = self.link.transact(Transaction::Read, vec![call]).await;
        figures::rows_or_too_long(outcome.map(|mut replies| replies.pop().unwrap_or_default().rows))
    }
}

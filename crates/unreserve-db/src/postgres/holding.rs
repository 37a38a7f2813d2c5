//! What reservations hold right now. A page asks for this, so a sweep does not have it prepared: what is wrong with it
//! shows when it is asked for.

use unreserve_engine::plan::{Plan, StockPlan};
use unreserve_engine::shop::{HELD_MINUTES, Held, ShopError, StockHoldings};

use super::batch::{self, Unreadable};
use super::connect::Link;
use super::fragments::{Statement, Writer, list, table_name, text};
use super::message::{Call, Transaction};
use super::render::{Statements, stock_key};
use super::tally::NOW;
use super::values::{Parameters, only_row, read_own_instant};
use crate::holding::{Holdings, MOST, held_minutes};
use crate::write::quoted;

/// `$1` how many reservations to read. Gives minutes until the expiry, how many, and what they hold.
fn held_statement(plan: &Plan) -> Statement {
    let w = Writer::new(plan, "held");
    let (line, active, unpaid, cancelled, unguarded) = (w.line(), w.active(), w.unpaid(), w.cancelled(), w.unguarded());
    let (expires_at, column) = (w.expires_at(), w.expiry_column());
    let quantity = w.quantity("r", &plan.reservation.quantity);
    w.finish(&format!(
        "WITH held AS MATERIALIZED (\nSELECT {expires_at} AS due_at, {quantity} AS units\n{line}\n\
         WHERE {active} AND {column} IS NOT NULL\n  AND ({unpaid} OR {cancelled})\n  AND {unguarded}\n\
         ORDER BY {column} LIMIT $1::bigint\n)\n\
         SELECT CASE WHEN h.due_at <= now() THEN -1\n\
         ELSE least(floor(extract(epoch FROM h.due_at - now()) / 60), {HELD_MINUTES})::bigint END,\n\
         count(*), least(coalesce(sum(h.units), 0), {MOST})::bigint\nFROM held AS h GROUP BY 1"
    ))
}

/// What unpaid and unprotected orders hold.
pub(super) async fn held(link: &mut Link, plan: &Plan, read_max: u32) -> Result<Held, ShopError> {
    let statement = held_statement(plan);
    let read = Parameters::new().with(i64::from(read_max));
    let calls = vec![Call::once("held_now", NOW, Parameters::new())?, Call::of(&statement, read)?];
    let mut replies = link.transact(Transaction::Read, calls).await?.into_iter();
    let mut next = || replies.next().unwrap_or_default().rows;
    let now = read_own_instant(&only_row(next(), "held_now")?, 0, "held_now")?;
    held_minutes(now, &next(), read_max)
}

/// `$1` how many reservations to read. Gives the stock rows' keys, how many reservations hold them and what, and the same of
/// those that come back.
fn holdings_statement(plan: &Plan) -> Statement {
    let w = Writer::new(plan, "stock_holdings");
    let (active, unpaid, cancelled, unguarded) = (w.active(), w.unpaid(), w.cancelled(), w.unguarded());
    let quantity = w.quantity("r", &plan.reservation.quantity);
    let keys = plan.stock.iter().flat_map(|stock| stock.key.iter().map(move |(own, theirs)| (stock, own, theirs)));
    let keys: Vec<String> = keys.map(|(stock, own, theirs)| stock_key(stock, own, theirs)).collect();
    let named: String = keys.iter().enumerate().map(|(index, key)| format!("{key} AS k{index}, ")).collect();
    let names: String = (0..keys.len()).map(|index| format!("h.k{index}, ")).collect();
    let group = list((0..keys.len()).map(|index| format!("h.k{index}")));
    let group = if group.is_empty() { group } else { format!(" GROUP BY {group}") };
    w.finish(&format!(
        "WITH held AS MATERIALIZED (\nSELECT {named}{quantity} AS units,\ncoalesce(({unpaid} OR {cancelled}) AND {unguarded}, false) AS back\n\
         FROM {} AS r\nLEFT JOIN {} AS o ON o.{} = r.{}\nWHERE {active}\nLIMIT $1::bigint\n)\n\
         SELECT {names}count(*), least(coalesce(sum(h.units), 0), {MOST})::bigint, count(*) FILTER (WHERE h.back),\n\
         least(coalesce(sum(h.units) FILTER (WHERE h.back), 0), {MOST})::bigint\nFROM held AS h{group}",
        table_name(&plan.reservation.table),
        table_name(&plan.order.table),
        quoted(&plan.order.key.name),
        quoted(&plan.reservation.order.name)
    ))
}

/// `$1` how many. The rows of one stock table whose counter of reserved units is not 0; nothing where it has none.
fn counters_statement(plan: &Plan, stock: &StockPlan) -> Option<Statement> {
    let reserved = stock.reserved.as_ref()?;
    let w = Writer::new(plan, "reserved_counters");
    let keys = list(stock.key.iter().map(|(own, _)| text("s", own)));
    let on_hand = stock.on_hand.as_ref().map_or_else(|| "NULL::bigint".to_owned(), |column| w.quantity("s", column));
    let counter = w.quantity("s", reserved);
    Some(w.finish(&format!(
        "SELECT {keys}, {counter}, {on_hand}\nFROM {} AS s\nWHERE s.{} <> 0\nLIMIT $1::bigint",
        table_name(&stock.table),
        quoted(&reserved.name)
    )))
}

/// Every statement, for those who look at all of them.
#[cfg(test)]
pub(super) fn statements(plan: &Plan) -> Vec<Statement> {
    let counters = plan.stock.iter().filter_map(|stock| counters_statement(plan, stock));
    [held_statement(plan), holdings_statement(plan)].into_iter().chain(counters).collect()
}

/// What is held of the stock rows, and their counters: of one moment, since a checkout between two statements would look
/// like a counter that is wrong.
pub(super) async fn stock_holdings(
    link: &mut Link,
    (plan, statements): (&Plan, &Statements),
    read_max: u32,
) -> Result<StockHoldings, ShopError> {
    link.begin_snapshot();
    let outcome = read(link, (plan, statements), read_max).await;
    link.end(outcome).await
}

async fn read(
    link: &mut Link,
    (plan, statements): (&Plan, &Statements),
    read_max: u32,
) -> Result<StockHoldings, ShopError> {
    let now = link.rows("held_now", NOW, Parameters::new()).await?;
    let now = read_own_instant(&only_row(now, "held_now")?, 0, "held_now")?;
    let limit = || Parameters::new().with(i64::from(read_max));
    let statement = holdings_statement(plan);
    let rows = link.rows(statement.name, &statement.sql, limit()).await?;
    let mut holdings = Holdings::of(plan, now, &rows, read_max)?;
    for (pool, stock) in plan.stock.iter().enumerate() {
        let Some(statement) = counters_statement(plan, stock) else { continue };
        let rows = link.rows(statement.name, &statement.sql, limit()).await?;
        holdings.count(pool, stock.key.len(), &rows, read_max)?;
    }
    let uncounted = holdings.uncounted();
    let counters = batch::read_counters(link, (plan, &statements.read_stock), &uncounted, Unreadable::Skip).await?;
    Ok(holdings.finish(counters))
}

//! What reservations hold right now. A page asks for this, so a sweep does not have it prepared: what is wrong with it
//! shows when it is asked for.

use unreserve_engine::plan::{Plan, StockPlan};
use unreserve_engine::shop::{HELD_MINUTES, Held, ShopError, StockHoldings};

use super::batch::{self, Unreadable};
use super::connect::Link;
use super::fragments::{Statement, Writer, list, quoted, table_name};
use super::keys::{alike, key_text};
use super::ledger;
use super::render::{Statements, stock_key};
use super::times::micros;
use super::values::Parameters;
use crate::holding::{Holdings, MOST, held_minutes};

/// Given: cutoff, how many reservations to read. Gives minutes until the expiry, how many, and what they hold.
fn held_statement(plan: &Plan) -> Statement {
    let mut w = Writer::new(plan, "held");
    let (active, unpaid, cancelled, unguarded) = (w.active(), w.unpaid(), w.cancelled(), w.unguarded());
    let (line, expires_at, column) = (w.line(), micros(&w.expires_at()), w.expiry_column());
    let (now, limit) = (micros(&Writer::cutoff()), Writer::given(1));
    let quantity = w.quantity("r", &plan.reservation.quantity);
    w.finish(&format!(
        "SELECT CAST(CASE WHEN h.due_at <= {now} THEN -1 ELSE LEAST((h.due_at - {now}) DIV 60000000, {HELD_MINUTES}) END AS SIGNED),\n\
         COUNT(*), CAST(LEAST(SUM(h.units), {MOST}) AS SIGNED)\n\
         FROM (SELECT {expires_at} AS due_at, {quantity} AS units\n{line}\n\
         WHERE {active}\n  AND {column} IS NOT NULL\n  AND ({unpaid} OR {cancelled})\n  AND {unguarded}\n\
         ORDER BY {column} LIMIT {limit}) AS h\nGROUP BY 1"
    ))
}

/// What unpaid and unprotected orders hold.
pub(super) async fn held(link: &mut Link, plan: &Plan, read_max: u32) -> Result<Held, ShopError> {
    link.begin_read().await?;
    let outcome = read_held(link, plan, read_max).await;
    link.end(outcome).await
}

async fn read_held(link: &mut Link, plan: &Plan, read_max: u32) -> Result<Held, ShopError> {
    let statement = held_statement(plan);
    let now = ledger::now(link).await?;
    let parameters = Parameters::at(now).integer(i64::from(read_max)).finish(&statement)?;
    let rows = link.rows(statement.name, &statement.sql, parameters).await?;
    held_minutes(now, &rows, read_max)
}

/// Given: nothing, how many reservations to read. Gives the stock rows' keys, how many reservations hold them and what, and
/// the same of those that come back.
fn holdings_statement(plan: &Plan) -> Statement {
    let mut w = Writer::new(plan, "stock_holdings");
    let (active, unpaid, cancelled, unguarded) = (w.active(), w.unpaid(), w.cancelled(), w.unguarded());
    let quantity = w.quantity("r", &plan.reservation.quantity);
    let keys = plan.stock.iter().flat_map(|stock| stock.key.iter().map(move |(own, theirs)| (stock, own, theirs)));
    let keys: Vec<String> = keys.map(|(stock, own, theirs)| stock_key(stock, own, theirs)).collect();
    let named: String = keys.iter().enumerate().map(|(index, key)| format!("{key} AS k{index}, ")).collect();
    let names: String = (0..keys.len()).map(|index| format!("h.k{index}, ")).collect();
    let group = list((0..keys.len()).map(|index| format!("h.k{index}")));
    let group = if group.is_empty() { group } else { format!("\nGROUP BY {group}") };
    w.finish(&format!(
        "SELECT {names}COUNT(*), CAST(LEAST(SUM(h.units), {MOST}) AS SIGNED), CAST(COALESCE(SUM(h.back), 0) AS SIGNED),\n\
         CAST(LEAST(SUM(CASE WHEN h.back THEN h.units END), {MOST}) AS SIGNED)\n\
         FROM (SELECT {named}{quantity} AS units, (({unpaid} OR {cancelled}) AND {unguarded}) IS TRUE AS back\n\
         FROM {} AS r\nLEFT JOIN {} AS o ON o.{} = {}\nWHERE {active}\nLIMIT {}) AS h{group}",
        table_name(&plan.reservation.table),
        table_name(&plan.order.table),
        quoted(&plan.order.key.name),
        alike("r", &plan.reservation.order, &plan.order.key),
        Writer::given(1)
    ))
}

/// Given: nothing, how many. The rows of one stock table whose counter of reserved units is not 0; nothing where it has none.
fn counters_statement(plan: &Plan, stock: &StockPlan) -> Option<Statement> {
    let reserved = stock.reserved.as_ref()?;
    let w = Writer::new(plan, "reserved_counters");
    let keys = list(stock.key.iter().map(|(own, _)| key_text("s", own)));
    let on_hand = stock.on_hand.as_ref().map_or_else(|| "NULL".to_owned(), |column| w.quantity("s", column));
    let counter = w.quantity("s", reserved);
    Some(w.finish(&format!(
        "SELECT {keys}, {counter}, {on_hand}\nFROM {} AS s\nWHERE s.{} <> 0\nLIMIT {}",
        table_name(&stock.table),
        quoted(&reserved.name),
        Writer::given(1)
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
    link.begin_snapshot().await?;
    let outcome = read(link, (plan, statements), read_max).await;
    link.end(outcome).await
}

async fn read(
    link: &mut Link,
    (plan, statements): (&Plan, &Statements),
    read_max: u32,
) -> Result<StockHoldings, ShopError> {
    let now = ledger::now(link).await?;
    let limit = || Parameters::timeless().integer(i64::from(read_max));
    let statement = holdings_statement(plan);
    let rows = link.rows(statement.name, &statement.sql, limit().finish(&statement)?).await?;
    let mut holdings = Holdings::of(plan, now, &rows, read_max)?;
    for (pool, stock) in plan.stock.iter().enumerate() {
        let Some(statement) = counters_statement(plan, stock) else { continue };
        let rows = link.rows(statement.name, &statement.sql, limit().finish(&statement)?).await?;
        holdings.count(pool, stock.key.len(), &rows, read_max)?;
    }
    let uncounted = holdings.uncounted();
    let counters = batch::counters(link, (plan, statements), &uncounted, Unreadable::Skip).await?;
    Ok(holdings.finish(counters))
}

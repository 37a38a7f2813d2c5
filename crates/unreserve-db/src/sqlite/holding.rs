//! What reservations hold right now. A page asks for this, so a sweep does not have it prepared: what is wrong with it
//! shows when it is asked for.

use unreserve_engine::plan::{Plan, StockPlan};
use unreserve_engine::shop::{HELD_MINUTES, Held, ShopError, StockHoldings};

use super::batch::{self, Unreadable};
use super::connect::Link;
use super::fragments::{Statement, Writer, key_text, list, table_name};
use super::ledger;
use super::render::{Statements, stock_key};
use super::to_instant;
use super::values::Parameters;
use crate::holding::{Holdings, MOST, held_minutes};
use crate::write::quoted;

/// `?2` how many reservations to read. Gives minutes until the expiry, how many, and what they hold.
fn held_statement(plan: &Plan) -> Statement {
    let mut w = Writer::new(plan, "held", 2);
    let (active, unpaid, cancelled, unguarded) = (w.active(), w.unpaid(), w.cancelled(), w.unguarded());
    let (line, expires_at, column) = (w.line(), w.expires_at(), w.expiry_column());
    let quantity = w.quantity("r", &plan.reservation.quantity);
    w.finish(&format!(
        "SELECT CASE WHEN due_at <= ?1 THEN -1 ELSE min((due_at - ?1) / 60000, {HELD_MINUTES}) END, count(*),\n\
         CAST(min(total(units), {MOST}) AS INTEGER)\n\
         FROM (SELECT {expires_at} AS due_at, {quantity} AS units\n{line}\n\
         WHERE {active}\n  AND {column} IS NOT NULL\n  AND ({unpaid} OR {cancelled})\n  AND {unguarded}\n\
         ORDER BY {column} LIMIT ?2)\nGROUP BY 1"
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
    let now_ms = ledger::now(link).await?;
    let parameters = Parameters::new().with(now_ms).with(i64::from(read_max)).finish(&statement)?;
    let rows = link.rows(statement.name, &statement.sql, parameters).await?;
    held_minutes(to_instant(now_ms)?, &rows, read_max)
}

/// `?1` how many reservations to read. Gives the stock rows' keys, how many reservations hold them and what, and the same of
/// those that come back.
fn holdings_statement(plan: &Plan) -> Statement {
    let mut w = Writer::new(plan, "stock_holdings", 1);
    let (active, unpaid, cancelled, unguarded) = (w.active(), w.unpaid(), w.cancelled(), w.unguarded());
    let quantity = w.quantity("r", &plan.reservation.quantity);
    let keys = plan.stock.iter().flat_map(|stock| stock.key.iter().map(move |(own, theirs)| (stock, own, theirs)));
    let keys: Vec<String> = keys.map(|(stock, own, theirs)| stock_key(stock, own, theirs)).collect();
    let named: String = keys.iter().enumerate().map(|(index, key)| format!("{key} AS k{index}, ")).collect();
    let names: String = (0..keys.len()).map(|index| format!("h.k{index}, ")).collect();
    let group = list((0..keys.len()).map(|index| format!("h.k{index}")));
    let group = if group.is_empty() { group } else { format!("\nGROUP BY {group}") };
    w.finish(&format!(
        "SELECT {names}count(*), CAST(min(total(h.units), {MOST}) AS INTEGER), count(*) FILTER (WHERE h.back),\n\
         CAST(min(total(h.units) FILTER (WHERE h.back), {MOST}) AS INTEGER)\n\
         FROM (SELECT {named}{quantity} AS units, (({unpaid} OR {cancelled}) AND {unguarded}) IS TRUE AS back\n\
         FROM {} AS r\nLEFT JOIN {} AS o ON o.{} = r.{}\nWHERE {active}\nLIMIT ?1) AS h{group}",
        table_name(&plan.reservation.table),
        table_name(&plan.order.table),
        quoted(&plan.order.key.name),
        quoted(&plan.reservation.order.name)
    ))
}

/// `?1` how many. The rows of one stock table whose counter of reserved units is not 0; nothing where it has none.
fn counters_statement(plan: &Plan, stock: &StockPlan) -> Option<Statement> {
    let reserved = stock.reserved.as_ref()?;
    let w = Writer::new(plan, "reserved_counters", 1);
    let keys = list(stock.key.iter().map(|(own, _)| key_text("s", own)));
    let on_hand = stock.on_hand.as_ref().map_or_else(|| "NULL".to_owned(), |column| w.quantity("s", column));
    let counter = w.quantity("s", reserved);
    Some(w.finish(&format!(
        "SELECT {keys}, {counter}, {on_hand}\nFROM {} AS s\nWHERE s.{} <> 0\nLIMIT ?1",
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

/// What is held of the stock rows, and their counters.
pub(super) async fn stock_holdings(
    link: &mut Link,
    (plan, statements): (&Plan, &Statements),
    read_max: u32,
) -> Result<StockHoldings, ShopError> {
    link.begin_read().await?;
    let outcome = read(link, (plan, statements), read_max).await;
    link.end(outcome).await
}

async fn read(
    link: &mut Link,
    (plan, statements): (&Plan, &Statements),
    read_max: u32,
) -> Result<StockHoldings, ShopError> {
    let now = to_instant(ledger::now(link).await?)?;
    let limit = || Parameters::new().with(i64::from(read_max));
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

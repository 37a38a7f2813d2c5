//! Everything a sweep would look at for one order.

use sqlx::postgres::PgRow;
use unreserve_engine::model::{Key, Quantity};
use unreserve_engine::plan::Plan;
use unreserve_engine::shop::{
    ConditionValueSeen, Explanation, GuardSeen, LockTest, OrderName, ReservationSeen, ShopError,
};

use super::connect::Link;
use super::fragments::Statement;
use super::ledger;
use super::message::Transaction;
use super::render::Statements;
use super::values::{Parameters, read, read_instant, read_own_instant, read_sum, read_whole_key};
use crate::cells::Cells;

/// Looks an order up by its number and its key.
pub(super) async fn explain(
    link: &mut Link,
    (plan, statements): (&Plan, &Statements),
    installed: bool,
    (order, lock): (&str, LockTest),
) -> Result<Option<Explanation>, ShopError> {
    let name = OrderName::parse(order);
    let by_number = statements.explain_by_number.iter().filter(|_| name.number);
    let by_key = Some(&statements.explain_by_key).filter(|_| name.key);
    let mut all = Vec::new();
    for statement in by_number.chain(by_key) {
        all.extend(find(link, plan, statement, name.text).await?);
    }
    let Some(mut found) = name.the_one(all)? else { return Ok(None) };
    link.begin_read();
    let rest = read_rest(link, plan, statements, installed, &mut found).await;
    link.end(rest).await?;
    if lock == LockTest::Try {
        found.locked = locked(link, statements, &found.key).await;
    }
    Ok(Some(found))
}

async fn find(link: &mut Link, plan: &Plan, statement: &Statement, order: &str) -> Result<Vec<Explanation>, ShopError> {
    let parameters = Parameters::new().with(order.to_owned());
    link.begin_read();
    let outcome = link.rows(statement.name, &statement.sql, parameters).await;
    let rows = match link.end(outcome).await {
        // What cannot be a key of this type is no key of an order.
        Err(error) if matches!(error.code.as_deref(), Some("22P02" | "22003")) => return Ok(Vec::new()),
        other => other?,
    };
    rows.iter().map(|row| explanation(plan, row, statement.name)).collect()
}

fn explanation(plan: &Plan, row: &PgRow, name: &'static str) -> Result<Explanation, ShopError> {
    let mut index = 5_usize;
    let mut unpaid_conditions = Vec::new();
    for condition in &plan.order.unpaid {
        let (value, unpaid) = (read(row, index, name)?, read(row, index.saturating_add(1), name)?);
        unpaid_conditions.push(ConditionValueSeen { column: condition.column.name.clone(), value, unpaid });
        index = index.saturating_add(2);
    }
    let mut guards = Vec::new();
    for guard in &plan.guards {
        guards.push(GuardSeen { name: guard.name.clone(), holds: read(row, index, name)? });
        index = index.saturating_add(1);
    }
    Ok(Explanation {
        key: read_whole_key(row, 0, 1, name)?,
        number: row.shown(1, name)?,
        now: read_own_instant(row, 2, name)?,
        unpaid_conditions,
        unpaid: read(row, 3, name)?,
        cancelled: read(row, 4, name)?,
        guards,
        reservations: Vec::new(),
        locked: None,
        set_aside: None,
        ledger: Vec::new(),
    })
}

async fn read_rest(
    link: &mut Link,
    plan: &Plan,
    statements: &Statements,
    installed: bool,
    found: &mut Explanation,
) -> Result<(), ShopError> {
    let statement = &statements.explain_reservations;
    let keys = [found.key.clone()];
    let parameters = Parameters::new().with_keys(keys.iter(), 1);
    let columns = plan.reservation.key.len();
    let quantity_index = columns.saturating_add(1);
    let at = |offset: usize| quantity_index.saturating_add(offset);
    let active_index = plan.stock.iter().fold(at(4), |index, stock| index.saturating_add(stock.key.len()));
    for row in link.rows(statement.name, &statement.sql, parameters).await? {
        found.reservations.push(ReservationSeen {
            key: read_whole_key(&row, 1, columns, statement.name)?,
            // What is no quantity keeps a sweep from releasing it, but must not keep anybody from seeing the rest.
            quantity: Quantity::new(read_sum(&row, at(0), statement.name)?),
            active: read(&row, active_index, statement.name)?,
            reserved_at: read_instant(&row, active_index.saturating_add(1), statement.name)?,
            expires_at: read_instant(&row, at(1), statement.name)?,
            expired: read(&row, at(2), statement.name)?,
            overdue_micros: read(&row, at(3), statement.name)?,
        });
    }
    if installed {
        found.set_aside = ledger::order_set_aside(link, &plan.profile, &found.key).await?;
        found.ledger = ledger::entries_of_order(link, &found.key).await?;
    }
    Ok(())
}

/// Tries the lock and gives it back at once. Where the role or the server does not allow it, nobody can say.
async fn locked(link: &mut Link, statements: &Statements, key: &Key) -> Option<bool> {
    let statement = &statements.try_lock;
    let keys = [key.clone()];
    let parameters = Parameters::new().with_keys(keys.iter(), 1);
    link.begin(Transaction::Write);
    let rows = link.rows(statement.name, &statement.sql, parameters).await;
    let answer = rows.as_ref().ok().map(Vec::is_empty);
    // Always undone: nothing was written, and the lock must go at once.
    if link.simple("rollback", "ROLLBACK").await.is_err() {
        link.cut();
    }
    answer
}

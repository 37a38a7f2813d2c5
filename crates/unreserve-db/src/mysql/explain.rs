//! Everything a sweep would look at for one order.

use jiff::Timestamp;
use sqlx::mysql::MySqlRow;
use unreserve_engine::model::Key;
use unreserve_engine::plan::{Column, Plan};
use unreserve_engine::shop::{
    ConditionValueSeen, Explanation, GuardSeen, LockTest, OrderName, ReservationSeen, ShopError,
};

use super::connect::Link;
use super::fragments::Statement;
use super::ledger;
use super::render::Statements;
use super::values::{Parameters, read, read_flag, read_instant, read_whole_key};
use crate::cells::Cells;

/// Looks an order up by its number and its key.
pub(super) async fn explain(
    link: &mut Link,
    (plan, statements): (&Plan, &Statements),
    installed: bool,
    (order, lock): (&str, LockTest),
) -> Result<Option<Explanation>, ShopError> {
    link.begin_read().await?;
    let outcome = read_order(link, (plan, statements), installed, order).await;
    let Some(mut found) = link.end(outcome).await? else { return Ok(None) };
    if lock == LockTest::Try {
        found.locked = locked(link, statements, &found.key).await;
    }
    Ok(Some(found))
}

async fn read_order(
    link: &mut Link,
    (plan, statements): (&Plan, &Statements),
    installed: bool,
    order: &str,
) -> Result<Option<Explanation>, ShopError> {
    let now = ledger::now(link).await?;
    let name = OrderName::parse(order);
    let numbers = statements.explain_by_number.iter().zip(plan.order.number.as_ref()).filter(|_| name.number);
    let keys = Some((&statements.explain_by_key, &plan.order.key)).filter(|_| name.key);
    let mut all = Vec::new();
    for statement in numbers.chain(keys) {
        all.extend(find(link, plan, statement, now, name.text).await?);
    }
    let Some(mut found) = name.the_one(all)? else { return Ok(None) };
    found.reservations = reservations(link, plan, &statements.explain_reservations, &found).await?;
    if installed {
        found.set_aside = ledger::order_set_aside(link, &plan.profile, &found.key).await?;
        found.ledger = ledger::entries_of_order(link, &plan.profile, &found.key).await?;
    }
    Ok(Some(found))
}

async fn find(
    link: &mut Link,
    plan: &Plan,
    (statement, column): (&Statement, &Column),
    now: Timestamp,
    order: &str,
) -> Result<Vec<Explanation>, ShopError> {
    // What cannot be a key of this type is no key of an order.
    let Some(parameters) = Parameters::timeless().key(column, order) else { return Ok(Vec::new()) };
    let rows = link.rows(statement.name, &statement.sql, parameters.finish(statement)?).await?;
    rows.iter().map(|row| explanation(plan, row, now, statement.name)).collect()
}

fn explanation(plan: &Plan, row: &MySqlRow, now: Timestamp, name: &'static str) -> Result<Explanation, ShopError> {
    let mut index = 4_usize;
    let mut unpaid_conditions = Vec::new();
    for condition in &plan.order.unpaid {
        let (value, unpaid) = (read(row, index, name)?, read_flag(row, index.saturating_add(1), name)?);
        unpaid_conditions.push(ConditionValueSeen { column: condition.column.name.clone(), value, unpaid });
        index = index.saturating_add(2);
    }
    let mut guards = Vec::new();
    for guard in &plan.guards {
        guards.push(GuardSeen { name: guard.name.clone(), holds: read_flag(row, index, name)? });
        index = index.saturating_add(1);
    }
    Ok(Explanation {
        key: read_whole_key(row, 0, 1, name)?,
        number: row.shown(1, name)?,
        now,
        unpaid_conditions,
        unpaid: read_flag(row, 2, name)?,
        cancelled: read_flag(row, 3, name)?,
        guards,
        reservations: Vec::new(),
        locked: None,
        set_aside: None,
        ledger: Vec::new(),
    })
}

/// A reservation that cannot be read stands without a quantity: whoever asks must see that it is there.
async fn reservations(
    link: &mut Link,
    plan: &Plan,
    statement: &Statement,
    found: &Explanation,
) -> Result<Vec<ReservationSeen>, ShopError> {
    let name = statement.name;
    let columns = plan.reservation.key.len();
    let at = |offset: usize| columns.saturating_add(1).saturating_add(offset);
    let active = plan.stock.iter().fold(at(4), |index, stock| index.saturating_add(stock.key.len()));
    let parameters = Parameters::at(found.now).keys([&found.key]).finish(statement)?;
    let mut seen = Vec::new();
    for row in link.rows(name, &statement.sql, parameters).await? {
        seen.push(ReservationSeen {
            key: read_whole_key(&row, 1, columns, name)?,
            quantity: read::<Option<i64>>(&row, at(0), name)?
                .map(unreserve_engine::model::Quantity::new)
                .unwrap_or_default(),
            active: read_flag(&row, active, name)?,
            reserved_at: read_instant(&row, active.saturating_add(1), name)?,
            expires_at: read_instant(&row, at(1), name)?,
            expired: read_flag(&row, at(2), name)?,
            overdue_micros: read(&row, at(3), name)?,
        });
    }
    Ok(seen)
}

/// Tries the lock and gives it back at once. Where the account or the server does not allow it, nobody can say.
async fn locked(link: &mut Link, statements: &Statements, key: &Key) -> Option<bool> {
    let statement = &statements.try_lock;
    let parameters = Parameters::timeless().keys([key]).finish(statement).ok()?;
    link.begin_write().await.ok()?;
    let rows = link.rows(statement.name, &statement.sql, parameters).await;
    let answer = rows.as_ref().ok().map(Vec::is_empty);
    // Always undone: nothing was written, and the lock must go at once.
    let _ = link.rollback().await;
    answer
}

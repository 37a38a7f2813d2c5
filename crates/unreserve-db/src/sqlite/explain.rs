//! Everything a sweep would look at for one order.

use sqlx::sqlite::SqliteRow;
use unreserve_engine::plan::Plan;
use unreserve_engine::shop::{
    ConditionValueSeen, Explanation, GuardSeen, OrderName, ReservationSeen, ShopError, ShopErrorKind,
};

use super::connect::Link;
use super::fragments::Statement;
use super::ledger;
use super::render::Statements;
use super::values::{Parameters, instant, read, read_flag, read_instant, read_whole_key};
use crate::cells::Cells;
use crate::rows;

/// Looks an order up by its number and its key, inside a transaction that is open already.
pub(super) async fn explain(
    link: &mut Link,
    (plan, statements): (&Plan, &Statements),
    installed: bool,
    order: &str,
) -> Result<Option<Explanation>, ShopError> {
    let now_ms = ledger::now(link).await?;
    let name = OrderName::parse(order);
    let by_number = statements.explain_by_number.iter().filter(|_| name.number);
    let by_key = Some(&statements.explain_by_key).filter(|_| name.key);
    let mut all = Vec::new();
    for statement in by_number.chain(by_key) {
        all.extend(find(link, plan, statement, now_ms, name.text).await?);
    }
    let Some(mut found) = name.the_one(all)? else { return Ok(None) };
    found.reservations = reservations(link, plan, &statements.explain_reservations, now_ms, &found).await?;
    if installed {
        let aside = ledger::orders_set_aside(link, Some(&plan.profile), Some(&found.key), 1).await?;
        found.set_aside = aside.into_iter().next();
        found.ledger = ledger::entries_of_order(link, &plan.profile, &found.key).await?;
    }
    Ok(Some(found))
}

async fn find(
    link: &mut Link,
    plan: &Plan,
    statement: &Statement,
    now_ms: i64,
    order: &str,
) -> Result<Vec<Explanation>, ShopError> {
    let parameters = Parameters::new().with(order.to_owned()).finish(statement)?;
    let rows = link.rows(statement.name, &statement.sql, parameters).await?;
    rows.iter().map(|row| explanation(plan, row, now_ms, statement.name)).collect()
}

fn explanation(plan: &Plan, row: &SqliteRow, now_ms: i64, name: &'static str) -> Result<Explanation, ShopError> {
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
        now: instant(now_ms).ok_or_else(|| ShopError::new(ShopErrorKind::Other, "the database's now is no instant"))?,
        unpaid_conditions,
        unpaid: read_flag(row, 2, name)?,
        cancelled: read_flag(row, 3, name)?,
        guards,
        reservations: Vec::new(),
        // There are no locks on rows here, so nobody can hold this one.
        locked: Some(false),
        set_aside: None,
        ledger: Vec::new(),
    })
}

/// A reservation that cannot be read stands without a quantity: whoever asks must see that it is there.
async fn reservations(
    link: &mut Link,
    plan: &Plan,
    statement: &Statement,
    now_ms: i64,
    found: &Explanation,
) -> Result<Vec<ReservationSeen>, ShopError> {
    let name = statement.name;
    let width = plan.reservation.key.len();
    let stock_columns = plan.stock.iter().fold(0_usize, |sum, stock| sum.saturating_add(stock.key.len()));
    let active = width.saturating_add(3).saturating_add(stock_columns);
    let parameters = Parameters::new().with_keys([&found.key]).finish(statement)?;
    let mut seen = Vec::new();
    for row in link.rows(name, &statement.sql, parameters).await? {
        let expires_ms: Option<i64> = read(&row, width.saturating_add(2), name)?;
        let overdue_ms = expires_ms.map_or(0, |expires| now_ms.saturating_sub(expires));
        let quantity = rows::reservation_at(plan, &row, now_ms.saturating_mul(1_000), name)
            .map(|reservation| reservation.quantity)
            .unwrap_or_default();
        seen.push(ReservationSeen {
            key: read_whole_key(&row, 1, width, name)?,
            quantity,
            active: read_flag(&row, active, name)?,
            reserved_at: read_instant(&row, active.saturating_add(1), name)?,
            expires_at: expires_ms.and_then(instant),
            expired: expires_ms.is_some_and(|expires| expires <= now_ms),
            overdue_micros: overdue_ms.saturating_mul(1_000),
        });
    }
    Ok(seen)
}

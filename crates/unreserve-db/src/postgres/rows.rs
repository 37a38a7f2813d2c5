//! Reads the rows of the shop's own tables into the engine's words.

use sqlx::postgres::PgRow;
use unreserve_engine::model::{ActiveReservation, ExaminedOrder, Quantity, StockRef, StockRow};
use unreserve_engine::plan::{ClockEvidence, Plan};
use unreserve_engine::shop::{GuardedOrder, Outlook, ShopError, ShopErrorKind};

use super::values::{read, read_count, read_instant, read_key, read_now, read_quantity, read_whole_key};

/// The guards that hold, from the columns that begin at `first`.
fn guards(plan: &Plan, row: &PgRow, first: usize, name: &'static str) -> Result<Vec<String>, ShopError> {
    let mut guards = Vec::new();
    for (index, guard) in plan.guards.iter().enumerate() {
        if read::<bool>(row, index.saturating_add(first), name)? {
            guards.push(guard.name.clone());
        }
    }
    Ok(guards)
}

/// A row of `guarded`.
pub(super) fn guarded(plan: &Plan, row: &PgRow, name: &'static str) -> Result<GuardedOrder, ShopError> {
    Ok(GuardedOrder {
        key: read_whole_key(row, 0, 1, name)?,
        number: read(row, 1, name)?,
        guards: guards(plan, row, 2, name)?,
    })
}

/// A row of `examine_orders`.
pub(super) fn order(plan: &Plan, row: &PgRow, name: &'static str) -> Result<ExaminedOrder, ShopError> {
    Ok(ExaminedOrder {
        key: read_whole_key(row, 0, 1, name)?,
        number: read(row, 1, name)?,
        unpaid: read(row, 2, name)?,
        cancelled: read(row, 3, name)?,
        guards: guards(plan, row, 4, name)?,
        reservations: Vec::new(),
    })
}

/// A row of `examine_reservations`, behind the order it belongs to.
pub(super) fn reservation(plan: &Plan, row: &PgRow, name: &'static str) -> Result<ActiveReservation, ShopError> {
    let columns = plan.reservation.key.len();
    let after = columns.saturating_add(1);
    let key = read_whole_key(row, 1, columns, name)?;
    let quantity = read_quantity(row, after, name)?.unwrap_or(Quantity::new(-1));
    if quantity < Quantity::ZERO {
        let message = format!(
            "reservation `{key}` has a quantity that is negative, empty, or has more decimals than the profile keeps"
        );
        return Err(ShopError::new(ShopErrorKind::Constraint, message).during(name));
    }
    let due = read(row, after.saturating_add(2), name)?;
    let overdue: i64 = read(row, after.saturating_add(3), name)?;
    let mut index = after.saturating_add(4);
    let mut stock = Vec::new();
    for (pool, stock_plan) in plan.stock.iter().enumerate() {
        let width = stock_plan.key.len();
        if let Some(key) = read_key(row, index, width, name)? {
            stock.push(StockRef { pool, key });
        }
        index = index.saturating_add(width);
    }
    Ok(ActiveReservation {
        key,
        quantity,
        expires_at: read_instant(row, after.saturating_add(1), name)?,
        due,
        overdue_micros: if due { overdue.max(0) } else { 0 },
        stock,
    })
}

/// A row of `lock_stock`, whose first column says which of the wanted rows it is.
pub(super) fn stock(wanted: &[&StockRef], row: &PgRow, name: &'static str) -> Result<StockRow, ShopError> {
    let place: i64 = read(row, 0, name)?;
    let stock = usize::try_from(place.saturating_sub(1)).ok().and_then(|place| wanted.get(place));
    let stock = stock
        .ok_or_else(|| ShopError::new(ShopErrorKind::Other, "a stock row came that was not asked for").during(name))?;
    let counter = |value: usize, missing: usize| -> Result<Option<Quantity>, ShopError> {
        let quantity = read_quantity(row, value, name)?;
        if quantity.is_none() && !read::<bool>(row, missing, name)? {
            let message = format!("the counter of stock row `{}` has more decimals than the profile keeps", stock.key);
            return Err(ShopError::new(ShopErrorKind::Constraint, message).during(name));
        }
        Ok(quantity)
    };
    Ok(StockRow { stock: (*stock).clone(), reserved: counter(1, 2)?, on_hand: counter(3, 4)? })
}

/// The row of `clock_evidence`.
pub(super) fn clock_evidence(row: &PgRow, name: &'static str) -> Result<ClockEvidence, ShopError> {
    Ok(ClockEvidence {
        now: read_now(row, 0, name)?,
        newest_creation: read_instant(row, 1, name)?,
        recent: read_count(row, 2, name)?,
        ahead: read_count(row, 3, name)?,
        backwards: read_count(row, 4, name)?,
        // The types of the columns leave nothing unreadable here.
        unreadable: 0,
        looked_at: read_count(row, 5, name)?,
    })
}

/// The row of `outlook`, and how many reservations were read for it.
pub(super) fn outlook(row: &PgRow, count_limit: u64, name: &'static str) -> Result<(Outlook, u64), ShopError> {
    let now = read_now(row, 0, name)?;
    let oldest = read_instant(row, 2, name)?;
    let overdue = oldest.map_or(0, |oldest| now.as_microsecond().saturating_sub(oldest.as_microsecond()));
    let outlook = Outlook {
        now,
        due_orders: read_count(row, 1, name)?.min(count_limit),
        oldest_overdue_micros: overdue.max(0),
        next_expiry: read_instant(row, 3, name)?,
    };
    Ok((outlook, read_count(row, 4, name)?))
}

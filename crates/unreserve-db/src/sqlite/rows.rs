//! Reads the rows of the shop's own tables into the engine's words.

use sqlx::sqlite::SqliteRow;
use unreserve_engine::model::{
    ActiveReservation, ExaminedOrder, Key, LockedOrder, Position, Quantity, StockRef, StockRow,
};
use unreserve_engine::plan::Plan;
use unreserve_engine::shop::{GuardedOrder, ShopError, ShopErrorKind};

use super::values::{instant, read, read_flag, read_key, read_whole_key};

/// A row of the line of due reservations.
pub(super) fn candidate(plan: &Plan, row: &SqliteRow, name: &'static str) -> Result<LockedOrder, ShopError> {
    let expiry: String = read(row, 1, name)?;
    let reservation = read_whole_key(row, 2, plan.reservation.key.len(), name)?;
    let number = read(row, plan.reservation.key.len().saturating_add(2), name)?;
    Ok(LockedOrder { key: read_whole_key(row, 0, 1, name)?, number, position: Position { expiry, reservation } })
}

/// The guards that hold, from the columns that begin at `first`.
fn guards(plan: &Plan, row: &SqliteRow, first: usize, name: &'static str) -> Result<Vec<String>, ShopError> {
    let mut guards = Vec::new();
    for (index, guard) in plan.guards.iter().enumerate() {
        if read_flag(row, index.saturating_add(first), name)? {
            guards.push(guard.name.clone());
        }
    }
    Ok(guards)
}

/// A row of `guarded`.
pub(super) fn guarded(plan: &Plan, row: &SqliteRow, name: &'static str) -> Result<GuardedOrder, ShopError> {
    Ok(GuardedOrder {
        key: read_whole_key(row, 0, 1, name)?,
        number: read(row, 1, name)?,
        guards: guards(plan, row, 2, name)?,
    })
}

/// A row of `examine_orders`.
pub(super) fn order(plan: &Plan, row: &SqliteRow, name: &'static str) -> Result<ExaminedOrder, ShopError> {
    Ok(ExaminedOrder {
        key: read_whole_key(row, 0, 1, name)?,
        number: read(row, 1, name)?,
        unpaid: read_flag(row, 2, name)?,
        cancelled: read_flag(row, 3, name)?,
        guards: guards(plan, row, 4, name)?,
        reservations: Vec::new(),
    })
}

/// The order that a row of `examine_reservations` belongs to.
pub(super) fn reservation_order(row: &SqliteRow, name: &'static str) -> Result<Key, ShopError> {
    read_whole_key(row, 0, 1, name)
}

/// A row of `examine_reservations`.
///
/// # Errors
/// `Constraint` where the row cannot be released as it is: that is its order's own trouble.
pub(super) fn reservation(
    plan: &Plan,
    row: &SqliteRow,
    cutoff_ms: i64,
    name: &'static str,
) -> Result<ActiveReservation, ShopError> {
    let columns = plan.reservation.key.len();
    let key = read_whole_key(row, 1, columns, name)?;
    let mut index = columns.saturating_add(1);
    let quantity = read::<Option<i64>>(row, index, name)?.filter(|quantity| *quantity >= 0);
    let quantity = quantity.ok_or_else(|| {
        let message = format!("reservation `{key}` has a quantity that is negative, no number, or has more decimals than the profile keeps");
        ShopError::new(ShopErrorKind::Constraint, message).during(name)
    })?;
    index = index.saturating_add(1);
    let expires_ms: Option<i64> = read(row, index, name)?;
    index = index.saturating_add(1);
    let mut stock = Vec::new();
    for (pool, stock_plan) in plan.stock.iter().enumerate() {
        let width = stock_plan.key.len();
        if let Some(key) = read_key(row, index, width, name)? {
            stock.push(StockRef { pool, key });
        }
        index = index.saturating_add(width);
    }
    let overdue_ms = expires_ms.map_or(-1, |expires| cutoff_ms.saturating_sub(expires));
    Ok(ActiveReservation {
        key,
        quantity: Quantity::new(quantity),
        expires_at: expires_ms.and_then(instant),
        due: overdue_ms >= 0,
        overdue_micros: overdue_ms.max(0).saturating_mul(1_000),
        stock,
    })
}

/// A row of `lock_stock`, whose first column says which of the wanted rows it is.
pub(super) fn stock(wanted: &[&StockRef], row: &SqliteRow, name: &'static str) -> Result<StockRow, ShopError> {
    let place: i64 = read(row, 0, name)?;
    let stock = usize::try_from(place).ok().and_then(|place| wanted.get(place));
    let stock = stock
        .ok_or_else(|| ShopError::new(ShopErrorKind::Other, "a stock row came that was not asked for").during(name))?;
    let counter = |value: usize| -> Result<Option<Quantity>, ShopError> {
        let quantity: Option<i64> = read(row, value, name)?;
        if quantity.is_none() && !read_flag(row, value.saturating_add(1), name)? {
            let message = format!(
                "the counter of stock row `{}` is no number, or has more decimals than the profile keeps",
                stock.key
            );
            return Err(ShopError::new(ShopErrorKind::Constraint, message).during(name));
        }
        Ok(quantity.map(Quantity::new))
    };
    Ok(StockRow { stock: (*stock).clone(), reserved: counter(1)?, on_hand: counter(3)? })
}

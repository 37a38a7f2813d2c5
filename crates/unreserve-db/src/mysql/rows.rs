//! Reads the rows of the shop's own tables into the engine's words.

use sqlx::mysql::MySqlRow;
use unreserve_engine::model::{ActiveReservation, ExaminedOrder, LockedOrder, Position, Quantity, StockRef, StockRow};
use unreserve_engine::plan::Plan;
use unreserve_engine::shop::{GuardedOrder, ShopError, ShopErrorKind};

use super::values::{read, read_flag, read_instant, read_key, read_whole_key};

/// A row of the line of due reservations.
pub(super) fn candidate(plan: &Plan, row: &MySqlRow, name: &'static str) -> Result<LockedOrder, ShopError> {
    let reservation = read_whole_key(row, 2, plan.reservation.key.len(), name)?;
    let number = read(row, plan.reservation.key.len().saturating_add(2), name)?;
    Ok(LockedOrder {
        key: read_whole_key(row, 0, 1, name)?,
        number,
        position: Position { expiry: read(row, 1, name)?, reservation },
    })
}

/// The guards that hold, from the columns that begin at `first`.
fn guards(plan: &Plan, row: &MySqlRow, first: usize, name: &'static str) -> Result<Vec<String>, ShopError> {
    let mut guards = Vec::new();
    for (index, guard) in plan.guards.iter().enumerate() {
        if read_flag(row, index.saturating_add(first), name)? {
            guards.push(guard.name.clone());
        }
    }
    Ok(guards)
}

/// A row of `guarded`.
pub(super) fn guarded(plan: &Plan, row: &MySqlRow, name: &'static str) -> Result<GuardedOrder, ShopError> {
    Ok(GuardedOrder {
        key: read_whole_key(row, 0, 1, name)?,
        number: read(row, 1, name)?,
        guards: guards(plan, row, 2, name)?,
    })
}

/// A row of `examine_orders`.
pub(super) fn order(plan: &Plan, row: &MySqlRow, name: &'static str) -> Result<ExaminedOrder, ShopError> {
    Ok(ExaminedOrder {
        key: read_whole_key(row, 0, 1, name)?,
        number: read(row, 1, name)?,
        unpaid: read_flag(row, 2, name)?,
        cancelled: read_flag(row, 3, name)?,
        guards: guards(plan, row, 4, name)?,
        reservations: Vec::new(),
    })
}

/// A row of `examine_reservations`, behind the order it belongs to.
///
/// # Errors
/// `Constraint` where the row cannot be released as it is: that is its order's own trouble.
pub(super) fn reservation(plan: &Plan, row: &MySqlRow, name: &'static str) -> Result<ActiveReservation, ShopError> {
    let columns = plan.reservation.key.len();
    let after = columns.saturating_add(1);
    let key = read_whole_key(row, 1, columns, name)?;
    let quantity = read::<Option<i64>>(row, after, name)?.filter(|quantity| *quantity >= 0);
    let quantity = quantity.ok_or_else(|| {
        let message = format!(
            "reservation `{key}` has a quantity that is negative, empty, larger than 64 bits hold, or has more decimals than the profile keeps"
        );
        ShopError::new(ShopErrorKind::Constraint, message).during(name)
    })?;
    let due = read_flag(row, after.saturating_add(2), name)?;
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
        quantity: Quantity::new(quantity),
        expires_at: read_instant(row, after.saturating_add(1), name)?,
        due,
        overdue_micros: if due { overdue.max(0) } else { 0 },
        stock,
    })
}

/// A row of `lock_stock`, whose first column says which of the wanted rows it is.
pub(super) fn stock(wanted: &[&StockRef], row: &MySqlRow, name: &'static str) -> Result<StockRow, ShopError> {
    let place: i64 = read(row, 0, name)?;
    let stock = usize::try_from(place.saturating_sub(1)).ok().and_then(|place| wanted.get(place));
    let stock = stock
        .ok_or_else(|| ShopError::new(ShopErrorKind::Other, "a stock row came that was not asked for").during(name))?;
    let counter = |value: usize| -> Result<Option<Quantity>, ShopError> {
        let quantity: Option<i64> = read(row, value, name)?;
        if quantity.is_none() && !read_flag(row, value.saturating_add(1), name)? {
            let message = format!(
                "the counter of stock row `{}` is larger than 64 bits with a sign hold, or has more decimals than the profile keeps",
                stock.key
            );
            return Err(ShopError::new(ShopErrorKind::Constraint, message).during(name));
        }
        Ok(quantity.map(Quantity::new))
    };
    Ok(StockRow { stock: (*stock).clone(), reserved: counter(1)?, on_hand: counter(3)? })
}

//! Reads the rows of the shop's own tables into the engine's words: every dialect asks for the same columns.

use std::collections::HashSet;

use unreserve_engine::model::{ActiveReservation, ExaminedOrder, LockedOrder, Position, Quantity, StockRef, StockRow};
use unreserve_engine::plan::Plan;
use unreserve_engine::shop::{GuardedOrder, Leftovers, Outlook, ShopError, ShopErrorKind, read_for};

use crate::cells::{Cells, read_flag, read_instant, read_key, read_sum, read_whole_key};

/// A row of the line of due reservations.
pub(crate) fn candidate(plan: &Plan, row: &impl Cells, name: &'static str) -> Result<LockedOrder, ShopError> {
    let columns = plan.reservation.key.len();
    let expiry = row.text(1, name)?.unwrap_or_default();
    let reservation = read_whole_key(row, 2, columns, name)?;
    let number = row.shown(columns.saturating_add(2), name)?;
    Ok(LockedOrder { key: read_whole_key(row, 0, 1, name)?, number, position: Position { expiry, reservation } })
}

/// The guards that hold, from the columns that begin at `first`.
fn guards(plan: &Plan, row: &impl Cells, first: usize, name: &'static str) -> Result<Vec<String>, ShopError> {
    let mut guards = Vec::new();
    for (index, guard) in plan.guards.iter().enumerate() {
        if read_flag(row, index.saturating_add(first), name)? {
            guards.push(guard.name.clone());
        }
    }
    Ok(guards)
}

/// Puts together what is left over, from what was read.
pub(crate) struct LeftoversRead {
    /// How many of each may be told.
    pub(crate) count_limit: u64,
    /// What lies ahead.
    pub(crate) outlook: Outlook,
    /// Orders that are set aside.
    pub(crate) set_aside: u64,
    /// The rows of `guarded`, how many there were, and each order once.
    pub(crate) guarded: (usize, Vec<GuardedOrder>),
    /// Reservations without an order.
    pub(crate) without_order: u64,
    /// How many expired reservations were read.
    pub(crate) read: u64,
}

impl LeftoversRead {
    /// Says where there may be more than was read.
    pub(crate) fn told(self) -> Leftovers {
        let (rows, guarded) = self.guarded;
        let rows = u64::try_from(rows).unwrap_or(u64::MAX);
        let at_least = self.read >= read_for(self.count_limit)
            || rows >= self.count_limit
            || self.without_order >= self.count_limit;
        Leftovers {
            outlook: self.outlook,
            set_aside: self.set_aside,
            guarded,
            without_order: self.without_order.min(self.count_limit),
            at_least,
        }
    }
}

/// The rows of `guarded`: each order once, in their order.
pub(crate) fn guarded(plan: &Plan, rows: &[impl Cells]) -> Result<Vec<GuardedOrder>, ShopError> {
    const NAME: &str = "guarded";
    let mut seen = HashSet::new();
    let mut orders = Vec::new();
    for row in rows {
        let key = read_whole_key(row, 0, 1, NAME)?;
        if seen.insert(key.clone()) {
            orders.push(GuardedOrder { key, number: row.shown(1, NAME)?, guards: guards(plan, row, 2, NAME)? });
        }
    }
    Ok(orders)
}

/// A row of `examine_orders`.
pub(crate) fn order(plan: &Plan, row: &impl Cells, name: &'static str) -> Result<ExaminedOrder, ShopError> {
    Ok(ExaminedOrder {
        key: read_whole_key(row, 0, 1, name)?,
        number: row.shown(1, name)?,
        unpaid: read_flag(row, 2, name)?,
        cancelled: read_flag(row, 3, name)?,
        guards: guards(plan, row, 4, name)?,
        reservations: Vec::new(),
    })
}

/// A row of `examine_reservations`, behind the order it belongs to, where the database says what is due.
///
/// # Errors
/// `Constraint` where the row cannot be released as it is: that is its order's own trouble.
pub(crate) fn reservation(plan: &Plan, row: &impl Cells, name: &'static str) -> Result<ActiveReservation, ShopError> {
    let times = plan.reservation.key.len().saturating_add(2);
    let overdue = read_sum(row, times.saturating_add(2), name)?;
    let overdue = read_flag(row, times.saturating_add(1), name)?.then_some(overdue.max(0));
    assembled(plan, row, (overdue, times.saturating_add(3)), name)
}

/// The same, where it is due by a cutoff in microseconds that was read from the database before.
///
/// # Errors
/// `Constraint` where the row cannot be released as it is: that is its order's own trouble.
pub(crate) fn reservation_at(
    plan: &Plan,
    row: &impl Cells,
    cutoff: i64,
    name: &'static str,
) -> Result<ActiveReservation, ShopError> {
    let times = plan.reservation.key.len().saturating_add(2);
    let expires_at = read_instant(row, times, name)?;
    let overdue = expires_at.map(|expires_at| cutoff.saturating_sub(expires_at.as_microsecond()));
    assembled(plan, row, (overdue.filter(|overdue| *overdue >= 0), times.saturating_add(1)), name)
}

/// From how long it is overdue, if it is due, and where the keys of its stock rows begin.
fn assembled(
    plan: &Plan,
    row: &impl Cells,
    (overdue_micros, mut index): (Option<i64>, usize),
    name: &'static str,
) -> Result<ActiveReservation, ShopError> {
    let columns = plan.reservation.key.len();
    let after = columns.saturating_add(1);
    let key = read_whole_key(row, 1, columns, name)?;
    let quantity = row.integer(after, name)?.filter(|quantity| *quantity >= 0);
    let quantity = quantity.ok_or_else(|| {
        let message = format!(
            "reservation `{key}` has a quantity that is negative, no number, larger than 64 bits hold, or has more decimals than the profile keeps"
        );
        ShopError::new(ShopErrorKind::Constraint, message).during(name)
    })?;
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
        due: overdue_micros.is_some(),
        overdue_micros: overdue_micros.unwrap_or(0),
        stock,
    })
}

/// A row of `lock_stock`, whose first column says which of the wanted rows it is, counted from 1.
pub(crate) fn stock(wanted: &[&StockRef], row: &impl Cells, name: &'static str) -> Result<StockRow, ShopError> {
    let place = read_sum(row, 0, name)?;
    let stock = usize::try_from(place.saturating_sub(1)).ok().and_then(|place| wanted.get(place));
    let stock = stock
        .ok_or_else(|| ShopError::new(ShopErrorKind::Other, "a stock row came that was not asked for").during(name))?;
    let counter = |value: usize| -> Result<Option<Quantity>, ShopError> {
        let quantity = row.integer(value, name)?;
        if quantity.is_none() && !read_flag(row, value.saturating_add(1), name)? {
            let message = format!(
                "the counter of stock row `{}` is no number, larger than 64 bits with a sign hold, or has more decimals than the profile keeps",
                stock.key
            );
            return Err(ShopError::new(ShopErrorKind::Constraint, message).during(name));
        }
        Ok(quantity.map(Quantity::new))
    };
    Ok(StockRow { stock: (*stock).clone(), reserved: counter(1)?, on_hand: counter(3)? })
}

//! Reads what the shop's tables tell of some days: every dialect asks for the same columns in the same order.

use std::collections::BTreeMap;

use unreserve_engine::shop::{
    CancelledValue, OrdersMade, Part, PaymentTimes, ReservationsMade, ShopError, ShopErrorKind,
};

use crate::cells::{Cells, read_count, read_sum};

/// The rows of one part, or why there are none. A statement that takes longer than it may is no failure of the others.
pub(crate) fn rows_or_too_long<R>(outcome: Result<Vec<R>, ShopError>) -> Result<Option<Vec<R>>, ShopError> {
    match outcome {
        Ok(rows) => Ok(Some(rows)),
        Err(error) if error.kind == ShopErrorKind::LockTimeout => Ok(None),
        Err(error) => Err(error),
    }
}

/// Adds rows up by day. The first column is the day, NULL where a row that was read is of none; the second counts them.
fn by_day<R: Cells, T>(
    rows: &[R],
    rows_max: u32,
    name: &'static str,
    made: impl Fn(&R) -> Result<T, ShopError>,
) -> Result<Part<BTreeMap<i64, T>>, ShopError> {
    let mut read = 0_u64;
    let mut days = BTreeMap::new();
    for row in rows {
        read = read.saturating_add(read_count(row, 1, name)?);
        if let Some(day) = row.integer(0, name)? {
            days.insert(day, made(row)?);
        }
    }
    Ok(if read > u64::from(rows_max) { Part::TooMany } else { Part::Read(days) })
}

/// The rows of `figures_orders`: day, made, unpaid, cancelled, paid.
pub(crate) fn orders(
    rows: Option<Vec<impl Cells>>,
    rows_max: u32,
) -> Result<Part<BTreeMap<i64, OrdersMade>>, ShopError> {
    const NAME: &str = "figures_orders";
    let Some(rows) = rows else { return Ok(Part::TooLong) };
    by_day(&rows, rows_max, NAME, |row| {
        Ok(OrdersMade {
            made: read_count(row, 1, NAME)?,
            unpaid: read_count(row, 2, NAME)?,
            cancelled: read_count(row, 3, NAME)?,
            paid: read_count(row, 4, NAME)?,
        })
    })
}

/// The rows of `figures_reservations`: day, made, units, active, due, fulfilled, released.
pub(crate) fn reservations(
    rows: Option<Vec<impl Cells>>,
    rows_max: u32,
) -> Result<Part<BTreeMap<i64, ReservationsMade>>, ShopError> {
    const NAME: &str = "figures_reservations";
    let Some(rows) = rows else { return Ok(Part::TooLong) };
    by_day(&rows, rows_max, NAME, |row| {
        Ok(ReservationsMade {
            made: read_count(row, 1, NAME)?,
            units: read_sum(row, 2, NAME)?,
            active: read_count(row, 3, NAME)?,
            due: read_count(row, 4, NAME)?,
            fulfilled: read_count(row, 5, NAME)?,
            released: read_count(row, 6, NAME)?,
        })
    })
}

/// The rows of `figures_payments`, shortest first: seconds, orders, those of which the expiry is known, those paid after it.
pub(crate) fn payments(rows: Option<Vec<impl Cells>>, judges: bool) -> Result<Part<PaymentTimes>, ShopError> {
    const NAME: &str = "figures_payments";
    let Some(rows) = rows else { return Ok(Part::TooLong) };
    let (mut seconds, mut judged, mut late) = (Vec::with_capacity(rows.len()), 0_u64, 0_u64);
    for row in &rows {
        seconds.push((read_sum(row, 0, NAME)?, read_count(row, 1, NAME)?));
        judged = judged.saturating_add(read_count(row, 2, NAME)?);
        late = late.saturating_add(read_count(row, 3, NAME)?);
    }
    Ok(Part::Read(PaymentTimes { seconds, judged: judges.then_some(judged), late }))
}

/// The rows of `figures_value`: day, currency, orders, those with a readable amount, their sum.
pub(crate) fn cancelled_value(
    rows: Option<Vec<impl Cells>>,
    rows_max: u32,
) -> Result<Part<Vec<CancelledValue>>, ShopError> {
    const NAME: &str = "figures_value";
    let Some(rows) = rows else { return Ok(Part::TooLong) };
    let mut values = Vec::with_capacity(rows.len());
    for row in &rows {
        values.push(CancelledValue {
            day: read_sum(row, 0, NAME)?,
            currency: row.text(1, NAME)?,
            orders: read_count(row, 2, NAME)?,
            readable: read_count(row, 3, NAME)?,
            amount: read_sum(row, 4, NAME)?,
        });
    }
    let read = values.iter().fold(0_u64, |sum, value| sum.saturating_add(value.orders));
    Ok(if read > u64::from(rows_max) { Part::TooMany } else { Part::Read(values) })
}

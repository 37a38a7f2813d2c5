//! Reads the rows that only this dialect asks for in this form.

use sqlx::postgres::PgRow;
use unreserve_engine::plan::ClockEvidence;
use unreserve_engine::shop::{Outlook, ShopError};

use super::values::{read_count, read_instant, read_own_instant};

/// The row of `clock_evidence`.
pub(super) fn clock_evidence(row: &PgRow, name: &'static str) -> Result<ClockEvidence, ShopError> {
    Ok(ClockEvidence {
        now: read_own_instant(row, 0, name)?,
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
    let now = read_own_instant(row, 0, name)?;
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

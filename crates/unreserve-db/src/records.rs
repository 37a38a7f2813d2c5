//! Reads the rows of our own tables: every dialect asks for the same columns in the same order.

use std::collections::BTreeMap;

use unreserve_engine::ledger::{
    BatchRecord, DayTally, EntryPlace, EntryRecord, ReleaseSeen, SetAsideRecord, StockTally, SweepPlace, SweepRecord,
};
use unreserve_engine::model::{BatchId, SweepId};
use unreserve_engine::shop::{Books, LeaseSeen, ShopError, ShopErrorKind, SweepSeen};

use crate::cells::{Cells, read_count, read_flag, read_instant, read_own_instant, read_sum};

fn whole_text(row: &impl Cells, index: usize, statement: &'static str) -> Result<String, ShopError> {
    row.text(index, statement)?
        .ok_or_else(|| ShopError::new(ShopErrorKind::Other, "the answer holds no text").during(statement))
}

/// A row of `history`.
pub(crate) fn sweep(row: &impl Cells) -> Result<SweepRecord, ShopError> {
    const NAME: &str = "history";
    let sweep_id = SweepId::parse(&whole_text(row, 0, NAME)?);
    let protected = row.text(7, NAME)?.and_then(|text| serde_json::from_str::<BTreeMap<String, u64>>(&text).ok());
    Ok(SweepRecord {
        sweep_id: sweep_id.map_err(|error| ShopError::new(ShopErrorKind::Other, error.to_string()).during(NAME))?,
        profile: whole_text(row, 1, NAME)?,
        holder: whole_text(row, 2, NAME)?,
        started_at: read_own_instant(row, 3, NAME)?,
        finished_at: read_instant(row, 4, NAME)?,
        ending: row.text(5, NAME)?,
        duration_ms: row.integer(6, NAME)?.and_then(|micros| micros.checked_div(1_000)),
        orders_protected: protected.unwrap_or_default(),
        orders_set_aside: read_count(row, 8, NAME)?,
        oldest_overdue_seconds: read_sum(row, 9, NAME)?.checked_div(1_000_000).unwrap_or(0),
        remaining_due: read_flag(row, 10, NAME)?,
        error: row.text(11, NAME)?,
        batches: read_count(row, 12, NAME)?,
        reservations_released: read_count(row, 13, NAME)?,
        units_released: read_sum(row, 14, NAME)?,
        stock_rows_updated: read_count(row, 15, NAME)?,
        orders_cancelled: read_count(row, 16, NAME)?,
        drift_units: read_sum(row, 17, NAME)?,
    })
}

/// A row of `find_batch`.
pub(crate) fn batch(row: &impl Cells, batch_id: BatchId) -> Result<BatchRecord, ShopError> {
    const NAME: &str = "find_batch";
    Ok(BatchRecord {
        batch_id,
        reservations: read_count(row, 0, NAME)?,
        units: read_sum(row, 1, NAME)?,
        stock_rows: read_count(row, 2, NAME)?,
        orders_cancelled: read_count(row, 3, NAME)?,
        drift: read_sum(row, 4, NAME)?,
    })
}

/// A row of `entries`.
pub(crate) fn entry(row: &impl Cells) -> Result<EntryRecord, ShopError> {
    const NAME: &str = "entries";
    Ok(EntryRecord {
        kind: whole_text(row, 0, NAME)?,
        order: whole_text(row, 1, NAME)?,
        number: row.text(2, NAME)?,
        reservation: row.text(3, NAME)?,
        stock: row.text(4, NAME)?,
        quantity: read_sum(row, 5, NAME)?,
        drift: read_sum(row, 6, NAME)?,
        expires_at: read_instant(row, 7, NAME)?,
        at: read_own_instant(row, 8, NAME)?,
        overdue_seconds: read_sum(row, 9, NAME)?,
    })
}

/// A row of `orders_set_aside`.
pub(crate) fn aside(row: &impl Cells) -> Result<SetAsideRecord, ShopError> {
    const NAME: &str = "orders_set_aside";
    Ok(SetAsideRecord {
        order: whole_text(row, 0, NAME)?,
        number: row.text(1, NAME)?,
        reason: whole_text(row, 2, NAME)?,
        attempts: read_count(row, 3, NAME)?,
        since: read_own_instant(row, 4, NAME)?,
        retry_at: read_own_instant(row, 5, NAME)?,
    })
}

/// A row of `recent_sweeps`.
pub(crate) fn sweep_seen(row: &impl Cells) -> Result<SweepSeen, ShopError> {
    const NAME: &str = "recent_sweeps";
    Ok(SweepSeen {
        started_at: read_own_instant(row, 0, NAME)?,
        finished_at: read_instant(row, 1, NAME)?,
        ending: row.text(2, NAME)?,
        duration_micros: row.integer(3, NAME)?,
    })
}

/// A row of `leases`: the row's name before who holds it.
pub(crate) fn lease_seen(row: &impl Cells) -> Result<(String, LeaseSeen), ShopError> {
    const NAME: &str = "leases";
    let seen = LeaseSeen {
        host: row.text(1, NAME)?.unwrap_or_default(),
        process_id: read_sum(row, 2, NAME)?,
        heard_seconds_ago: read_sum(row, 3, NAME)?,
        connected: row.integer(4, NAME)?.map(|connected| connected != 0),
    };
    Ok((whole_text(row, 0, NAME)?, seen))
}

/// The one row of `books`.
pub(crate) fn books(row: &impl Cells) -> Result<Books, ShopError> {
    const NAME: &str = "books";
    Ok(Books {
        batches: read_count(row, 0, NAME)?,
        without_sweep: read_count(row, 1, NAME)?,
        sums_differ: read_count(row, 2, NAME)?,
    })
}

/// The days of a tally, by their number since 1970.
type Days = BTreeMap<i64, DayTally>;

/// A row of `tally_sweeps`: the day, the sweeps that began, those that ended well.
pub(crate) fn tally_sweeps(days: &mut Days, row: &impl Cells) -> Result<(), ShopError> {
    const NAME: &str = "tally_sweeps";
    let day = days.entry(read_sum(row, 0, NAME)?).or_default();
    (day.sweeps, day.sweeps_well) = (read_count(row, 1, NAME)?, read_count(row, 2, NAME)?);
    Ok(())
}

/// A row of `tally_batches`: the day, and the sums over its batches.
pub(crate) fn tally_batches(days: &mut Days, row: &impl Cells) -> Result<(), ShopError> {
    const NAME: &str = "tally_batches";
    let day = days.entry(read_sum(row, 0, NAME)?).or_default();
    (day.reservations, day.units) = (read_count(row, 1, NAME)?, read_sum(row, 2, NAME)?);
    (day.orders_cancelled, day.drift) = (read_count(row, 3, NAME)?, read_sum(row, 4, NAME)?);
    Ok(())
}

/// A row of `tally_hours`: the day, and units times milliseconds, lost and given back.
pub(crate) fn tally_hours(days: &mut Days, row: &impl Cells) -> Result<(), ShopError> {
    const NAME: &str = "tally_hours";
    let day = days.entry(read_sum(row, 0, NAME)?).or_default();
    (day.lost_unit_millis, day.back_unit_millis) = (read_sum(row, 1, NAME)?, read_sum(row, 2, NAME)?);
    Ok(())
}

/// A row of `tally_lags`: milliseconds, and how many.
pub(crate) fn lag(row: &impl Cells) -> Result<(i64, u64), ShopError> {
    Ok((read_sum(row, 0, "tally_lags")?, read_count(row, 1, "tally_lags")?))
}

/// A row of `tally_stock`.
pub(crate) fn stock_tally(row: &impl Cells) -> Result<StockTally, ShopError> {
    const NAME: &str = "tally_stock";
    Ok(StockTally {
        stock: whole_text(row, 0, NAME)?,
        reservations: read_count(row, 1, NAME)?,
        units: read_sum(row, 2, NAME)?,
    })
}

/// A row of `sweeps_page`, with its place in the line.
pub(crate) fn placed_sweep(row: &impl Cells) -> Result<(SweepPlace, SweepRecord), ShopError> {
    let sweep = sweep(row)?;
    Ok((SweepPlace { started_at: sweep.started_at, sweep_id: sweep.sweep_id }, sweep))
}

/// A row of `sweeps_looked`: the identity, and when it began.
pub(crate) fn sweep_place(row: &impl Cells) -> Result<SweepPlace, ShopError> {
    const NAME: &str = "sweeps_looked";
    let sweep_id = SweepId::parse(&whole_text(row, 0, NAME)?);
    let sweep_id = sweep_id.map_err(|error| ShopError::new(ShopErrorKind::Other, error.to_string()).during(NAME))?;
    Ok(SweepPlace { started_at: read_own_instant(row, 1, NAME)?, sweep_id })
}

/// A row of `entries_page`: an entry, and its place behind it.
pub(crate) fn placed_entry(row: &impl Cells) -> Result<(EntryPlace, EntryRecord), ShopError> {
    Ok((entry_place(row, 10)?, entry(row)?))
}

/// A place among entries, from a column on: when its batch was, the batch, the line.
pub(crate) fn entry_place(row: &impl Cells, first: usize) -> Result<EntryPlace, ShopError> {
    const NAME: &str = "entries_page";
    let batch_id = BatchId::parse(&whole_text(row, first.saturating_add(1), NAME)?);
    Ok(EntryPlace {
        at: read_own_instant(row, first, NAME)?,
        batch_id: batch_id.map_err(|error| ShopError::new(ShopErrorKind::Other, error.to_string()).during(NAME))?,
        line: read_sum(row, first.saturating_add(2), NAME)?,
    })
}

/// A row of `newest_releases`.
pub(crate) fn release_seen(row: &impl Cells) -> Result<ReleaseSeen, ShopError> {
    const NAME: &str = "newest_releases";
    Ok(ReleaseSeen {
        at: read_own_instant(row, 0, NAME)?,
        stock: row.text(1, NAME)?,
        quantity: read_sum(row, 2, NAME)?,
        overdue_micros: read_sum(row, 3, NAME)?,
    })
}

//! Sums over some days of the ledger in memory.

use std::collections::BTreeMap;

use jiff::Timestamp;
use unreserve_engine::ledger::{DayTally, Ending, Entry, EntryKind, StockTally, Tally, TallyQuery};

use super::own::{BatchRow, Own};

const DAY: i64 = 86_400_000_000;

fn day_of(micros: i64) -> i64 {
    micros.div_euclid(DAY)
}

/// What stands in the ledger, as the databases sum it.
pub(super) fn tally(own: &Own, query: &TallyQuery, now: i64) -> Tally {
    let (from, to) = (query.from.as_microsecond(), query.to.as_microsecond());
    let mut days: BTreeMap<i64, DayTally> = BTreeMap::new();
    let of_profile = own.sweeps.iter().filter(|(start, at)| start.profile == query.profile && (from..to).contains(at));
    for (start, at) in of_profile {
        let day = days.entry(day_of(*at)).or_default();
        let end = own.ends.get(&start.sweep_id).map(|(end, _)| end.ending);
        day.sweeps = day.sweeps.saturating_add(1);
        let well = matches!(end, Some(Ending::Done | Ending::Problems));
        day.sweeps_well = day.sweeps_well.saturating_add(u64::from(well));
    }
    let batches = own.batches.iter().filter(|batch| batch.profile == query.profile && (from..to).contains(&batch.at));
    let batches: Vec<&BatchRow> = batches.collect();
    let mut lags: BTreeMap<i64, u64> = BTreeMap::new();
    let mut stock: BTreeMap<String, StockTally> = BTreeMap::new();
    for batch in batches {
        let day = days.entry(day_of(batch.at)).or_default();
        day.reservations = day.reservations.saturating_add(batch.record.reservations);
        day.units = day.units.saturating_add(batch.record.units);
        day.orders_cancelled = day.orders_cancelled.saturating_add(batch.record.orders_cancelled);
        day.drift = day.drift.saturating_add(batch.record.drift);
        for entry in batch.entries.iter().filter(|entry| entry.kind == EntryKind::Release) {
            let units = entry.quantity.units();
            let millis = |micros: i64| micros.max(0).checked_div(1_000).unwrap_or(0);
            let back = millis(to.min(now)).saturating_sub(millis(batch.at)).max(0);
            day.lost_unit_millis =
                day.lost_unit_millis.saturating_add(units.saturating_mul(millis(entry.overdue_micros)));
            day.back_unit_millis = day.back_unit_millis.saturating_add(units.saturating_mul(back));
            let count = lags.entry(lag(entry)).or_default();
            *count = count.saturating_add(1);
            add_stock(&mut stock, entry);
        }
    }
    let mut stock: Vec<StockTally> = stock.into_values().collect();
    stock.sort_by_key(|row| (std::cmp::Reverse(row.units), row.stock.clone()));
    stock.truncate(usize::try_from(query.stock_max).unwrap_or(usize::MAX));
    let now = Timestamp::from_microsecond(now).unwrap_or(Timestamp::UNIX_EPOCH);
    Tally { now, days, lags: lags.into_iter().collect(), stock }
}

fn lag(entry: &Entry) -> i64 {
    let micros = entry.overdue_micros;
    let (unit, millis) = if micros < 10_000_000 { (1_000, 1) } else { (1_000_000, 1_000) };
    micros.checked_div(unit).unwrap_or(0).saturating_mul(millis)
}

fn add_stock(stock: &mut BTreeMap<String, StockTally>, entry: &Entry) {
    let Some(name) = &entry.stock else { return };
    let fresh = StockTally { stock: name.clone(), reservations: 0, units: 0 };
    let row = stock.entry(name.clone()).or_insert(fresh);
    row.reservations = row.reservations.saturating_add(1);
    row.units = row.units.saturating_add(entry.quantity.units());
}

//! How the sweeps of the shop in memory go.

use jiff::Timestamp;
use unreserve_engine::ledger::EntryKind;
use unreserve_engine::shop::{AppendOnly, Books, LeaseSeen, SweepSeen, Vitals, VitalsQuery};

use super::own::{BatchRow, Own};
use super::store::State;

fn instant(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// What stands in our own tables, as the databases tell it.
pub(super) fn vitals(state: &State, query: &VitalsQuery, now: i64) -> Vitals {
    let own = &state.own;
    let of_profile = own.sweeps.iter().rev().filter(|(start, _)| start.profile == query.profile);
    let sweeps = of_profile.take(usize::try_from(query.sweeps_max).unwrap_or(usize::MAX)).map(|(start, at)| {
        let end = own.ends.get(&start.sweep_id);
        SweepSeen {
            started_at: instant(*at),
            finished_at: end.map(|(_, at)| instant(*at)),
            ending: end.map(|(end, _)| end.ending.word().to_owned()),
            duration_micros: end.map(|(end, _)| end.duration_micros),
        }
    });
    let since = now.saturating_sub(i64::from(query.days).saturating_mul(86_400_000_000));
    let young = |batch: &&BatchRow| batch.profile == query.profile && batch.at >= since;
    let drifts = own.batches.iter().filter(young).map(|batch| batch.record.drift);
    let aside = own.set_aside.iter().filter(|((profile, _), row)| *profile == query.profile && row.retry_at > now);
    Vitals {
        now: instant(now),
        sweeps: sweeps.collect(),
        drift_units: drifts.fold(0, i64::saturating_add),
        set_aside: u64::try_from(aside.count()).unwrap_or(u64::MAX),
        lease: lease(state, &query.profile, now),
        duty: lease(state, &format!("{} on duty", query.profile), now),
        books: books(own, query.batches_max),
        append_only: AppendOnly::Kept,
    }
}

fn lease(state: &State, row: &str, now: i64) -> Option<LeaseSeen> {
    let lease = state.own.leases.get(row)?;
    let holder = lease.holder.as_ref()?;
    Some(LeaseSeen {
        host: holder.host.clone(),
        process_id: i64::from(holder.process_id),
        heard_seconds_ago: now.saturating_sub(lease.heard_at).checked_div(1_000_000).unwrap_or(0),
        connected: Some(state.connections.contains_key(&lease.connection)),
    })
}

fn books(own: &Own, batches_max: u32) -> Books {
    let newest = own.batches.iter().rev().take(usize::try_from(batches_max).unwrap_or(usize::MAX));
    newest.fold(Books::default(), |books, batch| {
        let of = |kind| batch.entries.iter().filter(move |entry| entry.kind == kind);
        let count = |kind| u64::try_from(of(kind).count()).unwrap_or(u64::MAX);
        let units = batch.entries.iter().map(|entry| entry.quantity.units()).fold(0, i64::saturating_add);
        let drift = batch.entries.iter().map(|entry| entry.drift.units()).fold(0, i64::saturating_add);
        let told = (batch.record.reservations, batch.record.units, batch.record.orders_cancelled, batch.record.drift);
        let differ = told != (count(EntryKind::Release), units, count(EntryKind::Cancel), drift);
        let orphan = !own.sweeps.iter().any(|(start, _)| start.sweep_id == batch.sweep_id);
        Books {
            batches: books.batches.saturating_add(1),
            without_sweep: books.without_sweep.saturating_add(u64::from(orphan)),
            sums_differ: books.sums_differ.saturating_add(u64::from(differ)),
        }
    })
}

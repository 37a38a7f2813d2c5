//! The lease and the ledger of the shop in memory, by the same rules as in the databases.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use unreserve_engine::ledger::{
    BatchRecord, Entry, EntryRecord, HistoryQuery, SetAside, SetAsideRecord, SweepEnd, SweepRecord, SweepStart,
};
use unreserve_engine::model::{BatchId, Holder, Key, SweepId};
use unreserve_engine::shop::{Acquired, ShopError, ShopErrorKind};

use super::link::Link;
use super::locks::{Mode, RowId, TxId};
use super::mutation::Mutation;
use super::own::{AsideRow, Lease, Own, OwnWrite};
use super::store::State;

/// A lease that was not heard of for so long is free.
const LEASE: i64 = 30_000_000;

/// Whoever was not heard of on duty for so long is taken for dead.
const SILENT: i64 = 10_000_000;

/// How long the lease's row is waited for.
const PATIENCE: Duration = Duration::from_secs(3);

fn fenced() -> ShopError {
    ShopError::new(ShopErrorKind::Fenced, "another instance has taken over the sweep of this shop")
}

/// Takes the lease, and writes that the sweep begins.
pub(super) async fn acquire(link: &mut Link, holder: &Holder, start: &SweepStart) -> Result<Acquired, ShopError> {
    let tx = link.begin(PATIENCE).await?;
    let taken = try_acquire(link, tx, holder, start).await;
    match taken {
        Ok(true) => link.commit(tx).await.map(|()| Acquired::Yes),
        Ok(false) => {
            link.rollback(tx).await;
            held_by(link, holder, &start.profile).await
        }
        Err(error) => {
            link.rollback(tx).await;
            if error.kind != ShopErrorKind::LockTimeout {
                return Err(error);
            }
            // Whoever is in a batch holds the row: that is an answer too.
            match held_by(link, holder, &start.profile).await? {
                Acquired::Yes => Err(error),
                held => Ok(held),
            }
        }
    }
}

async fn try_acquire(link: &mut Link, tx: TxId, holder: &Holder, start: &SweepStart) -> Result<bool, ShopError> {
    link.statement(tx).await?;
    link.database.lock(tx, &RowId::lease(&start.profile), Mode::NoKeyUpdate).await?;
    let now = link.now();
    let connection = link.connection().unwrap_or(0);
    let mut state = link.database.state();
    let lease = state.own.leases.get(&start.profile).cloned().unwrap_or_default();
    if !is_free(&state, &lease, holder, now.saturating_sub(LEASE)) {
        return Ok(false);
    }
    let epoch = lease.epoch.saturating_add(1);
    let lease = Lease { epoch, holder: Some(holder.clone()), heard_at: now, connection };
    state.put_own(tx, OwnWrite::Lease(start.profile.clone(), lease));
    state.put_own(tx, OwnWrite::Begun(start.clone(), now));
    Ok(true)
}

fn is_free(state: &State, lease: &Lease, holder: &Holder, heard_before: i64) -> bool {
    let Some(other) = &lease.holder else { return true };
    other.token == holder.token
        || lease.heard_at < heard_before
        || (other.host == holder.host && other.lock_file == holder.lock_file)
        || !state.connections.contains_key(&lease.connection)
}

async fn held_by(link: &mut Link, holder: &Holder, profile: &str) -> Result<Acquired, ShopError> {
    link.ask().await?;
    let state = link.database.state();
    let lease = state.own.leases.get(profile).cloned().unwrap_or_default();
    let heard = link.now().saturating_sub(lease.heard_at).max(0);
    match lease.holder {
        Some(other) if other.token != holder.token => {
            Ok(Acquired::HeldBy { holder: other, heard_seconds_ago: heard.checked_div(1_000_000).unwrap_or(0) })
        }
        Some(_) => Ok(Acquired::Yes),
        // It became free in this very moment; whoever asks is told of nobody, and asks again.
        None => {
            let nobody = Holder { token: String::new(), host: String::new(), process_id: 0, lock_file: String::new() };
            Ok(Acquired::HeldBy { holder: nobody, heard_seconds_ago: 0 })
        }
    }
}

/// The lease that says who is on duty for a profile.
#[must_use]
pub(super) fn duty_row(profile: &str) -> String {
    format!("{profile} on duty")
}

/// Becomes, or stays, the one who watches.
pub(super) async fn take_duty(link: &mut Link, profile: &str, holder: &Holder) -> Result<Acquired, ShopError> {
    let row = duty_row(profile);
    let tx = link.begin(PATIENCE).await?;
    match try_take_duty(link, tx, &row, holder).await {
        Ok(true) => return link.commit(tx).await.map(|()| Acquired::Yes),
        Ok(false) => link.rollback(tx).await,
        Err(error) => {
            link.rollback(tx).await;
            return Err(error);
        }
    }
    held_by(link, holder, &row).await
}

async fn try_take_duty(link: &mut Link, tx: TxId, row: &str, holder: &Holder) -> Result<bool, ShopError> {
    link.statement(tx).await?;
    link.database.lock(tx, &RowId::lease(row), Mode::NoKeyUpdate).await?;
    let now = link.now();
    let connection = link.connection().unwrap_or(0);
    let mut state = link.database.state();
    let lease = state.own.leases.get(row).cloned().unwrap_or_default();
    let shares = state.mutation == Some(Mutation::SharesTheDuty);
    let free = shares || is_free(&state, &lease, holder, now.saturating_sub(SILENT));
    if free {
        let taken = Lease { holder: Some(holder.clone()), heard_at: now, connection, ..lease };
        state.put_own(tx, OwnWrite::Lease(row.to_owned(), taken));
    }
    Ok(free)
}

/// Lets the next one watch.
pub(super) async fn leave_duty(link: &mut Link, profile: &str, token: &str) -> Result<(), ShopError> {
    let row = duty_row(profile);
    let tx = link.begin(PATIENCE).await?;
    if let Err(error) = try_leave_duty(link, tx, &row, token).await {
        link.rollback(tx).await;
        return Err(error);
    }
    link.commit(tx).await
}

async fn try_leave_duty(link: &mut Link, tx: TxId, row: &str, token: &str) -> Result<(), ShopError> {
    link.statement(tx).await?;
    link.database.lock(tx, &RowId::lease(row), Mode::NoKeyUpdate).await?;
    let mut state = link.database.state();
    if holds(&state, row, token) && state.mutation != Some(Mutation::KeepsTheDuty) {
        let lease = state.own.leases.get(row).cloned().unwrap_or_default();
        state.put_own(tx, OwnWrite::Lease(row.to_owned(), Lease { holder: None, ..lease }));
    }
    Ok(())
}

/// The committed batch of that identity.
pub(super) async fn find_batch(link: &mut Link, batch_id: BatchId) -> Result<Option<BatchRecord>, ShopError> {
    link.ask().await?;
    let state = link.database.state();
    Ok(state.own.batch(batch_id).map(|batch| batch.record))
}

fn holds(state: &State, profile: &str, token: &str) -> bool {
    let holder = state.own.leases.get(profile).and_then(|lease| lease.holder.as_ref());
    holder.is_some_and(|holder| holder.token == token)
}

/// Keeps an order out of the way for an hour.
pub(super) async fn set_aside(link: &mut Link, profile: &str, token: &str, aside: &SetAside) -> Result<(), ShopError> {
    let tx = link.begin(Duration::from_secs(1)).await?;
    link.statement(tx).await?;
    let ours = {
        let mut state = link.database.state();
        let ours = holds(&state, profile, token);
        if ours {
            let now = link.now();
            state.put_own(tx, OwnWrite::Aside(profile.to_owned(), aside.clone(), now));
        }
        ours
    };
    if ours {
        return link.commit(tx).await;
    }
    link.rollback(tx).await;
    Err(fenced())
}

/// Closes the books of a sweep.
pub(super) async fn close(link: &mut Link, profile: &str, token: &str, end: &SweepEnd) -> Result<(), ShopError> {
    let tx = link.begin(PATIENCE).await?;
    if let Err(error) = try_close(link, tx, (profile, token), end).await {
        link.rollback(tx).await;
        return Err(error);
    }
    link.commit(tx).await
}

async fn try_close(link: &mut Link, tx: TxId, (profile, token): (&str, &str), end: &SweepEnd) -> Result<(), ShopError> {
    link.statement(tx).await?;
    if holds(&link.database.state(), profile, token) {
        link.database.lock(tx, &RowId::lease(profile), Mode::NoKeyUpdate).await?;
    }
    let now = link.now();
    let mut state = link.database.state();
    if holds(&state, profile, token) {
        let lease = state.own.leases.get(profile).cloned().unwrap_or_default();
        let freed = Lease { holder: None, heard_at: now, ..lease };
        state.put_own(tx, OwnWrite::Lease(profile.to_owned(), freed));
        state.put_own(tx, OwnWrite::Ended(end.clone(), now));
        return Ok(());
    }
    // The answer to an earlier close was lost: it was done all the same.
    if state.own.ends.contains_key(&end.sweep_id) { Ok(()) } else { Err(fenced()) }
}

fn instant(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Sweeps with the sums over their batches, newest first.
pub(super) fn history(state: &State, query: &HistoryQuery) -> Vec<SweepRecord> {
    let (limit, id) = match query {
        HistoryQuery::Latest { limit } => (usize::try_from(*limit).unwrap_or(usize::MAX), String::new()),
        HistoryQuery::Sweep { id } => (2, id.to_lowercase()),
    };
    let extra = u64::from(state.mutation == Some(Mutation::Miscounts));
    let found = state.own.sweeps.iter().rev().filter(|(start, _)| start.sweep_id.to_string().starts_with(&id));
    found.take(limit).map(|(start, at)| sweep_record(&state.own, start, *at, extra)).collect()
}

/// One sweep, with the sums over its batches.
pub(super) fn sweep_record(own: &Own, start: &SweepStart, at: i64, extra: u64) -> SweepRecord {
    let records = own.batches.iter().filter(|batch| batch.sweep_id == start.sweep_id).map(|batch| batch.record);
    let records: Vec<BatchRecord> = records.collect();
    let count = |read: fn(&BatchRecord) -> u64| records.iter().map(read).fold(0, u64::saturating_add);
    let sum = |read: fn(&BatchRecord) -> i64| records.iter().map(read).fold(0, i64::saturating_add);
    let end = own.ends.get(&start.sweep_id);
    SweepRecord {
        sweep_id: start.sweep_id,
        profile: start.profile.clone(),
        holder: start.holder.clone(),
        started_at: instant(at),
        finished_at: end.map(|(_, at)| instant(*at)),
        ending: end.map(|(end, _)| end.ending.word().to_owned()),
        duration_ms: end.map(|(end, _)| end.duration_micros.checked_div(1_000).unwrap_or(0)),
        batches: u64::try_from(records.len()).unwrap_or(u64::MAX),
        reservations_released: count(|record| record.reservations).saturating_add(extra),
        units_released: sum(|record| record.units),
        stock_rows_updated: count(|record| record.stock_rows),
        orders_cancelled: count(|record| record.orders_cancelled),
        drift_units: sum(|record| record.drift),
        orders_protected: end.map_or_else(BTreeMap::new, |(end, _)| end.protected.clone()),
        orders_set_aside: end.map_or(0, |(end, _)| end.set_aside),
        oldest_overdue_seconds: end.map_or(0, |(end, _)| end.oldest_overdue_micros.checked_div(1_000_000).unwrap_or(0)),
        remaining_due: end.is_some_and(|(end, _)| end.remaining_due),
        error: end.and_then(|(end, _)| end.error.clone()),
    }
}

/// One entry.
pub(super) fn entry_record(entry: &Entry, at: i64) -> EntryRecord {
    EntryRecord {
        kind: entry.kind.word().to_owned(),
        order: entry.order.to_string(),
        number: entry.number.clone(),
        reservation: entry.reservation.as_ref().map(Key::to_string),
        stock: entry.stock.clone(),
        quantity: entry.quantity.units(),
        drift: entry.drift.units(),
        expires_at: entry.expires_at,
        at: instant(at),
        overdue_seconds: entry.overdue_micros.checked_div(1_000_000).unwrap_or(0),
    }
}

/// The entries of one sweep, in the order they were written.
pub(super) fn entries(own: &Own, sweep_id: SweepId, limit: u32) -> Vec<EntryRecord> {
    let batches = own.batches.iter().filter(|batch| batch.sweep_id == sweep_id);
    let entries = batches.flat_map(|batch| batch.entries.iter().map(|entry| entry_record(entry, batch.at)));
    entries.take(usize::try_from(limit).unwrap_or(usize::MAX)).collect()
}

/// The entries of one order, newest first.
pub(super) fn entries_of_order(own: &Own, order: &Key) -> Vec<EntryRecord> {
    let batches = own.batches.iter().rev();
    let entries = batches.flat_map(|batch| batch.entries.iter().rev().map(|entry| (entry, batch.at)));
    let of_order = entries.filter(|(entry, _)| entry.order == *order);
    of_order.take(50).map(|(entry, at)| entry_record(entry, at)).collect()
}

/// The orders that are set aside now, oldest first.
pub(super) fn orders_set_aside(own: &Own, profile: Option<&str>, (now, limit): (i64, u32)) -> Vec<SetAsideRecord> {
    let of_profile = |(of, _): &&(String, String)| profile.is_none_or(|profile| profile == of.as_str());
    let mut rows: Vec<(&String, &AsideRow)> = own
        .set_aside
        .iter()
        .filter(|(place, row)| of_profile(place) && row.retry_at > now)
        .map(|((_, order), row)| (order, row))
        .collect();
    rows.sort_by_key(|(order, row)| (row.since, (*order).clone()));
    let record = |(order, row): (&String, &AsideRow)| SetAsideRecord {
        order: order.clone(),
        number: row.aside.number.clone(),
        reason: row.aside.reason.clone(),
        attempts: row.attempts,
        since: instant(row.since),
        retry_at: instant(row.retry_at),
    };
    rows.into_iter().take(usize::try_from(limit).unwrap_or(usize::MAX)).map(record).collect()
}

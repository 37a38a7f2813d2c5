//! The ledger in memory page after page, and what it has of late.

use std::collections::BTreeMap;

use jiff::Timestamp;
use unreserve_engine::ledger::{
    EntriesPage, EntriesQuery, EntryKind, EntryPlace, EntryRecord, Lately, LatelyQuery, ReleaseSeen, SweepFilter,
    SweepPlace, SweepRecord, SweepsPage, SweepsQuery, TallyQuery, days_back, page_of,
};

use super::ledger::{entry_record, sweep_record};
use super::own::{BatchRow, Own};
use super::tally::tally;

fn instant(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn bound(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

/// The last place that was looked at, where so many were.
fn last_of<P: Copy, T>(looked: &[(P, T)], look: u32) -> Option<P> {
    looked.last().filter(|_| looked.len() >= bound(look)).map(|(place, _)| *place)
}

/// A page of the sweeps of one profile, newest first.
pub(super) fn sweeps_page(own: &Own, query: &SweepsQuery) -> SweepsPage {
    let mut all: Vec<(SweepPlace, SweepRecord)> = Vec::new();
    for (start, at) in own.sweeps.iter().filter(|(start, _)| start.profile == query.profile) {
        let place = SweepPlace { started_at: instant(*at), sweep_id: start.sweep_id };
        all.push((place, sweep_record(own, start, *at, 0)));
    }
    let order = |place: &SweepPlace| (place.started_at, place.sweep_id);
    all.sort_by_key(|(place, _)| std::cmp::Reverse(order(place)));
    all.retain(|(place, _)| query.after.as_ref().is_none_or(|after| order(place) < order(after)));
    all.truncate(bound(query.look()));
    let looked = last_of(&all, query.look()).filter(|_| query.filter != SweepFilter::All);
    all.retain(|(_, sweep)| match query.filter {
        SweepFilter::All => true,
        SweepFilter::Changed => sweep.batches > 0,
        SweepFilter::Ended(ending) => sweep.ending.as_deref() == Some(ending.word()),
        SweepFilter::Unfinished => sweep.finished_at.is_none(),
    });
    all.truncate(bound(query.limit.saturating_add(1)));
    let (sweeps, next) = page_of(all, query.limit, looked);
    SweepsPage { sweeps, next }
}

fn matches(entry: &EntryRecord, text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let texts = [Some(&entry.order), entry.number.as_ref(), entry.reservation.as_ref(), entry.stock.as_ref()];
    texts.into_iter().flatten().any(|found| found.to_ascii_lowercase().contains(&text))
}

/// A page of the entries of one sweep.
pub(super) fn entries_page(own: &Own, query: &EntriesQuery) -> EntriesPage {
    let mut batches: Vec<&BatchRow> = own.batches.iter().filter(|batch| batch.sweep_id == query.sweep_id).collect();
    batches.sort_by_key(|batch| (batch.at, batch.record.batch_id));
    let mut all: Vec<(EntryPlace, EntryRecord)> = Vec::new();
    for batch in batches {
        for (line, entry) in (1_i64..).zip(&batch.entries) {
            let place = EntryPlace { at: instant(batch.at), batch_id: batch.record.batch_id, line };
            all.push((place, entry_record(entry, batch.at)));
        }
    }
    let order = |place: &EntryPlace| (place.at, place.batch_id, place.line);
    all.retain(|(place, _)| query.after.as_ref().is_none_or(|after| order(place) > order(after)));
    all.truncate(bound(query.look()));
    let looked = last_of(&all, query.look()).filter(|_| query.matching.is_some());
    all.retain(|(_, entry)| query.matching.as_ref().is_none_or(|text| matches(entry, text)));
    all.truncate(bound(query.limit.saturating_add(1)));
    let (entries, next) = page_of(all, query.limit, looked);
    EntriesPage { entries, next }
}

/// What came back of late.
pub(super) fn lately(own: &Own, query: &LatelyQuery, now: i64) -> Lately {
    let from = days_back(instant(now), query.days);
    let to = instant(now.saturating_add(86_400_000_000));
    let span = TallyQuery { profile: query.profile.clone(), from, to, stock_max: 0 };
    let mut days: BTreeMap<_, _> = tally(own, &span, now).days;
    for day in days.values_mut() {
        (day.lost_unit_millis, day.back_unit_millis) = (0, 0);
    }
    let begun: BTreeMap<_, _> = own.sweeps.iter().map(|(start, at)| (start.sweep_id, *at)).collect();
    let mut releases: Vec<(i64, ReleaseSeen)> = Vec::new();
    for batch in own.batches.iter().filter(|batch| batch.profile == query.profile) {
        let started_at = begun.get(&batch.sweep_id).copied().unwrap_or(0);
        if started_at < days_back(instant(now), query.release_days).as_microsecond() {
            continue;
        }
        for entry in batch.entries.iter().filter(|entry| entry.kind == EntryKind::Release) {
            let release = ReleaseSeen {
                at: instant(batch.at),
                stock: entry.stock.clone(),
                quantity: entry.quantity.units(),
                overdue_micros: entry.overdue_micros,
            };
            releases.push((started_at, release));
        }
    }
    releases.sort_by_key(|(started_at, _)| std::cmp::Reverse(*started_at));
    let newest = releases.into_iter().take(bound(query.releases_max)).map(|(_, release)| release);
    Lately::of(instant(now), days, &newest.collect::<Vec<_>>(), query.stock_max)
}

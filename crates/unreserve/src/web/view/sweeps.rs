//! Sweeps: page after page of them, and one with what it changed, line by line.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use unreserve_engine::ledger::{
    Ending, EntriesQuery, EntryPlace, EntryRecord, HistoryQuery, SweepFilter, SweepPlace, SweepRecord, SweepsQuery,
};
use unreserve_engine::model::{BatchId, SweepId};
use unreserve_engine::shop::{CheckedShop, NO_ORDER};
use utoipa::ToSchema;

use super::Problem;
use super::shop::unreadable;

/// Which sweeps to show.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct SweepsAsked {
    /// Only those that ended so.
    pub(crate) filter: SweepsFilter,
    /// Behind this place, as `next` of the page before says it; from the newest on where it is left out.
    pub(crate) after: Option<String>,
    /// At most so many, 1 to 200.
    pub(crate) limit: u32,
}

/// Which sweeps are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, serde::Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SweepsFilter {
    /// All of them.
    #[default]
    All,
    /// Those that changed something.
    Changed,
    /// Those that did everything that was to do.
    Done,
    /// Those that left something: orders were set aside, or something due remained.
    Problems,
    /// Those that wrote nothing, because more was due than the bound allows.
    TooMany,
    /// Those that stopped on an error.
    Failed,
    /// Those that were interrupted, or still run.
    Unfinished,
}

/// One page of sweeps, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct SweepsView {
    /// The sweeps.
    pub(crate) sweeps: Vec<SweepSummary>,
    /// What `after` has to be for the page behind this one; nothing where this is the last. Of rare sweeps a page may hold
    /// fewer than were asked for, or none, and yet not be the last: only so many sweeps are looked at for one page.
    #[schema(example = "1763863338000000_0193540e-5c1a-7c3e-9d55-3f1b2b6e8a10")]
    pub(crate) next: Option<String>,
}

/// How a sweep ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SweepWord {
    /// Everything due was released, or protected for a reason.
    Done,
    /// Some orders were set aside, or something due was left.
    Problems,
    /// Nothing was written: more was due than the bound allows.
    TooMany,
    /// It stopped on an error.
    Failed,
    /// It was interrupted, or still runs.
    Unfinished,
}

/// One sweep in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct SweepSummary {
    /// Its identity.
    #[schema(example = "0193540e-5c1a-7c3e-9d55-3f1b2b6e8a10")]
    pub(crate) sweep_id: String,
    /// When it began, by the database's clock.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) started_at: Timestamp,
    /// When it ended; nothing where it was interrupted, or still runs.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) finished_at: Option<Timestamp>,
    /// How it ended.
    pub(crate) ending: SweepWord,
    /// Milliseconds it took.
    pub(crate) duration_ms: Option<i64>,
    /// Reservations released.
    pub(crate) reservations_released: u64,
    /// Units given back.
    pub(crate) units_released: i64,
    /// Orders cancelled.
    pub(crate) orders_cancelled: u64,
    /// Orders left alone although something of them had expired.
    pub(crate) orders_left_alone: u64,
    /// Orders set aside.
    pub(crate) orders_set_aside: u64,
    /// What counters lacked, in units.
    pub(crate) drift_units: i64,
    /// How long the oldest due reservation was overdue when it began, in seconds.
    pub(crate) oldest_overdue_seconds: i64,
    /// Whether something due was left.
    pub(crate) remaining_due: bool,
    /// The error it stopped on.
    pub(crate) error: Option<String>,
}

/// Which entries of a sweep to show.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct EntriesAsked {
    /// Only those with this text in the order's number or key, the reservation's key or the stock row.
    pub(crate) matching: Option<String>,
    /// Behind this place, as `next` of the page before says it; from the first on where it is left out.
    pub(crate) after: Option<String>,
    /// At most so many, 1 to 1,000.
    pub(crate) limit: u32,
}

/// One sweep, with a page of what it changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct SweepView {
    /// Its figures.
    #[serde(flatten)]
    pub(crate) summary: SweepSummary,
    /// The profile.
    pub(crate) profile: String,
    /// The machine and process that ran it.
    pub(crate) holder: String,
    /// Committed transactions.
    pub(crate) batches: u64,
    /// Stock rows written.
    pub(crate) stock_rows_updated: u64,
    /// What was left alone, by reason.
    pub(crate) left_alone: Vec<LeftAlone>,
    /// What it changed, in the order it was written.
    pub(crate) entries: Vec<EntryView>,
    /// What `after` has to be for the entries behind these; nothing where these are the last. Only so many entries are
    /// looked at for one page, so that a page may hold fewer than were asked for and yet not be the last.
    pub(crate) next: Option<String>,
}

/// What was left alone for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct LeftAlone {
    /// The reason: a guard's name, `not_unpaid`, `locked`, `no_order` and the like.
    #[schema(example = "paid")]
    pub(crate) reason: String,
    /// How many.
    pub(crate) count: u64,
    /// Whether reservations are counted, and not orders: those that hold stock for an order that is not there.
    pub(crate) counts_reservations: bool,
}

/// What an entry records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum EntryWord {
    /// A reservation was released.
    Release,
    /// An order was cancelled.
    Cancel,
}

/// One change to the shop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct EntryView {
    /// What it records.
    pub(crate) kind: EntryWord,
    /// The order's key.
    pub(crate) order: String,
    /// The number people know the order by.
    pub(crate) number: Option<String>,
    /// The reservation's key; nothing for a cancellation.
    pub(crate) reservation: Option<String>,
    /// The stock row, as `table:key`; nothing for a cancellation or an item that is not tracked.
    pub(crate) stock: Option<String>,
    /// Units given back.
    pub(crate) units: i64,
    /// What the counter lacked, in units.
    pub(crate) drift_units: i64,
    /// When the reservation expired.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) expires_at: Option<Timestamp>,
    /// When the change was made, by the database's clock.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) at: Timestamp,
    /// Whole seconds from the expiry to the release.
    pub(crate) overdue_seconds: i64,
}

impl SweepWord {
    fn of(ending: Option<&str>) -> Self {
        match ending {
            Some("done") => Self::Done,
            Some("problems") => Self::Problems,
            Some("too_many") => Self::TooMany,
            Some(_) => Self::Failed,
            None => Self::Unfinished,
        }
    }
}

impl SweepSummary {
    /// A sweep of the ledger as it stands in a list.
    pub(super) fn of(sweep: &SweepRecord) -> Self {
        Self {
            sweep_id: sweep.sweep_id.to_string(),
            started_at: sweep.started_at,
            finished_at: sweep.finished_at,
            ending: SweepWord::of(sweep.ending.as_deref()),
            duration_ms: sweep.duration_ms,
            reservations_released: sweep.reservations_released,
            units_released: sweep.units_released,
            orders_cancelled: sweep.orders_cancelled,
            orders_left_alone: orders(&sweep.orders_protected),
            orders_set_aside: sweep.orders_set_aside,
            drift_units: sweep.drift_units,
            oldest_overdue_seconds: sweep.oldest_overdue_seconds,
            remaining_due: sweep.remaining_due,
            error: sweep.error.clone(),
        }
    }
}

/// The orders among what was left alone.
fn orders(left_alone: &BTreeMap<String, u64>) -> u64 {
    let orders = left_alone.iter().filter(|(reason, _)| *reason != NO_ORDER);
    orders.fold(0, |sum, (_, count)| sum.saturating_add(*count))
}

impl EntryView {
    /// An entry of the ledger as it is shown.
    pub(super) fn of(entry: &EntryRecord) -> Self {
        Self {
            kind: if entry.kind == "cancel" { EntryWord::Cancel } else { EntryWord::Release },
            order: entry.order.clone(),
            number: entry.number.clone(),
            reservation: entry.reservation.clone(),
            stock: entry.stock.clone(),
            units: entry.quantity,
            drift_units: entry.drift,
            expires_at: entry.expires_at,
            at: entry.at,
            overdue_seconds: entry.overdue_seconds,
        }
    }
}

/// So many sweeps, or entries of one, are looked at for one page.
const LOOK_MAX: u32 = 10_000;

/// At most so many sweeps stand on a page.
pub(crate) const SWEEPS_MAX: u32 = 200;

/// At most so many entries stand on a page.
pub(crate) const ENTRIES_MAX: u32 = 1_000;

/// How a place is written: what it is made of, joined by `_`.
fn place_parts<const N: usize>(text: &str) -> Option<[&str; N]> {
    let parts: Vec<&str> = text.split('_').collect();
    parts.try_into().ok()
}

fn no_place(text: &str) -> Problem {
    Problem::bad_question(format!("`after` is no place: `{}`", text.chars().take(100).collect::<String>()))
        .remedy("leave it out, or give what `next` said on the page before")
}

fn write_sweep_place(place: &SweepPlace) -> String {
    format!("{}_{}", place.started_at.as_microsecond(), place.sweep_id)
}

fn read_sweep_place(text: &str) -> Result<SweepPlace, Problem> {
    let read = || {
        let [micros, sweep_id] = place_parts(text)?;
        let started_at = Timestamp::from_microsecond(micros.parse().ok()?).ok()?;
        Some(SweepPlace { started_at, sweep_id: SweepId::parse(sweep_id).ok()? })
    };
    read().ok_or_else(|| no_place(text))
}

fn write_entry_place(place: &EntryPlace) -> String {
    format!("{}_{}_{}", place.at.as_microsecond(), place.batch_id, place.line)
}

fn read_entry_place(text: &str) -> Result<EntryPlace, Problem> {
    let read = || {
        let [micros, batch_id, line] = place_parts(text)?;
        let at = Timestamp::from_microsecond(micros.parse().ok()?).ok()?;
        Some(EntryPlace { at, batch_id: BatchId::parse(batch_id).ok()?, line: line.parse().ok()? })
    };
    read().ok_or_else(|| no_place(text))
}

impl SweepsFilter {
    fn of_ledger(self) -> SweepFilter {
        match self {
            Self::All => SweepFilter::All,
            Self::Changed => SweepFilter::Changed,
            Self::Done => SweepFilter::Ended(Ending::Done),
            Self::Problems => SweepFilter::Ended(Ending::Problems),
            Self::TooMany => SweepFilter::Ended(Ending::TooMany),
            Self::Failed => SweepFilter::Ended(Ending::Failed),
            Self::Unfinished => SweepFilter::Unfinished,
        }
    }
}

/// A page of sweeps.
pub(super) async fn read_sweeps(shop: &mut dyn CheckedShop, asked: &SweepsAsked) -> Result<SweepsView, Problem> {
    let query = SweepsQuery {
        profile: shop.plan().profile.clone(),
        filter: asked.filter.of_ledger(),
        after: asked.after.as_deref().map(read_sweep_place).transpose()?,
        limit: asked.limit.clamp(1, SWEEPS_MAX),
        look_max: LOOK_MAX,
    };
    let page = shop.sweeps_page(&query).await.map_err(|error| unreadable(&error, "the ledger cannot be read"))?;
    let sweeps = page.sweeps.iter().map(SweepSummary::of).collect();
    Ok(SweepsView { sweeps, next: page.next.as_ref().map(write_sweep_place) })
}

/// One sweep with a page of its entries.
pub(super) async fn read_sweep(
    shop: &mut dyn CheckedShop,
    sweep: &str,
    asked: &EntriesAsked,
) -> Result<SweepView, Problem> {
    if let Some(after) = &asked.after {
        read_entry_place(after)?;
    }
    let found = shop.history(&HistoryQuery::Sweep { id: sweep.to_owned() }).await;
    let found = found.map_err(|error| unreadable(&error, "the ledger cannot be read"))?;
    let found = match found.as_slice() {
        [found] => found,
        [] => {
            return Err(Problem::new(404, "no such sweep", format!("the ledger has no sweep `{sweep}`"))
                .remedy("the list of sweeps has their identities"));
        }
        _ => {
            return Err(Problem::new(
                409,
                "several sweeps go by that name",
                format!("several sweeps begin with `{sweep}`"),
            )
            .remedy("give more of the identity"));
        }
    };
    let (entries, next) = read_entries(shop, found.sweep_id, asked).await?;
    let left_alone = found.orders_protected.iter().map(|(reason, count)| LeftAlone {
        reason: reason.clone(),
        count: *count,
        counts_reservations: reason == NO_ORDER,
    });
    Ok(SweepView {
        summary: SweepSummary::of(found),
        profile: found.profile.clone(),
        holder: found.holder.clone(),
        batches: found.batches,
        stock_rows_updated: found.stock_rows_updated,
        left_alone: left_alone.collect(),
        entries,
        next,
    })
}

/// A page of the entries of a sweep, and the place it goes on behind.
async fn read_entries(
    shop: &mut dyn CheckedShop,
    sweep_id: SweepId,
    asked: &EntriesAsked,
) -> Result<(Vec<EntryView>, Option<String>), Problem> {
    let query = EntriesQuery {
        sweep_id,
        matching: asked.matching.as_ref().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()),
        after: asked.after.as_deref().map(read_entry_place).transpose()?,
        limit: asked.limit.clamp(1, ENTRIES_MAX),
        look_max: LOOK_MAX,
    };
    let page = shop.entries_page(&query).await.map_err(|error| unreadable(&error, "the ledger cannot be read"))?;
    Ok((page.entries.iter().map(EntryView::of).collect(), page.next.as_ref().map(write_entry_place)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_was_written_and_nothing_else_is() {
        let at = Timestamp::from_microsecond(1_763_863_338_000_123).unwrap();
        let sweep = SweepPlace { started_at: at, sweep_id: SweepId::new() };
        assert_eq!(read_sweep_place(&write_sweep_place(&sweep)).unwrap(), sweep);
        let entry = EntryPlace { at, batch_id: BatchId::new(), line: 17 };
        assert_eq!(read_entry_place(&write_entry_place(&entry)).unwrap(), entry);
        for text in
            ["", "_", "1_2", "1", "x_y_z", &write_sweep_place(&sweep).replace('_', "-"), "99999999999999999999_a"]
        {
            assert_eq!(read_sweep_place(text).unwrap_err().status, 400, "{text}");
            assert_eq!(read_entry_place(text).unwrap_err().status, 400, "{text}");
        }
    }
}

//! Sweeps: page after page of them, and one with what it changed, line by line.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use unreserve_engine::ledger::{EntryRecord, SweepRecord};
use unreserve_engine::shop::NO_ORDER;
use utoipa::ToSchema;

use super::Problem;

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
    #[schema(example = "1763863338000000-0193540e-5c1a-7c3e-9d55-3f1b2b6e8a10")]
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

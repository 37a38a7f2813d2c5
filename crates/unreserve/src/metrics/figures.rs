//! The numbers of one shop that metrics are made of, and what each piece of news does to them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use unreserve_engine::shop::{NO_ORDER, Outlook, ShopErrorKind, UNREADABLE};

use crate::daemon::record::Standing;
use crate::hub::{Delivery, News, SweepResult, Swept, Told};

/// Why an order can be left alone, whatever the profile; its payment guards come on top.
const REASONS: [&str; 7] = ["status", "not_due", "busy", "locked", "not_tried", NO_ORDER, UNREADABLE];

/// What an error can be beside a database's own: where the sweep, the settings or the profile refuse to go on.
const OTHER_CLASSES: [&str; 6] = ["not_installed", "clock", "too_many", "no_such_order", "quantity", "settings"];

/// How batches end.
const BATCHES: [&str; 2] = ["committed", "failed"];

const MILLI: u64 = 1_000;
const SECOND: u64 = 1_000 * MILLI;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// The bounds of what sweeps take, in microseconds.
static SWEEPS: [u64; 12] = [
    5 * MILLI,
    10 * MILLI,
    25 * MILLI,
    50 * MILLI,
    100 * MILLI,
    250 * MILLI,
    500 * MILLI,
    SECOND,
    5 * SECOND,
    15 * SECOND,
    MINUTE,
    5 * MINUTE,
];

/// The bounds of what batches take: they are to stay below 50 ms.
static BATCH_TIMES: [u64; 10] =
    [MILLI, 2_500, 5 * MILLI, 10 * MILLI, 25 * MILLI, 50 * MILLI, 100 * MILLI, 250 * MILLI, SECOND, 5 * SECOND];

/// The bounds of how late a reservation is released: a daemon is a moment late, a timer minutes, an outage days.
static LAGS: [u64; 16] = [
    50 * MILLI,
    100 * MILLI,
    250 * MILLI,
    500 * MILLI,
    SECOND,
    2_500 * MILLI,
    5 * SECOND,
    10 * SECOND,
    30 * SECOND,
    MINUTE,
    2 * MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    HOUR,
    6 * HOUR,
    24 * HOUR,
];

/// A count for each word of a label. Words that are known stand there from the beginning, with 0.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Counts(Vec<(Cow<'static, str>, u64)>);

impl Counts {
    fn of(words: impl IntoIterator<Item = &'static str>) -> Self {
        Self(words.into_iter().map(|word| (Cow::Borrowed(word), 0)).collect())
    }

    /// Makes sure that a word is there.
    pub(super) fn expect(&mut self, word: &str) {
        self.add(word, 0);
    }

    /// Counts.
    pub(super) fn add(&mut self, word: &str, by: u64) {
        match self.0.iter_mut().find(|(known, _)| known == word) {
            Some((_, count)) => *count = count.saturating_add(by),
            None => self.0.push((Cow::Owned(word.to_owned()), by)),
        }
    }

    /// Each word with its count.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(word, count)| (word.as_ref(), *count))
    }
}

/// How often something took at most so long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Histogram {
    /// The bounds, in microseconds, each larger than the one before.
    pub(super) bounds: &'static [u64],
    /// How many fell at or below each bound and above the one before; the last ones are above all bounds.
    pub(super) counts: Box<[u64]>,
    /// The sum of all of them, in microseconds.
    pub(super) sum_micros: u64,
}

impl Histogram {
    fn new(bounds: &'static [u64]) -> Self {
        Self { bounds, counts: vec![0; bounds.len().saturating_add(1)].into(), sum_micros: 0 }
    }

    fn observe(&mut self, micros: u64) {
        let place = self.bounds.partition_point(|bound| *bound < micros);
        if let Some(count) = self.counts.get_mut(place) {
            *count = count.saturating_add(1);
        }
        self.sum_micros = self.sum_micros.saturating_add(micros);
    }

    fn observe_span(&mut self, span: Duration) {
        self.observe(u64::try_from(span.as_micros()).unwrap_or(u64::MAX));
    }

    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        self.counts.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }
}

/// How often deliveries through a channel ended in each way, in the order of [`Delivery::ALL`].
pub(super) type Deliveries = BTreeMap<Arc<str>, [u64; Delivery::ALL.len()]>;

/// What the sweeps are of that are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Scope {
    /// All that is due.
    #[default]
    Shop,
    /// One order, by hand: that says nothing of whether the shop is swept.
    OneOrder,
}

/// The numbers of one shop. Instants and spans are in microseconds; nothing is what is not known, or is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Figures {
    /// What the sweeps are of.
    pub(super) scope: Scope,
    pub(super) sweeps: Counts,
    pub(super) sweep_duration: Histogram,
    pub(super) batches: Counts,
    pub(super) batch_duration: Histogram,
    pub(super) reservations_released: u64,
    pub(super) units_released: u64,
    pub(super) orders_cancelled: u64,
    pub(super) orders_protected: Counts,
    pub(super) errors: Counts,
    pub(super) overdue: Option<i64>,
    pub(super) oldest_overdue: Option<i64>,
    pub(super) release_lag: Histogram,
    pub(super) next_expiry: Option<i64>,
    pub(super) last_success: Option<i64>,
    pub(super) last_attempt: Option<i64>,
    pub(super) interval: Option<i64>,
    pub(super) set_aside: Option<i64>,
    pub(super) drift: Option<i64>,
    pub(super) standing: Option<Standing>,
    pub(super) deliveries: Deliveries,
}

impl Default for Figures {
    fn default() -> Self {
        Self {
            scope: Scope::Shop,
            sweeps: Counts::of(SweepResult::ALL.map(SweepResult::word)),
            sweep_duration: Histogram::new(&SWEEPS),
            batches: Counts::of(BATCHES),
            batch_duration: Histogram::new(&BATCH_TIMES),
            reservations_released: 0,
            units_released: 0,
            orders_cancelled: 0,
            orders_protected: Counts::of(REASONS),
            errors: Counts::of(ShopErrorKind::ALL.map(ShopErrorKind::word).into_iter().chain(OTHER_CLASSES)),
            overdue: None,
            oldest_overdue: None,
            release_lag: Histogram::new(&LAGS),
            next_expiry: None,
            last_success: Some(0),
            last_attempt: Some(0),
            interval: None,
            set_aside: None,
            drift: Some(0),
            standing: None,
            deliveries: Deliveries::new(),
        }
    }
}

impl Figures {
    /// What a piece of news does to them.
    pub(super) fn learn(&mut self, told: &Told) {
        match &told.news {
            News::Joined { interval } => self.interval = i64::try_from(interval.as_micros()).ok(),
            News::Opened { guards } => guards.iter().for_each(|guard| self.orders_protected.expect(guard)),
            News::Stands { standing } => {
                self.standing = Some(*standing);
                if *standing == Standing::Standby {
                    // Whoever is on duty looks; what was seen before is of no use any more.
                    (self.overdue, self.oldest_overdue, self.next_expiry) = (None, None, None);
                }
            }
            News::Looked(outlook) => self.look(outlook),
            News::SweepBegan => self.attempted(told.at),
            News::Committed { record, took } => {
                self.batches.add("committed", 1);
                self.batch_duration.observe_span(*took);
                self.reservations_released = self.reservations_released.saturating_add(record.reservations);
                self.units_released = self.units_released.saturating_add(u64::try_from(record.units).unwrap_or(0));
                self.orders_cancelled = self.orders_cancelled.saturating_add(record.orders_cancelled);
                self.drift = Some(self.drift.unwrap_or(0).saturating_add(record.drift));
            }
            News::BatchFailed { class } => {
                self.batches.add("failed", 1);
                self.errors.add(class, 1);
            }
            News::Swept(swept) => self.swept(swept, told.at),
            News::Troubled(trouble) => {
                self.attempted(told.at);
                self.errors.add(trouble.class, 1);
            }
            News::Channels(channels) => {
                for channel in channels.iter() {
                    self.deliveries.entry(channel.as_str().into()).or_default();
                }
            }
            News::Delivery { channel, result } => self.delivered(channel, *result),
            News::Left => {}
        }
    }

    /// Reservations were released so many microseconds after their expiry.
    pub(super) fn released(&mut self, overdue_micros: &[i64]) {
        for micros in overdue_micros {
            // The expiry comes before the release by the database's clock; below 0 nothing can be.
            self.release_lag.observe(u64::try_from(*micros).unwrap_or(0));
        }
    }

    fn look(&mut self, outlook: &Outlook) {
        self.overdue = i64::try_from(outlook.due_orders).ok();
        self.oldest_overdue = Some(outlook.oldest_overdue_micros);
        self.next_expiry = outlook.next_expiry.map(Timestamp::as_microsecond);
    }

    fn attempted(&mut self, at: Timestamp) {
        if self.scope == Scope::Shop {
            self.last_attempt = Some(at.as_microsecond());
        }
    }

    fn swept(&mut self, swept: &Swept, at: Timestamp) {
        self.sweeps.add(swept.result.word(), 1);
        self.attempted(at);
        if swept.result.is_success() && self.scope == Scope::Shop {
            self.last_success = Some(at.as_microsecond());
        }
        let Some(report) = &swept.report else { return };
        self.sweep_duration.observe(u64::try_from(report.duration_ms).unwrap_or(0).saturating_mul(MILLI));
        for (reason, orders) in &report.orders_protected {
            self.orders_protected.add(reason, *orders);
        }
        self.set_aside = i64::try_from(report.orders_set_aside).ok();
        if let Some(ahead) = &report.ahead {
            self.look(ahead);
        }
    }

    fn delivered(&mut self, channel: &Arc<str>, result: Delivery) {
        let counts = self.deliveries.entry(Arc::clone(channel)).or_default();
        let known = counts.iter_mut().zip(Delivery::ALL).find(|(_, known)| *known == result);
        if let Some((count, _)) = known {
            *count = count.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use unreserve_engine::plan::ClockFault;
    use unreserve_engine::sweep::SweepError;
    use unreserve_engine::watch::Trouble;

    use super::*;

    #[test]
    fn a_value_falls_at_or_below_its_bound() {
        let mut histogram = Histogram::new(&BATCH_TIMES);
        for micros in [0, MILLI, MILLI + 1, 5 * SECOND, 5 * SECOND + 1] {
            histogram.observe(micros);
        }
        assert_eq!(&*histogram.counts, [2, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
        assert_eq!((histogram.count(), histogram.sum_micros), (5, 10 * SECOND + 2 * MILLI + 2));
    }

    #[test]
    fn every_bound_is_larger_than_the_one_before() {
        for bounds in [&SWEEPS[..], &BATCH_TIMES, &LAGS] {
            assert!(bounds.is_sorted_by(|one, next| one < next), "{bounds:?}");
        }
    }

    /// A class that is missing from the beginning would be seen only once it happens, and `rate()` would miss that.
    /// Another instance at work is no error.
    #[test]
    fn every_class_of_an_error_stands_there_from_the_beginning() {
        let errors = [
            SweepError::NotInstalled(unreserve_engine::shop::InstallState::Absent),
            SweepError::ReadOnly(String::new()),
            SweepError::Clock(ClockFault::Unproven { column: String::new() }),
            SweepError::TooMany { due: 2, max: 1 },
            SweepError::NoSuchOrder(String::new()),
            SweepError::Quantity(unreserve_engine::model::QuantityError),
        ];
        let figures = Figures::default();
        let known: Vec<&str> = figures.errors.iter().map(|(word, _)| word).collect();
        for error in errors {
            let class = Trouble::from(&error).class;
            assert!(known.contains(&class), "{class}");
        }
        assert_eq!(known.len(), ShopErrorKind::ALL.len() + OTHER_CLASSES.len());
    }
}

//! What the runs make: medians, percentiles and ratios.

use std::time::Duration;

use super::contender::Contender;

/// One run of one contender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) wall: Duration,
    /// Peak memory in bytes.
    pub(super) memory: u64,
    /// Reservations released.
    pub(super) released: u64,
    /// The duration of each transaction in microseconds; only of a sweep.
    pub(super) transactions: Vec<i64>,
}

/// All runs of one contender, a run a round.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Series {
    pub(super) runs: Vec<Run>,
}

impl Series {
    pub(super) fn median(&self) -> Option<Duration> {
        percentile(self.runs.iter().map(|run| run.wall), 50)
    }

    pub(super) fn min(&self) -> Option<Duration> {
        self.runs.iter().map(|run| run.wall).min()
    }

    /// The median of the peaks.
    pub(super) fn memory(&self) -> Option<u64> {
        percentile(self.runs.iter().map(|run| run.memory), 50)
    }

    pub(super) fn memory_max(&self) -> Option<u64> {
        self.runs.iter().map(|run| run.memory).max()
    }

    /// Reservations released in one run.
    pub(super) fn released(&self) -> u64 {
        self.runs.first().map_or(0, |run| run.released)
    }

    /// Reservations a second, from the median.
    pub(super) fn throughput(&self) -> Option<f64> {
        self.runs.first().zip(self.median()).map(|(run, median)| whole(run.released) / median.as_secs_f64())
    }

    /// The duration of a transaction that so many percent do not exceed, over all rounds.
    pub(super) fn transaction(&self, percent: usize) -> Option<Duration> {
        let all = self.runs.iter().flat_map(|run| run.transactions.iter());
        percentile(all.map(|micros| Duration::from_micros(micros.unsigned_abs())), percent)
    }

    /// Transactions a run, in the median.
    pub(super) fn batches(&self) -> Option<usize> {
        percentile(self.runs.iter().map(|run| run.transactions.len()), 50)
    }
}

/// The median over the rounds of how much longer one took for a reservation than the other in the same round: what slows
/// the machine down slows both.
pub(super) fn ratio(one: &Series, other: &Series) -> Option<f64> {
    let each = |run: &Run| run.wall.as_secs_f64() / whole(run.released.max(1));
    let mut ratios: Vec<f64> = one.runs.iter().zip(&other.runs).map(|(one, other)| each(one) / each(other)).collect();
    ratios.sort_by(f64::total_cmp);
    at(&ratios, 50).copied()
}

/// The value that so many percent of all values do not exceed.
fn percentile<T: Ord + Copy>(values: impl Iterator<Item = T>, percent: usize) -> Option<T> {
    let mut values: Vec<T> = values.collect();
    values.sort_unstable();
    at(&values, percent).copied()
}

fn at<T>(sorted: &[T], percent: usize) -> Option<&T> {
    let rank = sorted.len().saturating_mul(percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1))
}

/// A count for a division.
pub(super) fn whole(count: u64) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}

/// What was measured at one size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) due: u64,
    /// In the order of [`Contender::ALL`].
    pub(super) series: [Series; 4],
}

impl Size {
    pub(super) fn of(&self, contender: Contender) -> &Series {
        let [sweep, by_hand, in_batches, row_by_row] = &self.series;
        match contender {
            Contender::Sweep => sweep,
            Contender::ByHand => by_hand,
            Contender::InBatches => in_batches,
            Contender::RowByRow => row_by_row,
        }
    }

    pub(super) fn of_mut(&mut self, contender: Contender) -> &mut Series {
        let [sweep, by_hand, in_batches, row_by_row] = &mut self.series;
        match contender {
            Contender::Sweep => sweep,
            Contender::ByHand => by_hand,
            Contender::InBatches => in_batches,
            Contender::RowByRow => row_by_row,
        }
    }
}

/// Sweeps of the same number of due orders beside few and beside many old ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Growth {
    pub(super) due: u64,
    pub(super) few: (u64, Series),
    pub(super) many: (u64, Series),
}

/// Everything that was measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Figures {
    pub(super) old: u64,
    pub(super) sizes: Vec<Size>,
    pub(super) growth: Option<Growth>,
}

impl Figures {
    /// What was measured with so many due, if it was.
    pub(super) fn at(&self, due: u64) -> Option<&Size> {
        self.sizes.iter().find(|size| size.due == due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(runs: &[(u64, u64)]) -> Series {
        let run = |(wall, released): &(u64, u64)| Run {
            wall: Duration::from_millis(*wall),
            memory: *wall,
            released: *released,
            transactions: vec![1, 3],
        };
        Series { runs: runs.iter().map(run).collect() }
    }

    #[test]
    fn a_percentile_is_one_of_the_values() {
        assert_eq!(percentile(1..=100, 99), Some(99));
        assert_eq!(percentile([3, 1, 2].into_iter(), 50), Some(2));
        assert_eq!(percentile([7].into_iter(), 99), Some(7));
        assert_eq!(percentile(std::iter::empty::<u8>(), 50), None);
    }

    #[test]
    fn a_ratio_compares_the_time_for_one_reservation_within_a_round() {
        let loop_over_a_tenth = series(&[(100, 10), (900, 10), (100, 10)]);
        let by_hand = series(&[(100, 100), (900, 100), (50, 100)]);
        assert_eq!(ratio(&loop_over_a_tenth, &by_hand), Some(10.0));
        assert_eq!(ratio(&Series::default(), &by_hand), None);
    }

    #[test]
    fn a_series_knows_its_median_its_peak_and_its_transactions() {
        let series = series(&[(300, 600), (100, 600), (200, 600)]);
        assert_eq!(series.median(), Some(Duration::from_millis(200)));
        assert_eq!((series.memory(), series.memory_max()), (Some(200), Some(300)));
        assert_eq!(series.throughput(), Some(3_000.0));
        assert_eq!(series.transaction(99), Some(Duration::from_micros(3)));
        assert_eq!(series.batches(), Some(2));
    }
}

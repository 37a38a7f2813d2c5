//! A process's clock that lies: it stands elsewhere, runs too fast or too slow, and jumps ahead.

use std::pin::Pin;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use unreserve_engine::sweep::Clock;

use super::choices::Choices;
use super::time::Time;

/// What two clocks of different speed lose between them.
const ROUNDED: Duration = Duration::from_micros(2);

/// A clock of one process. It never goes back, as no monotonic clock does; everything else it says may be wrong.
#[derive(Debug)]
pub struct LyingClock {
    time: Time,
    choices: Choices,
    began: i64,
    /// What it stands ahead, in microseconds.
    skew: i64,
    /// How many thousandths of a second go by on it in a second.
    pace: i64,
    jumped: AtomicI64,
    suspended_until: AtomicI64,
}

impl LyingClock {
    /// A clock that stands `skew` microseconds ahead and does `pace` thousandths of a second in a second.
    #[must_use]
    pub fn new(time: &Time, choices: &Choices, (skew, pace): (i64, i64)) -> Self {
        let began = time.now();
        Self {
            time: time.clone(),
            choices: choices.clone(),
            began,
            skew,
            pace: pace.max(1),
            jumped: AtomicI64::new(0),
            suspended_until: AtomicI64::new(0),
        }
    }

    /// It jumps ahead.
    pub fn jump(&self, micros: i64) {
        self.jumped.fetch_add(micros.max(0), Ordering::Relaxed);
    }

    /// The machine is suspended for so many microseconds from now on, and this clock does not count them. Nobody may
    /// read it meanwhile.
    pub fn suspend(&self, micros: i64) {
        let now = self.time.now();
        let until = now.saturating_add(micros);
        // What it does not count anyway is not left out twice.
        let already = self.suspended_until.fetch_max(until, Ordering::Relaxed).max(now);
        let more = until.saturating_sub(already).max(0);
        let told = more.saturating_mul(self.pace).checked_div(1_000).unwrap_or(more);
        self.jumped.fetch_sub(told, Ordering::Relaxed);
    }
}

impl Clock for LyingClock {
    fn elapsed(&self) -> Duration {
        let passed = self.time.now().saturating_sub(self.began).max(0);
        let told = passed.saturating_mul(self.pace).checked_div(1_000).unwrap_or(passed);
        let told = told.saturating_add(self.jumped.load(Ordering::Relaxed)).saturating_add(self.skew);
        Duration::from_micros(told.max(0).unsigned_abs())
    }

    fn sleep<'a>(&'a self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        let end = self.elapsed().saturating_add(duration);
        Box::pin(async move {
            let mut rest = duration;
            loop {
                let micros = i64::try_from(rest.as_micros()).unwrap_or(i64::MAX);
                let real = micros.saturating_mul(1_000).checked_div(self.pace).unwrap_or(micros);
                self.time.sleep(real).await;
                // What the machine was suspended for has not passed on this clock.
                rest = end.saturating_sub(self.elapsed());
                if rest <= ROUNDED {
                    return;
                }
            }
        })
    }

    fn jitter(&self) -> u64 {
        u64::try_from(self.choices.pick(4_000)).unwrap_or(0)
    }
}

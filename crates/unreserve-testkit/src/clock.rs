//! A clock that never waits: a pause moves it on at once.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use unreserve_engine::sweep::Clock;

/// A monotonic clock that moves only when somebody sleeps on it; its jitter is the same in every run.
#[derive(Debug, Default)]
pub struct StillClock {
    elapsed_us: AtomicU64,
    jitter: AtomicU64,
}

impl StillClock {
    /// A clock at 0.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Clock for StillClock {
    fn elapsed(&self) -> Duration {
        Duration::from_micros(self.elapsed_us.load(Ordering::Relaxed))
    }

    fn sleep<'a>(&'a self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.elapsed_us.fetch_add(micros, Ordering::Relaxed);
        Box::pin(tokio::task::yield_now())
    }

    fn jitter(&self) -> u64 {
        // A Weyl sequence: well spread, and repeatable.
        self.jitter.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed)
    }
}

//! The process's own clock, for sweeps that the proof runs inside itself.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::pin::Pin;
use std::time::{Duration, Instant};

use unreserve_engine::sweep::Clock;

/// A clock that really waits.
#[derive(Debug, Clone, Copy)]
pub struct RealClock {
    start: Instant,
    hurry: u32,
}

impl RealClock {
    /// A clock that starts now.
    #[must_use]
    pub fn new() -> Self {
        Self::hurried(1)
    }

    /// A clock that waits only a part of what it is asked to.
    #[must_use]
    pub fn hurried(part: u32) -> Self {
        Self { start: Instant::now(), hurry: part.max(1) }
    }
}

impl Default for RealClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for RealClock {
    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    fn sleep<'a>(&'a self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(tokio::time::sleep(duration / self.hurry))
    }

    fn jitter(&self) -> u64 {
        RandomState::new().build_hasher().finish()
    }
}

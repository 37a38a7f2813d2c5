//! The only clock: elapsed time, sleeping, and the instant that log lines carry.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::pin::Pin;
use std::time::{Duration, Instant};

use unreserve_engine::sweep::Clock;

/// The process's own clock. It decides only when to look; what has expired is the database's to say.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProcessClock {
    start: Instant,
}

impl ProcessClock {
    /// A clock that starts now.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads elapsed time")]
    pub(crate) fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Clock for ProcessClock {
    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Needs a tokio runtime with its timer enabled.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that sleeps")]
    fn sleep<'a>(&'a self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(tokio::time::sleep(duration))
    }

    /// Not fit for secrets.
    fn jitter(&self) -> u64 {
        RandomState::new().build_hasher().finish()
    }
}

/// Two milliseconds, for another process to go on.
pub(crate) fn pause_briefly() {
    pause(Duration::from_millis(2));
}

/// Halts this thread. Never the one that the runtime is on.
#[expect(clippy::disallowed_methods, reason = "this is the one place that sleeps")]
pub(crate) fn pause(duration: Duration) {
    std::thread::sleep(duration);
}

/// The wall clock in UTC, for log lines and file names only; never to decide what has expired.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the wall clock")]
pub(crate) fn utc_now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_runs_backwards_and_jitters() {
        let clock = ProcessClock::new();
        let first = clock.elapsed();
        assert!(clock.elapsed() >= first);
        assert_ne!(clock.jitter(), clock.jitter());
    }
}

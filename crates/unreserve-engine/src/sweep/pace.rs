//! How large the next batch is, and how long to wait before it.

use std::time::Duration;

use super::clock::Clock;
use crate::shop::{Capability, ShopErrorKind};

/// A transaction should take no longer than this: it is what a checkout may have to wait for.
const TARGET: Duration = Duration::from_millis(36);
const ROOMY: Duration = Duration::from_millis(30);
/// A batch that grows grows towards this, and not past it.
const AIM: Duration = Duration::from_millis(33);
const FIRST: u32 = 200;
/// Time alone never makes a batch smaller than this: below it the fixed cost of a transaction is what takes the time.
const FLOOR: u32 = 50;
/// How often one batch is tried again before its error counts.
pub(super) const TRIES: u32 = 5;
/// How often orders whose stock row is busy are tried without waiting for it, before they wait.
pub(super) const ROUNDS: u32 = 5;
/// How long one order's busy stock row is tried for within one sweep.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// The size of the next batch, adapted to how long the last ones took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    size: u32,
    largest: u32,
}

impl Pace {
    /// Begins small; never exceeds `largest`.
    #[must_use]
    pub fn new(largest: u32) -> Self {
        let largest = largest.max(1);
        Self { size: FIRST.min(largest), largest }
    }

    /// How many reservations the next batch looks at.
    #[must_use]
    pub fn size(self) -> u32 {
        self.size
    }

    /// Learns from a batch that was committed: grows while there is room below the target, shrinks above it.
    #[must_use]
    pub fn after_commit(self, took: Duration) -> Self {
        let size = if took > TARGET.saturating_mul(2) {
            self.size.div_ceil(2)
        } else if took > TARGET {
            self.size.saturating_sub(self.size.div_ceil(5))
        } else if took < ROOMY {
            self.fitting(took).min(self.size.saturating_add(self.size.div_ceil(2)))
        } else {
            self.size
        };
        // A batch that a lock error made smaller grows again, but is not made larger by being slow.
        let floor = FLOOR.min(self.size);
        Self { size: size.clamp(floor.max(1), self.largest), ..self }
    }

    /// The size that would take what a batch may, if time grows with size; its fixed cost makes that an understatement.
    fn fitting(self, took: Duration) -> u32 {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let whole = u64::from(self.size).saturating_mul(micros(AIM));
        u32::try_from(whole.checked_div(micros(took)).unwrap_or(u64::MAX)).unwrap_or(u32::MAX)
    }

    /// Learns from a lock that was not to be had.
    #[must_use]
    pub fn after_lock_error(self) -> Self {
        Self { size: self.size.div_ceil(2), ..self }
    }

    /// How long to pause after a batch, so that others get their turn where a writer shuts everyone out.
    #[must_use]
    pub fn pause(self, capability: Capability, took: Duration) -> Duration {
        if capability.single_writer {
            took.clamp(Duration::from_millis(2), Duration::from_millis(50))
        } else {
            Duration::ZERO
        }
    }
}

/// Whether an error passes by itself.
#[must_use]
pub(super) fn passing(kind: ShopErrorKind) -> bool {
    matches!(kind, ShopErrorKind::Disconnected | ShopErrorKind::Retry | ShopErrorKind::LockTimeout)
}

/// Waits before the next try.
pub(super) async fn pause(clock: &dyn Clock, kind: ShopErrorKind, tries: u32) {
    clock.sleep(back_off(kind, tries, clock.jitter())).await;
}

/// How long to wait before the next try: doubling from a base to a cap, with full jitter, so that several that failed
/// together do not come back together.
#[must_use]
pub(super) fn back_off(kind: ShopErrorKind, tries: u32, jitter: u64) -> Duration {
    let (base, cap) = match kind {
        ShopErrorKind::Disconnected => (Duration::from_millis(500), Duration::from_secs(30)),
        _ => (Duration::from_millis(50), Duration::from_secs(2)),
    };
    let longest = base.saturating_mul(1_u32.checked_shl(tries.min(20)).unwrap_or(u32::MAX)).min(cap);
    let millis = u64::try_from(longest.as_millis()).unwrap_or(u64::MAX);
    // At least a millisecond, so that a busy row is never asked for in a tight loop.
    Duration::from_millis(jitter.checked_rem(millis.max(1)).unwrap_or(0).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_while_fast_shrinks_while_slow_and_stays_within_bounds() {
        let mut pace = Pace::new(500);
        for _ in 0..20 {
            pace = pace.after_commit(Duration::from_millis(1));
        }
        assert_eq!(pace.size(), 500);
        for _ in 0..20 {
            pace = pace.after_commit(Duration::from_millis(200));
        }
        assert_eq!(pace.size(), FLOOR);
        let small = (0..9).fold(pace, |pace, _| pace.after_lock_error());
        assert_eq!((small.size(), small.after_commit(Duration::from_millis(200)).size()), (1, 1));
        // From just below the roomy mark it grows by a little, so that the next one does not take too long.
        assert_eq!(Pace::new(500).after_commit(Duration::from_millis(28)).size(), 235);
        assert_eq!(Pace::new(500).after_commit(Duration::from_millis(1)).size(), 300);
        assert_eq!(Pace::new(500).after_commit(Duration::ZERO).size(), 300);
        assert_eq!(Pace::new(7).size(), 7);
        assert_eq!(Pace::new(0).size(), 1);
        assert_eq!(Pace::new(100).after_lock_error().size(), 50);
    }

    #[test]
    fn waits_longer_each_time_but_never_longer_than_the_cap() {
        for tries in 0..40 {
            for jitter in [0, 1, 999, u64::MAX] {
                assert!(back_off(ShopErrorKind::LockTimeout, tries, jitter) <= Duration::from_secs(2));
                assert!(back_off(ShopErrorKind::Disconnected, tries, jitter) <= Duration::from_secs(30));
            }
        }
        assert!(back_off(ShopErrorKind::Disconnected, 9, 29_999) > Duration::from_secs(20));
    }
}

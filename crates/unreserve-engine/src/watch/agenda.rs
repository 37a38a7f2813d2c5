//! When to look next: the arithmetic of waking up.

use std::time::Duration;

use crate::shop::Outlook;

/// Where the shop's file was not written, it is asked all the same so often.
pub(super) const ASK: Duration = Duration::from_secs(300);

/// A watch looks at least so often: what the shop puts in with a short expiry must be seen before it expires, a process
/// that was suspended must notice, and whoever is on duty must be heard of.
pub(super) const LOOK: Duration = Duration::from_secs(4);

/// Whoever was heard of on duty so recently need not be heard of again.
pub(super) const HEARD: Duration = Duration::from_secs(2);

/// Between two sweeps lies at least so much, so that many expiries in a second share sweeps.
const GAP: Duration = Duration::from_millis(200);

/// Whoever stands by looks so often whether it must step in.
pub const STEP_IN: Duration = Duration::from_secs(2);

/// Where a person has to act, it is looked so often whether they did.
pub(super) const UNFIT: Duration = Duration::from_secs(30);

/// The longest pause after troubles that may pass.
const LONGEST: Duration = Duration::from_secs(30);

/// The first pause after troubles that may pass.
const FIRST: Duration = Duration::from_millis(500);

/// How long to rest after a look: until something expires, until the next sweep is to come in any case, until what was
/// left over is tried again, and never longer than a look may be away.
#[must_use]
pub fn next_look(expires_in: Option<Duration>, sweep_in: Duration, leftovers_in: Option<Duration>) -> Duration {
    // A moment later, so that it has expired by then whatever the clock's resolution is.
    let until = expires_in.map(|until| until.saturating_add(Duration::from_millis(2)));
    let earliest = [Some(LOOK), Some(sweep_in), until, leftovers_in].into_iter().flatten().min();
    earliest.unwrap_or(LOOK).max(GAP)
}

/// How long until the next expiry, by the database's clock.
pub(super) fn expires_in(outlook: &Outlook) -> Option<Duration> {
    let until = outlook.now.duration_until(outlook.next_expiry?);
    Some(Duration::try_from(until).unwrap_or(Duration::ZERO))
}

/// Ever longer pauses: each is twice the one before, up to 30 s, and the jitter takes up to half of it away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backoff {
    tries: u32,
}

impl Backoff {
    /// The next pause. `jitter` is random bits.
    pub fn next(&mut self, jitter: u64) -> Duration {
        let doubled = 1_u32.checked_shl(self.tries.min(16)).unwrap_or(u32::MAX);
        self.tries = self.tries.saturating_add(1);
        let pause = FIRST.saturating_mul(doubled).min(LONGEST);
        let half = pause.checked_div(2).unwrap_or(pause);
        let micros = u64::try_from(half.as_micros()).unwrap_or(u64::MAX);
        half.saturating_add(Duration::from_micros(jitter.checked_rem(micros.max(1)).unwrap_or(0)))
    }

    /// It went well: the next pause is short again.
    pub fn reset(&mut self) {
        self.tries = 0;
    }

    /// How often it went wrong in a row.
    #[must_use]
    pub fn tries(&self) -> u32 {
        self.tries
    }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::*;

    fn check(next_in_ms: Option<u64>, sweep_in_ms: u64, leftovers_in_ms: Option<u64>, expected_ms: u128) {
        let leftovers = leftovers_in_ms.map(Duration::from_millis);
        let rest = next_look(next_in_ms.map(Duration::from_millis), Duration::from_millis(sweep_in_ms), leftovers);
        assert_eq!(rest.as_millis(), expected_ms, "{next_in_ms:?} {sweep_in_ms} {leftovers_in_ms:?}");
    }

    #[test]
    fn what_should_have_expired_long_ago_expires_now() {
        let now = Timestamp::from_second(1_780_000_000).unwrap();
        let ahead = |millis| {
            let next_expiry = Some(now + SignedDuration::from_millis(millis));
            expires_in(&Outlook { now, due_orders: 0, oldest_overdue_micros: 0, next_expiry })
        };
        assert_eq!(ahead(1_500), Some(Duration::from_millis(1_500)));
        assert_eq!(ahead(-5), Some(Duration::ZERO));
    }

    #[test]
    fn it_rests_until_the_first_of_all_reasons_to_look() {
        check(None, 300_000, None, 4_000);
        check(Some(900), 300_000, None, 902);
        check(Some(3_600_000), 300_000, None, 4_000);
        check(Some(900), 700, None, 700);
        check(Some(900), 700, Some(500), 500);
        // What expires this very moment shares a sweep with what expires right after.
        check(Some(1), 300_000, None, 200);
        check(Some(0), 300_000, None, 200);
        check(None, 0, None, 200);
    }

    #[test]
    fn pauses_grow_to_their_bound_and_begin_again() {
        let mut backoff = Backoff::default();
        let least: Vec<u128> = (0..9).map(|_| backoff.next(0).as_millis()).collect();
        assert_eq!(least, [250, 500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000]);
        for jitter in [1, 12_345, u64::MAX] {
            assert!(backoff.next(jitter) <= Duration::from_secs(30));
        }
        backoff.reset();
        assert!(backoff.next(u64::MAX) < Duration::from_millis(500));
    }
}

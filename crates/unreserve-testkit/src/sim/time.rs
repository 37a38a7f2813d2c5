//! Virtual time: it moves when somebody waits, and nobody else moves it.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

/// The first of June 2026, noon: later than the program, and the same in every run.
const START: i64 = 1_780_315_200_000_000;

/// How far time moves when a lock is asked for again and nobody leads the time.
const LOOK: i64 = 500;

/// Who moves the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Whoever waits moves it, so that no wait takes long: for tests that play one thing after the other.
    Free,
    /// The executor moves it to the next instant somebody waits for.
    Led,
}

/// The one time of a shop in memory.
#[derive(Debug, Clone)]
pub struct Time(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    pace: Pace,
    now: i64,
    /// What the database's clock is ahead by.
    lie: i64,
    timers: BTreeMap<(i64, u64), Waker>,
    count: u64,
}

impl Time {
    /// Time that begins.
    #[must_use]
    pub fn new(pace: Pace) -> Self {
        let state = State { pace, now: START, lie: 0, timers: BTreeMap::new(), count: 0 };
        Self(Arc::new(Mutex::new(state)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Microseconds since 1970 that have really passed.
    #[must_use]
    pub fn now(&self) -> i64 {
        self.state().now
    }

    /// Microseconds since it began.
    #[must_use]
    pub fn passed(&self) -> i64 {
        self.now().saturating_sub(START)
    }

    /// What the database's clock says.
    #[must_use]
    pub fn database_now(&self) -> i64 {
        let state = self.state();
        state.now.saturating_add(state.lie)
    }

    /// The database's clock jumps.
    pub fn jump_database(&self, micros: i64) {
        let mut state = self.state();
        state.lie = state.lie.saturating_add(micros);
    }

    /// Moves the time on.
    pub fn advance(&self, micros: i64) {
        let due = {
            let mut state = self.state();
            state.now = state.now.saturating_add(micros.max(0));
            let now = state.now;
            let rest = state.timers.split_off(&(now.saturating_add(1), 0));
            let due = std::mem::replace(&mut state.timers, rest);
            debug_assert!(due.keys().all(|(at, _)| *at <= now), "only what is due is woken");
            due
        };
        for waker in due.into_values() {
            waker.wake();
        }
    }

    /// Whether nobody leads the time.
    #[must_use]
    pub fn is_free(&self) -> bool {
        self.state().pace == Pace::Free
    }

    /// The next instant somebody waits for.
    #[must_use]
    pub fn next(&self) -> Option<i64> {
        self.state().timers.keys().next().map(|(at, _)| *at)
    }

    /// Wakes somebody at an instant; where nobody leads the time, at once and a moment later.
    pub fn wake_at(&self, at: i64, waker: &Waker) {
        let mut state = self.state();
        if state.pace == Pace::Free {
            state.now = state.now.saturating_add(LOOK);
            drop(state);
            waker.wake_by_ref();
        } else if at <= state.now {
            drop(state);
            waker.wake_by_ref();
        } else {
            state.count = state.count.saturating_add(1);
            let place = (at, state.count);
            state.timers.insert(place, waker.clone());
        }
    }

    /// Waits so long.
    pub async fn sleep(&self, micros: i64) {
        let end = {
            let mut state = self.state();
            let end = state.now.saturating_add(micros.max(0));
            if state.pace == Pace::Free {
                state.now = end;
            }
            end
        };
        let mut polled = false;
        poll_fn(|context| {
            let state = self.state();
            if state.pace == Pace::Free || (polled && state.now >= end) {
                return Poll::Ready(());
            }
            drop(state);
            // Even a sleep of no length lets others have their turn.
            polled = true;
            self.wake_at(end, context.waker());
            Poll::Pending
        })
        .await;
    }
}

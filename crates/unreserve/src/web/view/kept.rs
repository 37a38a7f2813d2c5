//! An answer that is kept for a moment: whoever asks meanwhile is given the same one, and only one asks the database.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use unreserve_engine::sweep::Clock;

use crate::clock::ProcessClock;

use super::Problem;

type Answer<T> = Result<Arc<T>, Problem>;

/// An answer, and when it was made.
pub(super) struct Kept<T> {
    slot: Mutex<Option<(Duration, Answer<T>)>>,
}

impl<T> Kept<T> {
    /// Nothing yet.
    pub(super) fn new() -> Self {
        Self { slot: Mutex::new(None) }
    }

    /// The answer that is kept, unless it is older than this; else a new one. Those who ask at the same time wait for one.
    /// What went wrong is kept as well, so that a database in trouble is not asked again and again.
    pub(super) async fn get(
        &self,
        clock: &ProcessClock,
        oldest: Duration,
        make: impl Future<Output = Result<T, Problem>>,
    ) -> Answer<T> {
        let mut slot = self.slot.lock().await;
        if let Some((made_at, answer)) = slot.as_ref()
            && clock.elapsed().saturating_sub(*made_at) < oldest
        {
            return answer.clone();
        }
        // Somebody who goes away in the middle leaves none behind.
        *slot = None;
        let answer = make.await.map(Arc::new);
        *slot = Some((clock.elapsed(), answer.clone()));
        answer
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn many_who_ask_at_once_are_given_one_answer_and_an_old_one_is_made_again() {
        let (kept, clock, asked) = (Kept::new(), ProcessClock::new(), AtomicU32::new(0));
        let ask = |oldest| {
            kept.get(&clock, oldest, async {
                tokio::task::yield_now().await;
                Ok(asked.fetch_add(1, Ordering::Relaxed))
            })
        };
        let hour = Duration::from_secs(3_600);
        let (one, two, three) = tokio::join!(ask(hour), ask(hour), ask(hour));
        assert_eq!((one.as_deref(), two.as_deref(), three.as_deref()), (Ok(&0), Ok(&0), Ok(&0)));
        assert_eq!(ask(Duration::ZERO).await.as_deref(), Ok(&1));
    }

    #[tokio::test]
    async fn what_went_wrong_is_kept_as_well() {
        let (kept, clock, hour) = (Kept::<u8>::new(), ProcessClock::new(), Duration::from_secs(3_600));
        let trouble = || Problem::new(503, "trouble", "at first");
        assert_eq!(kept.get(&clock, hour, async { Err(trouble()) }).await, Err(trouble()));
        assert_eq!(kept.get(&clock, hour, async { Ok(1) }).await, Err(trouble()));
        assert_eq!(kept.get(&clock, Duration::ZERO, async { Ok(1) }).await.as_deref(), Ok(&1));
    }
}

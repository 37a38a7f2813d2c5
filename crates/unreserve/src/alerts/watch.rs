//! Alerts and heartbeats of the daemon: a look every minute, and soon after a shop's standing has changed.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;
use tracing::Instrument;
use unreserve_engine::report::health::HealthReport;
use unreserve_engine::sweep::Clock;

use super::ears::{Ear, Ears};
use super::heartbeat::{self, Beat};
use super::run::{look_and_tell, profile};
use super::telling::Teller;
use crate::clock::{ProcessClock, utc_now};
use crate::daemon::record::Standing;
use crate::health;
use crate::hub::{Hub, Line, News};
use crate::logging;
use crate::settings::{SecretUrl, Settings};

/// A problem has to stand for so long before the daemon tells of it, where the settings say nothing else.
const AFTER: Duration = Duration::from_secs(60);

/// How often a shop is looked at.
const LOOK: Duration = Duration::from_secs(60);

/// How long after the daemon has begun the first look comes: a sweep of what is due comes first.
const FIRST: Duration = Duration::from_secs(5);

/// Between two looks lies at least so much, whatever happens.
const APART: Duration = Duration::from_secs(2);

/// A heartbeat that says the same again is sent no more often.
const BEATS: Duration = Duration::from_secs(60);

/// At most so many shops are looked at at once that the daemon works on.
const WELL: usize = 4;

/// At most so many at once that it cannot reach: each of them may take as long as connecting may.
const OUT_OF_REACH: usize = 16;

/// Who may look at a shop now. Those that the daemon cannot reach have a queue of their own, so that no other waits for
/// them. Clones are the same one.
#[derive(Debug, Clone)]
pub(crate) struct Looks {
    well: Arc<Semaphore>,
    out_of_reach: Arc<Semaphore>,
}

impl Default for Looks {
    fn default() -> Self {
        Self { well: Arc::new(Semaphore::new(WELL)), out_of_reach: Arc::new(Semaphore::new(OUT_OF_REACH)) }
    }
}

impl Looks {
    /// The queue of a shop that stands so.
    fn queue(&self, standing: Option<Standing>) -> &Semaphore {
        match standing {
            Some(Standing::BackingOff | Standing::Opening) => &self.out_of_reach,
            _ => &self.well,
        }
    }
}

/// What goes on beside a shop's watch. It ends with this value.
#[derive(Default)]
pub(crate) struct Beside(Vec<AbortHandle>);

impl Drop for Beside {
    fn drop(&mut self) {
        self.0.iter().for_each(AbortHandle::abort);
    }
}

/// Tells of a shop from now on, where its settings say to whom. At most so many shops are looked at at once as `looks`
/// allows. Needs a `LocalSet`.
pub(crate) fn attend(settings: &Settings, (hub, line): (&Hub, &Line), ears: &Ears, looks: &Looks) -> Beside {
    let teller = Teller::new(settings, &profile(settings), AFTER);
    if teller.is_none() && settings.heartbeat.is_none() {
        return Beside::default();
    }
    let Ear { look, beat } = ears.listen(settings.shop.as_deref());
    let span = || settings.shop.as_deref().map_or_else(tracing::Span::none, logging::shop_span);
    let mut beside = Beside::default();
    if let Some(teller) = teller {
        line.tell(News::Channels(teller.names().into()));
        let watcher = Watcher {
            settings: settings.clone(),
            hub: hub.clone(),
            line: line.clone(),
            teller,
            looks: looks.clone(),
            keeper: health::Keeper::default(),
        };
        let work = watcher.watch(look).instrument(span());
        beside.0.push(tokio::task::spawn_local(work).abort_handle());
    }
    if let Some(url) = &settings.heartbeat {
        let work = beats(url.value.clone(), beat).instrument(span());
        beside.0.push(tokio::task::spawn_local(work).abort_handle());
    }
    beside
}

/// Says once more how a shop is that the daemon cannot go on with, before it ends. Takes a bounded time.
pub(crate) async fn last_word(settings: &Settings) {
    let heart = async {
        if let Some(url) = &settings.heartbeat {
            heartbeat::call(&url.value, Beat::Fail).await;
        }
    };
    let span = settings.shop.as_deref().map_or_else(tracing::Span::none, logging::shop_span);
    async { tokio::join!(heart, look_and_tell(settings)) }.instrument(span).await;
}

struct Watcher {
    settings: Settings,
    hub: Hub,
    line: Line,
    teller: Teller,
    looks: Looks,
    keeper: health::Keeper,
}

impl Watcher {
    async fn watch(mut self, nudge: Arc<tokio::sync::Notify>) {
        let clock = ProcessClock::new();
        let mut rest = FIRST;
        loop {
            tokio::select! {
                () = clock.sleep(rest) => {}
                () = nudge.notified() => clock.sleep(APART).await,
            }
            let report = self.look(&clock).await;
            let turn = self.teller.turn(report.as_ref()).await;
            for (channel, result) in turn.tries {
                self.line.tell(News::Delivery { channel: channel.into(), result });
            }
            rest = until(turn.next_at).min(LOOK).max(APART);
        }
    }

    /// What a look sees; nothing where another instance is on duty, which tells of the shop itself.
    async fn look(&mut self, clock: &ProcessClock) -> Option<HealthReport> {
        let now = self.hub.now_of(self.settings.shop.as_deref().unwrap_or_default());
        let standing = now.map(|now| now.standing);
        if standing == Some(Standing::Standby) {
            return None;
        }
        // It is never closed; were it, all would look at once.
        let _one_of_few = self.looks.queue(standing).acquire().await.ok();
        let report = health::look(&self.settings, self.settings.alerts.threshold.value, &[]).await;
        self.keeper.keep(&self.settings, &report, clock.elapsed());
        Some(report)
    }
}

fn until(next_at: Option<Timestamp>) -> Duration {
    next_at.map_or(LOOK, |at| Duration::try_from(at.duration_since(utc_now())).unwrap_or_default())
}

/// Calls the heartbeat: at the start, and after sweeps.
async fn beats(url: SecretUrl, mut beat: tokio::sync::watch::Receiver<Option<Beat>>) {
    heartbeat::call(&url, Beat::Start).await;
    let clock = ProcessClock::new();
    let mut said: Option<(Beat, Duration)> = None;
    while beat.changed().await.is_ok() {
        let Some(says) = *beat.borrow_and_update() else { continue };
        let now = clock.elapsed();
        if said.is_some_and(|(before, at)| before == says && now.saturating_sub(at) < BEATS) {
            continue;
        }
        heartbeat::call(&url, says).await;
        said = Some((says, now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shops_out_of_reach_are_in_nobody_elses_way() {
        let looks = Looks::default();
        let queue = looks.queue(Some(Standing::BackingOff));
        let taken: Vec<_> = std::iter::from_fn(|| queue.try_acquire().ok()).collect();
        assert_eq!(taken.len(), OUT_OF_REACH);
        for standing in [None, Some(Standing::Waiting), Some(Standing::Sweeping), Some(Standing::Halted)] {
            assert!(looks.clone().queue(standing).try_acquire().is_ok(), "{standing:?}");
        }
        assert!(looks.clone().queue(Some(Standing::Opening)).try_acquire().is_err());
    }
}

//! What happens in this process, told to everybody who shows it: metrics, the page, alerts.
//!
//! Nobody who listens can delay a sweep. Whoever only counts is called on the spot ([`Listener`]); whoever does more
//! subscribes, and is told when it was too slow to hear everything. What holds right now can always be asked.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::broadcast;
use unreserve_engine::ledger::BatchRecord;
use unreserve_engine::report::SweepReport;
use unreserve_engine::shop::Outlook;
use unreserve_engine::watch::Trouble;

use crate::clock;
use crate::daemon::record::{LastError, Standing};

/// So many news are kept for a listener that is slow; what is older is lost to it.
const KEPT: usize = 256;

/// Where everything is told. Clones are the same one.
#[derive(Debug, Clone)]
pub(crate) struct Hub(Arc<Inner>);

struct Inner {
    listeners: Vec<Arc<dyn Listener>>,
    shops: Mutex<BTreeMap<Arc<str>, ShopNow>>,
    news: broadcast::Sender<Told>,
    alive: AtomicBool,
}

impl fmt::Debug for Inner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Hub").finish_non_exhaustive()
    }
}

/// Counts what happens, on the spot: it must neither wait nor work.
pub(crate) trait Listener: Send + Sync + fmt::Debug {
    /// Something happened.
    fn hear(&self, told: &Told);

    /// A batch that was just told of released so many reservations, each so many microseconds after its expiry.
    fn released(&self, _shop: &str, _overdue_micros: &[i64]) {}
}

/// A piece of news.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    /// When, by the process's clock.
    pub(crate) at: Timestamp,
    /// The shop's name; empty where the settings have one shop without a name.
    pub(crate) shop: Arc<str>,
    /// What.
    pub(crate) news: News,
}

/// What happens.
#[derive(Debug, Clone)]
pub(crate) enum News {
    /// A shop is worked on from now on, or goes on with other settings. A sweep of it is to come at least so often.
    Joined {
        /// The interval of the settings.
        interval: Duration,
    },
    /// The shop was opened. These of its payment guards can protect an order.
    Opened {
        /// Their names.
        guards: Arc<[String]>,
    },
    /// How it stands has changed; [`Hub::now_of`] says more of it.
    Stands {
        /// How.
        standing: Standing,
    },
    /// The database was asked what lies ahead.
    Looked(Outlook),
    /// A sweep begins.
    SweepBegan,
    /// A batch was committed.
    Committed {
        /// What it did.
        record: BatchRecord,
        /// How long it took.
        took: Duration,
    },
    /// A batch was rolled back, and is tried again in another form.
    BatchFailed {
        /// The class of the error, as in logs.
        class: &'static str,
    },
    /// A sweep ended, or did not come to its beginning.
    Swept(Arc<Swept>),
    /// Something keeps the shop from being swept. Told at every try.
    Troubled(Arc<Trouble>),
    /// The channels that alerts of this shop may go to, by their names.
    Channels(Arc<[String]>),
    /// A try to deliver an alert has ended.
    Delivery {
        /// The channel's name.
        channel: Arc<str>,
        /// How it ended.
        result: Delivery,
    },
    /// Nobody works on the shop any more.
    Left,
}

/// A sweep that ended, or did not come to its beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Swept {
    /// How it ended.
    pub(crate) result: SweepResult,
    /// Its report; nothing where it did not begin, or cannot be read back from the ledger.
    pub(crate) report: Option<Arc<SweepReport>>,
    /// What it stopped on, in one line.
    pub(crate) error: Option<String>,
}

/// How a sweep ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SweepResult {
    /// Everything due was released, or protected for a reason.
    Done,
    /// It came to its end, and orders were set aside.
    Problems,
    /// More was due than the size bound allows; nothing was written.
    TooMany,
    /// Another instance was sweeping.
    Held,
    /// It stopped on an error, or could not begin.
    Failed,
}

impl SweepResult {
    /// Every one.
    pub(crate) const ALL: [Self; 5] = [Self::Done, Self::Problems, Self::TooMany, Self::Held, Self::Failed];

    /// The word in metrics.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Problems => "problems",
            Self::TooMany => "too_many",
            Self::Held => "held",
            Self::Failed => "failed",
        }
    }

    /// Whether the sweep came to its end.
    pub(crate) fn is_success(self) -> bool {
        matches!(self, Self::Done | Self::Problems)
    }
}

/// How a try to deliver an alert ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// The receiver has it.
    Delivered,
    /// It failed, and is tried again.
    Failed,
    /// It is not tried again.
    GivenUp,
}

impl Delivery {
    /// Every one.
    pub(crate) const ALL: [Self; 3] = [Self::Delivered, Self::Failed, Self::GivenUp];

    /// The word in metrics.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::GivenUp => "given_up",
        }
    }
}

/// What is known of a shop right now. Instants are by the process's clock, those of an outlook by the database's.
#[derive(Debug, Clone)]
pub(crate) struct ShopNow {
    /// How often a sweep is to come.
    pub(crate) interval: Duration,
    /// How it stands.
    pub(crate) standing: Standing,
    /// The same in a sentence.
    pub(crate) says: Arc<str>,
    /// Since when it stands so.
    pub(crate) since: Timestamp,
    /// When it is looked at again; nothing where it is not.
    pub(crate) next_look_at: Option<Timestamp>,
    /// What lay ahead when the database was asked last, and when that was.
    pub(crate) ahead: Option<(Timestamp, Outlook)>,
    /// The last sweep, and when it ended.
    pub(crate) last_sweep: Option<(Timestamp, Arc<Swept>)>,
    /// When something was tried last: a sweep, or to reach the database while it cannot be reached.
    pub(crate) last_attempt_at: Option<Timestamp>,
    /// When a sweep came to its end last.
    pub(crate) last_success_at: Option<Timestamp>,
    /// The last error, and when it was. It stays when it is over.
    pub(crate) last_error: Option<LastError>,
}

/// What a subscriber hears.
#[derive(Debug, Clone)]
pub(crate) enum Heard {
    /// A piece of news.
    News(Told),
    /// It was too slow, and has missed some of them: what holds now is to be asked.
    Missed,
    /// Nobody will tell anything any more.
    Ended,
}

/// Somebody who subscribed.
#[derive(Debug)]
pub(crate) struct Subscription(broadcast::Receiver<Told>);

impl Subscription {
    /// The next news. May be dropped at any time without losing any.
    pub(crate) async fn next(&mut self) -> Heard {
        match self.0.recv().await {
            Ok(told) => Heard::News(told),
            Err(broadcast::error::RecvError::Lagged(_)) => Heard::Missed,
            Err(broadcast::error::RecvError::Closed) => Heard::Ended,
        }
    }
}

impl Hub {
    /// One that tells these on the spot.
    pub(crate) fn new(listeners: Vec<Arc<dyn Listener>>) -> Self {
        let (news, _) = broadcast::channel(KEPT);
        Self(Arc::new(Inner { listeners, shops: Mutex::default(), news, alive: AtomicBool::new(true) }))
    }

    /// The line of one shop, by its name in the settings. A shop that is there already goes on as it was.
    pub(crate) fn join(&self, shop: Option<&str>, interval: Duration) -> Line {
        let shop: Arc<str> = shop.unwrap_or_default().into();
        let at = clock::utc_now();
        self.shops().entry(Arc::clone(&shop)).and_modify(|now| now.interval = interval).or_insert_with(|| ShopNow {
            interval,
            standing: Standing::Opening,
            says: "connects and checks the profile".into(),
            since: at,
            next_look_at: Some(at),
            ahead: None,
            last_sweep: None,
            last_attempt_at: None,
            last_success_at: None,
            last_error: None,
        });
        let line = Line { hub: self.clone(), shop };
        line.tell(News::Joined { interval });
        line
    }

    /// Everything that is told from now on. A listener that is slow delays nobody.
    pub(crate) fn subscribe(&self) -> Subscription {
        Subscription(self.0.news.subscribe())
    }

    /// How one shop stands right now.
    pub(crate) fn now_of(&self, shop: &str) -> Option<ShopNow> {
        self.shops().get(shop).cloned()
    }

    /// Whether every shop's database was reached at the last look.
    pub(crate) fn is_ready(&self) -> bool {
        let reached =
            |now: &ShopNow| matches!(now.standing, Standing::Waiting | Standing::Sweeping | Standing::Standby);
        self.shops().values().all(reached)
    }

    /// Whether every shop's watch was heard of not long ago, or rests for a bounded time.
    pub(crate) fn is_alive(&self) -> bool {
        self.0.alive.load(Ordering::Relaxed)
    }

    /// Says whether all are alive.
    pub(crate) fn set_alive(&self, alive: bool) {
        self.0.alive.store(alive, Ordering::Relaxed);
    }

    fn tell(&self, shop: &Arc<str>, news: News) {
        let told = Told { at: clock::utc_now(), shop: Arc::clone(shop), news };
        if let Some(now) = self.shops().get_mut(shop) {
            now.learn(&told);
        }
        for listener in &self.0.listeners {
            listener.hear(&told);
        }
        // Where nobody has subscribed, nobody misses it.
        let _ = self.0.news.send(told);
    }

    fn shops(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, ShopNow>> {
        self.0.shops.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ShopNow {
    fn learn(&mut self, told: &Told) {
        match &told.news {
            News::Looked(outlook) => self.ahead = Some((told.at, *outlook)),
            News::SweepBegan => self.last_attempt_at = Some(told.at),
            News::Swept(swept) => {
                self.last_attempt_at = Some(told.at);
                if swept.result.is_success() {
                    self.last_success_at = Some(told.at);
                }
                if let Some(ahead) = swept.report.as_ref().and_then(|report| report.ahead) {
                    self.ahead = Some((told.at, ahead));
                }
                self.last_sweep = Some((told.at, Arc::clone(swept)));
            }
            News::Troubled(trouble) => {
                self.last_attempt_at = Some(told.at);
                self.last_error = Some(LastError { at: told.at, text: trouble.text.clone() });
            }
            News::Joined { .. }
            | News::Opened { .. }
            | News::Stands { .. }
            | News::Committed { .. }
            | News::BatchFailed { .. }
            | News::Channels(_)
            | News::Delivery { .. }
            | News::Left => {}
        }
    }
}

/// What one shop tells through.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    hub: Hub,
    shop: Arc<str>,
}

impl Line {
    /// Tells something.
    pub(crate) fn tell(&self, news: News) {
        self.hub.tell(&self.shop, news);
    }

    /// Tells how the shop stands. Only a change is news; when it is looked at next can be asked.
    pub(crate) fn stands(&self, standing: Standing, says: &str, next_look_at: Option<Timestamp>) {
        let changed = {
            let mut shops = self.hub.shops();
            let Some(now) = shops.get_mut(&self.shop) else { return };
            now.next_look_at = next_look_at;
            if now.standing != standing {
                now.since = clock::utc_now();
            }
            let changed = now.standing != standing || &*now.says != says;
            if changed {
                now.standing = standing;
                now.says = says.into();
            }
            changed
        };
        if changed {
            self.tell(News::Stands { standing });
        }
    }

    /// Tells how long after their expiry reservations were released, in microseconds.
    pub(crate) fn released(&self, overdue_micros: &[i64]) {
        for listener in &self.hub.0.listeners {
            listener.released(&self.shop, overdue_micros);
        }
    }

    /// Nobody works on the shop any more.
    pub(crate) fn leave(&self) {
        self.hub.shops().remove(&self.shop);
        self.tell(News::Left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn swept(result: SweepResult) -> News {
        News::Swept(Arc::new(Swept { result, report: None, error: None }))
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_slow_listener_is_told_that_it_has_missed_some() {
        let hub = Hub::new(Vec::new());
        let line = hub.join(Some("blue"), MINUTE);
        let mut subscription = hub.subscribe();
        for _ in 0..KEPT {
            line.tell(News::SweepBegan);
        }
        line.tell(swept(SweepResult::Done));
        assert!(matches!(subscription.next().await, Heard::Missed));
        for _ in 1..KEPT {
            let Heard::News(told) = subscription.next().await else { panic!("it was kept") };
            assert!(matches!(told.news, News::SweepBegan), "{told:?}");
        }
        let Heard::News(told) = subscription.next().await else { panic!("it was kept") };
        assert_eq!(&*told.shop, "blue");
        assert!(matches!(told.news, News::Swept(_)), "{told:?}");
        drop((hub, line));
        assert!(matches!(subscription.next().await, Heard::Ended));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn only_a_change_of_the_standing_is_news() {
        let hub = Hub::new(Vec::new());
        let line = hub.join(None, MINUTE);
        let mut subscription = hub.subscribe();
        let later = Timestamp::from_second(1_780_000_000).ok();
        line.stands(Standing::Waiting, "waits", None);
        line.stands(Standing::Waiting, "waits", later);
        line.stands(Standing::Halted, "halted: a column is gone", None);
        assert!(!hub.is_ready());
        for expected in [Standing::Waiting, Standing::Halted] {
            let Heard::News(Told { news: News::Stands { standing }, .. }) = subscription.next().await else {
                panic!("a change is news")
            };
            assert_eq!(standing, expected);
        }
        line.stands(Standing::Halted, "halted: a column is gone", later);
        assert_eq!(hub.now_of("").and_then(|now| now.next_look_at), later);
    }

    #[test]
    fn what_holds_now_is_known_of_every_shop_until_it_leaves() {
        let hub = Hub::new(Vec::new());
        let (blue, red) = (hub.join(Some("blue"), MINUTE), hub.join(Some("red"), MINUTE));
        blue.tell(swept(SweepResult::Failed));
        red.tell(swept(SweepResult::Problems));
        let succeeded = |name: &str| hub.now_of(name).map(|now| now.last_success_at.is_some());
        assert_eq!((succeeded("blue"), succeeded("red"), succeeded("green")), (Some(false), Some(true), None));
        // A reload is no reason to forget.
        let again = hub.join(Some("red"), MINUTE + MINUTE);
        assert!(hub.now_of("red").is_some_and(|now| now.last_success_at.is_some() && now.interval > MINUTE));
        blue.leave();
        again.leave();
        assert_eq!((succeeded("blue"), succeeded("red")), (None, None));
    }
}

//! The daemon: watches every shop of the settings until it is asked to end.

mod bell;
mod crew;
mod open_files;
mod page;
mod post;
mod pulse;
pub(crate) mod record;
pub(crate) mod signals;
mod systemd;
mod teller;
mod words;

use std::sync::Arc;
use std::time::Duration;

use crew::Crew;
pub(crate) use crew::{INTERVAL, sweeps_every};
use page::{Page, Place};
use signals::{Asked, Signals};
use unreserve_engine::sweep::Clock;
use unreserve_engine::watch::Ended;

use crate::alerts::{self, Ears};
use crate::clock::ProcessClock;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::hub::{Hub, Listener};
use crate::profiles;
use crate::settings::Settings;
use crate::web::Bound;

/// How long the running batches get to end.
const PATIENCE: Duration = Duration::from_secs(9);

/// How long it may take to tell everybody that the daemon cannot go on.
const LAST_WORDS: Duration = Duration::from_secs(20);

/// A service manager is told at the latest after so long that we are up, though a shop still connects.
const READY: Duration = Duration::from_secs(10);

/// How often it is looked whether the service manager must be told something.
const TICK: Duration = Duration::from_secs(1);

/// Reads the settings of all shops, again and again where it is asked to.
pub(crate) type Load<'a> = dyn Fn() -> Result<Vec<Settings>, Failure> + 'a;

/// Watches these shops until a signal ends it, and tells these listeners what happens.
///
/// # Errors
/// There is one shop, and it does not fit its settings; or nobody can go on.
pub(crate) async fn serve(
    shops: Vec<Settings>,
    load: &Load<'_>,
    listeners: Vec<Arc<dyn Listener>>,
) -> Result<Exit, Failure> {
    check(&shops)?;
    // Before anything begins: a place that is taken must be seen there and then.
    let place = Place::take(&shops)?;
    serve_at(place, shops, load, listeners).await
}

/// Watches one shop in the same way, with the page at a place that was taken before.
///
/// # Errors
/// As for [`serve`].
pub(crate) async fn serve_one(shop: Settings, bound: Bound) -> Result<Exit, Failure> {
    let place = Place::of(bound, &shop);
    let load = || Ok(vec![shop.clone()]);
    serve_at(place, vec![shop.clone()], &load, Vec::new()).await
}

async fn serve_at(
    place: Place,
    shops: Vec<Settings>,
    load: &Load<'_>,
    listeners: Vec<Arc<dyn Listener>>,
) -> Result<Exit, Failure> {
    let clock = ProcessClock::new();
    let ears = Ears::default();
    let hub = Hub::new(listeners.into_iter().chain(place.listener()).chain([ears.listener()]).collect());
    let mut daemon = Daemon {
        clock,
        crew: Crew::new(clock, hub.clone(), ears),
        hub,
        page: None,
        ready: false,
        told: String::new(),
        beaten_at: clock.elapsed(),
    };
    let mut signals = signals::listen()?;
    open_files::allow_many();
    tracing::info!(
        event = "started",
        shops = shops.len(),
        version = env!("UNRESERVE_VERSION"),
        "the daemon has started"
    );
    daemon.page = place.show(&shops, &daemon.hub)?;
    daemon.crew.start(shops);
    let ended = daemon.run(&mut signals, load).await;
    systemd::stopping();
    daemon.finish().await;
    if ended.is_err() {
        daemon.last_words().await;
    }
    ended
}

/// A slip is told before anything begins, and before a reload changes anything.
fn check(shops: &[Settings]) -> Result<(), Failure> {
    alerts::check(shops)?;
    shops.iter().try_for_each(|shop| {
        crate::opening::database_url(shop)
            .and_then(|_| profiles::load(shop))
            .map(|_| ())
            .map_err(|failure| failure.of_shop(shop.shop.as_deref()))
    })
}

struct Daemon {
    clock: ProcessClock,
    crew: Crew,
    hub: Hub,
    page: Option<Page>,
    ready: bool,
    /// What the service manager was told last.
    told: String,
    /// When it was told last that we are alive.
    beaten_at: Duration,
}

impl Daemon {
    async fn run(&mut self, signals: &mut Signals, load: &Load<'_>) -> Result<Exit, Failure> {
        loop {
            tokio::select! {
                asked = signals.next() => match asked {
                    Asked::Stop => {
                        tracing::info!(event = "stopping", "asked to end: the running batch is finished first");
                        return Ok(Exit::Done);
                    }
                    Asked::Reload => self.reload(load),
                    Asked::Sweep => self.crew.sweep(),
                },
                () = self.crew.next_end() => {
                    if self.crew.is_idle() && let Some(failure) = self.crew.last_end().and_then(failure) {
                        return Err(failure);
                    }
                }
                () = self.clock.sleep(TICK) => {}
            }
            self.tell();
        }
    }

    /// Takes the new settings, all of them or none.
    fn reload(&mut self, load: &Load<'_>) {
        systemd::reloading();
        match load().and_then(|shops| check(&shops).map(|()| shops)) {
            Ok(shops) => {
                tracing::info!(event = "reloaded", shops = shops.len(), "the settings were read again");
                page::reload(self.page.as_ref(), &shops);
                self.crew.set(shops);
            }
            Err(failure) => {
                let hint = failure.hints.first();
                tracing::error!(event = "reload_refused", hint, "the old settings stay: {}", failure.in_one_line());
            }
        }
        systemd::ready(&self.crew.says());
    }

    /// Tells the service manager what is new.
    fn tell(&mut self) {
        let now = self.clock.elapsed();
        let says = self.crew.says();
        if !self.ready && (self.crew.is_ready() || now >= READY) {
            self.ready = true;
            systemd::ready(&says);
        } else if says != self.told {
            systemd::status(&says);
        }
        self.told = says;
        let alive = self.crew.is_alive();
        self.hub.set_alive(alive);
        let due = systemd::watchdog().and_then(|every| every.checked_div(3));
        if due.is_some_and(|every| now.saturating_sub(self.beaten_at) >= every) && alive {
            self.beaten_at = now;
            systemd::alive();
        }
    }

    /// A daemon that cannot go on says so to whom it told everything else: for all shops at once, and in a bounded time.
    /// What was not sent by then waits in the state directory.
    async fn last_words(&mut self) {
        // Who tells of a shop already would be in the way of who tells of it last.
        self.crew.hush();
        let words = futures_util::future::join_all(self.crew.settings().map(alerts::last_word));
        tokio::select! {
            _ = words => {}
            () = self.clock.sleep(LAST_WORDS) => {
                tracing::warn!(event = "cut_off", "not everybody could be told in time that the daemon ends");
            }
        }
    }

    /// Lets the running batches end; what takes too long is cut off, which rolls it back.
    async fn finish(&mut self) {
        self.crew.stop();
        let end = self.clock.elapsed().saturating_add(PATIENCE);
        while !self.crew.is_idle() {
            let left = end.saturating_sub(self.clock.elapsed());
            if left.is_zero() {
                tracing::warn!(event = "cut_off", "a batch did not end in time and is rolled back");
                return;
            }
            tokio::select! {
                () = self.crew.next_end() => {}
                () = self.clock.sleep(left) => {}
            }
        }
    }
}

/// The failure that a watch which cannot go on ends the daemon with.
fn failure(ended: &Ended) -> Option<Failure> {
    let (exit, trouble) = match ended {
        Ended::Stopped => return None,
        Ended::Unfit(trouble) => (Exit::Usage, trouble),
        Ended::Broken(trouble) => (Exit::Halted, trouble),
    };
    let failure = Failure::new(exit, trouble.text.clone());
    Some(match &trouble.hint {
        Some(hint) => failure.hint(hint.clone()),
        None => failure,
    })
}

//! The process that one shop's watch runs in: connects, sweeps, rests, and tells.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::AbortHandle;
use unreserve_engine::model::Holder;
use unreserve_engine::shop::{CheckedShop, Outlook};
use unreserve_engine::sweep::{Clock, Stop};
use unreserve_engine::watch::{Nudge, Opened, Post, Standing, Swept, Trouble, TroubleKind};
use uuid::Uuid;

use super::bell::Bell;
use super::pulse::Pulse;
use super::teller::{SILENT_SWEEP, Teller};
use crate::clock::{self, ProcessClock};
use crate::failure::Failure;
use crate::hub::{Line, News};
use crate::lock::{Lock, Purpose};
use crate::opening;
use crate::profiles;
use crate::settings::Settings;
use crate::sweeping::{Changes, NotTold, guards, request, sweep_and_report, trouble};

/// After the connection for notices failed, it is tried again so much later.
const LISTEN_AGAIN: Duration = Duration::from_secs(30);

/// Between two looks that notices ask for lies at least so much.
const NOTICES: Duration = Duration::from_millis(250);

/// Where the wall clock and the monotonic clock differ by so much after a rest, the machine slept or its clock was set.
const SLEPT: SignedDuration = SignedDuration::from_secs(1);

/// What a shop's watch shares with the daemon.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) clock: ProcessClock,
    pub(super) stop: Stop,
    pub(super) bell: Bell,
    pub(super) pulse: Pulse,
    pub(super) line: Line,
    /// At most so many files are open at once, however many shops there are.
    pub(super) files: Arc<Semaphore>,
}

/// One shop's place in the daemon.
pub(super) struct ShopPost {
    settings: Settings,
    shared: Shared,
    teller: Teller,
    me: Holder,
    lock: Option<Lock>,
    /// Whether this shop is a file, of which only so many are open at once.
    is_file: bool,
    permit: Option<OwnedSemaphorePermit>,
    listening: Option<AbortHandle>,
}

impl ShopPost {
    /// The place of a shop that nothing was done with yet.
    pub(super) fn new(settings: Settings, shared: Shared, started_at: jiff::Timestamp, interval: Duration) -> Self {
        let me = Holder {
            token: Uuid::new_v4().to_string(),
            host: gethostname::gethostname().to_string_lossy().into_owned(),
            process_id: std::process::id(),
            lock_file: String::new(),
        };
        let clock = (shared.clock, started_at);
        let telling = (shared.pulse.clone(), shared.line.clone());
        let teller = Teller::new(settings.shop.clone(), clock, telling, interval, me.clone());
        let url = settings.database_url.as_ref();
        let is_file = url.is_some_and(|url| unreserve_db::file_of(url.value.expose()).is_some());
        Self { settings, shared, teller, me, lock: None, is_file, permit: None, listening: None }
    }

    /// The place of this shop on this machine, which the lock keeps others out of.
    fn take_place(&mut self) -> Result<(), Failure> {
        if self.lock.is_none() {
            let place = opening::place(&self.settings)?;
            let profile = profiles::load(&self.settings)?.profile.name;
            let lock = Lock::take(Purpose::Daemon, &self.settings.state_dir.value, &place, &profile)?;
            self.me = lock.holder.clone();
            self.teller.writes_beside(&lock.path, &self.me);
            self.lock = Some(lock);
        }
        Ok(())
    }

    async fn try_open(&mut self) -> Result<Box<dyn CheckedShop>, Failure> {
        self.enter().await;
        self.take_place()?;
        let shop = opening::open(&self.settings).await?;
        self.shared.line.tell(News::Opened { guards: guards(shop.as_ref()) });
        self.listen();
        Ok(shop)
    }

    async fn enter(&mut self) {
        if self.is_file && self.permit.is_none() {
            // It is never closed; were it, nothing would be bounded and everything would work.
            self.permit = Arc::clone(&self.shared.files).acquire_owned().await.ok();
        }
    }

    /// Listens for notices of the shop's, where its database can send any.
    fn listen(&mut self) {
        if self.listening.as_ref().is_some_and(|listening| !listening.is_finished()) {
            return;
        }
        let Some(url) = self.settings.database_url.as_ref().map(|url| url.value.clone()) else { return };
        let (bell, clock) = (self.shared.bell.clone(), self.shared.clock);
        if unreserve_db::listen(url.expose(), unreserve_db::Options::default()).is_none() {
            return;
        }
        let listening = tokio::spawn(async move {
            while let Some(notices) = unreserve_db::listen(url.expose(), unreserve_db::Options::default()) {
                let lost = match notices.await {
                    Ok(mut notices) => loop {
                        match notices.next().await {
                            Ok(()) => bell.look(),
                            Err(error) => break error,
                        }
                    },
                    Err(error) => error,
                };
                tracing::debug!(event = "not_listening", "no notices for now: {lost}");
                clock.sleep(LISTEN_AGAIN).await;
            }
        });
        self.listening = Some(listening.abort_handle());
    }

    async fn sweep_once(&mut self, shop: &mut dyn CheckedShop) -> Result<Swept, Trouble> {
        let place = opening::place(&self.settings).map_err(trouble)?;
        let profile = shop.plan().profile.clone();
        let lock = Lock::take(Purpose::Sweep, &self.settings.state_dir.value, &place, &profile).map_err(trouble)?;
        let request = request(&self.settings, None, lock.holder.clone(), self.shared.stop.clone());
        let (pulse, clock) = (self.shared.pulse.clone(), self.shared.clock);
        let mut progressed = move |_| pulse.beat(clock.elapsed().saturating_add(SILENT_SWEEP));
        let how = (&self.settings, Changes::Counted);
        let swept = sweep_and_report(shop, &request, how, &self.shared.line, &mut progressed).await;
        match swept {
            Ok((report, None)) => Ok(Swept { remaining_due: report.remaining_due }),
            Ok((_, Some(error))) | Err(NotTold::Sweep(error)) => Err(Trouble::from(&error)),
            // What was done stands; that it cannot be read back now is no reason to give up.
            Err(NotTold::Report(failure)) => Err(Trouble { kind: TroubleKind::Passing, ..trouble(failure) }),
        }
    }
}

impl Drop for ShopPost {
    fn drop(&mut self) {
        if let Some(listening) = &self.listening {
            listening.abort();
        }
    }
}

impl Post<'static> for ShopPost {
    fn me(&self) -> &Holder {
        &self.me
    }

    fn open<'a>(&'a mut self) -> Opened<'a, 'static>
    where
        'static: 'a,
    {
        Box::pin(async move { self.try_open().await.map_err(trouble) })
    }

    fn sweep<'a>(
        &'a mut self,
        shop: &'a mut (dyn CheckedShop + 'static),
    ) -> Pin<Box<dyn Future<Output = Result<Swept, Trouble>> + 'a>>
    where
        'static: 'a,
    {
        Box::pin(self.sweep_once(shop))
    }

    fn rest(&mut self, rest: Duration) -> Pin<Box<dyn Future<Output = Nudge> + '_>> {
        Box::pin(async move {
            self.permit = None;
            let clock = self.shared.clock;
            let (began, on_the_wall) = (clock.elapsed(), clock::utc_now());
            let nudge = tokio::select! {
                () = clock.sleep(rest) => Nudge::None,
                nudge = self.shared.bell.heard() => nudge,
            };
            if nudge == Nudge::Look && !self.shared.stop.is_asked() {
                // A shop may send a notice with every order: however many there are, few looks come of them.
                clock.sleep(NOTICES.min(rest).saturating_sub(clock.elapsed().saturating_sub(began))).await;
            }
            self.enter().await;
            let passed = clock.elapsed().saturating_sub(began);
            let on_the_wall = clock::utc_now().duration_since(on_the_wall);
            let apart = on_the_wall.saturating_sub(SignedDuration::try_from(passed).unwrap_or(SignedDuration::MAX));
            if nudge == Nudge::None && apart.abs() > SLEPT { Nudge::Look } else { nudge }
        })
    }

    fn looked(&mut self, outlook: &Outlook) {
        self.shared.line.tell(News::Looked(*outlook));
    }

    fn tell(&mut self, standing: &Standing) {
        self.teller.tell(standing);
    }
}

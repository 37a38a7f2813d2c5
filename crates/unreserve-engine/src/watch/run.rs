//! The watch itself: looks, sweeps where something is due, and rests until the next reason to look.

use std::time::Duration;

use jiff::Timestamp;

use super::agenda::{ASK, Backoff, HEARD, STEP_IN, UNFIT, expires_in, next_look};
use super::post::{Nudge, Post, Standing};
use super::trouble::{Trouble, TroubleKind};
use crate::shop::{Acquired, CheckedShop, InstallState};
use crate::sweep::{Clock, Stop, SweepError};

/// Due orders are counted no further: one is reason enough to sweep, and this many are enough for any alert.
const COUNTED: u64 = 1_000;

/// A shop is opened anew so often, so that the plan is checked again even where no statement fails.
const REOPEN: Duration = Duration::from_secs(900);

/// How a shop is watched.
#[derive(Debug, Clone)]
pub struct Watching {
    /// A sweep comes at least so often, also where nothing is due.
    pub interval: Duration,
    /// Whether to end where the shop does not fit from the very beginning, instead of looking again and again.
    pub must_fit: bool,
    /// Asks the watch to end.
    pub stop: Stop,
}

/// Why a watch ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// It was asked to.
    Stopped,
    /// The shop does not fit, and never did.
    Unfit(Trouble),
    /// An invariant is broken.
    Broken(Trouble),
}

/// Watches one shop until it is asked to stop.
pub async fn watch<'s>(post: &mut dyn Post<'s>, clock: &dyn Clock, watching: &Watching) -> Ended {
    let mut watch = Watch {
        post,
        clock,
        watching,
        shop: None,
        opened_at: Duration::ZERO,
        fits: false,
        on_duty_at: None,
        ahead: None,
        left: None,
        swept_at: None,
        sweep_now: false,
        leftovers: Backoff::default(),
        backoff: Backoff::default(),
    };
    let ended = watch.run().await;
    watch.leave().await;
    if ended == Ended::Stopped {
        watch.post.tell(&Standing::Stopped);
    }
    ended
}

/// What lay ahead when the shop was asked; instants are on the process's monotonic clock.
#[derive(Debug, Clone, Copy)]
struct Ahead {
    asked_at: Duration,
    due: u64,
    next_expiry: Option<Timestamp>,
    expires_at: Option<Duration>,
}

/// What the last sweep left behind: locked by the shop, or busy.
#[derive(Debug, Clone, Copy)]
struct Left {
    due: u64,
    again_at: Duration,
    /// The first expiry since then that was known of: what expires then may take the place of what was left.
    expires_at: Option<Duration>,
}

struct Watch<'w, 's> {
    post: &'w mut dyn Post<'s>,
    clock: &'w dyn Clock,
    watching: &'w Watching,
    shop: Option<Box<dyn CheckedShop + 's>>,
    opened_at: Duration,
    /// Whether a sweep went well, or another instance is on duty: a mistake is none of the very beginning then.
    fits: bool,
    /// When it was last heard of on duty; nothing where it is not on duty.
    on_duty_at: Option<Duration>,
    ahead: Option<Ahead>,
    left: Option<Left>,
    /// When the last sweep began; nothing where one has to come now.
    swept_at: Option<Duration>,
    /// Whether somebody asked for a sweep.
    sweep_now: bool,
    /// How often in a row a sweep left something behind.
    leftovers: Backoff,
    /// How often in a row there was trouble.
    backoff: Backoff,
}

impl<'s> Watch<'_, 's> {
    async fn run(&mut self) -> Ended {
        while !self.watching.stop.is_asked() {
            let rest = match self.round().await {
                Ok(rest) => {
                    self.backoff.reset();
                    rest
                }
                Err(trouble) => match self.suffer(trouble) {
                    Ok(rest) => rest,
                    Err(ended) => return ended,
                },
            };
            if self.watching.stop.is_asked() {
                break;
            }
            match self.post.rest(rest).await {
                Nudge::None => {}
                Nudge::Look => self.ahead = None,
                Nudge::Sweep => self.sweep_now = true,
            }
        }
        Ended::Stopped
    }

    /// One look, and a sweep where there is reason for one. Gives how long to rest.
    async fn round(&mut self) -> Result<Duration, Trouble> {
        let known = self.shop.take();
        let is_old = self.since(self.opened_at) >= REOPEN;
        let mut shop = match known.filter(|_| !is_old) {
            Some(known) => known,
            None => self.open().await?,
        };
        let looked = self.look(shop.as_mut()).await;
        let keeps = |trouble: &Trouble| matches!(trouble.kind, TroubleKind::Held | TroubleKind::TooMany);
        match &looked {
            Err(trouble) if !keeps(trouble) => self.on_duty_at = None,
            Ok(_) if shop.info().capability.single_writer => {
                // A file is opened in a moment, and there may be a thousand of them.
                shop.disconnect();
                self.shop = Some(shop);
            }
            _ => self.shop = Some(shop),
        }
        looked
    }

    async fn open(&mut self) -> Result<Box<dyn CheckedShop + 's>, Trouble> {
        if !self.fits {
            self.post.tell(&Standing::Opening);
        }
        let shop = self.post.open().await?;
        let info = shop.info();
        if let Some(reason) = &info.read_only {
            return Err(Trouble::from(&SweepError::ReadOnly(reason.clone())));
        }
        if info.installed != InstallState::Current {
            return Err(Trouble::from(&SweepError::NotInstalled(info.installed)));
        }
        self.opened_at = self.clock.elapsed();
        self.on_duty_at = None;
        self.ahead = None;
        Ok(shop)
    }

    async fn look(&mut self, shop: &mut (dyn CheckedShop + 's)) -> Result<Duration, Trouble> {
        if let Some(rest) = self.stand_by(shop).await? {
            return Ok(rest);
        }
        let ahead = match self.ahead.filter(|ahead| !self.must_ask(ahead)) {
            Some(ahead) if shop.is_unchanged() => ahead,
            _ => self.ask(shop).await?,
        };
        if self.must_sweep(&ahead) {
            self.sweep(shop).await?;
        }
        Ok(self.wait())
    }

    /// Where another instance is on duty, how long to rest. Whoever is on duty is heard of again.
    async fn stand_by(&mut self, shop: &mut (dyn CheckedShop + 's)) -> Result<Option<Duration>, Trouble> {
        let recently = self.on_duty_at.is_some_and(|at| self.since(at) < HEARD);
        if !shop.info().capability.many_hosts || recently {
            return Ok(None);
        }
        match shop.take_duty(self.post.me()).await.map_err(|error| Trouble::from(&error))? {
            Acquired::Yes => {
                self.on_duty_at = Some(self.clock.elapsed());
                Ok(None)
            }
            Acquired::HeldBy { holder, .. } => {
                self.fits = true;
                self.on_duty_at = None;
                self.ahead = None;
                self.post.tell(&Standing::StandingBy { says: format!("another instance is on duty: {holder}") });
                Ok(Some(STEP_IN))
            }
        }
    }

    /// What lies ahead, and the database's now, in one answer.
    async fn ask(&mut self, shop: &mut (dyn CheckedShop + 's)) -> Result<Ahead, Trouble> {
        let outlook = shop.outlook(COUNTED).await.map_err(|error| Trouble::from(&error))?;
        self.post.looked(&outlook);
        let asked_at = self.clock.elapsed();
        let expires_at = expires_in(&outlook).map(|until| asked_at.saturating_add(until));
        let ahead = Ahead { asked_at, due: outlook.due_orders, next_expiry: outlook.next_expiry, expires_at };
        self.ahead = Some(ahead);
        if let Some(left) = &mut self.left {
            left.expires_at = [left.expires_at, expires_at].into_iter().flatten().min();
        }
        Ok(ahead)
    }

    /// Whether what is known of the shop is too old, or something of it has come.
    fn must_ask(&self, ahead: &Ahead) -> bool {
        let expired = ahead.expires_at.is_some_and(|at| self.has_come(at));
        expired || ahead.due > 0 || self.since(ahead.asked_at) >= ASK
    }

    fn must_sweep(&self, ahead: &Ahead) -> bool {
        let interval_over = self.swept_at.is_none_or(|at| self.since(at) >= self.watching.interval);
        let due = ahead.due > 0
            && self.left.is_none_or(|left| {
                ahead.due > left.due
                    || self.has_come(left.again_at)
                    || left.expires_at.is_some_and(|at| self.has_come(at))
            });
        due || interval_over || self.sweep_now
    }

    async fn sweep(&mut self, shop: &mut (dyn CheckedShop + 's)) -> Result<(), Trouble> {
        self.post.tell(&Standing::Sweeping);
        let began = self.clock.elapsed();
        // Until it has gone well, the next sweep has to come as soon as it can.
        self.swept_at = None;
        let swept = self.post.sweep(shop).await?;
        self.swept_at = Some(began);
        self.sweep_now = false;
        self.fits = true;
        let ahead = self.ask(shop).await?;
        self.left = if swept.remaining_due {
            let again_at = self.clock.elapsed().saturating_add(self.leftovers.next(self.clock.jitter()));
            Some(Left { due: ahead.due, again_at, expires_at: ahead.expires_at })
        } else {
            self.leftovers.reset();
            None
        };
        Ok(())
    }

    /// Says what is waited for. Gives how long to rest.
    fn wait(&mut self) -> Duration {
        let until = |at: Duration| at.saturating_sub(self.clock.elapsed());
        let expires_in = self.ahead.and_then(|ahead| ahead.expires_at).map(until);
        let sweep_in = self.swept_at.map_or(Duration::ZERO, |at| until(at.saturating_add(self.watching.interval)));
        let rest = next_look(expires_in, sweep_in, self.left.map(|left| until(left.again_at)));
        self.post.tell(&Standing::Waiting {
            next_expiry: self.ahead.and_then(|ahead| ahead.next_expiry),
            expires_in,
            remaining_due: self.left.is_some(),
        });
        rest
    }

    /// What to do about a trouble: how long to rest, or that the watch ends.
    fn suffer(&mut self, trouble: Trouble) -> Result<Duration, Ended> {
        self.ahead = None;
        match trouble.kind {
            TroubleKind::Broken => {
                self.post.tell(&Standing::Halted { trouble: trouble.clone(), rest: None });
                return Err(Ended::Broken(trouble));
            }
            TroubleKind::Unfit if self.watching.must_fit && !self.fits => return Err(Ended::Unfit(trouble)),
            _ => {}
        }
        let rest = match trouble.kind {
            TroubleKind::Passing => self.backoff.next(self.clock.jitter()),
            TroubleKind::Held => STEP_IN,
            TroubleKind::TooMany | TroubleKind::Unfit | TroubleKind::Broken => UNFIT,
        };
        self.post.tell(&match trouble.kind {
            TroubleKind::Held => Standing::StandingBy { says: trouble.text },
            TroubleKind::Passing => Standing::BackingOff { trouble, rest },
            _ => Standing::Halted { trouble, rest: Some(rest) },
        });
        Ok(rest)
    }

    /// Lets the next one on duty.
    async fn leave(&mut self) {
        if let Some(shop) = &mut self.shop
            && self.on_duty_at.take().is_some()
        {
            // Where it fails, the next one notices that nothing is heard of us.
            let _ = shop.leave_duty(&self.post.me().token).await;
        }
    }

    fn since(&self, at: Duration) -> Duration {
        self.clock.elapsed().saturating_sub(at)
    }

    fn has_come(&self, at: Duration) -> bool {
        self.clock.elapsed() >= at
    }
}

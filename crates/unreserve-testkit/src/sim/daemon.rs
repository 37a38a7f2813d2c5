//! Those who watch: the engine's own watch, in a process that is nudged, suspended, stopped and started again.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use unreserve_engine::model::Holder;
use unreserve_engine::shop::CheckedShop;
use unreserve_engine::sweep::{Clock as _, Stop};
use unreserve_engine::watch::{Ended, Nudge, Opened, Post, Standing, Swept, Trouble, Watching, watch};

use super::choices::Choices;
use super::lying_clock::LyingClock;
use super::mutation::Mutation;
use super::sweeper::{Place, connect, open, sweep_and_tell};
use super::world::World;

/// How long a rest is that nobody looks up from: for planted faults.
const FOR_EVER: Duration = Duration::from_secs(1_000_000);

/// Calls whoever rests.
#[derive(Debug, Default)]
struct Bell {
    rung: Option<Nudge>,
    waker: Option<Waker>,
}

/// What others can do to one who watches.
#[derive(Debug, Clone, Default)]
pub struct Reins {
    bell: Arc<Mutex<Bell>>,
    stop: Stop,
}

impl Reins {
    fn bell(&self) -> MutexGuard<'_, Bell> {
        self.bell.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls him.
    pub fn call(&self, nudge: Nudge) {
        let waker = {
            let mut bell = self.bell();
            bell.rung = Some(nudge);
            bell.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Asks him to end.
    pub fn stop(&self) {
        self.stop.ask();
        self.call(Nudge::None);
    }

    /// Waits until somebody calls, or until the rest is over.
    async fn called(&self, rest: impl Future<Output = ()>) -> Nudge {
        let mut rest = pin!(rest);
        poll_fn(|context| {
            let mut bell = self.bell();
            if let Some(nudge) = bell.rung.take() {
                return Poll::Ready(nudge);
            }
            bell.waker = Some(context.waker().clone());
            drop(bell);
            rest.as_mut().poll(context).map(|()| Nudge::None)
        })
        .await
    }
}

/// One process that watches.
struct Process<'c> {
    world: &'c Arc<World>,
    choices: &'c Choices,
    place: Place,
    clock: &'c LyingClock,
    me: Holder,
    reins: Reins,
    standing: Option<Standing>,
}

/// Watches, and is started again whenever it has ended, until everybody who watches is to end.
pub(super) async fn watch_for_ever(
    world: Arc<World>,
    choices: Choices,
    place: Place,
    clock: Arc<LyingClock>,
    begins_in: i64,
) {
    world.sleep(begins_in).await;
    let intervals = [300_u64, 20, 3];
    while !world.is_over() {
        let reins = world.take_reins(place.0);
        let interval = Duration::from_secs(choices.one_of(&intervals));
        let watching = Watching { interval, must_fit: false, stop: reins.stop.clone() };
        let me = world.holder(place);
        let mut process = Process { world: &world, choices: &choices, place, clock: &clock, me, reins, standing: None };
        let ended = watch(&mut process, clock.as_ref(), &watching).await;
        world.trace(|| format!("daemon {} ends: {ended:?}", place.0));
        if ended != Ended::Stopped {
            world.give_up(format!("daemon {} ends by itself: {ended:?}", place.0));
            return;
        }
        if !world.is_over() {
            let pause = choices.one_of(&[1_000_000_i64, 100_000, 20_000_000]);
            world.excuse(pause);
            world.sleep(pause).await;
        }
    }
}

impl Process<'_> {
    /// How long it really rests: as long as it was told, unless a fault is planted.
    fn planted(&self, rest: Duration) -> Duration {
        match (self.world.mutation, &self.standing) {
            (Some(Mutation::ForgetsToLook), Some(Standing::BackingOff { .. } | Standing::Halted { .. }))
            | (Some(Mutation::NeverStepsIn), Some(Standing::StandingBy { .. })) => FOR_EVER,
            (
                Some(Mutation::TrustsItsClock),
                Some(Standing::Waiting { expires_in: Some(until), remaining_due: false, .. }),
            ) => *until,
            (Some(Mutation::MissesExpiries), Some(Standing::Waiting { .. })) => rest.max(Duration::from_secs(4)),
            (Some(Mutation::LooksTooSeldom), Some(Standing::Waiting { .. })) => rest.max(Duration::from_secs(30)),
            _ => rest,
        }
    }

    /// A rest with whatever may happen to a process that rests.
    async fn rest_a_while(&mut self, rest: Duration) -> Nudge {
        let (world, choices, clock) = (self.world, self.choices, self.clock);
        if world.trouble > 0 && choices.happens(20) {
            clock.jump(choices.one_of(&[1_000_000, 60_000_000, 86_400_000_000]));
        }
        let mut rest = self.planted(rest);
        let nudge = match choices.pick(24) {
            1 => Some(Nudge::Look),
            2 => Some(Nudge::Sweep),
            3 if choices.happens(200) => {
                self.reins.stop.ask();
                world.trace(|| format!("daemon {} is asked to stop", self.place.0));
                Some(Nudge::None)
            }
            _ => None,
        };
        if nudge.is_some() {
            rest = rest.checked_div(3).unwrap_or(rest).min(Duration::from_secs(5));
        }
        let called = self.reins.called(clock.sleep(rest)).await;
        if called == Nudge::None { nudge.unwrap_or(called) } else { called }
    }
}

impl<'c> Post<'c> for Process<'c> {
    fn me(&self) -> &Holder {
        &self.me
    }

    fn open<'a>(&'a mut self) -> Opened<'a, 'c>
    where
        'c: 'a,
    {
        Box::pin(async move {
            let opened = open(self.world, self.choices, self.clock, connect(self.world)).await;
            let shop = opened.map_err(|error| Trouble::from(&error))?;
            Ok(Box::new(shop) as Box<dyn CheckedShop + 'c>)
        })
    }

    fn sweep<'a>(
        &'a mut self,
        shop: &'a mut (dyn CheckedShop + 'c),
    ) -> Pin<Box<dyn Future<Output = Result<Swept, Trouble>> + 'a>>
    where
        'c: 'a,
    {
        Box::pin(async move {
            let size = self.choices.one_of(&[500_u32, 1, 5]);
            let swept = sweep_and_tell(self.world, shop, self.clock, (self.place, size, 5_000), &self.reins.stop).await;
            let outcome = swept.map_err(|error| Trouble::from(&error))?;
            match outcome.stopped_by {
                Some(error) => Err(Trouble::from(&error)),
                None => Ok(Swept { remaining_due: outcome.facts.remaining_due }),
            }
        })
    }

    fn rest(&mut self, rest: Duration) -> Pin<Box<dyn Future<Output = Nudge> + '_>> {
        Box::pin(self.rest_a_while(rest))
    }

    fn tell(&mut self, standing: &Standing) {
        if self.standing.as_ref().map(std::mem::discriminant) != Some(std::mem::discriminant(standing)) {
            self.world.trace(|| format!("daemon {}: {standing:?}", self.place.0));
        }
        self.standing = Some(standing.clone());
    }
}

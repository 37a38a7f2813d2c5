//! What everybody in a run shares: the database, the choices, and what is told to the auditor.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use unreserve_engine::model::{Holder, SweepId};
use unreserve_engine::plan::{Plan, Policy, request, resolve};
use unreserve_engine::profile::{check, parse};
use unreserve_engine::shop::{Shop as _, ShopErrorKind};

use super::choices::{Choices, ChosenWeather};
use super::crew::Crew;
use super::daemon::Reins;
use super::database::Database;
use super::faults::{Trouble, Troubles};
use super::mutation::Mutation;
use super::shop::MemoryShop;
use super::sweeper::Place;
use super::time::Pace;
use crate::failure::Failure;
use crate::shops::{Access, Pool, Rules, malikli_tables};

/// The profile as it ships.
const MALIKLI: &str = include_str!("../../../../profiles/malikli.toml");

/// What one sweep reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The sweep.
    pub sweep_id: SweepId,
    /// Committed batches.
    pub batches: u64,
    /// Reservations released.
    pub reservations: u64,
    /// Units given back.
    pub units: i64,
    /// Orders cancelled.
    pub cancelled: u64,
    /// Lines of changes.
    pub changes: usize,
}

/// What everybody shares.
#[derive(Debug)]
pub struct World {
    /// The database.
    pub database: Database,
    /// The choices.
    pub choices: Choices,
    /// The plan that is swept by.
    pub plan: Plan,
    /// How often in a thousand calls something goes wrong.
    pub trouble: u32,
    /// How far off each sweeper's clock is, and how fast it goes.
    pub lies: Vec<(i64, i64)>,
    told: Mutex<Vec<Told>>,
    trace: Option<Mutex<Vec<String>>>,
    closing: AtomicBool,
    over: AtomicBool,
    disturbed_until: Arc<AtomicI64>,
    unsettled_until: Arc<AtomicI64>,
    count: AtomicU64,
    /// A planted fault.
    pub mutation: Option<Mutation>,
    /// Whether some of those who sweep may watch.
    pub daemons: bool,
    crew: OnceLock<Crew>,
    reins: Mutex<BTreeMap<usize, Reins>>,
    given_up: Mutex<Option<String>>,
}

/// After a fault everybody who watches is back at work so soon, in microseconds: a pause of 30 s at most, within a sweep
/// or between two looks, on a clock that takes a tenth longer for it; a call that is held for 4 s; and a look.
pub const RECOVERY: i64 = 45_000_000;

/// The pools with the rows that there are in each.
pub const STOCK: [(Pool, i64); 5] =
    [(Pool::Variant, 1), (Pool::Variant, 2), (Pool::Variant, 3), (Pool::Drop, 1), (Pool::Drop, 2)];

/// How much of each there is in the beginning.
pub const ON_HAND: i64 = 30;

/// How a run is set up.
#[derive(Debug, Clone, Copy)]
pub struct Setup {
    /// A planted fault.
    pub mutation: Option<Mutation>,
    /// What every process's clock stands ahead besides its own lies, in microseconds.
    pub skew: i64,
    /// Whether what happens is written down.
    pub trace: bool,
    /// Whether some of those who sweep may watch.
    pub daemons: bool,
}

impl World {
    /// Makes a shop, and its plan.
    ///
    /// # Errors
    /// The profile does not fit the tables.
    pub fn new(choices: &Choices, setup: Setup) -> Result<Arc<Self>, Failure> {
        let trouble = choices.one_of(&[0_u32, 0, 8, 30]);
        let lies = (0..3).map(|_| {
            let skew = choices.one_of(&[0_i64, 3_600_000_000, 86_400_000_000]);
            (skew.saturating_add(setup.skew).max(0), choices.one_of(&[1_000, 900, 1_500]))
        });
        let lies = lies.collect();
        let disturbed_until = Arc::new(AtomicI64::new(0));
        let unsettled_until = Arc::new(AtomicI64::new(0));
        let weather = ChosenWeather {
            choices: choices.stream(),
            trouble: trouble.saturating_mul(2),
            disturbed_until: Arc::clone(&disturbed_until),
            unsettled_until: Arc::clone(&unsettled_until),
        };
        let database = Database::new(Pace::Led, Arc::new(weather));
        {
            let mut state = database.state();
            for table in malikli_tables(Rules::default()) {
                state.create(&table).map_err(Failure::new)?;
            }
            state.installed = true;
            state.mutation = setup.mutation;
            state.process_lie = 250_000;
        }
        let plan = plan(&database)?;
        database.state().journal = Some(Vec::new());
        Ok(Arc::new(Self {
            database,
            choices: choices.clone(),
            plan,
            trouble,
            lies,
            told: Mutex::default(),
            trace: setup.trace.then(Mutex::default),
            closing: AtomicBool::new(false),
            over: AtomicBool::new(false),
            disturbed_until,
            unsettled_until,
            count: AtomicU64::new(0),
            mutation: setup.mutation,
            daemons: setup.daemons,
            crew: OnceLock::new(),
            reins: Mutex::default(),
            given_up: Mutex::default(),
        }))
    }

    /// A number that was not given out before.
    pub fn number(&self) -> u64 {
        self.count.fetch_add(1, Ordering::Relaxed).saturating_add(1)
    }

    /// Writes down what happens, where somebody wants to read it.
    pub fn trace(&self, line: impl FnOnce() -> String) {
        if let Some(trace) = &self.trace {
            let line = format!("{:>12} ms  {}", Millis(self.database.time.passed()), line());
            trace.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }
    }

    /// Whether somebody wants to read what happens.
    #[must_use]
    pub fn is_traced(&self) -> bool {
        self.trace.is_some()
    }

    /// What was written down.
    #[must_use]
    pub fn traced(&self) -> Vec<String> {
        let trace = self.trace.as_ref();
        trace.map(|trace| trace.lock().unwrap_or_else(PoisonError::into_inner).clone()).unwrap_or_default()
    }

    /// A sweep reports.
    pub fn tell(&self, told: Told) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).push(told);
    }

    /// The reports since the last time.
    #[must_use]
    pub fn told(&self) -> Vec<Told> {
        std::mem::take(&mut *self.told.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Everybody is to finish what they are at.
    pub fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
    }

    /// Whether everybody is to finish.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }

    /// Says who is at work.
    pub fn engage(&self, crew: Crew) {
        // Only the first word counts.
        let _ = self.crew.set(crew);
    }

    /// Who is at work.
    #[must_use]
    pub fn crew(&self) -> Crew {
        self.crew.get().copied().unwrap_or_default()
    }

    /// Another identity for a process in that place.
    #[must_use]
    pub(super) fn holder(&self, place: Place) -> Holder {
        let number = self.number();
        Holder {
            token: format!("token {number} of {}", place.0),
            host: place.host(),
            process_id: u32::try_from(number).unwrap_or(0),
            lock_file: "/var/lib/unreserve/lock".to_owned(),
        }
    }

    /// The reins of a watch that begins in that place.
    #[must_use]
    pub fn take_reins(&self, place: usize) -> Reins {
        let reins = Reins::default();
        self.reins.lock().unwrap_or_else(PoisonError::into_inner).insert(place, reins.clone());
        reins
    }

    /// Everybody who watches is to end.
    pub fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
        let reins = std::mem::take(&mut *self.reins.lock().unwrap_or_else(PoisonError::into_inner));
        reins.values().for_each(Reins::stop);
    }

    /// Whether everybody who watches is to end.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Somebody who should watch for ever has given up.
    pub fn give_up(&self, why: String) {
        self.given_up.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(why);
    }

    /// Why somebody has given up.
    #[must_use]
    pub fn given_up(&self) -> Option<String> {
        self.given_up.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Something went wrong that those who watch get over.
    pub fn unsettle(&self) {
        self.excuse(RECOVERY);
    }

    /// Nobody has to be in time for so long from now on.
    pub fn excuse(&self, micros: i64) {
        let until = self.database.time.now().saturating_add(micros);
        self.unsettled_until.fetch_max(until, Ordering::Relaxed);
    }

    /// Until when nobody has to be in time.
    #[must_use]
    pub fn unsettled_until(&self) -> i64 {
        self.unsettled_until.load(Ordering::Relaxed)
    }

    /// Somebody was held up on purpose: whoever waits for him until then waits longer than he otherwise would.
    pub fn disturb(&self, micros: i64) {
        let until = self.database.time.now().saturating_add(micros);
        self.disturbed_until.fetch_max(until, Ordering::Relaxed);
    }

    /// Until when somebody was held up on purpose.
    #[must_use]
    pub fn disturbed_until(&self) -> i64 {
        self.disturbed_until.load(Ordering::Relaxed)
    }

    /// Waits.
    pub async fn sleep(&self, micros: i64) {
        self.database.time.sleep(micros).await;
    }

    /// Waits for one of these times, as slowly as this shop lives.
    pub async fn ponder(&self, choices: &Choices, times: &[i64]) {
        self.sleep(choices.one_of(times).saturating_mul(self.crew().slowness)).await;
    }

    /// Waits for one of these times.
    pub async fn think(&self, choices: &Choices, times: &[i64]) {
        self.sleep(choices.one_of(times)).await;
    }
}

/// Microseconds written as milliseconds.
struct Millis(i64);

impl std::fmt::Display for Millis {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (whole, rest) = (self.0.div_euclid(1_000), self.0.rem_euclid(1_000));
        formatter.pad(&format!("{whole}.{rest:03}"))
    }
}

fn plan(database: &Database) -> Result<Plan, Failure> {
    let profile = check(parse(MALIKLI)?)?;
    let mut shop = MemoryShop::connect(database, Access::Owner, Duration::from_secs(5));
    let wanted = request(&profile);
    let mut asked = Box::pin(async move { shop.schema(&wanted).await });
    // Nobody else is there yet: the time is moved by hand until the answer is there.
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    for _ in 0..100 {
        if let std::task::Poll::Ready(schema) = asked.as_mut().poll(&mut context) {
            return Ok(resolve(&profile, &schema?, Policy::default())?);
        }
        database.time.advance(10_000);
    }
    Err(Failure::new("the schema could not be read"))
}

/// The trouble that the choices make.
#[derive(Debug)]
pub struct ChosenTroubles(pub Arc<World>, pub Choices);

impl Troubles for ChosenTroubles {
    fn next(&self, call: &'static str) -> Trouble {
        let (Self(world, choices), trouble) = (self, self.0.trouble);
        if trouble == 0 || !choices.happens(trouble) {
            return Trouble::None;
        }
        let kinds =
            [ShopErrorKind::Disconnected, ShopErrorKind::Retry, ShopErrorKind::LockTimeout, ShopErrorKind::Constraint];
        let times = [Duration::from_millis(20), Duration::from_millis(700), Duration::from_secs(4)];
        let kind = kinds.get(choices.pick(kinds.len())).copied().unwrap_or(ShopErrorKind::Disconnected);
        let time = choices.one_of(&times);
        let troubles = [Trouble::Slow(time), Trouble::Reject(kind), Trouble::FailAfter, Trouble::Hold(time)];
        let trouble = troubles.get(choices.pick(troubles.len())).copied().unwrap_or(Trouble::None);
        world.trace(|| format!("{call} meets trouble: {trouble:?}"));
        world.unsettle();
        if let Trouble::Slow(time) | Trouble::Hold(time) = trouble {
            let micros = i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
            // A slow clock makes it longer, and the lock goes only when the batch ends.
            world.disturb(micros.saturating_mul(3));
        }
        trouble
    }
}

/// Reads the ledger of a shop that is there anyway.
pub async fn ledger_of(
    shop: &mut dyn unreserve_engine::shop::CheckedShop,
    sweep_id: SweepId,
) -> Option<(unreserve_engine::ledger::SweepRecord, Vec<unreserve_engine::ledger::EntryRecord>)> {
    let query = unreserve_engine::ledger::HistoryQuery::Sweep { id: sweep_id.to_string() };
    let record = shop.history(&query).await.ok()?.into_iter().next()?;
    let entries = shop.entries(sweep_id, u32::MAX).await.ok()?;
    Some((record, entries))
}

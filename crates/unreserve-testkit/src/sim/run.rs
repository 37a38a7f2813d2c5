//! One run: a seed, so many steps, an auditor who looks after each, and the world's healing at the end.

use std::sync::Arc;

use super::auditor::{Auditor, Violation};
use super::choices::{Choices, Taken};
use super::crew::{Crew, Leaving};
use super::daemon::watch_for_ever;
use super::executor::{Doing, Executor, Step};
use super::journal::Event;
use super::lying_clock::LyingClock;
use super::punctual::Instants;
use super::store::Trigger;
use super::sweeper::{Place, sweep_for_ever};
use super::value::Datum;
use super::workload::Person;
use super::world::{ON_HAND, RECOVERY, STOCK, Setup, World};
use crate::failure::Failure;
use crate::shops::ORDERS;

/// How many sweepers there are, each in a place of its own.
const SWEEPERS: usize = 3;

/// How many customers there are.
const CUSTOMERS: usize = 6;

/// How many of the staff there are.
const STAFF: usize = 2;

/// What came of a run.
#[derive(Debug)]
pub struct Outcome {
    /// The invariant that did not hold, and the step after which that was seen.
    pub violation: Option<(usize, Violation)>,
    /// Every choice that was made.
    pub choices: Taken,
    /// What happened, where that was written down.
    pub trace: Vec<String>,
    /// How many reservations were released.
    pub releases: u64,
    /// How many transactions were committed.
    pub commits: u64,
    /// How long the shop waited behind us at most, in microseconds, where nobody was held up on purpose.
    pub longest_wait: i64,
    /// How often somebody of the shop was the victim of a circle with us further on in it.
    pub circles: u64,
    /// How long something was due at most while those who watch had to be in time, in microseconds: what nobody of the
    /// shop stood in the way of, and what somebody did.
    pub longest_due: (i64, i64),
    /// How often the duty went to another host.
    pub successions: u64,
}

/// One run under way.
pub(super) struct Run {
    pub(super) world: Arc<World>,
    pub(super) executor: Executor,
    pub(super) auditor: Auditor,
    pub(super) sweepers: Vec<Sweeper>,
    pub(super) crew: Crew,
    strikes: Choices,
    steps: usize,
}

/// Somebody who sweeps.
#[derive(Debug, Clone)]
pub(super) struct Sweeper {
    /// His place among the tasks.
    pub(super) task: usize,
    choices: Choices,
    /// The clock of his machine, where he watches.
    pub(super) clock: Option<Arc<LyingClock>>,
}

/// Plays a run of so many steps.
///
/// # Errors
/// The shop could not be made; what an auditor finds is in the outcome.
pub fn play(choices: &Choices, steps: usize, setup: Setup) -> Result<Outcome, Failure> {
    let world = World::new(choices, setup)?;
    fill(&world)?;
    let auditor = Auditor::new(&world.database.state()).ok_or_else(|| Failure::new("a table is missing"))?;
    let executor = Executor::new(&world.database.time, &choices.stream());
    let strikes = choices.stream();
    let mut run = Run { world, executor, auditor, sweepers: Vec::new(), crew: Crew::default(), strikes, steps: 0 };
    run.spawn();
    let violation = run.go(steps).err().map(|violation| (run.steps, violation));
    if let Some((_, violation)) = &violation {
        run.world.trace(|| format!("VIOLATION {violation}"));
    }
    Ok(Outcome {
        violation,
        choices: choices.taken(),
        trace: run.world.traced(),
        releases: run.auditor.releases,
        commits: run.auditor.commits,
        longest_wait: run.auditor.longest_wait,
        circles: run.auditor.circles,
        longest_due: run.auditor.longest_due(),
        successions: run.auditor.successions(),
    })
}

fn fill(world: &World) -> Result<(), Failure> {
    let time = (world.database.time.now(), world.database.time.database_now());
    let mut state = world.database.state();
    let connection = state.connect(false);
    let tx = state.begin(connection, time).ok_or_else(|| Failure::new("no connection"))?;
    for (pool, item) in STOCK {
        let table = state.table(pool.table()).ok_or_else(|| Failure::new("no stock table"))?;
        let row = vec![Datum::Integer(item), Datum::Integer(ON_HAND), Datum::Integer(0), Datum::Instant(time.1)];
        state.put(tx, table, &unreserve_engine::model::Key::single(item.to_string()), Some(row))?;
    }
    state.commit(tx, time.1)?;
    state.cut(connection);
    // The books begin here.
    state.journal = Some(Vec::new());
    Ok(())
}

impl Run {
    fn spawn(&mut self) {
        let world = Arc::clone(&self.world);
        let sweepers: Vec<Choices> = (0..SWEEPERS).map(|_| world.choices.stream()).collect();
        let customers: Vec<Person> =
            (0..CUSTOMERS).map(|number| Person::new(&world, &format!("customer {number}"))).collect();
        let staff: Vec<Person> = (0..STAFF).map(|number| Person::new(&world, &format!("staff {number}"))).collect();
        let chosen = Crew::choose(&world.choices.stream());
        self.crew = if world.daemons { chosen } else { Crew::default() };
        world.engage(self.crew);
        for (place, choices) in sweepers.into_iter().enumerate() {
            let clock = (place < self.crew.daemons).then(|| self.clock(place, &choices));
            let sweeper = Sweeper { task: 0, choices, clock };
            let kind = if sweeper.clock.is_some() { "daemon" } else { "sweeper" };
            let task = self.executor.spawn(format!("{kind} {place}"), self.begin(&sweeper, Place(place), 50_000));
            self.sweepers.push(Sweeper { task, ..sweeper });
        }
        for (number, person) in customers.into_iter().enumerate() {
            self.executor.spawn(format!("customer {number}"), Box::pin(person.shop()));
        }
        for (number, person) in staff.into_iter().enumerate() {
            self.executor.spawn(format!("staff {number}"), Box::pin(person.work()));
        }
    }

    /// The clock of a machine that was just started.
    fn clock(&self, place: usize, choices: &Choices) -> Arc<LyingClock> {
        let lies = self.world.lies.get(place).copied().unwrap_or((0, 1_000));
        Arc::new(LyingClock::new(&self.world.database.time, choices, lies))
    }

    /// A process begins to sweep, or to watch.
    fn begin(&self, sweeper: &Sweeper, place: Place, begins_in: i64) -> Doing {
        let (world, choices) = (Arc::clone(&self.world), sweeper.choices.clone());
        match &sweeper.clock {
            Some(clock) => Box::pin(watch_for_ever(world, choices, place, Arc::clone(clock), begins_in)),
            None => Box::pin(sweep_for_ever(world, choices, place, begins_in)),
        }
    }

    fn go(&mut self, steps: usize) -> Result<(), Violation> {
        while self.steps < steps {
            if self.world.trouble > 0 && self.strikes.happens(self.world.trouble / 2) {
                self.strike();
            }
            if self.crew.losses > 0 && self.world.trouble == 0 && self.strikes.happens(self.crew.losses) {
                self.lose_the_one_on_duty();
            }
            if self.step()? == Step::Over {
                break;
            }
        }
        self.heal()
    }

    /// One step, and the auditor's look.
    pub(super) fn step(&mut self) -> Result<Step, Violation> {
        self.steps = self.steps.saturating_add(1);
        let step = self.executor.step();
        if self.world.is_traced() {
            let lines: Vec<String> = {
                let state = self.world.database.state();
                state.journal.iter().flatten().filter_map(Event::line).collect()
            };
            lines.into_iter().for_each(|line| self.world.trace(|| line));
        }
        let (told, disturbed_until) = (self.world.told(), self.world.disturbed_until());
        let instants = self.instants();
        let mut state = self.world.database.state();
        self.auditor.look(&mut state, &told, disturbed_until)?;
        if self.crew.daemons > 0 {
            self.auditor.in_time(&state, &self.world.plan.profile, instants)?;
            if let Some(why) = self.world.given_up() {
                return Err(Violation { invariant: "watch", what: why });
            }
        }
        drop(state);
        Ok(step)
    }

    /// Something goes wrong that is no call's own trouble.
    fn strike(&mut self) {
        let (world, choices) = (Arc::clone(&self.world), self.strikes.clone());
        let place = choices.pick(SWEEPERS);
        if self.crew.daemons > 0 {
            world.unsettle();
        }
        match choices.pick(7) {
            0 | 6 => {
                world.disturb(4_000_000);
                let begins_in = choices.one_of(&[20_000, 1_000, 500_000, 5_000_000]);
                self.kill(place, begins_in);
            }
            1 => {
                let time = choices.one_of(&[500_000_i64, 3_000_000, 40_000_000]);
                self.stop(place, time, Leaving::Frozen);
            }
            2 => {
                world.trace(|| "the server cuts every connection of ours".to_owned());
                world.database.cut_ours();
            }
            3 => {
                let jump = choices.one_of(&[1_000_i64, 200_000, -200_000, 5_000_000, -5_000_000]);
                world.trace(|| format!("the database's clock jumps by {} ms", jump / 1_000));
                world.database.time.jump_database(jump);
            }
            4 => {
                let leap = choices.one_of(&[100_000_i64, 2_000_000, 31_000_000]);
                world.trace(|| format!("nothing moves for {} ms", leap / 1_000));
                world.disturb(leap.saturating_add(4_000_000));
                world.database.time.advance(leap);
            }
            _ => self.poison(),
        }
    }

    fn kill(&mut self, place: usize, begins_in: i64) {
        let Some(mut sweeper) = self.sweepers.get(place).cloned() else { return };
        self.world.trace(|| format!("{} is killed", self.executor.name(sweeper.task)));
        if sweeper.clock.is_some() {
            // It may have been on a machine that is suspended; it is started again on one that is not.
            sweeper.clock = Some(self.clock(place, &sweeper.choices));
            if let Some(one) = self.sweepers.get_mut(place) {
                one.clone_from(&sweeper);
            }
        }
        self.world.excuse(begins_in.saturating_add(RECOVERY));
        let doing = self.begin(&sweeper, Place(place), begins_in);
        self.executor.replace(sweeper.task, Some(doing));
    }

    /// Somebody does not go on for so long; his machine's clock may not either.
    pub(super) fn stop(&mut self, place: usize, time: i64, how: Leaving) {
        let Some(sweeper) = self.sweepers.get(place).cloned() else { return };
        let suspended = sweeper.clock.filter(|_| how == Leaving::Suspended);
        let word = if suspended.is_some() { "suspended" } else { "stopped" };
        self.world.trace(|| format!("{} is {word} for {} ms", self.executor.name(sweeper.task), time / 1_000));
        self.world.disturb(time.saturating_add(4_000_000));
        self.world.excuse(time.saturating_add(RECOVERY));
        if let Some(clock) = suspended {
            clock.suspend(time);
        }
        let until = self.world.database.time.now().saturating_add(time);
        self.executor.freeze(sweeper.task, until);
    }

    /// The one on duty is killed or stopped, and nothing else goes wrong: another has to follow in time.
    fn lose_the_one_on_duty(&mut self) {
        let choices = self.strikes.clone();
        let how = choices.pick(3);
        let time = choices.one_of(&[60_000_000_i64, 1_000_000, 5_000_000, 20_000_000]);
        let Some((place, host)) = self.on_duty() else { return };
        let settled = self.instants().now > self.world.unsettled_until();
        match how {
            0 => self.kill(place, time),
            1 => self.stop(place, time, Leaving::Frozen),
            _ => self.stop(place, time, Leaving::Suspended),
        }
        if settled && self.crew.daemons > 1 {
            self.auditor.lose(host, self.instants());
        }
    }

    /// Who is on duty: his place and his host.
    pub(super) fn on_duty(&self) -> Option<(usize, String)> {
        let host = self.auditor.on_duty()?.to_owned();
        (0..self.crew.daemons).find(|place| Place(*place).host() == host).map(|place| (place, host))
    }

    /// What time it is.
    pub(super) fn instants(&self) -> Instants {
        let time = &self.world.database.time;
        Instants { now: time.now(), database_now: time.database_now(), unsettled_until: self.world.unsettled_until() }
    }

    /// A trigger of the shop refuses some order from now on.
    fn poison(&mut self) {
        let mut state = self.world.database.state();
        let Some(table) = state.table(ORDERS) else { return };
        let numbers: Vec<Datum> = state.rows(table, None).filter_map(|(_, row)| row.get(1).cloned()).collect();
        let place = self.strikes.pick(numbers.len());
        let Some(number) = numbers.into_iter().nth(place) else { return };
        self.world.trace(|| format!("a trigger refuses order {number:?} from now on"));
        state.triggers.push(Trigger::Refuse(ORDERS.to_owned(), "order_number".to_owned(), number));
    }
}

//! One run: a seed, so many steps, an auditor who looks after each, and the world's healing at the end.

use std::sync::Arc;

use super::auditor::{Auditor, Violation};
use super::choices::{Choices, Taken};
use super::executor::{Executor, Step};
use super::journal::Event;
use super::lying_clock::LyingClock;
use super::own::HOUR;
use super::store::Trigger;
use super::sweeper::{Place, once, sweep_for_ever};
use super::value::Datum;
use super::workload::Person;
use super::world::{ON_HAND, STOCK, Setup, World};
use crate::failure::Failure;
use crate::shops::ORDERS;

/// How many sweepers there are, each in a place of its own.
const SWEEPERS: usize = 3;

/// How many customers there are.
const CUSTOMERS: usize = 6;

/// How many of the staff there are.
const STAFF: usize = 2;

/// How many steps everybody may take to finish, and a last sweep to release everything.
const HEALING: usize = 20_000;

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
}

struct Run {
    world: Arc<World>,
    executor: Executor,
    auditor: Auditor,
    /// Their places among the tasks, and their choices.
    sweepers: Vec<(usize, Choices)>,
    strikes: Choices,
    steps: usize,
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
    let mut run = Run { world, executor, auditor, sweepers: Vec::new(), strikes, steps: 0 };
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
        for place in 0..SWEEPERS {
            let choices = self.world.choices.stream();
            let doing = sweep_for_ever(Arc::clone(&self.world), choices.clone(), Place(place), 50_000);
            let task = self.executor.spawn(format!("sweeper {place}"), Box::pin(doing));
            self.sweepers.push((task, choices));
        }
        for number in 0..CUSTOMERS {
            let person = Person::new(&self.world, &format!("customer {number}"));
            self.executor.spawn(format!("customer {number}"), Box::pin(person.shop()));
        }
        for number in 0..STAFF {
            let person = Person::new(&self.world, &format!("staff {number}"));
            self.executor.spawn(format!("staff {number}"), Box::pin(person.work()));
        }
    }

    fn go(&mut self, steps: usize) -> Result<(), Violation> {
        while self.steps < steps {
            if self.world.trouble > 0 && self.strikes.happens(self.world.trouble / 2) {
                self.strike();
            }
            if self.step()? == Step::Over {
                break;
            }
        }
        self.heal()
    }

    /// One step, and the auditor's look.
    fn step(&mut self) -> Result<Step, Violation> {
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
        self.auditor.look(&mut self.world.database.state(), &told, disturbed_until)?;
        Ok(step)
    }

    /// Something goes wrong that is no call's own trouble.
    fn strike(&mut self) {
        let (world, choices) = (Arc::clone(&self.world), self.strikes.clone());
        let place = choices.pick(SWEEPERS);
        let Some((sweeper, own)) = self.sweepers.get(place).cloned() else { return };
        match choices.pick(7) {
            0 | 6 => {
                world.trace(|| format!("sweeper {place} is killed"));
                world.disturb(4_000_000);
                let begins_in = choices.one_of(&[20_000, 1_000, 500_000, 5_000_000]);
                let doing = sweep_for_ever(Arc::clone(&world), own, Place(place), begins_in);
                self.executor.replace(sweeper, Some(Box::pin(doing)));
            }
            1 => {
                let time = choices.one_of(&[500_000_i64, 3_000_000, 40_000_000]);
                world.trace(|| format!("sweeper {place} is stopped for {} ms", time / 1_000));
                world.disturb(time.saturating_add(4_000_000));
                let until = world.database.time.now().saturating_add(time);
                self.executor.freeze(sweeper, until);
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

    /// The faults end: everybody finishes, an hour goes by, and one sweep must release everything that is due.
    fn heal(&mut self) -> Result<(), Violation> {
        self.world.trace(|| "the faults end".to_owned());
        self.world.choices.calm_down();
        self.world.close();
        self.world.database.state().triggers.clear();
        self.finish("everybody to finish")?;
        self.world.database.time.advance(HOUR.saturating_add(60_000_000));
        let world = Arc::clone(&self.world);
        let last = async move {
            let clock = LyingClock::new(&world.database.time, &world.choices, (0, 1_000));
            once(&world, &world.choices, Place(SWEEPERS), &clock, (500, u64::MAX)).await;
        };
        self.executor.spawn("the last sweeper".to_owned(), Box::pin(last));
        self.finish("a last sweep to end")?;
        self.auditor.nothing_due(&self.world.database.state(), self.world.database.time.database_now())
    }

    fn finish(&mut self, what: &str) -> Result<(), Violation> {
        for _ in 0..HEALING {
            if self.step()? == Step::Over {
                return Ok(());
            }
        }
        Err(Violation { invariant: "I7", what: format!("{HEALING} steps were not enough for {what}") })
    }
}

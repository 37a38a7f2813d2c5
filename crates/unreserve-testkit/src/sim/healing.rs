//! What has to come true once the faults have ended: everything due is released, by a last sweep or by those who watch.

use std::sync::Arc;

use super::auditor::Violation;
use super::crew::Leaving;
use super::executor::Step;
use super::lying_clock::LyingClock;
use super::own::HOUR;
use super::punctual::TAKEOVER;
use super::run::Run;
use super::sweeper::{Place, once};
use super::workload::Person;
use super::world::RECOVERY;

/// How many steps everybody may take to finish, and a last sweep to release everything.
const HEALING: usize = 20_000;

/// What is expected by one who watches is released so soon after it has expired, in microseconds.
const PROMISE: i64 = 1_000_000;

/// Whoever watches looks again so soon after his machine was suspended, in microseconds: a look comes every 4 s, on a
/// clock that takes a tenth longer for it, and then there is the sweep.
const AWAKE: i64 = 6_000_000;

/// How long the one on duty is away in the end, in microseconds.
const AWAY: i64 = 60_000_000;

impl Run {
    /// The faults end: everybody finishes, and everything that is due is released.
    pub(super) fn heal(&mut self) -> Result<(), Violation> {
        self.world.trace(|| "the faults end".to_owned());
        self.world.choices.calm_down();
        self.world.close();
        self.world.database.state().triggers.clear();
        if self.crew.daemons > 0 {
            return self.heal_by_watching();
        }
        self.finish("everybody to finish")?;
        self.world.database.time.advance(HOUR.saturating_add(60_000_000));
        let world = Arc::clone(&self.world);
        let last = async move {
            let clock = LyingClock::new(&world.database.time, &world.choices, (0, 1_000));
            once(&world, &world.choices, Place(usize::MAX), &clock, (500, u64::MAX)).await;
        };
        self.executor.spawn("the last sweeper".to_owned(), Box::pin(last));
        self.finish("a last sweep to end")?;
        self.auditor.nothing_due(&self.world.database.state(), self.world.database.time.database_now())
    }

    fn finish(&mut self, what: &str) -> Result<(), Violation> {
        self.step_while(what, |_, step| step != Some(Step::Over))
    }

    fn step_while(&mut self, what: &str, goes_on: impl Fn(&Self, Option<Step>) -> bool) -> Result<(), Violation> {
        let mut last = None;
        for _ in 0..HEALING {
            if !goes_on(self, last) {
                return Ok(());
            }
            last = Some(self.step()?);
        }
        Err(Violation { invariant: "I7", what: format!("{HEALING} steps were not enough for {what}") })
    }

    /// Nobody helps those who watch.
    fn heal_by_watching(&mut self) -> Result<(), Violation> {
        let daemons: Vec<usize> = self.sweepers.iter().filter(|one| one.clock.is_some()).map(|one| one.task).collect();
        let others: Vec<usize> = self.executor.places().filter(|place| !daemons.contains(place)).collect();
        self.step_while("everybody to finish", |run, _| others.iter().any(|place| run.executor.is_busy(*place)))?;
        let quiet = self.instants().now.max(self.world.unsettled_until()).max(self.world.disturbed_until());
        self.let_pass(quiet.saturating_add(RECOVERY))?;
        self.nothing_left("I7", "after the faults")?;
        let ordered = self.order(6_000_000)?;
        self.let_pass(ordered.saturating_add(6_000_000).saturating_add(PROMISE))?;
        self.nothing_left("late", "a second after the next expiry")?;
        if self.crew.daemons > 1 {
            self.change_the_one_on_duty()?;
        }
        self.suspend_everybody()?;
        self.try_again_what_was_set_aside()?;
        self.end(&daemons)
    }

    fn let_pass(&mut self, until: i64) -> Result<(), Violation> {
        self.step_while("time to pass", |run, _| run.world.database.time.now() < until)
    }

    fn nothing_left(&self, invariant: &'static str, when: &str) -> Result<(), Violation> {
        let now = self.world.database.time.database_now();
        self.auditor.nothing_left(&self.world.database.state(), &self.world.plan.profile, (now, invariant, when))
    }

    /// A last customer orders, and never pays. Gives when.
    fn order(&mut self, lifetime: i64) -> Result<i64, Violation> {
        let person = Person::new(&self.world, "a last customer");
        let task = self.executor.spawn("a last customer".to_owned(), Box::pin(person.order_once(lifetime)));
        self.step_while("a last customer to order", |run, _| run.executor.is_busy(task))?;
        Ok(self.instants().now)
    }

    fn change_the_one_on_duty(&mut self) -> Result<(), Violation> {
        self.order(1_000_000)?;
        let Some((place, host)) = self.on_duty() else {
            return Err(Violation { invariant: "duty", what: "long after the faults nobody is on duty".to_owned() });
        };
        let lost_at = self.instants().now;
        match self.crew.leaving {
            Leaving::Killed => {
                self.world.trace(|| format!("{host} on duty is killed for good"));
                if let Some(sweeper) = self.sweepers.get(place) {
                    self.executor.replace(sweeper.task, None);
                }
            }
            how => self.stop(place, AWAY, how),
        }
        self.auditor.lose(host, self.instants());
        self.let_pass(lost_at.saturating_add(TAKEOVER).saturating_add(PROMISE))?;
        self.nothing_left("takeover", "16 s after the one on duty was lost")?;
        let back = lost_at.saturating_add(if self.crew.leaving == Leaving::Killed { 0 } else { AWAY });
        self.let_pass(back)
    }

    /// All machines are suspended, and what expires meanwhile is released soon after.
    fn suspend_everybody(&mut self) -> Result<(), Violation> {
        let ordered = self.order(40_000_000)?;
        self.let_pass(ordered.saturating_add(6_000_000))?;
        (0..self.crew.daemons).for_each(|place| self.stop(place, AWAY, Leaving::Suspended));
        self.let_pass(ordered.saturating_add(AWAY).saturating_add(6_000_000).saturating_add(AWAKE))?;
        self.nothing_left("late", "after everybody was suspended")
    }

    fn try_again_what_was_set_aside(&mut self) -> Result<(), Violation> {
        let now = self.world.database.time.database_now();
        if self.auditor.nothing_due(&self.world.database.state(), now).is_ok() {
            return Ok(());
        }
        self.world.trace(|| "an hour goes by for what is set aside".to_owned());
        self.world.database.time.advance(HOUR);
        let now = self.instants().now;
        self.let_pass(now.saturating_add(RECOVERY))?;
        self.auditor.nothing_due(&self.world.database.state(), self.world.database.time.database_now())
    }

    /// Everybody who watches is asked to end, does, and leaves the duty to the next one.
    fn end(&mut self, daemons: &[usize]) -> Result<(), Violation> {
        self.world.trace(|| "everybody who watches is asked to end".to_owned());
        self.world.end();
        let until = self.instants().now.saturating_add(10_000_000);
        let busy = |run: &Self| daemons.iter().any(|place| run.executor.is_busy(*place));
        self.step_while("everybody to end", |run, _| busy(run) && run.world.database.time.now() < until)?;
        let stop = |what: &str| Err(Violation { invariant: "stop", what: what.to_owned() });
        if busy(self) {
            return stop("somebody who was asked to end still watches 10 s later");
        }
        // The last answer may still be on its way.
        self.finish("the last one to end")?;
        if self.auditor.on_duty().is_some() { stop("everybody has ended, and one is still on duty") } else { Ok(()) }
    }
}

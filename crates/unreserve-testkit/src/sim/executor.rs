//! Runs everybody on one thread, one poll a step; the choices say who is next, and nobody else moves the time.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use super::choices::Choices;
use super::time::Time;

/// What somebody does.
pub type Doing = Pin<Box<dyn Future<Output = ()>>>;

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

struct Task {
    name: String,
    doing: Option<Doing>,
    ready: Arc<Flag>,
    frozen_until: i64,
}

/// Everybody, by their place.
pub struct Executor {
    time: Time,
    choices: Choices,
    tasks: Vec<Task>,
    last: usize,
}

/// What a step was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// This one did something.
    Ran(usize),
    /// Nobody was ready: the time moved on to the next instant somebody waits for.
    Waited,
    /// Nobody is left, or nobody can ever go on.
    Over,
}

impl Executor {
    /// Nobody yet.
    #[must_use]
    pub fn new(time: &Time, choices: &Choices) -> Self {
        Self { time: time.clone(), choices: choices.clone(), tasks: Vec::new(), last: 0 }
    }

    /// Somebody joins.
    pub fn spawn(&mut self, name: String, doing: Doing) -> usize {
        self.tasks.push(Task { name, doing: None, ready: Arc::new(Flag(AtomicBool::new(false))), frozen_until: 0 });
        let place = self.tasks.len().saturating_sub(1);
        self.replace(place, Some(doing));
        place
    }

    /// Somebody's work is dropped where it stands, and goes on as something else.
    pub fn replace(&mut self, place: usize, doing: Option<Doing>) {
        let Some(task) = self.tasks.get_mut(place) else { return };
        // The old one goes first: what it drops may wake somebody.
        task.doing = None;
        task.doing = doing;
        task.ready = Arc::new(Flag(AtomicBool::new(true)));
        task.frozen_until = 0;
    }

    /// Somebody is not polled until an instant, or until he was not to be polled anyway.
    pub fn freeze(&mut self, place: usize, until: i64) {
        if let Some(task) = self.tasks.get_mut(place) {
            task.frozen_until = task.frozen_until.max(until);
        }
    }

    /// Somebody's name.
    #[must_use]
    pub fn name(&self, place: usize) -> &str {
        self.tasks.get(place).map_or("", |task| task.name.as_str())
    }

    /// Everybody's places.
    pub fn places(&self) -> std::ops::Range<usize> {
        0..self.tasks.len()
    }

    /// Whether somebody still has something to do.
    #[must_use]
    pub fn is_busy(&self, place: usize) -> bool {
        self.tasks.get(place).is_some_and(|task| task.doing.is_some())
    }

    /// Lets one of those who are ready go on.
    pub fn step(&mut self) -> Step {
        let now = self.time.now();
        let is_ready = |task: &Task| task.doing.is_some() && task.ready.0.load(Ordering::Relaxed);
        // In a ring behind the one who went last, so that the quiet choice lets everybody have a turn.
        let (before, after) = self.tasks.split_at_checked(self.last.saturating_add(1)).unwrap_or((&self.tasks, &[]));
        let places = (before.len()..self.tasks.len()).zip(after).chain((0..before.len()).zip(before));
        let ready: Vec<usize> =
            places.filter(|(_, task)| is_ready(task) && task.frozen_until <= now).map(|(place, _)| place).collect();
        if ready.is_empty() {
            let thawing = self.tasks.iter().filter(|task| is_ready(task)).map(|task| task.frozen_until);
            let Some(next) = thawing.chain(self.time.next()).min() else { return Step::Over };
            self.time.advance(next.saturating_sub(now));
            return Step::Waited;
        }
        let place = ready.get(self.choices.pick(ready.len())).copied().unwrap_or(0);
        self.last = place;
        let Some(task) = self.tasks.get_mut(place) else { return Step::Over };
        task.ready.0.store(false, Ordering::Relaxed);
        let waker = Waker::from(Arc::clone(&task.ready));
        if let Some(doing) = &mut task.doing
            && doing.as_mut().poll(&mut Context::from_waker(&waker)) == Poll::Ready(())
        {
            task.doing = None;
        }
        Step::Ran(place)
    }
}

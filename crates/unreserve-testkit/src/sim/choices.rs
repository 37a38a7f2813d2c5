//! Every choice of a run, drawn from one seed, written down, and taken again from what was written down.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::database::{CommitFate, Weather};
use super::world::RECOVERY;

/// A source of chance. A choice of 0 is always the quiet one, so that a schedule is shrunk by writing zeros. Everybody
/// has a stream of his own, so that what is left out of one moves nothing in the others.
#[derive(Debug, Clone)]
pub struct Choices {
    shared: Arc<Mutex<Shared>>,
    stream: usize,
}

/// What was chosen, stream by stream.
pub type Taken = Vec<Vec<u32>>;

#[derive(Debug)]
struct Shared {
    seed: Option<u64>,
    given: Taken,
    streams: Vec<Stream>,
    calm: bool,
}

#[derive(Debug)]
struct Stream {
    random: Option<fastrand::Rng>,
    taken: Vec<u32>,
}

impl Choices {
    /// Choices drawn from a seed.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self::new(Some(seed), Taken::new())
    }

    /// Choices as they were written down; the quiet ones where a list ends.
    #[must_use]
    pub fn given(choices: Taken) -> Self {
        Self::new(None, choices)
    }

    fn new(seed: Option<u64>, given: Taken) -> Self {
        let shared = Shared { seed, given, streams: Vec::new(), calm: false };
        Self { shared: Arc::new(Mutex::new(shared)), stream: 0 }.stream()
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another stream of the same run. Streams are told apart by the order in which they are made.
    #[must_use]
    pub fn stream(&self) -> Self {
        let mut shared = self.shared();
        let stream = shared.streams.len();
        let number = u64::try_from(stream).unwrap_or(0);
        // The seeds of a run's streams are far apart, and so are those of neighbouring runs.
        let random = shared.seed.map(|seed| {
            let mut mixed = fastrand::Rng::with_seed(seed);
            fastrand::Rng::with_seed(mixed.u64(..).wrapping_add(number.wrapping_mul(0x9E37_79B9_7F4A_7C15)))
        });
        shared.streams.push(Stream { random, taken: Vec::new() });
        drop(shared);
        Self { shared: Arc::clone(&self.shared), stream }
    }

    fn take(&self, draw: impl FnOnce(&mut fastrand::Rng) -> u32, most: u32) -> u32 {
        let mut shared = self.shared();
        let Shared { given, streams, calm, .. } = &mut *shared;
        let Some(stream) = streams.get_mut(self.stream).filter(|_| !*calm) else { return 0 };
        let choice = match &mut stream.random {
            Some(random) => draw(random),
            None => {
                let given = given.get(self.stream).and_then(|given| given.get(stream.taken.len()));
                given.copied().unwrap_or(0).min(most)
            }
        };
        stream.taken.push(choice);
        choice
    }

    /// One of `count` things, by its place; 0 where there is none.
    #[must_use]
    pub fn pick(&self, count: usize) -> usize {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        let most = count.saturating_sub(1);
        let choice = self.take(|random| random.u32(0..=most), most);
        usize::try_from(choice).unwrap_or(0)
    }

    /// One of these.
    #[must_use]
    pub fn one_of<T: Copy + Default>(&self, things: &[T]) -> T {
        things.get(self.pick(things.len())).copied().unwrap_or_default()
    }

    /// Whether something happens that happens so many times in a thousand.
    #[must_use]
    pub fn happens(&self, per_mille: u32) -> bool {
        self.take(|random| u32::from(random.u32(0..1_000) < per_mille), 1) == 1
    }

    /// From now on every choice is the quiet one, and none is written down.
    pub fn calm_down(&self) {
        self.shared().calm = true;
    }

    /// The choices of all streams so far.
    #[must_use]
    pub fn taken(&self) -> Taken {
        self.shared().streams.iter().map(|stream| stream.taken.clone()).collect()
    }
}

/// The way to the database, as the choices have it.
#[derive(Debug)]
pub struct ChosenWeather {
    /// The choices.
    pub choices: Choices,
    /// How often in a thousand times something goes wrong.
    pub trouble: u32,
    /// Until when somebody is held up on purpose.
    pub disturbed_until: Arc<AtomicI64>,
    /// Until when nobody who watches has to be in time.
    pub unsettled_until: Arc<AtomicI64>,
}

impl Weather for ChosenWeather {
    fn latency(&self) -> i64 {
        self.choices.one_of(&[200, 0, 50, 1_000, 5_000, 300])
    }

    fn commit(&self, now: i64) -> CommitFate {
        if !self.choices.happens(self.trouble) {
            return CommitFate::Arrives;
        }
        let late = self.choices.one_of(&[1_000, 40_000, 900_000, 5_000_000]);
        self.disturbed_until.fetch_max(now.saturating_add(late), Ordering::Relaxed);
        self.unsettled_until.fetch_max(now.saturating_add(late).saturating_add(RECOVERY), Ordering::Relaxed);
        let fates = [CommitFate::LostBefore, CommitFate::LostAfter, CommitFate::Late(late)];
        fates.get(self.choices.pick(fates.len())).copied().unwrap_or(CommitFate::Arrives)
    }

    fn notice(&self, now: i64) -> i64 {
        let time = if self.trouble == 0 { 0 } else { self.choices.one_of(&[0, 1_000, 300_000, 2_000_000]) };
        if time > 0 {
            self.disturbed_until.fetch_max(now.saturating_add(time), Ordering::Relaxed);
            self.unsettled_until.fetch_max(now.saturating_add(time).saturating_add(RECOVERY), Ordering::Relaxed);
        }
        time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_can_be_taken_again() {
        let draw = |choices: &Choices| {
            let other = choices.stream();
            (0..50).map(|_| (choices.pick(7), other.happens(300))).collect::<Vec<_>>()
        };
        let first = Choices::seeded(7);
        let drawn = draw(&first);
        assert_eq!(draw(&Choices::given(first.taken())), drawn);
        assert_eq!(draw(&Choices::seeded(7)), drawn);
        assert_ne!(draw(&Choices::seeded(8)), drawn);
        assert!(draw(&Choices::given(Taken::new())).iter().all(|choice| *choice == (0, false)));
    }
}

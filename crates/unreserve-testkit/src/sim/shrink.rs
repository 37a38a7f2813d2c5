//! Makes the schedule of a failed run shorter and quieter, as long as the same invariant still breaks.

use super::choices::{Choices, Taken};
use super::run::{Outcome, play};
use super::world::Setup;
use crate::failure::Failure;

/// How many runs a schedule is shrunk for at most.
const TRIES: usize = 600;

/// A schedule under way to a shorter one.
struct Shrinking {
    choices: Taken,
    steps: usize,
    setup: Setup,
    invariant: &'static str,
    tries: usize,
}

/// Shrinks the choices of a run that failed, and plays what is left with everything written down. The outcome is of the
/// same invariant; nothing where the run does not fail when its own choices are played again.
///
/// # Errors
/// The shop could not be made.
pub fn shrink(failed: &Outcome, steps: usize, setup: Setup) -> Result<Option<Outcome>, Failure> {
    let Some((at, violation)) = &failed.violation else { return Ok(None) };
    let invariant = violation.invariant;
    let mut shrinking =
        Shrinking { choices: failed.choices.clone(), steps: steps.min(*at), setup, invariant, tries: 0 };
    if !shrinking.fails(&failed.choices)? {
        // Cut off at the step that failed, the world heals otherwise than it did: then all the steps are needed.
        shrinking.steps = steps;
    }
    let streams = shrinking.choices.len();
    // Whoever is not needed at all goes first.
    for change in [Change::Clear, Change::CutTheEnd, Change::Quieten, Change::LeaveOut] {
        for stream in 0..streams {
            shrinking.change(stream, change)?;
        }
    }
    let Shrinking { mut choices, steps, .. } = shrinking;
    for stream in &mut choices {
        let quiet = stream.iter().rev().take_while(|choice| **choice == 0).count();
        stream.truncate(stream.len().saturating_sub(quiet));
    }
    let outcome = play(&Choices::given(choices.clone()), steps, Setup { trace: true, ..setup })?;
    let same = outcome.violation.as_ref().is_some_and(|(_, violation)| violation.invariant == invariant);
    Ok(same.then_some(Outcome { choices, ..outcome }))
}

/// One way of making a stream shorter or quieter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    /// All of it.
    Clear,
    /// Its end: behind it every choice is the quiet one.
    CutTheEnd,
    /// Piece by piece to the quiet choice, large pieces first.
    Quieten,
    /// Piece by piece out of the middle.
    LeaveOut,
}

impl Shrinking {
    fn fails(&mut self, choices: &Taken) -> Result<bool, Failure> {
        self.tries = self.tries.saturating_add(1);
        let outcome = play(&Choices::given(choices.clone()), self.steps, Setup { trace: false, ..self.setup })?;
        Ok(outcome.violation.is_some_and(|(_, violation)| violation.invariant == self.invariant))
    }

    fn stream(&self, stream: usize) -> &[u32] {
        self.choices.get(stream).map(Vec::as_slice).unwrap_or_default()
    }

    /// Takes another text of one stream, if the run still fails with it.
    fn keeps(&mut self, stream: usize, changed: Vec<u32>) -> Result<bool, Failure> {
        if self.tries >= TRIES || self.stream(stream) == changed {
            return Ok(false);
        }
        let mut choices = self.choices.clone();
        if let Some(place) = choices.get_mut(stream) {
            *place = changed;
        }
        if !self.fails(&choices)? {
            return Ok(false);
        }
        self.choices = choices;
        Ok(true)
    }

    fn change(&mut self, stream: usize, change: Change) -> Result<(), Failure> {
        let pieces = match change {
            Change::Clear => return self.keeps(stream, Vec::new()).map(drop),
            Change::CutTheEnd => return self.cut_the_end(stream),
            Change::Quieten | Change::LeaveOut => 4,
        };
        let mut size = self.stream(stream).len().div_ceil(pieces);
        while size > 0 && self.tries < TRIES {
            let mut from = 0;
            while from < self.stream(stream).len() {
                let piece = from..from.saturating_add(size);
                let choices = self.stream(stream).iter().enumerate();
                let changed: Vec<u32> = if change == Change::Quieten {
                    choices.map(|(place, choice)| if piece.contains(&place) { 0 } else { *choice }).collect()
                } else {
                    choices.filter(|(place, _)| !piece.contains(place)).map(|(_, choice)| *choice).collect()
                };
                let shorter = changed.len() < self.stream(stream).len();
                if !(self.keeps(stream, changed)? && shorter) {
                    from = from.saturating_add(size);
                }
            }
            size /= 2;
        }
        Ok(())
    }

    /// Half of it, while that is enough.
    fn cut_the_end(&mut self, stream: usize) -> Result<(), Failure> {
        let mut cut = self.stream(stream).len().div_ceil(2);
        while cut > 0 && self.tries < TRIES {
            let kept = self.stream(stream).len().saturating_sub(cut);
            let shorter = self.stream(stream).iter().take(kept).copied().collect();
            if !self.keeps(stream, shorter)? {
                cut /= 2;
            }
            cut = cut.min(self.stream(stream).len());
        }
        Ok(())
    }
}

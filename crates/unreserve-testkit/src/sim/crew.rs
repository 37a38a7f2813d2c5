//! Who is at work in a run, by choice: sweeps by hand, those who watch, and how slowly the shop lives.

use super::choices::Choices;

/// How the one on duty goes once the faults are over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Leaving {
    /// He is killed.
    #[default]
    Killed,
    /// He is stopped, and goes on long after.
    Frozen,
    /// His machine is suspended, and its clock with it.
    Suspended,
}

/// Who is at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crew {
    /// So many of the sweepers watch; the others sweep now and then.
    pub daemons: usize,
    /// So many times slower the shop lives, so that those who watch have something to wait for.
    pub slowness: i64,
    /// How often in a thousand steps the one on duty is lost where nothing else goes wrong.
    pub losses: u32,
    /// How the one on duty goes in the end.
    pub leaving: Leaving,
}

impl Default for Crew {
    fn default() -> Self {
        Self { daemons: 0, slowness: 1, losses: 0, leaving: Leaving::Killed }
    }
}

impl Crew {
    /// Chooses. In half of the runs nobody watches.
    #[must_use]
    pub fn choose(choices: &Choices) -> Self {
        let daemons = choices.one_of(&[0_usize, 2, 0, 1, 0, 3]);
        if daemons == 0 {
            return Self::default();
        }
        let slowness = choices.one_of(&[40_i64, 8, 1]);
        let losses = choices.one_of(&[0_u32, 0, 6]);
        let leaving = match choices.pick(3) {
            1 => Leaving::Frozen,
            2 => Leaving::Suspended,
            _ => Leaving::Killed,
        };
        Self { daemons, slowness, losses, leaving }
    }
}

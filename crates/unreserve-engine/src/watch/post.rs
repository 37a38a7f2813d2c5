//! What a watch needs of the process it runs in, and what it tells.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use jiff::Timestamp;

use super::trouble::Trouble;
use crate::model::Holder;
use crate::shop::{CheckedShop, Outlook};

/// A shop that was opened, or what kept it from that.
pub type Opened<'a, 's> = Pin<Box<dyn Future<Output = Result<Box<dyn CheckedShop + 's>, Trouble>> + 'a>>;

/// How a sweep ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Swept {
    /// Whether something due was left.
    pub remaining_due: bool,
}

/// Why a rest ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nudge {
    /// Its time was over.
    None,
    /// Something may have changed: look now.
    Look,
    /// Somebody asks for a sweep now.
    Sweep,
}

/// How a shop stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It is being opened.
    Opening,
    /// It is up to date, or what is left is tried again soon.
    Waiting {
        /// When something expires next, by the database's clock; nothing where nothing is reserved.
        next_expiry: Option<Timestamp>,
        /// How long until then, by the database's clock.
        expires_in: Option<Duration>,
        /// Whether the last sweep left something due behind.
        remaining_due: bool,
    },
    /// It is being swept.
    Sweeping,
    /// Another instance is on duty, or sweeps right now.
    StandingBy {
        /// What is known of it, in one line.
        says: String,
    },
    /// It cannot be reached; it is tried again after this rest.
    BackingOff {
        /// Why.
        trouble: Trouble,
        /// How long until the next try.
        rest: Duration,
    },
    /// A person has to act.
    Halted {
        /// Why.
        trouble: Trouble,
        /// How long until it is looked whether they did; nothing where it is not.
        rest: Option<Duration>,
    },
    /// The watch has ended.
    Stopped,
}

/// The process that a watch runs in. `'s` is how long the shops that it opens may live.
pub trait Post<'s> {
    /// Who we are: the one on duty, as others are told.
    fn me(&self) -> &Holder;

    /// Opens the shop: connects, and has the database check the plan.
    fn open<'a>(&'a mut self) -> Opened<'a, 's>
    where
        's: 'a;

    /// Runs one sweep, and reports it.
    fn sweep<'a>(
        &'a mut self,
        shop: &'a mut (dyn CheckedShop + 's),
    ) -> Pin<Box<dyn Future<Output = Result<Swept, Trouble>> + 'a>>
    where
        's: 'a;

    /// Rests so long, or until somebody calls. Where the process was suspended meanwhile, or its wall clock was set, that
    /// is a reason to look: what is known of the next expiry no longer holds.
    fn rest(&mut self, rest: Duration) -> Pin<Box<dyn Future<Output = Nudge> + '_>>;

    /// Is told what lies ahead, whenever the database was asked.
    fn looked(&mut self, _outlook: &Outlook) {}

    /// Is told how the shop stands, after every look.
    fn tell(&mut self, standing: &Standing);
}

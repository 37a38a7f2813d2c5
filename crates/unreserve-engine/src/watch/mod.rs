//! The watch: keeps one shop swept from one expiry to the next, whatever happens to it.

mod agenda;
mod post;
mod run;
mod trouble;

pub use agenda::{Backoff, STEP_IN, next_look};
pub use post::{Nudge, Opened, Post, Standing, Swept};
pub use run::{Ended, Watching, watch};
pub use trouble::{Trouble, TroubleKind};

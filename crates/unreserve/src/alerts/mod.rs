//! Tells people of trouble: by mail, chat, webhook or command, and a dead man's switch.
//!
//! Nothing here delays a sweep or changes how it ends: what cannot be told is kept, tried again, and given up in the end.

mod command;
mod ears;
mod email;
mod formats;
mod heartbeat;
mod http;
pub(crate) mod message;
pub(crate) mod outbox;
mod run;
mod sending;
pub(crate) mod state;
mod telling;
mod testing;
pub(crate) mod trust;
mod watch;
pub(crate) mod webhook;

pub(crate) use ears::Ears;
pub(crate) use run::{Around, check, tell_once};
pub(crate) use testing::{Tried, test};
pub(crate) use watch::{Beside, Looks, attend, last_word};

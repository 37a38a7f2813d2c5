//! `daemon`: watches every shop of the settings until it is asked to end.

use tokio::task::LocalSet;

use crate::app::Context;
use crate::daemon;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::opening::block_on;
use crate::settings::{Environment, Settings};

/// Runs the command.
pub(crate) fn run(context: &Context) -> Result<Exit, Failure> {
    let load = || Ok(Settings::load_shops(&context.flags, &Environment::of_process())?);
    let shops = std::iter::once(&context.settings).chain(&context.others).cloned().collect();
    block_on(async { LocalSet::new().run_until(daemon::serve(shops, &load, context.telemetry.listeners())).await })
}

//! The one connection that reads a shop for everybody who looks at it. It never writes, every question has a deadline, and
//! after any trouble, or when nobody has asked for a while, the shop is opened anew.

use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard};
use unreserve_db::{Access, Options};
use unreserve_engine::shop::{CheckedShop, InstallState};
use unreserve_engine::sweep::{Clock, SweepError};

use super::Problem;
use crate::clock::ProcessClock;
use crate::opening::{self, sweep_failure};
use crate::settings::Settings;

/// A page is not waited for longer than a person waits.
const OPTIONS: Options = Options {
    connect_timeout: Duration::from_secs(5),
    statement_timeout: Duration::from_secs(4),
    access: Access::Read,
};

/// A shop's connection, or the means to make one.
pub(super) struct Reader {
    settings: Settings,
    clock: ProcessClock,
    idle: Mutex<Option<Idle>>,
}

/// A shop that nobody asks anything, and when it was given back.
struct Idle {
    shop: Box<dyn CheckedShop>,
    since: Duration,
}

/// The shop, for one question. Whoever goes away without an answer takes the connection with him, since its state is in doubt.
pub(super) struct Taken<'a> {
    slot: MutexGuard<'a, Option<Idle>>,
    shop: Box<dyn CheckedShop>,
    clock: ProcessClock,
}

impl Taken<'_> {
    /// The shop.
    pub(super) fn shop(&mut self) -> &mut dyn CheckedShop {
        self.shop.as_mut()
    }

    /// Gives the connection back, unless the answer is a trouble of the shop's; what is wrong with the question alone is none.
    pub(super) fn give_back<T>(mut self, answer: Result<T, Problem>) -> Result<T, Problem> {
        if answer.as_ref().err().is_none_or(|problem| problem.status < 500) {
            *self.slot = Some(Idle { shop: self.shop, since: self.clock.elapsed() });
        }
        answer
    }
}

impl Reader {
    /// Connects to nothing yet.
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings, clock: ProcessClock::new(), idle: Mutex::new(None) }
    }

    /// The settings of the shop.
    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The shop, as soon as nobody else asks it anything; it is opened where it is not.
    ///
    /// # Errors
    /// It cannot be opened, or our tables are not there.
    pub(super) async fn take(&self) -> Result<Taken<'_>, Problem> {
        let mut slot = self.idle.lock().await;
        let shop = match slot.take() {
            Some(idle) => idle.shop,
            None => self.open().await?,
        };
        Ok(Taken { slot, shop, clock: self.clock })
    }

    /// Closes the connection where nobody has used it for so long.
    pub(super) fn rest(&self, unused: Duration) {
        // Whoever has it uses it.
        let Ok(mut slot) = self.idle.try_lock() else { return };
        slot.take_if(|idle| self.clock.elapsed().saturating_sub(idle.since) >= unused);
    }

    async fn open(&self) -> Result<Box<dyn CheckedShop>, Problem> {
        let shop =
            opening::open_with(&self.settings, OPTIONS).await.map_err(|failure| Problem::of_failure(&failure))?;
        match shop.info().installed {
            InstallState::Current => Ok(shop),
            other => Err(Problem::of_failure(&sweep_failure(&SweepError::NotInstalled(other)))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{DatabaseUrl, Environment, Flags};

    #[tokio::test]
    async fn a_connection_that_nobody_uses_is_closed_and_made_again() {
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("unreserve.toml");
        std::fs::write(&config, "state_dir = \".\"\nprofile = \"malikli\"\n").unwrap();
        let made = unreserve_db::demo::create(&directory.path().join("shop.db"), 4).await.unwrap();
        let database_url = Some(DatabaseUrl::new(made.url));
        let flags = Flags { config: Some(config), database_url, ..Flags::default() };
        let settings = Settings::load(&flags, &Environment::from_variables([])).unwrap();
        opening::connect(&settings).await.unwrap().install().await.unwrap();
        let reader = Reader::new(settings);
        for _ in 0..2 {
            let taken = reader.take().await.unwrap();
            reader.rest(Duration::ZERO);
            taken.give_back(Ok(())).unwrap();
            reader.rest(Duration::from_secs(3_600));
            assert!(reader.idle.lock().await.is_some(), "it was used a moment ago");
            reader.rest(Duration::ZERO);
            assert!(reader.idle.lock().await.is_none(), "nobody uses it");
        }
    }
}

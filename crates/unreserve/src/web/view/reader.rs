//! The one connection that reads a shop for everybody who looks at it. It never writes, every question has a deadline, and
//! after any trouble the shop is opened anew.

use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard};
use unreserve_db::{Access, Options};
use unreserve_engine::shop::{CheckedShop, InstallState};
use unreserve_engine::sweep::SweepError;

use super::Problem;
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
    shop: Mutex<Option<Box<dyn CheckedShop>>>,
}

/// The shop, for one question. Whoever goes away without an answer takes the connection with him, since its state is in doubt.
pub(super) struct Taken<'a> {
    slot: MutexGuard<'a, Option<Box<dyn CheckedShop>>>,
    shop: Box<dyn CheckedShop>,
}

impl Taken<'_> {
    /// The shop.
    pub(super) fn shop(&mut self) -> &mut dyn CheckedShop {
        self.shop.as_mut()
    }

    /// Gives the connection back, unless the answer is a trouble of the shop's; what is wrong with the question alone is none.
    pub(super) fn give_back<T>(mut self, answer: Result<T, Problem>) -> Result<T, Problem> {
        if answer.as_ref().err().is_none_or(|problem| problem.status < 500) {
            *self.slot = Some(self.shop);
        }
        answer
    }
}

impl Reader {
    /// Connects to nothing yet.
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings, shop: Mutex::new(None) }
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
        let mut slot = self.shop.lock().await;
        let shop = match slot.take() {
            Some(shop) => shop,
            None => self.open().await?,
        };
        Ok(Taken { slot, shop })
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

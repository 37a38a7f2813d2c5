//! One shop as the page sees it: every value, from the connection that reads it, kept for a moment.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use unreserve_engine::shop::{LockTest, ShopError};
use unreserve_engine::sweep::Clock;

use super::kept::Kept;
use super::lately::LatelyKept;
use super::overview::{self, Found};
use super::reader::Reader;
use super::sweeps::{EntriesAsked, SweepView, SweepsAsked, SweepsView, read_sweep, read_sweeps};
use super::{CheckView, HealthView, OrderView, Overview, Problem, SettingsView, ShopName, StockView};
use crate::clock::ProcessClock;
use crate::health;
use crate::settings::Settings;

/// Figures are no older than this: ten open pages load the database no more than one.
const FIGURES_OLDEST: Duration = Duration::from_secs(1);

/// Health opens connections of its own and looks at the whole schema.
const HEALTH_OLDEST: Duration = Duration::from_secs(10);

/// What is held of every stock row takes longest to read.
const STOCK_OLDEST: Duration = Duration::from_secs(5);

/// The longest name of an order that is looked for, and the longest text that entries are searched for.
const TEXT_MAX: usize = 200;

/// One shop as the page sees it.
pub(crate) struct ShopView {
    reader: Reader,
    clock: ProcessClock,
    lately: Mutex<LatelyKept>,
    found: Kept<Found>,
    health: Kept<HealthView>,
    keeper: Mutex<health::Keeper>,
    stock: Kept<StockView>,
}

impl ShopView {
    /// Connects to nothing yet.
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            reader: Reader::new(settings),
            clock: ProcessClock::new(),
            lately: Mutex::new(LatelyKept::default()),
            found: Kept::new(),
            health: Kept::new(),
            keeper: Mutex::default(),
            stock: Kept::new(),
        }
    }

    /// What the shop is called.
    pub(crate) fn name(&self) -> ShopName {
        let settings = self.reader.settings();
        ShopName {
            shop: settings.shop.clone(),
            profile: settings.profile.as_ref().map(|profile| profile.value.clone()),
            database: settings.database_url.as_ref().map_or_else(String::new, |url| url.value.masked()),
        }
    }

    /// How the shop is.
    ///
    /// # Errors
    /// None at present: what is not known is told in the overview itself.
    pub(crate) async fn overview(&self) -> Result<Arc<Overview>, Problem> {
        let found =
            self.found.get(&self.clock, FIGURES_OLDEST, overview::find(&self.reader, &self.clock, &self.lately));
        let (found, health) = tokio::join!(found, self.health());
        let health = health?;
        let problems: Vec<CheckView> = health.problems().cloned().collect();
        let daemon = overview::daemon(self.reader.settings());
        Ok(Arc::new(overview::overview(self.name(), found, problems, daemon)))
    }

    /// A page of sweeps.
    ///
    /// # Errors
    /// The question is wrong, or the shop cannot be read.
    pub(crate) async fn sweeps(&self, asked: &SweepsAsked) -> Result<SweepsView, Problem> {
        let mut taken = self.reader.take().await?;
        let answer = read_sweeps(taken.shop(), asked).await;
        taken.give_back(answer)
    }

    /// One sweep, by its identity or the first letters of it, with a page of what it changed.
    ///
    /// # Errors
    /// There is no such sweep, the question is wrong, or the shop cannot be read.
    pub(crate) async fn sweep(&self, sweep: &str, asked: &EntriesAsked) -> Result<SweepView, Problem> {
        let sweep = plain(sweep.trim(), "the sweep")?;
        if let Some(matching) = &asked.matching {
            plain(matching, "the text to search for")?;
        }
        let mut taken = self.reader.take().await?;
        let answer = read_sweep(taken.shop(), &sweep, asked).await;
        taken.give_back(answer)
    }

    /// One order, by its number or key.
    ///
    /// # Errors
    /// There is no such order, several go by that name, or the shop cannot be read.
    pub(crate) async fn order(&self, order: &str) -> Result<OrderView, Problem> {
        let name = plain(order, "the order")?;
        let mut taken = self.reader.take().await?;
        let found = taken.shop().explain(&name, LockTest::Leave).await;
        let found = taken.give_back(found.map_err(|error| unreadable(&error, "the order cannot be looked up")))?;
        let found = found.ok_or_else(|| {
            Problem::new(404, "no such order", format!("no order goes by `{name}`"))
                .remedy("give the order's key or number as the shop writes it")
        })?;
        Ok(OrderView::of(&found))
    }

    /// The stock rows.
    ///
    /// # Errors
    /// The shop cannot be read.
    pub(crate) async fn stock(&self) -> Result<Arc<StockView>, Problem> {
        self.stock.get(&self.clock, STOCK_OLDEST, StockView::read(&self.reader, &self.clock, &self.lately)).await
    }

    /// The health checks, and when each problem began.
    ///
    /// # Errors
    /// None at present: what is not known is told by the checks themselves.
    pub(crate) async fn health(&self) -> Result<Arc<HealthView>, Problem> {
        let look = async {
            let settings = self.reader.settings();
            let report = health::look(settings, settings.alerts.threshold.value, &[]).await;
            self.keeper.lock().await.keep(settings, &report, self.clock.elapsed());
            Ok(HealthView::of(&report, &health::kept::read(&health::kept::place(settings))))
        };
        self.health.get(&self.clock, HEALTH_OLDEST, look).await
    }

    /// Closes the connection where nobody has used it for so long.
    pub(super) fn rest(&self, unused: Duration) {
        self.reader.rest(unused);
    }

    /// The effective settings.
    pub(crate) fn settings(&self) -> SettingsView {
        SettingsView::of(self.reader.settings())
    }
}

/// What the database said in place of an answer.
pub(super) fn unreadable(error: &ShopError, attempted: &str) -> Problem {
    Problem::of_shop(error, attempted)
}

/// A text that somebody typed, without blanks around it: something, not endless, and nothing that no shop writes.
fn plain(text: &str, what: &str) -> Result<String, Problem> {
    if text.is_empty() {
        return Err(Problem::bad_question(format!("{what} is empty")));
    }
    if text.chars().count() > TEXT_MAX {
        return Err(Problem::bad_question(format!("{what} is longer than {TEXT_MAX} letters")));
    }
    if text.chars().any(char::is_control) {
        return Err(Problem::bad_question(format!("{what} holds a control character")));
    }
    Ok(text.trim().to_owned())
}

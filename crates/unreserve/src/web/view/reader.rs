//! One shop as the page reads it: one connection that only reads, and answers that are kept for a moment, so that many
//! open pages load the database no more than one.

use std::sync::Arc;

use super::{
    EntriesAsked, HealthView, OrderView, Overview, Problem, SettingsView, ShopName, StockView, SweepView, SweepsAsked,
    SweepsView,
};
use crate::settings::Settings;

/// One shop as the page reads it.
pub(crate) struct ShopView {
    settings: Settings,
}

fn not_yet() -> Problem {
    Problem::new(503, "not built yet", "this is not built yet")
}

impl ShopView {
    /// Connects to nothing yet.
    pub(crate) fn new(settings: Settings) -> Self {
        Self { settings }
    }

    /// What the shop is called.
    pub(crate) fn name(&self) -> ShopName {
        ShopName {
            shop: self.settings.shop.clone(),
            profile: self.settings.profile.as_ref().map(|profile| profile.value.clone()),
            database: self.settings.database_url.as_ref().map_or_else(String::new, |url| url.value.masked()),
        }
    }

    /// How the shop is.
    ///
    /// # Errors
    /// None at present: what is not known is told in the overview itself.
    pub(crate) async fn overview(&self) -> Result<Arc<Overview>, Problem> {
        Err(not_yet())
    }

    /// A page of sweeps.
    ///
    /// # Errors
    /// The question is wrong, or the shop cannot be read.
    pub(crate) async fn sweeps(&self, _asked: &SweepsAsked) -> Result<SweepsView, Problem> {
        Err(not_yet())
    }

    /// One sweep, by its identity or the first letters of it, with a page of what it changed.
    ///
    /// # Errors
    /// There is no such sweep, the question is wrong, or the shop cannot be read.
    pub(crate) async fn sweep(&self, _sweep: &str, _asked: &EntriesAsked) -> Result<SweepView, Problem> {
        Err(not_yet())
    }

    /// One order, by its number or key.
    ///
    /// # Errors
    /// There is no such order, several go by that name, or the shop cannot be read.
    pub(crate) async fn order(&self, _order: &str) -> Result<OrderView, Problem> {
        Err(not_yet())
    }

    /// The stock rows.
    ///
    /// # Errors
    /// The shop cannot be read.
    pub(crate) async fn stock(&self) -> Result<Arc<StockView>, Problem> {
        Err(not_yet())
    }

    /// The health checks, and when each problem began.
    ///
    /// # Errors
    /// None at present: what is not known is told by the checks themselves.
    pub(crate) async fn health(&self) -> Result<Arc<HealthView>, Problem> {
        Err(not_yet())
    }

    /// The effective settings.
    pub(crate) fn settings(&self) -> SettingsView {
        SettingsView { settings: Vec::new(), warnings: self.settings.warnings.clone() }
    }
}

//! Metrics for Prometheus: counted from what the hub tells, rendered for whoever asks, or kept in a file between sweeps.

mod collect;
mod figures;
mod file;
#[cfg(feature = "otel")]
mod meter;
mod render;
mod table;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(crate) use file::MetricsFile;
#[cfg(feature = "otel")]
pub(crate) use meter::{histograms, observe, seconds_of};
pub(crate) use render::render;
pub(crate) use table::reference_markdown;

use figures::Figures;
pub(crate) use figures::Scope;

use crate::hub::{Listener, News, Told};

/// The numbers of every shop that this process works on.
#[derive(Debug, Default)]
pub(crate) struct Metrics(Mutex<BTreeMap<Arc<str>, Figures>>);

impl Metrics {
    /// With the numbers that one shop had before; its name is empty where it has none.
    fn going_on(shop: &str, figures: Figures) -> Self {
        Self(Mutex::new(BTreeMap::from([(shop.into(), figures)])))
    }

    fn shops(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Figures>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listener for Metrics {
    fn hear(&self, told: &Told) {
        let mut shops = self.shops();
        if matches!(told.news, News::Left) {
            shops.remove(&told.shop);
            return;
        }
        shops.entry(Arc::clone(&told.shop)).or_default().learn(told);
    }

    fn released(&self, shop: &str, overdue_micros: &[i64]) {
        if let Some(figures) = self.shops().get_mut(shop) {
            figures.released(overdue_micros);
        }
    }
}

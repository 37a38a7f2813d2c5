//! How each shop stands, for whoever asks: the service manager, its watchdog, and the record on the disk.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::record::Standing;

/// How one shop stands. Clones are the same one.
#[derive(Debug, Clone)]
pub(super) struct Pulse(Arc<Mutex<Beat>>);

/// What is known of a shop's watch.
#[derive(Debug, Clone)]
pub(super) struct Beat {
    /// Until when nothing need be heard of it, on the daemon's clock: it reached the database just now, or rests for a
    /// bounded time; nothing where it has ended and says so.
    pub(super) until: Option<Duration>,
    /// How the shop stands.
    pub(super) standing: Standing,
    /// The same in a sentence.
    pub(super) says: String,
}

impl Pulse {
    /// That of a watch which begins now.
    pub(super) fn new(now: Duration) -> Self {
        let says = "connects".to_owned();
        Self(Arc::new(Mutex::new(Beat { until: Some(now), standing: Standing::Opening, says })))
    }

    /// It reached the database.
    pub(super) fn beat(&self, now: Duration) {
        self.lock().until = Some(now);
    }

    /// How the shop stands from now on.
    pub(super) fn set(&self, until: Option<Duration>, standing: Standing, says: String) {
        *self.lock() = Beat { until, standing, says };
    }

    /// Until when nothing need be heard of it; nothing where it has ended.
    pub(super) fn until(&self) -> Option<Duration> {
        self.lock().until
    }

    /// What is known now.
    pub(super) fn get(&self) -> Beat {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Beat> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

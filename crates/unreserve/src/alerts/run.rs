//! Alerts and heartbeats of a single run: the sweep that a timer starts, and `health --send-alerts`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use unreserve_engine::report::health::HealthReport;

use super::heartbeat::{self, Beat};
use super::telling::Teller;
use crate::failure::Failure;
use crate::health;
use crate::hub::{Listener, News, SweepResult, Told};
use crate::profiles;
use crate::settings::{SecretUrl, Settings};

/// What goes on beside a sweep, and comes after it. It hears in the hub how the sweep goes.
pub(crate) struct Around(Arc<Heard>);

#[derive(Debug)]
struct Heard {
    url: Option<SecretUrl>,
    sweep: Mutex<Sweep>,
}

#[derive(Debug, Default)]
struct Sweep {
    first: Option<heartbeat::Around>,
    result: Option<SweepResult>,
}

impl Heard {
    fn sweep(&self) -> MutexGuard<'_, Sweep> {
        self.sweep.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listener for Heard {
    fn hear(&self, told: &Told) {
        match &told.news {
            News::SweepBegan => self.sweep().first = self.url.as_ref().map(heartbeat::Around::begin),
            News::Swept(swept) => self.sweep().result = Some(swept.result),
            _ => {}
        }
    }
}

impl Around {
    /// Before the sweep begins.
    pub(crate) fn new(settings: &Settings) -> Self {
        let url = settings.heartbeat.as_ref().map(|url| url.value.clone());
        Self(Arc::new(Heard { url, sweep: Mutex::default() }))
    }

    /// Who hears how the sweep goes.
    pub(crate) fn listener(&self) -> Arc<dyn Listener> {
        Arc::clone(&self.0) as Arc<dyn Listener>
    }

    /// The sweep has ended, its locks are free and its result is told: looks how the shop is, tells that, and lets the
    /// heartbeat know. Takes a bounded time, and fails in nothing. Where another instance is at work all this is its
    /// business.
    pub(crate) async fn end(self, settings: &Settings) {
        let Sweep { first, result } = std::mem::take(&mut *self.0.sweep());
        if result == Some(SweepResult::Held) {
            return;
        }
        let is_success = result.is_some_and(SweepResult::is_success);
        let beat = if is_success { Beat::Success } else { Beat::Fail };
        let heart = async {
            match (first, &self.0.url) {
                (Some(around), _) => around.end(beat).await,
                (None, Some(url)) => heartbeat::call(url, beat).await,
                (None, None) => {}
            }
        };
        tokio::join!(heart, look_and_tell(settings));
    }
}

/// Looks how a shop is, and tells what is to be told, where there is somebody to tell.
pub(super) async fn look_and_tell(settings: &Settings) {
    if let Some(mut teller) = teller(settings) {
        let report = health::look(settings, settings.alerts.threshold.value, &[]).await;
        health::keep(settings, &report);
        teller.turn(Some(&report)).await;
    }
}

fn teller(settings: &Settings) -> Option<Teller> {
    Teller::new(settings, &profile(settings), Duration::ZERO)
}

/// The name of the shop's profile, or what the settings say of it where it cannot be read.
pub(super) fn profile(settings: &Settings) -> String {
    let said = || settings.profile.as_ref().map_or_else(String::new, |profile| profile.value.clone());
    profiles::load(settings).map_or_else(|_| said(), |loaded| loaded.profile.name)
}

/// Tells what one look saw, and sends what waits.
pub(crate) async fn tell_once(settings: &Settings, report: &HealthReport) {
    if let Some(mut teller) = teller(settings) {
        teller.turn(Some(report)).await;
    }
}

/// Refuses several shops of one process with one heartbeat: it would say that all is well as long as one is.
///
/// # Errors
/// Two of them have the same.
pub(crate) fn check(shops: &[Settings]) -> Result<(), Failure> {
    let mut seen: Vec<(&str, &str)> = Vec::new();
    for shop in shops {
        let Some(url) = shop.heartbeat.as_ref().map(|url| url.value.expose()) else { continue };
        let name = shop.shop.as_deref().unwrap_or_default();
        if let Some((_, other)) = seen.iter().find(|(known, _)| *known == url) {
            return Err(Failure::usage(format!("shops `{other}` and `{name}` have the same heartbeat")).hint(
                "it would be heard as long as one of them is well: give each `[[shop]]` its own `heartbeat_url`",
            ));
        }
        seen.push((url, name));
    }
    Ok(())
}

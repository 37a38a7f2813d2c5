//! What a service manager is told: that we are ready, how it stands, and that we are alive. Where none listens, nothing
//! happens.

use std::time::Duration;

#[cfg(unix)]
use sd_notify::NotifyState;

/// How often we have to say that we are alive; nothing where nobody wants to hear it.
#[cfg(unix)]
pub(super) fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled()
}

#[cfg(not(unix))]
pub(super) fn watchdog() -> Option<Duration> {
    None
}

/// Tells it, if somebody listens. That nobody hears it is no reason to stop.
#[cfg(unix)]
fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!("the service manager cannot be told: {error}");
    }
}

/// Everything is set up, and this is how it stands.
pub(super) fn ready(status: &str) {
    #[cfg(unix)]
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
    #[cfg(not(unix))]
    let _ = status;
}

/// How it stands.
pub(super) fn status(status: &str) {
    #[cfg(unix)]
    tell(&[NotifyState::Status(status)]);
    #[cfg(not(unix))]
    let _ = status;
}

/// The settings are read again; [`ready`] follows.
pub(super) fn reloading() {
    #[cfg(unix)]
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

/// We are about to end.
pub(super) fn stopping() {
    #[cfg(unix)]
    tell(&[NotifyState::Stopping, NotifyState::Status("ends after the running batch")]);
}

/// We are alive.
pub(super) fn alive() {
    #[cfg(unix)]
    tell(&[NotifyState::Watchdog]);
}

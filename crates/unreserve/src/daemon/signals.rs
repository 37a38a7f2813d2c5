//! What the system asks of the daemon.

use crate::failure::Failure;

/// What was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// To end, after the running batch.
    Stop,
    /// To read the settings again.
    Reload,
    /// To sweep now.
    Sweep,
}

#[cfg(unix)]
mod system {
    use tokio::signal::unix::{Signal, SignalKind, signal};

    use super::Asked;

    /// The signals that are listened to.
    pub(crate) struct Signals {
        terminate: Signal,
        interrupt: Signal,
        hang_up: Signal,
        user: Signal,
    }

    impl Signals {
        pub(super) fn listen() -> std::io::Result<Self> {
            Ok(Self {
                terminate: signal(SignalKind::terminate())?,
                interrupt: signal(SignalKind::interrupt())?,
                hang_up: signal(SignalKind::hangup())?,
                user: signal(SignalKind::user_defined1())?,
            })
        }

        pub(crate) async fn next(&mut self) -> Asked {
            tokio::select! {
                _ = self.terminate.recv() => Asked::Stop,
                _ = self.interrupt.recv() => Asked::Stop,
                _ = self.hang_up.recv() => Asked::Reload,
                _ = self.user.recv() => Asked::Sweep,
            }
        }
    }
}

#[cfg(not(unix))]
mod system {
    use super::Asked;

    /// Elsewhere there is only the request to end.
    pub(crate) struct Signals;

    impl Signals {
        pub(super) fn listen() -> std::io::Result<Self> {
            Ok(Self)
        }

        pub(crate) async fn next(&mut self) -> Asked {
            match tokio::signal::ctrl_c().await {
                Ok(()) => Asked::Stop,
                Err(_) => std::future::pending().await,
            }
        }
    }
}

pub(crate) use system::Signals;

/// Begins to listen. From here on no signal ends the process by itself.
pub(crate) fn listen() -> Result<Signals, Failure> {
    Signals::listen().map_err(|error| {
        Failure::new(crate::exit::Exit::Problems, "cannot listen to the system's signals").because(&error)
    })
}

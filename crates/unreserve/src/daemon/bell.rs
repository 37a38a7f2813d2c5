//! Ends a shop's rest before its time: rung by signals and by notices of the shop's own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;
use unreserve_engine::watch::Nudge;

/// Rung by anybody, heard by one. A ring that nobody waits for is kept.
#[derive(Debug, Clone, Default)]
pub(super) struct Bell(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    rung: Notify,
    sweep: AtomicBool,
}

impl Bell {
    /// Asks to look.
    pub(super) fn look(&self) {
        self.0.rung.notify_one();
    }

    /// Asks for a sweep.
    pub(super) fn sweep(&self) {
        self.0.sweep.store(true, Ordering::Relaxed);
        self.0.rung.notify_one();
    }

    /// Waits until somebody rings.
    pub(super) async fn heard(&self) -> Nudge {
        self.0.rung.notified().await;
        if self.0.sweep.swap(false, Ordering::Relaxed) { Nudge::Sweep } else { Nudge::Look }
    }
}

//! What is sent to an OpenTelemetry collector: nothing, unless the program was built with that and is told where to.

use std::sync::Arc;

use crate::hub::Listener;
use crate::settings::Environment;

#[cfg(feature = "otel")]
mod otel;
#[cfg(feature = "otel")]
mod post;

/// What is sent, as long as the command runs.
#[derive(Debug, Default)]
pub(crate) struct Telemetry {
    #[cfg(feature = "otel")]
    sending: Option<otel::Sending>,
}

#[cfg(feature = "otel")]
impl Telemetry {
    /// Begins to send, where the standard variables (`OTEL_…`) say where to. What is wrong with them is logged: a sweep
    /// is worth more than its trace.
    pub(crate) fn start(environment: &Environment) -> Self {
        Self { sending: otel::Sending::begin(environment) }
    }

    /// What listens for it.
    pub(crate) fn listeners(&self) -> Vec<Arc<dyn Listener>> {
        self.sending.iter().flat_map(otel::Sending::listeners).collect()
    }

    /// Sends what is left, for a bounded time.
    pub(crate) fn finish(&self) {
        self.sending.iter().for_each(otel::Sending::finish);
    }
}

#[cfg(not(feature = "otel"))]
impl Telemetry {
    /// There is nobody who could send. Whoever asks for it all the same is told.
    pub(crate) fn start(environment: &Environment) -> Self {
        if environment.text("OTEL_EXPORTER_OTLP_ENDPOINT").is_some() {
            tracing::debug!("nothing is sent to OpenTelemetry: this program was built without the feature `otel`");
        }
        Self::default()
    }

    /// Nobody listens.
    pub(crate) fn listeners(&self) -> Vec<Arc<dyn Listener>> {
        Vec::new()
    }

    /// There is nothing left.
    pub(crate) fn finish(&self) {}
}

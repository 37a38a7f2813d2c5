//! Brings what the OpenTelemetry library has to send to the collector: on a thread of its own, with a deadline, and
//! without following anybody elsewhere.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use tokio::runtime::Handle;

/// How long one sending may take where nobody says anything.
pub(super) const TIMEOUT: Duration = Duration::from_secs(10);

/// A collector's answer is read no further.
const ANSWER: usize = 64 * 1024;

/// The way to the collector. Clones are the same one.
#[derive(Clone)]
pub(super) struct Post {
    client: reqwest::Client,
    handle: Handle,
    timeout: Duration,
    /// Whether the last one did not arrive: said once, until one arrives again.
    lost: Arc<AtomicBool>,
}

impl std::fmt::Debug for Post {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Post").finish_non_exhaustive()
    }
}

impl Post {
    /// Begins a thread for it. It ends with the process.
    pub(super) fn begin() -> Result<Self, String> {
        // Another part of the program may have chosen it already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build();
        let client = client.map_err(|error| error.to_string())?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        let handle = runtime.handle().clone();
        std::thread::Builder::new()
            .name("telemetry".to_owned())
            .spawn(move || runtime.block_on(std::future::pending::<()>()))
            .map_err(|error| error.to_string())?;
        Ok(Self { client, handle, timeout: TIMEOUT, lost: Arc::default() })
    }

    /// The same, where one sending may take so long.
    pub(super) fn within(&self, timeout: Duration) -> Self {
        Self { timeout, ..self.clone() }
    }
}

impl HttpClient for Post {
    fn send_bytes<'own, 'answer>(
        &'own self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'answer>>
    where
        'own: 'answer,
        Self: 'answer,
    {
        let (client, timeout, lost) = (self.client.clone(), self.timeout, Arc::clone(&self.lost));
        // The library waits on a thread that has no runtime.
        let task = self.handle.spawn(async move {
            let sent = send(&client, timeout, request).await;
            let problem = match &sent {
                Ok(answer) if answer.status().is_success() => None,
                Ok(answer) => Some(format!("it answered {}", answer.status())),
                Err(error) => Some(in_one_line(error.as_ref())),
            };
            let was_lost = lost.swap(problem.is_some(), Ordering::Relaxed);
            if let Some(problem) = problem.filter(|_| !was_lost) {
                tracing::warn!(
                    event = "telemetry_lost",
                    "the OpenTelemetry collector did not take what was sent: {problem}"
                );
            }
            sent
        });
        Box::pin(async move { task.await? })
    }
}

async fn send(
    client: &reqwest::Client,
    timeout: Duration,
    request: Request<Bytes>,
) -> Result<Response<Bytes>, HttpError> {
    let mut request: reqwest::Request = request.try_into()?;
    *request.timeout_mut() = Some(timeout);
    let mut answer = client.execute(request).await.map_err(reqwest::Error::without_url)?;
    let mut response = Response::builder().status(answer.status());
    if let Some(headers) = response.headers_mut() {
        *headers = std::mem::take(answer.headers_mut());
    }
    let mut body = Vec::new();
    while let Some(part) = answer.chunk().await.map_err(reqwest::Error::without_url)? {
        body.extend_from_slice(&part);
        if body.len() > ANSWER {
            return Err("the answer is too long".into());
        }
    }
    Ok(response.body(Bytes::from(body))?)
}

/// An error with its causes.
fn in_one_line(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

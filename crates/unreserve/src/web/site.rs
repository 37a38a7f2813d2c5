//! What is served, whoever listens: the shops as they are now, and whoever wants to be told of changes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::DefaultBodyLimit;
use axum::http::{Request, Response};
use axum::routing::{get, post};
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use tokio::sync::{Semaphore, broadcast, watch};
use tokio::task::AbortHandle;
use tower_http::compression::CompressionLayer;
use tower_http::timeout::TimeoutLayer;

use super::door::Door;
use super::view::Views;
use super::watched::{Watched, Watching};
use super::{Bound, answer, api, assets, events, login, pages, probes};
use crate::failure::Failure;
use crate::hub::Hub;

/// Whoever reads slowly, or asks for what takes long, is answered within so much, or told that it took too long. What is sent
/// piece after piece may take longer.
const ANSWERED: Duration = Duration::from_secs(30);

/// The most bytes of what is sent to us: there is one form, with one field.
const FORM_BYTES: usize = 4_096;

/// At most so many are told of changes at once.
const LISTENERS: usize = 64;

/// So many changes are kept for a listener that is slow; one that missed some is told so.
const CHANGES_KEPT: usize = 64;

/// Something that is shown has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Changed {
    /// The shop, as the settings name it.
    pub(super) shop: Option<String>,
}

/// Everything that is served. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Site(Arc<Inner>);

struct Inner {
    views: RwLock<Views>,
    router: RwLock<Option<Router>>,
    changes: broadcast::Sender<Changed>,
    listeners: Arc<Semaphore>,
    watched: Watched,
    /// How many have begun to listen so far.
    joined: AtomicU64,
    ends: watch::Sender<bool>,
    process: Process,
}

/// What else happens in this process, where anything does.
#[derive(Default)]
pub(crate) struct Process {
    /// What the daemon tells.
    pub(crate) hub: Option<Hub>,
    /// What `/metrics` answers.
    pub(crate) metrics: Option<Metrics>,
}

/// Answers what `/metrics` is asked for, from what the request accepts: the kind of text, and the text.
pub(crate) type Metrics = Box<dyn Fn(Option<&str>) -> (&'static str, String) + Send + Sync>;

/// Told when everything ends.
pub(super) struct End(watch::Receiver<bool>);

impl End {
    /// Waits for it.
    pub(super) async fn wait(mut self) {
        // An error is the end as well: nobody is left who could tell it.
        let _ = self.0.wait_for(|ends| *ends).await;
    }
}

impl Site {
    /// The pages of these shops. Nothing is asked of a database before somebody wants to see something.
    pub(crate) fn new(views: Views, process: Process) -> Self {
        let site = Self(Arc::new(Inner {
            views: RwLock::new(views.clone()),
            router: RwLock::new(None),
            changes: broadcast::Sender::new(CHANGES_KEPT),
            listeners: Arc::new(Semaphore::new(LISTENERS)),
            watched: Watched::default(),
            joined: AtomicU64::new(0),
            ends: watch::Sender::new(false),
            process,
        }));
        site.show(views);
        site
    }

    /// Shows these shops from now on.
    pub(crate) fn show(&self, views: Views) {
        let router = router(self, &views);
        *self.0.views.write().unwrap_or_else(PoisonError::into_inner) = views;
        *self.0.router.write().unwrap_or_else(PoisonError::into_inner) = Some(router);
    }

    /// The shops that are shown.
    pub(super) fn views(&self) -> Views {
        self.0.views.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What the daemon of this process tells, where there is one.
    pub(super) fn hub(&self) -> Option<&Hub> {
        self.0.process.hub.as_ref()
    }

    /// Tells whoever looks that something has changed.
    pub(super) fn tell(&self, shop: Option<String>) {
        // Nobody may be looking.
        let _ = self.0.changes.send(Changed { shop });
    }

    /// The shops that somebody wants to be told of.
    pub(super) fn watched(&self) -> &Watched {
        &self.0.watched
    }

    /// What changes from now on, for somebody who wants to be told of this shop, or of all.
    pub(super) fn changes(&self, shop: Option<String>) -> (broadcast::Receiver<Changed>, Watching) {
        let watching = self.0.watched.begin(shop);
        self.0.joined.fetch_add(1, Ordering::Relaxed);
        (self.0.changes.subscribe(), watching)
    }

    /// How many have begun to listen so far.
    pub(super) fn joined(&self) -> u64 {
        self.0.joined.load(Ordering::Relaxed)
    }

    /// The places for those who are told.
    pub(super) fn listeners(&self) -> &Arc<Semaphore> {
        &self.0.listeners
    }

    /// The metrics, where there are any.
    pub(super) fn metrics(&self, accept: Option<&str>) -> Option<(&'static str, String)> {
        self.0.process.metrics.as_ref().map(|metrics| metrics(accept))
    }

    /// Told when everything ends.
    pub(super) fn end(&self) -> End {
        End(self.0.ends.subscribe())
    }

    /// Answers one request that came through this door.
    pub(super) async fn answer(&self, door: Door, request: Request<Incoming>) -> Response<Body> {
        let mut request = request.map(Body::new);
        if let Err(refusal) = door.asks(request.method(), request.uri(), request.headers()) {
            return answer::guarded(answer::refusal(refusal, request.uri()));
        }
        request.extensions_mut().insert(door);
        let router = self.0.router.read().unwrap_or_else(PoisonError::into_inner).clone().unwrap_or_default();
        let Ok(response) = TowerToHyperService::new(router).call(request).await;
        answer::guarded(response)
    }
}

fn router(site: &Site, views: &Views) -> Router {
    let whole = pages::routes()
        .route("/login", get(login::form).post(login::sign_in))
        .route("/logout", post(login::sign_out))
        .route("/livez", get(probes::live))
        .route("/readyz", get(probes::ready))
        .route("/metrics", get(probes::metrics))
        .route("/assets/{mark}/{name}", get(assets::serve))
        .nest_service("/api/v1", api::router(views.clone()))
        .fallback(pages::not_found)
        .layer(DefaultBodyLimit::max(FORM_BYTES))
        .layer(TimeoutLayer::with_status_code(axum::http::StatusCode::GATEWAY_TIMEOUT, ANSWERED))
        // What happens is told without end and in few bytes, so that neither of the two layers is for it.
        .layer(CompressionLayer::new())
        .route("/events", get(events::stream));
    whole.with_state(site.clone())
}

/// The page, as it is served. When this is dropped, nobody is answered any more.
pub(crate) struct Serving {
    site: Site,
    tasks: Vec<AbortHandle>,
}

impl Serving {
    /// Answers from now on, on this thread. Needs a `LocalSet`.
    ///
    /// # Errors
    /// The runtime cannot take over the places that are listened at.
    pub(crate) fn begin(bound: Bound, site: Site) -> Result<Self, Failure> {
        let mut tasks = bound.answer(&site)?;
        tasks.push(tokio::task::spawn_local(events::look(site.clone())).abort_handle());
        if let Some(hub) = site.hub() {
            tasks.push(tokio::task::spawn_local(events::hear(site.clone(), hub.subscribe())).abort_handle());
        }
        Ok(Self { site, tasks })
    }

    /// What is served.
    pub(crate) fn site(&self) -> &Site {
        &self.site
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.site.0.ends.send_replace(true);
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

//! What machines ask: whether we live, whether the databases are reached, and the metrics.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response, StatusCode, header};
use axum::response::IntoResponse;

use super::answer;
use super::site::Site;
use super::view::{Problem, ShopView, ask_each};
use crate::hub::Hub;

/// Whether every watch of this process lives. No details: nobody has shown a token.
pub(super) async fn live(State(site): State<Site>) -> Response<Body> {
    if site.hub().is_none_or(Hub::is_alive) {
        "alive\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "hangs\n").into_response()
    }
}

/// Whether every shop's database is reached and fits.
pub(super) async fn ready(State(site): State<Site>) -> Response<Body> {
    if let Some(hub) = site.hub() {
        return said(hub.is_ready());
    }
    let reached = |shop: Arc<ShopView>| async move { shop.overview().await.is_ok_and(|it| it.figures.is_some()) };
    let all = ask_each(site.views().all().cloned(), reached).await;
    said(all.into_iter().all(|is_reached| is_reached))
}

fn said(ready: bool) -> Response<Body> {
    if ready { "ready\n".into_response() } else { (StatusCode::SERVICE_UNAVAILABLE, "not ready\n").into_response() }
}

/// The metrics, in the form that was asked for.
pub(super) async fn metrics(State(site): State<Site>, headers: HeaderMap) -> Response<Body> {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    match site.metrics(accept) {
        Some((kind, text)) => ([(header::CONTENT_TYPE, kind)], text).into_response(),
        None => answer::problem(
            &Problem::new(404, "no metrics", "metrics are the daemon's: this process only shows the page")
                .remedy("beside cron, `unreserve sweep --metrics-file FILE` writes them"),
        ),
    }
}

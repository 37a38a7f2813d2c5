//! The JSON API below `/api/v1`: the values of the page, for programs. It only reads.

mod answer;
mod asked;
mod document;
mod routes;

use axum::Router;
use axum::routing::get;

pub(crate) use document::document;

use super::view::Views;

/// The routes of the API, to be nested at `/api/v1`.
pub(crate) fn router(views: Views) -> Router {
    Router::new()
        .route("/shops", get(routes::shops))
        .route("/overview", get(routes::overview))
        .route("/sweeps", get(routes::sweeps))
        .route("/sweeps/{sweep}", get(routes::sweep))
        .route("/order", get(routes::order))
        .route("/stock", get(routes::stock))
        .route("/health", get(routes::health))
        .route("/settings", get(routes::settings))
        .route("/openapi.json", get(routes::openapi))
        .fallback(answer::no_such_route)
        .method_not_allowed_fallback(answer::only_reading)
        .with_state(views)
}

#[cfg(test)]
mod tests;

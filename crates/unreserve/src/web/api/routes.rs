//! The routes, one function each: their comments are the API's description.

use axum::Json;
use axum::extract::State;

use super::answer::{Answer, json};
use super::asked::{Asked, Named, OfEntries, OfOrder, OfShop, OfSweeps};
use super::document::{self, Refusals};
use crate::web::view::{
    HealthView, OrderView, Overview, Problem, SettingsView, ShopsView, StockView, SweepView, SweepsView, Views,
};

/// Takes no parameter.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// Which shops the settings name.
#[utoipa::path(
    get, path = "/api/v1/shops", tag = "shops",
    responses((status = 200, description = "The shops, in the order of the settings.", body = ShopsView), Refusals)
)]
pub(super) async fn shops(State(views): State<Views>, Asked(Nothing {}): Asked<Nothing>) -> Answer<ShopsView> {
    Ok(Json(views.list()))
}

/// How a shop is, at a glance.
///
/// Always answered: where the database is out of reach, there are no figures, and `trouble` says why. Figures are up to a
/// second old, problems up to ten.
#[utoipa::path(
    get, path = "/api/v1/overview", tag = "shop", params(OfShop),
    responses((status = 200, description = "How the shop is.", body = Overview), Refusals)
)]
pub(super) async fn overview(State(views): State<Views>, Asked(asked): Asked<OfShop>) -> Answer<Overview> {
    let shop = views.find(asked.shop.as_deref())?;
    json(shop.overview().await?.as_ref())
}

/// Sweeps, newest first, page after page.
#[utoipa::path(
    get, path = "/api/v1/sweeps", tag = "sweeps", params(OfSweeps),
    responses(
        (status = 200, description = "A page of sweeps.", body = SweepsView),
        Refusals,
        (status = 503, description = "The shop cannot be read.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn sweeps(State(views): State<Views>, Asked(asked): Asked<OfSweeps>) -> Answer<SweepsView> {
    let shop = views.find(asked.shop.as_deref())?;
    Ok(Json(shop.sweeps(&asked.sweeps()?).await?))
}

/// One sweep, with a page of what it changed, line by line.
#[utoipa::path(
    get, path = "/api/v1/sweeps/{sweep}", tag = "sweeps",
    params(
        ("sweep" = String, Path, description = "The sweep's identity, or the first letters of it.",
            min_length = 4, max_length = 36, pattern = "^[0-9a-f-]{4,36}$", example = "0193540e-5c1a-7c3e-9d55-3f1b2b6e8a10"),
        OfEntries
    ),
    responses(
        (status = 200, description = "The sweep.", body = SweepView),
        Refusals,
        (status = 409, description = "Several sweeps begin so.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The shop cannot be read.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn sweep(
    State(views): State<Views>,
    Named(sweep): Named,
    Asked(asked): Asked<OfEntries>,
) -> Answer<SweepView> {
    let shop = views.find(asked.shop.as_deref())?;
    Ok(Json(shop.sweep(&sweep, &asked.entries()?).await?))
}

/// One order: every condition with its verdict, and what happened to it and will.
#[utoipa::path(
    get, path = "/api/v1/order", tag = "shop", params(OfOrder),
    responses(
        (status = 200, description = "The order.", body = OrderView),
        Refusals,
        (status = 409, description = "Several orders go by that name.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The shop cannot be read.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn order(State(views): State<Views>, Asked(asked): Asked<OfOrder>) -> Answer<OrderView> {
    let shop = views.find(asked.shop.as_deref())?;
    Ok(Json(shop.order(&asked.order).await?))
}

/// The stock rows: held most, come back most, and where a counter and the reservations differ. Up to five seconds old.
#[utoipa::path(
    get, path = "/api/v1/stock", tag = "shop", params(OfShop),
    responses(
        (status = 200, description = "The stock rows.", body = StockView),
        Refusals,
        (status = 503, description = "The shop cannot be read.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn stock(State(views): State<Views>, Asked(asked): Asked<OfShop>) -> Answer<StockView> {
    let shop = views.find(asked.shop.as_deref())?;
    json(shop.stock().await?.as_ref())
}

/// The health checks, and when each problem began.
///
/// Always answered: what is not known is told by the checks themselves. Up to ten seconds old.
#[utoipa::path(
    get, path = "/api/v1/health", tag = "shop", params(OfShop),
    responses((status = 200, description = "The checks.", body = HealthView), Refusals)
)]
pub(super) async fn health(State(views): State<Views>, Asked(asked): Asked<OfShop>) -> Answer<HealthView> {
    let shop = views.find(asked.shop.as_deref())?;
    json(shop.health().await?.as_ref())
}

/// The effective settings of a shop, secrets masked, and where each came from.
#[utoipa::path(
    get, path = "/api/v1/settings", tag = "shop", params(OfShop),
    responses((status = 200, description = "The settings.", body = SettingsView), Refusals)
)]
pub(super) async fn settings(State(views): State<Views>, Asked(asked): Asked<OfShop>) -> Answer<SettingsView> {
    let shop = views.find(asked.shop.as_deref())?;
    Ok(Json(shop.settings()))
}

/// This description.
#[utoipa::path(
    get, path = "/api/v1/openapi.json", tag = "shops",
    responses((status = 200, description = "An OpenAPI document.", body = serde_json::Value), Refusals)
)]
pub(super) async fn openapi(Asked(Nothing {}): Asked<Nothing>) -> Answer<utoipa::openapi::OpenApi> {
    Ok(Json(document::document()))
}

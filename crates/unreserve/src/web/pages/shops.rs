//! Several shops: how each is, and the way to one of them.

use std::sync::Arc;

use askama::Template;
use axum::body::Body;
use axum::extract::{FromRequestParts, Query, Request, State};
use axum::http::{HeaderMap, Response, StatusCode, header};
use axum::response::IntoResponse;
use serde::Deserialize;

use super::super::frame::Frame;
use super::super::site::Site;
use super::super::view::{Mood, Overview, ask_each};
use super::super::{answer, icons, write};
use super::visit::{Visit, around};

/// At most so many shops tell how they are; beyond it, whoever opens the page would wait for all of them.
const SHOWN: usize = 100;

#[derive(Template)]
#[template(path = "shops.html")]
struct Page {
    frame: Frame,
    shops: Vec<Arc<Overview>>,
    all: u64,
}

/// The shop that was chosen from the list.
#[derive(Deserialize)]
pub(super) struct Chosen {
    #[serde(default)]
    shop: String,
}

/// The first page: the overview of the only shop, or how each of several is.
pub(super) async fn home(State(site): State<Site>, request: Request) -> Response<Body> {
    let (mut parts, _) = request.into_parts();
    let views = site.views();
    if views.list().shops.len() < 2 {
        return match Visit::from_request_parts(&mut parts, &site).await {
            Ok(visit) => super::overview::show(visit).await,
            Err(refused) => refused,
        };
    }
    let asked = ask_each(views.all().take(SHOWN).cloned(), |shop| async move { shop.overview().await }).await;
    let shops = match asked.into_iter().collect::<Result<Vec<_>, _>>() {
        Ok(shops) => shops,
        Err(problem) => return super::refuse(around(&site, &parts.headers, None), &problem),
    };
    let all = u64::try_from(views.list().shops.len()).unwrap_or(u64::MAX);
    answer::page(StatusCode::OK, &Page { frame: around(&site, &parts.headers, None), shops, all })
}

/// Leads to the shop that was chosen.
pub(super) async fn choose(
    State(site): State<Site>,
    Query(chosen): Query<Chosen>,
    headers: HeaderMap,
) -> Response<Body> {
    if chosen.shop.is_empty() {
        return (StatusCode::SEE_OTHER, [(header::LOCATION, "/".to_owned())]).into_response();
    }
    match site.views().find(Some(&chosen.shop)) {
        Ok(_) => (StatusCode::SEE_OTHER, [(header::LOCATION, format!("/shops/{}", chosen.shop))]).into_response(),
        Err(problem) => super::refuse(around(&site, &headers, None), &problem),
    }
}

impl Page {
    fn count(&self) -> u64 {
        self.all
    }

    fn shop_name<'a>(&self, shop: &'a Overview) -> &'a str {
        shop.shop.as_deref().unwrap_or_default()
    }

    fn mood_sign(&self, shop: &Overview) -> String {
        let (tone, icon) = match shop.sentence.mood {
            Mood::Quiet => ("ok", icons::OK),
            Mood::Busy => ("ok", icons::BUSY),
            Mood::Attention => ("warning", icons::WARNING),
            Mood::Alarm => ("critical", icons::CRITICAL),
            Mood::Unknown => ("unknown", icons::UNKNOWN),
        };
        format!(r#"<span class="sign tiny {tone}" aria-hidden="true">{icon}</span>"#)
    }
}

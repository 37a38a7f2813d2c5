//! The settings as they hold.

use askama::Template;
use axum::body::Body;
use axum::http::{Response, StatusCode};

use super::super::frame::{Frame, Tab};
use super::super::view::{SettingsView, StatusWord};
use super::super::{answer, icons, write};
use super::visit::Visit;

#[derive(Template)]
#[template(path = "settings.html")]
struct Page {
    frame: Frame,
    view: SettingsView,
}

/// Shows them.
pub(super) async fn show(visit: Visit) -> Response<Body> {
    let view = visit.shop.settings();
    answer::page(StatusCode::OK, &Page { frame: visit.frame.on(Tab::Settings), view })
}

//! Stock: what is held most, what came back most, and where a counter and the reservations differ.

use std::sync::Arc;

use askama::Template;
use axum::body::Body;
use axum::http::{Response, StatusCode};

use super::super::frame::{Frame, Tab};
use super::super::view::StockView;
use super::super::{answer, write};
use super::visit::Visit;

#[derive(Template)]
#[template(path = "stock.html")]
struct Page {
    frame: Frame,
    view: Arc<StockView>,
}

/// Shows it.
pub(super) async fn show(visit: Visit) -> Response<Body> {
    match visit.shop.stock().await {
        Ok(view) => answer::page(StatusCode::OK, &Page { frame: visit.frame.on(Tab::Stock), view }),
        Err(problem) => visit.refuse(Tab::Stock, &problem),
    }
}

impl Page {
    fn has_counter(&self) -> bool {
        self.view.held_most.iter().any(|row| row.reserved_counter_units.is_some())
    }

    fn has_on_hand(&self) -> bool {
        self.view.held_most.iter().any(|row| row.on_hand_counter_units.is_some())
    }
}

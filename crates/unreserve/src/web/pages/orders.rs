//! One order: why it is due, or not, and what happened to it.

use askama::Template;
use axum::body::Body;
use axum::http::{Response, StatusCode};

use super::super::frame::{Frame, Tab};
use super::super::view::{EventKind, EventView, OrderView, Problem, StatusWord};
use super::super::{answer, icons, write};
use super::visit::Visit;

#[derive(Template)]
#[template(path = "orders.html")]
struct Page {
    frame: Frame,
    asked: String,
    view: Option<OrderView>,
    problem: Option<Problem>,
}

/// Shows the order that is asked for, or a place to ask for one.
pub(super) async fn show(visit: Visit) -> Response<Body> {
    let asked = visit.asked("order").unwrap_or_default();
    let (view, problem) = match asked.as_str() {
        "" => (None, None),
        order => match visit.shop.order(order).await {
            Ok(view) => (Some(view), None),
            Err(problem) => (None, Some(problem)),
        },
    };
    let status = problem.as_ref().map_or(StatusCode::OK, |problem| {
        StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    });
    answer::page(status, &Page { frame: visit.frame.on(Tab::Orders), asked, view, problem })
}

impl Page {
    fn order_name<'a>(&self, order: &'a OrderView) -> &'a str {
        order.number.as_deref().unwrap_or(&order.key)
    }

    fn is_protected(&self, order: &OrderView) -> bool {
        order.conditions.iter().any(|condition| condition.protects)
    }

    /// The sign beside an event.
    fn event_sign(&self, event: &EventView) -> String {
        let (tone, icon) = match event.kind {
            EventKind::Reserved => ("unknown", icons::BOX),
            EventKind::Expired => ("warning", icons::CLOCK),
            EventKind::Released => ("ok", icons::BUSY),
            EventKind::Cancelled => ("unknown", icons::CRITICAL),
            EventKind::SetAside => ("critical", icons::WARNING),
            EventKind::Now => ("unknown", icons::OVERVIEW),
            EventKind::TriedAgain | EventKind::Expires => ("unknown", icons::CLOCK),
        };
        format!(r#"<span class="sign tiny {tone}" aria-hidden="true">{icon}</span>"#)
    }
}

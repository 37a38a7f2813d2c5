//! Every check, and when each problem began and ended.

use std::sync::Arc;

use askama::Template;
use axum::body::Body;
use axum::http::{Response, StatusCode};

use super::super::frame::{Frame, Tab};
use super::super::view::{CheckView, HealthView, StatusWord};
use super::super::{answer, icons, write};
use super::visit::Visit;

#[derive(Template)]
#[template(path = "health.html")]
struct Page {
    frame: Frame,
    view: Arc<HealthView>,
}

/// Shows it.
pub(super) async fn show(visit: Visit) -> Response<Body> {
    match visit.shop.health().await {
        Ok(view) => answer::page(StatusCode::OK, &Page { frame: visit.frame.on(Tab::Health), view }),
        Err(problem) => visit.refuse(Tab::Health, &problem),
    }
}

impl Page {
    fn headline(&self) -> &'static str {
        match self.view.status {
            StatusWord::Ok => "Everything is as it should be",
            StatusWord::Warning => "Something wants to be looked at",
            StatusWord::Unknown => "Something could not be looked at",
            StatusWord::Critical => "Something wants to be looked at now",
        }
    }

    fn checks_count(&self) -> u64 {
        u64::try_from(self.view.checks.len()).unwrap_or(u64::MAX)
    }

    fn has_problems(&self) -> bool {
        self.problems().next().is_some()
    }

    fn problems(&self) -> impl Iterator<Item = &CheckView> {
        self.view.checks.iter().filter(|check| check.status != StatusWord::Ok)
    }

    fn well(&self) -> impl Iterator<Item = &CheckView> {
        self.view.checks.iter().filter(|check| check.status == StatusWord::Ok)
    }

    /// The thresholds that a check was judged by.
    fn limits(&self, check: &CheckView) -> Option<String> {
        let unit = check.unit?;
        let said = |threshold: i64| match unit {
            "ms" => write::milliseconds(threshold),
            "s" => write::seconds(threshold),
            _ => format!("{} {unit}", write::number(threshold)),
        };
        let limits: Vec<String> = [("A warning above", check.warning_above), ("critical above", check.critical_above)]
            .into_iter()
            .filter_map(|(words, threshold)| Some(format!("{words} {}", said(threshold?))))
            .collect();
        (!limits.is_empty()).then(|| write::sentence(&limits.join(", ")))
    }
}

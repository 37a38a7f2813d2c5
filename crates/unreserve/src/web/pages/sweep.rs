//! One sweep: what it changed, line by line.

use askama::Template;
use axum::body::Body;
use axum::http::{Response, StatusCode};

use super::super::frame::{Frame, Tab};
use super::super::view::{EntriesAsked, EntryView, EntryWord, StatusWord, SweepView, SweepWord};
use super::super::{answer, icons, write};
use super::csv;
use super::visit::{Visit, query};

/// So many lines stand on one page.
const LIMIT: u32 = 200;

#[derive(Template)]
#[template(path = "sweep.html")]
struct Page {
    frame: Frame,
    view: SweepView,
    matching: String,
    is_first: bool,
}

/// Shows it, or hands its lines out where the path ends in `.csv`.
pub(super) async fn show(visit: Visit) -> Response<Body> {
    let named = visit.part("sweep").to_owned();
    let matching = visit.asked("matching");
    if let Some(sweep) = named.strip_suffix(".csv") {
        return csv::hand_out(visit, sweep, matching).await;
    }
    let after = visit.asked("after");
    let asked = EntriesAsked { matching: matching.clone(), after: after.clone(), limit: LIMIT };
    match visit.shop.sweep(&named, &asked).await {
        Ok(view) => {
            let frame = visit.frame.on(Tab::Sweeps);
            let page = Page { frame, view, matching: matching.unwrap_or_default(), is_first: after.is_none() };
            answer::page(StatusCode::OK, &page)
        }
        Err(problem) => visit.refuse(Tab::Sweeps, &problem),
    }
}

impl Page {
    fn shown(&self) -> u64 {
        u64::try_from(self.view.entries.len()).unwrap_or(u64::MAX)
    }

    /// By its key: a number may be another order's key.
    fn order_query(&self, entry: &EntryView) -> String {
        query(&[("order", Some(&format!("key:{}", entry.order)))])
    }

    fn csv_query(&self) -> String {
        query(&[("matching", Some(&self.matching))])
    }

    fn next_query(&self) -> Option<String> {
        let next = self.view.next.as_deref()?;
        Some(query(&[("matching", Some(&self.matching)), ("after", Some(next))]))
    }
}

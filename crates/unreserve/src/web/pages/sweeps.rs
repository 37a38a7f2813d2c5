//! Every sweep, page after page.

use askama::Template;
use axum::body::Body;
use axum::http::{Response, StatusCode};

use super::super::frame::{Frame, Tab};
use super::super::view::{Problem, SweepWord, SweepsAsked, SweepsFilter, SweepsView};
use super::super::{answer, write};
use super::visit::{Visit, query};

/// So many stand on one page.
const LIMIT: u32 = 50;

/// What can be chosen: the word of the address, the filter, and what it is called.
const CHOICES: [(&str, SweepsFilter, &str); 7] = [
    ("", SweepsFilter::All, "All"),
    ("changed", SweepsFilter::Changed, "Changed something"),
    ("done", SweepsFilter::Done, "Done"),
    ("problems", SweepsFilter::Problems, "Left something"),
    ("too_many", SweepsFilter::TooMany, "Too many due"),
    ("failed", SweepsFilter::Failed, "Failed"),
    ("unfinished", SweepsFilter::Unfinished, "Unfinished"),
];

#[derive(Template)]
#[template(path = "sweeps.html")]
struct Page {
    frame: Frame,
    view: SweepsView,
    word: &'static str,
    after: Option<String>,
}

/// A filter as a link.
struct Choice {
    query: String,
    label: &'static str,
    current: bool,
}

/// Shows them.
pub(super) async fn show(visit: Visit) -> Response<Body> {
    let wanted = visit.asked("ending").unwrap_or_default();
    let Some((word, filter, _)) = CHOICES.into_iter().find(|(word, ..)| *word == wanted) else {
        let problem =
            Problem::bad_question(format!("`{wanted}` is no way for a sweep to end")).remedy("choose one of the list");
        return visit.refuse(Tab::Sweeps, &problem);
    };
    let after = visit.asked("after");
    let asked = SweepsAsked { filter, after: after.clone(), limit: LIMIT };
    match visit.shop.sweeps(&asked).await {
        Ok(view) => answer::page(StatusCode::OK, &Page { frame: visit.frame.on(Tab::Sweeps), view, word, after }),
        Err(problem) => visit.refuse(Tab::Sweeps, &problem),
    }
}

impl Page {
    fn choices(&self) -> Vec<Choice> {
        let choice = |(word, _, label): (&'static str, SweepsFilter, &'static str)| Choice {
            query: query(&[("ending", Some(word))]),
            label,
            current: word == self.word,
        };
        CHOICES.into_iter().map(choice).collect()
    }

    fn is_all(&self) -> bool {
        self.word.is_empty()
    }

    fn is_first(&self) -> bool {
        self.after.is_none()
    }

    fn shown(&self) -> u64 {
        u64::try_from(self.view.sweeps.len()).unwrap_or(u64::MAX)
    }

    fn first_query(&self) -> String {
        query(&[("ending", Some(self.word))])
    }

    fn next_query(&self) -> Option<String> {
        let next = self.view.next.as_deref()?;
        Some(query(&[("ending", Some(self.word)), ("after", Some(next))]))
    }
}

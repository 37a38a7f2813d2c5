//! The overview: how it is in one sentence, the figures, and their pictures.

use askama::Template;
use axum::body::Body;
use axum::http::{Response, StatusCode};
use jiff::Timestamp;

use super::super::frame::{Frame, Tab};
use super::super::view::{DaemonWord, HeldUntil, Mood, Overview, StatusWord, SweepWord};
use super::super::{answer, icons, write};
use super::visit::Visit;

/// At least so many seconds from now are drawn, though nothing comes back in most of them.
const DRAWN_SECONDS: i64 = 3_600;

#[derive(Template)]
#[template(path = "overview.html")]
struct Page<'a> {
    frame: Frame,
    overview: &'a Overview,
}

/// One step of time in which something comes back.
struct Step {
    /// Where it is drawn, in seconds.
    at: i64,
    /// Its first instant.
    from: Timestamp,
    /// Whether it has expired already.
    late: bool,
    units: i64,
    reservations: u64,
}

/// Shows it. Where the database is out of reach it says that.
pub(super) async fn show(visit: Visit) -> Response<Body> {
    match visit.shop.overview().await {
        Ok(overview) => {
            answer::page(StatusCode::OK, &Page { frame: visit.frame.on(Tab::Overview), overview: &overview })
        }
        Err(problem) => visit.refuse(Tab::Overview, &problem),
    }
}

impl Page<'_> {
    fn daemon_word(&self) -> String {
        let daemon = &self.overview.daemon;
        match daemon.standing {
            DaemonWord::None => "No daemon has run here; sweeps come from elsewhere, such as cron.".to_owned(),
            _ => format!("The daemon {}.", daemon.says.trim_end_matches('.')),
        }
    }

    fn steps(&self) -> &[HeldUntil] {
        self.overview.figures.as_ref().map_or(&[], |figures| &figures.held.until)
    }

    fn held_step(&self) -> i64 {
        self.overview.figures.as_ref().map_or(0, |figures| figures.held.step_minutes.saturating_mul(60))
    }

    /// The first step that lies ahead.
    fn held_now(&self) -> i64 {
        let ahead = self.steps().iter().find_map(|step| step.from);
        let now = self.overview.figures.as_ref().map(|figures| figures.now);
        ahead.or(now).map_or(0, Timestamp::as_second)
    }

    /// Where the picture begins: one step earlier where something has expired already.
    fn held_first(&self) -> i64 {
        if self.has_late() { self.held_now().saturating_sub(self.held_step()) } else { self.held_now() }
    }

    fn held_last(&self) -> i64 {
        self.held_now().saturating_add(DRAWN_SECONDS).saturating_sub(self.held_step())
    }

    fn has_late(&self) -> bool {
        self.steps().iter().any(|step| step.from.is_none() && step.units != 0)
    }

    /// What comes back too late to be drawn.
    fn held_later(&self) -> Option<&HeldUntil> {
        self.steps().iter().find(|step| step.to.is_none() && step.from.is_some() && step.units != 0)
    }

    /// The steps in which something comes back.
    fn held_steps(&self) -> Vec<Step> {
        let drawn = self.steps().iter().filter(|step| step.units != 0 && (step.to.is_some() || step.from.is_none()));
        let step = |held: &HeldUntil| Step {
            at: held.from.map_or_else(|| self.held_first(), Timestamp::as_second),
            from: held.from.unwrap_or_default(),
            late: held.from.is_none(),
            units: held.units,
            reservations: held.reservations,
        };
        drawn.map(step).collect()
    }
}

//! The pages, one file each: what is asked for, what is shown.

mod csv;
mod health;
mod orders;
mod overview;
mod settings;
mod shops;
mod stock;
mod sweep;
mod sweeps;
mod visit;

use askama::Template;
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response, StatusCode, Uri};
use axum::routing::get;

use super::frame::Frame;
use super::site::Site;
use super::view::{Problem, StatusWord};
use super::{answer, icons, write};
use visit::around;

/// Every page, of the only shop and of each of several.
pub(super) fn routes() -> Router<Site> {
    let of_one = of_a_shop(Router::new().route("/", get(shops::home)), "");
    of_a_shop(of_one, "/shops/{shop}").route("/shops", get(shops::choose)).route("/shops/{shop}", get(overview::show))
}

/// The pages below the overview.
fn of_a_shop(router: Router<Site>, base: &str) -> Router<Site> {
    let at = |path: &str| format!("{base}{path}");
    router
        .route(&at("/sweeps"), get(sweeps::show))
        .route(&at("/sweeps/{sweep}"), get(sweep::show))
        .route(&at("/orders"), get(orders::show))
        .route(&at("/stock"), get(stock::show))
        .route(&at("/health"), get(health::show))
        .route(&at("/settings"), get(settings::show))
}

/// A page that says why there is none.
#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage<'a> {
    frame: Frame,
    problem: &'a Problem,
}

/// Says why there is no page, to a person.
fn refuse(frame: Frame, problem: &Problem) -> Response<Body> {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    answer::page(status, &ProblemPage { frame, problem })
}

/// There is nothing at this path.
pub(super) async fn not_found(State(site): State<Site>, headers: HeaderMap, uri: Uri) -> Response<Body> {
    let problem = Problem::new(404, "no such page", format!("there is nothing at `{}`", uri.path()))
        .remedy("go to the overview, and from there by the tabs");
    if uri.path().starts_with("/api/") || uri.path().starts_with("/assets/") {
        return answer::problem(&problem);
    }
    refuse(around(&site, &headers, None), &problem)
}

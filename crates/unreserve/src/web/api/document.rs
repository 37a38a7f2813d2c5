//! The API's description, made from the routes and the values themselves.

use utoipa::{IntoResponses, OpenApi};

use super::routes;
use crate::web::view::Problem;

/// What every route may refuse with.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only the description of its variants is used")]
pub(super) enum Refusals {
    /// The question was wrong: a parameter that is not known or not allowed, or no shop named where there are several.
    #[response(status = 400, content_type = "application/problem+json")]
    BadQuestion(Problem),
    /// The token of the settings is needed, and was not sent.
    #[response(status = 401, content_type = "application/problem+json")]
    NoToken(Problem),
    /// There is no such thing.
    #[response(status = 404, content_type = "application/problem+json")]
    NoSuchThing(Problem),
    /// The request was meant for another host's name: without a token only this machine's own names are answered.
    #[response(status = 421, content_type = "application/problem+json")]
    AnotherHost(Problem),
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "unreserve",
        description = "What the page shows, for programs: how a shop's stock reservations are given back. It only reads.\n\n\
                       Where the page has a token (`web.token`), send it as `Authorization: Bearer TOKEN`. Instants are in UTC, as \
                       RFC 3339 writes them; every other quantity has its unit in its name. What cannot be answered is a problem \
                       as RFC 9457 has it, with what to do about it in `remedy`. New fields may come at any time; none changes its \
                       meaning within `/api/v1`."
    ),
    paths(
        routes::shops, routes::overview, routes::sweeps, routes::sweep, routes::order, routes::stock, routes::health,
        routes::settings, routes::openapi
    ),
    tags(
        (name = "shops", description = "Which shops there are, and this description."),
        (name = "shop", description = "How one shop is now."),
        (name = "sweeps", description = "What was done, from the ledger.")
    )
)]
struct Document;

/// The API's description.
pub(crate) fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

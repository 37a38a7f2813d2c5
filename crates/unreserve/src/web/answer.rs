//! What every answer has: headers that keep others out of the page, and refusals that say what to do.

use askama::Template;
use axum::Json;
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Response, StatusCode, Uri, header};
use axum::response::IntoResponse;

use super::door::Refusal;
use super::view::Problem;

/// Only what comes from here is loaded, run and shown, nothing is written into the page itself, and nobody puts it into a frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Headers of every answer.
const HEADERS: [(HeaderName, &str); 7] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
];

/// Adds the headers that every answer has.
pub(super) fn guarded(mut response: Response<Body>) -> Response<Body> {
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // What a shop holds is nobody's to keep, unless it says so itself.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// A page.
pub(super) fn page(status: StatusCode, template: &impl Template) -> Response<Body> {
    match template.render() {
        Ok(html) => (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response(),
        Err(error) => {
            tracing::error!(event = "page_failed", "a page could not be written: {error}");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// A problem, for programs.
pub(super) fn problem(problem: &Problem) -> Response<Body> {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(header::CONTENT_TYPE, "application/problem+json")], Json(problem)).into_response()
}

/// The answer to whoever is not let in.
pub(super) fn refusal(refusal: Refusal, uri: &Uri) -> Response<Body> {
    let path = uri.path();
    match refusal {
        Refusal::Method => {
            let problem = problem(&Problem::new(405, "only reading", "the page and its API only read").remedy("use GET"));
            ([(header::ALLOW, "GET, HEAD")], problem).into_response()
        }
        // People go to where they can sign in; programs are told.
        Refusal::Token if is_page(path) => {
            let wanted = uri.path_and_query().map_or("/", axum::http::uri::PathAndQuery::as_str);
            let place = format!("/login?next={}", super::login::encoded(wanted));
            (StatusCode::SEE_OTHER, [(header::LOCATION, place)]).into_response()
        }
        Refusal::Token => {
            let told = Problem::new(401, "no token", "this needs the token of the settings, `web.token`")
                .remedy("send it as `Authorization: Bearer TOKEN`");
            ([(header::WWW_AUTHENTICATE, "Bearer realm=\"unreserve\"")], problem(&told)).into_response()
        }
        Refusal::Host => problem(
            &Problem::new(421, "another host's name", "without a token, the page answers only to this machine's own names")
                .remedy("open it as `localhost` or `127.0.0.1`; behind a proxy, set `web.token`, or have the proxy send `Host: localhost`"),
        ),
        Refusal::Elsewhere => problem(&Problem::new(403, "from elsewhere", "another site's page may not ask for this")),
    }
}

/// Whether people look at this path, and not programs.
fn is_page(path: &str) -> bool {
    !(path.starts_with("/api/") || path.ends_with(".csv") || matches!(path, "/metrics" | "/events"))
}

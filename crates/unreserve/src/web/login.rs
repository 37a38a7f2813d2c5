//! Signing in with the token, and out.

use askama::Template;
use axum::Extension;
use axum::Form;
use axum::body::Body;
use axum::extract::Query;
use axum::http::{HeaderMap, Response, StatusCode, header};
use axum::response::IntoResponse;
use serde::Deserialize;

use super::door::{Door, SESSION, cookie};
use super::token::STAYS_SECONDS;
use super::{answer, assets};
use crate::clock;

/// The form.
#[derive(Template)]
#[template(path = "login.html")]
struct Login {
    theme: Option<&'static str>,
    style: String,
    icon: String,
    next: String,
    wrong: bool,
}

/// What was wanted before somebody was sent here.
#[derive(Deserialize)]
pub(super) struct Wanted {
    #[serde(default)]
    next: String,
}

/// What the form sends.
#[derive(Deserialize)]
pub(super) struct Shown {
    #[serde(default)]
    token: String,
    #[serde(default)]
    next: String,
}

/// The form. Where no token is asked for there is nothing to sign in to.
pub(super) async fn form(
    Extension(door): Extension<Door>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Response<Body> {
    if door.token().is_none() {
        return to(&own_path(&wanted.next), None);
    }
    answer::page(StatusCode::OK, &Login::new(&headers, &wanted.next, false))
}

/// Takes the token, and leaves a sign of it with the browser.
pub(super) async fn sign_in(
    Extension(door): Extension<Door>,
    headers: HeaderMap,
    Form(shown): Form<Shown>,
) -> Response<Body> {
    let next = own_path(&shown.next);
    let Some(token) = door.token() else { return to(&next, None) };
    if !token.is(shown.token.trim()) {
        tracing::warn!(event = "sign_in_refused", "somebody tried to sign in to the page with a wrong token");
        return answer::page(StatusCode::UNAUTHORIZED, &Login::new(&headers, &next, true));
    }
    match token.sign(clock::utc_now()) {
        Some(sign) => to(&next, Some(sealed(&headers, &sign, STAYS_SECONDS))),
        None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Takes the sign away again.
pub(super) async fn sign_out(headers: HeaderMap) -> Response<Body> {
    to("/login", Some(sealed(&headers, "", 0)))
}

impl Login {
    fn new(headers: &HeaderMap, next: &str, wrong: bool) -> Self {
        Self {
            theme: theme(headers),
            style: assets::path_of("style.css"),
            icon: assets::path_of("icon.svg"),
            next: own_path(next),
            wrong,
        }
    }
}

/// Light or dark, where this browser has chosen.
pub(super) fn theme(headers: &HeaderMap) -> Option<&'static str> {
    match cookie(headers, "unreserve_theme") {
        Some("dark") => Some("dark"),
        Some("light") => Some("light"),
        _ => None,
    }
}

/// The cookie: no script reads it, no other site sends it, and behind TLS it never travels without.
fn sealed(headers: &HeaderMap, sign: &str, seconds: i64) -> String {
    let behind_tls = headers.get("x-forwarded-proto").is_some_and(|scheme| scheme == "https");
    let secure = if behind_tls { "; Secure" } else { "" };
    format!("{SESSION}={sign}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}")
}

fn to(place: &str, cookie: Option<String>) -> Response<Body> {
    let mut response = (StatusCode::SEE_OTHER, [(header::LOCATION, place.to_owned())]).into_response();
    if let Some(cookie) = cookie.and_then(|cookie| cookie.try_into().ok()) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

/// A path of ours: whoever signs in is never led elsewhere.
fn own_path(wanted: &str) -> String {
    let is_ours = wanted.starts_with('/')
        && !wanted.starts_with("//")
        && !wanted.contains('\\')
        && wanted.bytes().all(|byte| byte.is_ascii_graphic())
        && !wanted.starts_with("/login");
    if is_ours { wanted.to_owned() } else { "/".to_owned() }
}

/// A text as it can stand in a query.
pub(super) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_led_elsewhere_after_signing_in() {
        for path in ["/", "/sweeps?ending=failed", "/shops/blue/orders?order=A%2F1"] {
            assert_eq!(own_path(path), path);
        }
        for path in [
            "",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "/a\r\nSet-Cookie: a=b",
            "/login?next=/",
            "/\tx",
        ] {
            assert_eq!(own_path(path), "/", "{path}");
        }
    }

    #[test]
    fn a_path_comes_back_as_it_was_sent() {
        assert_eq!(encoded("/orders?order=A 1&b=ä"), "%2Forders%3Forder%3DA%201%26b%3D%C3%A4");
    }
}

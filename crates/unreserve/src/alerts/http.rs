//! One HTTP request to a receiver that may answer anything, slowly or never.

use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Method, StatusCode, redirect};

use super::trust;
use crate::alerts::outbox::Answer;
use crate::clock;
use crate::failure::chain;
use crate::settings::SecretUrl;

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(5);

/// How long a request may take in all.
const WHOLE: Duration = Duration::from_secs(10);

/// More of an answer is not read.
const ANSWER_BYTES_MAX: usize = 2_000;

/// More of an answer is not told.
const ANSWER_LETTERS_MAX: usize = 200;

/// What is sent.
pub(super) struct Request {
    /// How.
    pub(super) method: Method,
    /// More headers, beside the type of the body.
    pub(super) headers: Vec<(&'static str, String)>,
    /// The body: JSON, or nothing.
    pub(super) body: Option<String>,
}

/// Sends it once, and says what became of it. No text holds the address.
pub(super) async fn send(url: &SecretUrl, ca: Option<&[u8]>, request: Request) -> Answer {
    match try_to_send(url, ca, request).await {
        Ok(answer) => answer,
        Err(error) => Answer::Later { says: fit(&told(error), url), asked: None },
    }
}

async fn try_to_send(url: &SecretUrl, ca: Option<&[u8]>, request: Request) -> Result<Answer, reqwest::Error> {
    let mut client = Client::builder()
        .redirect(redirect::Policy::none())
        .connect_timeout(CONNECT)
        .timeout(WHOLE)
        .pool_max_idle_per_host(0)
        .user_agent(concat!("unreserve/", env!("CARGO_PKG_VERSION")));
    match trust::encryption(ca) {
        Ok(config) => client = client.tls_backend_preconfigured(config),
        Err(error) => return Ok(Answer::Later { says: format!("a certificate is none: {error}"), asked: None }),
    }
    let mut headers = HeaderMap::new();
    for (name, value) in request.headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    let mut sending = client.build()?.request(request.method, url.expose()).headers(headers);
    if let Some(body) = request.body {
        sending = sending.header("content-type", "application/json").body(body);
    }
    let mut response = sending.send().await?;
    let (status, asked) = (response.status(), asked(response.headers()));
    let mut bytes: Vec<u8> = Vec::new();
    // What it answered is told; where that breaks off, the status has been said all the same.
    let is_whole = loop {
        match response.chunk().await {
            Ok(Some(chunk)) => bytes.extend(chunk.iter().take(ANSWER_BYTES_MAX.saturating_sub(bytes.len()))),
            Ok(None) => break true,
            Err(_) => break false,
        }
        if bytes.len() >= ANSWER_BYTES_MAX {
            break false;
        }
    };
    Ok(judge(status, asked, &answered(&String::from_utf8_lossy(&bytes), is_whole, url)))
}

fn judge(status: StatusCode, asked: Option<Duration>, answered: &str) -> Answer {
    let behind = if answered.is_empty() { String::new() } else { format!(": {answered}") };
    let says = format!("{}{behind}", status.to_string().trim_end_matches(" <unknown status code>"));
    match status.as_u16() {
        200..=299 => Answer::Delivered { says },
        300..=399 => Answer::Later { says: format!("{says} (redirects are not followed)"), asked: None },
        410 => Answer::Gone { says },
        400 | 413 | 415 | 422 => Answer::Refused { says },
        429 | 502..=504 => Answer::Later { says, asked },
        _ => Answer::Later { says, asked: None },
    }
}

/// The pause that an answer asks for, as seconds or as a date.
fn asked(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let whole = text.split('.').next().unwrap_or(text);
    if let Ok(seconds) = whole.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let at = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    let pause = at.duration_since(clock::utc_now());
    Some(Duration::try_from(pause).unwrap_or_default())
}

/// The error with its causes, without the address.
fn told(error: reqwest::Error) -> String {
    if error.is_timeout() {
        let within = if error.is_connect() { CONNECT } else { WHOLE };
        return format!("no answer within {} s", within.as_secs());
    }
    let is_connect = error.is_connect();
    let causes = chain(Some(&error.without_url()));
    match causes.last() {
        // What stands between is the library's business.
        Some(last) if is_connect => format!("cannot connect: {last}"),
        _ => causes.join(": "),
    }
}

/// A text of somebody else's, short and in one line.
pub(super) fn in_one_line(text: &str) -> String {
    let plain = text.trim().chars().take(ANSWER_LETTERS_MAX);
    plain.map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// What may be told of a receiver's text: masked first and shortened then, as no mask finds a secret that is cut in two.
fn fit(text: &str, url: &SecretUrl) -> String {
    in_one_line(&hide(text, url))
}

/// The same of an answer; where it was not read to its end, that may be within a secret.
fn answered(text: &str, is_whole: bool, url: &SecretUrl) -> String {
    let hidden = hide(text, url);
    let kept = secrets(url).map(|secret| before_beginning(&hidden, secret)).min_by_key(|kept| kept.len());
    in_one_line(kept.filter(|_| !is_whole).unwrap_or(&hidden))
}

/// The text without the beginning of a secret that it ends with.
fn before_beginning<'a>(text: &'a str, secret: &str) -> &'a str {
    let mut beginnings = (1..secret.len()).rev().filter_map(|end| secret.get(..end));
    beginnings.find_map(|beginning| text.strip_suffix(beginning)).unwrap_or(text)
}

/// A receiver may repeat the address, or a part of it.
fn hide(text: &str, url: &SecretUrl) -> String {
    secrets(url).fold(text.replace(url.expose(), &url.to_string()), |text, part| text.replace(part, "***"))
}

/// Whatever of an address's path is long enough to be a secret.
fn secrets(url: &SecretUrl) -> impl Iterator<Item = &str> {
    url.expose().split(['/', '?', '&', '=', '@', ':']).skip(4).filter(|part| part.len() >= 6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_may_be_asked_for_in_seconds_or_as_a_date() {
        let asked = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_str(text).unwrap());
            asked(&headers)
        };
        assert_eq!(asked("120"), Some(Duration::from_secs(120)));
        assert_eq!(asked("64.57"), Some(Duration::from_secs(64)));
        assert_eq!(asked("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        let far = asked("Fri, 01 Jan 2100 00:00:00 GMT").unwrap();
        assert!(far > Duration::from_secs(86_400 * 365), "{far:?}");
        assert_eq!(asked("soon"), None);
    }

    #[test]
    fn an_answer_never_tells_the_address() {
        let url = SecretUrl::parse("https://h.example/services/T012/hunter2hunter2", crate::settings::Scheme::Any);
        let url = url.unwrap();
        for text in ["no /services/T012/hunter2hunter2 here", "https://h.example/services/T012/hunter2hunter2"] {
            let hidden = hide(text, &url);
            assert!(!hidden.contains("hunter2"), "{hidden}");
        }
        assert_eq!(hide("no_service", &url), "no_service");
    }

    #[test]
    fn a_secret_that_the_end_of_an_answer_cuts_in_two_is_not_told_either() {
        let url = SecretUrl::parse("https://h.example/services/T012/hunter2hunter2", crate::settings::Scheme::Any);
        let url = url.unwrap();
        for before in 0..=ANSWER_LETTERS_MAX {
            let fits = fit(&format!("{} hunter2hunter2", "-".repeat(before)), &url);
            assert!(!fits.contains('h') && fits.chars().count() <= ANSWER_LETTERS_MAX, "{fits}");
        }
        // Where reading has ended within it.
        let text = "no /services/T012/hunter2hun";
        assert_eq!(answered(text, false, &url), "no /***/T012/");
        assert_eq!(answered("no /services/T012/hunter2hunter2", false, &url), "no /***/T012/***");
        assert_eq!(answered("no_service", true, &url), "no_service");
    }
}

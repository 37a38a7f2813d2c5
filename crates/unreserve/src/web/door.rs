//! Who is let in: by the token, by the address that was dialled, or by having been able to open the socket.

use axum::http::{HeaderMap, Method, Uri, header};

use super::token::Token;
use crate::clock;

/// The cookie of a browser that has shown the token.
pub(super) const SESSION: &str = "unreserve_session";

/// What one place that is listened at asks of whoever comes.
#[derive(Clone)]
pub(super) enum Door {
    /// The token.
    Token(Token),
    /// To have dialled this very machine: a page elsewhere may have had its own name point here.
    ThisMachine,
    /// Nothing: who may open the socket was decided by the file's mode.
    Socket,
}

/// Why somebody is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The page only reads.
    Method,
    /// The token is missing.
    Token,
    /// The name that was dialled is not this machine's.
    Host,
    /// A page from elsewhere asks.
    Elsewhere,
}

impl Door {
    /// Whether a request is let in.
    pub(super) fn asks(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
        let path = uri.path();
        let signs = matches!(path, "/login" | "/logout");
        if !(method == Method::GET || method == Method::HEAD || (signs && method == Method::POST)) {
            return Err(Refusal::Method);
        }
        if comes_from_elsewhere(headers) && (method == Method::POST || !is_navigation(headers)) {
            return Err(Refusal::Elsewhere);
        }
        match self {
            Self::Socket => Ok(()),
            Self::ThisMachine if dials_this_machine(headers) => Ok(()),
            Self::ThisMachine => Err(Refusal::Host),
            Self::Token(_) if is_for_everybody(path) => Ok(()),
            Self::Token(token) if shows(token, headers) => Ok(()),
            Self::Token(_) => Err(Refusal::Token),
        }
    }

    /// The token that is asked for.
    pub(super) fn token(&self) -> Option<&Token> {
        match self {
            Self::Token(token) => Some(token),
            Self::ThisMachine | Self::Socket => None,
        }
    }
}

/// What needs no token: to sign in, how that looks, and whether we live.
fn is_for_everybody(path: &str) -> bool {
    matches!(path, "/login" | "/logout" | "/livez" | "/readyz") || path.starts_with("/assets/")
}

fn shows(token: &Token, headers: &HeaderMap) -> bool {
    let bearer = text(headers, &header::AUTHORIZATION).and_then(|value| {
        let (scheme, given) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(given.trim())
    });
    match bearer {
        Some(given) => token.is(given),
        None => cookie(headers, SESSION).is_some_and(|sign| token.knows(sign, clock::utc_now())),
    }
}

/// The value of a cookie.
pub(super) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.into_iter().find(|(known, _)| *known == name).map(|(_, value)| value)
}

/// Whether the name that was dialled can only be this machine's own.
fn dials_this_machine(headers: &HeaderMap) -> bool {
    let Some(host) = text(headers, &header::HOST) else { return false };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether a browser says that a page of another site asks.
fn comes_from_elsewhere(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site" || site == "same-site")
}

/// Whether somebody follows a link.
fn is_navigation(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-mode").is_some_and(|mode| mode == "navigate")
        && headers.get("sec-fetch-dest").is_some_and(|target| target == "document")
}

fn text<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;

    fn asks(door: &Door, method: &Method, path: &str, headers: &[(&'static str, &str)]) -> Result<(), Refusal> {
        let headers =
            headers.iter().map(|(name, value)| (header::HeaderName::from_static(name), value.parse().unwrap()));
        door.asks(method, &path.parse().unwrap(), &headers.collect())
    }

    #[test]
    fn only_a_name_of_this_machine_is_served_without_a_token() {
        for host in ["127.0.0.1", "127.0.0.1:8420", "localhost:8420", "LOCALHOST", "[::1]:8420", "127.9.9.9:1"] {
            assert_eq!(asks(&Door::ThisMachine, &Method::GET, "/", &[("host", host)]), Ok(()), "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:8420",
            "127.0.0.1.evil.example",
            "192.168.1.5:8420",
            "localhost.evil.example",
            "",
        ] {
            assert_eq!(asks(&Door::ThisMachine, &Method::GET, "/", &[("host", host)]), Err(Refusal::Host), "{host}");
        }
        assert_eq!(asks(&Door::ThisMachine, &Method::GET, "/", &[]), Err(Refusal::Host));
        assert_eq!(asks(&Door::Socket, &Method::GET, "/", &[("host", "shop.example")]), Ok(()));
    }

    #[test]
    fn the_token_opens_as_a_bearer_and_as_a_cookie_and_nothing_else_does() {
        let token = Token::new(SecretString::from("correct horse battery".to_owned()));
        let sign = format!("other=1; {SESSION}={}", token.sign(clock::utc_now()).unwrap());
        let door = Door::Token(token);
        let get = |path: &str, headers: &[(&'static str, &str)]| asks(&door, &Method::GET, path, headers);
        assert_eq!(get("/", &[("authorization", "Bearer correct horse battery")]), Ok(()));
        assert_eq!(get("/", &[("authorization", "bearer correct horse battery")]), Ok(()));
        assert_eq!(get("/api/v1/overview", &[("cookie", &sign)]), Ok(()));
        for headers in [
            &[][..],
            &[("authorization", "Bearer wrong")],
            &[("authorization", "Basic correct horse battery")],
            &[("authorization", "correct horse battery")],
            &[("cookie", "unreserve_session=correct horse battery")],
            // A wrong bearer is not made good by a cookie: whoever sends both means the first.
            &[("authorization", "Bearer wrong"), ("cookie", &sign)],
        ] {
            assert_eq!(get("/metrics", headers), Err(Refusal::Token), "{headers:?}");
        }
        for path in ["/login", "/livez", "/readyz", "/assets/1/style.css"] {
            assert_eq!(get(path, &[]), Ok(()), "{path}");
        }
        for path in ["/loginx", "/assets", "/events", "/livez/"] {
            assert_eq!(get(path, &[]), Err(Refusal::Token), "{path}");
        }
    }

    #[test]
    fn it_only_reads_and_only_for_its_own_pages() {
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
            assert_eq!(asks(&Door::Socket, &method, "/", &[]), Err(Refusal::Method), "{method}");
        }
        assert_eq!(asks(&Door::Socket, &Method::POST, "/login", &[]), Ok(()));
        let elsewhere = ("sec-fetch-site", "cross-site");
        let link = [elsewhere, ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
        assert_eq!(asks(&Door::Socket, &Method::GET, "/", &link), Ok(()));
        assert_eq!(asks(&Door::Socket, &Method::POST, "/login", &link), Err(Refusal::Elsewhere));
        assert_eq!(asks(&Door::Socket, &Method::GET, "/events", &[elsewhere]), Err(Refusal::Elsewhere));
        let framed = [elsewhere, ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")];
        assert_eq!(asks(&Door::Socket, &Method::GET, "/", &framed), Err(Refusal::Elsewhere));
        assert_eq!(asks(&Door::Socket, &Method::GET, "/events", &[("sec-fetch-site", "same-origin")]), Ok(()));
    }
}

//! An address that is a secret: whoever knows it can write there. It shows itself only with its host.

use std::fmt;

use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};

/// An address to send to. `Display` and `Debug` show its scheme and host; only the sender reads the rest.
#[derive(Clone)]
pub(crate) struct SecretUrl {
    whole: SecretString,
    /// What may be shown.
    shown: String,
}

/// Where an address may lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// `https`; `http` only to this very machine.
    Encrypted,
    /// `http` too: it may lead to a neighbour.
    Any,
}

impl SecretUrl {
    /// Reads an address.
    ///
    /// # Errors
    /// It is none, or not of this scheme; what is wrong, without the address.
    pub(crate) fn parse(text: &str, scheme: Scheme) -> Result<Self, &'static str> {
        let url = Url::parse(text.trim()).map_err(|_| "this is no web address")?;
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or("this web address has no host")?;
        let is_here = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
        match url.scheme() {
            "https" => {}
            "http" if is_here || scheme == Scheme::Any => {}
            "http" => return Err("this web address is not encrypted"),
            _ => return Err("this is no `https://` address"),
        }
        let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
        let shown = format!("{}://{host}{port}/***", url.scheme());
        Ok(Self { whole: SecretString::from(url.to_string()), shown })
    }

    /// The whole address, for the sender only.
    pub(crate) fn expose(&self) -> &str {
        self.whole.expose_secret()
    }
}

impl fmt::Display for SecretUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.shown)
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SecretUrl({})", self.shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_scheme_and_host_and_refuses_what_is_none() {
        let check = |text: &str, scheme, expected: &str| {
            let answer = SecretUrl::parse(text, scheme);
            assert_eq!(answer.as_ref().map_or_else(|problem| (*problem).to_owned(), ToString::to_string), expected);
            assert!(!format!("{answer:?}").contains("hunter2"));
        };
        check("https://hooks.slack.com/services/T0/hunter2", Scheme::Encrypted, "https://hooks.slack.com/***");
        check(" https://shop:hunter2@h:8443/x?y=hunter2\n", Scheme::Any, "https://h:8443/***");
        check("http://127.0.0.1:9/hunter2", Scheme::Encrypted, "http://127.0.0.1:9/***");
        check("http://[::1]/hunter2", Scheme::Encrypted, "http://[::1]/***");
        check("http://example.org/hunter2", Scheme::Encrypted, "this web address is not encrypted");
        check("http://example.org/hunter2", Scheme::Any, "http://example.org/***");
        check("ftp://example.org/hunter2", Scheme::Any, "this is no `https://` address");
        check("hunter2", Scheme::Any, "this is no web address");
        check("", Scheme::Any, "this is no web address");
        check("unix:hunter2", Scheme::Any, "this web address has no host");
    }
}

//! The section `[web]`: where the page is shown, and to whom.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use secrecy::SecretString;

use crate::settings::error::SettingsError;
use crate::settings::origin::{Origin, Sourced};
use crate::settings::sources::{Sources, anchored};
use crate::settings::table;
use crate::settings::values::Raw;

/// A shorter token could be guessed.
const TOKEN_CHARS: usize = 16;

/// Where the page is shown when a person asks for one and nothing else is said.
const ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8_420);

/// Where the page is shown, and to whom. Where neither an address nor a socket is set, there is none.
#[derive(Debug, Clone, Default)]
pub(crate) struct WebSettings {
    /// The address. Any but this machine's own comes with a token.
    pub(crate) listen: Option<Sourced<SocketAddr>>,
    /// The socket.
    pub(crate) socket: Option<Sourced<PathBuf>>,
    /// What has to be shown at the address.
    pub(crate) token: Option<Sourced<SecretString>>,
    /// The file that the settings file names for the token.
    pub(crate) token_file: Option<Sourced<PathBuf>>,
}

impl WebSettings {
    /// The same, at the address that is meant where nobody says one.
    pub(crate) fn listening_by_default(self) -> Self {
        Self { listen: Some(Sourced::new(ADDRESS, Origin::Default)), ..self }
    }

    /// Whether both are the same: what differs needs a restart.
    pub(crate) fn is(&self, other: &Self) -> bool {
        use secrecy::ExposeSecret;
        let value = |web: &Self| {
            let token = web.token.as_ref().map(|token| token.value.expose_secret().to_owned());
            (web.listen.as_ref().map(|listen| listen.value), web.socket.as_ref().map(|path| path.value.clone()), token)
        };
        value(self) == value(other)
    }

    /// What the sources say.
    pub(super) fn gather(sources: &Sources<'_>) -> Result<Self, SettingsError> {
        let file = sources.file.as_ref();
        let listen = sources.find(&table::WEB_LISTEN, None)?.map(address).transpose()?;
        let socket = sources.find(&table::WEB_SOCKET, None)?.map(Raw::text).transpose()?;
        let token_file = sources.find(&table::WEB_TOKEN_FILE, None)?.map(Raw::text).transpose()?;
        let token_file = token_file.map(|path| anchored(path, file));
        let token = match (sources.find(&table::WEB_TOKEN, None)?, &token_file) {
            (Some(raw), Some(path)) if matches!(raw.origin, Origin::File { .. }) => {
                return Err(SettingsError::value(&path.origin, "`web.token` is set as well").hinted("keep one of them"));
            }
            (Some(raw), _) => Some(token(raw)?),
            (None, Some(path)) => Some(token(sources.named_secret(&table::WEB_TOKEN, path)?)?),
            (None, None) => None,
        };
        if let Some(listen) = listen.as_ref().filter(|listen| !listen.value.ip().is_loopback() && token.is_none()) {
            let problem = format!("{} can be reached from other machines, and there is no token", listen.value);
            return Err(SettingsError::value(&listen.origin, problem).hinted(
                "set `web.token` (`openssl rand -hex 24` makes one), or listen on `127.0.0.1` or a `web.socket` and put a proxy in front",
            ));
        }
        Ok(Self { listen, socket: socket.map(|path| anchored(path, file)), token, token_file })
    }
}

fn address(raw: Raw) -> Result<Sourced<SocketAddr>, SettingsError> {
    let raw = raw.text()?;
    let text = raw.value.trim();
    // The one name that means this machine everywhere.
    let numeric = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    numeric.as_deref().unwrap_or(text).parse().map(|address| Sourced::new(address, raw.origin.clone())).map_err(|_| {
        let shown: String = text.chars().take(60).flat_map(char::escape_debug).collect();
        SettingsError::value(&raw.origin, format!("`{shown}` is no address with a port"))
            .hinted("write `127.0.0.1:8420`, or `0.0.0.0:8420` for every address of this machine")
    })
}

/// No error shows any of it.
fn token(raw: Raw) -> Result<Sourced<SecretString>, SettingsError> {
    let text = raw.text.trim();
    let wrong = |problem: &str| {
        Err(SettingsError::value(&raw.origin, problem)
            .hinted("make one with `openssl rand -hex 24`; it is not shown here"))
    };
    if text.chars().count() < TOKEN_CHARS {
        return wrong("a token of fewer than 16 characters can be guessed");
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return wrong("a token has only printable ASCII characters, and no blanks");
    }
    Ok(Sourced::new(SecretString::from(text.to_owned()), raw.origin))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn raw(text: &str) -> Raw {
        Raw { text: text.to_owned(), origin: Origin::Flag("--flag") }
    }

    #[test]
    fn an_address_has_a_port_and_no_name_but_localhost() {
        for (text, expected) in [
            ("127.0.0.1:8420", "127.0.0.1:8420"),
            ("localhost:8420", "127.0.0.1:8420"),
            ("[::1]:80", "[::1]:80"),
            ("0.0.0.0:0", "0.0.0.0:0"),
        ] {
            assert_eq!(address(raw(text)).unwrap().value.to_string(), expected);
        }
        for text in ["8420", ":8420", "127.0.0.1", "shop.example:8420", "127.0.0.1:99999", "http://127.0.0.1:8420"] {
            let error = address(raw(text)).unwrap_err().to_string();
            assert_eq!(error, format!("--flag: `{text}` is no address with a port"));
        }
    }

    #[test]
    fn a_token_is_long_and_never_told() {
        let good = "0123456789abcdef";
        assert_eq!(token(raw(&format!(" {good}\n"))).unwrap().value.expose_secret(), good);
        for text in ["", "0123456789abcde", "hunter2", "with a blank in the middle", "ümläut-ümläut-ümläut"] {
            let error = token(raw(text)).unwrap_err();
            assert!(text.is_empty() || !format!("{error} {error:?}").contains(text), "{error:?}");
        }
    }
}

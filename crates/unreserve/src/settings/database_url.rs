//! The database's URL, which shows itself only with its password masked.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

const MASK: &str = "***";

/// Names of URL parameters, and words of a `key=value` connection text, whose value is a secret.
const SECRET_WORDS: [&str; 3] = ["pass", "pwd", "secret"];

/// A database's URL. `Display` and `Debug` mask the password; only the connector reads the rest.
#[derive(Clone)]
pub(crate) struct DatabaseUrl(SecretString);

impl DatabaseUrl {
    /// Takes the text as it is; whether it is a URL at all is the connector's to judge.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(SecretString::from(text.into()))
    }

    /// The URL with its password, for the connector only.
    pub(crate) fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// The URL with its password masked.
    pub(crate) fn masked(&self) -> String {
        mask(self.expose())
    }

    /// Whether there is a password in it.
    pub(crate) fn has_password(&self) -> bool {
        self.masked() != self.expose()
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.masked())
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "DatabaseUrl({})", self.masked())
    }
}

/// The text with every password masked. It rather masks too much than too little: a password with an unencoded `@`,
/// `/`, `?` or `#` makes a malformed URL, and must not be shown for that.
pub(crate) fn mask(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return mask_other(text);
    };
    match user_info_end(rest).and_then(|end| rest.split_at_checked(end)) {
        Some((user_info, host)) => {
            let user_info = match user_info.split_once(':') {
                Some((user, password)) if !password.is_empty() => format!("{user}:{MASK}"),
                _ => user_info.to_owned(),
            };
            format!("{scheme}://{user_info}{}", mask_parameters(host))
        }
        None => format!("{scheme}://{}", mask_parameters(rest)),
    }
}

/// Where user and password end: at the last `@`, unless that one plainly belongs to a parameter or a file name.
fn user_info_end(rest: &str) -> Option<usize> {
    let at = rest.rfind('@')?;
    if rest.starts_with('/') {
        return None;
    }
    let (place, parameters) = rest.split_once('?').unwrap_or((rest, ""));
    let host = place.split('/').next().unwrap_or(place);
    let port_is_a_number = host.starts_with('[')
        || host.split(',').all(|host| match host.split_once(':') {
            Some((_, port)) => !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()),
            None => true,
        });
    let first_parameter_is_named = parameters.split(['@', '&']).next().is_some_and(|first| first.contains('='));
    let belongs_to_a_parameter = !place.contains('@') && port_is_a_number && first_parameter_is_named;
    (!belongs_to_a_parameter).then_some(at)
}

/// Masks the value of each parameter whose name, percent-decoded, is that of a secret.
fn mask_parameters(text: &str) -> String {
    let Some((place, parameters)) = text.split_once('?') else {
        return text.to_owned();
    };
    let parameters: Vec<String> = parameters
        .split('&')
        .map(|parameter| match parameter.split_once('=') {
            Some((name, value)) if is_secret(name) && !value.is_empty() => format!("{name}={MASK}"),
            _ => parameter.to_owned(),
        })
        .collect();
    format!("{place}?{}", parameters.join("&"))
}

/// A text that is no `scheme://` URL: a file's path is shown, anything that might hold a password is not.
fn mask_other(text: &str) -> String {
    // A file has no password, whatever it is called: `/srv/keyboards/shop.db` must not look like one.
    if unreserve_db::file_of(text).is_some() {
        return mask_parameters(text);
    }
    if text.contains('@') || is_secret(text) { MASK.to_owned() } else { text.to_owned() }
}

fn is_secret(name: &str) -> bool {
    let name = percent_decoded(name).to_lowercase();
    SECRET_WORDS.iter().any(|word| name.contains(word))
}

/// Percent-decoding for comparison only.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let code = if *first == b'%' { tail.first_chunk::<2>() } else { None };
        let decoded =
            code.and_then(|code| std::str::from_utf8(code).ok()).and_then(|code| u8::from_str_radix(code, 16).ok());
        bytes.push(decoded.unwrap_or(*first));
        rest = if decoded.is_some() { tail.get(2..).unwrap_or_default() } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MASKED: &[(&str, &str)] = &[
        ("postgres://shop:hunter2@host/db", "postgres://shop:***@host/db"),
        ("postgres://shop:hunter2@host:5433/db?sslmode=require", "postgres://shop:***@host:5433/db?sslmode=require"),
        ("postgres://shop:h%40nter%2F2@host/db", "postgres://shop:***@host/db"),
        ("postgres://shop:hun@ter2@host/db", "postgres://shop:***@host/db"),
        ("postgres://shop:hun/ter2@host/db", "postgres://shop:***@host/db"),
        ("postgres://shop:hun?ter2@host/db", "postgres://shop:***@host/db"),
        ("postgres://shop:hun#ter2@host/db", "postgres://shop:***@host/db"),
        ("postgres://shop:12?34@host/db", "postgres://shop:***@host/db"),
        ("postgres://shop:a?b=c@host/db", "postgres://shop:***@host/db"),
        ("postgres://shop:h@x/y?z@host/db", "postgres://shop:***@host/db"),
        ("postgres://shop:hunter2:?=@host/db", "postgres://shop:***@host/db"),
        ("postgres://:hunter2@host/db", "postgres://:***@host/db"),
        ("postgres://host/db?user=shop&password=hunter2", "postgres://host/db?user=shop&password=***"),
        ("postgres://host/db?PASSWORD=hunter2", "postgres://host/db?PASSWORD=***"),
        ("postgres://host/db?p%61ssword=hunter2&a=b", "postgres://host/db?p%61ssword=***&a=b"),
        ("postgres://a:b@host/db?sslpassword=hunter2", "postgres://a:***@host/db?sslpassword=***"),
        ("postgres://a:b@host/db?application_name=me@work", "postgres://a:***@work"),
        ("postgres://shop@host/db", "postgres://shop@host/db"),
        ("postgres://shop:@host/db", "postgres://shop:@host/db"),
        ("postgres://host:5432/db?application_name=a@b", "postgres://host:5432/db?application_name=a@b"),
        ("postgres://[::1]:5432/db", "postgres://[::1]:5432/db"),
        ("postgres://[::1]/db?application_name=a@b", "postgres://[::1]/db?application_name=a@b"),
        ("postgres:///db?host=/run/db", "postgres:///db?host=/run/db"),
        ("mysql://shop:hunter2@host/db", "mysql://shop:***@host/db"),
        ("sqlite:///var/lib/shop@home:1.db", "sqlite:///var/lib/shop@home:1.db"),
        ("sqlite:shop.db", "sqlite:shop.db"),
        ("sqlite:/srv/secret passage@home/Pwd.db", "sqlite:/srv/secret passage@home/Pwd.db"),
        ("sqlite:shop.db?password=hunter2", "***"),
        ("shop.db", "shop.db"),
        ("postgres:shop:hunter2@host/db", "***"),
        ("host=db password=hunter2", "***"),
        ("", ""),
    ];

    #[test]
    fn masks_every_password_and_nothing_else() {
        for (text, expected) in MASKED {
            let url = DatabaseUrl::new(*text);
            assert_eq!(url.to_string(), *expected, "{text}");
            assert_eq!(format!("{url:?}"), format!("DatabaseUrl({expected})"));
            assert_eq!(url.has_password(), text != expected, "{text}");
            assert_eq!(url.expose(), *text);
        }
    }

    proptest::proptest! {
        #[test]
        fn never_shows_a_password_whatever_it_is_made_of(password in "[!-~]{1,20}", query in "(\\?sslmode=require)?") {
            let secret = format!("Qx{password}xQ");
            let shown = mask(&format!("postgres://shop:{secret}@host/db{query}"));
            proptest::prop_assert!(!shown.contains("Qx") && !shown.contains("xQ"), "{}", shown);
        }
    }
}

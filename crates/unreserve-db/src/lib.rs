//! Every difference between databases, a folder each.
//!
//! [`open`] is the only place that knows which dialects there are. Adding one is a folder, a line here, a line in the
//! conformance test, and golden files.

mod cells;
mod deadline;
mod duty;
mod figures;
mod halt;
mod holding;
#[cfg(test)]
mod hostile;
mod mysql;
mod postgres;
mod records;
mod rows;
mod sqlite;
mod verify;
mod write;

use std::path::PathBuf;
use std::time::Duration;

use unreserve_engine::plan::Plan;
use unreserve_engine::shop::{Answer, Shop, ShopError, ShopErrorKind};

pub use sqlite::{demo, demo_live, demo_window};

/// Begins to listen for what a shop sends.
type Listen = fn(String, Options) -> Answer<'static, Box<dyn Notices>>;

/// One database family.
struct Dialect {
    /// The schemes its addresses begin with.
    schemes: &'static [&'static str],
    /// What an address looks like, for errors.
    example: &'static str,
    open: fn(String, Options) -> Answer<'static, Box<dyn Shop>>,
    place: fn(&str) -> Option<String>,
    grants: fn(&Plan, &str) -> String,
    index: fn(&unreserve_engine::plan::IndexAdvice, &Plan) -> String,
    /// The file that an address names, where the database is one.
    file: fn(&str) -> Option<PathBuf>,
    listen: Option<Listen>,
}

/// The only list of dialects.
const DIALECTS: &[Dialect] = &[
    Dialect {
        schemes: &["postgres", "postgresql"],
        example: "postgres://user@host/database",
        open: postgres::open,
        place: postgres::place,
        grants: postgres::grants,
        index: postgres::index_statement,
        file: |_| None,
        listen: Some(postgres::listen),
    },
    Dialect {
        schemes: &["mysql", "mariadb"],
        example: "mysql://user@host/database",
        open: mysql::open,
        place: mysql::place,
        grants: mysql::grants,
        index: mysql::index_statement,
        file: |_| None,
        listen: None,
    },
    Dialect {
        schemes: &["sqlite"],
        example: "sqlite:shop.db",
        open: sqlite::open,
        place: sqlite::place,
        grants: sqlite::grants,
        index: sqlite::index_statement,
        file: sqlite::file_of,
        listen: None,
    },
];

/// How to talk to a database.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How long one statement may take; the server is told as well.
    pub statement_timeout: Duration,
    /// Whether anything may be written.
    pub access: Access,
}

/// Whether anything may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Access {
    /// It may.
    #[default]
    Write,
    /// Nothing may, whatever is asked for: where every read is a transaction that only reads, that is so already; where a file
    /// is opened, the connection itself is told.
    Read,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            statement_timeout: Duration::from_secs(5),
            access: Access::Write,
        }
    }
}

/// Connects to the database at an address.
///
/// # Errors
/// The address is of no known database, or the database cannot be reached or refuses us. No error holds the password.
pub fn open(url: &str, options: Options) -> Answer<'static, Box<dyn Shop>> {
    match dialect(url) {
        Ok(dialect) => (dialect.open)(url.to_owned(), options),
        Err(error) => Box::pin(async move { Err(error) }),
    }
}

/// What tells one database from another: the same text for two addresses of one database that differ in the user, the
/// password, a default that is left out or an option. It holds no secret. Two names of one host are two hosts.
/// `None` where the address cannot be read.
#[must_use]
pub fn place(url: &str) -> Option<String> {
    (dialect(url).ok()?.place)(url)
}

/// Notices that a shop sends when something has changed. Whoever never gets one misses nothing but a little time.
pub trait Notices: Send {
    /// Waits for the next notice, or for the connection to be made anew: both mean that it is time to look.
    fn next(&mut self) -> Answer<'_, ()>;
}

/// Begins to listen for notices, where the database of this address can send any.
#[must_use]
pub fn listen(url: &str, options: Options) -> Option<Answer<'static, Box<dyn Notices>>> {
    dialect(url).ok()?.listen.map(|listen| listen(url.to_owned(), options))
}

/// The statements that give a role exactly what this plan needs, where the database has roles.
///
/// # Errors
/// The address is of no known database.
pub fn grants(url: &str, plan: &Plan, role: &str) -> Result<String, ShopError> {
    dialect(url).map(|dialect| (dialect.grants)(plan, role))
}

/// The statement that creates an index.
///
/// # Errors
/// The address is of no known database.
pub fn index_statement(
    url: &str,
    plan: &Plan,
    advice: &unreserve_engine::plan::IndexAdvice,
) -> Result<String, ShopError> {
    dialect(url).map(|dialect| (dialect.index)(advice, plan))
}

/// The file that an address names, where the database is a file that we open ourselves.
#[must_use]
pub fn file_of(url: &str) -> Option<PathBuf> {
    dialect(url).ok().and_then(|dialect| (dialect.file)(url))
}

fn dialect(url: &str) -> Result<&'static Dialect, ShopError> {
    let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
    DIALECTS.iter().find(|dialect| dialect.schemes.contains(&scheme)).ok_or_else(|| {
        let examples: Vec<String> = DIALECTS.iter().map(|dialect| format!("`{}`", dialect.example)).collect();
        // The rest of the address may hold a password: only a plain word before the colon is shown.
        let plain = !scheme.is_empty() && scheme.chars().all(|c| c.is_ascii_alphanumeric() || c == '+' || c == '-');
        let message = if plain {
            format!("the database address begins with `{scheme}:`, which is no database that is known here")
        } else {
            "the database address does not begin with a database's name".to_owned()
        };
        ShopError::new(ShopErrorKind::Refused, message).hint(format!("write it as {}", examples.join(" or ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_addresses_of_one_database_have_one_place_and_those_of_two_have_two() {
        let same = [
            ("postgres://a:one@h/shop", "postgresql://b:two@H:5432/shop?sslmode=require"),
            ("postgres://shop@h", "postgres://h/shop"),
            ("mysql://a:one@h/shop", "mysql://b@h:3306/shop"),
            ("sqlite:no/shop.db", "sqlite://no/shop.db?mode=ro"),
        ];
        for (one, other) in same {
            assert!(place(one).is_some(), "{one}");
            assert_eq!(place(one), place(other), "{one} {other}");
        }
        let other = [
            ("postgres://a@h/shop", "postgres://a@h/other"),
            ("postgres://a@h/shop", "postgres://a@other/shop"),
            ("postgres://a@h/shop", "postgres://a@h:5433/shop"),
            ("mysql://a@h/shop", "mysql://a@h/Shop"),
            ("mysql://a@h/shop", "postgres://a@h:3306/shop"),
            ("sqlite:a.db", "sqlite:b.db"),
        ];
        for (one, other) in other {
            assert!(place(one).is_some() && place(other).is_some(), "{one} {other}");
            assert_ne!(place(one), place(other), "{one} {other}");
        }
        for url in ["oracle://h/shop", "postgres://h:port/shop", "sqlite:", ""] {
            assert_eq!(place(url), None, "{url}");
        }
        assert!(!place("postgres://shop:hunter2@h/db").unwrap_or_default().contains("hunter2"));
    }
}

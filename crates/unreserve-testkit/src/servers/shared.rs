//! One server for a whole test suite, and a fresh database in it for each test.

use std::sync::{Mutex, OnceLock, PoisonError};

use super::{Durability, MariaDbServer, PostgresServer, ServerError, client};

/// The environment variable that names the suite's server: a superuser's URL to the database `postgres`.
pub const SHARED_POSTGRES: &str = "UNRESERVE_TEST_POSTGRES";

/// The same for MariaDB: the superuser's URL to the database `mysql`.
pub const SHARED_MARIADB: &str = "UNRESERVE_TEST_MARIADB";

/// The server that the tests of this process share: the suite's, or else one of this process.
#[derive(Debug)]
pub struct SharedServer {
    superuser_url: String,
    /// Held so that it lives as long as this process.
    _own: Option<PostgresServer>,
}

impl SharedServer {
    /// The URL of `database` over TCP, as the superuser.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        with_database(&self.superuser_url, database)
    }
}

/// The server to test on: the one `UNRESERVE_TEST_POSTGRES` names (`cargo xtask test` starts it), else one that is started
/// now and ends with this process.
///
/// # Errors
/// [`ServerError`] when no server can be started, or the variable holds no URL.
pub fn shared_server() -> Result<&'static SharedServer, ServerError> {
    static SERVER: OnceLock<SharedServer> = OnceLock::new();
    static STARTING: Mutex<()> = Mutex::new(());

    let _one_at_a_time = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(server) = SERVER.get() {
        return Ok(server);
    }
    let server = find_or_start()?;
    Ok(SERVER.get_or_init(|| server))
}

fn find_or_start() -> Result<SharedServer, ServerError> {
    match std::env::var(SHARED_POSTGRES) {
        Ok(url) if split_url(&url).is_some() => Ok(SharedServer { superuser_url: url, _own: None }),
        Ok(_) => Err(ServerError::Url { variable: SHARED_POSTGRES }),
        Err(_) => {
            let server = PostgresServer::start(Durability::Fast)?;
            Ok(SharedServer { superuser_url: server.url("postgres"), _own: Some(server) })
        }
    }
}

/// The MariaDB server to test on, found or started like the [`shared_server`]: the superuser's URL to the database `mysql`.
///
/// # Errors
/// The variable's value is no address, or no server can be started.
pub fn shared_mariadb() -> Result<&'static str, ServerError> {
    static SERVER: OnceLock<(String, Option<MariaDbServer>)> = OnceLock::new();
    static STARTING: Mutex<()> = Mutex::new(());

    let _one_at_a_time = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((url, _)) = SERVER.get() {
        return Ok(url);
    }
    let server = match std::env::var(SHARED_MARIADB) {
        Ok(url) if split_url(&url).is_some() => (url, None),
        Ok(_) => return Err(ServerError::Url { variable: SHARED_MARIADB }),
        Err(_) => {
            let server = MariaDbServer::start()?;
            (server.url("mysql"), Some(server))
        }
    };
    Ok(&SERVER.get_or_init(|| server).0)
}

/// An empty database for one test; it is dropped, whoever is still connected, when this value is.
#[derive(Debug)]
pub struct FreshDatabase {
    superuser_url: String,
    name: String,
}

/// Creates an empty database on the [`shared_server`].
///
/// # Errors
/// [`ServerError`] when there is no server or it refuses.
pub fn fresh_database() -> Result<FreshDatabase, ServerError> {
    let superuser_url = shared_server()?.superuser_url.clone();
    let name = create_database(&superuser_url)?;
    Ok(FreshDatabase { superuser_url, name })
}

/// Creates an empty database on the shared MariaDB server.
///
/// # Errors
/// [`ServerError`] when there is no server or it refuses.
pub fn fresh_mariadb() -> Result<FreshDatabase, ServerError> {
    let superuser_url = shared_mariadb()?.to_owned();
    let name = create_database(&superuser_url)?;
    Ok(FreshDatabase { superuser_url, name })
}

impl FreshDatabase {
    /// Creates an empty database on a server that is not shared.
    ///
    /// # Errors
    /// [`ServerError`] when the server refuses.
    pub fn on(server: &PostgresServer) -> Result<Self, ServerError> {
        Self::in_server(server.url("postgres"))
    }

    /// The same on any server, by the URL of its superuser.
    ///
    /// # Errors
    /// [`ServerError`] when the server refuses.
    pub fn in_server(superuser_url: String) -> Result<Self, ServerError> {
        let name = create_database(&superuser_url)?;
        Ok(Self { superuser_url, name })
    }

    /// The URL over TCP, as the superuser.
    #[must_use]
    pub fn url(&self) -> String {
        with_database(&self.superuser_url, &self.name)
    }

    /// The URL over TCP, as another role: `role`, or `role:password`, percent-encoded where it has to be.
    #[must_use]
    pub fn url_as(&self, role: &str) -> String {
        with_role(&self.url(), role)
    }

    /// The database's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for FreshDatabase {
    fn drop(&mut self) {
        // A test may have stopped the server; the suite's end removes whatever is left.
        drop(client::run(&self.superuser_url, &drop_statement(&self.superuser_url, &self.name)));
    }
}

/// Drops a database, whoever is still connected to it, and the accounts that belong to it.
fn drop_statement(superuser_url: &str, name: &str) -> String {
    if !superuser_url.starts_with("mysql:") {
        return format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
    }
    // Whoever has a transaction open would be waited for.
    format!(
        "BEGIN NOT ATOMIC
           DECLARE CONTINUE HANDLER FOR SQLEXCEPTION BEGIN END;
           SET SESSION lock_wait_timeout = 10;
           FOR p IN (SELECT id FROM information_schema.processlist WHERE db = '{name}') DO KILL p.id; END FOR;
           FOR u IN (SELECT user FROM mysql.user WHERE user LIKE '{name}%') DO
             EXECUTE IMMEDIATE CONCAT('DROP USER `', u.user, '`@`%`'); END FOR;
           DROP DATABASE IF EXISTS {name};
         END"
    )
}

/// Creates a database with a name that no other process can have chosen.
pub(super) fn create_database(superuser_url: &str) -> Result<String, ServerError> {
    let name = format!("test_{}", uuid::Uuid::new_v4().simple());
    client::run(superuser_url, &format!("CREATE DATABASE {name}"))?;
    Ok(name)
}

/// A URL in three parts: up to and with the host and port, the database, and `?…` if there is one.
fn split_url(url: &str) -> Option<(&str, &str, &str)> {
    let (rest, query) = match url.find('?') {
        Some(at) => url.split_at(at),
        None => (url, ""),
    };
    let (scheme, address) = rest.split_once("://")?;
    let (host, database) = address.split_once('/').unwrap_or((address, ""));
    if scheme.is_empty() || host.is_empty() {
        return None;
    }
    let base = rest.strip_suffix(database).map(|base| base.trim_end_matches('/'))?;
    Some((base, database, query))
}

fn with_database(url: &str, database: &str) -> String {
    split_url(url).map_or_else(|| url.to_owned(), |(base, _, query)| format!("{base}/{database}{query}"))
}

fn with_role(url: &str, role: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{role}@{host}/{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn puts_another_database_or_role_into_a_url() {
        let rows = [
            ("pg://a:b@h:1/postgres", "pg://a:b@h:1/new"),
            ("pg://a@h:1/postgres?x=/y", "pg://a@h:1/new?x=/y"),
            ("pg://a@h:1", "pg://a@h:1/new"),
        ];
        for (url, expected) in rows {
            assert_eq!(with_database(url, "new"), expected);
        }
        assert_eq!(with_role("pg://a:b@h:1/d?x=1", "c:p"), "pg://c:p@h:1/d?x=1");
        assert_eq!(with_role("pg://h:1/d", "c"), "pg://c@h:1/d");
    }

    #[test]
    fn a_word_is_no_url() {
        for word in ["", "yes", "://h/d", "pg:///d"] {
            assert_eq!(split_url(word), None, "{word}");
        }
    }

    #[test]
    fn a_fresh_database_is_gone_after_its_guard_even_inside_a_runtime() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let database = fresh_database().unwrap();
            let other = fresh_database().unwrap();
            assert_ne!(database.name(), other.name());
            let url = database.url();
            client::run(&url, "SELECT 1").unwrap();
            drop(database);
            client::run(&url, "SELECT 1").unwrap_err();
            client::run(&other.url(), "SELECT 1").unwrap();
        });
    }
}

//! The one connection: made when it is needed, dropped as soon as its state is in doubt.

use std::str::FromStr;
use std::time::Duration;

use sqlx::mysql::{MySqlArguments, MySqlConnectOptions, MySqlRow};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, MySqlConnection, SqlSafeStr};
use unreserve_engine::model::{Mutant, planted};
use unreserve_engine::shop::{ShopError, ShopErrorKind};

use super::errors::{connect_error, statement_error};
use crate::Options;
use crate::deadline::within;

/// How long our own tables' rows are waited for: longer than any batch of ours.
pub(super) const OWN_WAIT_SECONDS: u64 = 3;

/// How many prepared statements are kept: all that one sweep uses. The server has only so many for everybody (16,382 unless
/// it is told otherwise); but one that is closed after each run costs a packet that nobody answers, and the next one waits
/// for the 40 ms until the other side says that it came.
const STATEMENTS_KEPT: usize = 64;

/// The two products of this family, as far as their settings differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Product {
    /// MariaDB.
    MariaDb,
    /// MySQL.
    MySql,
}

/// What tells the database at an address from another.
pub(crate) fn place(url: &str) -> Option<String> {
    let options = MySqlConnectOptions::from_str(url).ok()?;
    let socket = options.get_socket().map(|socket| socket.display().to_string());
    let host = socket.unwrap_or_else(|| format!("{} {}", options.get_host().to_lowercase(), options.get_port()));
    Some(format!("mysql {host} {}", options.get_database().unwrap_or_default()))
}

/// A connection, or the means to make one.
pub(super) struct Link {
    connect: MySqlConnectOptions,
    limits: Options,
    pub(super) product: Product,
    /// Whether other nodes of a cluster commit as well: then every transaction waits for what they have committed.
    pub(super) cluster: bool,
    connection: Option<MySqlConnection>,
}

/// What a transaction is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Read,
    /// It reads with several statements what has to fit together.
    Snapshot,
    Write,
}

impl Link {
    /// Reads the address; connects at the first statement.
    pub(super) fn new(url: &str, limits: Options) -> Result<Self, ShopError> {
        let connect = MySqlConnectOptions::from_str(url).map_err(|error| connect_error(&error))?;
        if connect.get_database().is_none_or(str::is_empty) {
            return Err(ShopError::new(ShopErrorKind::Refused, "the database address names no database")
                .hint("write it as mysql://user:password@host/database"));
        }
        let connect = connect
            .statement_cache_capacity(STATEMENTS_KEPT)
            // Everything else is set at the beginning of every transaction.
            .timezone(None)
            .pipes_as_concat(false)
            .no_engine_substitution(false)
            .disable_statement_logging();
        Ok(Self { connect, limits, product: Product::MariaDb, cluster: false, connection: None })
    }

    /// Drops the connection: the server rolls back whatever was open.
    pub(super) fn cut(&mut self) {
        self.connection = None;
    }

    /// Takes the connection out, so that a caller who goes away in the middle of a statement leaves none behind.
    async fn take(&mut self) -> Result<MySqlConnection, ShopError> {
        if let Some(connection) = self.connection.take() {
            return Ok(connection);
        }
        let made = within(self.limits.connect_timeout, "connect", MySqlConnection::connect_with(&self.connect)).await;
        let made = made.map_err(|error| {
            error.hint("is the server running, and are host and port right? a firewall may be in the way")
        })?;
        made.map_err(|error| connect_error(&error))
    }

    /// The client waits a little longer than the server, whose own timeout gives the better error.
    fn deadline(&self) -> Duration {
        self.limits.statement_timeout.saturating_mul(2)
    }

    /// Keeps the connection unless the error leaves it in doubt.
    fn keep<T>(
        &mut self,
        connection: MySqlConnection,
        outcome: Result<Result<T, sqlx::Error>, ShopError>,
        statement: &'static str,
    ) -> Result<T, ShopError> {
        let outcome = outcome.and_then(|answer| answer.map_err(|error| statement_error(&error, statement)));
        let in_doubt = outcome.as_ref().is_err_and(|error| error.kind == ShopErrorKind::Disconnected);
        if !in_doubt {
            self.connection = Some(connection);
        }
        outcome
    }

    /// Sends statements without parameters in one message.
    pub(super) async fn simple(&mut self, name: &'static str, sql: String) -> Result<(), ShopError> {
        let mut connection = self.take().await?;
        let outcome = within(self.deadline(), name, connection.execute(sqlx::raw_sql(AssertSqlSafe(sql)))).await;
        self.keep(connection, outcome, name).map(|_| ())
    }

    /// Runs a statement and reads its rows.
    pub(super) async fn rows(
        &mut self,
        name: &'static str,
        sql: &str,
        arguments: MySqlArguments,
    ) -> Result<Vec<MySqlRow>, ShopError> {
        let mut connection = self.take().await?;
        let query = sqlx::query_with(AssertSqlSafe(sql), arguments);
        let outcome = within(self.deadline(), name, query.fetch_all(&mut connection)).await;
        self.keep(connection, outcome, name)
    }

    /// Runs a statement and counts the rows it found: the driver asks for those, not only for those it changed.
    pub(super) async fn execute(
        &mut self,
        name: &'static str,
        sql: &str,
        arguments: MySqlArguments,
    ) -> Result<u64, ShopError> {
        let mut connection = self.take().await?;
        let query = sqlx::query_with(AssertSqlSafe(sql), arguments);
        let outcome = within(self.deadline(), name, query.execute(&mut connection)).await;
        self.keep(connection, outcome, name).map(|done| done.rows_affected())
    }

    /// Has the server prepare a statement, and runs nothing.
    pub(super) async fn prepare(&mut self, name: &'static str, sql: &str) -> Result<(), ShopError> {
        let mut connection = self.take().await?;
        let sql = AssertSqlSafe(sql.to_owned()).into_sql_str();
        let outcome = within(self.deadline(), name, connection.prepare(sql)).await;
        self.keep(connection, outcome.map(|answer| answer.map(|_| ())), name)
    }

    async fn begin(&mut self, access: Access, wait_seconds: u64) -> Result<(), ShopError> {
        let word = if access == Access::Write { "READ WRITE" } else { "READ ONLY" };
        let settings = settings(self.product, self.cluster, self.limits.statement_timeout, wait_seconds);
        let stale = planted(Mutant::RepeatableRead) && access == Access::Write;
        let level = if stale || access == Access::Snapshot { "REPEATABLE READ" } else { "READ COMMITTED" };
        let sql = format!("{settings}; SET TRANSACTION ISOLATION LEVEL {level}; START TRANSACTION {word}");
        let begun = self.simple("begin", sql).await;
        if begun.is_err() {
            // Some of it may have been done.
            self.cut();
        }
        begun
    }

    /// Begins a transaction that reads.
    pub(super) async fn begin_read(&mut self) -> Result<(), ShopError> {
        self.begin(Access::Read, 1).await
    }

    /// Begins a transaction whose statements all see one moment.
    pub(super) async fn begin_snapshot(&mut self) -> Result<(), ShopError> {
        self.begin(Access::Snapshot, 1).await
    }

    /// Begins a transaction of our own tables' housekeeping.
    pub(super) async fn begin_write(&mut self) -> Result<(), ShopError> {
        self.begin(Access::Write, OWN_WAIT_SECONDS).await
    }

    /// Begins a batch: no lock of the shop's is waited for longer than the second that is the least that can be said.
    pub(super) async fn begin_batch(&mut self) -> Result<(), ShopError> {
        self.begin(Access::Write, 1).await
    }

    /// From the first lock on, a customer may be waiting: no statement may take longer than the budget.
    pub(super) async fn limit_statements(&mut self, budget: Duration) -> Result<(), ShopError> {
        let limit = statement_limit(self.product, budget.min(self.limits.statement_timeout));
        self.simple("limit", format!("SET SESSION {limit}")).await
    }

    /// Commits; nothing may cut that short on the server.
    pub(super) async fn commit(&mut self) -> Result<(), ShopError> {
        let unlimited = match self.product {
            Product::MariaDb => "SET SESSION max_statement_time = 0; ",
            Product::MySql => "",
        };
        self.simple("commit", format!("{}{unlimited}COMMIT", patient_again(self.product))).await
    }

    /// Undoes what is open; where that fails the connection goes, which undoes it as well.
    pub(super) async fn rollback(&mut self) -> Result<(), ShopError> {
        if self.connection.is_none() {
            return Ok(());
        }
        let outcome = self.simple("rollback", format!("{}ROLLBACK", patient_again(self.product))).await;
        if outcome.is_err() {
            self.cut();
        }
        outcome
    }

    /// Ends a transaction: commits what was read or written if all went well, else rolls back.
    pub(super) async fn end<T>(&mut self, outcome: Result<T, ShopError>) -> Result<T, ShopError> {
        match outcome {
            Ok(value) => match self.commit().await {
                Ok(()) => Ok(value),
                Err(error) => {
                    self.cut();
                    Err(error)
                }
            },
            Err(error) => {
                let _ = self.rollback().await;
                Err(error)
            }
        }
    }
}

/// Everything that a transaction relies on, said again at the beginning of each: a proxy may have handed us another
/// connection of the server's. Strict, so that nothing is cut to fit; without the rules about zero dates, which many shops'
/// tables hold.
fn settings(product: Product, cluster: bool, statement_timeout: Duration, wait_seconds: u64) -> String {
    let limit = statement_limit(product, statement_timeout);
    let own = impatient(product);
    let causal = if cluster { ", wsrep_sync_wait = 1" } else { "" };
    format!(
        "SET SESSION time_zone = '+00:00', sql_mode = 'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION', \
         autocommit = 1, sql_safe_updates = 0, innodb_lock_wait_timeout = {wait_seconds}, lock_wait_timeout = {wait_seconds}, {limit}{own}{causal}"
    )
}

/// A client that vanished or was stopped in mid-batch must not keep the shop's rows for long: after two seconds of silence
/// the server rolls back. MySQL knows no such limit for transactions alone, so there it is the session's own, which by itself
/// is eight hours.
fn impatient(product: Product) -> &'static str {
    match product {
        Product::MariaDb => ", idle_transaction_timeout = 2",
        Product::MySql => ", wait_timeout = 2",
    }
}

/// Takes that back before a transaction ends: between two of them the connection may be silent for as long as others may.
fn patient_again(product: Product) -> &'static str {
    match product {
        Product::MariaDb => "",
        Product::MySql => "SET SESSION wait_timeout = DEFAULT; ",
    }
}

/// The server's limit on one statement; MySQL knows one for reading statements only.
fn statement_limit(product: Product, limit: Duration) -> String {
    let millis = limit.as_millis().max(1);
    match product {
        Product::MariaDb => {
            let (seconds, rest) = (limit.as_secs(), limit.subsec_millis().max(u32::from(limit.as_secs() == 0)));
            format!("max_statement_time = {seconds}.{rest:03}")
        }
        Product::MySql => format!("max_execution_time = {millis}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_without_a_database_is_refused() {
        for url in ["mysql://shop@host", "mariadb://shop@host/"] {
            let error = Link::new(url, Options::default()).map(|_| ()).unwrap_err();
            assert_eq!(error.kind, ShopErrorKind::Refused, "{url}");
        }
        assert!(Link::new("mariadb://shop:secret@host:3307/shop", Options::default()).is_ok());
    }

    #[test]
    fn whoever_falls_silent_in_a_transaction_is_bounded_on_both_products() {
        let begins = |product| settings(product, false, Duration::from_secs(5), 1);
        let (mariadb, mysql) = (begins(Product::MariaDb), begins(Product::MySql));
        assert!(mariadb.ends_with("max_statement_time = 5.000, idle_transaction_timeout = 2"), "{mariadb}");
        assert!(mysql.ends_with("max_execution_time = 5000, wait_timeout = 2"), "{mysql}");
        assert_eq!(patient_again(Product::MySql), "SET SESSION wait_timeout = DEFAULT; ");
    }

    fn refuses(outcome: Result<(), ShopError>) -> ShopErrorKind {
        outcome.unwrap_err().kind
    }

    /// MySQL's way, on the server that is at hand: it has the same variable with the same meaning.
    #[tokio::test]
    async fn a_session_that_falls_silent_in_a_batch_loses_its_rows_and_one_that_ended_it_keeps_its_connection() {
        let database = unreserve_testkit::servers::fresh_mariadb().unwrap();
        let link = || Link { product: Product::MySql, ..Link::new(&database.url(), Options::default()).unwrap() };
        let (mut ours, mut theirs) = (link(), link());
        let table = "CREATE TABLE t (id INT PRIMARY KEY) ENGINE = InnoDB; INSERT INTO t VALUES (1)";
        theirs.simple("make", table.to_owned()).await.unwrap();
        let begin = format!("SET SESSION autocommit = 1{}; START TRANSACTION", impatient(Product::MySql));
        let lock = "SET SESSION innodb_lock_wait_timeout = 9; SELECT id FROM t WHERE id = 1 FOR UPDATE";
        for ended in [true, false] {
            ours.simple("begin", begin.clone()).await.unwrap();
            ours.simple("lock", lock.to_owned()).await.unwrap();
            if ended {
                ours.commit().await.unwrap();
                // Longer than a batch may be silent.
                theirs.simple("wait", "DO SLEEP(3)".to_owned()).await.unwrap();
                ours.simple("ask", "SELECT 1".to_owned()).await.unwrap();
            } else {
                // Waits until the server has given up on the other one: nothing else frees the row.
                theirs.simple("lock", lock.to_owned()).await.unwrap();
                assert_eq!(refuses(ours.commit().await), ShopErrorKind::Disconnected);
            }
        }
    }

    #[test]
    fn a_limit_is_never_none() {
        assert_eq!(statement_limit(Product::MariaDb, Duration::from_millis(300)), "max_statement_time = 0.300");
        assert_eq!(statement_limit(Product::MariaDb, Duration::from_secs(5)), "max_statement_time = 5.000");
        assert_eq!(statement_limit(Product::MariaDb, Duration::ZERO), "max_statement_time = 0.001");
        assert_eq!(statement_limit(Product::MySql, Duration::ZERO), "max_execution_time = 1");
    }
}

//! The one connection: made when it is needed, dropped as soon as its state is in doubt.

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgArguments, PgConnectOptions, PgRow};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection};
use unreserve_engine::shop::{ShopError, ShopErrorKind};

use super::errors::{connect_error, statement_error};
use crate::Options;
use crate::deadline::within;

/// A connection, or the means to make one.
pub(super) struct Link {
    connect: PgConnectOptions,
    limits: Options,
    connection: Option<PgConnection>,
}

impl Link {
    /// Reads the address; connects at the first statement.
    pub(super) fn new(url: &str, limits: Options) -> Result<Self, ShopError> {
        let connect = PgConnectOptions::from_str(url).map_err(|error| connect_error(&error))?;
        let connect = connect
            .application_name("unreserve")
            // Not every pooler lets this parameter pass, and no float is ever read.
            .extra_float_digits(None)
            // Named statements outlive a transaction, and a pooler may hand the server to somebody else.
            .statement_cache_capacity(0)
            .disable_statement_logging();
        Ok(Self { connect, limits, connection: None })
    }

    /// Drops the connection: the server rolls back whatever was open.
    pub(super) fn cut(&mut self) {
        self.connection = None;
    }

    async fn connection(&mut self) -> Result<&mut PgConnection, ShopError> {
        if self.connection.is_none() {
            let made = within(self.limits.connect_timeout, "connect", PgConnection::connect_with(&self.connect)).await;
            let made = made.map_err(|error| {
                error.hint("is the server running, and are host and port right? a firewall may be in the way")
            })?;
            self.connection = Some(made.map_err(|error| connect_error(&error))?);
        }
        self.connection.as_mut().ok_or_else(|| ShopError::new(ShopErrorKind::Disconnected, "no connection"))
    }

    /// The client waits a little longer than the server, whose own timeout gives the better error.
    fn deadline(&self) -> Duration {
        self.limits.statement_timeout.saturating_mul(2)
    }

    /// The server's limit on one statement, in milliseconds.
    pub(super) fn statement_timeout_ms(&self) -> u128 {
        self.limits.statement_timeout.as_millis()
    }

    fn settle<T>(
        &mut self,
        outcome: Result<Result<T, sqlx::Error>, ShopError>,
        statement: &'static str,
    ) -> Result<T, ShopError> {
        let outcome = outcome.and_then(|answer| answer.map_err(|error| statement_error(&error, statement)));
        if let Err(error) = &outcome
            && error.kind == ShopErrorKind::Disconnected
        {
            self.cut();
        }
        outcome
    }

    /// Sends statements without parameters in one message.
    pub(super) async fn simple(&mut self, name: &'static str, sql: String) -> Result<(), ShopError> {
        let limit = self.deadline();
        let connection = self.connection().await?;
        let outcome = within(limit, name, connection.execute(sqlx::raw_sql(AssertSqlSafe(sql)))).await;
        self.settle(outcome, name).map(|_| ())
    }

    /// Runs a statement and reads its rows.
    pub(super) async fn rows(
        &mut self,
        name: &'static str,
        sql: &str,
        arguments: PgArguments,
    ) -> Result<Vec<PgRow>, ShopError> {
        let limit = self.deadline();
        let connection = self.connection().await?;
        let query = sqlx::query_with(AssertSqlSafe(sql), arguments).persistent(false);
        let outcome = within(limit, name, query.fetch_all(connection)).await;
        self.settle(outcome, name)
    }

    /// Runs a statement and counts the rows it changed.
    pub(super) async fn execute(
        &mut self,
        name: &'static str,
        sql: &str,
        arguments: PgArguments,
    ) -> Result<u64, ShopError> {
        let limit = self.deadline();
        let connection = self.connection().await?;
        let query = sqlx::query_with(AssertSqlSafe(sql), arguments).persistent(false);
        let outcome = within(limit, name, query.execute(connection)).await;
        self.settle(outcome, name).map(|done| done.rows_affected())
    }

    /// Begins a transaction that reads. A pooler may hand every transaction to another server, so whatever a
    /// statement needs is set inside it, and gone with it.
    pub(super) async fn begin_read(&mut self) -> Result<(), ShopError> {
        let sql = format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY; {}",
            local_settings(self.statement_timeout_ms(), Duration::from_secs(1))
        );
        self.simple("begin_read", sql).await
    }

    /// Begins a transaction of our own tables' housekeeping.
    pub(super) async fn begin_write(&mut self) -> Result<(), ShopError> {
        let settings = local_settings(self.statement_timeout_ms(), Duration::from_secs(1));
        self.simple("begin_write", format!("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; {settings}")).await
    }

    /// Ends a transaction: commits what was read or written if all went well, else rolls back.
    pub(super) async fn end<T>(&mut self, outcome: Result<T, ShopError>) -> Result<T, ShopError> {
        let sql = if outcome.is_ok() { "COMMIT" } else { "ROLLBACK" };
        let ended = if self.connection.is_some() { self.simple("end", sql.to_owned()).await } else { Ok(()) };
        match (outcome, ended) {
            (Ok(value), Ok(())) => Ok(value),
            (Err(error), _) => Err(error),
            (Ok(_), Err(error)) => {
                self.cut();
                Err(error)
            }
        }
    }
}

/// Settings that end with the transaction. A process that was stopped in mid-batch must not keep the shop's rows for
/// long; and a policy that hides rows must be an error, since a payment that cannot be seen protects nothing.
pub(super) fn local_settings(statement_timeout_ms: u128, lock_wait: Duration) -> String {
    format!(
        "SET LOCAL lock_timeout = {}; SET LOCAL statement_timeout = {statement_timeout_ms}; \
         SET LOCAL idle_in_transaction_session_timeout = 2000; SET LOCAL plan_cache_mode = force_custom_plan; \
         SET LOCAL row_security = off; \
         SET LOCAL jit = off; SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO, YMD'",
        lock_wait.as_millis().max(1)
    )
}

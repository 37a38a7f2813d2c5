//! A connection of `unreserve` to the database in memory: made when it is needed, dropped when its state is in doubt.

use std::time::Duration;

use unreserve_engine::shop::{ShopError, ShopErrorKind};

use super::database::{Database, broken};
use super::locks::TxId;
use super::store::refusal;
use crate::shops::Access;

/// A connection, or the means to make one.
#[derive(Debug)]
pub(super) struct Link {
    /// The database.
    pub(super) database: Database,
    /// As whom it connects.
    pub(super) access: Access,
    /// Whether it is a dry run's, which must neither lock nor write.
    pub(super) dry: bool,
    statement_timeout: i64,
    connection: Option<u64>,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.cut();
    }
}

/// So many microseconds.
pub(super) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

impl Link {
    /// Connects at the first statement.
    #[must_use]
    pub(super) fn new(database: &Database, access: Access, statement_timeout: Duration) -> Self {
        let statement_timeout = micros(statement_timeout);
        Self { database: database.clone(), access, dry: false, statement_timeout, connection: None }
    }

    /// Drops the connection: the server rolls back whatever was open, as soon as it sees that.
    pub(super) fn cut(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.database.abandon(connection);
        }
    }

    /// Gives the connection away, as it is.
    pub(super) fn take(&mut self) -> Option<u64> {
        self.connection.take()
    }

    /// The connection's number, once it is made.
    #[must_use]
    pub(super) fn connection(&self) -> Option<u64> {
        self.connection
    }

    /// The server's limit on one statement, in microseconds.
    #[must_use]
    pub(super) fn statement_timeout(&self) -> i64 {
        self.statement_timeout
    }

    /// The database's now.
    #[must_use]
    pub(super) fn now(&self) -> i64 {
        self.database.time.database_now()
    }

    /// A message outside a transaction: connects where that is needed.
    ///
    /// # Errors
    /// The connection was cut off.
    pub(super) async fn ask(&mut self) -> Result<u64, ShopError> {
        self.database.travel().await;
        let mut state = self.database.state();
        let connection = *self.connection.get_or_insert_with(|| state.connect(true));
        if self.dry {
            state.dry.insert(connection);
        }
        if state.connections.contains_key(&connection) {
            return Ok(connection);
        }
        drop(state);
        self.connection = None;
        Err(broken())
    }

    /// Begins a transaction that writes.
    ///
    /// # Errors
    /// The connection was cut off, or takes no writes.
    pub(super) async fn begin(&mut self, lock_wait: Duration) -> Result<TxId, ShopError> {
        let connection = self.ask().await?;
        match self.access {
            Access::Owner => {}
            Access::ReadOnly => {
                return Err(refusal(ShopErrorKind::ReadOnly, "25006", "cannot write in a read-only transaction"));
            }
            Access::SelectOnly => {
                return Err(refusal(ShopErrorKind::Permission, "42501", "permission denied")
                    .hint("`unreserve setup --print-grants` prints what the role needs"));
            }
        }
        let now = (self.database.time.now(), self.database.time.database_now());
        let timeout = self.statement_timeout;
        let mut state = self.database.state();
        let tx = state.begin(connection, now).ok_or_else(broken)?;
        let unbounded = state.mutation == Some(super::mutation::Mutation::WaitsForEver);
        if let Some(open) = state.txs.get_mut(&tx) {
            open.lock_timeout = (!unbounded).then(|| micros(lock_wait).max(1_000));
            open.statement_timeout = (!unbounded).then_some(timeout);
        }
        Ok(tx)
    }

    /// A statement's way to the server, inside a transaction.
    ///
    /// # Errors
    /// The connection was cut off.
    pub(super) async fn statement(&mut self, tx: TxId) -> Result<(), ShopError> {
        self.database.travel().await;
        let now = self.database.time.now();
        let mut state = self.database.state();
        if let Some(open) = state.txs.get_mut(&tx) {
            (open.statement_began, open.idle_since) = (now, now);
            return Ok(());
        }
        drop(state);
        self.connection = None;
        Err(broken())
    }

    /// Commits a transaction of our own tables' housekeeping.
    ///
    /// # Errors
    /// The connection was cut off.
    pub(super) async fn commit(&mut self, tx: TxId) -> Result<(), ShopError> {
        self.statement(tx).await?;
        self.database.state().commit(tx, self.now())?;
        self.database.travel().await;
        Ok(())
    }

    /// Undoes a transaction.
    pub(super) async fn rollback(&mut self, tx: TxId) {
        self.database.travel().await;
        self.database.state().rollback(tx);
    }
}

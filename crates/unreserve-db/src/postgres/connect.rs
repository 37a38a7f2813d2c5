//! The one connection: made when it is needed, dropped as soon as its state is in doubt.

use std::collections::HashSet;
use std::str::FromStr;
use std::time::Duration;

use futures_util::TryStreamExt;
use sqlx::postgres::{PgConnectOptions, PgRow};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Either, PgConnection};
use unreserve_engine::shop::{ShopError, ShopErrorKind};
use uuid::Uuid;

use super::errors::{connect_error, statement_error};
use super::fragments::Statement;
use super::message::{Call, Message, Reply, Transaction};
use super::values::{Parameters, only_row, read};
use crate::Options;
use crate::deadline::within;

/// The SQLSTATE of a prepared statement that is not there.
const NO_SUCH_STATEMENT: &str = "26000";

/// A session that was there so long before our first look at it is not our own.
const FRESH_SECONDS: i64 = 10;

const SESSION: &str = "/* unreserve session */
SELECT pid::bigint, (extract(epoch FROM backend_start) * 1000000)::bigint, extract(epoch FROM clock_timestamp() - backend_start)::bigint
FROM pg_stat_get_activity(pg_backend_pid())";

/// What tells the database at an address from another.
pub(crate) fn place(url: &str) -> Option<String> {
    let options = PgConnectOptions::from_str(url).ok()?;
    let socket = options.get_socket().map(|socket| socket.display().to_string());
    let host = socket.unwrap_or_else(|| options.get_host().to_lowercase());
    let database = options.get_database().unwrap_or(options.get_username());
    Some(format!("postgres {host} {} {database}", options.get_port()))
}

/// A connection, or the means to make one.
pub(super) struct Link {
    connect: PgConnectOptions,
    limits: Options,
    connection: Option<PgConnection>,
    /// What is sent ahead of the next message, in the same round trip: what opens a transaction.
    ahead: Option<Message>,
    kept: Kept,
    /// Whether a statement of the open transaction has failed: its COMMIT would be a rollback that reports no error.
    failed: bool,
}

/// The statements that a server session keeps prepared for us, so that a batch need not have them parsed and planned.
/// Behind a pooler the next transaction may be in another session, and ours may be another's: so the names are random,
/// every batch asks which session it is in, and nothing is kept where a pooler is noticed.
struct Kept {
    /// What our names begin with.
    names: String,
    /// The sessions that have them: process, and when it began.
    sessions: HashSet<(i64, i64)>,
    /// Whether the sessions seem to be a pooler's.
    pooled: bool,
    /// Whether the transaction that is open may use them.
    usable: bool,
}

impl Kept {
    fn new(pooled: bool) -> Self {
        Self { names: random_name(), sessions: HashSet::new(), pooled, usable: false }
    }
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
        Ok(Self { connect, limits, connection: None, ahead: None, kept: Kept::new(false), failed: false })
    }

    /// Drops the connection: the server rolls back whatever was open.
    pub(super) fn cut(&mut self) {
        self.connection = None;
        self.ahead = None;
        self.kept = Kept::new(self.kept.pooled);
    }

    /// Whether there is a connection, whatever its state.
    pub(super) fn is_connected(&self) -> bool {
        self.connection.is_some()
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

    /// Sends one message, and gives what its calls answered.
    pub(super) async fn send(&mut self, message: Message) -> Result<Vec<Reply>, ShopError> {
        let message = match self.ahead.take() {
            Some(ahead) => ahead.then(message),
            None => message,
        };
        let limit = self.deadline().saturating_mul(u32::try_from(message.calls()).unwrap_or(u32::MAX).max(1));
        let connection = self.connection().await?;
        let mut replies = vec![Reply::default()];
        let outcome = within(limit, message.last_name(), receive(connection, &message, &mut replies)).await;
        let stopped_at = replies.len().saturating_sub(1);
        let outcome =
            outcome.and_then(|answer| answer.map_err(|error| statement_error(&error, message.name_of(stopped_at))));
        match outcome {
            Ok(()) => Ok(message.wanted(replies)),
            Err(error) => {
                self.failed = true;
                if error.kind == ShopErrorKind::Disconnected {
                    self.cut();
                }
                let lost = error.code.as_deref() == Some(NO_SUCH_STATEMENT);
                if lost || message.prepares() {
                    // Some of the names are taken now, and none is sure to be there.
                    self.kept = Kept::new(self.kept.pooled || lost);
                }
                Err(error)
            }
        }
    }

    /// Sends statements without parameters, whose answers nobody wants.
    pub(super) async fn simple(&mut self, name: &'static str, sql: &str) -> Result<(), ShopError> {
        self.send(Message::new().command(name, sql)).await.map(drop)
    }

    /// Runs one statement.
    pub(super) async fn run(&mut self, call: Call<'_>) -> Result<Reply, ShopError> {
        Ok(self.send(self.message(call)).await?.pop().unwrap_or_default())
    }

    /// Runs statements in one message.
    pub(super) async fn run_all(&mut self, calls: Vec<Call<'_>>) -> Result<Vec<Reply>, ShopError> {
        let names = &self.kept.names;
        self.send(calls.into_iter().fold(Message::new(), |message, call| message.call(names, call))).await
    }

    /// A message that begins with a call.
    pub(super) fn message(&self, call: Call<'_>) -> Message {
        Message::new().call(&self.kept.names, call)
    }

    /// Runs a statement and reads its rows.
    pub(super) async fn rows(
        &mut self,
        name: &'static str,
        sql: &str,
        parameters: Parameters,
    ) -> Result<Vec<PgRow>, ShopError> {
        self.run(Call::once(name, sql, parameters)?).await.map(|reply| reply.rows)
    }

    /// Runs a statement and counts the rows it changed.
    pub(super) async fn execute(
        &mut self,
        name: &'static str,
        sql: &str,
        parameters: Parameters,
    ) -> Result<u64, ShopError> {
        self.run(Call::once(name, sql, parameters)?).await.map(|reply| reply.affected)
    }

    /// A call of a statement of the plan: of the one that is kept prepared, where the open transaction has it.
    pub(super) fn planned<'a>(&self, statement: &'a Statement, parameters: Parameters) -> Result<Call<'a>, ShopError> {
        let call = Call::of(statement, parameters)?;
        Ok(Call { slot: statement.slot.filter(|_| self.kept.usable), ..call })
    }

    /// Sees to it that the session of the open transaction has these statements prepared, from the next message on.
    pub(super) fn keep(&mut self, session: (i64, i64), statements: &[&Statement]) {
        if self.kept.pooled {
            return;
        }
        if self.kept.sessions.insert(session) {
            self.ahead = Some(Message::new().prepare(&self.kept.names, statements));
        }
        self.kept.usable = true;
    }

    /// Whether a statement of the open transaction has failed.
    pub(super) fn has_failed(&self) -> bool {
        self.failed
    }

    /// What is prepared may not be used any more: the transaction has ended.
    pub(super) fn leave(&mut self) {
        self.kept.usable = false;
    }

    /// Prepares every statement in one message: those with a slot to be kept, the others to see whether they can be.
    pub(super) async fn prepare(&mut self, statements: &[&Statement]) -> Result<(), ShopError> {
        let message = Message::new().call(&self.kept.names, Call::once("session", SESSION, Parameters::new())?);
        self.begin(Transaction::Read);
        let row = only_row(self.send(message).await?.pop().unwrap_or_default().rows, "session");
        let session = row.and_then(|row| {
            let (process, began): (Option<i64>, Option<i64>) = (read(&row, 0, "session")?, read(&row, 1, "session")?);
            let age: Option<i64> = read(&row, 2, "session")?;
            Ok(process.zip(began).filter(|_| age.is_some_and(|age| age <= FRESH_SECONDS)))
        });
        let session = match session {
            Ok(session) => session,
            Err(error) => return self.end(Err(error)).await,
        };
        // One whose beginning is hidden from this role may be anybody's as well.
        self.kept.pooled |= session.is_none();
        let (kept, tried): (Vec<&Statement>, Vec<&Statement>) =
            statements.iter().partition(|statement| statement.slot.is_some() && !self.kept.pooled);
        let names = &self.kept.names;
        let message = Message::new().prepare(names, &kept).try_out(names, &tried).command("commit", "COMMIT");
        if let Err(error) = self.send(message).await {
            return self.end(Err(error)).await;
        }
        self.kept.sessions.extend(session);
        Ok(())
    }

    /// Begins a transaction with the next statement that is sent. A pooler may hand every transaction to another server,
    /// so whatever a statement needs is set inside it, and gone with it.
    pub(super) fn begin(&mut self, transaction: Transaction) {
        self.failed = false;
        self.ahead = Some(Message::opening(transaction, self.limits.statement_timeout));
    }

    /// Begins a transaction that reads.
    pub(super) fn begin_read(&mut self) {
        self.begin(Transaction::Read);
    }

    /// Begins a transaction whose statements all see one moment.
    pub(super) fn begin_snapshot(&mut self) {
        self.begin(Transaction::Snapshot);
    }

    /// Ends a transaction: commits what was read or written if all went well, else rolls back.
    pub(super) async fn end<T>(&mut self, outcome: Result<T, ShopError>) -> Result<T, ShopError> {
        if self.ahead.take().is_some() || self.connection.is_none() {
            return outcome;
        }
        let sql = if outcome.is_ok() { "COMMIT" } else { "ROLLBACK" };
        let ended = self.simple("end", sql).await;
        match (outcome, ended) {
            (Ok(value), Ok(())) => Ok(value),
            (Err(error), _) => Err(error),
            (Ok(_), Err(error)) => {
                self.cut();
                Err(error)
            }
        }
    }

    /// Runs statements that do not depend on each other's answers as one transaction, in one message.
    pub(super) async fn transact(
        &mut self,
        transaction: Transaction,
        calls: Vec<Call<'_>>,
    ) -> Result<Vec<Reply>, ShopError> {
        self.begin(transaction);
        let message = calls.into_iter().fold(Message::new(), |message, call| message.call(&self.kept.names, call));
        match self.send(message.command("commit", "COMMIT")).await {
            Ok(replies) => Ok(replies),
            Err(error) => self.end(Err(error)).await,
        }
    }
}

/// A name of 26 bytes: with what is added behind it, it stays below the 63 bytes that the server keeps of a name.
fn random_name() -> String {
    let (_, random) = Uuid::now_v7().as_u64_pair();
    format!("unreserve_{random:016x}")
}

/// Reads the answers, one a command; the last one, of what did not come to its end, is left empty.
async fn receive(
    connection: &mut PgConnection,
    message: &Message,
    replies: &mut Vec<Reply>,
) -> Result<(), sqlx::Error> {
    let mut answers = sqlx::raw_sql(AssertSqlSafe(message.text())).fetch_many(connection);
    while let Some(answer) = answers.try_next().await? {
        let Some(reply) = replies.last_mut() else { continue };
        match answer {
            Either::Right(row) => reply.rows.push(row),
            Either::Left(done) => {
                reply.affected = done.rows_affected();
                replies.push(Reply::default());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cells::Cells;

    #[tokio::test]
    async fn a_call_that_fails_leaves_nothing_prepared_in_the_session() {
        const LEFT: &str = "SELECT count(*), pg_backend_pid()::bigint FROM pg_prepared_statements";
        let database = unreserve_testkit::servers::fresh_database().unwrap();
        let mut link = Link::new(&database.url(), Options::default()).unwrap();
        let mut sessions = HashSet::new();
        for value in ["7", "no number"] {
            let call = || Call::once("x", "SELECT $1::text::int", Parameters::new().with(value.to_owned())).unwrap();
            let one = link.transact(Transaction::Read, vec![call()]).await;
            assert_eq!(one.is_ok(), value == "7", "{value}");
            let row = only_row(link.rows("left", LEFT, Parameters::new()).await.unwrap(), "left").unwrap();
            let (left, session): (i64, i64) = (read(&row, 0, "left").unwrap(), read(&row, 1, "left").unwrap());
            assert_eq!(left, 0, "prepared statements after {value}");
            sessions.insert(session);
        }
        assert_eq!(sessions.len(), 1, "another session would have nothing prepared in any case");
    }

    #[tokio::test]
    async fn an_operator_of_the_shops_own_does_not_stand_for_the_databases_and_its_types_are_still_there() {
        let database = unreserve_testkit::servers::fresh_database().unwrap();
        let link = || Link::new(&database.url(), Options::default()).unwrap();
        let name = crate::write::quoted(database.name());
        let evil = format!(
            "CREATE SCHEMA evil; CREATE FUNCTION evil.yes(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
             CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.yes);
             CREATE TYPE evil.\"State\" AS ENUM ('open'); CREATE TABLE evil.orders (id int);
             ALTER DATABASE {name} SET search_path = evil, public, pg_catalog"
        );
        link().simple("evil", &evil).await.unwrap();
        let ask = "SELECT 'paid'::text = $1::text, 'open'::\"State\"::text FROM (SELECT count(*) FROM orders) AS here";
        let call = || Call::once("x", ask, Parameters::new().with("unpaid".to_owned())).unwrap();
        let row = only_row(link().run(call()).await.unwrap().rows, "x").unwrap();
        assert!(read::<bool>(&row, 0, "x").unwrap(), "without a path of our own the shop's operator is taken");
        let mut ours = link();
        ours.simple("temp", "CREATE TEMP TABLE orders (gone int)").await.unwrap();
        let row = only_row(ours.transact(Transaction::Read, vec![call()]).await.unwrap().remove(0).rows, "x").unwrap();
        assert!(!read::<bool>(&row, 0, "x").unwrap());
        let shadowed = Call::once("x", "SELECT id FROM orders", Parameters::new()).unwrap();
        ours.transact(Transaction::Read, vec![shadowed]).await.unwrap();
    }

    #[tokio::test]
    async fn a_number_with_bytes_that_are_no_text_is_shown_without_them() {
        let database = unreserve_testkit::servers::fresh_database().unwrap();
        let name = format!("{}_ascii", database.name());
        let quoted = crate::write::quoted(&name);
        let mut link = Link::new(&database.url(), Options::default()).unwrap();
        let create =
            format!("CREATE DATABASE {quoted} ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0");
        link.simple("create", &create).await.unwrap();
        let url = database.url().replace(database.name(), &name);
        let mut ascii = Link::new(&url, Options::default()).unwrap();
        let ask = "SELECT E'M-\\xff7', 'M-8', NULL::text";
        let call = Call::once("x", ask, Parameters::new()).unwrap();
        let row = only_row(ascii.transact(Transaction::Read, vec![call]).await.unwrap().remove(0).rows, "x").unwrap();
        assert!(row.text(0, "x").is_err(), "a key has to be exact");
        let shown: Vec<Option<String>> = (0..3).map(|index| row.shown(index, "x").unwrap()).collect();
        assert_eq!(shown, [Some("M-\u{fffd}7".to_owned()), Some("M-8".to_owned()), None]);
        drop(ascii);
        link.simple("drop", &format!("DROP DATABASE {quoted} WITH (FORCE)")).await.unwrap();
    }
}

//! The one connection to the file: made when it is needed, dropped as soon as its state is in doubt.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::sqlite::{SqliteArguments, SqliteConnectOptions, SqliteRow};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, SqlSafeStr, SqliteConnection};
use unreserve_engine::shop::{ShopError, ShopErrorKind};

use super::errors::{connect_error, statement_error};
use super::values::{only_row, read};
use crate::deadline::within;
use crate::{Access, Options};

/// How long the file is waited for where nobody says otherwise: whoever waits holds nothing, and many that start at once are to
/// come to the lease, which tells them who has it.
const LOCK_WAIT: Duration = Duration::from_secs(3);

/// As many kilobytes of the file are kept by whoever only looks: four times what is kept otherwise.
const CACHE: &str = "-8192";

/// So many rows of an answer are read ahead of whoever takes them.
const ROWS_BETWEEN: usize = 1_024;

/// What an address names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// The file.
    pub(super) path: PathBuf,
    /// Whether the address asks to write nothing.
    pub(super) read_only: bool,
}

impl Address {
    /// Reads `sqlite:shop.db`, `sqlite://relative/path`, `sqlite:///absolute/path`, each with `?mode=ro` or without.
    ///
    /// # Errors
    /// `Refused` for an address of another form.
    pub(super) fn parse(url: &str) -> Result<Self, ShopError> {
        let refuse = |message: &str| {
            ShopError::new(ShopErrorKind::Refused, message)
                .hint("write it as `sqlite:shop.db` or `sqlite:///srv/shop.db`, with `?mode=ro` to write nothing")
        };
        let rest =
            url.strip_prefix("sqlite:").ok_or_else(|| refuse("the database address does not begin with `sqlite:`"))?;
        let rest = rest.strip_prefix("//").unwrap_or(rest);
        let (path, options) = rest.split_once('?').unwrap_or((rest, ""));
        let path = decoded(path)
            .ok_or_else(|| refuse("the path in the database address is not valid: a `%` has to be written as `%25`"))?;
        if path.is_empty() || path.contains('\0') {
            return Err(refuse("the database address names no file"));
        }
        if path == ":memory:" {
            return Err(refuse("a database in memory ends with its process, so there is no shop in it"));
        }
        let mut read_only = false;
        for option in options.split('&').filter(|option| !option.is_empty()) {
            match option {
                "mode=ro" => read_only = true,
                "mode=rw" => read_only = false,
                _ => {
                    return Err(refuse(
                        "the database address has an option that is not known: only `mode=ro` and `mode=rw` are",
                    ));
                }
            }
        }
        Ok(Self { path: PathBuf::from(path), read_only })
    }
}

/// What tells the file at an address from another.
pub(crate) fn place(url: &str) -> Option<String> {
    let path = Address::parse(url).ok()?.path;
    let path = path.canonicalize().or_else(|_| std::path::absolute(&path)).unwrap_or(path);
    Some(format!("sqlite {}", path.display()))
}

/// Undoes `%20` and its like.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            let digits = std::str::from_utf8(&digits)
                .ok()
                .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

/// An open connection. Its statements run on a thread of their own, so one that is no longer waited for is told to stop.
struct Open {
    connection: SqliteConnection,
    /// Whether the file keeps a write-ahead log, so that nobody who reads keeps others from committing; nothing until asked.
    has_log: Option<bool>,
    _stop: Stop,
}

/// Tells the thread, as soon as nobody waits for it any more.
struct Stop(Arc<AtomicBool>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A connection, or the means to make one.
pub(super) struct Link {
    address: Address,
    limits: Options,
    lock_wait: Duration,
    open: Option<Open>,
}

impl Link {
    /// Names the file; opens it at the first statement.
    pub(super) fn new(address: Address, limits: Options) -> Self {
        Self { address, limits, lock_wait: LOCK_WAIT, open: None }
    }

    /// What the link leads to.
    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    /// Drops the connection: what was open in it is rolled back, and a statement under way is stopped.
    pub(super) fn cut(&mut self) {
        self.open = None;
    }

    /// Closes the file and waits until it is closed.
    pub(super) async fn close(&mut self) {
        if let Some(Open { connection, _stop, .. }) = self.open.take() {
            let _ = within(self.deadline(), "close", connection.close()).await;
        }
    }

    /// Whether a connection is there whose state is known.
    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    fn deadline(&self) -> Duration {
        self.limits.statement_timeout.saturating_add(self.lock_wait)
    }

    /// Takes the connection out, so that a caller who goes away in the middle of a statement leaves none behind.
    async fn take(&mut self) -> Result<Open, ShopError> {
        match self.open.take() {
            Some(open) => Ok(open),
            None => {
                must_be_a_file(&self.address.path)?;
                let made = within(
                    self.limits.connect_timeout,
                    "connect",
                    connect(&self.address, self.lock_wait, self.limits.access),
                )
                .await?;
                made.map_err(|error| connect_error(&error, &self.address.path))
            }
        }
    }

    /// Keeps the connection unless the error leaves it in doubt.
    fn keep<T>(
        &mut self,
        open: Open,
        outcome: Result<Result<T, sqlx::Error>, ShopError>,
        name: &'static str,
    ) -> Result<T, ShopError> {
        let outcome = outcome.and_then(|answer| answer.map_err(|error| statement_error(&error, name)));
        let in_doubt = outcome.as_ref().is_err_and(|error| error.kind == ShopErrorKind::Disconnected);
        if !in_doubt {
            self.open = Some(open);
        }
        outcome
    }

    /// Runs statements without parameters.
    pub(super) async fn simple(&mut self, name: &'static str, sql: &str) -> Result<(), ShopError> {
        let mut open = self.take().await?;
        let outcome = within(self.deadline(), name, open.connection.execute(sqlx::raw_sql(trusted(sql)))).await;
        self.keep(open, outcome, name).map(|_| ())
    }

    /// Runs a statement and reads its rows.
    pub(super) async fn rows(
        &mut self,
        name: &'static str,
        sql: &str,
        arguments: SqliteArguments,
    ) -> Result<Vec<SqliteRow>, ShopError> {
        let mut open = self.take().await?;
        let query = sqlx::query_with(trusted(sql), arguments);
        let outcome = within(self.deadline(), name, query.fetch_all(&mut open.connection)).await;
        self.keep(open, outcome, name)
    }

    /// Runs a statement and counts the rows it changed.
    pub(super) async fn execute(
        &mut self,
        name: &'static str,
        sql: &str,
        arguments: SqliteArguments,
    ) -> Result<u64, ShopError> {
        let mut open = self.take().await?;
        let query = sqlx::query_with(trusted(sql), arguments);
        let outcome = within(self.deadline(), name, query.execute(&mut open.connection)).await;
        self.keep(open, outcome, name).map(|done| done.rows_affected())
    }

    /// Has the database compile a statement, and runs nothing.
    pub(super) async fn prepare(&mut self, name: &'static str, sql: &str) -> Result<(), ShopError> {
        let mut open = self.take().await?;
        let outcome = within(self.deadline(), name, open.connection.prepare(trusted(sql).into_sql_str())).await;
        let outcome = outcome.map(|answer| answer.map(|_| ()));
        self.keep(open, outcome, name)
    }

    /// Begins a transaction that reads one state of the file throughout.
    pub(super) async fn begin_read(&mut self) -> Result<(), ShopError> {
        self.wait_for_locks(LOCK_WAIT).await?;
        self.simple("begin_read", "BEGIN DEFERRED").await
    }

    /// Between two statements of a long look: lets others commit where a reader keeps them from it, which is so in a file
    /// without a write-ahead log. There the next statement may see a newer state than the one before.
    pub(super) async fn let_others_commit(&mut self) -> Result<(), ShopError> {
        if !self.has_log().await? {
            self.simple("commit", "COMMIT").await?;
            self.begin_read().await?;
        }
        Ok(())
    }

    async fn has_log(&mut self) -> Result<bool, ShopError> {
        if let Some(has_log) = self.open.as_ref().and_then(|open| open.has_log) {
            return Ok(has_log);
        }
        let rows = self.rows("journal_mode", "PRAGMA journal_mode", SqliteArguments::default()).await?;
        let mode: String = read(&only_row(rows, "journal_mode")?, 0, "journal_mode")?;
        let has_log = mode.eq_ignore_ascii_case("wal");
        if let Some(open) = &mut self.open {
            open.has_log = Some(has_log);
        }
        Ok(has_log)
    }

    async fn wait_for_locks(&mut self, lock_wait: Duration) -> Result<(), ShopError> {
        if lock_wait != self.lock_wait {
            self.simple("lock_wait", &format!("PRAGMA busy_timeout = {}", lock_wait.as_millis().clamp(1, 600_000)))
                .await?;
            self.lock_wait = lock_wait;
        }
        Ok(())
    }

    /// Begins a transaction that writes: no other writer gets in until it ends. A transaction that began as a reader
    /// would fail at its first write, however long it may wait (RELIABILITY, finding 10).
    pub(super) async fn begin_write(&mut self, lock_wait: Option<Duration>) -> Result<(), ShopError> {
        self.wait_for_locks(lock_wait.unwrap_or(LOCK_WAIT)).await?;
        self.simple("begin", "BEGIN IMMEDIATE").await
    }

    /// Undoes what is open; where that fails the connection goes, which undoes it as well.
    pub(super) async fn rollback(&mut self) -> Result<(), ShopError> {
        if !self.is_open() {
            return Ok(());
        }
        let outcome = self.simple("rollback", "ROLLBACK").await;
        if let Err(error) = &outcome {
            self.cut();
            // A full disk and the like have rolled back already, and say so here.
            if error.kind != ShopErrorKind::Disconnected {
                return Ok(());
            }
        }
        outcome
    }

    /// Ends a transaction: commits if all went well, else rolls back.
    pub(super) async fn end<T>(&mut self, outcome: Result<T, ShopError>) -> Result<T, ShopError> {
        let value = match outcome {
            Ok(value) => value,
            Err(error) => {
                let _ = self.rollback().await;
                return Err(error);
            }
        };
        match self.simple("commit", "COMMIT").await {
            Ok(()) => Ok(value),
            Err(error) => {
                let _ = self.rollback().await;
                Err(error)
            }
        }
    }
}

/// The one place where text becomes a statement: it comes from `render.rs` and `ledger.sql` alone, with every identifier
/// confirmed by the catalogue and quoted, and every value a parameter.
fn trusted(sql: &str) -> AssertSqlSafe<String> {
    AssertSqlSafe(sql.to_owned())
}

async fn connect(address: &Address, lock_wait: Duration, access: Access) -> Result<Open, sqlx::Error> {
    let mut options = SqliteConnectOptions::new()
        .filename(&address.path)
        .read_only(address.read_only)
        .create_if_missing(false)
        // They guard the shop's data, and the frameworks turn them on as well.
        .foreign_keys(true)
        .busy_timeout(lock_wait)
        // Rows come from another thread: where few fit in between, the two of them wait for each other at every few rows.
        .row_buffer_size(ROWS_BETWEEN)
        .disable_statement_logging();
    if access == Access::Read {
        // Whoever looks at very much reads few pages twice.
        options = options.pragma("query_only", "ON").pragma("cache_size", CACHE);
    }
    let mut connection = options.connect().await?;
    let stop = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&stop);
    // Asked once in so many steps of a statement; a COMMIT has too few of them to be stopped half-way.
    connection.lock_handle().await?.set_progress_handler(1_000, move || !told.load(Ordering::Relaxed));
    Ok(Open { connection, has_log: None, _stop: Stop(stop) })
}

/// The file must be there already: a shop is never created here.
fn must_be_a_file(path: &Path) -> Result<(), ShopError> {
    let refuse = |message: String| ShopError::new(ShopErrorKind::Refused, message);
    match std::fs::metadata(path) {
        Ok(found) if found.is_dir() => {
            Err(refuse(format!("`{}` is a directory, not a database file", path.display())).hint("name the file in it"))
        }
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let hint = if path.is_absolute() {
                "check the path in the database address; a database is never created"
            } else {
                "the path counts from the directory the program runs in; write `sqlite:///…` for a path from the root"
            };
            Err(refuse(format!("there is no database file `{}`", path.display())).hint(hint))
        }
        Err(error) => Err(refuse(format!("the database file `{}` cannot be reached: {error}", path.display()))
            .hint("check the permissions of the file and of the directories above it")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, expected: Option<(&str, bool)>) {
        let found = Address::parse(url).ok();
        let expected = expected.map(|(path, read_only)| Address { path: PathBuf::from(path), read_only });
        assert_eq!(found, expected, "{url}");
    }

    /// What a reader sees before and after it lets others commit, and whether one of them was kept from it before.
    async fn between(journal: &str) -> (i64, i64, bool) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("shop.db");
        std::fs::write(&path, "").unwrap();
        let link = || Link::new(Address { path: path.clone(), read_only: false }, Options::default());
        let (mut reader, mut writer) = (link(), link());
        let make = format!("PRAGMA journal_mode = {journal}; CREATE TABLE thing (id INTEGER)");
        writer.simple("make", &make).await.unwrap();
        let count = async |link: &mut Link| -> i64 {
            let rows = link.rows("count", "SELECT count(*) FROM thing", SqliteArguments::default()).await.unwrap();
            read(&only_row(rows, "count").unwrap(), 0, "count").unwrap()
        };
        reader.begin_read().await.unwrap();
        let before = count(&mut reader).await;
        writer.begin_write(Some(Duration::from_millis(1))).await.unwrap();
        writer.simple("add", "INSERT INTO thing VALUES (1)").await.unwrap();
        let kept_out = writer.simple("commit", "COMMIT").await.is_err();
        reader.let_others_commit().await.unwrap();
        if kept_out {
            writer.simple("commit", "COMMIT").await.unwrap();
        }
        (before, count(&mut reader).await, kept_out)
    }

    #[tokio::test]
    async fn a_reader_who_keeps_others_out_lets_them_commit_between_two_statements() {
        assert_eq!(between("DELETE").await, (0, 1, true));
    }

    #[tokio::test]
    async fn a_reader_who_keeps_nobody_out_sees_one_state_throughout() {
        assert_eq!(between("WAL").await, (0, 0, false));
    }

    #[test]
    fn reads_every_form_of_an_address() {
        check("sqlite:shop.db", Some(("shop.db", false)));
        check("sqlite:///srv/shop.db", Some(("/srv/shop.db", false)));
        check("sqlite:/srv/shop.db", Some(("/srv/shop.db", false)));
        check("sqlite://data/shop.db", Some(("data/shop.db", false)));
        check("sqlite:shop.db?mode=ro", Some(("shop.db", true)));
        check("sqlite:shop.db?mode=rw", Some(("shop.db", false)));
        check("sqlite:my%20shop%3F.db", Some(("my shop?.db", false)));
        check("sqlite:shop%.db", None);
        check("sqlite:shop.db?mode=rwc", None);
        check("sqlite:", None);
        check("sqlite://", None);
        check("sqlite::memory:", None);
        check("postgres://shop", None);
    }
}

//! One connection to the test's database, for shop threads and for looking afterwards.

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row};
use tokio::runtime::Runtime;

/// A connection that blocks its thread; each thread of a test opens its own.
pub(crate) struct Session {
    // Dropped before the runtime that serves it.
    connection: PgConnection,
    runtime: Runtime,
}

impl Session {
    /// Connects.
    pub(crate) fn open(url: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let connection = runtime.block_on(PgConnection::connect(url)).unwrap();
        Self { connection, runtime }
    }

    /// Runs statements, one or several; says the SQLSTATE and the message where one is refused.
    pub(crate) fn attempt(&mut self, sql: &str) -> Result<u64, String> {
        let outcome = self.runtime.block_on(self.connection.execute(sqlx::raw_sql(AssertSqlSafe(sql))));
        outcome.map(|done| done.rows_affected()).map_err(|error| match error.as_database_error() {
            Some(database) => format!("{} {}", database.code().unwrap_or_default(), database.message()),
            None => error.to_string(),
        })
    }

    /// Runs statements that must succeed, and counts the rows they changed.
    #[track_caller]
    pub(crate) fn run(&mut self, sql: &str) -> u64 {
        self.attempt(sql).unwrap_or_else(|error| panic!("{error}\nin: {sql}"))
    }

    /// The first column of every row, as text; NULL is an empty text.
    #[track_caller]
    pub(crate) fn texts(&mut self, sql: &str) -> Vec<String> {
        let rows = self.runtime.block_on(self.connection.fetch_all(sqlx::raw_sql(AssertSqlSafe(sql))));
        let rows = rows.unwrap_or_else(|error| panic!("{error}\nin: {sql}"));
        rows.iter().map(|row| row.try_get_unchecked::<Option<String>, _>(0).unwrap().unwrap_or_default()).collect()
    }

    /// The one value of a statement, as text.
    #[track_caller]
    pub(crate) fn text(&mut self, sql: &str) -> String {
        self.texts(sql).into_iter().next().unwrap_or_else(|| panic!("no row\nin: {sql}"))
    }

    /// The one value of a statement, as a number.
    #[track_caller]
    pub(crate) fn number(&mut self, sql: &str) -> i64 {
        let text = self.text(sql);
        text.parse().unwrap_or_else(|_| panic!("`{text}` is no number\nin: {sql}"))
    }
}

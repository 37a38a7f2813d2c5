//! Runs one statement on a test server, from any thread, inside an asynchronous runtime or not.

use std::thread;

use sqlx::{AssertSqlSafe, Connection, Executor, MySqlConnection, PgConnection};

use super::ServerError;

/// Connects to `url`, runs `statement`, and disconnects. The statement is ours, never a user's.
pub(super) fn run(url: &str, statement: &str) -> Result<(), ServerError> {
    // A thread of its own, because a runtime cannot be entered from within another, and a database is dropped in `drop`,
    // which may well run inside a test's runtime.
    thread::scope(|scope| {
        thread::Builder::new()
            .spawn_scoped(scope, || run_here(url, statement))
            .map_err(ServerError::Thread)?
            .join()
            .unwrap_or(Err(ServerError::ThreadEnded))
    })
}

fn run_here(url: &str, statement: &str) -> Result<(), ServerError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(ServerError::Thread)?;
    runtime.block_on(async {
        if url.starts_with("mysql:") {
            let mut connection = MySqlConnection::connect(url).await.map_err(refused("connect"))?;
            // Not prepared: some statements cannot be.
            connection.execute(sqlx::raw_sql(AssertSqlSafe(statement))).await.map_err(refused(statement))?;
            return connection.close().await.map_err(refused("disconnect"));
        }
        let mut connection = PgConnection::connect(url).await.map_err(refused("connect"))?;
        connection.execute(AssertSqlSafe(statement)).await.map_err(refused(statement))?;
        connection.close().await.map_err(refused("disconnect"))
    })
}

fn refused(statement: &str) -> impl FnOnce(sqlx::Error) -> ServerError + '_ {
    |source| ServerError::Refused { statement: statement.to_owned(), source: Box::new(source) }
}

//! Loads, resets and asks a measured database; nothing here is timed.

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Connection, Decode, Executor, PgConnection, Postgres, Row, Type};

use super::BenchError;

/// One database of the throw-away server. Each call connects anew, so that no connection stands in the way of a run.
#[derive(Debug, Clone)]
pub(super) struct Database {
    pub(super) url: String,
}

impl Database {
    /// Runs statements in one message: all of them or none.
    pub(super) fn run(&self, sql: &str) -> Result<(), BenchError> {
        self.with(sql, async |connection| {
            connection.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await?;
            Ok(())
        })
    }

    /// The first column of every row.
    pub(super) fn column<T>(&self, sql: &str) -> Result<Vec<T>, BenchError>
    where
        T: for<'r> Decode<'r, Postgres> + Type<Postgres>,
    {
        self.with(sql, async |connection| {
            let rows: Vec<PgRow> = sqlx::query(AssertSqlSafe(sql)).fetch_all(connection).await?;
            rows.iter().map(|row| row.try_get(0)).collect()
        })
    }

    /// The one value that a query gives.
    pub(super) fn value<T>(&self, sql: &str) -> Result<T, BenchError>
    where
        T: for<'r> Decode<'r, Postgres> + Type<Postgres>,
    {
        let nothing = || BenchError::statement(sql)(sqlx::Error::RowNotFound);
        self.column(sql)?.into_iter().next().ok_or_else(nothing)
    }

    fn with<T>(
        &self,
        sql: &str,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, BenchError> {
        block_on(async {
            let mut connection = PgConnection::connect(&self.url).await?;
            let answer = work(&mut connection).await?;
            connection.close().await?;
            Ok(answer)
        })?
        .map_err(BenchError::statement(sql))
    }
}

/// Runs asynchronous work on this thread.
pub(super) fn block_on<T>(work: impl Future<Output = T>) -> Result<T, BenchError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(BenchError::Runtime)?;
    Ok(runtime.block_on(work))
}

//! A test shop in SQLite: a file in a directory of its own.

use std::path::PathBuf;
use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, Row as _, SqliteConnection};
use tempfile::TempDir;
use unreserve_engine::shop::{Answer, Shop};

use super::many::{Counted, Words, counting, filling};
use super::table::{Cell, ColumnKind, Row, Statements, Table, double_quoted as quoted, text_literal};
use super::{Access, Code, Fault, Opener, Session, Source, TestShop};
use crate::failure::{Failure, Wait};

const STATEMENTS: Statements = Statements { quote: quoted, literal, type_of };

/// How long the shop itself waits for the one writer's lock.
const PATIENCE: Duration = Duration::from_secs(5);

/// A file of its own.
pub struct SqliteShop {
    directory: TempDir,
    opener: Opener,
}

impl SqliteShop {
    /// Makes an empty shop.
    ///
    /// # Errors
    /// There is no room for it.
    pub fn make(opener: Opener) -> Result<Box<dyn TestShop>, Failure> {
        let directory = tempfile::Builder::new().prefix("unreserve-shop-").tempdir()?;
        // A shop is never created by opening it.
        std::fs::File::create(directory.path().join("shop.db"))?;
        Ok(Box::new(Self { directory, opener }))
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("shop.db")
    }

    async fn connect_here(&self) -> Result<SqliteConnection, Failure> {
        let options = SqliteConnectOptions::new()
            .filename(self.path())
            .create_if_missing(false)
            .foreign_keys(true)
            .busy_timeout(PATIENCE)
            .disable_statement_logging();
        Ok(options.connect().await?)
    }
}

async fn run(connection: &mut SqliteConnection, sql: &str) -> Result<u64, Failure> {
    let done = connection.execute(sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))).await;
    done.map(|done| done.rows_affected()).map_err(|error| Failure::from(error).during(sql))
}

impl TestShop for SqliteShop {
    fn profile_preamble(&self) -> &'static str {
        // As Django writes them: without a zone, and meant as UTC.
        "time_zone = \"UTC\"\n"
    }

    fn connect(&self, access: Access, statement_timeout: Duration) -> Answer<'static, Box<dyn Shop>> {
        let path = self.path();
        // There are no roles: whoever may only read has opened the file so.
        let mode = if access == Access::Owner { "" } else { "?mode=ro" };
        (self.opener)(format!("sqlite://{}{mode}", path.display()), statement_timeout)
    }

    fn session(&self) -> Wait<'_, Box<dyn Session>> {
        Box::pin(async move {
            let connection = self.connect_here().await?;
            Ok(Box::new(SqliteSession { connection }) as Box<dyn Session>)
        })
    }

    fn waiting_sessions(&self) -> Wait<'_, u64> {
        Box::pin(async { Err(Failure::new("this database does not say who waits")) })
    }

    fn code(&self, _: Code) -> &'static str {
        // There are no locks on rows, so nobody waits for one in a circle.
        "5"
    }

    fn fill_many(&self, orders: u64) -> Wait<'_, bool> {
        Box::pin(async move {
            let mut connection = self.connect_here().await?;
            for statement in filling(orders, &WORDS) {
                run(&mut connection, &statement).await?;
            }
            Ok(true)
        })
    }

    fn count_many(&self) -> Wait<'_, Counted> {
        Box::pin(async move {
            let mut connection = self.connect_here().await?;
            let row = sqlx::query(AssertSqlSafe(counting("unreserve_"))).fetch_one(&mut connection).await?;
            let mut counts = [0_i64; 8];
            for (index, count) in counts.iter_mut().enumerate() {
                *count = row.try_get(index)?;
            }
            Ok(Counted::of(counts))
        })
    }

    fn url(&self) -> Result<String, Failure> {
        Ok(format!("sqlite://{}", self.path().display()))
    }

    fn provoke<'a>(&'a self, fault: Fault<'a>) -> Wait<'a, ()> {
        Box::pin(async move {
            let sql = match fault {
                Fault::Refuse { table, column, value } => format!(
                    "CREATE TRIGGER refuse BEFORE UPDATE ON {} WHEN OLD.{} = {}
                     BEGIN SELECT RAISE(ABORT, 'the shop refuses this row'); END",
                    quoted(table),
                    quoted(column),
                    literal(&value)
                ),
                Fault::Meddle { table, column } => format!(
                    "CREATE TRIGGER meddle AFTER UPDATE ON {table}
                     BEGIN UPDATE {table} SET {column} = NEW.{column} + 1 WHERE id = NEW.id; END",
                    table = quoted(table),
                    column = quoted(column)
                ),
                Fault::RefuseCommit { table } => format!(
                    "CREATE TABLE refused (id INTEGER PRIMARY KEY);
                     CREATE TABLE refusal (id INTEGER REFERENCES refused (id) DEFERRABLE INITIALLY DEFERRED);
                     CREATE TRIGGER refuse_commit AFTER UPDATE ON {} BEGIN INSERT INTO refusal VALUES (1); END",
                    quoted(table)
                ),
                Fault::RenameColumn { table, from, to } => {
                    format!("ALTER TABLE {} RENAME COLUMN {} TO {}", quoted(table), quoted(from), quoted(to))
                }
                Fault::LeaseFellSilent => "UPDATE unreserve_lease SET heard_at = heard_at - 3600000".to_owned(),
                Fault::SetAsideRipened => "UPDATE unreserve_set_aside SET retry_at = retry_at - 86400000".to_owned(),
                Fault::CutConnections | Fault::LongWaits | Fault::FindDeadlocks { .. } | Fault::TurnReadOnly { .. } => {
                    return Err(Failure::new(format!("a file knows no such fault: {fault:?}")));
                }
            };
            let mut connection = self.connect_here().await?;
            run(&mut connection, &sql).await.map(|_| ())
        })
    }
}

const WORDS: Words = Words {
    numbers: |last| format!("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {last})"),
    uuid: |prefix, number| format!("printf('{prefix}-0000-4000-8000-%012x', {number})"),
    ago: |millis| format!("strftime('%Y-%m-%d %H:%M:%f', 'now', '-' || ({millis} / 1000.0) || ' seconds')"),
};

fn literal(cell: &Cell) -> String {
    match cell {
        Cell::Null => "NULL".to_owned(),
        Cell::Integer(number) => number.to_string(),
        Cell::Decimal(number) => number.clone(),
        Cell::Text(text) => text_literal(text),
        Cell::Boolean(value) => i32::from(*value).to_string(),
        Cell::FromNow(seconds) => format!("strftime('%Y-%m-%d %H:%M:%f', 'now', '{seconds} seconds')"),
    }
}

fn type_of(kind: ColumnKind) -> String {
    match kind {
        ColumnKind::Integer => "integer".to_owned(),
        ColumnKind::BigInteger => "bigint".to_owned(),
        ColumnKind::Decimal(digits, scale) => format!("decimal({digits},{scale})"),
        ColumnKind::Varchar(letters) => format!("varchar({letters})"),
        ColumnKind::Boolean => "bool".to_owned(),
        ColumnKind::Uuid => "text".to_owned(),
        ColumnKind::Instant | ColumnKind::DateTime => "datetime".to_owned(),
    }
}

/// Everything but our version and the lease; what keeps the ledger from being cleared goes first.
const CLEAR: &str = "DROP TRIGGER IF EXISTS unreserve_entry_kept; DROP TRIGGER IF EXISTS unreserve_batch_kept;
    DROP TRIGGER IF EXISTS unreserve_sweep_kept; DROP TRIGGER IF EXISTS unreserve_sweep_end_kept; DELETE FROM unreserve_entry; DELETE FROM unreserve_batch; DELETE FROM unreserve_set_aside;
    DELETE FROM unreserve_sweep_end; DELETE FROM unreserve_sweep; DELETE FROM orders_payment;
    DELETE FROM orders_inventoryreservation; DELETE FROM orders_order; DELETE FROM products_productvariant;
    DELETE FROM drops_dropproduct";

struct SqliteSession {
    connection: SqliteConnection,
}

impl SqliteSession {
    fn run(&mut self, sql: String) -> Wait<'_, u64> {
        Box::pin(async move { run(&mut self.connection, &sql).await })
    }

    fn done(&mut self, sql: String) -> Wait<'_, ()> {
        Box::pin(async move { run(&mut self.connection, &sql).await.map(|_| ()) })
    }
}

impl Session for SqliteSession {
    fn create<'a>(&'a mut self, tables: &'a [Table]) -> Wait<'a, ()> {
        let statements: Vec<String> = tables.iter().map(|table| STATEMENTS.create(table)).collect();
        self.done(statements.join(";\n"))
    }

    fn begin(&mut self) -> Wait<'_, ()> {
        self.done("BEGIN IMMEDIATE".to_owned())
    }

    fn commit(&mut self) -> Wait<'_, ()> {
        self.done("COMMIT".to_owned())
    }

    fn rollback(&mut self) -> Wait<'_, ()> {
        self.done("ROLLBACK".to_owned())
    }

    fn insert<'a>(&'a mut self, table: &'a str, row: Row<'a>) -> Wait<'a, ()> {
        self.done(STATEMENTS.insert(table, row))
    }

    fn update<'a>(&'a mut self, table: &'a str, set: Row<'a>, rows: Row<'a>) -> Wait<'a, u64> {
        self.run(STATEMENTS.update(table, set, rows))
    }

    fn delete<'a>(&'a mut self, table: &'a str, rows: Row<'a>) -> Wait<'a, u64> {
        self.run(STATEMENTS.delete(table, rows))
    }

    fn lock<'a>(&'a mut self, _: &'a str, _: Row<'a>) -> Wait<'a, u64> {
        Box::pin(async { Err(Failure::new("there are no row locks here")) })
    }

    fn clear(&mut self) -> Wait<'_, ()> {
        self.done(CLEAR.to_owned())
    }

    fn read<'a>(&'a mut self, table: Source<'a>, columns: &'a [&'a str]) -> Wait<'a, Vec<Vec<Option<String>>>> {
        let list: Vec<String> = columns.iter().map(|column| format!("CAST({} AS text)", quoted(column))).collect();
        let table = match table {
            Source::Shop(name) => quoted(name),
            Source::Own(name) => format!("unreserve_{name}"),
        };
        let sql = format!("SELECT {} FROM {table}", list.join(", "));
        Box::pin(async move {
            let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut self.connection).await?;
            let mut read = Vec::with_capacity(rows.len());
            for row in rows {
                let cells = (0..columns.len()).map(|index| row.try_get::<Option<String>, _>(index));
                read.push(cells.collect::<Result<Vec<_>, _>>()?);
            }
            Ok(read)
        })
    }
}

//! A test shop in PostgreSQL.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection, Row as _};
use unreserve_engine::shop::{Answer, Shop};

use super::many::{Counted, Words, counting, filling};
use super::table::{Cell, ColumnKind, Row, Statements, Table, double_quoted as quoted, text_literal};
use super::{Access, Code, Fault, Opener, Session, Source, TestShop};
use crate::failure::{Failure, Wait, present};
use crate::servers::{Durability, FreshDatabase, PostgresServer, fresh_database};

/// A role that may read every table.
const READER: &str = "reader";
/// A role whose connections take no writes.
const READ_ONLY: &str = "onlooker";

const STATEMENTS: Statements = Statements { quote: quoted, literal, type_of };

/// A database of its own on the shared server.
pub struct PostgresShop {
    database: FreshDatabase,
    opener: Opener,
    /// Held for as long as the shop, where it has a server of its own.
    alone: Option<Mutex<PostgresServer>>,
}

impl PostgresShop {
    /// Makes an empty shop.
    ///
    /// # Errors
    /// There is no server.
    pub fn make(opener: Opener) -> Result<Box<dyn TestShop>, Failure> {
        Ok(Box::new(Self { database: fresh_database()?, opener, alone: None }))
    }

    /// Makes an empty shop on a server of its own, which may be killed.
    ///
    /// # Errors
    /// No server can be started.
    pub fn make_alone(opener: Opener) -> Result<Box<dyn TestShop>, Failure> {
        let server = PostgresServer::start(Durability::Fast)?;
        let database = FreshDatabase::on(&server)?;
        Ok(Box::new(Self { database, opener, alone: Some(Mutex::new(server)) }))
    }

    /// A role's name that no other test has: roles belong to the whole server.
    fn role(&self, name: &str) -> String {
        format!("{}_{name}", self.database.name())
    }

    async fn run(&self, sql: &str) -> Result<(), Failure> {
        let mut connection = connect(&self.database.url()).await?;
        run(&mut connection, sql).await?;
        Ok(connection.close().await?)
    }

    async fn count(&self, sql: &str) -> Result<u64, Failure> {
        let mut connection = connect(&self.database.url()).await?;
        let row = sqlx::query(AssertSqlSafe(sql)).fetch_one(&mut connection).await?;
        connection.close().await?;
        Ok(u64::try_from(row.try_get::<i64, _>(0)?)?)
    }
}

async fn connect(url: &str) -> Result<PgConnection, Failure> {
    let options: PgConnectOptions = url.parse()?;
    Ok(options.application_name("shop").disable_statement_logging().connect().await?)
}

async fn run(connection: &mut PgConnection, sql: &str) -> Result<u64, Failure> {
    let done = connection.execute(sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))).await;
    done.map(|done| done.rows_affected()).map_err(|error| Failure::from(error).during(sql))
}

/// Makes a role if it is not there yet, and connects as it.
async fn connect_as(
    (url, role_url, role): (String, String, String),
    access: Access,
    (opener, timeout): (Opener, Duration),
) -> Result<Box<dyn Shop>, unreserve_engine::shop::ShopError> {
    let refused = |failure: Failure| {
        unreserve_engine::shop::ShopError::new(unreserve_engine::shop::ShopErrorKind::Refused, format!("{failure:?}"))
    };
    let name = quoted(&role);
    let make = match access {
        Access::Owner => String::new(),
        Access::ReadOnly => {
            format!("CREATE ROLE {name} LOGIN SUPERUSER; ALTER ROLE {name} SET default_transaction_read_only = on")
        }
        Access::SelectOnly => format!(
            "CREATE ROLE {name} LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {name};
             DO $$ BEGIN IF EXISTS (SELECT FROM pg_namespace WHERE nspname = 'unreserve') THEN
               GRANT USAGE ON SCHEMA unreserve TO {name}; GRANT SELECT ON ALL TABLES IN SCHEMA unreserve TO {name};
             END IF; END $$"
        ),
    };
    if access != Access::Owner {
        let mut connection = connect(&url).await.map_err(refused)?;
        run(&mut connection, &make).await.map_err(refused)?;
    }
    opener(role_url, timeout).await
}

impl TestShop for PostgresShop {
    fn profile_preamble(&self) -> &'static str {
        ""
    }

    fn connect(&self, access: Access, statement_timeout: Duration) -> Answer<'static, Box<dyn Shop>> {
        let role = match access {
            Access::Owner => String::new(),
            Access::ReadOnly => self.role(READ_ONLY),
            Access::SelectOnly => self.role(READER),
        };
        let url = self.database.url();
        let role_url = if role.is_empty() { url.clone() } else { self.database.url_as(&role) };
        Box::pin(connect_as((url, role_url, role), access, (self.opener, statement_timeout)))
    }

    fn session(&self) -> Wait<'_, Box<dyn Session>> {
        Box::pin(async move {
            let connection = connect(&self.database.url()).await?;
            Ok(Box::new(PostgresSession { connection }) as Box<dyn Session>)
        })
    }

    fn waiting_sessions(&self) -> Wait<'_, u64> {
        Box::pin(self.count(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
        ))
    }

    fn code(&self, code: Code) -> &'static str {
        match code {
            Code::Deadlock => "40P01",
            Code::LockedTooLong => "57014",
        }
    }

    fn fill_many(&self, orders: u64) -> Wait<'_, bool> {
        Box::pin(async move {
            let mut connection = connect(&self.database.url()).await?;
            for statement in filling(orders, &WORDS) {
                run(&mut connection, &statement).await?;
            }
            connection.close().await?;
            Ok(true)
        })
    }

    fn count_many(&self) -> Wait<'_, Counted> {
        Box::pin(async move {
            let mut connection = connect(&self.database.url()).await?;
            let row = sqlx::query(AssertSqlSafe(counting("unreserve."))).fetch_one(&mut connection).await?;
            connection.close().await?;
            let mut counts = [0_i64; 8];
            for (index, count) in counts.iter_mut().enumerate() {
                *count = row.try_get(index)?;
            }
            Ok(Counted::of(counts))
        })
    }

    fn url(&self) -> Result<String, Failure> {
        Ok(self.database.url())
    }

    fn released_after_payment(&self) -> Wait<'_, Option<u64>> {
        Box::pin(async move { self.count(RELEASED_AFTER_PAYMENT).await.map(Some) })
    }

    fn deadlocks(&self) -> Wait<'_, Option<u64>> {
        let sql = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
        Box::pin(async move { self.count(sql).await.map(Some) })
    }

    fn crash(&self) -> Wait<'_, ()> {
        Box::pin(async move {
            let alone = present(self.alone.as_ref(), "server of this shop alone")?;
            let mut server = alone.lock().unwrap_or_else(PoisonError::into_inner);
            Ok(server.crash()?)
        })
    }

    fn provoke<'a>(&'a self, fault: Fault<'a>) -> Wait<'a, ()> {
        Box::pin(async move {
            let sql = match fault {
                Fault::CutConnections => {
                    // The server signals its processes; this waits until they are gone.
                    "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
                     WHERE datname = current_database() AND application_name = 'unreserve'"
                        .to_owned()
                }
                Fault::Refuse { table, column, value } => {
                    let held = format!("OLD.{} = {}", quoted(column), literal(&value));
                    let raise = "RAISE EXCEPTION 'the shop refuses this row' USING ERRCODE = 'check_violation';";
                    trigger("refuse", table, &format!("IF {held} THEN {raise} END IF; RETURN NEW;"), Moment::Row)
                }
                Fault::Meddle { table, column } => {
                    let column = quoted(column);
                    trigger("meddle", table, &format!("NEW.{column} := NEW.{column} + 1; RETURN NEW;"), Moment::Row)
                }
                Fault::RefuseCommit { table } => {
                    let raise = "RAISE EXCEPTION 'the shop refuses this commit' USING ERRCODE = 'check_violation';";
                    trigger("refuse_commit", table, &format!("{raise} RETURN NULL;"), Moment::Commit)
                }
                Fault::RenameColumn { table, from, to } => {
                    format!("ALTER TABLE {} RENAME COLUMN {} TO {}", quoted(table), quoted(from), quoted(to))
                }
                Fault::LeaseFellSilent => "UPDATE unreserve.lease SET heard_at = now() - interval '1 hour'".to_owned(),
                Fault::SetAsideRipened => {
                    "UPDATE unreserve.set_aside SET retry_at = now() - interval '1 second'".to_owned()
                }
                Fault::LongWaits => {
                    format!("ALTER DATABASE {} SET deadlock_timeout = '60s'", quoted(self.database.name()))
                }
                Fault::FindDeadlocks { table } => {
                    let patient = "PERFORM set_config('lock_timeout', '0', true);
                                   PERFORM set_config('deadlock_timeout', '20', true); RETURN NULL;";
                    trigger("find_deadlocks", table, patient, Moment::Statement)
                }
                Fault::TurnReadOnly { table } => {
                    let turn = "PERFORM set_config('transaction_read_only', 'on', true); RETURN NULL;";
                    trigger("turn_read_only", table, turn, Moment::AfterStatement)
                }
            };
            self.run(&sql).await
        })
    }
}

const WORDS: Words = Words {
    numbers: |last| format!("WITH n AS (SELECT i FROM generate_series(1, {last}) AS i)"),
    uuid: |prefix, number| format!("('{prefix}-0000-4000-8000-' || lpad(to_hex({number}), 12, '0'))::uuid"),
    ago: |millis| format!("now() - {millis} * interval '1 millisecond'"),
};

enum Moment {
    Row,
    Statement,
    AfterStatement,
    Commit,
}

/// A trigger on every change of a row, with the function it runs.
fn trigger(name: &str, table: &str, body: &str, moment: Moment) -> String {
    let (kind, when, each) = match moment {
        Moment::Row => ("TRIGGER", "BEFORE", "ROW"),
        Moment::Statement => ("TRIGGER", "BEFORE", "STATEMENT"),
        Moment::AfterStatement => ("TRIGGER", "AFTER", "STATEMENT"),
        Moment::Commit => ("CONSTRAINT TRIGGER", "AFTER", "ROW"),
    };
    let deferred = if matches!(moment, Moment::Commit) { "DEFERRABLE INITIALLY DEFERRED" } else { "" };
    format!(
        "CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $body$ BEGIN {body} END $body$;
         CREATE {kind} {name} {when} UPDATE ON {} {deferred} FOR EACH {each} EXECUTE FUNCTION {name}()",
        quoted(table)
    )
}

fn literal(cell: &Cell) -> String {
    match cell {
        Cell::Null => "NULL".to_owned(),
        Cell::Integer(number) => number.to_string(),
        Cell::Decimal(number) => number.clone(),
        Cell::Text(text) => text_literal(text),
        Cell::Boolean(value) => value.to_string(),
        Cell::FromNow(seconds) => format!("now() + interval '{seconds} seconds'"),
    }
}

fn type_of(kind: ColumnKind) -> String {
    match kind {
        ColumnKind::Integer => "integer".to_owned(),
        ColumnKind::BigInteger => "bigint".to_owned(),
        ColumnKind::Decimal(digits, scale) => format!("numeric({digits},{scale})"),
        ColumnKind::Varchar(letters) => format!("varchar({letters})"),
        ColumnKind::Boolean => "boolean".to_owned(),
        ColumnKind::Uuid => "uuid".to_owned(),
        ColumnKind::Instant => "timestamptz".to_owned(),
        ColumnKind::DateTime => "timestamp".to_owned(),
    }
}

/// Everything but our version and the lease.
const CLEAR: &str = "DELETE FROM unreserve.entry; DELETE FROM unreserve.batch; DELETE FROM unreserve.set_aside;
    DELETE FROM unreserve.sweep_end; DELETE FROM unreserve.sweep; DELETE FROM orders_payment;
    DELETE FROM orders_inventoryreservation; DELETE FROM orders_order; DELETE FROM products_productvariant;
    DELETE FROM drops_dropproduct";

/// A payment that is visible in the order of commits before the batch that released its order.
const RELEASED_AFTER_PAYMENT: &str = "SELECT count(DISTINCT e.order_key) FROM unreserve.entry AS e
    JOIN unreserve.batch AS b ON b.batch_id = e.batch_id JOIN orders_payment AS p ON p.order_id::text = e.order_key
    WHERE p.status = 'succeeded' AND pg_xact_commit_timestamp(p.xmin) < pg_xact_commit_timestamp(b.xmin)";

struct PostgresSession {
    connection: PgConnection,
}

impl PostgresSession {
    fn run(&mut self, sql: String) -> Wait<'_, u64> {
        Box::pin(async move { run(&mut self.connection, &sql).await })
    }

    fn done(&mut self, sql: String) -> Wait<'_, ()> {
        Box::pin(async move { run(&mut self.connection, &sql).await.map(|_| ()) })
    }
}

impl Session for PostgresSession {
    fn create<'a>(&'a mut self, tables: &'a [Table]) -> Wait<'a, ()> {
        let statements: Vec<String> = tables.iter().map(|table| STATEMENTS.create(table)).collect();
        self.done(statements.join(";\n"))
    }

    fn begin(&mut self) -> Wait<'_, ()> {
        self.done("BEGIN".to_owned())
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

    fn lock<'a>(&'a mut self, table: &'a str, rows: Row<'a>) -> Wait<'a, u64> {
        self.run(STATEMENTS.lock(table, rows))
    }

    fn clear(&mut self) -> Wait<'_, ()> {
        self.done(CLEAR.to_owned())
    }

    fn read<'a>(&'a mut self, table: Source<'a>, columns: &'a [&'a str]) -> Wait<'a, Vec<Vec<Option<String>>>> {
        let list: Vec<String> = columns.iter().map(|column| format!("{}::text", quoted(column))).collect();
        let table = match table {
            Source::Shop(name) => quoted(name),
            Source::Own(name) => format!("unreserve.{name}"),
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

//! A test shop in MariaDB.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sqlx::mysql::{MySqlConnectOptions, MySqlRow};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, MySqlConnection, Row as _};
use unreserve_engine::shop::{Answer, Shop};

use super::table::{Cell, ColumnKind, Row, Statements, Table, text_literal};
use super::{Access, Code, Fault, Opener, Session, Source, TestShop};
use crate::failure::{Failure, Wait, present};
use crate::servers::{FreshDatabase, MariaDbServer, fresh_mariadb};

/// The account that owns the shop's tables; `unreserve` connects as it, the shop itself as the superuser.
const OWNER: &str = "owner";
/// An account that may read every table.
const READER: &str = "reader";
/// An account whose connections take no writes: the server's `init_connect` sees to that.
const ONLOOKER: &str = "onlooker";

const STATEMENTS: Statements = Statements { quote: quoted, literal, type_of };

/// A database of its own on the shared server.
pub struct MariaDbShop {
    database: FreshDatabase,
    opener: Opener,
    /// Held for as long as the shop, where it has a server of its own.
    alone: Option<Mutex<MariaDbServer>>,
}

impl MariaDbShop {
    /// Makes an empty shop.
    ///
    /// # Errors
    /// There is no server.
    pub fn make(opener: Opener) -> Result<Box<dyn TestShop>, Failure> {
        Ok(Box::new(Self { database: fresh_mariadb()?, opener, alone: None }))
    }

    /// Makes an empty shop on a server of its own, which may be killed.
    ///
    /// # Errors
    /// No server can be started.
    pub fn make_alone(opener: Opener) -> Result<Box<dyn TestShop>, Failure> {
        let server = MariaDbServer::start()?;
        let database = FreshDatabase::in_server(server.url("mysql"))?;
        Ok(Box::new(Self { database, opener, alone: Some(Mutex::new(server)) }))
    }

    /// An account's name that no other test has: accounts belong to the whole server.
    fn account(&self, name: &str) -> String {
        format!("{}_{name}", self.database.name())
    }

    async fn run(&self, sql: &str) -> Result<(), Failure> {
        let mut connection = connect(&self.database.url()).await?;
        run(&mut connection, sql).await?;
        Ok(connection.close().await?)
    }

    async fn count(&self, sql: &str) -> Result<u64, Failure> {
        let mut connection = connect(&self.database.url()).await?;
        let row = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_one(&mut connection).await?;
        connection.close().await?;
        Ok(u64::try_from(row.try_get::<i64, _>(0)?)?)
    }

    /// Ends every connection of `unreserve`, and waits until the server has rolled back what they had open.
    async fn cut_connections(&self) -> Result<(), Failure> {
        let account = self.account(OWNER);
        let of_ours = format!("FROM information_schema.processlist WHERE user = '{account}'");
        self.run(&format!(
            "BEGIN NOT ATOMIC
               DECLARE CONTINUE HANDLER FOR SQLEXCEPTION BEGIN END;
               FOR p IN (SELECT id {of_ours}) DO KILL p.id; END FOR;
             END"
        ))
        .await?;
        crate::waiting::wait_until("the connections are gone", || {
            Box::pin(async { Ok(self.count(&format!("SELECT COUNT(*) {of_ours}")).await? == 0) })
        })
        .await
    }
}

/// The statements that tell the server of a zone, under the name last, so that nobody sees half of it. The programs that do
/// this from the machine's own files are not everywhere, and would load six hundred zones.
fn zone_statements(zone: &str) -> Result<String, Failure> {
    let wrong = |error: jiff::Error| Failure::new(error.to_string());
    let tz = jiff::tz::TimeZone::get(zone).map_err(wrong)?;
    let (first, last) = (jiff::Timestamp::UNIX_EPOCH, jiff::Timestamp::from_second(2_000_000_000).map_err(wrong)?);
    let mut kinds: Vec<(i32, bool)> = Vec::new();
    let (mut switches, mut types) = (Vec::new(), Vec::new());
    for switch in tz.following(first).take_while(|switch| switch.timestamp() < last) {
        let kind = (switch.offset().seconds(), switch.dst().is_dst());
        let known = kinds.iter().position(|known| *known == kind);
        let place = known.unwrap_or(kinds.len());
        if known.is_none() {
            kinds.push(kind);
            let (seconds, summer) = (kind.0, u8::from(kind.1));
            types.push(format!("(@zone, {place}, {seconds}, {summer}, '{}')", switch.abbreviation()));
        }
        switches.push(format!("(@zone, {}, {place})", switch.timestamp().as_second()));
    }
    Ok(format!(
        "INSERT INTO mysql.time_zone (Use_leap_seconds) VALUES ('N'); SET @zone = LAST_INSERT_ID();
         INSERT INTO mysql.time_zone_transition_type (Time_zone_id, Transition_type_id, `Offset`, Is_DST, Abbreviation) VALUES {};
         INSERT INTO mysql.time_zone_transition (Time_zone_id, Transition_time, Transition_type_id) VALUES {};
         INSERT INTO mysql.time_zone_name (Name, Time_zone_id) VALUES ({}, @zone)",
        types.join(", "),
        switches.join(", "),
        text_literal(zone)
    ))
}

async fn connect(url: &str) -> Result<MySqlConnection, Failure> {
    let options: MySqlConnectOptions = url.parse()?;
    Ok(options.disable_statement_logging().connect().await?)
}

async fn run(connection: &mut MySqlConnection, sql: &str) -> Result<u64, Failure> {
    let done = connection.execute(sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))).await;
    done.map(|done| done.rows_affected()).map_err(|error| Failure::from(error).during(sql))
}

/// Makes an account if it is not there yet, and connects as it.
async fn connect_as(
    (url, account_url): (String, String),
    make: String,
    (opener, timeout): (Opener, Duration),
) -> Result<Box<dyn Shop>, unreserve_engine::shop::ShopError> {
    let refused = |failure: Failure| {
        unreserve_engine::shop::ShopError::new(unreserve_engine::shop::ShopErrorKind::Refused, format!("{failure:?}"))
    };
    let mut connection = connect(&url).await.map_err(refused)?;
    run(&mut connection, &make).await.map_err(refused)?;
    opener(account_url, timeout).await
}

impl TestShop for MariaDbShop {
    fn profile_preamble(&self) -> &'static str {
        ""
    }

    fn connect(&self, access: Access, statement_timeout: Duration) -> Answer<'static, Box<dyn Shop>> {
        let (name, rights) = match access {
            Access::Owner => (OWNER, "ALL PRIVILEGES"),
            Access::ReadOnly => (ONLOOKER, "ALL PRIVILEGES"),
            Access::SelectOnly => (READER, "SELECT"),
        };
        let account = self.account(name);
        let make = format!(
            "CREATE USER IF NOT EXISTS `{account}`@`%`; GRANT {rights} ON `{}`.* TO `{account}`@`%`",
            self.database.name()
        );
        let urls = (self.database.url(), self.database.url_as(&account));
        Box::pin(connect_as(urls, make, (self.opener, statement_timeout)))
    }

    fn session(&self) -> Wait<'_, Box<dyn Session>> {
        Box::pin(async move {
            let mut connection = connect(&self.database.url()).await?;
            // As frameworks set it: by default a shop that locks a row and then reads it would see what it was before.
            run(&mut connection, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED").await?;
            Ok(Box::new(MariaDbSession { connection }) as Box<dyn Session>)
        })
    }

    /// Waiting is who stands in a queue of the server's, and who says that it asks again.
    fn waiting_sessions(&self) -> Wait<'_, u64> {
        Box::pin(async move {
            let mut connection = connect(&self.database.url()).await?;
            let of_this_shop = "SELECT id, COALESCE(info, '') FROM information_schema.processlist
                WHERE db = DATABASE() AND id <> CONNECTION_ID()";
            let sessions = sqlx::raw_sql(of_this_shop).fetch_all(&mut connection).await?;
            let status = sqlx::raw_sql("SHOW ENGINE INNODB STATUS").fetch_one(&mut connection).await?;
            connection.close().await?;
            let queue = waiting_threads(&status.try_get::<String, _>(2)?);
            let mut waiting = 0_u64;
            for session in sessions {
                let asks_again = session.try_get::<String, _>(1)?.contains("unreserve wait");
                if asks_again || queue.contains(&session.try_get_unchecked::<i64, _>(0)?) {
                    waiting = waiting.saturating_add(1);
                }
            }
            Ok(waiting)
        })
    }

    fn code(&self, code: Code) -> &'static str {
        match code {
            Code::Deadlock => "1213",
            Code::LockedTooLong => "1205",
        }
    }

    fn know_zone<'a>(&'a self, zone: &'a str) -> Wait<'a, ()> {
        Box::pin(async move {
            let mut connection = connect(&self.database.url()).await?;
            // The tables are the whole server's, and other tests may want the same zone.
            run(&mut connection, "DO GET_LOCK('unreserve_zones', 30)").await?;
            let asked = format!("SELECT COUNT(*) FROM mysql.time_zone_name WHERE Name = {}", text_literal(zone));
            if self.count(&asked).await? == 0 {
                run(&mut connection, &zone_statements(zone)?).await?;
            }
            Ok(connection.close().await?)
        })
    }

    fn url(&self) -> Result<String, Failure> {
        Ok(self.database.url())
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
                Fault::CutConnections => return self.cut_connections().await,
                Fault::Refuse { table, column, value } => {
                    let held = format!("OLD.{} = {}", quoted(column), literal(&value));
                    let raise = signal("45000", 1644, "the shop refuses this row");
                    trigger("refuse", table, &format!("IF {held} THEN {raise} END IF;"))
                }
                Fault::Meddle { table, column } => {
                    let column = quoted(column);
                    trigger("meddle", table, &format!("SET NEW.{column} = NEW.{column} + 1;"))
                }
                Fault::RenameColumn { table, from, to } => {
                    format!("ALTER TABLE {} RENAME COLUMN {} TO {}", quoted(table), quoted(from), quoted(to))
                }
                Fault::LeaseFellSilent => "UPDATE unreserve_lease SET heard_at = heard_at - 3600000000".to_owned(),
                Fault::SetAsideRipened => "UPDATE unreserve_set_aside SET retry_at = retry_at - 86400000000".to_owned(),
                // Deadlocks are found at once here, by whoever closes the circle; and nobody has to hurry otherwise.
                Fault::LongWaits | Fault::FindDeadlocks { .. } => return Ok(()),
                Fault::TurnReadOnly { table } => {
                    // No transaction can be turned here; the orders' rows refuse with the error that such a one gives.
                    let remember = trigger("remember", table, "SET @turned_read_only = 1;");
                    let raise = signal("25006", 1792, "Cannot execute statement in a READ ONLY transaction");
                    let refuse = format!("IF @turned_read_only = 1 THEN {raise} END IF;");
                    format!("{remember}; {}", trigger("turned", super::ORDERS, &refuse))
                }
                Fault::RefuseCommit { .. } => {
                    return Err(Failure::new(format!("nothing is checked at a commit here: {fault:?}")));
                }
            };
            self.run(&sql).await
        })
    }
}

/// The threads whose transactions wait for a lock. (The table `innodb_trx` tells the same, but from a copy that is not made
/// anew while somebody keeps looking.)
fn waiting_threads(status: &str) -> Vec<i64> {
    let transactions = status.split("---TRANSACTION").filter(|transaction| transaction.contains("LOCK WAIT"));
    transactions
        .filter_map(|transaction| {
            let (_, rest) = transaction.split_once("thread id ")?;
            rest.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
        })
        .collect()
}

fn signal(state: &str, number: u32, text: &str) -> String {
    format!("SIGNAL SQLSTATE '{state}' SET MYSQL_ERRNO = {number}, MESSAGE_TEXT = '{text}';")
}

/// A trigger on every change of a row.
fn trigger(name: &str, table: &str, body: &str) -> String {
    format!("CREATE TRIGGER {name} BEFORE UPDATE ON {} FOR EACH ROW BEGIN {body} END", quoted(table))
}

/// An identifier in backticks.
fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

fn literal(cell: &Cell) -> String {
    match cell {
        Cell::Null => "NULL".to_owned(),
        Cell::Integer(number) => number.to_string(),
        Cell::Decimal(number) => number.clone(),
        Cell::Text(text) => format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''")),
        Cell::Boolean(value) => i32::from(*value).to_string(),
        Cell::FromNow(seconds) => format!("UTC_TIMESTAMP(6) + INTERVAL {seconds} SECOND"),
    }
}

fn type_of(kind: ColumnKind) -> String {
    match kind {
        ColumnKind::Integer => "int".to_owned(),
        ColumnKind::BigInteger => "bigint".to_owned(),
        ColumnKind::Decimal(digits, scale) => format!("decimal({digits},{scale})"),
        ColumnKind::Varchar(letters) => format!("varchar({letters})"),
        ColumnKind::Boolean => "tinyint(1)".to_owned(),
        ColumnKind::Uuid => "char(36)".to_owned(),
        ColumnKind::Instant => "timestamp(6)".to_owned(),
        ColumnKind::DateTime => "datetime(6)".to_owned(),
    }
}

/// Everything but our version and the lease.
const CLEAR: &str = "DELETE FROM unreserve_entry; DELETE FROM unreserve_batch; DELETE FROM unreserve_set_aside;
    DELETE FROM unreserve_sweep_end; DELETE FROM unreserve_sweep; DELETE FROM orders_payment;
    DELETE FROM orders_inventoryreservation; DELETE FROM orders_order; DELETE FROM products_productvariant;
    DELETE FROM drops_dropproduct";

struct MariaDbSession {
    connection: MySqlConnection,
}

impl MariaDbSession {
    fn run(&mut self, sql: String) -> Wait<'_, u64> {
        Box::pin(async move { run(&mut self.connection, &sql).await })
    }

    fn done(&mut self, sql: String) -> Wait<'_, ()> {
        Box::pin(async move { run(&mut self.connection, &sql).await.map(|_| ()) })
    }
}

impl Session for MariaDbSession {
    fn create<'a>(&'a mut self, tables: &'a [Table]) -> Wait<'a, ()> {
        let statements: Vec<String> =
            tables.iter().map(|table| format!("{} ENGINE = InnoDB", STATEMENTS.create(table))).collect();
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

    fn clear(&mut self) -> Wait<'_, ()> {
        self.done(CLEAR.to_owned())
    }

    fn lock<'a>(&'a mut self, table: &'a str, rows: Row<'a>) -> Wait<'a, u64> {
        let sql = STATEMENTS.lock(table, rows);
        Box::pin(async move {
            let found: Vec<MySqlRow> = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut self.connection).await?;
            Ok(u64::try_from(found.len())?)
        })
    }

    fn read<'a>(&'a mut self, table: Source<'a>, columns: &'a [&'a str]) -> Wait<'a, Vec<Vec<Option<String>>>> {
        let list: Vec<String> = columns.iter().map(|column| format!("CAST({} AS CHAR)", quoted(column))).collect();
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

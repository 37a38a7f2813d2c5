//! A shop in a database of its own, and what a test asks of it.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, MySqlConnection, Row};
use unreserve_db::{Options, open};
use unreserve_engine::model::{Holder, SweepId};
use unreserve_engine::plan::{Plan, Policy, request, resolve};
use unreserve_engine::profile::{self, Profile};
use unreserve_engine::shop::{CheckedShop, InstallState, Shop, ShopError};
use unreserve_engine::sweep::{Silent, Stop, SweepOutcome, SweepRequest, sweep};
use unreserve_testkit::clock::StillClock;
use unreserve_testkit::servers::{FreshDatabase, fresh_mariadb};

/// A database of its own on the shared server.
pub(crate) struct Place {
    pub(crate) database: FreshDatabase,
}

/// One connection, as the shop itself makes them.
pub(crate) struct Raw(MySqlConnection);

impl Raw {
    pub(crate) async fn run(&mut self, sql: &str) {
        let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut self.0).await;
        done.unwrap_or_else(|error| panic!("{error}: {sql}"));
    }

    /// The same where the database may refuse; what was open is undone then.
    pub(crate) async fn attempt(&mut self, sql: &str) -> bool {
        let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut self.0).await.is_ok();
        if !done {
            self.run("ROLLBACK").await;
        }
        done
    }

    /// Every row of a query, its values joined by `|`.
    pub(crate) async fn ask(&mut self, sql: &str) -> Vec<String> {
        let rows = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_all(&mut self.0).await.unwrap();
        let text = |row: &sqlx::mysql::MySqlRow, index| {
            row.try_get_unchecked::<Option<String>, _>(index).unwrap().unwrap_or_else(|| "NULL".to_owned())
        };
        rows.iter().map(|row| (0..row.len()).map(|index| text(row, index)).collect::<Vec<_>>().join("|")).collect()
    }
}

impl Place {
    pub(crate) async fn with(sql: &str) -> Self {
        let place = Self { database: fresh_mariadb().unwrap() };
        place.raw().await.run(sql).await;
        place
    }

    pub(crate) async fn raw(&self) -> Raw {
        Raw(MySqlConnection::connect(&self.database.url()).await.unwrap())
    }

    pub(crate) async fn ask(&self, sql: &str) -> Vec<String> {
        self.raw().await.ask(sql).await
    }

    pub(crate) async fn shop(&self) -> Box<dyn Shop> {
        // The other name of the same family.
        let url = self.database.url().replacen("mysql:", "mariadb:", 1);
        open(&url, Options::default()).await.unwrap()
    }

    /// Installed and checked.
    pub(crate) async fn checked(&self, profile: &str) -> Box<dyn CheckedShop> {
        let mut shop = self.shop().await;
        assert_eq!(shop.install().await.unwrap(), InstallState::Current);
        check(shop, profile).await.unwrap()
    }
}

fn parse(text: &str) -> Profile {
    profile::check(profile::parse(text).unwrap()).unwrap()
}

/// The plan of a profile; its problems, where it does not fit.
pub(crate) async fn plan(shop: &mut dyn Shop, profile: &str) -> Result<Plan, String> {
    let profile = parse(profile);
    let schema = shop.schema(&request(&profile)).await.unwrap();
    resolve(&profile, &schema, Policy::default()).map_err(|problems| format!("{problems:?}"))
}

pub(crate) async fn check(mut shop: Box<dyn Shop>, profile: &str) -> Result<Box<dyn CheckedShop>, ShopError> {
    let plan = plan(shop.as_mut(), profile).await.unwrap();
    shop.check(plan).await
}

pub(crate) fn sweep_request() -> SweepRequest {
    let sweep_id = SweepId::new();
    let holder = Holder {
        token: format!("token-{sweep_id}"),
        host: "here".to_owned(),
        process_id: 7,
        lock_file: "/var/lib/here".to_owned(),
    };
    SweepRequest {
        sweep_id,
        holder,
        version: "test".to_owned(),
        batch_size: 500,
        max_orders: 5_000,
        only: None,
        lock_wait: Duration::from_millis(300),
        stop: Stop::default(),
    }
}

/// One sweep that must end well; reservations and units released, orders cancelled, drift.
pub(crate) async fn swept(shop: &mut dyn CheckedShop) -> (u64, i64, u64, i64) {
    let request = sweep_request();
    let outcome: SweepOutcome = sweep(shop, &StillClock::new(), &request, &mut Silent).await.unwrap();
    assert_eq!(outcome.stopped_by, None);
    let query = unreserve_engine::ledger::HistoryQuery::Sweep { id: request.sweep_id.to_string() };
    let record = shop.history(&query).await.unwrap().remove(0);
    (record.reservations_released, record.units_released, record.orders_cancelled, record.drift_units)
}

/// A small shop: orders, holds of them, stock. A test names the types.
pub(crate) fn profile(expiry: &str, rest: &str) -> String {
    format!(
        r#"
name = "small"
{rest}
[order]
table = "wp_orders"
key = "id"
unpaid = {{ status = ["open"] }}
cancel = {{ status = "gone" }}
[[guard]]
name = "payment"
table = "wp_payments"
order = "order_id"
where = {{ status = ["ok"] }}
[reservation]
table = "wp_holds"
key = "id"
order = "order_id"
quantity = "quantity"
expires_at = {expiry}
active = {{ active = true }}
release = {{ active = false, released_at = "$now" }}
[[stock]]
table = "wp_stock"
key = {{ id = "item" }}
reserved = "reserved"
on_hand = "free"
"#
    )
}

/// The tables of [`profile`], without foreign keys, as many shops have them.
pub(crate) fn tables(key: &str, item: &str, counter: &str, instant: &str) -> String {
    format!(
        "CREATE TABLE wp_orders (id {key} NOT NULL PRIMARY KEY, status ENUM('open','paid','gone') NOT NULL) ENGINE = InnoDB;
         CREATE TABLE wp_payments (id INT AUTO_INCREMENT PRIMARY KEY, order_id {key} NOT NULL, status VARCHAR(20) NOT NULL, KEY (order_id)) ENGINE = InnoDB;
         CREATE TABLE wp_holds (id {key} NOT NULL PRIMARY KEY, order_id {key} NULL, item {item} NULL, quantity INT UNSIGNED NOT NULL,
           expires_at {instant} NULL, active TINYINT(1) NOT NULL DEFAULT 1, released_at {instant} NULL, KEY (order_id), KEY (active, expires_at, id)) ENGINE = InnoDB;
         CREATE TABLE wp_stock (id {item} NOT NULL PRIMARY KEY, reserved {counter} NULL, free {counter} NULL) ENGINE = InnoDB;"
    )
}

//! A shop in a file of its own, and what a test asks of it.

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row, SqliteConnection};
use tempfile::TempDir;
use unreserve_db::{Options, demo, open};
use unreserve_engine::ledger::SweepStart;
use unreserve_engine::model::{BatchId, Holder, SweepId};
use unreserve_engine::plan::{Policy, request, resolve};
use unreserve_engine::profile::{self, Profile};
use unreserve_engine::shop::{BatchStart, CheckedShop, InstallState, Shop, ShopError};
use unreserve_engine::sweep::{Clock, Silent, Stop, SweepOutcome, SweepRequest, sweep};

pub(crate) const MALIKLI: &str = include_str!("../../../../profiles/malikli.toml");

/// A clock that never waits.
#[derive(Default)]
pub(crate) struct Still(AtomicU64);

impl Clock for Still {
    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.0.fetch_add(1, Ordering::Relaxed))
    }

    fn sleep<'a>(&'a self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        self.0.fetch_add(u64::try_from(duration.as_millis()).unwrap(), Ordering::Relaxed);
        Box::pin(async {})
    }

    fn jitter(&self) -> u64 {
        7
    }
}

pub(crate) fn parse(text: &str) -> Profile {
    profile::check(profile::parse(text).unwrap()).unwrap()
}

/// A file in a directory of its own.
pub(crate) struct Place {
    pub(crate) directory: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    pub(crate) async fn demo(orders: u32) -> Self {
        let place = Self::new();
        demo::create(&place.path(), orders).await.unwrap();
        place
    }

    pub(crate) async fn with(sql: &str) -> Self {
        let place = Self::new();
        std::fs::File::create_new(place.path()).unwrap();
        place.run(sql).await;
        place
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("shop.db")
    }

    pub(crate) fn url(&self) -> String {
        format!("sqlite:{}", self.path().display())
    }

    pub(crate) async fn raw(&self) -> SqliteConnection {
        SqliteConnectOptions::new().filename(self.path()).foreign_keys(false).connect().await.unwrap()
    }

    pub(crate) async fn run(&self, sql: &str) {
        let mut raw = self.raw().await;
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut raw).await.unwrap();
        raw.close().await.unwrap();
    }

    /// Every row of a query, its values joined by `|`.
    pub(crate) async fn ask(&self, sql: &str) -> Vec<String> {
        let mut raw = self.raw().await;
        let rows = sqlx::query(AssertSqlSafe(sql.to_owned())).fetch_all(&mut raw).await.unwrap();
        raw.close().await.unwrap();
        rows.iter()
            .map(|row| {
                let text = |index| match row.try_get_unchecked::<Option<String>, _>(index).unwrap() {
                    Some(text) => text,
                    None => "NULL".to_owned(),
                };
                (0..row.len()).map(text).collect::<Vec<_>>().join("|")
            })
            .collect()
    }

    pub(crate) async fn shop(&self) -> Box<dyn Shop> {
        open(&self.url(), Options::default()).await.unwrap()
    }

    /// Installed and checked.
    pub(crate) async fn checked(&self, profile: &str) -> Box<dyn CheckedShop> {
        let mut shop = self.shop().await;
        assert_eq!(shop.install().await.unwrap(), InstallState::Current);
        check(shop, profile).await.unwrap()
    }
}

pub(crate) async fn check(mut shop: Box<dyn Shop>, profile: &str) -> Result<Box<dyn CheckedShop>, ShopError> {
    let profile = parse(profile);
    let schema = shop.schema(&request(&profile)).await?;
    let plan = resolve(&profile, &schema, Policy::default()).unwrap();
    shop.check(plan).await
}

pub(crate) fn holder(token: &str, lock_file: &str) -> Holder {
    Holder { token: token.to_owned(), host: "till".to_owned(), process_id: 7, lock_file: lock_file.to_owned() }
}

pub(crate) fn sweep_request(token: &str) -> SweepRequest {
    SweepRequest {
        sweep_id: SweepId::new(),
        holder: holder(token, "/var/lib/unreserve"),
        version: "0".to_owned(),
        batch_size: 4,
        max_orders: 10_000,
        only: None,
        lock_wait: Duration::from_millis(50),
        stop: Stop::default(),
    }
}

pub(crate) async fn swept(shop: &mut dyn CheckedShop) -> SweepOutcome {
    let outcome = sweep(shop, &Still::default(), &sweep_request("ours"), &mut Silent).await.unwrap();
    assert_eq!(outcome.stopped_by, None);
    outcome
}

pub(crate) fn start<'a>(token: &'a str, sweep_id: SweepId) -> BatchStart<'a> {
    BatchStart { batch_id: BatchId::new(), sweep_id, token, lock_wait: Duration::from_millis(250) }
}

pub(crate) fn sweep_start(profile: &str) -> SweepStart {
    SweepStart {
        sweep_id: SweepId::new(),
        profile: profile.to_owned(),
        version: "0".to_owned(),
        holder: "us".to_owned(),
    }
}

const EVERYTHING: [&str; 5] = [
    "SELECT id, stock_quantity, reserved_quantity, updated_at FROM products_productvariant ORDER BY id",
    "SELECT id, current_stock_quantity, reserved_quantity, updated_at FROM drops_dropproduct ORDER BY id",
    "SELECT order_id, order_number, order_status, payment_status, updated_at FROM orders_order ORDER BY order_id",
    "SELECT * FROM orders_inventoryreservation ORDER BY reservation_id",
    "SELECT * FROM orders_payment ORDER BY payment_id",
];

/// Everything the shop has.
pub(crate) async fn dump(place: &Place) -> Vec<String> {
    let mut all = Vec::new();
    for sql in EVERYTHING {
        all.extend(place.ask(sql).await);
    }
    all
}

//! A shop to try things on, made and read here because statements stand nowhere else.

use std::path::{Path, PathBuf};
use std::time::Duration;

use unreserve_engine::shop::{ShopError, ShopErrorKind};

use super::connect::{Address, Link};
use super::demo_live;
use super::values::{Parameters, only_row, read, read_count};
use crate::Options;

/// Stands in the head of every file made here, so that only such a file is ever replaced: `unrs` in letters.
const APPLICATION_ID: i64 = 0x756e_7273;

/// What a shop is made with.
pub(super) enum Filling {
    /// The eleven cases and so many more orders.
    Cases(u32),
    /// Full shelves, and nobody there yet.
    Shelves,
}

/// A shop that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DemoShop {
    /// The file.
    pub path: PathBuf,
    /// Its address, as a database is opened by.
    pub url: String,
    /// How many orders are in it.
    pub orders: u64,
    /// How many reservations are in it.
    pub reservations: u64,
}

/// What one product has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockLevel {
    /// Its name.
    pub name: String,
    /// Pieces that are there.
    pub stock: i64,
    /// Pieces of them that orders hold.
    pub reserved: i64,
}

/// Makes a shop for the `malikli` profile: eleven orders `M-1` to `M-11` that show every case, and so many more. Its times
/// count from the database's now. An earlier file made here is replaced, and no other.
///
/// # Errors
/// `Refused` where another file is in the way or the place cannot be written.
pub async fn create(path: &Path, orders: u32) -> Result<DemoShop, ShopError> {
    create_filled(path, Filling::Cases(orders)).await
}

/// Makes a shop for the `malikli` profile, and puts this into it.
pub(super) async fn create_filled(path: &Path, filling: Filling) -> Result<DemoShop, ShopError> {
    let Some(text) = path.to_str().filter(|text| !text.is_empty()) else {
        return Err(ShopError::new(ShopErrorKind::Refused, "the path of the demo shop is empty or no valid text"));
    };
    must_be_replaceable(path).await?;
    // Made beside it and moved at the end: a half-made shop never stands at the path.
    let making = PathBuf::from(format!("{text}.making"));
    let made = make(&making, filling).await;
    if made.is_err() {
        let _ = std::fs::remove_file(&making);
    }
    let (orders, reservations) = made?;
    for ending in ["-journal", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{text}{ending}"));
    }
    std::fs::rename(&making, path).map_err(|error| cannot_write(path, &error))?;
    Ok(DemoShop { path: path.to_owned(), url: url_of(text), orders, reservations })
}

/// The stock of a shop made here, the variants first.
///
/// # Errors
/// The file is not there, or is no such shop.
pub async fn stock_levels(path: &Path) -> Result<Vec<StockLevel>, ShopError> {
    levels(&mut link_to(path)).await
}

/// The stock, the variants first.
pub(super) async fn levels(link: &mut Link) -> Result<Vec<StockLevel>, ShopError> {
    const SQL: &str = "/* unreserve demo_stock */
SELECT name, stock_quantity, reserved_quantity FROM (
    SELECT 1 AS pool, id, name, stock_quantity, reserved_quantity FROM products_productvariant
    UNION ALL SELECT 2, id, name, current_stock_quantity, reserved_quantity FROM drops_dropproduct)
ORDER BY pool, id";
    let cell = "demo_stock";
    let mut levels = Vec::new();
    for row in link.rows(cell, SQL, Parameters::new().plain()?).await? {
        levels.push(StockLevel {
            name: read(&row, 0, cell)?,
            stock: read(&row, 1, cell)?,
            reserved: read(&row, 2, cell)?,
        });
    }
    Ok(levels)
}

async fn make(path: &Path, filling: Filling) -> Result<(u64, u64), ShopError> {
    if let Err(error) = std::fs::remove_file(path)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        return Err(cannot_write(path, &error));
    }
    // An empty file is an empty database.
    std::fs::File::create_new(path).map_err(|error| cannot_write(path, &error))?;
    let mut link = link_to(path);
    link.begin_write(None).await?;
    let filled = fill(&mut link, filling).await;
    let counts = link.end(filled).await?;
    link.close().await;
    Ok(counts)
}

async fn fill(link: &mut Link, filling: Filling) -> Result<(u64, u64), ShopError> {
    const SIZE: &str = "CREATE TEMP TABLE demo_size (orders INTEGER NOT NULL)";
    const COUNTS: &str = "/* unreserve demo_counts */ SELECT (SELECT count(*) FROM orders_order), (SELECT count(*) FROM orders_inventoryreservation)";
    let cell = "demo_counts";
    link.simple("demo_id", &format!("PRAGMA application_id = {APPLICATION_ID}")).await?;
    link.simple("demo_tables", include_str!("demo_tables.sql")).await?;
    match filling {
        Filling::Cases(orders) => {
            link.simple("demo_size", SIZE).await?;
            let size = Parameters::new().with(i64::from(orders)).plain()?;
            link.execute("demo_size", "INSERT INTO demo_size VALUES (?1)", size).await?;
            link.simple("demo", include_str!("demo.sql")).await?;
        }
        Filling::Shelves => demo_live::fill_shelves(link).await?,
    }
    let row = only_row(link.rows(cell, COUNTS, Parameters::new().plain()?).await?, cell)?;
    Ok((read_count(&row, 0, cell)?, read_count(&row, 1, cell)?))
}

/// Nothing is there, or a shop that was made here.
async fn must_be_replaceable(path: &Path) -> Result<(), ShopError> {
    if !path.exists() {
        return Ok(());
    }
    let cell = "demo_id";
    let in_the_way = || {
        ShopError::new(
            ShopErrorKind::Refused,
            format!("`{}` exists already and is not a demo shop, so it is left alone", path.display()),
        )
        .hint("name another file")
    };
    let mut link = link_to(path);
    let rows = link.rows(cell, "PRAGMA application_id", Parameters::new().plain()?).await.map_err(|_| in_the_way())?;
    let id: i64 = read(&only_row(rows, cell)?, 0, cell)?;
    link.close().await;
    if id == APPLICATION_ID { Ok(()) } else { Err(in_the_way()) }
}

pub(super) fn link_to(path: &Path) -> Link {
    let patience = Duration::from_secs(60);
    Link::new(
        Address { path: path.to_owned(), read_only: false },
        Options { connect_timeout: patience, statement_timeout: patience, ..Options::default() },
    )
}

fn cannot_write(path: &Path, error: &std::io::Error) -> ShopError {
    ShopError::new(ShopErrorKind::Refused, format!("the demo shop `{}` cannot be written: {error}", path.display()))
        .hint("name a file in a directory that exists and can be written")
}

/// The address of a file, as [`crate::open`] takes it: what has a meaning in an address is written in hexadecimal digits.
#[must_use]
pub fn url_of(path: &str) -> String {
    let path = path.replace('%', "%25").replace('?', "%3F");
    format!("sqlite:{path}")
}

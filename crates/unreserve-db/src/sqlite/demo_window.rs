//! What is to be seen of the live demo's shop right now: the shelves, what is held, and what the ledger says came back.

use std::path::Path;

use sqlx::sqlite::SqliteRow;
use unreserve_engine::shop::ShopError;

use super::connect::Link;
use super::demo::{StockLevel, link_to};
use super::values::{Parameters, only_row, read, read_count, read_sum};

/// More new entries than this are not told at once.
const ENTRIES: i64 = 200;

/// The shop at one moment, all of it read in one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Units that reservations hold.
    pub units_held: i64,
    /// Orders that hold them.
    pub orders_held: u64,
    /// Milliseconds until the next reservation expires by the database's clock; nothing where none is waiting.
    pub expires_in_ms: Option<i64>,
    /// Orders that are paid and cancelled at once. There must never be one.
    pub paid_and_cancelled: u64,
    /// Orders that are set aside.
    pub set_aside: Vec<Aside>,
    /// What the ledger has of this run.
    pub released: Released,
    /// The shelves.
    pub stock: Vec<StockLevel>,
    /// What the ledger has got since the last look, oldest first.
    pub news: Vec<Release>,
}

/// What the ledger has since the window was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Released {
    /// Units that were given back.
    pub units: i64,
    /// Orders that were cancelled.
    pub orders: u64,
    /// Units that the counters lacked.
    pub drift: i64,
    /// Of all releases, half came within so many microseconds of the expiry.
    pub median_micros: i64,
}

/// One order that is set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aside {
    /// Its number.
    pub number: String,
    /// Why.
    pub reason: String,
}

/// One reservation that was released.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// Its order's number.
    pub number: String,
    /// What came back.
    pub product: String,
    /// How much of it.
    pub units: i64,
    /// What the counter lacked.
    pub drift: i64,
    /// Microseconds from its expiry to the release.
    pub overdue_micros: i64,
}

/// Looks at the shop, and remembers what it has told.
pub struct Window {
    link: Link,
    /// The last entry of the ledger before the window was opened.
    opened_at: i64,
    /// The last entry that was told.
    told: i64,
}

impl Window {
    /// Looks for the first time: what the ledger has now is not news.
    ///
    /// # Errors
    /// The file is no shop of the demo's that was set up.
    pub async fn open(path: &Path) -> Result<Self, ShopError> {
        let mut link = link_to(path);
        let told = last_entry(&mut link).await?;
        Ok(Self { link, opened_at: told, told })
    }

    /// Looks again.
    ///
    /// # Errors
    /// As for [`Self::open`].
    pub async fn look(&mut self) -> Result<View, ShopError> {
        self.link.begin_read().await?;
        let outcome = try_look(&mut self.link, self.opened_at, self.told).await;
        let (view, told) = self.link.end(outcome).await?;
        self.told = told;
        Ok(view)
    }

    /// Closes the file.
    pub async fn close(&mut self) {
        self.link.close().await;
    }
}

async fn last_entry(link: &mut Link) -> Result<i64, ShopError> {
    let cell = "demo_last_entry";
    let sql = "/* demo last_entry */ SELECT max(entry_id) FROM unreserve_entry";
    read_sum(&only_row(link.rows(cell, sql, Parameters::new().plain()?).await?, cell)?, 0, cell)
}

async fn try_look(link: &mut Link, opened_at: i64, told: i64) -> Result<(View, i64), ShopError> {
    const HELD: &str = "/* demo held */
SELECT coalesce(sum(quantity), 0), count(DISTINCT order_id),
       CAST((julianday(min(expires_at) FILTER (WHERE expires_at > strftime('%Y-%m-%d %H:%M:%f', 'now'))) - julianday('now')) * 86400000 AS INTEGER)
FROM orders_inventoryreservation WHERE is_active";
    const WRONGED: &str = "/* demo wronged */
SELECT count(*) FROM orders_order AS o WHERE o.payment_status = 'cancelled'
  AND EXISTS (SELECT 1 FROM orders_payment AS p WHERE p.order_id = o.order_id AND p.status = 'succeeded')";
    let cell = "demo_held";
    let held = only_row(link.rows(cell, HELD, Parameters::new().plain()?).await?, cell)?;
    let wronged = only_row(link.rows("demo_wronged", WRONGED, Parameters::new().plain()?).await?, "demo_wronged")?;
    let (news, last) = news(link, told).await?;
    let view = View {
        units_held: read_sum(&held, 0, cell)?,
        orders_held: read_count(&held, 1, cell)?,
        expires_in_ms: read(&held, 2, cell)?,
        paid_and_cancelled: read_count(&wronged, 0, "demo_wronged")?,
        set_aside: set_aside(link).await?,
        released: released(link, opened_at).await?,
        stock: super::demo::levels(link).await?,
        news,
    };
    Ok((view, last))
}

async fn set_aside(link: &mut Link) -> Result<Vec<Aside>, ShopError> {
    const SQL: &str = "/* demo set_aside */
SELECT coalesce(order_number, order_key), reason FROM unreserve_set_aside ORDER BY since, order_key LIMIT 20";
    let cell = "demo_set_aside";
    let rows = link.rows(cell, SQL, Parameters::new().plain()?).await?;
    rows.iter().map(|row| Ok(Aside { number: read(row, 0, cell)?, reason: read(row, 1, cell)? })).collect()
}

async fn released(link: &mut Link, opened_at: i64) -> Result<Released, ShopError> {
    const SQL: &str = "/* demo released */
SELECT coalesce(sum(quantity), 0), count(*) FILTER (WHERE kind = 'cancel'), coalesce(sum(drift), 0),
       (SELECT overdue_us FROM unreserve_entry WHERE entry_id > ?1 AND kind = 'release' ORDER BY overdue_us
        LIMIT 1 OFFSET (SELECT count(*) / 2 FROM unreserve_entry WHERE entry_id > ?1 AND kind = 'release'))
FROM unreserve_entry WHERE entry_id > ?1";
    let cell = "demo_released";
    let row = only_row(link.rows(cell, SQL, Parameters::new().with(opened_at).plain()?).await?, cell)?;
    Ok(Released {
        units: read_sum(&row, 0, cell)?,
        orders: read_count(&row, 1, cell)?,
        drift: read_sum(&row, 2, cell)?,
        median_micros: read_sum(&row, 3, cell)?,
    })
}

/// The releases behind an entry, and the last entry that there is of them.
async fn news(link: &mut Link, told: i64) -> Result<(Vec<Release>, i64), ShopError> {
    const SQL: &str = "/* demo news */
SELECT e.entry_id, coalesce(e.order_number, e.order_key), coalesce(v.name, d.name, e.stock), e.quantity, e.drift, e.overdue_us
FROM unreserve_entry AS e
LEFT JOIN orders_inventoryreservation AS r ON r.reservation_id = e.reservation_key
LEFT JOIN products_productvariant AS v ON v.id = r.product_variant_id
LEFT JOIN drops_dropproduct AS d ON d.id = r.drop_product_id
WHERE e.entry_id > ?1 AND e.kind = 'release' ORDER BY e.entry_id LIMIT ?2";
    let cell = "demo_news";
    let rows = link.rows(cell, SQL, Parameters::new().with(told).with(ENTRIES).plain()?).await?;
    let last = rows.last().map(|row| read(row, 0, cell)).transpose()?.unwrap_or(told);
    let news = rows.iter().map(|row| release(row, cell)).collect::<Result<_, _>>()?;
    Ok((news, last))
}

fn release(row: &SqliteRow, cell: &'static str) -> Result<Release, ShopError> {
    Ok(Release {
        number: read(row, 1, cell)?,
        product: read(row, 2, cell)?,
        units: read(row, 3, cell)?,
        drift: read(row, 4, cell)?,
        overdue_micros: read(row, 5, cell)?,
    })
}

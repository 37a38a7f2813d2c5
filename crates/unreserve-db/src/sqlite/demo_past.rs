//! A past for the live demo: days of orders and what the ledger would have of them, made up and marked as such.

use std::path::Path;

use unreserve_engine::shop::ShopError;

use super::connect::Link;
use super::demo::link_to;
use super::demo_live::PRODUCTS;
use super::values::Parameters;

/// How many days before today have a past, in UTC.
pub const PAST_DAYS: u32 = 29;

/// Gives a shop that was made by [`super::demo_live::create`], and then set up, its past.
///
/// # Errors
/// The file is no such shop, or cannot be written; nothing was.
pub async fn remember(path: &Path) -> Result<(), ShopError> {
    let mut link = link_to(path);
    link.begin_write(None).await?;
    let written = write(&mut link).await;
    link.end(written).await?;
    link.close().await;
    Ok(())
}

async fn write(link: &mut Link) -> Result<(), ShopError> {
    const PRICES: &str = "CREATE TEMP TABLE past_price (shelf INTEGER NOT NULL PRIMARY KEY, cents INTEGER NOT NULL)";
    link.simple("demo_prices", PRICES).await?;
    for (shelf, product) in (0_i64..).zip(PRODUCTS) {
        let parameters = Parameters::new().with(shelf).with(product.cents).plain()?;
        link.execute("demo_price", "INSERT INTO past_price VALUES (?1, ?2)", parameters).await?;
    }
    link.simple("demo_past", include_str!("demo_past.sql")).await
}

#[cfg(test)]
mod tests {
    use super::super::demo_live;
    use super::super::values::read_sum;
    use super::*;
    use crate::Options;

    async fn number(link: &mut Link, sql: &str) -> i64 {
        let rows = link.rows("test", sql, Parameters::new().plain().unwrap()).await.unwrap();
        read_sum(&rows[0], 0, "test").unwrap()
    }

    #[tokio::test]
    async fn every_day_but_today_has_a_past_whose_books_add_up_and_which_holds_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("shop.db");
        let made = demo_live::create(&path).await.unwrap();
        crate::open(&made.url, Options::default()).await.unwrap().install().await.unwrap();
        remember(&path).await.unwrap();
        let mut link = link_to(&path);
        let days = "SELECT count(DISTINCT date(started_at / 1000, 'unixepoch')) FROM unreserve_sweep";
        assert_eq!(number(&mut link, days).await, i64::from(PAST_DAYS));
        assert!(number(&mut link, "SELECT count(*) FROM unreserve_entry").await > 500);
        for (wrong, sql) in [
            ("today", "SELECT count(*) FROM unreserve_sweep WHERE started_at >= strftime('%s', 'now', 'start of day') * 1000"),
            ("not marked", "SELECT count(*) FROM unreserve_sweep WHERE holder <> 'made up by the demo'"),
            ("without an end", "SELECT count(*) FROM unreserve_sweep WHERE sweep_id NOT IN (SELECT sweep_id FROM unreserve_sweep_end)"),
            ("held", "SELECT count(*) FROM orders_inventoryreservation WHERE is_active"),
            (
                "sums differ",
                "SELECT count(*) FROM unreserve_batch AS b WHERE (b.reservations, b.units, b.orders_cancelled) IS NOT
                 (SELECT count(*) FILTER (WHERE e.kind = 'release'), sum(e.quantity), count(*) FILTER (WHERE e.kind = 'cancel')
                  FROM unreserve_entry AS e WHERE e.batch_id = b.batch_id)",
            ),
            (
                "released, and not so in the shop",
                "SELECT count(*) FROM unreserve_entry AS e
                 LEFT JOIN orders_inventoryreservation AS r ON r.reservation_id = e.reservation_key
                 LEFT JOIN orders_order AS o ON o.order_id = e.order_key
                 WHERE (o.payment_status = 'cancelled' AND (e.kind = 'cancel' OR r.quantity = e.quantity AND r.cancelled_at > r.expires_at
                        AND e.at - e.expires_at = e.overdue_us / 1000)) IS NOT TRUE",
            ),
            ("without an amount", "SELECT count(*) FROM orders_order WHERE total_amount < 6.5 OR total_amount > 400"),
            (
                "paid and cancelled",
                "SELECT count(*) FROM orders_order AS o JOIN orders_payment AS p ON p.order_id = o.order_id WHERE o.payment_status <> 'paid'",
            ),
        ] {
            assert_eq!(number(&mut link, sql).await, 0, "{wrong}");
        }
    }
}

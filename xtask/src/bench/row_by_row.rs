//! The loop that most shops write: one row at a time, one commit an order.

use sqlx::{Connection, PgConnection, Row};

use super::BenchError;
use super::database::block_on;

/// `$1` at most so many.
const DUE: &str = "SELECT r.reservation_id::text, r.order_id::text, r.product_variant_id, r.quantity
FROM orders_inventoryreservation AS r JOIN orders_order AS o ON o.order_id = r.order_id
WHERE r.is_active AND r.expires_at <= now() AND o.payment_status IN ('pending', 'failed')
ORDER BY r.expires_at LIMIT $1::bigint";

const LOCK: &str = "SELECT reserved_quantity FROM products_productvariant WHERE id = $1::bigint FOR UPDATE";

const STOCK: &str = "UPDATE products_productvariant SET reserved_quantity = greatest(0, $2::integer - $3::integer), updated_at = now() WHERE id = $1::bigint";

const RESERVATION: &str = "UPDATE orders_inventoryreservation SET is_active = false, cancelled_at = now() WHERE reservation_id = $1::text::uuid";

const ORDER: &str =
    "UPDATE orders_order SET order_status = 'cancelled', payment_status = 'cancelled', updated_at = now()
WHERE order_id = $1::text::uuid";

/// Releases at most `limit` reservations.
pub(super) fn release(url: &str, limit: u64) -> Result<(), BenchError> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    block_on(release_each(url, limit))?.map_err(BenchError::statement("the row-by-row loop"))
}

async fn release_each(url: &str, limit: i64) -> Result<(), sqlx::Error> {
    let mut connection = PgConnection::connect(url).await?;
    let due = sqlx::query(DUE).bind(limit).fetch_all(&mut connection).await?;
    for row in &due {
        let (reservation, order): (&str, &str) = (row.try_get(0)?, row.try_get(1)?);
        let (variant, quantity): (i64, i32) = (row.try_get(2)?, row.try_get(3)?);
        let mut transaction = connection.begin().await?;
        let stock = sqlx::query(LOCK).bind(variant).fetch_one(&mut *transaction).await?;
        let reserved: i32 = stock.try_get(0)?;
        sqlx::query(STOCK).bind(variant).bind(reserved).bind(quantity).execute(&mut *transaction).await?;
        sqlx::query(RESERVATION).bind(reservation).execute(&mut *transaction).await?;
        sqlx::query(ORDER).bind(order).execute(&mut *transaction).await?;
        transaction.commit().await?;
    }
    connection.close().await
}

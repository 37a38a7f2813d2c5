-- The limit: everything due in one statement, as somebody who knows PostgreSQL would write it. No ledger, no batches, no
-- second look at the payments once the orders are locked.
WITH due AS MATERIALIZED (
    SELECT r.reservation_id
    FROM orders_inventoryreservation AS r
    JOIN orders_order AS o ON o.order_id = r.order_id
    WHERE r.is_active AND r.expires_at <= now() AND o.payment_status IN ('pending', 'failed')
      AND NOT EXISTS (SELECT 1 FROM orders_payment AS p WHERE p.order_id = o.order_id AND p.status = 'succeeded')
    FOR UPDATE OF o SKIP LOCKED
), released AS (
    UPDATE orders_inventoryreservation AS r SET is_active = false, cancelled_at = now()
    FROM due WHERE r.reservation_id = due.reservation_id AND r.is_active
    RETURNING r.order_id, r.product_variant_id, r.drop_product_id, r.quantity
), variants AS (
    UPDATE products_productvariant AS v SET reserved_quantity = greatest(0, v.reserved_quantity - s.quantity), updated_at = now()
    FROM (SELECT product_variant_id AS id, sum(quantity) AS quantity FROM released GROUP BY 1) AS s WHERE v.id = s.id
), drops AS (
    UPDATE drops_dropproduct AS d SET reserved_quantity = greatest(0, d.reserved_quantity - s.quantity), updated_at = now()
    FROM (SELECT drop_product_id AS id, sum(quantity) AS quantity FROM released GROUP BY 1) AS s WHERE d.id = s.id
)
UPDATE orders_order AS o SET order_status = 'cancelled', payment_status = 'cancelled', updated_at = now()
WHERE o.order_id IN (SELECT order_id FROM released)
  AND NOT EXISTS (SELECT 1 FROM orders_inventoryreservation AS r WHERE r.order_id = o.order_id AND r.is_active AND r.expires_at > now());

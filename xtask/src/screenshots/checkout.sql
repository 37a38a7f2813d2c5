-- Who is in the checkout right now: what they hold comes back in the next two hours, most of it soon.
CREATE TEMP TABLE fresh AS
WITH RECURSIVE counted (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < 46)
SELECT n, lower(hex(randomblob(16))) AS order_id,
       'A-' || (1001 + n + (SELECT count(*) FROM orders_order WHERE order_number LIKE 'A-%')) AS number,
       strftime('%Y-%m-%d %H:%M:%f', 'now', '-' || (n * 17 % 600) || ' seconds') || '000' AS created_at
FROM counted;
INSERT INTO orders_order (order_id, order_number, order_status, payment_status, created_at, updated_at)
SELECT order_id, number, 'pending_payment', 'pending', created_at, created_at FROM fresh;
INSERT INTO orders_inventoryreservation
SELECT lower(hex(randomblob(16))), order_id, 1 + abs(random()) % 12, NULL, 'checkout', 1 + abs(random()) % 3,
       strftime('%Y-%m-%d %H:%M:%f', 'now', '+' || (90 + n * n * 3 + n * 37 % 240) || ' seconds') || '000', 1, NULL, NULL, created_at
FROM fresh;
UPDATE products_productvariant AS p SET reserved_quantity =
    (SELECT coalesce(sum(r.quantity), 0) FROM orders_inventoryreservation AS r WHERE r.product_variant_id = p.id AND r.is_active);

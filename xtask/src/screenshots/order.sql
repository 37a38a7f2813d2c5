-- `:orders` customers ordered a quarter of an hour before the moment `:ago` seconds ago, and never paid; their
-- reservations expire in the second and a half before it.
CREATE TEMP TABLE fresh AS
WITH RECURSIVE counted (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < :orders)
SELECT n, lower(hex(randomblob(16))) AS order_id,
       'A-' || (1001 + n + (SELECT count(*) FROM orders_order WHERE order_number LIKE 'A-%')) AS number,
       strftime('%Y-%m-%d %H:%M:%f', 'now', '-:ago seconds', '-' || (900 + abs(random()) % 60) || ' seconds') || '000' AS created_at
FROM counted;
INSERT INTO orders_order (order_id, order_number, order_status, payment_status, created_at, updated_at)
SELECT order_id, number, 'pending_payment', 'pending', created_at, created_at FROM fresh;
INSERT INTO orders_inventoryreservation
SELECT lower(hex(randomblob(16))), order_id, CASE WHEN n % 5 > 0 THEN 1 + abs(random()) % 12 END, CASE WHEN n % 5 = 0 THEN 1 + abs(random()) % 4 END,
       'checkout', 1 + abs(random()) % 3,
       strftime('%Y-%m-%d %H:%M:%f', 'now', '-:ago seconds', printf('-%d.%03d seconds', n % 2, abs(random()) % 600)) || '000', 1, NULL, NULL, created_at
FROM fresh JOIN json_each('[1, 2]') AS k ON k.value <= 1 + fresh.n % 2;
UPDATE products_productvariant AS p SET reserved_quantity =
    (SELECT coalesce(sum(r.quantity), 0) FROM orders_inventoryreservation AS r WHERE r.product_variant_id = p.id AND r.is_active);
UPDATE drops_dropproduct AS p SET reserved_quantity =
    (SELECT coalesce(sum(r.quantity), 0) FROM orders_inventoryreservation AS r WHERE r.drop_product_id = p.id AND r.is_active);

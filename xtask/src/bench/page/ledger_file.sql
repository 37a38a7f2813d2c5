-- The same as on the server, in milliseconds since 1970.
BEGIN;
-- Most of what the demo holds is over as well: of a shop of this size some hundreds of reservations wait at any one time.
UPDATE orders_inventoryreservation SET is_active = 0, cancelled_at = expires_at WHERE is_active = 1 AND rowid % 40 <> 0;
-- Nobody sweeps meanwhile: what waits expires later.
UPDATE orders_inventoryreservation SET expires_at = datetime('now', '+' || (60 + rowid % 900) || ' minutes') WHERE is_active = 1;
UPDATE products_productvariant AS v SET reserved_quantity =
    (SELECT coalesce(sum(quantity), 0) FROM orders_inventoryreservation WHERE is_active = 1 AND product_variant_id = v.id);
UPDATE drops_dropproduct AS d SET reserved_quantity =
    (SELECT coalesce(sum(quantity), 0) FROM orders_inventoryreservation WHERE is_active = 1 AND drop_product_id = d.id);

CREATE TEMP TABLE number AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < max(:sweeps, :large, 100)) SELECT i FROM n;
CREATE TEMP TABLE present AS SELECT CAST(unixepoch('now', 'subsec') * 1000 AS INTEGER) AS now;

INSERT INTO unreserve_sweep (sweep_id, profile, version, holder, started_at)
SELECT printf('%08x-0000-7000-8000-a%011x', i, i), 'malikli', 'bench', 'process 1 on bench', now - i * 216000 FROM number, present WHERE i <= :sweeps;
INSERT INTO unreserve_sweep_end (sweep_id, ending, finished_at, duration_us, protected, set_aside, oldest_overdue_us, remaining_due, error)
SELECT printf('%08x-0000-7000-8000-a%011x', i, i), CASE WHEN i % 9973 = 0 THEN 'failed' WHEN i % 101 = 0 THEN 'problems' ELSE 'done' END,
       now - i * 216000 + 1000, 900000, '{"payment": 2}', 0, 60000000, 0, NULL
FROM number, present WHERE i <= :sweeps;
INSERT INTO unreserve_batch (batch_id, sweep_id, epoch, committed_at, reservations, units, stock_rows, orders_cancelled, drift)
SELECT printf('%08x-0000-7000-8000-b%011x', i, i), printf('%08x-0000-7000-8000-a%011x', i, i), i, now - i * 216000 + 200, 20, 40, 10, 5, 0
FROM number, present WHERE i <= :sweeps;
INSERT INTO unreserve_entry (batch_id, kind, order_key, order_number, reservation_key, stock, quantity, drift, expires_at, at, overdue_us)
SELECT printf('%08x-0000-7000-8000-b%011x', n.i, n.i), CASE WHEN l.i <= 20 THEN 'release' ELSE 'cancel' END,
       printf('%08x-0000-7000-8000-c%011x', n.i * 5 + l.i % 5, n.i), 'O-' || (n.i * 5 + l.i % 5),
       CASE WHEN l.i <= 20 THEN printf('%08x-0000-7000-8000-d%011x', n.i * 25 + l.i, n.i) END,
       CASE WHEN l.i <= 20 THEN 'products_productvariant:' || (n.i * 7 + l.i) % 200 END, CASE WHEN l.i <= 20 THEN 2 ELSE 0 END, 0,
       CASE WHEN l.i <= 20 THEN now - n.i * 216000 - l.i * 3000 END, now - n.i * 216000 + 200, CASE WHEN l.i <= 20 THEN l.i * 3200000 ELSE 0 END
FROM number AS n, number AS l, present WHERE n.i <= :sweeps AND l.i <= 25 ORDER BY n.i DESC, l.i;

INSERT INTO unreserve_sweep (sweep_id, profile, version, holder, started_at)
SELECT '00000000-0000-7000-8000-000000000000', 'malikli', 'bench', 'process 1 on bench', now - 100000 FROM present;
INSERT INTO unreserve_sweep_end (sweep_id, ending, finished_at, duration_us, protected, set_aside, oldest_overdue_us, remaining_due, error)
SELECT '00000000-0000-7000-8000-000000000000', 'done', now, 60000000, '{}', 0, 60000000, 0, NULL FROM present;
INSERT INTO unreserve_batch (batch_id, sweep_id, epoch, committed_at, reservations, units, stock_rows, orders_cancelled, drift)
SELECT printf('%08x-0000-7000-8000-e%011x', i, i), '00000000-0000-7000-8000-000000000000', i, now - 100000 + i * 50, 80, 160, 40, 20, 0
FROM number, present WHERE i <= :large;
INSERT INTO unreserve_entry (batch_id, kind, order_key, order_number, reservation_key, stock, quantity, drift, expires_at, at, overdue_us)
SELECT printf('%08x-0000-7000-8000-e%011x', n.i, n.i), CASE WHEN l.i <= 80 THEN 'release' ELSE 'cancel' END,
       printf('%08x-0000-7000-8000-f%011x', n.i * 20 + l.i % 20, n.i), 'O-' || (n.i * 20 + l.i % 20),
       CASE WHEN l.i <= 80 THEN printf('%08x-0000-7000-8000-1%011x', n.i * 100 + l.i, n.i) END,
       CASE WHEN l.i <= 80 THEN 'products_productvariant:' || l.i % 200 END, CASE WHEN l.i <= 80 THEN 2 ELSE 0 END, 0,
       CASE WHEN l.i <= 80 THEN now - 200000 END, now - 100000 + n.i * 50, CASE WHEN l.i <= 80 THEN 100000000 ELSE 0 END
FROM number AS n, number AS l, present WHERE n.i <= :large AND l.i <= 100 ORDER BY n.i, l.i;
COMMIT;

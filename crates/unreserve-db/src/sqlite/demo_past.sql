-- A past for the live demo: 29 days of orders before today, of which about a third were never paid, and what the ledger would
-- have of them. It is made up, and says so: the holder of these sweeps is `made up by the demo`.
-- `past_price` says what a piece of each product costs.

CREATE TEMP TABLE past_order AS
WITH RECURSIVE counted (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < 29 * 52),
drawn AS (
    -- Three numbers that look like chance and are the same each time.
    SELECT n, 29 - (n - 1) / 52 AS day, (n * 2654435761 % 4294967296) / 4096 AS one, (n * 40503 + 7) % 65537 AS two,
           (n * 48271 % 2147483647) / 64 AS three
    FROM counted
), spread AS (
    SELECT n, one, two, three, one % 100 AS draw,
           -- From eight to ten in the evening, and busiest before supper.
           (CAST(strftime('%s', 'now', 'start of day') AS INTEGER) - day * 86400
            + 28800 + max(two % 50400, three % 43200)) * 1000 + one % 1000 AS at
    FROM drawn
    -- Not every day is as busy as the others, and the seventh least.
    WHERE two % 100 < 58 + day * 37 % 34 - CASE day % 7 WHEN 0 THEN 25 ELSE 0 END
)
SELECT n, at, 1 + (two % 5 > 3) AS items, three % 7 AS shelf, 1 + (one / 8 % 7 > 4) AS quantity, 60000 + two * 7 AS paid_after,
       3000 + three % 31 * 1000 + one % 1000 AS overdue_us,
       CASE WHEN draw < 60 THEN 'paid' WHEN draw < 65 THEN 'cancelled' ELSE 'left' END AS kind,
       printf('%08x%04x4a77b77c%012x', one, n, n * 7919) AS order_id, printf('M-%d', 1000 + n) AS number
FROM spread;

-- What each of them held: a reservation of a quarter of an hour for each thing.
CREATE TEMP TABLE past_item AS
SELECT o.n, o.kind, o.order_id, o.number, o.at, o.at + 900000 AS expires_at, o.at + 900000 + o.overdue_us / 1000 AS ended_at, o.overdue_us,
       o.paid_after, o.quantity, (o.shelf + k.value * 2) % 7 AS shelf,
       printf('%08x%04x4a88b88c%012x', o.n * 4 + k.value, o.n, o.n * 104729 + k.value) AS reservation_id
FROM past_order AS o JOIN json_each('[0, 1]') AS k ON k.value < o.items;

CREATE TEMP TABLE past_text AS
SELECT i.reservation_id, strftime('%Y-%m-%d %H:%M:%f', i.at / 1000.0, 'unixepoch') || '000' AS created_at,
       strftime('%Y-%m-%d %H:%M:%f', i.expires_at / 1000.0, 'unixepoch') || '000' AS expires_at,
       strftime('%Y-%m-%d %H:%M:%f', CASE i.kind WHEN 'left' THEN i.ended_at ELSE i.at + i.paid_after END / 1000.0, 'unixepoch') || '000' AS ended_at
FROM past_item AS i;

INSERT INTO orders_order (order_id, order_number, order_status, payment_status, total_amount, created_at, updated_at)
SELECT i.order_id, i.number, CASE i.kind WHEN 'paid' THEN 'delivered' ELSE 'cancelled' END, CASE i.kind WHEN 'paid' THEN 'paid' ELSE 'cancelled' END,
       sum(i.quantity * p.cents) / 100.0, t.created_at, t.ended_at
FROM past_item AS i JOIN past_text AS t ON t.reservation_id = i.reservation_id JOIN past_price AS p ON p.shelf = i.shelf
GROUP BY i.order_id ORDER BY i.at;

INSERT INTO orders_inventoryreservation
    (reservation_id, order_id, product_variant_id, drop_product_id, reservation_type, quantity, expires_at, is_active, fulfilled_at, cancelled_at, created_at)
SELECT i.reservation_id, i.order_id, CASE WHEN i.shelf < 6 THEN i.shelf + 1 END, CASE WHEN i.shelf = 6 THEN 1 END, 'checkout', i.quantity, t.expires_at, 0,
       CASE i.kind WHEN 'paid' THEN t.ended_at END, CASE i.kind WHEN 'paid' THEN NULL ELSE t.ended_at END, t.created_at
FROM past_item AS i JOIN past_text AS t ON t.reservation_id = i.reservation_id ORDER BY i.at;

INSERT INTO orders_payment (payment_id, order_id, status, gateway_transaction_id, created_at)
SELECT printf('%08x%04x4a99b99c%012x', i.n, i.n, i.n * 7919), i.order_id, 'succeeded', 'demo_' || lower(i.number), t.ended_at
FROM past_item AS i JOIN past_text AS t ON t.reservation_id = i.reservation_id WHERE i.kind = 'paid' GROUP BY i.order_id ORDER BY i.at;

-- A sweep for each order that was left, as the daemon makes them, with identities in the order of time.
CREATE TEMP TABLE past_sweep AS
SELECT i.n, i.ended_at, max(i.overdue_us) AS overdue_us, count(*) AS items, sum(i.quantity) AS units,
       printf('%08x-%04x-7%03x-8%03x-%012x', i.ended_at / 65536, i.ended_at % 65536, i.n % 4096, i.n % 4096, i.n * 7919) AS sweep_id,
       printf('%08x-%04x-7%03x-9%03x-%012x', i.ended_at / 65536, i.ended_at % 65536, i.n % 4096, i.n % 4096, i.n * 7919) AS batch_id
FROM past_item AS i WHERE i.kind = 'left' GROUP BY i.n;

INSERT INTO unreserve_sweep (sweep_id, profile, version, holder, started_at)
SELECT sweep_id, 'malikli', 'demo', 'made up by the demo', ended_at - 2 FROM past_sweep ORDER BY ended_at;

INSERT INTO unreserve_batch (batch_id, sweep_id, epoch, committed_at, reservations, units, stock_rows, orders_cancelled, drift)
SELECT batch_id, sweep_id, 0, ended_at, items, units, items, 1, 0 FROM past_sweep ORDER BY ended_at;

INSERT INTO unreserve_entry (batch_id, kind, order_key, order_number, reservation_key, stock, quantity, drift, expires_at, at, overdue_us)
SELECT batch_id, kind, order_key, number, reservation_key, stock, quantity, 0, expires_at, at, overdue_us
FROM (
    SELECT s.batch_id, 'release' AS kind, i.order_id AS order_key, i.number, i.reservation_id AS reservation_key,
           CASE WHEN i.shelf < 6 THEN printf('products_productvariant:%d', i.shelf + 1) ELSE 'drops_dropproduct:1' END AS stock,
           i.quantity, i.expires_at, s.ended_at AS at, i.overdue_us, 1 AS place
    FROM past_sweep AS s JOIN past_item AS i ON i.n = s.n
    UNION ALL
    SELECT s.batch_id, 'cancel', o.order_id, o.number, NULL, NULL, 0, NULL, s.ended_at, 0, 2
    FROM past_sweep AS s JOIN past_order AS o ON o.n = s.n)
ORDER BY at, batch_id, place, reservation_key;

INSERT INTO unreserve_sweep_end (sweep_id, ending, finished_at, duration_us, protected, set_aside, oldest_overdue_us, remaining_due, error)
SELECT sweep_id, 'done', ended_at + 4, 5000 + n * 733 % 4000, '{}', 0, overdue_us, 0, NULL FROM past_sweep ORDER BY ended_at;

DROP TABLE past_sweep;
DROP TABLE past_text;
DROP TABLE past_item;
DROP TABLE past_order;
DROP TABLE past_price;

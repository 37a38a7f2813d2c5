-- What is in a shop to try things on, whose tables are there. `demo_size` says how many orders there are beside the eleven
-- that show every case.

CREATE TEMP TABLE demo_now AS SELECT strftime('%Y-%m-%d %H:%M:%f', 'now') AS at;

INSERT INTO products_productvariant (name, stock_quantity, reserved_quantity, updated_at)
SELECT j.value ->> 0, j.value ->> 1, j.value ->> 2, (SELECT at || '000' FROM demo_now)
FROM json_each('[
    ["Olive oil, 0.5 l", 40, 4], ["Olive oil, 1 l", 30, 7], ["Espresso beans, 1 kg", 25, 3],
    ["Espresso cups, set of 4", 12, 3], ["Linen apron", 9, 3], ["Chestnut honey", 0, 0],
    ["Fig jam", 0, 0], ["Sea salt, tin", 0, 0], ["Bread knife", 0, 0], ["Cutting board, walnut", 0, 0],
    ["Tea towel", 0, 0], ["Moka pot, 6 cups", 0, 0]
]') AS j;

INSERT INTO drops_dropproduct (name, current_stock_quantity, reserved_quantity, updated_at)
SELECT j.value ->> 0, j.value ->> 1, j.value ->> 2, (SELECT at || '000' FROM demo_now)
FROM json_each('[["Signed poster, drop 1", 10, 3], ["Numbered print, drop 2", 10, 0], ["Glazed bowl, drop 3", 0, 0], ["Anniversary tin, drop 4", 0, 0]]') AS j;

-- The eleven cases: number, order status, payment status, minutes since the order.
CREATE TEMP TABLE demo_case AS
SELECT printf('%08x%04x4a11b11c%012x', (j.key + 1) * 2654435761 % 4294967296, j.key + 1, (j.key + 1) * 7919) AS order_id,
       j.value ->> 0 AS number, j.value ->> 1 AS order_status, j.value ->> 2 AS payment_status, j.value ->> 3 AS minutes
FROM json_each('[
    ["M-1",  "pending_payment", "pending",   40], ["M-2",  "pending_payment", "pending",   35],
    ["M-3",  "processing",      "paid",      50], ["M-4",  "pending_payment", "pending",    2],
    ["M-5",  "pending_payment", "failed",    30], ["M-6",  "processing",      "pending",   60],
    ["M-7",  "pending_payment", "pending",   25], ["M-8",  "cancelled",       "cancelled", 90],
    ["M-9",  "pending_payment", "pending",   28], ["M-10", "pending_payment", "pending",   70],
    ["M-11", "pending_payment", "pending",   22]
]') AS j;

INSERT INTO orders_order (order_id, order_number, order_status, payment_status, total_amount, created_at, updated_at)
SELECT c.order_id, c.number, c.order_status, c.payment_status, 9.9 + c.minutes * 7 % 60, strftime('%Y-%m-%d %H:%M:%f', n.at, -c.minutes || ' minutes') || '000',
       strftime('%Y-%m-%d %H:%M:%f', n.at, -c.minutes || ' minutes') || '000'
FROM demo_case AS c, demo_now AS n;

-- Number, variant, drop, quantity, minutes until it expires, active, fulfilled.
INSERT INTO orders_inventoryreservation
SELECT printf('%08x%04x4a22b22c%012x', (j.key + 1) * 2654435761 % 4294967296, j.key + 1, (j.key + 1) * 104729), c.order_id,
       j.value ->> 1, j.value ->> 2, 'checkout', j.value ->> 3,
       strftime('%Y-%m-%d %H:%M:%f', n.at, (j.value ->> 4) || ' minutes') || '000', j.value ->> 5,
       CASE WHEN j.value ->> 6 THEN strftime('%Y-%m-%d %H:%M:%f', n.at, '-50 minutes') || '000' END, NULL,
       strftime('%Y-%m-%d %H:%M:%f', n.at, -c.minutes || ' minutes') || '000'
FROM json_each('[
    ["M-1", 1, null, 2, -25, 1, 0], ["M-1", null, 1, 1, -25, 1, 0], ["M-2", 2, null, 1, -20, 1, 0], ["M-2", 3, null, 3, 600, 1, 0],
    ["M-3", 1, null, 1, -35, 1, 0], ["M-4", 2, null, 2, 13, 1, 0], ["M-5", null, 1, 2, -15, 1, 0], ["M-5", 1, null, 1, -15, 1, 0],
    ["M-6", 3, null, 1, -45, 0, 1], ["M-7", 4, null, 1, -10, 1, 0], ["M-8", 4, null, 2, -75, 1, 0], ["M-9", 5, null, 5, -13, 1, 0],
    ["M-11", 2, null, 4, -7, 1, 0]
]') AS j JOIN demo_case AS c ON c.number = j.value ->> 0, demo_now AS n;

INSERT INTO orders_payment
SELECT printf('%08x%04x4a33b33c%012x', (j.key + 1) * 2654435761 % 4294967296, j.key + 1, j.key + 1), c.order_id, j.value ->> 1, printf('demo_%s', lower(c.number)),
       strftime('%Y-%m-%d %H:%M:%f', n.at, -c.minutes || ' minutes', '+1 minute') || '000'
FROM json_each('[["M-3", "succeeded"], ["M-7", "succeeded"], ["M-11", "failed"]]') AS j
JOIN demo_case AS c ON c.number = j.value ->> 0, demo_now AS n;

-- The others. Of each hundred: 62 paid long ago, 8 still within their time, 12 expired, 2 paid before their status was,
-- 2 cancelled with stock left behind, 8 cancelled cleanly, 4 without a reservation, 2 paid and not yet fulfilled.
CREATE TEMP TABLE demo_order AS
WITH RECURSIVE counted (n) AS (
    SELECT 1 WHERE (SELECT orders FROM demo_size) > 0 UNION ALL SELECT n + 1 FROM counted WHERE n < (SELECT orders FROM demo_size)
), drawn AS (
    SELECT n, (n * 37 + 11) % 100 AS draw FROM counted
), sorted AS (
    SELECT n, draw, CASE WHEN draw < 62 THEN 'paid' WHEN draw < 70 THEN 'waiting' WHEN draw < 82 THEN 'expired' WHEN draw < 84 THEN 'late'
                         WHEN draw < 86 THEN 'leaked' WHEN draw < 94 THEN 'cancelled' WHEN draw < 98 THEN 'empty' ELSE 'unfulfilled' END AS kind
    FROM drawn
)
SELECT n, draw, kind, 1 + (n / 7) % 3 AS items,
       printf('%08x%04x4a44b44c%012x', n * 2654435761 % 4294967296, n % 65536, n * 7919) AS order_id,
       -- Seconds since the order.
       CASE kind WHEN 'waiting' THEN 20 + n * 131 % 780 WHEN 'expired' THEN 960 + n * 7321 % 250000 WHEN 'late' THEN 960 + n * 733 % 7200
                 WHEN 'leaked' THEN 2000 + n * 977 % 90000 WHEN 'unfulfilled' THEN 960 + n * 733 % 3600
                 ELSE 7200 + n * 7919 % CASE WHEN n % 3 > 0 THEN 1000000 ELSE 30000000 END END AS age,
       -- Seconds from the order to its payment.
       15 + n * 8191 % 780 * (n % 7) / 6 AS paid_after
FROM sorted;

INSERT INTO orders_order (order_id, order_number, order_status, payment_status, total_amount, created_at, updated_at)
SELECT o.order_id, printf('D-%d', 1000 + o.n),
       CASE o.kind WHEN 'paid' THEN 'delivered' WHEN 'unfulfilled' THEN 'processing' WHEN 'leaked' THEN 'cancelled' WHEN 'cancelled' THEN 'cancelled'
                   ELSE 'pending_payment' END,
       CASE WHEN o.kind IN ('paid', 'unfulfilled') THEN 'paid' WHEN o.kind IN ('leaked', 'cancelled') THEN 'cancelled'
            WHEN o.kind = 'expired' AND o.draw > 78 THEN 'failed' ELSE 'pending' END,
       (990 + o.n * 7919 % 9000) / 100.0, strftime('%Y-%m-%d %H:%M:%f', t.at, -o.age || ' seconds') || '000', strftime('%Y-%m-%d %H:%M:%f', t.at, -o.age || ' seconds') || '000'
FROM demo_order AS o, demo_now AS t;

INSERT INTO orders_inventoryreservation
SELECT printf('%08x%04x4a55b55c%012x', (o.n * 4 + k.value) * 2654435761 % 4294967296, o.n % 65536, (o.n * 4 + k.value) * 7919), o.order_id,
       CASE WHEN (o.n + k.value) % 9 < 7 THEN 6 + (o.n + k.value) % 9 END, CASE WHEN (o.n + k.value) % 9 > 6 THEN (o.n + k.value) % 9 - 4 END,
       'checkout', 1 + (o.n + k.value) / 5 % 3, strftime('%Y-%m-%d %H:%M:%f', t.at, (900 - o.age) || ' seconds') || '000',
       o.kind NOT IN ('paid', 'cancelled'),
       CASE o.kind WHEN 'paid' THEN strftime('%Y-%m-%d %H:%M:%f', t.at, (o.paid_after + 5 - o.age) || ' seconds') || '000' END,
       CASE o.kind WHEN 'cancelled' THEN strftime('%Y-%m-%d %H:%M:%f', t.at, (1200 - o.age) || ' seconds') || '000' END,
       strftime('%Y-%m-%d %H:%M:%f', t.at, -o.age || ' seconds') || '000'
FROM demo_order AS o JOIN json_each('[1, 2, 3]') AS k ON k.value <= o.items, demo_now AS t
WHERE o.kind <> 'empty';

INSERT INTO orders_payment
SELECT printf('%08x%04x4a66b66c%012x', o.n * 2654435761 % 4294967296, o.n % 65536, o.n * 7919), o.order_id,
       CASE WHEN o.kind = 'expired' THEN 'failed' ELSE 'succeeded' END, printf('demo_d_%d', 1000 + o.n),
       strftime('%Y-%m-%d %H:%M:%f', t.at, (o.paid_after - o.age) || ' seconds') || '000'
FROM demo_order AS o, demo_now AS t
WHERE o.kind IN ('paid', 'late', 'unfulfilled') OR o.kind = 'expired' AND o.draw > 78;

-- Counters as the shop would keep them; the eleven cases have theirs, with the one that is wrong.
UPDATE products_productvariant AS p SET (stock_quantity, reserved_quantity) = (
    SELECT coalesce(sum(r.quantity), 0) + 15 + p.id * 3, coalesce(sum(r.quantity), 0)
    FROM orders_inventoryreservation AS r WHERE r.product_variant_id = p.id AND r.is_active)
WHERE p.id > 5;
UPDATE drops_dropproduct AS p SET (current_stock_quantity, reserved_quantity) = (
    SELECT coalesce(sum(r.quantity), 0) + 5, coalesce(sum(r.quantity), 0)
    FROM orders_inventoryreservation AS r WHERE r.drop_product_id = p.id AND r.is_active)
WHERE p.id > 2;

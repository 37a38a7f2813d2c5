-- The stock, and :old orders of the past two years with which the shop has finished: paid and delivered, refunded, or
-- cancelled with their stock given back. At the end 100 orders that are still in the checkout.
INSERT INTO products_productvariant
SELECT i, 'V' || i, 'Size ' || i, '{"size": "M", "color": "black"}', 0, true, now() - interval '2 years', now() - interval '1 day',
       1 + i / 10, NULL, 1 + i % 7, 1 + i % 5, 5, 0, 1000000
FROM generate_series(1, :variants) AS i;

INSERT INTO drops_dropproduct
SELECT i, 30, 1000000, 1000000, false, NULL, now() - interval '2 years', now() - interval '1 day', 1, i, i, 5, 0
FROM generate_series(1, 10) AS i;

INSERT INTO orders_order
SELECT gen_random_uuid(), 'OLD-' || lpad(i::text, 8, '0'), 'guest' || i || '@example.com', 4.90, 59.80, 0, 9.55, 64.70,
       k.order_status, k.payment_status, NULL, 'TRACK' || i, k.shipped, k.shipped + interval '2 days',
       c.at, c.at + interval '20 minutes', 1 + i % 5000, 1 + i % 5000, 1 + i % 5000, 1 + i % 3, 'Standard'
FROM generate_series(1, :old) AS i,
LATERAL (SELECT now() - interval '2 days' - (:old - i) * (interval '2 years' / :old)) AS c(at),
LATERAL (SELECT CASE WHEN i % 10 < 2 THEN 'cancelled' WHEN i % 10 = 2 THEN 'refunded' ELSE 'delivered' END,
                CASE WHEN i % 10 < 2 THEN 'cancelled' WHEN i % 10 = 2 THEN 'refunded_full' ELSE 'paid' END,
                CASE WHEN i % 10 < 2 THEN NULL ELSE c.at + interval '1 day' END) AS k(order_status, payment_status, shipped);

INSERT INTO orders_inventoryreservation
SELECT gen_random_uuid(), 'standard', 1 + right(o.order_number, 3)::int % 3, o.created_at, o.created_at + interval '15 minutes', false,
       CASE WHEN o.order_status <> 'cancelled' THEN o.created_at + interval '3 minutes' END,
       CASE WHEN o.order_status = 'cancelled' THEN o.created_at + interval '16 minutes' END,
       NULL, o.order_id, 1 + right(o.order_number, 4)::int % :variants
FROM orders_order AS o;

INSERT INTO orders_payment (payment_method_type, gateway_transaction_id, amount, currency_code, status, payment_details, created_at, updated_at, order_id)
SELECT 'card', 'tx_' || o.order_number, o.total_amount, 'EUR',
       CASE o.order_status WHEN 'cancelled' THEN 'failed' WHEN 'refunded' THEN 'refunded' ELSE 'succeeded' END,
       '{"gateway": "example", "three_d_secure": true}', o.created_at, o.created_at + interval '3 minutes', o.order_id
FROM orders_order AS o WHERE right(o.order_number, 1) <> '0';

INSERT INTO orders_order
SELECT gen_random_uuid(), 'OPEN-' || lpad(i::text, 8, '0'), 'guest' || i || '@example.com', 4.90, 59.80, 0, 9.55, 64.70,
       'pending_payment', 'pending', NULL, NULL, NULL, NULL, now() - interval '1 minute', now() - interval '1 minute', i, i, i, 1, 'Standard'
FROM generate_series(1, 100) AS i;

INSERT INTO orders_inventoryreservation
SELECT gen_random_uuid(), 'standard', 1, o.created_at, o.created_at + interval '30 days', true, NULL, NULL, NULL, o.order_id,
       1 + right(o.order_number, 4)::int % :variants
FROM orders_order AS o WHERE o.order_number LIKE 'OPEN-%';

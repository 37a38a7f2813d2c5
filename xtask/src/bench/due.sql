-- :due orders nobody paid, each with one reservation that has expired. Every tenth has a payment that failed.
INSERT INTO orders_order
SELECT gen_random_uuid(), 'DUE-' || lpad(i::text, 8, '0'), 'guest' || i || '@example.com', 4.90, 59.80, 0, 9.55, 64.70,
       'cancelled', 'cancelled', NULL, NULL, NULL, NULL, c.at, c.at, 1 + i % 5000, 1 + i % 5000, 1 + i % 5000, 1 + i % 3, 'Standard'
FROM generate_series(1, :due) AS i,
LATERAL (SELECT now() - interval '1 day' + i * interval '500 milliseconds') AS c(at);

INSERT INTO orders_inventoryreservation
SELECT gen_random_uuid(), 'standard', 1 + right(o.order_number, 3)::int % 3, o.created_at, o.created_at + interval '15 minutes', false,
       NULL, now(), NULL, o.order_id, 1 + right(o.order_number, 4)::int % :variants
FROM orders_order AS o WHERE o.order_number LIKE 'DUE-%';

INSERT INTO orders_payment (payment_method_type, gateway_transaction_id, amount, currency_code, status, payment_details, created_at, updated_at, order_id)
SELECT 'card', 'tx_' || o.order_number, o.total_amount, 'EUR', 'failed',
       '{"gateway": "example", "three_d_secure": true}', o.created_at, o.created_at + interval '3 minutes', o.order_id
FROM orders_order AS o WHERE o.order_number LIKE 'DUE-%0';

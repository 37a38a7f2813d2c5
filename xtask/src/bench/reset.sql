-- Makes everything due again that a contender has released, and empties the ledger.
UPDATE orders_inventoryreservation AS r SET is_active = true, cancelled_at = NULL
FROM orders_order AS o WHERE o.order_id = r.order_id AND o.order_number LIKE 'DUE-%' AND NOT r.is_active;

UPDATE orders_order SET order_status = 'pending_payment', updated_at = created_at,
       payment_status = CASE WHEN right(order_number, 1) = '0' THEN 'failed' ELSE 'pending' END
WHERE order_number LIKE 'DUE-%' AND order_status = 'cancelled';

UPDATE products_productvariant AS v SET reserved_quantity = held.quantity
FROM (SELECT product_variant_id AS id, sum(quantity) AS quantity FROM orders_inventoryreservation WHERE is_active GROUP BY 1) AS held
WHERE held.id = v.id;

TRUNCATE TABLE unreserve.entry, unreserve.batch, unreserve.sweep_end, unreserve.sweep;

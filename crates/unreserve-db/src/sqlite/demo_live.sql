-- What the live demo has beside the shop's tables: accounting may freeze an order, and then nobody changes it.

CREATE TABLE accounting_freeze (
    order_id char(32) NOT NULL PRIMARY KEY REFERENCES orders_order (order_id)
);

CREATE TRIGGER orders_order_is_frozen BEFORE UPDATE ON orders_order
WHEN EXISTS (SELECT 1 FROM accounting_freeze AS f WHERE f.order_id = old.order_id)
BEGIN SELECT RAISE(ABORT, 'accounting has frozen this order'); END;

-- What `unreserve profile check` advises: the line of those that still hold something, in its order.
CREATE INDEX orders_inventoryreservation_due ON orders_inventoryreservation (expires_at, reservation_id) WHERE is_active = 1;

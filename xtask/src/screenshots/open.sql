-- The shop opens anew: the demo's cases are done with, the shelves are full, and the index that a sweep wants is there.
UPDATE orders_inventoryreservation SET is_active = 0;
UPDATE products_productvariant SET stock_quantity = 120 + id * 17, reserved_quantity = 0;
UPDATE drops_dropproduct SET current_stock_quantity = 60 + id * 9, reserved_quantity = 0;
CREATE INDEX IF NOT EXISTS unreserve_orders_inventoryreservation_expires_at ON orders_inventoryreservation (expires_at, reservation_id) WHERE is_active = 1;

CREATE INDEX IF NOT EXISTS unreserve_orders_inventoryreservation_expires_at ON orders_inventoryreservation (expires_at, reservation_id) WHERE is_active = 1;

-- The shop's own keys and indexes, as its framework made them.
CREATE INDEX ON products_productvariant (is_active, created_at);
CREATE INDEX ON products_productvariant (product_id, is_active);
CREATE INDEX ON products_productvariant (size_id, color_id);
CREATE INDEX ON products_productvariant (stock_quantity, reserved_quantity);
CREATE INDEX ON products_productvariant (additional_price);
CREATE INDEX ON products_productvariant (color_id);
CREATE INDEX ON products_productvariant (created_at);
CREATE INDEX ON products_productvariant (is_active);
CREATE INDEX ON products_productvariant (product_id);
CREATE INDEX ON products_productvariant (size_id);
CREATE INDEX ON products_productvariant (sku_suffix);
CREATE INDEX ON products_productvariant (sku_suffix varchar_pattern_ops);

CREATE INDEX ON drops_dropproduct (drop_id);
CREATE INDEX ON drops_dropproduct (product_id);
CREATE INDEX ON drops_dropproduct (variant_id);

ALTER TABLE orders_order ADD PRIMARY KEY (order_id), ADD UNIQUE (order_number);
CREATE INDEX ON orders_order (billing_address_id);
CREATE INDEX ON orders_order (order_number varchar_pattern_ops);
CREATE INDEX ON orders_order (shipping_address_id);
CREATE INDEX ON orders_order (shipping_method_id);
CREATE INDEX ON orders_order (user_id);

ALTER TABLE orders_inventoryreservation ADD PRIMARY KEY (reservation_id),
    ADD FOREIGN KEY (drop_product_id) REFERENCES drops_dropproduct DEFERRABLE INITIALLY DEFERRED,
    ADD FOREIGN KEY (order_id) REFERENCES orders_order DEFERRABLE INITIALLY DEFERRED,
    ADD FOREIGN KEY (product_variant_id) REFERENCES products_productvariant DEFERRABLE INITIALLY DEFERRED;
CREATE INDEX ON orders_inventoryreservation (drop_product_id, is_active);
CREATE INDEX ON orders_inventoryreservation (expires_at, is_active);
CREATE INDEX ON orders_inventoryreservation (order_id, is_active);
CREATE INDEX ON orders_inventoryreservation (product_variant_id, is_active);
CREATE INDEX ON orders_inventoryreservation (drop_product_id);
CREATE INDEX ON orders_inventoryreservation (order_id);
CREATE INDEX ON orders_inventoryreservation (product_variant_id);

ALTER TABLE orders_payment ADD PRIMARY KEY (id), ADD UNIQUE (gateway_transaction_id),
    ADD FOREIGN KEY (order_id) REFERENCES orders_order DEFERRABLE INITIALLY DEFERRED;
CREATE INDEX ON orders_payment (gateway_transaction_id varchar_pattern_ops);
CREATE INDEX ON orders_payment (order_id);

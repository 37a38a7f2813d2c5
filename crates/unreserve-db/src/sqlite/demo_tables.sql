-- The tables of the `malikli` profile as Django makes them in SQLite, with times as text in UTC and UUIDs as 32 letters.

CREATE TABLE products_productvariant (
    id                INTEGER      NOT NULL PRIMARY KEY AUTOINCREMENT,
    name              varchar(200) NOT NULL,
    stock_quantity    integer      NOT NULL,
    reserved_quantity integer      NOT NULL,
    updated_at        datetime     NOT NULL,
    CONSTRAINT variant_reserved_within_stock CHECK (0 <= reserved_quantity AND reserved_quantity <= stock_quantity)
);

CREATE TABLE drops_dropproduct (
    id                     INTEGER      NOT NULL PRIMARY KEY AUTOINCREMENT,
    name                   varchar(200) NOT NULL,
    current_stock_quantity integer      NOT NULL,
    reserved_quantity      integer      NOT NULL,
    updated_at             datetime     NOT NULL,
    CONSTRAINT drop_reserved_within_stock CHECK (0 <= reserved_quantity AND reserved_quantity <= current_stock_quantity)
);

CREATE TABLE orders_order (
    order_id       char(32)       NOT NULL PRIMARY KEY,
    order_number   varchar(50)    NOT NULL UNIQUE,
    order_status   varchar(20)    NOT NULL,
    payment_status varchar(20)    NOT NULL,
    total_amount   decimal(10, 2) NOT NULL DEFAULT 0,
    created_at     datetime       NOT NULL,
    updated_at     datetime       NOT NULL
);
CREATE INDEX orders_order_created_at ON orders_order (created_at);

CREATE TABLE orders_payment (
    payment_id             char(32)     NOT NULL PRIMARY KEY,
    order_id               char(32)     NOT NULL REFERENCES orders_order (order_id) DEFERRABLE INITIALLY DEFERRED,
    status                 varchar(20)  NOT NULL,
    gateway_transaction_id varchar(100) NOT NULL,
    created_at             datetime     NOT NULL
);
CREATE INDEX orders_payment_order_id ON orders_payment (order_id);

CREATE TABLE orders_inventoryreservation (
    reservation_id     char(32)    NOT NULL PRIMARY KEY,
    order_id           char(32)    NOT NULL REFERENCES orders_order (order_id) DEFERRABLE INITIALLY DEFERRED,
    product_variant_id bigint      NULL REFERENCES products_productvariant (id) DEFERRABLE INITIALLY DEFERRED,
    drop_product_id    bigint      NULL REFERENCES drops_dropproduct (id) DEFERRABLE INITIALLY DEFERRED,
    reservation_type   varchar(20) NOT NULL,
    quantity           integer     NOT NULL CHECK (quantity > 0),
    expires_at         datetime    NOT NULL,
    is_active          bool        NOT NULL,
    fulfilled_at       datetime    NULL,
    cancelled_at       datetime    NULL,
    created_at         datetime    NOT NULL,
    CONSTRAINT reservation_holds_one_thing CHECK ((product_variant_id IS NULL) <> (drop_product_id IS NULL))
);
CREATE INDEX orders_inventoryreservation_order_id ON orders_inventoryreservation (order_id);
CREATE INDEX orders_inventoryreservation_expires ON orders_inventoryreservation (expires_at, is_active);

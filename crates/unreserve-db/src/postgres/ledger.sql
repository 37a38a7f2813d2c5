-- Our own tables, version 1. Everything stands in a schema of its own, so that nothing of the shop is touched.
-- The ledger is append-only: the role that sweeps gets INSERT and SELECT on it, and neither UPDATE nor DELETE.

CREATE SCHEMA IF NOT EXISTS unreserve;

CREATE TABLE IF NOT EXISTS unreserve.meta (
    version      integer     NOT NULL PRIMARY KEY,
    installed_at timestamptz NOT NULL DEFAULT now()
);

-- Who may sweep: one row a profile. Every batch checks its token, so an instance that was taken for dead cannot commit.
CREATE TABLE IF NOT EXISTS unreserve.lease (
    profile       text        NOT NULL PRIMARY KEY,
    epoch         bigint      NOT NULL DEFAULT 0,
    token         text,
    host          text,
    process_id    bigint,
    lock_file     text,
    backend_pid   integer,
    backend_start timestamptz,
    heard_at      timestamptz
) WITH (fillfactor = 50);

CREATE TABLE IF NOT EXISTS unreserve.sweep (
    sweep_id   uuid        NOT NULL PRIMARY KEY,
    profile    text        NOT NULL,
    version    text        NOT NULL,
    holder     text        NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS sweep_started_at ON unreserve.sweep (started_at);

CREATE TABLE IF NOT EXISTS unreserve.sweep_end (
    sweep_id          uuid        NOT NULL PRIMARY KEY REFERENCES unreserve.sweep,
    ending            text        NOT NULL,
    finished_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    duration_us       bigint      NOT NULL,
    protected         text        NOT NULL,
    set_aside         bigint      NOT NULL,
    oldest_overdue_us bigint      NOT NULL,
    remaining_due     boolean     NOT NULL,
    error             text
);

CREATE TABLE IF NOT EXISTS unreserve.batch (
    batch_id         uuid        NOT NULL PRIMARY KEY,
    sweep_id         uuid        NOT NULL REFERENCES unreserve.sweep,
    epoch            bigint      NOT NULL,
    at               timestamptz NOT NULL DEFAULT now(),
    reservations     bigint      NOT NULL,
    units            bigint      NOT NULL,
    stock_rows       bigint      NOT NULL,
    orders_cancelled bigint      NOT NULL,
    drift            bigint      NOT NULL
);
CREATE INDEX IF NOT EXISTS batch_sweep ON unreserve.batch (sweep_id);

-- A batch and its entries are written by one statement, so no foreign key has to look each entry's batch up again.
CREATE TABLE IF NOT EXISTS unreserve.entry (
    batch_id        uuid        NOT NULL,
    line            integer     NOT NULL,
    kind            text        NOT NULL CHECK (kind IN ('release', 'cancel')),
    order_key       text        NOT NULL,
    order_number    text,
    reservation_key text,
    stock           text,
    quantity        bigint      NOT NULL,
    drift           bigint      NOT NULL,
    expires_at      timestamptz,
    at              timestamptz NOT NULL DEFAULT now(),
    overdue_us      bigint      NOT NULL,
    PRIMARY KEY (batch_id, line)
);
CREATE INDEX IF NOT EXISTS entry_order ON unreserve.entry (order_key);

-- Orders that failed for their own reasons, kept out of the way until retry_at.
CREATE TABLE IF NOT EXISTS unreserve.set_aside (
    profile      text        NOT NULL,
    order_key    text        NOT NULL,
    order_number text,
    reason       text        NOT NULL,
    attempts     bigint      NOT NULL DEFAULT 1,
    since        timestamptz NOT NULL DEFAULT now(),
    retry_at     timestamptz NOT NULL,
    PRIMARY KEY (profile, order_key)
);

INSERT INTO unreserve.meta (version) VALUES (1) ON CONFLICT DO NOTHING;

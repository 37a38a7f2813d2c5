-- Our own tables, version 1, each with `unreserve_` before its name, so that nothing of the shop is touched.
-- Instants are whole microseconds since 1970, by the database's clock. Every statement may be repeated: this database ends
-- a transaction at each of them, so the version is written last.
-- The ledger is append-only: the account that sweeps gets INSERT and SELECT on it, and neither UPDATE nor DELETE.

CREATE TABLE IF NOT EXISTS unreserve_meta (
    version      INT    NOT NULL PRIMARY KEY,
    installed_at BIGINT NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Who may sweep: one row a profile. Every batch checks its token, so an instance that was taken for dead cannot commit.
CREATE TABLE IF NOT EXISTS unreserve_lease (
    profile       VARCHAR(150) NOT NULL PRIMARY KEY,
    epoch         BIGINT       NOT NULL DEFAULT 0,
    token         VARCHAR(255),
    host          VARCHAR(255) NOT NULL DEFAULT '',
    process_id    BIGINT       NOT NULL DEFAULT 0,
    lock_file     TEXT,
    account       VARCHAR(400) NOT NULL DEFAULT '',
    server        VARCHAR(400) NOT NULL DEFAULT '',
    connection_id BIGINT       NOT NULL DEFAULT 0,
    heard_at      BIGINT       NOT NULL DEFAULT 0
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS unreserve_sweep (
    sweep_id   CHAR(36)     NOT NULL PRIMARY KEY,
    profile    VARCHAR(150) NOT NULL,
    version    VARCHAR(100) NOT NULL,
    holder     TEXT         NOT NULL,
    started_at BIGINT       NOT NULL,
    KEY unreserve_sweep_started_at (started_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- A sweep without a row here was interrupted, or still runs.
CREATE TABLE IF NOT EXISTS unreserve_sweep_end (
    sweep_id          CHAR(36)    NOT NULL PRIMARY KEY,
    ending            VARCHAR(50) NOT NULL,
    finished_at       BIGINT      NOT NULL,
    duration_us       BIGINT      NOT NULL,
    protected         TEXT        NOT NULL,
    set_aside         BIGINT      NOT NULL,
    oldest_overdue_us BIGINT      NOT NULL,
    remaining_due     TINYINT     NOT NULL,
    error             TEXT,
    CONSTRAINT unreserve_sweep_end_of FOREIGN KEY (sweep_id) REFERENCES unreserve_sweep (sweep_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- One transaction of a sweep: the shop's rows and this row came to be together, or neither did.
CREATE TABLE IF NOT EXISTS unreserve_batch (
    batch_id         CHAR(36) NOT NULL PRIMARY KEY,
    sweep_id         CHAR(36) NOT NULL,
    epoch            BIGINT   NOT NULL,
    at               BIGINT   NOT NULL,
    reservations     BIGINT   NOT NULL,
    units            BIGINT   NOT NULL,
    stock_rows       BIGINT   NOT NULL,
    orders_cancelled BIGINT   NOT NULL,
    drift            BIGINT   NOT NULL,
    KEY unreserve_batch_sweep (sweep_id),
    CONSTRAINT unreserve_batch_of FOREIGN KEY (sweep_id) REFERENCES unreserve_sweep (sweep_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- A batch and its entries are written in one transaction, so no foreign key has to look each entry's batch up again.
CREATE TABLE IF NOT EXISTS unreserve_entry (
    batch_id        CHAR(36)     NOT NULL,
    line            INT          NOT NULL,
    kind            VARCHAR(10)  NOT NULL,
    order_key       VARCHAR(512) NOT NULL,
    order_number    TEXT,
    reservation_key TEXT,
    stock           TEXT,
    quantity        BIGINT       NOT NULL,
    drift           BIGINT       NOT NULL,
    expires_at      BIGINT,
    at              BIGINT       NOT NULL,
    overdue_us      BIGINT       NOT NULL,
    PRIMARY KEY (batch_id, line),
    KEY unreserve_entry_order (order_key),
    CONSTRAINT unreserve_entry_kind CHECK (kind IN ('release', 'cancel'))
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Orders that failed for their own reasons, kept out of the way until retry_at.
CREATE TABLE IF NOT EXISTS unreserve_set_aside (
    profile      VARCHAR(150) NOT NULL,
    order_key    VARCHAR(512) NOT NULL,
    order_number TEXT,
    reason       TEXT         NOT NULL,
    attempts     BIGINT       NOT NULL,
    since        BIGINT       NOT NULL,
    retry_at     BIGINT       NOT NULL,
    PRIMARY KEY (profile, order_key)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

INSERT IGNORE INTO unreserve_meta (version, installed_at)
VALUES (1, TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)));

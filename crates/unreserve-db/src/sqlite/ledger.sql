-- Our own tables, version 1, each with `unreserve_` before its name, so that nothing of the shop is touched.
-- Instants are whole milliseconds since 1970, by the database's clock.

CREATE TABLE IF NOT EXISTS unreserve_meta (
    version      INTEGER NOT NULL PRIMARY KEY,
    installed_at INTEGER NOT NULL DEFAULT (CAST(strftime('%s', 'now') AS INTEGER) * 1000)
);

-- Who may sweep: one row a profile. Every batch checks its token, so an instance that was taken for dead cannot commit.
CREATE TABLE IF NOT EXISTS unreserve_lease (
    profile    TEXT    NOT NULL PRIMARY KEY,
    epoch      INTEGER NOT NULL,
    token      TEXT,
    host       TEXT    NOT NULL,
    process_id INTEGER NOT NULL,
    lock_file  TEXT    NOT NULL,
    heard_at   INTEGER NOT NULL
);

CREATE TABLE IF NOT EXISTS unreserve_sweep (
    sweep_id   TEXT    NOT NULL PRIMARY KEY,
    profile    TEXT    NOT NULL,
    version    TEXT    NOT NULL,
    holder     TEXT    NOT NULL,
    started_at INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS unreserve_sweep_started_at ON unreserve_sweep (started_at);

-- A sweep without a row here was interrupted, or still runs.
CREATE TABLE IF NOT EXISTS unreserve_sweep_end (
    sweep_id          TEXT    NOT NULL PRIMARY KEY REFERENCES unreserve_sweep (sweep_id),
    ending            TEXT    NOT NULL,
    finished_at       INTEGER NOT NULL,
    duration_us       INTEGER NOT NULL,
    protected         TEXT    NOT NULL,
    set_aside         INTEGER NOT NULL,
    oldest_overdue_us INTEGER NOT NULL,
    remaining_due     INTEGER NOT NULL,
    error             TEXT
);

-- One transaction of a sweep: the shop's rows and this row came to be together, or neither did.
CREATE TABLE IF NOT EXISTS unreserve_batch (
    batch_id         TEXT    NOT NULL PRIMARY KEY,
    sweep_id         TEXT    NOT NULL REFERENCES unreserve_sweep (sweep_id),
    epoch            INTEGER NOT NULL,
    committed_at     INTEGER NOT NULL,
    reservations     INTEGER NOT NULL,
    units            INTEGER NOT NULL,
    stock_rows       INTEGER NOT NULL,
    orders_cancelled INTEGER NOT NULL,
    drift            INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS unreserve_batch_sweep ON unreserve_batch (sweep_id);

CREATE TABLE IF NOT EXISTS unreserve_entry (
    entry_id        INTEGER NOT NULL PRIMARY KEY,
    batch_id        TEXT    NOT NULL REFERENCES unreserve_batch (batch_id),
    kind            TEXT    NOT NULL CHECK (kind IN ('release', 'cancel')),
    order_key       TEXT    NOT NULL,
    order_number    TEXT,
    reservation_key TEXT,
    stock           TEXT,
    quantity        INTEGER NOT NULL,
    drift           INTEGER NOT NULL,
    expires_at      INTEGER,
    at              INTEGER NOT NULL,
    overdue_us      INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS unreserve_entry_batch ON unreserve_entry (batch_id);
CREATE INDEX IF NOT EXISTS unreserve_entry_order ON unreserve_entry (order_key);

-- Orders that failed for their own reasons, kept out of the way until retry_at.
CREATE TABLE IF NOT EXISTS unreserve_set_aside (
    profile      TEXT    NOT NULL,
    order_key    TEXT    NOT NULL,
    order_number TEXT,
    reason       TEXT    NOT NULL,
    attempts     INTEGER NOT NULL,
    since        INTEGER NOT NULL,
    last_at      INTEGER NOT NULL,
    retry_at     INTEGER NOT NULL,
    PRIMARY KEY (profile, order_key)
);

-- The ledger only grows. There are no roles here that could be denied the right, so the tables refuse by themselves.
CREATE TRIGGER IF NOT EXISTS unreserve_entry_stays BEFORE UPDATE ON unreserve_entry
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER IF NOT EXISTS unreserve_entry_kept BEFORE DELETE ON unreserve_entry
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER IF NOT EXISTS unreserve_batch_stays BEFORE UPDATE ON unreserve_batch
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER IF NOT EXISTS unreserve_batch_kept BEFORE DELETE ON unreserve_batch
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER IF NOT EXISTS unreserve_sweep_stays BEFORE UPDATE ON unreserve_sweep
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER IF NOT EXISTS unreserve_sweep_kept BEFORE DELETE ON unreserve_sweep
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER IF NOT EXISTS unreserve_sweep_end_stays BEFORE UPDATE ON unreserve_sweep_end
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER IF NOT EXISTS unreserve_sweep_end_kept BEFORE DELETE ON unreserve_sweep_end
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;

INSERT OR IGNORE INTO unreserve_meta (version) VALUES (1);

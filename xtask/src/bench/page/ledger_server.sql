-- Sweeps every 216 seconds back from now, one batch of 25 entries each; then one sweep with large batches.
CREATE FUNCTION pg_temp.identity(kind text, number bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS
$$ SELECT (lpad(to_hex(number), 8, '0') || '-0000-7000-8000-' || kind || lpad(to_hex(number), 11, '0'))::uuid $$;

INSERT INTO unreserve.sweep (sweep_id, profile, version, holder, started_at)
SELECT pg_temp.identity('a', i), 'malikli', 'bench', 'process 1 on bench', now() - i * interval '216 seconds'
FROM generate_series(1, :sweeps) AS i;

INSERT INTO unreserve.sweep_end (sweep_id, ending, finished_at, duration_us, protected, set_aside, oldest_overdue_us, remaining_due, error)
SELECT pg_temp.identity('a', i), CASE WHEN i % 9973 = 0 THEN 'failed' WHEN i % 101 = 0 THEN 'problems' ELSE 'done' END,
       now() - i * interval '216 seconds' + interval '1 second', 900000, '{"payment": 2}', 0, 60000000, false, NULL
FROM generate_series(1, :sweeps) AS i;

INSERT INTO unreserve.batch (batch_id, sweep_id, epoch, at, reservations, units, stock_rows, orders_cancelled, drift)
SELECT pg_temp.identity('b', i), pg_temp.identity('a', i), i, now() - i * interval '216 seconds' + interval '200 milliseconds', 20, 40, 10, 5, 0
FROM generate_series(1, :sweeps) AS i;

INSERT INTO unreserve.entry (batch_id, line, kind, order_key, order_number, reservation_key, stock, quantity, drift, expires_at, at, overdue_us)
SELECT pg_temp.identity('b', i), line, CASE WHEN line <= 20 THEN 'release' ELSE 'cancel' END, pg_temp.identity('c', i * 5 + line % 5)::text,
       'O-' || (i * 5 + line % 5), CASE WHEN line <= 20 THEN pg_temp.identity('d', i * 25 + line)::text END,
       CASE WHEN line <= 20 THEN 'products_productvariant:' || (i * 7 + line) % 200 END, CASE WHEN line <= 20 THEN 2 ELSE 0 END, 0,
       CASE WHEN line <= 20 THEN now() - i * interval '216 seconds' - (line * 3) * interval '1 second' END,
       now() - i * interval '216 seconds' + interval '200 milliseconds', CASE WHEN line <= 20 THEN line * 3200000 ELSE 0 END
FROM generate_series(1, :sweeps) AS i, generate_series(1, 25) AS line;

INSERT INTO unreserve.sweep (sweep_id, profile, version, holder, started_at)
VALUES (pg_temp.identity('0', 0), 'malikli', 'bench', 'process 1 on bench', now() - interval '100 seconds');
INSERT INTO unreserve.sweep_end (sweep_id, ending, duration_us, protected, set_aside, oldest_overdue_us, remaining_due, error)
VALUES (pg_temp.identity('0', 0), 'done', 60000000, '{}', 0, 60000000, false, NULL);
INSERT INTO unreserve.batch (batch_id, sweep_id, epoch, at, reservations, units, stock_rows, orders_cancelled, drift)
SELECT pg_temp.identity('e', i), pg_temp.identity('0', 0), i, now() - interval '100 seconds' + i * interval '50 milliseconds', 80, 160, 40, 20, 0
FROM generate_series(1, :large) AS i;
INSERT INTO unreserve.entry (batch_id, line, kind, order_key, order_number, reservation_key, stock, quantity, drift, expires_at, at, overdue_us)
SELECT pg_temp.identity('e', i), line, CASE WHEN line <= 80 THEN 'release' ELSE 'cancel' END, pg_temp.identity('f', i * 20 + line % 20)::text,
       'O-' || (i * 20 + line % 20), CASE WHEN line <= 80 THEN pg_temp.identity('1', i * 100 + line)::text END,
       CASE WHEN line <= 80 THEN 'products_productvariant:' || line % 200 END, CASE WHEN line <= 80 THEN 2 ELSE 0 END, 0,
       CASE WHEN line <= 80 THEN now() - interval '200 seconds' END, now() - interval '100 seconds' + i * interval '50 milliseconds',
       CASE WHEN line <= 80 THEN 100000000 ELSE 0 END
FROM generate_series(1, :large) AS i, generate_series(1, 100) AS line;

//! What must hold after every run, whatever happened in it: the invariants of RELIABILITY.

use crate::session::Session;

/// Each line says what is broken and how often; a query that gives nothing holds.
///
/// The shop of the tests never fulfils, and its counters fit when they are made, so what a counter says must be what
/// the active reservations of its row hold (I1).
const INVARIANTS: &[(&str, &str)] = &[
    (
        "I1 a variant's counter differs from its active reservations",
        "SELECT s.id FROM products_productvariant AS s WHERE s.reserved_quantity <> (SELECT coalesce(sum(r.quantity), 0)
         FROM orders_inventoryreservation AS r WHERE r.product_variant_id = s.id AND r.is_active)",
    ),
    (
        "I1 a drop's counter differs from its active reservations",
        "SELECT s.id FROM drops_dropproduct AS s WHERE s.reserved_quantity <> (SELECT coalesce(sum(r.quantity), 0)
         FROM orders_inventoryreservation AS r WHERE r.drop_product_id = s.id AND r.is_active)",
    ),
    (
        "I2 a reservation was released twice",
        "SELECT reservation_key FROM unreserve.entry WHERE kind = 'release' GROUP BY 1 HAVING count(*) > 1",
    ),
    (
        "I2 a ledger entry has another quantity or row than its reservation, or drift",
        "SELECT e.batch_id FROM unreserve.entry AS e LEFT JOIN orders_inventoryreservation AS r ON r.reservation_id::text = e.reservation_key
         WHERE e.kind = 'release' AND (r.quantity IS DISTINCT FROM e.quantity OR e.drift <> 0 OR r.order_id::text <> e.order_key
            OR e.stock <> coalesce('products_productvariant:' || r.product_variant_id, 'drops_dropproduct:' || r.drop_product_id))",
    ),
    (
        "I2 a batch's sums differ from its entries",
        "SELECT b.batch_id FROM unreserve.batch AS b LEFT JOIN LATERAL (
             SELECT count(*) FILTER (WHERE kind = 'release') AS released, count(*) FILTER (WHERE kind = 'cancel') AS cancelled,
                    coalesce(sum(quantity), 0) AS units, count(DISTINCT stock) AS stock_rows
             FROM unreserve.entry AS e WHERE e.batch_id = b.batch_id) AS e ON true
         WHERE (b.reservations, b.orders_cancelled, b.units, b.stock_rows) IS DISTINCT FROM (e.released, e.cancelled, e.units, e.stock_rows)",
    ),
    (
        "I3 an order was released although its payment had been committed before",
        "SELECT e.batch_id FROM unreserve.entry AS e JOIN unreserve.batch AS b ON b.batch_id = e.batch_id
         JOIN orders_payment AS p ON p.order_id::text = e.order_key
         WHERE p.status = 'succeeded' AND pg_xact_commit_timestamp(p.xmin) < pg_xact_commit_timestamp(b.xmin)",
    ),
    (
        "I4 a reservation was released before it expired",
        "SELECT e.batch_id FROM unreserve.entry AS e JOIN orders_inventoryreservation AS r ON r.reservation_id::text = e.reservation_key
         WHERE e.at < r.expires_at OR r.cancelled_at < r.expires_at OR e.expires_at <> r.expires_at",
    ),
    (
        "I5 a reservation ended without a ledger entry, or has an entry and holds stock still",
        "SELECT r.reservation_id FROM orders_inventoryreservation AS r
         WHERE r.is_active = EXISTS (SELECT 1 FROM unreserve.entry AS e WHERE e.reservation_key = r.reservation_id::text)",
    ),
    (
        "I5 an order is cancelled without a ledger entry, or the other way round",
        "SELECT o.order_id FROM orders_order AS o WHERE (o.payment_status = 'cancelled' AND o.order_status = 'cancelled')
         <> EXISTS (SELECT 1 FROM unreserve.entry AS e WHERE e.order_key = o.order_id::text AND e.kind = 'cancel')",
    ),
    (
        "I5 an order was cancelled while something of it is reserved",
        "SELECT o.order_id FROM orders_order AS o WHERE o.payment_status = 'cancelled'
         AND EXISTS (SELECT 1 FROM orders_inventoryreservation AS r WHERE r.order_id = o.order_id AND r.is_active)",
    ),
    (
        "I5 an order was cancelled twice",
        "SELECT order_key FROM unreserve.entry WHERE kind = 'cancel' GROUP BY 1 HAVING count(*) > 1",
    ),
];

/// Due now: expired, active, unpaid, without a payment.
const DUE: &str = "SELECT count(DISTINCT o.order_id)::text FROM orders_order AS o JOIN orders_inventoryreservation AS r USING (order_id)
    WHERE r.is_active AND r.expires_at <= now() AND o.payment_status IN ('pending', 'failed', 'cancelled')
    AND NOT EXISTS (SELECT 1 FROM orders_payment AS p WHERE p.order_id = o.order_id AND p.status = 'succeeded')";

/// What is broken, all read at one instant; empty where everything holds.
pub(crate) fn broken(session: &mut Session) -> Vec<String> {
    session.run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    let mut broken = Vec::new();
    for (what, sql) in INVARIANTS {
        let count = session.number(&format!("SELECT count(*)::text FROM ({sql}) AS broken"));
        if count > 0 {
            broken.push(format!("{what}: {count} times"));
        }
    }
    session.run("COMMIT");
    broken
}

/// Fails the test where something is broken.
#[track_caller]
pub(crate) fn all_holds(session: &mut Session) {
    assert_eq!(broken(session), Vec::<String>::new());
}

/// How many orders are due (I7).
pub(crate) fn due(session: &mut Session) -> i64 {
    session.number(DUE)
}

/// The ledger up to an instant, to see later that it only grew (I6).
pub(crate) struct LedgerSeen {
    until: String,
    digest: String,
}

impl LedgerSeen {
    /// Reads the whole ledger. Nobody sweeps at this moment, so everything later is newer.
    pub(crate) fn now(session: &mut Session) -> Self {
        let until = session.text("SELECT coalesce(max(at), 'epoch')::text FROM unreserve.entry");
        let digest = Self::digest(session, &until);
        Self { until, digest }
    }

    /// Fails the test where what was seen is not there any more as it was.
    #[track_caller]
    pub(crate) fn still_stands(&self, session: &mut Session) {
        assert_eq!(Self::digest(session, &self.until), self.digest, "I6: the ledger's past was changed");
    }

    fn digest(session: &mut Session, until: &str) -> String {
        session.text(&format!(
            "SELECT count(*) || ' ' || coalesce(md5(string_agg(e::text || b::text, '|' ORDER BY e.batch_id, e.line)), '')
             FROM unreserve.entry AS e JOIN unreserve.batch AS b USING (batch_id) WHERE e.at <= '{until}'"
        ))
    }
}

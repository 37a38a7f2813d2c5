//! A backlog of very many due orders, made and counted by the database itself: no test holds it in memory.

/// How many rows each pool of stock has for them.
pub const ROWS: u64 = 6;

/// What stands in a shop and in the ledger, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// Orders that are cancelled.
    pub cancelled: u64,
    /// Reservations that hold stock.
    pub active: u64,
    /// Units that the counters of both pools say are reserved.
    pub reserved: u64,
    /// Releases in the ledger.
    pub released: u64,
    /// Different reservations among them.
    pub reservations: u64,
    /// Cancellations in the ledger.
    pub cancellations: u64,
    /// Committed batches.
    pub batches: u64,
    /// Reservations that the largest of them released.
    pub largest: u64,
}

impl Counted {
    /// From the columns of [`counting`], in their order.
    pub(super) fn of(columns: [i64; 8]) -> Self {
        let [cancelled, active, reserved, released, reservations, cancellations, batches, largest] =
            columns.map(|count| u64::try_from(count).unwrap_or(0));
        Self { cancelled, active, reserved, released, reservations, cancellations, batches, largest }
    }
}

/// Counts; our own tables' names begin with this.
pub(super) fn counting(own: &str) -> String {
    format!(
        "SELECT (SELECT count(*) FROM orders_order WHERE payment_status = 'cancelled' AND order_status = 'cancelled'),
         (SELECT count(*) FROM orders_inventoryreservation WHERE is_active),
         (SELECT sum(reserved_quantity) FROM products_productvariant) + (SELECT sum(reserved_quantity) FROM drops_dropproduct),
         (SELECT count(*) FROM {own}entry WHERE kind = 'release'),
         (SELECT count(DISTINCT reservation_key) FROM {own}entry WHERE kind = 'release'),
         (SELECT count(DISTINCT order_key) FROM {own}entry WHERE kind = 'cancel'),
         (SELECT count(*) FROM {own}batch), (SELECT coalesce(max(reservations), 0) FROM {own}batch)"
    )
}

/// How a database writes what the rows are made of.
pub(super) struct Words {
    /// The numbers from 1 to so many, as `n(i)`.
    pub(super) numbers: fn(u64) -> String,
    /// A UUID from a prefix of eight digits and a number.
    pub(super) uuid: fn(&str, &str) -> String,
    /// The instant so many milliseconds before now.
    pub(super) ago: fn(&str) -> String,
}

/// So many due orders, each with one unit of a row of each pool, and the indexes that a shop of this size has.
pub(super) fn filling(orders: u64, words: &Words) -> Vec<String> {
    let Words { numbers, uuid, ago } = words;
    let n = numbers(orders);
    let expired = ago(&format!("(3600000 + {orders} - i)"));
    let created = ago(&format!("(7200000 + {orders} - i)"));
    let order = uuid("00000000", "i");
    let pool = |prefix: &str, held: &str| {
        let key = uuid(prefix, "i");
        format!(
            "INSERT INTO orders_inventoryreservation (reservation_id, order_id, {held}, reservation_type, quantity, expires_at, is_active, created_at)
             {n} SELECT {key}, {order}, 1 + i % {ROWS}, 'standard', 1, {expired}, true, {created} FROM n"
        )
    };
    vec![
        format!(
            "INSERT INTO orders_order (order_id, order_number, order_status, payment_status, created_at, updated_at)
             {n} SELECT {order}, 'L-' || i, 'pending_payment', 'pending', {created}, {created} FROM n"
        ),
        pool("00000001", "product_variant_id"),
        pool("00000002", "drop_product_id"),
        format!(
            "UPDATE products_productvariant SET reserved_quantity = (SELECT count(*) FROM orders_inventoryreservation AS r WHERE r.product_variant_id = id) WHERE id <= {ROWS}"
        ),
        format!(
            "UPDATE drops_dropproduct SET reserved_quantity = (SELECT count(*) FROM orders_inventoryreservation AS r WHERE r.drop_product_id = id) WHERE id <= {ROWS}"
        ),
        "CREATE INDEX many_due ON orders_inventoryreservation (is_active, expires_at, reservation_id)".to_owned(),
        "CREATE INDEX many_of_order ON orders_inventoryreservation (order_id)".to_owned(),
        "CREATE INDEX many_paid ON orders_payment (order_id)".to_owned(),
        "ANALYZE".to_owned(),
    ]
}

//! The eleven orders M-1 … M-11 of the Malikli shop, with keys that are the same in every run.

use crate::session::Session;
use crate::shop::Shop;

/// Order `n`, with its statuses.
fn order(n: u32, order_status: &str, payment_status: &str) -> String {
    format!(
        "INSERT INTO orders_order (order_id, order_number, order_status, payment_status, created_at)
         VALUES ('00000000-0000-4000-8000-{n:012}', 'M-{n}', '{order_status}', '{payment_status}', now() - interval '2 hours 45 minutes 10 seconds');"
    )
}

/// A reservation of order `n`; `pool` is `product_variant_id` or `drop_product_id`. The older the order, the longer expired.
fn reservation(n: u32, pool: &str, id: u32, quantity: u32) -> String {
    format!(
        "INSERT INTO orders_inventoryreservation (reservation_id, order_id, {pool}, quantity, created_at, expires_at)
         VALUES ('1{n:07}-{id:04}-4000-8000-{quantity:012}', '00000000-0000-4000-8000-{n:012}', {id}, {quantity},
                 now() - interval '2 hours 45 minutes 10 seconds' + {n} * interval '1 minute',
                 now() - interval '2 hours 30 minutes 10 seconds' + {n} * interval '1 minute');"
    )
}

/// A payment of order `n`.
fn payment(n: u32, status: &str) -> String {
    format!("INSERT INTO orders_payment (order_id, status) VALUES ('00000000-0000-4000-8000-{n:012}', '{status}');")
}

/// Puts the orders into a shop; EXPECT.md tells what one sweep must make of them.
pub(crate) fn load(session: &mut Session) {
    let (variant, drop) = ("product_variant_id", "drop_product_id");
    let text = [
        "BEGIN;
         INSERT INTO products_productvariant VALUES (1, 100, 4), (2, 100, 7), (3, 100, 3), (4, 100, 3), (5, 100, 3);
         INSERT INTO drops_dropproduct VALUES (1, 50, 3), (2, 50, 0);"
            .to_owned(),
        order(1, "pending_payment", "pending") + &reservation(1, variant, 1, 2) + &reservation(1, drop, 1, 1),
        order(2, "pending_payment", "pending") + &reservation(2, variant, 2, 1) + &reservation(2, variant, 3, 3),
        order(3, "processing", "paid") + &reservation(3, variant, 1, 1),
        order(4, "pending_payment", "pending") + &reservation(4, variant, 2, 2),
        order(5, "pending_payment", "failed") + &reservation(5, drop, 1, 2) + &reservation(5, variant, 1, 1),
        order(6, "pending_payment", "pending") + &reservation(6, drop, 2, 1),
        order(7, "pending_payment", "pending") + &reservation(7, variant, 4, 1) + &payment(7, "succeeded"),
        order(8, "cancelled", "cancelled") + &reservation(8, variant, 4, 2),
        order(9, "pending_payment", "pending") + &reservation(9, variant, 5, 5),
        order(10, "pending_payment", "pending"),
        order(11, "pending_payment", "pending") + &reservation(11, variant, 2, 4) + &payment(11, "failed"),
        "UPDATE orders_inventoryreservation SET expires_at = now() + interval '2 hours 30 minutes 50 seconds'
         WHERE order_id::text LIKE '%04' OR (order_id::text LIKE '%02' AND product_variant_id = 3);
         UPDATE orders_inventoryreservation SET is_active = false, fulfilled_at = now() WHERE order_id::text LIKE '%06';
         COMMIT;"
            .to_owned(),
    ];
    session.run(&text.concat());
}

/// What each order, reservation and counter has become, a line each.
fn state(session: &mut Session) -> Vec<String> {
    session.texts(
        "SELECT line FROM (
             SELECT 1 AS part, right(o.order_id::text, 4) AS place, concat_ws(' ', o.order_number, o.order_status, o.payment_status,
                    CASE WHEN o.updated_at > o.created_at + interval '1 hour' AND o.xmin <> m.xmin THEN 'written' END,
                    (SELECT string_agg(CASE WHEN r.is_active THEN 'held' WHEN r.cancelled_at IS NOT NULL THEN 'released' ELSE 'fulfilled' END,
                                       ' ' ORDER BY r.reservation_id)
                     FROM orders_inventoryreservation AS r WHERE r.order_id = o.order_id)) AS line
             FROM orders_order AS o, orders_order AS m WHERE m.order_number = 'M-10'
             UNION ALL SELECT 2, id::text, 'variant ' || id || ' reserved ' || reserved_quantity FROM products_productvariant
             UNION ALL SELECT 3, id::text, 'drop ' || id || ' reserved ' || reserved_quantity FROM drops_dropproduct
         ) AS lines ORDER BY part, place",
    )
}

/// EXPECT.md's table.
const EXPECTED: [&str; 18] = [
    "M-1 cancelled cancelled written released released",
    "M-2 pending_payment pending released held",
    "M-3 processing paid held",
    "M-4 pending_payment pending held",
    "M-5 cancelled cancelled written released released",
    "M-6 pending_payment pending fulfilled",
    "M-7 pending_payment pending held",
    "M-8 cancelled cancelled released",
    "M-9 cancelled cancelled written released",
    "M-10 pending_payment pending",
    "M-11 cancelled cancelled written released",
    "variant 1 reserved 1",
    "variant 2 reserved 2",
    "variant 3 reserved 3",
    "variant 4 reserved 1",
    "variant 5 reserved 0",
    "drop 1 reserved 0",
    "drop 2 reserved 0",
];

/// The figures of EXPECT.md in a report.
fn check_figures(report: &serde_json::Value) {
    let figure = |name: &str| report[name].as_i64().unwrap();
    assert_eq!(figure("reservations_released"), 8);
    assert_eq!(figure("units_released"), 18);
    assert_eq!(figure("orders_cancelled"), 4);
    assert_eq!(figure("drift_units"), 2);
    assert_eq!(report["orders_protected"], serde_json::json!({ "payment": 1 }));
}

#[test]
fn one_sweep_gives_the_expected_table_and_a_second_changes_nothing() {
    let shop = Shop::new();
    let mut session = shop.session();
    load(&mut session);
    let before = shop.dump();
    check_figures(&shop.sweep(&["--dry-run"]));
    shop.expect_unchanged(&before);
    check_figures(&shop.sweep(&[]));
    assert_eq!(state(&mut session), EXPECTED);
    let drift = "SELECT order_number || ' ' || drift FROM unreserve.entry WHERE drift <> 0";
    assert_eq!(session.texts(drift), ["M-9 2"]);

    // A row lock leaves its mark on the row of the order that a guard protects, so only values are compared here.
    let entries = session.text("SELECT count(*)::text FROM unreserve.entry");
    let report = shop.sweep(&[]);
    assert_eq!(report["reservations_released"], 0);
    assert_eq!(report["orders_cancelled"], 0);
    assert_eq!(state(&mut session), EXPECTED);
    assert_eq!(session.text("SELECT count(*)::text FROM unreserve.entry"), entries);
}

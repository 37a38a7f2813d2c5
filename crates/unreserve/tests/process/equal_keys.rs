//! Keys that are equal and look different: numbers with and without decimals, letters in either case.

use crate::audit;
use crate::shop::Shop;

/// The shop's tables with keys of another type.
fn shop(kind: &str) -> Shop {
    let shop = Shop::without_setup();
    let change = |table: &str, column: &str| {
        format!(
            "ALTER TABLE {table} ALTER {column} DROP DEFAULT, ALTER {column} TYPE {kind} USING {column}::text::{kind};"
        )
    };
    let columns = [
        ("products_productvariant", "id"),
        ("orders_order", "order_id"),
        ("orders_payment", "order_id"),
        ("orders_inventoryreservation", "order_id"),
        ("orders_inventoryreservation", "product_variant_id"),
    ];
    let changes: Vec<String> = columns.iter().map(|(table, column)| change(table, column)).collect();
    shop.session().run(&format!(
        "CREATE EXTENSION citext;
         ALTER TABLE orders_payment DROP CONSTRAINT orders_payment_order_id_fkey;
         ALTER TABLE orders_inventoryreservation DROP CONSTRAINT orders_inventoryreservation_order_id_fkey,
             DROP CONSTRAINT orders_inventoryreservation_product_variant_id_fkey;
         {}",
        changes.concat()
    ));
    shop.run(&["setup"]).expect(0);
    shop
}

#[test]
fn two_spellings_of_one_key_are_one_order_and_one_stock_row() {
    for (kind, one, other) in [("numeric", "5", "5.0"), ("citext", "'a-1'", "'A-1'")] {
        let shop = shop(kind);
        let mut session = shop.session();
        session.run(&format!(
            "INSERT INTO products_productvariant VALUES ({one}, 100, 5);
             INSERT INTO orders_order VALUES ({one}, 'N-1', 'pending_payment', 'pending');
             INSERT INTO orders_inventoryreservation (order_id, quantity, created_at, expires_at, product_variant_id)
             SELECT key, units, now() - interval '2 hours', now() - interval '1 hour', key
             FROM (VALUES ({one}::{kind}, 2), ({other}::{kind}, 3)) AS held (key, units)"
        ));
        let report = shop.sweep(&[]);
        let told =
            ["reservations_released", "units_released", "stock_rows_updated", "orders_cancelled", "orders_set_aside"];
        let told: Vec<i64> = told.iter().map(|name| report[*name].as_i64().unwrap()).collect();
        assert_eq!(told, [2, 5, 1, 1, 0], "{kind}: {report}");
        assert_eq!(session.number("SELECT sum(reserved_quantity)::text FROM products_productvariant"), 0, "{kind}");
        assert_eq!(audit::due(&mut session), 0, "{kind}");
    }
}

#[test]
fn a_payment_under_another_spelling_of_the_orders_key_protects_it() {
    for (kind, one, other) in [("numeric", "5", "5.00"), ("citext", "'a-1'", "'A-1'")] {
        let shop = shop(kind);
        shop.session().run(&format!(
            "INSERT INTO products_productvariant VALUES ({one}, 100, 2);
             INSERT INTO orders_order VALUES ({one}, 'N-1', 'pending_payment', 'pending');
             INSERT INTO orders_payment (order_id, status) VALUES ({other}, 'succeeded');
             INSERT INTO orders_inventoryreservation (order_id, quantity, created_at, expires_at, product_variant_id)
             VALUES ({other}, 2, now() - interval '2 hours', now() - interval '1 hour', {other})"
        ));
        let report = shop.sweep(&[]);
        assert_eq!(
            (&report["reservations_released"], &report["orders_protected"]["payment"]),
            (&0.into(), &1.into()),
            "{kind}"
        );
    }
}

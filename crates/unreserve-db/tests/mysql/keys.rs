//! Keys of every kind, and counters without a sign.

use unreserve_engine::shop::LockTest;
use unreserve_engine::sweep::{Silent, sweep};
use unreserve_testkit::clock::StillClock;

use crate::place::{Place, profile, sweep_request, swept, tables};

const DUE: &str = "UTC_TIMESTAMP(6) - INTERVAL 10 MINUTE";

#[tokio::test]
async fn keys_of_bytes_travel_as_hexadecimal_digits_and_come_back() {
    let place = Place::with(&format!(
        "{} INSERT INTO wp_stock VALUES (UNHEX('A0'), 5, 1);
         INSERT INTO wp_orders VALUES (UNHEX('00112233445566778899AABBCCDDEEFF'), 'open'), (UNHEX('00000000000000000000000000000000'), 'open'),
           (UNHEX('FF000000000000000000000000000027'), 'open');
         INSERT INTO wp_holds (id, order_id, item, quantity, expires_at) SELECT id, id, UNHEX('A0'), 1, {DUE} FROM wp_orders;
         INSERT INTO wp_payments (order_id, status) VALUES (UNHEX('FF000000000000000000000000000027'), 'ok');",
        tables("BINARY(16)", "VARBINARY(20)", "INT UNSIGNED", "DATETIME(6)")
    ))
    .await;
    let mut shop = place.checked(&profile("\"expires_at\"", "time_zone = \"UTC\"")).await;
    assert_eq!(swept(shop.as_mut()).await, (2, 2, 2, 0));
    assert_eq!(place.ask("SELECT reserved, free FROM wp_stock").await, ["3|3"]);
    let open = place.ask("SELECT HEX(id) FROM wp_orders WHERE status = 'open'").await;
    assert_eq!(open, ["FF000000000000000000000000000027"]);
    let keys =
        place.ask("SELECT order_key, stock FROM unreserve_entry WHERE kind = 'release' ORDER BY order_key").await;
    assert_eq!(keys, ["00000000000000000000000000000000|wp_stock:A0", "00112233445566778899AABBCCDDEEFF|wp_stock:A0"]);
    let seen = shop.explain("00112233445566778899aabbccddeeff", LockTest::Try).await.unwrap().unwrap();
    assert_eq!((seen.reservations.len(), seen.ledger.len(), seen.locked), (1, 2, Some(false)));
    assert!(shop.explain("no such bytes", LockTest::Leave).await.unwrap().is_none());
}

#[tokio::test]
async fn one_stock_row_that_is_spelt_in_two_ways_is_summed_and_written_once() {
    let place = Place::with(&format!(
        "{} INSERT INTO wp_stock VALUES ('Tea', 9, 0);
         INSERT INTO wp_orders VALUES ('a', 'open'), ('b', 'open'), ('c', 'open');
         INSERT INTO wp_holds (id, order_id, item, quantity, expires_at)
         VALUES ('1', 'a', 'tea', 1, {DUE}), ('2', 'B', 'TEA', 2, {DUE}), ('3', 'c', 'Tea', 4, {DUE});",
        tables(
            "VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci",
            "VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci",
            "INT",
            "DATETIME"
        )
    ))
    .await;
    let mut shop = place.checked(&profile("\"expires_at\"", "time_zone = \"UTC\"")).await;
    assert_eq!(swept(shop.as_mut()).await, (3, 7, 3, 0));
    assert_eq!(place.ask("SELECT id, reserved, free FROM wp_stock").await, ["Tea|2|7"]);
    assert_eq!(place.ask("SELECT COUNT(*) FROM unreserve_batch").await, ["1"]);
}

#[tokio::test]
async fn columns_of_two_collations_are_compared_all_the_same() {
    let mut sql = tables("VARCHAR(20) COLLATE utf8mb4_general_ci", "INT", "INT", "DATETIME");
    sql.push_str(&format!(
        "ALTER TABLE wp_payments MODIFY order_id VARCHAR(20) CHARACTER SET latin1 COLLATE latin1_german1_ci NOT NULL;
         ALTER TABLE wp_holds MODIFY order_id VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci;
         INSERT INTO wp_stock VALUES (1, 2, 0); INSERT INTO wp_orders VALUES ('a', 'open'), ('b', 'open');
         INSERT INTO wp_holds (id, order_id, item, quantity, expires_at) VALUES ('1', 'a', 1, 1, {DUE}), ('2', 'b', 1, 1, {DUE});
         INSERT INTO wp_payments (order_id, status) VALUES ('b', 'OK');"
    ));
    let place = Place::with(&sql).await;
    let mut shop = place.checked(&profile("\"expires_at\"", "time_zone = \"UTC\"")).await;
    // What may be a payment, as the column's collation sees it, is one.
    assert_eq!(swept(shop.as_mut()).await, (1, 1, 1, 0));
    assert_eq!(place.ask("SELECT id FROM wp_orders WHERE status = 'open'").await, ["b"]);
}

#[tokio::test]
async fn a_counter_without_a_sign_stops_at_0_and_what_it_lacked_is_drift() {
    let place = Place::with(&format!(
        "{} INSERT INTO wp_stock VALUES (18446744073709551615, 1, NULL), (2, 0, 0);
         INSERT INTO wp_orders VALUES (1, 'open'), (2, 'open');
         INSERT INTO wp_holds (id, order_id, item, quantity, expires_at) VALUES (1, 1, 18446744073709551615, 3, {DUE}), (2, 2, 2, 2, {DUE});",
        tables("BIGINT UNSIGNED", "BIGINT UNSIGNED", "SMALLINT UNSIGNED", "DATETIME")
    ))
    .await;
    let mut shop = place.checked(&profile("\"expires_at\"", "time_zone = \"UTC\"")).await;
    assert_eq!(swept(shop.as_mut()).await, (2, 5, 2, 4));
    let stock = place.ask("SELECT id, reserved, free FROM wp_stock ORDER BY id").await;
    assert_eq!(stock, ["2|0|2", "18446744073709551615|0|NULL"]);
}

#[tokio::test]
async fn a_counter_that_64_bits_with_a_sign_do_not_hold_is_its_orders_own_trouble() {
    let place = Place::with(&format!(
        "{} INSERT INTO wp_stock VALUES (1, 18446744073709551615, 0), (2, 5, 0);
         INSERT INTO wp_orders VALUES (1, 'open'), (2, 'open');
         INSERT INTO wp_holds (id, order_id, item, quantity, expires_at) VALUES (1, 1, 1, 1, {DUE}), (2, 2, 2, 1, {DUE});",
        tables("INT", "INT", "BIGINT UNSIGNED", "DATETIME")
    ))
    .await;
    let mut shop = place.checked(&profile("\"expires_at\"", "time_zone = \"UTC\"")).await;
    assert_eq!(swept(shop.as_mut()).await, (1, 1, 1, 0));
    assert_eq!(place.ask("SELECT reserved FROM wp_stock ORDER BY id").await, ["18446744073709551615", "4"]);
    let aside = shop.orders_set_aside(10).await.unwrap();
    assert!(aside.len() == 1 && aside[0].reason.contains("64 bits"), "{aside:?}");
}

#[tokio::test]
async fn a_value_that_is_written_as_it_stands_counts_as_written() {
    // The shop's own cancelled state is the unpaid one: nothing of the row changes, and it was found all the same.
    let place = Place::with(&format!(
        "{} INSERT INTO wp_stock VALUES (1, 2, 0); INSERT INTO wp_orders VALUES (1, 'open');
         INSERT INTO wp_holds (id, order_id, item, quantity, expires_at) VALUES (1, 1, 1, 0, {DUE});",
        tables("INT", "INT", "INT", "DATETIME")
    ))
    .await;
    let text = profile("\"expires_at\"", "time_zone = \"UTC\"").replace("status = \"gone\"", "status = \"open\"");
    let mut shop = place.checked(&text).await;
    assert_eq!(swept(shop.as_mut()).await, (1, 0, 1, 0));
    assert_eq!(place.ask("SELECT reserved, free FROM wp_stock").await, ["2|0"]);
}

#[tokio::test]
async fn a_shop_that_refuses_is_asked_for_one_order_after_another() {
    let place = Place::with(&format!(
        "{} INSERT INTO wp_stock VALUES (1, 3, 0); INSERT INTO wp_orders VALUES (1, 'open'), (2, 'open'), (3, 'open');
         INSERT INTO wp_holds (id, order_id, item, quantity, expires_at) SELECT id, id, 1, 1, {DUE} FROM wp_orders;
         CREATE TRIGGER refuse BEFORE UPDATE ON wp_orders FOR EACH ROW IF OLD.id = 2 THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'not this one'; END IF;",
        tables("INT", "INT", "INT", "DATETIME")
    ))
    .await;
    let mut shop = place.checked(&profile("\"expires_at\"", "time_zone = \"UTC\"")).await;
    let outcome = sweep(shop.as_mut(), &StillClock::new(), &sweep_request(), &mut Silent).await.unwrap();
    assert_eq!(outcome.stopped_by, None);
    assert_eq!(place.ask("SELECT id FROM wp_orders WHERE status = 'open'").await, ["2"]);
    let aside = shop.orders_set_aside(10).await.unwrap();
    assert!(aside.len() == 1 && aside[0].reason.contains("not this one"), "{aside:?}");
}

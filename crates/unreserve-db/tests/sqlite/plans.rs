//! Shops of other shapes: keys, quantities, expiry on the order, deleted rows, names that need quotes.

use unreserve_engine::shop::ShopErrorKind;
use unreserve_engine::sweep::dry_sweep;

use crate::place::{MALIKLI, Place, Still, sweep_request, swept};
use crate::times::{COLUMN, UTC, simple_profile};

/// A shop with other keys: text, bytes, several columns, none declared.
async fn keys(order: &str, hold: (&str, &str), item: &str, ids: [&str; 4]) -> Vec<String> {
    let (columns, key) = hold;
    let [order_id, hold_id, item_id, other] = ids;
    let place = Place::with(&format!(
        "CREATE TABLE orders (id {order} PRIMARY KEY, status TEXT);
         CREATE TABLE holds ({columns}, order_id {order}, item {item}, quantity INTEGER, expires_at datetime, active BOOLEAN, released_at datetime);
         CREATE TABLE stock (id {item} PRIMARY KEY, reserved INTEGER);
         INSERT INTO stock VALUES ({item_id}, 5), ({other}, 5);
         INSERT INTO orders VALUES ({order_id}, 'open'), ({other}, 'paid');
         INSERT INTO holds VALUES ({hold_id}, {order_id}, {item_id}, 2, strftime('%Y-%m-%d %H:%M:%f', 'now', '-9 seconds'), 1, NULL);"
    ))
    .await;
    let profile = simple_profile(COLUMN, UTC).replace(
        "[reservation]\ntable = \"holds\"\nkey = \"id\"",
        &format!("[reservation]\ntable = \"holds\"\nkey = {key}"),
    );
    let mut shop = place.checked(&profile).await;
    swept(shop.as_mut()).await;
    let mut found = place.ask("SELECT reserved FROM stock ORDER BY reserved").await;
    found.extend(place.ask("SELECT status FROM orders ORDER BY status").await);
    found.extend(
        place.ask("SELECT order_key, reservation_key, stock FROM unreserve_entry WHERE kind = 'release'").await,
    );
    found
}

#[tokio::test]
async fn keys_of_any_kind_find_their_rows() {
    let hold = ("id INTEGER PRIMARY KEY", "\"id\"");
    assert_eq!(
        keys("INTEGER", hold, "INTEGER", ["7", "8", "9", "10"]).await,
        ["3", "5", "gone", "paid", "7|8|stock:9"]
    );
    let text = ("id TEXT PRIMARY KEY", "\"id\"");
    assert_eq!(
        keys("TEXT", text, "varchar(9)", ["'07'", "'a''b'", "'1e3'", "'7'"]).await,
        ["3", "5", "gone", "paid", "07|a'b|stock:1e3"]
    );
    let bytes = ("id binary(2) PRIMARY KEY", "\"id\"");
    assert_eq!(
        keys("BLOB", bytes, "BLOB", ["x'00ff'", "x'0102'", "x'03'", "x'04'"]).await,
        ["3", "5", "gone", "paid", "00FF|0102|stock:03"]
    );
    let several = ("a INTEGER, b TEXT", "[\"a\", \"b\"]");
    assert_eq!(
        keys("char(32)", several, "INTEGER", ["'aa'", "1, 'x/y'", "2", "3"]).await,
        ["3", "5", "gone", "paid", "aa|1/x/y|stock:2"]
    );
    assert_eq!(keys("uuid", text, "uuid", ["'9f00'", "'8a'", "'00e1'", "'x'"]).await.len(), 5);
    let bare = ("id PRIMARY KEY", "\"id\"");
    assert_eq!(keys("", bare, "", ["7", "8", "'k'", "10"]).await, ["3", "5", "gone", "paid", "7|8|stock:k"]);
}

#[tokio::test]
async fn two_spellings_of_one_stock_row_are_summed() {
    let (one, other) = ("'a-1'", "'A-1'");
    for own in ["TEXT COLLATE NOCASE", "varchar(9) COLLATE NOCASE"] {
        let place = Place::with(&format!(
            "CREATE TABLE orders (id INTEGER PRIMARY KEY, status TEXT);
             CREATE TABLE holds (id INTEGER PRIMARY KEY, order_id INTEGER, item TEXT, quantity INTEGER, expires_at datetime, active BOOLEAN, released_at datetime);
             CREATE TABLE stock (id {own} PRIMARY KEY, reserved INTEGER);
             INSERT INTO stock VALUES ({one}, 5); INSERT INTO orders VALUES (1, 'open');
             INSERT INTO holds SELECT j.value ->> 0, 1, j.value ->> 1, j.value ->> 2, strftime('%Y-%m-%d %H:%M:%f', 'now', '-9 seconds'), 1, NULL
             FROM json_each(json_array(json_array(1, {one}, 2), json_array(2, {other}, 3))) AS j;"
        ))
        .await;
        let mut shop = place.checked(&simple_profile(COLUMN, UTC)).await;
        let outcome = swept(shop.as_mut()).await;
        assert_eq!(outcome.facts.set_aside, 0, "{own}");
        assert_eq!(place.ask("SELECT reserved, (SELECT status FROM orders) FROM stock").await, ["0|gone"], "{own}");
    }
}

#[tokio::test]
async fn more_orders_than_one_statement_may_count_are_counted_page_by_page() {
    let place = Place::with(
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, status TEXT);
         CREATE TABLE holds (id INTEGER PRIMARY KEY, order_id INTEGER, item INTEGER, quantity INTEGER, expires_at datetime, active BOOLEAN, released_at datetime);
         CREATE TABLE stock (id INTEGER PRIMARY KEY, reserved INTEGER);
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20500) INSERT INTO orders SELECT i, 'open' FROM n;
         INSERT INTO holds SELECT o.id * 2 + j.value, o.id, NULL, 1, strftime('%Y-%m-%d %H:%M:%f', 'now', '-9 seconds'), 1, NULL
         FROM orders AS o, json_each('[0, 1]') AS j;
         CREATE INDEX due ON holds (expires_at, id);",
    )
    .await;
    let mut shop = place.checked(&simple_profile(COLUMN, UTC)).await;
    for (bound, expected) in [(100, 100), (20_000, 20_000), (20_400, 20_400), (20_501, 20_500), (u64::MAX, 20_500)] {
        assert_eq!(shop.outlook(bound).await.unwrap().due_orders, expected, "counted up to {bound}");
    }
    assert_eq!(shop.look(30_000).await.unwrap().1.due_orders, 20_500);
}

#[tokio::test]
async fn decimals_keep_their_scale_and_what_has_more_is_set_aside() {
    let place = Place::with(
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, status TEXT);
         CREATE TABLE holds (id INTEGER PRIMARY KEY, order_id INTEGER, item INTEGER, quantity decimal(12,3), expires_at datetime, active BOOLEAN, released_at datetime);
         CREATE TABLE stock (id INTEGER PRIMARY KEY, reserved decimal(12,3));
         INSERT INTO stock VALUES (1, 10.1), (2, 4), (3, 5.00004), (4, NULL);
         INSERT INTO orders SELECT value, 'open' FROM json_each('[1, 2, 3, 4, 5, 6]');
         INSERT INTO holds SELECT j.value ->> 0, j.value ->> 0, j.value ->> 1, j.value ->> 2, strftime('%Y-%m-%d %H:%M:%f', 'now', '-9 seconds'), 1, NULL
         FROM json_each('[[1, 1, 0.3], [2, 2, 1], [3, 1, 0.0005], [4, 1, \"many\"], [5, 3, 1], [6, 4, 2.5]]') AS j;",
    )
    .await;
    let profile =
        simple_profile(COLUMN, UTC).replace("quantity = \"quantity\"", "quantity = \"quantity\"\nquantity_scale = 3");
    let mut shop = place.checked(&profile).await;
    let outcome = swept(shop.as_mut()).await;
    assert_eq!(outcome.facts.set_aside, 3);
    let reasons: Vec<String> = shop
        .orders_set_aside(9)
        .await
        .unwrap()
        .into_iter()
        .map(|aside| format!("{} {}", aside.order, aside.reason))
        .collect();
    assert!(
        reasons[0].contains("3 reservation `3`")
            && reasons[1].contains("4 reservation `4`")
            && reasons[2].contains("stock row `3`"),
        "{reasons:?}"
    );
    assert_eq!(place.ask("SELECT reserved FROM stock ORDER BY id").await, ["9.8", "3", "5.00004", "NULL"]);
    assert_eq!(
        place.ask("SELECT quantity FROM unreserve_entry WHERE kind = 'release' ORDER BY order_key").await,
        ["300", "1000", "2500"]
    );
    // A dry run shows the others.
    place.run("UPDATE unreserve_set_aside SET retry_at = 0").await;
    dry_sweep(shop.as_mut(), &Still::default(), &sweep_request("ours")).await.unwrap();
}

#[tokio::test]
async fn an_expiry_on_the_order_and_rows_that_are_deleted() {
    let place = Place::with(
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, status TEXT, placed_at datetime, paid_at datetime);
         CREATE TABLE lines (order_id INTEGER, item INTEGER, quantity INTEGER, PRIMARY KEY (order_id, item)) WITHOUT ROWID;
         CREATE TABLE stock (id INTEGER PRIMARY KEY, available INTEGER);
         INSERT INTO stock VALUES (1, 10), (2, 10);
         INSERT INTO orders SELECT j.value ->> 0, 'open', strftime('%Y-%m-%d %H:%M:%S', 'now', j.value ->> 1), j.value ->> 2
         FROM json_each('[[1, \"-2 hours\", null], [2, \"-59 minutes\", null], [3, \"-2 hours\", \"2001-01-01\"]]') AS j;
         INSERT INTO lines VALUES (1, 1, 2), (1, 2, 3), (2, 1, 4), (3, 1, 5);",
    )
    .await;
    let profile = r#"
name = "lines"
time_zone = "UTC"
[order]
table = "orders"
key = "id"
unpaid = { status = ["open"] }
created_at = "placed_at"
[[guard]]
name = "paid"
where = { paid_at = "$not_null" }
[reservation]
table = "lines"
key = ["order_id", "item"]
order = "order_id"
quantity = "quantity"
timeout = "1h"
release = "delete"
[[stock]]
table = "stock"
key = { id = "item" }
on_hand = "available"
"#;
    let mut shop = place.checked(profile).await;
    let next = shop.outlook(10).await.unwrap();
    assert_eq!((next.due_orders, next.next_expiry.unwrap().duration_since(next.now).as_secs() / 60), (1, 0));
    let outcome = swept(shop.as_mut()).await;
    assert_eq!(outcome.facts.protected.get("paid"), Some(&1));
    assert_eq!(place.ask("SELECT available FROM stock ORDER BY id").await, ["12", "13"]);
    assert_eq!(place.ask("SELECT order_id, item FROM lines").await, ["2|1", "3|1"]);
    assert_eq!(place.ask("SELECT DISTINCT status FROM orders").await, ["open"], "the profile never writes orders");
}

#[tokio::test]
async fn names_that_need_quotes_and_values_that_look_like_statements_are_harmless() {
    let place = Place::with(
        "CREATE TABLE \"order\" (\"group\" INTEGER PRIMARY KEY, \"st\"\"atus\" TEXT);
         CREATE TABLE \"select\" (id INTEGER PRIMARY KEY, \"from\" INTEGER, quantity INTEGER, \"to\" datetime, state TEXT);
         INSERT INTO \"order\" VALUES (1, 'x''); DROP TABLE \"order\"; --'), (2, 'paid');
         INSERT INTO \"select\" VALUES (1, 1, 1, '2001-01-01 10:00:00', 'held'), (2, 2, 1, '2001-01-01 10:00:00', 'held');",
    )
    .await;
    let profile = r#"
name = "quotes"
time_zone = "UTC"
[order]
table = "order"
key = "group"
unpaid = { 'st"atus' = ["x'); DROP TABLE \"order\"; --"] }
cancel = { 'st"atus' = "'); DELETE FROM \"select\"; --" }
[reservation]
table = "select"
key = "id"
order = "from"
quantity = "quantity"
expires_at = "to"
active = { state = ["held", "booked"] }
release = { state = "free" }
"#;
    let mut shop = place.checked(profile).await;
    swept(shop.as_mut()).await;
    assert_eq!(place.ask("SELECT state FROM \"select\" ORDER BY id").await, ["free", "held"]);
    assert_eq!(
        place.ask("SELECT \"st\"\"atus\" FROM \"order\" ORDER BY \"group\"").await,
        ["'); DELETE FROM \"select\"; --", "paid"]
    );
}

#[tokio::test]
async fn a_column_that_goes_missing_is_told_by_the_statement_that_needs_it() {
    let place = Place::demo(0).await;
    let mut shop = place.checked(MALIKLI).await;
    place.run("ALTER TABLE orders_payment RENAME COLUMN status TO state").await;
    let error = shop.outlook(10).await.unwrap_err();
    assert_eq!((error.kind, error.statement), (ShopErrorKind::SchemaChanged, Some("outlook")), "{error}");
}

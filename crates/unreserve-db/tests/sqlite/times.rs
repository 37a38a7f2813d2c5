//! What counts as an instant, in text and in numbers: a value that is none is never due.

use unreserve_engine::sweep::{Silent, SweepError, sweep};

use crate::place::{Place, Still, check, sweep_request, swept};

/// A small shop whose columns a test declares itself: orders 1 to n, each with one reservation of 2 pieces.
pub(crate) fn simple_profile(expiry: &str, rest: &str) -> String {
    format!(
        r#"
name = "small"
{rest}
[order]
table = "orders"
key = "id"
unpaid = {{ status = ["open"] }}
cancel = {{ status = "gone" }}
[reservation]
table = "holds"
key = "id"
order = "order_id"
quantity = "quantity"
expires_at = {expiry}
active = {{ active = true }}
release = {{ active = false, released_at = "$now" }}
[[stock]]
table = "stock"
key = {{ id = "item" }}
reserved = "reserved"
"#
    )
}

/// One order a value, in the order given; the values are SQL.
fn simple_shop(declared: &str, values: &[&str]) -> String {
    let mut sql = format!(
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, status TEXT);
         CREATE TABLE holds (id INTEGER PRIMARY KEY, order_id INTEGER, item INTEGER, quantity INTEGER, expires_at {declared},
                             active BOOLEAN, released_at {declared});
         CREATE TABLE stock (id INTEGER PRIMARY KEY, reserved INTEGER);
         INSERT INTO stock VALUES (1, {});",
        values.len().saturating_mul(2)
    );
    for (index, value) in values.iter().enumerate() {
        let id = index.saturating_add(1);
        sql.push_str(&format!(
            "INSERT INTO orders VALUES ({id}, 'open'); INSERT INTO holds VALUES ({id}, {id}, 1, 2, {value}, 1, NULL);"
        ));
    }
    sql
}

/// Sweeps, and says which of the values were released.
async fn released(declared: &str, expiry: &str, rest: &str, values: &[&str]) -> Vec<usize> {
    let place = Place::with(&simple_shop(declared, values)).await;
    // The stamp of a release has no earlier values here that could show how numbers count.
    let profile = simple_profile(expiry, rest).replace(", released_at = \"$now\"", "");
    let mut shop = place.checked(&profile).await;
    swept(shop.as_mut()).await;
    let ids = place.ask("SELECT id - 1 FROM holds WHERE NOT active ORDER BY id").await;
    let ids: Vec<usize> = ids.iter().map(|id| id.parse().unwrap()).collect();
    assert_eq!(
        place.ask("SELECT reserved FROM stock").await,
        [values.len().saturating_sub(ids.len()).saturating_mul(2).to_string()]
    );
    assert_eq!(place.ask("SELECT count(*) FROM orders WHERE status = 'gone'").await, [ids.len().to_string()]);
    ids
}

/// The expiry column, as a profile names it.
pub(crate) const COLUMN: &str = "\"expires_at\"";
/// What a profile says of naive times.
pub(crate) const UTC: &str = "time_zone = \"UTC\"";

#[tokio::test]
async fn text_is_read_as_an_instant_whatever_its_form() {
    let values = [
        "strftime('%Y-%m-%d %H:%M:%f', 'now', '-1 second')",
        "strftime('%Y-%m-%dT%H:%M:%f', 'now', '-1 second')",
        "strftime('%Y-%m-%dT%H:%M:%SZ', 'now', '-2 seconds')",
        "strftime('%Y-%m-%d %H:%M:%f', 'now', '-1 second') || '456'",
        "strftime('%Y-%m-%dT%H:%M:%S', 'now', '-2 seconds', '+5 hours') || '+05:00'",
        "strftime('%Y-%m-%d %H:%M:%S', 'now', '-2 seconds', '-11 hours') || '-11:00'",
        "strftime('%Y-%m-%d %H:%M', 'now', '-2 minutes')",
        // Not yet, in the same forms: `T` sorts behind the space, and an offset hides it.
        "strftime('%Y-%m-%d %H:%M:%f', 'now', '+1 hour')",
        "strftime('%Y-%m-%dT%H:%M:%f', 'now', '+1 hour')",
        "strftime('%Y-%m-%dT%H:%M:%SZ', 'now', '+1 hour')",
        "strftime('%Y-%m-%dT%H:%M:%S', 'now', '+1 hour', '-9 hours') || '-09:00'",
        "strftime('%Y-%m-%d %H:%M:%f', 'now', '+1 hour') || '456'",
    ];
    for declared in ["TEXT", "datetime", "timestamp", "varchar(40)"] {
        assert_eq!(released(declared, COLUMN, UTC, &values).await, [0, 1, 2, 3, 4, 5, 6], "{declared}");
    }
}

#[tokio::test]
async fn what_is_no_instant_is_never_due() {
    let values = [
        "strftime('%Y-%m-%d %H:%M:%f', 'now', '-1 second')",
        "NULL",
        "0",
        "1",
        "1700000000",
        "2451545.5",
        "'2451545.5'",
        "'now'",
        "''",
        "'soon'",
        "'2001-01-01'",
        "'10:00:00'",
        "'2001-01-01 10:00:00 Europe/Vienna'",
        "'01.02.2001 10:00:00'",
        "x'323030312d30312d30312031303a30303a3030'",
        "'2001-01-01 99:00:00'",
    ];
    for declared in ["datetime", "varchar(30)", "TEXT"] {
        let due = released(declared, COLUMN, UTC, &values).await;
        assert_eq!(due, [0], "{declared}");
    }
    // Where nothing can be read at all, the sweep does not even begin.
    let place = Place::with(&simple_shop("datetime", &["1700000000", "'soon'"])).await;
    let mut shop = place.checked(&simple_profile(COLUMN, UTC)).await;
    let refused = sweep(shop.as_mut(), &Still::default(), &sweep_request("ours"), &mut Silent).await;
    assert!(matches!(refused, Err(SweepError::Clock(_))), "{refused:?}");
}

#[tokio::test]
async fn an_instant_is_never_early_by_a_millisecond() {
    let place = Place::with(&simple_shop(
        "TEXT",
        &["'2026-11-22 10:00:00.123'", "'2026-11-22 10:00:00.123456'", "'2026-11-22 10:00:00.1239'"],
    ))
    .await;
    let mut shop = place.checked(&simple_profile(COLUMN, UTC)).await;
    let mut read = Vec::new();
    for order in ["1", "2", "3"] {
        read.push(
            shop.explain(order, unreserve_engine::shop::LockTest::Leave).await.unwrap().unwrap().reservations[0]
                .expires_at
                .unwrap()
                .to_string(),
        );
    }
    assert_eq!(read, ["2026-11-22T10:00:00.123Z", "2026-11-22T10:00:00.124Z", "2026-11-22T10:00:00.125Z"]);
}

#[tokio::test]
async fn a_local_zone_shifts_only_what_has_none_of_its_own() {
    let values = [
        "strftime('%Y-%m-%d %H:%M:%f', 'now', '+2 hours', '-1 second')",
        "strftime('%Y-%m-%dT%H:%M:%SZ', 'now', '-2 seconds')",
        "strftime('%Y-%m-%d %H:%M:%f', 'now', '+2 hours', '+60 seconds')",
        "strftime('%Y-%m-%dT%H:%M:%SZ', 'now', '+60 seconds')",
    ];
    assert_eq!(released("TEXT", COLUMN, "time_zone = \"+02:00\"", &values).await, [0, 1]);
    let west: Vec<String> =
        values.iter().map(|value| value.replace("'+2 hours'", "'-5 hours', '-30 minutes'")).collect();
    let west: Vec<&str> = west.iter().map(String::as_str).collect();
    assert_eq!(released("TEXT", COLUMN, "time_zone = \"-05:30\"", &west).await, [0, 1]);

    let place = Place::with(&simple_shop("TEXT", &values)).await;
    let error =
        check(place.shop().await, &simple_profile(COLUMN, "time_zone = \"Europe/Vienna\"")).await.err().unwrap();
    assert!(error.message.contains("knows no zone by its name") && error.hint.is_some(), "{error}");
}

#[tokio::test]
async fn now_is_written_in_the_columns_own_form() {
    let rows = [
        ("TEXT", "strftime('%Y-%m-%dT%H:%M:%SZ', 'now', '-2 seconds')", COLUMN, UTC, "????-??-??T??:??:??.???Z"),
        ("datetime", "strftime('%Y-%m-%d %H:%M:%S', 'now', '-2 seconds')", COLUMN, UTC, "????-??-?? ??:??:??.???"),
        ("INTEGER", "unixepoch('now') - 2", "{ column = \"expires_at\", time = \"epoch_seconds\" }", "", "1?????????"),
        ("INTEGER", "(unixepoch('now') - 2) * 1000", COLUMN, "", "1????????????"),
    ];
    for (declared, value, expiry, rest, form) in rows {
        // The stamp has the form of its own earlier values.
        let place = Place::with(&simple_shop(declared, &[value, value])).await;
        place.run("UPDATE holds SET active = 0, released_at = expires_at WHERE id = 2").await;
        let mut shop = place.checked(&simple_profile(expiry, rest)).await;
        swept(shop.as_mut()).await;
        assert_eq!(
            place.ask(&format!("SELECT released_at GLOB '{form}' FROM holds WHERE id = 1")).await,
            ["1"],
            "{form}"
        );
    }
}

#[tokio::test]
async fn seconds_and_milliseconds_are_not_taken_for_each_other() {
    let seconds =
        ["unixepoch('now') - 2", "unixepoch('now') + 60", "0", "1", "(unixepoch('now') - 2) * 1000", "'soon'", "NULL"];
    let profile = "{ column = \"expires_at\", time = \"epoch_seconds\" }";
    assert_eq!(released("INTEGER", profile, "", &seconds).await, [0]);
    let millis = [
        "(unixepoch('now') - 2) * 1000",
        "(unixepoch('now') + 60) * 1000",
        "0",
        "unixepoch('now') - 2",
        "NULL",
        "'2001-01-01 10:00:00'",
    ];
    let profile = "{ column = \"expires_at\", time = \"epoch_milliseconds\" }";
    assert_eq!(released("BIGINT", profile, "", &millis).await, [0]);
}

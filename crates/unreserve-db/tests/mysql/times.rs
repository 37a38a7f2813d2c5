//! What counts as an instant: a value that is none is never due, and no hour comes early.

use unreserve_engine::shop::ShopErrorKind;

use crate::place::{Place, check, profile, swept, tables};

/// One order a value; the values are SQL.
fn shop(instant: &str, values: &[&str]) -> String {
    let mut sql = tables("INT", "INT", "INT", instant);
    sql.push_str("INSERT INTO wp_stock VALUES (1, 100, 0);");
    for (index, value) in values.iter().enumerate() {
        sql.push_str(&format!(
            "INSERT INTO wp_orders VALUES ({index}, 'open');
             SET STATEMENT sql_mode = '' FOR INSERT INTO wp_holds (id, order_id, item, quantity, expires_at) VALUES ({index}, {index}, 1, 1, {value});"
        ));
    }
    sql
}

/// Sweeps, and says which of the values were released.
async fn released(instant: &str, rest: &str, values: &[&str]) -> Vec<String> {
    let place = Place::with(&shop(instant, values)).await;
    let mut shop = place.checked(&profile("\"expires_at\"", rest)).await;
    swept(shop.as_mut()).await;
    place.ask("SELECT id FROM wp_holds WHERE NOT active ORDER BY id").await
}

#[tokio::test]
async fn a_date_without_a_zone_is_read_in_the_zone_the_profile_says() {
    let local = |minutes: i64| format!("UTC_TIMESTAMP(6) + INTERVAL 2 HOUR + INTERVAL {minutes} MINUTE");
    let values = [
        local(-1),
        local(1),
        "'9999-12-31 23:59:59'".to_owned(),
        "'0000-00-00 00:00:00'".to_owned(),
        "NULL".to_owned(),
    ];
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    for kind in ["DATETIME", "DATETIME(6)"] {
        assert_eq!(released(kind, "time_zone = \"+02:00\"", &values).await, ["0"], "{kind}");
    }
    // The counter-test: read as universal time, nothing has expired.
    assert!(released("DATETIME", "time_zone = \"UTC\"", &values).await.is_empty());
}

#[tokio::test]
async fn an_instant_with_a_zone_of_its_own_needs_none_of_ours_whatever_the_servers_is() {
    let values = ["UTC_TIMESTAMP(6) - INTERVAL 1 SECOND", "UTC_TIMESTAMP(6) + INTERVAL 50 SECOND"];
    assert_eq!(released("TIMESTAMP(6)", "", &values).await, ["0"]);
}

#[tokio::test]
async fn seconds_since_1970_are_told_from_milliseconds_and_from_nothing() {
    let now = |factor: i64, seconds: i64| format!("(UNIX_TIMESTAMP() + {seconds}) * {factor}");
    let seconds = [now(1, -60), now(1, 600), "0".to_owned()];
    let seconds: Vec<&str> = seconds.iter().map(String::as_str).collect();
    let millis = [now(1_000, -60), now(1_000, 600), "0".to_owned()];
    let millis: Vec<&str> = millis.iter().map(String::as_str).collect();
    for (word, values) in [("epoch_seconds", &seconds), ("epoch_milliseconds", &millis)] {
        let place = Place::with(&shop("BIGINT", values)).await;
        let expiry = format!("{{ column = \"expires_at\", time = \"{word}\" }}");
        let text = profile(&expiry, "").replace(", released_at = \"$now\"", "");
        let mut shop = place.checked(&text).await;
        assert_eq!(swept(shop.as_mut()).await.0, 1, "{word}");
        assert_eq!(place.ask("SELECT id FROM wp_holds WHERE NOT active").await, ["0"], "{word}");
    }
}

#[tokio::test]
async fn what_is_written_as_now_is_never_rounded_into_the_future() {
    for kind in ["DATETIME", "DATETIME(3)", "TIMESTAMP"] {
        let place = Place::with(&shop(kind, &["UTC_TIMESTAMP(6) - INTERVAL 1 HOUR"])).await;
        let mut shop = place.checked(&profile("\"expires_at\"", "time_zone = \"UTC\"")).await;
        assert_eq!(swept(shop.as_mut()).await.0, 1);
        let early =
            "SELECT released_at <= UTC_TIMESTAMP(6), released_at > UTC_TIMESTAMP(6) - INTERVAL 60 SECOND FROM wp_holds";
        assert_eq!(place.ask(&format!("SET time_zone = '+00:00'; {early}")).await, ["1|1"], "{kind}");
    }
}

#[tokio::test]
async fn a_zone_that_the_server_does_not_know_is_refused() {
    let place = Place::with(&shop("DATETIME", &[])).await;
    let refused = check(place.shop().await, &profile("\"expires_at\"", "time_zone = \"Europe/Nowhere\"")).await;
    let error = refused.map(|_| ()).unwrap_err();
    assert_eq!(error.kind, ShopErrorKind::SchemaChanged);
    assert!(error.message.contains("Europe/Nowhere") && error.hint.is_some(), "{error:?}");
}

#[tokio::test]
async fn an_instant_as_text_is_refused() {
    let place = Place::with(&shop("VARCHAR(40)", &["'2026-01-01 00:00:00'"])).await;
    let refused = check(place.shop().await, &profile("\"expires_at\"", "time_zone = \"UTC\"")).await;
    let error = refused.map(|_| ()).unwrap_err();
    assert!(error.message.contains("as text"), "{error:?}");
}

//! `report` on a real PostgreSQL: its figures are those of the ledger, day by day.

use serde_json::Value;

use crate::malikli;
use crate::shop::Shop;

/// What differs from run to run.
const FILTERS: &[(&str, &str)] = &[
    (r"\d{4}-\d\d-\d\d", "[DAY.....]"),
    (r"\b2h\d+m\d+s", "[LAG....]"),
    (r"(given back\s+)\d+\.\d", "${1}#.#"),
    (r"(lost\s+)\d+\.\d", "${1}##.#"),
    (r"(?m),\d+,\d+$", ",[MINUTES],[MINUTES]"),
];

#[track_caller]
fn snapshot(name: &str, said: &str) {
    insta::with_settings!({ filters => FILTERS.iter().copied(), prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(name, said);
    });
}

fn report(shop: &Shop, arguments: &[&str]) -> Value {
    shop.run(&[&["report", "--format", "json"], arguments].concat()).expect(0).json()
}

#[test]
fn every_format_of_the_eleven_orders() {
    let shop = Shop::new();
    let mut session = shop.session();
    malikli::load(&mut session);
    shop.sweep(&[]);
    // At noon of yesterday, so that no test sees two days.
    let noon = "date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' - interval '12 hours'";
    session.run(&format!(
        "UPDATE unreserve.sweep SET started_at = {noon}; UPDATE unreserve.batch SET at = {noon}; UPDATE unreserve.entry SET at = {noon}"
    ));
    snapshot("report_text", &shop.run(&["report", "--days", "3"]).expect(0).stdout);
    snapshot("report_csv", &shop.run(&["report", "--days", "3", "--format", "csv"]).expect(0).stdout);
    let figures = report(&shop, &[]);
    let history = shop.run(&["history", "--format", "json"]).expect(0).json();
    for figure in ["reservations_released", "units_released", "orders_cancelled", "drift_units"] {
        assert_eq!(figures[figure], history["sweeps"][0][figure], "{figure}");
        assert_eq!(figures["days"][5][figure], figures[figure], "{figure} of yesterday");
        assert_eq!(figures["days"][6][figure], 0, "{figure} of today");
    }
    assert_eq!(figures["days"].as_array().unwrap().len(), 7);
    // A unit that came back at noon yesterday has been back for the hours since then.
    let units = session.number("SELECT sum(quantity)::text FROM unreserve.entry");
    let minutes = session.number(&format!("SELECT (extract(epoch FROM now() - ({noon})) / 60)::bigint::text"));
    let back = figures["unit_minutes_given_back"].as_i64().unwrap();
    assert!((back - units * minutes).abs() <= 2 * units, "{back} is not {units} times {minutes}");
}

#[test]
fn days_are_those_that_were_asked_for() {
    let shop = Shop::new();
    let mut session = shop.session();
    shop.fill(&mut session, "a", 4);
    shop.sweep(&[]);
    for table in ["sweep SET started_at", "batch SET at", "entry SET at"] {
        session.run(&format!("UPDATE unreserve.{table} = '2026-01-31 23:59:59Z'"));
    }
    let january = report(&shop, &["--from", "2026-01-01", "--to", "2026-01-31"]);
    assert_eq!((&january["orders_cancelled"], &january["days"][30]["orders_cancelled"]), (&4.into(), &4.into()));
    assert_eq!(january["due_now"]["orders"], 0);
    let february = report(&shop, &["--from", "2026-02-01", "--to", "2026-02-28"]);
    assert_eq!((&february["orders_cancelled"], &february["release_lag"]), (&0.into(), &Value::Null));
    shop.fill(&mut session, "b", 2);
    assert_eq!(report(&shop, &["--days", "1"])["due_now"]["orders"], 2);
    for (arguments, says) in [
        (&["--from", "2026-02-01", "--to", "2026-01-01"] as &[&str], "comes before the first"),
        (&["--from", "2020-01-01", "--to", "2026-01-01"], "at most 366 are allowed"),
        (&["--from", "yesterday"], "invalid value 'yesterday'"),
        (&["--to", "2026-01-01"], "--from"),
        (&["--days", "0"], "1..=366"),
        (&["--days", "3", "--from", "2026-01-01"], "cannot be used with"),
        (&["--format", "html"], "invalid value 'html'"),
    ] {
        let ended = shop.run(&[&["report"], arguments].concat()).expect(2);
        assert!(ended.stderr.contains(says) && ended.stdout.is_empty(), "{arguments:?}: {}", ended.stderr);
    }
    let bare = Shop::without_setup();
    assert!(bare.run(&["report"]).expect(2).stderr.contains("unreserve setup"));
}

//! `report` on a real PostgreSQL: its figures are those of the ledger and of the shop, day by day.

use serde_json::{Value, json};

use crate::bad_input::PROFILE;
use crate::malikli;
use crate::shop::{Ended, Shop};

/// What differs from run to run.
const FILTERS: &[(&str, &str)] = &[
    (r"\d{4}-\d\d-\d\d", "[DAY.....]"),
    (r"\b2h\d+m\d+s", "[LAG....]"),
    (r"(given back\s+)\d+\.\d", "${1}#.#"),
    (r"(lost\s+)\d+\.\d", "${1}##.#"),
    (r"(?m)^((?:[^,\n]*,){7})\d+,\d+,", "${1}[MINUTES],[MINUTES],"),
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
        "UPDATE unreserve.sweep SET started_at = {noon}; UPDATE unreserve.batch SET at = {noon}; UPDATE unreserve.entry SET at = {noon};
         UPDATE orders_order SET created_at = {noon}; UPDATE orders_payment SET created_at = {noon} + interval '61 seconds';
         UPDATE orders_inventoryreservation SET created_at = {noon}"
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
        (&["--format", "pdf"], "invalid value 'pdf'"),
    ] {
        let ended = shop.run(&[&["report"], arguments].concat()).expect(2);
        assert!(ended.stderr.contains(says) && ended.stdout.is_empty(), "{arguments:?}: {}", ended.stderr);
    }
    let bare = Shop::without_setup();
    assert!(bare.run(&["report"]).expect(2).stderr.contains("unreserve setup"));
}

#[test]
fn the_shops_figures_are_those_of_the_eleven_orders() {
    let shop = Shop::new();
    let mut session = shop.session();
    malikli::load(&mut session);
    shop.sweep(&[]);
    let told = report(&shop, &["--days", "2"])["shop"].clone();
    // M-3 is paid, five are cancelled (M-8 by the shop), M-2, M-4, M-6, M-7 and M-10 are unpaid.
    assert_eq!(told["orders"], json!({ "made": 11, "paid": 1, "cancelled": 5, "still_unpaid": 5, "otherwise": 0 }));
    // Eight were released; M-2's second, M-3's, M-4's and M-7's still hold stock, and none of them is due.
    assert_eq!(
        told["reservations"],
        json!({ "made": 13, "units": 26, "fulfilled": 1, "released": 8, "ended_otherwise": 0, "still_active": 4, "still_due": 0 })
    );
    assert_eq!(
        told["cancelled_value"],
        json!([{ "currency": null, "amount": "160.00", "amount_units": 16_000, "orders": 4, "orders_without_amount": 0 }])
    );
    assert_eq!(told["cancellation_rate"], json!({ "orders_decided": 6, "orders_cancelled": 5, "basis_points": 8_333 }));
    // Six decided orders are too few to be strange.
    assert_eq!((&told["warnings"], &told["unknown"]), (&json!([]), &json!([])));
    let times = &told["time_to_payment"];
    assert_eq!(
        (&times["orders"], &times["timeout_judged"], &times["paid_after_expiry"]),
        (&json!(1), &json!(1), &json!(1))
    );
    // The shop has no index on either instant of creation; that of the expiry finds the reservations.
    assert_eq!(told["notes"].as_array().unwrap().len(), 1);
    let index = told["index_statements"][0].as_str().unwrap();
    assert!(index.contains("ON \"public\".\"orders_order\" (\"created_at\")"), "{index}");
    session.run(&index.replace("CONCURRENTLY ", ""));
    assert_eq!(report(&shop, &[])["shop"]["notes"], json!([]));
}

#[test]
fn what_only_the_report_reads_stops_no_sweep_and_is_told() {
    let shop = Shop::new();
    let mut session = shop.session();
    shop.fill(&mut session, "a", 3);
    session.run("ALTER TABLE orders_order RENAME total_amount TO total");
    assert_eq!(shop.sweep(&[])["orders_cancelled"], 3);
    let told = report(&shop, &[])["shop"].clone();
    assert_eq!((&told["cancelled_value"], &told["orders"]["cancelled"]), (&Value::Null, &json!(3)));
    assert_eq!(told["unknown"][0]["figure"], "cancelled_value");
    let reason = "column `orders_order.total_amount` named by profile `malikli` does not exist";
    assert_eq!(told["unknown"][0]["reason"], reason);
    let text = shop.run(&["report"]).expect(0).stdout;
    assert!(text.contains(&format!("Not known\n  cancelled_value: {reason}")), "{text}");
    let csv = shop.run(&["report", "--days", "1", "--format", "csv"]).expect(0);
    assert!(csv.stdout.contains(",unknown,") && csv.stderr.contains(reason), "{}{}", csv.stdout, csv.stderr);
    let page = shop.run(&["report", "--format", "html"]).expect(0).stdout;
    assert!(page.contains("<h2>Not known</h2>") && page.contains("does not exist"), "{page}");
    let check = shop.run(&["profile", "check"]).expect(2);
    assert!(check.stderr.contains(reason), "{}", check.stderr);
}

#[test]
fn a_time_zone_that_the_server_does_not_know_leaves_the_ledgers_part() {
    let shop = Shop::new();
    let mut session = shop.session();
    shop.fill(&mut session, "a", 3);
    session.run("ALTER TABLE orders_order ALTER created_at DROP DEFAULT, ALTER created_at TYPE timestamp USING created_at AT TIME ZONE 'UTC'");
    let nowhere = PROFILE.replace("time_zone = \"UTC\"", "time_zone = \"Europe/Nowhere\"");
    assert_ne!(nowhere, PROFILE);
    std::fs::write(shop.path().join("nowhere.toml"), nowhere).unwrap();
    let run = |command: &str| {
        let arguments = [command, "--profile", "nowhere.toml", "--state-dir", "state", "--format", "json"];
        Ended::new(&shop.bare(&shop.url(), &arguments).output().unwrap()).expect(0).json()
    };
    assert_eq!(run("sweep")["orders_cancelled"], 3, "what only the report reads stops no sweep");
    let told = run("report");
    assert_eq!((&told["orders_cancelled"], &told["shop"]["orders"]), (&json!(3), &Value::Null));
    assert_eq!(told["shop"]["reservations"]["released"], 6, "their instants carry a zone of their own");
    let unknown = told["shop"]["unknown"].as_array().unwrap();
    let [only] = unknown.as_slice() else { panic!("{unknown:?}") };
    assert_eq!(only["figure"], "orders");
    let reason =
        "column `created_at` is said to be in the time zone `Europe/Nowhere`, which this database does not know";
    assert_eq!((&only["reason"], &told["shop"]["notes"]), (&json!(reason), &json!([])));
    let check = shop.bare(&shop.url(), &["profile", "check", "--profile", "nowhere.toml", "--state-dir", "state"]);
    let check = Ended::new(&{ check }.output().unwrap()).expect(2);
    assert!(check.stderr.contains(reason) && check.stderr.contains("+02:00"), "{}", check.stderr);
}

#[test]
fn the_page_stands_alone_and_escapes_what_came_with_the_data() {
    let shop = Shop::new();
    let mut session = shop.session();
    malikli::load(&mut session);
    shop.sweep(&[]);
    session.run("UPDATE unreserve.entry SET stock = '<script>alert(1)</script>' WHERE stock LIKE '%:2'");
    let page = shop.run(&["report", "--format", "html"]).expect(0).stdout;
    assert!(page.contains("&#60;script&#62;alert(1)") && !page.contains("<script"), "{page}");
    for outside in ["http://", "https://", "src=", "href=", "url(", "@import"] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(page.contains("default-src &#39;none&#39;") || page.contains("default-src 'none'"));
    // Every figure is there as text, whatever the picture shows.
    let report = report(&shop, &[]);
    for figure in ["units_released", "orders_cancelled"] {
        assert!(page.contains(&format!("<td>{}</td>", report[figure])), "{figure}");
    }
    assert!(page.matches("role=\"img\" aria-label=\"").count() >= 3, "every picture says what it shows");
    // As an archive keeps it: well-formed but for the void elements and the doctype.
    let body = page.replace("<!DOCTYPE html>", "");
    let closed = body.lines().map(|line| match line.trim_start().starts_with("<meta") {
        true => line.replace(">", "/>"),
        false => line.to_owned(),
    });
    let text = closed.collect::<Vec<_>>().join("\n");
    roxmltree::Document::parse(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
}

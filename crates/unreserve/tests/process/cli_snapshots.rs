//! Every byte that a person reads of the commands on the eleven orders of the Malikli shop.

use crate::malikli;
use crate::shop::Shop;

/// What differs from run to run, and what stands for it, as wide as before where it stands in a table.
const FILTERS: &[(&str, &str)] = &[
    (r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", "[SWEEP............................]"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "[TIME..............]"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", "[TIME]"),
    (r"postgres://\S+/test_[0-9a-f]+", "[DATABASE]"),
    (r"PostgreSQL \d[\d.]*( \([^)]*\))?", "[PRODUCT]"),
    (r"process \d+ on \S+", "[HOLDER]"),
    (r"\b(\d+h\d+m)\d\ds\b", "${1}##s"),
    (r"\b\d+\.\d\d s\b", "#.## s"),
];

fn malikli() -> Shop {
    let shop = Shop::new();
    malikli::load(&mut shop.session());
    shop
}

/// What a command says on both streams; a JSON log line that comes with `-v` is left out.
fn said(shop: &Shop, arguments: &[&str], code: i32) -> String {
    let ended = shop.run(arguments).expect(code);
    let notes: Vec<&str> = ended.stderr.lines().filter(|line| !line.starts_with('{')).collect();
    match notes.is_empty() {
        true => ended.stdout,
        false => format!("{}--- stderr ---\n{}\n", ended.stdout, notes.join("\n")),
    }
}

/// Compares what commands say with what is kept.
#[track_caller]
fn check(name: &str, said: &str) {
    insta::with_settings!({ filters => FILTERS.iter().copied(), prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(name, said);
    });
}

#[test]
fn a_dry_run_lists_what_it_would_do_and_what_it_would_leave_alone() {
    let shop = malikli();
    check("sweep_dry_run", &said(&shop, &["sweep", "--dry-run"], 0));
}

#[test]
fn a_sweep_gives_its_figures_and_one_sentence() {
    let shop = malikli();
    check("sweep", &said(&shop, &["sweep"], 0));
    check("sweep_again", &said(&shop, &["sweep"], 0));
    assert_eq!(said(&shop, &["sweep", "--quiet"], 0), "");
}

#[test]
fn a_verbose_sweep_lists_every_change_and_the_ledger_keeps_them() {
    let shop = malikli();
    check("sweep_verbose", &said(&shop, &["sweep", "-v"], 0));
    let history = said(&shop, &["history"], 0);
    check("history", &history);
    let sweep = history.lines().nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    check("history_show", &said(&shop, &["history", "show", &sweep], 0));
    check("explain_released", &said(&shop, &["explain", "M-1"], 0));
}

#[test]
fn one_order_can_be_swept_alone() {
    let shop = malikli();
    check("sweep_order", &said(&shop, &["sweep", "-v", "--order", "M-9"], 0));
}

#[test]
fn explain_tells_each_verdict() {
    let shop = malikli();
    for (number, verdict) in [
        (1, "due"),
        (2, "due_in_part"),
        (3, "paid"),
        (4, "not_expired_yet"),
        (6, "fulfilled"),
        (7, "guarded"),
        (8, "cancelled_already"),
        (10, "nothing_reserved"),
    ] {
        check(&format!("explain_{verdict}"), &said(&shop, &["explain", &format!("M-{number}")], 0));
    }
    let mut checkout = shop.session();
    checkout.run("BEGIN; SELECT 1 FROM orders_order WHERE order_number = 'M-1' FOR UPDATE");
    check("explain_locked", &said(&shop, &["explain", "M-1"], 0));
}

#[test]
fn an_order_that_is_set_aside_is_shown_everywhere() {
    let shop = malikli();
    shop.session().run(
        "ALTER TABLE orders_order ADD CONSTRAINT never CHECK (order_number <> 'M-5' OR payment_status <> 'cancelled')",
    );
    check("sweep_set_aside", &said(&shop, &["sweep"], 1));
    check("explain_set_aside", &said(&shop, &["explain", "M-5"], 0));
    check("history_set_aside", &said(&shop, &["history"], 0));
}

#[test]
fn setup_and_profile_check_tell_what_they_found() {
    let shop = Shop::without_setup();
    malikli::load(&mut shop.session());
    check("history_before_setup", &said(&shop, &["history"], 2));
    check("setup", &said(&shop, &["setup"], 0));
    check("setup_again", &said(&shop, &["setup"], 0));
    check("setup_print_grants", &said(&shop, &["setup", "--print-grants", "--role", "sweeper"], 0));
    check("history_before_a_sweep", &said(&shop, &["history"], 0));
    check("profile_check", &said(&shop, &["profile", "check"], 0));
    shop.session().run("DROP INDEX orders_inventoryreservation_expires_at_is_active_idx");
    check("profile_check_without_index", &said(&shop, &["profile", "check"], 0));
}

/// The fields of issue 2, in their order.
const FIELDS: [&str; 18] = [
    "sweep_id",
    "dry_run",
    "profile",
    "database",
    "started_at",
    "finished_at",
    "duration_ms",
    "batches",
    "reservations_released",
    "units_released",
    "stock_rows_updated",
    "orders_cancelled",
    "orders_protected",
    "orders_set_aside",
    "drift_units",
    "oldest_overdue_seconds",
    "remaining_due",
    "changes",
];

/// The names in front of the values of a JSON object, in the order in which they stand in the text.
fn names_in_order(object: &serde_json::Value, text: &str) -> Vec<String> {
    let mut names: Vec<String> = object.as_object().unwrap().keys().cloned().collect();
    names.sort_by_key(|name| text.find(&format!("\"{name}\":")).unwrap());
    names
}

#[test]
fn a_json_report_is_exactly_one_object_with_the_documented_fields_in_their_order() {
    let shop = malikli();
    for (arguments, fields) in [
        (&["sweep", "--format", "json", "--dry-run"] as &[&str], &FIELDS[..17]),
        (&["sweep", "--format", "json", "--dry-run", "-v"], &FIELDS[..]),
        (&["sweep", "--format", "json", "-v"], &FIELDS[..]),
        (&["sweep", "--format", "json"], &FIELDS[..17]),
    ] {
        let ended = shop.run(arguments).expect(0);
        assert_eq!(ended.stdout.lines().count(), 1, "{}", ended.stdout);
        let report = ended.json();
        assert_eq!(names_in_order(&report, &ended.stdout), fields, "{arguments:?}");
        assert!(report["database"].as_str().unwrap().starts_with("postgres://"));
        if let Some(change) = report["changes"].get(0) {
            let change_fields = ["order", "reservation", "stock", "quantity", "overdue_seconds"];
            assert_eq!(names_in_order(change, &change.to_string()).len(), change_fields.len());
            for field in change_fields {
                assert!(change.get(field).is_some(), "a change has no `{field}`: {change}");
            }
        }
    }
}

//! The metrics file: it goes on from sweep to sweep, says what the ledger says, and never gets in the way of a sweep.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of a test may fail it")]

mod place;

use std::io::Write;
use std::process::{Command, Stdio};

use place::{Place, URL, stderr, stdout};
use serde_json::Value;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};
use unreserve_testkit::servers::find_prometheus;

const FILE: &str = "metrics/unreserve.blue.prom";

/// The demo's shop under the name `blue`, already swept once without a metrics file.
fn shop() -> Place {
    let place = Place::new();
    place.file(
        "unreserve.toml",
        "state_dir = \"state\"\n[metrics]\nfile = \"metrics/unreserve.prom\"\n[[shop]]\nname = \"blue\"\ndatabase_url = \"sqlite:blue/shop.db\"\nprofile = \"malikli\"\n",
    );
    let made = place.run(&[], &["demo", "--orders", "40", "--dir", "blue"]);
    assert_eq!(made.status.code(), Some(0), "{}", stderr(&made));
    std::fs::create_dir(place.path().join("metrics")).unwrap();
    place
}

/// Changes the shop's file behind the program's back.
fn change(place: &Place, sql: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let options = SqliteConnectOptions::new().filename(place.path().join("blue").join("shop.db"));
        let mut connection = options.connect().await.unwrap();
        connection.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.unwrap();
        connection.close().await.unwrap();
    });
}

/// Lets so many of the reservations that still hold stock expire, 90 seconds ago.
fn expire(place: &Place, count: u32) {
    change(
        place,
        &format!(
            "UPDATE orders_inventoryreservation SET created_at = strftime('%Y-%m-%d %H:%M:%f', 'now', '-20 minutes') || '000', \
             expires_at = strftime('%Y-%m-%d %H:%M:%f', 'now', '-90 seconds') || '000' WHERE reservation_id IN \
             (SELECT r.reservation_id FROM orders_inventoryreservation r JOIN orders_order o USING (order_id) WHERE r.is_active \
             AND o.payment_status = 'pending' AND r.order_id NOT IN (SELECT order_id FROM orders_payment) LIMIT {count})"
        ),
    );
}

fn sweep(place: &Place, arguments: &[&str], exit: i32) -> String {
    let output = place.run(&[], &[&["sweep"], arguments].concat());
    assert_eq!(output.status.code(), Some(exit), "{}{}", stdout(&output), stderr(&output));
    stderr(&output)
}

fn text(place: &Place) -> String {
    std::fs::read_to_string(place.path().join(FILE)).unwrap()
}

/// The value of one sample, by its name and labels beside the shop, as they are written.
#[track_caller]
fn value(text: &str, name: &str, labels: &str) -> f64 {
    let shop = "shop=\"blue\"";
    let labels = match labels {
        "" => shop.to_owned(),
        bucket if bucket.starts_with("le=") => format!("{bucket},{shop}"),
        labels => format!("{shop},{labels}"),
    };
    let begin = format!("{name}{{{labels}}} ");
    let found = text.lines().find_map(|line| line.strip_prefix(&begin));
    found.unwrap_or_else(|| panic!("no {begin}in {text}")).parse().unwrap()
}

/// What Prometheus' own tool says of a text; nothing where it has nothing to say.
fn judged(text: &str) -> String {
    let promtool = find_prometheus().unwrap().promtool;
    let mut tool = Command::new(promtool);
    tool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = tool.spawn().unwrap();
    running.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = running.wait_with_output().unwrap();
    let said = stdout(&output) + &stderr(&output);
    if output.status.success() { said } else { format!("failed: {said}") }
}

fn newest_sweep(place: &Place) -> Value {
    let output = place.run(&[], &["history", "--limit", "1", "--format", "json"]);
    let history: Value = serde_json::from_str(&stdout(&output)).unwrap();
    history["sweeps"][0].clone()
}

#[test]
fn counters_go_on_from_sweep_to_sweep_and_say_what_the_ledger_says() {
    let place = shop();
    let mut sums = [0.0; 4];
    for (round, expired) in [(1.0, 1), (2.0, 2), (3.0, 0)] {
        expire(&place, expired);
        sweep(&place, &[], 0);
        let (text, newest) = (text(&place), newest_sweep(&place));
        let figures = ["reservations_released", "units_released", "orders_cancelled", "batches"];
        for (sum, figure) in sums.iter_mut().zip(figures) {
            *sum += newest[figure].as_f64().unwrap();
        }
        assert_eq!(value(&text, "unreserve_reservations_released_total", ""), sums[0]);
        assert_eq!(value(&text, "unreserve_units_released_total", ""), sums[1]);
        assert_eq!(value(&text, "unreserve_orders_cancelled_total", ""), sums[2]);
        assert_eq!(value(&text, "unreserve_batches_total", "result=\"committed\""), sums[3]);
        assert_eq!(value(&text, "unreserve_sweeps_total", "result=\"done\""), round);
        assert_eq!(value(&text, "unreserve_sweep_duration_seconds_count", ""), round);
        // Each was released about 90 seconds after its expiry.
        assert_eq!(value(&text, "unreserve_release_lag_seconds_count", ""), sums[0]);
        assert_eq!(value(&text, "unreserve_release_lag_seconds_bucket", "le=\"60.0\""), 0.0);
        assert!(value(&text, "unreserve_release_lag_seconds_sum", "") >= 90.0 * sums[0]);
        assert_eq!(value(&text, "unreserve_overdue_reservations", ""), 0.0);
        assert_eq!(value(&text, "unreserve_interval_seconds", ""), 300.0);
        assert_eq!(judged(&text), "");
    }
    assert_eq!(sums[0], 3.0, "every reservation that expired was released");
    // The tool is one that finds something.
    assert!(judged(&text(&place).replace("_total", "")).contains("counter metrics should have"));
}

#[test]
fn one_order_by_hand_does_not_say_that_the_shop_is_swept() {
    let place = shop();
    sweep(&place, &["--order", "M-1"], 0);
    let one = text(&place);
    assert_eq!(value(&one, "unreserve_sweeps_total", "result=\"done\""), 1.0);
    assert_eq!(value(&one, "unreserve_last_success_timestamp_seconds", ""), 0.0);
    assert_eq!(value(&one, "unreserve_last_attempt_timestamp_seconds", ""), 0.0);
    sweep(&place, &[], 0);
    let whole = value(&text(&place), "unreserve_last_success_timestamp_seconds", "");
    assert!(whole > 0.0);
    sweep(&place, &["--order", "M-1"], 0);
    assert_eq!(value(&text(&place), "unreserve_last_success_timestamp_seconds", ""), whole);
}

#[test]
fn a_failed_sweep_is_counted_and_the_last_good_one_stays() {
    let place = shop();
    sweep(&place, &[], 0);
    let before = text(&place);
    change(&place, "ALTER TABLE orders_order RENAME payment_status TO status_of_payment");
    sweep(&place, &[], 2);
    let after = text(&place);
    let errors = |text: &str| value(text, "unreserve_errors_total", "class=\"settings\"");
    let failed = |text: &str| value(text, "unreserve_sweeps_total", "result=\"failed\"");
    assert_eq!((errors(&before), failed(&before), errors(&after), failed(&after)), (0.0, 0.0, 1.0, 1.0));
    let success = |text: &str| value(text, "unreserve_last_success_timestamp_seconds", "");
    let attempt = |text: &str| value(text, "unreserve_last_attempt_timestamp_seconds", "");
    assert_eq!(success(&before), success(&after));
    assert!(attempt(&after) > attempt(&before) && success(&before) > 1_700_000_000.0);
    assert_eq!(judged(&after), "");
}

#[test]
fn whoever_finds_another_at_work_leaves_the_file_to_it() {
    let place = shop();
    sweep(&place, &[], 0);
    let before = text(&place);
    let entries = std::fs::read_dir(place.path().join("state")).unwrap().map(|entry| entry.unwrap().path());
    let locks: Vec<_> = entries.filter(|path| path.to_string_lossy().contains("sweep-")).collect();
    let [lock] = locks.as_slice() else { panic!("one lock: {locks:?}") };
    let held = std::fs::File::open(lock).unwrap();
    held.lock().unwrap();
    sweep(&place, &[], 75);
    assert_eq!(text(&place), before);
    drop(held);
    sweep(&place, &[], 0);
    assert_ne!(text(&place), before);
}

#[test]
fn a_file_that_cannot_be_written_or_read_changes_nothing_but_the_log() {
    let place = shop();
    let said = sweep(&place, &["--metrics-file", "nowhere/unreserve.prom"], 0);
    assert!(said.contains("cannot write the metrics file") && said.contains("unreserve.blue.prom"), "{said}");
    place.file(FILE, "\u{0}not { ours\n").mode(FILE, 0o600);
    std::fs::write(place.path().join(FILE), [0xff, 0xfe, b'\n']).unwrap();
    let said = sweep(&place, &[], 0);
    assert!(said.contains("so its counters begin at 0"), "{said}");
    assert_eq!(value(&text(&place), "unreserve_sweeps_total", "result=\"done\""), 1.0);
}

#[test]
fn a_database_that_cannot_be_reached_is_counted_and_its_password_is_told_nowhere() {
    let place = Place::new();
    let arguments = ["sweep", "--profile", "malikli", "--state-dir", "state", "--metrics-file", "un.prom"];
    let output = place.run(&[("DATABASE_URL", URL)], &arguments);
    assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
    let text = std::fs::read_to_string(place.path().join("un.prom")).unwrap();
    assert!(text.contains("\nunreserve_errors_total{class=\"disconnected\"} 1\n"), "{text}");
    assert!(text.contains("\nunreserve_last_success_timestamp_seconds 0.0\n"), "{text}");
    assert!(!text.contains("hunter2") && !stderr(&output).contains("hunter2"));
}

#[test]
fn a_dry_run_leaves_no_metrics() {
    let place = shop();
    sweep(&place, &["--dry-run"], 0);
    assert!(!place.path().join(FILE).exists());
    let said = sweep(&place, &["--dry-run", "--metrics-file", "x.prom"], 2);
    assert!(said.contains("'--dry-run' cannot be used with '--metrics-file <FILE>'"), "{said}");
}

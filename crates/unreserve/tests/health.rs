//! `health` on shops in files: what can go wrong there, several shops at once, and the watch.
#![expect(clippy::unwrap_used, reason = "helpers of a test may fail it")]

mod place;

use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use place::{Place, URL, stderr, stdout};
use serde_json::Value;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};
use unreserve_db::Options;
use unreserve_engine::shop::{Answer, Shop};
use unreserve_testkit::shops::{Fault, MariaDbShop, Rules, World};

/// Settings of shops whose files the demo has made.
fn settings(names: &[&str]) -> String {
    let of_one = |name: &&str| {
        format!("[[shop]]\nname = \"{name}\"\ndatabase_url = \"sqlite:{name}/shop.db\"\nprofile = \"malikli\"\n")
    };
    format!("state_dir = \"state\"\n{}", names.iter().map(of_one).collect::<String>())
}

/// Shops that were swept, with the index that a sweep wants and no drift.
fn well(names: &[&str]) -> Place {
    let place = Place::new();
    place.file("unreserve.toml", &settings(names));
    for name in names {
        let made = place.run(&[], &["demo", "--orders", "40", "--dir", name]);
        assert_eq!(made.status.code(), Some(0), "{}", stderr(&made));
        change(
            &place,
            name,
            "CREATE INDEX best ON orders_inventoryreservation (expires_at, reservation_id) WHERE is_active = 1",
        );
        age(&place, name, 8 * 24 * 60);
        assert_eq!(place.run(&[], &["sweep", "--shop", name]).status.code(), Some(0));
    }
    place
}

/// Changes a shop's file behind the program's back.
fn change(place: &Place, name: &str, sql: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let options = SqliteConnectOptions::new().filename(place.path().join(name).join("shop.db"));
        let mut connection = options.connect().await.unwrap();
        connection.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.unwrap();
        connection.close().await.unwrap();
    });
}

/// Makes every sweep older by so many minutes, past the triggers that keep the ledger.
fn age(place: &Place, name: &str, minutes: u32) {
    let by = u64::from(minutes) * 60_000;
    change(
        place,
        name,
        &format!(
            "DROP TRIGGER unreserve_sweep_stays; DROP TRIGGER unreserve_sweep_end_stays;
             UPDATE unreserve_sweep SET started_at = started_at - {by};
             UPDATE unreserve_sweep_end SET finished_at = finished_at - {by};
             CREATE TRIGGER unreserve_sweep_stays BEFORE UPDATE ON unreserve_sweep
             BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
             CREATE TRIGGER unreserve_sweep_end_stays BEFORE UPDATE ON unreserve_sweep_end
             BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;"
        ),
    );
}

fn health(place: &Place, arguments: &[&str]) -> Output {
    place.run(&[], &[&["health", "--format", "json"], arguments].concat())
}

/// The checks of one shop's report that are not ok, as `check status`.
fn not_ok(report: &Value) -> Vec<String> {
    let checks = report["checks"].as_array().unwrap().iter();
    let words =
        checks.map(|check| format!("{} {}", check["check"].as_str().unwrap(), check["status"].as_str().unwrap()));
    words.filter(|words| !words.ends_with(" ok")).collect()
}

#[track_caller]
fn expect(place: &Place, arguments: &[&str], code: i32, found: &[&str]) -> Value {
    let output = health(place, arguments);
    assert_eq!(output.status.code(), Some(code), "{}{}", stdout(&output), stderr(&output));
    let report: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(not_ok(&report), found, "{report}");
    report
}

#[test]
fn each_trouble_of_a_file_is_found_and_goes_away() {
    let place = well(&["blue"]);
    let sql = |sql: &str| change(&place, "blue", sql);
    let report = expect(&place, &[], 0, &[]);
    assert_eq!((report["shop"].as_str(), report["status"].as_str()), (Some("blue"), Some("ok")));

    age(&place, "blue", 11);
    expect(&place, &[], 1, &["last_sweep warning"]);
    age(&place, "blue", 60);
    expect(&place, &[], 2, &["last_sweep critical"]);
    assert_eq!(place.run(&[], &["sweep"]).status.code(), Some(0));
    expect(&place, &[], 0, &[]);

    sql("DROP INDEX best");
    let report = expect(&place, &[], 1, &["index warning"]);
    let checks = report["checks"].as_array().unwrap();
    let index = checks.iter().find(|check| check["check"] == "index").unwrap();
    sql(index["remedy"].as_str().unwrap());
    expect(&place, &[], 0, &[]);

    sql("DROP TRIGGER unreserve_entry_kept");
    expect(&place, &[], 1, &["ledger warning"]);
    assert_eq!(place.run(&[], &["setup"]).status.code(), Some(0));
    expect(&place, &[], 0, &[]);

    sql(
        "DROP TRIGGER unreserve_entry_stays; UPDATE unreserve_entry SET quantity = quantity + 1 WHERE kind = 'release'",
    );
    expect(&place, &[], 2, &["ledger critical"]);
    sql("UPDATE unreserve_entry SET quantity = quantity - 1 WHERE kind = 'release'");
    assert_eq!(place.run(&[], &["setup"]).status.code(), Some(0));
    expect(&place, &[], 0, &[]);

    sql("UPDATE unreserve_lease SET token = 'gone', host = 'elsewhere', heard_at = heard_at - 31000");
    expect(&place, &[], 1, &["lease warning"]);
    assert_eq!(place.run(&[], &["sweep"]).status.code(), Some(0));
    expect(&place, &[], 0, &[]);

    sql("INSERT INTO unreserve_set_aside SELECT 'malikli', 'x', 'X-1', 'its own', 1, 0, 0, 4102444800000");
    expect(&place, &[], 1, &["set_aside warning"]);
    sql("DELETE FROM unreserve_set_aside");

    sql("ALTER TABLE orders_order RENAME COLUMN payment_status TO paid");
    let blind = ["clock", "overdue", "oldest_overdue", "index", "protection"].map(|check| format!("{check} unknown"));
    let found: Vec<&str> = std::iter::once("plan critical").chain(blind.iter().map(String::as_str)).collect();
    expect(&place, &[], 2, &found);
    sql("ALTER TABLE orders_order RENAME COLUMN paid TO payment_status");
    expect(&place, &[], 0, &[]);

    let read_only = "sqlite:blue/shop.db?mode=ro";
    expect(&place, &["--shop", "blue", "--database-url", read_only, "--only", "writable"], 2, &["writable critical"]);
    let gone = ["--shop", "blue", "--database-url", "sqlite:gone.db", "--only", "database,writable"];
    expect(&place, &gone, 2, &["database critical", "writable unknown"]);
}

#[test]
fn several_shops_are_checked_at_once_and_the_worst_counts() {
    let place = well(&["blue", "red"]);
    let report = |arguments: &[&str], code: i32| {
        let output = health(&place, arguments);
        assert_eq!(output.status.code(), Some(code), "{}", stdout(&output));
        serde_json::from_str::<Value>(&stdout(&output)).unwrap()
    };
    let both = report(&[], 0);
    assert_eq!(both["status"], "ok");
    change(&place, "red", "DROP INDEX best");
    std::fs::rename(place.path().join("blue/shop.db"), place.path().join("blue/moved.db")).unwrap();
    let both = report(&[], 2);
    assert_eq!(both["status"], "critical");
    let [blue, red] = both["shops"].as_array().unwrap().as_slice() else { panic!("{both}") };
    assert_eq!((&blue["shop"], &blue["status"]), (&Value::from("blue"), &Value::from("critical")));
    assert_eq!((&red["shop"], not_ok(red)), (&Value::from("red"), vec!["index warning".to_owned()]));
    assert_eq!(report(&["--shop", "red"], 1)["shop"], "red");
    let line = stdout(&place.run(&[], &["health", "--format", "nagios", "--only", "database,index"]));
    assert!(line.starts_with("UNRESERVE CRITICAL - blue CRITICAL: database: "), "{line}");
    assert!(line.contains(" - red WARNING: index: ") && line.contains("'red index'=1;0;;0"), "{line}");
    let text = stdout(&place.run(&[], &["health"]));
    assert!(text.contains("Shop blue\nCRITICAL: ") && text.contains("\nShop red\nWARNING: "), "{text}");
    // Each has a history of its own.
    let history = stdout(&place.run(&[], &["health", "--history"]));
    let (of_blue, of_red) = history.split_once("Shop red\n").unwrap();
    assert!(of_blue.contains("database  critical") && !of_blue.contains("index"), "{history}");
    assert!(of_red.contains("index  warning") && !of_red.contains("database"), "{history}");
}

#[test]
fn a_state_directory_that_takes_nothing_keeps_nobody_from_the_answer() {
    let place = well(&["blue"]);
    place.file("closed", "this is no directory");
    let output = place.run(&[], &["health", "--state-dir", "closed", "--only", "overdue"]);
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    assert!(stderr(&output).contains("this run cannot be kept"), "{}", stderr(&output));
}

#[test]
fn the_password_of_a_database_is_told_nowhere() {
    let place = well(&["blue"]);
    let url = URL.replace("@host/", "@127.0.0.1:1/");
    for format in ["text", "json", "nagios"] {
        let output = place.run(&[("DATABASE_URL", &url)], &["health", "--config", "none.toml", "--format", format]);
        let told = stdout(&output) + &stderr(&output);
        assert!(!told.contains("hunter2"), "{told}");
        let output = place
            .run(&[], &["health", "--shop", "blue", "--database-url", &url, "--format", format, "--only", "database"]);
        let told = stdout(&output) + &stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains("postgres://shop:***@127.0.0.1:1/db") && !told.contains("hunter2"), "{told}");
    }
    for file in std::fs::read_dir(place.path().join("state")).unwrap() {
        let file = file.unwrap();
        let text = std::fs::read_to_string(file.path()).unwrap();
        assert!(!text.contains("hunter2") && !file.file_name().to_string_lossy().contains("hunter2"), "{text}");
    }
}

#[test]
fn a_watch_writes_a_line_each_time_where_nobody_sees_it_repainted() {
    let place = well(&["blue"]);
    let mut watch = Command::new(env!("CARGO_BIN_EXE_unreserve"))
        .env_clear()
        .env("HOME", place.path())
        .current_dir(place.path())
        .args(["health", "--watch", "1s", "--only", "index,overdue"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines().map(Result::unwrap);
    let first = lines.next().unwrap();
    assert!(first.ends_with("Z blue OK: all 2 checks"), "{first}");
    change(&place, "blue", "DROP INDEX best");
    let changed =
        lines.take(5).find(|line| line.contains("Z blue WARNING: index: 1 index that a sweep wants is missing"));
    watch.kill().unwrap();
    watch.wait().unwrap();
    assert!(changed.is_some(), "the watch did not see it");
}

fn opener(url: String, statement_timeout: Duration) -> Answer<'static, Box<dyn Shop>> {
    unreserve_db::open(&url, Options { statement_timeout, ..Options::default() })
}

/// What health finds of a world's shop.
#[track_caller]
fn found(place: &Place, world: &World, code: i32) -> Vec<String> {
    let url = world.shop.url().unwrap();
    let shop = ["--profile", "shop.toml", "--database-url", url.as_str(), "--state-dir", "state"];
    let output = health(place, &shop);
    assert_eq!(output.status.code(), Some(code), "{}{}", stdout(&output), stderr(&output));
    not_ok(&serde_json::from_str(&stdout(&output)).unwrap())
}

#[test]
fn mariadb_is_looked_at_the_same_way() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut world = World::new(|| MariaDbShop::make(opener), Rules::default()).await.unwrap();
        world.add_due_orders(&[("M-1", 1_800), ("M-2", 1_600)]).await.unwrap();
        world.install().await.unwrap();
        let place = Place::new();
        place.file("shop.toml", &world.profile);
        let url = world.shop.url().unwrap();
        let sweep = ["sweep", "--profile", "shop.toml", "--database-url", &url, "--state-dir", "state"];
        assert_eq!(
            found(&place, &world, 2),
            ["oldest_overdue critical", "last_sweep critical", "sweep_duration unknown", "index warning"]
        );
        assert_eq!(place.run(&[], &sweep).status.code(), Some(0));
        assert_eq!(found(&place, &world, 1), ["index warning"]);
        let rename = |from, to| Fault::RenameColumn { table: "orders_inventoryreservation", from, to };
        world.shop.provoke(rename("expires_at", "expires_on")).await.unwrap();
        assert_eq!(found(&place, &world, 2).first().map(String::as_str), Some("plan critical"));
        world.shop.provoke(rename("expires_on", "expires_at")).await.unwrap();
        assert_eq!(found(&place, &world, 1), ["index warning"]);
    });
}

//! `health` on a real PostgreSQL: each cause is provoked for real, is found by its check, and goes away again.

use serde_json::Value;
use unreserve_testkit::servers::{Durability, PostgresServer};

use crate::grants::Role;
use crate::malikli;
use crate::session::Session;
use crate::shop::{Ended, Shop};

/// A shop that is well: it has been swept, and has the index that a sweep wants.
fn well() -> Shop {
    let shop = Shop::new();
    let mut session = shop.session();
    session.run("CREATE INDEX best ON orders_inventoryreservation (expires_at, reservation_id) WHERE is_active");
    shop.fill(&mut session, "a", 3);
    shop.sweep(&[]);
    expect(&shop, &[], 0, &[]);
    shop
}

fn health(shop: &Shop, arguments: &[&str]) -> Ended {
    shop.run(&[&["health", "--format", "json"], arguments].concat())
}

/// Runs health: it ends with this code, these checks have these statuses, and every other is ok. Gives the checks.
#[track_caller]
fn expect(shop: &Shop, arguments: &[&str], code: i32, found: &[(&str, &str)]) -> Vec<Value> {
    judge(&health(shop, arguments).expect(code), found)
}

#[track_caller]
fn judge(ended: &Ended, found: &[(&str, &str)]) -> Vec<Value> {
    let checks = ended.json()["checks"].as_array().unwrap().clone();
    let not_ok: Vec<(&str, &str)> = checks
        .iter()
        .map(|check| (check["check"].as_str().unwrap(), check["status"].as_str().unwrap()))
        .filter(|(_, status)| *status != "ok")
        .collect();
    assert_eq!(not_ok, found, "{}", ended.stdout);
    for check in &checks {
        let well = check["status"] == "ok";
        assert_eq!(check["remedy"].is_null(), well || check["status"] == "unknown", "{check}");
    }
    checks
}

/// What one check says.
fn says(checks: &[Value], name: &str) -> String {
    let check = checks.iter().find(|check| check["check"] == name).unwrap();
    check["says"].as_str().unwrap().to_owned()
}

#[test]
fn sweeps_that_stop_are_missed_and_found_again() {
    let shop = well();
    let mut session = shop.session();
    let age = |session: &mut Session, minutes: u32| {
        session.run(&format!(
            "UPDATE unreserve.sweep_end SET finished_at = now() - interval '{minutes} minutes';
             UPDATE unreserve.sweep SET started_at = now() - interval '{minutes} minutes'"
        ));
    };
    age(&mut session, 11);
    let checks = expect(&shop, &[], 1, &[("last_sweep", "warning")]);
    assert!(says(&checks, "last_sweep").starts_with("a sweep ended well 11m"), "{checks:?}");
    age(&mut session, 26);
    expect(&shop, &[], 2, &[("last_sweep", "critical")]);
    expect(&shop, &["--interval", "30m"], 0, &[]);
    // What waits meanwhile is told as well, against the threshold that was asked for.
    shop.fill(&mut session, "b", 3);
    let waiting = [("oldest_overdue", "critical"), ("last_sweep", "critical")];
    expect(&shop, &[], 2, &waiting);
    expect(&shop, &["--alert-threshold", "2", "--only", "overdue"], 1, &[("overdue", "warning")]);
    shop.sweep(&[]);
    expect(&shop, &["--alert-threshold", "2"], 0, &[]);

    let history = shop.run(&["health", "--history", "--format", "json"]).expect(0).json();
    let episodes = history["episodes"].as_array().unwrap();
    let told: Vec<(&str, &str, bool)> = episodes
        .iter()
        .map(|one| (one["check"].as_str().unwrap(), one["status"].as_str().unwrap(), one["ended_at"].is_string()))
        .collect();
    for expected in
        [("last_sweep", "critical", true), ("oldest_overdue", "critical", true), ("overdue", "warning", true)]
    {
        assert!(told.contains(&expected), "{told:?}");
    }
    assert_eq!(history["runs"], 7, "every run is kept");
}

#[test]
fn a_row_that_the_shop_keeps_locked_is_told_by_what_waits_for_it() {
    let shop = well();
    let mut session = shop.session();
    shop.fill(&mut session, "b", 2);
    let mut checkout = shop.session();
    checkout.run("BEGIN; SELECT 1 FROM orders_order WHERE order_number = 'b-1' FOR UPDATE");
    shop.sweep(&[]);
    let checks = expect(&shop, &[], 2, &[("oldest_overdue", "critical")]);
    assert_eq!(says(&checks, "overdue"), "1 order is due");
    checkout.run("ROLLBACK");
    shop.sweep(&[]);
    expect(&shop, &[], 0, &[]);
}

#[test]
fn a_dropped_index_and_a_dropped_foreign_key_are_told_with_their_remedies() {
    let shop = well();
    let mut session = shop.session();
    session.run("DROP INDEX best");
    let checks = expect(&shop, &[], 1, &[("index", "warning")]);
    let index = checks.iter().find(|check| check["check"] == "index").unwrap();
    // The remedy is the very statement.
    session.run(index["remedy"].as_str().unwrap());
    expect(&shop, &[], 0, &[]);
    session.run("ALTER TABLE orders_payment DROP CONSTRAINT orders_payment_order_id_fkey");
    let checks = expect(&shop, &[], 1, &[("protection", "warning")]);
    assert!(says(&checks, "protection").contains("`orders_payment.order_id` has no foreign key"), "{checks:?}");
    session.run("ALTER TABLE orders_payment ADD FOREIGN KEY (order_id) REFERENCES orders_order");
    expect(&shop, &[], 0, &[]);
}

#[test]
fn a_holder_that_died_is_told_until_the_next_sweep_has_taken_over() {
    let shop = well();
    let mut session = shop.session();
    session.run(
        "UPDATE unreserve.lease SET token = 'gone', host = 'elsewhere', process_id = 7, lock_file = '/x',
                backend_pid = 2147483647, heard_at = clock_timestamp() WHERE profile = 'malikli'",
    );
    let checks = expect(&shop, &[], 1, &[("lease", "warning")]);
    assert!(says(&checks, "lease").starts_with("process 7 on elsewhere holds the lease and its connection is gone"));
    session.run("UPDATE unreserve.lease SET backend_pid = NULL, heard_at = now() - interval '1 minute'");
    let checks = expect(&shop, &[], 1, &[("lease", "warning")]);
    assert!(says(&checks, "lease").contains("was not heard of for 1m"), "{checks:?}");
    shop.sweep(&[]);
    expect(&shop, &[], 0, &[]);
}

#[test]
fn a_daemon_that_was_killed_is_told_until_it_is_started_again() {
    let shop = well();
    let alive = |says_so: &str| {
        let seen = health(&shop, &["--only", "daemon"]);
        let checks = seen.json()["checks"].clone();
        checks[0]["says"].as_str().unwrap().starts_with(says_so)
    };
    let wait = |what: &str, says_so: &str| {
        crate::wait::until(what, std::time::Duration::from_secs(20), || alive(says_so));
    };
    let daemon = shop.start("state", &["daemon"]);
    wait("the daemon lives", "the daemon lives: ");
    expect(&shop, &[], 0, &[]);
    daemon.kill();
    let checks = expect(&shop, &["--only", "daemon"], 1, &[("daemon", "warning")]);
    assert!(says(&checks, "daemon").starts_with("the daemon of this machine is gone"), "{checks:?}");
    // Another machine, with a state directory of its own, is told by the database.
    let command =
        |arguments: &[&str]| Ended::new(&shop.command_in("elsewhere", &shop.url(), arguments).output().unwrap());
    let ended = command(&["health", "--format", "json", "--only", "daemon"]).expect(1);
    assert!(ended.stdout.contains("was on duty, and was last heard of"), "{}", ended.stdout);
    let daemon = shop.start("state", &["daemon"]);
    wait("the daemon lives again", "the daemon lives: ");
    crate::wait::until("the other machine sees it", std::time::Duration::from_secs(20), || {
        command(&["health", "--only", "daemon"]).stdout.contains("is on duty")
    });
    daemon.signal("TERM");
    Ended::new(&daemon.output()).expect(0);
    expect(&shop, &["--only", "daemon"], 0, &[]);
}

#[test]
fn another_schema_is_critical_and_what_does_not_need_it_is_still_told() {
    let shop = well();
    let mut session = shop.session();
    session.run("ALTER TABLE orders_inventoryreservation RENAME expires_at TO expires_on");
    let blind = ["clock", "overdue", "oldest_overdue", "index", "protection"].map(|check| (check, "unknown"));
    let found = [&[("plan", "critical")], blind.as_slice()].concat();
    let checks = expect(&shop, &[], 2, &found);
    assert!(says(&checks, "plan").contains("column `orders_inventoryreservation.expires_at`"), "{checks:?}");
    assert_eq!(says(&checks, "overdue"), "not known: the profile does not fit");
    expect(&shop, &["--only", "overdue"], 3, &[("overdue", "unknown")]);
    session.run("ALTER TABLE orders_inventoryreservation RENAME expires_on TO expires_at");
    expect(&shop, &[], 0, &[]);
}

#[test]
fn orders_set_aside_and_drift_are_counted() {
    let shop = well();
    let mut session = shop.session();
    session.run(
        "ALTER TABLE orders_order ADD CONSTRAINT never CHECK (order_number <> 'b-1' OR payment_status <> 'cancelled') NOT VALID",
    );
    shop.fill(&mut session, "b", 2);
    shop.run(&["sweep"]).expect(1);
    let checks = expect(&shop, &[], 1, &[("set_aside", "warning")]);
    assert!(says(&checks, "set_aside").starts_with("1 order is set aside"), "{checks:?}");
    session.run(
        "ALTER TABLE orders_order DROP CONSTRAINT never;
         UPDATE unreserve.set_aside SET retry_at = now();
         UPDATE products_productvariant SET reserved_quantity = 0",
    );
    shop.sweep(&[]);
    let checks = expect(&shop, &[], 1, &[("drift", "warning")]);
    assert!(says(&checks, "drift").starts_with("counters lacked "), "{checks:?}");
    session.run(
        "UPDATE unreserve.sweep SET started_at = started_at - interval '8 days' WHERE sweep_id IN
                     (SELECT sweep_id FROM unreserve.batch WHERE drift > 0)",
    );
    expect(&shop, &[], 0, &[]);
}

#[test]
fn a_ledger_that_was_changed_or_is_not_there_is_critical() {
    let shop = well();
    let mut session = shop.session();
    session.run("UPDATE unreserve.batch SET units = units + 1");
    let checks = expect(&shop, &[], 2, &[("ledger", "critical")]);
    assert!(says(&checks, "ledger").contains("1 have other sums than their entries"), "{checks:?}");
    session.run("UPDATE unreserve.batch SET units = units - 1");
    expect(&shop, &[], 0, &[]);
    session.run("ALTER SCHEMA unreserve RENAME TO hidden");
    let blind =
        ["last_sweep", "sweep_duration", "lease", "daemon", "set_aside", "drift"].map(|check| (check, "unknown"));
    let found = [blind.as_slice(), &[("ledger", "critical")]].concat();
    let checks = expect(&shop, &[], 2, &found);
    assert!(says(&checks, "ledger").starts_with("the ledger's tables are not there"), "{checks:?}");
    session.run("ALTER SCHEMA hidden RENAME TO unreserve");
    expect(&shop, &[], 0, &[]);
}

#[test]
fn a_role_is_told_what_it_may_do_to_the_ledger_and_that_it_may_not_write() {
    let shop = well();
    let mut session = shop.session();
    let role = Role::new(&shop, "");
    let grants = shop.run(&["setup", "--print-grants", "--role", &role.name]).expect(0).stdout;
    session.run(&grants);
    let as_role = || {
        let mut command = shop.command_in("state", &shop.url_as(&role.name), &["health", "--format", "json"]);
        Ended::new(&command.output().unwrap())
    };
    let checks = judge(&as_role().expect(0), &[]);
    assert!(says(&checks, "ledger").ends_with("nothing in it can be changed or deleted"), "{checks:?}");
    session.run(&format!("GRANT UPDATE (units) ON unreserve.batch TO {}", role.name));
    let checks = judge(&as_role().expect(1), &[("ledger", "warning")]);
    assert!(says(&checks, "ledger").ends_with("change or delete rows of: batch"), "{checks:?}");
    session.run(&format!("REVOKE UPDATE (units) ON unreserve.batch FROM {}", role.name));
    session.run(&format!("ALTER ROLE {} SET default_transaction_read_only = on", role.name));
    judge(&as_role().expect(2), &[("writable", "critical")]);
    session.run(&format!("ALTER ROLE {} RESET default_transaction_read_only", role.name));
    judge(&as_role().expect(0), &[]);
}

#[test]
fn a_clock_that_does_not_fit_is_critical() {
    let shop = well();
    let mut session = shop.session();
    shop.fill(&mut session, "b", 3);
    session.run("UPDATE orders_inventoryreservation SET created_at = created_at + interval '9 hours' WHERE is_active");
    let checks = expect(&shop, &["--only", "clock"], 2, &[("clock", "critical")]);
    assert!(says(&checks, "clock").contains("s after the database's now"), "{checks:?}");
    session.run("UPDATE orders_inventoryreservation SET created_at = created_at - interval '9 hours' WHERE is_active");
    expect(&shop, &["--only", "clock"], 0, &[]);
}

#[test]
fn a_server_that_is_stopped_is_critical_and_is_no_error_page() {
    let server = PostgresServer::start(Durability::Fast).unwrap();
    let shop = Shop::without_tables();
    let run = |url: &str, arguments: &[&str]| Ended::new(&shop.command_in("state", url, arguments).output().unwrap());
    let url = server.url("postgres");
    let found = run(&url, &["health", "--format", "json", "--only", "database"]).expect(0);
    judge(&found, &[]);
    // A server that hangs is given up after ten seconds.
    let signal = |name: &str| {
        let sent = std::process::Command::new("kill").arg(name).arg(server.pid().to_string()).status().unwrap();
        assert!(sent.success());
    };
    signal("-STOP");
    let hanging = run(&url, &["health", "--format", "json", "--only", "database"]);
    signal("-CONT");
    let checks = judge(&hanging.expect(2), &[("database", "critical")]);
    assert!(says(&checks, "database").contains("10 s"), "{checks:?}");
    judge(&run(&url, &["health", "--format", "json", "--only", "database"]).expect(0), &[]);
    server.stop();
    let ended = run(&url, &["health", "--format", "json"]).expect(2);
    let checks = ended.json()["checks"].as_array().unwrap().clone();
    for check in &checks {
        let expected = match check["check"].as_str().unwrap() {
            "database" => "critical",
            _ => "unknown",
        };
        assert_eq!(check["status"], expected, "{check}");
    }
    assert_eq!(ended.stderr, "");
    let line = run(&url, &["health", "--format", "nagios"]).expect(2).stdout;
    assert!(line.starts_with("UNRESERVE CRITICAL - database: cannot use the database postgres://"), "{line}");
    assert_eq!((line.lines().count(), line.contains('|')), (1, false), "{line}");
}

const FILTERS: &[(&str, &str)] = &[
    (r"\b\d+ ms", "[MS] ms"),
    (r"=\d+ms", "=[MS]ms"),
    (r"PostgreSQL \d[\d.]*( \([^)]*\))?", "[PRODUCT]"),
    (r"ended well \d+s ago", "ended well [AGO] ago"),
    (r#""figure":\d+,"unit":"(ms|s)""#, r#""figure":[FIGURE],"unit":"$1""#),
    (r#"("name":"(mean|p50|max)","figure":)\d+"#, "${1}[FIGURE]"),
    (r"'last_sweep'=\d+s", "'last_sweep'=[S]s"),
    (r"\d+h\d+m\d+s", "[TIME]"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "[TIME..............]"),
    (r"'oldest_overdue'=\d+s", "'oldest_overdue'=[S]s"),
    (r"\(\d{4} s,", "([S] s,"),
];

#[track_caller]
fn snapshot(name: &str, said: &str) {
    insta::with_settings!({ filters => FILTERS.iter().copied(), prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(name, said);
    });
}

#[test]
fn every_format_of_a_shop_that_is_well_and_of_one_that_is_not() {
    let shop = well();
    for format in ["text", "json", "nagios"] {
        snapshot(&format!("health_well_{format}"), &shop.run(&["health", "--format", format]).expect(0).stdout);
    }
    let shop = Shop::new();
    malikli::load(&mut shop.session());
    shop.sweep(&[]);
    shop.session().run("UPDATE unreserve.sweep_end SET finished_at = now() - interval '2 hours 3 minutes 4 seconds'");
    for format in ["text", "json", "nagios"] {
        snapshot(&format!("health_bad_{format}"), &shop.run(&["health", "--format", format]).expect(2).stdout);
    }
    snapshot("health_history", &shop.run(&["health", "--history"]).expect(0).stdout);
}

#[test]
fn wrong_usage_is_unknown_and_a_plugin_says_so_on_stdout() {
    let shop = Shop::without_tables();
    for arguments in [
        &["health", "--only", "nonsense"] as &[&str],
        &["health", "--alert-threshold", "0"],
        &["health", "--watch", "2h"],
        &["health", "--history", "--watch", "5s"],
        &["--log-level", "warn", "health", "--nonsense"],
    ] {
        let ended = shop.run(arguments).expect(3);
        assert!(ended.stderr.starts_with("error: ") && ended.stdout.is_empty(), "{arguments:?} {}", ended.stderr);
    }
    shop.run(&["health", "--history", "--format", "nagios"]).expect(3);
    let mut command = shop.bare("", &["health", "--format", "nagios", "--state-dir", "state"]);
    let ended = Ended::new(&command.env_remove("DATABASE_URL").output().unwrap()).expect(3);
    assert_eq!(ended.stdout, "UNRESERVE UNKNOWN - no database is set\n");
    let mut command =
        shop.bare(&shop.url(), &["health", "--format", "nagios", "--profile", "no/such.toml", "--state-dir", "state"]);
    let ended = Ended::new(&command.output().unwrap()).expect(2);
    assert!(
        ended.stdout.starts_with("UNRESERVE CRITICAL - plan: cannot read profile `no/such.toml`"),
        "{}",
        ended.stdout
    );
}

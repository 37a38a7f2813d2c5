//! A role with the printed grants and no more; and a password that is shown nowhere.

use std::fs;
use std::path::Path;
use std::time::Duration;

use unreserve_testkit::servers::PASSWORD_USERS;

use crate::session::Session;
use crate::shop::{Ended, Shop};
use crate::wait::Running;
use crate::{audit, wait};

/// A role of one test; roles belong to the whole server, so it is dropped in the end.
pub(crate) struct Role {
    pub(crate) name: String,
    url: String,
}

impl Role {
    /// A role that may log in, with `options` such as a password.
    pub(crate) fn new(shop: &Shop, options: &str) -> Self {
        let name = format!("role_{}", shop.name());
        shop.session().run(&format!("CREATE ROLE {name} LOGIN {options}"));
        Self { name, url: shop.url() }
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        let mut session = Session::open(&self.url);
        drop(session.attempt(&format!("DROP OWNED BY {}", self.name)));
        drop(session.attempt(&format!("DROP ROLE {}", self.name)));
    }
}

/// Runs the program as a role.
fn run_as(shop: &Shop, role: &str, arguments: &[&str]) -> Ended {
    Ended::new(&shop.command_in("state", &shop.url_as(role), arguments).output().unwrap())
}

/// Applies what `setup --print-grants` prints for this role.
fn grant(shop: &Shop, role: &str) {
    let grants = shop.run(&["setup", "--print-grants", "--role", role]).expect(0).stdout;
    shop.session().run(&grants);
}

#[test]
fn the_printed_grants_are_enough_for_every_command_and_leave_the_ledger_append_only() {
    let shop = Shop::new();
    let mut session = shop.session();
    let role = Role::new(&shop, "");
    shop.fill(&mut session, "a", 5);
    grant(&shop, &role.name);
    for arguments in [
        &["profile", "check"] as &[&str],
        &["sweep", "--dry-run"],
        &["explain", "a-1"],
        &["sweep", "-v"],
        &["explain", "a-1"],
        &["history"],
        &["sweep"],
        &["report", "--format", "html"],
    ] {
        run_as(&shop, &role.name, arguments).expect(0);
    }
    // Nothing that the report reads is missing for want of a right.
    let told = run_as(&shop, &role.name, &["report", "--format", "json"]).expect(0).json();
    assert_eq!(told["shop"]["unknown"], serde_json::json!([]));
    assert_eq!(told["shop"]["cancelled_value"][0]["orders"], 5);
    shop.fill(&mut session, "b", 5);
    let mut daemon = shop.command_in("state", &shop.url_as(&role.name), &["daemon"]);
    let daemon = Running::start(&mut daemon);
    wait::until("the daemon has released", Duration::from_secs(30), || audit::due(&mut session) == 0);
    daemon.signal("TERM");
    let daemon = Ended::new(&daemon.output()).expect(0);
    assert!(!daemon.stderr.contains("\"warn\"") && !daemon.stderr.contains("\"error\""), "{}", daemon.stderr);
    audit::all_holds(&mut session);

    let mut theirs = Session::open(&shop.url_as(&role.name));
    for statement in [
        "UPDATE unreserve.entry SET quantity = 0",
        "DELETE FROM unreserve.entry",
        "TRUNCATE unreserve.entry",
        "UPDATE unreserve.batch SET units = 0",
        "DELETE FROM unreserve.batch",
        "DELETE FROM unreserve.sweep",
        "UPDATE unreserve.sweep_end SET ending = 'done'",
        "DELETE FROM unreserve.meta",
        "UPDATE orders_order SET order_number = 'x'",
        "DELETE FROM orders_order",
        "INSERT INTO orders_payment (order_id, status) SELECT order_id, 'succeeded' FROM orders_order",
        "UPDATE products_productvariant SET stock_quantity = 0",
        "UPDATE orders_inventoryreservation SET quantity = 1",
        "CREATE TABLE unreserve.more (id int)",
    ] {
        let error = theirs.attempt(statement).expect_err(statement);
        assert!(error.starts_with("42501"), "{statement}: {error}");
    }
}

#[test]
fn an_order_that_fails_is_set_aside_by_a_role_with_nothing_but_the_printed_grants() {
    let shop = Shop::new();
    let mut session = shop.session();
    let role = Role::new(&shop, "");
    shop.fill(&mut session, "a", 5);
    grant(&shop, &role.name);
    session.run("ALTER TABLE orders_order ADD CHECK (order_number <> 'a-3' OR payment_status <> 'cancelled')");
    let report = run_as(&shop, &role.name, &["sweep", "--format", "json"]).expect(1).json();
    assert_eq!(report["orders_cancelled"], 4);
    assert_eq!(report["orders_set_aside"], 1);
    let explained = run_as(&shop, &role.name, &["explain", "a-3"]).expect(0).stdout;
    assert!(explained.contains("Set aside until"), "{explained}");
    // Asked for by name it is tried at once, and then it is not set aside any more.
    session.run("ALTER TABLE orders_order DROP CONSTRAINT orders_order_check");
    let report = run_as(&shop, &role.name, &["sweep", "--order", "a-3", "--format", "json"]).expect(0).json();
    assert_eq!(report["orders_cancelled"], 1);
    assert_eq!(session.number("SELECT count(*)::text FROM unreserve.set_aside"), 0);
    audit::all_holds(&mut session);
}

#[test]
fn without_the_grants_a_role_is_told_what_to_do_and_writes_nothing() {
    let shop = Shop::new();
    let role = Role::new(&shop, "");
    shop.fill(&mut shop.session(), "a", 5);
    let check = |arguments: &[&str]| {
        let before = shop.dump();
        let ended = run_as(&shop, &role.name, arguments).expect(2);
        let told = ["permission denied", "this role may not use them"].iter().any(|text| ended.stderr.contains(text));
        assert!(told, "{}", ended.stderr);
        assert!(ended.stderr.contains("`unreserve setup --print-grants`"), "{}", ended.stderr);
        assert_eq!(ended.stdout, "");
        shop.expect_unchanged(&before);
    };
    check(&["sweep"]);
    check(&["sweep", "--dry-run"]);
    check(&["explain", "a-1"]);
    check(&["history"]);
    // One right missing of all.
    for (right, schema, table) in [
        ("UPDATE (payment_status, order_status, updated_at)", "public", "orders_order"),
        ("UPDATE (reserved_quantity, updated_at)", "public", "drops_dropproduct"),
        ("UPDATE (is_active, cancelled_at)", "public", "orders_inventoryreservation"),
        ("SELECT", "public", "orders_payment"),
        ("INSERT", "unreserve", "entry"),
        ("INSERT", "unreserve", "sweep"),
        ("UPDATE", "unreserve", "lease"),
    ] {
        grant(&shop, &role.name);
        shop.session().run(&format!("REVOKE {right} ON {schema}.{table} FROM {}", role.name));
        let ended = run_as(&shop, &role.name, &["sweep"]).expect(2);
        let denied = format!("permission denied for table {table} ");
        assert!(ended.stderr.contains(&denied), "without {right} on {table}: {}", ended.stderr);
        assert_eq!(audit::due(&mut shop.session()), 5, "without {right} on {table}");
        audit::all_holds(&mut shop.session());
    }
}

const PASSWORD: &str = "Zk7-tulip-41";

/// Every file below a directory, as one text.
fn files(directory: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        text += &path.display().to_string();
        text +=
            &if path.is_dir() { files(&path) } else { String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned() };
    }
    text
}

#[test]
fn a_password_is_never_shown_or_kept_whatever_is_logged() {
    let shop = Shop::new();
    let mut session = shop.session();
    let role = Role::new(&shop, &format!("PASSWORD '{PASSWORD}' IN ROLE {PASSWORD_USERS}"));
    grant(&shop, &role.name);
    shop.fill(&mut session, "a", 5);
    let login = format!("{}:{PASSWORD}", role.name);
    let mut seen = String::new();
    let trace = ["--log-level", "trace", "--log-file", "run.log"];
    for arguments in [
        &["sweep", "-v", "--dry-run"] as &[&str],
        &["sweep", "-v", "--format", "json"],
        &["sweep", "--quiet"],
        &["history"],
        &["history", "--format", "json"],
        &["explain", "a-1"],
        &["setup", "--print-sql"],
        &["setup", "--print-grants"],
        &["profile", "check"],
        &["profile", "list"],
        &["profile", "show", "malikli"],
        &["settings", "show"],
        &["settings", "show", "--origin", "--format", "json"],
        &["settings", "reference"],
        &["demo", "--orders", "20"],
        &["completions", "bash"],
        &["man"],
    ] {
        let to_file = run_as(&shop, &login, &[arguments, &trace].concat()).expect(0);
        let to_stderr = run_as(&shop, &login, &[arguments, &trace[..2]].concat()).expect(0);
        for ended in [to_file, to_stderr] {
            seen = seen + &ended.stdout + &ended.stderr;
        }
    }
    // Creating tables is more than this role may.
    let refused = run_as(&shop, &login, &["setup", "--log-level", "trace"]).expect(2);
    seen = seen + &refused.stdout + &refused.stderr;
    assert!(seen.contains(&format!("{}:***@", role.name)), "the address is not shown with its mask");
    // What `ps` shows, while it runs.
    shop.fill(&mut session, "b", 1);
    let mut holding = shop.session();
    holding.run("BEGIN; SELECT 1 FROM products_productvariant FOR UPDATE");
    let mut command = shop.command_in("state", &shop.url_as(&login), &["sweep"]);
    let running = wait::Running::start(&mut command);
    wait::until("it is connected", Duration::from_secs(10), || {
        session.number(&format!("SELECT count(*)::text FROM pg_stat_activity WHERE usename = '{}'", role.name)) > 0
    });
    let shown = fs::read(format!("/proc/{}/cmdline", running.id())).unwrap();
    seen += &String::from_utf8(shown).unwrap();
    seen += &session.texts("SELECT query || application_name FROM pg_stat_activity").join("\n");
    holding.run("COMMIT");
    let ended = Ended::new(&running.output()).expect(0);
    seen = seen + &ended.stdout + &ended.stderr + &shop.dump().join("\n") + &files(shop.path());
    assert!(seen.contains("sweep done"), "no log was seen");
    let shown: Vec<&str> = seen.lines().filter(|line| line.contains(PASSWORD)).collect();
    assert_eq!(shown, Vec::<&str>::new());
}

#[test]
fn a_wrong_password_is_refused_with_exit_2_and_not_repeated() {
    let shop = Shop::new();
    let role = Role::new(&shop, &format!("PASSWORD '{PASSWORD}' IN ROLE {PASSWORD_USERS}"));
    for login in [format!("{}:wrong-{PASSWORD}", role.name), role.name.clone()] {
        for arguments in [&["sweep"] as &[&str], &["setup"], &["history"], &["profile", "check"]] {
            let before = shop.dump();
            let all = [arguments, &["--log-level", "trace"]].concat();
            let ended = run_as(&shop, &login, &all).expect(2);
            assert!(ended.stderr.contains("cannot use the database"), "{}", ended.stderr);
            assert!(ended.stderr.contains("check the user name and the password"), "{}", ended.stderr);
            assert!(!ended.stderr.contains(PASSWORD), "{}", ended.stderr);
            assert_eq!(ended.stdout, "");
            shop.expect_unchanged(&before);
        }
    }
}

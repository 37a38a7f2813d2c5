//! Wrong input of every kind: a clear error with its place and remedy, the documented exit code, and nothing written.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use crate::shop::{Ended, Shop};

/// The profile that the tests change.
pub(crate) const PROFILE: &str = include_str!("../../../../profiles/malikli.toml");

/// Runs the program: this code, all of these on stderr, nothing on stdout, nothing written.
#[track_caller]
pub(crate) fn check(shop: &Shop, command: &mut Command, code: i32, says: &[&str]) {
    let before = shop.dump();
    let ended = Ended::new(&command.output().unwrap()).expect(code);
    for text in says {
        assert!(ended.stderr.contains(text), "`{text}` is not in:\n{}", ended.stderr);
    }
    assert!(ended.stderr.starts_with("error: "), "{}", ended.stderr);
    assert!(!ended.stderr.contains("panicked") && !ended.stderr.contains("hunter2"), "{}", ended.stderr);
    assert_eq!(ended.stdout, "", "an error has no result");
    shop.expect_unchanged(&before);
}

/// A shop in which five orders are due.
pub(crate) fn shop_with_due_orders() -> Shop {
    let shop = Shop::new();
    shop.fill(&mut shop.session(), "a", 5);
    shop
}

#[test]
fn an_address_that_cannot_be_used_is_told_without_its_password() {
    let shop = shop_with_due_orders();
    let port = shop.url().rsplit_once(':').unwrap().1.split_once('/').unwrap().0.to_owned();
    let other_database = format!("postgres://postgres:hunter2@127.0.0.1:{port}/no_such_shop");
    let rows: [(&str, i32, &[&str]); 7] = [
        (
            "oracle://shop:hunter2@host/db",
            2,
            &["begins with `oracle:`, which is no database that is known here", "hint: write it as `postgres://"],
        ),
        ("shop:hunter2@host/db", 2, &["hint: write it as `postgres://"]),
        (
            "postgres://shop:hunter2@127.0.0.1:1/db",
            4,
            &["cannot use the database postgres://shop:***@127.0.0.1:1/db", "refused", "is the server running"],
        ),
        (
            "postgres://shop:hunter2@127.0.0.1:99999/db",
            2,
            &["the database address is not valid", "hint: check the database address"],
        ),
        ("postgres://shop:hunter2@[::1/db", 2, &["the database address is not valid"]),
        ("postgres://shop:hunter2@127.0.0.1:1/db?sslmode=perhaps", 2, &["the database address is not valid"]),
        (
            &other_database,
            2,
            &["database \"no_such_shop\" does not exist", "hint: check the database's name in the address"],
        ),
    ];
    for (url, code, says) in rows {
        for command in [&["sweep"] as &[&str], &["sweep", "--dry-run"], &["setup"], &["history"], &["profile", "check"]]
        {
            eprintln!("{url} {command:?}");
            check(&shop, &mut shop.command_in("state", url, command), code, says);
        }
    }
}

#[test]
fn a_server_that_says_nothing_is_given_up_after_the_connect_timeout() {
    let shop = Shop::without_tables();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://shop:hunter2@{}/db", silent.local_addr().unwrap());
    let says = ["no answer from the database within 10 s", "is the server running"];
    check(&shop, &mut shop.command_in("state", &url, &["sweep"]), 4, &says);
}

#[test]
fn what_is_missing_from_the_command_line_is_told() {
    let shop = shop_with_due_orders();
    let no_url = |arguments: &[&str]| {
        let mut command = shop.bare("", arguments);
        command.env_remove("DATABASE_URL");
        command
    };
    check(&shop, &mut no_url(&["sweep", "--profile", "malikli"]), 2, &["no database is set", "hint: set DATABASE_URL"]);
    check(&shop, &mut shop.bare(&shop.url(), &["sweep"]), 2, &["no profile is set", "hint: set `profile`"]);
    check(
        &shop,
        &mut shop.bare(&shop.url(), &["sweep", "--profile", "malikly"]),
        2,
        &["did you mean the shipped profile `malikli`?"],
    );
    check(
        &shop,
        &mut shop.command(&["sweep", "--batch-size", "0"]),
        2,
        &["--batch-size: 0 is too small, at least 1 is needed"],
    );
    check(&shop, &mut shop.command(&["sweep", "--order", "nobody"]), 2, &["there is no order `nobody`"]);
    check(&shop, &mut shop.command(&["explain", "nobody"]), 2, &["there is no order `nobody`"]);
    check(&shop, &mut shop.command(&["history", "show", "0000"]), 2, &["the ledger has no sweep `0000`"]);
    check(&shop, &mut shop.command(&["history", "show", "nobody%"]), 2, &["the ledger has no sweep `nobody%`"]);
}

/// Writes a profile that nobody else can write, and checks what a sweep with it says.
#[track_caller]
fn check_profile(shop: &Shop, from: &str, to: &str, says: &[&str]) {
    assert!(PROFILE.contains(from), "the shipped profile has no `{from}`");
    fs::write(shop.path().join("shop.toml"), PROFILE.replacen(from, to, 1)).unwrap();
    for arguments in [&["sweep"] as &[&str], &["sweep", "--dry-run"], &["profile", "check"]] {
        let all = [arguments, &["--profile", "shop.toml", "--state-dir", "state"]].concat();
        check(shop, &mut shop.bare(&shop.url(), &all), 2, says);
    }
}

#[test]
fn a_slip_in_a_profile_is_shown_at_its_line_with_what_was_meant() {
    let shop = shop_with_due_orders();
    check_profile(&shop, "unpaid = ", "unpayd = ", &["shop.toml:", "unpayd", "unpaid"]);
    check_profile(&shop, "[reservation]", "[reservations]", &["shop.toml:", "reservations"]);
    let text_on_number = "active = { is_active = true, quantity = \"yes\" }";
    check_profile(
        &shop,
        "active = { is_active = true }",
        text_on_number,
        &["shop.toml:", "`orders_inventoryreservation.quantity` has type `integer`", "cannot hold"],
    );
    check_profile(
        &shop,
        "status = [\"succeeded\"]",
        "status = [1]",
        &["shop.toml:", "`orders_payment.status` has type `character varying(50)`", "cannot hold"],
    );
    check_profile(
        &shop,
        "key = \"order_id\"",
        "key = \"order_idd\"",
        &[
            "shop.toml:",
            "column `orders_order.order_idd`",
            "does not exist",
            "the table has `order_id`; did you mean that?",
        ],
    );
    check_profile(&shop, "updated_at = \"$now\" }", "updated_at = \"$nou\" }", &["shop.toml:", "$nou"]);
    check_profile(&shop, "name = \"malikli\"", "name = \"malikli", &["shop.toml:6"]);
}

#[test]
fn a_slip_in_a_settings_file_is_shown_at_its_line() {
    let shop = shop_with_due_orders();
    let check_settings = |text: &str, mode: u32, says: &[&str]| {
        let path = shop.path().join("unreserve.toml");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        check(&shop, &mut shop.command(&["sweep"]), 2, says);
    };
    check_settings("profile = \"malikli\"\nmax_order = 3\n", 0o600, &["unreserve.toml:2", "max_order", "max_orders"]);
    check_settings("batch_size = 0\n", 0o600, &["unreserve.toml:1: batch_size: 0 is too small, at least 1 is needed"]);
    let with_password = "database_url = \"postgres://shop:hunter2@host/db\"\n";
    check_settings(
        with_password,
        0o644,
        &["`unreserve.toml` holds a password and can be read by everyone", "hint: run `chmod 600 unreserve.toml`"],
    );
}

#[test]
fn more_than_the_bound_stops_before_the_first_write_and_says_how_to_allow_it() {
    let shop = shop_with_due_orders();
    for arguments in [&["sweep", "--max-orders", "3"] as &[&str], &["sweep", "--max-orders", "4", "--format", "json"]] {
        let says = [
            "5 orders are due, more than the",
            "nothing was written",
            "unreserve sweep --dry-run --max-orders 5",
            "unreserve sweep --max-orders 5",
        ];
        check(&shop, &mut shop.command(arguments), 1, &says);
    }
    shop.run(&["sweep", "--max-orders", "5"]).expect(0);
}

#[test]
fn a_sweep_before_setup_says_so_and_a_dry_run_needs_none() {
    let shop = Shop::without_setup();
    shop.fill(&mut shop.session(), "a", 5);
    let says =
        ["the ledger's tables are not ready in this database: they do not exist", "hint: run `unreserve setup` once"];
    check(&shop, &mut shop.command(&["sweep"]), 2, &says);
    check(&shop, &mut shop.command(&["history"]), 2, &says);
    let before = shop.dump();
    assert_eq!(shop.sweep(&["--dry-run"])["orders_cancelled"], 5);
    shop.run(&["profile", "check"]).expect(0);
    shop.run(&["setup", "--print-sql"]).expect(0);
    shop.run(&["setup", "--print-grants"]).expect(0);
    shop.expect_unchanged(&before);
    shop.run(&["explain", "a-1"]).expect(0);
}

#[test]
fn a_result_that_nobody_can_read_is_an_error_and_stands_in_the_ledger() {
    let shop = shop_with_due_orders();
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = shop.command(&["sweep", "--format", "json"]).stdout(full).output().unwrap();
    let ended = Ended::new(&output).expect(1);
    assert!(ended.stderr.contains("cannot write the result to stdout"), "{}", ended.stderr);
    let history = shop.run(&["history", "--format", "json"]).expect(0).json();
    assert_eq!(history["sweeps"][0]["orders_cancelled"], 5);

    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    shop.fill(&mut shop.session(), "b", 2);
    let output = shop.command(&["sweep"]).stdout(writer).output().unwrap();
    let ended = Ended::new(&output).expect(1);
    assert!(ended.stderr.contains("stdout was closed before the whole result was written"), "{}", ended.stderr);
    let history = shop.run(&["history", "--format", "json"]).expect(0).json();
    assert_eq!(history["sweeps"][0]["orders_cancelled"], 2);
}

#[test]
fn a_log_file_or_a_stderr_that_takes_nothing_does_not_stop_a_sweep() {
    let shop = shop_with_due_orders();
    let full = File::options().write(true).open("/dev/full").unwrap();
    let ended = shop.command(&["sweep", "-v", "--format", "json"]).stderr(full).output().unwrap();
    assert_eq!(Ended::new(&ended).expect(0).json()["orders_cancelled"], 5);
    let closed = shop.command(&["sweep", "-v"]).stdin(Stdio::null()).stderr(Stdio::null()).output().unwrap();
    Ended::new(&closed).expect(0);
    let says = ["cannot open the log file"];
    check(&shop, &mut shop.command(&["sweep", "--log-file", "/dev/null/run.log"]), 2, &says);
}

#[test]
fn a_state_directory_that_cannot_be_used_is_told() {
    let shop = shop_with_due_orders();
    fs::write(shop.path().join("file"), "").unwrap();
    let says = ["cannot use the state directory: `", "hint: name a directory that this user may write to"];
    check(&shop, &mut shop.command_in("file", &shop.url(), &["sweep"]), 2, &says);
    check(&shop, &mut shop.command_in("file/below", &shop.url(), &["sweep"]), 2, &says);
}

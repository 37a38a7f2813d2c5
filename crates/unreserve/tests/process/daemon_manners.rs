//! The daemon's manners: what it tells a service manager, what it leaves on the disk, and what makes it look at once.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::shop::{Ended, Shop};
use crate::wait::{self, Running};

/// Everything of a daemon's is waited for so long on a busy machine.
const LONG: Duration = Duration::from_secs(30);

/// Reads what the daemon tells until one message has this in it; gives that one.
#[track_caller]
fn heard(socket: &UnixDatagram, word: &str) -> String {
    let began = Instant::now();
    let mut heard = Vec::new();
    while began.elapsed() < LONG {
        let mut bytes = [0; 4_096];
        let Ok(count) = socket.recv(&mut bytes) else { continue };
        let message = String::from_utf8(bytes[..count].to_vec()).unwrap();
        if message.contains(word) {
            return message;
        }
        heard.push(message);
    }
    panic!("`{word}` was not told, but {heard:?}");
}

fn socket(path: &Path) -> UnixDatagram {
    let socket = UnixDatagram::bind(path).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    socket
}

#[test]
fn a_service_manager_is_told_how_it_stands_from_beginning_to_end() {
    let shop = Shop::new();
    let path = shop.path().join("notify");
    let socket = socket(&path);
    let mut command = shop.command(&["daemon"]);
    let daemon = Running::start(command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "3000000"));
    let ready = heard(&socket, "READY=1");
    assert!(ready.contains("STATUS=waits; nothing is reserved"), "{ready}");
    heard(&socket, "WATCHDOG=1");
    daemon.signal("HUP");
    let reloading = heard(&socket, "RELOADING=1");
    assert!(reloading.contains("MONOTONIC_USEC="), "{reloading}");
    heard(&socket, "READY=1");
    heard(&socket, "WATCHDOG=1");
    daemon.signal("TERM");
    heard(&socket, "STOPPING=1");
    Ended::new(&daemon.output()).expect(0);
}

#[test]
fn a_watchdog_is_fed_while_the_database_is_out_of_reach() {
    let shop = Shop::without_tables();
    let path = shop.path().join("notify");
    let socket = socket(&path);
    let mut command = shop.command_in("state", "postgres://nobody@127.0.0.1:1/nowhere", &["daemon"]);
    let daemon = Running::start(command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "3000000"));
    let ready = heard(&socket, "READY=1");
    assert!(ready.contains("STATUS=tries again: cannot use the database"), "{ready}");
    for _ in 0..3 {
        heard(&socket, "WATCHDOG=1");
    }
    daemon.signal("INT");
    Ended::new(&daemon.output()).expect(0);
}

/// The record beside the lock, if there is one.
fn record(shop: &Shop) -> Option<serde_json::Value> {
    let entries = std::fs::read_dir(shop.path().join("state")).ok()?;
    let paths = entries.map(|entry| entry.unwrap().path());
    let path = paths.into_iter().find(|path| path.extension().is_some_and(|ending| ending == "json"))?;
    // A reader never finds half of it.
    Some(serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap())
}

#[test]
fn a_record_says_how_the_shop_stands_and_its_last_error() {
    let shop = Shop::new();
    let daemon = shop.start("state", &["daemon"]);
    let stands = |word: &str| record(&shop).is_some_and(|record| record["standing"] == word);
    wait::until("it waits", LONG, || stands("waiting"));
    let mut session = shop.session();
    session.run("ALTER TABLE orders_order RENAME payment_status TO status_of_payment");
    wait::until("it is halted", LONG, || stands("halted"));
    let text = record(&shop).unwrap()["last_error"]["text"].to_string();
    assert!(text.contains("payment_status"), "{text}");
    session.run("ALTER TABLE orders_order RENAME status_of_payment TO payment_status");
    // Somebody who has put it right need not wait for the next look.
    daemon.signal("USR1");
    wait::until("it waits again", LONG, || stands("waiting"));
    assert_eq!(record(&shop).unwrap()["process_id"], daemon.id());
    daemon.signal("TERM");
    Ended::new(&daemon.output()).expect(0);
    assert!(stands("stopped"));
}

#[test]
fn a_notice_of_the_shops_makes_it_look_at_once() {
    let shop = Shop::new();
    let mut session = shop.session();
    let daemon = shop.start("state", &["daemon"]);
    let listens = "SELECT count(*)::text FROM pg_stat_activity WHERE application_name = 'unreserve listens' AND datname = current_database()";
    wait::until("it listens", LONG, || session.number(listens) == 1);
    // Without a notice it looks every four seconds: of four tries, none would take less than two but by chance.
    let mut quickest = LONG;
    for round in 0..4 {
        std::thread::sleep(Duration::from_millis(600));
        shop.fill(&mut session, &format!("n{round}"), 1);
        session.run("NOTIFY unreserve");
        let began = Instant::now();
        let due = "SELECT count(*)::text FROM orders_inventoryreservation WHERE is_active";
        wait::until("it is released", LONG, || session.number(due) == 0);
        quickest = quickest.min(began.elapsed());
    }
    assert!(quickest < Duration::from_millis(1_000), "{quickest:?}");
    daemon.signal("TERM");
    Ended::new(&daemon.output()).expect(0);
}

#[test]
fn a_profile_that_does_not_fit_at_a_reload_halts_the_shop_and_ends_nothing() {
    let shop = Shop::new();
    let profile = shop.run(&["profile", "show", "malikli"]).expect(0).stdout;
    let path = shop.path().join("shop.toml");
    std::fs::write(&path, &profile).unwrap();
    let mut command = shop.bare(&shop.url(), &["daemon", "--profile", "shop.toml", "--state-dir", "state"]);
    let mut daemon = Running::start(&mut command);
    let stands = |word: &str| record(&shop).is_some_and(|record| record["standing"] == word);
    wait::until("it waits", LONG, || stands("waiting"));
    std::fs::write(&path, profile.replace("orders_order", "orders_odrer")).unwrap();
    daemon.signal("HUP");
    wait::until("it is halted", LONG, || stands("halted"));
    assert!(!daemon.has_ended());
    std::fs::write(&path, &profile).unwrap();
    daemon.signal("HUP");
    wait::until("it waits again", LONG, || stands("waiting"));
    daemon.signal("TERM");
    Ended::new(&daemon.output()).expect(0);
}

#[test]
fn two_shops_with_one_name_for_their_files_do_not_stand_by_for_each_other() {
    let place = tempfile::tempdir().unwrap();
    let start = |name: &str| {
        let directory = place.path().join(name);
        std::fs::create_dir(&directory).unwrap();
        let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_unreserve"));
        let program = program.env_clear().env("HOME", place.path()).current_dir(&directory);
        let made = program.args(["demo", "--dir", ".", "--orders", "20"]).output().unwrap();
        Ended::new(&made).expect(0);
        let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_unreserve"));
        program.env_clear().env("HOME", place.path()).env("DATABASE_URL", "sqlite:shop.db").current_dir(&directory);
        Running::start(program.args(["daemon", "--profile", "malikli", "--state-dir", "../state"]))
    };
    let daemons = [start("one"), start("two")];
    let records = || {
        let entries = std::fs::read_dir(place.path().join("state")).into_iter().flatten();
        let paths = entries.map(|entry| entry.unwrap().path());
        let texts = paths.filter(|path| path.extension().is_some_and(|ending| ending == "json"));
        texts.filter(|path| std::fs::read_to_string(path).unwrap().contains("\"waiting\"")).count()
    };
    wait::until("both wait for their next expiry", LONG, || records() == 2);
    for daemon in daemons {
        daemon.signal("TERM");
        Ended::new(&daemon.output()).expect(0);
    }
}

#[test]
fn the_only_shop_that_does_not_fit_is_told_where_the_daemon_was_started() {
    let shop = Shop::without_setup();
    let ended = shop.run(&["daemon"]).expect(2);
    assert!(ended.stderr.contains("run `unreserve setup` once"), "{}", ended.stderr);
    let shop = Shop::without_tables();
    let ended = shop.run(&["daemon"]).expect(2);
    assert!(ended.stderr.contains("orders_order"), "{}", ended.stderr);
    let ended = shop.run(&["daemon", "--interval", "0s"]).expect(2);
    assert!(ended.stderr.contains("--interval: 0s is too small"), "{}", ended.stderr);
}

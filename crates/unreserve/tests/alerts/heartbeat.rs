//! The dead man's switch: called around sweeps, and never in their way.

use std::process::Output;

use crate::place::stderr;
use crate::receiver::{Receiver, Reply};
use crate::shop::Shop;

fn heartbeat(receiver: &Receiver) -> String {
    format!("[heartbeat]\nurl = \"{}\"\n", receiver.url())
}

fn paths(receiver: &Receiver) -> Vec<String> {
    receiver.requests().into_iter().map(|request| request.path).collect()
}

fn sweep(shop: &Shop, code: i32) -> Output {
    let output = shop.run(&["sweep"]);
    assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
    output
}

#[test]
fn success_is_said_only_where_the_sweep_succeeded() {
    let receiver = Receiver::start([]);
    let shop = Shop::new(&heartbeat(&receiver));
    sweep(&shop, 0);
    assert_eq!(paths(&receiver).last().map(String::as_str), Some("/hook/hunter2"));
    assert!(paths(&receiver).len() <= 2, "{:?}", paths(&receiver));
    shop.break_schema();
    sweep(&shop, 2);
    assert_eq!(paths(&receiver).last().map(String::as_str), Some("/hook/hunter2/fail"));
    shop.mend_schema();
    let before = paths(&receiver).len();
    shop.run(&["sweep", "--dry-run"]);
    assert_eq!(paths(&receiver).len(), before, "nothing was swept");
}

#[test]
fn a_dead_one_changes_nothing_and_is_told() {
    let refuses = || Reply::Status(500, &[], "");
    let receiver = Receiver::start(std::iter::repeat_with(refuses).take(6));
    let shop = Shop::new(&heartbeat(&receiver));
    let output = sweep(&shop, 0);
    let told = stderr(&output);
    assert!(told.contains("was not heard: 500 Internal Server Error"), "{told}");
    let ends = paths(&receiver).iter().filter(|path| path.ends_with("hunter2")).count();
    assert_eq!(ends, 3, "three tries");
}

#[test]
fn the_daemon_says_when_it_begins_and_when_a_sweep_has_ended() {
    let receiver = Receiver::start([]);
    let shop = Shop::new(&heartbeat(&receiver));
    let daemon = shop.watch();
    receiver.wait_for(2);
    assert_eq!(paths(&receiver)[..2], ["/hook/hunter2/start", "/hook/hunter2"]);
    shop.sql("ALTER TABLE orders_inventoryreservation RENAME TO elsewhere");
    receiver.wait_for(3);
    assert_eq!(paths(&receiver)[2], "/hook/hunter2/fail");
    daemon.kill();
}

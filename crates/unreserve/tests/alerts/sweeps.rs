//! A sweep and those who are told of it: they wait for it, never it for them.

use std::time::Duration;

use serde_json::Value;

use crate::place::{stderr, stdout};
use crate::receiver::{Receiver, Reply};
use crate::shop::{Shop, webhook};
use crate::wait::{Running, until};

#[test]
fn a_sweep_from_cron_tells_what_it_finds_and_its_end() {
    let receiver = Receiver::start([]);
    let shop = Shop::new(&webhook(&receiver.url()));
    assert_eq!(shop.run(&["sweep"]).status.code(), Some(0));
    assert_eq!(receiver.requests()[0].json()["data"]["title"], "malikli WARNING: drift");
    shop.break_schema();
    let output = shop.run(&["sweep"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert_eq!(receiver.requests()[1].json()["data"]["title"], "malikli CRITICAL: plan, drift");
    shop.mend_schema();
    shop.run(&["sweep"]);
    assert_eq!(receiver.requests()[2].json()["type"], "alert.resolved");
}

#[test]
fn a_dead_receiver_neither_delays_a_sweep_nor_changes_how_it_ends() {
    let receiver = Receiver::start([Reply::Silence, Reply::Silence]);
    let shop = Shop::new(&webhook(&receiver.url()));
    let report = shop.place.path().join("report.json");
    let mut command = shop.command(&["sweep", "--timeout", "1s", "--format", "json"]);
    let mut first = Running::start(command.stdout(std::fs::File::create(&report).unwrap()));
    // While the receiver keeps it waiting, the report is there, and the place is free for the next sweep.
    receiver.wait_for(1);
    let read = || serde_json::from_str::<Value>(&std::fs::read_to_string(&report).unwrap()).ok();
    until("the report is there", Duration::from_secs(5), || read().is_some());
    assert!(!first.has_ended(), "it is kept waiting by the receiver alone");
    shop.settings("");
    let second = shop.run(&["sweep"]);
    assert_eq!(second.status.code(), Some(0), "{}", stderr(&second));
    let ended = first.output();
    assert_eq!(ended.status.code(), Some(0), "{}", stderr(&ended));
    // Without anybody to tell, the same is released in the same way.
    let plain = Shop::new("");
    let output = plain.run(&["sweep", "--timeout", "1s", "--format", "json"]);
    let (told, untold) = (read().unwrap(), serde_json::from_str::<Value>(&stdout(&output)).unwrap());
    assert!(told["reservations_released"].as_u64() > Some(0), "{told}");
    for figure in ["reservations_released", "units_released", "orders_cancelled", "orders_set_aside", "batches"] {
        assert_eq!(told[figure], untold[figure], "{figure}");
    }
}

//! The daemon tells of trouble, and that it is over.

use crate::receiver::Receiver;
use crate::shop::{Shop, webhook};
use crate::wait::Running;

#[test]
fn a_schema_that_no_longer_fits_is_told_and_so_is_its_end() {
    let receiver = Receiver::start([]);
    let shop = Shop::new(&(format!("[alerts]\nafter = \"0s\"\nignore = [\"drift\"]\n{}", webhook(&receiver.url()))));
    let daemon = shop.watch();
    shop.break_schema();
    let told = receiver.wait_for(1)[0].json();
    assert_eq!((told["type"].as_str(), told["data"]["status"].as_str()), (Some("alert.opened"), Some("critical")));
    let checks: Vec<&str> =
        told["data"]["problems"].as_array().unwrap().iter().map(|one| one["check"].as_str().unwrap()).collect();
    assert!(checks.contains(&"plan"), "{checks:?}");
    shop.mend_schema();
    daemon.signal("HUP");
    let all = loop {
        let count = receiver.requests().len();
        let all = receiver.wait_for(count.saturating_add(1));
        if all.last().unwrap().json()["data"]["status"] == "ok" {
            break all;
        }
    };
    assert_eq!(all.last().unwrap().json()["type"], "alert.resolved");
    daemon.kill();
}

#[test]
fn a_daemon_that_cannot_go_on_says_so_before_it_ends() {
    let receiver = Receiver::start([]);
    let shop = Shop::new(&webhook(&receiver.url()));
    shop.break_schema();
    let ended = Running::start(&mut shop.command(&["daemon"])).output();
    assert_eq!(ended.status.code(), Some(2));
    let told = receiver.requests();
    assert!(told[0].json()["data"]["title"].as_str().unwrap().starts_with("malikli CRITICAL: plan"), "{told:?}");
}

#[test]
fn each_of_several_shops_that_do_not_fit_is_told_and_the_daemon_goes_on() {
    let receiver = Receiver::start([]);
    let shop = Shop::new("");
    shop.break_schema();
    let file = |name: &str| shop.place.path().join("unreserve-demo").join(name);
    std::fs::copy(file("shop.db"), file("other.db")).unwrap();
    let of = |name: &str, file: &str| {
        format!("[[shop]]\nname = \"{name}\"\ndatabase_url = \"sqlite:unreserve-demo/{file}\"\n")
    };
    let settings = format!("{}\n{}{}", webhook(&receiver.url()), of("blue", "shop.db"), of("red", "other.db"));
    let head = "profile = \"malikli\"\nstate_dir = \"state\"\n[alerts]\nafter = \"0s\"\n";
    shop.place.file("unreserve.toml", &format!("{head}{settings}"));
    let daemon = Running::start(&mut shop.command(&["daemon"]));
    let title = |told: &crate::receiver::Request| told.json()["data"]["title"].as_str().unwrap().to_owned();
    let mut titles: Vec<String> = receiver.wait_for(2).iter().map(title).collect();
    titles.sort();
    let [blue, red] = titles.as_slice() else { panic!("{titles:?}") };
    assert!(blue.starts_with("blue CRITICAL: plan") && red.starts_with("red CRITICAL: plan"), "{titles:?}");
    daemon.signal("TERM");
    assert_eq!(daemon.output().status.code(), Some(0), "it was going on until it was told to end");
}

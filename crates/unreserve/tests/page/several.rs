//! The page of several shops, and of settings that are read again.

use std::process::Command;

use unreserve_testkit::browser::Browser;

use crate::http::{get, status};
use crate::place::{Shop, Shown, until};

/// The settings of some shops, each in a file of its own beside the demo's.
fn write_settings(place: &Shop, names: &[&str]) {
    let mut text = "profile = \"malikli\"\nstate_dir = \"state\"\n".to_owned();
    for name in names {
        let file = place.path().join(name).join("shop.db");
        if !file.exists() {
            let made = place.run(&["demo", "--dir", name, "--orders", "40"]);
            assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        }
        text.push_str(&format!("[[shop]]\nname = \"{name}\"\ndatabase_url = \"sqlite:{name}/shop.db\"\n"));
    }
    std::fs::write(place.path().join("several.toml"), text).unwrap();
}

fn hang_up(shown: &Shown) {
    let told = Command::new("kill").arg("-HUP").arg(shown.id().to_string()).status().unwrap();
    assert!(told.success());
}

/// The names of the shops that are shown, by the API.
fn names(shown: &Shown) -> Vec<String> {
    let answer = get(shown, "/api/v1/shops", &[]);
    assert_eq!(status(&answer), 200, "{answer}");
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    let answer: serde_json::Value = serde_json::from_str(body).unwrap();
    let shops = answer.pointer("/shops").and_then(serde_json::Value::as_array).unwrap();
    shops.iter().map(|shop| shop.pointer("/shop").unwrap().as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_shop_is_chosen_of_several_and_each_is_told_of_its_own_sweeps() {
    let place = Shop::new();
    write_settings(&place, &["blue", "red"]);
    let shown = place.show(&["--config", "several.toml", "dashboard", "--listen", "127.0.0.1:0"]);
    let mut browser = Browser::start().unwrap();
    for (width, height) in [(1_280, 900), (360, 740)] {
        browser.resize(width, height).unwrap();
        browser.open(&shown.url).unwrap();
        let listed = browser.text("document.querySelector('#shops').innerText").unwrap();
        assert!(listed.contains("blue") && listed.contains("red"), "{listed}");
        let found = browser.accessibility().unwrap();
        assert!(found.is_empty(), "{found:#?}");
        let wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth";
        assert_eq!(browser.value(wide).unwrap(), 0, "it scrolls sideways at {width}");
    }
    browser.resize(1_280, 900).unwrap();
    browser.open(&shown.url).unwrap();
    browser
        .value("{ const choice = document.querySelector('#shop'); choice.value = 'red'; choice.dispatchEvent(new Event('change', { bubbles: true })); }")
        .unwrap();
    browser.until("the shop is there", "location.pathname === '/shops/red'").unwrap();
    browser.until("it is live", "document.querySelector('#connection')?.textContent === 'Live'").unwrap();
    assert_eq!(browser.text("document.querySelector('#shop').value").unwrap(), "red");
    let sweeps = "document.querySelectorAll('#newest tbody tr').length";
    assert_eq!(browser.value(sweeps).unwrap(), 1);
    for name in ["blue", "red"] {
        let swept = place.run(&["--config", "several.toml", "sweep", "--shop", name, "--timeout", "1m", "--quiet"]);
        assert!(swept.status.success(), "{}", String::from_utf8_lossy(&swept.stderr));
    }
    browser.until("its own sweep is shown", &format!("{sweeps} === 2")).unwrap();
    browser.open(&format!("{}shops/blue", shown.url)).unwrap();
    assert_eq!(browser.value(sweeps).unwrap(), 2, "the other shop's own two, and none of this one's");
    browser.open(&format!("{}shops/red", shown.url)).unwrap();
    browser
        .value("[...document.querySelectorAll('nav.tabs a')].find((tab) => tab.textContent === 'Sweeps').click()")
        .unwrap();
    browser.until("its sweeps are there", "location.pathname === '/shops/red/sweeps'").unwrap();
    assert_eq!(browser.complaints().unwrap(), Vec::<String>::new());
}

#[test]
fn settings_that_are_read_again_show_their_shops_and_a_slip_in_them_changes_nothing() {
    for command in ["dashboard", "daemon"] {
        let place = Shop::new();
        write_settings(&place, &["blue", "red"]);
        let shown = place.show(&["--config", "several.toml", command, "--listen", "127.0.0.1:0"]);
        assert_eq!(names(&shown), ["blue", "red"], "{command}");
        write_settings(&place, &["blue", "green", "red"]);
        hang_up(&shown);
        until("the new shop is shown", || names(&shown) == ["blue", "green", "red"]);
        assert_eq!(status(&get(&shown, "/shops/green", &[])), 200, "{command}");
        let settings = place.path().join("several.toml");
        let good = std::fs::read_to_string(&settings).unwrap();
        for (slips, slip) in [(1, "nonsense = 1\n"), (2, "profile = \"no-such-profile\"\n")] {
            std::fs::write(&settings, good.replace("profile = \"malikli\"\n", slip)).unwrap();
            hang_up(&shown);
            until("the slip is told", || shown.says("the old settings stay") == slips);
            assert_eq!(names(&shown), ["blue", "green", "red"], "{command}: {slip}");
        }
        write_settings(&place, &["green", "red"]);
        hang_up(&shown);
        until("a shop is gone", || names(&shown) == ["green", "red"]);
        assert_eq!(status(&get(&shown, "/shops/blue", &[])), 404, "{command}");
    }
}

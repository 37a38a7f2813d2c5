//! The page in a real browser.

use unreserve_testkit::browser::{Browser, Scripts};

use crate::place::{Shop, Shown};

/// Every page, and what must be on it.
const PAGES: [(&str, &str); 9] = [
    ("", "Given back today"),
    ("sweeps", "Units given back"),
    ("orders", "Look an order up"),
    ("orders?order=M-7", "What happened, and what comes"),
    ("orders?order=nobody", "nobody"),
    ("stock", "Blocked most by unpaid orders"),
    ("health", "When problems began and ended"),
    ("settings", "database_url"),
    ("nowhere", "No such page"),
];

fn dashboard(shop: &Shop) -> Shown {
    shop.show(&["--config", "unreserve.toml", "dashboard", "--listen", "127.0.0.1:0"])
}

/// Nothing was complained of, and nobody outside was asked.
#[track_caller]
fn is_sound(browser: &mut Browser, shown: &Shown, page: &str) {
    let complaints = browser.complaints().unwrap();
    // A page that is missing is told by its status, which the console notes.
    let complaints: Vec<String> = complaints.into_iter().filter(|text| !text.contains("404 (Not Found)")).collect();
    assert!(complaints.is_empty(), "{page}: {complaints:#?}");
    for request in browser.requests().unwrap() {
        assert!(request.url.starts_with(&shown.url), "{page} asks outside: {}", request.url);
    }
}

#[test]
fn every_page_is_sound_and_can_be_used_by_everybody_on_a_desk_and_a_phone() {
    let shop = Shop::new();
    let shown = dashboard(&shop);
    let sweep = shop.run(&["--config", "unreserve.toml", "history", "--format", "json"]);
    let history: serde_json::Value = serde_json::from_slice(&sweep.stdout).unwrap();
    let sweep = format!("sweeps/{}", history["sweeps"][0]["sweep_id"].as_str().unwrap());
    let mut browser = Browser::start().unwrap();
    for (page, content) in PAGES.into_iter().chain([(sweep.as_str(), "What changed")]) {
        let url = format!("{}{page}", shown.url);
        browser.resize(1_280, 900).unwrap();
        browser.prefer("light").unwrap();
        browser.open(&url).unwrap();
        let text = browser.text("document.body.innerText").unwrap();
        assert!(text.contains(content), "{page} has no `{content}`: {text}");
        assert_eq!(browser.value("document.querySelectorAll('h1').length").unwrap(), 1, "{page}");
        for theme in ["light", "dark"] {
            browser.prefer(theme).unwrap();
            let found = browser.accessibility().unwrap();
            assert!(found.is_empty(), "{page} in {theme}: {found:#?}");
        }
        browser.resize(360, 740).unwrap();
        browser.open(&url).unwrap();
        let wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth";
        assert_eq!(browser.value(wide).unwrap(), 0, "{page} scrolls sideways on a phone");
        is_sound(&mut browser, &shown, page);
    }
}

#[test]
fn the_overview_changes_by_itself_when_a_sweep_runs() {
    let shop = Shop::new();
    let shown = dashboard(&shop);
    let mut browser = Browser::start().unwrap();
    browser.open(&shown.url).unwrap();
    let bytes: u64 = browser.requests().unwrap().iter().map(|request| request.bytes).sum();
    assert!((10_000..150_000).contains(&bytes), "the first load takes {bytes} bytes");
    browser.until("it is live", "document.querySelector('#connection').textContent === 'Live'").unwrap();
    let sweeps = "document.querySelectorAll('#newest tbody tr').length";
    assert_eq!(browser.value(sweeps).unwrap(), 1);
    assert!(browser.value("document.querySelector('#held canvas') !== null").unwrap().as_bool().unwrap());
    browser.value("window.stayed = true; document.querySelector('#days summary').click()").unwrap();
    shop.sweep_more();
    browser.until("the sweep is shown", &format!("{sweeps} === 2")).unwrap();
    let stayed = browser.value("window.stayed && document.querySelector('#days details').open").unwrap();
    assert_eq!(stayed, true, "the page was loaded anew, or closed what was open");
    is_sound(&mut browser, &shown, "overview");
    drop(shown);
    let lost = "document.querySelector('#connection').textContent.startsWith('Not connected since ')";
    browser.until("it says that it has lost its connection", lost).unwrap();
}

#[test]
fn a_daemon_tells_open_pages_of_its_own_sweeps() {
    let shop = Shop::new();
    let shown = shop.show(&["--config", "unreserve.toml", "daemon", "--listen", "127.0.0.1:0", "--interval", "2s"]);
    let mut browser = Browser::start().unwrap();
    browser.open(&shown.url).unwrap();
    let sweeps = "document.querySelectorAll('#newest tbody tr').length";
    assert_eq!(browser.value("document.hidden").unwrap(), false);
    browser.until("three sweeps more are shown", &format!("{sweeps} >= 4")).unwrap();
    let text = browser.text("document.querySelector('#verdict').innerText").unwrap();
    assert!(text.contains("The daemon "), "{text}");
    is_sound(&mut browser, &shown, "overview");
}

#[test]
fn an_order_is_found_by_typing_and_a_sweep_by_filtering() {
    let shop = Shop::new();
    let shown = dashboard(&shop);
    let mut browser = Browser::start().unwrap();
    browser.open(&format!("{}orders", shown.url)).unwrap();
    browser.value("document.querySelector('#order').focus()").unwrap();
    browser.type_in("M-1").unwrap();
    browser.press("Enter").unwrap();
    browser.until("the order is there", "document.querySelector('h1').textContent.includes('M-1')").unwrap();
    let way = browser.text("document.querySelector('.way').innerText").unwrap();
    assert!(way.contains("given back"), "{way}");
    // Local time, with UTC on hover.
    let time = browser.text("document.querySelector('.way time').title").unwrap();
    assert!(time.ends_with(" UTC"), "{time}");
    browser.open(&format!("{}sweeps", shown.url)).unwrap();
    browser.value("document.querySelector('tbody a').click()").unwrap();
    browser.until("the sweep is there", "document.querySelector('input[name=matching]') !== null").unwrap();
    let all = browser.value("document.querySelectorAll('tbody tr').length").unwrap().as_u64().unwrap();
    browser.value("document.querySelector('input[name=matching]').focus()").unwrap();
    browser.type_in("M-1").unwrap();
    browser.press("Enter").unwrap();
    browser.until("it is filtered", "location.search.includes('matching=M-1')").unwrap();
    browser.until("the page is there", "document.readyState === 'complete'").unwrap();
    let some = browser.value("document.querySelectorAll('tbody tr').length").unwrap().as_u64().unwrap();
    assert!(some > 0 && some < all, "{some} of {all}");
    let csv =
        browser.text("fetch(document.querySelector('a[download]').href).then((answer) => answer.text())").unwrap();
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(u64::try_from(lines.len()).unwrap(), some + 1, "{csv}");
    assert!(lines[0].starts_with("what,order,number,"), "{csv}");
    is_sound(&mut browser, &shown, "orders and sweeps");
}

#[test]
fn the_figures_are_there_without_scripts_and_the_choice_of_dark_is_kept() {
    let shop = Shop::new();
    let shown = dashboard(&shop);
    let mut browser = Browser::start().unwrap();
    browser.prefer("light").unwrap();
    browser.open(&shown.url).unwrap();
    let dark = "getComputedStyle(document.body).backgroundColor === 'rgb(15, 20, 18)'";
    assert_eq!(browser.value(dark).unwrap(), false);
    browser.value("document.querySelector('#theme').click()").unwrap();
    assert_eq!(browser.value(dark).unwrap(), true);
    browser.open(&format!("{}stock", shown.url)).unwrap();
    assert_eq!(browser.value(dark).unwrap(), true);
    is_sound(&mut browser, &shown, "stock");
    browser.run_scripts(Scripts::Off).unwrap();
    browser.open(&shown.url).unwrap();
    assert_eq!(browser.value("document.documentElement.classList.contains('scripted')").unwrap(), false);
    let cells = "[...document.querySelectorAll('#days [data-value]')].map((cell) => Number(cell.dataset.value))";
    let units = browser.value(&format!("{cells}.reduce((sum, units) => sum + units, 0)")).unwrap();
    let shown_units = browser.text("document.querySelector('#figures').innerText").unwrap();
    assert!(units.as_u64().unwrap() > 0 && shown_units.contains(&units.to_string()), "{units}: {shown_units}");
    let times = browser.text("document.querySelector('#newest time').textContent").unwrap();
    assert!(times.ends_with(" UTC"), "{times}");
}

#[test]
fn somebody_who_knows_the_token_signs_in_and_out() {
    let shop = Shop::new();
    shop.set("[web]\ntoken = \"correct-horse-battery-staple\"");
    let shown = dashboard(&shop);
    let mut browser = Browser::start().unwrap();
    browser.open(&format!("{}sweeps?ending=done", shown.url)).unwrap();
    let sign_in = |browser: &mut Browser, token: &str| {
        browser.until("the form is there", "document.querySelector('input[name=token]') !== null").unwrap();
        browser.value("document.querySelector('input[name=token]').focus()").unwrap();
        browser.type_in(token).unwrap();
        browser.press("Enter").unwrap();
    };
    let found = browser.accessibility().unwrap();
    assert!(found.is_empty(), "{found:#?}");
    sign_in(&mut browser, "a wrong token");
    browser.until("it says so", "document.body.innerText.includes('That is not the token')").unwrap();
    sign_in(&mut browser, "correct-horse-battery-staple");
    browser.until("what was wanted is shown", "location.pathname + location.search === '/sweeps?ending=done'").unwrap();
    browser.until("the page is there", "document.readyState === 'complete'").unwrap();
    assert!(!browser.text("document.cookie").unwrap().contains("unreserve_session"), "a script can read the session");
    browser.value("document.querySelector('form[action=\"/logout\"] button').click()").unwrap();
    browser.until("the form is there", "document.querySelector('input[name=token]') !== null").unwrap();
    browser.open(&shown.url).unwrap();
    browser.until("it is asked for again", "location.pathname === '/login'").unwrap();
}

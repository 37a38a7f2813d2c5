//! `cargo xtask screenshots`: pictures of every page, from a shop that has really been swept for a month.

mod month;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use unreserve_testkit::browser::Browser;

use crate::programs::{cargo, run as run_program, workspace_root};
use crate::{Failure, say};

/// Where the pictures lie.
const PLACE: &str = "docs/screenshots";

/// One picture: its name, the page, light or dark, and how wide and high it is. At most 600 wide is a phone.
struct Picture {
    name: &'static str,
    page: &'static str,
    theme: &'static str,
    size: (u32, u32),
}

const DESK: (u32, u32) = (1_280, 900);
const TALL: (u32, u32) = (1_280, 1_330);
const PHONE: (u32, u32) = (390, 844);

const fn picture(name: &'static str, page: &'static str, theme: &'static str, size: (u32, u32)) -> Picture {
    Picture { name, page, theme, size }
}

/// Every page in light, in dark and on a phone. `{order}` and `{sweep}` are one of the shop's own.
const PICTURES: [Picture; 21] = [
    picture("overview-light", "", "light", TALL),
    picture("overview-dark", "", "dark", TALL),
    picture("overview-phone", "", "light", PHONE),
    picture("sweeps-light", "sweeps?ending=changed", "light", DESK),
    picture("sweeps-dark", "sweeps?ending=changed", "dark", DESK),
    picture("sweeps-phone", "sweeps?ending=changed", "dark", PHONE),
    picture("sweep-light", "sweeps/{sweep}", "light", DESK),
    picture("sweep-dark", "sweeps/{sweep}", "dark", DESK),
    picture("sweep-phone", "sweeps/{sweep}", "light", PHONE),
    picture("order-light", "orders?order={order}", "light", DESK),
    picture("order-dark", "orders?order={order}", "dark", DESK),
    picture("order-phone", "orders?order={order}", "dark", PHONE),
    picture("stock-light", "stock", "light", DESK),
    picture("stock-dark", "stock", "dark", DESK),
    picture("stock-phone", "stock", "light", PHONE),
    picture("health-light", "health", "light", DESK),
    picture("health-dark", "health", "dark", DESK),
    picture("health-phone", "health", "dark", PHONE),
    picture("settings-light", "settings", "light", DESK),
    picture("settings-dark", "settings", "dark", DESK),
    picture("settings-phone", "settings", "light", PHONE),
];

/// Makes all of them anew.
pub(crate) fn run() -> Result<(), Failure> {
    let root = workspace_root()?;
    run_program(cargo().args(["build", "--quiet", "--package", "unreserve"]).current_dir(&root))?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), std::path::PathBuf::from);
    let program = target.join("debug").join("unreserve");
    let place = tempfile::tempdir().map_err(|source| file("a temporary directory", source))?;
    say::line("a month goes by in a shop");
    let shop = month::live(&program, place.path())?;
    let daemon = Daemon::start(&program, place.path())?;
    let mut browser = Browser::start()?;
    let directory = root.join(PLACE);
    std::fs::create_dir_all(&directory).map_err(|source| file(PLACE, source))?;
    browser.open(&daemon.url)?;
    browser.until("the daemon waits", "document.querySelector('#verdict').innerText.includes('waits')")?;
    for picture in &PICTURES {
        let page = picture.page.replace("{order}", &shop.order).replace("{sweep}", &shop.sweep);
        browser.prefer(picture.theme)?;
        browser.resize(picture.size.0, picture.size.1)?;
        browser.open(&format!("{}{page}", daemon.url))?;
        browser.until("it is live", "document.querySelector('#connection').textContent === 'Live'")?;
        browser.until("its pictures are drawn", "document.fonts.status === 'loaded'")?;
        let name = format!("{PLACE}/{}.png", picture.name);
        let path = root.join(&name);
        std::fs::write(&path, browser.picture()?).map_err(|source| file(&name, source))?;
        say::line(&format!("wrote {name}"));
    }
    Ok(())
}

fn file(path: &str, source: std::io::Error) -> Failure {
    Failure::File { path: path.to_owned(), source }
}

/// The daemon that shows the page. Killed at the end.
struct Daemon {
    process: Child,
    url: String,
}

impl Daemon {
    fn start(program: &Path, place: &Path) -> Result<Self, Failure> {
        let mut command = month::program(program, place);
        command.args(["daemon", "--listen", "127.0.0.1:0"]);
        let started = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let mut process =
            started.map_err(|source| Failure::Program { program: "unreserve daemon".to_owned(), source })?;
        let silent = || Failure::Command { command: "unreserve daemon".to_owned() };
        let mut lines = BufReader::new(process.stderr.take().ok_or_else(silent)?).lines().map_while(Result::ok);
        let url = lines.find_map(|line| {
            let (_, rest) = line.split_once("http://127.0.0.1:")?;
            let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
            Some(format!("http://127.0.0.1:{port}/"))
        });
        // Whoever writes to a pipe that nobody reads would wait.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(Self { process, url: url.ok_or_else(silent)? })
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs a command in silence; where it fails, what it wrote is the reason.
fn quietly(command: &mut Command) -> Result<String, Failure> {
    let shown = format!("{command:?}");
    let done = command.output().map_err(|source| Failure::Program { program: shown.clone(), source })?;
    if done.status.success() {
        return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
    }
    say::line(&String::from_utf8_lossy(&done.stderr));
    Err(Failure::Command { command: shown })
}

//! `service` through the whole program: what it prints and refuses, the daemon in the background, and Debian's real cron.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests and their helpers may fail, and wait for a condition with a bound"
)]

mod place;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use place::{Place, URL, stderr, stdout};
use unreserve_testkit::servers::{find_cron, find_faketime, runs_as_root};

const KINDS: [&str; 7] = ["systemd", "systemd-timer", "cron", "launchd", "task-scheduler", "kubernetes", "background"];

/// Where programs are, for those kinds that ask one.
const PATH: (&str, &str) = ("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin");

/// A shop whose address, with a password, stands in a `.env` file.
fn with_env_file() -> Place {
    let place = Place::new();
    place.file(".env", &format!("DATABASE_URL={URL}\nUNRESERVE_PROFILE=malikli\nUNRESERVE_STATE_DIR=state\n"));
    place
}

#[track_caller]
fn expect(output: &Output, code: i32) -> String {
    assert_eq!(output.status.code(), Some(code), "{}{}", stdout(output), stderr(output));
    stdout(output)
}

fn files_below(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files_below(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

#[test]
fn every_kind_is_printed_whole_without_the_secret_and_nothing_changes() {
    let place = with_env_file();
    let before = files_below(place.path());
    let program = env!("CARGO_BIN_EXE_unreserve");
    for kind in KINDS {
        // Root owns the place, and systemd's own account could not have its state directory.
        let needs_account = kind.starts_with("systemd") && runs_as_root().unwrap();
        let account: &[&str] = if needs_account { &["--run-as", "root"] } else { &[] };
        let arguments = [&["service", "install", "--print", "--kind", kind], account].concat();
        let printed = expect(&place.run(&[PATH], &arguments), 0);
        assert!(!printed.contains("hunter2") && printed.contains("malikli"), "{kind}: {printed}");
        assert!(printed.contains("### "), "{kind}: {printed}");
        if kind != "kubernetes" {
            // Absolute, whatever the working directory of the service.
            let env_file = place.path().join(".env").display().to_string();
            assert!(printed.contains(program) && printed.contains(&env_file), "{kind}: {printed}");
        }
        assert_eq!(expect(&place.run(&[PATH], &arguments), 0), printed, "{kind}");
    }
    assert_eq!(files_below(place.path()), before);
}

#[test]
fn an_option_of_another_kind_is_refused_and_not_passed_over() {
    let place = with_env_file();
    for (kind, option) in [
        ("cron", &["--image", "a"][..]),
        ("systemd", &["--cronjob"]),
        ("background", &["--run-as", "nobody"]),
        ("kubernetes", &["--run-as", "nobody"]),
        ("kubernetes", &["--user"]),
    ] {
        let output = place.run(&[PATH], &[&["service", "install", "--print", "--kind", kind], option].concat());
        expect(&output, 2);
        let expected = format!("{}: ", option.iter().next().unwrap());
        assert!(
            stderr(&output).contains(&expected) && stderr(&output).contains(&format!("`{kind}`")),
            "{}",
            stderr(&output)
        );
    }
    let refusal = if runs_as_root().unwrap() { "there is no account `no-such-account`" } else { "--run-as: only root" };
    for kind in ["systemd", "cron", "launchd"] {
        let output =
            place.run(&[PATH], &["service", "install", "--print", "--kind", kind, "--run-as", "no-such-account"]);
        expect(&output, 2);
        assert!(stderr(&output).contains(refusal), "{}", stderr(&output));
    }
}

#[test]
fn an_account_that_cannot_read_what_the_service_needs_is_refused() {
    let place = with_env_file();
    for kind in ["systemd", "systemd-timer", "cron", "launchd"] {
        let output = place.run(&[PATH], &["service", "install", "--print", "--kind", kind, "--run-as", "nobody"]);
        expect(&output, 2);
        let expected = if runs_as_root().unwrap() {
            format!("`nobody` cannot read `{}`", place.path().join(".env").display())
        } else {
            "--run-as: only root".to_owned()
        };
        // The directory of the program may be closed to it as well; then that is said.
        assert!(
            stderr(&output).contains(&expected) || stderr(&output).contains("`nobody` cannot read `"),
            "{}",
            stderr(&output)
        );
    }
}

#[test]
fn an_address_that_no_service_could_read_is_refused_with_the_remedy() {
    let place = Place::new();
    place.file("unreserve.toml", "profile = \"malikli\"\nstate_dir = \"state\"\n");
    place.file("url", URL);
    let install = ["service", "install", "--kind", "cron", "--print"];
    let output = place.run(&[PATH, ("DATABASE_URL", URL)], &install);
    expect(&output, 2);
    let said = stderr(&output);
    assert!(
        said.contains("the database's address came from environment DATABASE_URL") && said.contains("umask 077"),
        "{said}"
    );
    assert!(!said.contains("hunter2"), "{said}");
    let output = place.run(&[PATH], &[&install[..], &["--database-url", URL]].concat());
    expect(&output, 2);
    assert!(stderr(&output).contains("came from flag --database-url"), "{}", stderr(&output));
    let output = place.run(&[PATH], &install);
    expect(&output, 2);
    assert!(stderr(&output).contains("no database is set"), "{}", stderr(&output));
    // A shop's own variable is named as it is.
    let shops = "[[shop]]\nname = \"red\"\ndatabase_url_env = \"RED_URL\"\nprofile = \"malikli\"\n";
    place.file("shops.toml", shops);
    let output = place.run(&[PATH, ("RED_URL", URL)], &[&install[..], &["--config", "shops.toml"]].concat());
    expect(&output, 2);
    let said = stderr(&output);
    assert!(said.contains("address of shop `red` came from environment RED_URL"), "{said}");
    assert!(said.contains("printf 'RED_URL=%s\\n' \"$RED_URL\" >> .env") && !said.contains("hunter2"), "{said}");
    // A file of its own is named, not read into it.
    let printed = expect(&place.run(&[PATH, ("DATABASE_URL_FILE", "url")], &install), 0);
    let named = format!("DATABASE_URL_FILE={}", place.path().join("url").display());
    assert!(printed.contains(&named) && !printed.contains("hunter2"), "{printed}");
    // So is what stands only in this environment.
    let printed = expect(&place.run(&[PATH, ("DATABASE_URL_FILE", "url"), ("UNRESERVE_GRACE", "2m")], &install), 0);
    assert!(printed.contains(" UNRESERVE_GRACE=2m "), "{printed}");
}

#[test]
fn a_manager_that_does_not_run_is_told_before_anything_is_written() {
    let place = with_env_file();
    let before = files_below(place.path());
    let output = place.run(&[PATH], &["service", "install", "--kind", "launchd"]);
    expect(&output, 2);
    let said = stderr(&output);
    assert!(
        said.contains("`launchctl` is not on this machine (launchd is macOS's), so nothing was installed"),
        "{said}"
    );
    assert!(said.contains("--print"), "{said}");
    assert_eq!(files_below(place.path()), before);
    for command in ["start", "stop", "restart", "logs"] {
        let output = place.run(&[PATH], &["service", command, "--kind", "task-scheduler"]);
        expect(&output, 2);
        assert!(stderr(&output).contains("no service is installed"), "{}", stderr(&output));
    }
    // Nothing to remove is nothing wrong.
    expect(&place.run(&[PATH], &["service", "uninstall", "--kind", "task-scheduler"]), 0);
}

#[test]
fn a_second_shop_does_not_replace_the_service_of_the_first() {
    let place = Place::new();
    let state = place.path().join("state");
    let mut installed = Vec::new();
    for shop in ["one", "two"] {
        expect(&place.run(&[], &["demo", "--orders", "20", "--dir", shop]), 0);
        let url = format!("sqlite:{}", place.path().join(shop).join("shop.db").display());
        let settings =
            format!("database_url = \"{url}\"\nprofile = \"malikli\"\nstate_dir = \"{}\"\n", state.display());
        place.file(&format!("{shop}.toml"), &settings);
        let settings = format!("{shop}.toml");
        let service =
            |arguments: &[&str]| place.run(&[PATH], &[&["service"], arguments, &["--config", &settings]].concat());
        let install = service(&["install", "--kind", "background"]);
        if installed.is_empty() {
            expect(&install, 0);
            expect(&service(&["install", "--kind", "background"]), 0);
            installed = fs::read(state.join("background.json")).unwrap();
            continue;
        }
        let said = stderr(&install);
        expect(&install, 2);
        assert!(said.contains("a service for another shop is installed at ") && said.contains("one.toml"), "{said}");
        assert!(said.contains("--state-dir DIR") && said.contains("service uninstall"), "{said}");
        let printed = expect(&service(&["install", "--kind", "background", "--print"]), 0);
        assert!(printed.starts_with("### nothing would be installed: a service for another shop"), "{printed}");
        assert_eq!(fs::read(state.join("background.json")).unwrap(), installed);
        expect(&service(&["uninstall", "--kind", "background"]), 0);
    }
}

#[test]
fn each_of_several_shops_is_named_and_one_can_be_chosen() {
    let place = Place::new();
    let shop = |name: &str| {
        format!("[[shop]]\nname = \"{name}\"\ndatabase_url = \"postgres://a@host/{name}\"\nprofile = \"malikli\"\n")
    };
    place.file("unreserve.toml", &format!("state_dir = \"state\"\n{}{}", shop("blue"), shop("red")));
    let print = |kind: &str, more: &[&str]| {
        expect(&place.run(&[PATH], &[&["service", "install", "--print", "--user", "--kind", kind], more].concat()), 0)
    };
    let crontab = print("cron", &[]);
    assert_eq!(crontab.lines().filter(|line| line.starts_with("*/5 ")).count(), 2, "{crontab}");
    assert!(crontab.contains("--shop blue") && crontab.contains("--shop red"), "{crontab}");
    let all = print("systemd", &[]);
    assert!(all.contains("(shop blue, shop red)") && !all.contains("--shop"), "{all}");
    let one = print("systemd", &["--shop", "red"]);
    assert!(one.contains("unreserve@red.service") && one.contains("--shop red") && !one.contains("blue"), "{one}");
    let timers = print("systemd-timer", &[]);
    assert!(timers.contains("unreserve-sweep@blue.timer") && timers.contains("unreserve-sweep@red.timer"), "{timers}");
}

/// A `crontab` beside a shop that was set up: it keeps its text in a file, and while somebody looks at it for the first time,
/// somebody else adds a line.
const CRONTAB: &str = r#"#!/bin/sh
tab="$HOME/table"
case "$1" in
-l) [ -f "$tab" ] || { echo "no crontab for jo" >&2; exit 1; }
    /bin/cat "$tab"
    [ -f "$HOME/added" ] || { echo '@daily /bin/true' >> "$tab"; : > "$HOME/added"; } ;;
-r) exec /bin/rm "$tab" ;;
-) exec /bin/cat > "$tab" ;;
esac
"#;

#[test]
fn what_is_added_to_the_crontab_while_a_service_is_installed_stays() {
    let place = Place::new();
    place.file("bin/crontab", CRONTAB).mode("bin/crontab", 0o755);
    place.file("table", "MAILTO=jo\n");
    expect(&place.run(&[], &["demo", "--orders", "20", "--dir", "shop"]), 0);
    let path = format!("{}:{}", place.path().join("bin").display(), PATH.1);
    let config = ["--config", "shop/unreserve.toml"];
    let service = |arguments: &[&str]| place.run(&[("PATH", &path)], &[&["service"], arguments, &config].concat());
    expect(&service(&["install", "--kind", "cron", "--user"]), 0);
    let table = fs::read_to_string(place.path().join("table")).unwrap();
    assert!(table.starts_with("MAILTO=jo\n@daily /bin/true\n# BEGIN unreserve"), "{table}");
    expect(&service(&["uninstall", "--kind", "cron", "--user"]), 0);
    let table = fs::read_to_string(place.path().join("table")).unwrap();
    assert_eq!(table, "MAILTO=jo\n@daily /bin/true\n");
}

#[test]
fn a_log_that_several_shops_write_is_shown_once() {
    let place = Place::new();
    place.file("bin/crontab", CRONTAB).mode("bin/crontab", 0o755);
    let shop = |name: &str| {
        expect(&place.run(&[], &["demo", "--orders", "20", "--dir", name]), 0);
        format!("[[shop]]\nname = \"{name}\"\ndatabase_url = \"sqlite:{name}/shop.db\"\nprofile = \"malikli\"\n")
    };
    let shops = format!("{}{}", shop("blue"), shop("red"));
    place.file("unreserve.toml", &format!("state_dir = \"state\"\nlog.file = \"own.log\"\n{shops}"));
    let path = format!("{}:{}", place.path().join("bin").display(), PATH.1);
    let run = |arguments: &[&str]| place.run(&[("PATH", &path)], arguments);
    for name in ["blue", "red"] {
        expect(&run(&["service", "install", "--kind", "cron", "--user", "--shop", name]), 0);
        expect(&run(&["sweep", "--verbose", "--shop", name]), 0);
    }
    let logs = expect(&run(&["service", "logs"]), 0);
    for name in ["blue", "red"] {
        let lines = logs.lines().filter(|line| line.contains("sweep done") && line.contains(name)).count();
        assert_eq!(lines, 1, "{logs}");
    }
}

#[test]
fn another_instance_at_work_sends_no_mail() {
    let place = Place::new();
    expect(&place.run(&[], &["demo", "--orders", "20", "--dir", "."]), 0);
    expect(&place.run(&[], &["sweep", "--quiet"]), 0);
    let locks = files_below(place.path());
    let lock = locks.iter().find(|file| file.file_name().unwrap().to_string_lossy().starts_with("sweep-")).unwrap();
    let held = fs::File::open(lock).unwrap();
    held.lock().unwrap();
    let output = place.run(&[], &["sweep", "--quiet"]);
    assert_eq!((expect(&output, 75), stderr(&output)), (String::new(), String::new()));
    let output = place.run(&[], &["sweep"]);
    expect(&output, 75);
    assert!(stderr(&output).contains("another instance is sweeping"), "{}", stderr(&output));
}

/// Looks until it is so, at most so long.
#[track_caller]
fn until(what: &str, limit: Duration, mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < limit, "waited {limit:?} in vain until {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The sweeps that the ledger knows.
fn sweeps(history: &Output) -> usize {
    let object: serde_json::Value = serde_json::from_str(&expect(history, 0)).unwrap();
    object.get("sweeps").unwrap().as_array().unwrap().len()
}

/// Ends the service of a place where the test fails before it does.
struct Background<'a>(&'a Place);

impl Drop for Background<'_> {
    fn drop(&mut self) {
        drop(self.0.run(&[], &["service", "uninstall", "--kind", "background"]));
    }
}

#[test]
fn in_the_background_it_sweeps_stands_still_comes_back_and_goes_without_a_trace() {
    let place = Place::new();
    expect(&place.run(&[], &["demo", "--orders", "40", "--dir", "shop"]), 0);
    let url = format!("sqlite:{}", place.path().join("shop/shop.db").display());
    place.file("unreserve.toml", &format!("database_url = \"{url}\"\nprofile = \"malikli\"\nstate_dir = \"state\"\n"));
    let before = files_below(place.path());
    let run = |arguments: &[&str]| place.run(&[], &[&["service"], arguments].concat());
    let first = sweeps(&place.run(&[], &["history", "--format", "json"]));
    let background = Background(&place);
    expect(&run(&["install", "--kind", "background"]), 0);
    let record = || -> serde_json::Value {
        serde_json::from_slice(&fs::read(place.path().join("state/background.json")).unwrap()).unwrap()
    };
    let installed = record();
    until("it has swept", Duration::from_secs(20), || {
        sweeps(&place.run(&[], &["history", "--format", "json"])) > first
    });
    let status = expect(&run(&["status"]), 0);
    assert!(
        status.contains("installed   background") && status.contains("running since") && status.contains("last sweep"),
        "{status}"
    );
    let status: serde_json::Value = serde_json::from_str(&expect(&run(&["status", "--format", "json"]), 0)).unwrap();
    assert_eq!((&status["well"], &status["shops"][0]["daemon_alive"]), (&true.into(), &true.into()), "{status}");
    assert_eq!(status["shops"][0]["daemon"]["process_id"], installed["process_id"]);
    assert!(expect(&run(&["logs"]), 0).contains("the daemon has started"));
    // Installed again, it is the same process.
    expect(&run(&["install", "--kind", "background"]), 0);
    assert_eq!(record(), installed);
    expect(&run(&["restart"]), 0);
    assert_ne!(record()["process_id"], installed["process_id"]);
    // Whoever asks from elsewhere learns of the service's own shop.
    let state = place.path().join("state").display().to_string();
    let elsewhere = Place::new();
    let status = expect(&elsewhere.run(&[], &["service", "status", "--state-dir", &state]), 0);
    assert!(status.contains(&format!("malikli at {url}")), "{status}");
    assert!(status.contains(&format!("unreserve service logs --state-dir {state}")), "{status}");
    let output = run(&["start"]);
    expect(&output, 0);
    assert!(stderr(&output).contains("background: already running since"), "{}", stderr(&output));
    let output = run(&["stop", "--kind", "task-scheduler"]);
    expect(&output, 2);
    assert!(
        stderr(&output).contains("no service of kind `task-scheduler`; installed: background at "),
        "{}",
        stderr(&output)
    );
    expect(&run(&["stop"]), 0);
    assert!(expect(&run(&["status"]), 1).contains("stopped: `unreserve service start` starts it"));
    expect(&run(&["start"]), 0);
    // A machine that was started anew knows none of its processes: the record says so.
    let number = record()["process_id"].as_u64().unwrap();
    assert!(Command::new("kill").args(["-9", &number.to_string()]).status().unwrap().success());
    until("it is gone", Duration::from_secs(5), || {
        expect(&run(&["status"]), 1).contains("has ended; `unreserve service start`")
    });
    expect(&run(&["start"]), 0);
    expect(&run(&["uninstall"]), 0);
    drop(background);
    assert_eq!(files_below(place.path()), before);
    assert!(!place.path().join("state").exists());
}

#[test]
fn what_cannot_work_in_the_background_is_told_at_once_and_leaves_nothing() {
    let place = Place::new();
    expect(&place.run(&[], &["demo", "--orders", "20", "--dir", "."]), 0);
    let url = format!("sqlite:{}", place.path().join("shop.db").display());
    // The working directory is no place for a log file's name.
    place.file(
        "unreserve.toml",
        &format!(
            "database_url = \"{url}\"\nprofile = \"malikli\"\nstate_dir = \"state\"\n[log]\nfile = \"shop.db/x.log\"\n"
        ),
    );
    let output = place.run(&[], &["service", "install", "--kind", "background"]);
    assert_ne!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(!place.path().join("state/background.json").exists());
}

/// A throw-away account with a home directory; it goes with the value.
struct Account {
    name: String,
    home: PathBuf,
}

impl Account {
    fn new() -> Self {
        let name = format!("unreserve-{}", std::process::id());
        let made = Command::new("useradd").args(["--create-home", "--shell", "/bin/sh", &name]).output().unwrap();
        assert!(made.status.success(), "{}", stderr(&made));
        let accounts = fs::read_to_string("/etc/passwd").unwrap();
        let line = accounts.lines().find(|line| line.starts_with(&format!("{name}:"))).unwrap();
        let home = PathBuf::from(line.split(':').nth(5).unwrap());
        Self { name, home }
    }

    /// Runs the program's own copy as this account, in a directory below its home.
    fn run(&self, directory: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new("runuser");
        command.args(["-u", &self.name, "--", "/usr/bin/env", "-i"]).arg(format!("HOME={}", self.home.display()));
        command.arg(format!("{}={}", PATH.0, PATH.1)).args(arguments).current_dir(self.home.join(directory));
        command.output().unwrap()
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        drop(Command::new("crontab").args(["-u", &self.name, "-r"]).output());
        drop(Command::new("userdel").args(["--remove", &self.name]).output());
    }
}

/// A cron of the test's own, whose clock stands shortly before the next five minutes; where one runs already, that one.
struct Cron(Option<Child>);

impl Cron {
    fn start() -> Self {
        let processes = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
        let names = processes.filter_map(|process| fs::read_to_string(process.path().join("comm")).ok());
        if names.map(|name| name.trim().to_owned()).any(|name| name == "cron") {
            return Self(None);
        }
        let mut command = Command::new(find_cron().unwrap());
        command.arg("-f").env("LD_PRELOAD", find_faketime().unwrap()).env("FAKETIME", "@2026-01-01 00:04:56");
        Self(Some(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()))
    }

    /// How long the next five minutes are away at most.
    fn patience(&self) -> Duration {
        Duration::from_secs(if self.0.is_some() { 70 } else { 330 })
    }
}

impl Drop for Cron {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

#[test]
fn the_real_cron_runs_a_sweep_that_history_shows_and_knows_nothing_of_it_afterwards() {
    if !runs_as_root().unwrap() {
        // An account of its own can be made by root only; the text of the block is tested without it.
        let output = Command::new("useradd").arg("unreserve-test").output().unwrap();
        return assert!(!output.status.success());
    }
    let account = Account::new();
    let program = account.home.join("unreserve");
    fs::copy(env!("CARGO_BIN_EXE_unreserve"), &program).unwrap();
    let program = program.to_str().unwrap();
    expect(&account.run(".", &[program, "demo", "--orders", "20", "--dir", "shop"]), 0);
    // Names that a shell and cron would both take apart.
    let awkward = "100% of jo's \"shop\"";
    expect(&account.run(".", &["mkdir", awkward]), 0);
    let url = format!("sqlite:{}", account.home.join("shop/shop.db").display());
    let settings = format!("database_url = '{url}'\nprofile = 'malikli'\n");
    fs::write(account.home.join(awkward).join("unreserve.toml"), settings).unwrap();
    let run = |arguments: &[&str]| account.run(awkward, &[&[program], arguments].concat());
    let before = sweeps(&run(&["history", "--format", "json"]));
    let theirs = "# theirs\n@yearly /bin/true\n";
    fs::write(account.home.join("theirs"), theirs).unwrap();
    expect(&account.run(".", &["crontab", "theirs"]), 0);

    expect(&run(&["service", "install", "--kind", "cron"]), 0);
    let table = expect(&account.run(".", &["crontab", "-l"]), 0);
    expect(&run(&["service", "install", "--kind", "cron"]), 0);
    assert_eq!(expect(&account.run(".", &["crontab", "-l"]), 0), table);
    let cron = Cron::start();
    until("cron has run a sweep", cron.patience(), || sweeps(&run(&["history", "--format", "json"])) > before);
    let status = expect(&run(&["service", "status"]), 0);
    assert!(status.contains("installed   cron, the user's own") && status.contains("every five minutes"), "{status}");
    expect(&run(&["service", "uninstall"]), 0);
    assert_eq!(expect(&account.run(".", &["crontab", "-l"]), 0), theirs);
    assert!(!account.home.join(".local/state/unreserve").exists());
    drop(cron);
    let spool = Path::new("/var/spool/cron/crontabs").join(&account.name);
    expect(&account.run(".", &["crontab", "-r"]), 0);
    assert!(!spool.exists());
}

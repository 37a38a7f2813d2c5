//! The units as texts, before systemd's own judges, and the commands before a stand-in for `systemctl`.

use std::process::Command;

use super::*;
use crate::service::launch::testing::{awkward, launch};
use crate::service::machine::testing::Desk;
use crate::service::steps::{self, Repair};

/// The most that `systemd-analyze security` may find exposed, of 10.
const EXPOSURE_MAX: f64 = 1.5;

fn named() -> Account {
    Account::Named("shop".to_owned())
}

fn own_file() -> Launch {
    let secret =
        SecretPlace::Own { variable: "DATABASE_URL_FILE".to_owned(), path: PathBuf::from("/etc/unreserve/url 100%") };
    let variables = vec![("DATABASE_URL_FILE".to_owned(), "/etc/unreserve/url 100%".to_owned())];
    let metrics_file = Some(PathBuf::from("/var/lib/node exporter/unreserve.prom"));
    Launch { secrets: vec![secret], variables, env_file: None, metrics_file, ..launch() }
}

/// A shop that is a file, everything in directories of a user.
fn at_home() -> Launch {
    let home = PathBuf::from("/run/user/1000");
    let name = |name: &str| home.join(name).display().to_string();
    Launch {
        program: name("bin/unreserve"),
        config: Some(name("shop/unreserve.toml")),
        env_file: None,
        state_dir: name("state"),
        directory: name("shop"),
        secrets: vec![SecretPlace::Settings(home.join("shop/unreserve.toml"))],
        databases: vec![home.join("shop/data/shop.db")],
        ..launch()
    }
}

fn service_text(kind: Kind, account: &Account, launch: &Launch) -> String {
    service(kind, account, launch, &Desk::new().machine).unwrap()
}

#[test]
fn the_texts_of_the_units() {
    insta::assert_snapshot!("service", service_text(Kind::Systemd, &named(), &launch()));
    insta::assert_snapshot!(
        "service_of_an_account_made_for_it",
        service_text(Kind::Systemd, &Account::Dynamic, &launch())
    );
    insta::assert_snapshot!("service_of_a_user", service_text(Kind::Systemd, &Account::Caller, &awkward()));
    insta::assert_snapshot!(
        "sweep_with_the_address_in_its_own_file",
        service_text(Kind::SystemdTimer, &named(), &own_file())
    );
    insta::assert_snapshot!("service_at_home", service_text(Kind::Systemd, &named(), &at_home()));
    insta::assert_snapshot!("timer", timer(&launch()));
}

/// Runs a judge of systemd's on units in a directory of their own; every program they start is there.
fn judged(words: &[&str], units: &[(&str, String)]) -> (bool, String) {
    let directory = tempfile::tempdir().unwrap();
    let mut command = Command::new("systemd-analyze");
    command.args(words).env("SYSTEMD_LOG_LEVEL", "info").env("SYSTEMD_COLORS", "0");
    // A judge of a user's units wants these, and nothing is written there.
    command.env("XDG_RUNTIME_DIR", directory.path()).env("HOME", directory.path());
    for (name, text) in units {
        let path = directory.path().join(name);
        // The judge wants to see the program; any will do.
        let text =
            text.replace("/usr/local/bin/unreserve", "/bin/true").replace("\"/opt/my tools/unreserve\"", "/bin/true");
        let text = text.replace("/run/user/1000/bin/unreserve", "/bin/true");
        std::fs::write(&path, text).unwrap();
        command.arg(path);
    }
    let output = command.output().expect("systemd-analyze is there: `cargo xtask test` installs it");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

fn every_unit() -> Vec<(&'static str, String)> {
    vec![
        ("unreserve.service", service_text(Kind::Systemd, &named(), &launch())),
        ("unreserve@a.service", service_text(Kind::Systemd, &Account::Dynamic, &launch())),
        ("unreserve@eu.service", service_text(Kind::Systemd, &named(), &awkward())),
        ("unreserve@home.service", service_text(Kind::Systemd, &named(), &at_home())),
        ("unreserve-sweep.service", service_text(Kind::SystemdTimer, &Account::Dynamic, &own_file())),
    ]
}

#[test]
fn systemd_finds_nothing_to_say_against_the_units() {
    let mut units = every_unit();
    units.push(("unreserve-sweep.timer", timer(&launch())));
    let (passed, said) = judged(&["verify"], &units);
    let about_us: Vec<&str> = said.lines().filter(|line| line.contains("unreserve")).collect();
    assert!(passed && about_us.is_empty(), "{said}");
    let (passed, said) = judged(
        &["--user", "verify"],
        &[("unreserve.service", service_text(Kind::Systemd, &Account::Caller, &awkward()))],
    );
    let about_us: Vec<&str> = said.lines().filter(|line| line.contains("unreserve")).collect();
    assert!(passed && about_us.is_empty(), "{said}");
    // A judge that finds nothing in anything would prove nothing.
    let broken = service_text(Kind::Systemd, &named(), &launch())
        .replace("Type=notify", "Type=nonsense")
        .replace("UMask=0077", "UMsak=0077");
    let (_, said) = judged(&["verify"], &[("unreserve.service", broken)]);
    assert!(said.contains("nonsense") && said.contains("UMsak"), "{said}");
}

#[test]
fn little_of_the_system_is_exposed_to_a_service() {
    for (name, text) in every_unit() {
        let (_, said) = judged(&["security", "--offline=true", "--no-pager"], &[(name, text)]);
        let line =
            said.lines().find(|line| line.contains("Overall exposure level")).unwrap_or_else(|| panic!("{said}"));
        let words: Vec<&str> = line.split_whitespace().collect();
        let level: f64 = words.iter().find_map(|word| word.parse().ok()).unwrap_or_else(|| panic!("{line}"));
        assert!(level <= EXPOSURE_MAX, "{said}");
    }
    let (_, said) = judged(
        &["security", "--offline=true", "--no-pager"],
        &[("bare.service", "[Service]\nExecStart=/bin/true\n".to_owned())],
    );
    assert!(said.contains("UNSAFE"), "{said}");
}

#[test]
fn what_an_account_made_for_the_service_cannot_read_is_refused() {
    let desk = Desk::new();
    desk.machine.write(Path::new("/etc/unreserve/unreserve.toml"), b"", 0o600).unwrap();
    let failure = service(Kind::Systemd, &Account::Dynamic, &launch(), &desk.machine).unwrap_err();
    assert_eq!(
        failure.message,
        "only root can read `/etc/unreserve/unreserve.toml`, and the service does not run as root"
    );
    // The env file is handed over.
    desk.machine.write(Path::new("/etc/unreserve/unreserve.toml"), b"", 0o644).unwrap();
    desk.machine.write(Path::new("/etc/unreserve/env"), b"", 0o600).unwrap();
    service(Kind::Systemd, &Account::Dynamic, &launch(), &desk.machine).unwrap();
    let indirect = Launch { names_other_files: true, ..launch() };
    assert!(service(Kind::Systemd, &Account::Dynamic, &indirect, &desk.machine).is_err());
    service(Kind::Systemd, &named(), &indirect, &desk.machine).unwrap();
    let elsewhere = Launch { state_dir: "/srv/state".to_owned(), ..launch() };
    assert!(
        install(Kind::Systemd, Scope::System, &Account::Dynamic, &elsewhere, &desk.machine)
            .unwrap_err()
            .message
            .contains("`/srv/state`")
    );
}

const SYSTEMCTL: &str = r#"echo "$@" >> "$LOG"
case "$*" in *show*) echo ActiveState=active; echo SubState=running; echo "StatusText=waits for 12:00"; echo ActiveEnterTimestamp=now ;; esac"#;

#[test]
fn is_installed_twice_as_once_and_removed_without_a_trace() {
    for (kind, scope, files) in [
        (Kind::Systemd, Scope::System, &["/etc/systemd/system/unreserve.service"][..]),
        (
            Kind::SystemdTimer,
            Scope::System,
            &["/etc/systemd/system/unreserve-sweep.service", "/etc/systemd/system/unreserve-sweep.timer"],
        ),
        (Kind::Systemd, Scope::User, &["/users/jo/.config/systemd/user/unreserve.service"]),
    ] {
        let desk = Desk::new();
        desk.program("systemctl", SYSTEMCTL);
        let account = if scope == Scope::User { Account::Caller } else { named() };
        let mut texts = Vec::new();
        for _ in 0..2 {
            let steps = install(kind, scope, &account, &launch(), &desk.machine).unwrap();
            steps::run(&steps, &Repair::default(), &desk.machine).unwrap();
            assert_eq!(desk.files(), files);
            texts.push(files.iter().map(|file| desk.machine.read_text(Path::new(file)).unwrap()).collect::<Vec<_>>());
        }
        assert_eq!(texts[0], texts[1]);
        // Somebody else's unit of a like name is not ours.
        let theirs = Path::new(files[0]).with_file_name("unreserve@theirs.service");
        desk.machine.write(&theirs, b"[Unit]\n", 0o644).unwrap();
        let found = find(kind, scope, &desk.machine);
        assert_eq!(found.iter().map(|one| one.shop.as_deref()).collect::<Vec<_>>(), [None]);
        assert_eq!(state(&found[0], &desk.machine), "active (running) since now: waits for 12:00");
        desk.machine.remove(&theirs).unwrap();
        for _ in 0..2 {
            let steps = uninstall(&found[0], &desk.machine).unwrap();
            steps::run(&steps, &Repair::default(), &desk.machine).unwrap();
            assert_eq!(desk.files(), [""; 0]);
        }
        assert!(!desk.machine.exists(Path::new("/users/jo/.config/systemd")));
        let unit = unit_name(kind, None);
        let user = if scope == Scope::User { "--user " } else { "" };
        let log = desk.log();
        for verb in [
            "daemon-reload".to_owned(),
            format!("enable {unit}"),
            format!("restart {unit}"),
            format!("disable --now {unit}"),
        ] {
            assert!(log.contains(&format!("{user}{verb}")), "{verb}: {log:?}");
        }
    }
}

#[test]
fn a_start_that_fails_leaves_nothing_behind() {
    let desk = Desk::new();
    desk.program("systemctl", &format!("{SYSTEMCTL}\n[ \"$1\" != restart ] || {{ echo 'Job failed' >&2; exit 1; }}"));
    let steps = install(Kind::Systemd, Scope::System, &named(), &launch(), &desk.machine).unwrap();
    let repair =
        Repair { before: vec![disable(Kind::Systemd, Scope::System, None)], after: vec![reload(Scope::System)] };
    let failure = steps::run(&steps, &repair, &desk.machine).unwrap_err();
    assert_eq!(
        (failure.message.as_str(), failure.causes.join("").as_str()),
        ("`systemctl restart unreserve.service` failed (exit code 1)", "Job failed")
    );
    assert_eq!(desk.files(), [""; 0]);
    assert_eq!(desk.log()[2..], ["restart unreserve.service", "disable --now unreserve.service", "daemon-reload"]);
}

#[test]
fn one_of_several_shops_has_units_of_its_own() {
    assert_eq!(unit_name(Kind::Systemd, Some("eu")), "unreserve@eu.service");
    assert_eq!(unit_name(Kind::SystemdTimer, Some("eu")), "unreserve-sweep@eu.timer");
    let installed =
        Installed { kind: Kind::SystemdTimer, scope: Scope::User, shop: Some("eu".to_owned()), place: String::new() };
    assert_eq!(
        log_command(&installed, 20).shown(),
        "journalctl --user-unit unreserve-sweep@eu.service --lines 20 --no-pager"
    );
    assert_eq!(status_command(&installed).shown(), "systemctl --user status unreserve-sweep@eu.timer");
}

//! systemd: a service that runs all the time, or a timer that sweeps every five minutes.

use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::service::account::{Account, state_directory};
use crate::service::kind::{Installed, Kind, Scope};
use crate::service::launch::{Launch, SecretPlace};
use crate::service::machine::Machine;
use crate::service::quote::{unit_argument, unit_value, unit_word};
use crate::service::steps::{Call, Step, Written};

/// The line by which our units are known.
pub(crate) const MARK: &str = "# Written by `unreserve service install`; `unreserve service uninstall` removes it.";

/// Where a system's own units lie.
const SYSTEM: &str = "/etc/systemd/system";

/// Directories that `ProtectHome=` and `PrivateTmp=` hide from the service.
const HIDDEN: [&str; 5] = ["/home", "/root", "/run/user", "/tmp", "/var/tmp"];

/// What every service of the system may not do. Each line takes something away that neither a sweep nor the daemon needs.
const HARDENING: &str = "\
UMask=0077
CapabilityBoundingSet=
AmbientCapabilities=
NoNewPrivileges=yes
ProtectSystem=strict
PrivateTmp=yes
PrivateDevices=yes
PrivateUsers=yes
PrivateIPC=yes
PrivateMounts=yes
ProtectHostname=yes
ProtectClock=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectProc=invisible
ProcSubset=pid
RemoveIPC=yes
KeyringMode=private
";

/// What a service may not do even where the manager is the user's own, which cannot set the rest.
const HARDENING_OF_ALL: &str = "\
NoNewPrivileges=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM
";

/// Whether systemd runs this machine.
pub(crate) fn is_running(machine: &Machine) -> bool {
    machine.exists(Path::new("/run/systemd/system"))
}

/// The unit that starts and stops: a timer's service is not one.
pub(crate) fn unit_name(kind: Kind, shop: Option<&str>) -> String {
    let shop = shop.map_or_else(String::new, |shop| format!("@{shop}"));
    match kind {
        Kind::SystemdTimer => format!("unreserve-sweep{shop}.timer"),
        _ => format!("unreserve{shop}.service"),
    }
}

/// The files of an installation.
fn files(kind: Kind, scope: Scope, shop: Option<&str>, machine: &Machine) -> Result<Vec<PathBuf>, Failure> {
    let directory = directory(scope, machine)?;
    let unit = directory.join(unit_name(kind, shop));
    Ok(match kind {
        Kind::SystemdTimer => vec![unit.with_extension("service"), unit],
        _ => vec![unit],
    })
}

fn directory(scope: Scope, machine: &Machine) -> Result<PathBuf, Failure> {
    match scope {
        Scope::System => Ok(PathBuf::from(SYSTEM)),
        Scope::User => machine.config_home.as_ref().map(|home| home.join("systemd/user")).ok_or_else(|| {
            Failure::usage("this user has no home directory, so there is no place for a unit of their own")
        }),
    }
}

/// Everything that installs one launch; the same again changes nothing but restarts it.
///
/// # Errors
/// The account could not read what it needs.
pub(crate) fn install(
    kind: Kind,
    scope: Scope,
    account: &Account,
    launch: &Launch,
    machine: &Machine,
) -> Result<Vec<Step>, Failure> {
    let unit = unit_name(kind, launch.shop.as_deref());
    let mut files = files(kind, scope, launch.shop.as_deref(), machine)?.into_iter();
    let mut steps = prepared_state(account, launch, machine)?;
    let write = |path: Option<PathBuf>, text: String| path.map(|path| Step::Write(Written::new(path, text)));
    steps.extend(write(files.next(), service(kind, account, launch, machine)?));
    steps.extend(write(files.next(), timer(launch)));
    let control = |words: &[&str]| Step::Run(Call::new(control_words(scope, words)));
    steps.extend([control(&["daemon-reload"]), control(&["enable", &unit]), control(&["restart", &unit])]);
    Ok(steps)
}

/// Everything that removes it; what is not there is no error.
pub(crate) fn uninstall(installed: &Installed, machine: &Machine) -> Result<Vec<Step>, Failure> {
    let Installed { kind, scope, shop, .. } = installed;
    let unit = unit_name(*kind, shop.as_deref());
    let control = |words: &[&str]| Step::Run(Call::new(control_words(*scope, words)).going_on());
    let mut steps = vec![Step::Run(disable(*kind, *scope, shop.as_deref()))];
    if *kind == Kind::SystemdTimer {
        steps.push(control(&["stop", &unit.replace(".timer", ".service")]));
    }
    steps.extend(files(*kind, *scope, shop.as_deref(), machine)?.into_iter().map(Step::Remove));
    if *scope == Scope::User {
        let directory = directory(*scope, machine)?;
        let above = directory.parent().map(Path::to_owned);
        // `disable` leaves the directory of its link.
        steps.push(Step::RemoveEmpty(directory.join("default.target.wants")));
        steps.push(Step::RemoveEmpty(directory.join("timers.target.wants")));
        steps.push(Step::RemoveEmpty(directory));
        steps.extend(above.map(Step::RemoveEmpty));
    }
    steps.extend([control(&["daemon-reload"]), control(&["reset-failed", &unit])]);
    Ok(steps)
}

/// The command that stops it and takes it out of the machine's start.
pub(crate) fn disable(kind: Kind, scope: Scope, shop: Option<&str>) -> Call {
    Call::new(control_words(scope, &["disable", "--now", &unit_name(kind, shop)])).going_on()
}

/// The command that has systemd read its units again.
pub(crate) fn reload(scope: Scope) -> Call {
    Call::new(control_words(scope, &["daemon-reload"]))
}

/// `start`, `stop` or `restart`.
pub(crate) fn control(installed: &Installed, verb: &str) -> Vec<Step> {
    let unit = unit_name(installed.kind, installed.shop.as_deref());
    vec![Step::Run(Call::new(control_words(installed.scope, &[verb, &unit])))]
}

/// Our units that lie where such units lie.
pub(crate) fn find(kind: Kind, scope: Scope, machine: &Machine) -> Vec<Installed> {
    let Ok(directory) = directory(scope, machine) else {
        return Vec::new();
    };
    let (start, end) = match kind {
        Kind::SystemdTimer => ("unreserve-sweep", ".timer"),
        _ => ("unreserve", ".service"),
    };
    let files = machine.list(&directory).into_iter().filter_map(|path| {
        let name = path.file_name()?.to_str()?;
        let middle = name.strip_prefix(start)?.strip_suffix(end)?;
        let shop = match middle {
            "" => None,
            _ => Some(middle.strip_prefix('@')?.to_owned()),
        };
        let ours = machine.read_text(&path)?.starts_with(MARK);
        ours.then(|| Installed { kind, scope, shop, place: path.display().to_string() })
    });
    files.collect()
}

/// How it stands, in systemd's own words.
pub(crate) fn state(installed: &Installed, machine: &Machine) -> String {
    let unit = unit_name(installed.kind, installed.shop.as_deref());
    let words = control_words(
        installed.scope,
        &["show", &unit, "--property=ActiveState,SubState,StatusText,ActiveEnterTimestamp"],
    );
    let said = machine.run(&Call::new(words)).ok().filter(|said| said.success);
    let Some(said) = said else {
        return "systemd does not answer".to_owned();
    };
    let value = |name: &str| {
        let line = said.stdout.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        line.filter(|value| !value.is_empty())
    };
    let mut text =
        format!("{} ({})", value("ActiveState").unwrap_or("unknown"), value("SubState").unwrap_or("unknown"));
    if let Some(since) = value("ActiveEnterTimestamp") {
        text.push_str(&format!(" since {since}"));
    }
    if let Some(status) = value("StatusText") {
        text.push_str(&format!(": {status}"));
    }
    text
}

/// The command that shows the last lines of its log.
pub(crate) fn log_command(installed: &Installed, lines: u32) -> Call {
    let unit = unit_name(installed.kind, installed.shop.as_deref()).replace(".timer", ".service");
    let of = if installed.scope == Scope::User { "--user-unit" } else { "--unit" };
    Call::new(["journalctl", of, &unit, "--lines", &lines.to_string(), "--no-pager"])
}

/// The command that shows how it stands.
pub(crate) fn status_command(installed: &Installed) -> Call {
    Call::new(control_words(installed.scope, &["status", &unit_name(installed.kind, installed.shop.as_deref())]))
}

fn control_words(scope: Scope, words: &[&str]) -> Vec<String> {
    let of_user = (scope == Scope::User).then_some("--user");
    std::iter::once("systemctl").chain(of_user).chain(words.iter().copied()).map(str::to_owned).collect()
}

/// The state directory, where it is not one that systemd makes.
fn prepared_state(account: &Account, launch: &Launch, machine: &Machine) -> Result<Vec<Step>, Failure> {
    if own_state_directory(launch).is_some() {
        return Ok(Vec::new());
    }
    if *account == Account::Dynamic {
        return Err(Failure::usage(format!(
            "the state directory `{}` cannot belong to an account that systemd makes",
            launch.state_dir
        ))
        .hint("leave it at /var/lib/unreserve, or name the account that the service runs as: --run-as NAME"));
    }
    state_directory(account, launch, machine)
}

/// The name below `/var/lib` of a state directory that systemd makes and owns.
fn own_state_directory(launch: &Launch) -> Option<&str> {
    let name = launch.state_dir.strip_prefix("/var/lib/").filter(|name| !name.contains(".."))?;
    // systemd gives such a directory, with all that is in it, to the service's account: never another program's.
    let rest = name.strip_prefix("unreserve")?;
    (rest.is_empty() || rest.starts_with(['-', '/'])).then_some(name)
}

/// The text of the service.
fn service(kind: Kind, account: &Account, launch: &Launch, machine: &Machine) -> Result<String, Failure> {
    let of_system = *account != Account::Caller;
    let credentials = if of_system { credentials(account, launch, machine)? } else { Credentials::default() };
    let command = if kind == Kind::SystemdTimer { &["sweep", "--quiet"][..] } else { &["daemon"] };
    let mut text = format!(
        "{MARK}\n[Unit]\nDescription=Gives back the stock that unpaid orders still hold ({})\n",
        unit_value(&launch.subject)
    );
    if of_system {
        text.push_str("Wants=network-online.target\nAfter=network-online.target postgresql.service mariadb.service mysql.service\n");
    }
    if kind != Kind::SystemdTimer {
        text.push_str("StartLimitIntervalSec=0\n");
    }
    text.push_str("\n[Service]\n");
    text.push_str(if kind == Kind::SystemdTimer { "Type=oneshot\n" } else { "Type=notify\nNotifyAccess=main\n" });
    text.push_str(&format!("ExecStart={}\n", command_line(launch, command, &credentials)));
    text.push_str(match kind {
        Kind::SystemdTimer => "SuccessExitStatus=75\nTimeoutStartSec=5min\n",
        _ => DAEMON,
    });
    text.push_str(&format!("WorkingDirectory=-{}\n", unit_value(&launch.directory)));
    for (name, value) in launch.variables.iter().filter(|(name, _)| !credentials.replaces(name)) {
        text.push_str(&format!("Environment={}\n", unit_word(&format!("{name}={value}"))));
    }
    for (name, path) in &credentials.0 {
        text.push_str(&format!("LoadCredential={name}:{}\n", unit_value(&path.display().to_string())));
    }
    if of_system {
        text.push_str(&confinement(account, launch));
    } else {
        text.push_str(HARDENING_OF_ALL);
    }
    if kind != Kind::SystemdTimer {
        let target = if of_system { "multi-user.target" } else { "default.target" };
        text.push_str(&format!("\n[Install]\nWantedBy={target}\n"));
    }
    Ok(text)
}

/// How the daemon is started again: not where settings are wrong or an invariant broke, since that needs a person.
const DAEMON: &str = "\
ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure
RestartSec=5s
RestartPreventExitStatus=2 3
WatchdogSec=60
TimeoutStopSec=30
";

/// The text of the timer. A run that was missed is made up for.
fn timer(launch: &Launch) -> String {
    format!(
        "{MARK}\n[Unit]\nDescription=Sweeps every five minutes ({})\n\n\
         [Timer]\nOnCalendar=*:0/5\nAccuracySec=1s\nPersistent=true\n\n[Install]\nWantedBy=timers.target\n",
        unit_value(&launch.subject)
    )
}

/// Files that systemd reads as root and hands to the service, by the name they get there.
#[derive(Debug, Default)]
struct Credentials(Vec<(&'static str, PathBuf)>);

/// The credential with the database's address.
const ADDRESS: &str = "database_url";
/// The credential that is the env file.
const ENV_FILE: &str = "env";

impl Credentials {
    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| *known == name)
    }

    /// Whether the address comes as a credential, so that no variable has to name its file.
    fn replaces(&self, variable: &str) -> bool {
        self.has(ADDRESS) && variable.ends_with("DATABASE_URL_FILE")
    }
}

/// Which files come as credentials: the address where it has a file of its own, and an env file that the account could not
/// read itself.
fn credentials(account: &Account, launch: &Launch, machine: &Machine) -> Result<Credentials, Failure> {
    let mut credentials = Credentials::default();
    for secret in &launch.secrets {
        match secret {
            SecretPlace::Own { path, .. } if !credentials.has(ADDRESS) => credentials.0.push((ADDRESS, path.clone())),
            SecretPlace::Own { .. } => {}
            SecretPlace::Env(path) if *account == Account::Dynamic && !credentials.has(ENV_FILE) => {
                credentials.0.push((ENV_FILE, path.clone()));
            }
            SecretPlace::Env(_) | SecretPlace::Settings(_) => {}
        }
    }
    if *account == Account::Dynamic && launch.names_other_files {
        return Err(Failure::usage(
            "the database's address stands in a file that another file names, and root owns them",
        )
        .hint("name the account that the service runs as, which can read both: --run-as NAME"));
    }
    if *account == Account::Dynamic {
        let handed: Vec<&PathBuf> = credentials.0.iter().map(|(_, path)| path).collect();
        let closed = launch
            .files()
            .into_iter()
            .find(|file| !handed.contains(&file) && machine.exists(file) && !machine.everybody_reads(file));
        if let Some(file) = closed {
            return Err(Failure::usage(format!("only root can read `{}`, and the service does not run as root", file.display()))
                .hint("name the account that the service runs as, and give it the file: --run-as NAME, chown NAME FILE")
                .hint("or put the database's address into a `.env` file, which systemd hands over, and let everybody read the rest"));
        }
    }
    Ok(credentials)
}

fn command_line(launch: &Launch, command: &[&str], credentials: &Credentials) -> String {
    let handed = credentials.has(ENV_FILE);
    let plain = if handed { Launch { env_file: None, ..launch.clone() } } else { launch.clone() };
    let mut line = plain.words(command).iter().map(|word| unit_argument(word)).collect::<Vec<_>>().join(" ");
    if handed {
        line.push_str(&format!(" --env-file ${{CREDENTIALS_DIRECTORY}}/{ENV_FILE}"));
    }
    line
}

/// The account, what it may write, what it may see of hidden directories, and what it may not do.
fn confinement(account: &Account, launch: &Launch) -> String {
    let mut text = match account {
        Account::Named(name) => format!("User={}\n", unit_value(name)),
        Account::Dynamic | Account::Caller => "DynamicUser=yes\n".to_owned(),
    };
    let mut writable: Vec<PathBuf> = Vec::new();
    match own_state_directory(launch) {
        Some(name) => text.push_str(&format!("StateDirectory={}\nStateDirectoryMode=0700\n", unit_word(name))),
        None => writable.push(PathBuf::from(&launch.state_dir)),
    }
    // A database that is a file has others beside it while it is written; the log file gets a new one each day.
    let beside = launch.databases.iter().chain(&launch.log_file).filter_map(|file| file.parent());
    writable.extend(beside.map(Path::to_owned));
    writable.sort();
    writable.dedup();
    let hidden = |path: &Path| HIDDEN.iter().any(|directory| path.starts_with(directory));
    for path in &writable {
        let name = if hidden(path) { "BindPaths" } else { "ReadWritePaths" };
        text.push_str(&format!("{name}={}\n", unit_word(&path.display().to_string())));
    }
    // Metrics are written beside their file first. Where that directory is not there, sweeps have to run all the same.
    if let Some(path) =
        launch.metrics_file.as_deref().and_then(Path::parent).filter(|path| !writable.iter().any(|known| known == path))
    {
        let name = if hidden(path) { "BindPaths" } else { "ReadWritePaths" };
        text.push_str(&format!("{name}={}\n", unit_word(&format!("-{}", path.display()))));
    }
    let covered = |path: &Path| writable.iter().any(|directory| path.starts_with(directory));
    let seen: Vec<PathBuf> = launch.files().into_iter().filter(|path| hidden(path) && !covered(path)).collect();
    for path in &seen {
        text.push_str(&format!("BindReadOnlyPaths={}\n", unit_word(&path.display().to_string())));
    }
    let looks_home = seen.iter().chain(&writable).any(|path| HIDDEN.iter().take(3).any(|home| path.starts_with(home)));
    text.push_str(if looks_home { "ProtectHome=tmpfs\n" } else { "ProtectHome=yes\n" });
    let without_double = HARDENING_OF_ALL.lines().filter(|line| !line.starts_with("NoNewPrivileges"));
    let lines = HARDENING.lines().chain(without_double);
    lines.fold(text, |text, line| text + line + "\n")
}

#[cfg(test)]
mod tests;

//! One face over all kinds: what to do to install, start, stop and remove, what is found, and where its log is.

use std::path::PathBuf;

use crate::failure::Failure;
use crate::service::account::{self, Account};
use crate::service::kind::{Installed, Kind, Scope};
use crate::service::kubernetes::{self, Workload};
use crate::service::launch::Launch;
use crate::service::machine::Machine;
use crate::service::steps::{Call, Repair, Step};
use crate::service::{background, cron, earlier, launchd, systemd, task_scheduler};

/// What is to be installed.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    /// How.
    pub(crate) kind: Kind,
    /// Whose it is.
    pub(crate) scope: Scope,
    /// The shop that the command named, if any.
    pub(crate) shop: Option<String>,
    /// What runs: one for all shops, or one for each.
    pub(crate) launches: Vec<Launch>,
    /// The account that was asked for.
    pub(crate) run_as: Option<String>,
    /// For a cluster.
    pub(crate) workloads: Vec<Workload>,
}

/// Everything that installs it, but for a process of our own, which is started by `background`.
///
/// # Errors
/// Something about it cannot be written into the kind's files.
pub(crate) fn install(wanted: &Wanted, machine: &Machine) -> Result<Vec<Step>, Failure> {
    let mut steps = Vec::new();
    let account = |launch: &Launch| account_of(wanted, launch, machine);
    match wanted.kind {
        Kind::Cron => {
            let account = wanted.launches.first().map_or(Ok(Account::Caller), account)?;
            return cron::install(wanted.scope, &account, wanted.shop.as_deref(), &wanted.launches, machine);
        }
        Kind::Kubernetes => {
            let files: Vec<PathBuf> =
                wanted.launches.iter().flat_map(|launch| launch.databases.iter().cloned()).collect();
            kubernetes::check(&files, &wanted.workloads)?;
            return Ok(vec![Step::Run(kubernetes::apply(&manifests(wanted)))]);
        }
        Kind::Background => return Ok(Vec::new()),
        Kind::Systemd | Kind::SystemdTimer | Kind::Launchd | Kind::TaskScheduler => {}
    }
    for launch in &wanted.launches {
        steps.extend(match wanted.kind {
            Kind::Launchd => launchd::install(wanted.scope, &account(launch)?, launch, machine)?,
            Kind::TaskScheduler => task_scheduler::install(wanted.scope, windows_user().as_deref(), launch)?,
            kind => systemd::install(kind, wanted.scope, &account(launch)?, launch, machine)?,
        });
    }
    Ok(steps)
}

/// Who runs a launch, and can read its files.
fn account_of(wanted: &Wanted, launch: &Launch, machine: &Machine) -> Result<Account, Failure> {
    if wanted.scope == Scope::User {
        return Ok(Account::Caller);
    }
    let account = Account::choose(wanted.run_as.as_deref(), launch, machine)?;
    if let Account::Named(name) = &account {
        let by_systemd = matches!(wanted.kind, Kind::Systemd | Kind::SystemdTimer);
        account::check_reads(name, &earlier::read_by_itself(launch, by_systemd), !by_systemd, machine)?;
    }
    Ok(account)
}

/// What its owner should know of the account that a service gets, beside what the files themselves say.
pub(crate) fn remarks(wanted: &Wanted, machine: &Machine) -> Vec<String> {
    if wanted.scope == Scope::User || wanted.run_as.is_some() {
        return Vec::new();
    }
    let remark = |launch: &Launch| {
        // The owner of the first is the account.
        let file = launch.databases.iter().find(|file| machine.owner(file).is_some())?;
        machine.owner(file).filter(|owner| *owner == 0)?;
        Some(format!(
            "the service runs as root, since root owns the database `{}`, which nobody else could write: \
             give the file and its directory to an account of the shop, or name one that may write both with `--run-as NAME`",
            file.display()
        ))
    };
    let mut remarks: Vec<String> = wanted.launches.iter().filter_map(remark).collect();
    remarks.dedup();
    remarks
}

/// The manifests of every workload.
pub(crate) fn manifests(wanted: &Wanted) -> String {
    wanted.workloads.iter().map(kubernetes::manifests).collect::<Vec<_>>().join("---\n")
}

/// What undoes an installation that fails half-way. One that was there before stays enabled, with its old files.
pub(crate) fn repair(wanted: &Wanted, search: &Search, machine: &Machine) -> Repair {
    let mut repair = Repair::default();
    if matches!(wanted.kind, Kind::Systemd | Kind::SystemdTimer) {
        let known = find(&Search { kind: Some(wanted.kind), ..search.clone() }, machine);
        let is_new = |launch: &&Launch| !known.iter().any(|one| (one.scope, &one.shop) == (wanted.scope, &launch.shop));
        let new = wanted.launches.iter().filter(is_new);
        repair.before = new.map(|launch| systemd::disable(wanted.kind, wanted.scope, launch.shop.as_deref())).collect();
        repair.after = vec![systemd::reload(wanted.scope)];
    }
    repair
}

/// The user whom a task runs as.
fn windows_user() -> Option<String> {
    let name = std::env::var("USERNAME").ok()?;
    Some(std::env::var("USERDOMAIN").map_or_else(|_| name.clone(), |domain| format!("{domain}\\{name}")))
}

/// Where to look for what is installed.
#[derive(Debug, Clone)]
pub(crate) struct Search {
    /// The shops that the settings know, and the one without a name.
    pub(crate) shops: Vec<Option<String>>,
    /// The state directory.
    pub(crate) state_dir: PathBuf,
    /// Only this kind.
    pub(crate) kind: Option<Kind>,
    /// Only services of the user's own.
    pub(crate) user_only: bool,
}

/// Everything of ours on this machine.
pub(crate) fn find(search: &Search, machine: &Machine) -> Vec<Installed> {
    let kinds = Kind::ALL.into_iter().filter(|kind| search.kind.is_none_or(|only| only == *kind));
    let scopes = [Scope::System, Scope::User].into_iter().filter(|scope| !search.user_only || *scope == Scope::User);
    let scopes: Vec<Scope> = scopes.collect();
    let mut found = Vec::new();
    for kind in kinds {
        match kind {
            Kind::Systemd | Kind::SystemdTimer => {
                found.extend(scopes.iter().flat_map(|scope| systemd::find(kind, *scope, machine)))
            }
            Kind::Cron => found.extend(scopes.iter().flat_map(|scope| cron::find(*scope, machine))),
            Kind::Launchd => found.extend(scopes.iter().flat_map(|scope| launchd::find(*scope, machine))),
            Kind::TaskScheduler => found.extend(task_scheduler::find(&search.shops, machine)),
            Kind::Kubernetes => found.extend(kubernetes::find(&search.shops, machine)),
            Kind::Background => found.extend(background::find(&search.state_dir, machine)),
        }
    }
    found
}

/// Everything that removes it, but for a process of our own.
///
/// # Errors
/// The crontab cannot be read.
pub(crate) fn uninstall(installed: &Installed, machine: &Machine) -> Result<Vec<Step>, Failure> {
    match installed.kind {
        Kind::Systemd | Kind::SystemdTimer => systemd::uninstall(installed, machine),
        Kind::Cron => cron::uninstall(installed, machine),
        Kind::Launchd => launchd::uninstall(installed, machine),
        Kind::TaskScheduler => Ok(task_scheduler::uninstall(installed)),
        Kind::Kubernetes => Ok(kubernetes::uninstall(installed).into_iter().map(Step::Run).collect()),
        Kind::Background => Ok(vec![Step::Remove(PathBuf::from(&installed.place))]),
    }
}

/// What to do with a service that is installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    /// Starts it.
    Start,
    /// Stops it until it is started again.
    Stop,
    /// Stops it and starts it.
    Restart,
}

impl Verb {
    /// What the command line and the managers call it.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
        }
    }
}

/// Everything that starts, stops or restarts it, but for a process of our own.
///
/// # Errors
/// The crontab cannot be read.
pub(crate) fn control(installed: &Installed, verb: Verb, machine: &Machine) -> Result<Vec<Step>, Failure> {
    match installed.kind {
        Kind::Systemd | Kind::SystemdTimer => Ok(systemd::control(installed, verb.word())),
        Kind::Cron => cron::set_active(installed, verb != Verb::Stop, machine),
        Kind::Launchd => launchd::control(installed, verb.word(), machine),
        Kind::TaskScheduler => Ok(task_scheduler::control(installed, verb.word())),
        Kind::Kubernetes => Ok(kubernetes::control(installed, verb.word()).into_iter().map(Step::Run).collect()),
        Kind::Background => Ok(Vec::new()),
    }
}

/// How it stands, in a line.
pub(crate) fn state(installed: &Installed, search: &Search, machine: &Machine) -> String {
    match installed.kind {
        Kind::Systemd | Kind::SystemdTimer => systemd::state(installed, machine),
        Kind::Cron => cron::state(installed, machine),
        Kind::Launchd => launchd::state(installed, machine),
        Kind::TaskScheduler => task_scheduler::state(installed, machine),
        Kind::Kubernetes => kubernetes::state(installed, machine),
        Kind::Background => background::read(&search.state_dir, installed.shop.as_deref()).map_or_else(
            || "its record cannot be read: `unreserve service install` writes it anew".to_owned(),
            |record| background::state(&record),
        ),
    }
}

/// The commands that say more about it.
pub(crate) fn commands(installed: &Installed, machine: &Machine) -> Vec<String> {
    let mut commands = match installed.kind {
        Kind::Systemd | Kind::SystemdTimer => vec![systemd::status_command(installed).shown()],
        Kind::Cron if installed.scope == Scope::User => vec!["crontab -l".to_owned()],
        Kind::Cron => vec![format!("cat {}", installed.place)],
        Kind::Launchd => vec![launchd::status_command(installed, machine).shown()],
        Kind::TaskScheduler => vec![task_scheduler::status_command(installed).shown()],
        Kind::Kubernetes => vec![kubernetes::status_command(installed).shown()],
        Kind::Background => Vec::new(),
    };
    if let Log::Command(call) = log(installed, None, 50) {
        commands.push(call.shown());
    }
    commands
}

/// Where the log of a service is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Log {
    /// A command shows it.
    Command(Call),
    /// Files of ours have it: the log with its daily files, and what was said beside it.
    Files {
        /// The log, without the day in its name.
        log: PathBuf,
        /// What was said beside it, by each service that writes this log.
        outputs: Vec<PathBuf>,
    },
    /// Nothing keeps it; this sentence says where its lines go.
    Nowhere(String),
}

/// Where its log is. A log file of the settings is where it is, whatever the kind.
pub(crate) fn log(installed: &Installed, launch: Option<&Launch>, lines: u32) -> Log {
    let files = |launch: &Launch| Log::Files { log: super::own_log(launch), outputs: vec![super::output_file(launch)] };
    if let Some(launch) = launch.filter(|launch| launch.log_file.is_some()) {
        return files(launch);
    }
    match installed.kind {
        Kind::Systemd | Kind::SystemdTimer => Log::Command(systemd::log_command(installed, lines)),
        Kind::Kubernetes => Log::Command(kubernetes::log_command(installed, lines)),
        Kind::Cron => Log::Nowhere(
            "cron mails what a sweep has to say, which is nothing on success; a `log.file` in the settings keeps it, \
             and `unreserve history` shows every sweep"
                .to_owned(),
        ),
        Kind::Launchd | Kind::TaskScheduler | Kind::Background => {
            launch.map_or_else(|| Log::Nowhere("its log is in the state directory".to_owned()), files)
        }
    }
}

/// Each log once, however many services write it.
pub(crate) fn each_once(logs: Vec<Log>) -> Vec<Log> {
    let mut once: Vec<Log> = Vec::new();
    for new in logs {
        let is_same = |known: &&mut Log| match (&**known, &new) {
            (Log::Files { log: known, .. }, Log::Files { log, .. }) => known == log,
            (known, new) => known == new,
        };
        match (once.iter_mut().find(is_same), new) {
            (Some(Log::Files { outputs: known, .. }), Log::Files { outputs, .. }) => {
                known.extend(outputs);
                known.sort();
                known.dedup();
            }
            (Some(_), _) => {}
            (None, new) => once.push(new),
        }
    }
    once
}

/// Whether a cron works on this machine.
pub(crate) fn cron_is_running(machine: &Machine) -> bool {
    cron::is_running(machine)
}

/// Says that there is none.
pub(crate) fn none_installed(kind: Option<Kind>, others: &[Installed]) -> Failure {
    if let (Some(kind), false) = (kind, others.is_empty()) {
        let places: Vec<String> = others.iter().map(|one| format!("{} at {}", one.kind.word(), one.place)).collect();
        return Failure::usage(format!("no service of kind `{}`; installed: {}", kind.word(), places.join(", ")))
            .hint("leave `--kind` out, or name the kind that is installed");
    }
    Failure::usage("no service is installed")
        .hint("`unreserve service install` installs one; `unreserve service install --print` shows it first")
}

/// Refuses to choose between kinds: a command means all services of one kind.
///
/// # Errors
/// There are several kinds.
pub(crate) fn of_one_kind(found: &[Installed]) -> Result<(), Failure> {
    let Some(first) = found.first() else {
        return Ok(());
    };
    if found.iter().all(|one| (one.kind, one.scope) == (first.kind, first.scope)) {
        return Ok(());
    }
    let places: Vec<String> = found.iter().map(|one| format!("{} at {}", one.kind.word(), one.place)).collect();
    Err(Failure::usage(format!("several kinds of service are installed: {}", places.join(", ")))
        .hint("say which one: `--kind KIND`, or `--user` for one of your own"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_several_services_write_is_shown_once_with_what_each_said_beside_it() {
        let files = |log: &str, output: &str| Log::Files { log: log.into(), outputs: vec![output.into()] };
        let command = || Log::Command(Call::new(["journalctl", "-u", "x"]));
        let nowhere = || Log::Nowhere("cron mails it".to_owned());
        let logs = vec![
            files("a.log", "a.out"),
            nowhere(),
            files("a.log", "b.out"),
            command(),
            files("b.log", "b.out"),
            files("a.log", "a.out"),
            nowhere(),
            command(),
        ];
        let expected = vec![
            Log::Files { log: "a.log".into(), outputs: vec!["a.out".into(), "b.out".into()] },
            nowhere(),
            command(),
            files("b.log", "b.out"),
        ];
        assert_eq!(each_once(logs), expected);
    }
}

//! `service`: installs what runs unattended, starts and stops it, and says how it stands.

use std::path::{Path, PathBuf};

use clap::Parser;

use crate::app::Context;
use crate::cli::CommandLine;
use crate::cli::args::FormatArgs;
use crate::cli::service_args::{
    ServiceArgs, ServiceChangeArgs, ServiceChoice, ServiceCommand, ServiceInstallArgs, ServiceLogsArgs,
    ServiceRunDetachedArgs,
};
use crate::cli::service_status;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::opening::{self, block_on};
use crate::printer::Printer;
use crate::profiles;
use crate::service::background::{self, Life};
use crate::service::earlier;
use crate::service::kind::{Installed, Kind, Manner, Scope};
use crate::service::kubernetes::{self, Profile, Runs, Workload};
use crate::service::launch::{Launch, Place, caution_about};
use crate::service::leftovers::{self, Left};
use crate::service::machine::Machine;
use crate::service::managing::{self, Log, Search, Verb, Wanted};
use crate::service::process;
use crate::service::quote;
use crate::service::steps::{self, Call, Repair, Step};
use crate::settings::{Environment, Origin, Settings, mask};

/// Runs the command.
pub(crate) fn run(args: &ServiceArgs, context: &Context) -> Result<Exit, Failure> {
    let machine = Machine::of_process();
    match &args.command {
        ServiceCommand::Install(args) => install(args, context, &machine),
        ServiceCommand::Uninstall(args) => uninstall(*args, context, &machine),
        ServiceCommand::Start(args) => control(*args, Verb::Start, context, &machine),
        ServiceCommand::Stop(args) => control(*args, Verb::Stop, context, &machine),
        ServiceCommand::Restart(args) => control(*args, Verb::Restart, context, &machine),
        ServiceCommand::Status(args) => status(args.choice, args.format, context, &machine),
        ServiceCommand::Logs(args) => logs(*args, context, &machine),
        ServiceCommand::RunDetached(args) => run_detached(args),
    }
}

/// Becomes the program, outside this session. It returns only where that fails.
pub(crate) fn run_detached(args: &ServiceRunDetachedArgs) -> Result<Exit, Failure> {
    let error = process::become_detached(&args.words);
    Err(Failure::new(Exit::Problems, "cannot run the program detached").because(&error))
}

/// The shops that a service is for.
fn shops(context: &Context) -> Vec<Settings> {
    std::iter::once(&context.settings).chain(&context.others).cloned().collect()
}

/// The shop that the command named, if any.
fn named_shop(context: &Context) -> Option<String> {
    let named =
        matches!(context.settings.shop_origin, Origin::Flag(_) | Origin::Environment(_) | Origin::EnvFile { .. });
    context.settings.shop.clone().filter(|_| named)
}

fn install(args: &ServiceInstallArgs, context: &Context, machine: &Machine) -> Result<Exit, Failure> {
    let kind = args.choice.kind.unwrap_or_else(|| Kind::of_machine(machine));
    let wanted = wanted(kind, args, context, machine)?;
    if !args.print {
        kind.check_manager(wanted.scope, machine)?;
    }
    let steps = managing::install(&wanted, machine)?;
    let replaces = earlier::check(&wanted, &steps, machine);
    if args.print {
        let mut text = shown(&wanted, &steps, machine);
        if let Err(failure) = replaces {
            let lines =
                std::iter::once(format!("nothing would be installed: {}", failure.message)).chain(failure.hints);
            let lines: String = lines.map(|line| format!("### {line}\n")).collect();
            text = format!("{lines}\n{text}");
        }
        context.printer.result(&text)?;
        return Ok(Exit::Done);
    }
    replaces?;
    if kind == Kind::Kubernetes && machine.find("kubectl").is_none() {
        context.printer.result(&managing::manifests(&wanted))?;
        context
            .printer
            .note("`kubectl` is not on this machine, so nothing was applied; where it is: kubectl apply -f FILE");
        return Ok(Exit::Done);
    }
    warn(&wanted, context, machine);
    if kind != Kind::Kubernetes {
        for settings in &shops(context) {
            ledger_is_there(settings).map_err(|failure| failure.of_shop(settings.shop.as_deref()))?;
        }
    }
    // The databases may have taken their time to answer: what somebody else has put into the crontab meanwhile stays.
    let steps = managing::install(&wanted, machine)?;
    earlier::check(&wanted, &steps, machine)?;
    steps::run(&steps, &managing::repair(&wanted, &search(args.choice, context), machine), machine)?;
    if kind == Kind::Background {
        for launch in &wanted.launches {
            start_background(launch, machine)?;
        }
    }
    context.printer.note(&done(&wanted, machine));
    Ok(Exit::Done)
}

fn wanted(kind: Kind, args: &ServiceInstallArgs, context: &Context, machine: &Machine) -> Result<Wanted, Failure> {
    refuse_options_of_others(kind, args)?;
    if args.run_as.is_some() && !machine.is_root() {
        return Err(Failure::usage("--run-as: only root installs a service for another account")
            .hint("run it with sudo, or leave `--run-as` out"));
    }
    let shops = shops(context);
    let named = named_shop(context);
    let place = Place::of_process()?;
    let environment = Environment::of_process();
    for settings in &shops {
        profiles::load(settings).map_err(|failure| failure.of_shop(settings.shop.as_deref()))?;
    }
    let gather = |shops: &[Settings], name: Option<String>| {
        Ok::<_, Failure>(Launch::gather(shops, &environment, &place)?.for_shop(name))
    };
    let launches = match kind.manner() {
        Manner::Daemon => vec![gather(&shops, named.clone())?],
        Manner::Schedule => shops
            .iter()
            .map(|shop| gather(std::slice::from_ref(shop), shop.shop.clone()))
            .collect::<Result<Vec<_>, Failure>>()?,
    };
    let workloads = match kind {
        Kind::Kubernetes => shops.iter().map(|shop| workload(shop, args)).collect::<Result<Vec<_>, Failure>>()?,
        _ => Vec::new(),
    };
    let user = args.choice.user || kind == Kind::Background || (kind == Kind::Cron && !machine.is_root());
    let scope = if user { Scope::User } else { Scope::System };
    Ok(Wanted { kind, scope, shop: named, launches, run_as: args.run_as.clone(), workloads })
}

/// An option that means nothing to this kind is a mistake, and not passed over.
fn refuse_options_of_others(kind: Kind, args: &ServiceInstallArgs) -> Result<(), Failure> {
    let cluster = kind == Kind::Kubernetes;
    let accounts = matches!(kind, Kind::Systemd | Kind::SystemdTimer | Kind::Cron | Kind::Launchd);
    for (given, fits, flag) in [
        (args.image.is_some(), cluster, "--image"),
        (args.cronjob, cluster, "--cronjob"),
        (args.run_as.is_some(), accounts, "--run-as"),
        (args.choice.user, !cluster, "--user"),
    ] {
        if given && !fits {
            return Err(Failure::usage(format!("{flag}: this means nothing to kind `{}`", kind.word()))
                .hint("leave it out, or choose another kind; `unreserve service install --help` lists them"));
        }
    }
    Ok(())
}

fn workload(settings: &Settings, args: &ServiceInstallArgs) -> Result<Workload, Failure> {
    let name = &settings.shop;
    let loaded = profiles::load(settings)?;
    let named = settings.profile.as_ref().map(|profile| profile.value.as_str()).unwrap_or_default();
    let shipped = profiles::SHIPPED.iter().any(|shipped| shipped.name == named);
    let mut set: Vec<(&str, String)> = Vec::new();
    let span = |span: &std::time::Duration| unreserve_engine::model::write_duration(*span);
    set.extend(settings.timeout.as_ref().map(|timeout| ("UNRESERVE_TIMEOUT", span(&timeout.value))));
    set.extend(settings.grace.as_ref().map(|grace| ("UNRESERVE_GRACE", span(&grace.value))));
    set.extend(settings.batch_size.as_ref().map(|size| ("UNRESERVE_BATCH_SIZE", size.value.to_string())));
    set.extend(settings.interval.as_ref().map(|interval| ("UNRESERVE_INTERVAL", span(&interval.value))));
    set.extend(settings.max_orders.as_ref().map(|max| ("UNRESERVE_MAX_ORDERS", max.value.to_string())));
    set.extend(
        settings
            .log
            .level
            .as_ref()
            .map(|level| ("UNRESERVE_LOG_LEVEL", crate::cli::settings::level_word(level.value).to_owned())),
    );
    Ok(Workload {
        shop: name.clone(),
        subject: name.clone().map_or_else(|| loaded.profile.name.clone(), |name| format!("shop {name}")),
        image: args.image.clone().unwrap_or_else(|| format!("unreserve:{}", env!("CARGO_PKG_VERSION"))),
        runs: if args.cronjob { Runs::EveryFiveMinutes } else { Runs::AllTheTime },
        profile: if shipped { Profile::Shipped(named.to_owned()) } else { Profile::Text(loaded.text().to_owned()) },
        settings: set.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
    })
}

/// What `--print` shows.
fn shown(wanted: &Wanted, steps: &[Step], machine: &Machine) -> String {
    let remarks = managing::remarks(wanted, machine).into_iter().map(|remark| format!("### note: {remark}\n\n"));
    let mut text = format!("{}{}", remarks.collect::<String>(), steps::shown(steps));
    if wanted.kind == Kind::Kubernetes {
        let commands =
            wanted.workloads.iter().map(|workload| format!("#   {}\n", kubernetes::secret_command(workload)));
        text = format!("### the Secret is yours to make, before:\n{}\n{text}", commands.collect::<String>());
    }
    for launch in wanted.launches.iter().filter(|_| wanted.kind == Kind::Background) {
        let record = background::Record::of(launch);
        text.push_str(&format!(
            "### start detached, for {}, in `{}`, with its output in {} and its record in {}{}\n{}\n",
            launch.subject,
            launch.directory,
            record.output.display(),
            background::record_file(Path::new(&launch.state_dir), launch.shop.as_deref()).display(),
            variables_shown(&record.variables),
            Call::new(record.words).shown()
        ));
    }
    text
}

/// The variables that are taken along; none is a secret, and what looks like one is masked all the same.
fn variables_shown(variables: &[(String, String)]) -> String {
    let shown = variables.iter().map(|(name, value)| format!("{name}={}", mask(value))).collect::<Vec<_>>().join(", ");
    if shown.is_empty() { shown } else { format!(", with these variables: {shown}") }
}

/// What the owner should know, though it is installed.
fn warn(wanted: &Wanted, context: &Context, machine: &Machine) {
    if let Some(caution) = wanted.launches.first().and_then(|launch| caution_about(Path::new(&launch.program))) {
        tracing::warn!("{caution}");
    }
    for remark in managing::remarks(wanted, machine) {
        tracing::warn!("{remark}");
    }
    let search = Search { kind: None, user_only: false, ..search(ServiceChoice { kind: None, user: false }, context) };
    let others = managing::find(&search, machine)
        .into_iter()
        .filter(|other| (other.kind, other.scope) != (wanted.kind, wanted.scope));
    for other in others {
        tracing::warn!(
            "it is also installed as {} at {}: `unreserve service uninstall --kind {}` removes that one",
            other.kind.word(),
            other.place,
            other.kind.word()
        );
    }
}

/// Refuses where our own tables are missing: every run would only say so. A database that is out of reach now is another matter.
fn ledger_is_there(settings: &Settings) -> Result<(), Failure> {
    use unreserve_engine::shop::InstallState;
    use unreserve_engine::sweep::SweepError;
    block_on(async {
        let mut shop = match opening::connect(settings).await {
            Ok(shop) => shop,
            Err(failure) if failure.exit == Exit::DatabaseUnavailable => {
                tracing::warn!("{}: whether `unreserve setup` was run is not known", failure.message);
                return Ok(());
            }
            Err(failure) => return Err(failure),
        };
        match shop.info().await {
            Ok(info) if info.installed != InstallState::Current => {
                Err(opening::sweep_failure(&SweepError::NotInstalled(info.installed)))
            }
            Ok(_) | Err(_) => Ok(()),
        }
    })
}

fn done(wanted: &Wanted, machine: &Machine) -> String {
    let places: Vec<String> = wanted.launches.iter().map(|launch| launch.subject.clone()).collect();
    let is_deployment = wanted.workloads.iter().any(|workload| workload.runs == Runs::AllTheTime);
    let how = match wanted.kind.manner() {
        Manner::Schedule if is_deployment => "The cluster keeps a daemon running.",
        Manner::Daemon => "It runs now, and releases when something expires.",
        Manner::Schedule => "It sweeps every five minutes.",
    };
    let mut text = format!(
        "Installed ({}) for {}. {how}\n`unreserve service status` says how it stands.",
        wanted.kind.word(),
        places.join(", ")
    );
    if wanted.kind == Kind::Background {
        text.push_str("\nIt ends with the machine: start it again then with `unreserve service start`.");
    }
    if wanted.kind == Kind::Systemd && wanted.scope == Scope::User {
        text.push_str("\nIt ends when you log out, unless you run once: loginctl enable-linger");
    }
    if wanted.kind == Kind::Cron && !managing::cron_is_running(machine) {
        text.push_str("\nNo cron runs on this machine now, so nothing happens until it does.");
    }
    text
}

/// The words that take a process out of this session.
fn detach() -> Result<Vec<String>, Failure> {
    let place = Place::of_process()?;
    Ok(vec![place.program.display().to_string(), "service".to_owned(), "run-detached".to_owned(), "--".to_owned()])
}

fn start_background(launch: &Launch, machine: &Machine) -> Result<(), Failure> {
    let state_dir = Path::new(&launch.state_dir);
    let new = background::Record::of(launch);
    if let Some(old) = background::read(state_dir, launch.shop.as_deref()) {
        let same = (&old.words, &old.variables, &old.directory) == (&new.words, &new.variables, &new.directory);
        if same && old.life() == Life::Running {
            return Ok(());
        }
        background::stop(old, state_dir, machine)?;
    }
    let started = background::start(new, &detach()?, state_dir, machine);
    started.map(drop).inspect_err(|_| {
        // Nothing half done: what could not be started leaves no record.
        drop(machine.remove(&background::record_file(state_dir, launch.shop.as_deref())));
    })
}

fn search(choice: ServiceChoice, context: &Context) -> Search {
    let mut names = vec![None];
    names.extend(shops(context).into_iter().map(|settings| settings.shop).filter(Option::is_some));
    let state_dir = &context.settings.state_dir.value;
    let state_dir = std::path::absolute(state_dir).unwrap_or_else(|_| state_dir.clone());
    Search { shops: names, state_dir, kind: choice.kind, user_only: choice.user }
}

/// What is installed of one kind, for the shop that was named or for all.
fn chosen(choice: ServiceChoice, context: &Context, machine: &Machine) -> Result<(Search, Vec<Installed>), Failure> {
    let search = search(choice, context);
    let mut found = managing::find(&search, machine);
    if let Some(shop) = named_shop(context) {
        found.retain(|installed| installed.shop.as_deref() == Some(&shop));
    }
    if found.iter().any(|one| one.scope == Scope::System)
        && found.iter().all(|one| Some(one.kind) == found.first().map(|first| first.kind))
    {
        // Of one kind there may be root's own beside the system's: that one is `--user`.
        found.retain(|one| one.scope == Scope::System);
    }
    managing::of_one_kind(&found)?;
    Ok((search, found))
}

/// Says that there is none of this kind, and which there are.
fn none_installed(search: &Search, machine: &Machine) -> Failure {
    let others = managing::find(&Search { kind: None, user_only: false, ..search.clone() }, machine);
    managing::none_installed(search.kind, &others)
}

fn uninstall(args: ServiceChangeArgs, context: &Context, machine: &Machine) -> Result<Exit, Failure> {
    let (search, found) = chosen(args.choice, context, machine)?;
    if found.is_empty() && !args.print {
        context.printer.note(&none_installed(&search, machine).message);
    }
    let mut printed = String::new();
    for installed in &found {
        let steps = managing::uninstall(installed, machine)?;
        let record = background_record(installed, &search);
        if args.print {
            printed.push_str(&background_shown(record.as_ref(), "end"));
            printed.push_str(&format!("{}\n", steps::shown(&steps)));
            continue;
        }
        if let Some(record) = record {
            background::stop(record, &search.state_dir, machine)?;
        }
        steps::run(&steps, &Repair::default(), machine)?;
        context.printer.note(&format!("removed: {} at {}", installed.kind.word(), installed.place));
    }
    if args.print {
        context.printer.result(if found.is_empty() { "nothing is installed" } else { printed.trim_end() })?;
        return Ok(Exit::Done);
    }
    let others = managing::find(&Search { kind: None, user_only: false, ..search.clone() }, machine);
    if !found.is_empty()
        && others.is_empty()
        && let Left::Stays(why) = leftovers::remove(&search.state_dir)
    {
        context.printer.note(&format!("the state directory `{}` stays: {why}", search.state_dir.display()));
    }
    Ok(Exit::Done)
}

/// The record of a process of our own.
fn background_record(installed: &Installed, search: &Search) -> Option<background::Record> {
    let ours = installed.kind == Kind::Background;
    ours.then(|| background::read(&search.state_dir, installed.shop.as_deref())).flatten()
}

fn background_shown(record: Option<&background::Record>, what: &str) -> String {
    record.map_or_else(String::new, |record| {
        format!("### {what} process {}\n{}\n\n", record.process_id, Call::new(record.words.clone()).shown())
    })
}

fn control(args: ServiceChangeArgs, verb: Verb, context: &Context, machine: &Machine) -> Result<Exit, Failure> {
    let (search, found) = chosen(args.choice, context, machine)?;
    if found.is_empty() {
        return Err(none_installed(&search, machine));
    }
    let mut printed = String::new();
    for installed in &found {
        let steps = managing::control(installed, verb, machine)?;
        let record = background_record(installed, &search);
        if args.print {
            printed.push_str(&background_shown(record.as_ref(), verb.word()));
            printed.push_str(&format!("{}\n", steps::shown(&steps)));
            continue;
        }
        let ran = record.as_ref().is_some_and(|record| record.life() == Life::Running);
        steps::run(&steps, &Repair::default(), machine)?;
        if let Some(record) = record {
            control_background(record, verb, &search.state_dir, machine)?;
        }
        let state = managing::state(installed, &search, machine);
        let already = if verb == Verb::Start && ran { "already " } else { "" };
        context.printer.note(&format!("{}: {already}{state}", installed.kind.word()));
    }
    if args.print {
        context.printer.result(printed.trim_end())?;
    }
    Ok(Exit::Done)
}

fn control_background(
    record: background::Record,
    verb: Verb,
    state_dir: &Path,
    machine: &Machine,
) -> Result<(), Failure> {
    let record = match verb {
        // It is what was asked for, and the line about it says since when.
        Verb::Start if record.life() == Life::Running => return Ok(()),
        Verb::Start => record,
        Verb::Stop | Verb::Restart => background::stop(record, state_dir, machine)?,
    };
    if verb != Verb::Stop {
        background::start(record, &detach()?, state_dir, machine)?;
    }
    Ok(())
}

fn status(choice: ServiceChoice, format: FormatArgs, context: &Context, machine: &Machine) -> Result<Exit, Failure> {
    let search = search(choice, context);
    let mut found = managing::find(&search, machine);
    if let Some(shop) = named_shop(context) {
        found.retain(|installed| installed.shop.is_none() || installed.shop.as_deref() == Some(&shop));
    }
    let said_again = said_again(context);
    let recorded = found.iter().find_map(|installed| background_record(installed, &search));
    let shops = match recorded.as_ref().map(recorded_shops) {
        Some(Ok(shops)) => shops,
        Some(Err(failure)) => {
            tracing::warn!("what the service works for cannot be read: {}", failure.message);
            shops(context)
        }
        None => shops(context),
    };
    let status = service_status::gather(&found, &search, &shops, &said_again, machine)?;
    context.printer.result(&status.written(format.format)?)?;
    Ok(if status.is_well() { Exit::Done } else { Exit::Problems })
}

/// The shops of a process of our own, by its record and not by our environment. Paths start from its directory from here on.
fn recorded_shops(record: &background::Record) -> Result<Vec<Settings>, Failure> {
    let command = CommandLine::try_parse_from(&record.words)
        .map_err(|error| Failure::usage("its record cannot be understood").because(&error))?;
    std::env::set_current_dir(&record.directory).map_err(|error| {
        Failure::usage(format!("its directory `{}` cannot be entered", record.directory.display())).because(&error)
    })?;
    let ours = |name: &std::ffi::OsString| {
        name.to_str().is_some_and(|name| name.starts_with("UNRESERVE_") || name.starts_with("DATABASE_URL"))
    };
    let others = std::env::vars_os().filter(|(name, _)| !ours(name));
    let taken_along = record.variables.iter().map(|(name, value)| (name.into(), value.into()));
    let environment = Environment::from_variables(others.chain(taken_along));
    Ok(Settings::load_shops(&command.flags(), &environment)?)
}

/// The global options of this call, for the commands that it suggests.
fn said_again(context: &Context) -> String {
    let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone()).display().to_string();
    let flags = &context.flags;
    let options = [
        ("--config", flags.config.as_ref().map(absolute)),
        ("--env-file", flags.env_file.as_ref().map(absolute)),
        ("--state-dir", flags.state_dir.as_ref().map(absolute)),
        ("--shop", flags.shop.clone()),
    ];
    let given = options.into_iter().filter_map(|(name, value)| Some(format!(" {name} {}", quote::shell(&value?))));
    given.collect()
}

fn logs(args: ServiceLogsArgs, context: &Context, machine: &Machine) -> Result<Exit, Failure> {
    let (search, found) = chosen(args.choice, context, machine)?;
    if found.is_empty() {
        return Err(none_installed(&search, machine));
    }
    let place = Place::of_process()?;
    let mut logs: Vec<Log> = Vec::new();
    for installed in &found {
        let launch = Launch::for_log(&context.settings, installed.shop.clone(), &place)?;
        logs.push(managing::log(installed, Some(&launch), args.lines));
    }
    for log in managing::each_once(logs) {
        match log {
            Log::Command(call) => run_log_command(&call, &context.printer, machine)?,
            Log::Files { log, outputs } => print_files(&log, &outputs, args.lines, &context.printer)?,
            Log::Nowhere(sentence) => context.printer.result(&sentence)?,
        }
    }
    Ok(Exit::Done)
}

fn run_log_command(call: &Call, printer: &Printer, machine: &Machine) -> Result<(), Failure> {
    let said = machine.run(call)?;
    if !said.success {
        let mut failure = Failure::new(Exit::Problems, format!("`{}` failed ({})", call.shown(), said.ended));
        failure.causes.extend(said.stderr.lines().take(5).map(str::to_owned));
        return Err(failure);
    }
    Ok(printer.result(&said.stdout)?)
}

/// The last lines of the newest files of a log, and what was said beside it.
fn print_files(log: &Path, outputs: &[PathBuf], lines: u32, printer: &Printer) -> Result<(), Failure> {
    let wanted = usize::try_from(lines).unwrap_or(usize::MAX);
    let mut text: Vec<String> = Vec::new();
    for file in newest_first(log) {
        let content = std::fs::read_to_string(&file).unwrap_or_default();
        let older: Vec<String> = content.lines().map(str::to_owned).collect();
        text.splice(0..0, older);
        if text.len() >= wanted {
            break;
        }
    }
    for output in outputs {
        let beside = std::fs::read_to_string(output).unwrap_or_default();
        text.extend(beside.lines().map(str::to_owned));
    }
    let first = text.len().saturating_sub(wanted);
    let shown: Vec<String> = text.into_iter().skip(first).collect();
    if shown.is_empty() {
        printer.note(&format!("nothing is in the log yet: {}", log.display()));
        return Ok(());
    }
    Ok(printer.result(&shown.join("\n"))?)
}

/// The files of a log that gets a new one each day, with the day before the ending.
fn newest_first(log: &Path) -> Vec<PathBuf> {
    let stem = log.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
    let entries = log.parent().and_then(|directory| std::fs::read_dir(directory).ok());
    let files = entries.into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path());
    let of_log = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let rest = name.strip_prefix(&stem);
        rest.is_some_and(|rest| rest.starts_with('.')) && path.extension() != Some("out".as_ref())
    };
    let mut files: Vec<PathBuf> = files.filter(of_log).collect();
    files.sort_by_key(|path| {
        std::cmp::Reverse((path.metadata().and_then(|metadata| metadata.modified()).ok(), path.clone()))
    });
    files
}

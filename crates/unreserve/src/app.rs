//! The wiring: from the command line to one command, and from its outcome to the exit number.

use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};

use crate::cli::args::{DemoArgs, SettingsCommand, SweepArgs};
use crate::cli::service_args::{ServiceArgs, ServiceCommand};
use crate::cli::{self, Command, CommandLine, Shops};
use crate::exit::{Exit, HealthExit};
use crate::failure::Failure;
use crate::logging;
use crate::metrics;
use crate::printer::{PrintError, Printer, Quiet};
use crate::settings::{self, Environment, Flags, LogLevel, Settings};
use crate::telemetry::Telemetry;

/// What every command gets: the effective settings and the printer.
#[derive(Debug)]
pub(crate) struct Context {
    /// The effective settings; of several shops those of the first.
    pub(crate) settings: Settings,
    /// The settings of the other shops, where the command works on several.
    pub(crate) others: Vec<Settings>,
    /// What the command line says of settings.
    pub(crate) flags: Flags,
    /// The only way to stdout and stderr.
    pub(crate) printer: Printer,
    /// What is sent to a collector of traces and metrics, if anything.
    pub(crate) telemetry: Telemetry,
}

/// Runs what the command line asks for, and reports how it ended.
pub(crate) fn run(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let printer = Printer::new();
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let outcome = match CommandLine::try_parse_from(&arguments) {
        Ok(command_line) => run_command(&command_line, printer.clone()),
        Err(error) => refuse_or_help(&error, &arguments, &printer),
    };
    outcome.unwrap_or_else(|failure| {
        printer.failure(&failure);
        failure.exit
    })
}

fn run_command(command_line: &CommandLine, printer: Printer) -> Result<Exit, Failure> {
    // These need no settings, and must work where the settings are broken.
    match &command_line.command {
        Command::Completions(args) => {
            return for_reading(printer.result(&cli::completions::script(args)));
        }
        Command::Man(args) => return man(args.dir.as_deref(), &printer),
        Command::Service(ServiceArgs { command: ServiceCommand::RunDetached(args) }) => {
            return cli::service::run_detached(args);
        }
        // Whoever asks how it is must be told in the numbers and the format of that answer, whatever went wrong.
        Command::Health(args) => {
            return cli::health::told(args, &printer, run_with_settings(command_line, printer.clone()));
        }
        _ => {}
    }
    run_with_settings(command_line, printer)
}

fn run_with_settings(command_line: &CommandLine, printer: Printer) -> Result<Exit, Failure> {
    let (settings, others) = load(command_line)?;
    let (level, quiet) = loudness(&command_line.command);
    let printer = printer.hush(quiet);
    logging::start(&settings.log, level, &printer)?;
    for warning in &settings.warnings {
        tracing::warn!("{warning}");
    }
    let shop = settings.shop.clone().filter(|_| command_line.command.shops() == Shops::One);
    // Before anything waits: its threads are not the command's.
    let sweeps = matches!(command_line.command, Command::Sweep(_) | Command::Daemon(_));
    let telemetry = if sweeps { Telemetry::start(&Environment::of_process()) } else { Telemetry::default() };
    let context = Context { settings, others, flags: command_line.flags(), printer, telemetry };
    let ended = logging::within_shop(shop.as_deref(), || dispatch(&command_line.command, &context));
    context.telemetry.finish();
    ended.map_err(|failure| failure.of_shop(shop.as_deref()))
}

/// The settings of the shop that the command works on, and of the others where it works on several.
fn load(command_line: &CommandLine) -> Result<(Settings, Vec<Settings>), Failure> {
    let (flags, environment) = (command_line.flags(), Environment::of_process());
    match command_line.command.shops() {
        Shops::No => Ok((Settings::load_without_shop(&flags, &environment)?, Vec::new())),
        Shops::One => Ok((Settings::load(&flags, &environment)?, Vec::new())),
        Shops::All => {
            let mut shops = Settings::load_shops(&flags, &environment)?.into_iter();
            let first = shops.next().ok_or_else(|| Failure::usage("there is no shop"))?;
            Ok((first, shops.collect()))
        }
    }
}

/// One arm a command. Each returns how the program ends.
fn dispatch(command: &Command, context: &Context) -> Result<Exit, Failure> {
    match command {
        Command::Demo(args) => cli::demo::run(args, context),
        Command::Setup(args) => cli::setup::run(args, context),
        Command::Sweep(args) => cli::sweep::run(args, context),
        Command::Daemon(_) => cli::daemon::run(context),
        Command::Dashboard(_) => cli::dashboard::run(context),
        Command::Health(args) => cli::health::run(args, context),
        Command::Alert(args) => cli::alert::run(args, context),
        Command::Explain(args) => cli::explain::run(args, context),
        Command::History(args) => cli::history::run(args, context),
        Command::Report(args) => cli::report::run(args, context),
        Command::Profile(args) => cli::profile::run(args, context),
        Command::Service(args) => cli::service::run(args, context),
        Command::Settings(args) => {
            let text = match &args.command {
                SettingsCommand::Show(args) => cli::settings::show(&context.settings, &context.others, args),
                SettingsCommand::Reference => settings::reference_markdown(),
                SettingsCommand::Metrics => metrics::reference_markdown(),
                SettingsCommand::Openapi => crate::web::api::document()
                    .to_pretty_json()
                    .map_err(|error| Failure::new(Exit::Halted, "cannot write the description").because(&error))?,
            };
            context.printer.result(&text)?;
            Ok(Exit::Done)
        }
        // Done in `run_command` already.
        Command::Completions(_) | Command::Man(_) => Ok(Exit::Done),
    }
}

/// A command is quiet on success: it logs from `warn`, with `-v` from `info`, with `-q` only errors.
fn loudness(command: &Command) -> (LogLevel, Quiet) {
    match command {
        Command::Sweep(SweepArgs { verbose: true, .. }) => (LogLevel::Info, Quiet::No),
        Command::Sweep(SweepArgs { quiet: true, .. }) => (LogLevel::Error, Quiet::Yes),
        Command::Daemon(_) => (LogLevel::Info, Quiet::No),
        // What goes wrong in its shop is a part of the picture.
        Command::Demo(DemoArgs { live: true, .. }) => (LogLevel::Error, Quiet::No),
        _ => (LogLevel::Warn, Quiet::No),
    }
}

fn man(directory: Option<&std::path::Path>, printer: &Printer) -> Result<Exit, Failure> {
    match directory {
        Some(directory) => {
            let directory = cli::man::write_pages(directory)?;
            printer.note(&format!("wrote the manual pages to `{}`", directory.display()));
            Ok(Exit::Done)
        }
        None => for_reading(printer.result(&cli::man::main_page()?)),
    }
}

/// What clap has to say instead of a command: help and version on stdout, a refusal on stderr.
fn refuse_or_help(error: &clap::Error, arguments: &[OsString], printer: &Printer) -> Result<Exit, Failure> {
    let text = error.render().ansi().to_string();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => for_reading(printer.result(&text)),
        _ => {
            printer.raw_to_stderr(&without_passwords(text, arguments));
            Ok(if asks_for_health(arguments) { Exit::Health(HealthExit::Unknown) } else { Exit::Usage })
        }
    }
}

/// A slip in the command line of a monitoring plugin is unknown, and neither a warning nor critical.
fn asks_for_health(arguments: &[OsString]) -> bool {
    let matches = CommandLine::command().ignore_errors(true).try_get_matches_from(arguments);
    matches.is_ok_and(|matches| matches.subcommand_name() == Some("health"))
}

/// clap repeats an argument that it does not understand; a URL in the wrong place must not show its password.
fn without_passwords(text: String, arguments: &[OsString]) -> String {
    let arguments = arguments.iter().filter_map(|argument| argument.to_str());
    let values = arguments.flat_map(|argument| [Some(argument), argument.split_once('=').map(|(_, value)| value)]);
    values.flatten().filter(|value| !value.is_empty()).fold(text, |text, value| {
        let masked = settings::mask(value);
        if masked == value { text } else { text.replace(value, &masked) }
    })
}

/// Texts that people page through: a reader who has seen enough is no error.
fn for_reading(printed: Result<(), PrintError>) -> Result<Exit, Failure> {
    match printed {
        Ok(()) | Err(PrintError::Closed) => Ok(Exit::Done),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_in_the_wrong_place_does_not_show_its_password() {
        let url = "postgres://shop:hunter2@host/db";
        for arguments in [
            vec!["unreserve", "sweep", url],
            vec!["unreserve", url],
            vec!["unreserve", "sweep", "--format", url],
            vec!["unreserve", "completions", url],
            vec!["unreserve", "--databse-url", url, "sweep"],
            vec!["unreserve", "sweep", "--format=postgres://shop:hunter2@host/db"],
            vec!["unreserve", "sweep", "--dry-run=postgres://shop:hunter2@host/db"],
        ] {
            let arguments: Vec<OsString> = arguments.into_iter().map(OsString::from).collect();
            let error = CommandLine::try_parse_from(&arguments).expect_err("refused");
            let text = without_passwords(error.render().to_string(), &arguments);
            assert!(!text.contains("hunter2"), "{text}");
        }
    }
}

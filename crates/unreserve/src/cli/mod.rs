//! The command line: the global options and the tree of commands.

pub(crate) mod alert;
pub(crate) mod args;
pub(crate) mod completions;
pub(crate) mod daemon;
pub(crate) mod dashboard;
pub(crate) mod demo;
mod demo_live;
mod demo_place;
pub(crate) mod explain;
pub(crate) mod health;
pub(crate) mod history;
pub(crate) mod man;
pub(crate) mod named;
pub(crate) mod profile;
pub(crate) mod report;
pub(crate) mod service;
pub(crate) mod service_args;
mod service_status;
pub(crate) mod settings;
pub(crate) mod setup;
pub(crate) mod sweep;
pub(crate) mod sweep_text;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::cli::args::{
    AlertArgs, CompletionsArgs, DaemonArgs, DashboardArgs, DemoArgs, ExplainArgs, HealthArgs, HistoryArgs, ManArgs,
    ProfileArgs, ProfileCommand, ReportArgs, SettingsArgs, SettingsCommand, SetupArgs, SweepArgs,
};
use crate::cli::service_args::{ServiceArgs, ServiceCommand};
use crate::settings::{DatabaseUrl, Flags};

const ABOUT: &str = "Gives back the stock that unpaid orders still hold";

const LONG_ABOUT: &str = "\
Gives back the stock that unpaid orders still hold.

unreserve connects to a shop's own database, finds reservations that have expired while their order stayed unpaid, \
releases them, cancels the orders that are left with nothing, and keeps a ledger of every change. A profile says what \
the shop's tables mean; nothing is installed in the shop.";

const EXAMPLES: &str = "\
Examples:
  unreserve demo --live                See it work in a shop with customers, on a page
  unreserve demo                       See one sweep of a shop made up for you
  unreserve setup                      Create our own tables in the shop's database
  unreserve sweep --dry-run            See what would be released, and why not
  unreserve sweep                      Release it
  unreserve daemon                     Release it as soon as it expires, from now on
  unreserve dashboard                  See it in a browser
  unreserve health                     Is it working?
  unreserve explain A-1042             Why is this order due, or not?

Exit codes:
  0   done, also when nothing was due
  1   done with problems: orders were set aside, or more are due than --max-orders
  2   wrong usage, settings or profile
  3   halted on a broken invariant
  4   the database is unavailable
  75  another instance is running
`unreserve health` has its own: 0 ok, 1 warning, 2 critical, 3 unknown";

const GLOBAL: &str = "Global options";

/// What was asked for.
#[derive(Debug, Parser)]
#[command(
    name = "unreserve",
    version = env!("UNRESERVE_VERSION"),
    about = ABOUT,
    long_about = LONG_ABOUT,
    after_help = EXAMPLES,
    arg_required_else_help = true,
    max_term_width = 100,
    disable_help_subcommand = true
)]
pub(crate) struct CommandLine {
    /// Options of every command.
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    /// The command.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command. Their values are resolved in `settings`, not by clap, so that every value knows where it
/// came from and no help page shows one.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = GLOBAL)]
pub(crate) struct GlobalArgs {
    /// Settings file [default: unreserve.toml]
    #[arg(long, global = true, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,
    /// File with `NAME=value` lines, read like the environment [default: .env]
    #[arg(long, global = true, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(crate) env_file: Option<PathBuf>,
    /// Which of the settings file's shops, by its name, where it has several
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) shop: Option<String>,
    /// The shop's database; with a password better given as UNRESERVE_DATABASE_URL or DATABASE_URL
    #[arg(long, global = true, value_name = "URL", value_parser = database_url)]
    pub(crate) database_url: Option<DatabaseUrl>,
    /// What the shop's tables mean: a shipped profile or a profile file
    #[arg(long, global = true, value_name = "NAME|FILE", value_hint = clap::ValueHint::FilePath)]
    pub(crate) profile: Option<String>,
    /// Directory for our own files, such as the lock
    #[arg(long, global = true, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub(crate) state_dir: Option<PathBuf>,
    /// How log lines are written: text or json [default: text on a terminal, else json]
    #[arg(long, global = true, value_name = "FORMAT")]
    pub(crate) log_format: Option<String>,
    /// Least severe log lines to write: off, error, warn, info, debug or trace [default: warn, of a daemon info]
    #[arg(long, global = true, value_name = "LEVEL")]
    pub(crate) log_level: Option<String>,
    /// Write log lines to this file, a new one each day and whenever one is full, instead of stderr
    #[arg(long, global = true, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(crate) log_file: Option<PathBuf>,
}

/// Takes any text: clap would repeat a refused one in its message.
fn database_url(text: &str) -> Result<DatabaseUrl, std::convert::Infallible> {
    Ok(DatabaseUrl::new(text))
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a small shop in a file, sweep it, and show what happened
    Demo(DemoArgs),
    /// Create or upgrade our own tables in the shop's database
    Setup(SetupArgs),
    /// Release what is due, once
    Sweep(SweepArgs),
    /// Release what is due as soon as it is, until told to end
    Daemon(DaemonArgs),
    /// Show the page: how it is, what is held, what came back
    Dashboard(DashboardArgs),
    /// Say how everything is, with a remedy for what is wrong
    Health(HealthArgs),
    /// Try whether alerts arrive, and show what was told
    Alert(AlertArgs),
    /// Show every condition of one order and whether it is due
    Explain(ExplainArgs),
    /// Show past sweeps and what each changed, from the ledger
    History(HistoryArgs),
    /// Show what was given back over some days, and what became of the orders made in them
    Report(ReportArgs),
    /// List, show or check profiles
    Profile(ProfileArgs),
    /// Install, start, stop and watch what runs unattended
    Service(ServiceArgs),
    /// Show the effective settings
    Settings(SettingsArgs),
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
    /// Print the manual page, or write all of them
    Man(ManArgs),
}

/// Which shops of the settings file a command works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shops {
    /// None of them: it needs no shop, or makes its own.
    No,
    /// One, that has to be named where there are several.
    One,
    /// All, unless one is named.
    All,
}

impl Command {
    /// Which shops of the settings file it works on.
    pub(crate) fn shops(&self) -> Shops {
        match self {
            Self::Setup(_) | Self::Sweep(_) | Self::Explain(_) | Self::History(_) | Self::Report(_) => Shops::One,
            Self::Profile(args) => match args.command {
                ProfileCommand::Check(_) => Shops::One,
                ProfileCommand::List(_) | ProfileCommand::Show(_) => Shops::No,
            },
            Self::Settings(args) => match args.command {
                SettingsCommand::Show(_) => Shops::All,
                SettingsCommand::Reference | SettingsCommand::Metrics | SettingsCommand::Openapi => Shops::No,
            },
            Self::Daemon(_) | Self::Dashboard(_) | Self::Health(_) | Self::Alert(_) => Shops::All,
            Self::Service(args) => match args.command {
                ServiceCommand::RunDetached(_) => Shops::No,
                _ => Shops::All,
            },
            Self::Demo(_) | Self::Completions(_) | Self::Man(_) => Shops::No,
        }
    }
}

impl CommandLine {
    /// What the command line says of settings.
    pub(crate) fn flags(&self) -> Flags {
        let global = self.global.clone();
        let flags = Flags {
            config: global.config,
            env_file: global.env_file,
            shop: global.shop,
            database_url: global.database_url,
            profile: global.profile,
            state_dir: global.state_dir,
            log_format: global.log_format,
            log_level: global.log_level,
            log_file: global.log_file,
            ..Flags::default()
        };
        match &self.command {
            Command::Sweep(sweep) => Flags {
                timeout: sweep.timeout.clone(),
                max_age_minutes: sweep.max_age_minutes.clone(),
                grace: sweep.grace.clone(),
                batch_size: sweep.batch_size.clone(),
                max_orders: sweep.max_orders.clone(),
                metrics_file: sweep.metrics_file.clone(),
                ..flags
            },
            Command::Daemon(daemon) => {
                Flags { interval: daemon.interval.clone(), listen: daemon.listen.clone(), ..flags }
            }
            Command::Dashboard(dashboard) => Flags { listen: dashboard.listen.clone(), ..flags },
            Command::Health(health) => Flags { interval: health.interval.clone(), ..flags },
            _ => flags,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::settings::SETTINGS;

    #[test]
    fn the_tree_is_sound() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn every_flag_of_a_setting_exists_and_every_command_has_examples() {
        let mut command = CommandLine::command();
        command.build();
        let long_flags = |command: &clap::Command| {
            let names = command.get_arguments().filter_map(clap::Arg::get_long);
            names.map(|name| format!("--{name}")).collect::<Vec<_>>()
        };
        let flags: Vec<String> = ["sweep", "daemon"]
            .iter()
            .flat_map(|name| long_flags(command.find_subcommand(name).expect("there")))
            .collect();
        for flag in SETTINGS.iter().filter_map(|doc| doc.flag) {
            assert!(flags.iter().any(|known| known == flag), "{flag}");
        }
        fn examples(command: &clap::Command) {
            let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(text.starts_with("Examples:\n"), "{}", command.get_name());
            command.get_subcommands().for_each(examples);
        }
        examples(&command);
    }
}

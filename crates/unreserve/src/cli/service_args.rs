//! What `service` and the commands below it take.

use std::ffi::OsString;

use clap::{Args, Subcommand};

use crate::cli::args::FormatArgs;
use crate::service::kind::Kind;

/// `service`
#[derive(Debug, Args)]
#[command(
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "\
Examples:
  unreserve service install --print    Show every file and command, and change nothing
  unreserve service install            Install the kind that fits this system
  unreserve service status             How it stands, and its last sweep
  unreserve service uninstall          Remove it without a trace"
)]
pub(crate) struct ServiceArgs {
    /// What to do with the service.
    #[command(subcommand)]
    pub(crate) command: ServiceCommand,
}

/// The commands below `service`.
#[derive(Debug, Subcommand)]
pub(crate) enum ServiceCommand {
    /// Install it, so that it runs unattended; installing again changes it
    Install(ServiceInstallArgs),
    /// Stop and remove it
    #[command(after_help = "\
Examples:
  unreserve service uninstall
  unreserve service uninstall --kind cron --print")]
    Uninstall(ServiceChangeArgs),
    /// Start it, also after the next start of the machine
    #[command(after_help = "\
Examples:
  unreserve service start
  sudo unreserve service start --kind systemd")]
    Start(ServiceChangeArgs),
    /// Stop it until it is started again
    #[command(after_help = "\
Examples:
  unreserve service stop
  unreserve service stop --print")]
    Stop(ServiceChangeArgs),
    /// Stop it and start it
    #[command(after_help = "\
Examples:
  unreserve service restart
  unreserve service restart --user")]
    Restart(ServiceChangeArgs),
    /// Show how it stands: where it is installed, its last sweep, its next look, its last error
    #[command(after_help = "\
Examples:
  unreserve service status
  unreserve service status --format json

Ends with 0 if a service is installed and its daemon, where it has one, is alive; else with 1.")]
    Status(ServiceStatusArgs),
    /// Show the last lines of its log, or say what does
    Logs(ServiceLogsArgs),
    /// Leave this session and become another program; what `--kind background` starts
    #[command(
        hide = true,
        after_help = "\
Examples:
  unreserve service run-detached -- /usr/local/bin/unreserve daemon"
    )]
    RunDetached(ServiceRunDetachedArgs),
}

/// Which service is meant.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct ServiceChoice {
    /// How it runs [default: what fits this system, or what is installed]
    #[arg(long, value_enum, value_name = "KIND")]
    pub(crate) kind: Option<Kind>,
    /// A service of your own instead of the system's; it needs no root, and may end when you log out
    #[arg(long)]
    pub(crate) user: bool,
}

/// `service install`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  unreserve service install --print
  sudo unreserve service install --kind systemd --run-as shop
  unreserve service install --kind cron
  unreserve service install --kind kubernetes --image registry.example/unreserve:0.1.0 --print

No secret is copied: the service reads the database's address where it stands, in the settings file, the .env file or a file \
of its own. Where it stands only in the environment or on the command line, nothing is installed.")]
pub(crate) struct ServiceInstallArgs {
    /// Which one.
    #[command(flatten)]
    pub(crate) choice: ServiceChoice,
    /// Show every file and every command in order, and change nothing
    #[arg(long)]
    pub(crate) print: bool,
    /// The account that a service of the system runs as [default: the owner of the database's file, or of the file with its
    /// address; where that is root, with systemd an account made for it]
    #[arg(long, value_name = "NAME", conflicts_with = "user")]
    pub(crate) run_as: Option<String>,
    /// The container image, for `--kind kubernetes` [default: unreserve:VERSION]
    #[arg(long, value_name = "NAME")]
    pub(crate) image: Option<String>,
    /// For `--kind kubernetes`: a CronJob that sweeps every five minutes, instead of a Deployment
    #[arg(long)]
    pub(crate) cronjob: bool,
}

/// `service uninstall`, `start`, `stop` and `restart`
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct ServiceChangeArgs {
    /// Which one.
    #[command(flatten)]
    pub(crate) choice: ServiceChoice,
    /// Show every file and every command in order, and change nothing
    #[arg(long)]
    pub(crate) print: bool,
}

/// `service status`
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct ServiceStatusArgs {
    /// Which one.
    #[command(flatten)]
    pub(crate) choice: ServiceChoice,
    /// How the result is written
    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

/// `service logs`
#[derive(Debug, Clone, Copy, Args)]
#[command(after_help = "\
Examples:
  unreserve service logs
  unreserve service logs --lines 200")]
pub(crate) struct ServiceLogsArgs {
    /// Which one.
    #[command(flatten)]
    pub(crate) choice: ServiceChoice,
    /// How many lines to show
    #[arg(short = 'n', long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) lines: u32,
}

/// `service run-detached`
#[derive(Debug, Args)]
pub(crate) struct ServiceRunDetachedArgs {
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "WORD")]
    pub(crate) words: Vec<OsString>,
}

//! What each command takes.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use jiff::civil::Date;
use unreserve_engine::model::parse_duration;
use unreserve_engine::report::health::CheckId;

/// How a result is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// One JSON object on stdout, and nothing else
    Json,
}

/// The option that every command with a result has.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct FormatArgs {
    /// How the result is written
    #[arg(long, value_enum, default_value_t = Format::Text, hide_possible_values = true, value_name = "text|json")]
    pub(crate) format: Format,
}

/// `demo`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  unreserve demo                       1,000 orders in ./unreserve-demo
  unreserve demo --orders 50 --dir /tmp/shop
  unreserve demo --live                A shop with customers, the daemon and the page, until Ctrl-C
  unreserve demo --live --speed 1      The same as fast as life
  unreserve demo --live --listen 127.0.0.1:9000")]
pub(crate) struct DemoArgs {
    /// Directory for the shop's files; an earlier demo in it is replaced, nothing else is
    #[arg(long, value_name = "DIR", default_value = "unreserve-demo", value_hint = clap::ValueHint::DirPath)]
    pub(crate) dir: PathBuf,
    /// How many orders the shop has beside the eleven that show every case, 10 to 1,000,000; not with --live
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(10..=1_000_000))]
    pub(crate) orders: u32,
    /// Let customers come, pay and leave, with the daemon and the page, until Ctrl-C
    #[arg(long, conflicts_with = "orders")]
    pub(crate) live: bool,
    /// With --live, how many seconds of the shop one second is, 1 to 600: at 60 a reservation of 15 minutes keeps for 15 s
    #[arg(long, value_name = "N", default_value_t = 60, requires = "live", value_parser = clap::value_parser!(u32).range(1..=600))]
    pub(crate) speed: u32,
    /// With --live, where the page is; another free port where this one is taken and was not asked for [default: 127.0.0.1:8420]
    #[arg(long, value_name = "ADDRESS:PORT", requires = "live", value_parser = of_this_machine)]
    pub(crate) listen: Option<SocketAddr>,
}

/// The demo's page asks nobody for a token, so only this machine sees it.
fn of_this_machine(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text.parse().map_err(|_| "write it as `127.0.0.1:8420` or `[::1]:8420`".to_owned())?;
    if address.ip().is_loopback() {
        return Ok(address);
    }
    Err("the demo is shown on this machine only: take `127.0.0.1` or `[::1]`".to_owned())
}

/// `setup`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  unreserve setup                      Create or upgrade our tables
  unreserve setup --print-sql          Print what it would run, and run nothing
  unreserve setup --print-grants --role sweeper
                                       Print the least rights a role needs for this profile")]
pub(crate) struct SetupArgs {
    /// Print the SQL instead of running it
    #[arg(long)]
    pub(crate) print_sql: bool,
    /// Print the exact rights that this profile needs
    #[arg(long)]
    pub(crate) print_grants: bool,
    /// The database role that the printed rights are for; where roles have hosts, `name@host`
    #[arg(long, value_name = "NAME", default_value = "unreserve", requires = "print_grants")]
    pub(crate) role: String,
}

/// `sweep`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  unreserve sweep --dry-run            What would be released, and what is left alone and why
  unreserve sweep                      Release it
  unreserve sweep --timeout 30m        Orders older than 30 minutes, whatever expiry the shop stored
  unreserve sweep --max-orders 50000   Allow the first sweep of an old backlog
  unreserve sweep --order A-1042       This order only
  unreserve sweep --format json | jq .units_released
  unreserve sweep --quiet --metrics-file /var/lib/prometheus/node-exporter/unreserve.prom")]
pub(crate) struct SweepArgs {
    /// Change nothing and lock nothing; say what would be done
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// List every change, and log at level info
    #[arg(short, long)]
    pub(crate) verbose: bool,
    /// Print the result only if something was wrong; another instance at work is not
    #[arg(short, long, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// How the result is written
    #[command(flatten)]
    pub(crate) format: FormatArgs,
    /// How long after its creation a reservation expires, as 90s, 15m, 1h30m or 2d; replaces an expiry the shop stored
    /// [default: the reservation's own expiry, else 15m]
    #[arg(long, value_name = "SPAN", allow_hyphen_values = true)]
    pub(crate) timeout: Option<String>,
    /// How much longer than its expiry a reservation is left alone [default: 0s]
    #[arg(long, value_name = "SPAN", allow_hyphen_values = true)]
    pub(crate) grace: Option<String>,
    /// The most reservations that one transaction looks at, 1 to 5000; fewer where the shop is busy [default: 500]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) batch_size: Option<String>,
    /// Stop before the first write if more orders than this are due [default: 5000]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) max_orders: Option<String>,
    /// Look at this order only, by its key or its number; `key:` or `number:` before it where it could be either
    #[arg(long, value_name = "KEY")]
    pub(crate) order: Option<String>,
    /// Leave metrics in this file for node_exporter's textfile collector, counters going on from what it says
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run", value_hint = clap::ValueHint::FilePath)]
    pub(crate) metrics_file: Option<PathBuf>,
    /// Old name of --timeout, in minutes
    #[arg(long, value_name = "N", allow_negative_numbers = true, conflicts_with = "timeout")]
    pub(crate) max_age_minutes: Option<String>,
}

/// `daemon`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  unreserve daemon                     Watch every shop of the settings, in the foreground
  unreserve daemon --shop berlin       Watch one of them
  unreserve daemon --interval 1m       Sweep at least every minute, also where nothing is due

Signals:
  SIGTERM, SIGINT   end after the running batch, with 0
  SIGHUP            read settings and profiles again; where they are wrong, the old ones stay
  SIGUSR1           sweep now

A shop that cannot be reached is tried again after ever longer pauses (0.5 s to 30 s). Several daemons may watch the \
same shop: one works, the others stand by. On PostgreSQL, `NOTIFY unreserve` makes it look at once; it is never needed.")]
pub(crate) struct DaemonArgs {
    /// How long to wait at most between two sweeps [default: 5m]
    #[arg(long, value_name = "SPAN")]
    pub(crate) interval: Option<String>,
    /// Show the page at this address, such as 127.0.0.1:8420 [default: no page]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<String>,
}

/// `dashboard`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  unreserve dashboard                            The page at http://127.0.0.1:8420/
  unreserve dashboard --listen 127.0.0.1:9000    At another port
  UNRESERVE_WEB_TOKEN=$(openssl rand -hex 24) unreserve dashboard --listen 0.0.0.0:8420
                                                 For other machines too, with a token

The page reads and changes nothing. A daemon shows the same page by itself where `[web] listen` is set.")]
pub(crate) struct DashboardArgs {
    /// The address and port; any but this machine's own needs a token [default: 127.0.0.1:8420]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<String>,
}

/// How the result of `health` is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum HealthFormat {
    /// For people
    Text,
    /// One JSON object on stdout, and nothing else
    Json,
    /// One line with performance data, for monitoring plugins
    Nagios,
}

/// `health`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  unreserve health                     How is everything?
  unreserve health --watch             The same again every 10 seconds
  unreserve health --format nagios     One line for Nagios, Icinga, Zabbix and the like
  unreserve health --only overdue,last_sweep
  unreserve health --send-alerts       Tell the alert channels too, from cron without a daemon
  unreserve health --history           When did each problem begin and end?

Checks:
  database, version, writable, plan, clock, overdue, oldest_overdue, last_sweep, sweep_duration, lease, daemon, set_aside, \
drift, ledger, index, protection

Exit codes:
  0   ok
  1   warning
  2   critical
  3   unknown: wrong usage or settings, or a check that could not be made while nothing is critical")]
pub(crate) struct HealthArgs {
    /// How the result is written
    #[arg(
        long,
        value_enum,
        default_value_t = HealthFormat::Text,
        hide_possible_values = true,
        value_name = "text|json|nagios"
    )]
    pub(crate) format: HealthFormat,
    /// Make these checks only, as they are listed below
    #[arg(long, value_name = "CHECK,...", value_delimiter = ',', value_parser = check_id)]
    pub(crate) only: Vec<CheckId>,
    /// More due orders than this are a warning, ten times as many critical, 1 to 1000000 [default: 100]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub(crate) alert_threshold: Option<u64>,
    /// How often a sweep is to come; two intervals without one are a warning, five critical [default: 5m]
    #[arg(long, value_name = "SPAN")]
    pub(crate) interval: Option<String>,
    /// Look again and again, so often (1s to 1h), until interrupted [default where no span is given: 10s]
    #[arg(long, value_name = "SPAN", num_args = 0..=1, default_missing_value = "10s", value_parser = watch_span)]
    pub(crate) watch: Option<Duration>,
    /// Tell the channels of the settings what has changed since they were told last, and again what lasts
    #[arg(long, conflicts_with = "history")]
    pub(crate) send_alerts: bool,
    /// Show when each problem began and ended, from the last 1,000 runs on this machine, and look at nothing
    #[arg(long, conflicts_with = "watch")]
    pub(crate) history: bool,
}

fn check_id(word: &str) -> Result<CheckId, String> {
    CheckId::parse(word).ok_or_else(|| {
        let words: Vec<&str> = CheckId::ALL.into_iter().map(CheckId::word).collect();
        format!("there is no such check; the checks are: {}", words.join(", "))
    })
}

fn watch_span(text: &str) -> Result<Duration, String> {
    let span = parse_duration(text).map_err(|error| error.to_string())?;
    let bounds = Duration::from_secs(1)..=Duration::from_secs(3_600);
    if bounds.contains(&span) { Ok(span) } else { Err("from 1s to 1h is allowed".to_owned()) }
}

/// `alert`
#[derive(Debug, Args)]
#[command(
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "\
Examples:
  unreserve alert test                 Does every channel work?
  unreserve alert show                 What was told, and what waits to be?"
)]
pub(crate) struct AlertArgs {
    /// What to do with alerts.
    #[command(subcommand)]
    pub(crate) command: AlertCommand,
}

/// The commands below `alert`.
#[derive(Debug, Subcommand)]
pub(crate) enum AlertCommand {
    /// Send one message to each channel, and say what each answered
    Test(AlertTestArgs),
    /// Show the problems that were told and are not over, and what became of the last messages
    #[command(after_help = "\
Examples:
  unreserve alert show
  unreserve alert show --format json")]
    Show(FormatArgs),
}

/// `alert test`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  unreserve alert test
  unreserve alert test --channel ops --channel pager

Exit codes:
  0   every channel took its message
  1   one did not
  2   wrong usage or settings, or there is no channel")]
pub(crate) struct AlertTestArgs {
    /// This channel only, by its name; may be given several times
    #[arg(long, value_name = "NAME")]
    pub(crate) channel: Vec<String>,
    /// How the result is written
    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

/// `explain`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  unreserve explain A-1042
  unreserve explain 7f0c6a52-3c1e-4d0e-9a55-2d6a7c0b8e11 --format json")]
pub(crate) struct ExplainArgs {
    /// The order's key or number; `key:` or `number:` before it where it could be either
    #[arg(value_name = "ORDER")]
    pub(crate) order: String,
    /// How the result is written
    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

/// `history`
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  unreserve history                    The newest 20 sweeps
  unreserve history --limit 100 --format json
  unreserve history show 0193f0b5-7c1a-7000-8000-000000000000"
)]
pub(crate) struct HistoryArgs {
    /// One sweep instead of the list.
    #[command(subcommand)]
    pub(crate) command: Option<HistoryCommand>,
    /// How many sweeps to show, the newest first
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) limit: u32,
    /// How the result is written
    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

/// The commands below `history`.
#[derive(Debug, Subcommand)]
pub(crate) enum HistoryCommand {
    /// Show what one sweep changed
    Show(HistoryShowArgs),
}

/// `history show`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  unreserve history show 0193f0b5-7c1a-7000-8000-000000000000
  unreserve history show 0193f0b5-7c1a-7000-8000-000000000000 --format json")]
pub(crate) struct HistoryShowArgs {
    /// The sweep's id, as `history` and `sweep` show it
    #[arg(value_name = "SWEEP")]
    pub(crate) sweep: String,
    /// How the result is written
    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

/// How the result of `report` is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    /// For people
    Text,
    /// One JSON object on stdout, and nothing else
    Json,
    /// A line a day, for a spreadsheet
    Csv,
    /// One page with its charts inside, to mail or to keep
    Html,
}

/// `report`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  unreserve report                     The last 7 days
  unreserve report --days 30 --format csv > november.csv
  unreserve report --from 2026-11-01 --to 2026-11-30
  unreserve report --days 30 --format html > november.html
  unreserve report --format json | jq .release_lag.p95_ms

Days are days in UTC.")]
pub(crate) struct ReportArgs {
    /// The last so many days, today included, 1 to 366
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(i64).range(1..=366))]
    pub(crate) days: i64,
    /// The first day, as 2026-11-01
    #[arg(long, value_name = "DATE", conflicts_with = "days")]
    pub(crate) from: Option<Date>,
    /// The last day, as 2026-11-30 [default: today]
    #[arg(long, value_name = "DATE", requires = "from")]
    pub(crate) to: Option<Date>,
    /// How the result is written
    #[arg(
        long,
        value_enum,
        default_value_t = ReportFormat::Text,
        hide_possible_values = true,
        value_name = "text|json|csv|html"
    )]
    pub(crate) format: ReportFormat,
}

/// `profile`
#[derive(Debug, Args)]
#[command(
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "\
Examples:
  unreserve profile list
  unreserve profile show malikli > shop.toml
  unreserve profile check --profile shop.toml"
)]
pub(crate) struct ProfileArgs {
    /// What to do with profiles.
    #[command(subcommand)]
    pub(crate) command: ProfileCommand,
}

/// The commands below `profile`.
#[derive(Debug, Subcommand)]
pub(crate) enum ProfileCommand {
    /// List the shipped profiles
    #[command(after_help = "\
Examples:
  unreserve profile list
  unreserve profile list --format json")]
    List(FormatArgs),
    /// Print a profile, to read it or to change a copy of it
    Show(ProfileShowArgs),
    /// Check the profile against the shop's database, and write nothing
    #[command(after_help = "\
Examples:
  unreserve profile check --profile shop.toml --database-url sqlite://shop.db
  unreserve profile check --format json")]
    Check(FormatArgs),
}

/// `profile show`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  unreserve profile show malikli
  unreserve profile show malikli > shop.toml")]
pub(crate) struct ProfileShowArgs {
    /// The profile's name
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
}

/// `settings`
#[derive(Debug, Args)]
#[command(
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "\
Examples:
  unreserve settings show
  unreserve settings show --origin     Also where each value came from"
)]
pub(crate) struct SettingsArgs {
    /// What to do with settings.
    #[command(subcommand)]
    pub(crate) command: SettingsCommand,
}

/// The commands below `settings`.
#[derive(Debug, Subcommand)]
pub(crate) enum SettingsCommand {
    /// Show the effective settings, secrets masked
    Show(SettingsShowArgs),
    /// Print the reference of all settings as Markdown
    #[command(
        hide = true,
        after_help = "\
Examples:
  unreserve settings reference > settings.md"
    )]
    Reference,
    /// Print the reference of all metrics as Markdown
    #[command(
        hide = true,
        after_help = "\
Examples:
  unreserve settings metrics"
    )]
    Metrics,
    /// Print the description of the page's JSON API
    #[command(
        hide = true,
        long_about = "Print the description of the page's JSON API, as an OpenAPI document: the page serves the same at `/api/v1/openapi.json`.",
        after_help = "\
Examples:
  unreserve settings openapi > openapi.json"
    )]
    Openapi,
}

/// `settings show`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  unreserve settings show
  unreserve settings show --origin
  unreserve settings show --format json | jq .database_url")]
pub(crate) struct SettingsShowArgs {
    /// Also show where each value came from
    #[arg(long)]
    pub(crate) origin: bool,
    /// How the result is written
    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

/// `completions`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  unreserve completions bash > ~/.local/share/bash-completion/completions/unreserve
  unreserve completions zsh > \"${fpath[1]}/_unreserve\"
  unreserve completions fish > ~/.config/fish/completions/unreserve.fish")]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub(crate) shell: clap_complete::Shell,
}

/// `man`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  unreserve man | man -l -
  unreserve man --dir ~/.local/share/man/man1")]
pub(crate) struct ManArgs {
    /// Write the pages of all commands into this directory
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub(crate) dir: Option<PathBuf>,
}

//! `cargo xtask bench`: measures a sweep against one hand-written statement and against a row-by-row loop.

mod contender;
mod daemon;
mod database;
mod document;
mod figures;
mod goals;
pub(crate) mod machine;
mod page;
mod process;
mod row_by_row;
mod shop;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use unreserve_testkit::servers::{Durability, PostgresServer, ServerError, find_postgres};

use crate::programs::{cargo, output, workspace_root};
use crate::{Failure, say};
use contender::{BY_HAND, Contender, Contenders};
use database::Database;
use figures::{Figures, Growth, Series, Size};
use goals::Verdict;
use machine::{DOCUMENT, Machine};
pub(crate) use page::Page;
use process::Launcher;
use shop::BenchShop;

/// The options of `cargo xtask bench`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    /// Rounds with 100 due; a third of them with 10,000, a fifth with 100,000, at least three
    #[arg(long, value_name = "N", default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    rounds: u32,
    /// A short look with less data and two rounds; does not write the document
    #[arg(long)]
    quick: bool,
    /// Measure with so many due and nothing else, while tuning; does not write the document
    #[arg(long, value_name = "DUE", conflicts_with = "quick", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    only: Option<u64>,
    /// End with an error when a goal is missed
    #[arg(long)]
    strict: bool,
    #[command(subcommand)]
    part: Option<Part>,
}

/// What the benchmark starts of itself.
#[derive(Debug, clap::Subcommand)]
enum Part {
    /// How late a daemon releases, and what it needs.
    Daemon(daemon::Arguments),
    /// How long each page and each answer of the API takes with a million ledger rows.
    Page(page::Arguments),
    /// Run a command and write down what it took.
    #[command(hide = true)]
    Measure {
        #[arg(long)]
        report: PathBuf,
        #[arg(last = true)]
        command: Vec<OsString>,
    },
    /// Be the row-by-row loop.
    #[command(hide = true)]
    RowByRow {
        #[arg(long)]
        url: String,
        #[arg(long)]
        limit: u64,
    },
}

/// Why nothing could be measured, or that a goal was missed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    /// A statement failed.
    #[error("the database refused `{statement}`")]
    Statement { statement: String, source: Box<sqlx::Error> },
    /// A measured process failed.
    #[error("`{name}` failed: {text}")]
    Process { name: String, text: String },
    /// A contender did not do what it was measured for.
    #[error("after {who} there are {found} {what}, not {expected}: nothing was measured")]
    Wrong { who: String, found: i64, what: &'static str, expected: u64 },
    /// The index that was asked for is there, and asked for again.
    #[error("the index is there and `unreserve profile check` asks for it again: {0}")]
    Index(String),
    /// A file could not be written or read, or a program not be started.
    #[error("cannot use `{path}`")]
    File { path: String, source: std::io::Error },
    /// The launcher was given no command.
    #[error("no command to measure")]
    Nothing,
    /// cargo did not say where it put a program.
    #[error("cargo built no program `{0}`")]
    NotBuilt(String),
    /// There is no runtime to speak to the database in.
    #[error("cannot start")]
    Runtime(#[source] std::io::Error),
    /// A database could not be created.
    #[error(transparent)]
    Server(ServerError),
    /// `--strict` only.
    #[error("{0} of the goals were missed")]
    Missed(usize),
}

impl BenchError {
    fn statement(sql: &str) -> impl FnOnce(sqlx::Error) -> Self {
        let statement: String = sql.chars().take(200).collect();
        |source| Self::Statement { statement, source: Box::new(source) }
    }

    fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let path = path.display().to_string();
        |source| Self::File { path, source }
    }
}

/// How much is measured.
struct Scale {
    old: u64,
    /// How many are due, in how many rounds, and how many of them the loop works off.
    sizes: Vec<(u64, u32, u64)>,
    /// Few and many old orders, and the rounds.
    growth: Option<(u64, u64, u32)>,
}

/// How many are due when growth is measured.
const GROWTH_DUE: u64 = 100;

impl Scale {
    fn of(arguments: &Arguments) -> Self {
        if arguments.quick {
            return Self { old: 2_000, sizes: vec![(100, 2, 100), (1_000, 2, 100)], growth: Some((1_000, 20_000, 2)) };
        }
        let rounds = arguments.rounds;
        if let Some(due) = arguments.only {
            return Self { old: 100_000, sizes: vec![(due, rounds, due.min(10_000))], growth: None };
        }
        let part = |divisor: u32| rounds.checked_div(divisor).unwrap_or(rounds).max(3).min(rounds);
        Self {
            old: 100_000,
            // The loop takes its time in proportion: a tenth of the largest size says the same in a tenth of the time.
            sizes: vec![(100, rounds, 100), (10_000, part(3), 10_000), (100_000, part(5), 10_000)],
            growth: Some((10_000, 1_000_000, rounds)),
        }
    }
}

/// Runs the benchmark, or the part of it that this process was started for.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.part {
        Some(Part::Measure { report, command }) => Ok(process::measure(report, command)?),
        Some(Part::RowByRow { url, limit }) => Ok(row_by_row::release(url, *limit)?),
        Some(Part::Daemon(arguments)) => daemon::run(arguments),
        Some(Part::Page(arguments)) => page::run(arguments),
        None => bench(arguments),
    }
}

fn bench(arguments: &Arguments) -> Result<(), Failure> {
    let root = workspace_root()?;
    let psql = find_psql()?;
    let unreserve = build(&root, "unreserve")?;
    let program = build(&root, "xtask")?;
    let directory = tempfile::tempdir().map_err(BenchError::file(&std::env::temp_dir()))?;
    let by_hand = directory.path().join(BY_HAND);
    std::fs::write(&by_hand, include_str!("bench/by_hand.sql")).map_err(BenchError::file(&by_hand))?;
    let launcher = Launcher { program, directory: directory.path().to_owned() };
    let contenders = Contenders { launcher, unreserve, psql };

    say::line("starting a throw-away PostgreSQL server");
    let server = PostgresServer::start(Durability::Real)?;
    let postgres = Database { url: server.url("postgres") };
    postgres.run("ALTER SYSTEM SET autovacuum = off")?;
    postgres.run("SELECT pg_reload_conf()")?;
    let figures = measure_all(&server, &contenders, &Scale::of(arguments))?;

    let goals = goals::judge(&figures);
    say::line(&format!("\n{}", document::tables(&figures, &goals)));
    let missed = goals.iter().filter(|goal| goal.verdict == Verdict::Missed).count();
    say::line(&match missed {
        0 => "No goal was missed.".to_owned(),
        missed => format!("MISSED: {missed} of {} goals.", goals.len()),
    });
    if !arguments.quick && arguments.only.is_none() {
        let path = root.join(DOCUMENT);
        let text = document::document(&Machine::read(&root, &postgres, DOCUMENT)?, &figures, &goals);
        std::fs::write(&path, text).map_err(BenchError::file(&path))?;
        say::line(&format!("wrote {DOCUMENT}"));
    }
    if arguments.strict && missed > 0 { Err(BenchError::Missed(missed).into()) } else { Ok(()) }
}

fn measure_all(server: &PostgresServer, contenders: &Contenders, scale: &Scale) -> Result<Figures, BenchError> {
    say::line(&format!("loading the shop with {} old orders", scale.old));
    let (template, _) = shop::load(server, contenders, scale.old)?;
    let mut sizes = Vec::new();
    for (due, rounds, limit) in &scale.sizes {
        let shop = shop::with_due(server, &template, *due)?;
        sizes.push(measure_size(contenders, &shop, *rounds, *limit)?);
    }
    let growth = scale.growth.map(|growth| measure_growth(server, contenders, growth)).transpose()?;
    Ok(Figures { old: scale.old, sizes, growth })
}

/// The contenders take turns, in another order each round. The first round only warms up.
fn measure_size(contenders: &Contenders, shop: &BenchShop, rounds: u32, loop_limit: u64) -> Result<Size, BenchError> {
    let mut size = Size { due: shop.due, series: Default::default() };
    let mut order = Contender::ALL;
    for round in 0..=rounds {
        let mut took = Vec::new();
        for contender in order {
            let limit = if contender == Contender::RowByRow { loop_limit } else { shop.due };
            shop.reset()?;
            let run = contenders.run(contender, shop, limit)?;
            took.push(format!("{} {:.0} ms", contender.name(), run.wall.as_secs_f64() * 1_000.0));
            if round > 0 {
                size.of_mut(contender).runs.push(run);
            }
        }
        say::line(&format!("{} due, round {round} of {rounds}: {}", shop.due, took.join(", ")));
        order.rotate_left(1);
    }
    Ok(size)
}

fn measure_growth(
    server: &PostgresServer,
    contenders: &Contenders,
    (few, many, rounds): (u64, u64, u32),
) -> Result<Growth, BenchError> {
    let mut shops = Vec::new();
    for old in [few, many] {
        say::line(&format!("loading the shop with {old} old orders"));
        let (template, _) = shop::load(server, contenders, old)?;
        shops.push((shop::with_due(server, &template, GROWTH_DUE)?, old, Series::default()));
    }
    for round in 0..=rounds {
        let mut took = Vec::new();
        for (shop, old, series) in &mut shops {
            shop.reset()?;
            let run = contenders.run(Contender::Sweep, shop, GROWTH_DUE)?;
            took.push(format!("{old} old {:.0} ms", run.wall.as_secs_f64() * 1_000.0));
            if round > 0 {
                series.runs.push(run);
            }
        }
        say::line(&format!("growth, round {round} of {rounds}: {}", took.join(", ")));
    }
    let mut series = shops.into_iter().map(|(_, old, series)| (old, series));
    let (few, many) = (series.next().unwrap_or_default(), series.next().unwrap_or_default());
    Ok(Growth { due: GROWTH_DUE, few, many })
}

/// Builds a package's program as it is released, and returns where it lies.
fn build(root: &Path, package: &str) -> Result<PathBuf, Failure> {
    say::line(&format!("building {package} --release"));
    let mut command = cargo();
    command.current_dir(root).args(["build", "--release", "--message-format=json-render-diagnostics", "--package"]);
    let messages = output(command.arg(package))?;
    let program = messages.lines().rev().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        let named = message.get("target")?.get("name")?.as_str()? == package;
        message.get("executable")?.as_str().filter(|_| named).map(PathBuf::from)
    });
    Ok(program.ok_or_else(|| BenchError::NotBuilt(package.to_owned()))?)
}

/// The client beside the server's own program, else the one on PATH. Debian's on PATH is a script that first looks for one of
/// several versions; it would make the contender slower than it is.
fn find_psql() -> Result<PathBuf, Failure> {
    let server = find_postgres()?.postgres;
    let beside = server.canonicalize().unwrap_or(server).with_file_name("psql");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|directory| directory.join("psql"));
    let is_script = |program: &PathBuf| std::fs::read(program).is_ok_and(|bytes| bytes.starts_with(b"#!"));
    let missing = "the benchmark needs the program `psql` itself; on Debian or Ubuntu it is in `postgresql-client`";
    std::iter::once(beside)
        .chain(on_path)
        .find(|program| program.is_file() && !is_script(program))
        .ok_or_else(|| Failure::Missing(missing.to_owned()))
}

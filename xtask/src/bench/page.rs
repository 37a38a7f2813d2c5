//! `cargo xtask bench page`: how long each page and each answer of the API takes with a million ledger rows.

mod asking;
mod document;
mod ledger;

use std::path::Path;
use std::time::Duration;

use unreserve_testkit::servers::{Durability, PostgresServer};

use super::contender::Contenders;
use super::database::Database;
use super::goals::Verdict;
use super::machine::Machine;
use super::process::Launcher;
use super::{BenchError, build, shop};
use crate::programs::workspace_root;
use crate::{Failure, say};
pub(crate) use asking::Page;

/// The document that this command writes.
const DOCUMENT: &str = "docs/BENCHMARKS-page.md";

/// The options of `cargo xtask bench page`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// A short look with fewer ledger rows and rounds; does not write the document
    #[arg(long)]
    quick: bool,
    /// End with an error when a goal is missed
    #[arg(long)]
    strict: bool,
}

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    /// Sweeps with one batch of 25 entries each, every 216 seconds back from now.
    sweeps: u32,
    /// Batches of 100 entries in one more sweep.
    large: u32,
    /// Orders that are over.
    old: u64,
    /// How often each address is asked.
    rounds: u32,
    /// How often those whose answers are kept for seconds.
    slow_rounds: u32,
}

impl Scale {
    fn entries(self) -> u64 {
        u64::from(self.sweeps).saturating_mul(25).saturating_add(u64::from(self.large).saturating_mul(100))
    }
}

/// One address, and what its answers took.
#[derive(Debug, Clone)]
struct Asked {
    /// The address as it is told.
    name: String,
    /// What the first answer of this process took.
    first: Duration,
    /// What the others took, each after what is kept had grown old.
    took: Vec<Duration>,
    /// How large an answer is on the way, compressed.
    bytes: usize,
}

/// One database.
#[derive(Debug, Clone)]
struct Seen {
    name: String,
    asked: Vec<Asked>,
    /// Everything that a browser loads for the overview the first time, compressed; nothing where there is no page.
    first_load: Option<usize>,
}

/// Runs the benchmark.
pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let scale = if arguments.quick {
        Scale { sweeps: 3_600, large: 100, old: 2_000, rounds: 10, slow_rounds: 2 }
    } else {
        Scale { sweeps: 36_000, large: 1_000, old: 100_000, rounds: 40, slow_rounds: 10 }
    };
    let root = workspace_root()?;
    let unreserve = build(&root, "unreserve")?;
    let program = build(&root, "xtask")?;
    let directory = tempfile::tempdir().map_err(BenchError::file(&std::env::temp_dir()))?;
    let launcher = Launcher { program, directory: directory.path().to_owned() };
    let contenders = Contenders { launcher, unreserve, psql: std::path::PathBuf::new() };

    say::line("starting a throw-away PostgreSQL server");
    let server = PostgresServer::start(Durability::Real)?;
    let postgres = Database { url: server.url("postgres") };
    let seen = [on_a_server(&server, &contenders, scale)?, in_a_file(&contenders, scale)?];
    let goals = document::judge(&seen);
    say::line(&format!("\n{}", document::tables(&seen, &goals)));
    let missed = goals.iter().filter(|goal| goal.verdict == Verdict::Missed).count();
    if !arguments.quick {
        let path = root.join(DOCUMENT);
        let machine = Machine::read(&root, &postgres, DOCUMENT)?;
        std::fs::write(&path, document::document(&machine, scale, &seen, &goals)).map_err(BenchError::file(&path))?;
        say::line(&format!("wrote {DOCUMENT}"));
    }
    if arguments.strict && missed > 0 { Err(BenchError::Missed(missed).into()) } else { Ok(()) }
}

fn on_a_server(server: &PostgresServer, contenders: &Contenders, scale: Scale) -> Result<Seen, BenchError> {
    say::line(&format!("loading a shop with {} old orders, and {} ledger rows", scale.old, scale.entries()));
    let database = shop::load(server, contenders, scale.old)?.1;
    ledger::fill_server(&database, scale)?;
    let order: String = database.value("SELECT order_number FROM orders_order ORDER BY order_number LIMIT 1")?;
    let directory = contenders.launcher.directory.join("server");
    measure("PostgreSQL", contenders, &directory, &database.url, &order, scale)
}

fn in_a_file(contenders: &Contenders, scale: Scale) -> Result<Seen, BenchError> {
    say::line(&format!("the same in a file, {} ledger rows", scale.entries()));
    let directory = contenders.launcher.directory.join("file");
    let path = ledger::file(contenders, &directory, scale)?;
    measure("SQLite", contenders, &directory, &format!("sqlite:{}", path.display()), "M-1", scale)
}

/// Serves this database and asks for everything.
fn measure(
    name: &str,
    contenders: &Contenders,
    directory: &Path,
    url: &str,
    order: &str,
    scale: Scale,
) -> Result<Seen, BenchError> {
    let page = Page::serve(&contenders.unreserve, directory, url)?;
    say::line(&format!("asking {name}"));
    let (figures, stock, health) =
        (Duration::from_millis(1_050), Duration::from_millis(5_050), Duration::from_millis(10_050));
    let at_once = Duration::ZERO;
    let large = ledger::LARGE;
    let of_api = [
        ("overview".to_owned(), figures),
        ("stock".to_owned(), stock),
        ("health".to_owned(), health),
        ("sweeps?limit=50".to_owned(), at_once),
        (format!("sweeps?limit=50&after={}", page.place_far_back(scale.sweeps)?), at_once),
        ("sweeps?limit=50&filter=failed".to_owned(), at_once),
        ("sweeps?limit=50&filter=too_many".to_owned(), at_once),
        (format!("sweeps/{large}?limit=200"), at_once),
        (format!("sweeps/{large}?limit=200&matching=o-9999"), at_once),
        (format!("order?order={order}"), at_once),
        ("settings".to_owned(), at_once),
    ];
    let of_page = [
        ("/".to_owned(), figures),
        ("/sweeps".to_owned(), at_once),
        (format!("/sweeps/{large}"), at_once),
        (format!("/orders?order={order}"), at_once),
        ("/stock".to_owned(), stock),
        ("/health".to_owned(), health),
        ("/settings".to_owned(), at_once),
    ];
    let of_api = of_api.into_iter().map(|(path, pause)| (format!("/api/v1/{path}"), pause));
    let mut asked = Vec::new();
    for (path, pause) in of_api.chain(of_page) {
        let rounds = if pause > figures { scale.slow_rounds } else { scale.rounds };
        asked.push(page.ask_often(&path, pause, rounds)?);
    }
    Ok(Seen { name: name.to_owned(), asked, first_load: Some(page.first_load()?) })
}

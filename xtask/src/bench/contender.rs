//! Those that are compared: a sweep, one hand-written statement, the same in batches, and a loop over rows.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use super::BenchError;
use super::database::Database;
use super::figures::Run;
use super::process::Launcher;
use super::shop::BenchShop;

/// Who releases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Contender {
    /// `unreserve sweep`.
    Sweep,
    /// One statement through `psql`.
    ByHand,
    /// The same in short transactions with a ledger.
    InBatches,
    /// One row at a time.
    RowByRow,
}

impl Contender {
    pub(super) const ALL: [Self; 4] = [Self::Sweep, Self::ByHand, Self::InBatches, Self::RowByRow];

    /// As the tables name it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Sweep => "`unreserve sweep`",
            Self::ByHand => "hand-written statement",
            Self::InBatches => "the same in batches, with a ledger",
            Self::RowByRow => "row-by-row loop",
        }
    }
}

/// Reservations a batch: as many as a sweep takes in the time that it holds the shop's rows.
const BATCH: u32 = 190;

/// The programs behind the contenders.
#[derive(Debug)]
pub(super) struct Contenders {
    pub(super) launcher: Launcher,
    pub(super) unreserve: PathBuf,
    pub(super) psql: PathBuf,
}

impl Contenders {
    /// Creates the indexes that `profile check` asks for, from its own words, and our own tables.
    pub(super) fn set_up(&self, database: &Database) -> Result<(), BenchError> {
        for statement in self.indexes_wanted(database)? {
            database.run(&statement)?;
        }
        if let Some(statement) = self.indexes_wanted(database)?.pop() {
            return Err(BenchError::Index(statement));
        }
        self.launcher.run(&self.unreserve(database, &["setup"]))?;
        database.run(include_str!("by_hand_in_batches.sql"))
    }

    /// The statements for the indexes that a database lacks.
    pub(super) fn indexes_wanted(&self, database: &Database) -> Result<Vec<String>, BenchError> {
        let (_, out) = self.launcher.run(&self.unreserve(database, &["profile", "check", "--format", "json"]))?;
        let told = json(&out)?;
        let indexes = told.get("indexes").and_then(Value::as_array).map(|all| {
            all.iter().map(|statement| statement.as_str().map(str::to_owned)).collect::<Option<Vec<String>>>()
        });
        // An answer of another form must not pass for one that asks for nothing.
        indexes.flatten().ok_or_else(|| BenchError::Process { name: "unreserve profile check".to_owned(), text: out })
    }

    /// One run over a shop in which everything is due, and the proof that it did its work.
    pub(super) fn run(&self, contender: Contender, shop: &BenchShop, limit: u64) -> Result<Run, BenchError> {
        let (usage, out) = self.launcher.run(&self.command(contender, shop, limit))?;
        shop.check(contender.name(), limit)?;
        let mut run = Run { wall: usage.wall, memory: usage.memory, released: limit, transactions: Vec::new() };
        if contender == Contender::Sweep {
            let told = json(&out)?.get("reservations_released").and_then(Value::as_u64);
            if told != Some(limit) {
                return Err(BenchError::Process { name: contender.name().to_owned(), text: out });
            }
            run.transactions = shop.transactions()?;
        }
        Ok(run)
    }

    fn command(&self, contender: Contender, shop: &BenchShop, limit: u64) -> Command {
        let url = &shop.database.url;
        match contender {
            Contender::Sweep => {
                self.unreserve(&shop.database, &["sweep", "--format", "json", "--max-orders", "1000000"])
            }
            Contender::ByHand => {
                let mut command = Command::new(&self.psql);
                command.args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "-d", url, "-f"]);
                command.arg(self.launcher.directory.join(BY_HAND));
                command
            }
            Contender::InBatches => {
                let mut command = Command::new(&self.psql);
                let call = format!("CALL unreserve.by_hand_in_batches({BATCH})");
                command.args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "-d", url, "-c", &call]);
                command
            }
            Contender::RowByRow => {
                let mut command = Command::new(&self.launcher.program);
                command.args(["bench", "row-by-row", "--url", url, "--limit", &limit.to_string()]);
                command
            }
        }
    }

    fn unreserve(&self, database: &Database, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.unreserve);
        command
            .args(arguments)
            .args(["--profile", "malikli", "--state-dir"])
            .arg(self.launcher.directory.join("state"));
        command.env("DATABASE_URL", &database.url);
        command
    }
}

/// The file with the hand-written statement, in the directory of the runs.
pub(super) const BY_HAND: &str = "by_hand.sql";

fn json(text: &str) -> Result<Value, BenchError> {
    serde_json::from_str(text).map_err(|_| BenchError::Process { name: "unreserve".to_owned(), text: text.to_owned() })
}

//! Makes a ledger with very many rows: sweeps over 90 days with a batch each, and one large sweep.

use std::path::{Path, PathBuf};
use std::process::Command;

use sqlx::{AssertSqlSafe, Connection, Executor, SqliteConnection};

use super::Scale;
use crate::bench::BenchError;
use crate::bench::contender::Contenders;
use crate::bench::database::{Database, block_on};

/// The large sweep's identity.
pub(super) const LARGE: &str = "00000000-0000-7000-8000-000000000000";

fn filled(sql: &str, scale: Scale) -> String {
    let numbers = [(":sweeps", scale.sweeps), (":large", scale.large)];
    numbers.iter().fold(sql.to_owned(), |sql, (name, number)| sql.replace(name, &number.to_string()))
}

/// Fills the ledger of a server's shop.
pub(super) fn fill_server(database: &Database, scale: Scale) -> Result<(), BenchError> {
    database.run(&filled(include_str!("ledger_server.sql"), scale))?;
    database.run("VACUUM (ANALYZE)")
}

/// Makes a shop in a file, and fills its ledger.
pub(super) fn file(contenders: &Contenders, directory: &Path, scale: Scale) -> Result<PathBuf, BenchError> {
    let mut command = Command::new(&contenders.unreserve);
    command.args(["demo", "--orders", &scale.old.to_string(), "--dir"]).arg(directory);
    contenders.launcher.run(&command)?;
    let path = directory.join("shop.db");
    let indexes = contenders.indexes_wanted(&Database { url: format!("sqlite:{}", path.display()) })?;
    let sql = format!("{}\n{};", filled(include_str!("ledger_file.sql"), scale), indexes.join(";\n"));
    let work = async {
        let mut connection = SqliteConnection::connect(&format!("sqlite:{}", path.display())).await?;
        connection.execute(sqlx::raw_sql(AssertSqlSafe(sql.as_str()))).await?;
        connection.close().await
    };
    block_on(work)?.map_err(BenchError::statement("ledger_file.sql"))?;
    Ok(path)
}

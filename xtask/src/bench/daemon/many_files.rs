//! Very many small shops, each a file, in one daemon.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, Executor, SqliteConnection};

use super::watched::Watched;
use super::{Lag, Scale, Seen};
use crate::bench::BenchError;
use crate::bench::contender::Contenders;
use crate::bench::database::block_on;
use crate::say;

/// Everything begins to expire so much later, when every shop was opened and has come to rest.
const LEAD: u32 = 20;

/// What one unpaid order holds expires after so many seconds, the rest tomorrow: a small shop has few orders that nobody pays.
const SPREAD: &str = "UPDATE orders_inventoryreservation SET expires_at = strftime('%Y-%m-%d %H:%M:%f', 'now', '+1 day') WHERE is_active;
UPDATE orders_inventoryreservation SET expires_at = strftime('%Y-%m-%d %H:%M:%f', 'now', '+:after seconds')
WHERE order_id = (SELECT r.order_id FROM orders_inventoryreservation AS r JOIN orders_order AS o ON o.order_id = r.order_id
                  WHERE r.is_active AND o.payment_status = 'pending' ORDER BY o.order_number LIMIT 1)";

const LAG: &str = "SELECT (e.at - e.expires_at) * 1000 FROM unreserve_entry AS e WHERE e.kind = 'release' AND e.at > ?";

const NOW: &str = "SELECT CAST(unixepoch('now', 'subsec') * 1000 AS INTEGER)";

/// Measures one daemon.
pub(super) fn measure(contenders: &Contenders, scale: Scale) -> Result<Seen, BenchError> {
    let directory = contenders.launcher.directory.join("files");
    std::fs::create_dir_all(&directory).map_err(BenchError::file(&directory))?;
    say::line(&format!("making {} shops", scale.files));
    let template = template(contenders, &directory)?;
    let shops: Vec<PathBuf> = (0..scale.files).map(|number| directory.join(format!("shop-{number}.db"))).collect();
    let mut settings = "state_dir = \"state\"\nprofile = \"malikli\"\n".to_owned();
    for (number, path) in shops.iter().enumerate() {
        std::fs::copy(&template, path).map_err(BenchError::file(path))?;
        let name = format!("[[shop]]\nname = \"shop-{number}\"\ndatabase_url = \"sqlite:shop-{number}.db\"\n");
        settings.write_str(&name).map_err(|_| BenchError::Nothing)?;
    }
    let file = directory.join("unreserve.toml");
    std::fs::write(&file, settings).map_err(BenchError::file(&file))?;
    let mut began = 0;
    for (number, path) in shops.iter().enumerate() {
        let place = u32::try_from(number).unwrap_or(0).checked_rem(scale.seconds.max(1)).unwrap_or(0);
        run(path, &SPREAD.replace(":after", &LEAD.saturating_add(place).to_string()))?;
        began = ask(path, NOW, 0)?.into_iter().next().unwrap_or(0);
    }
    let mut command = Command::new(&contenders.unreserve);
    command.args(["daemon", "--config", "unreserve.toml"]);
    let mut daemon = Watched::start(command, &directory)?;
    say::line(&format!("expiries in all of them for {} seconds", scale.seconds));
    let nothing = || Ok(());
    daemon.watch(Duration::from_secs(u64::from(LEAD)), nothing)?;
    let busy_load = daemon.watch(Duration::from_secs(u64::from(scale.seconds).saturating_add(10)), nothing)?;
    say::line("and nothing for as long");
    let busy_rest = daemon.watch(Duration::from_secs(u64::from(scale.seconds)), nothing)?;
    let mut lags = Vec::new();
    for path in &shops {
        lags.extend(ask(path, LAG, began)?);
    }
    Ok(Seen {
        name: format!("{} shops that are SQLite files", scale.files),
        shops: scale.files,
        lag: Lag::of(lags),
        memory: daemon.memory()?,
        threads: daemon.threads,
        open_files: daemon.open_files,
        connections: None,
        busy_load,
        busy_rest,
    })
}

/// A small shop whose backlog was swept.
fn template(contenders: &Contenders, directory: &Path) -> Result<PathBuf, BenchError> {
    let mut command = Command::new(&contenders.unreserve);
    command.args(["demo", "--orders", "20", "--dir"]).arg(directory.join("template"));
    contenders.launcher.run(&command)?;
    Ok(directory.join("template").join("shop.db"))
}

fn run(path: &Path, sql: &str) -> Result<(), BenchError> {
    let work = async {
        let mut connection = SqliteConnection::connect(&format!("sqlite:{}", path.display())).await?;
        connection.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await?;
        connection.close().await
    };
    block_on(work)?.map_err(BenchError::statement(sql))
}

fn ask(path: &Path, sql: &str, since: i64) -> Result<Vec<i64>, BenchError> {
    let work = async {
        let mut connection = SqliteConnection::connect(&format!("sqlite:{}", path.display())).await?;
        let query = sqlx::query_scalar(AssertSqlSafe(sql));
        let query = if sql.contains('?') { query.bind(since) } else { query };
        let answer = query.fetch_all(&mut connection).await?;
        connection.close().await?;
        Ok(answer)
    };
    block_on(work)?.map_err(BenchError::statement(sql))
}

//! A month in the life of a shop: customers order, most pay, and the program sweeps, each day on a clock of its own.

use std::path::Path;
use std::process::Command;

use sqlx::{Connection, Row, SqliteConnection};
use unreserve_testkit::servers::find_faketime;

use super::{file, quietly};
use crate::Failure;

const DAY: i64 = 86_400;

/// How many seconds ago the month begins.
const AGO: i64 = 30 * DAY;

/// The shop was made so long before it, so that its first backlog is not in the figures.
const BEFORE: i64 = 40 * DAY;

/// Sweeps a day, evenly spread.
const SWEEPS: i64 = 3;

/// So many seconds nearer to now, so that the last sweep was not long ago.
const LAST: i64 = 27_000;

/// What the pictures show of the shop.
pub(super) struct Lived {
    /// An order that was released.
    pub(super) order: String,
    /// A sweep that released much.
    pub(super) sweep: String,
}

/// The program, in the shop's directory.
pub(super) fn program(program: &Path, place: &Path) -> Command {
    let mut command = Command::new(program);
    let path = std::env::var_os("PATH").unwrap_or_default();
    command.env_clear().env("PATH", path).env("HOME", place).env("TZ", "UTC").current_dir(place);
    command
}

/// The program, so many seconds ago.
fn earlier(unreserve: &Path, place: &Path, seconds: i64) -> Result<Command, Failure> {
    let mut command = program(unreserve, place);
    command.env("LD_PRELOAD", find_faketime()?).env("FAKETIME", format!("-{seconds}s"));
    command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    Ok(command)
}

/// Lives it.
pub(super) fn live(unreserve: &Path, place: &Path) -> Result<Lived, Failure> {
    quietly(earlier(unreserve, place, BEFORE)?.args(["demo", "--dir", ".", "--orders", "10"]))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|source| file("a runtime", source))?;
    let url = format!("sqlite://{}", place.join("shop.db").display());
    let run = |sql: &str| {
        runtime.block_on(async {
            let mut shop = SqliteConnection::connect(&url).await?;
            sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut shop).await?;
            shop.close().await
        })
    };
    run(include_str!("open.sql"))?;
    for sweep in 0..AGO.checked_div(DAY).unwrap_or(0).saturating_mul(SWEEPS) {
        let ago = AGO.saturating_sub(sweep.saturating_mul(DAY).checked_div(SWEEPS).unwrap_or(0)).saturating_sub(LAST);
        // Weeks have their days, and a shop its campaigns.
        let orders = 4_i64
            .saturating_add(sweep.saturating_mul(7).checked_rem(9).unwrap_or(0))
            .saturating_add(if (40..52).contains(&sweep) { 14 } else { 0 });
        run(&include_str!("order.sql").replace(":ago", &ago.to_string()).replace(":orders", &orders.to_string()))?;
        quietly(earlier(unreserve, place, ago)?.args(["sweep", "--quiet"]))?;
        // A week ago somebody dropped an index, and noticed it a day later.
        match ago.checked_div(DAY / SWEEPS) {
            Some(21) => run("DROP INDEX unreserve_orders_inventoryreservation_expires_at")?,
            Some(18) => run(include_str!("index.sql"))?,
            _ => {}
        }
        let _ = earlier(unreserve, place, ago)?.arg("health").output();
    }
    run(include_str!("checkout.sql"))?;
    quietly(program(unreserve, place).args(["sweep", "--quiet"]))?;
    runtime.block_on(async {
        let mut shop = SqliteConnection::connect(&url).await?;
        let order = sqlx::query("SELECT order_number FROM orders_order WHERE order_number LIKE 'A-%' AND order_status = 'cancelled' ORDER BY created_at DESC LIMIT 1");
        let order: String = order.fetch_one(&mut shop).await?.get(0);
        let sweep = sqlx::query("SELECT sweep_id FROM unreserve_batch ORDER BY units DESC LIMIT 1");
        let sweep: String = sweep.fetch_one(&mut shop).await?.get(0);
        Ok(Lived { order, sweep })
    })
}

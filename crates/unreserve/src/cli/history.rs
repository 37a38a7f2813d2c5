//! `history`: what past sweeps did, from the ledger.

use serde_json::json;
use unreserve_engine::ledger::{EntryRecord, HistoryQuery, SetAsideRecord, SweepRecord};
use unreserve_engine::shop::{InstallState, NO_ORDER, Shop};
use unreserve_engine::sweep::SweepError;

use crate::app::Context;
use crate::cli::args::{Format, HistoryArgs, HistoryCommand, HistoryShowArgs};
use crate::cli::named::named_json;
use crate::cli::sweep_text::{format_milliseconds, plural, seconds};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::opening::{self, block_on, shop_failure, sweep_failure};
use crate::table::Table;

/// More entries of one sweep are not shown.
const ENTRIES: u32 = 100_000;
/// More orders that are set aside are not shown.
const ASIDE: u32 = 1_000;

/// Runs the command.
pub(crate) fn run(args: &HistoryArgs, context: &Context) -> Result<Exit, Failure> {
    block_on(async {
        let mut shop = opening::connect(&context.settings).await?;
        let info = shop.info().await.map_err(|error| shop_failure(&error, "cannot ask the database"))?;
        if info.installed != InstallState::Current {
            return Err(sweep_failure(&SweepError::NotInstalled(info.installed)));
        }
        let name = context.settings.shop.as_deref();
        let text = match &args.command {
            Some(HistoryCommand::Show(show)) => one(shop.as_mut(), show, name).await?,
            None => list(shop.as_mut(), args, name).await?,
        };
        context.printer.result(&text)?;
        Ok(Exit::Done)
    })
}

async fn list(shop: &mut dyn Shop, args: &HistoryArgs, name: Option<&str>) -> Result<String, Failure> {
    let unreadable = |error| shop_failure(&error, "cannot read the ledger");
    let sweeps = shop.history(&HistoryQuery::Latest { limit: args.limit }).await.map_err(unreadable)?;
    let aside = shop.orders_set_aside(ASIDE).await.map_err(unreadable)?;
    if args.format.format == Format::Json {
        return named_json(name, &json!({ "sweeps": sweeps, "orders_set_aside": aside }));
    }
    if sweeps.is_empty() {
        return Ok("No sweep has run yet.".to_owned());
    }
    let titles =
        ["sweep", "profile", "started", "result", "released", "units", "cancelled", "left alone", "drift", "took"];
    let mut table = Table::new(&titles).right(&[4, 5, 6, 7, 8, 9]);
    for sweep in &sweeps {
        let protected = sweep.orders_protected.values().fold(0_u64, |sum, count| sum.saturating_add(*count));
        table.row([
            sweep.sweep_id.to_string(),
            sweep.profile.clone(),
            sweep.started_at.round(jiff::Unit::Second).unwrap_or(sweep.started_at).to_string(),
            result(sweep),
            sweep.reservations_released.to_string(),
            sweep.units_released.to_string(),
            sweep.orders_cancelled.to_string(),
            protected.to_string(),
            sweep.drift_units.to_string(),
            sweep.duration_ms.map_or_else(|| "-".to_owned(), format_milliseconds),
        ]);
    }
    Ok(format!("{}\n{}", table.render().trim_end(), set_aside(&aside)))
}

fn result(sweep: &SweepRecord) -> String {
    sweep.ending.clone().map_or_else(|| "interrupted or running".to_owned(), |ending| ending.replace('_', " "))
}

fn set_aside(aside: &[SetAsideRecord]) -> String {
    if aside.is_empty() {
        return String::new();
    }
    let mut table = Table::new(&["order", "tried", "again at", "why"]).right(&[1]);
    for order in aside {
        table.row([
            order.number.clone().unwrap_or_else(|| order.order.clone()),
            order.attempts.to_string(),
            order.retry_at.round(jiff::Unit::Second).unwrap_or(order.retry_at).to_string(),
            order.reason.clone(),
        ]);
    }
    format!("\nSet aside: orders that failed for their own reasons\n{}", table.render())
}

async fn one(shop: &mut dyn Shop, args: &HistoryShowArgs, name: Option<&str>) -> Result<String, Failure> {
    let unreadable = |error| shop_failure(&error, "cannot read the ledger");
    let found = shop.history(&HistoryQuery::Sweep { id: args.sweep.clone() }).await.map_err(unreadable)?;
    let sweep = match found.as_slice() {
        [sweep] => sweep,
        [] => {
            return Err(Failure::usage(format!("the ledger has no sweep `{}`", args.sweep))
                .hint("`unreserve history` lists them"));
        }
        _ => {
            return Err(
                Failure::usage(format!("several sweeps begin with `{}`", args.sweep)).hint("give more of the id")
            );
        }
    };
    let entries = shop.entries(sweep.sweep_id, ENTRIES).await.map_err(unreadable)?;
    match args.format.format {
        Format::Json => named_json(name, &json!({ "sweep": sweep, "entries": entries })),
        Format::Text => Ok(show(sweep, &entries)),
    }
}

fn show(sweep: &SweepRecord, entries: &[EntryRecord]) -> String {
    let mut text =
        format!("Sweep {} of {}, by {}\nstarted {}", sweep.sweep_id, sweep.profile, sweep.holder, sweep.started_at);
    match sweep.finished_at {
        Some(finished) => text.push_str(&format!(", ended {finished}: {}\n", result(sweep))),
        None => text.push_str("; interrupted, or running still\n"),
    }
    if let Some(error) = &sweep.error {
        text.push_str(&format!("stopped by: {error}\n"));
    }
    text.push_str(&format!(
        "{} ({}) released in {}, {} cancelled, drift {}\n",
        plural(sweep.reservations_released, "reservation"),
        plural(u64::try_from(sweep.units_released).unwrap_or(0), "unit"),
        plural(sweep.batches, "batch").replace("batchs", "batches"),
        plural(sweep.orders_cancelled, "order"),
        sweep.drift_units
    ));
    for (reason, count) in &sweep.orders_protected {
        let what = if reason == NO_ORDER { "reservation" } else { "order" };
        text.push_str(&format!("{} left alone: {reason}\n", plural(*count, what)));
    }
    if entries.is_empty() {
        return text;
    }
    let mut table =
        Table::new(&["order", "what", "reservation", "stock", "units", "drift", "overdue"]).right(&[4, 5, 6]);
    for entry in entries {
        let release = entry.reservation.is_some();
        let figure = |value: i64| if release { value.to_string() } else { String::new() };
        table.row([
            entry.number.clone().unwrap_or_else(|| entry.order.clone()),
            entry.kind.clone(),
            entry.reservation.clone().unwrap_or_default(),
            entry.stock.clone().unwrap_or_default(),
            figure(entry.quantity),
            figure(entry.drift),
            if release { seconds(entry.overdue_seconds) } else { String::new() },
        ]);
    }
    format!("{text}\n{}", table.render())
}

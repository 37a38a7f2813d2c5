//! `demo`: makes a shop in a file, shows what is due and why, sweeps it, and shows what came of it.

use std::path::Path;

use unreserve_db::demo::{self, StockLevel};
use unreserve_engine::ledger::{EntryRecord, HistoryQuery};
use unreserve_engine::report::{SweepReport, report_sweep};
use unreserve_engine::shop::{CheckedShop, LockTest};
use unreserve_engine::sweep::{Silent, Stop, sweep};

use super::demo_live;
use super::demo_place::Place;
use crate::app::Context;
use crate::cli::args::DemoArgs;
use crate::cli::sweep_text::{render, seconds};
use crate::clock::ProcessClock;
use crate::exit::Exit;
use crate::explaining::verdict;
use crate::failure::Failure;
use crate::lock::{Lock, Purpose};
use crate::opening::{self, block_on, shop_failure, sweep_failure};
use crate::paint::heading;
use crate::settings::Settings;
use crate::sweeping::request;
use crate::table::Table;

/// The orders that show every case, by number.
const CASES: u32 = 11;
/// So many ledger entries are shown.
const SHOWN: u32 = 8;

/// Runs the command.
pub(crate) fn run(args: &DemoArgs, context: &Context) -> Result<Exit, Failure> {
    if args.live {
        return demo_live::run(args, context);
    }
    block_on(async {
        let place = Place::make(&args.dir)?;
        let made = demo::create(&place.database, args.orders).await;
        let made = made.map_err(|error| shop_failure(&error, "cannot make the demo shop"))?;
        let settings = place.settings(&made.url)?;
        let mut text = format!(
            "A shop with {} orders and {} reservations, in {}.\n\n",
            made.orders,
            made.reservations,
            place.database.display()
        );
        opening::connect(&settings)
            .await?
            .install()
            .await
            .map_err(|error| shop_failure(&error, "cannot set the demo up"))?;
        let mut shop = opening::open(&settings).await?;
        text.push_str(&format!(
            "{}\n{}\n\n",
            heading("Eleven of them, and what the next sweep does with each"),
            cases(shop.as_mut()).await?
        ));
        let before = levels(&place.database).await?;
        let (report, entries) = swept(&settings, shop.as_mut()).await?;
        text.push_str(&render(&report));
        let after = levels(&place.database).await?;
        text.push_str(&format!("\n\n{}\n{}\n\n", heading("Stock before and after"), stock(&before, &after)));
        text.push_str(&format!(
            "{}\n{}\n\n",
            heading(&format!("The ledger: the first {} of {} entries", entries.len(), all_entries(&report))),
            ledger(&entries)
        ));
        text.push_str(&next(&place, context));
        context.printer.result(&text)?;
        Ok(Exit::Done)
    })
}

async fn cases(shop: &mut dyn CheckedShop) -> Result<String, Failure> {
    let mut table = Table::new(&["order", "what the next sweep does"]);
    for case in 1..=CASES {
        let number = format!("M-{case}");
        let found = shop
            .explain(&number, LockTest::Leave)
            .await
            .map_err(|error| shop_failure(&error, "cannot look an order up"))?;
        if let Some(found) = found {
            table.row([number, verdict(&found)]);
        }
    }
    Ok(table.render())
}

async fn levels(database: &Path) -> Result<Vec<StockLevel>, Failure> {
    demo::stock_levels(database).await.map_err(|error| shop_failure(&error, "cannot read the stock"))
}

async fn swept(settings: &Settings, shop: &mut dyn CheckedShop) -> Result<(SweepReport, Vec<EntryRecord>), Failure> {
    let (url, here) = (opening::database_url(settings)?.masked(), opening::place(settings)?);
    let lock = Lock::take(Purpose::Sweep, &settings.state_dir.value, &here, &shop.plan().profile)?;
    let request = request(settings, None, lock.holder.clone(), Stop::default());
    let outcome =
        sweep(shop, &ProcessClock::new(), &request, &mut Silent).await.map_err(|error| sweep_failure(&error))?;
    let unreadable = |error| shop_failure(&error, "cannot read the ledger");
    let query = HistoryQuery::Sweep { id: outcome.sweep_id.to_string() };
    let records = shop.history(&query).await.map_err(unreadable)?;
    let entries = shop.entries(outcome.sweep_id, SHOWN).await.map_err(unreadable)?;
    match (records.first(), outcome.stopped_by.clone()) {
        (_, Some(error)) => Err(sweep_failure(&error)),
        (Some(record), None) => Ok((report_sweep(&outcome, record, None, &url), entries)),
        (None, None) => Err(Failure::new(Exit::Halted, "the ledger does not have the sweep")),
    }
}

fn stock(before: &[StockLevel], after: &[StockLevel]) -> String {
    let titles = ["product", "in stock", "reserved before", "after", "can be sold before", "after"];
    let mut table = Table::new(&titles).right(&[1, 2, 3, 4, 5]);
    for (before, after) in before.iter().zip(after) {
        table.row([
            before.name.clone(),
            before.stock.to_string(),
            before.reserved.to_string(),
            after.reserved.to_string(),
            before.stock.saturating_sub(before.reserved).to_string(),
            after.stock.saturating_sub(after.reserved).to_string(),
        ]);
    }
    table.render()
}

fn all_entries(report: &SweepReport) -> u64 {
    report.reservations_released.saturating_add(report.orders_cancelled)
}

fn ledger(entries: &[EntryRecord]) -> String {
    let mut table = Table::new(&["order", "what", "stock", "units", "drift", "overdue"]).right(&[3, 4, 5]);
    for entry in entries {
        let release = entry.reservation.is_some();
        let figure = |text: String| if release { text } else { String::new() };
        table.row([
            entry.number.clone().unwrap_or_else(|| entry.order.clone()),
            entry.kind.clone(),
            entry.stock.clone().unwrap_or_default(),
            figure(entry.quantity.to_string()),
            figure(entry.drift.to_string()),
            figure(seconds(entry.overdue_seconds)),
        ]);
    }
    table.render()
}

/// Commands to try on the shop that was made, as they can be typed here.
fn next(place: &Place, context: &Context) -> String {
    let start = place.command(context);
    let mut text = format!("{}\n", heading("Try next, on the same shop"));
    for command in [
        "explain M-7",
        "history",
        "sweep --timeout 1m --dry-run",
        "health",
        "report",
        "dashboard",
        "settings show --origin",
    ] {
        text.push_str(&format!("  {start} {command}\n"));
    }
    text
}

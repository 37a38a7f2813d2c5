//! `sweep`: releases what is due, once.

use std::time::Duration;

use unreserve_engine::ledger::{BatchRecord, Entry, HistoryQuery, SetAside};
use unreserve_engine::model::{Holder, SweepId};
use unreserve_engine::report::{SweepReport, report_dry, report_sweep};
use unreserve_engine::shop::{CheckedShop, ShopError};
use unreserve_engine::sweep::{
    Observer, Progress as Progressed, Stop, SweepError, SweepOutcome, SweepRequest, dry_sweep, sweep,
};

use crate::app::Context;
use crate::cli::args::{Format, SweepArgs};
use crate::cli::named::named_json;
use crate::cli::sweep_text;
use crate::clock::ProcessClock;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::lock::Lock;
use crate::opening::{self, block_on, shop_failure, sweep_failure};
use crate::printer::{Printer, Progress};
use crate::profiles;
use crate::settings::Settings;

const BATCH_SIZE: u32 = 500;
const MAX_ORDERS: u64 = 5_000;
/// How long a lock of the shop's is waited for.
const LOCK_WAIT: Duration = Duration::from_millis(300);
/// More changes than this are not listed; the ledger has them all.
const CHANGES: u32 = 1_000_000;

/// Runs the command.
pub(crate) fn run(args: &SweepArgs, context: &Context) -> Result<Exit, Failure> {
    block_on(async {
        if args.dry_run {
            return dry(args, context).await;
        }
        let database = opening::database_url(&context.settings)?.masked();
        let profile = profiles::load(&context.settings)?.profile.name;
        let lock = Lock::take(&context.settings.state_dir.value, &database, &profile)?;
        let mut shop = opening::open(&context.settings).await?;
        let (report, stopped_by) = real(args, context, shop.as_mut(), lock.holder.clone()).await?;
        finish(args, context, &report, stopped_by.as_ref())
    })
}

/// What the settings and the command line ask of a sweep.
pub(crate) fn request(settings: &Settings, order: Option<String>, holder: Holder) -> SweepRequest {
    SweepRequest {
        sweep_id: SweepId::new(),
        holder,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        batch_size: settings.batch_size.as_ref().map_or(BATCH_SIZE, |size| size.value),
        max_orders: settings.max_orders.as_ref().map_or(MAX_ORDERS, |max| max.value),
        only: order,
        lock_wait: LOCK_WAIT,
        stop: Stop::default(),
    }
}

async fn real(
    args: &SweepArgs,
    context: &Context,
    shop: &mut dyn CheckedShop,
    holder: Holder,
) -> Result<(SweepReport, Option<SweepError>), Failure> {
    let request = request(&context.settings, args.order.clone(), holder);
    let mut watcher = Watcher::new(&context.printer);
    let outcome = sweep(shop, &ProcessClock::new(), &request, &mut watcher).await;
    drop(watcher);
    let outcome = outcome.map_err(|error| sweep_failure(&error))?;
    let report = read_back(args, context, shop, &outcome).await;
    match (report, outcome.stopped_by) {
        (Ok(report), stopped_by) => Ok((report, stopped_by)),
        // What stopped the sweep matters more than that its report cannot be read.
        (Err(_), Some(error)) => Err(sweep_failure(&error)),
        (Err(failure), None) => Err(failure),
    }
}

/// The report, from what stands in the ledger.
async fn read_back(
    args: &SweepArgs,
    context: &Context,
    shop: &mut dyn CheckedShop,
    outcome: &SweepOutcome,
) -> Result<SweepReport, Failure> {
    let unreadable = |error| shop_failure(&error, "the sweep is done, but the ledger cannot be read");
    let query = HistoryQuery::Sweep { id: outcome.sweep_id.to_string() };
    let records = shop.history(&query).await.map_err(unreadable)?;
    let record = records
        .first()
        .ok_or_else(|| Failure::new(Exit::Halted, format!("the ledger does not have sweep `{}`", outcome.sweep_id)))?;
    let entries = match args.verbose {
        true => Some(shop.entries(outcome.sweep_id, CHANGES).await.map_err(unreadable)?),
        false => None,
    };
    Ok(report_sweep(outcome, record, entries.as_deref(), &database(context)))
}

async fn dry(args: &SweepArgs, context: &Context) -> Result<Exit, Failure> {
    let mut shop = opening::open(&context.settings).await?;
    let nobody = Holder { token: String::new(), host: String::new(), process_id: 0, lock_file: String::new() };
    let request = request(&context.settings, args.order.clone(), nobody);
    let dry = dry_sweep(shop.as_mut(), &ProcessClock::new(), &request).await;
    let (outcome, batches, entries) = dry.map_err(|error| sweep_failure(&error))?;
    // People want to see what would change; a program gets it where it asks for it.
    let listed: Option<&[Entry]> = (args.verbose || args.format.format == Format::Text).then_some(&entries);
    let report = report_dry(&outcome, &shop.plan().profile, &batches, listed, &database(context));
    finish(args, context, &report, None)
}

fn database(context: &Context) -> String {
    context.settings.database_url.as_ref().map_or_else(String::new, |url| url.value.masked())
}

/// Prints the report, and says how the program ends.
fn finish(
    args: &SweepArgs,
    context: &Context,
    report: &SweepReport,
    stopped_by: Option<&SweepError>,
) -> Result<Exit, Failure> {
    let problems = report.orders_set_aside > 0 || stopped_by.is_some();
    tracing::info!(sweep_id = %report.sweep_id, event = "sweep", dry_run = report.dry_run,
        reservations_released = report.reservations_released, units_released = report.units_released,
        orders_cancelled = report.orders_cancelled, orders_set_aside = report.orders_set_aside,
        drift_units = report.drift_units, batches = report.batches, duration_ms = report.duration_ms, "sweep done");
    match args.format.format {
        Format::Json => {
            context.printer.result(&named_json(context.settings.shop.as_deref(), report)?)?;
        }
        Format::Text if args.quiet && !problems => {}
        Format::Text => {
            let shop = context.settings.shop.as_ref().map(|shop| format!("Shop {shop}\n"));
            context.printer.result(&(shop.unwrap_or_default() + &sweep_text::render(report)))?;
        }
    }
    match stopped_by {
        Some(error) => Err(sweep_failure(error)),
        None if problems && !report.dry_run => Ok(Exit::Problems),
        None => Ok(Exit::Done),
    }
}

/// Shows how far a long sweep has come.
struct Watcher {
    printer: Printer,
    bar: Option<Progress>,
}

impl Watcher {
    fn new(printer: &Printer) -> Self {
        Self { printer: printer.clone(), bar: None }
    }
}

impl Observer for Watcher {
    fn progressed(&mut self, progress: Progressed) {
        let total = progress.orders_due.max(progress.orders_done);
        let bar = self.bar.get_or_insert_with(|| self.printer.progress("releasing", total));
        bar.set_total(total);
        bar.set(progress.orders_done);
    }

    fn committed(&mut self, record: &BatchRecord, took: Duration) {
        tracing::debug!(event = "batch", batch_id = %record.batch_id, reservations_released = record.reservations,
            units_released = record.units, orders_cancelled = record.orders_cancelled,
            duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX), "batch committed");
    }

    fn failed(&mut self, error: &ShopError, orders: usize) {
        tracing::info!(
            event = "batch_failed",
            orders,
            error.class = error.kind.word(),
            error.code = error.code,
            "a batch was rolled back and is tried again: {error}"
        );
    }

    fn put_aside(&mut self, order: &SetAside) {
        tracing::warn!(event = "set_aside", "an order was set aside for an hour: {}", order.reason);
        tracing::debug!(event = "set_aside", order = %order.order, number = order.number, "the order that was set aside");
    }
}

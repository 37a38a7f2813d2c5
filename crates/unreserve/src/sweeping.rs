//! One sweep and its report, as the command and the daemon run it.

use std::sync::Arc;
use std::time::Duration;

use unreserve_engine::ledger::{BatchRecord, HistoryQuery, SetAside};
use unreserve_engine::model::{Holder, SweepId};
use unreserve_engine::report::{SweepReport, report_sweep};
use unreserve_engine::shop::{CheckedShop, ShopError};
use unreserve_engine::sweep::{Observer, Progress, Stop, SweepError, SweepOutcome, SweepRequest, sweep};
use unreserve_engine::watch::{Trouble, TroubleKind};

use crate::clock::ProcessClock;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::hub::{Line, News, SweepResult, Swept};
use crate::opening::{shop_failure, sweep_failure};
use crate::settings::Settings;

const BATCH_SIZE: u32 = 500;
const MAX_ORDERS: u64 = 5_000;
/// How long a lock of the shop's is waited for.
const LOCK_WAIT: Duration = Duration::from_millis(300);
/// More changes than this are not listed; the ledger has them all.
const CHANGES: u32 = 1_000_000;

/// What the settings and the command line ask of a sweep.
pub(crate) fn request(settings: &Settings, order: Option<String>, holder: Holder, stop: Stop) -> SweepRequest {
    SweepRequest {
        sweep_id: SweepId::new(),
        holder,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        batch_size: settings.batch_size.as_ref().map_or(BATCH_SIZE, |size| size.value),
        max_orders: settings.max_orders.as_ref().map_or(MAX_ORDERS, |max| max.value),
        only: order,
        lock_wait: LOCK_WAIT,
        stop,
    }
}

/// Whether a report lists what changed, line by line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Changes {
    /// It does.
    Listed,
    /// It does not.
    Counted,
}

/// What kept a sweep, or its report, from being told.
#[derive(Debug)]
pub(crate) enum NotTold {
    /// The sweep did not begin, or stopped.
    Sweep(SweepError),
    /// It is done, but the ledger cannot be read.
    Report(Failure),
}

impl From<NotTold> for Failure {
    fn from(error: NotTold) -> Self {
        match error {
            NotTold::Sweep(error) => sweep_failure(&error),
            NotTold::Report(failure) => failure,
        }
    }
}

/// A sweep's report, and the error it stopped on after its first batch.
pub(crate) type Reported = (Arc<SweepReport>, Option<SweepError>);

/// Sweeps, reads the report from the ledger, and tells everybody how it ended. An error it stopped on after its first
/// batch comes beside the report.
pub(crate) async fn sweep_and_report(
    shop: &mut dyn CheckedShop,
    request: &SweepRequest,
    (settings, changes): (&Settings, Changes),
    line: &Line,
    progressed: &mut (dyn FnMut(Progress) + Send),
) -> Result<Reported, NotTold> {
    line.tell(News::SweepBegan);
    let mut observer = Logged { line, progressed };
    let outcome = match sweep(shop, &ProcessClock::new(), request, &mut observer).await {
        Ok(outcome) => outcome,
        Err(error) => {
            line.tell(ended(result_of(&error), None, Some(one_line(&error))));
            return Err(NotTold::Sweep(error));
        }
    };
    let report = read_back(shop, &outcome, settings, changes).await.map(Arc::new);
    let result = match &outcome.stopped_by {
        Some(error) => result_of(error),
        None if outcome.facts.set_aside > 0 => SweepResult::Problems,
        None => SweepResult::Done,
    };
    let error = match (&outcome.stopped_by, &report) {
        (Some(error), _) => Some(one_line(error)),
        (None, Err(failure)) => Some(failure.in_one_line()),
        (None, Ok(_)) => None,
    };
    line.tell(ended(result, report.as_ref().ok().cloned(), error));
    match (report, outcome.stopped_by) {
        (Ok(report), stopped_by) => {
            log(&report);
            Ok((report, stopped_by))
        }
        // What stopped the sweep matters more than that its report cannot be read.
        (Err(_), Some(error)) => Err(NotTold::Sweep(error)),
        (Err(failure), None) => Err(NotTold::Report(failure)),
    }
}

fn ended(result: SweepResult, report: Option<Arc<SweepReport>>, error: Option<String>) -> News {
    News::Swept(Arc::new(Swept { result, report, error }))
}

/// The news of a sweep that did not come to its beginning.
pub(crate) fn not_begun(failure: &Failure) -> News {
    let held = failure.exit == Exit::AlreadyRunning;
    let result = if held { SweepResult::Held } else { SweepResult::Failed };
    ended(result, None, Some(failure.in_one_line()))
}

/// How a sweep ended that stopped on this.
fn result_of(error: &SweepError) -> SweepResult {
    match error {
        SweepError::TooMany { .. } => SweepResult::TooMany,
        SweepError::Held { .. } => SweepResult::Held,
        _ => SweepResult::Failed,
    }
}

fn one_line(error: &SweepError) -> String {
    Trouble::from(error).text
}

/// The report, from what stands in the ledger.
async fn read_back(
    shop: &mut dyn CheckedShop,
    outcome: &SweepOutcome,
    settings: &Settings,
    changes: Changes,
) -> Result<SweepReport, Failure> {
    let unreadable = |error| shop_failure(&error, "the sweep is done, but the ledger cannot be read");
    let query = HistoryQuery::Sweep { id: outcome.sweep_id.to_string() };
    let records = shop.history(&query).await.map_err(unreadable)?;
    let record = records
        .first()
        .ok_or_else(|| Failure::new(Exit::Halted, format!("the ledger does not have sweep `{}`", outcome.sweep_id)))?;
    let entries = match changes {
        Changes::Listed => Some(shop.entries(outcome.sweep_id, CHANGES).await.map_err(unreadable)?),
        Changes::Counted => None,
    };
    Ok(report_sweep(outcome, record, entries.as_deref(), &database(settings)))
}

/// What a watch does about a failure.
pub(crate) fn trouble(failure: Failure) -> Trouble {
    let kind = match failure.exit {
        Exit::DatabaseUnavailable => TroubleKind::Passing,
        Exit::AlreadyRunning => TroubleKind::Held,
        Exit::Halted => TroubleKind::Broken,
        Exit::Done | Exit::Problems | Exit::Usage | Exit::Health(_) => TroubleKind::Unfit,
    };
    let text = match kind {
        TroubleKind::Held => failure.message.clone(),
        _ => failure.in_one_line(),
    };
    let hint = (!failure.hints.is_empty()).then(|| failure.hints.join("; "));
    Trouble { hint, ..Trouble::new(kind, failure.class.unwrap_or("settings"), text) }
}

/// The payment guards of a shop, by their names: each can be the reason why an order is left alone.
pub(crate) fn guards(shop: &dyn CheckedShop) -> Arc<[String]> {
    shop.plan().guards.iter().map(|guard| guard.name.clone()).collect()
}

/// The database's address, its password masked.
pub(crate) fn database(settings: &Settings) -> String {
    settings.database_url.as_ref().map_or_else(String::new, |url| url.value.masked())
}

/// One line a sweep.
pub(crate) fn log(report: &SweepReport) {
    tracing::info!(sweep_id = %report.sweep_id, event = "sweep", dry_run = report.dry_run,
        reservations_released = report.reservations_released, units_released = report.units_released,
        orders_cancelled = report.orders_cancelled, orders_set_aside = report.orders_set_aside,
        drift_units = report.drift_units, batches = report.batches, duration_ms = report.duration_ms, "sweep done");
}

/// Logs and tells what happens while a sweep runs, and how far it has come.
struct Logged<'a> {
    line: &'a Line,
    progressed: &'a mut (dyn FnMut(Progress) + Send),
}

impl Observer for Logged<'_> {
    fn progressed(&mut self, progress: Progress) {
        (self.progressed)(progress);
    }

    fn committed(&mut self, record: &BatchRecord, took: Duration) {
        tracing::debug!(event = "batch", batch_id = %record.batch_id, reservations_released = record.reservations,
            units_released = record.units, orders_cancelled = record.orders_cancelled,
            duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX), "batch committed");
        self.line.tell(News::Committed { record: *record, took });
    }

    fn released(&mut self, overdue_micros: &[i64]) {
        self.line.released(overdue_micros);
    }

    fn failed(&mut self, error: &ShopError, orders: usize) {
        tracing::info!(
            event = "batch_failed",
            orders,
            error.class = error.kind.word(),
            error.code = error.code,
            "a batch was rolled back and is tried again: {error}"
        );
        // Without orders it is what was left alone that could not be counted, and no batch.
        if orders > 0 {
            self.line.tell(News::BatchFailed { class: error.kind.word() });
        }
    }

    fn put_aside(&mut self, order: &SetAside) {
        tracing::warn!(event = "set_aside", "an order was set aside for an hour: {}", order.reason);
        tracing::debug!(event = "set_aside", order = %order.order, number = order.number, "the order that was set aside");
    }
}

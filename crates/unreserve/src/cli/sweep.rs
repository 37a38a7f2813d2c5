//! `sweep`: releases what is due, once.

use std::sync::Arc;

use unreserve_engine::ledger::Entry;
use unreserve_engine::model::Holder;
use unreserve_engine::report::{SweepReport, report_dry};
use unreserve_engine::sweep::{Progress as Progressed, Stop, SweepError, dry_sweep};
use unreserve_engine::watch::Trouble;

use crate::alerts::Around;
use crate::app::Context;
use crate::cli::args::{Format, SweepArgs};
use crate::cli::named::named_json;
use crate::cli::sweep_text;
use crate::clock::ProcessClock;
use crate::daemon::sweeps_every;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::hub::{Hub, Line, News};
use crate::lock::{Lock, Purpose};
use crate::metrics::{MetricsFile, Scope};
use crate::opening::{self, block_on, sweep_failure};
use crate::printer::{Printer, Progress};
use crate::profiles;
use crate::settings::Settings;
use crate::sweeping::{Changes, Reported, database, guards, log, not_begun, request, sweep_and_report, trouble};

/// Runs the command.
pub(crate) fn run(args: &SweepArgs, context: &Context) -> Result<Exit, Failure> {
    match one(args, context) {
        // Another instance at work is nothing wrong: a scheduler that mails every word must not hear of it.
        Err(failure) if args.quiet && failure.exit == Exit::AlreadyRunning => Ok(Exit::AlreadyRunning),
        ended => ended,
    }
}

fn one(args: &SweepArgs, context: &Context) -> Result<Exit, Failure> {
    block_on(async {
        if args.dry_run {
            return dry(args, context).await;
        }
        // One order by hand says nothing of the shop.
        let around = args.order.is_none().then(|| Around::new(&context.settings));
        let ended = once(args, context, around.as_ref()).await;
        if let Some(around) = around {
            around.end(&context.settings).await;
        }
        ended
    })
}

/// One sweep, its metrics and its result. The locks are free when it is done.
async fn once(args: &SweepArgs, context: &Context, around: Option<&Around>) -> Result<Exit, Failure> {
    let settings = &context.settings;
    let name = settings.shop.as_deref();
    // The numbers go on from the file as whoever held the lock before has left it.
    let lock = locked(settings);
    let scope = if args.order.is_some() { Scope::OneOrder } else { Scope::Shop };
    let file = settings.metrics_file.as_ref().map(|file| MetricsFile::of(&file.value, name, scope));
    let listeners = file.iter().map(MetricsFile::listener).chain(context.telemetry.listeners());
    let listeners = listeners.chain(around.map(Around::listener)).collect();
    let line = Hub::new(listeners).join(name, sweeps_every(settings));
    let holder = lock.as_ref().map(|lock| lock.holder.clone()).map_err(Failure::clone);
    let swept = real(args, context, &line, holder).await;
    if let Some(trouble) = what_went_wrong(&swept) {
        line.tell(News::Troubled(Arc::new(trouble)));
    }
    // As long as the lock is held nobody else writes the file; whoever else holds it does that himself.
    let is_anothers = lock.is_err() && matches!(&swept, Err(failure) if failure.exit == Exit::AlreadyRunning);
    if let Some(file) = file.filter(|_| !is_anothers) {
        file.write();
    }
    drop(lock);
    let (report, stopped_by) = swept?;
    finish(args, context, &report, stopped_by.as_ref())
}

/// What kept the shop from being swept; another instance at work is nothing wrong.
fn what_went_wrong(swept: &Result<Reported, Failure>) -> Option<Trouble> {
    match swept {
        Ok((_, stopped_by)) => stopped_by.as_ref().map(Trouble::from),
        Err(failure) if failure.exit == Exit::AlreadyRunning => None,
        Err(failure) => Some(trouble(failure.clone())),
    }
}

async fn real(
    args: &SweepArgs,
    context: &Context,
    line: &Line,
    holder: Result<Holder, Failure>,
) -> Result<Reported, Failure> {
    let opened = match holder {
        Ok(holder) => opening::open(&context.settings).await.map(|shop| (shop, holder)),
        Err(failure) => Err(failure),
    };
    let (mut shop, holder) = opened.inspect_err(|failure| line.tell(not_begun(failure)))?;
    line.tell(News::Opened { guards: guards(shop.as_ref()) });
    let request = request(&context.settings, args.order.clone(), holder, Stop::default());
    let changes = if args.verbose { Changes::Listed } else { Changes::Counted };
    let mut bar = Bar::new(&context.printer);
    let mut progressed = |progress| bar.show(progress);
    Ok(sweep_and_report(shop.as_mut(), &request, (&context.settings, changes), line, &mut progressed).await?)
}

/// Takes the lock of this machine.
fn locked(settings: &Settings) -> Result<Lock, Failure> {
    let place = opening::place(settings)?;
    let profile = profiles::load(settings)?.profile.name;
    Lock::take(Purpose::Sweep, &settings.state_dir.value, &place, &profile)
}

async fn dry(args: &SweepArgs, context: &Context) -> Result<Exit, Failure> {
    let mut shop = opening::open(&context.settings).await?;
    let nobody = Holder { token: String::new(), host: String::new(), process_id: 0, lock_file: String::new() };
    let request = request(&context.settings, args.order.clone(), nobody, Stop::default());
    let dry = dry_sweep(shop.as_mut(), &ProcessClock::new(), &request).await;
    let (outcome, batches, entries) = dry.map_err(|error| sweep_failure(&error))?;
    // People want to see what would change; a program gets it where it asks for it.
    let listed: Option<&[Entry]> = (args.verbose || args.format.format == Format::Text).then_some(&entries);
    let report = report_dry(&outcome, &shop.plan().profile, &batches, listed, &database(&context.settings));
    log(&report);
    finish(args, context, &report, None)
}

/// Prints the report, and says how the program ends.
fn finish(
    args: &SweepArgs,
    context: &Context,
    report: &SweepReport,
    stopped_by: Option<&SweepError>,
) -> Result<Exit, Failure> {
    let problems = report.orders_set_aside > 0 || stopped_by.is_some();
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
struct Bar {
    printer: Printer,
    bar: Option<Progress>,
}

impl Bar {
    fn new(printer: &Printer) -> Self {
        Self { printer: printer.clone(), bar: None }
    }

    fn show(&mut self, progress: Progressed) {
        let total = progress.orders_due.max(progress.orders_done);
        let bar = self.bar.get_or_insert_with(|| self.printer.progress("releasing", total));
        bar.set_total(total);
        bar.set(progress.orders_done);
    }
}

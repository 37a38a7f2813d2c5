//! `report`: what happened over some days, from the ledger and the shop.

mod chart;
mod csv;
mod html;
mod text;

use unreserve_engine::report::period::{Days, DaysError, LedgerSide, PeriodReport, day_of, report_period};
use unreserve_engine::report::shop_side::ShopSide;
use unreserve_engine::shop::InstallState;
use unreserve_engine::sweep::SweepError;

use crate::app::Context;
use crate::cli::args::{ReportArgs, ReportFormat};
use crate::cli::named::named_json;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::opening::{self, block_on, shop_failure, sweep_failure};

/// Due orders are counted no further.
const COUNTED: u64 = 10_000;

/// Runs the command.
pub(crate) fn run(args: &ReportArgs, context: &Context) -> Result<Exit, Failure> {
    block_on(async {
        if let (Some(from), Some(to)) = (args.from, args.to) {
            Days::between(from, to).map_err(refused)?;
        }
        let report = make(args, context).await?;
        let name = context.settings.shop.as_deref();
        let text = match args.format {
            ReportFormat::Text => text::render(name, &report),
            ReportFormat::Json => named_json(name, &report)?,
            ReportFormat::Csv => {
                // A line a day has no place for reasons.
                for unknown in &report.shop.unknown {
                    context.printer.note(&format!("not known: {}: {}", unknown.figure, unknown.reason));
                }
                csv::render(&report)
            }
            ReportFormat::Html => html::render(name, &report)?,
        };
        context.printer.result(&text)?;
        Ok(Exit::Done)
    })
}

async fn make(args: &ReportArgs, context: &Context) -> Result<PeriodReport, Failure> {
    let mut shop = opening::open_whole(&context.settings).await?;
    let installed = shop.info().installed;
    if installed != InstallState::Current {
        return Err(sweep_failure(&SweepError::NotInstalled(installed)));
    }
    let outlook = shop.outlook(COUNTED).await;
    let outlook = outlook.map_err(|error| shop_failure(&error, "cannot ask the database what is due"))?;
    // Today is the database's: its clock is the one that the ledger's days are of.
    let today = day_of(outlook.now);
    let days = match args.from {
        Some(from) => Days::between(from, args.to.unwrap_or(today)),
        None => Days::last(args.days, today),
    };
    let days = days.map_err(refused)?;
    let plan = shop.plan().clone();
    let query = days.query(&plan.profile).map_err(refused)?;
    let tally = shop.tally(&query).await.map_err(|error| shop_failure(&error, "cannot read the ledger"))?;
    let query = days.shop_query(shop.info().capability.single_writer).map_err(refused)?;
    let figures = shop.figures(&query).await.map_err(|error| shop_failure(&error, "cannot read the shop's tables"))?;
    let ledger = LedgerSide { tally: &tally, outlook: &outlook, count_limit: COUNTED };
    let side = ShopSide { plan: &plan, figures: &figures, rows_max: query.rows_max };
    let mut report = report_period(days, &ledger, &side);
    let url = opening::database_url(&context.settings)?;
    for read in &report.shop.unindexed {
        let statement = unreserve_db::index_statement(url.expose(), &plan, &read.index);
        let statement = statement.map_err(|error| shop_failure(&error, "cannot write the index statement"))?;
        report.shop.index_statements.push(statement);
    }
    Ok(report)
}

fn refused(error: DaysError) -> Failure {
    Failure::usage(error.to_string()).hint("give `--days N`, or `--from DATE` and `--to DATE` with DATE as 2026-11-30")
}

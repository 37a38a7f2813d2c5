//! `report`: what was given back over some days, from the ledger.

use unreserve_engine::model::write_duration;
use unreserve_engine::report::period::{Days, DaysError, Figures, PeriodReport, day_of, report_period};
use unreserve_engine::shop::InstallState;
use unreserve_engine::sweep::SweepError;

use crate::app::Context;
use crate::cli::args::{ReportArgs, ReportFormat};
use crate::cli::named::named_json;
use crate::cli::sweep_text::{plural, seconds};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::opening::{self, block_on, shop_failure, sweep_failure};
use crate::paint::heading;
use crate::table::Table;

/// Due orders are counted no further.
const COUNTED: u64 = 10_000;

/// The longest bar, in characters.
const BAR: i64 = 30;

/// What the ledger cannot know.
const NOT_TOLD: &str = "Made from the ledger alone: what was reserved, paid or fulfilled meanwhile, and what orders were worth, is not in it.";

/// Runs the command.
pub(crate) fn run(args: &ReportArgs, context: &Context) -> Result<Exit, Failure> {
    block_on(async {
        if let (Some(from), Some(to)) = (args.from, args.to) {
            Days::between(from, to).map_err(refused)?;
        }
        let mut shop = opening::open(&context.settings).await?;
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
        let profile = shop.plan().profile.clone();
        let query = days.query(&profile).map_err(refused)?;
        let tally = shop.tally(&query).await.map_err(|error| shop_failure(&error, "cannot read the ledger"))?;
        let report = report_period(&profile, days, &tally, &outlook, COUNTED);
        let name = context.settings.shop.as_deref();
        let text = match args.format {
            ReportFormat::Text => text(name, &report),
            ReportFormat::Json => named_json(name, &report)?,
            ReportFormat::Csv => csv(&report),
        };
        context.printer.result(&text)?;
        Ok(Exit::Done)
    })
}

fn refused(error: DaysError) -> Failure {
    Failure::usage(error.to_string()).hint("give `--days N`, or `--from DATE` and `--to DATE` with DATE as 2026-11-30")
}

fn text(name: Option<&str>, report: &PeriodReport) -> String {
    let name = name.map_or_else(String::new, |name| format!(" of shop {name}"));
    let title = format!("Report{name}, {} to {}, days in UTC", report.from, report.to);
    let mut text = format!("{}\n\n{}\n", heading(&title), sums(report));
    let mut table =
        Table::new(&["day", "sweeps", "released", "units", "cancelled", "drift", ""]).right(&[1, 2, 3, 4, 5]);
    let most = report.days.iter().map(|day| day.figures.units_released).max().unwrap_or(0);
    for day in &report.days {
        let figures = &day.figures;
        table.row([
            day.day.to_string(),
            figures.sweeps.to_string(),
            figures.reservations_released.to_string(),
            figures.units_released.to_string(),
            figures.orders_cancelled.to_string(),
            figures.drift_units.to_string(),
            bar(figures.units_released, most),
        ]);
    }
    text.push_str(&format!("{}\n", table.render().trim_end()));
    if !report.most_released_stock.is_empty() {
        let mut table = Table::new(&["stock", "released", "units"]).right(&[1, 2]);
        for row in &report.most_released_stock {
            table.row([row.stock.clone(), row.reservations_released.to_string(), row.units_released.to_string()]);
        }
        text.push_str(&format!("\n{}\n{}\n", heading("Blocked most"), table.render().trim_end()));
    }
    format!("{text}\n{NOT_TOLD}\n")
}

/// The sums over all days, and what is due now.
fn sums(report: &PeriodReport) -> String {
    let figures = &report.figures;
    let mut table = Table::new(&["", "", ""]).right(&[1]);
    let mut row = |name: &str, figure: String, rest: String| table.row([name, &figure, &rest]);
    row(
        "reservations released",
        figures.reservations_released.to_string(),
        plural(u64::try_from(figures.units_released).unwrap_or(0), "unit"),
    );
    row("orders cancelled", figures.orders_cancelled.to_string(), String::new());
    row("sweeps", figures.sweeps.to_string(), format!("{} ended well", figures.sweeps_ended_well));
    if figures.drift_units != 0 {
        row("drift", figures.drift_units.to_string(), "units that a counter lacked".to_owned());
    }
    if let Some(lag) = report.release_lag {
        let rest =
            format!("of 100 releases 95 by {}, 99 by {}, all by {}", say(lag.p95_ms), say(lag.p99_ms), say(lag.max_ms));
        row("released after (median)", say(lag.p50_ms), rest);
    }
    row(
        "stock-hours given back",
        hours(figures.unit_minutes_given_back),
        "units × hours from their release until the end, or now".to_owned(),
    );
    row(
        "stock-hours lost",
        hours(figures.unit_minutes_lost),
        "units × hours from their expiry until their release".to_owned(),
    );
    let due = report.due_now;
    let at_least = if due.at_least { "at least " } else { "" };
    let oldest =
        if due.orders > 0 { format!("the oldest for {}", seconds(due.oldest_overdue_seconds)) } else { String::new() };
    row("orders due now", format!("{at_least}{}", due.orders), oldest);
    let text = table.render();
    // The titles are empty: the figures speak for themselves.
    let lines = text.lines().skip_while(|line| line.trim().is_empty());
    lines.fold(String::new(), |text, line| text + "  " + line + "\n")
}

fn bar(units: i64, most: i64) -> String {
    let long = units.saturating_mul(BAR).checked_div(most.max(1)).unwrap_or(0);
    // What is there is seen, however little it is.
    let long = if units > 0 { long.max(1) } else { 0 };
    "▇".repeat(usize::try_from(long).unwrap_or(0))
}

/// Milliseconds, as people say them.
fn say(millis: i64) -> String {
    if millis < 10_000 {
        return format!("{millis} ms");
    }
    write_duration(std::time::Duration::from_millis(u64::try_from(millis).unwrap_or(0)))
}

/// Minutes as hours with one decimal, rounded down.
fn hours(minutes: i64) -> String {
    let tenths = minutes.checked_div(6).unwrap_or(0);
    format!("{}.{}", tenths.checked_div(10).unwrap_or(0), tenths.checked_rem(10).unwrap_or(0).abs())
}

/// A line a day. No cell holds a comma, a quote or a line's end.
fn csv(report: &PeriodReport) -> String {
    let mut text = "day,sweeps,sweeps_ended_well,reservations_released,units_released,orders_cancelled,drift_units,\
                    unit_minutes_given_back,unit_minutes_lost\n"
        .to_owned();
    for day in &report.days {
        let Figures {
            sweeps,
            sweeps_ended_well,
            reservations_released,
            units_released,
            orders_cancelled,
            drift_units,
            unit_minutes_given_back,
            unit_minutes_lost,
        } = day.figures;
        text.push_str(&format!(
            "{},{sweeps},{sweeps_ended_well},{reservations_released},{units_released},{orders_cancelled},{drift_units},{unit_minutes_given_back},{unit_minutes_lost}\n",
            day.day
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_said_as_people_say_them() {
        assert_eq!(
            (hours(0), hours(59), hours(61), hours(6_000)),
            ("0.0".into(), "0.9".into(), "1.0".into(), "100.0".into())
        );
        assert_eq!((say(7), say(9_999), say(61_000)), ("7 ms".into(), "9999 ms".into(), "1m1s".into()));
        assert_eq!((bar(0, 9).chars().count(), bar(1, 900).chars().count(), bar(9, 9).chars().count()), (0, 1, 30));
        assert_eq!(bar(0, 0), "");
    }
}

//! `health`: how every shop is, once or again and again, and since when.

mod nagios;
mod text;

use serde::Serialize;
use tokio::task::LocalSet;
use unreserve_engine::report::health::{Episode, HealthReport, Status, episodes};
use unreserve_engine::sweep::Clock;

use crate::alerts;
use crate::app::Context;
use crate::cli::args::{HealthArgs, HealthFormat};
use crate::clock::{ProcessClock, utc_now};
use crate::exit::{Exit, HealthExit};
use crate::failure::Failure;
use crate::health::{self, kept};
use crate::opening::{self, block_on};
use crate::printer::Printer;
use crate::settings::Settings;

/// Runs the command.
pub(crate) fn run(args: &HealthArgs, context: &Context) -> Result<Exit, Failure> {
    let shops: Vec<Settings> = std::iter::once(&context.settings).chain(&context.others).cloned().collect();
    for shop in &shops {
        opening::database_url(shop).map_err(|failure| failure.of_shop(shop.shop.as_deref()))?;
    }
    if args.send_alerts && context.settings.alerts.channels.is_empty() {
        return Err(crate::cli::alert::no_channel());
    }
    if args.history {
        if args.format == HealthFormat::Nagios {
            return Err(Failure::usage("`--history` has no form for monitoring plugins").hint("use `--format json`"));
        }
        return history(args, &shops, &context.printer);
    }
    block_on(async { LocalSet::new().run_until(look_and_tell(args, &shops, &context.printer)).await })
}

/// Puts a failure into the numbers and the format of health: it is not known how it is.
pub(crate) fn told(args: &HealthArgs, printer: &Printer, outcome: Result<Exit, Failure>) -> Result<Exit, Failure> {
    outcome.map_err(|failure| {
        if args.format == HealthFormat::Nagios {
            // Whoever runs plugins reads stdout only. If it is gone, stderr says the same.
            drop(printer.result(&nagios::refused(&failure.in_one_line())));
        }
        Failure { exit: Exit::Health(HealthExit::Unknown), ..failure }
    })
}

async fn look_and_tell(args: &HealthArgs, shops: &[Settings], printer: &Printer) -> Result<Exit, Failure> {
    loop {
        let reports = look(args, shops).await?;
        let Some(rest) = args.watch else {
            printer.result(&whole(args.format, &reports)?)?;
            return Ok(Exit::Health(exit_of(worst(&reports))));
        };
        match args.format {
            HealthFormat::Text if printer.stdout_is_terminal() => {
                let span = unreserve_engine::model::write_duration(rest);
                let again = format!("\nAgain every {span}, until Ctrl-C.\n");
                printer.repaint(&(whole(args.format, &reports)? + &again))?;
            }
            HealthFormat::Text => {
                let lines = reports.iter().map(|(shop, report)| text::line(shop.shop.as_deref(), report, utc_now()));
                printer.result(&lines.collect::<Vec<_>>().join("\n"))?;
            }
            HealthFormat::Json | HealthFormat::Nagios => printer.result(&whole(args.format, &reports)?)?,
        }
        ProcessClock::new().sleep(rest).await;
    }
}

type Reports<'a> = Vec<(&'a Settings, HealthReport)>;

/// Looks at every shop at once, so that one that does not answer delays no other, and keeps what was seen.
async fn look<'a>(args: &HealthArgs, shops: &'a [Settings]) -> Result<Reports<'a>, Failure> {
    let begun = shops.iter().map(|shop| {
        let (settings, threshold, only) = (shop.clone(), threshold(args, shop), args.only.clone());
        (shop, tokio::task::spawn_local(async move { health::look(&settings, threshold, &only).await }))
    });
    let mut reports = Vec::with_capacity(shops.len());
    for (shop, report) in begun.collect::<Vec<_>>() {
        let report =
            report.await.map_err(|error| Failure::new(Exit::Halted, "a look was broken off").because(&error))?;
        health::keep(shop, &report);
        if args.send_alerts {
            alerts::tell_once(shop, &report).await;
        }
        reports.push((shop, report));
    }
    Ok(reports)
}

fn threshold(args: &HealthArgs, shop: &Settings) -> u64 {
    args.alert_threshold.unwrap_or(shop.alerts.threshold.value)
}

fn worst(reports: &Reports<'_>) -> Status {
    reports.iter().map(|(_, report)| report.status).max().unwrap_or(Status::Unknown)
}

fn exit_of(status: Status) -> HealthExit {
    match status {
        Status::Ok => HealthExit::Ok,
        Status::Warning => HealthExit::Warning,
        Status::Critical => HealthExit::Critical,
        Status::Unknown => HealthExit::Unknown,
    }
}

/// The reports in one of the formats, complete.
fn whole(format: HealthFormat, reports: &Reports<'_>) -> Result<String, Failure> {
    let named = reports.iter().map(|(shop, report)| (shop.shop.as_deref(), report));
    Ok(match format {
        HealthFormat::Text => named.map(|(name, report)| text::render(name, report)).collect::<Vec<_>>().join("\n"),
        HealthFormat::Nagios => nagios::render(&named.collect::<Vec<_>>()),
        HealthFormat::Json => {
            let shops = named.map(|(shop, result)| Named { shop, result }).collect();
            written(Some(worst(reports)), shops)?
        }
    })
}

/// What was found of one shop, with the shop's name where it has one.
#[derive(Serialize)]
struct Named<'a, T> {
    #[serde(skip_serializing_if = "Option::is_none")]
    shop: Option<&'a str>,
    #[serde(flatten)]
    result: T,
}

/// What was found of several shops, beside what holds for all.
#[derive(Serialize)]
struct OfAll<'a, T> {
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
    shops: Vec<Named<'a, T>>,
}

/// One JSON object: of the only shop itself, of several with all of them in it.
fn written<T: Serialize>(status: Option<Status>, shops: Vec<Named<'_, T>>) -> Result<String, Failure> {
    let text = match shops.as_slice() {
        [only] => serde_json::to_string(only),
        _ => serde_json::to_string(&OfAll { status, shops }),
    };
    text.map_err(|error| Failure::new(Exit::Halted, "cannot write the result").because(&error))
}

/// What past runs saw of one shop.
#[derive(Serialize)]
struct Past {
    runs: usize,
    since: Option<jiff::Timestamp>,
    episodes: Vec<Episode>,
}

/// When each problem began and ended.
fn history(args: &HealthArgs, shops: &[Settings], printer: &Printer) -> Result<Exit, Failure> {
    let mut texts = Vec::new();
    let mut objects = Vec::new();
    for shop in shops {
        let (place, name) = (kept::place(shop), shop.shop.as_deref());
        let runs = kept::read(&place).map_err(|error| {
            Failure::new(Exit::Usage, format!("cannot read what past runs saw: `{}`", place.display())).because(&error)
        })?;
        let mut episodes = episodes(&runs);
        episodes.retain(|episode| args.only.is_empty() || args.only.contains(&episode.check));
        match args.format {
            HealthFormat::Text => texts.push(text::history(name, &runs, &episodes)),
            HealthFormat::Json | HealthFormat::Nagios => {
                let since = runs.first().map(|run| run.at);
                objects.push(Named { shop: name, result: Past { runs: runs.len(), since, episodes } });
            }
        }
    }
    let result = if args.format == HealthFormat::Text { texts.join("\n") } else { written(None, objects)? };
    printer.result(&result)?;
    Ok(Exit::Done)
}

//! `profile`: lists, shows and checks profiles.

use serde_json::json;
use unreserve_engine::plan::judge_clock;
use unreserve_engine::profile::Problems;
use unreserve_engine::report::shop_side::unknown_zones;
use unreserve_engine::shop::{FiguresQuery, InstallState};

use crate::app::Context;
use crate::cli::args::{Format, FormatArgs, ProfileArgs, ProfileCommand};
use crate::cli::named::named_json;
use crate::cli::setup::{INDEXES_MISSING, index_advice};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::opening::{self, block_on, shop_failure, sweep_failure};
use crate::profiles::{self, SHIPPED};
use crate::table::Table;
use unreserve_engine::sweep::SweepError;

/// Runs the command.
pub(crate) fn run(args: &ProfileArgs, context: &Context) -> Result<Exit, Failure> {
    match &args.command {
        ProfileCommand::List(format) => list(*format, context),
        ProfileCommand::Show(show) => {
            let shipped = SHIPPED.iter().find(|shipped| shipped.name == show.name).ok_or_else(|| {
                Failure::usage(format!("there is no shipped profile `{}`", show.name))
                    .hint("`unreserve profile list` shows them")
            })?;
            context.printer.result(shipped.text)?;
            Ok(Exit::Done)
        }
        ProfileCommand::Check(format) => check(*format, context),
    }
}

fn list(format: FormatArgs, context: &Context) -> Result<Exit, Failure> {
    let mut rows = Vec::new();
    for shipped in SHIPPED {
        let loaded = profiles::parse(shipped.name.to_owned(), shipped.text.to_owned())?;
        rows.push((shipped.name, loaded.profile.description.unwrap_or_default()));
    }
    let text = match format.format {
        Format::Json => {
            let list: Vec<_> =
                rows.iter().map(|(name, description)| json!({ "name": name, "description": description })).collect();
            json!(list).to_string()
        }
        Format::Text => {
            let mut table = Table::new(&["profile", "for"]);
            for (name, description) in &rows {
                table.row([*name, description.as_str()]);
            }
            table.render()
        }
    };
    context.printer.result(&text)?;
    Ok(Exit::Done)
}

const IN_VAIN: &str = "the report cannot read what the profile names";

/// Checks the profile against the live schema, and says what a sweep would find. Writes nothing.
fn check(format: FormatArgs, context: &Context) -> Result<Exit, Failure> {
    block_on(async {
        profiles::load(&context.settings)?;
        let mut shop = opening::connect(&context.settings).await?;
        let info = shop.info().await.map_err(|error| shop_failure(&error, "cannot ask the database"))?;
        let resolved = opening::resolve(&context.settings, shop.as_mut()).await?;
        let advice = index_advice(&context.settings, &resolved)?;
        let name = resolved.loaded.name.clone();
        // A sweep goes on without what only the report reads; whoever checks the profile wants to know.
        let unfit: Vec<_> = resolved.plan.figures.problems.iter().map(|(_, problem)| problem.clone()).collect();
        if !unfit.is_empty() {
            return Err(resolved.loaded.failure(&Problems(unfit)));
        }
        let mut shop = opening::check(shop, resolved.plan).await?;
        let (evidence, _) = shop.look(1).await.map_err(|error| shop_failure(&error, "cannot judge the clocks"))?;
        let clock = judge_clock(&shop.plan().due, &evidence);
        if info.installed == InstallState::Current {
            // A span without a day: every statement of the report runs, and finds nothing.
            let nothing = FiguresQuery { from: evidence.now, to: evidence.now, rows_max: 0 };
            let tried = shop.figures(&nothing).await.map_err(|error| shop_failure(&error, IN_VAIN))?;
            if let Some(unknown) = unknown_zones(shop.plan(), &tried).into_iter().next() {
                let failure = Failure::usage(format!("{IN_VAIN}: {}", unknown.reason));
                return Err(match unknown.remedy {
                    Some(remedy) => failure.hint(remedy),
                    None => failure,
                });
            }
        }
        let text = match format.format {
            Format::Json => named_json(
                context.settings.shop.as_deref(),
                &json!({
                    "profile": shop.plan().profile,
                    "database": info.product,
                    "fits": true,
                    "clock": clock.as_ref().map_or_else(ToString::to_string, |()| "right".to_owned()),
                    "indexes": advice,
                }),
            )?,
            Format::Text => {
                let mut text = format!(
                    "Profile {name} fits {}: every table, column and type is as it says, and every statement was prepared.\n",
                    info.product
                );
                match advice.as_slice() {
                    [] => text.push_str("The indexes that a sweep wants are there.\n"),
                    advice => text.push_str(&format!("{INDEXES_MISSING}:\n\n  {}\n\n", advice.join("\n  "))),
                }
                if clock.is_ok() {
                    text.push_str("The shop's clock and the database's clock fit together.\n");
                }
                text
            }
        };
        context.printer.result(&text)?;
        match clock {
            Ok(()) => Ok(Exit::Done),
            Err(fault) => Err(sweep_failure(&SweepError::Clock(fault))),
        }
    })
}

//! `setup`: creates or upgrades our own tables, or prints what that takes.

use unreserve_engine::plan::advise_indexes;
use unreserve_engine::shop::InstallState;

use crate::app::Context;
use crate::cli::args::SetupArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::opening::{self, Resolved, block_on, shop_failure};
use crate::settings::Settings;

/// Runs the command.
pub(crate) fn run(args: &SetupArgs, context: &Context) -> Result<Exit, Failure> {
    block_on(async {
        let mut shop = opening::connect(&context.settings).await?;
        if args.print_sql {
            context.printer.result(&shop.install_script())?;
        }
        if args.print_grants {
            let resolved = opening::resolve(&context.settings, shop.as_mut()).await?;
            let url = opening::database_url(&context.settings)?;
            let grants = unreserve_db::grants(url.expose(), &resolved.plan, &args.role);
            context.printer.result(&grants.map_err(|error| shop_failure(&error, "cannot print the grants"))?)?;
        }
        if args.print_sql || args.print_grants {
            return Ok(Exit::Done);
        }
        let info = shop.info().await.map_err(|error| shop_failure(&error, "cannot ask the database"))?;
        if let Some(reason) = info.read_only {
            return Err(Failure::new(Exit::DatabaseUnavailable, format!("the database is read-only: {reason}"))
                .hint("connect to one that takes writes"));
        }
        let before = info.installed;
        shop.install()
            .await
            .map_err(|error| shop_failure(&error, "the ledger's tables could not be created; nothing was changed"))?;
        let done = match before {
            InstallState::Current => "The ledger's tables are there and current; nothing was changed.",
            InstallState::Absent => "Created the ledger's tables.",
            InstallState::Old(_) | InstallState::Newer(_) => "Upgraded the ledger's tables.",
        };
        context.printer.result(done)?;
        if context.settings.profile.is_some() {
            let resolved = opening::resolve(&context.settings, shop.as_mut()).await?;
            let advice = index_advice(&context.settings, &resolved)?;
            if !advice.is_empty() {
                context.printer.result(&format!("\n{INDEXES_MISSING}:\n\n  {}\n", advice.join("\n  ")))?;
            }
        }
        Ok(Exit::Done)
    })
}

/// What is said above the statements.
pub(crate) const INDEXES_MISSING: &str = "Indexes that a sweep wants are missing; it works without them, but slows down, and may be in the shop's way, as orders pile up";

/// The statements that create the indexes a sweep wants, where the live schema lacks them.
pub(crate) fn index_advice(settings: &Settings, resolved: &Resolved) -> Result<Vec<String>, Failure> {
    let url = opening::database_url(settings)?;
    advise_indexes(&resolved.plan, &resolved.schema)
        .iter()
        .map(|advice| {
            let statement = unreserve_db::index_statement(url.expose(), &resolved.plan, advice);
            statement.map_err(|error| shop_failure(&error, "cannot write the index statement"))
        })
        .collect()
}

//! `explain`: every condition of one order, with its value and verdict.

use unreserve_engine::shop::{Explanation, LockTest, ReservationSeen};

use crate::app::Context;
use crate::cli::args::{ExplainArgs, Format};
use crate::cli::named::named_json;
use crate::exit::Exit;
use crate::explaining::{conditions, instant, state, verdict};
use crate::failure::Failure;
use crate::opening::{self, block_on, shop_failure, sweep_failure};
use crate::paint::heading;
use crate::table::Table;
use unreserve_engine::sweep::SweepError;

/// Runs the command.
pub(crate) fn run(args: &ExplainArgs, context: &Context) -> Result<Exit, Failure> {
    block_on(async {
        let mut shop = opening::open(&context.settings).await?;
        let found = shop
            .explain(&args.order, LockTest::Try)
            .await
            .map_err(|error| shop_failure(&error, "cannot look the order up"))?;
        let found = found.ok_or_else(|| sweep_failure(&SweepError::NoSuchOrder(args.order.clone())))?;
        let text = match args.format.format {
            Format::Text => render(&found),
            Format::Json => {
                let mut value = serde_json::to_value(&found).unwrap_or_default();
                if let Some(object) = value.as_object_mut() {
                    object.insert("verdict".to_owned(), serde_json::Value::String(verdict(&found)));
                }
                named_json(context.settings.shop.as_deref(), &value)?
            }
        };
        context.printer.result(&text)?;
        Ok(Exit::Done)
    })
}

fn render(found: &Explanation) -> String {
    let mut table = Table::new(&["condition", "value", "verdict"]);
    for condition in conditions(found) {
        table.row([condition.condition, condition.value, condition.verdict]);
    }
    let name =
        found.number.as_ref().map_or_else(|| found.key.to_string(), |number| format!("{number} ({})", found.key));
    let mut text =
        format!("Order {name}, by the database's clock at {}\n\n{}\n", instant(found.now), table.render().trim_end());
    text.push_str(&reservations(&found.reservations));
    if !found.ledger.is_empty() {
        let mut table = Table::new(&["at", "what", "reservation", "units", "drift"]).right(&[3, 4]);
        for entry in &found.ledger {
            let reservation = entry.reservation.clone().unwrap_or_default();
            table.row([
                instant(entry.at),
                entry.kind.clone(),
                reservation,
                entry.quantity.to_string(),
                entry.drift.to_string(),
            ]);
        }
        text.push_str(&format!("\nIn the ledger\n{}\n", table.render().trim_end()));
    }
    text.push_str(&format!("\n{}\n", heading(&verdict(found))));
    text
}

fn reservations(seen: &[ReservationSeen]) -> String {
    if seen.is_empty() {
        return "\nIt has no reservation.\n".to_owned();
    }
    let mut table = Table::new(&["reservation", "units", "expires at", "verdict"]).right(&[1]);
    for reservation in seen {
        let expires = reservation.expires_at.map_or_else(|| "never, or unreadable".to_owned(), instant);
        table.row([reservation.key.to_string(), reservation.quantity.to_string(), expires, state(reservation)]);
    }
    format!("\n{}\n", table.render().trim_end())
}

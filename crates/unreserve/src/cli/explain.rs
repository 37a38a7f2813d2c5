//! `explain`: every condition of one order, with its value and verdict.

use jiff::Timestamp;
use unreserve_engine::shop::{Explanation, LockTest, ReservationSeen};

use crate::app::Context;
use crate::cli::args::{ExplainArgs, Format};
use crate::cli::named::named_json;
use crate::cli::sweep_text::{plural, seconds};
use crate::exit::Exit;
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
    for condition in &found.unpaid_conditions {
        let value = condition.value.clone().unwrap_or_else(|| "NULL".to_owned());
        table.row([
            condition.column.as_str(),
            &value,
            if condition.unpaid { "unpaid" } else { "not unpaid: protects" },
        ]);
    }
    if found.cancelled {
        table.row(["status", "cancelled already", "only gives its stock back"]);
    }
    for guard in &found.guards {
        let (value, verdict) = if guard.holds { ("holds", "protects") } else { ("does not hold", "nothing protects") };
        table.row([format!("guard `{}`", guard.name).as_str(), value, verdict]);
    }
    match found.locked {
        Some(true) => table.row(["row lock", "held by another session", "skipped until it is free"]),
        Some(false) => table.row(["row lock", "free", "can be locked"]),
        None => table.row(["row lock", "could not be tried", "unknown"]),
    }
    match &found.set_aside {
        Some(aside) => {
            let value = format!("since {}, tried {}", instant(aside.since), plural(aside.attempts, "time"));
            table.row([
                "set aside",
                value.as_str(),
                format!("tried again at {}: {}", instant(aside.retry_at), aside.reason).as_str(),
            ]);
        }
        None => table.row(["set aside", "no", "not kept back"]),
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

fn state(reservation: &ReservationSeen) -> String {
    let span = |micros: i64| seconds(micros.checked_div(1_000_000).unwrap_or(0));
    if !reservation.active {
        "ended: holds nothing".to_owned()
    } else if reservation.expired {
        format!("due for {}", span(reservation.overdue_micros))
    } else if reservation.expires_at.is_some() {
        format!("not expired yet: in {}", span(reservation.overdue_micros.saturating_neg()))
    } else {
        "never due".to_owned()
    }
}

/// One sentence: what the next sweep does with this order.
pub(crate) fn verdict(found: &Explanation) -> String {
    let active = || found.reservations.iter().filter(|reservation| reservation.active);
    if active().next().is_none() {
        return "Nothing to do: it holds no stock.".to_owned();
    }
    if !found.unpaid && !found.cancelled {
        return "Left alone: its status is not one that the profile lists as unpaid.".to_owned();
    }
    if let Some(guard) = found.guards.iter().find(|guard| guard.holds) {
        return format!("Left alone: guard `{}` holds, so money has come or may be coming.", guard.name);
    }
    if !active().any(|reservation| reservation.expired) {
        return match active().filter_map(|reservation| reservation.expires_at).min() {
            Some(next) => format!("Not expired yet: its next reservation expires at {}.", instant(next)),
            None => "Never due: no reservation of it expires.".to_owned(),
        };
    }
    if let Some(aside) = &found.set_aside {
        return format!("Set aside until {}: {}", instant(aside.retry_at), aside.reason);
    }
    if found.locked == Some(true) {
        return "Due, but locked by another session: the next sweep that finds it free releases it.".to_owned();
    }
    let due = active().filter(|reservation| reservation.expired).count();
    let all = active().count();
    let due = u64::try_from(due).unwrap_or(u64::MAX);
    let what = if due == u64::try_from(all).unwrap_or(u64::MAX) {
        format!("its {}", plural(due, "reservation"))
    } else {
        format!("{due} of its {all} reservations")
    };
    let rest = match (found.cancelled, what.starts_with("its")) {
        (true, _) => "; it is cancelled already",
        (false, true) => " and cancels it",
        (false, false) => " and leaves the order open",
    };
    format!("Due: the next sweep releases {what}{rest}.")
}

fn instant(instant: Timestamp) -> String {
    instant.round(jiff::Unit::Second).unwrap_or(instant).to_string()
}

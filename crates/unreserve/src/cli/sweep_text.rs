//! The report of a sweep for people.

use unreserve_engine::model::write_duration;
use unreserve_engine::report::SweepReport;
use unreserve_engine::shop::NO_ORDER;

use crate::paint::{caution, good, heading};
use crate::table::Table;

/// Lays a report out: what changed (where it is listed), the figures, and one sentence at the end.
pub(crate) fn render(report: &SweepReport) -> String {
    let mut text = String::new();
    let kind = if report.dry_run { "Dry run" } else { "Sweep" };
    text.push_str(&format!("{} {} of {} at {}\n\n", heading(kind), report.sweep_id, report.profile, report.database));
    if let Some(changes) = changes(report) {
        text.push_str(&changes);
        text.push('\n');
    }
    if report.dry_run
        && let Some(protected) = protected(report)
    {
        text.push_str(&protected);
        text.push('\n');
    }
    text.push_str(&figures(report));
    text.push('\n');
    let clean = report.orders_set_aside == 0 && !report.remaining_due;
    let sentence = sentence(report);
    text.push_str(&if clean { good(&sentence) } else { caution(&sentence) });
    text
}

fn changes(report: &SweepReport) -> Option<String> {
    let changes = report.changes.as_ref().filter(|changes| !changes.is_empty())?;
    let mut table = Table::new(&["order", "reservation", "stock", "units", "overdue"]).right(&[3, 4]);
    for change in changes {
        table.row([
            change.order.clone(),
            change.reservation.clone(),
            change.stock.clone().unwrap_or_else(|| "(not tracked)".to_owned()),
            change.quantity.to_string(),
            seconds(change.overdue_seconds),
        ]);
    }
    let title = if report.dry_run { "Would be released" } else { "Released" };
    Some(format!("{}\n{}\n", heading(title), table.render().trim_end()))
}

fn protected(report: &SweepReport) -> Option<String> {
    if report.protected_orders.is_empty() {
        return None;
    }
    let mut table = Table::new(&["order", "why"]);
    for order in &report.protected_orders {
        table.row([order.order.as_str(), reason(&order.reason).as_str()]);
    }
    Some(format!("{}\n{}\n", heading("Left alone"), table.render().trim_end()))
}

/// A reason in words.
fn reason(reason: &str) -> String {
    match reason {
        "status" => "no longer unpaid".to_owned(),
        "not_due" => "no longer due".to_owned(),
        "locked" => "locked by the shop".to_owned(),
        "unreadable" => "a quantity of it is no quantity: a sweep would set it aside".to_owned(),
        "not_tried" => "the sweep did not come to it".to_owned(),
        "busy" => "its stock row was busy".to_owned(),
        guard => format!("guard `{guard}` holds"),
    }
}

fn figures(report: &SweepReport) -> String {
    let mut table = Table::new(&["", "", ""]).right(&[1]);
    let mut row = |name: &str, figure: String, rest: String| table.row([name, &figure, &rest]);
    let units = u64::try_from(report.units_released).unwrap_or(0);
    let units = if units > 0 { plural(units, "unit") } else { String::new() };
    row("reservations released", report.reservations_released.to_string(), units);
    row("orders cancelled", report.orders_cancelled.to_string(), String::new());
    row("stock rows updated", report.stock_rows_updated.to_string(), String::new());
    let orders = report.orders_protected.iter().filter(|(reason, _)| *reason != NO_ORDER);
    let protected = orders.clone().fold(0_u64, |sum, (_, count)| sum.saturating_add(*count));
    let reasons: Vec<String> = orders.map(|(reason, count)| format!("{reason} {count}")).collect();
    let least = if report.orders_protected_at_least { "at least " } else { "" };
    row("orders left alone", format!("{least}{protected}"), reasons.join(", "));
    if let Some(count) = report.orders_protected.get(NO_ORDER) {
        row(
            "without an order",
            format!("{least}{count}"),
            "expired reservations that nobody can vouch for: left alone".to_owned(),
        );
    }
    if report.orders_set_aside > 0 {
        row("orders set aside", report.orders_set_aside.to_string(), "`unreserve history` shows why".to_owned());
    }
    if let Some(reason) = &report.uncounted {
        row("not counted", String::new(), format!("orders that a guard protects: {reason}"));
    }
    if report.drift_units != 0 {
        row("drift", report.drift_units.to_string(), "units that a counter lacked".to_owned());
    }
    if report.oldest_overdue_seconds > 0 {
        row("oldest overdue", seconds(report.oldest_overdue_seconds), String::new());
    }
    let text = table.render();
    // The titles are empty: the figures speak for themselves.
    let lines = text.lines().skip_while(|line| line.trim().is_empty());
    lines.fold(String::new(), |text, line| text + "  " + line + "\n")
}

fn sentence(report: &SweepReport) -> String {
    let took = format_milliseconds(report.duration_ms);
    let rest = match (report.orders_set_aside, report.remaining_due) {
        (0, false) => "nothing due is left",
        (0, true) => "something due is left for the next sweep",
        (_, false) => "orders that failed are set aside",
        (_, true) => "orders that failed are set aside, and something due is left",
    };
    if report.reservations_released == 0 {
        return match report.remaining_due || report.orders_set_aside > 0 {
            true => format!("Nothing was released; {rest}."),
            false => "Nothing is due.".to_owned(),
        };
    }
    let released = format!(
        "{} ({})",
        plural(report.reservations_released, "reservation"),
        plural(u64::try_from(report.units_released).unwrap_or(0), "unit")
    );
    let cancelled = plural(report.orders_cancelled, "order");
    if report.dry_run {
        return format!("A sweep would release {released} and cancel {cancelled}. Nothing was changed.");
    }
    format!("Released {released} and cancelled {cancelled} in {took}; {rest}.")
}

/// A count with its noun.
pub(crate) fn plural(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// Whole seconds as `1h5m10s`.
pub(crate) fn seconds(seconds: i64) -> String {
    write_duration(std::time::Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
}

/// Milliseconds as people say them.
pub(crate) fn format_milliseconds(millis: i64) -> String {
    let seconds = millis.checked_div(1_000).unwrap_or(0);
    let rest = millis.checked_rem(1_000).unwrap_or(0);
    if seconds >= 60 { self::seconds(seconds) } else { format!("{seconds}.{:02} s", rest.checked_div(10).unwrap_or(0)) }
}

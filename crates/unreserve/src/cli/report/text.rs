//! The report for people in a terminal.

use unreserve_engine::model::write_duration;
use unreserve_engine::report::period::PeriodReport;
use unreserve_engine::report::shop_side::{ShopReport, Value, write_percent};

use crate::cli::sweep_text::{plural, seconds};
use crate::paint::{caution, heading};
use crate::table::{Table, visible};

/// The longest bar, in characters.
const BAR: u64 = 30;

/// What stands for a figure that is not known.
pub(super) const UNKNOWN: &str = "unknown";

/// The whole report.
pub(super) fn render(name: Option<&str>, report: &PeriodReport) -> String {
    let name = name.map_or_else(String::new, |name| format!(" of shop {name}"));
    let title = format!("Report{name}, {} to {}, days in UTC", report.from, report.to);
    let mut parts = vec![heading(&title)];
    parts.extend(report.shop.warnings.iter().map(|warning| format!("{} {}", caution("Strange:"), visible(warning))));
    parts.push(format!("{}\n{}", sums(report), released(report)));
    if !report.most_released_stock.is_empty() {
        let mut table = Table::new(&["stock", "released", "units"]).right(&[1, 2]);
        for row in &report.most_released_stock {
            table.row([row.stock.clone(), row.reservations_released.to_string(), row.units_released.to_string()]);
        }
        parts.push(format!("{}\n{}", heading("Blocked most"), table.render().trim_end()));
    }
    let shop = in_the_shop(&report.shop);
    if !shop.is_empty() {
        parts.push(format!("{}\n{shop}\n{}", heading("Made in these days, and what became of it"), made(report)));
    }
    parts.extend(not_known(&report.shop));
    parts.join("\n\n") + "\n"
}

/// Rows of a name, a figure and what is said of it, without titles: the figures speak for themselves.
struct Lines(Table);

impl Lines {
    fn new() -> Self {
        Self(Table::new(&["", "", ""]).right(&[1]))
    }

    fn row(&mut self, name: &str, figure: impl ToString, rest: impl Into<String>) {
        self.0.row([name, &figure.to_string(), &rest.into()]);
    }

    fn render(&self) -> String {
        let text = self.0.render();
        let lines = text.lines().skip_while(|line| line.trim().is_empty());
        lines.fold(String::new(), |text, line| text + "  " + line + "\n")
    }
}

/// The sums over all days, and what is due now.
fn sums(report: &PeriodReport) -> String {
    let figures = &report.figures;
    let mut lines = Lines::new();
    let units = plural(u64::try_from(figures.units_released).unwrap_or(0), "unit");
    lines.row("reservations released", figures.reservations_released, units);
    lines.row("orders cancelled", figures.orders_cancelled, worth(report.shop.cancelled_value.as_deref()));
    lines.row("sweeps", figures.sweeps, format!("{} ended well", figures.sweeps_ended_well));
    if figures.drift_units != 0 {
        lines.row("drift", figures.drift_units, "units that a counter lacked");
    }
    if let Some(lag) = report.release_lag {
        let rest = format!("95 % by {}, 99 % by {}, all by {}", say(lag.p95_ms), say(lag.p99_ms), say(lag.max_ms));
        lines.row("released after (median)", say(lag.p50_ms), rest);
    }
    lines.row(
        "stock-hours given back",
        hours(figures.unit_minutes_given_back),
        "units × hours from their release until the end, or now",
    );
    lines.row(
        "stock-hours lost",
        hours(figures.unit_minutes_lost),
        "units × hours from their expiry until their release",
    );
    let due = report.due_now;
    let at_least = if due.at_least { "at least " } else { "" };
    let oldest =
        if due.orders > 0 { format!("the oldest for {}", seconds(due.oldest_overdue_seconds)) } else { String::new() };
    lines.row("orders due now", format!("{at_least}{}", due.orders), oldest);
    lines.render()
}

/// What cancelled orders are worth.
fn worth(values: Option<&[Value]>) -> String {
    let Some(values) = values.filter(|values| !values.is_empty()) else { return String::new() };
    let sums: Vec<String> = values.iter().map(money).collect();
    let without = values.iter().fold(0_u64, |sum, value| sum.saturating_add(value.orders_without_amount));
    let without = if without > 0 { format!("; {without} without a readable amount") } else { String::new() };
    format!("worth {}{without}", sums.join(" and "))
}

/// An amount with its currency.
pub(super) fn money(value: &Value) -> String {
    match &value.currency {
        Some(currency) => format!("{} {currency}", value.amount),
        None => value.amount.clone(),
    }
}

/// Day by day, with bars.
fn released(report: &PeriodReport) -> String {
    let titles = ["day", "sweeps", "released", "units", "cancelled", "drift", ""];
    let mut table = Table::new(&titles).right(&[1, 2, 3, 4, 5]);
    let units = |units: i64| u64::try_from(units).unwrap_or(0);
    let most = report.days.iter().map(|day| units(day.figures.units_released)).max().unwrap_or(0);
    for day in &report.days {
        let figures = &day.figures;
        table.row([
            day.day.to_string(),
            figures.sweeps.to_string(),
            figures.reservations_released.to_string(),
            figures.units_released.to_string(),
            figures.orders_cancelled.to_string(),
            figures.drift_units.to_string(),
            bar(units(figures.units_released), most),
        ]);
    }
    table.render().trim_end().to_owned()
}

/// What the shop's own tables tell, as far as it is known.
fn in_the_shop(shop: &ShopReport) -> String {
    let mut lines = Lines::new();
    let mut any = false;
    if let Some(made) = shop.reservations {
        any = true;
        lines.row("reservations made", made.made, plural(u64::try_from(made.units).unwrap_or(0), "unit"));
        lines.row("  fulfilled", told(made.fulfilled), "");
        lines.row("  released", made.released, "by unreserve");
        let otherwise = if made.fulfilled.is_none() { "the fulfilled ones among them" } else { "by the shop itself" };
        lines.row("  ended otherwise", made.ended_otherwise, otherwise);
        lines.row("  still active", made.still_active, format!("{} of them due", made.still_due));
    }
    if let Some(made) = shop.orders {
        any = true;
        lines.row("orders made", made.made, "");
        lines.row("  paid", told(made.paid), "");
        let rate = shop.cancellation_rate.and_then(|rate| Some((rate.basis_points?, rate.orders_decided)));
        let rate = rate.map(|(points, decided)| format!("{} of the {decided} that are decided", write_percent(points)));
        lines.row("  cancelled", told(made.cancelled), rate.unwrap_or_default());
        lines.row("  still unpaid", made.still_unpaid, "");
        if made.otherwise > 0 || made.paid.is_none() || made.cancelled.is_none() {
            lines.row("  otherwise", made.otherwise, "in another status");
        }
    }
    if let Some(times) = &shop.time_to_payment {
        any = true;
        let [p95, p99, max] = [times.p95_seconds, times.p99_seconds, times.max_seconds].map(seconds);
        let rest = format!("of {}, 95 % by {p95}, 99 % by {p99}, all by {max}", plural(times.orders, "order"));
        lines.row("paid after (median)", seconds(times.p50_seconds), rest);
        if let (Some(late), Some(judged)) = (times.paid_after_expiry, times.timeout_judged) {
            let rest = format!("of {judged} after everything they had reserved had expired");
            lines.row("paid too late", late, rest);
        }
    } else if shop.tells_payments() {
        lines.row("paid after (median)", "-", "none of them is paid");
    }
    if any { lines.render() } else { String::new() }
}

fn told(figure: Option<u64>) -> String {
    figure.map_or_else(|| UNKNOWN.to_owned(), |figure| figure.to_string())
}

/// What was made on each day, with a bar for the orders, or for the reservations where orders are not counted.
fn made(report: &PeriodReport) -> String {
    let (orders, reservations) = (report.shop.orders.is_some(), report.shop.reservations.is_some());
    let mut titles = vec!["day made"];
    titles.extend(reservations.then_some(["reserved", "fulfilled", "active"]).into_iter().flatten());
    titles.extend(orders.then_some(["orders", "paid", "cancelled", "unpaid"]).into_iter().flatten());
    let numbers: Vec<usize> = (1..titles.len()).collect();
    if numbers.is_empty() {
        return String::new();
    }
    titles.push("");
    let mut table = Table::new(&titles).right(&numbers);
    let of_day = |orders: Option<u64>, reserved: Option<u64>| orders.or(reserved).unwrap_or(0);
    let most =
        report.days.iter().map(|day| of_day(day.shop.orders_made, day.shop.reservations_made)).max().unwrap_or(0);
    for day in &report.days {
        let shop = &day.shop;
        let mut cells = vec![day.day.to_string()];
        if reservations {
            let figures = [shop.reservations_made, shop.reservations_made_fulfilled, shop.reservations_made_active];
            cells.extend(figures.map(told));
        }
        if orders {
            let figures =
                [shop.orders_made, shop.orders_made_paid, shop.orders_made_cancelled, shop.orders_made_unpaid];
            cells.extend(figures.map(told));
        }
        cells.push(bar(of_day(shop.orders_made, shop.reservations_made), most));
        table.row(cells);
    }
    table.render().trim_end().to_owned()
}

/// What cannot be known and why, and what no index finds.
fn not_known(shop: &ShopReport) -> Vec<String> {
    let mut parts = Vec::new();
    if !shop.unknown.is_empty() {
        let mut text = heading("Not known");
        for unknown in &shop.unknown {
            text.push_str(&format!("\n  {}: {}", unknown.figure, visible(&unknown.reason)));
            if let Some(remedy) = &unknown.remedy {
                text.push_str(&format!("\n    {}", visible(remedy)));
            }
        }
        parts.push(text);
    }
    if !shop.notes.is_empty() {
        let mut text = heading("Without an index");
        for note in &shop.notes {
            text.push_str(&format!("\n  {}", visible(note)));
        }
        for statement in &shop.index_statements {
            text.push_str(&format!("\n    {}", visible(statement)));
        }
        parts.push(text);
    }
    parts
}

fn bar(count: u64, most: u64) -> String {
    let long = count.saturating_mul(BAR).checked_div(most.max(1)).unwrap_or(0);
    // What is there is seen, however little it is.
    let long = if count > 0 { long.max(1) } else { 0 };
    "▇".repeat(usize::try_from(long).unwrap_or(0))
}

/// Milliseconds, as people say them.
pub(super) fn say(millis: i64) -> String {
    if millis < 10_000 {
        return format!("{millis} ms");
    }
    write_duration(std::time::Duration::from_millis(u64::try_from(millis).unwrap_or(0)))
}

/// Minutes as hours with one decimal, rounded down.
pub(super) fn hours(minutes: i64) -> String {
    let tenths = minutes.checked_div(6).unwrap_or(0);
    format!("{}.{}", tenths.checked_div(10).unwrap_or(0), tenths.checked_rem(10).unwrap_or(0).abs())
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

    #[test]
    fn worth_names_every_currency_and_what_could_not_be_read() {
        let value = |currency: Option<&str>, amount: &str, orders_without_amount| Value {
            currency: currency.map(str::to_owned),
            amount: amount.to_owned(),
            amount_units: 0,
            orders: 3,
            orders_without_amount,
        };
        assert_eq!(worth(None), "");
        assert_eq!(worth(Some(&[])), "");
        assert_eq!(worth(Some(&[value(None, "12.50", 0)])), "worth 12.50");
        let two = [value(Some("CHF"), "1.00", 1), value(Some("EUR"), "2.00", 1)];
        assert_eq!(worth(Some(&two)), "worth 1.00 CHF and 2.00 EUR; 2 without a readable amount");
    }
}

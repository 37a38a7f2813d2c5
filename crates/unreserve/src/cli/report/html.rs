//! The report as one page with its charts inside: nothing is loaded from anywhere.

use askama::Template;
use unreserve_engine::report::period::{DayReport, PeriodReport};
use unreserve_engine::report::shop_side::{ShopDay, Value, write_percent};

use super::chart::{Chart, HEIGHT, Part, columns, grouped, share};
use super::text::{UNKNOWN, hours, money, say};
use crate::cli::sweep_text::{plural, seconds};
use crate::exit::Exit;
use crate::failure::Failure;

/// A figure, and what is said of it.
struct Figure {
    name: &'static str,
    figure: String,
    rest: String,
}

/// A row of a table with a bar.
struct Row {
    name: String,
    figures: Vec<String>,
    class: &'static str,
    /// Of a thousand.
    long: u64,
}

/// A table whose rows have a bar.
struct Bars {
    title: &'static str,
    /// What the table is of.
    note: String,
    titles: Vec<&'static str>,
    rows: Vec<Row>,
}

/// A table, a line a day.
struct Days {
    title: &'static str,
    titles: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

/// A part of the page: a chart, where there is something to be seen, and its table.
struct Section {
    heading: &'static str,
    note: &'static str,
    charts: Vec<Chart>,
    days: Option<Days>,
}

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    shop: &'a str,
    report: &'a PeriodReport,
    made_at: String,
    sentence: String,
    figures: Vec<Figure>,
    sections: Vec<Section>,
    bars: Vec<Bars>,
    height: u64,
    version: &'static str,
}

/// The whole page.
pub(super) fn render(name: Option<&str>, report: &PeriodReport) -> Result<String, Failure> {
    let of_shop = name.unwrap_or(&report.profile);
    let page = Page {
        shop: of_shop,
        report,
        made_at: report.made_at.strftime("%Y-%m-%d %H:%M UTC").to_string(),
        sentence: sentence(report),
        figures: figures(report),
        sections: vec![given_back(report), made(report)],
        bars: [reservations(report), orders(report), payments(report), stock(report)].into_iter().flatten().collect(),
        height: HEIGHT,
        version: env!("CARGO_PKG_VERSION"),
    };
    page.render().map_err(|error| Failure::new(Exit::Halted, "cannot write the page").because(&error))
}

fn units(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}

fn told(figure: Option<u64>) -> String {
    figure.map_or_else(|| UNKNOWN.to_owned(), grouped)
}

/// A span of time by its two largest units: the rest is no news.
fn about(count: i64) -> String {
    let rounded = match count {
        86_400.. => count.saturating_sub(count.checked_rem(3_600).unwrap_or(0)),
        3_600.. => count.saturating_sub(count.checked_rem(60).unwrap_or(0)),
        _ => count,
    };
    seconds(rounded)
}

/// The same of milliseconds, told to the millisecond below ten seconds.
fn about_millis(millis: i64) -> String {
    if millis < 10_000 { say(millis) } else { about(millis.checked_div(1_000).unwrap_or(0)) }
}

/// What happened, in a sentence.
fn sentence(report: &PeriodReport) -> String {
    let figures = &report.figures;
    let days = plural(u64::try_from(report.days.len()).unwrap_or(0), "day");
    let sweeps = plural(figures.sweeps, "sweep");
    if figures.reservations_released == 0 && figures.orders_cancelled == 0 {
        return format!("In {days}, {sweeps} found nothing to give back.");
    }
    format!(
        "In {days}, {sweeps} gave back {} of {} and cancelled {}.",
        plural(units(figures.units_released), "unit"),
        plural(figures.reservations_released, "reservation"),
        plural(figures.orders_cancelled, "order")
    )
}

/// The figures at the top.
fn figures(report: &PeriodReport) -> Vec<Figure> {
    let (sums, shop) = (&report.figures, &report.shop);
    let figure = |name, figure: String, rest: String| Figure { name, figure, rest };
    let released = plural(sums.reservations_released, "reservation");
    let due = report.due_now;
    let (at_least, oldest) = (if due.at_least { "≥ " } else { "" }, seconds(due.oldest_overdue_seconds));
    let mut figures = vec![
        figure("Units given back", grouped(units(sums.units_released)), format!("of {released}")),
        figure("Orders cancelled", grouped(sums.orders_cancelled), String::new()),
        figure(
            "Value of cancelled orders",
            worth(shop.cancelled_value.as_deref()),
            without(shop.cancelled_value.as_deref()),
        ),
        figure(
            "Stock-hours given back",
            grouped_hours(sums.unit_minutes_given_back),
            "units × hours since their release".to_owned(),
        ),
        figure(
            "Stock-hours lost",
            grouped_hours(sums.unit_minutes_lost),
            "units × hours from expiry to release".to_owned(),
        ),
    ];
    if let Some(lag) = report.release_lag {
        let rest = format!("median; 95 % by {}", about_millis(lag.p95_ms));
        figures.push(figure("Released after", about_millis(lag.p50_ms), rest));
    }
    let made = shop.orders.map(|orders| orders.made);
    let paid = shop.orders.and_then(|orders| orders.paid).map(|paid| format!("{} of them paid", grouped(paid)));
    figures.push(figure("Orders made", told(made), paid.unwrap_or_default()));
    figures.push(match shop.cancellation_rate.map(|rate| (rate.basis_points, rate.orders_decided)) {
        Some((Some(points), decided)) => {
            let rest = format!("of {} that are decided", plural(decided, "order"));
            figure("Cancellation rate", write_percent(points), rest)
        }
        Some((None, _)) => figure("Cancellation rate", "–".to_owned(), "no order is decided".to_owned()),
        None => figure("Cancellation rate", UNKNOWN.to_owned(), String::new()),
    });
    figures.push(match &shop.time_to_payment {
        Some(times) => {
            let rest = format!("median; 95 % by {}", about(times.p95_seconds));
            figure("Paid after", about(times.p50_seconds), rest)
        }
        None if shop.tells_payments() => figure("Paid after", "–".to_owned(), "none of them is paid".to_owned()),
        None => figure("Paid after", UNKNOWN.to_owned(), String::new()),
    });
    let oldest = if due.orders > 0 { format!("the oldest for {oldest}") } else { "nothing waits".to_owned() };
    figures.push(figure("Orders due now", format!("{at_least}{}", grouped(due.orders)), oldest));
    figures
}

fn worth(values: Option<&[Value]>) -> String {
    match values {
        None => UNKNOWN.to_owned(),
        Some([]) => "0".to_owned(),
        Some(values) => values.iter().map(grouped_money).collect::<Vec<_>>().join(" + "),
    }
}

/// An amount with its thousands apart.
fn grouped_money(value: &Value) -> String {
    apart(&money(value))
}

/// Hours with one decimal, the same way.
fn grouped_hours(minutes: i64) -> String {
    apart(&hours(minutes))
}

/// A number's thousands apart, whatever stands behind it.
fn apart(text: &str) -> String {
    let (sign, rest) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
    let end = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
    let (whole, behind) = rest.split_at_checked(end).unwrap_or((rest, ""));
    match whole.parse() {
        Ok(whole) => format!("{sign}{}{behind}", grouped(whole)),
        Err(_) => text.to_owned(),
    }
}

fn without(values: Option<&[Value]>) -> String {
    let without =
        values.unwrap_or_default().iter().fold(0_u64, |sum, value| sum.saturating_add(value.orders_without_amount));
    if without > 0 { format!("{} without a readable amount", plural(without, "order")) } else { String::new() }
}

/// What was given back, day by day.
fn given_back(report: &PeriodReport) -> Section {
    let part = |class, name, count| Part { class, name, count };
    let of_days = |parts: &dyn Fn(&DayReport) -> Vec<Part>| {
        report.days.iter().map(|day| (day.day.to_string(), parts(day))).collect::<Vec<_>>()
    };
    let released = of_days(&|day| vec![part("given", "given back", units(day.figures.units_released))]);
    let cancelled = of_days(&|day| vec![part("cancelled", "cancelled", day.figures.orders_cancelled)]);
    let row = |day: &DayReport| {
        let figures = &day.figures;
        vec![
            day.day.to_string(),
            grouped(figures.sweeps),
            grouped(figures.reservations_released),
            grouped(units(figures.units_released)),
            grouped(figures.orders_cancelled),
            worth(day.shop.cancelled_value.as_deref()),
            grouped_hours(figures.unit_minutes_given_back),
            grouped_hours(figures.unit_minutes_lost),
            figures.drift_units.to_string(),
        ]
    };
    Section {
        heading: "Given back, day by day",
        note: "By the day of the release. Days are days in UTC.",
        charts: [columns("Units given back", "units", &released), columns("Orders cancelled", "orders", &cancelled)]
            .into_iter()
            .flatten()
            .collect(),
        days: Some(Days {
            title: "What was given back on each day",
            titles: vec![
                "day",
                "sweeps",
                "released",
                "units",
                "cancelled",
                "value",
                "hours back",
                "hours lost",
                "drift",
            ],
            rows: report.days.iter().map(row).collect(),
        }),
    }
}

/// What was made on each day, and what became of it.
fn made(report: &PeriodReport) -> Section {
    let shop = &report.shop;
    let of_days = |parts: fn(&ShopDay) -> Vec<Part>| {
        report.days.iter().map(|day| (day.day.to_string(), parts(&day.shop))).collect::<Vec<_>>()
    };
    let (orders, reservations) = (of_days(order_parts), of_days(reservation_parts));
    let row = |day: &DayReport| {
        let shop = &day.shop;
        let figures = [
            shop.orders_made,
            shop.orders_made_paid,
            shop.orders_made_cancelled,
            shop.orders_made_unpaid,
            shop.reservations_made,
            shop.reservations_made_fulfilled,
            shop.reservations_made_released,
            shop.reservations_made_active,
        ];
        [day.day.to_string()].into_iter().chain(figures.map(told)).collect()
    };
    let days = (shop.orders.is_some() || shop.reservations.is_some()).then(|| Days {
        title: "What was made on each day, and what became of it",
        titles: vec![
            "day made",
            "orders",
            "paid",
            "cancelled",
            "unpaid",
            "reservations",
            "fulfilled",
            "released",
            "active",
        ],
        rows: report.days.iter().map(row).collect(),
    });
    Section {
        heading: "Made in these days, and what became of it",
        note: "By the day on which the order or the reservation was made, as it stands now.",
        charts: [
            columns("Orders made", "orders", &orders),
            columns("Reservations made", "reservations", &reservations),
        ]
        .into_iter()
        .flatten()
        .collect(),
        days,
    }
}

/// The orders of a day, by what they are now.
fn order_parts(day: &ShopDay) -> Vec<Part> {
    let told = [
        Part { class: "good", name: "paid", count: day.orders_made_paid.unwrap_or(0) },
        Part { class: "cancelled", name: "cancelled", count: day.orders_made_cancelled.unwrap_or(0) },
        Part { class: "open", name: "still unpaid", count: day.orders_made_unpaid.unwrap_or(0) },
    ];
    with_rest(told, "otherwise", day.orders_made)
}

/// The reservations of a day, by what they are now.
fn reservation_parts(day: &ShopDay) -> Vec<Part> {
    let told = [
        Part { class: "good", name: "fulfilled", count: day.reservations_made_fulfilled.unwrap_or(0) },
        Part { class: "given", name: "released", count: day.reservations_made_released.unwrap_or(0) },
        Part { class: "open", name: "still active", count: day.reservations_made_active.unwrap_or(0) },
    ];
    with_rest(told, "ended otherwise", day.reservations_made)
}

/// The parts that are told, and what is left of all.
fn with_rest(told: [Part; 3], name: &'static str, all: Option<u64>) -> Vec<Part> {
    let sum = told.iter().fold(0_u64, |sum, part| sum.saturating_add(part.count));
    let rest = Part { class: "other", name, count: all.unwrap_or(0).saturating_sub(sum) };
    told.into_iter().chain([rest]).collect()
}

/// A row with one figure.
fn row(name: impl Into<String>, class: &'static str, count: Option<u64>, most: u64) -> Row {
    Row { name: name.into(), figures: vec![told(count)], class, long: share(count.unwrap_or(0), most) }
}

/// What became of the reservations.
fn reservations(report: &PeriodReport) -> Option<Bars> {
    let made = report.shop.reservations?;
    let row = |name: &str, class, count| row(name, class, count, made.made);
    Some(Bars {
        title: "Reservations made in these days",
        note: format!("{} of {}", plural(made.made, "reservation"), plural(units(made.units), "unit")),
        titles: vec!["now", "reservations"],
        rows: vec![
            row("fulfilled", "good", made.fulfilled),
            row("released by unreserve", "given", Some(made.released)),
            row("ended otherwise", "other", Some(made.ended_otherwise)),
            row("still active", "open", Some(made.still_active)),
            row("of these due", "open", Some(made.still_due)),
        ],
    })
}

/// What became of the orders.
fn orders(report: &PeriodReport) -> Option<Bars> {
    let made = report.shop.orders?;
    let row = |name: &str, class, count| row(name, class, count, made.made);
    Some(Bars {
        title: "Orders made in these days",
        note: plural(made.made, "order"),
        titles: vec!["now", "orders"],
        rows: vec![
            row("paid", "good", made.paid),
            row("cancelled", "cancelled", made.cancelled),
            row("still unpaid", "open", Some(made.still_unpaid)),
            row("otherwise", "other", Some(made.otherwise)),
        ],
    })
}

/// How long customers took to pay.
fn payments(report: &PeriodReport) -> Option<Bars> {
    let times = report.shop.time_to_payment.as_ref()?;
    let most = times.classes.iter().map(|class| class.orders).max().unwrap_or(0);
    let mut rows = Vec::new();
    let mut from = 0;
    for class in &times.classes {
        let name = match class.under_seconds {
            Some(under) if from == 0 => format!("under {}", seconds(under)),
            Some(under) => format!("{} to {}", seconds(from), seconds(under)),
            None => format!("{} and longer", seconds(from)),
        };
        rows.push(row(name, "good", Some(class.orders), most));
        from = class.under_seconds.unwrap_or(from);
    }
    let late = match (times.paid_after_expiry, times.timeout_judged) {
        (Some(late), Some(judged)) => {
            format!(
                " {} of {} were paid after everything they had reserved had expired.",
                grouped(late),
                plural(judged, "order")
            )
        }
        _ => String::new(),
    };
    let [p50, p95, p99, max] = [times.p50_seconds, times.p95_seconds, times.p99_seconds, times.max_seconds].map(about);
    Some(Bars {
        title: "From order to payment",
        note: format!("Median {p50}; 95 % by {p95}, 99 % by {p99}, all by {max}.{late}"),
        titles: vec!["took", "orders"],
        rows,
    })
}

/// What unpaid orders block most.
fn stock(report: &PeriodReport) -> Option<Bars> {
    let most = report.most_released_stock.iter().map(|row| units(row.units_released)).max()?;
    let rows = report.most_released_stock.iter().map(|row| Row {
        name: row.stock.clone(),
        figures: vec![grouped(row.reservations_released), grouped(units(row.units_released))],
        class: "given",
        long: share(units(row.units_released), most),
    });
    Some(Bars {
        title: "Blocked most",
        note: "The stock rows with the most units given back.".to_owned(),
        titles: vec!["stock", "released", "units"],
        rows: rows.collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_amounts_are_easily_read() {
        for (count, text) in [(59, "59s"), (3_599, "59m59s"), (3_661, "1h1m"), (93_304, "1d1h"), (0, "0s")] {
            assert_eq!(about(count), text);
        }
        assert_eq!((about_millis(812).as_str(), about_millis(93_304_000).as_str()), ("812 ms", "1d1h"));
        let value = |amount: &str, currency: Option<&str>| Value {
            currency: currency.map(str::to_owned),
            amount: amount.to_owned(),
            amount_units: 0,
            orders: 1,
            orders_without_amount: 0,
        };
        assert_eq!(grouped_money(&value("-1234567.05", Some("EUR"))), "-1\u{202f}234\u{202f}567.05 EUR");
        assert_eq!(grouped_money(&value("7", None)), "7");
        assert_eq!((worth(None), worth(Some(&[]))), (UNKNOWN.to_owned(), "0".to_owned()));
    }
}

//! The report for a spreadsheet: a line a day.

use unreserve_engine::report::period::{Figures, PeriodReport};
use unreserve_engine::report::shop_side::{ShopDay, Value};

use super::text::{UNKNOWN, money};

/// A line a day. A figure that is not known is told so in its cell.
pub(super) fn render(report: &PeriodReport) -> String {
    let mut text = "day,sweeps,sweeps_ended_well,reservations_released,units_released,orders_cancelled,drift_units,\
                    unit_minutes_given_back,unit_minutes_lost,cancelled_value,reservations_made,reservations_made_fulfilled,\
                    reservations_made_released,reservations_made_active,orders_made,orders_made_paid,orders_made_cancelled,\
                    orders_made_unpaid\n"
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
            "{},{sweeps},{sweeps_ended_well},{reservations_released},{units_released},{orders_cancelled},{drift_units},{unit_minutes_given_back},{unit_minutes_lost},{}\n",
            day.day,
            in_the_shop(&day.shop)
        ));
    }
    text
}

fn in_the_shop(day: &ShopDay) -> String {
    let figures = [
        day.reservations_made,
        day.reservations_made_fulfilled,
        day.reservations_made_released,
        day.reservations_made_active,
        day.orders_made,
        day.orders_made_paid,
        day.orders_made_cancelled,
        day.orders_made_unpaid,
    ];
    let told = |figure: Option<u64>| figure.map_or_else(|| UNKNOWN.to_owned(), |figure| figure.to_string());
    let mut cells = vec![day.cancelled_value.as_deref().map_or_else(|| UNKNOWN.to_owned(), values)];
    cells.extend(figures.map(told));
    cells.join(",")
}

/// The sums by currency; nothing where nothing was cancelled.
fn values(values: &[Value]) -> String {
    let sums: Vec<String> = values.iter().map(money).collect();
    quoted(&sums.join("; "))
}

/// A cell. What came with the data may hold anything, also what a spreadsheet would take for a formula.
fn quoted(text: &str) -> String {
    let plain = |letter: char| letter.is_alphanumeric() || " .;-".contains(letter);
    if text.chars().all(plain) {
        return text.to_owned();
    }
    let formula = text.starts_with(['=', '+', '@', '\t', '\r']);
    format!("\"{}{}\"", if formula { "'" } else { "" }, text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_holds_what_it_holds_and_no_formula() {
        for (text, cell) in [
            ("-12.50 EUR", "-12.50 EUR"),
            ("1.00 CHF; 2.00 EUR", "1.00 CHF; 2.00 EUR"),
            ("1.00 E,U", "\"1.00 E,U\""),
            ("1.00 \"\n", "\"1.00 \"\"\n\""),
            ("=1+1", "\"'=1+1\""),
            ("", ""),
        ] {
            assert_eq!(quoted(text), cell, "{text}");
        }
    }

    #[test]
    fn a_day_of_which_nothing_is_known_says_so_in_every_cell() {
        assert_eq!(in_the_shop(&ShopDay::default()), [UNKNOWN; 9].join(","));
        let day = ShopDay { orders_made: Some(0), cancelled_value: Some(Vec::new()), ..ShopDay::default() };
        assert_eq!(in_the_shop(&day), ",unknown,unknown,unknown,unknown,0,unknown,unknown,unknown");
    }
}

//! Reads a scenario's text; what is not understood is told with its line.

use std::time::Duration;

use super::words::Words;
use super::{Scenario, Step, SweepWords};
use crate::shops::{NewReservation, Pool, Rules, State};

/// A line that is not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct ParseError {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: String,
}

/// Reads a scenario. Empty lines and what follows a `#` are left out; indentation is for the reader.
///
/// # Errors
/// The first line that is not understood.
pub fn parse(text: &str) -> Result<Scenario, ParseError> {
    let mut scenario =
        Scenario { title: String::new(), rules: Rules::default(), profile_timeout: None, steps: Vec::new() };
    for (index, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or("").trim();
        if line.is_empty() {
            continue;
        }
        let number = index.saturating_add(1);
        read_line(line, number, &mut scenario).map_err(|problem| ParseError { line: number, problem })?;
    }
    if scenario.title.is_empty() {
        return Err(ParseError { line: 1, problem: "it does not begin with `scenario: …`".to_owned() });
    }
    Ok(scenario)
}

fn read_line(line: &str, number: usize, scenario: &mut Scenario) -> Result<(), String> {
    if let Some(title) = line.strip_prefix("scenario:") {
        title.trim().clone_into(&mut scenario.title);
        return Ok(());
    }
    let mut words = Words::new(line);
    if words.take("shop without") {
        match words.word("a rule")? {
            "stock" => {
                words.must("keys")?;
                scenario.rules.stock_keys = false;
            }
            "checks" => scenario.rules.checks = false,
            other => return Err(format!("a shop can be without `stock keys` or `checks`, not without `{other}`")),
        }
    } else if words.take("profile without expires_at timeout") {
        scenario.profile_timeout = Some(words.word("a timeout")?.to_owned());
    } else {
        let step = step(&mut words, line)?;
        let fills = matches!(step, Step::Reservation(_) | Step::Payment { .. });
        if fills && !scenario.steps.iter().any(|(_, step)| matches!(step, Step::Orders { .. })) {
            return Err("there is no order above it that it could belong to".to_owned());
        }
        scenario.steps.push((number, step));
    }
    words.end()
}

fn step(words: &mut Words<'_>, line: &str) -> Result<Step, String> {
    match words.word("a step")? {
        "stock" => stock(words),
        "order" | "orders" => orders(words),
        "reservation" => reservation(words).map(Step::Reservation),
        "payment" => {
            if words.take("of") {
                let number = words.word("an order's number")?.to_owned();
                return Ok(Step::PaymentOf { number, status: words.word("a payment's status")?.to_owned() });
            }
            Ok(Step::Payment { status: words.word("a payment's status")?.to_owned() })
        }
        "refuse" => {
            words.must("order")?;
            Ok(Step::Refuse { number: words.word("an order's number")?.to_owned() })
        }
        "an" => words.must("hour passes for what is set aside").map(|()| Step::Ripen),
        "sweep" if words.take("again changes nothing") => Ok(Step::SweepAgain),
        "sweep" => sweep(words, line).map(Step::Sweep),
        "expect" => expectation(words),
        other => Err(format!("`{other}` begins no step")),
    }
}

fn pool(words: &mut Words<'_>) -> Result<Pool, String> {
    match words.word("`variant` or `drop`")? {
        "variant" => Ok(Pool::Variant),
        "drop" => Ok(Pool::Drop),
        other => Err(format!("expected `variant` or `drop` instead of `{other}`")),
    }
}

fn stock(words: &mut Words<'_>) -> Result<Step, String> {
    let (pool, id) = (pool(words)?, words.number("a stock row")?);
    words.must("on hand")?;
    let on_hand = words.number("what is on hand")?;
    words.must("reserved")?;
    Ok(Step::Stock { pool, id, on_hand, reserved: words.maybe("what is reserved")? })
}

/// `M-1`, or `P-1..P-20`.
fn numbers(words: &mut Words<'_>) -> Result<Vec<String>, String> {
    let word = words.word("an order's number")?;
    let Some((first, last)) = word.split_once("..") else { return Ok(vec![word.to_owned()]) };
    let parts = |text: &str| {
        let digits = text.len().saturating_sub(text.chars().rev().take_while(char::is_ascii_digit).count());
        let (name, number) = text.split_at_checked(digits)?;
        Some((name.to_owned(), number.parse::<u32>().ok()?))
    };
    let problem = || format!("`{word}` is not a range such as `P-1..P-20`");
    let ((name, from), (other, to)) = (parts(first).ok_or_else(problem)?, parts(last).ok_or_else(problem)?);
    if name != other || from > to {
        return Err(problem());
    }
    Ok((from..=to).map(|number| format!("{name}{number}")).collect())
}

fn orders(words: &mut Words<'_>) -> Result<Step, String> {
    let numbers = numbers(words)?;
    let status = words.word("a payment status")?;
    let (payment_status, order_status) = match status.split_once('/') {
        Some((payment, order)) => (payment, Some(order.to_owned())),
        None => (status, None),
    };
    Ok(Step::Orders { numbers, payment_status: payment_status.to_owned(), order_status })
}

fn reservation(words: &mut Words<'_>) -> Result<NewReservation, String> {
    let (pool, item) = (pool(words)?, words.number("a stock row")?);
    words.must("x")?;
    let quantity = words.number("a quantity")?;
    let expires_in = if words.take("expired") {
        let seconds = words.seconds("a span of time")?;
        words.must("ago")?;
        seconds.saturating_neg()
    } else {
        words.must("expires in")?;
        words.seconds("a span of time")?
    };
    let mut new = NewReservation { pool, ..NewReservation::variant(item, quantity, expires_in) };
    if words.take("created") {
        new.created_in = words.seconds("a span of time")?.saturating_neg();
        words.must("ago")?;
    }
    if words.take("fulfilled") {
        new.state = State::Fulfilled;
    }
    Ok(new)
}

fn sweep(words: &mut Words<'_>, line: &str) -> Result<SweepWords, String> {
    let mut sweep = SweepWords::default();
    let span = |words: &mut Words<'_>| {
        words.seconds("a span of time").map(|seconds| Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
    };
    loop {
        if words.take("timeout") {
            sweep.timeout = Some(span(words)?);
        } else if words.take("grace") {
            sweep.grace = span(words)?;
        } else if words.take("batch") {
            sweep.batch = u32::try_from(words.number("a batch's size")?).ok();
        } else if words.take("most") {
            sweep.most = Some(words.count("how many orders at most")?);
        } else if words.take("only") {
            sweep.only = Some(words.word("an order's number")?.to_owned());
        } else if words.take("unforeseen") {
            sweep.unforeseen = true;
        } else if words.take("is refused") {
            let (_, reason) = line.split_once("is refused:").ok_or("expected `is refused:` and why")?;
            sweep.refused = Some(reason.trim().to_owned());
            while words.next().is_some() {}
            return Ok(sweep);
        } else {
            return Ok(sweep);
        }
    }
}

fn expectation(words: &mut Words<'_>) -> Result<Step, String> {
    match words.word("what is expected")? {
        "released" => {
            let reservations = words.count("reservations")?;
            let _ = words.take("reservation") || words.take("reservations");
            let units = words.number("units")?;
            let _ = words.take("unit") || words.take("units");
            let cancelled = words.count("orders cancelled")?;
            words.must("cancelled")?;
            words.must("drift")?;
            Ok(Step::ExpectReleased { reservations, units, cancelled, drift: words.number("the drift")? })
        }
        "protected" => {
            let mut reasons = Vec::new();
            if !words.take("nothing") {
                while let Some(reason) = words.next() {
                    reasons.push((reason.to_owned(), words.count("how many orders")?));
                }
            }
            Ok(Step::ExpectProtected(reasons))
        }
        "set" => {
            words.must("aside")?;
            let mut numbers = Vec::new();
            if !words.take("nothing") {
                numbers.extend(std::iter::from_fn(|| words.next().map(str::to_owned)));
            }
            Ok(Step::ExpectSetAside(numbers))
        }
        "order" | "orders" => {
            let numbers = numbers(words)?;
            if words.take("untouched") {
                return Ok(Step::ExpectUntouched(numbers));
            }
            let status = words.word("`payment status/order status` or `untouched`")?;
            let (payment, order) =
                status.split_once('/').ok_or_else(|| format!("`{status}` is not `payment status/order status`"))?;
            Ok(Step::ExpectOrders { numbers, payment_status: payment.to_owned(), order_status: order.to_owned() })
        }
        "ledger" => {
            words.must("of")?;
            let number = words.word("an order's number")?.to_owned();
            words.must("released")?;
            let units = words.number("units")?;
            words.must("drift")?;
            Ok(Step::ExpectLedger { number, units, drift: words.number("the drift")? })
        }
        word @ ("variant" | "drop") => {
            let pool = if word == "variant" { Pool::Variant } else { Pool::Drop };
            let id = words.number("a stock row")?;
            words.must("reserved")?;
            Ok(Step::ExpectStock { pool, id, reserved: words.maybe("what is reserved")? })
        }
        other => Err(format!("nothing can be expected of `{other}`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let told = parse(text).map_or_else(|error| error.to_string(), |scenario| format!("{:?}", scenario.steps));
        assert!(told.contains(expected), "{text:?} gave\n  {told}\nwithout\n  {expected}");
    }

    #[test]
    fn tells_the_line_and_what_was_expected_there() {
        let rows = [
            ("", "line 1: it does not begin with `scenario: …`"),
            ("scenario: a\n\n# note\nswep", "line 4: `swep` begins no step"),
            (
                "scenario: a\nstock shelf 1: on hand 2, reserved 1",
                "line 2: expected `variant` or `drop` instead of `shelf`",
            ),
            ("scenario: a\nstock variant x", "line 2: expected a stock row, which is a whole number, instead of `x`"),
            ("scenario: a\nstock variant 1: on hand 2", "line 2: expected `reserved` at the end of the line"),
            ("scenario: a\nreservation variant 1 x 1 expires in 5s", "line 2: there is no order above it"),
            (
                "scenario: a\norder M pending\nreservation variant 1 x 1 expired 5 ago",
                "expected a span of time, such as",
            ),
            ("scenario: a\norders P-3..P-1 pending", "line 2: `P-3..P-1` is not a range"),
            ("scenario: a\nsweep twice", "line 2: expected nothing more instead of `twice`"),
            ("scenario: a\nexpect order M-1 paid", "line 2: `paid` is not `payment status/order status`"),
            ("scenario: a\nshop without mercy", "line 2: a shop can be without"),
        ];
        for (text, expected) in rows {
            check(text, expected);
        }
    }

    #[test]
    fn reads_every_form_of_a_line() {
        let begin = "scenario: a\norder M-1 pending\n";
        let rows = [
            ("reservation drop 2 x 3 expired 1h30m ago created 2h ago", "expires_in: -5400, created_in: -7200"),
            ("reservation variant 2 x 3 expires in 10y fulfilled", "expires_in: 315360000"),
            ("orders P-9..P-11 failed/failed", r#"["P-9", "P-10", "P-11"]"#),
            ("sweep timeout 15m, grace 1m, batch 2, most 3, only M-1, unforeseen", "unforeseen: true"),
            ("sweep is refused: 3 orders, and more", r#"refused: Some("3 orders, and more")"#),
            ("expect protected payment 1, status 2", r#"[("payment", 1), ("status", 2)]"#),
            ("expect set aside nothing", "ExpectSetAside([])"),
            ("expect variant 1 reserved null", "reserved: None"),
            ("expect ledger of M-9: released 5, drift 2", "units: 5, drift: 2"),
        ];
        for (line, expected) in rows {
            check(&format!("{begin}{line}"), expected);
        }
    }
}

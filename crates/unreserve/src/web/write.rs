//! How figures, spans and times are written on the page.

use jiff::Timestamp;
use jiff::civil::Date;

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// A figure as a template hands it over: by value or behind references.
pub(crate) trait Figure {
    /// The figure itself.
    fn value(&self) -> i128;
}

impl Figure for i64 {
    fn value(&self) -> i128 {
        i128::from(*self)
    }
}

impl Figure for u64 {
    fn value(&self) -> i128 {
        i128::from(*self)
    }
}

impl<T: Figure> Figure for &T {
    fn value(&self) -> i128 {
        (**self).value()
    }
}

/// A figure with its thousands apart: `12,345`.
pub(crate) fn number(figure: impl Figure) -> String {
    let value = figure.value();
    let digits = value.unsigned_abs().to_string();
    let mut text = String::from(if value < 0 { "−" } else { "" });
    for (place, digit) in digits.chars().enumerate() {
        let behind = digits.len().saturating_sub(place);
        if place > 0 && behind.checked_rem(3) == Some(0) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Whether a figure may be written more quietly.
pub(crate) fn is_zero(figure: impl Figure) -> bool {
    figure.value() == 0
}

/// A difference, with its sign.
pub(crate) fn signed(figure: impl Figure) -> String {
    let sign = if figure.value() > 0 { "+" } else { "" };
    format!("{sign}{}", number(figure))
}

/// The word behind a figure.
pub(crate) fn unit_word(figure: impl Figure, one: &'static str, several: &'static str) -> &'static str {
    if figure.value() == 1 { one } else { several }
}

/// A figure and what it counts: `1 order`, `12,345 orders`.
pub(crate) fn count(figure: impl Figure, one: &'static str, several: &'static str) -> String {
    let word = unit_word(&figure, one, several);
    format!("{} {word}", number(figure))
}

/// What stands before a figure that may be larger.
pub(crate) fn at_least(may_be_more: &bool) -> &'static str {
    if *may_be_more { "at least " } else { "" }
}

/// Milliseconds as people say them: `840 ms`, `1.2 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`.
pub(crate) fn milliseconds(span: impl Figure) -> String {
    let (figure, unit) = parts(&span);
    format!("{figure} {unit}")
}

/// Seconds as people say them.
pub(crate) fn seconds(span: impl Figure) -> String {
    let value = i64::try_from(span.value()).unwrap_or(i64::MAX);
    if value.unsigned_abs() < 60 { format!("{} s", number(value)) } else { milliseconds(value.saturating_mul(SECOND)) }
}

/// The figure of a span, to stand in large letters.
pub(crate) fn figure_of_ms(span: impl Figure) -> String {
    parts(&span).0
}

/// The unit of that figure, with what comes behind it.
pub(crate) fn unit_of_ms(span: impl Figure) -> String {
    parts(&span).1
}

/// The large part of a span, and its unit with the small part.
fn parts(span: &impl Figure) -> (String, String) {
    let value = i64::try_from(span.value()).unwrap_or(i64::MAX);
    let minus = if value < 0 { "−" } else { "" };
    let all = i64::try_from(value.unsigned_abs()).unwrap_or(i64::MAX);
    let whole = |unit: i64| all.checked_div(unit).unwrap_or(0);
    let rest = |unit: i64, small: i64| all.checked_rem(unit).and_then(|rest| rest.checked_div(small)).unwrap_or(0);
    let (large, unit) = match all {
        0..SECOND => (all.to_string(), "ms".to_owned()),
        SECOND..10_000 => (format!("{}.{}", whole(SECOND), rest(SECOND, 100)), "s".to_owned()),
        10_000..MINUTE => (whole(SECOND).to_string(), "s".to_owned()),
        MINUTE..HOUR => (whole(MINUTE).to_string(), with_rest("min", rest(MINUTE, SECOND), "s")),
        HOUR..DAY => (whole(HOUR).to_string(), with_rest("h", rest(HOUR, MINUTE), "min")),
        _ => (number(whole(DAY)), with_rest("d", rest(DAY, HOUR), "h")),
    };
    (format!("{minus}{large}"), unit)
}

fn with_rest(unit: &str, rest: i64, small: &str) -> String {
    if rest == 0 { unit.to_owned() } else { format!("{unit} {rest} {small}") }
}

/// An instant to the second, for browsers and for people: in UTC, as it is read without a script.
pub(crate) fn time(at: &Timestamp) -> String {
    format!(r#"<time datetime="{at:.3}">{}</time>"#, at.strftime("%Y-%m-%d %H:%M:%S UTC"))
}

/// An instant to the minute.
pub(crate) fn minute(at: &Timestamp) -> String {
    format!(r#"<time datetime="{at:.0}" data-as="minute">{}</time>"#, at.strftime("%Y-%m-%d %H:%M UTC"))
}

/// A day: `Sun 22 Nov`.
pub(crate) fn day(day: &Date) -> String {
    day.strftime("%a %-d %b").to_string()
}

/// The first second of a day in UTC, for pictures.
pub(crate) fn start_of_day(day: &Date) -> i64 {
    let zoned = day.to_zoned(jiff::tz::TimeZone::UTC);
    zoned.map_or(0, |start| start.timestamp().as_second())
}

/// A text as the beginning of a sentence.
pub(crate) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// The word of a check for people: `oldest_overdue` is `Oldest overdue`.
pub(crate) fn check(word: &str) -> String {
    sentence(&word.replace('_', " "))
}

/// A text whose `quoted` parts stand as code and whose instants are the reader's own, made safe for HTML.
pub(crate) fn in_code(text: impl AsRef<str>) -> String {
    let text = text.as_ref();
    let mut html = String::with_capacity(text.len());
    // Every second piece stands between two marks; a mark without its other one stays as it is.
    let pieces: Vec<&str> = text.split('`').collect();
    let closed = pieces.len().saturating_sub(1) & !1;
    for (place, piece) in pieces.iter().enumerate() {
        match place {
            _ if place > closed => html.push_str(&format!("`{}", escaped(piece))),
            _ if place & 1 == 1 => html.push_str(&format!("<code>{}</code>", escaped(piece))),
            _ => html.push_str(&with_times(piece)),
        }
    }
    html
}

/// A text made safe for HTML, whose instants are the reader's own.
fn with_times(text: &str) -> String {
    let word = |word: &str| {
        let plain = word.trim_end_matches(['.', ',', ';', ':']);
        match plain.parse::<Timestamp>() {
            Ok(at) => format!("{}{}", time(&at), word.get(plain.len()..).unwrap_or_default()),
            Err(_) => escaped(word),
        }
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_their_thousands_apart() {
        let cases = [
            (0, "0"),
            (7, "7"),
            (999, "999"),
            (1_000, "1,000"),
            (-12_345, "−12,345"),
            (1_234_567, "1,234,567"),
            (i64::MIN, "−9,223,372,036,854,775,808"),
        ];
        for (figure, expected) in cases {
            assert_eq!(number(figure), expected);
        }
        assert_eq!(signed(5_i64), "+5");
        assert_eq!(signed(-5_i64), "−5");
        assert_eq!(count(1_u64, "order", "orders"), "1 order");
        assert_eq!(count(1_200_i64, "order", "orders"), "1,200 orders");
    }

    #[test]
    fn spans_are_said_as_people_say_them() {
        let cases = [
            (0_i64, "0 ms"),
            (840, "840 ms"),
            (1_250, "1.2 s"),
            (59_999, "59 s"),
            (60_000, "1 min"),
            (200_000, "3 min 20 s"),
            (7_500_000, "2 h 5 min"),
            (273_600_000, "3 d 4 h"),
            (-5_000, "−5.0 s"),
        ];
        for (span, expected) in cases {
            assert_eq!(milliseconds(span), expected);
        }
        assert_eq!(seconds(5_i64), "5 s");
        assert_eq!(seconds(-90_i64), "−1 min 30 s");
    }

    #[test]
    fn a_time_is_read_by_people_and_by_browsers() {
        let at: Timestamp = "2026-11-22T09:05:03.2575Z".parse().unwrap();
        let html = r#"<time datetime="2026-11-22T09:05:03.257Z">2026-11-22 09:05:03 UTC</time>"#;
        assert_eq!(time(&at), html);
        assert_eq!(day(&"2026-11-02".parse().unwrap()), "Mon 2 Nov");
        assert_eq!(start_of_day(&"1970-01-02".parse().unwrap()), 86_400);
    }

    #[test]
    fn what_is_quoted_stands_as_code_and_nothing_breaks_out() {
        let cases = [
            ("guard `paid` holds", "guard <code>paid</code> holds"),
            ("`<b>`", "<code>&lt;b&gt;</code>"),
            ("a ` b", "a ` b"),
            ("`a` and ` b", "<code>a</code> and ` b"),
            ("\"'&", "&quot;&#39;&amp;"),
            (
                "waits until 2026-11-22T10:00:00Z.",
                r#"waits until <time datetime="2026-11-22T10:00:00.000Z">2026-11-22 10:00:00 UTC</time>."#,
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(in_code(text), expected, "{text}");
        }
    }
}

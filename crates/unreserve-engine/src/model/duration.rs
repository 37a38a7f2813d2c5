//! Spans of time as people write them: `15m`, `1h30m`, `0s`.

use std::time::Duration;

/// Why a text is not a span of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a span of time: write for example `90s`, `15m`, `1h30m` or `2d`")]
pub struct DurationError {
    text: String,
}

const UNITS: [(&str, u64); 5] = [("w", 604_800), ("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];

/// Reads a span such as `90s`, `15m`, `1h30m`, `2d`. The units are w, d, h, m and s, the largest first,
/// each at most once; a bare number is refused, since nobody can tell its unit.
///
/// # Errors
/// The text is not such a span, or does not fit 64 bits of seconds.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let refuse = || DurationError { text: text.to_owned() };
    let mut rest = text.trim();
    let mut seconds: u64 = 0;
    let mut units = UNITS.iter();
    if rest.is_empty() {
        return Err(refuse());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(refuse)?;
        let (number, tail) = rest.split_at_checked(digits).ok_or_else(refuse)?;
        let number: u64 = number.parse().map_err(|_| refuse())?;
        let (unit, factor) = units.find(|(unit, _)| tail.starts_with(unit)).ok_or_else(refuse)?;
        let part = number.checked_mul(*factor).ok_or_else(refuse)?;
        seconds = seconds.checked_add(part).ok_or_else(refuse)?;
        rest = tail.strip_prefix(unit).ok_or_else(refuse)?;
    }
    Ok(Duration::from_secs(seconds))
}

/// Writes a span the way [`parse_duration`] reads it; parts of a second are left out.
#[must_use]
pub fn write_duration(duration: Duration) -> String {
    let mut seconds = duration.as_secs();
    let mut text = String::new();
    for (unit, factor) in UNITS.iter().skip(1) {
        let count = seconds.checked_div(*factor).unwrap_or(0);
        seconds = seconds.checked_rem(*factor).unwrap_or(0);
        if count > 0 {
            text.push_str(&count.to_string());
            text.push_str(unit);
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write_and_refuses_the_rest() {
        let rows = [
            ("15m", Some(900)),
            ("0s", Some(0)),
            ("1h30m", Some(5_400)),
            ("2d", Some(172_800)),
            ("1w", Some(604_800)),
            ("15", None),
            ("", None),
            ("m", None),
            ("30m1h", None),
            ("1m1m", None),
            ("-5m", None),
            ("99999999999999999999s", None),
            ("5 m", None),
            ("1µs", None),
        ];
        for (text, seconds) in rows {
            assert_eq!(parse_duration(text).ok(), seconds.map(Duration::from_secs), "{text}");
        }
    }

    #[test]
    fn writes_what_it_reads() {
        for seconds in [0, 1, 59, 60, 61, 3_600, 5_400, 86_400, 90_061, 604_800, 700_000] {
            let span = Duration::from_secs(seconds);
            assert_eq!(parse_duration(&write_duration(span)), Ok(span));
        }
    }
}

//! From a text to a value within its limits. A refusal names the flag, the variable or the line, the value and the bound.

use std::time::Duration;

use unreserve_engine::model::{parse_duration, write_duration};

use crate::settings::database_url::mask;
use crate::settings::error::SettingsError;
use crate::settings::origin::{Origin, Sourced};
use crate::settings::table::{Limits, SettingDoc};

/// A value as somebody wrote it. It has no `Debug`, since it may be a secret.
pub(super) struct Raw {
    /// The text.
    pub(super) text: String,
    /// Who wrote it.
    pub(super) origin: Origin,
}

impl Raw {
    /// A text that is not empty.
    pub(super) fn text(self) -> Result<Sourced<String>, SettingsError> {
        if self.text.trim().is_empty() {
            return Err(SettingsError::value(&self.origin, "the value is empty"));
        }
        Ok(Sourced::new(self.text, self.origin))
    }

    /// A whole number within the setting's limits.
    pub(super) fn number(self, doc: &SettingDoc) -> Result<Sourced<u64>, SettingsError> {
        let (least, most) = match doc.limits {
            Limits::Number { least, most } => (least, most),
            _ => (0, u64::MAX),
        };
        let value = number_between(&self, least, most)?;
        Ok(Sourced::new(value, self.origin))
    }

    /// A span of time within the setting's limits.
    pub(super) fn span(self, doc: &SettingDoc) -> Result<Sourced<Duration>, SettingsError> {
        let text = self.text.trim();
        let digits = text.strip_prefix('-').unwrap_or(text);
        if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
            let error = SettingsError::value(&self.origin, format!("`{text}` has no unit"));
            return Err(error.hinted(format!("for minutes write `{digits}m`; the units are s, m, h, d and w")));
        }
        let value = parse_duration(text).map_err(|_| {
            SettingsError::value(&self.origin, format!("`{}` is not a span of time", shown(text)))
                .hinted("write for example `90s`, `15m`, `1h30m` or `2d`")
        })?;
        if let Limits::Span { least_seconds, most_seconds } = doc.limits {
            let (least, most) = (Duration::from_secs(least_seconds), Duration::from_secs(most_seconds));
            within(&self.origin, &Bounded { shown: text, value: &value, least: &least, most: &most }, |span| {
                write_duration(*span)
            })?;
        }
        Ok(Sourced::new(value, self.origin))
    }

    /// A size in bytes within the setting's limits.
    pub(super) fn size(self, doc: &SettingDoc) -> Result<Sourced<u64>, SettingsError> {
        let text = self.text.trim();
        let value = parse_size(text).ok_or_else(|| {
            SettingsError::value(&self.origin, format!("`{}` is not a size", shown(text)))
                .hinted("write for example `500kB`, `10MB` or `1GB`")
        })?;
        if let Limits::Size { least, most } = doc.limits {
            let bounded = Bounded { shown: text, value: &value, least: &least, most: &most };
            within(&self.origin, &bounded, |size| write_size(*size))?;
        }
        Ok(Sourced::new(value, self.origin))
    }

    /// One of the setting's words.
    pub(super) fn word(self, doc: &SettingDoc) -> Result<Sourced<String>, SettingsError> {
        let word = self.text.trim().to_lowercase();
        match doc.limits {
            Limits::OneOf(words) if !words.contains(&word.as_str()) => {
                let error = SettingsError::value(&self.origin, format!("`{}` is unknown", shown(&self.text)));
                Err(error.hinted(format!("write one of: {}", words.join(", "))))
            }
            _ => Ok(Sourced::new(word, self.origin)),
        }
    }
}

/// The units of a size, the largest first.
const SIZES: [(&str, u64); 4] = [("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000), ("B", 1)];

/// Reads a size such as `10MB`: a whole number and a unit, in letters of either case. What is larger than anything is that.
fn parse_size(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits).filter(|(number, _)| !number.is_empty())?;
    let (_, factor) = SIZES.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit.trim()))?;
    Some(number.parse::<u64>().unwrap_or(u64::MAX).saturating_mul(*factor))
}

/// Writes a size the way it is read, in the largest unit that makes a whole number of it.
pub(crate) fn write_size(size: u64) -> String {
    let whole = |(_, factor): &&(&str, u64)| size >= *factor && size.checked_rem(*factor) == Some(0);
    let (unit, factor) = SIZES.iter().find(whole).unwrap_or(&("B", 1));
    format!("{}{unit}", size.checked_div(*factor).unwrap_or(size))
}

/// A whole number between two bounds, both included.
pub(super) fn number_between(raw: &Raw, least: u64, most: u64) -> Result<u64, SettingsError> {
    let text = raw.text.trim();
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(SettingsError::value(&raw.origin, format!("`{}` is not a whole number", shown(text))));
    }
    // What does not fit 128 bits is out of bounds anyway; the text is shown as it was written.
    let overflow = if text.starts_with('-') { i128::MIN } else { i128::MAX };
    let value = text.parse::<i128>().unwrap_or(overflow);
    let (low, high) = (i128::from(least), i128::from(most));
    within(&raw.origin, &Bounded { shown: text, value: &value, least: &low, most: &high }, i128::to_string)?;
    u64::try_from(value).map_err(|_| SettingsError::value(&raw.origin, format!("`{text}` is not a whole number")))
}

struct Bounded<'a, T> {
    shown: &'a str,
    value: &'a T,
    least: &'a T,
    most: &'a T,
}

fn within<T: PartialOrd>(
    origin: &Origin,
    bounded: &Bounded<'_, T>,
    write: impl Fn(&T) -> String,
) -> Result<(), SettingsError> {
    let Bounded { shown, value, least, most } = bounded;
    if value < least {
        let problem = format!("{shown} is too small, at least {} is needed", write(least));
        return Err(SettingsError::value(origin, problem));
    }
    if value > most {
        let problem = format!("{shown} is too large, at most {} is allowed", write(most));
        return Err(SettingsError::value(origin, problem));
    }
    Ok(())
}

/// A value in an error: short, on one line, and masked in case the URL was given in the wrong place. No number, span or
/// word has a slash; what has one may be an address that is a secret as a whole.
fn shown(text: &str) -> String {
    let masked = mask(text);
    let masked = if masked == text && text.contains('/') { "***".to_owned() } else { masked };
    masked.chars().take(60).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::table;

    fn check(text: &str, read: impl Fn(Raw) -> Result<String, SettingsError>, expected: &str) {
        let raw = Raw { text: text.to_owned(), origin: Origin::Flag("--flag") };
        let answer = read(raw).unwrap_or_else(|error| error.to_string());
        assert_eq!(answer, expected, "{text}");
    }

    #[test]
    fn a_limit_message_gives_flag_value_and_bound() {
        let size = |raw: Raw| raw.number(&table::BATCH_SIZE).map(|number| number.value.to_string());
        check("1", size, "1");
        check(" 5000 ", size, "5000");
        check("0", size, "--flag: 0 is too small, at least 1 is needed");
        check("-5", size, "--flag: -5 is too small, at least 1 is needed");
        check("90000", size, "--flag: 90000 is too large, at most 5000 is allowed");
        let huge = "9".repeat(50);
        check(&huge, size, &format!("--flag: {huge} is too large, at most 5000 is allowed"));
        check("", size, "--flag: `` is not a whole number");
        check("1e3", size, "--flag: `1e3` is not a whole number");
        check("١", size, "--flag: `١` is not a whole number");
        check("postgres://shop:hunter2@h/db", size, "--flag: `postgres://shop:***@h/db` is not a whole number");
    }

    #[test]
    fn a_span_needs_a_unit_and_keeps_its_bounds() {
        let timeout = |raw: Raw| raw.span(&table::TIMEOUT).map(|span| span.value.as_secs().to_string());
        check("15m", timeout, "900");
        check("1h30m", timeout, "5400");
        check("3650d", timeout, "315360000");
        check("3651d", timeout, "--flag: 3651d is too large, at most 3650d is allowed");
        check("0s", timeout, "--flag: 0s is too small, at least 1s is needed");
        check("15", timeout, "--flag: `15` has no unit");
        check("soon", timeout, "--flag: `soon` is not a span of time");
        check("-5m", timeout, "--flag: `-5m` is not a span of time");
        let grace = |raw: Raw| raw.span(&table::GRACE).map(|span| span.value.as_secs().to_string());
        check("0s", grace, "0");
        check("366d", grace, "--flag: 366d is too large, at most 365d is allowed");
    }
    #[test]
    fn a_size_needs_a_unit_and_keeps_its_bounds() {
        let size = |raw: Raw| raw.size(&table::LOG_MAX_SIZE).map(|size| write_size(size.value));
        check("10MB", size, "10MB");
        check(" 10 mb ", size, "10MB");
        check("1000kB", size, "1MB");
        check("10001B", size, "10001B");
        check("10GB", size, "10GB");
        check("9999B", size, "--flag: 9999B is too small, at least 10kB is needed");
        check("0MB", size, "--flag: 0MB is too small, at least 10kB is needed");
        check("11GB", size, "--flag: 11GB is too large, at most 10GB is allowed");
        let huge = "9".repeat(30) + "GB";
        check(&huge, size, &format!("--flag: {huge} is too large, at most 10GB is allowed"));
        for text in ["10", "MB", "", "-1MB", "1.5MB", "10MiB", "10 M B", "١MB"] {
            check(text, size, &format!("--flag: `{}` is not a size", text.trim()));
        }
    }
}

//! Finds out how a column writes instants: from its type, the profile's word, or its values.

use super::columns::{Resolver, no_time};
use super::place;
use crate::plan::due::{TimeEncoding, TimePlan, Zone};
use crate::plan::schema::{ColumnInfo, Kind, TableInfo};
use crate::plan::table::Column;
use crate::profile::{ExpiryHome, Problem, Text, TimeColumn};

impl Resolver<'_> {
    /// A column that decides about expiry.
    pub(super) fn time(&mut self, table: &TableInfo, home: ExpiryHome, time: &TimeColumn) -> TimePlan {
        let column = self.column(table, &time.column);
        let Some(info) = table.column(&column.name) else { return no_time() };
        let own = time.time.clone();
        let (encoding, declared) = self.encoding(table, info, own.as_ref(), &time.column);
        TimePlan { home, column: Column { ..column }, encoding, declared }
    }

    /// How `"$now"` is written to a column.
    pub(super) fn now_encoding(&mut self, table: &TableInfo, info: &ColumnInfo, name: &Text) -> TimeEncoding {
        // Writing another form than the shop's own would be a wrong value; the expiry column shows the shop's form.
        self.encoding(table, info, None, name).0
    }

    fn encoding(
        &mut self,
        table: &TableInfo,
        info: &ColumnInfo,
        own: Option<&Text>,
        name: &Text,
    ) -> (TimeEncoding, bool) {
        let word = own.map(|text| text.get_ref().as_str());
        let zone = self.zone(own);
        let (zone, declared) = (zone.clone().unwrap_or(Zone::Utc), zone.is_some());
        match (info.kind, word) {
            (Kind::Instant, _) => (TimeEncoding::Instant, true),
            (Kind::DateTime, _) => (TimeEncoding::DateTime(zone), declared),
            (Kind::Text, _) => {
                let (letter_t, suffix) = text_form(&info.samples);
                let carried = !info.samples.is_empty() && info.samples.iter().all(|sample| carries_zone(sample));
                (TimeEncoding::Text { zone, letter_t, suffix }, declared || carried)
            }
            (Kind::Integer | Kind::Decimal, Some("epoch_seconds")) => (TimeEncoding::EpochSeconds, true),
            (Kind::Integer | Kind::Decimal, Some("epoch_milliseconds")) => (TimeEncoding::EpochMilliseconds, true),
            (Kind::Integer | Kind::Decimal, _) => (self.epoch(table, info, name), true),
            _ => {
                let message = format!(
                    "column `{}.{}` has type `{}`, which is not an instant",
                    table.name, info.name, info.sql_type
                );
                self.problems.push(
                    Problem::at(place(name), message)
                        .hint("name a column with a date and time, ISO text, or seconds since 1970"),
                );
                (TimeEncoding::Instant, true)
            }
        }
    }

    /// Seconds and milliseconds since 1970 are a factor of 1000 apart: no value of our century fits both.
    fn epoch(&mut self, table: &TableInfo, info: &ColumnInfo, name: &Text) -> TimeEncoding {
        let values: Vec<i64> = info.samples.iter().filter_map(|sample| sample.parse().ok()).collect();
        let all = |low: i64, high: i64| !values.is_empty() && values.iter().all(|value| (low..high).contains(value));
        if all(1_000_000_000, 10_000_000_000) {
            return TimeEncoding::EpochSeconds;
        }
        if all(1_000_000_000_000, 10_000_000_000_000) {
            return TimeEncoding::EpochMilliseconds;
        }
        let message = format!(
            "column `{}.{}` is a number, and its values do not show whether it counts seconds or milliseconds since 1970",
            table.name, info.name
        );
        let hint =
            format!("write {{ column = \"{}\", time = \"epoch_seconds\" }} or \"epoch_milliseconds\"", info.name);
        self.problems.push(Problem::at(place(name), message).hint(hint));
        TimeEncoding::EpochSeconds
    }

    /// The declared zone: the column's own word first, then the profile's.
    fn zone(&mut self, own: Option<&Text>) -> Option<Zone> {
        let text = match own {
            Some(text) if matches!(text.get_ref().as_str(), "epoch_seconds" | "epoch_milliseconds") => return None,
            Some(text) => text.clone(),
            None => self.profile.time_zone.clone()?,
        };
        let zone = parse_zone(text.get_ref());
        if zone.is_none() {
            let message = format!("`{}` is not a time zone", text.get_ref());
            let problem = Problem::at(place(&text), message)
                .hint("write `UTC`, an offset such as `+02:00`, or a name such as `Europe/Vienna`");
            if !self.problems.contains(&problem) {
                self.problems.push(problem);
            }
        }
        zone
    }
}

/// Reads `UTC`, `+02:00` or a name such as `Europe/Vienna` (which the database confirms when the plan is checked).
fn parse_zone(text: &str) -> Option<Zone> {
    if matches!(text, "UTC" | "utc" | "Z" | "+00:00") {
        return Some(Zone::Utc);
    }
    if let Some(sign) = text.chars().next().filter(|sign| matches!(sign, '+' | '-')) {
        let (hours, minutes) = text.get(1..)?.split_once(':')?;
        let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
        if !(0..=14).contains(&hours) || !(0..60).contains(&minutes) {
            return None;
        }
        let seconds = hours.checked_mul(3_600)?.checked_add(minutes.checked_mul(60)?)?;
        return Some(Zone::Offset(if sign == '-' { seconds.checked_neg()? } else { seconds }));
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '-' | '+');
    let named = text.contains('/') && text.starts_with(|c: char| c.is_ascii_uppercase()) && text.chars().all(plain);
    named.then(|| Zone::Named(text.to_owned()))
}

/// How the column's own values part date and time, and what stands behind them.
fn text_form(samples: &[String]) -> (bool, String) {
    let Some(sample) = samples.first() else { return (false, String::new()) };
    let suffix = ["Z", "+00:00", "+00"].into_iter().find(|suffix| sample.ends_with(suffix)).unwrap_or("");
    (sample.contains('T'), suffix.to_owned())
}

fn carries_zone(sample: &str) -> bool {
    let time = sample.get(11..).unwrap_or("");
    time.ends_with('Z') || time.contains('+') || time.contains('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_zones_and_refuses_what_is_none() {
        let rows = [
            ("UTC", Some(Zone::Utc)),
            ("+02:00", Some(Zone::Offset(7_200))),
            ("-05:30", Some(Zone::Offset(-19_800))),
            ("Europe/Vienna", Some(Zone::Named("Europe/Vienna".to_owned()))),
            ("+25:00", None),
            ("Vienna", None),
            ("Europe/Vienna'; DROP TABLE orders", None),
            ("", None),
        ];
        for (text, zone) in rows {
            assert_eq!(parse_zone(text), zone, "{text}");
        }
    }

    #[test]
    fn takes_the_form_of_text_from_the_shops_own_values() {
        assert_eq!(text_form(&["2026-11-22T10:00:00Z".to_owned()]), (true, "Z".to_owned()));
        assert_eq!(text_form(&["2026-11-22 10:00:00.123456".to_owned()]), (false, String::new()));
        assert!(carries_zone("2026-11-22T10:00:00-05:00") && !carries_zone("2026-11-22 10:00:00"));
    }
}

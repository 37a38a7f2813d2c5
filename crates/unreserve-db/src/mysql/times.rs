//! How instants are read and written: always in universal time, never a moment early.

use unreserve_engine::plan::{Column, TimeEncoding, Zone};
use unreserve_engine::profile::ExpiryHome;

use super::fragments::{Constant, Writer, alias, quoted};

/// No shop's date lies before this one: the zero date, and 0 seconds since 1970, mean that there is none.
const FIRST: &str = "'1971-01-01'";
/// A date beyond means never, and adding to it could leave the calendar.
const LAST: &str = "'9998-12-31'";
const EPOCH: &str = "CAST('1970-01-01' AS DATETIME(6))";
/// Between these, only seconds since 1970 lie; a thousand times that is milliseconds.
const SECONDS: &str = "BETWEEN 100000000 AND 99999999999";
const MILLISECONDS: &str = "BETWEEN 100000000000 AND 99999999999999";

/// Microseconds since 1970 of a date and time in universal time.
pub(super) fn micros(instant: &str) -> String {
    format!("TIMESTAMPDIFF(MICROSECOND, '1970-01-01', {instant})")
}

/// A time column as a date and time in universal time; NULL where the value is no instant, so that it is never due.
pub(super) fn instant(w: &mut Writer<'_>, home: ExpiryHome, column: &Column, encoding: &TimeEncoding) -> String {
    instant_of(w, &format!("{}.{}", alias(home), quoted(&column.name)), encoding)
}

/// The same of any column.
pub(super) fn instant_of(w: &mut Writer<'_>, column: &str, encoding: &TimeEncoding) -> String {
    let sane = format!("CASE WHEN {column} BETWEEN {FIRST} AND {LAST} THEN CAST({column} AS DATETIME(6)) END");
    match encoding {
        // The session's zone is UTC, and so is what a TIMESTAMP shows. A text is refused before anything is rendered.
        TimeEncoding::Instant | TimeEncoding::DateTime(Zone::Utc) | TimeEncoding::Text { .. } => sane,
        TimeEncoding::DateTime(Zone::Offset(seconds)) => format!("({sane} - INTERVAL {seconds} SECOND)"),
        TimeEncoding::DateTime(Zone::Named(zone)) => {
            let zone = w.constant(Constant::Text(zone.clone()));
            let utc = format!("CONVERT_TZ({sane}, {zone}, '+00:00')");
            // An hour that comes twice is read as the earlier one; where the later one fits as well, it is meant.
            let later = |minutes: u32| {
                format!(
                    "WHEN CONVERT_TZ({utc} + INTERVAL {minutes} MINUTE, '+00:00', {zone}) = {column} THEN {utc} + INTERVAL {minutes} MINUTE"
                )
            };
            // One that the switch leaves out is given the instant of the switch, which is what an hour later on the wall says;
            // whoever wrote it had added to a time before the switch, so it means as much after that as it lies behind it.
            let wall = format!("CONVERT_TZ({utc}, '+00:00', {zone})");
            let left_out = format!(
                "WHEN {wall} > {column} THEN {utc} + INTERVAL 60 MINUTE - INTERVAL TIMESTAMPDIFF(MICROSECOND, {column}, {wall}) MICROSECOND"
            );
            format!("CASE {} {} {left_out} ELSE {utc} END", later(60), later(30))
        }
        TimeEncoding::EpochSeconds => {
            format!("CASE WHEN {column} {SECONDS} THEN {EPOCH} + INTERVAL {column} SECOND END")
        }
        TimeEncoding::EpochMilliseconds => {
            format!("CASE WHEN {column} {MILLISECONDS} THEN {EPOCH} + INTERVAL {column} * 1000 MICROSECOND END")
        }
    }
}

/// Whether the reservation `r` has expired at the cutoff: the bare column between two bounds, so that an index serves.
pub(super) fn due(w: &mut Writer<'_>) -> String {
    let (column, limit) = (w.expiry_column(), limit(w));
    match w.encoding().clone() {
        TimeEncoding::Instant | TimeEncoding::DateTime(Zone::Utc) | TimeEncoding::Text { .. } => {
            format!("{column} BETWEEN {FIRST} AND {limit}")
        }
        TimeEncoding::DateTime(Zone::Offset(seconds)) => {
            format!("{column} BETWEEN {FIRST} AND {limit} + INTERVAL {seconds} SECOND")
        }
        // Local time is at most a day away; the instant itself decides.
        TimeEncoding::DateTime(Zone::Named(_)) => {
            let expires_at = w.expires_at();
            format!("{column} BETWEEN {FIRST} AND {limit} + INTERVAL 1 DAY\n  AND {expires_at} <= {}", Writer::cutoff())
        }
        TimeEncoding::EpochSeconds => {
            format!("{column} {SECONDS} AND {column} <= TIMESTAMPDIFF(SECOND, '1970-01-01', {limit})")
        }
        TimeEncoding::EpochMilliseconds => {
            format!("{column} {MILLISECONDS} AND {column} <= {} DIV 1000", micros(&limit))
        }
    }
}

/// Whether the reservation `r` will expire after the cutoff; bounded like [`due`].
pub(super) fn not_yet_due(w: &mut Writer<'_>) -> String {
    let (column, limit) = (w.expiry_column(), limit(w));
    match w.encoding().clone() {
        TimeEncoding::Instant | TimeEncoding::DateTime(Zone::Utc) | TimeEncoding::Text { .. } => {
            format!("{column} > {limit}")
        }
        TimeEncoding::DateTime(Zone::Offset(seconds)) => format!("{column} > {limit} + INTERVAL {seconds} SECOND"),
        TimeEncoding::DateTime(Zone::Named(_)) => {
            let expires_at = w.expires_at();
            format!("{column} > {limit} - INTERVAL 1 DAY\n  AND {expires_at} > {}", Writer::cutoff())
        }
        TimeEncoding::EpochSeconds => {
            format!("{column} {SECONDS} AND {column} > TIMESTAMPDIFF(SECOND, '1970-01-01', {limit})")
        }
        TimeEncoding::EpochMilliseconds => {
            format!("{column} {MILLISECONDS} AND {column} > {} DIV 1000", micros(&limit))
        }
    }
}

/// The cutoff less what is added to the column.
fn limit(w: &Writer<'_>) -> String {
    match w.after_seconds() {
        0 => Writer::cutoff(),
        after => format!("({} - INTERVAL {after} SECOND)", Writer::cutoff()),
    }
}

/// Whether a number in the column is neither seconds nor milliseconds since 1970, as the plan says it is. A date that is
/// none cannot stand in a column of a date's type; 0 says that there is none.
pub(super) fn unreadable(w: &Writer<'_>) -> String {
    let column = w.expiry_column();
    match w.encoding() {
        TimeEncoding::EpochSeconds => format!("{column} <> 0 AND {column} NOT {SECONDS}"),
        TimeEncoding::EpochMilliseconds => format!("{column} <> 0 AND {column} NOT {MILLISECONDS}"),
        TimeEncoding::Instant | TimeEncoding::DateTime(_) | TimeEncoding::Text { .. } => "FALSE".to_owned(),
    }
}

/// The cutoff in the form the column has. What the column cannot hold of it is cut off here: the database would round it
/// up, into the future.
pub(super) fn now(w: &mut Writer<'_>, column: &Column, encoding: &TimeEncoding) -> String {
    let (digits, letters) = fraction(column);
    let text = format!("LEFT({}, {letters})", Writer::given(0));
    let utc = format!("CAST({text} AS DATETIME({digits}))");
    match encoding {
        TimeEncoding::Instant | TimeEncoding::DateTime(Zone::Utc) => utc,
        TimeEncoding::DateTime(Zone::Offset(seconds)) => format!("({utc} + INTERVAL {seconds} SECOND)"),
        TimeEncoding::DateTime(Zone::Named(zone)) => {
            format!("CONVERT_TZ({utc}, '+00:00', {})", w.constant(Constant::Text(zone.clone())))
        }
        TimeEncoding::EpochSeconds => format!("TIMESTAMPDIFF(SECOND, '1970-01-01', {})", Writer::cutoff()),
        TimeEncoding::EpochMilliseconds => format!("{} DIV 1000", micros(&Writer::cutoff())),
        TimeEncoding::Text { letter_t, suffix, .. } => {
            let middle = if *letter_t { "T" } else { " " };
            let suffix = ["Z", "+00:00", "+00"].into_iter().find(|known| known == suffix).unwrap_or("");
            format!("CONCAT(REPLACE({}, ' ', '{middle}'), '{suffix}')", Writer::given(0))
        }
    }
}

/// How many decimals of a second a column keeps, and how many letters of `YYYY-MM-DD hh:mm:ss.ffffff` say that.
fn fraction(column: &Column) -> (u8, u8) {
    let inside = column.sql_type.split_once('(').and_then(|(_, rest)| rest.split_once(')'));
    let digits = inside.and_then(|(digits, _)| digits.parse::<u8>().ok()).unwrap_or(0).min(6);
    (digits, if digits == 0 { 19 } else { digits.saturating_add(20) })
}

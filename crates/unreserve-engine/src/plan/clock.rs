//! Whether the shop's instants and the database's clock can belong together.

use jiff::{SignedDuration, Timestamp};

use super::due::{Due, TimePlan};

/// What was read to judge the clock relation by: one answer of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockEvidence {
    /// The database's now.
    pub now: Timestamp,
    /// The newest instant of creation among the newest reservations that hold stock, read as the plan reads it.
    pub newest_creation: Option<Timestamp>,
    /// How many reservations that hold stock have an expiry that cannot be read as an instant.
    pub unreadable: u64,
    /// How many reservations that hold stock were looked at.
    pub looked_at: u64,
}

/// A clock relation that cannot be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClockFault {
    /// Rows seem to have been made in the future.
    #[error("the newest reservation was created {ahead_seconds} s after the database's now, by column `{column}`")]
    FromTheFuture {
        /// The column.
        column: String,
        /// How far ahead it is.
        ahead_seconds: i64,
    },
    /// The column carries no zone and nothing shows that it is UTC.
    #[error("column `{column}` carries no time zone, and nothing shows which one it is in")]
    Unproven {
        /// The column.
        column: String,
    },
    /// Values that are no instants.
    #[error(
        "{unreadable} of {looked_at} reservations have a value in `{column}` that is not an instant as the profile says it is"
    )]
    Unreadable {
        /// The column.
        column: String,
        /// How many.
        unreadable: u64,
        /// Of how many.
        looked_at: u64,
    },
    /// The database's own clock stands before this program was written.
    #[error("the database says it is {now}, which cannot be")]
    Stopped {
        /// What it says.
        now: Timestamp,
    },
}

impl ClockFault {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::FromTheFuture { .. } => "the shop writes it in another time zone than the profile says (or its clock is ahead): set `time_zone` in the profile, for example \"Europe/Vienna\"".to_owned(),
            Self::Unproven { .. } => "say in the profile which zone the shop writes it in: time_zone = \"UTC\", or a name such as \"Europe/Vienna\"".to_owned(),
            Self::Unreadable { .. } => "look at the column's values, and correct `time` of the column in the profile".to_owned(),
            Self::Stopped { .. } => "set the clock of the database's machine".to_owned(),
        }
    }
}

/// A clock this far ahead of the database's is skew between two machines; more is another zone.
const SKEW: SignedDuration = SignedDuration::from_mins(5);
/// A newest row this young, read as UTC, cannot have been written west of Greenwich, so nothing can be released early.
const PROOF: SignedDuration = SignedDuration::from_mins(10);
/// 2026-01-01: every right clock is later.
const EPOCH_OF_THIS_PROGRAM: i64 = 1_767_225_600;

/// Judges the evidence; the caller stops before its first write where it fails.
///
/// # Errors
/// The clock relation cannot be right, or a column without a zone did not prove itself.
pub fn judge_clock(due: &Due, evidence: &ClockEvidence) -> Result<(), ClockFault> {
    let expiry = due.time.column.name.clone();
    if evidence.now.as_second() < EPOCH_OF_THIS_PROGRAM {
        return Err(ClockFault::Stopped { now: evidence.now });
    }
    if evidence.unreadable > 0 && evidence.unreadable == evidence.looked_at {
        return Err(ClockFault::Unreadable {
            column: expiry,
            unreadable: evidence.unreadable,
            looked_at: evidence.looked_at,
        });
    }
    let age = evidence.newest_creation.map(|newest| evidence.now.duration_since(newest));
    let witness = due.created_at.as_ref().map_or(&expiry, |created| &created.column.name);
    if let Some(age) = age {
        let ahead = age.checked_neg().unwrap_or(SignedDuration::ZERO);
        if ahead > SKEW {
            return Err(ClockFault::FromTheFuture { column: witness.clone(), ahead_seconds: ahead.as_secs() });
        }
    }
    let unproven = |time: &TimePlan| !time.declared && evidence.looked_at > 0;
    if unproven(&due.time) && age.is_none_or(|age| age > PROOF) {
        return Err(ClockFault::Unproven { column: expiry });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::plan::{Column, Kind, TimeEncoding, Zone};
    use crate::profile::ExpiryHome;

    fn time(name: &str, declared: bool) -> TimePlan {
        let column = Column { name: name.to_owned(), sql_type: "timestamp".to_owned(), kind: Kind::DateTime };
        TimePlan { home: ExpiryHome::Reservation, column, encoding: TimeEncoding::DateTime(Zone::Utc), declared }
    }

    fn check(declared: bool, newest_age_seconds: Option<i64>, unreadable: u64, expected: &str) {
        let now = Timestamp::from_second(1_795_000_000).unwrap();
        let due = Due {
            time: time("expires_at", declared),
            after: Duration::ZERO,
            created_at: Some(time("created_at", declared)),
        };
        let newest_creation = newest_age_seconds.map(|age| now.checked_sub(SignedDuration::from_secs(age)).unwrap());
        let evidence = ClockEvidence { now, newest_creation, unreadable, looked_at: 5 };
        let verdict = judge_clock(&due, &evidence).map_or_else(|fault| fault.to_string(), |()| "right".to_owned());
        assert!(verdict.contains(expected), "{verdict} does not contain {expected}");
    }

    #[test]
    fn fails_closed_on_every_relation_that_would_release_early() {
        check(true, Some(3_600), 0, "right");
        check(true, None, 0, "right");
        check(true, Some(-200), 0, "right");
        check(true, Some(-3_600), 0, "3600 s after the database's now");
        check(false, Some(60), 0, "right");
        check(false, Some(5 * 3_600), 0, "carries no time zone");
        check(false, None, 0, "carries no time zone");
        check(true, Some(60), 5, "5 of 5 reservations");
        check(true, Some(60), 4, "right");
    }
}

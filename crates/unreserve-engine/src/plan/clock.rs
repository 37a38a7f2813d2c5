//! Whether the shop's instants and the database's clock can belong together.

use jiff::{SignedDuration, Timestamp};

use super::due::{Due, TimeEncoding, TimePlan};

/// What was read to judge the clock relation by: one answer of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockEvidence {
    /// The database's now.
    pub now: Timestamp,
    /// The newest instant of creation among the newest reservations that hold stock, read as the plan reads it; more than
    /// a zone's width ahead is a sentinel or a slip, and left out.
    pub newest_creation: Option<Timestamp>,
    /// How many of them were created within the last day, or in the future by at most a zone's width.
    pub recent: u64,
    /// How many of those were created in the future.
    pub ahead: u64,
    /// How many expire no later than they were created, which cannot be where both columns are read rightly.
    pub backwards: u64,
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
    /// Rows seem to have expired before they were made.
    #[error(
        "{backwards} of {looked_at} reservations expire before they were created: `{column}` and `{created}` are not read alike"
    )]
    Backwards {
        /// The expiry column.
        column: String,
        /// The creation column.
        created: String,
        /// How many.
        backwards: u64,
        /// Of how many.
        looked_at: u64,
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
            Self::Backwards { .. } => "the two columns are written in different zones or units: say for each what it holds, { column = \"…\", time = \"…\" }".to_owned(),
            Self::Unproven { .. } => "say in the profile which zone the shop writes it in: time_zone = \"UTC\", or a name such as \"Europe/Vienna\"".to_owned(),
            Self::Unreadable { .. } => "look at the column's values, and correct `time` of the column in the profile".to_owned(),
            Self::Stopped { .. } => "set the clock of the database's machine".to_owned(),
        }
    }
}

/// A clock this far ahead of the database's is skew between two machines; more is another zone.
pub const SKEW: SignedDuration = SignedDuration::from_mins(5);
/// No two zones are further apart.
pub const ZONE_WIDTH: SignedDuration = SignedDuration::from_hours(26);
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
    let witness = due.created_at.as_ref().map_or(&due.time.column.name, |created| &created.column.name);
    if evidence.ahead > 0 && evidence.ahead.saturating_mul(2) >= evidence.recent {
        let ahead = age.and_then(SignedDuration::checked_neg).unwrap_or(SignedDuration::ZERO);
        return Err(ClockFault::FromTheFuture { column: witness.clone(), ahead_seconds: ahead.as_secs() });
    }
    // Where both columns name instants, nothing can be misread: what ends before it began was edited by hand.
    let beyond_doubt = |time: &TimePlan| matches!(time.encoding, TimeEncoding::Instant);
    let misreadable = !(beyond_doubt(&due.time) && due.created_at.as_ref().is_none_or(beyond_doubt));
    if misreadable && evidence.backwards.saturating_mul(2) > evidence.looked_at {
        let (backwards, looked_at) = (evidence.backwards, evidence.looked_at);
        return Err(ClockFault::Backwards { column: expiry, created: witness.clone(), backwards, looked_at });
    }
    // Another column can be written by another clock: it proves something only where it is of the same make.
    let of_one_make = due.created_at.as_ref().is_some_and(|created| {
        !created.declared && created.home == due.time.home && created.column.kind == due.time.column.kind
    });
    let proven = of_one_make && age.is_some_and(|age| age <= PROOF);
    if !due.time.declared && evidence.looked_at > 0 && !proven {
        return Err(ClockFault::Unproven { column: expiry });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::plan::{Column, Kind, Zone};
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
        let ahead = u64::from(newest_age_seconds.is_some_and(|age| age < -300));
        let evidence = ClockEvidence { now, newest_creation, recent: 1, ahead, backwards: 0, unreadable, looked_at: 5 };
        let verdict = judge_clock(&due, &evidence).map_or_else(|fault| fault.to_string(), |()| "right".to_owned());
        assert!(verdict.contains(expected), "{verdict} does not contain {expected}");
    }

    #[test]
    fn a_column_of_another_make_proves_nothing_and_backwards_rows_stop_it() {
        let now = Timestamp::from_second(1_795_000_000).unwrap();
        let good = ClockEvidence {
            now,
            newest_creation: Some(now),
            recent: 5,
            ahead: 0,
            backwards: 2,
            unreadable: 0,
            looked_at: 5,
        };
        let plan = |created: Option<TimePlan>| Due {
            time: time("expires_at", false),
            after: Duration::ZERO,
            created_at: created,
        };
        assert_eq!(judge_clock(&plan(Some(time("created_at", false))), &good), Ok(()));
        assert!(matches!(judge_clock(&plan(Some(time("created_at", true))), &good), Err(ClockFault::Unproven { .. })));
        assert!(matches!(judge_clock(&plan(None), &good), Err(ClockFault::Unproven { .. })));
        let backwards = ClockEvidence { backwards: 3, ..good };
        let fault = judge_clock(&plan(Some(time("created_at", false))), &backwards);
        assert!(matches!(fault, Err(ClockFault::Backwards { .. })));
        let instant = |name| TimePlan { encoding: TimeEncoding::Instant, ..time(name, true) };
        let edited =
            Due { time: instant("expires_at"), after: Duration::ZERO, created_at: Some(instant("created_at")) };
        assert_eq!(judge_clock(&edited, &backwards), Ok(()));
        let one_slip = ClockEvidence { ahead: 1, ..good };
        assert_eq!(judge_clock(&plan(Some(time("created_at", false))), &one_slip), Ok(()));
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

//! What counts as due, as far as time is concerned, and how instants are written in the shop.

use std::time::Duration;

use super::table::Column;
use crate::profile::ExpiryHome;

/// The zone of a date-time column that carries none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Zone {
    /// Universal time.
    Utc,
    /// A fixed offset, in seconds east of Greenwich.
    Offset(i32),
    /// A zone by its name.
    Named(String),
}

/// How a column writes an instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TimeEncoding {
    /// The type carries the zone, or is an instant.
    Instant,
    /// A date and time in a zone that the profile declares, or that was proven.
    DateTime(Zone),
    /// Text such as `2026-11-22 10:15:00.123`, read in the zone unless a value carries its own.
    Text {
        /// The zone of values that carry none.
        zone: Zone,
        /// Whether date and time are parted by `T` rather than a space.
        letter_t: bool,
        /// What stands behind the time: nothing, `Z` or `+00:00`.
        suffix: String,
    },
    /// Whole seconds since 1970.
    EpochSeconds,
    /// Whole milliseconds since 1970.
    EpochMilliseconds,
}

impl TimeEncoding {
    /// The name of the zone that it is read in, where it has one.
    #[must_use]
    pub fn zone_name(&self) -> Option<&str> {
        match self {
            Self::DateTime(Zone::Named(name)) | Self::Text { zone: Zone::Named(name), .. } => Some(name),
            _ => None,
        }
    }
}

/// A column with an instant, and how it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimePlan {
    /// Which table it stands on.
    pub home: ExpiryHome,
    /// The column.
    pub column: Column,
    /// How it is written.
    pub encoding: TimeEncoding,
    /// Whether the zone was declared or carried by the type; otherwise the clock has to prove it.
    pub declared: bool,
}

/// What counts as expired: `column + after ≤ the database's now`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// The column that decides.
    pub time: TimePlan,
    /// What is added to it: the timeout where it is an instant of creation, and the grace.
    pub after: Duration,
    /// The column with the instant of creation, the best evidence of how the shop's clock relates to the database's.
    pub created_at: Option<TimePlan>,
}

/// What the person who runs a sweep asks of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Policy {
    /// Replaces the stored expiry by creation plus this.
    pub timeout: Option<Duration>,
    /// Is added to any expiry.
    pub grace: Duration,
}

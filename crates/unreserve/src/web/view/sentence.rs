//! The one sentence that says how it is.

use jiff::Timestamp;
use serde::Serialize;
use unreserve_engine::report::health::Status;
use utoipa::ToSchema;

use super::{CheckView, DueView, StatusWord};

/// How it is, in one sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Sentence {
    /// How it sounds.
    pub(crate) mood: Mood,
    /// The sentence, without a full stop.
    #[schema(example = "All quiet: nothing overdue, next expiry in 0:42")]
    pub(crate) text: String,
    /// The instant that the sentence counts down to, where it does, so that whoever shows it can go on counting.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) counts_down_to: Option<Timestamp>,
}

/// How a sentence sounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mood {
    /// Nothing has to be done.
    Quiet,
    /// Stock is coming back right now, as it should.
    Busy,
    /// Something wants to be looked at.
    Attention,
    /// Something wants to be looked at now.
    Alarm,
    /// It is not known how it is.
    Unknown,
}

//! Tells how a shop stands: the log on each change, the record on the disk, the pulse for the service manager.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use unreserve_engine::model::Holder;
use unreserve_engine::sweep::Clock;
use unreserve_engine::watch::{Standing, Trouble};

use super::pulse::Pulse;
use super::record::{self, LastError, Record};
use super::words::{looks_again_in, words};
use crate::clock::{self, ProcessClock};
use crate::hub::{Line, News};

/// The record is written no more often, whatever happens.
const WRITES: Duration = Duration::from_secs(1);

/// A sweep whose database falls silent ends by itself within so much, from its last sign of life.
pub(super) const SILENT_SWEEP: Duration = Duration::from_secs(240);

/// Tells of one shop.
pub(super) struct Teller {
    clock: ProcessClock,
    pulse: Pulse,
    line: Line,
    shop: Option<String>,
    interval: Duration,
    started_at: jiff::Timestamp,
    /// Where the record lies; nothing as long as another instance holds the place.
    path: Option<PathBuf>,
    holder: Holder,
    /// The standing that was logged last, and since when it holds.
    told: Option<(record::Standing, String, Duration)>,
    /// What the record says, and when it was written.
    written: Option<(record::Standing, String, Duration)>,
    last_error: Option<LastError>,
    /// The class of the trouble that was logged last.
    class: Option<&'static str>,
}

impl Teller {
    /// One that has told nothing yet.
    pub(super) fn new(
        shop: Option<String>,
        (clock, started_at): (ProcessClock, jiff::Timestamp),
        (pulse, line): (Pulse, Line),
        interval: Duration,
        holder: Holder,
    ) -> Self {
        Self {
            clock,
            pulse,
            line,
            shop,
            interval,
            started_at,
            path: None,
            holder,
            told: None,
            written: None,
            last_error: None,
            class: None,
        }
    }

    /// From here on the record is ours to write, beside the lock that we hold.
    pub(super) fn writes_beside(&mut self, lock_file: &std::path::Path, holder: &Holder) {
        self.path = Some(record::path_beside(lock_file));
        self.holder = holder.clone();
    }

    /// Tells how it stands.
    pub(super) fn tell(&mut self, standing: &Standing) {
        let now = self.clock.elapsed();
        let (word, says) = words(standing);
        self.log(standing, word, &says, now);
        let rests = match standing {
            Standing::BackingOff { rest, .. } => Some(*rest),
            Standing::Halted { rest, .. } => *rest,
            Standing::Stopped => None,
            // A database that fell silent in the middle of a sweep is given up only after several tries, each bounded.
            Standing::Opening | Standing::Sweeping => Some(SILENT_SWEEP),
            _ => Some(Duration::ZERO),
        };
        self.pulse.set(rests.map(|rest| now.saturating_add(rest)), word, says.clone());
        if let Standing::BackingOff { trouble, .. } | Standing::Halted { trouble, .. } = standing {
            self.last_error = Some(LastError { at: clock::utc_now(), text: trouble.text.clone() });
            self.line.tell(News::Troubled(Arc::new(trouble.clone())));
        }
        let written_at = clock::utc_now();
        let next = looks_again_in(standing, self.interval);
        let next_look_at = next.and_then(|next| written_at.checked_add(next).ok());
        self.line.stands(word, &says, next_look_at);
        self.write((word, says), (written_at, next_look_at), now);
    }

    /// Says each change once.
    fn log(&mut self, standing: &Standing, word: record::Standing, says: &str, now: Duration) {
        let before = self.told.as_ref().map(|(before, text, _)| (*before, text.as_str()));
        let same = match standing {
            // The text of a trouble may differ from try to try; its class says whether it is another one.
            Standing::BackingOff { trouble, .. } => {
                let same = self.class == Some(trouble.class);
                self.class = Some(trouble.class);
                same && before.is_some_and(|(before, _)| before == word)
            }
            Standing::Waiting { .. } => before.is_some_and(|(before, _)| before == word),
            // What it does on the way is not worth a line, nor does it make what holds afterwards news.
            Standing::Opening | Standing::Sweeping => true,
            _ => before == Some((word, says)),
        };
        if same {
            return;
        }
        let since = self.told.as_ref().map_or(now, |(.., since)| *since);
        let was_in_trouble =
            before.is_some_and(|(before, _)| matches!(before, record::Standing::BackingOff | record::Standing::Halted));
        self.told = Some((word, says.to_owned(), now));
        match standing {
            Standing::BackingOff { trouble, .. } => troubled(trouble, "database_unavailable", says),
            Standing::Halted { trouble, .. } => {
                tracing::error!(event = "halted", error.class = trouble.class, hint = trouble.hint, "{says}");
            }
            Standing::Waiting { .. } if was_in_trouble => {
                let seconds = now.saturating_sub(since).as_secs();
                tracing::info!(event = "recovered", after_seconds = seconds, "works again after {seconds} s: {says}");
            }
            Standing::Opening | Standing::Sweeping => {}
            Standing::Waiting { .. } => tracing::info!(event = "watching", "{says}"),
            Standing::StandingBy { .. } => tracing::info!(event = "standing_by", "{says}"),
            // At a reload it goes on at once; at the end the daemon says so itself.
            Standing::Stopped => tracing::debug!(event = "stopped", "{says}"),
        }
    }

    /// Writes the record, where something is new that a person wants to know.
    fn write(
        &mut self,
        (word, says): (record::Standing, String),
        (written_at, next_look_at): (jiff::Timestamp, Option<jiff::Timestamp>),
        now: Duration,
    ) {
        let Some(path) = &self.path else { return };
        let must = matches!(word, record::Standing::Stopped | record::Standing::Halted);
        let is_new = self.written.as_ref().is_none_or(|(before, text, _)| (*before, text) != (word, &says));
        let is_early = self.written.as_ref().is_some_and(|(.., at)| now.saturating_sub(*at) < WRITES);
        if !is_new || (is_early && !must) {
            return;
        }
        let record = Record {
            shop: self.shop.clone(),
            process_id: self.holder.process_id,
            host: self.holder.host.clone(),
            version: env!("UNRESERVE_VERSION").to_owned(),
            started_at: self.started_at,
            written_at,
            standing: word,
            says: says.clone(),
            next_look_at,
            last_error: self.last_error.clone(),
        };
        if let Err(error) = record.write(path) {
            tracing::debug!("cannot write `{}`: {error}", path.display());
        }
        self.written = Some((word, says, now));
    }
}

fn troubled(trouble: &Trouble, event: &str, says: &str) {
    tracing::warn!(event, error.class = trouble.class, hint = trouble.hint, "{says}");
}

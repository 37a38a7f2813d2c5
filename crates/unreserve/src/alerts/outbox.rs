//! What waits for one channel: bounded, in order, tried again after ever longer pauses, given up in the end.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::alerts::message::Message;
use crate::hub::Delivery;

/// So many messages wait for a channel; of more the oldest are given up.
const PENDING_MAX: usize = 10;

/// How long the first, second, … pause is; the last one stays.
const PAUSES: [Duration; 6] = [
    Duration::from_secs(5),
    Duration::from_secs(5 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(2 * 3_600),
    Duration::from_secs(5 * 3_600),
    Duration::from_secs(10 * 3_600),
];

/// A message that waited for so long is given up: it is no news any more.
const AGE_MAX: Duration = Duration::from_secs(24 * 3_600);

/// A receiver may ask for a pause within these bounds.
const ASKED: (Duration, Duration) = (Duration::from_secs(1), AGE_MAX);

/// What became of a try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The receiver has it.
    Delivered {
        /// What it answered.
        says: String,
    },
    /// It may be taken later.
    Later {
        /// What happened.
        says: String,
        /// The pause that the receiver asked for.
        asked: Option<Duration>,
    },
    /// This message will never be taken.
    Refused {
        /// What it answered.
        says: String,
    },
    /// Nothing will ever be taken there again.
    Gone {
        /// What it answered.
        says: String,
    },
}

impl Answer {
    /// What happened, in one line.
    pub(crate) fn says(&self) -> &str {
        match self {
            Self::Delivered { says } | Self::Later { says, .. } | Self::Refused { says } | Self::Gone { says } => says,
        }
    }

    /// Whether it arrived.
    pub(crate) fn is_delivered(&self) -> bool {
        matches!(self, Self::Delivered { .. })
    }
}

/// What is known of one channel between two tries.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Outbox {
    /// What waits, the oldest first.
    pending: VecDeque<Message>,
    /// So many tries in a row have failed.
    failures: u32,
    /// Nothing is tried before this.
    not_before: Option<Timestamp>,
    /// Whether the receiver asked for that pause.
    asked: bool,
    /// Nothing is sent any more: the receiver said that it is gone for good.
    pub(crate) gone: Option<Gone>,
    /// The last try.
    pub(crate) last: Option<LastTry>,
}

/// A channel whose receiver is gone for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Gone {
    /// Since when.
    pub(crate) at: Timestamp,
    /// What it leads to, as a fingerprint: once it leads elsewhere, it is used again.
    pub(crate) mark: String,
}

/// The last try of a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LastTry {
    /// When.
    pub(crate) at: Timestamp,
    /// How it ended, in one word.
    pub(crate) result: String,
    /// What was answered.
    pub(crate) says: String,
}

impl Outbox {
    /// Puts a message at the end. It is tried at once, and what waits before it as well, unless the receiver asked for a
    /// pause. Gives how many had to be given up for it.
    pub(crate) fn put(&mut self, message: Message) -> usize {
        self.pending.push_back(message);
        let too_many = self.pending.len().saturating_sub(PENDING_MAX);
        self.pending.drain(..too_many);
        if !self.asked {
            self.not_before = None;
        }
        too_many
    }

    /// Gives up what is no news any more; how many that were.
    pub(crate) fn forget_old(&mut self, now: Timestamp) -> usize {
        let before = self.pending.len();
        let is_old = |message: &Message| message.at.checked_add(AGE_MAX).is_ok_and(|end| end < now);
        self.pending.retain(|message| !is_old(message));
        before.saturating_sub(self.pending.len())
    }

    /// The message that is to be tried now.
    pub(crate) fn due(&self, now: Timestamp) -> Option<&Message> {
        let first = self.pending.front()?;
        // A pause is never longer than a day; where it seems to be, the clock was set back.
        let rests = |until: Timestamp| until > now && now.checked_add(AGE_MAX).is_ok_and(|longest| until <= longest);
        (!self.not_before.is_some_and(rests)).then_some(first)
    }

    /// The messages that are to be tried now, in their order.
    pub(crate) fn ready(&self, now: Timestamp) -> Vec<Message> {
        if self.due(now).is_some() { self.pending.iter().cloned().collect() } else { Vec::new() }
    }

    /// When something is to be tried next.
    pub(crate) fn next_at(&self) -> Option<Timestamp> {
        self.pending.front().map(|first| self.not_before.unwrap_or(first.at))
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> usize {
        self.pending.len()
    }

    /// Notes what became of the try of this message. `jitter` is any number.
    pub(crate) fn note(&mut self, id: &str, answer: &Answer, (now, jitter): (Timestamp, u64), mark: &str) -> Delivery {
        let says = answer.says().to_owned();
        let result = match answer {
            Answer::Delivered { .. } => {
                self.take(id);
                Delivery::Delivered
            }
            Answer::Refused { .. } => {
                self.take(id);
                Delivery::GivenUp
            }
            Answer::Gone { .. } => {
                self.pending.clear();
                self.gone = Some(Gone { at: now, mark: mark.to_owned() });
                Delivery::GivenUp
            }
            Answer::Later { asked, .. } => {
                self.pause(*asked, now, jitter);
                Delivery::Failed
            }
        };
        self.last = Some(LastTry { at: now, result: result.word().to_owned(), says });
        result
    }

    fn take(&mut self, id: &str) {
        self.pending.retain(|message| message.id != id);
        (self.failures, self.not_before, self.asked) = (0, None, false);
    }

    fn pause(&mut self, asked: Option<Duration>, now: Timestamp, jitter: u64) {
        let index = usize::try_from(self.failures).unwrap_or(usize::MAX);
        let usual = PAUSES.get(index).or(PAUSES.last()).copied().unwrap_or(AGE_MAX);
        self.failures = self.failures.saturating_add(1);
        let pause = match asked {
            Some(asked) => asked.clamp(ASKED.0, ASKED.1),
            // Up to a fifth more, so that many who failed together do not come back together.
            None => {
                let permille = u32::try_from(jitter.checked_rem(200).unwrap_or(0)).unwrap_or(0);
                let more = usual.checked_div(1_000).unwrap_or_default().saturating_mul(permille);
                usual.saturating_add(more)
            }
        };
        self.asked = asked.is_some();
        self.not_before = now.checked_add(pause).ok();
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "helpers of a test may fail it")]
mod tests {
    use super::*;
    use crate::alerts::message::samples::{about, at};

    fn message(id: &str, second: i64) -> Message {
        Message { id: id.to_owned(), ..Message::test(about(), at(second)) }
    }

    fn later(asked: Option<u64>) -> Answer {
        Answer::Later { says: "503".to_owned(), asked: asked.map(Duration::from_secs) }
    }

    fn delivered() -> Answer {
        Answer::Delivered { says: "200".to_owned() }
    }

    /// The second at which the next try of a dead channel comes, again and again, until it is given up.
    fn tries(outbox: &mut Outbox, jitter: u64) -> Vec<i64> {
        let mut tried = Vec::new();
        let mut now = at(0);
        loop {
            outbox.forget_old(now);
            let Some(id) = outbox.due(now).map(|message| message.id.clone()) else {
                match outbox.next_at() {
                    Some(next) => now = next,
                    None => return tried,
                }
                continue;
            };
            tried.push(now.as_second() - at(0).as_second());
            assert_eq!(outbox.note(&id, &later(None), (now, jitter), ""), Delivery::Failed);
            assert_eq!(outbox.due(now), None);
        }
    }

    #[test]
    fn pauses_grow_until_a_message_is_a_day_old() {
        let mut outbox = Outbox::default();
        outbox.put(message("a", 0));
        assert_eq!(tries(&mut outbox, 0), [0, 5, 305, 2_105, 9_305, 27_305, 63_305]);
        assert_eq!(outbox.waiting(), 0);
        let mut outbox = Outbox::default();
        outbox.put(message("a", 0));
        // With the most jitter each pause is 199 thousandths longer, and what is left of a second counts.
        assert_eq!(tries(&mut outbox, 199)[..4], [0, 5, 365, 2_523]);
    }

    #[test]
    fn a_new_message_is_tried_at_once_but_not_before_the_receiver_wants_it() {
        let mut outbox = Outbox::default();
        outbox.put(message("a", 0));
        outbox.note("a", &later(None), (at(0), 0), "");
        outbox.note("a", &later(None), (at(5), 0), "");
        outbox.put(message("b", 60));
        assert_eq!(outbox.due(at(60)).map(|message| message.id.as_str()), Some("a"), "in their order");
        outbox.note("a", &later(Some(600)), (at(60), 0), "");
        outbox.put(message("c", 61));
        assert_eq!((outbox.due(at(659)), outbox.next_at()), (None, Some(at(660))));
        for id in ["a", "b", "c"] {
            assert_eq!(outbox.due(at(660)).map(|message| message.id.as_str()), Some(id));
            assert_eq!(outbox.note(id, &delivered(), (at(660), 0), ""), Delivery::Delivered);
        }
        assert_eq!((outbox.due(at(660)), outbox.next_at(), outbox.failures), (None, None, 0));
    }

    #[test]
    fn what_a_receiver_asks_for_is_bounded_and_a_clock_that_is_set_back_stops_nothing() {
        let mut outbox = Outbox::default();
        outbox.put(message("a", 0));
        outbox.note("a", &later(Some(0)), (at(0), 0), "");
        assert_eq!(outbox.next_at(), Some(at(1)));
        outbox.note("a", &later(Some(u64::MAX)), (at(1), 0), "");
        assert_eq!(outbox.next_at(), Some(at(86_401)));
        assert_eq!(outbox.due(at(10)), None);
        assert!(outbox.due(at(-1_000_000)).is_some());
    }

    #[test]
    fn only_so_many_wait_and_what_is_refused_is_in_nobodys_way() {
        let mut outbox = Outbox::default();
        let given_up: usize = (0..14).map(|number| outbox.put(message(&number.to_string(), number))).sum();
        assert_eq!((given_up, outbox.waiting()), (4, 10));
        let refused = Answer::Refused { says: "400".to_owned() };
        assert_eq!(outbox.note("4", &refused, (at(20), 0), ""), Delivery::GivenUp);
        assert_eq!(outbox.due(at(20)).map(|message| message.id.as_str()), Some("5"));
        assert_eq!(outbox.forget_old(at(86_400 + 8)), 3, "5, 6 and 7");
        let gone = Answer::Gone { says: "410".to_owned() };
        assert_eq!(outbox.note("8", &gone, (at(30), 0), "mark"), Delivery::GivenUp);
        assert_eq!((outbox.waiting(), outbox.gone.map(|gone| gone.mark)), (0, Some("mark".to_owned())));
    }
}

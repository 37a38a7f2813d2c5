//! One turn: from what a look saw, and what waits, to messages that are sent, and a file that remembers.

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::task::JoinSet;
use unreserve_engine::report::health::{AlertPolicy, HealthReport};
use unreserve_engine::sweep::Clock;

use super::state::{self, Entered, State};
use super::{sending, state::place};
use crate::alerts::message::{About, Message};
use crate::alerts::outbox::{Answer, Outbox};
use crate::clock::{ProcessClock, utc_now};
use crate::hub::Delivery;
use crate::settings::{Channel, Settings};

/// After so long a turn begins no further message: what still waits is the next turn's.
const BEGINS: Duration = Duration::from_secs(15);

/// Where another process tells of the shop, it is looked again after so long.
const OTHERS: Duration = Duration::from_secs(30);

/// Tells of one shop.
pub(crate) struct Teller {
    channels: Vec<Channel>,
    policy: AlertPolicy,
    about: About,
    place: PathBuf,
    clock: ProcessClock,
    /// What was remembered last, for when the file cannot be read or written.
    known: State,
}

/// What a turn has to go by, and what came of it.
pub(crate) struct Turn {
    /// Every try, with its channel.
    pub(crate) tries: Vec<(String, Delivery)>,
    /// When there is something to do next; nothing where only a look can tell.
    pub(crate) next_at: Option<Timestamp>,
}

impl Teller {
    /// One that tells of this shop; nothing where there is no channel. A problem has to stand for so long before it is told
    /// where the settings say nothing else.
    pub(crate) fn new(settings: &Settings, profile: &str, after: Duration) -> Option<Self> {
        let alerts = &settings.alerts;
        if alerts.channels.is_empty() {
            return None;
        }
        let policy = AlertPolicy {
            after: alerts.after.as_ref().map_or(after, |after| after.value),
            repeat: alerts.repeat.value,
            severity: alerts.severity.value,
            ignored: alerts.ignored.as_ref().map(|ignored| ignored.value.clone()).unwrap_or_default(),
        };
        Some(Self {
            channels: alerts.channels.clone(),
            policy,
            about: about(settings, profile),
            place: place(settings),
            clock: ProcessClock::new(),
            known: State::default(),
        })
    }

    /// The names of the channels.
    pub(crate) fn names(&self) -> Vec<String> {
        self.channels.iter().map(|channel| channel.name.clone()).collect()
    }

    /// Takes a look into account, where there was one, and sends what is due. Fails in nothing: what cannot be sent or
    /// kept is told in the log.
    pub(crate) async fn turn(&mut self, report: Option<&HealthReport>) -> Turn {
        let entered = state::enter(&self.place, &self.clock).await;
        if matches!(entered, Entered::Held) {
            return Turn { tries: Vec::new(), next_at: utc_now().checked_add(OTHERS).ok() };
        }
        let mut state = state::read(&self.place).unwrap_or_else(|error| {
            tracing::warn!(event = "alerts_unkept", "cannot read `{}`: {error}", self.place.display());
            self.known.clone()
        });
        if matches!(entered, Entered::Unkept) {
            state = self.known.clone();
        }
        let now = utc_now();
        let mut tries = self.tidy(&mut state, now);
        let verdict = report.map(|report| state.memory.judge(report, &self.policy, now));
        let again_at = verdict.as_ref().and_then(|verdict| verdict.again_at);
        if let Some(digest) = verdict.and_then(|verdict| verdict.digest) {
            for channel in &self.channels {
                let Some(outbox) = state.channels.get_mut(&channel.name).filter(|outbox| outbox.gone.is_none()) else {
                    continue;
                };
                let Some(digest) = digest.at_least(channel.severity) else { continue };
                let given_up = outbox.put(Message::of(digest, self.about.clone(), now));
                tries.extend(gave_up(&channel.name, given_up, "too many waited"));
            }
        }
        // Before anything is sent: whoever is killed while sending must not forget what was told.
        self.keep(&state, report.is_some() || !tries.is_empty());
        let (_senders, mut answers) = self.send(&state, now);
        while let Some((channel, message, answer)) = answers.recv().await {
            let Some(outbox) = state.channels.get_mut(&channel.name) else { continue };
            let when = (utc_now(), self.clock.jitter());
            let result = outbox.note(&message.id, &answer, when, &sending::mark(&channel));
            log(&channel.name, &message, &answer, result);
            tries.push((channel.name, result));
            // At once: whoever is ended while another channel is slow must not send this again.
            self.keep(&state, true);
        }
        let waits = state.channels.values().filter_map(Outbox::next_at).min();
        self.known = state;
        Turn { tries, next_at: again_at.into_iter().chain(waits).min() }
    }

    /// Forgets channels that are gone from the settings, and what is no news any more; uses a channel again that leads
    /// elsewhere now.
    fn tidy(&self, state: &mut State, now: Timestamp) -> Vec<(String, Delivery)> {
        state.channels.retain(|name, _| self.channels.iter().any(|channel| channel.name == *name));
        let mut given_up = Vec::new();
        for channel in &self.channels {
            let outbox = state.channels.entry(channel.name.clone()).or_default();
            if outbox.gone.as_ref().is_some_and(|gone| gone.mark != sending::mark(channel)) {
                outbox.gone = None;
            }
            given_up.extend(gave_up(&channel.name, outbox.forget_old(now), "it waited for a day"));
        }
        given_up
    }

    fn keep(&self, state: &State, is_new: bool) {
        if !is_new {
            return;
        }
        if let Err(error) = state::write(&self.place, state) {
            tracing::warn!(event = "alerts_unkept", "cannot write `{}`: {error}", self.place.display());
        }
    }

    /// Sends what is due, each channel at its own pace, the messages of one in their order until one fails. The answers
    /// come as they are given; where the first value is dropped, nothing is sent any more.
    fn send(&self, state: &State, now: Timestamp) -> (JoinSet<()>, UnboundedReceiver<Answered>) {
        let (tell, answers) = mpsc::unbounded_channel();
        let mut senders = JoinSet::new();
        for channel in &self.channels {
            let ready = state.channels.get(&channel.name).map(|outbox| outbox.ready(now)).unwrap_or_default();
            if !ready.is_empty() {
                senders.spawn(send_all(channel.clone(), ready, tell.clone()));
            }
        }
        (senders, answers)
    }
}

/// What became of a message.
type Answered = (Channel, Message, Answer);

async fn send_all(channel: Channel, messages: Vec<Message>, tell: UnboundedSender<Answered>) {
    let clock = ProcessClock::new();
    for message in messages {
        let answer = sending::send(&channel, &message).await;
        let goes_on = matches!(answer, Answer::Delivered { .. } | Answer::Refused { .. });
        let is_heard = tell.send((channel.clone(), message, answer)).is_ok();
        if !goes_on || !is_heard || clock.elapsed() >= BEGINS {
            break;
        }
    }
}

/// What a shop's messages say of where they come from.
pub(crate) fn about(settings: &Settings, profile: &str) -> About {
    About {
        shop: settings.shop.clone(),
        profile: profile.to_owned(),
        host: gethostname::gethostname().to_string_lossy().into_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

fn gave_up(channel: &str, messages: usize, why: &str) -> Vec<(String, Delivery)> {
    if messages > 0 {
        tracing::warn!(event = "alert_given_up", channel, messages, "alerts for `{channel}` were given up: {why}");
    }
    vec![(channel.to_owned(), Delivery::GivenUp); messages]
}

fn log(channel: &str, message: &Message, answer: &Answer, result: Delivery) {
    let (title, says) = (message.title(), answer.says());
    match answer {
        Answer::Delivered { .. } => {
            tracing::info!(event = "alert_delivered", channel, alert_id = message.id, "told `{channel}`: {title}");
        }
        Answer::Later { .. } => {
            tracing::warn!(event = "alert_failed", channel, result = result.word(), "cannot tell `{channel}`: {says}");
        }
        Answer::Refused { .. } => {
            tracing::error!(event = "alert_given_up", channel, "`{channel}` refuses `{title}`: {says}");
        }
        Answer::Gone { .. } => tracing::error!(
            event = "alert_channel_gone",
            channel,
            hint = "give the channel another address, or remove it",
            "`{channel}` is gone for good, and nothing is sent there any more: {says}"
        ),
    }
}

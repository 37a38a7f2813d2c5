//! `alert test`: one message to each channel, and what each answered.

use tokio::task::JoinSet;

use super::message::Message;
use super::outbox::Answer;
use super::state::{self, Entered};
use super::telling::about;
use super::{run, sending};
use crate::clock::{ProcessClock, utc_now};
use crate::settings::{Channel, Settings};

/// A channel that was tried.
pub(crate) struct Tried {
    /// Its name.
    pub(crate) channel: String,
    /// What it is.
    pub(crate) kind: &'static str,
    /// What became of it.
    pub(crate) answer: Answer,
}

/// Sends one message to each of these channels at once. A channel that was gone for good and answers is used again.
pub(crate) async fn test(shops: &[Settings], channels: &[Channel]) -> Vec<Tried> {
    let Some(first) = shops.first() else { return Vec::new() };
    let about = about(first, &run::profile(first));
    let mut senders = JoinSet::new();
    for (place, channel) in channels.iter().enumerate() {
        let (channel, message) = (channel.clone(), Message::test(about.clone(), utc_now()));
        senders.spawn(async move {
            let answer = sending::send(&channel, &message).await;
            (place, Tried { channel: channel.name, kind: channel.target.kind(), answer })
        });
    }
    let mut tried = Vec::new();
    while let Some(sent) = senders.join_next().await {
        tried.extend(sent);
    }
    tried.sort_by_key(|(place, _)| *place);
    let tried: Vec<Tried> = tried.into_iter().map(|(_, tried)| tried).collect();
    for shop in shops {
        revive(shop, &tried).await;
    }
    tried
}

async fn revive(shop: &Settings, tried: &[Tried]) {
    let place = state::place(shop);
    let is_gone =
        |state: &state::State, name: &str| state.channels.get(name).is_some_and(|outbox| outbox.gone.is_some());
    let answers = tried.iter().filter(|tried| tried.answer.is_delivered());
    let names: Vec<&str> = answers.map(|tried| tried.channel.as_str()).collect();
    let Ok(state) = state::read(&place) else { return };
    if !names.iter().any(|name| is_gone(&state, name)) {
        return;
    }
    let Entered::Ours { .. } = state::enter(&place, &ProcessClock::new()).await else { return };
    let Ok(mut state) = state::read(&place) else { return };
    for name in names {
        if let Some(outbox) = state.channels.get_mut(name) {
            outbox.gone = None;
        }
    }
    if let Err(error) = state::write(&place, &state) {
        tracing::warn!(event = "alerts_unkept", "cannot write `{}`: {error}", place.display());
    }
}

//! Sends one message to one channel, within a bounded time.

use std::time::Duration;

use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::Value;
use sha2::{Digest, Sha256};
use unreserve_engine::sweep::Clock;

use super::http::{self, Request};
use super::{command, email, formats, webhook};
use crate::alerts::message::Message;
use crate::alerts::outbox::Answer;
use crate::clock::{self, ProcessClock};
use crate::settings::{Channel, SecretUrl, Target};

/// How long a mail may take in all.
const MAIL: Duration = Duration::from_secs(20);

/// Sends it once, and says what became of it. Never takes longer than 20 seconds, or than a command may.
pub(super) async fn send(channel: &Channel, message: &Message) -> Answer {
    let ca = channel.ca.as_deref();
    let post = |body: Value| Request { method: Method::POST, headers: Vec::new(), body: Some(body.to_string()) };
    match &channel.target {
        Target::Slack(url) => http::send(url, ca, post(formats::slack(message))).await,
        Target::Discord(url) => http::send(url, ca, post(formats::discord(message))).await,
        Target::Teams(url) => http::send(url, ca, post(formats::teams(message))).await,
        Target::Webhook { url, secret } => {
            let request = signed(message, secret.as_ref().map(ExposeSecret::expose_secret));
            http::send(url, ca, request).await
        }
        Target::Command { argv, timeout } => command::run(argv, *timeout, message).await,
        Target::Email(mail) => {
            let clock = ProcessClock::new();
            tokio::select! {
                answer = email::send(mail, ca, message) => answer,
                () = clock.sleep(MAIL) => {
                    Answer::Later { says: format!("not sent within {} s", MAIL.as_secs()), asked: None }
                }
            }
        }
    }
}

/// The generic webhook's request. The time is that of the try, as receivers refuse what is old.
fn signed(message: &Message, secret: Option<&str>) -> Request {
    let body = webhook::body(message).to_string();
    let second = clock::utc_now().as_second();
    let mut headers = vec![("webhook-id", message.id.clone()), ("webhook-timestamp", second.to_string())];
    let signature = secret.and_then(|secret| webhook::signature(secret, &message.id, second, &body));
    headers.extend(signature.map(|signature| ("webhook-signature", signature)));
    Request { method: Method::POST, headers, body: Some(body) }
}

/// What tells where a channel leads, without telling it. A channel that leads elsewhere is another one.
pub(super) fn mark(channel: &Channel) -> String {
    let place = match &channel.target {
        Target::Slack(url) | Target::Discord(url) | Target::Teams(url) | Target::Webhook { url, .. } => {
            SecretUrl::expose(url).to_owned()
        }
        Target::Email(email) => format!("{}:{}", email.host, email.port),
        Target::Command { argv, .. } => argv.join("\n"),
    };
    let hash = Sha256::digest(place.as_bytes());
    hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

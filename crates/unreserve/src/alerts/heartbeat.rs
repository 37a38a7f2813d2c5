//! A dead man's switch: somebody else who notices when we fall silent.

use std::time::Duration;

use reqwest::{Method, Url};
use tokio::task::JoinHandle;
use unreserve_engine::sweep::Clock;

use super::http::{self, Request};
use crate::alerts::outbox::Answer;
use crate::clock::ProcessClock;
use crate::settings::{Scheme, SecretUrl};

/// How often a call is tried.
const TRIES: u32 = 3;

/// Between two tries.
const PAUSE: Duration = Duration::from_secs(1);

/// What a call says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beat {
    /// A sweep begins.
    Start,
    /// A sweep came to its end.
    Success,
    /// A sweep did not, or there can be none.
    Fail,
}

/// Calls the address, three times at most, each within 10 seconds. What fails is told in the log and changes nothing.
pub(crate) async fn call(url: &SecretUrl, beat: Beat) {
    let Some(place) = place(url, beat) else { return };
    let clock = ProcessClock::new();
    for left in (0..TRIES).rev() {
        let request = Request { method: Method::GET, headers: Vec::new(), body: None };
        let answer = http::send(&place, None, request).await;
        let says = match answer {
            Answer::Delivered { .. } => return,
            Answer::Later { says, .. } | Answer::Refused { says } | Answer::Gone { says } => says,
        };
        if left == 0 {
            tracing::warn!(event = "heartbeat_failed", "the heartbeat `{url}` was not heard: {says}");
            return;
        }
        clock.sleep(PAUSE).await;
    }
}

/// The address of a call: the word is the last part of its path, whatever comes behind it.
fn place(url: &SecretUrl, beat: Beat) -> Option<SecretUrl> {
    let word = match beat {
        Beat::Start => "start",
        Beat::Success => return Some(url.clone()),
        Beat::Fail => "fail",
    };
    let mut whole = Url::parse(url.expose()).ok()?;
    whole.path_segments_mut().ok()?.pop_if_empty().push(word);
    SecretUrl::parse(whole.as_str(), Scheme::Any).ok()
}

/// Calls around one sweep: the first beside it, the second when it has ended.
#[derive(Debug)]
pub(crate) struct Around {
    url: SecretUrl,
    first: JoinHandle<()>,
}

impl Around {
    /// Says that a sweep begins, and delays it by nothing.
    pub(crate) fn begin(url: &SecretUrl) -> Self {
        let of_task = url.clone();
        Self { url: url.clone(), first: tokio::spawn(async move { call(&of_task, Beat::Start).await }) }
    }

    /// Says how it ended.
    pub(crate) async fn end(self, beat: Beat) {
        // What was not heard yet would only be mistaken for the beginning of another one.
        self.first.abort();
        drop(self.first.await);
        call(&self.url, beat).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_stands_behind_the_path_and_before_the_question() {
        let check = |text: &str, beat, expected: &str| {
            let url = SecretUrl::parse(text, Scheme::Any).unwrap();
            assert_eq!(place(&url, beat).unwrap().expose(), expected);
        };
        check("https://hc-ping.com/a1b2", Beat::Start, "https://hc-ping.com/a1b2/start");
        check("https://hc-ping.com/a1b2/", Beat::Fail, "https://hc-ping.com/a1b2/fail");
        check("https://hc-ping.com/a1b2", Beat::Success, "https://hc-ping.com/a1b2");
        check("https://h/push/x?status=up", Beat::Fail, "https://h/push/x/fail?status=up");
    }
}

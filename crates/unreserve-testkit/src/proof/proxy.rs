//! A TCP proxy that watches what the client says, and breaks the connection at a chosen word.
//!
//! Every statement of ours begins with its name in a comment, whatever the protocol around it is.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::failure::{Failure, present};

/// What happens at the chosen word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// It is passed on a little later.
    Delay(Duration),
    /// It is passed on in pieces of a few bytes, and so is everything after it.
    Slice,
    /// Both sides are cut off, and the server never hears it.
    CutBefore,
    /// The server hears it, and the client is cut off before the answer.
    CutAfter,
    /// The server never hears it, and the client hears nothing more, on a connection that stays.
    Silence,
    /// The server hears it, and the answer never comes, on a connection that stays.
    HoldAnswer,
}

/// Where a connection breaks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Break {
    /// Only after this was said on the same connection, so that a common word is met at the right moment.
    pub(super) behind: &'static str,
    /// The word; any first word where it is empty.
    pub(super) word: &'static str,
    /// How many times the word is let pass before.
    pub(super) passed: u64,
    pub(super) action: Action,
}

#[derive(Default)]
struct State {
    armed: Mutex<Option<Break>>,
    broke: Notify,
}

/// A proxy.
pub(super) struct Proxy {
    address: SocketAddr,
    state: Arc<State>,
    close: Arc<Notify>,
    tasks: JoinSet<()>,
}

impl Proxy {
    /// A proxy in front of a server.
    pub(super) async fn to(server: SocketAddr) -> Result<Self, Failure> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(State::default());
        let mut tasks = JoinSet::new();
        let close = Arc::new(Notify::new());
        tasks.spawn(accept(listener, server, Arc::clone(&state), Arc::clone(&close)));
        Ok(Self { address, state, close, tasks })
    }

    /// The address of a shop, through this proxy.
    pub(super) fn url(&self, url: &str) -> Result<String, Failure> {
        let server = server_of(url)?;
        Ok(url.replacen(&server.to_string(), &self.address.to_string(), 1))
    }

    /// Breaks the next connection that comes to this place, once.
    pub(super) fn arm(&self, armed: Break) {
        *self.state.armed.lock().unwrap_or_else(PoisonError::into_inner) = Some(armed);
    }

    /// Whether the break is still to come.
    pub(super) fn is_armed(&self) -> bool {
        self.state.armed.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Closes whatever it holds open, and returns when that is done.
    pub(super) async fn close(mut self) {
        self.close.notify_one();
        while self.tasks.join_next().await.is_some() {}
    }

    /// Waits for the break.
    pub(super) async fn broke(&self) {
        self.state.broke.notified().await;
    }
}

/// The server in an address: `scheme://user@HOST:PORT/…`.
pub(super) fn server_of(url: &str) -> Result<SocketAddr, Failure> {
    let authority = url.split_once("://").and_then(|(_, rest)| rest.split('/').next());
    let server = authority.and_then(|authority| authority.rsplit('@').next()).and_then(|host| host.parse().ok());
    present(server, "server in the shop's address")
}

async fn accept(listener: TcpListener, server: SocketAddr, state: Arc<State>, close: Arc<Notify>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = close.notified() => break,
            accepted = listener.accept() => {
                if let Ok((client, _)) = accepted {
                    connections.spawn(connection(client, server, Arc::clone(&state)));
                }
            }
        }
    }
    connections.shutdown().await;
}

async fn connection(client: TcpStream, server: SocketAddr, state: Arc<State>) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    // Latency is what the proxy is told to add, not what it adds.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let hold = Arc::new(Notify::new());
    // Where one direction ends, so does the other; a direction that is held does not end.
    tokio::select! {
        () = asks(from_client, to_server, state, Arc::clone(&hold)) => {}
        () = answers(from_server, to_client, hold) => {}
    }
}

/// Passes the server's answers on until they are held.
async fn answers(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, hold: Arc<Notify>) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = tokio::select! {
            biased;
            () = hold.notified() => return std::future::pending().await,
            read = from.read(&mut buffer) => read.unwrap_or(0),
        };
        let Some(answer) = buffer.get(..read).filter(|answer| !answer.is_empty()) else { return };
        if to.write_all(answer).await.is_err() {
            return;
        }
    }
}

/// Passes the client's words on, up to the break.
async fn asks(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, state: Arc<State>, hold: Arc<Notify>) {
    let mut buffer = vec![0; 64 * 1024];
    let mut said: Vec<u8> = Vec::new();
    let mut sliced = false;
    loop {
        let read = from.read(&mut buffer).await.unwrap_or(0);
        let Some(words) = buffer.get(..read).filter(|words| !words.is_empty()) else { return };
        let action = state.meets(&said, words);
        said.extend_from_slice(words);
        match action {
            Some(Action::CutBefore) => return,
            Some(Action::Silence) => {
                hold.notify_one();
                return std::future::pending().await;
            }
            Some(Action::HoldAnswer) => {
                hold.notify_one();
                // The other direction must hold before an answer can come.
                tokio::task::yield_now().await;
                let _ = to.write_all(words).await;
                return std::future::pending().await;
            }
            Some(Action::CutAfter) => {
                hold.notify_one();
                tokio::task::yield_now().await;
                let _ = to.write_all(words).await;
                // The server is to read it before it sees the end.
                tokio::time::sleep(Duration::from_millis(5)).await;
                return;
            }
            Some(Action::Delay(delay)) => tokio::time::sleep(delay).await,
            Some(Action::Slice) => sliced = true,
            None => {}
        }
        let piece = if sliced { 7 } else { words.len() };
        for part in words.chunks(piece) {
            if to.write_all(part).await.is_err() {
                return;
            }
            if sliced {
                tokio::task::yield_now().await;
            }
        }
    }
}

impl State {
    /// What is to happen at these words; the break is over then.
    fn meets(&self, said: &[u8], words: &[u8]) -> Option<Action> {
        let mut armed = self.armed.lock().unwrap_or_else(PoisonError::into_inner);
        let place = armed.as_mut()?;
        let contains =
            |text: &[u8], word: &str| word.is_empty() || text.windows(word.len()).any(|part| part == word.as_bytes());
        let together = [said, words].concat();
        if !contains(&together, place.behind) || !contains(words, place.word) {
            return None;
        }
        if place.passed > 0 {
            place.passed -= 1;
            return None;
        }
        let action = place.action;
        *armed = None;
        self.broke.notify_one();
        Some(action)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKED: Break = Break { behind: "append", word: "COMMIT", passed: 1, action: Action::Slice };

    #[test]
    fn meets_the_word_only_behind_the_other_and_only_once() {
        let state = State { armed: Mutex::new(Some(ASKED)), ..State::default() };
        assert_eq!(state.meets(b"", b"COMMIT"), None);
        assert_eq!(state.meets(b"an append", b"COMMIT"), None);
        assert_eq!(state.meets(b"an append", b"SELECT"), None);
        assert_eq!(state.meets(b"an append", b"a COMMIT;"), Some(Action::Slice));
        assert_eq!(state.meets(b"an append", b"COMMIT"), None);
    }

    #[test]
    fn finds_the_server_in_an_address() {
        assert_eq!(server_of("db://a:b@127.0.0.1:5/x?y").unwrap().port(), 5);
        assert!(server_of("file:///shop.db").is_err());
    }

    #[tokio::test]
    async fn passes_on_until_it_breaks_and_closes_what_it_held() {
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let proxy = Proxy::to(server.local_addr().unwrap()).await.unwrap();
        let mut client = TcpStream::connect(proxy.address).await.unwrap();
        client.write_all(b"hello").await.unwrap();
        let (mut served, _) = server.accept().await.unwrap();
        let mut heard = [0; 5];
        served.read_exact(&mut heard).await.unwrap();
        served.write_all(b"world").await.unwrap();
        client.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"world");
        proxy.arm(Break { behind: "hello", word: "bye", passed: 0, action: Action::CutBefore });
        client.write_all(b"bye").await.unwrap();
        proxy.broke().await;
        assert_eq!(client.read(&mut heard).await.unwrap_or(0), 0);
        assert_eq!(served.read(&mut heard).await.unwrap_or(0), 0);
    }
}

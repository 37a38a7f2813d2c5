//! An HTTP receiver that answers what a test has written down, and keeps what it was sent.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use crate::wait::until;

/// What a request is answered with.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// A status, headers and a body.
    Status(u16, &'static [(&'static str, &'static str)], &'static str),
    /// The request is sent on elsewhere.
    Redirect(String),
    /// Nothing, ever.
    Silence,
}

/// `200` with a short body.
pub(crate) const OK: Reply = Reply::Status(200, &[], "ok");

/// What was sent.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Request {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// A header's text.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name} in {self:?}")).to_str().unwrap()
    }
}

#[derive(Default)]
struct Shared {
    replies: VecDeque<Reply>,
    requests: Vec<Request>,
    /// Connections that are never answered; they are closed with this value.
    silent: Vec<TcpStream>,
}

/// Listens until the test program ends.
pub(crate) struct Receiver {
    port: u16,
    shared: Arc<Mutex<Shared>>,
}

impl Receiver {
    /// One that gives these answers, one a request, and then `200` for ever.
    pub(crate) fn start(replies: impl IntoIterator<Item = Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Mutex::new(Shared { replies: replies.into_iter().collect(), ..Shared::default() }));
        let of_thread = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                // A client that goes away is its own business.
                drop(serve(stream.unwrap(), &of_thread));
            }
        });
        Self { port, shared }
    }

    /// An address there, with a part that nobody may be told.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook/hunter2", self.port)
    }

    /// Writes down what comes next.
    pub(crate) fn then(&self, replies: impl IntoIterator<Item = Reply>) {
        self.shared.lock().unwrap().replies = replies.into_iter().collect();
    }

    /// What was sent so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.shared.lock().unwrap().requests.clone()
    }

    /// Waits until so many requests have come.
    #[track_caller]
    pub(crate) fn wait_for(&self, count: usize) -> Vec<Request> {
        until("the receiver was called", Duration::from_secs(60), || self.requests().len() >= count);
        self.requests()
    }
}

fn serve(stream: TcpStream, shared: &Mutex<Shared>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut headers = HeaderMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    let length = headers.get("content-length").map_or(0, |length| length.to_str().unwrap().parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let body = String::from_utf8(body).unwrap();
    let reply = {
        let mut shared = shared.lock().unwrap();
        let reply = shared.replies.pop_front().unwrap_or(OK);
        if matches!(reply, Reply::Silence) {
            shared.silent.push(stream.try_clone()?);
        }
        shared.requests.push(Request { path, headers, body });
        reply
    };
    let mut stream = stream;
    match reply {
        Reply::Silence => Ok(()),
        Reply::Redirect(to) => {
            write!(stream, "HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        }
        Reply::Status(status, headers, body) => {
            write!(stream, "HTTP/1.1 {status} Said\r\ncontent-length: {}\r\nconnection: close\r\n", body.len())?;
            for (name, value) in headers {
                write!(stream, "{name}: {value}\r\n")?;
            }
            write!(stream, "\r\n{body}")
        }
    }
}

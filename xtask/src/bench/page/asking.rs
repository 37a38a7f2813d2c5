//! Serves the page in a process of its own, and asks it as a browser does.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::Asked;
use crate::bench::BenchError;

/// Nobody waits longer for the page to be there.
const BEGINS: Duration = Duration::from_secs(30);

/// The page, served until this is dropped.
pub(crate) struct Page {
    child: Child,
    port: u16,
}

impl Drop for Page {
    fn drop(&mut self) {
        // It may have ended by itself; there is nothing to be told either way.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An answer.
struct Answer {
    status: u16,
    body: Vec<u8>,
    took: Duration,
}

#[expect(clippy::disallowed_methods, reason = "measuring is what this command is for")]
fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "an answer that is kept has to grow old before it is measured again")]
fn pause(time: Duration) {
    std::thread::sleep(time);
}

fn failed(path: &str, text: impl Into<String>) -> BenchError {
    BenchError::Process { name: format!("unreserve dashboard, asked for {path}"), text: text.into() }
}

impl Page {
    /// Serves one shop.
    pub(crate) fn serve(program: &Path, directory: &Path, url: &str) -> Result<Self, BenchError> {
        std::fs::create_dir_all(directory).map_err(BenchError::file(directory))?;
        // The port is free when it is given back, and nobody else on this machine asks for one by its number.
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = port.map_err(BenchError::file(Path::new("127.0.0.1")))?.port();
        let file = directory.join("page.toml");
        let settings = format!(
            "database_url = {url:?}\nprofile = \"malikli\"\nstate_dir = \"state\"\n[web]\nlisten = \"127.0.0.1:{port}\"\n"
        );
        std::fs::write(&file, settings).map_err(BenchError::file(&file))?;
        let mut command = Command::new(program);
        command.args(["dashboard", "--config"]).arg(&file).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().map_err(BenchError::file(program))?;
        let page = Self { child, port };
        let began = now();
        while began.elapsed() < BEGINS {
            if page.ask("/livez").is_ok_and(|answer| answer.status == 200) {
                return Ok(page);
            }
            pause(Duration::from_millis(20));
        }
        Err(failed("/livez", "it did not begin"))
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn ask(&self, path: &str) -> Result<Answer, BenchError> {
        let exchange = || -> std::io::Result<(Vec<u8>, Duration)> {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
            let request = format!(
                "GET {path} HTTP/1.1\r\nHost: localhost:{}\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n",
                self.port
            );
            let began = now();
            stream.write_all(request.as_bytes())?;
            let mut answer = Vec::new();
            match stream.read_to_end(&mut answer) {
                // Whoever is cut off after everything was said has everything.
                Err(error) if error.kind() != ErrorKind::ConnectionReset => return Err(error),
                _ => {}
            }
            Ok((answer, began.elapsed()))
        };
        let (answer, took) = exchange().map_err(|error| failed(path, error.to_string()))?;
        let head = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(answer.len());
        let status = String::from_utf8_lossy(answer.get(..head).unwrap_or_default());
        let status = status.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        let body = answer.get(head.saturating_add(4)..).unwrap_or_default().to_vec();
        Ok(Answer { status, body, took })
    }

    /// Asks for an address until its kept answer has grown old each time.
    pub(super) fn ask_often(&self, path: &str, rest: Duration, rounds: u32) -> Result<Asked, BenchError> {
        let mut took = Vec::new();
        let mut bytes = 0;
        for _ in 0..=rounds {
            let answer = self.ask(path)?;
            if answer.status != 200 {
                return Err(failed(path, format!("{}: {}", answer.status, String::from_utf8_lossy(&answer.body))));
            }
            bytes = answer.body.len();
            took.push(answer.took);
            pause(rest);
        }
        let first = took.remove(0);
        Ok(Asked {
            name: path.split_once("&after=").map_or_else(|| path.to_owned(), |(path, _)| format!("{path}&after=…")),
            first,
            took,
            bytes,
        })
    }

    /// A place among the sweeps that is far behind the newest.
    pub(super) fn place_far_back(&self, sweeps: u32) -> Result<String, BenchError> {
        let path = "/api/v1/sweeps?limit=200";
        let (mut after, mut left) = (String::new(), sweeps.checked_div(400).unwrap_or(1).clamp(1, 90));
        while left > 0 {
            let answer = self.ask_plain(&format!("{path}{after}"))?;
            let next = answer.get("next").and_then(serde_json::Value::as_str);
            let Some(next) = next else { break };
            after = format!("&after={next}");
            left = left.saturating_sub(1);
        }
        Ok(after.trim_start_matches("&after=").to_owned())
    }

    /// Asks for JSON that is not compressed.
    fn ask_plain(&self, path: &str) -> Result<serde_json::Value, BenchError> {
        let mut text = Vec::new();
        let exchange = TcpStream::connect(("127.0.0.1", self.port)).and_then(|mut stream| {
            let request = format!("GET {path} HTTP/1.0\r\nHost: localhost:{}\r\n\r\n", self.port);
            stream.write_all(request.as_bytes())?;
            stream.read_to_end(&mut text)
        });
        exchange.map_err(|error| failed(path, error.to_string()))?;
        let head = text.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(0);
        let body = text.get(head.saturating_add(4)..).unwrap_or_default();
        serde_json::from_slice(body).map_err(|error| failed(path, error.to_string()))
    }

    /// The overview with everything it loads, in bytes on the way.
    pub(super) fn first_load(&self) -> Result<usize, BenchError> {
        let page = self.ask("/")?;
        let mut plain = Vec::new();
        let exchange = TcpStream::connect(("127.0.0.1", self.port)).and_then(|mut stream| {
            write!(stream, "GET / HTTP/1.0\r\nHost: localhost:{}\r\n\r\n", self.port)?;
            stream.read_to_end(&mut plain)
        });
        exchange.map_err(|error| failed("/", error.to_string()))?;
        let mut sum = page.body.len();
        let mut open: Vec<String> = assets(&String::from_utf8_lossy(&plain));
        let mut seen = BTreeSet::new();
        while let Some(path) = open.pop() {
            if seen.insert(path.clone()) {
                sum = sum.saturating_add(self.ask(&path)?.body.len());
            }
        }
        Ok(sum)
    }
}

/// The addresses of what a page loads.
fn assets(html: &str) -> Vec<String> {
    let quoted = html.split('"').skip(1).step_by(2);
    let mut assets: Vec<String> = quoted.filter(|text| text.starts_with("/assets/")).map(str::to_owned).collect();
    assets.sort();
    assets.dedup();
    assets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_a_page_loads() {
        let html = r#"<link rel="stylesheet" href="/assets/1a/page.css"><a href="/sweeps"><script src="/assets/2b/page.js"></script><img src="/assets/1a/page.css">"#;
        assert_eq!(assets(html), ["/assets/1a/page.css", "/assets/2b/page.js"]);
    }
}

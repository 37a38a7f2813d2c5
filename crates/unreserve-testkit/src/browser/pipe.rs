//! The two pipes to the browser: commands into the one, answers and events out of the other, each ended by a zero.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::BrowserError;

/// The browser reads from its third and writes to its fourth file. Where the pipe is closed, it ends by itself.
const SCRIPT: &str = "exec \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1";

/// No window, nothing remembered, nothing asked of anybody outside, and the same picture on every machine.
const FLAGS: [&str; 20] = [
    "--headless=new",
    "--remote-debugging-pipe",
    // Whoever runs tests as root has no sandbox; what is shown here is ours.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--disable-features=Translate,OptimizationHints,MediaRouter,DialMediaRouteProvider",
    "--hide-scrollbars",
    "--mute-audio",
    "--force-color-profile=srgb",
    "--font-render-hinting=none",
];

/// A browser that listens, and its directory.
#[derive(Debug)]
pub(super) struct Pipe {
    process: Child,
    commands: Option<ChildStdin>,
    /// Never locked: the mutex only lets a browser stand in a static.
    messages: Mutex<Receiver<Value>>,
    sent: u64,
    _directory: TempDir,
}

impl Pipe {
    pub(super) fn start(program: &Path) -> Result<Self, BrowserError> {
        let failed = |action| move |source| BrowserError::Process { action, source };
        let directory = tempfile::tempdir().map_err(failed("make a directory for"))?;
        let mut process = Command::new("sh")
            .args(["-c", SCRIPT, "unreserve-test-browser"])
            .arg(program)
            .args(FLAGS)
            .arg(format!("--user-data-dir={}", directory.path().display()))
            .arg("about:blank")
            .env("HOME", directory.path())
            .env("TZ", "Europe/Berlin")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(failed("start"))?;
        let commands = process.stdin.take();
        let (sender, messages) = channel();
        if let Some(output) = process.stdout.take() {
            let read = move || {
                let pieces = BufReader::new(output).split(0).map_while(Result::ok);
                let mut values = pieces.filter_map(|piece| serde_json::from_slice(&piece).ok());
                // The listener may go first.
                values.try_for_each(|value| sender.send(value)).unwrap_or_default();
            };
            std::thread::Builder::new().name("browser".to_owned()).spawn(read).map_err(failed("listen to"))?;
        }
        Ok(Self { process, commands, messages: Mutex::new(messages), sent: 0, _directory: directory })
    }

    /// Sends a command, to the page where there is one; gives the number by which the answer is known.
    pub(super) fn send(&mut self, command: &str, parameters: &Value, session: &str) -> Result<u64, BrowserError> {
        self.sent = self.sent.saturating_add(1);
        let mut message = json!({ "id": self.sent, "method": command, "params": parameters });
        let is_for_page = !session.is_empty() && !command.starts_with("Target.");
        if let Some(message) = message.as_object_mut().filter(|_| is_for_page) {
            message.insert("sessionId".to_owned(), json!(session));
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        let written = match &mut self.commands {
            Some(pipe) => pipe.write_all(&bytes).and_then(|()| pipe.flush()),
            None => Err(std::io::ErrorKind::BrokenPipe.into()),
        };
        written.map_err(|source| BrowserError::Process { action: "write to", source })?;
        Ok(self.sent)
    }

    /// The next answer or event; nothing where none comes in time, or the browser has ended.
    pub(super) fn next(&mut self, patience: Duration) -> Option<Value> {
        self.messages.get_mut().unwrap_or_else(PoisonError::into_inner).recv_timeout(patience).ok()
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        self.commands = None;
        // It ends by itself once the pipe is closed; where it hangs it is killed, so that its directory can be removed.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

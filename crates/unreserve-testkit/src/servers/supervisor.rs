//! Starts the shell that watches over a server and outlives us, and speaks to it.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::ServerError;
use super::account::Account;

const SCRIPT: &str = include_str!("supervise.sh");

/// How many lines of the server's log an error shows.
const LOG_LINES_SHOWN: usize = 15;

/// How long preparing, starting or ending may take at most, in looks of [`LOOK`] each: one minute.
pub(super) const LOOKS_MAX: u32 = 3_000;

/// The pause between two looks whether the server answers.
pub(super) const LOOK: Duration = Duration::from_millis(20);

/// What the shell reports, one line each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// The command that prepares the server has ended with this status.
    Prepared(u32),
    /// The server runs as this process.
    Started(u32),
    /// The server has ended with this status, as a shell counts it.
    Ended(u32),
}

/// How a running server is to end while its directory stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// SIGKILL: as if the machine's power were cut for this one process.
    Kill,
    /// SIGINT: the server disconnects everybody and writes everything down.
    Orderly,
}

/// What to run, and where.
pub(super) struct Task {
    /// Removed with everything in it at the end.
    pub(super) directory: PathBuf,
    /// Runs once, before the first start.
    pub(super) prepare: Vec<String>,
    /// Runs at each start, and stays in the foreground.
    pub(super) run: Vec<String>,
    /// The account to run all of it as, where it is not ours.
    pub(super) account: Option<Account>,
}

/// The shell that watches over one server. When it is dropped, or when this process ends in whatever way, the server ends
/// and its directory is removed.
#[derive(Debug)]
pub(super) struct Supervisor {
    shell: Child,
    orders: Option<ChildStdin>,
    /// Never locked: the mutex only lets a server stand in a static.
    events: Mutex<Receiver<Event>>,
    directory: PathBuf,
}

impl Supervisor {
    pub(super) fn start(task: Task) -> Result<Self, ServerError> {
        let mut command = Command::new("sh");
        command
            .args(["-c", SCRIPT, "unreserve-test-server"])
            .arg(&task.directory)
            .arg(shell_line(&task.prepare))
            .args(&task.run)
            .current_dir(&task.directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Not ours: whoever reads our standard error to its end would wait for the server.
            .stderr(Stdio::null())
            // A group of its own: a signal to the starter's group must not reach the watcher.
            .process_group(0);
        for (name, _) in std::env::vars_os() {
            if name.as_encoded_bytes().starts_with(b"PG") {
                command.env_remove(name);
            }
        }
        if let Some(account) = task.account {
            command.uid(account.user).gid(account.group);
        }
        let supervisor = |action| move |source| ServerError::Supervisor { action, source };
        let mut shell = command.spawn().map_err(supervisor("start"))?;
        let orders = shell.stdin.take();
        let events = shell.stdout.take().map(listen).transpose()?;
        Ok(Self {
            shell,
            orders,
            events: Mutex::new(events.ok_or(ServerError::ThreadEnded)?),
            directory: task.directory,
        })
    }

    pub(super) fn order_start(&mut self) -> Result<(), ServerError> {
        self.order("start\n")
    }

    pub(super) fn order_end(&mut self, ending: Ending) -> Result<(), ServerError> {
        self.order(match ending {
            Ending::Kill => "KILL\n",
            Ending::Orderly => "INT\n",
        })
    }

    fn order(&mut self, line: &str) -> Result<(), ServerError> {
        let written = match &mut self.orders {
            Some(pipe) => pipe.write_all(line.as_bytes()),
            None => Err(std::io::ErrorKind::BrokenPipe.into()),
        };
        written.map_err(|source| ServerError::Supervisor { action: "write to", source })
    }

    /// The next event, or `None` when `patience` has passed without one. This is also the pause between two looks.
    pub(super) fn next_event(&mut self, patience: Duration) -> Result<Option<Event>, ServerError> {
        let events = self.events.get_mut().unwrap_or_else(PoisonError::into_inner);
        match events.recv_timeout(patience) {
            Ok(event) => Ok(Some(event)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(self.failure("lost its watcher")),
        }
    }

    /// Waits for the one event that `wanted` accepts; any other event, or none in time, is an error.
    pub(super) fn wait_for<T>(&mut self, what: &str, wanted: impl Fn(Event) -> Option<T>) -> Result<T, ServerError> {
        for _ in 0..LOOKS_MAX {
            if let Some(event) = self.next_event(LOOK)? {
                return wanted(event).ok_or_else(|| self.failure(format!("reported {event:?}")));
            }
        }
        Err(self.failure(format!("did not {what}")))
    }

    /// The error that says `what` happened and shows the end of the log.
    pub(super) fn failure(&self, what: impl Into<String>) -> ServerError {
        ServerError::Server { what: what.into(), log: end_of_log(&self.directory) }
    }

    /// Ends the server, waits for it, and removes its directory. Calling it again does nothing.
    pub(super) fn end(&mut self) {
        self.orders = None;
        // The shell ends by itself once the pipe is closed; its status says nothing that anybody could act on.
        drop(self.shell.wait());
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.end();
    }
}

/// Quotes a command's words so that a shell reads exactly them.
fn shell_line(words: &[String]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("'{}'", word.replace('\'', r"'\''"))).collect();
    quoted.join(" ")
}

/// Reads the shell's lines in a thread, so that waiting for one can be given up.
fn listen(output: ChildStdout) -> Result<Receiver<Event>, ServerError> {
    let (sender, receiver) = channel();
    std::thread::Builder::new()
        .name("server events".to_owned())
        .spawn(move || {
            BufReader::new(output)
                .lines()
                .map_while(Result::ok)
                .filter_map(|line| parse_event(&line))
                .try_for_each(|event| sender.send(event))
                // The listener may go first.
                .unwrap_or_default();
        })
        .map_err(ServerError::Thread)?;
    Ok(receiver)
}

fn parse_event(line: &str) -> Option<Event> {
    let (word, number) = line.split_once(' ')?;
    let number = number.parse().ok()?;
    match word {
        "prepared" => Some(Event::Prepared(number)),
        "started" => Some(Event::Started(number)),
        "ended" => Some(Event::Ended(number)),
        _ => None,
    }
}

fn end_of_log(directory: &Path) -> String {
    let log = std::fs::read(directory.join("server.log")).unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    let mut lines: Vec<&str> = log.lines().rev().take(LOG_LINES_SHOWN).collect();
    lines.reverse();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    fn start(prepare: &[&str], run: &[&str]) -> (Supervisor, PathBuf) {
        let directory = tempfile::tempdir().unwrap().keep();
        let task = Task {
            directory: directory.clone(),
            prepare: prepare.iter().map(ToString::to_string).collect(),
            run: run.iter().map(ToString::to_string).collect(),
            account: None,
        };
        (Supervisor::start(task).unwrap(), directory)
    }

    #[test]
    fn prepares_starts_ends_and_starts_again() {
        let (mut supervisor, directory) = start(&["touch", "it's prepared"], &["sleep", "1000"]);
        assert_eq!(supervisor.next_event(PATIENCE).unwrap(), Some(Event::Prepared(0)));
        assert!(directory.join("it's prepared").exists());
        for _ in 0..2 {
            supervisor.order_start().unwrap();
            let started = supervisor.next_event(PATIENCE).unwrap();
            assert!(matches!(started, Some(Event::Started(_))), "{started:?}");
            supervisor.order_end(Ending::Kill).unwrap();
            let ended = supervisor.next_event(PATIENCE).unwrap();
            assert_eq!(ended, Some(Event::Ended(137)));
        }
        drop(supervisor);
        assert!(!directory.exists());
    }

    #[test]
    fn tells_when_preparing_failed_and_shows_the_log() {
        let (mut supervisor, _) = start(&["sh", "-c", "echo no luck; exit 3"], &["true"]);
        assert_eq!(supervisor.next_event(PATIENCE).unwrap(), Some(Event::Prepared(3)));
        assert!(supervisor.failure("did not start").to_string().ends_with("\nno luck"));
    }

    #[test]
    fn tells_when_the_server_ends_by_itself() {
        let (mut supervisor, directory) = start(&["true"], &["sh", "-c", "exit 7"]);
        supervisor.order_start().unwrap();
        let mut events = Vec::new();
        while let Some(event) = supervisor.next_event(PATIENCE).unwrap() {
            events.push(event);
            if matches!(event, Event::Ended(_)) {
                break;
            }
        }
        assert_eq!(events.last(), Some(&Event::Ended(7)));
        drop(supervisor);
        assert!(!directory.exists());
    }
}

//! A program of this machine's: the message as JSON on its stdin and in variables, no shell, and a bounded time.

use std::io::{self, Read, Write};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use unreserve_engine::model::write_duration;
use unreserve_engine::sweep::Clock;

use super::http::in_one_line;
use super::webhook;
use crate::alerts::message::Message;
use crate::alerts::outbox::Answer;
use crate::clock::{self, ProcessClock};

/// What a program may know of our environment: never where the shop's database is.
const HANDED_ON: [&str; 13] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "XDG_RUNTIME_DIR",
    "DBUS_SESSION_BUS_ADDRESS",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "SystemRoot",
];

/// More of what it says on stderr is not told.
const STDERR_BYTES_MAX: usize = 400;

/// At most so many pieces of what it says are read at one look.
#[cfg(unix)]
const PIECES: usize = 256;

/// Between two looks whether it has ended.
const LOOK: Duration = Duration::from_millis(20);

/// Runs it once, and says what became of it. It runs on a thread of its own.
pub(super) async fn run(argv: &[String], timeout: Duration, message: &Message) -> Answer {
    let Some(command) = command(argv, message) else {
        return Answer::Refused { says: "there is no program".to_owned() };
    };
    let (name, body) = (argv.first().cloned().unwrap_or_default(), webhook::body(message).to_string());
    let ran = tokio::task::spawn_blocking(move || attend(command, body.into_bytes(), timeout)).await;
    match ran {
        Ok(Ok((Some(status), _))) if status.success() => Answer::Delivered { says: format!("`{name}` ended with 0") },
        Ok(Ok((Some(status), said))) => {
            let said = if said.is_empty() { String::new() } else { format!(": {said}") };
            let with = status.code().map_or_else(|| status.to_string(), |code| code.to_string());
            Answer::Later { says: format!("`{name}` ended with {with}{said}"), asked: None }
        }
        Ok(Ok((None, _))) => {
            let says = format!("`{name}` did not end within {}, and was ended", write_duration(timeout));
            Answer::Later { says, asked: None }
        }
        Ok(Err(error)) => Answer::Later { says: format!("cannot run `{name}`: {error}"), asked: None },
        Err(error) => Answer::Later { says: format!("`{name}` was broken off: {error}"), asked: None },
    }
}

fn command(argv: &[String], message: &Message) -> Option<Command> {
    let (program, arguments) = argv.split_first()?;
    let mut command = Command::new(program);
    command.args(arguments).env_clear();
    command.envs(HANDED_ON.into_iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
    command
        .env("UNRESERVE_ALERT_ID", &message.id)
        .env("UNRESERVE_ALERT_TYPE", message.kind.word())
        .env("UNRESERVE_ALERT_SHOP", message.about.shop())
        .env("UNRESERVE_ALERT_STATUS", message.status())
        .env("UNRESERVE_ALERT_TITLE", message.title().replace('\0', " "))
        .env("UNRESERVE_ALERT_TEXT", message.text().replace('\0', " "));
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    alone(&mut command);
    Some(command)
}

/// In a group of its own, so that what it starts ends with it.
#[cfg(unix)]
fn alone(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    command.process_group(0);
}

#[cfg(not(unix))]
fn alone(_command: &mut Command) {}

/// Its status, or nothing where it took too long, and the beginning of what it said on stderr.
fn attend(mut command: Command, body: Vec<u8>, timeout: Duration) -> io::Result<(Option<ExitStatus>, String)> {
    let mut child = command.spawn()?;
    match follow(&mut child, body, timeout) {
        Ok((status, said)) => Ok((status, in_one_line(&String::from_utf8_lossy(&said)))),
        Err(error) => {
            // Nobody looks after it any more.
            end(&mut child);
            drop(child.wait());
            Err(error)
        }
    }
}

fn follow(child: &mut Child, body: Vec<u8>, timeout: Duration) -> io::Result<(Option<ExitStatus>, Vec<u8>)> {
    if let Some(mut stdin) = child.stdin.take() {
        // It need not read it; a thread waits for it, not we. Where the machine has none to give, the try has failed.
        thread::Builder::new().spawn(move || drop(stdin.write_all(&body)))?;
    }
    let mut said = child.stderr.take().map(Said::of).transpose()?;
    let clock = ProcessClock::new();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break Some(status);
        }
        if clock.elapsed() >= timeout {
            end(child);
            child.wait()?;
            break None;
        }
        said.as_mut().map(Said::listen);
        clock::pause(LOOK);
    };
    Ok((status, said.map(Said::end).unwrap_or_default()))
}

/// What it says on stderr. It is never kept from saying more, and of more than the beginning nothing is kept. Others that it
/// has left behind may hold its stderr: nobody waits for them.
#[cfg(unix)]
struct Said {
    pipe: ChildStderr,
    begins: Vec<u8>,
}

#[cfg(unix)]
impl Said {
    fn of(pipe: ChildStderr) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&pipe, true)?;
        Ok(Self { pipe, begins: Vec::new() })
    }

    /// Takes what is there.
    fn listen(&mut self) {
        let mut piece = [0; 4_096];
        for _ in 0..PIECES {
            match self.pipe.read(&mut piece) {
                Ok(0) | Err(_) => return,
                Ok(length) => {
                    let left = STDERR_BYTES_MAX.saturating_sub(self.begins.len());
                    self.begins.extend(piece.iter().take(length.min(left)));
                }
            }
        }
    }

    /// What it said, once it has ended: all that is there by then.
    fn end(mut self) -> Vec<u8> {
        self.listen();
        self.begins
    }
}

/// The same with a thread, where a pipe cannot be asked whether anything is there.
#[cfg(not(unix))]
struct Said(std::sync::mpsc::Receiver<Vec<u8>>);

#[cfg(not(unix))]
impl Said {
    fn of(mut pipe: ChildStderr) -> io::Result<Self> {
        let (tell, said) = std::sync::mpsc::channel();
        thread::Builder::new().spawn(move || {
            let mut begins = Vec::new();
            let most = u64::try_from(STDERR_BYTES_MAX).unwrap_or(u64::MAX);
            drop(pipe.by_ref().take(most).read_to_end(&mut begins));
            drop(tell.send(begins));
            drop(io::copy(&mut pipe, &mut io::sink()));
        })?;
        Ok(Self(said))
    }

    fn listen(&mut self) {}

    fn end(self) -> Vec<u8> {
        self.0.recv_timeout(Duration::from_millis(200)).unwrap_or_default()
    }
}

#[cfg(unix)]
fn end(child: &mut Child) {
    let group = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
    let ended =
        group.is_some_and(|group| rustix::process::kill_process_group(group, rustix::process::Signal::KILL).is_ok());
    if !ended {
        drop(child.kill());
    }
}

#[cfg(not(unix))]
fn end(child: &mut Child) {
    drop(child.kill());
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::alerts::message::samples;

    async fn run_script(script: &str, timeout: Duration) -> Answer {
        let argv: Vec<String> = ["/bin/sh", "-c", script].map(str::to_owned).to_vec();
        run(&argv, timeout, &samples::hostile()).await
    }

    #[tokio::test]
    async fn it_gets_the_message_on_stdin_and_in_variables_and_nothing_of_ours() {
        let directory = tempfile::tempdir().unwrap();
        let (stdin, variables) = (directory.path().join("stdin"), directory.path().join("variables"));
        let script = format!("cat >{}; env >{}", stdin.display(), variables.display());
        let answer = run_script(&script, Duration::from_secs(30)).await;
        assert_eq!(answer, Answer::Delivered { says: "`/bin/sh` ended with 0".to_owned() });
        let body: serde_json::Value = serde_json::from_slice(&std::fs::read(stdin).unwrap()).unwrap();
        assert_eq!(body["data"]["status"], "critical");
        let variables = std::fs::read_to_string(variables).unwrap();
        assert!(variables.contains("UNRESERVE_ALERT_TITLE=berlin CRITICAL: plan, index\n"), "{variables}");
        // cargo sets this one for tests; it stands for all that a program has no business with.
        assert!(!variables.contains("CARGO_MANIFEST_DIR"), "{variables}");
    }

    #[tokio::test]
    async fn its_failure_is_told_with_what_it_said() {
        let answer = run_script("echo no such pager >&2; exit 3", Duration::from_secs(30)).await;
        let says = "`/bin/sh` ended with 3: no such pager".to_owned();
        assert_eq!(answer, Answer::Later { says, asked: None });
        let answer = run(&["/no/such/program".to_owned()], Duration::from_secs(30), &samples::hostile()).await;
        assert!(answer.says().starts_with("cannot run `/no/such/program`: "), "{answer:?}");
    }

    /// The threads of this process, and the pipes that it holds: a test of its own process has only its own.
    #[cfg(target_os = "linux")]
    #[expect(clippy::unwrap_used, reason = "helpers of a test may fail it")]
    fn held() -> (usize, usize) {
        let pipes = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
        let is_pipe = |place: &std::path::Path| {
            std::fs::read_link(place).is_ok_and(|target| target.to_string_lossy().starts_with("pipe:"))
        };
        let pipes = pipes.filter(|entry| is_pipe(&entry.path())).count();
        (std::fs::read_dir("/proc/self/task").unwrap().count(), pipes)
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_it_leaves_behind_holds_nothing_of_ours() {
        let (threads, pipes) = held();
        let directory = tempfile::tempdir().unwrap();
        let left = directory.path().join("left");
        let script = format!("sleep 1000 & echo $! >{}; echo still here >&2; exit 3", left.display());
        let argv: Vec<String> = ["/bin/sh", "-c", &script].map(str::to_owned).to_vec();
        let command = command(&argv, &samples::hostile()).unwrap();
        let (status, said) = attend(command, Vec::new(), Duration::from_secs(30)).unwrap();
        assert_eq!((status.unwrap().code(), said.as_str()), (Some(3), "still here"));
        let clock = ProcessClock::new();
        // The thread that has written to its stdin ends by itself.
        while held().0 > threads || held().1 > pipes {
            assert!(clock.elapsed() < Duration::from_secs(30), "{:?} is more than {threads}, {pipes}", held());
            clock::pause(LOOK);
        }
        let left: u32 = std::fs::read_to_string(left).unwrap().trim().parse().unwrap();
        assert!(crate::service::process::start_mark(left).is_some(), "it was not ended");
        let left = rustix::process::Pid::from_raw(i32::try_from(left).unwrap()).unwrap();
        rustix::process::kill_process(left, rustix::process::Signal::KILL).unwrap();
    }

    #[tokio::test]
    async fn one_that_says_much_is_not_held_up() {
        let script = "head -c 3000000 /dev/zero | tr '\\0' x >&2; exit 4";
        let answer = run_script(script, Duration::from_secs(60)).await;
        let says = format!("`/bin/sh` ended with 4: {}", "x".repeat(200));
        assert_eq!(answer.says(), says);
    }

    #[tokio::test]
    async fn one_that_does_not_end_is_ended_with_what_it_started() {
        let directory = tempfile::tempdir().unwrap();
        let started = directory.path().join("started");
        let script = format!("sleep 1000 & echo $! >{}; wait", started.display());
        let ending = run_script(&script, Duration::from_secs(1)).await;
        assert_eq!(ending.says(), "`/bin/sh` did not end within 1s, and was ended");
        let grandchild: u32 = std::fs::read_to_string(started).unwrap().trim().parse().unwrap();
        let clock = ProcessClock::new();
        while crate::service::process::start_mark(grandchild).is_some() {
            assert!(clock.elapsed() < Duration::from_secs(30), "it lives");
            clock.sleep(LOOK).await;
        }
    }
}

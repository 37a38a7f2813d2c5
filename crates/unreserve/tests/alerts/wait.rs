//! Waits for a condition, with a bound; and ends what a test started.

use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// The pause between two looks.
const LOOK: Duration = Duration::from_millis(3);

/// Looks until `done`, at most so long.
#[track_caller]
pub(crate) fn until(what: &str, limit: Duration, mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < limit, "waited {limit:?} in vain until {what}");
        std::thread::sleep(LOOK);
    }
}

/// A process that is killed and waited for where the test ends before it does.
pub(crate) struct Running(Option<Child>);

impl Running {
    /// Starts it.
    pub(crate) fn start(command: &mut Command) -> Self {
        Self(Some(command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()))
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.0.as_mut().unwrap().try_wait().unwrap().is_some()
    }

    /// Sends it a signal, such as `HUP`.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(self.0.as_ref().unwrap().id().to_string())
            .status()
            .unwrap();
        assert!(sent.success());
    }

    /// Kills it with 9, and waits for it.
    pub(crate) fn kill(mut self) {
        let mut child = self.0.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Waits for its end.
    pub(crate) fn output(mut self) -> Output {
        self.0.take().unwrap().wait_with_output().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

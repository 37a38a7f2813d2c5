//! A daemon under observation: what the kernel says of it while it runs.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::bench::BenchError;

/// The kernel counts processor time in hundredths of a second.
const TICK: Duration = Duration::from_millis(10);

/// A daemon that runs until this is dropped.
pub(super) struct Watched {
    child: Child,
    log: PathBuf,
    /// Threads and open files at their most.
    pub(super) threads: u64,
    pub(super) open_files: u64,
}

impl Watched {
    /// Starts it; its log goes to a file of that directory.
    pub(super) fn start(mut command: Command, directory: &Path) -> Result<Self, BenchError> {
        let log = directory.join("daemon.log");
        let file = std::fs::File::create(&log).map_err(BenchError::file(&log))?;
        for (variable, _) in std::env::vars_os() {
            // A developer's own settings must not change what is measured.
            if ["UNRESERVE", "DATABASE_URL", "PG"].iter().any(|own| variable.to_string_lossy().starts_with(own))
                && !command.get_envs().any(|(set, _)| set == variable)
            {
                command.env_remove(variable);
            }
        }
        command.current_dir(directory).stdin(Stdio::null()).stdout(Stdio::null()).stderr(file);
        let child = command.spawn().map_err(BenchError::file(Path::new(command.get_program())))?;
        Ok(Self { child, log, threads: 0, open_files: 0 })
    }

    /// Looks at it ten times a second for so long, and does something else each second. Gives its processor time in
    /// thousandths of the time that passed.
    pub(super) fn watch(
        &mut self,
        time: Duration,
        mut each_second: impl FnMut() -> Result<(), BenchError>,
    ) -> Result<f64, BenchError> {
        let (began, busy) = (now(), self.processor_time()?);
        let mut seconds = 0;
        while began.elapsed() < time {
            pause(Duration::from_millis(100));
            self.threads = self.threads.max(self.entries("task"));
            self.open_files = self.open_files.max(self.entries("fd"));
            if began.elapsed().as_secs() > seconds {
                seconds = began.elapsed().as_secs();
                each_second()?;
            }
        }
        let busy = self.processor_time()?.saturating_sub(busy);
        Ok(busy.as_secs_f64() / began.elapsed().as_secs_f64() * 1_000.0)
    }

    fn place(&self, name: &str) -> PathBuf {
        Path::new("/proc").join(self.child.id().to_string()).join(name)
    }

    fn entries(&self, name: &str) -> u64 {
        std::fs::read_dir(self.place(name)).map_or(0, |entries| u64::try_from(entries.count()).unwrap_or(0))
    }

    /// User and system time, the fourteenth and fifteenth words of `stat`; the second may hold blanks, in brackets.
    fn processor_time(&self) -> Result<Duration, BenchError> {
        let text = std::fs::read_to_string(self.place("stat")).map_err(|_| self.ended())?;
        let words: Vec<&str> = text.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
        let ticks = |place: usize| words.get(place).and_then(|word| word.parse::<u32>().ok()).unwrap_or(0);
        Ok(TICK.saturating_mul(ticks(11).saturating_add(ticks(12))))
    }

    /// Resident memory at its most, in bytes.
    pub(super) fn memory(&self) -> Result<u64, BenchError> {
        let text = std::fs::read_to_string(self.place("status")).map_err(|_| self.ended())?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        kilobytes.map(|kilobytes| kilobytes.saturating_mul(1_024)).ok_or_else(|| self.ended())
    }

    fn ended(&self) -> BenchError {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let text: Vec<&str> = text.lines().rev().take(5).collect();
        BenchError::Process { name: "unreserve daemon".to_owned(), text: text.join("\n") }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[expect(clippy::disallowed_methods, reason = "measuring is what this command is for")]
fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "measuring is what this command is for")]
fn pause(time: Duration) {
    std::thread::sleep(time);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sees_what_a_process_needs() {
        let directory = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "while :; do :; done"]);
        let mut watched = Watched::start(command, directory.path()).unwrap();
        let mut seconds = 0;
        let mut count = || {
            seconds += 1;
            Ok(())
        };
        let busy = watched.watch(Duration::from_millis(1_300), &mut count).unwrap();
        assert!(busy > 100.0, "{busy}");
        assert_eq!((watched.threads, seconds), (1, 1));
        assert!(watched.open_files >= 3 && watched.memory().unwrap() > 100_000);
    }

    #[test]
    fn one_that_ended_is_no_measurement() {
        let directory = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo no such profile >&2; exit 2"]);
        let mut watched = Watched::start(command, directory.path()).unwrap();
        watched.child.wait().unwrap();
        let failure = watched.watch(Duration::from_millis(200), || Ok(())).unwrap_err();
        assert!(failure.to_string().contains("no such profile"), "{failure}");
    }
}

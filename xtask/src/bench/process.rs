//! Runs one process and measures its wall time and its peak memory.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use wait4::Wait4;

use super::BenchError;

/// What one process took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Usage {
    /// From before its start until it was waited for.
    pub(super) wall: Duration,
    /// The most memory it had at once (resident), in bytes.
    pub(super) memory: u64,
}

/// Starts processes through a small launcher.
///
/// Linux counts to a child's peak what its parent held when it started it. The launcher holds almost nothing, so its
/// children's figures are their own.
#[derive(Debug)]
pub(super) struct Launcher {
    /// This program, built with `--release`.
    pub(super) program: PathBuf,
    /// Where the processes run; it has no settings file.
    pub(super) directory: PathBuf,
}

impl Launcher {
    /// Runs a command until it ends well, and returns what it took and what it wrote to standard output.
    pub(super) fn run(&self, command: &Command) -> Result<(Usage, String), BenchError> {
        let name = Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned();
        let report = self.directory.join("usage");
        let file = |what: &str| BenchError::file(&self.directory.join(what));
        let mut launcher = Command::new(&self.program);
        launcher.args(["bench", "measure", "--report"]).arg(&report).arg("--").arg(command.get_program());
        launcher.args(command.get_args()).current_dir(&self.directory).stdin(Stdio::null());
        for (variable, _) in std::env::vars_os() {
            // A developer's own settings must not change what is measured.
            if ["UNRESERVE", "DATABASE_URL", "PG"].iter().any(|own| variable.to_string_lossy().starts_with(own)) {
                launcher.env_remove(variable);
            }
        }
        for (variable, value) in command.get_envs() {
            launcher.env(variable, value.unwrap_or_default());
        }
        // Files, not pipes: nobody needs to wake up to read them.
        launcher.stdout(File::create(self.directory.join("out")).map_err(file("out"))?);
        launcher.stderr(File::create(self.directory.join("errors")).map_err(file("errors"))?);
        let status = launcher.status().map_err(file("out"))?;
        let read = |what: &str| std::fs::read_to_string(self.directory.join(what)).map_err(file(what));
        let out = read("out")?;
        if !status.success() {
            return Err(BenchError::Process { name, text: format!("{out}{}", read("errors")?) });
        }
        let usage = read("usage")?;
        let usage = parse(&usage).ok_or(BenchError::Process { name, text: usage })?;
        Ok((usage, out))
    }
}

/// The launcher's own part: runs the command and writes what it took to `report`.
pub(super) fn measure(report: &Path, command: &[OsString]) -> Result<(), BenchError> {
    let (program, arguments) = command.split_first().ok_or(BenchError::Nothing)?;
    let failed = || BenchError::file(Path::new(program));
    let (ended, wall) = timed(|| Command::new(program).args(arguments).spawn().and_then(Wait4::wait4));
    let ended = ended.map_err(failed())?;
    if !ended.status.success() {
        let name = program.to_string_lossy().into_owned();
        return Err(BenchError::Process { name, text: ended.status.to_string() });
    }
    let text = format!("{} {}", wall.as_micros(), ended.rusage.maxrss);
    std::fs::write(report, text).map_err(BenchError::file(report))
}

fn parse(report: &str) -> Option<Usage> {
    let (micros, memory) = report.split_once(' ')?;
    Some(Usage { wall: Duration::from_micros(micros.parse().ok()?), memory: memory.parse().ok()? })
}

#[expect(clippy::disallowed_methods, reason = "measuring is what this command is for")]
fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let result = work();
    (result, start.elapsed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_what_a_process_took_and_reads_it_back() {
        let directory = tempfile::tempdir().unwrap();
        let report = directory.path().join("usage");
        let command: Vec<OsString> = ["sh", "-c", "exit 0"].map(OsString::from).to_vec();
        measure(&report, &command).unwrap();
        let usage = parse(&std::fs::read_to_string(&report).unwrap()).unwrap();
        assert!(usage.wall > Duration::ZERO && usage.memory > 100_000, "{usage:?}");
    }

    #[test]
    fn a_process_that_fails_is_no_measurement() {
        let directory = tempfile::tempdir().unwrap();
        let command: Vec<OsString> = ["sh", "-c", "exit 3"].map(OsString::from).to_vec();
        let failure = measure(&directory.path().join("usage"), &command).unwrap_err();
        assert_eq!(failure.to_string(), "`sh` failed: exit status: 3");
        assert_eq!(parse("12"), None);
    }
}

//! The program as a process: started on a shop, stopped, killed, and waited for with a bound.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::Arena;
use crate::failure::{Failure, holds};
use crate::shops::World;

/// The pause between two looks at a process.
const LOOK: Duration = Duration::from_millis(2);

/// A sweep that has not ended by then never will: the longest of its pauses add up to less.
const PATIENCE: Duration = Duration::from_secs(60);

/// A dead instance is in nobody's way for longer than this.
const TAKEN_OVER: Duration = Duration::from_secs(5);

/// The program, and a place for its files.
pub(super) struct Program {
    path: PathBuf,
    place: TempDir,
    /// The shop's own address.
    pub(super) url: String,
}

impl Program {
    /// The program, for one shop.
    pub(super) fn on(arena: &Arena, world: &World) -> Result<Self, Failure> {
        let place = tempfile::tempdir()?;
        std::fs::write(place.path().join("shop.toml"), &world.profile)?;
        Ok(Self { path: arena.program.clone(), place, url: world.shop.url()? })
    }

    /// Where its files are.
    pub(super) fn place(&self) -> &Path {
        self.place.path()
    }

    /// A sweep with a state directory of that name, through an address.
    pub(super) fn sweep(&self, url: &str, state: &str, arguments: &[&str]) -> Command {
        let mut command = self.command(url, state, &["sweep", "--format", "json", "--max-orders", "1000000"]);
        command.args(arguments);
        command
    }

    /// A daemon with a state directory of that name, through an address; its batches are small, so that a sweep has many.
    pub(super) fn daemon(&self, url: &str, state: &str) -> Command {
        let mut command = self.command(url, state, &["daemon"]);
        command.env("UNRESERVE_BATCH_SIZE", "4").env("UNRESERVE_MAX_ORDERS", "1000000");
        command
    }

    fn command(&self, url: &str, state: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.path);
        command.env_clear().env("HOME", self.place()).env("DATABASE_URL", url).current_dir(self.place());
        // The program has the fault that this process was told to plant.
        if let Some(mutant) = std::env::var_os("UNRESERVE_MUTANT") {
            command.env("UNRESERVE_MUTANT", mutant);
        }
        command.args(arguments).args(["--profile", "shop.toml", "--state-dir"]).arg(self.place().join(state));
        command
    }

    /// A sweep that must end well. Another address has another lock file, so whoever was killed behind a proxy is known
    /// to be dead only when the server has noticed.
    pub(super) fn must_sweep(&self, state: &str) -> Result<(), Failure> {
        let began = Instant::now();
        loop {
            let output = Running::start(&mut self.sweep(&self.url, state, &[]))?.output()?;
            let codes: &[i32] = if began.elapsed() < TAKEN_OVER { &[0, 75] } else { &[0] };
            if ended_with(&output, codes)? == 0 {
                return Ok(());
            }
        }
    }
}

/// Fails unless it ended with one of these; gives the one.
pub(super) fn ended_with(output: &Output, codes: &[i32]) -> Result<i32, Failure> {
    let code = output.status.code().unwrap_or(-1);
    let errors = String::from_utf8_lossy(&output.stderr);
    holds(codes.contains(&code), &format!("the program ends with one of {codes:?}, not with {code}:\n{errors}"))?;
    Ok(code)
}

/// A process that is killed and waited for where nobody else does.
pub(super) struct Running(Option<Child>);

impl Running {
    /// Starts it.
    pub(super) fn start(command: &mut Command) -> Result<Self, Failure> {
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Ok(Self(Some(command.spawn()?)))
    }

    /// Starts one that may say more than anybody reads.
    pub(super) fn start_silently(command: &mut Command) -> Result<Self, Failure> {
        let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Self(Some(command.spawn()?)))
    }

    /// Its process id.
    pub(super) fn id(&self) -> Result<u32, Failure> {
        self.0.as_ref().map(Child::id).ok_or_else(|| Failure::new("the process has ended"))
    }

    fn child(&mut self) -> Result<&mut Child, Failure> {
        self.0.as_mut().ok_or_else(|| Failure::new("the process has ended"))
    }

    /// Whether it has ended by itself.
    pub(super) fn has_ended(&mut self) -> Result<bool, Failure> {
        Ok(self.child()?.try_wait()?.is_some())
    }

    /// Sends it a signal that it cannot catch, such as `STOP`.
    pub(super) fn signal(&mut self, name: &str) -> Result<(), Failure> {
        let id = self.child()?.id().to_string();
        // It may have ended a moment ago; then there is nobody to hear it.
        Command::new("kill").arg(format!("-{name}")).arg(id).stderr(Stdio::null()).status()?;
        Ok(())
    }

    /// Kills it with 9, and waits for it.
    pub(super) fn kill(mut self) -> Result<(), Failure> {
        self.child()?.kill()?;
        self.child()?.wait()?;
        self.0 = None;
        Ok(())
    }

    /// Waits for its end, with a bound.
    pub(super) fn output(self) -> Result<Output, Failure> {
        self.watched(PATIENCE, LOOK).map(|(output, _)| output)
    }

    /// The same with a bound of its own; gives as well how many kilobytes of memory it used at most, as last seen.
    pub(super) fn watched(mut self, patience: Duration, look: Duration) -> Result<(Output, u64), Failure> {
        let began = Instant::now();
        let mut most = 0;
        while !self.has_ended()? {
            holds(began.elapsed() < patience, "P6: the program ends in bounded time")?;
            let status = std::fs::read_to_string(format!("/proc/{}/status", self.child()?.id())).unwrap_or_default();
            let peak =
                status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse().ok());
            most = most.max(peak.unwrap_or(0));
            std::thread::sleep(look);
        }
        let child = self.0.take().ok_or_else(|| Failure::new("the process has ended"))?;
        Ok((child.wait_with_output()?, most))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = (child.kill(), child.wait());
        }
    }
}

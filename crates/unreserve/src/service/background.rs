//! A detached process of our own, with a record of it: for a machine that has no service manager.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use unreserve_engine::sweep::Clock;

use crate::clock::{self, ProcessClock};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::service::kind::{Installed, Kind, Scope};
use crate::service::launch::Launch;
use crate::service::machine::Machine;
use crate::service::{daemon_words, output_file, process};

/// How long a process may take to end. The daemon itself needs at most ten seconds for its batch.
const END_WITHIN: Duration = Duration::from_secs(11);
/// How long a new process is watched, so that one that cannot work is told at once.
const WATCHED: Duration = Duration::from_millis(1_500);

/// The record of a process that was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// Its number.
    pub(crate) process_id: u32,
    /// What tells it from a later process with the same number.
    pub(crate) start_mark: String,
    /// When it was started, by this process's clock.
    pub(crate) started_at: jiff::Timestamp,
    /// The shop it is for, where it is for one of several.
    pub(crate) shop: Option<String>,
    /// Which shops it is for, as a person says it.
    #[serde(default)]
    pub(crate) subject: String,
    /// Its working directory.
    pub(crate) directory: PathBuf,
    /// The command, to start it again as it was.
    pub(crate) words: Vec<String>,
    /// Its settings that stood in the environment; none is a secret.
    pub(crate) variables: Vec<(String, String)>,
    /// Where it says what its log does not.
    pub(crate) output: PathBuf,
    /// Its log.
    pub(crate) log: PathBuf,
}

/// How a recorded process stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    /// It runs.
    Running,
    /// It has ended, or the machine was started anew.
    Gone,
    /// Another process has its number.
    Reused,
    /// It was stopped, by us.
    Stopped,
}

impl Record {
    /// What a launch starts. Nothing runs yet.
    pub(crate) fn of(launch: &Launch) -> Self {
        Self {
            process_id: 0,
            start_mark: String::new(),
            started_at: clock::utc_now(),
            shop: launch.shop.clone(),
            subject: launch.subject.clone(),
            directory: PathBuf::from(&launch.directory),
            words: daemon_words(launch),
            variables: launch.variables.clone(),
            output: output_file(launch),
            log: super::own_log(launch),
        }
    }

    /// How its process stands.
    pub(crate) fn life(&self) -> Life {
        if self.process_id == 0 {
            return Life::Stopped;
        }
        match process::start_mark(self.process_id) {
            Some(mark) if mark == self.start_mark => Life::Running,
            Some(_) => Life::Reused,
            None => Life::Gone,
        }
    }
}

/// Where the record lies.
pub(crate) fn record_file(state_dir: &Path, shop: Option<&str>) -> PathBuf {
    state_dir.join(shop.map_or_else(|| "background.json".to_owned(), |shop| format!("background-{shop}.json")))
}

/// The record, if there is one that can be read.
pub(crate) fn read(state_dir: &Path, shop: Option<&str>) -> Option<Record> {
    let text = fs::read_to_string(record_file(state_dir, shop)).ok()?;
    serde_json::from_str(&text).ok()
}

/// Whether a file is a record of ours, and not somebody else's of such a name; an empty one is what a full disk left.
pub(crate) fn is_record(file: &Path) -> bool {
    fs::read_to_string(file).is_ok_and(|text| text.trim().is_empty() || serde_json::from_str::<Record>(&text).is_ok())
}

/// Every record in the state directory.
pub(crate) fn find(state_dir: &Path, machine: &Machine) -> Vec<Installed> {
    let files = machine.list(state_dir).into_iter().filter(|path| is_record(path)).filter_map(|path| {
        let name = path.file_name()?.to_str()?.strip_suffix(".json")?;
        let shop = match name {
            "background" => None,
            _ => Some(name.strip_prefix("background-")?.to_owned()),
        };
        Some(Installed { kind: Kind::Background, scope: Scope::User, shop, place: path.display().to_string() })
    });
    files.collect()
}

/// How it stands, in a sentence.
pub(crate) fn state(record: &Record) -> String {
    let number = record.process_id;
    let since = record.started_at.round(jiff::Unit::Second).unwrap_or(record.started_at);
    match record.life() {
        Life::Running => format!("running since {since} (process {number})"),
        Life::Gone => {
            format!("not running: process {number}, started {since}, has ended; `unreserve service start` starts it")
        }
        Life::Reused => format!(
            "not running: its record is stale, process {number} is another one now; `unreserve service start` starts it"
        ),
        Life::Stopped => "stopped: `unreserve service start` starts it".to_owned(),
    }
}

/// Starts the process of a record, and writes the record with it. `detach` are the words before the command that take it out
/// of this session.
///
/// # Errors
/// It runs already, cannot be started, or ended at once.
pub(crate) fn start(
    mut record: Record,
    detach: &[String],
    state_dir: &Path,
    machine: &Machine,
) -> Result<Record, Failure> {
    if record.life() == Life::Running {
        return Err(Failure::new(Exit::AlreadyRunning, format!("it runs already, as process {}", record.process_id))
            .hint("`unreserve service restart` starts it anew"));
    }
    machine.write(&record_file(state_dir, record.shop.as_deref()), b"", 0o600).map_err(|refused| {
        let mut failure = Failure::usage(format!("cannot write into the state directory `{}`", state_dir.display()));
        failure.causes = refused.causes;
        failure.hint("name one that you may write with `--state-dir DIR`")
    })?;
    let mut child = spawn(&record, detach)?;
    record.process_id = child.id();
    record.started_at = clock::utc_now();
    record.start_mark = process::start_mark(child.id()).unwrap_or_default();
    write(&record, state_dir, machine)?;
    watch(&mut child, &record)?;
    Ok(record)
}

fn spawn(record: &Record, detach: &[String]) -> Result<Child, Failure> {
    let refused = |error: &std::io::Error| {
        Failure::new(Exit::Problems, format!("cannot start it, with its output in `{}`", record.output.display()))
            .because(error)
    };
    let words: Vec<&String> = detach.iter().chain(&record.words).collect();
    let (program, arguments) = words.split_first().ok_or_else(|| Failure::usage("no command"))?;
    // What an earlier one said is of no use any more; its log goes on.
    let output = fs::File::create(&record.output).map_err(|error| refused(&error))?;
    let errors = output.try_clone().map_err(|error| refused(&error))?;
    let mut command = Command::new(program);
    command.args(arguments).envs(record.variables.iter().cloned()).current_dir(&record.directory);
    command.stdin(Stdio::null()).stdout(output).stderr(errors);
    // The address stands in a file: one in this environment would outrank it there.
    for name in ["DATABASE_URL", "UNRESERVE_DATABASE_URL"] {
        command.env_remove(name);
    }
    command.spawn().map_err(|error| refused(&error))
}

/// Looks for a while whether it stays.
fn watch(child: &mut Child, record: &Record) -> Result<(), Failure> {
    let watch = ProcessClock::new();
    while watch.elapsed() < WATCHED {
        if let Ok(Some(status)) = child.try_wait() {
            let how = status.code().map_or_else(|| status.to_string(), |code| format!("exit code {code}"));
            let mut failure = Failure::new(Exit::Problems, format!("it ended at once ({how})"));
            let said = fs::read_to_string(&record.output).unwrap_or_default();
            failure.causes.extend(said.lines().filter(|line| !line.trim().is_empty()).take(10).map(str::to_owned));
            return Err(failure.hint(format!(
                "what it said is in `{}`; `unreserve service logs` shows it with its log",
                record.output.display()
            )));
        }
        clock::pause_briefly();
    }
    Ok(())
}

/// Ends the process, and says so in the record. One that has ended already is no error.
///
/// # Errors
/// It did not end in time, or is not ours to end.
pub(crate) fn stop(mut record: Record, state_dir: &Path, machine: &Machine) -> Result<Record, Failure> {
    let number = record.process_id;
    if record.life() == Life::Running {
        process::ask_to_end(number).map_err(|error| {
            Failure::new(Exit::Problems, format!("cannot end process {number}"))
                .because(&error)
                .hint("run it as the user who started it")
        })?;
        let waiting = ProcessClock::new();
        while record.life() == Life::Running {
            if waiting.elapsed() > END_WITHIN {
                return Err(Failure::new(Exit::Problems, format!("process {number} has not ended within {} s", END_WITHIN.as_secs()))
                    .hint(format!("it may still be at its batch: look again, or end it with `kill -9 {number}`; no batch is left half done")));
            }
            clock::pause_briefly();
        }
    }
    record.process_id = 0;
    record.start_mark.clear();
    write(&record, state_dir, machine)?;
    Ok(record)
}

fn write(record: &Record, state_dir: &Path, machine: &Machine) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(record)
        .map_err(|error| Failure::new(Exit::Problems, "cannot write the record").because(&error))?;
    machine.write(&record_file(state_dir, record.shop.as_deref()), text.as_bytes(), 0o600)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::launch::testing::launch;

    /// A state directory, and a record of a stand-in for the daemon.
    struct Stand {
        directory: tempfile::TempDir,
        machine: Machine,
    }

    impl Stand {
        fn new() -> Self {
            Self { directory: tempfile::tempdir().unwrap(), machine: Machine::of_process() }
        }

        fn state_dir(&self) -> &Path {
            self.directory.path()
        }

        fn record(&self, script: &str) -> Record {
            let words = ["sh", "-c", script].map(str::to_owned).to_vec();
            let launch = Launch {
                state_dir: self.state_dir().display().to_string(),
                directory: self.state_dir().display().to_string(),
                variables: vec![("UNRESERVE_GRACE".to_owned(), "2m".to_owned())],
                ..launch()
            };
            Record { words, ..Record::of(&launch) }
        }

        fn start(&self, script: &str) -> Result<Record, Failure> {
            start(self.record(script), &[], self.state_dir(), &self.machine)
        }

        fn output(&self, record: &Record) -> String {
            fs::read_to_string(&record.output).unwrap()
        }
    }

    #[test]
    fn starts_says_how_it_stands_and_stops() {
        let stand = Stand::new();
        let record = stand.start("trap 'echo bye; exit 0' TERM; echo \"$UNRESERVE_GRACE ${DATABASE_URL-none}\"; while :; do sleep 0.01; done").unwrap();
        assert_eq!(record.life(), Life::Running);
        assert_eq!(read(stand.state_dir(), None), Some(record.clone()));
        assert!(state(&record).starts_with("running since "), "{}", state(&record));
        let again = start(record.clone(), &[], stand.state_dir(), &stand.machine).unwrap_err();
        assert_eq!(
            (again.exit, again.message),
            (Exit::AlreadyRunning, format!("it runs already, as process {}", record.process_id))
        );
        let stopped = stop(record.clone(), stand.state_dir(), &stand.machine).unwrap();
        assert_eq!(stopped.life(), Life::Stopped);
        assert_eq!(stand.output(&stopped), "2m none\nbye\n");
        assert_eq!(process::start_mark(record.process_id), None);
        // Stopping what is stopped is no error.
        stop(stopped, stand.state_dir(), &stand.machine).unwrap();
        assert_eq!(find(stand.state_dir(), &stand.machine).len(), 1);
    }

    #[test]
    fn one_that_ends_at_once_is_told_with_what_it_said() {
        let stand = Stand::new();
        let failure = stand.start("echo 'error: no profile is set' >&2; exit 2").unwrap_err();
        assert_eq!(
            (failure.message.as_str(), failure.causes.join("").as_str()),
            ("it ended at once (exit code 2)", "error: no profile is set")
        );
    }

    #[test]
    fn a_stale_record_is_recognised_and_nobody_else_is_ended() {
        let stand = Stand::new();
        let mut other = Command::new("sleep").arg("60").spawn().unwrap();
        let stale =
            Record { process_id: other.id(), start_mark: "an earlier boot 7".to_owned(), ..stand.record("true") };
        assert_eq!(stale.life(), Life::Reused);
        assert!(state(&stale).contains("its record is stale"), "{}", state(&stale));
        stop(stale.clone(), stand.state_dir(), &stand.machine).unwrap();
        assert!(other.try_wait().unwrap().is_none(), "another's process was ended");
        other.kill().unwrap();
        other.wait().unwrap();
        assert_eq!(stale.life(), Life::Gone);
        assert!(state(&stale).contains("has ended"), "{}", state(&stale));
    }
}

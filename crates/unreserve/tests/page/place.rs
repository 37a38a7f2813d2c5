//! A demo shop in a directory of its own, and whoever shows its page.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A shop with its ledger: it was swept once.
pub(crate) struct Shop(TempDir);

impl Shop {
    /// Makes one.
    pub(crate) fn new() -> Self {
        let shop = Self(tempfile::tempdir().unwrap());
        let made = shop.run(&["demo", "--dir", ".", "--orders", "60"]);
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        shop
    }

    /// Its directory.
    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// The program in the shop's directory, with nothing of this process's environment.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_unreserve"));
        command.env_clear().env("HOME", self.path()).current_dir(self.path()).args(arguments);
        command
    }

    /// Runs the program, and waits for its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Adds lines to the settings file.
    pub(crate) fn set(&self, lines: &str) -> &Self {
        use std::os::unix::fs::PermissionsExt;
        let path = self.path().join("unreserve.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{text}{lines}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        self
    }

    /// Sweeps everything older than a minute: orders that a plain sweep leaves alone for another quarter of an hour.
    pub(crate) fn sweep_more(&self) {
        let swept = self.run(&["sweep", "--timeout", "1m", "--quiet"]);
        assert!(swept.status.success(), "{}", String::from_utf8_lossy(&swept.stderr));
    }

    /// Starts whoever shows the page, on a port that the system chooses.
    pub(crate) fn show(&self, arguments: &[&str]) -> Shown {
        Shown::start(&mut self.command(arguments))
    }
}

/// Looks until `done`, at most half a minute.
#[track_caller]
pub(crate) fn until(what: &str, mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < Duration::from_secs(30), "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Somebody who shows the page. Killed at the end.
pub(crate) struct Shown {
    process: Child,
    /// Where, with the slash at its end.
    pub(crate) url: String,
    log: Arc<Mutex<Vec<String>>>,
}

impl Shown {
    fn start(command: &mut Command) -> Self {
        let mut process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let mut seen = Vec::new();
        let url = loop {
            let Some(line) = lines.next() else { panic!("no page is shown: {seen:#?}") };
            let line = line.unwrap();
            if let Some((_, rest)) = line.split_once("http://127.0.0.1:") {
                let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
                break format!("http://127.0.0.1:{port}/");
            }
            seen.push(line);
        };
        // Whoever writes to a pipe that nobody reads would wait.
        let log = Arc::new(Mutex::new(Vec::new()));
        let keeps = Arc::clone(&log);
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| keeps.lock().unwrap().push(line)));
        Self { process, url, log }
    }

    /// How many lines of its log hold this text.
    pub(crate) fn says(&self, text: &str) -> usize {
        self.log.lock().unwrap().iter().filter(|line| line.contains(text)).count()
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

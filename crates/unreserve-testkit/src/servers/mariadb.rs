//! A throw-away MariaDB server in a directory of its own.

use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};

use super::postgres::free_port;
use super::supervisor::{Ending, Event, LOOK, LOOKS_MAX, Supervisor, Task};
use super::{ServerError, account, client, finding};

/// The superuser of every throw-away server.
const SUPERUSER: &str = "root";

/// How often a start is tried with another port when somebody was faster to take the one we were given.
const PORTS_TRIED: u32 = 5;

/// What a test's server need not do: wait for the disk, speak to nobody, keep a large cache. Whoever's name ends so takes
/// no writes; and the server's own zone is far away, so that whoever forgets to say which zone is meant is found out.
const SETTINGS: &str = "[mariadbd]
bind-address = 127.0.0.1
skip-name-resolve
default-time-zone = '+05:00'
max-connections = 300
performance-schema = OFF
innodb-buffer-pool-size = 64M
innodb-log-file-size = 32M
innodb-flush-log-at-trx-commit = 2
innodb-doublewrite = OFF
innodb-use-native-aio = OFF
innodb-flush-method = nosync
sync-frm = OFF
character-set-server = utf8mb4
init-connect = \"SET SESSION tx_read_only = (CURRENT_USER() LIKE '%_onlooker@%')\"
";

/// A running throw-away server. It listens on a free port of 127.0.0.1.
///
/// It ends, and its directory is removed, when this value is dropped, and also when this process ends in any other way,
/// `kill -9` included: a shell watches a pipe that only this process holds.
#[derive(Debug)]
pub struct MariaDbServer {
    supervisor: Supervisor,
    directory: PathBuf,
    port: u16,
    pid: u32,
}

impl MariaDbServer {
    /// Makes and starts a server, and returns when it answers.
    ///
    /// # Errors
    /// [`ServerError::NotFound`] without MariaDB's programs; any other variant when the server does not come up.
    pub fn start() -> Result<Self, ServerError> {
        Self::start_with("")
    }

    /// The same with more lines of settings.
    ///
    /// # Errors
    /// As [`MariaDbServer::start`].
    pub fn start_with(settings: &str) -> Result<Self, ServerError> {
        let mut tries_left = PORTS_TRIED;
        loop {
            tries_left = tries_left.saturating_sub(1);
            match Self::start_on(free_port()?, settings) {
                Err(ServerError::Server { log, .. }) if tries_left > 0 && log.contains("Address already in use") => {}
                other => return other,
            }
        }
    }

    fn start_on(port: u16, settings: &str) -> Result<Self, ServerError> {
        let task = task(port, settings)?;
        let directory = task.directory.clone();
        let mut supervisor = Supervisor::start(task)?;
        supervisor.wait_for("prepare itself in time", |event| (event == Event::Prepared(0)).then_some(()))?;
        let mut server = Self { supervisor, directory, port, pid: 0 };
        server.run()?;
        Ok(server)
    }

    /// The URL of `database` over TCP, as the superuser: `mysql://root@127.0.0.1:PORT/database`.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("mysql://{SUPERUSER}@127.0.0.1:{}/{database}", self.port)
    }

    /// The process id of the server, another one after a crash.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The directory that holds the data, the socket and `server.log`.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Creates an empty database with a name nobody else uses, and returns the name.
    ///
    /// # Errors
    /// [`ServerError::Refused`] when the server does not answer or refuses.
    pub fn create_database(&self) -> Result<String, ServerError> {
        super::shared::create_database(&self.url("mysql"))
    }

    /// Runs one statement as the superuser.
    ///
    /// # Errors
    /// [`ServerError::Refused`] when the server does not answer or refuses.
    pub fn run_statement(&self, statement: &str) -> Result<(), ServerError> {
        client::run(&self.url("mysql"), statement)
    }

    /// Kills the server (`kill -9`) and starts it again on the same data and port; returns when it answers.
    ///
    /// # Errors
    /// [`ServerError::Server`] when it does not come up again.
    pub fn crash(&mut self) -> Result<(), ServerError> {
        self.supervisor.order_end(Ending::Kill)?;
        self.supervisor.wait_for("end in time", |event| matches!(event, Event::Ended(_)).then_some(()))?;
        self.run()
    }

    /// Starts the prepared server and waits until it answers or has ended.
    fn run(&mut self) -> Result<(), ServerError> {
        self.supervisor.order_start()?;
        self.pid = self.supervisor.wait_for("start in time", |event| match event {
            Event::Started(pid) => Some(pid),
            _ => None,
        })?;
        for _ in 0..LOOKS_MAX {
            if let Some(Event::Ended(status)) = self.supervisor.next_event(LOOK)? {
                return Err(self.supervisor.failure(format!("ended with status {status}")));
            }
            if client::run(&self.url("mysql"), "SELECT 1").is_ok() {
                return Ok(());
            }
        }
        Err(self.supervisor.failure("did not answer in time"))
    }
}

/// A new directory, and the commands to make and run a server in it.
fn task(port: u16, settings: &str) -> Result<Task, ServerError> {
    let binaries = finding::find_mariadb()?;
    let file = |action, path: &Path| {
        let path = path.to_owned();
        move |source| ServerError::File { action, path, source }
    };
    let directory = tempfile::Builder::new()
        .prefix("unreserve-maria-")
        .tempdir()
        .map_err(file("create a directory in", &std::env::temp_dir()))?;
    let path = |name: &str| directory.path().join(name).display().to_string();
    let (data, file_of_settings) = (path("data"), path("my.cnf"));
    let text = format!("{SETTINGS}{settings}\n");
    std::fs::write(&file_of_settings, text).map_err(file("write", Path::new(&file_of_settings)))?;
    let account = account::owned_by_root(directory.path())?.then(account::unprivileged).transpose()?;
    if let Some(account) = account {
        for path in [directory.path(), Path::new(&file_of_settings)] {
            chown(path, Some(account.user), Some(account.group)).map_err(file("give away", path))?;
        }
    }
    let prepare = [
        binaries.install.display().to_string(),
        "--no-defaults".to_owned(),
        format!("--datadir={data}"),
        "--auth-root-authentication-method=normal".to_owned(),
        "--skip-test-db".to_owned(),
        // In a directory that they share, servers that start up together remove each other's temporary tables.
        format!("--tmpdir={}", directory.path().display()),
        "--innodb-log-file-size=32M".to_owned(),
    ];
    let run = [
        binaries.mariadbd.display().to_string(),
        format!("--defaults-file={file_of_settings}"),
        format!("--datadir={data}"),
        format!("--port={port}"),
        format!("--socket={}", path("socket")),
        format!("--pid-file={}", path("pid")),
        format!("--tmpdir={}", directory.path().display()),
    ];
    // From here on the supervisor removes it.
    Ok(Task { prepare: prepare.to_vec(), run: run.to_vec(), directory: directory.keep(), account })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_answers_survives_a_crash_and_leaves_nothing_behind() {
        let mut server = MariaDbServer::start().unwrap();
        let database = server.create_database().unwrap();
        let url = server.url(&database);
        client::run(&url, "CREATE TABLE kept (id int PRIMARY KEY) ENGINE = InnoDB").unwrap();
        client::run(&url, "INSERT INTO kept VALUES (1)").unwrap();
        let pid = server.pid();
        server.crash().unwrap();
        assert_ne!(server.pid(), pid);
        // What was committed is there: the key says so.
        client::run(&url, "INSERT INTO kept VALUES (1)").unwrap_err();
        let directory = server.directory().to_owned();
        let pid = server.pid();
        drop(server);
        assert!(!directory.exists() && !Path::new(&format!("/proc/{pid}")).exists());
    }
}

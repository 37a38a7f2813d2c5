//! A throw-away PostgreSQL server in a directory of its own.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};

use super::supervisor::{Ending, Event, LOOK, LOOKS_MAX, Supervisor, Task};
use super::{ServerError, account, client, finding};

/// The role whose members need their password (SCRAM-SHA-256) over TCP. Everybody else is trusted.
pub const PASSWORD_USERS: &str = "password_users";

/// The superuser of every throw-away server.
const SUPERUSER: &str = "postgres";

/// How often a start is tried with another port when somebody was faster to take the one we were given.
const PORTS_TRIED: u32 = 5;

/// Whether the server waits for the disk.
///
/// Either way a commit survives a `kill -9` of the server, since the operating system still has what the server wrote; only
/// a loss of power tells them apart, and how long a commit takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// `fsync` is off: for tests.
    #[default]
    Fast,
    /// `fsync` is on, as in production: for measuring.
    Real,
}

/// A running throw-away server. It listens on a free port of 127.0.0.1 and on a Unix socket in its own directory.
///
/// It ends, and its directory is removed, when this value is dropped, and also when this process ends in any other way,
/// `kill -9` included: a shell watches a pipe that only this process holds.
#[derive(Debug)]
pub struct PostgresServer {
    supervisor: Supervisor,
    directory: PathBuf,
    port: u16,
    pid: u32,
}

impl PostgresServer {
    /// Makes and starts a server, and returns when it answers.
    ///
    /// # Errors
    /// [`ServerError::NotFound`] without PostgreSQL's programs; any other variant when the server does not come up.
    pub fn start(durability: Durability) -> Result<Self, ServerError> {
        let mut tries_left = PORTS_TRIED;
        loop {
            tries_left = tries_left.saturating_sub(1);
            match Self::start_on(free_port()?, durability) {
                Err(ServerError::Server { log, .. }) if tries_left > 0 && says_port_is_taken(&log) => {}
                other => return other,
            }
        }
    }

    fn start_on(port: u16, durability: Durability) -> Result<Self, ServerError> {
        let task = task(port)?;
        let directory = task.directory.clone();
        let supervisor = Supervisor::start(task)?;
        let mut server = Self { supervisor, directory, port, pid: 0 };
        server.supervisor.wait_for("prepare itself in time", |event| (event == Event::Prepared(0)).then_some(()))?;
        configure(&server.directory.join("data"), durability)?;
        server.run()?;
        client::run(&server.url("postgres"), &format!("CREATE ROLE {PASSWORD_USERS} NOLOGIN"))?;
        Ok(server)
    }

    /// The URL of `database` over TCP, as the superuser: `postgres://postgres@127.0.0.1:PORT/database`.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{SUPERUSER}@127.0.0.1:{}/{database}", self.port)
    }

    /// The URL of `database` through the Unix socket, as the superuser.
    #[must_use]
    pub fn socket_url(&self, database: &str) -> String {
        format!("postgres://{SUPERUSER}@localhost:{}/{database}?host={}", self.port, percent_encoded(&self.directory))
    }

    /// The port on 127.0.0.1; it stays the same over a restart.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process id of the server itself (the postmaster), another one after a restart.
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
        super::shared::create_database(&self.url("postgres"))
    }

    /// Kills the server (`kill -9`) and starts it again on the same data and port; returns when it answers.
    ///
    /// # Errors
    /// [`ServerError::Server`] when it does not come up again.
    pub fn crash(&mut self) -> Result<(), ServerError> {
        self.end_and_run(Ending::Kill)
    }

    /// Shuts the server down in order and starts it again on the same data and port; returns when it answers.
    ///
    /// # Errors
    /// [`ServerError::Server`] when it does not come up again.
    pub fn restart(&mut self) -> Result<(), ServerError> {
        self.end_and_run(Ending::Orderly)
    }

    /// Ends the server and removes its directory; the same as dropping it.
    pub fn stop(mut self) {
        self.supervisor.end();
    }

    fn end_and_run(&mut self, ending: Ending) -> Result<(), ServerError> {
        self.supervisor.order_end(ending)?;
        self.supervisor.wait_for("end in time", |event| matches!(event, Event::Ended(_)).then_some(()))?;
        // After a kill its children need a moment to notice, and until then a new server refuses to start on their data.
        let mut tries_left = LOOKS_MAX;
        loop {
            tries_left = tries_left.saturating_sub(1);
            match self.run() {
                Err(ServerError::Server { log, .. })
                    if tries_left > 0 && log.contains("pre-existing shared memory") => {}
                other => return other,
            }
        }
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
            if client::run(&self.url("postgres"), "SELECT 1").is_ok() {
                return Ok(());
            }
        }
        Err(self.supervisor.failure("did not answer in time"))
    }
}

/// A new directory, and the commands to make and run a server in it.
fn task(port: u16) -> Result<Task, ServerError> {
    let binaries = finding::find_postgres()?;
    let file = |action, path: &Path| {
        let path = path.to_owned();
        move |source| ServerError::File { action, path, source }
    };
    let directory = tempfile::Builder::new()
        .prefix("unreserve-pg-")
        .tempdir()
        .map_err(file("create a directory in", &std::env::temp_dir()))?;
    let account = account::owned_by_root(directory.path())?.then(account::unprivileged).transpose()?;
    if let Some(account) = account {
        chown(directory.path(), Some(account.user), Some(account.group))
            .map_err(file("give away", directory.path()))?;
    }
    // From here on the supervisor removes it.
    let directory = directory.keep();
    let data = directory.join("data").display().to_string();
    let initdb = binaries.initdb.display().to_string();
    let username = format!("--username={SUPERUSER}");
    let prepare = [&*initdb, "--no-sync", "--auth=trust", "--encoding=UTF8", "--locale=C", &*username, "-D", &*data];
    let run = [
        &*binaries.postgres.display().to_string(),
        "-D",
        &*data,
        "-p",
        &*port.to_string(),
        "-k",
        &*directory.display().to_string(),
    ];
    Ok(Task { prepare: prepare.map(str::to_owned).to_vec(), run: run.map(str::to_owned).to_vec(), directory, account })
}

/// Writes the settings and the rules of who needs a password into a fresh data directory.
fn configure(data: &Path, durability: Durability) -> Result<(), ServerError> {
    change(&data.join("postgresql.conf"), |text| {
        text.push_str(
            "listen_addresses = '127.0.0.1'\n\
             max_connections = 200\n\
             track_commit_timestamp = on\n\
             timezone = 'UTC'\n\
             password_encryption = 'scram-sha-256'\n\
             log_line_prefix = '%m [%p] %d '\n",
        );
        // In the data directory, so that a killed server leaves nothing in /dev/shm.
        text.push_str("dynamic_shared_memory_type = mmap\n");
        if durability == Durability::Fast {
            text.push_str("fsync = off\nfull_page_writes = off\n");
        }
    })?;
    change(&data.join("pg_hba.conf"), |text| {
        // The first line that matches decides.
        text.insert_str(0, &format!("host all +{PASSWORD_USERS} 127.0.0.1/32 scram-sha-256\n"));
    })
}

/// Reads a file, changes its text, and writes it back in place, so that its owner stays.
fn change(path: &Path, edit: impl FnOnce(&mut String)) -> Result<(), ServerError> {
    let file = |action| move |source| ServerError::File { action, path: path.to_owned(), source };
    let mut text = fs::read_to_string(path).map_err(file("read"))?;
    edit(&mut text);
    fs::write(path, text).map_err(file("write"))
}

/// A port that was free a moment ago.
pub(super) fn free_port() -> Result<u16, ServerError> {
    let port = |listener: TcpListener| Ok(listener.local_addr()?.port());
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(port).map_err(|source| ServerError::File {
        action: "ask for a free port on",
        path: PathBuf::from("127.0.0.1"),
        source,
    })
}

fn says_port_is_taken(log: &str) -> bool {
    log.contains("Address already in use") || log.contains("could not create any TCP/IP sockets")
}

/// Encodes a path for the query part of a URL: everything but letters, digits and `-._~`.
fn percent_encoded(path: &Path) -> String {
    let mut encoded = String::new();
    for byte in path.as_os_str().as_encoded_bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) {
            encoded.push(char::from(*byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_answers_over_tcp_and_socket_and_leaves_nothing_behind() {
        let server = PostgresServer::start(Durability::Fast).unwrap();
        let database = server.create_database().unwrap();
        client::run(&server.url(&database), "CREATE TABLE seen (id int)").unwrap();
        client::run(&server.socket_url(&database), "SELECT id FROM seen").unwrap();
        let directory = server.directory().to_owned();
        assert!(Path::new(&format!("/proc/{}", server.pid())).exists());
        let pid = server.pid();
        server.stop();
        assert!(!directory.exists());
        assert!(!Path::new(&format!("/proc/{pid}")).exists());
    }

    #[test]
    fn a_member_of_the_password_users_needs_the_password_and_others_do_not() {
        let server = PostgresServer::start(Durability::Fast).unwrap();
        let admin = server.url("postgres");
        client::run(&admin, "CREATE ROLE open LOGIN").unwrap();
        let create = format!("CREATE ROLE shut LOGIN PASSWORD 'right' IN ROLE {PASSWORD_USERS}");
        client::run(&admin, &create).unwrap();
        let as_user = |user: &str| {
            let url = admin.replace("postgres@", user);
            client::run(&url, "SELECT 1")
        };
        as_user("open@").unwrap();
        as_user("shut:right@").unwrap();
        let refused = as_user("shut:wrong@").unwrap_err();
        assert!(matches!(&refused, ServerError::Refused { statement, .. } if statement == "connect"), "{refused:?}");
        as_user("shut@").unwrap_err();
    }

    #[test]
    fn what_was_committed_survives_a_crash_and_a_restart() {
        let mut server = PostgresServer::start(Durability::Fast).unwrap();
        let url = server.url("postgres");
        client::run(&url, "CREATE TABLE kept AS SELECT 1 AS id").unwrap();
        let first = server.pid();
        for _ in 0..3 {
            server.crash().unwrap();
            client::run(&url, "INSERT INTO kept SELECT 1 / count(*) FROM kept").unwrap();
        }
        server.restart().unwrap();
        client::run(&url, "SELECT 1 / (count(*) / 4) FROM kept").unwrap();
        assert_ne!(server.pid(), first);
    }

    #[test]
    fn encodes_a_path_for_a_url() {
        assert_eq!(percent_encoded(Path::new("/tmp/a b-1")), "%2Ftmp%2Fa%20b-1");
    }

    /// Not a test by itself: the one below runs it in a process that it then kills.
    #[test]
    #[ignore = "runs until it is killed"]
    fn holds_a_server_until_killed() {
        let server = PostgresServer::start(Durability::Fast).unwrap();
        std::fs::write(
            std::env::var_os("UNRESERVE_TEST_TELL").unwrap(),
            format!("{}\n{}\n", server.pid(), server.directory().display()),
        )
        .unwrap();
        // Standard input stays open until the other test has killed us.
        std::io::stdin().read_line(&mut String::new()).unwrap();
    }

    /// Looks every 20 ms whether `done`, for a minute.
    fn wait_until(what: &str, done: impl Fn() -> bool) {
        let (_open, pause) = std::sync::mpsc::channel::<()>();
        for _ in 0..LOOKS_MAX {
            if done() {
                return;
            }
            pause.recv_timeout(LOOK).unwrap_err();
        }
        panic!("waited in vain until {what}");
    }

    #[test]
    fn a_server_ends_with_its_starter_that_was_killed_with_9() {
        let telling = tempfile::tempdir().unwrap();
        let told = telling.path().join("told");
        let mut starter = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "--nocapture"])
            .arg("servers::postgres::tests::holds_a_server_until_killed")
            .env("UNRESERVE_TEST_TELL", &told)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        wait_until("the server runs", || fs::read_to_string(&told).is_ok_and(|text| text.lines().count() == 2));
        let text = fs::read_to_string(&told).unwrap();
        let (pid, directory) = text.trim().split_once('\n').unwrap();
        let process = PathBuf::from(format!("/proc/{pid}"));
        assert!(process.exists() && Path::new(directory).exists());
        starter.kill().unwrap();
        starter.wait().unwrap();
        wait_until("server and directory are gone", || !process.exists() && !Path::new(directory).exists());
    }
}

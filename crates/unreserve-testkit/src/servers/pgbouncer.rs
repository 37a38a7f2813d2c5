//! A throw-away PgBouncer in front of a throw-away PostgreSQL server.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::supervisor::{Event, Supervisor, Task};
use super::{ServerError, account, postgres};

/// Where Debian keeps it, which is not on everybody's PATH.
const USUAL: &str = "/usr/sbin/pgbouncer";

/// How long a start may take, in looks of [`LOOK`] each.
const LOOKS_MAX: u32 = 1_000;

/// The pause between two looks whether it answers.
const LOOK: Duration = Duration::from_millis(10);

/// When a connection of the server's is given to another client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolMode {
    /// When the client has gone.
    Session,
    /// When the client's transaction has ended.
    Transaction,
}

/// A pooler with few connections to the server, so that its clients share them. It ends with this value, and with this process.
#[derive(Debug)]
pub struct PgBouncer {
    _supervisor: Supervisor,
    port: u16,
}

/// Finds the program.
///
/// # Errors
/// [`ServerError::NoPooler`] where it is not installed; the text says how to install it.
pub fn find_pgbouncer() -> Result<PathBuf, ServerError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|directory| directory.join("pgbouncer"))
        .chain([PathBuf::from(USUAL)])
        .find(|program| program.is_file())
        .ok_or(ServerError::NoPooler)
}

impl PgBouncer {
    /// Starts one in front of the server that listens there; every client becomes the superuser.
    ///
    /// # Errors
    /// It is not installed, or does not come up.
    pub fn start(server: SocketAddr, mode: PoolMode) -> Result<Self, ServerError> {
        let program = find_pgbouncer()?;
        let port = postgres::free_port()?;
        let file = |action, path: &Path| {
            let path = path.to_owned();
            move |source| ServerError::File { action, path, source }
        };
        let directory = tempfile::Builder::new()
            .prefix("unreserve-pool-")
            .tempdir()
            .map_err(file("create a directory in", &std::env::temp_dir()))?;
        let account = account::owned_by_root(directory.path())?.then(account::unprivileged).transpose()?;
        let settings = directory.path().join("pool.ini");
        std::fs::write(&settings, text(server, port, mode)).map_err(file("write", &settings))?;
        if let Some(account) = account {
            chown(directory.path(), Some(account.user), Some(account.group))
                .map_err(file("give away", directory.path()))?;
        }
        // From here on the supervisor removes it.
        let directory = directory.keep();
        // A shell's background process ignores QUIT, which is how the supervisor ends a server, and this one keeps it so.
        let run = ["env", "--default-signal=QUIT", &program.display().to_string(), &settings.display().to_string()];
        let run = run.map(str::to_owned).to_vec();
        let mut supervisor = Supervisor::start(Task { directory, prepare: vec!["true".to_owned()], run, account })?;
        supervisor.order_start()?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        for _ in 0..LOOKS_MAX {
            if let Some(Event::Ended(status)) = supervisor.next_event(LOOK)? {
                return Err(supervisor.failure(format!("ended with status {status}")));
            }
            if TcpStream::connect(address).is_ok() {
                return Ok(Self { _supervisor: supervisor, port });
            }
        }
        Err(supervisor.failure("did not answer in time"))
    }

    /// The address of a database, through the pooler instead of the server itself.
    #[must_use]
    pub fn url(&self, url: &str, server: SocketAddr) -> String {
        url.replacen(&server.to_string(), &format!("127.0.0.1:{}", self.port), 1)
    }
}

fn text(server: SocketAddr, port: u16, mode: PoolMode) -> String {
    let mode = match mode {
        PoolMode::Session => "session",
        PoolMode::Transaction => "transaction",
    };
    format!(
        "[databases]\n* = host={} port={} user=postgres\n\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
         unix_socket_dir =\nauth_type = any\npool_mode = {mode}\ndefault_pool_size = 3\nmax_client_conn = 100\n",
        server.ip(),
        server.port()
    )
}

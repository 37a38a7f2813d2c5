//! Where the page is listened for: an address, a socket, or both. Both are taken before anything else begins.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::AbortHandle;
use unreserve_engine::sweep::Clock;

use super::door::Door;
use super::patient::Patient;
use super::site::Site;
use super::token::Token;
use crate::clock::ProcessClock;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::settings::WebSettings;

/// At most so many are connected at once to an address, and as many to a socket; whoever comes later waits.
const CONNECTIONS: usize = 128;

/// Whoever has not sent the head of a request after so long is hung up on, also between two requests.
const HEAD: Duration = Duration::from_secs(20);

/// Whoever has read nothing of an answer for so long is hung up on.
const UNREAD: Duration = Duration::from_secs(30);

/// The most bytes of a request's head, and the most lines of it.
const HEAD_BYTES: usize = 32 * 1_024;
const HEAD_LINES: usize = 64;

/// After a connection could not be accepted, for want of files say, the next one is tried so much later.
const AGAIN: Duration = Duration::from_millis(100);

/// The places that are taken. Nobody is answered yet.
pub(crate) struct Bound {
    tcp: Option<(TcpListener, Door)>,
    #[cfg(unix)]
    socket: Option<Socket>,
}

/// A socket in the file system. It is removed at the end.
#[cfg(unix)]
struct Socket {
    listener: std::os::unix::net::UnixListener,
    path: PathBuf,
}

#[cfg(unix)]
impl Drop for Socket {
    fn drop(&mut self) {
        // Where it was removed by somebody else, or is on a file system that is gone, nothing is left to do.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Takes the places that the settings name; nothing where they name none.
///
/// # Errors
/// One of them is taken by somebody else, or cannot be had.
pub(crate) fn bind(web: &WebSettings) -> Result<Option<Bound>, Failure> {
    if web.listen.is_none() && web.socket.is_none() {
        return Ok(None);
    }
    let door = match &web.token {
        Some(token) => Door::Token(Token::new(token.value.clone())),
        None => Door::ThisMachine,
    };
    let tcp = web.listen.as_ref().map(|listen| Ok::<_, Failure>((tcp(listen.value)?, door))).transpose()?;
    let socket = web.socket.as_ref().map(|path| socket(&path.value)).transpose()?;
    #[cfg(not(unix))]
    let _: Option<std::convert::Infallible> = socket;
    Ok(Some(Bound {
        tcp,
        #[cfg(unix)]
        socket,
    }))
}

fn tcp(address: SocketAddr) -> Result<TcpListener, Failure> {
    let listener = TcpListener::bind(address).and_then(|listener| listener.set_nonblocking(true).map(|()| listener));
    listener.map_err(|error| {
        let failure = Failure::usage(format!("the page cannot listen on {address}")).because(&error);
        match error.kind() {
            std::io::ErrorKind::AddrInUse => failure
                .hint("another program listens there, perhaps another instance of unreserve: choose another port with `web.listen`"),
            std::io::ErrorKind::PermissionDenied => failure.hint("ports below 1024 are the system's: choose a higher one with `web.listen`"),
            _ => failure.hint("name an address of this machine with `web.listen`, such as `127.0.0.1:8420`"),
        }
    })
}

#[cfg(unix)]
fn socket(path: &Path) -> Result<Socket, Failure> {
    use std::os::unix::fs::FileTypeExt;
    use std::os::unix::net::{UnixListener, UnixStream};

    let cannot =
        |why: &str| Failure::usage(format!("the page cannot listen on the socket `{}`: {why}", path.display()));
    if let Ok(there) = std::fs::symlink_metadata(path) {
        if !there.file_type().is_socket() {
            return Err(cannot("another file is there").hint("name another path with `web.socket`, or remove the file"));
        }
        if UnixStream::connect(path).is_ok() {
            return Err(cannot("another program listens there")
                .hint("perhaps another instance of unreserve: name another path with `web.socket`"));
        }
        // Whoever left it is gone.
        std::fs::remove_file(path)
            .map_err(|error| cannot("it was left behind and cannot be removed").because(&error))?;
    }
    // No moment in which others could connect: the mode holds from the beginning.
    let before = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o177));
    let listener = UnixListener::bind(path);
    rustix::process::umask(before);
    let listener = listener.and_then(|listener| listener.set_nonblocking(true).map(|()| listener));
    let listener = listener.map_err(|error| {
        cannot("it cannot be made")
            .because(&error)
            .hint("its directory must exist and be writable, and the path be short")
    })?;
    Ok(Socket { listener, path: path.to_owned() })
}

#[cfg(not(unix))]
fn socket(path: &Path) -> Result<std::convert::Infallible, Failure> {
    Err(Failure::usage(format!("the page cannot listen on the socket `{}`", path.display()))
        .hint("this system has no such sockets: name an address with `web.listen`"))
}

impl Bound {
    /// Where a browser finds the page: the address that was taken, with the port that the system chose where none was named.
    pub(crate) fn url(&self) -> Option<String> {
        let (listener, _) = self.tcp.as_ref()?;
        listener.local_addr().ok().map(|address| format!("http://{address}/"))
    }

    /// Where the socket is.
    pub(crate) fn socket(&self) -> Option<&Path> {
        #[cfg(unix)]
        return self.socket.as_ref().map(|socket| socket.path.as_path());
        #[cfg(not(unix))]
        None
    }

    /// Answers from now on, on this thread, until the handles are aborted. Needs a `LocalSet`.
    ///
    /// # Errors
    /// The runtime cannot take the places over.
    pub(super) fn answer(self, site: &Site) -> Result<Vec<AbortHandle>, Failure> {
        let failed = |error: std::io::Error| Failure::new(Exit::Problems, "the page cannot be served").because(&error);
        let mut handles = Vec::new();
        if let Some((listener, door)) = self.tcp {
            let listener = tokio::net::TcpListener::from_std(listener).map_err(failed)?;
            let (site, connections) = (site.clone(), Arc::new(Semaphore::new(CONNECTIONS)));
            let work = async move {
                loop {
                    let permit = Arc::clone(&connections).acquire_owned().await;
                    match listener.accept().await {
                        Ok((stream, _)) => begin(stream, site.clone(), door.clone(), permit.ok()),
                        Err(error) => pause(&error).await,
                    }
                }
            };
            handles.push(tokio::task::spawn_local(work).abort_handle());
        }
        #[cfg(unix)]
        if let Some(socket) = self.socket {
            let listener = socket.listener.try_clone().map_err(failed)?;
            let listener = tokio::net::UnixListener::from_std(listener).map_err(failed)?;
            // Places of its own: whoever takes all those of the address leaves the socket's owner his.
            let (site, connections) = (site.clone(), Arc::new(Semaphore::new(CONNECTIONS)));
            let work = async move {
                // Removes the file when this ends.
                let _socket = socket;
                loop {
                    let permit = Arc::clone(&connections).acquire_owned().await;
                    match listener.accept().await {
                        Ok((stream, _)) => begin(stream, site.clone(), Door::Socket, permit.ok()),
                        Err(error) => pause(&error).await,
                    }
                }
            };
            handles.push(tokio::task::spawn_local(work).abort_handle());
        }
        Ok(handles)
    }
}

async fn pause(error: &std::io::Error) {
    tracing::debug!(event = "not_accepted", "a connection to the page was not accepted: {error}");
    ProcessClock::new().sleep(AGAIN).await;
}

/// Answers one connection for as long as it lasts.
fn begin(
    stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
    site: Site,
    door: Door,
    permit: Option<OwnedSemaphorePermit>,
) {
    let end = site.end();
    let service = hyper::service::service_fn(move |request| {
        let (site, door) = (site.clone(), door.clone());
        async move { Ok::<_, std::convert::Infallible>(site.answer(door, request).await) }
    });
    tokio::task::spawn_local(async move {
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD)
            .max_headers(HEAD_LINES)
            .max_buf_size(HEAD_BYTES)
            .serve_connection(TokioIo::new(Patient::new(stream, UNREAD)), service);
        tokio::select! {
            served = connection => if let Err(error) = served {
                tracing::trace!(event = "hung_up", "a connection to the page has ended: {error}");
            },
            () = end.wait() => {}
        }
        drop(permit);
    });
}

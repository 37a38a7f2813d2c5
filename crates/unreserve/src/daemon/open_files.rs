//! How many files the process may have open: each shop has a lock, and a daemon may have a thousand shops.

/// Allows as many as the system lets us. Where it does not, what cannot be opened is told when it is tried.
#[cfg(unix)]
pub(super) fn allow_many() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    if let Err(error) = raised {
        tracing::debug!("no more than {:?} open files are allowed: {error}", limit.current);
    }
}

#[cfg(not(unix))]
pub(super) fn allow_many() {}

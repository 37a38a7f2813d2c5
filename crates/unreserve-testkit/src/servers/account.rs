//! Chooses the account a server runs as: ours, or an unprivileged one when we are root.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::ServerError;

/// Accounts that may run a server for root, the fitting one first.
const CANDIDATES: [&str; 2] = ["postgres", "nobody"];

/// A user and group by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) user: u32,
    pub(super) group: u32,
}

/// Tells whether files made by this process belong to root.
///
/// # Errors
/// [`ServerError::File`] where no temporary file can be made.
pub fn runs_as_root() -> Result<bool, ServerError> {
    // Safe Rust has no `geteuid`; the owner of a file we make is the same answer.
    let probe = tempfile::tempdir().map_err(|source| ServerError::File {
        action: "create a directory in",
        path: std::env::temp_dir(),
        source,
    })?;
    owned_by_root(probe.path())
}

/// Whether root owns `path`, which this process has just made.
pub(super) fn owned_by_root(path: &Path) -> Result<bool, ServerError> {
    let metadata =
        fs::metadata(path).map_err(|source| ServerError::File { action: "read", path: path.to_owned(), source })?;
    Ok(metadata.uid() == 0)
}

/// The account to run a server as when this process is root.
pub(super) fn unprivileged() -> Result<Account, ServerError> {
    let path = Path::new("/etc/passwd");
    let accounts = fs::read_to_string(path).map_err(|source| ServerError::File {
        action: "read",
        path: path.to_owned(),
        source,
    })?;
    CANDIDATES.iter().find_map(|name| find_account(&accounts, name)).ok_or(ServerError::NoAccount)
}

/// Reads one account from the text of a password file: `name:x:user:group:…`.
fn find_account(accounts: &str, name: &str) -> Option<Account> {
    accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next() != Some(name) {
            return None;
        }
        Some(Account { user: fields.nth(1)?.parse().ok()?, group: fields.next()?.parse().ok()? })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNTS: &str =
        "root:x:0:0:root:/root:/bin/bash\npostgres2:x:7:7::/:/bin/sh\npostgres:x:101:104:a,,,:/var:/bin/bash\n";

    #[test]
    fn reads_the_account_with_exactly_that_name() {
        let account = find_account(ACCOUNTS, "postgres");
        assert_eq!(account, Some(Account { user: 101, group: 104 }));
    }

    #[test]
    fn finds_no_account_that_is_not_there() {
        assert_eq!(find_account(ACCOUNTS, "nobody"), None);
        assert_eq!(find_account("broken", "broken"), None);
    }
}

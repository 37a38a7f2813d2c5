//! Which account a service of the system runs as: the one that owns what it works with, and not root where it can be helped.

use std::path::Path;

use crate::failure::Failure;
use crate::service::launch::Launch;
use crate::service::machine::Machine;

/// Who runs a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Account {
    /// The user who installs it, with a service manager of their own.
    Caller,
    /// An account of the system, by name.
    Named(String),
    /// One that the service manager makes for as long as the service runs.
    Dynamic,
}

impl Account {
    /// The account: the one that was asked for; else the owner of a database that is a file; else the owner of the file
    /// with the database's address. Where that is root, one that the manager makes, if it can.
    ///
    /// # Errors
    /// The account does not exist.
    pub(crate) fn choose(wanted: Option<&str>, launch: &Launch, machine: &Machine) -> Result<Self, Failure> {
        if let Some(name) = wanted {
            return match user_named(machine, name) {
                Some(_) => Ok(Self::Named(name.to_owned())),
                None => Err(Failure::usage(format!("--run-as: there is no account `{name}`"))
                    .hint("`getent passwd` lists them; `useradd --system NAME` makes one")),
            };
        }
        let owner_of = |path: &Path| machine.owner(path);
        if let Some(owner) = launch.databases.iter().find_map(|file| owner_of(file)) {
            return Ok(Self::Named(name_of(machine, owner)));
        }
        let owners = launch.secrets.iter().filter_map(|secret| owner_of(secret.path()));
        match owners.into_iter().find(|owner| *owner != 0) {
            Some(owner) => Ok(Self::Named(name_of(machine, owner))),
            None => Ok(Self::Dynamic),
        }
    }

    /// The account's name for managers that make none: root, where nothing speaks for another.
    pub(crate) fn or_root(&self) -> &str {
        match self {
            Self::Named(name) => name,
            Self::Caller | Self::Dynamic => "root",
        }
    }
}

/// The name of a user's number; the number itself where it has none.
fn name_of(machine: &Machine, id: u32) -> String {
    let accounts = machine.read_text(Path::new("/etc/passwd")).unwrap_or_default();
    let name = accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(id)).then(|| name.to_owned())
    });
    name.unwrap_or_else(|| id.to_string())
}

/// The number of a user's name.
fn user_named(machine: &Machine, name: &str) -> Option<u32> {
    let accounts = machine.read_text(Path::new("/etc/passwd")).unwrap_or_default();
    let known = accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next()? == name).then(|| fields.nth(1)?.parse().ok()).flatten()
    });
    // Accounts may come from elsewhere than the file.
    known.or_else(|| machine.ask(["id", "-u", name])?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::launch::testing::launch;
    use crate::service::machine::testing::Desk;

    #[test]
    fn is_the_one_that_was_asked_for_or_the_owner() {
        let desk = Desk::new();
        desk.machine
            .write(Path::new("/etc/passwd"), b"root:x:0:0::/:/bin/sh\nshop:x:4711:1::/:/bin/sh\n", 0o644)
            .unwrap();
        assert_eq!(Account::choose(Some("shop"), &launch(), &desk.machine).unwrap(), Account::Named("shop".to_owned()));
        let failure = Account::choose(Some("shopp"), &launch(), &desk.machine).unwrap_err();
        assert_eq!(failure.message, "--run-as: there is no account `shopp`");
        // Nothing is there that could have an owner.
        assert_eq!(Account::choose(None, &launch(), &desk.machine).unwrap(), Account::Dynamic);
        desk.machine.write(Path::new("/etc/unreserve/env"), b"", 0o600).unwrap();
        let owner = desk.machine.owner(Path::new("/etc/unreserve/env")).unwrap();
        let expected = if owner == 0 { Account::Dynamic } else { Account::Named(owner.to_string()) };
        assert_eq!(Account::choose(None, &launch(), &desk.machine).unwrap(), expected);
        assert_eq!(
            (name_of(&desk.machine, 4711), name_of(&desk.machine, 4712)),
            ("shop".to_owned(), "4712".to_owned())
        );
    }
}

//! Which account a service of the system runs as: the one that owns what it works with, and not root where it can be helped.

use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::service::launch::Launch;
use crate::service::machine::Machine;
use crate::service::quote::shell;
use crate::service::steps::{Call, Step};

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

/// Refuses an account that could not read the files of a service: every run would only say so. A manager that shows the
/// service each of its files needs no way to them; for any other the directories above them are looked at too.
///
/// # Errors
/// It cannot read one of them, by its owner, group and mode.
pub(crate) fn check_reads(name: &str, files: &[PathBuf], needs_way: bool, machine: &Machine) -> Result<(), Failure> {
    let Some(user) = user_named(machine, name).filter(|user| *user != 0) else {
        return Ok(());
    };
    let groups = groups_of(machine, name);
    for file in files.iter().filter(|file| machine.exists(file)) {
        if !machine.lets(file, user, &groups, Machine::READ) {
            return Err(Failure::usage(format!(
                "`{name}` cannot read `{}`, and the service runs as `{name}`",
                file.display()
            ))
            .hint(format!("give it the file: chown {name} {}", shell(&file.display().to_string())))
            .hint("or name an account that can read it: --run-as NAME"));
        }
        let closed = file.ancestors().skip(1).find(|above| !machine.lets(above, user, &groups, Machine::ENTER));
        if let Some(above) = closed.filter(|_| needs_way) {
            return Err(Failure::usage(format!(
                "`{name}` cannot read `{}`: the directory `{}` is closed to it, and the service runs as `{name}`",
                file.display(),
                above.display()
            ))
            .hint("put the file where the account can read it, such as /etc/unreserve, or name another account: --run-as NAME"));
        }
    }
    Ok(())
}

/// The numbers of an account's groups.
fn groups_of(machine: &Machine, name: &str) -> Vec<u32> {
    let numbers = |text: &str| text.split_whitespace().filter_map(|word| word.parse().ok()).collect::<Vec<u32>>();
    if let Some(said) = machine.ask(["id", "-G", name]) {
        return numbers(&said);
    }
    let accounts = machine.read_text(Path::new("/etc/passwd")).unwrap_or_default();
    let line = accounts.lines().find(|line| line.split(':').next() == Some(name));
    line.and_then(|line| line.split(':').nth(3)).map(numbers).unwrap_or_default()
}

/// What makes the state directory, where it is not there; for managers that make none.
///
/// # Errors
/// It is there and belongs to somebody else, so that the service could not work.
pub(crate) fn state_directory(account: &Account, launch: &Launch, machine: &Machine) -> Result<Vec<Step>, Failure> {
    let directory = Path::new(&launch.state_dir);
    let Account::Named(name) = account else {
        return Ok(Vec::new());
    };
    let Some(owner) = machine.owner(directory) else {
        let words = ["install", "-d", "-m", "0700", "-o", name, &launch.state_dir];
        return Ok(vec![Step::Run(Call::new(words))]);
    };
    let id = user_named(machine, name);
    if id == Some(owner) || id == Some(0) {
        return Ok(Vec::new());
    }
    let owner = name_of(machine, owner);
    Err(Failure::usage(format!(
        "the state directory `{}` belongs to `{owner}`, and the service runs as `{name}`",
        launch.state_dir
    ))
    .hint(format!(
        "name another one with `--state-dir DIR`, or give it away: chown -R {name} {}",
        shell(&launch.state_dir)
    )))
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
    fn a_state_directory_is_made_for_the_account_and_nobody_elses_is_taken() {
        let desk = Desk::new();
        let shop = Account::Named("shop".to_owned());
        let made = state_directory(&shop, &launch(), &desk.machine).unwrap();
        assert_eq!(made, [Step::Run(Call::new(["install", "-d", "-m", "0700", "-o", "shop", "/var/lib/unreserve"]))]);
        assert_eq!(state_directory(&Account::Caller, &launch(), &desk.machine).unwrap(), []);
        desk.machine.write(Path::new("/var/lib/unreserve/a"), b"", 0o600).unwrap();
        let owner = desk.machine.owner(Path::new("/var/lib/unreserve")).unwrap();
        let accounts = format!("shop:x:{}:1::/:/bin/sh\nmine:x:{owner}:1::/:/bin/sh\n", owner.wrapping_add(1));
        desk.machine.write(Path::new("/etc/passwd"), accounts.as_bytes(), 0o644).unwrap();
        let failure = state_directory(&shop, &launch(), &desk.machine).unwrap_err();
        assert_eq!(
            failure.message,
            "the state directory `/var/lib/unreserve` belongs to `mine`, and the service runs as `shop`"
        );
        assert_eq!(state_directory(&Account::Named("mine".to_owned()), &launch(), &desk.machine).unwrap(), []);
    }

    #[test]
    fn must_be_able_to_read_what_the_service_reads() {
        let desk = Desk::new();
        let file = PathBuf::from("/etc/unreserve/env");
        desk.machine.write(&file, b"", 0o600).unwrap();
        let owner = desk.machine.owner(&file).unwrap();
        let other = owner.wrapping_add(1);
        let accounts = format!("own:x:{owner}:4711::/:/bin/sh\nother:x:{other}:4711::/:/bin/sh\n");
        desk.machine.write(Path::new("/etc/passwd"), accounts.as_bytes(), 0o644).unwrap();
        let check = |name: &str, way: bool| check_reads(name, std::slice::from_ref(&file), way, &desk.machine);
        check("own", true).unwrap();
        let failure = check("other", false).unwrap_err();
        assert_eq!(failure.message, "`other` cannot read `/etc/unreserve/env`, and the service runs as `other`");
        assert!(
            failure.hints.iter().any(|hint| hint.contains("chown other /etc/unreserve/env")),
            "{:?}",
            failure.hints
        );
        desk.machine.write(&file, b"", 0o604).unwrap();
        check("other", true).unwrap();
        desk.machine.set_mode(Path::new("/etc/unreserve"), 0o700);
        check("other", false).unwrap();
        let failure = check("other", true).unwrap_err();
        assert!(failure.message.contains("the directory `/etc/unreserve` is closed to it"), "{}", failure.message);
    }

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

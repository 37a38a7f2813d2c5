//! The kinds of service, and which of them fits this machine.

use std::path::Path;

use clap::ValueEnum;

use crate::failure::Failure;
use crate::service::machine::Machine;
use crate::service::{cron, systemd};

/// A way in which a system runs things unattended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// A systemd service that runs all the time and releases to the second
    Systemd,
    /// A systemd timer that sweeps every five minutes
    SystemdTimer,
    /// An entry for cron that sweeps every five minutes
    Cron,
    /// A launchd service of macOS that runs all the time
    Launchd,
    /// A task of the Windows Task Scheduler that sweeps every five minutes
    TaskScheduler,
    /// A Deployment that runs all the time, or with --cronjob a CronJob
    Kubernetes,
    /// A detached process, for a machine with none of these; it is gone after a restart of the machine
    Background,
}

/// Whose service it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The system's: it runs from the machine's start.
    System,
    /// The user's who installs it.
    User,
}

/// A service that was found on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Installed {
    /// How it is installed.
    pub(crate) kind: Kind,
    /// Whose it is.
    pub(crate) scope: Scope,
    /// The shop it is for, where it is for one of several.
    pub(crate) shop: Option<String>,
    /// Where it stands, as a person would look it up.
    pub(crate) place: String,
}

/// How a kind works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// One daemon runs all the time, for all shops.
    Daemon,
    /// A sweep runs every five minutes, one for each shop.
    Schedule,
}

impl Kind {
    /// Every kind, in the order in which they are looked for.
    pub(crate) const ALL: [Self; 7] = [
        Self::Systemd,
        Self::SystemdTimer,
        Self::Cron,
        Self::Launchd,
        Self::TaskScheduler,
        Self::Kubernetes,
        Self::Background,
    ];

    /// What `--kind` calls it.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Systemd => "systemd",
            Self::SystemdTimer => "systemd-timer",
            Self::Cron => "cron",
            Self::Launchd => "launchd",
            Self::TaskScheduler => "task-scheduler",
            Self::Kubernetes => "kubernetes",
            Self::Background => "background",
        }
    }

    /// Whether it runs all the time.
    pub(crate) const fn manner(self) -> Manner {
        match self {
            Self::Systemd | Self::Launchd | Self::Background => Manner::Daemon,
            Self::SystemdTimer | Self::Cron | Self::TaskScheduler | Self::Kubernetes => Manner::Schedule,
        }
    }

    /// The kind that fits this machine: what runs on it already, else a process of our own.
    pub(crate) fn of_machine(machine: &Machine) -> Self {
        if cfg!(target_os = "macos") {
            Self::Launchd
        } else if cfg!(windows) {
            Self::TaskScheduler
        } else if systemd::is_running(machine) {
            Self::Systemd
        } else if machine.find("crontab").is_some() && cron::is_running(machine) {
            Self::Cron
        } else {
            Self::Background
        }
    }

    /// Refuses to install where the kind's own manager does not run, before anything is written.
    ///
    /// # Errors
    /// The manager is not there, or is not this user's to tell.
    pub(crate) fn check_manager(self, scope: Scope, machine: &Machine) -> Result<(), Failure> {
        let print = "`--print` shows what would be installed, and `--kind background` needs no service manager";
        match self {
            Self::Systemd | Self::SystemdTimer => {
                if !systemd::is_running(machine) {
                    return Err(
                        Failure::usage("systemd does not run this machine, so nothing was installed").hint(print)
                    );
                }
            }
            Self::Cron => {
                let by_file = scope == Scope::System && machine.is_root() && machine.exists(Path::new(cron::DIRECTORY));
                if machine.find("crontab").is_none() && !by_file {
                    return Err(Failure::usage("there is no cron on this machine, so nothing was installed")
                        .hint("install it, on Debian or Ubuntu with: sudo apt-get install -y cron")
                        .hint(print));
                }
            }
            Self::Launchd => needs_program(machine, "launchctl", "launchd is macOS's")?,
            Self::TaskScheduler => needs_program(machine, "schtasks", "the Task Scheduler is Windows'")?,
            // Without `kubectl` the manifests are printed.
            Self::Kubernetes | Self::Background => {}
        }
        let is_systems = matches!(self, Self::Systemd | Self::SystemdTimer | Self::Launchd) && scope == Scope::System;
        if is_systems && !machine.is_root() {
            return Err(Failure::usage("a service of the system is installed by root, so nothing was installed")
                .hint("run it with sudo, or add `--user` for a service of your own"));
        }
        Ok(())
    }
}

fn needs_program(machine: &Machine, program: &str, whose: &str) -> Result<(), Failure> {
    if machine.find(program).is_some() {
        return Ok(());
    }
    Err(Failure::usage(format!("`{program}` is not on this machine ({whose}), so nothing was installed"))
        .hint("`--print` shows what would be installed; without `--kind` the one that fits this machine is taken"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::machine::testing::Desk;

    #[test]
    fn the_kind_is_what_runs_here_already() {
        let desk = Desk::new();
        assert_eq!(Kind::of_machine(&desk.machine), Kind::Background);
        desk.program("crontab", "");
        // Installed, and not running: nothing would come of it.
        assert_eq!(Kind::of_machine(&desk.machine), Kind::Background);
        desk.machine.write(Path::new("/proc/7/comm"), b"cron\n", 0o644).unwrap();
        assert_eq!(Kind::of_machine(&desk.machine), Kind::Cron);
        desk.machine.write(Path::new("/run/systemd/system/x"), b"", 0o644).unwrap();
        assert_eq!(Kind::of_machine(&desk.machine), Kind::Systemd);
    }

    #[test]
    fn a_manager_that_is_not_there_is_named_with_the_remedy() {
        let desk = Desk::new();
        for (kind, expected) in [
            (Kind::Systemd, "systemd does not run this machine, so nothing was installed"),
            (Kind::SystemdTimer, "systemd does not run this machine, so nothing was installed"),
            (Kind::Cron, "there is no cron on this machine, so nothing was installed"),
            (Kind::Launchd, "`launchctl` is not on this machine (launchd is macOS's), so nothing was installed"),
            (
                Kind::TaskScheduler,
                "`schtasks` is not on this machine (the Task Scheduler is Windows'), so nothing was installed",
            ),
        ] {
            let failure = kind.check_manager(Scope::System, &desk.machine).unwrap_err();
            assert_eq!(failure.message, expected);
            assert!(!failure.hints.is_empty());
        }
        for kind in [Kind::Kubernetes, Kind::Background] {
            kind.check_manager(Scope::System, &desk.machine).unwrap();
        }
        desk.machine.write(Path::new("/run/systemd/system/x"), b"", 0o644).unwrap();
        let mut user = desk.machine.clone();
        user.user_id = Some(1000);
        Kind::Systemd.check_manager(Scope::User, &user).unwrap();
        let failure = Kind::Systemd.check_manager(Scope::System, &user).unwrap_err();
        assert!(failure.message.contains("is installed by root"), "{}", failure.message);
    }

    #[test]
    fn each_kind_has_the_word_that_the_command_line_has() {
        for kind in Kind::ALL {
            assert_eq!(kind.to_possible_value().unwrap().get_name(), kind.word());
        }
    }
}

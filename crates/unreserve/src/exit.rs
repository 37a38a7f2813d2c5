//! The exit numbers, and nowhere else a number of them.

use std::process::ExitCode;

/// How the program ends. Scripts, timers and service managers rely on these numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done; also when nothing was due.
    Done,
    /// Done with problems: orders were set aside, the size bound tripped, or a result could not be written out.
    Problems,
    /// Wrong usage, settings or profile; nothing was written.
    Usage,
    /// Halted on a broken invariant.
    Halted,
    /// The database could not be reached or used.
    DatabaseUnavailable,
    /// Another instance is running.
    AlreadyRunning,
    /// What `health` found.
    Health(HealthExit),
}

/// How `health` ends: the numbers that monitoring plugins share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HealthExit {
    /// All is well.
    Ok,
    /// Something wants to be looked at.
    Warning,
    /// Something wants to be looked at now.
    Critical,
    /// It could not be found out.
    Unknown,
}

impl Exit {
    /// The number the operating system is told.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Problems => 1,
            Self::Usage => 2,
            Self::Halted => 3,
            Self::DatabaseUnavailable => 4,
            Self::AlreadyRunning => 75,
            Self::Health(health) => health.code(),
        }
    }
}

impl HealthExit {
    const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Warning => 1,
            Self::Critical => 2,
            Self::Unknown => 3,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

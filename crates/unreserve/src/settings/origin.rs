//! Where a setting's value came from.

use std::fmt;
use std::path::PathBuf;

/// Where a value came from, said the way its owner would look it up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A flag of the command line, with its dashes.
    Flag(&'static str),
    /// An environment variable of the process.
    Environment(String),
    /// A systemd credential.
    Credential(String),
    /// A variable of the env file.
    EnvFile {
        /// The file.
        path: PathBuf,
        /// The line it stands on, from 1.
        line: usize,
        /// The variable.
        variable: String,
    },
    /// A key of the settings file.
    File {
        /// The file.
        path: PathBuf,
        /// The line it stands on, from 1.
        line: usize,
        /// The key.
        key: &'static str,
    },
    /// Nobody said anything.
    Default,
}

impl Origin {
    /// What an error names before its colon: the flag, the variable, or the key.
    pub(super) fn subject(&self) -> String {
        match self {
            Self::Flag(flag) => (*flag).to_owned(),
            Self::Environment(variable) => variable.clone(),
            Self::Credential(name) => format!("credential {name}"),
            Self::EnvFile { path, line, variable } => format!("{}:{line}: {variable}", path.display()),
            Self::File { path, line, key } => format!("{}:{line}: {key}", path.display()),
            Self::Default => "default".to_owned(),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => write!(formatter, "flag {flag}"),
            Self::Environment(variable) => write!(formatter, "environment {variable}"),
            Self::Credential(name) => write!(formatter, "credential {name}"),
            Self::EnvFile { path, line, .. } | Self::File { path, line, .. } => {
                write!(formatter, "{} line {line}", path.display())
            }
            Self::Default => formatter.write_str("default"),
        }
    }
}

/// A value and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sourced<T> {
    /// The value.
    pub(crate) value: T,
    /// Where it came from.
    pub(crate) origin: Origin,
}

impl<T> Sourced<T> {
    /// A value with its origin.
    pub(crate) fn new(value: T, origin: Origin) -> Self {
        Self { value, origin }
    }
}

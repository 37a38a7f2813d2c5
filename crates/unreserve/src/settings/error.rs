//! What can be wrong with the settings, and the remedy for each.

use std::io;
use std::path::PathBuf;

use crate::exit::Exit;
use crate::failure::{Failure, SourceText};
use crate::settings::origin::Origin;

/// Why there are no effective settings. No variant holds a secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    /// A file that was named is not there.
    #[error("{origin}: `{}` does not exist", path.display())]
    Missing {
        /// Who named it.
        origin: Origin,
        /// The file.
        path: PathBuf,
    },
    /// A file is there and cannot be read.
    #[error("cannot read {what} `{}`", path.display())]
    Unreadable {
        /// What kind of file it is.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file that others can read holds a password.
    #[error("{what} `{}` holds {secret} and can be read by everyone (mode {mode:04o})", path.display())]
    WorldReadable {
        /// What kind of file it is.
        what: &'static str,
        /// What it holds: `a password`.
        secret: &'static str,
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A line of the env file is no `NAME=value`.
    #[error("{}:{line}: this line is not `NAME=value`", path.display())]
    EnvFileLine {
        /// The env file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// The settings file does not say what a settings file can say.
    #[error("{message}")]
    SettingsFile {
        /// File, line, column, and what is wrong there.
        message: String,
        /// What to do about it.
        hint: Option<String>,
        /// The text, its values masked.
        source_text: Box<SourceText>,
    },
    /// A value that cannot be used.
    #[error("{}: {problem}", origin.subject())]
    Value {
        /// Where the value stands.
        origin: Origin,
        /// What is wrong with it.
        problem: String,
        /// What to do about it.
        hint: Option<String>,
        /// The settings file's text with its values masked, where the value stands there.
        source_text: Option<Box<SourceText>>,
    },
    /// A command works on one shop, there are several, and nobody says which.
    #[error("`{}` has several shops, and nobody says which one is meant", path.display())]
    WhichShop {
        /// The settings file.
        path: PathBuf,
        /// The names of its shops, as far as they are told.
        names: String,
    },
    /// A secret was given directly and as a file.
    #[error("`{variable}` and `{variable}_FILE` are both set")]
    SetTwice {
        /// The variable.
        variable: String,
    },
    /// Neither a home directory nor a state directory is known.
    #[error("no place for the state directory: this user has no home directory")]
    NoStateDir,
}

impl SettingsError {
    /// A value that cannot be used.
    pub(super) fn value(origin: &Origin, problem: impl Into<String>) -> Self {
        Self::Value { origin: origin.clone(), problem: problem.into(), hint: None, source_text: None }
    }

    /// Adds what to do about a value.
    pub(super) fn hinted(mut self, text: impl Into<String>) -> Self {
        if let Self::Value { hint, .. } | Self::SettingsFile { hint, .. } = &mut self {
            *hint = Some(text.into());
        }
        self
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Missing { .. } => Some("check the path, or leave it out".to_owned()),
            Self::WorldReadable { path, secret, .. } => Some(format!(
                "run `chmod 600 {}`, or keep {} elsewhere",
                path.display(),
                secret.replacen("a ", "the ", 1)
            )),
            Self::EnvFileLine { .. } => {
                Some("it is not shown, since it may hold a secret; quote a value with blanks or `#`".to_owned())
            }
            Self::SettingsFile { hint, .. } | Self::Value { hint, .. } => hint.clone(),
            Self::WhichShop { names, .. } => {
                Some(format!("say it with `--shop NAME` or `UNRESERVE_SHOP`; the shops are: {names}"))
            }
            Self::SetTwice { variable } => Some(format!("unset `{variable}` or `{variable}_FILE`")),
            Self::NoStateDir => Some("name one with `--state-dir DIR` or `UNRESERVE_STATE_DIR`".to_owned()),
            Self::Unreadable { .. } => None,
        }
    }
}

impl From<SettingsError> for Failure {
    fn from(error: SettingsError) -> Self {
        let mut failure = Self::from_error(Exit::Usage, &error);
        failure.hints.extend(error.hint());
        if let SettingsError::SettingsFile { source_text, .. } = error {
            failure.source = Some(source_text);
        } else if let SettingsError::Value { source_text, .. } = error {
            failure.source = source_text;
        }
        failure
    }
}

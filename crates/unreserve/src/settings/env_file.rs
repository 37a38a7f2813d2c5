//! The env file: `NAME=value` lines, read without changing the process's environment.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::settings::database_url::DatabaseUrl;
use crate::settings::error::SettingsError;
use crate::settings::origin::{Origin, Sourced};
use crate::settings::permissions::{self, FileOnDisk};
use crate::settings::table::DATABASE_URL;

const WHAT: &str = "env file";

/// The variables of an env file. The first line of a name wins, as with other tools that read such files.
pub(super) struct EnvFile {
    path: PathBuf,
    on_disk: FileOnDisk,
    variables: BTreeMap<String, Variable>,
}

struct Variable {
    line: usize,
    value: String,
}

impl EnvFile {
    /// Reads the file. A missing one is empty if nobody named it.
    pub(super) fn read(path: &Sourced<PathBuf>) -> Result<Option<Self>, SettingsError> {
        let Some(file) = permissions::read(WHAT, path)? else {
            return Ok(None);
        };
        let variables = variables(&file.text, path)?;
        let read = Self { path: path.value.clone(), on_disk: file, variables };
        for name in DATABASE_URL.env {
            read.secret(name)?;
        }
        Ok(Some(read))
    }

    /// The file, as it was named.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The value of a variable that is a database's URL.
    ///
    /// # Errors
    /// It has a password in it, and everyone can read the file.
    pub(super) fn secret(&self, name: &str) -> Result<Option<(&str, Origin)>, SettingsError> {
        let found = self.get(name);
        if found.as_ref().is_some_and(|(value, _)| DatabaseUrl::new(*value).has_password()) {
            self.on_disk.demand_privacy(WHAT, &self.path)?;
        }
        Ok(found)
    }

    /// The value of a variable that is a secret, whatever it looks like.
    ///
    /// # Errors
    /// Everyone can read the file.
    pub(super) fn private(&self, name: &str) -> Result<Option<(&str, Origin)>, SettingsError> {
        let found = self.get(name);
        if found.is_some() {
            self.on_disk.demand_privacy_of(WHAT, "a secret", &self.path)?;
        }
        Ok(found)
    }

    /// The value of a variable. An empty one counts as not set.
    pub(super) fn get(&self, name: &str) -> Option<(&str, Origin)> {
        let variable = self.variables.get(name).filter(|variable| !variable.value.is_empty())?;
        let origin = Origin::EnvFile { path: self.path.clone(), line: variable.line, variable: name.to_owned() };
        Some((&variable.value, origin))
    }

    /// The names of its variables.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.variables.keys().map(String::as_str)
    }
}

fn variables(text: &str, path: &Sourced<PathBuf>) -> Result<BTreeMap<String, Variable>, SettingsError> {
    let mut variables = BTreeMap::new();
    for item in dotenvy::from_read_iter(text.as_bytes()) {
        match item {
            Ok((name, value)) => {
                let line = line_of(text, &name);
                variables.entry(name).or_insert(Variable { line, value });
            }
            // The library's own message repeats the line, which may hold the password.
            Err(dotenvy::Error::LineParse(wrong, _)) => {
                let line = text.find(wrong.trim_end()).map_or(1, |start| line_at(text, start));
                return Err(SettingsError::EnvFileLine { path: path.value.clone(), line });
            }
            Err(_) => {
                return Err(SettingsError::EnvFileLine { path: path.value.clone(), line: 1 });
            }
        }
    }
    Ok(variables)
}

/// The first line that sets the variable, from 1: the parser does not say where it is.
fn line_of(text: &str, name: &str) -> usize {
    let sets_it = |line: &str| {
        let line = line.trim_start();
        let line = line.strip_prefix("export ").unwrap_or(line);
        line.split_once('=').is_some_and(|(left, _)| left.trim() == name)
    };
    text.lines().position(sets_it).map_or(1, |index| index.saturating_add(1))
}

/// The line of a byte of the text, from 1.
pub(super) fn line_at(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().iter().take(offset);
    before.filter(|byte| **byte == b'\n').count().saturating_add(1)
}

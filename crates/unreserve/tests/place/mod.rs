//! A working directory and an environment of its own for each run of the program.

use std::fs;
use std::path::Path;
use std::process::Output;

use assert_cmd::Command;
use tempfile::TempDir;

/// A URL with the password that must never be shown.
pub(crate) const URL: &str = "postgres://shop:hunter2@host/db";

/// A working directory of its own and an environment of nothing but what the test sets.
pub(crate) struct Place {
    directory: TempDir,
}

impl Place {
    /// An empty directory.
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    /// The directory.
    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Writes a file that nobody else can read.
    pub(crate) fn file(&self, name: &str, text: &str) -> &Self {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        self.mode(name, 0o600)
    }

    /// Sets the permissions of a file.
    pub(crate) fn mode(&self, name: &str, mode: u32) -> &Self {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(self.path().join(name), fs::Permissions::from_mode(mode)).unwrap();
        self
    }

    /// Runs the program there, with these variables and no others.
    pub(crate) fn run(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_unreserve"))
            .env_clear()
            .env("HOME", self.path())
            .envs(variables.iter().copied())
            .current_dir(self.path())
            .args(arguments)
            .output()
            .unwrap()
    }
}

/// What the program wrote as its result.
pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// What else the program wrote.
pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

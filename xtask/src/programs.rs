//! Runs cargo and other programs at the workspace's root.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::{Failure, say};

/// What `cargo run` tells the program it runs about its own package. Handed on to another cargo, it would only make build
/// scripts that look at it run again.
const CARGO_RUN_VARIABLES: [&str; 3] = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"];

/// The cargo that started us, else the one on PATH.
pub(crate) fn cargo() -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let ours = |prefix: &&str| name.as_encoded_bytes().starts_with(prefix.as_bytes());
        if CARGO_RUN_VARIABLES.iter().any(ours) {
            command.env_remove(&name);
        }
    }
    command
}

/// The directory of the workspace that the current directory belongs to.
pub(crate) fn workspace_root() -> Result<PathBuf, Failure> {
    let mut command = cargo();
    command.args(["locate-project", "--workspace", "--message-format=plain"]);
    let manifest = PathBuf::from(output(&mut command)?.trim());
    Ok(manifest.parent().map(PathBuf::from).unwrap_or_default())
}

/// Where cargo puts what it builds.
pub(crate) fn target_directory(root: &std::path::Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from)
}

/// Runs a command in sight of the user; its failure is ours.
pub(crate) fn run(command: &mut Command) -> Result<(), Failure> {
    say::line(&format!("$ {}", shown(command)));
    let status = command.status().map_err(not_started(command))?;
    if status.success() { Ok(()) } else { Err(failed(command)) }
}

/// Runs a command and returns what it wrote to standard output.
pub(crate) fn output(command: &mut Command) -> Result<String, Failure> {
    let output = command.stderr(Stdio::inherit()).output().map_err(not_started(command))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(failed(command))
    }
}

/// Whether this machine has a cargo subcommand such as `nextest`.
pub(crate) fn has_cargo_command(name: &str) -> bool {
    cargo()
        .args([name, "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn not_started(command: &Command) -> impl FnOnce(std::io::Error) -> Failure + use<> {
    let program = command.get_program().to_string_lossy().into_owned();
    |source| Failure::Program { program, source }
}

fn failed(command: &Command) -> Failure {
    Failure::Command { command: shown(command) }
}

/// The command as one would type it, with `cargo` for the path of the cargo that started us.
fn shown(command: &Command) -> String {
    let program = PathBuf::from(command.get_program());
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    command.get_args().fold(name.into_owned(), |text, argument| format!("{text} {}", argument.to_string_lossy()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_command_is_named_as_one_would_type_it() {
        let failure = run(Command::new("/bin/sh").args(["-c", "exit 3"])).unwrap_err();
        assert_eq!(failure.to_string(), "`sh -c exit 3` failed");
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let failure = output(&mut Command::new("no-such-program")).unwrap_err();
        assert_eq!(failure.to_string(), "cannot run `no-such-program`");
    }

    #[test]
    fn finds_the_workspace_and_not_the_package() {
        assert!(workspace_root().unwrap().join("clippy.toml").exists());
    }

    #[test]
    fn tells_a_cargo_command_that_is_there_from_one_that_is_not() {
        assert!(has_cargo_command("metadata") || has_cargo_command("fmt"));
        assert!(!has_cargo_command("no-such-command"));
    }
}

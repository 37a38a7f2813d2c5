//! Help, version, completions, manual pages, and what happens where stdout takes nothing.
#![expect(clippy::unwrap_used, reason = "helpers of a test may fail it")]

use std::fs::File;
use std::io::Read;
use std::process::{Command, Output, Stdio};

fn unreserve(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_unreserve"));
    command.env_clear().current_dir(std::env::temp_dir()).args(arguments);
    command
}

fn run(arguments: &[&str]) -> Output {
    unreserve(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn the_help_of_every_command() {
    let commands: [&[&str]; 32] = [
        &[],
        &["demo"],
        &["setup"],
        &["sweep"],
        &["daemon"],
        &["dashboard"],
        &["health"],
        &["alert"],
        &["alert", "test"],
        &["alert", "show"],
        &["explain"],
        &["history"],
        &["history", "show"],
        &["report"],
        &["profile"],
        &["profile", "list"],
        &["profile", "show"],
        &["profile", "check"],
        &["service"],
        &["service", "install"],
        &["service", "uninstall"],
        &["service", "start"],
        &["service", "stop"],
        &["service", "restart"],
        &["service", "status"],
        &["service", "logs"],
        &["settings"],
        &["settings", "show"],
        &["settings", "reference"],
        &["settings", "metrics"],
        &["completions"],
        &["man"],
    ];
    for command in commands {
        let output = run(&[command, &["--help"]].concat());
        assert_eq!(output.status.code(), Some(0), "{command:?}");
        let name = ["unreserve"].iter().chain(command).copied().collect::<Vec<_>>().join("_");
        insta::assert_snapshot!(name, text(&output.stdout));
    }
}

#[test]
fn the_version_has_the_commit() {
    let output = run(&["--version"]);
    let version = text(&output.stdout);
    let start = format!("unreserve {} (commit ", env!("CARGO_PKG_VERSION"));
    assert!(version.starts_with(&start) && version.ends_with(")\n"), "{version}");
    assert!(version.len() > start.len() + 2, "{version}");
}

#[test]
fn wrong_usage_ends_with_2_and_says_so_on_stderr() {
    for arguments in [&["sweep", "--nonsense"][..], &["nonsense"], &["explain"], &["profile"], &[]] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert_eq!(text(&output.stdout), "", "{arguments:?}");
        assert!(!output.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn a_url_in_the_wrong_place_does_not_show_its_password() {
    let output = run(&["sweep", "postgres://shop:hunter2@host/db"]);
    let shown = text(&output.stderr);
    assert!(shown.contains("postgres://shop:***@host/db") && !shown.contains("hunter2"), "{shown}");
}

#[test]
fn completions_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = run(&["completions", shell]);
        assert_eq!(output.status.code(), Some(0), "{shell}");
        let script = text(&output.stdout);
        assert!(script.contains("unreserve") && script.contains("dry-run"), "{shell}");
    }
}

#[test]
fn the_manual_pages() {
    let output = run(&["man"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stdout).contains(".TH unreserve 1"));
    let directory = tempfile::tempdir().unwrap();
    let pages = directory.path().join("man1");
    assert_eq!(run(&["man", "--dir", pages.to_str().unwrap()]).status.code(), Some(0));
    for name in ["unreserve.1", "unreserve-sweep.1", "unreserve-history-show.1", "unreserve-profile-check.1"] {
        let page = std::fs::read_to_string(pages.join(name)).expect(name);
        assert!(page.contains("Examples:"), "{name}");
    }
    let output = run(&["man", "--dir", "/dev/null/x"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).starts_with("error: cannot write the manual pages to `/dev/null/x`\n"));
}

/// Runs with a stdout whose reader has gone before the first byte.
fn without_reader(arguments: &[&str]) -> Output {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    unreserve(arguments).stdout(writer).stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap()
}

#[test]
fn a_closed_stdout_is_an_error_for_results_and_none_for_help() {
    let output = without_reader(&["settings", "show"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stderr), "error: stdout was closed before the whole result was written\n");
    for arguments in [&["--help"][..], &["sweep", "--help"], &["--version"], &["completions", "zsh"], &["man"]] {
        let output = without_reader(arguments);
        assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), ""), "{arguments:?}");
    }
}

#[test]
fn a_full_disk_under_stdout_is_an_error_for_everything() {
    for arguments in [&["settings", "show"][..], &["--help"], &["completions", "zsh"], &["man"]] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = unreserve(arguments).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let expected = "error: cannot write the result to stdout\n  caused by: No space left on device (os error 28)\n";
        assert_eq!(text(&output.stderr), expected, "{arguments:?}");
    }
}

#[test]
fn a_closed_stderr_changes_nothing() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let url = "postgres://shop:hunter2@host/db";
    let mut child =
        unreserve(&["settings", "show", "--database-url", url]).stdout(Stdio::piped()).stderr(writer).spawn().unwrap();
    let mut result = String::new();
    child.stdout.take().unwrap().read_to_string(&mut result).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(result.contains("database_url"), "{result}");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status = unreserve(&["sweep", "--batch-size", "0"]).stderr(writer).status().unwrap();
    assert_eq!(status.code(), Some(2));
}

#[test]
fn no_colour_leaves_the_program_where_nobody_sees_it() {
    let output = unreserve(&["sweep", "--batch-size", "0"]).env("TERM", "xterm-256color").output().unwrap();
    assert!(!output.stderr.contains(&0x1b));
    let output = unreserve(&["--help"]).env("TERM", "xterm-256color").output().unwrap();
    assert!(!output.stdout.contains(&0x1b));
}

//! Tells the program which commit it was built from, for `--version`.

use std::path::Path;
use std::process::Command;

/// The name under which packagers give the commit when there is no git, as `abc1234 2026-11-22`.
const OVERRIDE: &str = "UNRESERVE_COMMIT";

fn main() {
    println!("cargo::rerun-if-env-changed={OVERRIDE}");
    println!("cargo::rerun-if-changed=build.rs");
    for path in watched_paths() {
        println!("cargo::rerun-if-changed={path}");
    }
    let given = std::env::var(OVERRIDE).ok().filter(|commit| !commit.trim().is_empty());
    let commit = given.or_else(commit_from_git).unwrap_or_else(|| "unknown".to_owned());
    let version = std::env::var("CARGO_PKG_VERSION").unwrap_or_default();
    println!("cargo::rustc-env=UNRESERVE_VERSION={version} (commit {})", commit.trim());
}

/// Commit and day, but only if git knows this very file: a source archive unpacked inside somebody else's repository
/// must not report that repository's commit.
fn commit_from_git() -> Option<String> {
    git(&["ls-files", "--error-unmatch", "Cargo.toml"])?;
    git(&["show", "--no-patch", "--abbrev=7", "--format=%h %cs", "HEAD"])
}

/// What changes when another commit is checked out. Only files that exist: cargo would rebuild every time for others.
fn watched_paths() -> Vec<String> {
    let mut names = vec!["HEAD".to_owned(), "packed-refs".to_owned()];
    names.extend(git(&["symbolic-ref", "--quiet", "HEAD"]));
    names
        .iter()
        .filter_map(|name| git(&["rev-parse", "--git-path", name]))
        .filter(|path| Path::new(path).exists())
        .collect()
}

/// What git says, on one line; nothing if there is no git or it refuses.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}

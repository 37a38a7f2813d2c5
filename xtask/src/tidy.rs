//! `cargo xtask tidy`: the rules of the house that no compiler checks.

mod crates;
mod lengths;
mod names;
mod numbers;
mod paths;
mod places;
mod rooms;
mod source;
mod sql;
mod tokens;

use std::fmt;
use std::path::Path;

use crate::programs::{output, workspace_root};
use crate::{Failure, say};
use source::Source;

/// One place where a rule is broken.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Breach {
    /// Relative to the workspace's root, with `/`.
    file: String,
    line: usize,
    rule: &'static str,
    /// What to do about it.
    remedy: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}: {}: {}", self.file, self.line, self.rule, self.remedy)
    }
}

/// Every rule looks at one file at a time. A new one is one more line.
const RULES: &[fn(&Source) -> Vec<Breach>] = &[
    source::parses,
    sql::statements,
    sql::drivers,
    names::dialects,
    names::modules,
    names::allow_attributes,
    places::one_place,
    numbers::floats,
    lengths::first_line,
    lengths::file,
    lengths::functions,
    rooms::imports,
    crates::dependencies,
    paths::machine,
];

/// Checks every file that git knows or would take in, and prints each breach.
pub(crate) fn run() -> Result<(), Failure> {
    let root = workspace_root()?;
    let mut breaches = Vec::new();
    let files = files(&root)?;
    for path in &files {
        if let Some(source) = Source::read(&root, path)? {
            breaches.extend(check(&source));
        }
    }
    if breaches.is_empty() {
        say::line(&format!("tidy: {} files, no breach", files.len()));
        return Ok(());
    }
    breaches.sort();
    for breach in &breaches {
        say::line(&breach.to_string());
    }
    let places = if breaches.len() == 1 { "place" } else { "places" };
    Err(Failure::Breaches(format!("{} {places}", breaches.len())))
}

fn check(source: &Source) -> Vec<Breach> {
    RULES.iter().flat_map(|rule| rule(source)).collect()
}

/// The tracked and the not yet tracked files, without the ignored ones.
fn files(root: &Path) -> Result<Vec<String>, Failure> {
    let mut git = std::process::Command::new("git");
    git.current_dir(root).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate"]);
    let listed = output(&mut git)?;
    Ok(listed.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect())
}

#[cfg(test)]
mod testing {
    //! What the tests of the rules share.

    use super::{Breach, Source, check};

    /// Checks a file's text with every rule and returns `line rule` of each breach.
    pub(super) fn breaches(path: &str, text: &str) -> Vec<String> {
        let mut found = check(&Source::new(path, text.to_owned()));
        found.sort();
        found.iter().map(|Breach { line, rule, .. }| format!("{line} {rule}")).collect()
    }

    /// Asserts that a file breaks exactly this rule at this line, and nothing else.
    #[track_caller]
    pub(super) fn bad(path: &str, code: &str, expected: &str) {
        assert_eq!(breaches(path, code), [expected], "{path}\n{code}");
    }

    /// Asserts that a file breaks no rule.
    #[track_caller]
    pub(super) fn good(path: &str, code: &str) {
        assert_eq!(breaches(path, code), [""; 0], "{path}\n{code}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_breach_reads_as_file_line_rule_and_remedy() {
        let source = Source::new("crates/a/src/util.rs", "//! One.\n".to_owned());
        let texts: Vec<_> = check(&source).iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["crates/a/src/util.rs:1: module-name: `util` says nothing: name the one subject it has"]);
    }

    #[test]
    fn lists_the_files_of_this_workspace() {
        let root = workspace_root().unwrap();
        let files = files(&root).unwrap();
        assert!(files.iter().any(|path| path == "Cargo.toml"));
        assert!(!files.iter().any(|path| path.starts_with("target/")));
    }
}

//! Things that have one place: the clock, the deadline, printing, ending the process.

use super::Breach;
use super::source::Source;
use super::tokens::{PathUse, Role};

/// Something that only some files may do.
struct OnePlace {
    rule: &'static str,
    files: &'static [&'static str],
    does: fn(&PathUse) -> bool,
}

const PLACES: &[OnePlace] = &[
    OnePlace {
        rule: "clock",
        files: &["crates/unreserve/src/clock.rs"],
        does: |path| {
            ["Instant", "SystemTime", "Timestamp", "Zoned"].iter().any(|clock| path.contains(&[clock, "now"]))
                || names(path, &["sleep", "sleep_until", "interval", "interval_at"], &["time", "thread"])
        },
    },
    OnePlace {
        rule: "timeout",
        files: &["crates/unreserve-db/src/deadline.rs"],
        does: |path| path.contains(&["time", "timeout"]) || path.contains(&["time", "timeout_at"]),
    },
    OnePlace {
        rule: "print",
        files: &["crates/unreserve/src/printer.rs"],
        does: |path| {
            let prints = ["print", "println", "eprint", "eprintln"].contains(&path.last());
            path.role == Role::Macro && prints || names(path, &["stdout", "stderr"], &["io", "anstream"])
        },
    },
    OnePlace {
        rule: "exit",
        files: &["crates/unreserve/src/main.rs", "crates/unreserve/src/exit.rs"],
        does: |path| ["exit", "abort", "ExitCode"].iter().any(|name| path.contains(&["process", name])),
    },
];

/// What has one place is not done elsewhere; tests and their tools aside.
pub(super) fn one_place(source: &Source) -> Vec<Breach> {
    let elsewhere = |place: &&OnePlace| !place.files.contains(&&*source.path);
    let mut breaches = Vec::new();
    for place in PLACES.iter().filter(elsewhere) {
        for path in source.product_paths().filter(|path| (place.does)(path)) {
            let written = path.segments.join("::");
            let remedy = format!("`{written}` belongs only in `{}`", place.files.join("` and `"));
            breaches.push(source.breach(path.line, place.rule, remedy));
        }
    }
    breaches
}

/// Whether a path calls one of `functions`, or imports or names one of them from one of `modules`.
fn names(path: &PathUse, functions: &[&str], modules: &[&str]) -> bool {
    let from_module = path.segments.iter().any(|part| modules.contains(&part.as_str()));
    functions.contains(&path.last())
        && match path.role {
            Role::Call => true,
            Role::Import | Role::Other => from_module,
            Role::Macro | Role::OwnName => false,
        }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{bad, good};

    /// Checks that a line of code is a breach in `elsewhere` and none in `home` or in a test.
    fn has_one_place(line: &str, rule: &str, home: &str) {
        let code = format!("//! One.\nfn a() {{\n    {line};\n}}\n");
        bad("crates/unreserve/src/app.rs", &code, &format!("3 {rule}"));
        good(home, &code);
        good("crates/unreserve/tests/sweep.rs", &code);
        good("crates/unreserve/build.rs", &code);
        good("crates/unreserve-testkit/src/clock.rs", &code);
    }

    #[test]
    fn the_clock_has_one_place() {
        for line in [
            "std::time::Instant::now()",
            "let now = SystemTime::now",
            "jiff::Timestamp::now()",
            "Zoned::now()",
            "tokio::time::sleep(wait).await",
            "sleep(wait)",
            "use std::thread::{self, sleep}",
        ] {
            has_one_place(line, "clock", "crates/unreserve/src/clock.rs");
        }
    }

    #[test]
    fn a_timeout_has_one_place() {
        for line in ["tokio::time::timeout(a, b).await", "use tokio::time::{Duration, timeout}"] {
            has_one_place(line, "timeout", "crates/unreserve-db/src/deadline.rs");
        }
    }

    #[test]
    fn printing_has_one_place() {
        for line in [
            "println!(\"a\")",
            "anstream::eprintln!(\"a\")",
            "std::io::stdout().lock()",
            "use std::io::{Write, stderr}",
            "stderr()",
        ] {
            has_one_place(line, "print", "crates/unreserve/src/printer.rs");
        }
    }

    #[test]
    fn ending_the_process_has_one_place() {
        for line in ["std::process::exit(1)", "use std::process::ExitCode"] {
            has_one_place(line, "exit", "crates/unreserve/src/main.rs");
            has_one_place(line, "exit", "crates/unreserve/src/exit.rs");
        }
    }

    #[test]
    fn a_name_of_ones_own_is_no_breach() {
        good(
            "crates/unreserve/src/app.rs",
            "//! One.\n/// Instant::now()\nfn sleep(clock: &Clock) {\n    clock.sleep(1); // println!()\n    command.stdout(a);\n    let b = \"println!()\";\n    c.timeout(1);\n}\n",
        );
    }
}

//! `cargo xtask docs`: writes the reference pages from the program itself, or checks that they are current.

use std::path::Path;
use std::process::Command;

use unreserve_engine::profile::FIELDS;

use crate::programs::{cargo, run as run_program, target_directory, workspace_root};
use crate::{Failure, say};

/// What to do with the pages.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Arguments {
    /// Change nothing; fail where a page is not what the program would write.
    #[arg(long)]
    pub(crate) check: bool,
    /// Also make the picture of the terminal anew (it shows a run of the demo, so it differs each time).
    #[arg(long, conflicts_with = "check")]
    pub(crate) picture: bool,
}

/// Writes or checks every page.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let root = workspace_root()?;
    run_program(cargo().args(["build", "--quiet", "--package", "unreserve"]).current_dir(&root))?;
    let program = target_directory(&root).join("debug").join("unreserve");
    let pages = [
        ("docs/reference/commands.md", commands(&program)?),
        ("docs/reference/settings.md", settings(&program)?),
        ("docs/reference/metrics.md", metrics(&program)?),
        ("docs/reference/profile.md", profile()),
        ("docs/reference/openapi.json", output(&program, &["settings", "openapi"])?),
    ];
    let mut stale = Vec::new();
    for (name, text) in pages {
        let path = root.join(name);
        let current = std::fs::read_to_string(&path).unwrap_or_default();
        if current == text {
            continue;
        }
        if arguments.check {
            stale.push(name);
        } else {
            write(&path, &text)?;
            say::line(&format!("wrote {name}"));
        }
    }
    if arguments.picture {
        let path = root.join("docs").join("demo.svg");
        write(&path, &picture(&program)?)?;
        say::line("wrote docs/demo.svg");
    }
    if stale.is_empty() {
        return Ok(());
    }
    Err(Failure::Missing(format!("not what the program says: {}; run `cargo xtask docs` and commit", stale.join(", "))))
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = |source| Failure::File { path: path.display().to_string(), source };
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(failed)?;
    }
    std::fs::write(path, text).map_err(failed)
}

/// What the program prints, in a directory of its own, so that no settings file of this place is read.
fn output(program: &Path, words: &[&str]) -> Result<String, Failure> {
    let name = || format!("{} {}", program.display(), words.join(" "));
    let done = Command::new(program)
        .args(words)
        .current_dir(std::env::temp_dir())
        .env_remove("DATABASE_URL")
        .env("NO_COLOR", "1")
        .output()
        .map_err(|source| Failure::Program { program: name(), source })?;
    if !done.status.success() {
        return Err(Failure::Command { command: name() });
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

/// The help of every command, found by following the program's own lists.
fn commands(program: &Path) -> Result<String, Failure> {
    let mut text =
        String::from("# Commands\n\nWritten by `cargo xtask docs` from the program's own help; do not edit by hand.\n");
    let mut open: Vec<Vec<String>> = vec![Vec::new()];
    while !open.is_empty() {
        let path = open.remove(0);
        let mut words: Vec<&str> = path.iter().map(String::as_str).collect();
        words.push("--help");
        let help = output(program, &words)?;
        let title = std::iter::once("unreserve").chain(path.iter().map(String::as_str)).collect::<Vec<_>>().join(" ");
        text.push_str(&format!("\n## {title}\n\n```text\n{}\n```\n", help.trim_end()));
        let children = subcommands(&help).into_iter().map(|name| {
            let mut child = path.clone();
            child.push(name);
            child
        });
        open.splice(0..0, children.collect::<Vec<_>>());
    }
    Ok(text)
}

/// Every setting, from the program's own table.
fn settings(program: &Path) -> Result<String, Failure> {
    let table = output(program, &["settings", "reference"])?;
    Ok(format!(
        "# Settings\n\nWritten by `cargo xtask docs` from the program itself; do not edit by hand.\n\n\
         A flag outranks a shop's own table in the settings file, that the environment, the environment the `.env` file, that the \
         top of the settings file, and that the default; `unreserve settings show --origin` says where each value came from. \
         [Several shops](../shops.md) shows a settings file with tables of its shops.\n\n{table}"
    ))
}

/// Every metric, from the program's own table.
fn metrics(program: &Path) -> Result<String, Failure> {
    let table = output(program, &["settings", "metrics"])?;
    Ok(format!(
        "# Metrics\n\nWritten by `cargo xtask docs` from the program itself; do not edit by hand.\n\n\
         Every series of a shop with a name has the label `shop` as well. A histogram has the samples `_bucket`, `_sum` and \
         `_count`. [Metrics](../metrics.md) tells how they are collected.\n\n{table}"
    ))
}

/// The names below `Commands:` in a help text.
fn subcommands(help: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names = lines.take_while(|line| line.starts_with("  ")).filter(|line| !line.starts_with("   "));
    names.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

/// The fields of a profile, from the engine's own table.
fn profile() -> String {
    let mut text = String::from(
        "# Profile\n\nWritten by `cargo xtask docs` from the program itself; do not edit by hand.\n\n\
         A profile is a TOML file that says what a shop's tables mean. `unreserve profile show malikli` prints one to start \
         from; `unreserve profile check` compares yours with the live database and points at the line that does not fit.\n\n\
         Conditions are tables of columns and values: `{ status = [\"pending\", \"failed\"] }`. All columns must match; a list \
         matches any of its values; `\"$null\"` and `\"$not_null\"` match NULL and anything but NULL. Assignments are tables \
         of columns and values as well, with `\"$now\"` for the database's now in the column's own form, and `\"$null\"`.\n\n\
         A reservation expires at `expires_at`, or at `created_at` plus `timeout`; one of the two must be named, on the \
         reservation or on the order. `--timeout` replaces either by `created_at` plus its own span, `--grace` is added.\n\n\
         | field | needed | meaning |\n|---|---|---|\n",
    );
    for field in FIELDS {
        text.push_str(&format!("| `{}` | {} | {} |\n", field.field, field.need, field.meaning));
    }
    text
}

/// A run of the demo on a terminal, as a picture.
fn picture(program: &Path) -> Result<String, Failure> {
    let directory = std::env::temp_dir().join(format!("unreserve-picture-{}", std::process::id()));
    let name = || format!("{} demo", program.display());
    let done = Command::new(program)
        .args(["demo", "--orders", "200", "--dir"])
        .arg(directory.join("unreserve-demo"))
        .env("CLICOLOR_FORCE", "1")
        .env("TERM", "xterm-256color")
        .output()
        .map_err(|source| Failure::Program { program: name(), source })?;
    let _ = std::fs::remove_dir_all(&directory);
    if !done.status.success() {
        return Err(Failure::Command { command: name() });
    }
    let shown = String::from_utf8_lossy(&done.stdout).replace(&format!("{}/", directory.display()), "");
    let shown = shown.replace("target/debug/", "target/release/");
    Ok(anstyle_svg::Term::new().render_svg(&format!("$ cargo run --release -- demo\n{shown}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_commands_of_a_help_text() {
        let help =
            "Usage: x\n\nCommands:\n  demo   Make\n         and go on\n  sweep  Release\n\nOptions:\n  -h  Help\n";
        assert_eq!(subcommands(help), ["demo", "sweep"]);
        assert!(subcommands("Usage: x\n\nOptions:\n  -h  Help\n").is_empty());
    }
}

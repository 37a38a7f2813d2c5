//! `cargo xtask proof`: every layer of RELIABILITY's plan in one process, and its figures in `docs/reliability.md`.

use std::path::Path;
use std::process::Command;

use serde_json::Value as Json;

use crate::bench::machine::{commit, memory, processor};
use crate::programs::{cargo, output, run as run_program, workspace_root};
use crate::{Failure, say};

/// The page; everything between the two marks is this command's, the rest is written by hand.
const PAGE: &str = "docs/reliability.md";
const BEGIN: &str = "<!-- figures: written by `cargo xtask proof`; do not edit -->";
const END: &str = "<!-- end of figures -->";

/// The options of `cargo xtask proof`.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Arguments {
    /// Plant each known fault in turn, and print who caught it.
    #[arg(long, conflicts_with_all = ["small", "layer"])]
    mutants: bool,
    /// Try only as much as the tests of every change do: some minutes instead of up to an hour.
    #[arg(long)]
    small: bool,
    /// Only this layer, such as `soak`; its figures are printed and not written. May be given more than once.
    #[arg(long, value_name = "NAME")]
    layer: Vec<String>,
}

/// Runs the proof. It fails where a promise was broken or a fault survived; the figures are written in any case.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let root = workspace_root()?;
    if arguments.mutants {
        return run_program(&mut proof(&root, "mutants::every_planted_fault_is_caught_in_time", false));
    }
    let figures = root.join("target").join("proof.json");
    let failed = |source| Failure::File { path: figures.display().to_string(), source };
    std::fs::create_dir_all(root.join("target")).map_err(failed)?;
    // Figures of an earlier run must not be taken for this one's.
    let _ = std::fs::remove_file(&figures);
    let mut command = proof(&root, "everything::everything", true);
    command.env("UNRESERVE_PROOF_FIGURES", &figures);
    if arguments.small {
        command.env("UNRESERVE_PROOF_INTENSITY", "ci");
    }
    if !arguments.layer.is_empty() {
        command.env("UNRESERVE_PROOF_LAYERS", arguments.layer.join(","));
    }
    let proved = run_program(&mut command);
    if arguments.layer.is_empty() && figures.exists() {
        let report = std::fs::read_to_string(&figures).map_err(failed)?;
        let report: Json = serde_json::from_str(&report).map_err(|source| failed(source.into()))?;
        write(&root, &section(&report, &Place::read(&root)?))?;
        say::line(&format!("wrote {PAGE}"));
    }
    proved
}

/// The test program of the proof with one of its tests.
fn proof(root: &Path, test: &str, ignored: bool) -> Command {
    let mut command = cargo();
    command.current_dir(root).args([
        "test",
        "--package",
        "unreserve",
        "--features",
        "mutants",
        "--test",
        "proof",
        "--",
    ]);
    command.args(["--exact", "--nocapture", test]);
    if ignored {
        command.arg("--ignored");
    }
    command
}

/// Where and of what the figures were taken.
struct Place {
    machine: String,
    commit: String,
    date: String,
}

impl Place {
    fn read(root: &Path) -> Result<Self, Failure> {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let machine = format!("{}, {}", processor(&read("/proc/cpuinfo")), memory(&read("/proc/meminfo")));
        let date = output(Command::new("date").args(["-u", "+%Y-%m-%d"]))?.trim().to_owned();
        Ok(Self { machine, commit: commit(root, PAGE)?, date })
    }
}

/// The text between the marks.
fn section(report: &Json, place: &Place) -> String {
    let text = |row: &Json, name: &str| match row.get(name) {
        Some(Json::String(text)) => text.clone(),
        Some(Json::Number(number)) => number.to_string(),
        _ => String::new(),
    };
    let rows = |name: &str| report.get(name).and_then(Json::as_array).cloned().unwrap_or_default();
    let (layers, mutants) = (rows("layers"), rows("mutants"));
    let sum = |name: &str| layers.iter().filter_map(|row| row.get(name)?.as_u64()).fold(0_u64, u64::saturating_add);
    let violations = layers.iter().filter(|row| row.get("violation").is_some_and(Json::is_string)).count();
    let products: Vec<String> = rows("products").iter().filter_map(|one| one.as_str().map(str::to_owned)).collect();
    let amount = if text(report, "intensity") == "ci" { "in small, as in CI" } else { "in large, as at night" };
    let mut page = format!(
        "The last run: {}, commit `{}`, {amount}, on {} ({}). {} operations, {} faults, **{violations} violations**.\n\n\
         | layer | database | operations | faults | s | seed | |\n|---|---|---:|---:|---:|---|---|\n",
        place.date,
        place.commit,
        products.join(" and "),
        place.machine,
        sum("operations"),
        sum("faults"),
    );
    for row in &layers {
        let notes = row.get("notes").and_then(Json::as_array).cloned().unwrap_or_default();
        let notes: Vec<&str> = notes.iter().filter_map(Json::as_str).collect();
        let told = match row.get("violation").and_then(Json::as_str) {
            Some(violation) => format!("**VIOLATION** {}", violation.lines().next().unwrap_or_default()),
            None => notes.join("; "),
        };
        page.push_str(&format!(
            "| {} `{}` | {} | {} | {} | {} | {} | {} |\n",
            text(row, "number"),
            text(row, "layer"),
            text(row, "database"),
            text(row, "operations"),
            text(row, "faults"),
            text(row, "seconds"),
            text(row, "seed"),
            told.replace('|', "\\|")
        ));
    }
    page.push_str("\n| planted fault (L9) | caught after | by |\n|---|---:|---|\n");
    for row in &mutants {
        let by = row.get("by").and_then(Json::as_str).map_or("**SURVIVED**".to_owned(), |by| by.replace('|', "\\|"));
        page.push_str(&format!("| `{}` | {} s | {by} |\n", text(row, "mutant"), text(row, "seconds")));
    }
    page
}

/// Puts the section between the marks of the page.
fn write(root: &Path, section: &str) -> Result<(), Failure> {
    let path = root.join(PAGE);
    let failed = |source| Failure::File { path: path.display().to_string(), source };
    let page = std::fs::read_to_string(&path).map_err(failed)?;
    let page = placed(&page, section).ok_or_else(|| Failure::Missing(format!("`{PAGE}` has lost its marks")))?;
    std::fs::write(&path, page).map_err(failed)
}

fn placed(page: &str, section: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n\n{section}\n{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        Place { machine: "a machine".to_owned(), commit: "c0ffee".to_owned(), date: "2026-01-02".to_owned() }
    }

    #[test]
    fn a_violation_and_a_survivor_cannot_be_overlooked() {
        let report = serde_json::json!({
            "intensity": "ci", "products": ["A 1"],
            "layers": [
                { "layer": "soak", "number": "L3", "database": "A", "operations": 5, "faults": 1, "seconds": 2, "notes": ["fine"], "violation": null },
                { "layer": "kills", "number": "L4", "database": "A", "seconds": 2, "violation": "I1 broke\nhere" },
            ],
            "mutants": [{ "mutant": "X", "seconds": null, "by": null }, { "mutant": "Y", "seconds": 3, "by": "a|b" }],
        });
        let text = section(&report, &place());
        for part in [
            "**1 violations**",
            "5 operations, 1 faults",
            "| fine |",
            "**VIOLATION** I1 broke |",
            "**SURVIVED**",
            "a\\|b",
        ] {
            assert!(text.contains(part), "`{part}` is not in:\n{text}");
        }
    }

    #[test]
    fn only_what_stands_between_the_marks_is_replaced() {
        let page = format!("a\n{BEGIN}\nold\n{END}\nb\n");
        assert_eq!(placed(&page, "new").unwrap(), format!("a\n{BEGIN}\n\nnew\n{END}\nb\n"));
        assert_eq!(placed("a", "new"), None);
    }
}

//! `cargo xtask api`: sets schemathesis on a running server with all its checks.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::bench::{BenchError, Page};
use crate::programs::{cargo, run as run_program, target_directory, workspace_root};
use crate::{Failure, say};

/// The release that the checks are named after.
const SCHEMATHESIS: &str = "schemathesis>=4.32,<5";

/// The options of `cargo xtask api`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Ask each route so many questions of a kind
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    examples: u32,
    /// The seed of an earlier run, to see it again
    #[arg(long, value_name = "SEED")]
    seed: Option<String>,
}

/// Makes a shop that was swept, serves it, and asks it everything.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let root = workspace_root()?;
    let target = target_directory(&root);
    let schemathesis = schemathesis(&target)?;
    run_program(cargo().args(["build", "--quiet", "--package", "unreserve"]).current_dir(&root))?;
    let program = target.join("debug").join("unreserve");
    let directory = tempfile::tempdir().map_err(|source| file(&std::env::temp_dir(), source))?;
    let demo = directory.path().join("demo");
    run_program(
        Command::new(&program)
            .args(["demo", "--orders", "300", "--dir"])
            .arg(&demo)
            .stdout(std::process::Stdio::null()),
    )?;
    let page = Page::serve(&program, &demo, &format!("sqlite:{}", demo.join("shop.db").display()))?;
    let url = page.url();
    let mut command = Command::new(schemathesis);
    command
        .current_dir(directory.path())
        .args(["run", &format!("{url}/api/v1/openapi.json"), "--url", &url, "--checks", "all", "--no-color"])
        .args(["--phases", "examples,coverage,fuzzing,stateful", "--max-examples", &arguments.examples.to_string()]);
    if let Some(seed) = &arguments.seed {
        command.args(["--seed", seed]);
    }
    run_program(&mut command)?;
    say::line("schemathesis found nothing.");
    Ok(())
}

/// The program: on PATH, or in an environment of its own in the target directory, which is made where it is not there.
fn schemathesis(target: &Path) -> Result<PathBuf, Failure> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|directory| directory.join("schemathesis"));
    let home = target.join("schemathesis");
    let own = home.join("bin").join("schemathesis");
    if let Some(found) = on_path.chain([own.clone()]).find(|program| program.is_file()) {
        return Ok(found);
    }
    say::line("schemathesis is not here; installing it into the target directory");
    let missing = |_| {
        Failure::Missing(format!(
            "schemathesis cannot be installed; with Python: python3 -m venv ENV && ENV/bin/pip install '{SCHEMATHESIS}', then put ENV/bin on PATH"
        ))
    };
    run_program(Command::new("python3").args(["-m", "venv"]).arg(&home)).map_err(missing)?;
    let pip = home.join("bin").join("pip");
    run_program(Command::new(pip).args(["install", "--quiet", SCHEMATHESIS])).map_err(missing)?;
    Ok(own)
}

fn file(path: &Path, source: std::io::Error) -> Failure {
    BenchError::File { path: path.display().to_string(), source }.into()
}

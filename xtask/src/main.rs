//! The developer commands: `cargo xtask api|bench|ci|docs|proof|screenshots|sim|test|tidy`.

mod api;
mod bench;
mod ci;
mod docs;
mod programs;
mod proof;
mod say;
mod screenshots;
mod sim;
mod test;
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The commands that build, check and test this project.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// One variant and one file a command.
#[derive(Debug, Subcommand)]
enum Command {
    /// Set schemathesis on the page's JSON API, with all its checks.
    Api(api::Arguments),
    /// Measure a sweep against one hand-written statement and against a row-by-row loop.
    Bench(bench::Arguments),
    /// Everything that has to pass before a change goes in.
    Ci,
    /// Write the reference pages from the program itself, or check them.
    Docs(docs::Arguments),
    /// Play the engine on a shop in memory in which everything goes wrong, and check every invariant after every step.
    Sim(sim::Arguments),
    /// Try every promise on real databases with faults, in large, and write the figures.
    Proof(proof::Arguments),
    /// Make pictures of every page anew, in a real browser, from a shop with a month behind it.
    Screenshots,
    /// Run all tests, with the database servers they need.
    Test(test::Arguments),
    /// Check the rules of the house that no compiler checks.
    Tidy,
}

/// Why a command failed. What there was to say about it has been printed where it happened, or is the text of the variant.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// A program could not be started, or there is none.
    #[error("cannot run `{program}`")]
    Program { program: String, source: std::io::Error },
    /// A program ended with an error; it has said why itself.
    #[error("`{command}` failed")]
    Command { command: String },
    /// A file could not be read.
    #[error("cannot read `{path}`")]
    File { path: String, source: std::io::Error },
    /// The browser does not do what it is told.
    #[error(transparent)]
    Browser(#[from] unreserve_testkit::browser::BrowserError),
    /// The shop of the pictures could not be made.
    #[error("the shop of the pictures cannot be made")]
    Shop(#[from] sqlx::Error),
    /// A test server did not start.
    #[error(transparent)]
    Server(#[from] unreserve_testkit::servers::ServerError),
    /// Something is missing on this machine; the text says what to do.
    #[error("{0}")]
    Missing(String),
    /// Nothing could be measured, or a goal was missed where that counts.
    #[error(transparent)]
    Bench(#[from] bench::BenchError),
    /// Rules were broken; each breach has been printed.
    #[error("{0} in breach of the rules")]
    Breaches(String),
    /// A seed of the simulator failed; it has been told.
    #[error("the simulator: {0}")]
    Simulator(String),
    /// Steps of `ci` failed.
    #[error("failed: {0}")]
    Steps(String),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Api(arguments) => api::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Ci => ci::run(),
        Command::Docs(arguments) => docs::run(&arguments),
        Command::Sim(arguments) => sim::run(&arguments),
        Command::Proof(arguments) => proof::run(&arguments),
        Command::Screenshots => screenshots::run(),
        Command::Test(arguments) => test::run(&arguments),
        Command::Tidy => tidy::run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            say::error(&failure);
            ExitCode::FAILURE
        }
    }
}

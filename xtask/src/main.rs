//! The developer commands: `cargo xtask ci|test|tidy`.

mod ci;
mod programs;
mod say;
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
    /// Everything that has to pass before a change goes in.
    Ci,
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
    /// A test server did not start.
    #[error(transparent)]
    Server(#[from] unreserve_testkit::servers::ServerError),
    /// Something is missing on this machine; the text says what to do.
    #[error("{0}")]
    Missing(String),
    /// Rules were broken; each breach has been printed.
    #[error("{0} in breach of the rules")]
    Breaches(String),
    /// Steps of `ci` failed.
    #[error("failed: {0}")]
    Steps(String),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Ci => ci::run(),
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

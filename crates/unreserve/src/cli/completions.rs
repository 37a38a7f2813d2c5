//! `completions`: a completion script for a shell.

use clap::CommandFactory;

use crate::cli::CommandLine;
use crate::cli::args::CompletionsArgs;

/// The script for the shell.
pub(crate) fn script(args: &CompletionsArgs) -> String {
    let mut command = CommandLine::command();
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "unreserve", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

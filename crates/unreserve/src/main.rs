//! Starts `unreserve` and ends the process with its exit number.

mod alerts;
mod app;
mod cli;
mod clock;
mod daemon;
mod exit;
mod explaining;
mod failure;
mod health;
mod hub;
mod live;
mod lock;
mod log_file;
mod logging;
mod metrics;
mod opening;
mod paint;
mod printer;
mod profiles;
mod service;
mod settings;
mod sweeping;
mod table;
mod telemetry;
mod web;

use std::process::ExitCode;

fn main() -> ExitCode {
    app::run(std::env::args_os()).into()
}

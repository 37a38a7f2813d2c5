//! Alerts and heartbeats of the program as a process, with real receivers on this machine.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests and their helpers may fail, and wait for a condition with a bound"
)]

mod answers;
mod certificates;
mod daemon;
mod heartbeat;
mod mail;
#[path = "../place/mod.rs"]
mod place;
mod receiver;
mod refused;
mod shop;
mod sweeps;
mod wait;

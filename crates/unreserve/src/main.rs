//! Starts `unreserve` and ends the process with its exit code.
fn main() {}

//! The developer commands: `cargo xtask ci|test|tidy|bench|docs`.
fn main() {}

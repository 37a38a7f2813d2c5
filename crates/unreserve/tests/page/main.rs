//! The page as its readers meet it: in a real browser, and over plain HTTP.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests and their helpers may fail, and wait for a condition with a bound"
)]

mod browser;
mod http;
mod place;
mod several;

//! What the tests share: throw-away servers, shops to sweep, and the conformance suite.

pub mod servers;

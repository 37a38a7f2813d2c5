//! Text scenarios.

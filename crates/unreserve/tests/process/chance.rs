//! Random numbers that can be had again: every test that uses them prints its seed and takes it back.

use std::hash::{BuildHasher, Hasher, RandomState};

/// The variable that brings a seed back.
const SEED: &str = "UNRESERVE_TEST_SEED";

/// A small generator (splitmix64); never for secrets.
pub(crate) struct Chance(u64);

impl Chance {
    /// The seed of the environment, else a new one; it is printed, and shown where the test fails.
    pub(crate) fn from_environment() -> Self {
        let given = std::env::var(SEED).ok().map(|text| text.parse().unwrap());
        let seed = given.unwrap_or_else(|| RandomState::new().build_hasher().finish());
        eprintln!("to repeat: {SEED}={seed}");
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Another generator, for another thread.
    pub(crate) fn fork(&mut self) -> Self {
        Self(self.next())
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

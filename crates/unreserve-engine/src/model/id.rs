//! Who did it: the identities of sweeps, batches and holders.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! identity {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new identity; later ones sort after earlier ones.
            #[must_use]
            #[expect(clippy::new_without_default, reason = "each is different: a default would hide that")]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }

            /// Reads an identity that was written by `Display`.
            ///
            /// # Errors
            /// The text is not a UUID.
            pub fn parse(text: &str) -> Result<Self, uuid::Error> {
                Uuid::parse_str(text).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(formatter)
            }
        }
    };
}

identity!(
    /// The identity of one sweep, in the ledger and in every report.
    SweepId
);
identity!(
    /// The identity of one batch: what an unknown commit is looked up by.
    BatchId
);

/// Who holds the right to sweep: what a second instance is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// A random token: the fence that every batch checks.
    pub token: String,
    /// The machine's name.
    pub host: String,
    /// The process's number on that machine.
    pub process_id: u32,
    /// The lock file that the process holds: its whole path, and what tells it from such a file elsewhere.
    pub lock_file: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "process {} on {}", self.process_id, self.host)
    }
}

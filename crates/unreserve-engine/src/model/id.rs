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

impl SweepId {
    /// The first and the last identity that begin with these letters, so that an index finds them; nothing where none can.
    #[must_use]
    pub fn between(letters: &str) -> Option<(Self, Self)> {
        let digits: String = letters.chars().filter(|letter| *letter != '-').collect();
        let filled = |with: &str| {
            let rest = with.repeat(32_usize.saturating_sub(digits.len()));
            Self::parse(&format!("{digits}{rest}")).ok()
        };
        Some((filled("0")?, filled("f")?))
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_letters_of_an_identity_stand_for_all_between_two() {
        let told = |letters: &str| SweepId::between(letters).map(|(first, last)| (first.to_string(), last.to_string()));
        let pair = |first: &str, last: &str| Some((first.to_owned(), last.to_owned()));
        let whole = "0193540e-5c1a-7c3e-9d55-3f1b2b6e8a10";
        assert_eq!(told(whole), pair(whole, whole));
        assert_eq!(told(&whole.to_uppercase()), pair(whole, whole));
        let first = "0193540e-5c00-0000-0000-000000000000";
        assert_eq!(told("0193540e-5c"), pair(first, "0193540e-5cff-ffff-ffff-ffffffffffff"));
        assert_eq!(told("0193540e5c"), told("0193540e-5c"));
        for letters in ["x", "0193_", &format!("{whole}0"), "%", "{0193540e"] {
            assert_eq!(told(letters), None, "{letters}");
        }
    }
}

//! Faults that tests plant on purpose, one at a time, to see that the tests catch them; none without the feature `mutants`.

/// A fault of RELIABILITY's list (L9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutant {
    /// No statement asks whether an order is unpaid.
    NoStatusGuard,
    /// What is locked and whether it was paid is asked in one statement, and never again.
    OneStatement,
    /// The order's row is locked in a way that a payment's foreign key does not notice.
    NoKeyUpdate,
    /// A batch sees the shop as it was when the batch began.
    RepeatableRead,
    /// What a batch has written is committed although a statement of it failed.
    NoRollback,
    /// The process's clock says what has expired.
    ProcessClock,
    /// A batch does not ask whether the lease is still its own.
    SessionLock,
    /// A commit without an answer is sent again on a new connection, and its answer believed.
    BlindCommit,
    /// Stock rows are locked in an order of one's own.
    UnorderedStock,
    /// How many rows a write changed is not looked at.
    AffectedIgnored,
    /// What is reported was counted on the way, and not read from the ledger.
    CountsFromMemory,
}

impl Mutant {
    /// Every mutant.
    pub const ALL: [Self; 11] = [
        Self::NoStatusGuard,
        Self::OneStatement,
        Self::NoKeyUpdate,
        Self::RepeatableRead,
        Self::NoRollback,
        Self::ProcessClock,
        Self::SessionLock,
        Self::BlindCommit,
        Self::UnorderedStock,
        Self::AffectedIgnored,
        Self::CountsFromMemory,
    ];
}

/// Whether `UNRESERVE_MUTANT` names this fault. The environment is asked once.
#[cfg(feature = "mutants")]
#[must_use]
pub fn planted(mutant: Mutant) -> bool {
    use std::sync::OnceLock;

    static CHOSEN: OnceLock<Option<Mutant>> = OnceLock::new();

    let chosen = CHOSEN.get_or_init(|| {
        let name = std::env::var("UNRESERVE_MUTANT").ok()?;
        Mutant::ALL.into_iter().find(|mutant| format!("{mutant:?}") == name)
    });
    *chosen == Some(mutant)
}

/// No fault is planted in a release.
#[cfg(not(feature = "mutants"))]
#[must_use]
pub const fn planted(_: Mutant) -> bool {
    false
}

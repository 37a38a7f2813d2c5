//! Faults of our own that can be planted into the shop in memory: an auditor that does not find them is worth nothing.

/// One planted fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutation {
    /// Stock is given back twice.
    GivesBackTwice,
    /// A reservation that was released may be released again.
    ReleasesAgain,
    /// Nobody looks at payments.
    IgnoresPayments,
    /// Orders are locked as a plain change locks them, which a payment's foreign key does not mind.
    LocksWeakly,
    /// What has not expired is released as well.
    ReleasesEarly,
    /// The ledger is not written.
    SkipsTheLedger,
    /// The ledger loses its oldest batch with every new one.
    ForgetsTheLedger,
    /// Every third order is never found.
    OverlooksOrders,
    /// The youngest come first.
    TakesTheYoungest,
    /// The sums that are told are not those of the ledger.
    Miscounts,
    /// A dry run locks what it looks at.
    LocksInADryRun,
    /// Locks are waited for as long as it takes.
    WaitsForEver,
    /// Batches are committed without the lease.
    IgnoresTheFence,
    /// The process's clock decides what has expired.
    BelievesTheProcess,
    /// A watch does not look again once there was trouble.
    ForgetsToLook,
    /// A watch rests until the next expiry that it knows of, by its own clock, however far that is.
    TrustsItsClock,
    /// A watch that stands by never looks whether it must step in.
    NeverStepsIn,
    /// A watch looks every few seconds, and not when something expires.
    MissesExpiries,
    /// A watch that has nothing to do looks every half a minute.
    LooksTooSeldom,
    /// Whoever asks for it is on duty.
    SharesTheDuty,
    /// A watch that ends stays on duty.
    KeepsTheDuty,
}

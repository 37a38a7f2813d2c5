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
}

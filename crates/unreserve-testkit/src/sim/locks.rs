//! Row locks: who holds which, and which stand in each other's way.

use std::collections::BTreeMap;

use unreserve_engine::model::Key;

/// A transaction.
pub type TxId = u64;

/// How a row is locked, from the weakest to the strongest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// A foreign key points at the row: its key must stay.
    KeyShare,
    /// A change that leaves the key alone.
    NoKeyUpdate,
    /// Everything else.
    Update,
}

impl Mode {
    /// Whether two transactions cannot hold both at once.
    #[must_use]
    pub fn conflicts(self, other: Self) -> bool {
        !matches!(
            (self, other),
            (Self::KeyShare, Self::KeyShare | Self::NoKeyUpdate) | (Self::NoKeyUpdate, Self::KeyShare)
        )
    }
}

/// A row: the place of its table, and its key. Our own lease stands in a table of its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RowId {
    /// The table's place.
    pub table: usize,
    /// The row's key.
    pub key: Key,
}

impl RowId {
    /// The lease of a profile.
    #[must_use]
    pub fn lease(profile: &str) -> Self {
        Self { table: usize::MAX, key: Key::single(profile) }
    }
}

/// All locks.
#[derive(Debug, Default)]
pub struct Locks {
    rows: BTreeMap<RowId, Vec<(TxId, Mode)>>,
}

impl Locks {
    /// Takes a lock if nobody is in its way.
    pub fn take(&mut self, tx: TxId, row: &RowId, mode: Mode) -> bool {
        if self.in_the_way(tx, row, mode).next().is_some() {
            return false;
        }
        let holders = match self.rows.get_mut(row) {
            Some(holders) => holders,
            None => self.rows.entry(row.clone()).or_default(),
        };
        match holders.iter_mut().find(|(holder, _)| *holder == tx) {
            Some((_, held)) => *held = (*held).max(mode),
            None => holders.push((tx, mode)),
        }
        true
    }

    /// The transactions that hold what stands in the way.
    pub fn in_the_way<'a>(&'a self, tx: TxId, row: &RowId, mode: Mode) -> impl Iterator<Item = TxId> + 'a {
        let holders = self.rows.get(row).map(Vec::as_slice).unwrap_or_default();
        let others = holders.iter().filter(move |(holder, held)| *holder != tx && held.conflicts(mode));
        others.map(|(holder, _)| *holder)
    }

    /// The transactions that hold a row in any way.
    pub fn holders<'a>(&'a self, row: &RowId) -> impl Iterator<Item = TxId> + 'a {
        self.rows.get(row).map(Vec::as_slice).unwrap_or_default().iter().map(|(holder, _)| *holder)
    }

    /// Gives back everything that a transaction holds.
    pub fn free(&mut self, tx: TxId) {
        self.rows.retain(|_, holders| {
            holders.retain(|(holder, _)| *holder != tx);
            !holders.is_empty()
        });
    }

    /// Whether a transaction holds this row at least so strongly.
    #[must_use]
    pub fn holds(&self, tx: TxId, row: &RowId, mode: Mode) -> bool {
        self.rows.get(row).is_some_and(|holders| holders.iter().any(|(holder, held)| *holder == tx && *held >= mode))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_key_stops_only_the_strongest_lock() {
        let row = RowId::lease("a");
        for (one, two, both) in [
            (Mode::KeyShare, Mode::KeyShare, true),
            (Mode::KeyShare, Mode::NoKeyUpdate, true),
            (Mode::KeyShare, Mode::Update, false),
            (Mode::NoKeyUpdate, Mode::NoKeyUpdate, false),
            (Mode::Update, Mode::Update, false),
        ] {
            for (one, two) in [(one, two), (two, one)] {
                let mut locks = Locks::default();
                assert!(locks.take(1, &row, one));
                assert_eq!(locks.take(2, &row, two), both, "{one:?} and {two:?}");
                locks.free(1);
                assert!(locks.take(2, &row, two));
            }
        }
    }

    #[test]
    fn a_lock_grows_and_never_shrinks() {
        let (row, mut locks) = (RowId::lease("a"), Locks::default());
        assert!(locks.take(1, &row, Mode::Update) && locks.take(1, &row, Mode::KeyShare));
        assert!(locks.holds(1, &row, Mode::Update) && !locks.take(2, &row, Mode::KeyShare));
    }
}

//! The shop's rows in memory, and transactions on them: READ COMMITTED, uncommitted changes seen by nobody else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::task::Waker;

use unreserve_engine::model::{Key, SweepId};
use unreserve_engine::shop::{ShopError, ShopErrorKind};

use super::constraint::Check;
use super::journal::{Change, Commit, Event, Note};
use super::locks::{Locks, Mode, RowId, TxId};
use super::mutation::Mutation;
use super::own::{BatchRow, Own, OwnWrite};
use super::value::Datum;
use crate::shops::{ColumnKind, Table};

/// A row's values, in the order of its table's columns.
pub type Values = Arc<Vec<Datum>>;

/// How long a transaction of ours may do nothing before the server ends its connection, as the program asks for it.
const IDLE: i64 = 2_000_000;

/// How long a waiter waits before it looks for a deadlock, where nothing else is set.
pub const DEADLOCK_TIMEOUT: i64 = 1_000_000;

/// One column.
#[derive(Debug, Clone)]
pub struct ColumnDef {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: ColumnKind,
    /// Whether it may be NULL.
    pub nullable: bool,
}

/// A row's committed values, and those that a transaction has written and not committed.
#[derive(Debug, Default)]
struct Versions {
    committed: Option<Values>,
    pending: Option<(TxId, Option<Values>)>,
}

/// One table.
#[derive(Debug)]
pub struct TableState {
    /// Its name.
    pub name: String,
    /// Its columns.
    pub columns: Vec<ColumnDef>,
    key: Vec<usize>,
    /// Its foreign keys: the column, and the table it points at.
    pub references: Vec<(String, String)>,
    checks: Vec<Check>,
    rows: BTreeMap<Key, Versions>,
}

impl TableState {
    /// The place of a column.
    #[must_use]
    pub fn place(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|known| known.name == column)
    }

    /// The columns of its key.
    #[must_use]
    pub fn key_names(&self) -> Vec<String> {
        let names = self.key.iter().filter_map(|place| self.columns.get(*place));
        names.map(|column| column.name.clone()).collect()
    }

    /// The key of a row.
    #[must_use]
    pub fn key_of(&self, row: &[Datum]) -> Key {
        let part = |place: &usize| row.get(*place).and_then(Datum::text).unwrap_or_default();
        Key::of(self.key.iter().map(part).collect())
    }
}

/// What the shop's triggers do.
#[derive(Debug, Clone)]
pub enum Trigger {
    /// Refuses every change to rows whose column holds this value.
    Refuse(String, String, Datum),
    /// Refuses the commit after a change to this table.
    RefuseCommit(String),
    /// Adds one to a counter that is written.
    Meddle(String, String),
    /// Makes the transaction patient before a change to this table, and quick to find a deadlock.
    FindDeadlocks(String),
    /// Makes the transaction read-only after a change to this table.
    TurnReadOnly(String),
}

/// A wait for a lock.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// The row.
    pub row: RowId,
    /// How it is to be locked.
    pub mode: Mode,
    /// Since when.
    pub since: i64,
    /// When it is given up.
    pub until: i64,
}

/// A transaction under way.
#[derive(Debug)]
pub struct Tx {
    /// Its connection.
    pub connection: u64,
    /// Whether it is of `unreserve`, and not of the shop.
    pub ours: bool,
    /// Its sweep, where it is a batch.
    pub sweep: Option<SweepId>,
    /// The token it passed the fence with, where it is a batch.
    pub token: Option<String>,
    /// When it began, by the database's clock.
    pub began: i64,
    /// How long a lock is waited for; for ever where nothing is set.
    pub lock_timeout: Option<i64>,
    /// How long a statement may take.
    pub statement_timeout: Option<i64>,
    /// When the statement under way began, in real time.
    pub statement_began: i64,
    /// How long it waits before it looks for a deadlock.
    pub deadlock_timeout: i64,
    /// Whether it takes no writes.
    pub read_only: bool,
    /// What it waits for.
    pub waiting: Option<Waiting>,
    /// What the shop says of it.
    pub notes: Vec<Note>,
    /// Since when nobody has asked anything of it.
    pub idle_since: i64,
    refused: bool,
    lingers: bool,
    written: BTreeSet<(usize, Key)>,
    own: Vec<OwnWrite>,
}

/// Our part in a deadlock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OurPart {
    /// None: it is the shop's own.
    None,
    /// Whoever found it waits for us.
    InTheWay,
    /// Whoever found it waits for somebody of the shop, who waits for us.
    Further,
}

/// A transaction whose client is gone, as the server will find out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is committed.
    Commit,
    /// It is rolled back.
    Rollback,
}

/// Everything in the database.
#[derive(Debug, Default)]
pub struct State {
    /// The shop's tables.
    pub tables: Vec<TableState>,
    /// Our own tables.
    pub own: Own,
    /// Whether they are there.
    pub installed: bool,
    /// The locks.
    pub locks: Locks,
    /// The transactions under way.
    pub txs: BTreeMap<TxId, Tx>,
    /// The connections, and whether each is ours.
    pub connections: BTreeMap<u64, bool>,
    /// Those of them that belong to a dry run.
    pub dry: BTreeSet<u64>,
    /// What the shop's triggers do.
    pub triggers: Vec<Trigger>,
    /// What happened, for the auditor; nothing is kept where nobody looks.
    pub journal: Option<Vec<Event>>,
    /// Counts the changes of the schema.
    pub schema_version: u64,
    /// How long a waiter waits before it looks for a deadlock; the usual time where nothing is set.
    pub deadlock_timeout: Option<i64>,
    /// A fault of our own that was planted, to see that the auditor finds it.
    pub mutation: Option<Mutation>,
    /// How far ahead of the database's clock the process's is, for a planted fault that believes it.
    pub process_lie: i64,
    /// Those who wait for a lock.
    pub waiters: Vec<Waker>,
    lingering: Vec<(i64, TxId, Fate)>,
    count: u64,
}

/// An error with a code.
#[must_use]
pub fn refusal(kind: ShopErrorKind, code: &str, message: impl Into<String>) -> ShopError {
    ShopError { code: Some(code.to_owned()), ..ShopError::new(kind, message) }
}

impl State {
    /// Adds a table; a check of a form that is not known here is an error.
    pub fn create(&mut self, table: &Table) -> Result<(), String> {
        let columns: Vec<ColumnDef> = table
            .columns
            .iter()
            .map(|column| ColumnDef { name: column.name.to_owned(), kind: column.kind, nullable: column.nullable })
            .collect();
        let key = table.key.iter().filter_map(|name| columns.iter().position(|column| column.name == *name));
        let mut checks = Vec::new();
        for check in &table.checks {
            checks.push(Check::read(check).ok_or_else(|| format!("the check `{check}` is not understood"))?);
        }
        let references = table.references.iter();
        self.tables.push(TableState {
            name: table.name.to_owned(),
            key: key.collect(),
            references: references.map(|one| (one.column.to_owned(), one.table.to_owned())).collect(),
            checks,
            rows: BTreeMap::new(),
            columns,
        });
        Ok(())
    }

    /// The place of a table.
    #[must_use]
    pub fn table(&self, name: &str) -> Option<usize> {
        self.tables.iter().position(|table| table.name == name)
    }

    /// A number that was not given out before.
    pub fn number(&mut self) -> u64 {
        self.count = self.count.saturating_add(1);
        self.count
    }

    /// Tells the auditor.
    pub fn tell(&mut self, event: Event) {
        if let Some(journal) = &mut self.journal {
            journal.push(event);
        }
    }

    /// Opens a connection.
    pub fn connect(&mut self, ours: bool) -> u64 {
        let connection = self.number();
        self.connections.insert(connection, ours);
        connection
    }

    /// Begins a transaction, if the connection still stands.
    pub fn begin(&mut self, connection: u64, (now, database_now): (i64, i64)) -> Option<TxId> {
        let ours = *self.connections.get(&connection)?;
        let id = self.number();
        let tx = Tx {
            connection,
            ours,
            sweep: None,
            token: None,
            began: database_now,
            lock_timeout: None,
            statement_timeout: None,
            statement_began: now,
            deadlock_timeout: self.deadlock_timeout.unwrap_or(DEADLOCK_TIMEOUT),
            read_only: false,
            waiting: None,
            notes: Vec::new(),
            idle_since: now,
            refused: false,
            lingers: false,
            written: BTreeSet::new(),
            own: Vec::new(),
        };
        self.txs.insert(id, tx);
        Some(id)
    }

    /// A row as a statement of this transaction sees it.
    #[must_use]
    pub fn row(&self, table: usize, key: &Key, tx: Option<TxId>) -> Option<&Values> {
        let versions = self.tables.get(table)?.rows.get(key)?;
        visible(versions, tx)
    }

    /// The same with the key as the table keeps it.
    #[must_use]
    pub fn entry(&self, table: usize, key: &Key, tx: Option<TxId>) -> Option<(&Key, &Values)> {
        let (key, versions) = self.tables.get(table)?.rows.get_key_value(key)?;
        visible(versions, tx).map(|row| (key, row))
    }

    /// All rows as a statement of this transaction sees them, in the order of their keys' text.
    pub fn rows(&self, table: usize, tx: Option<TxId>) -> impl Iterator<Item = (&Key, &Values)> {
        let rows = self.tables.get(table).map(|table| table.rows.iter()).into_iter().flatten();
        rows.filter_map(move |(key, versions)| visible(versions, tx).map(|row| (key, row)))
    }

    /// What a trigger does before a statement changes a table.
    pub fn before_statement(&mut self, tx: TxId, table: usize) {
        let name = self.tables.get(table).map_or("", |table| table.name.as_str());
        let patient = self.triggers.iter().any(|one| matches!(one, Trigger::FindDeadlocks(of) if of == name));
        if patient && let Some(tx) = self.txs.get_mut(&tx) {
            tx.lock_timeout = None;
            tx.deadlock_timeout = 20_000;
        }
    }

    /// What a trigger does after a statement changed a table.
    pub fn after_statement(&mut self, tx: TxId, table: usize) {
        let name = self.tables.get(table).map_or("", |table| table.name.as_str());
        let turns = self.triggers.iter().any(|one| matches!(one, Trigger::TurnReadOnly(of) if of == name));
        if turns && let Some(tx) = self.txs.get_mut(&tx) {
            tx.read_only = true;
        }
    }

    /// Writes a row that is locked; no values delete it. Triggers and checks have their say.
    pub fn put(&mut self, tx: TxId, table: usize, key: &Key, values: Option<Vec<Datum>>) -> Result<(), ShopError> {
        let before = self.row(table, key, Some(tx)).cloned();
        let Some(state) = self.tables.get_mut(table) else {
            return Err(refusal(ShopErrorKind::SchemaChanged, "42P01", "the table is gone"));
        };
        let Some(open) = self.txs.get_mut(&tx) else {
            return Err(ShopError::new(ShopErrorKind::Disconnected, "the connection to the database broke off"));
        };
        if open.read_only {
            return Err(refusal(ShopErrorKind::ReadOnly, "25006", "cannot write in a read-only transaction"));
        }
        let values = match values {
            Some(mut values) => {
                if let Some(before) = &before {
                    open.refused |= run_triggers(&self.triggers, state, before, &mut values)?;
                }
                check_row(state, &values)?;
                Some(Arc::new(values))
            }
            None => None,
        };
        open.written.insert((table, key.clone()));
        state.rows.entry(key.clone()).or_default().pending = Some((tx, values));
        Ok(())
    }

    /// Notes a change to our own tables, to be made at the commit.
    pub fn put_own(&mut self, tx: TxId, write: OwnWrite) {
        if let Some(tx) = self.txs.get_mut(&tx) {
            tx.own.push(write);
        }
    }

    /// The batch that a transaction has appended to the ledger, not committed yet.
    #[must_use]
    pub fn appended(&self, tx: TxId) -> Option<&BatchRow> {
        self.txs.get(&tx)?.own.iter().find_map(|write| match write {
            OwnWrite::Batch(batch) => Some(batch),
            _ => None,
        })
    }

    /// Commits: everything of the transaction, or nothing.
    pub fn commit(&mut self, tx: TxId, database_now: i64) -> Result<(), ShopError> {
        if self.txs.get(&tx).is_some_and(|tx| tx.refused) {
            self.rollback(tx);
            return Err(refusal(ShopErrorKind::Constraint, "23514", "the shop refuses this commit"));
        }
        let Some(done) = self.txs.remove(&tx) else {
            return Err(ShopError::new(ShopErrorKind::Disconnected, "the connection to the database broke off"));
        };
        let mut changes = Vec::new();
        for (table, key) in done.written {
            let Some(state) = self.tables.get_mut(table) else { continue };
            let Some(versions) = state.rows.get_mut(&key) else { continue };
            let Some((_, after)) = versions.pending.take() else { continue };
            let before = std::mem::replace(&mut versions.committed, after.clone());
            if versions.committed.is_none() {
                state.rows.remove(&key);
            }
            if before != after {
                changes.push(Change { table, key, before, after });
            }
        }
        let batch = done.own.iter().find_map(|write| match write {
            OwnWrite::Batch(batch) => Some(batch.clone()),
            _ => None,
        });
        let lease_lost = batch.as_ref().is_some_and(|batch| self.lease_lost(&batch.profile, done.token.as_deref()));
        for write in done.own {
            self.own.apply(write);
        }
        if self.journal.is_some() {
            let Tx { ours, began, connection, sweep, notes, .. } = done;
            let commit = Commit { connection, ours, sweep, began, at: database_now, changes, batch, notes, lease_lost };
            self.tell(Event::Committed(commit));
        }
        self.unlock(tx);
        Ok(())
    }

    /// Whether a batch is committed by somebody whom the lease does not name.
    fn lease_lost(&self, profile: &str, token: Option<&str>) -> bool {
        let holder = self.own.leases.get(profile).and_then(|lease| lease.holder.as_ref());
        holder.map(|holder| holder.token.as_str()) != token
    }

    /// Undoes a transaction.
    pub fn rollback(&mut self, tx: TxId) {
        let Some(undone) = self.txs.remove(&tx) else { return };
        for (table, key) in undone.written {
            let Some(state) = self.tables.get_mut(table) else { continue };
            if let Some(versions) = state.rows.get_mut(&key) {
                versions.pending = None;
                if versions.committed.is_none() {
                    state.rows.remove(&key);
                }
            }
        }
        self.unlock(tx);
    }

    fn unlock(&mut self, tx: TxId) {
        self.locks.free(tx);
        for waiter in std::mem::take(&mut self.waiters) {
            waiter.wake();
        }
    }

    /// The client of a connection is gone; the server finds out at `at`, and then does what is to be done.
    pub fn abandon(&mut self, connection: u64, fate: Fate, (now, at): (i64, i64)) {
        let open: Vec<TxId> =
            self.txs.iter().filter(|(_, tx)| tx.connection == connection && !tx.lingers).map(|(id, _)| *id).collect();
        for id in open {
            if let Some(tx) = self.txs.get_mut(&id) {
                tx.lingers = true;
                tx.waiting = None;
            }
            self.lingering.push((at, id, fate));
        }
        self.settle(now, now);
        if !self.txs.values().any(|tx| tx.connection == connection) {
            self.connections.remove(&connection);
        }
    }

    /// Does what the server does by itself: ends what lingers, and what was idle for too long.
    pub fn settle(&mut self, now: i64, database_now: i64) {
        while let Some(place) = self.lingering.iter().position(|(at, ..)| *at <= now) {
            let (_, id, fate) = self.lingering.swap_remove(place);
            let connection = self.txs.get(&id).map(|tx| tx.connection);
            if fate == Fate::Rollback || self.commit(id, database_now).is_err() {
                self.rollback(id);
            }
            if let Some(connection) = connection {
                self.connections.remove(&connection);
            }
        }
        let idle = |tx: &Tx| idle_until(tx).is_some_and(|until| until <= now);
        while let Some(connection) = self.txs.values().find(|tx| idle(tx)).map(|tx| tx.connection) {
            self.cut(connection);
        }
    }

    /// When the server does something by itself next.
    #[must_use]
    pub fn next_event(&self) -> Option<i64> {
        let lingering = self.lingering.iter().map(|(at, ..)| *at);
        lingering.chain(self.txs.values().filter_map(idle_until)).min()
    }

    /// The server ends a connection: whatever was open is rolled back at once.
    pub fn cut(&mut self, connection: u64) {
        self.connections.remove(&connection);
        let open: Vec<TxId> =
            self.txs.iter().filter(|(_, tx)| tx.connection == connection).map(|(id, _)| *id).collect();
        self.lingering.retain(|(_, id, _)| !open.contains(id));
        for id in open {
            self.rollback(id);
        }
    }

    /// Whether a transaction waits for itself, and which part in that is ours.
    #[must_use]
    pub fn deadlock(&self, tx: TxId) -> Option<OurPart> {
        let reached = self.waits_for(tx);
        let in_circle = |id: &TxId| self.txs.get(id).is_some_and(|tx| tx.ours) && self.waits_for(*id).contains(&tx);
        let waiting = self.txs.get(&tx)?.waiting.as_ref()?;
        let directly = self.locks.in_the_way(tx, &waiting.row, waiting.mode).any(|id| in_circle(&id));
        reached.contains(&tx).then(|| match (directly, reached.iter().any(in_circle)) {
            (true, _) => OurPart::InTheWay,
            (false, true) => OurPart::Further,
            (false, false) => OurPart::None,
        })
    }

    /// Everybody a transaction waits for, and whom they wait for.
    fn waits_for(&self, tx: TxId) -> BTreeSet<TxId> {
        let mut seen = BTreeSet::new();
        let mut next = vec![tx];
        while let Some(one) = next.pop() {
            let Some(waiting) = self.txs.get(&one).and_then(|tx| tx.waiting.as_ref()) else { continue };
            next.extend(self.locks.in_the_way(one, &waiting.row, waiting.mode).filter(|other| seen.insert(*other)));
        }
        seen
    }
}

/// When a transaction of ours was idle for too long; one that waits for a lock is busy until it gives that up.
fn idle_until(tx: &Tx) -> Option<i64> {
    let since = tx.waiting.as_ref().map_or(tx.idle_since, |waiting| waiting.until);
    // Whoever waits for ever is busy for ever.
    (tx.ours && !tx.lingers).then(|| since.checked_add(IDLE)).flatten()
}

fn visible(versions: &Versions, tx: Option<TxId>) -> Option<&Values> {
    match &versions.pending {
        Some((writer, values)) if Some(*writer) == tx => values.as_ref(),
        _ => versions.committed.as_ref(),
    }
}

/// Whether the commit will be refused.
fn run_triggers(
    triggers: &[Trigger],
    table: &TableState,
    before: &Values,
    values: &mut [Datum],
) -> Result<bool, ShopError> {
    let mut refused = false;
    for trigger in triggers {
        match trigger {
            Trigger::Refuse(of, column, value)
                if *of == table.name && table.place(column).and_then(|place| before.get(place)) == Some(value) =>
            {
                return Err(refusal(ShopErrorKind::Constraint, "23514", "the shop refuses this row"));
            }
            Trigger::Meddle(of, column) if *of == table.name => {
                if let Some(Datum::Integer(number)) = table.place(column).and_then(|place| values.get_mut(place)) {
                    *number = number.saturating_add(1);
                }
            }
            Trigger::RefuseCommit(of) => refused |= *of == table.name,
            _ => {}
        }
    }
    Ok(refused)
}

fn check_row(table: &TableState, values: &[Datum]) -> Result<(), ShopError> {
    let column = |name: &str| table.place(name).and_then(|place| values.get(place));
    if let Some(check) = table.checks.iter().find(|check| !check.passes(&column)) {
        let message = format!("new row for `{}` violates check {check:?}", table.name);
        return Err(refusal(ShopErrorKind::Constraint, "23514", message));
    }
    for (column, value) in table.columns.iter().zip(values) {
        if !column.nullable && *value == Datum::Null {
            let message = format!("`{}.{}` cannot be NULL", table.name, column.name);
            return Err(refusal(ShopErrorKind::Constraint, "23502", message));
        }
    }
    Ok(())
}

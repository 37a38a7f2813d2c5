//! A connection of the shop itself: statements on rows, each a transaction of its own unless one was begun.

use std::sync::Arc;

use unreserve_engine::model::Key;
use unreserve_engine::shop::{ShopError, ShopErrorKind};

use super::database::{Database, broken};
use super::locks::{Mode, RowId, TxId};
use super::store::{Values, refusal};
use super::value::Datum;

/// A connection of the shop.
#[derive(Debug)]
pub struct Client {
    /// The database.
    pub database: Database,
    connection: u64,
    tx: Option<TxId>,
    /// How long it waits for a lock, in microseconds; for ever where nothing is set.
    pub lock_timeout: Option<i64>,
}

impl Drop for Client {
    fn drop(&mut self) {
        self.database.state().cut(self.connection);
    }
}

/// A table that does not exist.
fn no_table(name: &str) -> ShopError {
    refusal(ShopErrorKind::SchemaChanged, "42P01", format!("table `{name}` does not exist"))
}

fn no_column(name: &str) -> ShopError {
    refusal(ShopErrorKind::SchemaChanged, "42703", format!("column `{name}` does not exist"))
}

impl Client {
    /// Connects.
    #[must_use]
    pub fn new(database: &Database) -> Self {
        let connection = database.state().connect(false);
        Self { database: database.clone(), connection, tx: None, lock_timeout: None }
    }

    /// The transaction under way.
    #[must_use]
    pub fn tx(&self) -> Option<TxId> {
        self.tx
    }

    fn open(&self) -> Result<TxId, ShopError> {
        let now = (self.database.time.now(), self.database.time.database_now());
        let mut state = self.database.state();
        let tx = state.begin(self.connection, now).ok_or_else(broken)?;
        if let Some(open) = state.txs.get_mut(&tx) {
            open.lock_timeout = self.lock_timeout;
        }
        Ok(tx)
    }

    /// Begins a transaction.
    ///
    /// # Errors
    /// The connection is gone.
    pub async fn begin(&mut self) -> Result<(), ShopError> {
        self.database.travel().await;
        self.tx = Some(self.open()?);
        Ok(())
    }

    /// Commits it.
    ///
    /// # Errors
    /// The shop's own rules refuse it.
    pub async fn commit(&mut self) -> Result<(), ShopError> {
        self.database.travel().await;
        let Some(tx) = self.tx.take() else { return Ok(()) };
        self.database.state().commit(tx, self.database.time.database_now())
    }

    /// Undoes it.
    pub async fn rollback(&mut self) {
        self.database.travel().await;
        if let Some(tx) = self.tx.take() {
            self.database.state().rollback(tx);
        }
    }

    /// The transaction of a statement, and whether it ends with it.
    async fn statement(&self) -> Result<(TxId, bool), ShopError> {
        self.database.travel().await;
        match self.tx {
            Some(tx) => Ok((tx, false)),
            None => Ok((self.open()?, true)),
        }
    }

    fn end<T>(&mut self, (tx, alone): (TxId, bool), outcome: Result<T, ShopError>) -> Result<T, ShopError> {
        let mut state = self.database.state();
        if outcome.is_err() {
            state.rollback(tx);
            drop(state);
            self.tx = None;
            return outcome;
        }
        if alone {
            state.commit(tx, self.database.time.database_now())?;
        }
        outcome
    }

    /// Adds a row. Its foreign keys lock what they point at.
    ///
    /// # Errors
    /// A rule of the shop refuses it, or a lock was not to be had.
    pub async fn insert(&mut self, table: &str, row: &[(&str, Datum)]) -> Result<(), ShopError> {
        let statement = self.statement().await?;
        let outcome = self.insert_row(statement.0, table, row).await;
        self.end(statement, outcome)
    }

    async fn insert_row(&self, tx: TxId, name: &str, row: &[(&str, Datum)]) -> Result<(), ShopError> {
        let (table, values, key) = {
            let state = self.database.state();
            let table = state.table(name).ok_or_else(|| no_table(name))?;
            let known = state.tables.get(table).ok_or_else(|| no_table(name))?;
            let mut values = vec![Datum::Null; known.columns.len()];
            for (column, value) in row {
                let place = known.place(column).ok_or_else(|| no_column(column))?;
                if let Some(cell) = values.get_mut(place) {
                    *cell = value.clone();
                }
            }
            let key = known.key_of(&values);
            (table, values, key)
        };
        self.lock_references(tx, table, &values).await?;
        let mut state = self.database.state();
        if state.row(table, &key, Some(tx)).is_some() {
            return Err(refusal(ShopErrorKind::Constraint, "23505", format!("`{name}` has a row `{key}` already")));
        }
        if !state.locks.take(tx, &RowId { table, key: key.clone() }, Mode::Update) {
            return Err(refusal(ShopErrorKind::Constraint, "23505", format!("`{key}` is being added to `{name}`")));
        }
        state.put(tx, table, &key, Some(values))
    }

    async fn lock_references(&self, tx: TxId, table: usize, values: &[Datum]) -> Result<(), ShopError> {
        let wanted: Vec<RowId> = {
            let state = self.database.state();
            let Some(known) = state.tables.get(table) else { return Ok(()) };
            let mut wanted = Vec::new();
            for (column, other) in &known.references {
                let part = known.place(column).and_then(|place| values.get(place)).and_then(Datum::text);
                if let (Some(part), Some(table)) = (part, state.table(other)) {
                    wanted.push(RowId { table, key: Key::single(part) });
                }
            }
            wanted
        };
        for row in wanted {
            self.database.lock(tx, &row, Mode::KeyShare).await?;
            if self.database.state().row(row.table, &row.key, Some(tx)).is_none() {
                let message = format!("there is no row `{}` to point at", row.key);
                return Err(refusal(ShopErrorKind::Constraint, "23503", message));
            }
        }
        Ok(())
    }

    /// Locks the rows whose columns hold these values until the transaction ends, and gives what stands in them then.
    ///
    /// # Errors
    /// A lock was not to be had.
    pub async fn lock(&mut self, table: &str, rows: &[(&str, Datum)]) -> Result<Vec<(Key, Values)>, ShopError> {
        let statement = self.statement().await?;
        let outcome = self.lock_rows(statement.0, (table, Mode::Update), rows).await;
        self.end(statement, outcome)
    }

    async fn lock_rows(
        &self,
        tx: TxId,
        (name, mode): (&str, Mode),
        rows: &[(&str, Datum)],
    ) -> Result<Vec<(Key, Values)>, ShopError> {
        let (table, wanted, keys) = {
            let state = self.database.state();
            let table = state.table(name).ok_or_else(|| no_table(name))?;
            let known = state.tables.get(table).ok_or_else(|| no_table(name))?;
            let mut wanted = Vec::new();
            for (column, value) in rows {
                wanted.push((known.place(column).ok_or_else(|| no_column(column))?, value.clone()));
            }
            let found = state.rows(table, Some(tx)).filter(|(_, row)| holds(row, &wanted));
            let keys: Vec<Key> = found.map(|(key, _)| key.clone()).collect();
            (table, wanted, keys)
        };
        let mut locked = Vec::new();
        for key in keys {
            let row = RowId { table, key };
            self.database.lock(tx, &row, mode).await?;
            let state = self.database.state();
            // What was changed while we waited is looked at again.
            if let Some(values) = state.row(table, &row.key, Some(tx)).filter(|values| holds(values, &wanted)) {
                locked.push((row.key.clone(), Arc::clone(values)));
            }
        }
        Ok(locked)
    }

    /// Changes the rows whose columns hold these values, and counts them.
    ///
    /// # Errors
    /// A rule of the shop refuses it, or a lock was not to be had.
    pub async fn update(
        &mut self,
        table: &str,
        set: &[(&str, Datum)],
        rows: &[(&str, Datum)],
    ) -> Result<usize, ShopError> {
        let change = |column: &str, _: &Datum| set.iter().find(|(name, _)| *name == column).map(|(_, v)| v.clone());
        let statement = self.statement().await?;
        let outcome = match self.unknown(table, set) {
            Some(error) => Err(error),
            None => self.change_rows(statement.0, table, rows, change).await,
        };
        self.end(statement, outcome)
    }

    /// Adds to whole numbers of the rows whose columns hold these values, and counts them.
    ///
    /// # Errors
    /// A rule of the shop refuses it, or a lock was not to be had.
    pub async fn add(&mut self, table: &str, sums: &[(&str, i64)], rows: &[(&str, Datum)]) -> Result<usize, ShopError> {
        let change = |column: &str, before: &Datum| {
            let (_, more) = sums.iter().find(|(name, _)| *name == column)?;
            let Datum::Integer(number) = before else { return None };
            Some(Datum::Integer(number.saturating_add(*more)))
        };
        let statement = self.statement().await?;
        let outcome = self.change_rows(statement.0, table, rows, change).await;
        self.end(statement, outcome)
    }

    fn unknown(&self, table: &str, set: &[(&str, Datum)]) -> Option<ShopError> {
        let state = self.database.state();
        let Some(known) = state.table(table).and_then(|table| state.tables.get(table)) else {
            return Some(no_table(table));
        };
        let missing = set.iter().find(|(column, _)| known.place(column).is_none());
        missing.map(|(column, _)| no_column(column))
    }

    async fn change_rows(
        &self,
        tx: TxId,
        name: &str,
        rows: &[(&str, Datum)],
        change: impl Fn(&str, &Datum) -> Option<Datum>,
    ) -> Result<usize, ShopError> {
        let locked = self.lock_rows(tx, (name, Mode::NoKeyUpdate), rows).await?;
        let mut state = self.database.state();
        let table = state.table(name).ok_or_else(|| no_table(name))?;
        let columns: Vec<String> = state
            .tables
            .get(table)
            .map(|known| known.columns.iter().map(|column| column.name.clone()).collect())
            .unwrap_or_default();
        for (key, values) in &locked {
            let after = columns.iter().zip(values.iter());
            let after = after.map(|(column, value)| change(column, value).unwrap_or_else(|| value.clone())).collect();
            state.put(tx, table, key, Some(after))?;
        }
        Ok(locked.len())
    }

    /// Deletes the rows whose columns hold these values, and counts them.
    ///
    /// # Errors
    /// A lock was not to be had.
    pub async fn delete(&mut self, table: &str, rows: &[(&str, Datum)]) -> Result<usize, ShopError> {
        let statement = self.statement().await?;
        let outcome = self.delete_rows(statement.0, table, rows).await;
        self.end(statement, outcome)
    }

    async fn delete_rows(&self, tx: TxId, name: &str, rows: &[(&str, Datum)]) -> Result<usize, ShopError> {
        let locked = self.lock_rows(tx, (name, Mode::Update), rows).await?;
        let mut state = self.database.state();
        let table = state.table(name).ok_or_else(|| no_table(name))?;
        for (key, _) in &locked {
            state.put(tx, table, key, None)?;
        }
        Ok(locked.len())
    }
}

fn holds(row: &[Datum], wanted: &[(usize, Datum)]) -> bool {
    wanted.iter().all(|(place, value)| row.get(*place) == Some(value))
}

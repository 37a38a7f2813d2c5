//! One transaction of a sweep.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;

use jiff::Timestamp;
use unreserve_engine::ledger::{BatchRecord, Entry};
use unreserve_engine::model::{
    BatchId, EndedReservation, ExaminedOrder, Key, LockedOrder, Position, Quantity, StockChange, StockRef, StockRow,
    SweepId,
};
use unreserve_engine::plan::Plan;
use unreserve_engine::shop::{
    Answer, Batch, BatchStart, Committed, Selection, ShopError, ShopErrorKind, StockWait, UNREADABLE,
};

use super::connect::{Link, local_settings};
use super::fragments::{Constant, Statement};
use super::ledger;
use super::render::{Line, Statements};
use super::rows;
use super::values::{Parameters, only_row, read, read_now, read_whole_key};

use crate::verify::{changed_rows, stands_as_written};

/// An open transaction. Dropping it drops the connection, and the server rolls back.
pub(super) struct PgBatch<'a> {
    link: &'a mut Link,
    plan: &'a Plan,
    statements: &'a Statements,
    batch_id: BatchId,
    sweep_id: SweepId,
    epoch: i64,
    cutoff: Timestamp,
    lock_wait_ms: u128,
    open: bool,
}

impl Drop for PgBatch<'_> {
    fn drop(&mut self) {
        if self.open {
            self.link.cut();
        }
    }
}

/// Begins: settings that end with the transaction, then the fence.
pub(super) async fn begin<'a>(
    link: &'a mut Link,
    plan: &'a Plan,
    statements: &'a Statements,
    start: BatchStart<'a>,
) -> Result<PgBatch<'a>, ShopError> {
    let sql = format!(
        "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; {}",
        local_settings(link.statement_timeout_ms(), start.lock_wait)
    );
    link.simple("begin", sql).await?;
    let mut batch = PgBatch {
        link,
        plan,
        statements,
        batch_id: start.batch_id,
        sweep_id: start.sweep_id,
        epoch: 0,
        cutoff: Timestamp::UNIX_EPOCH,
        lock_wait_ms: start.lock_wait.as_millis().max(1),
        open: true,
    };
    let parameters = Parameters::new().with(plan.profile.clone()).with(start.token.to_owned()).finish()?;
    let rows = batch.link.rows("fence", ledger::FENCE, parameters).await?;
    if rows.is_empty() {
        batch.undo().await?;
        return Err(ShopError::new(ShopErrorKind::Fenced, "another instance has taken over the sweep of this shop"));
    }
    let row = only_row(rows, "fence")?;
    batch.epoch = read(&row, 0, "fence")?;
    batch.cutoff = read_now(&row, 1, "fence")?;
    Ok(batch)
}

/// Adds the constants of a statement behind the parameters that change.
pub(super) fn with_constants(mut parameters: Parameters, statement: &Statement) -> Parameters {
    for constant in &statement.constants {
        parameters = match constant {
            Constant::Text(text) => parameters.with(text.clone()),
            Constant::Texts(texts) => parameters.with(texts.clone()),
        };
    }
    parameters
}

/// The form of the candidate query that a selection asks for, and its parameters.
pub(super) fn selected<'a>(plan: &Plan, line: &'a Line, selection: &Selection) -> (&'a Statement, Parameters) {
    let parameters = Parameters::new().with(i64::from(selection.limit));
    if let Some(only) = &selection.only {
        return (&line.named, with_constants(parameters.with_keys(only.iter(), 1), &line.named));
    }
    let after = selection.after.as_ref();
    let mut parameters = parameters.with(after.map(|place| place.expiry.clone()));
    for column in 0..plan.reservation.key.len() {
        parameters = parameters.with(after.map(|place| place.reservation.part(column).to_owned()));
    }
    (&line.rest, with_constants(parameters, &line.rest))
}

/// Reads a row of the candidate query.
pub(super) fn read_candidate(
    plan: &Plan,
    row: &sqlx::postgres::PgRow,
    name: &'static str,
) -> Result<LockedOrder, ShopError> {
    let key = read_whole_key(row, 0, 1, name)?;
    let reservation = read_whole_key(row, 2, plan.reservation.key.len(), name)?;
    let number = read(row, plan.reservation.key.len().saturating_add(3), name)?;
    Ok(LockedOrder { key, number, position: Position { expiry: read(row, 1, name)?, reservation } })
}

/// What to do with an order or a stock row that cannot be read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// Fail: the batch is halved until the order is found.
    Fail,
    /// Leave it out: a dry run shows the others.
    Skip,
}

/// Re-reads orders: status and guards in one statement, reservations in another.
pub(super) async fn examine(
    link: &mut Link,
    (plan, statements): (&Plan, &Statements),
    orders: &[Key],
    unreadable: Unreadable,
) -> Result<Vec<ExaminedOrder>, ShopError> {
    let keys = || Parameters::new().with_keys(orders.iter(), 1);
    let statement = &statements.examine_orders;
    let mut examined = Vec::with_capacity(orders.len());
    let mut place_of: HashMap<Key, usize> = HashMap::with_capacity(orders.len());
    for row in link.rows(statement.name, &statement.sql, with_constants(keys(), statement).finish()?).await? {
        let order = rows::order(plan, &row, statement.name)?;
        place_of.insert(order.key.clone(), examined.len());
        examined.push(order);
    }
    let statement = &statements.examine_reservations;
    for row in link.rows(statement.name, &statement.sql, with_constants(keys(), statement).finish()?).await? {
        let order = read_whole_key(&row, 0, 1, statement.name)?;
        match rows::reservation(plan, &row, statement.name) {
            Ok(reservation) => {
                if let Some(order) = place_of.get(&order).and_then(|place| examined.get_mut(*place)) {
                    order.reservations.push(reservation);
                }
            }
            Err(error) if unreadable == Unreadable::Skip && error.kind == ShopErrorKind::Constraint => {
                tracing::warn!(%error, "a sweep would set this order aside");
                if let Some(order) = place_of.get(&order).and_then(|place| examined.get_mut(*place)) {
                    order.guards.insert(0, UNREADABLE.to_owned());
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(examined)
}

/// Reads counters, a statement a stock table.
pub(super) async fn read_counters(
    link: &mut Link,
    (plan, statements): (&Plan, &[Statement]),
    stock: &[StockRef],
    unreadable: Unreadable,
) -> Result<Vec<StockRow>, ShopError> {
    let mut found = Vec::with_capacity(stock.len());
    for (pool, (stock_plan, statement)) in plan.stock.iter().zip(statements).enumerate() {
        let wanted: Vec<&StockRef> = stock.iter().filter(|row| row.pool == pool).collect();
        if wanted.is_empty() {
            continue;
        }
        let keys = wanted.iter().map(|row| &row.key);
        let parameters = Parameters::new().with_keys(keys, stock_plan.key.len());
        for row in link.rows(statement.name, &statement.sql, with_constants(parameters, statement).finish()?).await? {
            match rows::stock(&wanted, &row, statement.name) {
                Ok(row) if found.last().is_some_and(|last: &StockRow| last.stock == row.stock) => {
                    let message = format!(
                        "two rows of `{}` have the key `{}`: the profile's key does not name one row",
                        stock_plan.table.name, row.stock.key
                    );
                    return Err(ShopError::new(ShopErrorKind::Invariant, message).during(statement.name));
                }
                Ok(row) => found.push(row),
                Err(error) if unreadable == Unreadable::Skip && error.kind == ShopErrorKind::Constraint => {
                    tracing::warn!(%error, "a stock row is left out of the dry run; a sweep would set its orders aside");
                }
                Err(error) => return Err(error),
            }
        }
    }
    Ok(found)
}

fn expect_all(changed: usize, expected: usize, what: &str, statement: &'static str) -> Result<(), ShopError> {
    if changed == expected {
        return Ok(());
    }
    let message = format!(
        "{changed} of {expected} {what} could be written: the shop changed them at the same time, or a trigger did"
    );
    Err(ShopError::new(ShopErrorKind::Invariant, message).during(statement))
}

impl PgBatch<'_> {
    async fn undo(&mut self) -> Result<(), ShopError> {
        self.open = false;
        let outcome = self.link.simple("rollback", "ROLLBACK".to_owned()).await;
        if outcome.is_err() {
            self.link.cut();
        }
        outcome
    }

    async fn lock_due_rows(&mut self, selection: &Selection) -> Result<Vec<LockedOrder>, ShopError> {
        let (statement, parameters) = selected(self.plan, &self.statements.lock_due, selection);
        let rows = self.link.rows(statement.name, &statement.sql, parameters.finish()?).await?;
        self.limit_statements().await?;
        rows.iter().map(|row| read_candidate(self.plan, row, statement.name)).collect()
    }

    /// From the first lock on, a customer may be waiting: no statement may take longer than the budget. One lock's wait
    /// is bounded by lock_timeout, all of them together by this.
    async fn limit_statements(&mut self) -> Result<(), ShopError> {
        let budget_ms = self.lock_wait_ms.min(self.link.statement_timeout_ms());
        self.link.simple("limit", format!("SET LOCAL statement_timeout = {budget_ms}")).await
    }

    async fn lock_stock_rows(&mut self, stock: &[StockRef], wait: StockWait) -> Result<Vec<StockRow>, ShopError> {
        let statements = match wait {
            StockWait::Bounded => &self.statements.lock_stock,
            StockWait::None => &self.statements.lock_free_stock,
        };
        read_counters(self.link, (self.plan, statements), stock, Unreadable::Fail).await
    }

    async fn write(
        &mut self,
        statement: &Statement,
        parameters: Parameters,
        expected: usize,
        what: &str,
    ) -> Result<(), ShopError> {
        let changed =
            self.link.execute(statement.name, &statement.sql, with_constants(parameters, statement).finish()?).await?;
        expect_all(usize::try_from(changed).unwrap_or(usize::MAX), expected, what, statement.name)
    }

    async fn release_rows(
        &mut self,
        stock: &[StockChange],
        reservations: &[EndedReservation],
    ) -> Result<(), ShopError> {
        let (plan, statements) = (self.plan, self.statements);
        for (pool, (stock_plan, statement)) in plan.stock.iter().zip(&statements.write_stock).enumerate() {
            let changes: Vec<&StockChange> = stock.iter().filter(|change| change.before.stock.pool == pool).collect();
            if changes.is_empty() {
                continue;
            }
            let keys = changes.iter().map(|change| &change.before.stock.key);
            let units = |read: fn(&StockChange) -> Option<Quantity>| -> Vec<Option<i64>> {
                changes.iter().map(|change| read(change).map(Quantity::units)).collect()
            };
            let parameters = Parameters::new()
                .with_keys(keys, stock_plan.key.len())
                .with(units(|change| change.before.reserved))
                .with(units(|change| change.reserved))
                .with(units(|change| change.before.on_hand))
                .with(units(|change| change.on_hand));
            self.write(statement, parameters, changes.len(), &format!("rows of `{}`", stock_plan.table.name)).await?;
        }
        self.end_reservations(reservations).await?;
        self.verify(stock).await
    }

    async fn end_reservations(&mut self, reservations: &[EndedReservation]) -> Result<(), ShopError> {
        let (plan, statement) = (self.plan, &self.statements.release);
        let mut parameters = Parameters::new()
            .with_keys(reservations.iter().map(|ended| &ended.key), plan.reservation.key.len())
            .with_keys(reservations.iter().map(|ended| &ended.order), 1)
            .with(reservations.iter().map(|ended| ended.quantity.units()).collect::<Vec<i64>>());
        for (pool, stock) in plan.stock.iter().enumerate() {
            for column in 0..stock.key.len() {
                let held = |ended: &EndedReservation| {
                    let held = ended.stock.iter().find(|held| held.pool == pool);
                    held.map(|held| held.key.part(column).to_owned())
                };
                parameters = parameters.with(reservations.iter().map(held).collect::<Vec<Option<String>>>());
            }
        }
        let rows =
            self.link.rows(statement.name, &statement.sql, with_constants(parameters, statement).finish()?).await?;
        let mut ended = 0_usize;
        for row in &rows {
            if !read::<bool>(row, 0, statement.name)? {
                ended = ended.saturating_add(1);
            }
        }
        expect_all(ended, reservations.len(), "reservations", statement.name)
    }

    async fn verify(&mut self, stock: &[StockChange]) -> Result<(), ShopError> {
        let statements = (self.plan, self.statements.read_stock.as_slice());
        let rows = read_counters(self.link, statements, &changed_rows(stock), Unreadable::Fail).await?;
        stands_as_written(self.plan, stock, &rows)
    }

    async fn cancel_rows(&mut self, orders: &[Key]) -> Result<(), ShopError> {
        let statements = self.statements;
        let Some(statement) = &statements.cancel_orders else { return Ok(()) };
        let parameters = Parameters::new().with_keys(orders.iter(), 1);
        self.write(statement, parameters, orders.len(), "orders").await
    }

    async fn commit_all(&mut self) -> Committed {
        self.open = false;
        match self.link.simple("commit", "COMMIT".to_owned()).await {
            Ok(()) => Committed::Yes,
            Err(error) => {
                // The connection is dropped either way: its state is in doubt, or its transaction is gone.
                self.link.cut();
                if error.kind == ShopErrorKind::Disconnected { Committed::Unknown(error) } else { Committed::No(error) }
            }
        }
    }
}

impl Batch for PgBatch<'_> {
    fn cutoff(&self) -> Timestamp {
        self.cutoff
    }

    fn lock_due<'a>(&'a mut self, selection: &'a Selection) -> Answer<'a, Vec<LockedOrder>> {
        Box::pin(self.lock_due_rows(selection))
    }

    fn examine<'a>(&'a mut self, orders: &'a [Key]) -> Answer<'a, Vec<ExaminedOrder>> {
        Box::pin(examine(self.link, (self.plan, self.statements), orders, Unreadable::Fail))
    }

    fn lock_stock<'a>(&'a mut self, stock: &'a [StockRef], wait: StockWait) -> Answer<'a, Vec<StockRow>> {
        Box::pin(self.lock_stock_rows(stock, wait))
    }

    fn release<'a>(&'a mut self, stock: &'a [StockChange], reservations: &'a [EndedReservation]) -> Answer<'a, ()> {
        Box::pin(self.release_rows(stock, reservations))
    }

    fn cancel_orders<'a>(&'a mut self, orders: &'a [Key]) -> Answer<'a, ()> {
        Box::pin(self.cancel_rows(orders))
    }

    fn append_ledger<'a>(&'a mut self, record: &'a BatchRecord, entries: &'a [Entry]) -> Answer<'a, ()> {
        debug_assert!(record.batch_id == self.batch_id, "a batch writes its own record");
        let place = ledger::BatchPlace { profile: &self.plan.profile, sweep_id: self.sweep_id, epoch: self.epoch };
        Box::pin(ledger::append(self.link, place, record, entries))
    }

    fn commit<'a>(mut self: Box<Self>) -> Pin<Box<dyn Future<Output = Committed> + Send + 'a>>
    where
        Self: 'a,
    {
        Box::pin(async move { self.commit_all().await })
    }

    fn rollback<'a>(mut self: Box<Self>) -> Answer<'a, ()>
    where
        Self: 'a,
    {
        Box::pin(async move { self.undo().await })
    }
}

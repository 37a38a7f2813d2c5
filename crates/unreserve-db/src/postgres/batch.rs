//! One transaction of a sweep.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;

use jiff::Timestamp;
use sqlx::postgres::PgRow;
use unreserve_engine::ledger::{BatchRecord, Entry};
use unreserve_engine::model::{
    BatchId, EndedReservation, ExaminedOrder, Key, LockedPage, Mutant, Quantity, StockChange, StockRef, StockRow,
    SweepId, planted,
};
use unreserve_engine::plan::{Plan, StockPlan};
use unreserve_engine::shop::{
    Answer, Batch, BatchStart, Committed, Selection, ShopError, ShopErrorKind, StockWait, UNREADABLE,
};

use super::connect::Link;
use super::fragments::Statement;
use super::ledger;
use super::message::Transaction;
use super::render::{Line, Statements};
use super::values::{Parameters, only_row, read, read_flag, read_own_instant, read_whole_key};
use crate::rows;

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
        self.link.leave();
        if self.open {
            self.link.cut();
        }
    }
}

/// The fence; where that fault is planted, one that everybody passes.
fn fence() -> String {
    if planted(Mutant::SessionLock) {
        return ledger::FENCE.replace("token =", "'' <>");
    }
    ledger::FENCE.to_owned()
}

/// Begins: settings that end with the transaction, then the fence.
pub(super) async fn begin<'a>(
    link: &'a mut Link,
    plan: &'a Plan,
    statements: &'a Statements,
    start: BatchStart<'a>,
) -> Result<PgBatch<'a>, ShopError> {
    link.begin(Transaction::Batch(start.lock_wait));
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
    let parameters = Parameters::new().with(plan.profile.clone()).with(start.token.to_owned());
    let rows = match batch.link.rows("fence", &fence(), parameters).await {
        Ok(rows) => rows,
        Err(error) => {
            batch.undo().await?;
            return Err(error);
        }
    };
    if rows.is_empty() {
        batch.undo().await?;
        return Err(ShopError::new(ShopErrorKind::Fenced, "another instance has taken over the sweep of this shop"));
    }
    let row = only_row(rows, "fence")?;
    batch.epoch = read(&row, 0, "fence")?;
    batch.cutoff = read_own_instant(&row, 1, "fence")?;
    // A role that was changed after the login may not see when its own session began.
    if let (Some(process), Some(began)) = (read(&row, 2, "fence")?, read(&row, 3, "fence")?) {
        batch.link.keep((process, began), &batch.statements.of_a_batch());
    }
    Ok(batch)
}

/// The form of the candidate query that a selection asks for, and its parameters.
pub(super) fn selected<'a>(plan: &Plan, line: &'a Line, selection: &Selection) -> (&'a Statement, Parameters) {
    let parameters = Parameters::new().with(i64::from(selection.limit));
    if let Some(only) = &selection.only {
        return (&line.named, parameters.with_keys(only.iter(), 1));
    }
    let after = selection.after.as_ref();
    let mut parameters = parameters.with(after.map(|place| place.expiry.clone()));
    for column in 0..plan.reservation.key.len() {
        parameters = parameters.with(after.map(|place| place.reservation.part(column).to_owned()));
    }
    (&line.rest, parameters)
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
    let (about_orders, about_reservations) = (&statements.examine_orders, &statements.examine_reservations);
    let calls = vec![link.planned(about_orders, keys())?, link.planned(about_reservations, keys())?];
    let mut replies = link.run_all(calls).await?.into_iter();
    let mut next = || replies.next().unwrap_or_default().rows;
    let mut examined = Vec::with_capacity(orders.len());
    let mut place_of: HashMap<Key, usize> = HashMap::with_capacity(orders.len());
    for row in next() {
        let order = rows::order(plan, &row, about_orders.name)?;
        place_of.insert(order.key.clone(), examined.len());
        examined.push(order);
    }
    for row in next() {
        let order = read_whole_key(&row, 0, 1, about_reservations.name)?;
        match rows::reservation(plan, &row, about_reservations.name) {
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

/// A question for counters, a statement a stock table.
struct Asked<'a> {
    stock: &'a StockPlan,
    statement: &'a Statement,
    wanted: Vec<&'a StockRef>,
}

fn ask<'a>(plan: &'a Plan, statements: &'a [Statement], stock: &'a [StockRef]) -> Vec<Asked<'a>> {
    let all = plan.stock.iter().zip(statements).enumerate();
    all.map(|(pool, (plan, statement))| Asked {
        stock: plan,
        statement,
        wanted: stock.iter().filter(|row| row.pool == pool).collect(),
    })
    .filter(|asked| !asked.wanted.is_empty())
    .collect()
}

impl Asked<'_> {
    fn parameters(&self) -> Parameters {
        Parameters::new().with_keys(self.wanted.iter().map(|row| &row.key), self.stock.key.len())
    }

    fn read(&self, rows: &[PgRow], unreadable: Unreadable, found: &mut Vec<StockRow>) -> Result<(), ShopError> {
        let name = self.statement.name;
        for row in rows {
            match rows::stock(&self.wanted, row, name) {
                Ok(row) if found.last().is_some_and(|last: &StockRow| last.stock == row.stock) => {
                    let message = format!(
                        "two rows of `{}` have the key `{}`: the profile's key does not name one row",
                        self.stock.table.name, row.stock.key
                    );
                    return Err(ShopError::new(ShopErrorKind::Invariant, message).during(name));
                }
                Ok(row) => found.push(row),
                Err(error) if unreadable == Unreadable::Skip && error.kind == ShopErrorKind::Constraint => {
                    tracing::warn!(%error, "a stock row is left out of the dry run; a sweep would set its orders aside");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Reads counters.
pub(super) async fn read_counters(
    link: &mut Link,
    (plan, statements): (&Plan, &[Statement]),
    stock: &[StockRef],
    unreadable: Unreadable,
) -> Result<Vec<StockRow>, ShopError> {
    let asked = ask(plan, statements, stock);
    let calls = asked.iter().map(|asked| link.planned(asked.statement, asked.parameters()));
    let calls = calls.collect::<Result<Vec<_>, _>>()?;
    let mut found = Vec::with_capacity(stock.len());
    for (asked, reply) in asked.iter().zip(link.run_all(calls).await?) {
        asked.read(&reply.rows, unreadable, &mut found)?;
    }
    Ok(found)
}

fn expect_all(changed: usize, expected: usize, what: &str, statement: &'static str) -> Result<(), ShopError> {
    if changed == expected || planted(Mutant::AffectedIgnored) {
        return Ok(());
    }
    let message = format!(
        "{changed} of {expected} {what} could be written: the shop changed them at the same time, or a trigger did"
    );
    Err(ShopError::new(ShopErrorKind::Invariant, message).during(statement))
}

/// The parameters of `write_stock`.
fn counters_written(plan: &StockPlan, changes: &[&StockChange]) -> Parameters {
    let units = |read: fn(&StockChange) -> Option<Quantity>| -> Vec<Option<i64>> {
        changes.iter().map(|change| read(change).map(Quantity::units)).collect()
    };
    Parameters::new()
        .with_keys(changes.iter().map(|change| &change.before.stock.key), plan.key.len())
        .with(units(|change| change.before.reserved))
        .with(units(|change| change.reserved))
        .with(units(|change| change.before.on_hand))
        .with(units(|change| change.on_hand))
}

/// The parameters of `release`.
fn reservations_ended(plan: &Plan, reservations: &[EndedReservation]) -> Parameters {
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
    parameters
}

impl PgBatch<'_> {
    async fn undo(&mut self) -> Result<(), ShopError> {
        self.open = false;
        if !self.link.is_connected() {
            return Ok(());
        }
        let outcome = self.link.simple("rollback", "ROLLBACK").await;
        if outcome.is_err() {
            self.link.cut();
        }
        outcome
    }

    async fn lock_due_rows(&mut self, selection: &Selection) -> Result<LockedPage, ShopError> {
        let (statement, parameters) = selected(self.plan, &self.statements.lock_due, selection);
        let mut message = self.link.message(self.link.planned(statement, parameters)?);
        // From the first lock on, a customer may be waiting: no statement may take longer than the budget. One lock's
        // wait is bounded by lock_timeout, all of them together by this.
        let budget_ms = self.lock_wait_ms.min(self.link.statement_timeout_ms());
        message = message.command("limit", &format!("SET LOCAL statement_timeout = {budget_ms}"));
        // What follows goes by keys: one plan serves every batch.
        message = message.command("limit", "SET LOCAL plan_cache_mode = force_generic_plan");
        let rows = self.link.send(message).await?.pop().unwrap_or_default().rows;
        let found = rows.iter().map(|row| rows::candidate(self.plan, row, statement.name));
        let mut page = LockedPage::of(found.collect::<Result<_, _>>()?, selection.limit);
        let locked_index = self.plan.reservation.key.len().saturating_add(4);
        let locked = rows.iter().map(|row| read_flag(row, locked_index, statement.name));
        let mut locked = locked.collect::<Result<Vec<bool>, _>>()?.into_iter();
        page.orders.retain(|_| locked.next().unwrap_or(false));
        Ok(page)
    }

    async fn lock_stock_rows(&mut self, stock: &[StockRef], wait: StockWait) -> Result<Vec<StockRow>, ShopError> {
        let statements = match wait {
            StockWait::Bounded => &self.statements.lock_stock,
            StockWait::None => &self.statements.lock_free_stock,
        };
        read_counters(self.link, (self.plan, statements), stock, Unreadable::Fail).await
    }

    /// Writes the counters, ends the reservations, and reads the counters again, in one message.
    async fn release_rows(
        &mut self,
        stock: &[StockChange],
        reservations: &[EndedReservation],
    ) -> Result<(), ShopError> {
        let (plan, statements) = (self.plan, self.statements);
        let (mut calls, mut expected) = (Vec::new(), Vec::new());
        for (pool, (stock_plan, statement)) in plan.stock.iter().zip(&statements.write_stock).enumerate() {
            let changes: Vec<&StockChange> = stock.iter().filter(|change| change.before.stock.pool == pool).collect();
            if !changes.is_empty() {
                calls.push(self.link.planned(statement, counters_written(stock_plan, &changes))?);
                expected.push((changes.len(), format!("rows of `{}`", stock_plan.table.name)));
            }
        }
        calls.push(self.link.planned(&statements.release, reservations_ended(plan, reservations))?);
        let changed = changed_rows(stock);
        let again = ask(plan, &statements.read_stock, &changed);
        for asked in &again {
            calls.push(self.link.planned(asked.statement, asked.parameters())?);
        }
        let mut replies = self.link.run_all(calls).await?.into_iter();
        for (expected, what) in expected {
            let written = replies.next().unwrap_or_default().affected;
            expect_all(usize::try_from(written).unwrap_or(usize::MAX), expected, &what, "write_stock")?;
        }
        let mut ended = 0_usize;
        for row in &replies.next().unwrap_or_default().rows {
            if !read::<bool>(row, 0, statements.release.name)? {
                ended = ended.saturating_add(1);
            }
        }
        expect_all(ended, reservations.len(), "reservations", statements.release.name)?;
        let mut rows = Vec::with_capacity(changed.len());
        for (asked, reply) in again.iter().zip(replies) {
            asked.read(&reply.rows, Unreadable::Fail, &mut rows)?;
        }
        stands_as_written(plan, stock, &rows)
    }

    async fn cancel_rows(&mut self, orders: &[Key]) -> Result<(), ShopError> {
        let statements = self.statements;
        let Some(statement) = &statements.cancel_orders else { return Ok(()) };
        let call = self.link.planned(statement, Parameters::new().with_keys(orders.iter(), 1))?;
        let changed = self.link.run(call).await?.affected;
        expect_all(usize::try_from(changed).unwrap_or(usize::MAX), orders.len(), "orders", statement.name)
    }

    async fn commit_all(&mut self) -> Committed {
        if self.link.has_failed() {
            let _ = self.undo().await;
            let message = "a statement of the batch had failed, so there is nothing to commit";
            return Committed::No(ShopError::new(ShopErrorKind::Other, message).during("commit"));
        }
        self.open = false;
        match self.link.simple("commit", "COMMIT").await {
            Ok(()) => Committed::Yes,
            Err(error) => {
                // The connection is dropped either way: its state is in doubt, or its transaction is gone.
                self.link.cut();
                if planted(Mutant::BlindCommit) && self.link.simple("commit", "COMMIT").await.is_ok() {
                    return Committed::Yes;
                }
                if error.kind == ShopErrorKind::Disconnected { Committed::Unknown(error) } else { Committed::No(error) }
            }
        }
    }
}

impl Batch for PgBatch<'_> {
    fn cutoff(&self) -> Timestamp {
        self.cutoff
    }

    fn lock_due<'a>(&'a mut self, selection: &'a Selection) -> Answer<'a, LockedPage> {
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
        Box::pin(ledger::append(self.link, &self.statements.append_ledger, place, record, entries))
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

//! One transaction of a sweep.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::future::Future;
use std::pin::Pin;

use jiff::Timestamp;
use serde_json::Value as Json;
use unreserve_engine::ledger::{BatchRecord, Entry};
use unreserve_engine::model::{
    ActiveReservation, BatchId, EndedReservation, ExaminedOrder, Key, LockedOrder, LockedPage, Mutant, StockChange,
    StockRef, StockRow, SweepId, planted,
};
use unreserve_engine::plan::Plan;
use unreserve_engine::shop::{
    Answer, Batch, BatchStart, Committed, Selection, ShopError, ShopErrorKind, StockWait, UNREADABLE,
};

use super::connect::Link;
use super::fragments::Statement;
use super::ledger;
use super::render::{Line, Statements};
use super::values::{Parameters, instant, json_key, json_quantity, read_whole_key};
use crate::halt::reach;
use crate::rows;
use crate::verify::{changed_rows, stands_as_written};

/// One examination reads no more reservations than this: nobody's order has so many.
const RESERVATIONS_MAX: i64 = 200_000;

/// An open transaction. Dropping it drops the connection, which rolls back.
pub(super) struct SqliteBatch<'a> {
    link: &'a mut Link,
    plan: &'a Plan,
    statements: &'a Statements,
    batch_id: BatchId,
    sweep_id: SweepId,
    epoch: i64,
    cutoff_ms: i64,
    cutoff: Timestamp,
    open: bool,
}

impl Drop for SqliteBatch<'_> {
    fn drop(&mut self) {
        if self.open {
            self.link.cut();
        }
    }
}

/// Begins: shuts every other writer out, then reads the cutoff, then passes the fence.
pub(super) async fn begin<'a>(
    link: &'a mut Link,
    plan: &'a Plan,
    statements: &'a Statements,
    start: BatchStart<'a>,
) -> Result<SqliteBatch<'a>, ShopError> {
    link.begin_write(Some(start.lock_wait)).await?;
    let mut batch = SqliteBatch {
        link,
        plan,
        statements,
        batch_id: start.batch_id,
        sweep_id: start.sweep_id,
        epoch: 0,
        cutoff_ms: 0,
        cutoff: Timestamp::UNIX_EPOCH,
        open: true,
    };
    let passed = batch.pass_fence(start.token).await;
    match passed {
        Ok(()) => {
            reach("begun");
            Ok(batch)
        }
        Err(error) => {
            let _ = batch.undo().await;
            Err(error)
        }
    }
}

/// Asks the line of due reservations.
pub(super) async fn candidates(
    link: &mut Link,
    plan: &Plan,
    line: &Line,
    cutoff_ms: i64,
    selection: &Selection,
) -> Result<Vec<LockedOrder>, ShopError> {
    let mut parameters = Parameters::new().with(cutoff_ms).with(i64::from(selection.limit));
    let statement = match (&selection.only, &selection.after) {
        (Some(only), _) => {
            parameters = parameters.with_keys(only);
            &line.only
        }
        (None, Some(after)) => {
            // The column's affinity makes a number of it where the column holds numbers.
            parameters = parameters.with(after.expiry.clone());
            for index in 0..plan.reservation.key.len() {
                parameters = parameters.with(after.reservation.part(index).to_owned());
            }
            &line.after
        }
        (None, None) => &line.start,
    };
    let found = link.rows(statement.name, &statement.sql, parameters.finish(statement)?).await?;
    found.iter().map(|row| rows::candidate(plan, row, statement.name)).collect()
}

/// What to do with an order whose reservations cannot be read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// Fail: the batch is halved until the order is found.
    Fail,
    /// Say so and go on: a dry run shows the others.
    Skip,
}

/// Re-reads orders: status and guards in one statement, reservations in another; in the order of the keys.
pub(super) async fn examine(
    link: &mut Link,
    (plan, statements): (&Plan, &Statements),
    cutoff_ms: i64,
    orders: &[Key],
    unreadable: Unreadable,
) -> Result<Vec<ExaminedOrder>, ShopError> {
    let mut examined: HashMap<Key, ExaminedOrder> = HashMap::with_capacity(orders.len());
    let statement = &statements.examine_orders;
    let parameters = Parameters::new().with_keys(orders).finish(statement)?;
    for row in link.rows(statement.name, &statement.sql, parameters).await? {
        let order = rows::order(plan, &row, statement.name)?;
        if let Some(twin) = examined.insert(order.key.clone(), order) {
            let message = format!("there are two orders with the key `{}`", twin.key);
            return Err(ShopError::new(ShopErrorKind::Invariant, message).during(statement.name));
        }
    }
    let statement = &statements.examine_reservations;
    let parameters = Parameters::new().with_keys(orders).with(RESERVATIONS_MAX).finish(statement)?;
    let found = link.rows(statement.name, &statement.sql, parameters).await?;
    if i64::try_from(found.len()).is_ok_and(|count| count >= RESERVATIONS_MAX) {
        let message = format!("these orders have {RESERVATIONS_MAX} reservations or more");
        return Err(ShopError::new(ShopErrorKind::Invariant, message).during(statement.name));
    }
    for row in found {
        let order = read_whole_key(&row, 0, 1, statement.name)?;
        match rows::reservation_at(plan, &row, cutoff_ms.saturating_mul(1_000), statement.name) {
            Ok(reservation) => {
                if let Some(order) = examined.get_mut(&order) {
                    order.reservations.push(reservation);
                }
            }
            Err(error) if unreadable == Unreadable::Skip && error.kind == ShopErrorKind::Constraint => {
                tracing::warn!(%error, "a sweep would set this order aside");
                if let Some(order) = examined.get_mut(&order) {
                    order.guards.insert(0, UNREADABLE.to_owned());
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(orders.iter().filter_map(|key| examined.remove(key)).collect())
}

/// Reads counters, a statement a stock table.
pub(super) async fn counters(
    link: &mut Link,
    (plan, statements): (&Plan, &Statements),
    stock: &[StockRef],
    unreadable: Unreadable,
) -> Result<Vec<StockRow>, ShopError> {
    let mut found = Vec::with_capacity(stock.len());
    let mut seen = HashSet::with_capacity(stock.len());
    for (pool, statement) in statements.lock_stock.iter().enumerate() {
        let wanted: Vec<&StockRef> = stock.iter().filter(|row| row.pool == pool).collect();
        if wanted.is_empty() {
            continue;
        }
        let parameters = Parameters::new().with_keys(wanted.iter().map(|row| &row.key)).finish(statement)?;
        for row in link.rows(statement.name, &statement.sql, parameters).await? {
            match rows::stock(&wanted, &row, statement.name) {
                Ok(row) if !seen.insert(row.stock.clone()) => {
                    let table = plan.stock.get(pool).map_or("", |stock| stock.table.name.as_str());
                    let message = format!(
                        "two rows of `{table}` have the key `{}`: the profile's key does not name one row",
                        row.stock.key
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

impl SqliteBatch<'_> {
    async fn pass_fence(&mut self, token: &str) -> Result<(), ShopError> {
        self.cutoff_ms = ledger::now(self.link).await?;
        self.cutoff = instant(self.cutoff_ms)
            .ok_or_else(|| ShopError::new(ShopErrorKind::Other, "the database's now is no instant"))?;
        self.epoch = ledger::fence(self.link, &self.plan.profile, token, self.cutoff_ms).await?;
        Ok(())
    }

    async fn undo(&mut self) -> Result<(), ShopError> {
        self.open = false;
        self.link.rollback().await
    }

    async fn write(
        &mut self,
        statement: &Statement,
        parameters: Parameters,
        expected: usize,
        what: &str,
    ) -> Result<(), ShopError> {
        let changed = self.link.execute(statement.name, &statement.sql, parameters.finish(statement)?).await?;
        if planted(Mutant::AffectedIgnored) || usize::try_from(changed).is_ok_and(|changed| changed == expected) {
            return Ok(());
        }
        let message = format!(
            "{changed} of {expected} {what} could be written: a trigger kept them, or the key does not name one row"
        );
        Err(ShopError::new(ShopErrorKind::Invariant, message).during(statement.name))
    }

    async fn release_rows(
        &mut self,
        stock: &[StockChange],
        reservations: &[EndedReservation],
    ) -> Result<(), ShopError> {
        let (plan, statements) = (self.plan, self.statements);
        for (pool, (stock_plan, statement)) in plan.stock.iter().zip(&statements.write_stock).enumerate() {
            let changes: Vec<Vec<Json>> = stock
                .iter()
                .filter(|change| change.before.stock.pool == pool)
                .map(|change| json_change(change, plan.reservation.scale))
                .collect();
            if changes.is_empty() {
                continue;
            }
            let parameters = Parameters::new().with_json(&changes);
            self.write(statement, parameters, changes.len(), &format!("rows of `{}`", stock_plan.table.name)).await?;
        }
        self.still_as_examined(reservations).await?;
        let keys: Vec<Key> = reservations.iter().map(|ended| ended.key.clone()).collect();
        let parameters = Parameters::new().with(self.cutoff_ms).with_keys(&keys);
        self.write(
            &statements.release,
            parameters,
            reservations.len(),
            &format!("rows of `{}`", plan.reservation.table.name),
        )
        .await?;
        let rows = counters(self.link, (plan, statements), &changed_rows(stock), Unreadable::Fail).await?;
        stands_as_written(plan, stock, &rows)
    }

    /// Nobody else writes while this batch is open, so this can only fail where the caller is wrong, or a trigger of the
    /// shop answered to the stock's change.
    async fn still_as_examined(&mut self, reservations: &[EndedReservation]) -> Result<(), ShopError> {
        let orders: BTreeSet<&Key> = reservations.iter().map(|ended| &ended.order).collect();
        let orders: Vec<Key> = orders.into_iter().cloned().collect();
        let statements = (self.plan, self.statements);
        let examined = examine(self.link, statements, self.cutoff_ms, &orders, Unreadable::Fail).await?;
        let free = examined.iter().filter(|order| (order.unpaid || order.cancelled) && order.guards.is_empty());
        let held: HashMap<&Key, (&Key, &ActiveReservation)> =
            free.flat_map(|order| order.reservations.iter().map(|held| (&held.key, (&order.key, held)))).collect();
        let same = |ended: &&EndedReservation| {
            held.get(&ended.key).is_some_and(|(order, held)| {
                **order == ended.order && held.due && held.quantity == ended.quantity && held.stock == ended.stock
            })
        };
        let (expected, found) = (reservations.len(), reservations.iter().filter(same).count());
        if found == expected || planted(Mutant::AffectedIgnored) {
            return Ok(());
        }
        let message = format!("{found} of {expected} reservations are still as they were examined");
        Err(ShopError::new(ShopErrorKind::Invariant, message).during("release"))
    }

    async fn cancel_rows(&mut self, orders: &[Key]) -> Result<(), ShopError> {
        let (plan, statements) = (self.plan, self.statements);
        let Some(statement) = &statements.cancel_orders else { return Ok(()) };
        let parameters = Parameters::new().with_keys(orders);
        self.write(statement, parameters, orders.len(), &format!("rows of `{}`", plan.order.table.name)).await
    }

    async fn commit_all(&mut self) -> Committed {
        self.open = false;
        match self.link.simple("commit", "COMMIT").await {
            Ok(()) => Committed::Yes,
            // The connection is gone already; whether the file has the batch, the ledger in it knows.
            Err(error) if error.kind == ShopErrorKind::Disconnected => Committed::Unknown(error),
            Err(error) => {
                let _ = self.link.rollback().await;
                Committed::No(error)
            }
        }
    }
}

/// A change as `write_stock` takes it: key parts, then each counter before and after.
fn json_change(change: &StockChange, scale: u8) -> Vec<Json> {
    let mut row = json_key(&change.before.stock.key);
    let counters = [change.before.reserved, change.reserved, change.before.on_hand, change.on_hand];
    row.extend(counters.into_iter().map(|counter| json_quantity(counter, scale)));
    row
}

impl Batch for SqliteBatch<'_> {
    fn cutoff(&self) -> Timestamp {
        self.cutoff
    }

    fn lock_due<'a>(&'a mut self, selection: &'a Selection) -> Answer<'a, LockedPage> {
        Box::pin(async move {
            let found = candidates(self.link, self.plan, &self.statements.lock_due, self.cutoff_ms, selection).await;
            reach("locked");
            found.map(|found| LockedPage::of(found, selection.limit))
        })
    }

    fn examine<'a>(&'a mut self, orders: &'a [Key]) -> Answer<'a, Vec<ExaminedOrder>> {
        Box::pin(async move {
            let statements = (self.plan, self.statements);
            let examined = examine(self.link, statements, self.cutoff_ms, orders, Unreadable::Fail).await;
            reach("examined");
            examined
        })
    }

    fn lock_stock<'a>(&'a mut self, stock: &'a [StockRef], _: StockWait) -> Answer<'a, Vec<StockRow>> {
        Box::pin(async move {
            let rows = counters(self.link, (self.plan, self.statements), stock, Unreadable::Fail).await;
            reach("stock");
            rows
        })
    }

    fn release<'a>(&'a mut self, stock: &'a [StockChange], reservations: &'a [EndedReservation]) -> Answer<'a, ()> {
        Box::pin(async move {
            let released = self.release_rows(stock, reservations).await;
            reach("released");
            released
        })
    }

    fn cancel_orders<'a>(&'a mut self, orders: &'a [Key]) -> Answer<'a, ()> {
        Box::pin(self.cancel_rows(orders))
    }

    fn append_ledger<'a>(&'a mut self, record: &'a BatchRecord, entries: &'a [Entry]) -> Answer<'a, ()> {
        debug_assert!(record.batch_id == self.batch_id, "a batch writes its own record");
        let place = ledger::BatchPlace {
            profile: &self.plan.profile,
            sweep_id: self.sweep_id,
            epoch: self.epoch,
            cutoff_ms: self.cutoff_ms,
        };
        Box::pin(async move {
            let appended = ledger::append(self.link, place, record, entries).await;
            reach("appended");
            appended
        })
    }

    fn commit<'a>(mut self: Box<Self>) -> Pin<Box<dyn Future<Output = Committed> + Send + 'a>>
    where
        Self: 'a,
    {
        Box::pin(async move {
            let committed = self.commit_all().await;
            reach("committed");
            committed
        })
    }

    fn rollback<'a>(mut self: Box<Self>) -> Answer<'a, ()>
    where
        Self: 'a,
    {
        Box::pin(async move { self.undo().await })
    }
}

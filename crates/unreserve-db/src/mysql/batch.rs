//! One transaction of a sweep.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value as Json;
use unreserve_engine::ledger::{BatchRecord, Entry};
use unreserve_engine::model::{
    BatchId, EndedReservation, ExaminedOrder, Key, LockedOrder, LockedPage, Mutant, StockChange, StockRef, StockRow,
    SweepId, planted,
};
use unreserve_engine::plan::Plan;
use unreserve_engine::shop::{
    Answer, Batch, BatchStart, Committed, Selection, ShopError, ShopErrorKind, StockWait, UNREADABLE,
};

use super::connect::Link;
use super::errors::LOCK_WAIT;
use super::fragments::Statement;
use super::ledger;
use super::render::{Line, Statements};
use super::values::{Parameters, json_key, json_quantity, only_row, read_count, read_whole_key};
use crate::halt::reach;
use crate::rows;
use crate::verify::{changed_rows, stands_as_written};

/// What a batch runs with.
#[derive(Clone, Copy)]
pub(super) struct Tools<'a> {
    pub(super) plan: &'a Plan,
    pub(super) statements: &'a Statements,
    /// Whether a lock that was not to be had leaves the transaction as it was; some servers roll it back.
    pub(super) may_try_again: bool,
}

/// An open transaction. Dropping it drops the connection, and the server rolls back.
pub(super) struct MySqlBatch<'a> {
    link: &'a mut Link,
    tools: Tools<'a>,
    batch_id: BatchId,
    sweep_id: SweepId,
    epoch: i64,
    cutoff: Timestamp,
    lock_wait: Duration,
    /// The orders that something was written for.
    touched: BTreeSet<Key>,
    open: bool,
}

impl Drop for MySqlBatch<'_> {
    fn drop(&mut self) {
        if self.open {
            self.link.cut();
        }
    }
}

/// Begins: settings and transaction, then the fence.
pub(super) async fn begin<'a>(
    link: &'a mut Link,
    tools: Tools<'a>,
    start: BatchStart<'a>,
) -> Result<MySqlBatch<'a>, ShopError> {
    link.begin_batch().await?;
    let mut batch = MySqlBatch {
        link,
        tools,
        batch_id: start.batch_id,
        sweep_id: start.sweep_id,
        epoch: 0,
        cutoff: Timestamp::UNIX_EPOCH,
        lock_wait: start.lock_wait,
        touched: BTreeSet::new(),
        open: true,
    };
    match ledger::fence(batch.link, &tools.plan.profile, start.token).await {
        Ok((epoch, cutoff)) => {
            (batch.epoch, batch.cutoff) = (epoch, cutoff);
            reach("begun");
            Ok(batch)
        }
        Err(error) => {
            let _ = batch.undo().await;
            Err(error)
        }
    }
}

/// Asks the line of due reservations, without a lock.
pub(super) async fn candidates(
    link: &mut Link,
    (plan, line): (&Plan, &Line),
    cutoff: Timestamp,
    selection: &Selection,
) -> Result<Vec<LockedOrder>, ShopError> {
    let parameters = Parameters::at(cutoff).integer(i64::from(selection.limit));
    let (statement, parameters) = match (&selection.only, &selection.after) {
        (Some(only), _) => (&line.only, Some(parameters.keys(only))),
        (None, Some(after)) => {
            let mut place = parameters.key(&plan.due.time.column, &after.expiry);
            for (index, key) in plan.reservation.key.iter().enumerate() {
                place = place.and_then(|place| place.key(key, after.reservation.part(index)));
            }
            (&line.after, place)
        }
        (None, None) => (&line.start, Some(parameters)),
    };
    let parameters = parameters
        .ok_or_else(|| ShopError::new(ShopErrorKind::Other, "a place in the line is none").during(statement.name))?;
    let found = link.rows(statement.name, &statement.sql, parameters.finish(statement)?).await?;
    found.iter().map(|row| rows::candidate(plan, row, statement.name)).collect()
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
    cutoff: Timestamp,
    orders: &[Key],
    unreadable: Unreadable,
) -> Result<Vec<ExaminedOrder>, ShopError> {
    let parameters = Parameters::at(cutoff).keys(orders);
    let statement = &statements.examine_orders;
    let mut examined = Vec::with_capacity(orders.len());
    let mut place_of: HashMap<Key, usize> = HashMap::with_capacity(orders.len());
    for row in link.rows(statement.name, &statement.sql, parameters.finish(statement)?).await? {
        let order = rows::order(plan, &row, statement.name)?;
        if place_of.insert(order.key.clone(), examined.len()).is_some() {
            let message = format!("there are two orders with the key `{}`", order.key);
            return Err(ShopError::new(ShopErrorKind::Invariant, message).during(statement.name));
        }
        examined.push(order);
    }
    let statement = &statements.examine_reservations;
    for row in link.rows(statement.name, &statement.sql, parameters.finish(statement)?).await? {
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

/// Reads the counters of one stock table.
async fn read_pool(
    link: &mut Link,
    (plan, pool): (&Plan, usize),
    statement: &Statement,
    wanted: &[&StockRef],
    unreadable: Unreadable,
) -> Result<Vec<StockRow>, ShopError> {
    let parameters = Parameters::timeless().keys(wanted.iter().map(|row| &row.key)).finish(statement)?;
    let mut found: Vec<StockRow> = Vec::with_capacity(wanted.len());
    let mut seen = HashSet::with_capacity(wanted.len());
    for row in link.rows(statement.name, &statement.sql, parameters).await? {
        match rows::stock(wanted, &row, statement.name) {
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
    Ok(found)
}

fn of_pool(stock: &[StockRef], pool: usize) -> Vec<&StockRef> {
    stock.iter().filter(|row| row.pool == pool).collect()
}

/// Reads counters, a statement a stock table, without a lock.
pub(super) async fn counters(
    link: &mut Link,
    (plan, statements): (&Plan, &Statements),
    stock: &[StockRef],
    unreadable: Unreadable,
) -> Result<Vec<StockRow>, ShopError> {
    let mut found = Vec::with_capacity(stock.len());
    for (pool, statement) in statements.read_stock.iter().enumerate() {
        let wanted = of_pool(stock, pool);
        if !wanted.is_empty() {
            found.extend(read_pool(link, (plan, pool), statement, &wanted, unreadable).await?);
        }
    }
    Ok(found)
}

fn expect_all(found: u64, expected: usize, what: &str, statement: &'static str) -> Result<(), ShopError> {
    if planted(Mutant::AffectedIgnored) || usize::try_from(found).is_ok_and(|found| found == expected) {
        return Ok(());
    }
    let message = format!(
        "{found} of {expected} {what} could be written: the shop changed them at the same time, or a trigger did"
    );
    Err(ShopError::new(ShopErrorKind::Invariant, message).during(statement))
}

/// A reservation as it was examined: key parts, the order, the quantity, the parts of the stock keys.
fn json_examined(plan: &Plan, ended: &EndedReservation) -> Vec<Json> {
    let mut row = json_key(&ended.key);
    row.push(Json::from(ended.order.part(0)));
    row.push(Json::from(ended.quantity.units()));
    for (pool, stock) in plan.stock.iter().enumerate() {
        let held = ended.stock.iter().find(|held| held.pool == pool);
        row.extend((0..stock.key.len()).map(|column| Json::from(held.map(|held| held.key.part(column)))));
    }
    row
}

/// A change as `write_stock` takes it: key parts, then each counter before and after.
fn json_change(change: &StockChange, scale: u8) -> Vec<Json> {
    let mut row = json_key(&change.before.stock.key);
    let counters = [change.before.reserved, change.reserved, change.before.on_hand, change.on_hand];
    row.extend(counters.into_iter().map(|counter| json_quantity(counter, scale)));
    row
}

impl MySqlBatch<'_> {
    async fn undo(&mut self) -> Result<(), ShopError> {
        self.open = false;
        self.link.rollback().await
    }

    /// There is no `FOR UPDATE OF`: what is due is found without a lock, then the orders alone are locked, by their keys.
    /// What that leaves out is not made up for: whoever searches on would hold these while he does.
    async fn lock_due_rows(&mut self, selection: &Selection) -> Result<LockedPage, ShopError> {
        let Tools { plan, statements, .. } = self.tools;
        let found = candidates(self.link, (plan, &statements.line), self.cutoff, selection).await?;
        let mut page = LockedPage::of(found, selection.limit);
        let free = self.lock_orders(&page.orders).await?;
        page.orders.retain(|row| free.contains(&row.key));
        self.link.limit_statements(self.lock_wait).await?;
        reach("locked");
        Ok(page)
    }

    /// Locks the orders of these rows, and gives the keys of those that nobody else has locked.
    async fn lock_orders(&mut self, found: &[LockedOrder]) -> Result<HashSet<Key>, ShopError> {
        let statement = &self.tools.statements.lock_due;
        let mut seen = HashSet::new();
        let keys: Vec<&Key> = found.iter().map(|row| &row.key).filter(|key| seen.insert(*key)).collect();
        if keys.is_empty() {
            return Ok(HashSet::new());
        }
        let parameters = Parameters::timeless().keys(keys).finish(statement)?;
        let rows = self.link.rows(statement.name, &statement.sql, parameters).await?;
        rows.iter().map(|row| read_whole_key(row, 0, 1, statement.name)).collect()
    }

    async fn lock_stock_rows(&mut self, stock: &[StockRef], wait: StockWait) -> Result<Vec<StockRow>, ShopError> {
        let mut found = Vec::with_capacity(stock.len());
        for pool in 0..self.tools.plan.stock.len() {
            let wanted = of_pool(stock, pool);
            if !wanted.is_empty() {
                found.extend(self.lock_pool(pool, &wanted, wait).await?);
            }
        }
        Ok(found)
    }

    /// Locks the rows of one stock table. InnoDB would kill the customer who has a row we wait for, if the customer has
    /// changed less than we have; so we never wait, but ask again for a while.
    async fn lock_pool(
        &mut self,
        pool: usize,
        wanted: &[&StockRef],
        wait: StockWait,
    ) -> Result<Vec<StockRow>, ShopError> {
        let Tools { plan, statements, may_try_again } = self.tools;
        let all = if wait == StockWait::None { &statements.lock_free_stock } else { &statements.lock_stock };
        let Some(statement) = all.get(pool) else { return Ok(Vec::new()) };
        let mut pause = Duration::from_millis(4);
        loop {
            let found = read_pool(self.link, (plan, pool), statement, wanted, Unreadable::Fail).await;
            match found {
                Err(error) if may_try_again && was_busy(&error) && pause <= self.lock_wait => {
                    self.lock_wait = self.lock_wait.saturating_sub(pause);
                    self.link.simple("wait", format!("/* unreserve wait */ DO SLEEP({})", seconds(pause))).await?;
                    pause = pause.saturating_mul(2).min(Duration::from_millis(50));
                }
                found => return found,
            }
        }
    }

    async fn write(
        &mut self,
        statement: &Statement,
        parameters: &Parameters,
        expected: usize,
        what: &str,
    ) -> Result<(), ShopError> {
        let found = self.link.execute(statement.name, &statement.sql, parameters.finish(statement)?).await?;
        expect_all(found, expected, what, statement.name)
    }

    /// Counts the rows for which a statement that locks nothing still holds.
    async fn count(&mut self, statement: &Statement, parameters: &Parameters) -> Result<u64, ShopError> {
        let rows = self.link.rows(statement.name, &statement.sql, parameters.finish(statement)?).await?;
        read_count(&only_row(rows, statement.name)?, 0, statement.name)
    }

    async fn release_rows(
        &mut self,
        stock: &[StockChange],
        reservations: &[EndedReservation],
    ) -> Result<(), ShopError> {
        let Tools { plan, statements, .. } = self.tools;
        let rows: Vec<Vec<Json>> = reservations.iter().map(|ended| json_examined(plan, ended)).collect();
        let examined = Parameters::at(self.cutoff).json(&rows);
        self.touched.extend(reservations.iter().map(|ended| ended.order.clone()));
        // Before anything is written: whoever has one of these rows is to get the others we have.
        let lock = &statements.lock_reservations;
        self.link.rows(lock.name, &lock.sql, examined.finish(lock)?).await?;
        let unchanged = self.count(&statements.recheck, &examined).await?;
        expect_all(unchanged, reservations.len(), "reservations", statements.recheck.name)?;
        for (pool, (stock_plan, statement)) in plan.stock.iter().zip(&statements.write_stock).enumerate() {
            let changes = stock.iter().filter(|change| change.before.stock.pool == pool);
            let changes: Vec<Vec<Json>> = changes.map(|change| json_change(change, plan.reservation.scale)).collect();
            if !changes.is_empty() {
                let parameters = Parameters::at(self.cutoff).json(&changes);
                let what = format!("rows of `{}`", stock_plan.table.name);
                self.write(statement, &parameters, changes.len(), &what).await?;
            }
        }
        self.write(&statements.release, &examined, reservations.len(), "reservations").await?;
        if let Some(statement) = &statements.still_active {
            let active = usize::try_from(self.count(statement, &examined).await?).unwrap_or(usize::MAX);
            let ended = u64::try_from(reservations.len().saturating_sub(active)).unwrap_or(0);
            expect_all(ended, reservations.len(), "reservations", statement.name)?;
        }
        let rows = counters(self.link, (plan, statements), &changed_rows(stock), Unreadable::Fail).await?;
        stands_as_written(plan, stock, &rows)
    }

    async fn cancel_rows(&mut self, orders: &[Key]) -> Result<(), ShopError> {
        let statements = self.tools.statements;
        let Some(statement) = &statements.cancel_orders else { return Ok(()) };
        self.touched.extend(orders.iter().cloned());
        let parameters = Parameters::at(self.cutoff).keys(orders);
        let unchanged = self.count(&statements.recheck_orders, &parameters).await?;
        expect_all(unchanged, orders.len(), "orders", statements.recheck_orders.name)?;
        self.write(statement, &parameters, orders.len(), "orders").await
    }

    /// Looks at the payments once more, behind all writes. None of these reads them, so where no foreign key keeps the shop
    /// from paying an order that we have locked, the look before the first write would be the last one.
    async fn look_again(&mut self) -> Result<(), ShopError> {
        let Some(statement) = self.tools.statements.last_look.as_ref().filter(|_| !self.touched.is_empty()) else {
            return Ok(());
        };
        let parameters = Parameters::timeless().keys(&self.touched);
        match self.count(statement, &parameters).await? {
            0 => Ok(()),
            paid => {
                let message = format!("{paid} of {} orders were paid while the batch was written", self.touched.len());
                Err(ShopError::new(ShopErrorKind::Invariant, message).during(statement.name))
            }
        }
    }

    async fn commit_all(&mut self) -> Committed {
        if let Err(error) = self.look_again().await {
            // Nothing was committed, whatever becomes of the rollback.
            let _ = self.undo().await;
            return Committed::No(error);
        }
        self.open = false;
        match self.link.commit().await {
            Ok(()) => Committed::Yes,
            Err(error) => {
                // The connection is dropped either way: its state is in doubt, or its transaction is gone.
                self.link.cut();
                if planted(Mutant::BlindCommit) && self.link.commit().await.is_ok() {
                    return Committed::Yes;
                }
                match error.kind {
                    // Deadlocks at a commit are refused certifications of a cluster: nothing of the batch stands.
                    ShopErrorKind::Retry | ShopErrorKind::ReadOnly | ShopErrorKind::Constraint => Committed::No(error),
                    _ => Committed::Unknown(ShopError { kind: ShopErrorKind::Disconnected, ..error }),
                }
            }
        }
    }
}

fn was_busy(error: &ShopError) -> bool {
    error.code.as_deref().is_some_and(|code| LOCK_WAIT.contains(&code))
}

/// Seconds with three decimals.
fn seconds(span: Duration) -> String {
    format!("{}.{:03}", span.as_secs(), span.subsec_millis())
}

impl Batch for MySqlBatch<'_> {
    fn cutoff(&self) -> Timestamp {
        self.cutoff
    }

    fn lock_due<'a>(&'a mut self, selection: &'a Selection) -> Answer<'a, LockedPage> {
        Box::pin(self.lock_due_rows(selection))
    }

    fn examine<'a>(&'a mut self, orders: &'a [Key]) -> Answer<'a, Vec<ExaminedOrder>> {
        let Tools { plan, statements, .. } = self.tools;
        Box::pin(async move {
            let examined = examine(self.link, (plan, statements), self.cutoff, orders, Unreadable::Fail).await;
            reach("examined");
            examined
        })
    }

    fn lock_stock<'a>(&'a mut self, stock: &'a [StockRef], wait: StockWait) -> Answer<'a, Vec<StockRow>> {
        Box::pin(async move {
            let rows = self.lock_stock_rows(stock, wait).await;
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
        let profile = &self.tools.plan.profile;
        let place = ledger::BatchPlace { profile, sweep_id: self.sweep_id, epoch: self.epoch, cutoff: self.cutoff };
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

//! One transaction of a sweep on the shop in memory, statement by statement as the databases do it.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;

use jiff::Timestamp;
use unreserve_engine::ledger::{BatchRecord, Entry};
use unreserve_engine::model::{
    ActiveReservation, EndedReservation, ExaminedOrder, Key, LockedPage, Quantity, StockChange, StockRef, StockRow,
    SweepId,
};
use unreserve_engine::plan::{Column, Plan, ReleasePlan};
use unreserve_engine::shop::{
    Answer, Batch, BatchStart, Committed, Selection, ShopError, ShopErrorKind, StockWait, UNREADABLE,
};

use super::database::{CommitFate, broken};
use super::eval::{Candidate, Held, View};
use super::journal::Event;
use super::link::{Link, micros};
use super::locks::{Mode, RowId, TxId};
use super::mutation::Mutation;
use super::own::{BatchRow, OwnWrite};
use super::statements::fits;
use super::store::{Fate, State, refusal};
use super::value::Datum;

/// An open transaction. Dropping it drops the connection, and the server rolls back.
pub(super) struct MemoryBatch<'a> {
    link: &'a mut Link,
    plan: &'a Plan,
    tx: TxId,
    sweep_id: SweepId,
    cutoff: i64,
    lock_wait: i64,
    open: bool,
}

impl Drop for MemoryBatch<'_> {
    fn drop(&mut self) {
        if self.open {
            self.link.database.state().tell(Event::Undone { sweep: self.sweep_id });
            self.link.cut();
        }
    }
}

/// Begins, and passes the fence.
pub(super) async fn begin<'a>(
    link: &'a mut Link,
    plan: &'a Plan,
    start: BatchStart<'a>,
) -> Result<MemoryBatch<'a>, ShopError> {
    let third = link.database.state().deadlock_timeout.unwrap_or(super::store::DEADLOCK_TIMEOUT).checked_div(3);
    let lock_wait = micros(start.lock_wait).min(third.unwrap_or(i64::MAX));
    let tx = link.begin(std::time::Duration::from_micros(lock_wait.unsigned_abs())).await?;
    let cutoff = link.database.state().txs.get(&tx).map_or(0, |tx| tx.began);
    let mut batch = MemoryBatch { link, plan, tx, sweep_id: start.sweep_id, cutoff, lock_wait, open: true };
    batch.fence(start.token).await?;
    Ok(batch)
}

impl MemoryBatch<'_> {
    async fn fence(&mut self, token: &str) -> Result<(), ShopError> {
        let profile = &self.plan.profile;
        let ignored = {
            let mut state = self.link.database.state();
            if let Some(open) = state.txs.get_mut(&self.tx) {
                (open.sweep, open.token) = (Some(self.sweep_id), Some(token.to_owned()));
            }
            state.mutation == Some(Mutation::IgnoresTheFence)
        };
        if ignored {
            return Ok(());
        }
        self.link.database.lock(self.tx, &RowId::lease(profile), Mode::NoKeyUpdate).await?;
        let now = self.link.now();
        let ours = {
            let mut state = self.link.database.state();
            let lease = state.own.leases.get(profile).cloned();
            let ours = lease.filter(|lease| lease.holder.as_ref().is_some_and(|holder| holder.token == token));
            match ours {
                Some(mut lease) => {
                    lease.heard_at = now;
                    lease.connection = self.link.connection().unwrap_or(0);
                    state.put_own(self.tx, OwnWrite::Lease(profile.clone(), lease));
                    true
                }
                None => false,
            }
        };
        if ours {
            return Ok(());
        }
        self.undo().await;
        Err(ShopError::new(ShopErrorKind::Fenced, "another instance has taken over the sweep of this shop"))
    }

    async fn undo(&mut self) {
        self.open = false;
        self.link.database.state().tell(Event::Undone { sweep: self.sweep_id });
        self.link.rollback(self.tx).await;
    }

    /// A statement's way, and whether it still fits the tables.
    async fn statement(&mut self, name: &'static str) -> Result<(), ShopError> {
        self.link.statement(self.tx).await.map_err(|error| error.during(name))?;
        let state = self.link.database.state();
        if state.schema_version > 0 { fits(self.plan, &state, name) } else { Ok(()) }
    }

    fn view<'v>(&'v self, state: &'v State) -> View<'v> {
        View { plan: self.plan, state, tx: Some(self.tx), now: self.cutoff }
    }

    async fn lock_due_rows(&mut self, selection: &Selection) -> Result<LockedPage, ShopError> {
        self.statement("lock_due").await?;
        let mut state = self.link.database.state();
        let (orders, line) = {
            let view = self.view(&state);
            (view.table(&self.plan.order.table.name)?.0, view.line(selection)?)
        };
        let weak = state.mutation == Some(Mutation::LocksWeakly);
        let mode = if weak { Mode::NoKeyUpdate } else { Mode::Update };
        let limit = usize::try_from(selection.limit).unwrap_or(usize::MAX);
        let found = line.iter().take(limit).map(Candidate::locked).collect();
        let mut page = LockedPage::of(found, selection.limit);
        let mut skipped = Vec::new();
        page.orders.retain(|order| {
            let free = state.locks.take(self.tx, &RowId { table: orders, key: order.key.clone() }, mode);
            if !free {
                skipped.push(order.key.clone());
            }
            free
        });
        let budget = self.lock_wait.min(self.link.statement_timeout());
        let unbounded = state.mutation == Some(Mutation::WaitsForEver);
        if let Some(open) = state.txs.get_mut(&self.tx) {
            open.statement_timeout = (!unbounded).then_some(budget);
        }
        if state.journal.is_some() {
            let keys = page.orders.iter().map(|order| order.key.clone()).collect();
            state.tell(Event::LockedDue { sweep: self.sweep_id, locked: keys, skipped });
        }
        Ok(page)
    }

    async fn examine_rows(&mut self, orders: &[Key]) -> Result<Vec<ExaminedOrder>, ShopError> {
        self.statement("examine_orders").await?;
        let mut examined = examine_orders(&self.view(&self.link.database.state()), orders)?;
        self.statement("examine_reservations").await?;
        examine_reservations(&self.view(&self.link.database.state()), &mut examined, Unreadable::Fail)?;
        Ok(examined)
    }

    async fn lock_stock_rows(&mut self, stock: &[StockRef], wait: StockWait) -> Result<Vec<StockRow>, ShopError> {
        let mut found = Vec::new();
        for pool in 0..self.plan.stock.len() {
            let wanted: Vec<&StockRef> = stock.iter().filter(|row| row.pool == pool).collect();
            if wanted.is_empty() {
                continue;
            }
            self.statement("lock_stock").await?;
            for row in wanted {
                let place = self.view(&self.link.database.state()).stock_row(row)?;
                let Some((table, key)) = place else { continue };
                let id = RowId { table, key };
                match wait {
                    StockWait::Bounded => self.link.database.lock(self.tx, &id, Mode::NoKeyUpdate).await?,
                    StockWait::None => {
                        let mut state = self.link.database.state();
                        if !state.locks.take(self.tx, &id, Mode::NoKeyUpdate) {
                            let RowId { table, key } = id;
                            state.tell(Event::StockBusy { sweep: self.sweep_id, table, key });
                            continue;
                        }
                    }
                }
                let counters = self.view(&self.link.database.state()).counters(row);
                found.extend(counters.map_err(|error| error.during("lock_stock"))?);
            }
        }
        Ok(found)
    }

    async fn release_rows(
        &mut self,
        stock: &[StockChange],
        reservations: &[EndedReservation],
    ) -> Result<(), ShopError> {
        for pool in 0..self.plan.stock.len() {
            let changes: Vec<&StockChange> = stock.iter().filter(|change| change.before.stock.pool == pool).collect();
            if !changes.is_empty() {
                self.statement("write_stock").await?;
                self.write_stock(pool, &changes).await.map_err(|error| error.during("write_stock"))?;
            }
        }
        self.statement("release").await?;
        self.end_reservations(reservations).await.map_err(|error| error.during("release"))?;
        self.statement("read_stock").await?;
        let state = self.link.database.state();
        let view = self.view(&state);
        for change in stock {
            let row = view.counters(&change.before.stock)?;
            if state.mutation != Some(Mutation::GivesBackTwice)
                && row.is_none_or(|row| row.reserved != change.reserved || row.on_hand != change.on_hand)
            {
                let message = format!("stock row `{}` does not hold what was written", change.before.stock.key);
                return Err(ShopError::new(ShopErrorKind::Invariant, message).during("read_stock"));
            }
        }
        Ok(())
    }

    async fn write_stock(&mut self, pool: usize, changes: &[&StockChange]) -> Result<(), ShopError> {
        let Some(plan) = self.plan.stock.get(pool) else { return Ok(()) };
        let table = {
            let mut state = self.link.database.state();
            let (table, _) = self.view(&state).table(&plan.table.name)?;
            state.before_statement(self.tx, table);
            table
        };
        let mut written = 0_usize;
        for change in changes {
            let found = self.view(&self.link.database.state()).stock_row(&change.before.stock)?;
            let Some((_, key)) = found else { continue };
            self.link.database.lock(self.tx, &RowId { table, key: key.clone() }, Mode::NoKeyUpdate).await?;
            let mut state = self.link.database.state();
            let Some(values) = self.written_stock(&state, (table, &key), change)? else { continue };
            state.put(self.tx, table, &key, Some(values))?;
            written = written.saturating_add(1);
        }
        self.link.database.state().after_statement(self.tx, table);
        expect_all(written, changes.len(), "stock rows")
    }

    /// What is to stand in a stock row; nothing where its counters are not those that were locked.
    fn written_stock(
        &self,
        state: &State,
        (place, key): (usize, &Key),
        change: &StockChange,
    ) -> Result<Option<Vec<Datum>>, ShopError> {
        let view = self.view(state);
        let now = view.counters(&change.before.stock)?;
        let same =
            now.is_some_and(|now| now.reserved == change.before.reserved && now.on_hand == change.before.on_hand);
        let (Some(plan), Some(table)) = (self.plan.stock.get(change.before.stock.pool), state.tables.get(place)) else {
            return Ok(None);
        };
        let Some(row) = view.state.row(place, key, Some(self.tx)).filter(|_| same) else { return Ok(None) };
        let mut values = view.assigned(table, row, &plan.set)?;
        let mut set = |column: &Option<Column>, before: Option<Quantity>, after: Option<Quantity>| {
            let (Some(column), Some(mut after)) = (column, after) else { return Some(()) };
            if let (Some(Mutation::GivesBackTwice), Some(before)) = (state.mutation, before) {
                let step = before.minus(after).unwrap_or_default();
                after = after.minus(step).unwrap_or(after).max(Quantity::ZERO);
            }
            let place = table.place(&column.name)?;
            let kind = table.columns.get(place)?.kind;
            *values.get_mut(place)? = Datum::of_units(after.units(), self.plan.reservation.scale, kind)?;
            Some(())
        };
        // What the column cannot hold is not rounded: then the row is not written at all.
        let held = set(&plan.reserved, change.before.reserved, change.reserved)
            .and_then(|()| set(&plan.on_hand, None, change.on_hand));
        Ok(held.map(|()| values))
    }

    async fn end_reservations(&mut self, reservations: &[EndedReservation]) -> Result<(), ShopError> {
        // The statement's snapshot: what it sees of payments does not change while it waits for a row.
        let wanted = self.snapshot_of(reservations)?;
        let mut ended = 0_usize;
        for (row, reservation, free) in wanted {
            self.link.database.lock(self.tx, &row, Mode::Update).await?;
            let mut state = self.link.database.state();
            if !free || !self.still_as_examined(&state, &row, reservation)? {
                continue;
            }
            let values = match &self.plan.reservation.release {
                ReleasePlan::Delete => None,
                ReleasePlan::Mark(sets) => {
                    let (table, values) = (state.tables.get(row.table), state.row(row.table, &row.key, Some(self.tx)));
                    let (Some(table), Some(values)) = (table, values) else { continue };
                    Some(self.view(&state).assigned(table, values, sets)?)
                }
            };
            state.put(self.tx, row.table, &row.key, values)?;
            ended = ended.saturating_add(1);
        }
        let mut state = self.link.database.state();
        let (table, _) = self.view(&state).table(&self.plan.reservation.table.name)?;
        state.after_statement(self.tx, table);
        expect_all(ended, reservations.len(), "reservations")
    }

    /// The rows to end, and whether the order of each is unpaid and unguarded.
    fn snapshot_of<'r>(
        &self,
        reservations: &'r [EndedReservation],
    ) -> Result<Vec<(RowId, &'r EndedReservation, bool)>, ShopError> {
        let state = self.link.database.state();
        let view = self.view(&state);
        let (place, table) = view.table(&self.plan.reservation.table.name)?;
        let wanted: BTreeMap<&Key, &EndedReservation> = reservations.iter().map(|one| (&one.key, one)).collect();
        let mut rows = Vec::new();
        for held in view.reservations()? {
            let key = view.reservation_key(held.row)?;
            let key = Key::of(key.iter().map(|part| part.text().unwrap_or_default()).collect());
            if let Some(reservation) = wanted.get(&key) {
                let (unpaid, cancelled) = view.status(held.order)?;
                let free = (unpaid || cancelled) && view.guards(held.order)?.is_empty();
                rows.push((RowId { table: place, key: table.key_of(held.row) }, *reservation, free));
            }
        }
        Ok(rows)
    }

    /// Whether a reservation is still due, and holds what it held when it was examined.
    fn still_as_examined(&self, state: &State, row: &RowId, ended: &EndedReservation) -> Result<bool, ShopError> {
        let view = self.view(state);
        let Some(values) = state.row(row.table, &row.key, Some(self.tx)) else { return Ok(false) };
        let orders = view.table(&self.plan.order.table.name)?.0;
        let Some((order_key, order)) = state.entry(orders, &ended.order, Some(self.tx)) else { return Ok(false) };
        let table = view.table(&self.plan.reservation.table.name)?.1;
        let of_order = view.cell(table, values, &self.plan.reservation.order.name).text();
        let held = Held { row: values, order_key, order };
        Ok(of_order.is_some_and(|of_order| Key::single(of_order) == ended.order)
            && view.can_end(held)?
            && view.quantity(values)? == Some(ended.quantity.units())
            && view.stock_of(values)? == ended.stock)
    }

    async fn cancel_rows(&mut self, orders: &[Key]) -> Result<(), ShopError> {
        self.statement("cancel_orders").await?;
        let mut written = 0_usize;
        let table = self.view(&self.link.database.state()).table(&self.plan.order.table.name)?.0;
        for key in orders {
            let row = RowId { table, key: key.clone() };
            self.link.database.lock(self.tx, &row, Mode::NoKeyUpdate).await?;
            let mut state = self.link.database.state();
            let values = {
                let view = self.view(&state);
                let Some(order) = state.row(table, key, Some(self.tx)) else { continue };
                let (unpaid, cancelled) = view.status(order)?;
                let mut holds = false;
                for held in view.reservations()? {
                    holds |= held.order_key == key && view.is_active(held.row)?;
                }
                if !unpaid || cancelled || holds || !view.guards(order)?.is_empty() {
                    continue;
                }
                let Some(known) = state.tables.get(table) else { continue };
                view.assigned(known, order, &self.plan.order.cancel)?
            };
            state.put(self.tx, table, key, Some(values)).map_err(|error| error.during("cancel_orders"))?;
            written = written.saturating_add(1);
        }
        expect_all(written, orders.len(), "orders").map_err(|error| error.during("cancel_orders"))
    }

    async fn append(&mut self, record: &BatchRecord, entries: &[Entry]) -> Result<(), ShopError> {
        self.statement("append_ledger").await?;
        let mut state = self.link.database.state();
        if state.mutation == Some(Mutation::SkipsTheLedger) {
            return Ok(());
        }
        let again = state.appended(self.tx).is_some_and(|batch| batch.record.batch_id == record.batch_id);
        if again || state.own.batch(record.batch_id).is_some() {
            let message = "this batch stands in the ledger already";
            return Err(refusal(ShopErrorKind::Constraint, "23505", message).during("append_ledger"));
        }
        if state.mutation == Some(Mutation::ForgetsTheLedger) && !state.own.batches.is_empty() {
            state.own.batches.remove(0);
        }
        let row = BatchRow {
            record: *record,
            sweep_id: self.sweep_id,
            profile: self.plan.profile.clone(),
            at: self.cutoff,
            entries: entries.to_vec(),
        };
        state.put_own(self.tx, OwnWrite::Batch(row));
        Ok(())
    }

    async fn commit_all(&mut self) -> Committed {
        let unknown = || Committed::Unknown(broken().during("commit"));
        if self.link.statement(self.tx).await.is_err() {
            self.open = false;
            return unknown();
        }
        self.open = false;
        let now = self.link.database.time.now();
        let fate = self.link.database.weather.commit(now);
        match fate {
            CommitFate::Arrives => {
                let outcome = self.link.database.state().commit(self.tx, self.link.now());
                self.link.database.travel().await;
                match outcome {
                    Ok(()) => Committed::Yes,
                    Err(error) => {
                        self.link.cut();
                        Committed::No(error.during("commit"))
                    }
                }
            }
            CommitFate::LostBefore => {
                self.link.database.state().tell(Event::Undone { sweep: self.sweep_id });
                self.link.cut();
                unknown()
            }
            CommitFate::LostAfter | CommitFate::Late(_) => {
                let late = if let CommitFate::Late(late) = fate { late } else { 0 };
                if let Some(connection) = self.link.take() {
                    let at = now.saturating_add(late);
                    self.link.database.state().abandon(connection, Fate::Commit, (now, at));
                }
                unknown()
            }
        }
    }
}

fn expect_all(changed: usize, expected: usize, what: &str) -> Result<(), ShopError> {
    if changed == expected {
        return Ok(());
    }
    let message = format!("{changed} of {expected} {what} could be written: the shop changed them at the same time");
    Err(ShopError::new(ShopErrorKind::Invariant, message))
}

/// What to do with an order that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// Fail: the batch is halved until the order is found.
    Fail,
    /// Say so, and go on.
    Tell,
}

/// Status and guards of orders, in the order asked for.
pub(super) fn examine_orders(view: &View<'_>, orders: &[Key]) -> Result<Vec<ExaminedOrder>, ShopError> {
    let place = view.table(&view.plan.order.table.name)?.0;
    let mut examined = Vec::new();
    for key in orders {
        let Some(order) = view.state.row(place, key, view.tx) else { continue };
        let (unpaid, cancelled) = view.status(order)?;
        let (number, guards) = (view.number(order)?, view.guards(order)?);
        examined.push(ExaminedOrder { key: key.clone(), number, unpaid, cancelled, guards, reservations: Vec::new() });
    }
    Ok(examined)
}

/// The reservations of orders, oldest expiry first.
pub(super) fn examine_reservations(
    view: &View<'_>,
    examined: &mut [ExaminedOrder],
    unreadable: Unreadable,
) -> Result<(), ShopError> {
    for held in view.reservations()? {
        let Some(order) = examined.iter_mut().find(|order| order.key == *held.order_key) else { continue };
        if !view.is_held(held.row)? {
            continue;
        }
        let parts = view.reservation_key(held.row)?;
        let key = Key::of(parts.iter().map(|part| part.text().unwrap_or_default()).collect());
        let Some(quantity) = view.quantity(held.row)?.filter(|quantity| *quantity >= 0) else {
            if unreadable == Unreadable::Tell {
                order.guards.insert(0, UNREADABLE.to_owned());
                continue;
            }
            let message = format!("reservation `{key}` has a quantity that is none");
            return Err(ShopError::new(ShopErrorKind::Constraint, message).during("examine_reservations"));
        };
        let (due, expires_at) = (view.is_due(held)?, view.expires_at(held)?);
        let overdue = expires_at.map_or(0, |at| view.now.saturating_sub(at));
        order.reservations.push(ActiveReservation {
            key,
            quantity: Quantity::new(quantity),
            expires_at: expires_at.and_then(|at| Timestamp::from_microsecond(at).ok()),
            due,
            overdue_micros: if due { overdue.max(0) } else { 0 },
            stock: view.stock_of(held.row)?,
        });
    }
    for order in examined {
        order.reservations.sort_by(|one, two| (one.expires_at, &one.key).cmp(&(two.expires_at, &two.key)));
    }
    Ok(())
}

/// Every stock row that examined orders hold, each once.
pub(super) fn stock_of(orders: &[ExaminedOrder]) -> BTreeSet<StockRef> {
    let reservations = orders.iter().flat_map(|order| &order.reservations);
    reservations.flat_map(|reservation| reservation.stock.clone()).collect()
}

impl Batch for MemoryBatch<'_> {
    fn cutoff(&self) -> Timestamp {
        Timestamp::from_microsecond(self.cutoff).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    fn lock_due<'a>(&'a mut self, selection: &'a Selection) -> Answer<'a, LockedPage> {
        Box::pin(self.lock_due_rows(selection))
    }

    fn examine<'a>(&'a mut self, orders: &'a [Key]) -> Answer<'a, Vec<ExaminedOrder>> {
        Box::pin(self.examine_rows(orders))
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
        Box::pin(self.append(record, entries))
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
        Box::pin(async move {
            self.undo().await;
            Ok(())
        })
    }
}

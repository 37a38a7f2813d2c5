//! Reads a plan against the rows in memory, as a database reads the statements that are rendered from it.

use std::cmp::Ordering;

use unreserve_engine::model::{Key, LockedOrder, Position, Quantity, StockRef, StockRow};
use unreserve_engine::plan::{
    Assignment, Column, Condition, GuardPlan, Plan, Test, TimeEncoding, TimePlan, Value, Zone,
};
use unreserve_engine::profile::ExpiryHome;
use unreserve_engine::shop::{Selection, ShopError, ShopErrorKind};

use super::locks::TxId;
use super::mutation::Mutation;
use super::store::{State, TableState, Values, refusal};
use super::value::Datum;
use crate::shops::ColumnKind;

/// What one statement sees.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    /// The plan.
    pub(super) plan: &'a Plan,
    /// The rows.
    pub(super) state: &'a State,
    /// The transaction it belongs to.
    pub(super) tx: Option<TxId>,
    /// The database's now, as the transaction has it.
    pub(super) now: i64,
}

/// One place in the line of due reservations.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    /// The order.
    pub(super) order: Key,
    /// Its number.
    pub(super) number: Option<String>,
    expiry: Datum,
    key: Vec<Datum>,
}

impl Candidate {
    /// The row as a batch gives it.
    #[must_use]
    pub(super) fn locked(&self) -> LockedOrder {
        let position = Position { expiry: self.expiry.text().unwrap_or_default(), reservation: key_of(&self.key) };
        LockedOrder { key: self.order.clone(), number: self.number.clone(), position }
    }
}

fn key_of(parts: &[Datum]) -> Key {
    Key::of(parts.iter().map(|part| part.text().unwrap_or_default()).collect())
}

/// A reservation with the order it belongs to.
#[derive(Clone, Copy)]
pub(super) struct Held<'a> {
    /// Its row.
    pub(super) row: &'a Values,
    /// Its order's key.
    pub(super) order_key: &'a Key,
    /// Its order's row.
    pub(super) order: &'a Values,
}

impl<'a> View<'a> {
    /// A table of the plan.
    ///
    /// # Errors
    /// It is gone.
    pub(super) fn table(&self, name: &str) -> Result<(usize, &'a TableState), ShopError> {
        let place = self.state.table(name);
        let found = place.and_then(|place| self.state.tables.get(place).map(|table| (place, table)));
        found.ok_or_else(|| refusal(ShopErrorKind::SchemaChanged, "42P01", format!("table `{name}` does not exist")))
    }

    /// A column's value; NULL where the column is gone, which the check of the statement has told before.
    #[must_use]
    pub(super) fn cell(&self, table: &TableState, row: &'a [Datum], column: &str) -> &'a Datum {
        const NULL: &Datum = &Datum::Null;
        table.place(column).and_then(|place| row.get(place)).unwrap_or(NULL)
    }

    /// Whether a row holds all of these.
    #[must_use]
    pub(super) fn all(&self, table: &TableState, row: &'a [Datum], conditions: &[Condition]) -> bool {
        conditions.iter().all(|condition| {
            let value = self.cell(table, row, &condition.column.name);
            match &condition.test {
                Test::Null => *value == Datum::Null,
                Test::NotNull => *value != Datum::Null,
                Test::OneOf(values) => values.iter().any(|wanted| value.is(wanted)),
            }
        })
    }

    /// Whether one condition of an order holds, and the value that was found.
    ///
    /// # Errors
    /// The table is gone.
    pub(super) fn condition(
        &self,
        row: &'a [Datum],
        condition: &Condition,
    ) -> Result<(Option<String>, bool), ShopError> {
        let (_, orders) = self.table(&self.plan.order.table.name)?;
        let value = self.cell(orders, row, &condition.column.name).text();
        Ok((value, self.all(orders, row, std::slice::from_ref(condition))))
    }

    /// Whether the order is unpaid, and whether it is cancelled already.
    ///
    /// # Errors
    /// The table is gone.
    pub(super) fn status(&self, order: &'a [Datum]) -> Result<(bool, bool), ShopError> {
        let (_, orders) = self.table(&self.plan.order.table.name)?;
        let cancelled = &self.plan.order.cancelled;
        let is_cancelled = !cancelled.is_empty() && self.all(orders, order, cancelled);
        Ok((self.all(orders, order, &self.plan.order.unpaid), is_cancelled))
    }

    /// Whether a guard protects an order.
    ///
    /// # Errors
    /// A table is gone.
    pub(super) fn guard(&self, guard: &GuardPlan, order: &'a [Datum]) -> Result<bool, ShopError> {
        if self.state.mutation == Some(Mutation::IgnoresPayments) {
            return Ok(false);
        }
        let (_, orders) = self.table(&self.plan.order.table.name)?;
        let Some((table, column)) = &guard.evidence else {
            return Ok(self.all(orders, order, &guard.conditions));
        };
        let key = self.cell(orders, order, &self.plan.order.key.name);
        let (place, evidence) = self.table(&table.name)?;
        let mut rows = self.state.rows(place, self.tx);
        Ok(rows.any(|(_, row)| {
            self.cell(evidence, row, &column.name) == key && self.all(evidence, row, &guard.conditions)
        }))
    }

    /// The names of the guards that protect an order.
    ///
    /// # Errors
    /// A table is gone.
    pub(super) fn guards(&self, order: &'a [Datum]) -> Result<Vec<String>, ShopError> {
        let mut names = Vec::new();
        for guard in &self.plan.guards {
            if self.guard(guard, order)? {
                names.push(guard.name.clone());
            }
        }
        Ok(names)
    }

    /// Whether a reservation holds stock.
    ///
    /// # Errors
    /// The table is gone.
    pub(super) fn is_active(&self, row: &'a [Datum]) -> Result<bool, ShopError> {
        let (_, reservations) = self.table(&self.plan.reservation.table.name)?;
        Ok(self.all(reservations, row, &self.plan.reservation.active))
    }

    /// Every reservation whose order exists.
    ///
    /// # Errors
    /// A table is gone.
    pub(super) fn reservations(&self) -> Result<Vec<Held<'a>>, ShopError> {
        let (place, reservations) = self.table(&self.plan.reservation.table.name)?;
        let mut held = Vec::new();
        for (_, row) in self.state.rows(place, self.tx) {
            if let Some((order_key, order)) = self.order_of(reservations, row)? {
                held.push(Held { row, order_key, order });
            }
        }
        Ok(held)
    }

    /// Every reservation that holds stock, with what is known of its order, where that exists.
    ///
    /// # Errors
    /// A table is gone.
    pub(super) fn holding(&self) -> Result<Vec<(&'a Values, Option<Held<'a>>)>, ShopError> {
        let (place, reservations) = self.table(&self.plan.reservation.table.name)?;
        let mut found = Vec::new();
        for (_, row) in self.state.rows(place, self.tx) {
            if self.is_active(row)? {
                let order = self.order_of(reservations, row)?;
                found.push((row, order.map(|(order_key, order)| Held { row, order_key, order })));
            }
        }
        Ok(found)
    }

    fn order_of(&self, table: &TableState, row: &'a [Datum]) -> Result<Option<(&'a Key, &'a Values)>, ShopError> {
        let (place, orders) = self.table(&self.plan.order.table.name)?;
        let wanted = self.cell(table, row, &self.plan.reservation.order.name);
        let Some(text) = wanted.text() else { return Ok(None) };
        if orders.key_names() == [self.plan.order.key.name.as_str()] {
            return Ok(self.state.entry(place, &Key::single(text), self.tx));
        }
        let mut rows = self.state.rows(place, self.tx);
        Ok(rows.find(|(_, order)| self.cell(orders, order, &self.plan.order.key.name) == wanted))
    }

    /// The instant that a time column holds, in microseconds.
    fn instant(&self, time: &TimePlan, held: Held<'a>) -> Result<Option<i64>, ShopError> {
        let (name, row) = match time.home {
            ExpiryHome::Reservation => (&self.plan.reservation.table.name, held.row),
            ExpiryHome::Order => (&self.plan.order.table.name, held.order),
        };
        let (_, table) = self.table(name)?;
        Ok(self.instant_of(table, row, time))
    }

    /// The instant that a column of a row holds, in microseconds.
    #[must_use]
    pub(super) fn instant_of(&self, table: &TableState, row: &'a [Datum], time: &TimePlan) -> Option<i64> {
        match (self.cell(table, row, &time.column.name), &time.encoding) {
            (Datum::Instant(micros), TimeEncoding::DateTime(Zone::Offset(seconds))) => {
                Some(micros.saturating_sub(i64::from(*seconds).saturating_mul(1_000_000)))
            }
            (Datum::Instant(micros), _) => Some(*micros),
            (Datum::Integer(count), TimeEncoding::EpochSeconds) if *count >= 0 => Some(count.saturating_mul(1_000_000)),
            (Datum::Integer(count), TimeEncoding::EpochMilliseconds) if *count >= 0 => {
                Some(count.saturating_mul(1_000))
            }
            _ => None,
        }
    }

    /// When a reservation expires, timeout and grace included.
    ///
    /// # Errors
    /// A table is gone.
    pub(super) fn expires_at(&self, held: Held<'a>) -> Result<Option<i64>, ShopError> {
        let after = i64::try_from(self.plan.due.after.as_micros()).unwrap_or(i64::MAX);
        Ok(self.instant(&self.plan.due.time, held)?.map(|instant| instant.saturating_add(after)))
    }

    /// When a reservation was made, where the plan names that column.
    ///
    /// # Errors
    /// A table is gone.
    pub(super) fn created_at(&self, held: Held<'a>) -> Result<Option<i64>, ShopError> {
        self.plan.due.created_at.as_ref().map_or(Ok(None), |created| self.instant(created, held))
    }

    /// Whether a reservation has expired.
    ///
    /// # Errors
    /// A table is gone.
    pub(super) fn is_due(&self, held: Held<'a>) -> Result<bool, ShopError> {
        let early = match self.state.mutation {
            Some(Mutation::ReleasesEarly) => 200_000,
            Some(Mutation::BelievesTheProcess) => self.state.process_lie,
            _ => 0,
        };
        Ok(self.expires_at(held)?.is_some_and(|at| at <= self.now.saturating_add(early)))
    }

    /// The key of a reservation, a value a column.
    ///
    /// # Errors
    /// The table is gone.
    pub(super) fn reservation_key(&self, row: &'a [Datum]) -> Result<Vec<Datum>, ShopError> {
        let (_, table) = self.table(&self.plan.reservation.table.name)?;
        let key = self.plan.reservation.key.iter();
        Ok(key.map(|column| self.cell(table, row, &column.name).clone()).collect())
    }

    /// The number people know an order by.
    ///
    /// # Errors
    /// The table is gone.
    pub(super) fn number(&self, order: &'a [Datum]) -> Result<Option<String>, ShopError> {
        let (_, orders) = self.table(&self.plan.order.table.name)?;
        let number = self.plan.order.number.as_ref();
        Ok(number.and_then(|number| self.cell(orders, order, &number.name).text()))
    }

    /// The stock rows that a reservation holds. Half a key is none.
    ///
    /// # Errors
    /// The table is gone.
    pub(super) fn stock_of(&self, row: &'a [Datum]) -> Result<Vec<StockRef>, ShopError> {
        let (_, table) = self.table(&self.plan.reservation.table.name)?;
        let mut stock = Vec::new();
        for (pool, plan) in self.plan.stock.iter().enumerate() {
            let parts = plan.key.iter().map(|(_, theirs)| self.cell(table, row, &theirs.name).text());
            if let Some(parts) = parts.collect::<Option<Vec<String>>>() {
                stock.push(StockRef { pool, key: Key::of(parts) });
            }
        }
        Ok(stock)
    }

    /// What a reservation holds, in smallest units.
    ///
    /// # Errors
    /// The table is gone.
    pub(super) fn quantity(&self, row: &'a [Datum]) -> Result<Option<i64>, ShopError> {
        let (_, table) = self.table(&self.plan.reservation.table.name)?;
        Ok(self.cell(table, row, &self.plan.reservation.quantity.name).units(self.plan.reservation.scale))
    }

    /// The line of due reservations, oldest first.
    ///
    /// # Errors
    /// A table is gone.
    pub(super) fn line(&self, selection: &Selection) -> Result<Vec<Candidate>, ShopError> {
        let only = selection.only.as_ref();
        let mut line = Vec::new();
        for held in self.reservations()? {
            if only.is_some_and(|only| !only.contains(held.order_key))
                || !(self.may_release(held.row)? && self.is_due(held)?)
            {
                continue;
            }
            // Somebody who asks for an order by name wants it tried now, and told why not.
            let (unpaid, cancelled) = self.status(held.order)?;
            let wanted = only.is_some() || (self.is_wanted(held)? && self.guards(held.order)?.is_empty());
            if !(unpaid || cancelled) || !wanted {
                continue;
            }
            let candidate = self.candidate(held)?;
            if self.is_behind(&candidate, selection.after.as_ref())? {
                line.push(candidate);
            }
        }
        line.sort_by(|one, two| one.expiry.order(&two.expiry).then_with(|| order_of_keys(&one.key, &two.key)));
        self.mutate(&mut line);
        Ok(line)
    }

    fn mutate(&self, line: &mut Vec<Candidate>) {
        match self.state.mutation {
            Some(Mutation::TakesTheYoungest) => line.reverse(),
            Some(Mutation::OverlooksOrders) => {
                line.retain(|one| one.order.to_string().bytes().fold(0_u8, u8::wrapping_add) % 3 != 0);
            }
            _ => {}
        }
    }

    /// Whether a reservation may be released at all; the planted fault forgets that it was.
    fn may_release(&self, row: &'a [Datum]) -> Result<bool, ShopError> {
        Ok(self.state.mutation == Some(Mutation::ReleasesAgain) || self.is_active(row)?)
    }

    /// The same for a write.
    ///
    /// # Errors
    /// A table is gone.
    pub(super) fn can_end(&self, held: Held<'a>) -> Result<bool, ShopError> {
        Ok(self.may_release(held.row)? && self.is_due(held)?)
    }

    /// Whether a reservation counts as active for a batch.
    ///
    /// # Errors
    /// A table is gone.
    pub(super) fn is_held(&self, row: &'a [Datum]) -> Result<bool, ShopError> {
        self.may_release(row)
    }

    /// Whether an order is one to give back from: unpaid or cancelled, and not set aside. Guards stand elsewhere.
    ///
    /// # Errors
    /// A table is gone.
    pub(super) fn is_wanted(&self, held: Held<'a>) -> Result<bool, ShopError> {
        let (unpaid, cancelled) = self.status(held.order)?;
        Ok((unpaid || cancelled) && !self.state.own.is_aside(&self.plan.profile, held.order_key, self.now))
    }

    /// When each expired reservation expired that holds stock for an order that is not there.
    ///
    /// # Errors
    /// A table is gone.
    pub(super) fn without_order(&self) -> Result<Vec<i64>, ShopError> {
        if self.plan.due.time.home == ExpiryHome::Order {
            return Ok(Vec::new());
        }
        let (place, reservations) = self.table(&self.plan.reservation.table.name)?;
        let mut found = Vec::new();
        for (key, row) in self.state.rows(place, self.tx) {
            if self.order_of(reservations, row)?.is_none() && self.is_active(row)? {
                // Its expiry stands in its own row: the order's is not looked at.
                let held = Held { row, order_key: key, order: row };
                found.extend(self.expires_at(held)?.filter(|_| self.is_due(held).unwrap_or(false)));
            }
        }
        Ok(found)
    }

    fn candidate(&self, held: Held<'a>) -> Result<Candidate, ShopError> {
        let time = &self.plan.due.time;
        let (name, row) = match time.home {
            ExpiryHome::Reservation => (&self.plan.reservation.table.name, held.row),
            ExpiryHome::Order => (&self.plan.order.table.name, held.order),
        };
        let (_, table) = self.table(name)?;
        Ok(Candidate {
            order: held.order_key.clone(),
            number: self.number(held.order)?,
            expiry: self.cell(table, row, &time.column.name).clone(),
            key: self.reservation_key(held.row)?,
        })
    }

    fn is_behind(&self, candidate: &Candidate, after: Option<&Position>) -> Result<bool, ShopError> {
        let Some(after) = after else { return Ok(true) };
        let (_, reservations) = self.table(&self.plan.reservation.table.name)?;
        let read = |text: &str, kind: ColumnKind| Datum::read(text, kind).unwrap_or(Datum::Null);
        let expiry = match &candidate.expiry {
            Datum::Integer(_) => read(&after.expiry, ColumnKind::BigInteger),
            _ => read(&after.expiry, ColumnKind::Instant),
        };
        let mut key = Vec::new();
        for (index, column) in self.plan.reservation.key.iter().enumerate() {
            let kind = reservations.columns.iter().find(|known| known.name == column.name).map(|known| known.kind);
            key.push(kind.map_or(Datum::Null, |kind| read(after.reservation.part(index), kind)));
        }
        let order = candidate.expiry.order(&expiry).then_with(|| order_of_keys(&candidate.key, &key));
        Ok(if self.state.mutation == Some(Mutation::TakesTheYoungest) {
            order == Ordering::Less
        } else {
            order == Ordering::Greater
        })
    }

    /// The counters of a stock row; nothing where there is no such row.
    ///
    /// # Errors
    /// A counter has more decimals than the profile keeps.
    pub(super) fn counters(&self, stock: &StockRef) -> Result<Option<StockRow>, ShopError> {
        let Some((place, key)) = self.stock_row(stock)? else { return Ok(None) };
        let Some(plan) = self.plan.stock.get(stock.pool) else { return Ok(None) };
        let (Some(table), Some(row)) = (self.state.tables.get(place), self.state.row(place, &key, self.tx)) else {
            return Ok(None);
        };
        let counter = |column: &Option<Column>| -> Result<Option<Quantity>, ShopError> {
            let Some(column) = column else { return Ok(None) };
            let value = self.cell(table, row, &column.name);
            if *value == Datum::Null {
                return Ok(None);
            }
            let units = value.units(self.plan.reservation.scale);
            units.map(|units| Some(Quantity::new(units))).ok_or_else(|| {
                let message = format!("the counter of stock row `{}` has more decimals than are kept", stock.key);
                ShopError::new(ShopErrorKind::Constraint, message)
            })
        };
        let (reserved, on_hand) = (counter(&plan.reserved)?, counter(&plan.on_hand)?);
        Ok(Some(StockRow { stock: stock.clone(), reserved, on_hand }))
    }

    /// Where a stock row stands, by its table's own key.
    ///
    /// # Errors
    /// The table is gone.
    pub(super) fn stock_row(&self, stock: &StockRef) -> Result<Option<(usize, Key)>, ShopError> {
        let Some(plan) = self.plan.stock.get(stock.pool) else { return Ok(None) };
        let (place, table) = self.table(&plan.table.name)?;
        let names: Vec<&str> = plan.key.iter().map(|(own, _)| own.name.as_str()).collect();
        if table.key_names() == names {
            let found = self.state.entry(place, &stock.key, self.tx);
            return Ok(found.map(|(key, _)| (place, key.clone())));
        }
        let holds = |row: &'a Values| {
            let parts = names.iter().map(|name| self.cell(table, row, name).text().unwrap_or_default());
            parts.eq(stock.key.parts().iter().cloned())
        };
        let found = self.state.rows(place, self.tx).find(|(_, row)| holds(row));
        Ok(found.map(|(key, _)| (place, key.clone())))
    }

    /// A row with these assignments made.
    ///
    /// # Errors
    /// A column is gone, or cannot hold the value.
    pub(super) fn assigned(
        &self,
        table: &TableState,
        row: &[Datum],
        sets: &[Assignment],
    ) -> Result<Vec<Datum>, ShopError> {
        let mut values = row.to_vec();
        for set in sets {
            let name = &set.column().name;
            let known = table.place(name).and_then(|place| table.columns.get(place).map(|known| (place, known.kind)));
            let Some((place, kind)) = known else {
                return Err(refusal(ShopErrorKind::SchemaChanged, "42703", format!("column `{name}` does not exist")));
            };
            let value = match set {
                Assignment::Null(_) => Some(Datum::Null),
                Assignment::Now(_, encoding) => Some(encoded(self.now, encoding)),
                Assignment::Value(_, value) => written(value, kind),
            };
            let value = value.ok_or_else(|| {
                refusal(ShopErrorKind::Constraint, "22P02", format!("column `{name}` cannot hold the value"))
            })?;
            if let Some(cell) = values.get_mut(place) {
                *cell = value;
            }
        }
        Ok(values)
    }
}

fn written(value: &Value, kind: ColumnKind) -> Option<Datum> {
    match (value, kind) {
        (Value::Boolean(value), ColumnKind::Integer | ColumnKind::BigInteger) => Some(Datum::Integer((*value).into())),
        (value, kind) => Datum::read(&value.text(), kind),
    }
}

fn encoded(now: i64, encoding: &TimeEncoding) -> Datum {
    match encoding {
        TimeEncoding::EpochSeconds => Datum::Integer(now.div_euclid(1_000_000)),
        TimeEncoding::EpochMilliseconds => Datum::Integer(now.div_euclid(1_000)),
        TimeEncoding::DateTime(Zone::Offset(seconds)) => {
            Datum::Instant(now.saturating_add(i64::from(*seconds).saturating_mul(1_000_000)))
        }
        _ => Datum::Instant(now),
    }
}

fn order_of_keys(one: &[Datum], two: &[Datum]) -> Ordering {
    let parts = one.iter().zip(two).map(|(one, two)| one.order(two));
    parts.fold(Ordering::Equal, Ordering::then)
}

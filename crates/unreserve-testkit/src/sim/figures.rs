//! What the shop in memory tells of some days.

use std::collections::{BTreeMap, BTreeSet};

use unreserve_engine::ledger::EntryKind;
use unreserve_engine::model::Key;
use unreserve_engine::plan::{AmountPlan, Currency, Kind, MadePlan, PaidAt, TimePlan};
use unreserve_engine::profile::ExpiryHome;
use unreserve_engine::shop::{
    CancelledValue, Figures, FiguresQuery, OrdersMade, Part, PaymentTimes, ReservationsMade, ShopError,
};

use super::eval::{Held, View};
use super::store::Values;

const DAY: i64 = 86_400_000_000;

/// The days that are asked for.
struct Span {
    from: i64,
    to: i64,
    rows_max: usize,
}

impl Span {
    /// The day of an instant of the span.
    fn day(&self, at: Option<i64>) -> Option<i64> {
        at.filter(|at| (self.from..self.to).contains(at)).map(|at| at.div_euclid(DAY))
    }

    /// Every row is read here: there is no index.
    fn part<T>(&self, rows: usize, read: T) -> Part<T> {
        if rows > self.rows_max { Part::TooMany } else { Part::Read(read) }
    }
}

/// Answers what the plan says how to ask.
pub(super) fn figures(view: &View<'_>, query: &FiguresQuery) -> Result<Figures, ShopError> {
    let rows_max = usize::try_from(query.rows_max).unwrap_or(usize::MAX);
    let span = Span { from: query.from.as_microsecond(), to: query.to.as_microsecond(), rows_max };
    let (orders, payments) = match view.plan.counts_orders() {
        Some(made) => (orders(view, &span, made)?, payments(view, &span)?),
        None => (Part::NotAsked, Part::NotAsked),
    };
    let reservations = match view.plan.counts_reservations() {
        Some(made) => reservations(view, &span, made)?,
        None => Part::NotAsked,
    };
    let cancelled_value = match &view.plan.figures.amount {
        Some(amount) => cancelled_value(view, &span, amount)?,
        None => Part::NotAsked,
    };
    Ok(Figures { orders, reservations, payments, cancelled_value })
}

fn add(count: &mut u64, holds: bool) {
    *count = count.saturating_add(u64::from(holds));
}

fn orders(view: &View<'_>, span: &Span, made: &MadePlan) -> Result<Part<BTreeMap<i64, OrdersMade>>, ShopError> {
    let (place, table) = view.table(&view.plan.order.table.name)?;
    let paid = &view.plan.figures.paid;
    let (mut days, mut rows) = (BTreeMap::<i64, OrdersMade>::new(), 0_usize);
    for (_, row) in view.state.rows(place, None) {
        rows = rows.saturating_add(1);
        let Some(day) = span.day(view.instant_of(table, row, &made.time)) else { continue };
        let (unpaid, cancelled) = view.status(row)?;
        let day = days.entry(day).or_default();
        add(&mut day.made, true);
        add(&mut day.unpaid, unpaid && !cancelled);
        add(&mut day.cancelled, cancelled);
        add(&mut day.paid, !paid.is_empty() && !unpaid && !cancelled && view.all(table, row, paid));
    }
    Ok(span.part(rows, days))
}

fn reservations(
    view: &View<'_>,
    span: &Span,
    made: &MadePlan,
) -> Result<Part<BTreeMap<i64, ReservationsMade>>, ShopError> {
    let (place, table) = view.table(&view.plan.reservation.table.name)?;
    let released = released(view);
    let held: Vec<Held<'_>> = view.reservations()?;
    let (mut days, mut rows) = (BTreeMap::<i64, ReservationsMade>::new(), 0_usize);
    for (_, row) in view.state.rows(place, None) {
        rows = rows.saturating_add(1);
        let of_order = held.iter().find(|held| std::ptr::eq(held.row, row));
        let at = match made.time.home {
            ExpiryHome::Reservation => view.instant_of(table, row, &made.time),
            ExpiryHome::Order => of_order.map_or(Ok(None), |held| view.created_at(*held))?,
        };
        let Some(day) = span.day(at) else { continue };
        let day = days.entry(day).or_default();
        add(&mut day.made, true);
        day.units = day.units.saturating_add(view.quantity(row)?.unwrap_or(0));
        if view.is_active(row)? {
            add(&mut day.active, true);
            let due = match of_order {
                Some(held) => view.is_due(*held)? && view.is_wanted(*held)? && view.guards(held.order)?.is_empty(),
                None => false,
            };
            add(&mut day.due, due);
        } else {
            let fulfilled = &view.plan.figures.fulfilled;
            let fulfilled = !fulfilled.is_empty() && view.all(table, row, fulfilled);
            add(&mut day.fulfilled, fulfilled);
            let parts = view.reservation_key(row)?;
            let key = Key::of(parts.iter().map(|part| part.text().unwrap_or_default()).collect());
            add(&mut day.released, !fulfilled && released.contains(&key.to_string()));
        }
    }
    Ok(span.part(rows, days))
}

/// The reservations that were released by this profile.
fn released(view: &View<'_>) -> BTreeSet<String> {
    let batches = view.state.own.batches.iter().filter(|batch| batch.profile == view.plan.profile);
    let entries = batches.flat_map(|batch| &batch.entries).filter(|entry| entry.kind == EntryKind::Release);
    entries.filter_map(|entry| entry.reservation.as_ref().map(ToString::to_string)).collect()
}

fn payments(view: &View<'_>, span: &Span) -> Result<Part<PaymentTimes>, ShopError> {
    let Some((made, paid_at)) = view.plan.times_payments() else { return Ok(Part::NotAsked) };
    let (place, table) = view.table(&view.plan.order.table.name)?;
    let judges = view.plan.judges_timeout();
    let held: Vec<Held<'_>> = if judges { view.reservations()? } else { Vec::new() };
    let (mut seconds, mut judged, mut late, mut rows) = (BTreeMap::<i64, u64>::new(), 0_u64, 0_u64, 0_usize);
    for (key, row) in view.state.rows(place, None) {
        rows = rows.saturating_add(1);
        let at = view.instant_of(table, row, &made.time);
        if span.day(at).is_none() {
            continue;
        }
        let (Some(at), Some(paid)) = (at, paid(view, row, paid_at)?) else { continue };
        let taken = paid.saturating_sub(at).div_euclid(1_000_000);
        add(seconds.entry(PaymentTimes::rounded(taken)).or_default(), true);
        let mut expiry = None;
        for held in held.iter().filter(|held| held.order_key == key) {
            expiry = expiry.max(view.expires_at(*held)?);
        }
        add(&mut judged, expiry.is_some());
        add(&mut late, expiry.is_some_and(|expiry| paid > expiry));
    }
    let times = PaymentTimes { seconds: seconds.into_iter().collect(), judged: judges.then_some(judged), late };
    Ok(span.part(rows, times))
}

/// When an order was paid first.
fn paid(view: &View<'_>, order: &Values, paid_at: &PaidAt) -> Result<Option<i64>, ShopError> {
    let (_, orders) = view.table(&view.plan.order.table.name)?;
    let own = |time: &TimePlan| view.instant_of(orders, order, time);
    let (guard, time) = match paid_at {
        PaidAt::Order(time) => return Ok(own(time)),
        PaidAt::Guard(place, time) => (view.plan.guards.get(*place), time),
    };
    let Some(guard) = guard else { return Ok(None) };
    let Some((table, column)) = &guard.evidence else {
        return Ok(if view.all(orders, order, &guard.conditions) { own(time) } else { None });
    };
    let key = view.cell(orders, order, &view.plan.order.key.name);
    let (place, evidence) = view.table(&table.name)?;
    let rows = view.state.rows(place, None).map(|(_, row)| row);
    let rows =
        rows.filter(|row| view.cell(evidence, row, &column.name) == key && view.all(evidence, row, &guard.conditions));
    Ok(rows.filter_map(|row| view.instant_of(evidence, row, time)).min())
}

fn cancelled_value(view: &View<'_>, span: &Span, amount: &AmountPlan) -> Result<Part<Vec<CancelledValue>>, ShopError> {
    let (place, table) = view.table(&view.plan.order.table.name)?;
    let scale = if amount.column.kind == Kind::Integer { 0 } else { amount.scale };
    let mut values: BTreeMap<(i64, Option<String>), CancelledValue> = BTreeMap::new();
    let mut rows = 0_usize;
    for batch in view.state.own.batches.iter().filter(|batch| batch.profile == view.plan.profile) {
        let Some(day) = span.day(Some(batch.at)) else { continue };
        for entry in batch.entries.iter().filter(|entry| entry.kind == EntryKind::Cancel) {
            rows = rows.saturating_add(1);
            let order = view.state.entry(place, &entry.order, None).map(|(_, row)| row);
            let worth = order.and_then(|row| view.cell(table, row, &amount.column.name).units(scale));
            let currency = match &amount.currency {
                Currency::Unnamed => None,
                Currency::Fixed(code) => Some(code.clone()),
                Currency::Column(column) => order.and_then(|row| view.cell(table, row, &column.name).text()),
            };
            let fresh = CancelledValue { day, currency: currency.clone(), orders: 0, readable: 0, amount: 0 };
            let value = values.entry((day, currency)).or_insert(fresh);
            add(&mut value.orders, true);
            add(&mut value.readable, worth.is_some());
            value.amount = value.amount.saturating_add(worth.unwrap_or(0));
        }
    }
    Ok(span.part(rows, values.into_values().collect()))
}

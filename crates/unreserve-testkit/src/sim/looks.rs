//! What the shop in memory tells without a lock: the clock's evidence, what lies ahead, what is left, one order.

use std::collections::BTreeSet;

use jiff::Timestamp;
use unreserve_engine::model::{Key, Quantity};
use unreserve_engine::plan::{ClockEvidence, SKEW, ZONE_WIDTH};
use unreserve_engine::shop::{
    ConditionValueSeen, Explanation, GuardSeen, GuardedOrder, Leftovers, OrderName, Outlook, ReservationSeen,
    ShopError, read_for,
};

use super::eval::{Held, View};
use super::ledger;
use super::store::Values;

/// How many reservations the clock is judged by.
const WITNESSES: usize = 1_000;

/// What the clock relation is judged by.
pub(super) fn clock_evidence(view: &View<'_>) -> Result<ClockEvidence, ShopError> {
    let mut seen = Vec::new();
    for held in view.reservations()? {
        if view.is_active(held.row)? {
            seen.push((view.expires_at(held)?, view.created_at(held)?));
        }
    }
    seen.sort();
    seen.reverse();
    seen.truncate(WITNESSES);
    let same = view.plan.due.created_at.as_ref().is_none_or(|created| created.column == view.plan.due.time.column);
    let ahead_of = |seconds: i64| view.now.saturating_add(seconds.saturating_mul(1_000_000));
    let near = || seen.iter().filter_map(|(_, created)| *created).filter(|at| *at <= ahead_of(ZONE_WIDTH.as_secs()));
    let count = |found: usize| u64::try_from(found).unwrap_or(u64::MAX);
    let backwards =
        seen.iter().filter(|(expiry, created)| !same && expiry.is_some() && created.is_some() && expiry <= created);
    Ok(ClockEvidence {
        now: Timestamp::from_microsecond(view.now).unwrap_or(Timestamp::UNIX_EPOCH),
        newest_creation: near().max().and_then(|at| Timestamp::from_microsecond(at).ok()),
        recent: count(near().filter(|at| *at > ahead_of(-86_400)).count()),
        ahead: count(near().filter(|at| *at > ahead_of(SKEW.as_secs())).count()),
        backwards: count(backwards.count()),
        unreadable: 0,
        looked_at: count(seen.len()),
    })
}

/// What lies ahead.
pub(super) fn outlook(view: &View<'_>, count_limit: u64) -> Result<Outlook, ShopError> {
    let mut due: Vec<(&Key, i64)> = Vec::new();
    let mut next: Option<i64> = None;
    for held in view.reservations()? {
        if !view.is_active(held.row)? {
            continue;
        }
        let Some(at) = view.expires_at(held)? else { continue };
        if !view.is_due(held)? {
            next = Some(next.map_or(at, |next| next.min(at)));
            continue;
        }
        if view.is_wanted(held)? && view.guards(held.order)?.is_empty() {
            due.push((held.order_key, at));
        }
    }
    let oldest = due.iter().map(|(_, at)| *at).min();
    due.sort();
    due.dedup_by_key(|(key, _)| *key);
    let instant = |at: i64| Timestamp::from_microsecond(at).ok();
    Ok(Outlook {
        now: instant(view.now).unwrap_or(Timestamp::UNIX_EPOCH),
        due_orders: u64::try_from(due.len()).unwrap_or(u64::MAX).min(count_limit),
        oldest_overdue_micros: oldest.map_or(0, |at| view.now.saturating_sub(at).max(0)),
        next_expiry: next.and_then(instant),
    })
}

/// What is left alone, among as many of the oldest expired reservations as are read: guarded orders, and reservations whose
/// order is not there.
pub(super) fn leftovers(view: &View<'_>, outlook: Outlook, count_limit: u64) -> Result<Leftovers, ShopError> {
    let places = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    let mut expired: Vec<(i64, Option<Held<'_>>)> = view.without_order()?.into_iter().map(|at| (at, None)).collect();
    for held in view.reservations()? {
        if let (Some(at), true) = (view.expires_at(held)?, view.is_active(held.row)? && view.is_due(held)?) {
            expired.push((at, Some(held)));
        }
    }
    expired.sort_by_key(|(at, _)| *at);
    let (limit, read) = (places(count_limit), places(read_for(count_limit)));
    let mut at_least = expired.len() >= read;
    expired.truncate(read);
    let mut guarded: Vec<GuardedOrder> = Vec::new();
    for held in expired.iter().filter_map(|(_, held)| *held) {
        let guards = if view.is_wanted(held)? { view.guards(held.order)? } else { Vec::new() };
        if !guards.is_empty() {
            guarded.push(GuardedOrder { key: held.order_key.clone(), number: view.number(held.order)?, guards });
        }
    }
    let without_order = expired.iter().filter(|(_, held)| held.is_none()).count();
    at_least |= guarded.len() >= limit || without_order >= limit;
    let mut seen = BTreeSet::new();
    guarded.retain(|order| seen.insert(order.key.clone()));
    guarded.truncate(limit);
    let aside = ledger::orders_set_aside(&view.state.own, Some(&view.plan.profile), (view.now, u32::MAX));
    let count = |found: usize| u64::try_from(found).unwrap_or(u64::MAX);
    let without_order = count(without_order).min(count_limit);
    Ok(Leftovers { outlook, set_aside: count(aside.len()), guarded, without_order, at_least })
}

/// Everything a sweep would look at for one order.
pub(super) fn explain(view: &View<'_>, wanted: &str) -> Result<Option<Explanation>, ShopError> {
    let place = view.table(&view.plan.order.table.name)?.0;
    let name = OrderName::parse(wanted);
    let mut all = Vec::new();
    for (key, row) in view.state.rows(place, None) {
        if name.number && view.number(row)?.as_deref() == Some(name.text) {
            all.push(explanation(view, (key, row))?);
        }
    }
    if let Some(found) = view.state.entry(place, &Key::single(name.text), None).filter(|_| name.key) {
        all.push(explanation(view, found)?);
    }
    name.the_one(all)
}

fn explanation(view: &View<'_>, (key, order): (&Key, &Values)) -> Result<Explanation, ShopError> {
    let (unpaid, cancelled) = view.status(order)?;
    let mut seen = Explanation {
        key: key.clone(),
        number: view.number(order)?,
        now: Timestamp::from_microsecond(view.now).unwrap_or(Timestamp::UNIX_EPOCH),
        unpaid_conditions: Vec::new(),
        unpaid,
        cancelled,
        guards: Vec::new(),
        reservations: Vec::new(),
        locked: None,
        set_aside: None,
        ledger: ledger::entries_of_order(&view.state.own, key),
    };
    for condition in &view.plan.order.unpaid {
        let (value, unpaid) = view.condition(order, condition)?;
        seen.unpaid_conditions.push(ConditionValueSeen { column: condition.column.name.clone(), value, unpaid });
    }
    for guard in &view.plan.guards {
        seen.guards.push(GuardSeen { name: guard.name.clone(), holds: view.guard(guard, order)? });
    }
    for held in view.reservations()? {
        if held.order_key == key {
            let at = view.expires_at(held)?;
            let parts = view.reservation_key(held.row)?;
            seen.reservations.push(ReservationSeen {
                key: Key::of(parts.iter().map(|part| part.text().unwrap_or_default()).collect()),
                quantity: Quantity::new(view.quantity(held.row)?.unwrap_or_default()),
                active: view.is_active(held.row)?,
                reserved_at: view.created_at(held)?.and_then(|at| Timestamp::from_microsecond(at).ok()),
                expires_at: at.and_then(|at| Timestamp::from_microsecond(at).ok()),
                expired: view.is_due(held)?,
                overdue_micros: at.map_or(0, |at| view.now.saturating_sub(at)),
            });
        }
    }
    seen.reservations.sort_by_key(|reservation| reservation.expires_at);
    let aside = ledger::orders_set_aside(&view.state.own, Some(&view.plan.profile), (view.now, u32::MAX));
    seen.set_aside = aside.into_iter().find(|aside| aside.order == key.to_string());
    Ok(seen)
}

//! One order: every condition with its verdict, and what happened to it and will, in the order of time.

use jiff::Timestamp;
use serde::Serialize;
use unreserve_engine::ledger::EntryRecord;
use unreserve_engine::shop::{Explanation, ReservationSeen};
use utoipa::ToSchema;

use crate::cli::sweep_text::{plural, seconds};
use crate::explaining::{conditions, state, verdict};

/// One order, as a sweep sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct OrderView {
    /// Its key.
    pub(crate) key: String,
    /// The number people know it by.
    pub(crate) number: Option<String>,
    /// The database's now when it was read.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) now: Timestamp,
    /// What the next sweep does with it, in one sentence.
    #[schema(example = "Not expired yet: its next reservation expires at 2026-11-30T12:00:00Z.")]
    pub(crate) verdict: String,
    /// Every condition a sweep looks at, with its value and verdict.
    pub(crate) conditions: Vec<ConditionView>,
    /// Its reservations, at most 200.
    pub(crate) reservations: Vec<ReservationView>,
    /// What happened to it and what lies ahead, oldest first, at most 500 events.
    pub(crate) timeline: Vec<EventView>,
}

/// One condition of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct ConditionView {
    /// What was looked at: a column, a guard, the row's lock.
    #[schema(example = "guard `paid`")]
    pub(crate) condition: String,
    /// What was found.
    #[schema(example = "does not hold")]
    pub(crate) value: String,
    /// What it means.
    #[schema(example = "nothing protects")]
    pub(crate) verdict: String,
    /// Whether it keeps the order from being worked on now.
    pub(crate) protects: bool,
}

/// One reservation of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct ReservationView {
    /// Its key.
    pub(crate) key: String,
    /// Units it holds, or held.
    pub(crate) units: i64,
    /// Whether it still holds stock.
    pub(crate) active: bool,
    /// When it expires, grace included; nothing where it never does, or the value cannot be read.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) expires_at: Option<Timestamp>,
    /// Seconds since its expiry, negative before it; nothing where it has ended or never expires.
    pub(crate) overdue_seconds: Option<i64>,
    /// How it stands, in words.
    #[schema(example = "not expired yet: in 4m30s")]
    pub(crate) says: String,
}

/// What kind of event it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum EventKind {
    /// Stock was reserved.
    Reserved,
    /// A reservation expired.
    Expired,
    /// A reservation was released and its units given back.
    Released,
    /// The order was cancelled.
    Cancelled,
    /// The order was set aside: its release failed for its own reasons.
    SetAside,
    /// Now.
    Now,
    /// The order is tried again.
    TriedAgain,
    /// A reservation will expire.
    Expires,
}

/// One event of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct EventView {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) at: Timestamp,
    /// What kind of event.
    pub(crate) kind: EventKind,
    /// What happened, in words.
    #[schema(example = "2 units given back, 0s after the expiry")]
    pub(crate) says: String,
    /// The reservation it is about.
    pub(crate) reservation: Option<String>,
    /// Units it is about.
    pub(crate) units: Option<i64>,
    /// Whether it lies ahead.
    pub(crate) ahead: bool,
}

/// More events are not shown.
const EVENTS_MAX: usize = 500;

impl OrderView {
    /// An order as it is shown.
    pub(super) fn of(found: &Explanation) -> Self {
        let condition = |condition: crate::explaining::Condition| ConditionView {
            condition: condition.condition,
            value: condition.value,
            verdict: condition.verdict,
            protects: condition.protects,
        };
        // Nobody tried the lock: the page only reads.
        let shown = conditions(found).into_iter().filter(|condition| condition.condition != "row lock");
        Self {
            key: found.key.to_string(),
            number: found.number.clone(),
            now: found.now,
            verdict: verdict(found),
            conditions: shown.map(condition).collect(),
            reservations: found.reservations.iter().map(reservation).collect(),
            timeline: timeline(found),
        }
    }
}

fn reservation(seen: &ReservationSeen) -> ReservationView {
    let counts = seen.active && seen.expires_at.is_some();
    ReservationView {
        key: seen.key.to_string(),
        units: seen.quantity.units(),
        active: seen.active,
        expires_at: seen.expires_at,
        overdue_seconds: counts.then(|| seen.overdue_micros.div_euclid(1_000_000)),
        says: state(seen),
    }
}

fn units(count: i64) -> String {
    plural(u64::try_from(count).unwrap_or(0), "unit")
}

/// What happened to an order and what lies ahead, oldest first.
fn timeline(found: &Explanation) -> Vec<EventView> {
    let mut events: Vec<EventView> = found.reservations.iter().flat_map(|seen| of_reservation(found, seen)).collect();
    events.extend(found.ledger.iter().flat_map(of_entry));
    if let Some(aside) = &found.set_aside {
        let says = format!("set aside, tried {}: {}", plural(aside.attempts, "time"), aside.reason);
        events.push(event(aside.since, EventKind::SetAside, says));
        events.push(event(aside.retry_at, EventKind::TriedAgain, "tried again from here on".to_owned()));
    }
    events.push(event(found.now, EventKind::Now, "now".to_owned()));
    for event in &mut events {
        event.ahead = event.at > found.now;
    }
    events.sort_by_key(|event| (event.at, event.kind));
    events.truncate(EVENTS_MAX);
    events
}

fn event(at: Timestamp, kind: EventKind, says: String) -> EventView {
    EventView { at, kind, says, reservation: None, units: None, ahead: false }
}

/// When a reservation was made, and when it expires or did. What the ledger has of it is told from there.
fn of_reservation(found: &Explanation, seen: &ReservationSeen) -> Vec<EventView> {
    let key = seen.key.to_string();
    let quantity = seen.quantity.units();
    let about = |event: EventView| EventView { reservation: Some(key.clone()), units: Some(quantity), ..event };
    let reserved = seen.reserved_at.map(|at| event(at, EventKind::Reserved, format!("{} reserved", units(quantity))));
    let released = found.ledger.iter().any(|entry| entry.reservation.as_deref() == Some(key.as_str()));
    // One that has ended and was not released by us ended otherwise: its expiry means nothing.
    let expiry = seen.expires_at.filter(|_| seen.active && !released).map(|at| match seen.expired {
        true => event(at, EventKind::Expired, format!("the reservation of {} expired", units(quantity))),
        false => event(at, EventKind::Expires, format!("the reservation of {} expires", units(quantity))),
    });
    reserved.into_iter().chain(expiry).map(about).collect()
}

fn of_entry(entry: &EntryRecord) -> Vec<EventView> {
    if entry.kind == "cancel" {
        return vec![event(entry.at, EventKind::Cancelled, "the order was cancelled".to_owned())];
    }
    let about =
        |event: EventView| EventView { reservation: entry.reservation.clone(), units: Some(entry.quantity), ..event };
    let drift = match entry.drift {
        0 => String::new(),
        drift => format!("; its counter lacked {}", units(drift)),
    };
    let says =
        format!("{} given back, {} after the expiry{drift}", units(entry.quantity), seconds(entry.overdue_seconds));
    let released = event(entry.at, EventKind::Released, says);
    let expired = entry
        .expires_at
        .map(|at| event(at, EventKind::Expired, format!("the reservation of {} expired", units(entry.quantity))));
    expired.into_iter().chain([released]).map(about).collect()
}

#[cfg(test)]
mod tests {
    use unreserve_engine::ledger::SetAsideRecord;
    use unreserve_engine::model::{Key, Quantity};

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn seen(key: &str, expires: i64, active: bool) -> ReservationSeen {
        ReservationSeen {
            key: Key::single(key),
            quantity: Quantity::new(2),
            active,
            reserved_at: Some(at(expires.saturating_sub(900))),
            expires_at: Some(at(expires)),
            expired: expires <= 2_000,
            overdue_micros: 2_000_i64.saturating_sub(expires).saturating_mul(1_000_000),
        }
    }

    fn order() -> Explanation {
        let release = EntryRecord {
            kind: "release".to_owned(),
            order: "1".to_owned(),
            number: None,
            reservation: Some("gone".to_owned()),
            stock: None,
            quantity: 3,
            drift: 1,
            expires_at: Some(at(1_000)),
            at: at(1_005),
            overdue_seconds: 5,
        };
        let cancel = EntryRecord { kind: "cancel".to_owned(), reservation: None, ..release.clone() };
        Explanation {
            key: Key::single("1"),
            number: None,
            now: at(2_000),
            unpaid_conditions: Vec::new(),
            unpaid: true,
            cancelled: false,
            guards: Vec::new(),
            reservations: vec![seen("late", 1_500, true), seen("soon", 2_300, true), seen("fulfilled", 1_200, false)],
            locked: None,
            set_aside: Some(SetAsideRecord {
                order: "1".to_owned(),
                number: None,
                reason: "a trigger".to_owned(),
                attempts: 2,
                since: at(1_600),
                retry_at: at(5_200),
            }),
            ledger: vec![cancel, release],
        }
    }

    #[test]
    fn the_timeline_tells_what_was_and_what_lies_ahead_in_order() {
        let view = OrderView::of(&order());
        let told: Vec<(i64, EventKind, bool)> =
            view.timeline.iter().map(|event| (event.at.as_second(), event.kind, event.ahead)).collect();
        assert_eq!(
            told,
            [
                (300, EventKind::Reserved, false),
                (600, EventKind::Reserved, false),
                (1_000, EventKind::Expired, false),
                (1_005, EventKind::Released, false),
                (1_005, EventKind::Cancelled, false),
                (1_400, EventKind::Reserved, false),
                (1_500, EventKind::Expired, false),
                (1_600, EventKind::SetAside, false),
                (2_000, EventKind::Now, false),
                (2_300, EventKind::Expires, true),
                (5_200, EventKind::TriedAgain, true),
            ]
        );
        let says =
            |second: i64| view.timeline.iter().find(|event| event.at.as_second() == second).unwrap().says.clone();
        assert_eq!(says(1_005), "3 units given back, 5s after the expiry; its counter lacked 1 unit");
        assert!(view.conditions.iter().all(|condition| condition.condition != "row lock"));
        assert_eq!(view.reservations[1].overdue_seconds, Some(-300));
        assert_eq!(view.reservations[2].overdue_seconds, None);
    }
}

//! Resolves a profile against the live schema: every name is looked up, every type is compared.

mod columns;
mod figures;
mod times;

use std::time::Duration;

use columns::Resolver;

use super::condition::Assignment;
use super::due::{Due, Policy};
use super::effect::{ReleasePlan, StockPlan};
use super::schema::{Kind, Schema, SchemaRequest, TableInfo, TableName};
use super::table::{GuardPlan, OrderPlan, Plan, ReservationPlan, Table};
use crate::profile::{
    ExpiryHome, Problem, Problems, Profile, ReleaseAct, SetValue, Sets, StockSection, Text, TimeColumn,
};

/// The tables and values that [`resolve`] will want to see, with what advice and the report need.
#[must_use]
pub fn request(profile: &Profile) -> SchemaRequest {
    let sweep = sweep_request(profile);
    let mut samples = sweep.samples;
    for place in figures::samples(profile) {
        if !samples.contains(&place) {
            samples.push(place);
        }
    }
    SchemaRequest { samples, indexes: true, ..sweep }
}

/// The same, as far as a sweep needs it.
#[must_use]
pub fn sweep_request(profile: &Profile) -> SchemaRequest {
    let mut tables: Vec<TableName> = Vec::new();
    let guards = profile.guards.iter().filter_map(|guard| guard.table.as_ref());
    let stock = profile.stock.iter().map(|stock| &stock.table);
    for table in [&profile.order.table, &profile.reservation.table].into_iter().chain(guards).chain(stock) {
        let name = TableName::parse(table.get_ref());
        if !tables.contains(&name) {
            tables.push(name);
        }
    }
    let home = |home: &ExpiryHome| match home {
        ExpiryHome::Reservation => TableName::parse(profile.reservation.table.get_ref()),
        ExpiryHome::Order => TableName::parse(profile.order.table.get_ref()),
    };
    let times = [&profile.expiry.expires_at, &profile.expiry.created_at].into_iter().flatten();
    let mut samples: Vec<_> = times.map(|(place, time)| (home(place), time.column.get_ref().clone())).collect();
    let mut stamps = |table: &Text, sets: &Sets| {
        let stamped = sets.iter().filter(|(_, value)| *value.get_ref() == SetValue::Now);
        samples.extend(stamped.map(|(column, _)| (TableName::parse(table.get_ref()), column.get_ref().clone())));
    };
    stamps(&profile.order.table, &profile.order.cancel);
    if let ReleaseAct::Mark(sets) = &profile.reservation.release {
        stamps(&profile.reservation.table, sets);
    }
    for stock in &profile.stock {
        stamps(&stock.table, &stock.set);
    }
    SchemaRequest { tables, samples, indexes: false }
}

/// Resolves a profile.
///
/// # Errors
/// Every table or column that does not exist, every type that does not fit, each with its place in the profile.
pub fn resolve(profile: &Profile, schema: &Schema, policy: Policy) -> Result<Plan, Problems> {
    let mut resolver = Resolver::new(schema, profile);
    let order = resolver.table(&profile.order.table);
    let reservation = resolver.table(&profile.reservation.table);
    let (Some(order), Some(reservation)) = (order, reservation) else {
        return Err(Problems(resolver.problems));
    };
    let due = resolve_due(&mut resolver, profile, policy, (order, reservation));
    let plan = Plan {
        profile: profile.name.clone(),
        order: resolve_order(&mut resolver, profile, order),
        guards: resolve_guards(&mut resolver, profile, order),
        reservation: resolve_reservation(&mut resolver, profile, reservation),
        stock: resolve_stock(&mut resolver, profile, reservation),
        figures: figures::resolve(profile, schema, &due, (order, reservation)),
        due,
    };
    if resolver.problems.is_empty() { Ok(plan) } else { Err(Problems(resolver.problems)) }
}

fn table_of(info: &TableInfo) -> Table {
    Table { schema: info.schema.clone(), name: info.name.clone() }
}

fn resolve_order(resolver: &mut Resolver<'_>, profile: &Profile, table: &TableInfo) -> OrderPlan {
    let section = &profile.order;
    resolver.must_be_writable(&section.table, table);
    OrderPlan {
        table: table_of(table),
        key: resolver.column(table, &section.key),
        number: section.number.as_ref().map(|number| resolver.column(table, number)),
        unpaid: resolver.conditions(table, &section.unpaid),
        cancelled: resolver.conditions(table, &section.cancelled),
        cancel: resolver.assignments(table, &section.cancel),
    }
}

fn resolve_guards(resolver: &mut Resolver<'_>, profile: &Profile, order: &TableInfo) -> Vec<GuardPlan> {
    let mut guards = Vec::new();
    for section in &profile.guards {
        let name = section.name.get_ref().clone();
        match (&section.table, &section.order) {
            (Some(table), Some(column)) => {
                if let Some(info) = resolver.table(table) {
                    let key = resolver.column(info, column);
                    resolver.must_match(column, (&key.sql_type, key.kind), (order, &profile.order.key));
                    let conditions = resolver.conditions(info, &section.conditions);
                    guards.push(GuardPlan { name, evidence: Some((table_of(info), key)), conditions });
                }
            }
            _ => {
                let conditions = resolver.conditions(order, &section.conditions);
                guards.push(GuardPlan { name, evidence: None, conditions });
            }
        }
    }
    guards
}

fn resolve_reservation(resolver: &mut Resolver<'_>, profile: &Profile, table: &TableInfo) -> ReservationPlan {
    let section = &profile.reservation;
    resolver.must_be_writable(&section.table, table);
    let quantity = resolver.number(table, &section.quantity, section.quantity_scale);
    let order = resolver.column(table, &section.order);
    if let Some(orders) = resolver.table_quietly(&profile.order.table) {
        resolver.must_match(&section.order, (&order.sql_type, order.kind), (orders, &profile.order.key));
    }
    ReservationPlan {
        table: table_of(table),
        key: section.key.list().into_iter().map(|key| resolver.column(table, key)).collect(),
        order,
        quantity,
        scale: section.quantity_scale,
        active: resolver.conditions(table, &section.active),
        release: match &section.release {
            ReleaseAct::Delete => ReleasePlan::Delete,
            ReleaseAct::Mark(sets) => ReleasePlan::Mark(resolver.assignments(table, sets)),
        },
    }
}

fn resolve_stock(resolver: &mut Resolver<'_>, profile: &Profile, reservation: &TableInfo) -> Vec<StockPlan> {
    let mut plans = Vec::new();
    for section in &profile.stock {
        if let Some(plan) = resolve_pool(resolver, section, profile, reservation) {
            plans.push(plan);
        }
    }
    // The order decides in which order every batch locks: it must not depend on the profile's text.
    plans.sort_by(|a, b| a.table.cmp(&b.table));
    plans
}

fn resolve_pool(
    resolver: &mut Resolver<'_>,
    section: &StockSection,
    profile: &Profile,
    reservation: &TableInfo,
) -> Option<StockPlan> {
    let table = resolver.table(&section.table)?;
    resolver.must_be_writable(&section.table, table);
    let scale = profile.reservation.quantity_scale;
    let mut key = Vec::new();
    for (own, theirs) in &section.key {
        let own_column = resolver.column(table, own);
        let their_column = resolver.column(reservation, theirs);
        resolver.must_match(theirs, (&their_column.sql_type, their_column.kind), (table, own));
        key.push((own_column, their_column));
    }
    Some(StockPlan {
        table: table_of(table),
        key,
        reserved: section.reserved.as_ref().map(|counter| resolver.number(table, counter, scale)),
        on_hand: section.on_hand.as_ref().map(|counter| resolver.number(table, counter, scale)),
        set: resolver.assignments(table, &section.set),
    })
}

fn resolve_due(
    resolver: &mut Resolver<'_>,
    profile: &Profile,
    policy: Policy,
    (order, reservation): (&TableInfo, &TableInfo),
) -> Due {
    let table = |home: ExpiryHome| match home {
        ExpiryHome::Reservation => reservation,
        ExpiryHome::Order => order,
    };
    let mut plan = |place: &Option<(ExpiryHome, TimeColumn)>| {
        place.as_ref().map(|(home, column)| resolver.time(table(*home), *home, column))
    };
    let expires_at = plan(&profile.expiry.expires_at);
    let created_at = plan(&profile.expiry.created_at);
    let (time, after) = match (policy.timeout, expires_at, &created_at) {
        (None, Some(expires_at), _) => (expires_at, Duration::ZERO),
        (timeout, _, Some(created_at)) => (created_at.clone(), timeout.unwrap_or(profile.expiry.timeout)),
        (_, expires_at, None) => {
            resolver.problems.push(
                Problem::at(
                    profile.reservation.table.span(),
                    "a timeout was asked for, but the profile names no `created_at` to count it from",
                )
                .hint("add `created_at` to the profile, or leave the timeout out: the profile's `expires_at` decides then"),
            );
            (expires_at.unwrap_or_else(columns::no_time), Duration::ZERO)
        }
    };
    Due { time, after: after.saturating_add(policy.grace), created_at }
}

/// Whether two kinds of column can hold the same key.
fn comparable(one: Kind, other: Kind) -> bool {
    let class = |kind| match kind {
        Kind::Integer | Kind::Decimal => 0_u8,
        Kind::Text => 1,
        Kind::Uuid => 2,
        Kind::Binary => 3,
        _ => 4,
    };
    class(one) == class(other)
}

/// Where a name stands in the profile.
fn place(text: &Text) -> std::ops::Range<usize> {
    text.span()
}

/// The column an assignment must not write.
fn written(assignments: &[Assignment]) -> impl Iterator<Item = &str> {
    assignments.iter().map(|assignment| assignment.column().name.as_str())
}

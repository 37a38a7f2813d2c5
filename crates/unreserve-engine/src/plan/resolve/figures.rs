//! Resolves what only the report reads. What is wrong with it is kept beside the plan: it stops no sweep.

use super::columns::Resolver;
use crate::plan::due::{Due, TimePlan};
use crate::plan::figures::{AmountPlan, Currency, FiguresPlan, MadePlan, PaidAt, leads};
use crate::plan::schema::{Kind, Schema, TableInfo, TableName};
use crate::profile::{ExpiryHome, Problem, Profile, Text};

/// The columns of which a few values show how they are written.
pub(super) fn samples(profile: &Profile) -> Vec<(TableName, String)> {
    let order = &profile.order;
    let on_order = [&order.created_at, &order.paid_at].into_iter().flatten().map(|time| (&order.table, time));
    let evidence = profile
        .guards
        .iter()
        .filter_map(|guard| guard.paid_at.as_ref().map(|time| (guard.table.as_ref().unwrap_or(&order.table), time)));
    let place = |(table, time): (&Text, &crate::profile::TimeColumn)| {
        (TableName::parse(table.get_ref()), time.column.get_ref().clone())
    };
    on_order.chain(evidence).map(place).collect()
}

/// What of it the live schema has.
pub(super) fn resolve(
    profile: &Profile,
    schema: &Schema,
    due: &Due,
    (order, reservation): (&TableInfo, &TableInfo),
) -> FiguresPlan {
    let section = &profile.order;
    let made = |table: &TableInfo, time: TimePlan| MadePlan { indexed: leads(table, &time.column.name), time };
    let home = |time: &TimePlan| if time.home == ExpiryHome::Order { order } else { reservation };
    let mut problems = Problems::default();
    let mut whole = Whole { schema, profile, problems: &mut problems };
    let order_made = whole.find("order.created_at", |resolver| {
        section.created_at.as_ref().map(|time| resolver.time(order, ExpiryHome::Order, time))
    });
    let paid_at = whole.find("paid_at", |resolver| paid_at(resolver, profile, order));
    let paid = whole.find("order.paid", |resolver| Some(resolver.conditions(order, &section.paid)));
    let fulfilled = whole.find("reservation.fulfilled", |resolver| {
        Some(resolver.conditions(reservation, &profile.reservation.fulfilled))
    });
    let amount = whole.find("order.amount", |resolver| amount(resolver, profile, order));
    FiguresPlan {
        order_made: order_made.map(|time| made(order, time)),
        reservation_made: due.created_at.clone().map(|time| made(home(&time), time)),
        expiry_indexed: due.time.home == ExpiryHome::Reservation && leads(reservation, &due.time.column.name),
        paid: paid.unwrap_or_default(),
        paid_at,
        fulfilled: fulfilled.unwrap_or_default(),
        amount,
        problems,
    }
}

type Problems = Vec<(&'static str, Problem)>;

/// Resolves one field at a time, so that one that does not fit leaves the others whole.
struct Whole<'a> {
    schema: &'a Schema,
    profile: &'a Profile,
    problems: &'a mut Problems,
}

impl Whole<'_> {
    /// What was resolved without a problem.
    fn find<T>(&mut self, field: &'static str, find: impl FnOnce(&mut Resolver<'_>) -> Option<T>) -> Option<T> {
        let mut resolver = Resolver::new(self.schema, self.profile);
        let found = find(&mut resolver).filter(|_| resolver.problems.is_empty());
        self.problems.extend(resolver.problems.into_iter().map(|problem| (field, problem)));
        found
    }
}

fn paid_at(resolver: &mut Resolver<'_>, profile: &Profile, order: &TableInfo) -> Option<PaidAt> {
    if let Some(time) = &profile.order.paid_at {
        return Some(PaidAt::Order(resolver.time(order, ExpiryHome::Order, time)));
    }
    let mut guards = profile.guards.iter().enumerate();
    let (place, guard, time) = guards.find_map(|(place, guard)| Some((place, guard, guard.paid_at.as_ref()?)))?;
    let table = match &guard.table {
        Some(table) => resolver.table_quietly(table)?,
        None => order,
    };
    Some(PaidAt::Guard(place, resolver.time(table, ExpiryHome::Order, time)))
}

fn amount(resolver: &mut Resolver<'_>, profile: &Profile, order: &TableInfo) -> Option<AmountPlan> {
    let section = &profile.order;
    let name = section.amount.as_ref()?;
    let column = resolver.column(order, name);
    if !column.name.is_empty() && !matches!(column.kind, Kind::Integer | Kind::Decimal) {
        let message =
            format!("column `{}.{}` has type `{}`, which is not an amount", order.name, column.name, column.sql_type);
        let hint = "an amount is a decimal number, or a whole number of the smallest unit (cents)";
        resolver.problems.push(Problem::at(name.span(), message).hint(hint));
    }
    let currency = match (&section.currency, &section.currency_code) {
        (Some(name), _) => Currency::Column(resolver.column(order, name)),
        (None, Some(code)) => Currency::Fixed(code.get_ref().clone()),
        (None, None) => Currency::Unnamed,
    };
    Some(AmountPlan { column, scale: section.amount_scale, currency })
}

//! What the shop's own tables tell of the reported days, and what they cannot tell, and why.

use std::collections::BTreeMap;

use jiff::ToSpan;
use jiff::civil::Date;
use serde::Serialize;

use super::period::{Days, number_of, shares};
use super::rate::{Rate, Strange, judge_rate};
use super::unknown::{Reasons, Unindexed, Unknown, unindexed};
use crate::plan::{FoundBy, Plan};
use crate::profile::ExpiryHome;
use crate::shop::{CancelledValue, Figures, OrdersMade, PaymentTimes, ReservationsMade};

/// What the shop was asked, and what it answered.
#[derive(Debug, Clone, Copy)]
pub struct ShopSide<'a> {
    /// What the profile says of its tables.
    pub plan: &'a Plan,
    /// The answer.
    pub figures: &'a Figures,
    /// How many rows of a table a question might read.
    pub rows_max: u32,
}

/// The orders made in a span, and what they are now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct OrderFigures {
    /// How many were made.
    pub made: u64,
    /// How many of them are paid.
    pub paid: Option<u64>,
    /// How many are cancelled, whoever did it.
    pub cancelled: Option<u64>,
    /// How many are unpaid and not cancelled.
    pub still_unpaid: u64,
    /// How many are none of these; the paid and the cancelled ones as well where those cannot be told.
    pub otherwise: u64,
}

/// The reservations made in a span, and what became of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ReservationFigures {
    /// How many were made.
    pub made: u64,
    /// How many units they held.
    pub units: i64,
    /// How many were fulfilled.
    pub fulfilled: Option<u64>,
    /// How many we released.
    pub released: u64,
    /// How many ended in another way; the fulfilled ones as well where those cannot be told.
    pub ended_otherwise: u64,
    /// How many still hold stock.
    pub still_active: u64,
    /// How many of those are due.
    pub still_due: u64,
}

/// How long the orders made in a span took to be paid, in seconds: whole minutes from an hour on, whole hours from a week on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PaymentFigures {
    /// How many orders.
    pub orders: u64,
    /// Half of them took no longer.
    pub p50_seconds: i64,
    /// 95 of 100 took no longer.
    pub p95_seconds: i64,
    /// 99 of 100 took no longer.
    pub p99_seconds: i64,
    /// None took longer.
    pub max_seconds: i64,
    /// How many took how long.
    pub classes: Vec<PaymentClass>,
    /// Of how many it is known when everything they had reserved had expired.
    pub timeout_judged: Option<u64>,
    /// How many of those were paid after that.
    pub paid_after_expiry: Option<u64>,
}

/// Orders that took at least as long as the class before, and less than this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct PaymentClass {
    /// How long, in seconds; nothing for all the rest.
    pub under_seconds: Option<i64>,
    /// How many.
    pub orders: u64,
}

/// The classes of [`PaymentFigures`].
const CLASSES: [i64; 8] = [60, 300, 900, 1_800, 3_600, 21_600, 86_400, 604_800];

/// What orders that we cancelled are worth, in one currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Value {
    /// The currency as the shop writes it; nothing where nobody says it.
    pub currency: Option<String>,
    /// Their sum, with as many decimals as the profile says.
    pub amount: String,
    /// The same in the smallest unit.
    pub amount_units: i64,
    /// How many orders.
    pub orders: u64,
    /// How many of them have an amount that cannot be read, or are no longer there. They are not in the sum.
    pub orders_without_amount: u64,
}

/// What the shop's own tables tell of one day.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ShopDay {
    /// Orders made on it.
    pub orders_made: Option<u64>,
    /// Those of them that are paid by now.
    pub orders_made_paid: Option<u64>,
    /// Those of them that are cancelled by now, whoever did it.
    pub orders_made_cancelled: Option<u64>,
    /// Those of them that are unpaid and not cancelled.
    pub orders_made_unpaid: Option<u64>,
    /// Reservations made on it.
    pub reservations_made: Option<u64>,
    /// Those of them that were fulfilled.
    pub reservations_made_fulfilled: Option<u64>,
    /// Those of them that we released, on this day or later.
    pub reservations_made_released: Option<u64>,
    /// Those of them that still hold stock.
    pub reservations_made_active: Option<u64>,
    /// What the orders that we cancelled on it are worth.
    pub cancelled_value: Option<Vec<Value>>,
}

/// What the shop's own tables tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShopReport {
    /// Orders made.
    pub orders: Option<OrderFigures>,
    /// Reservations made.
    pub reservations: Option<ReservationFigures>,
    /// The time from order to payment; nothing also where no order was paid.
    pub time_to_payment: Option<PaymentFigures>,
    /// What the orders that we cancelled are worth, by currency.
    pub cancelled_value: Option<Vec<Value>>,
    /// How many of the orders that are decided are cancelled.
    pub cancellation_rate: Option<Rate>,
    /// What is strange.
    pub warnings: Vec<String>,
    /// What cannot be known, and why.
    pub unknown: Vec<Unknown>,
    /// What no index finds, so that whole tables were read, or would have had to be.
    pub notes: Vec<String>,
    /// The statements that create those indexes, as whoever knows the database has written them.
    pub index_statements: Vec<String>,
    /// The indexes.
    #[serde(skip)]
    pub unindexed: Vec<Unindexed>,
}

impl ShopReport {
    /// Whether payments were asked for: where they were and there is no time, no order was paid.
    #[must_use]
    pub fn tells_payments(&self) -> bool {
        self.orders.is_some() && self.unknown.iter().all(|unknown| unknown.figure != "time_to_payment")
    }
}

impl ShopSide<'_> {
    fn reasons(&self) -> Reasons<'_> {
        Reasons { plan: self.plan, rows_max: self.rows_max }
    }

    fn tells_paid(&self) -> bool {
        !self.plan.figures.paid.is_empty()
    }

    fn tells_cancelled(&self) -> bool {
        !self.plan.order.cancelled.is_empty()
    }

    fn tells_fulfilled(&self) -> bool {
        !self.plan.figures.fulfilled.is_empty()
    }

    /// One day. Where a part was read, a day without a row has 0.
    pub(super) fn day(&self, number: i64) -> ShopDay {
        let orders = self.figures.orders.read().map(|days| days.get(&number).copied().unwrap_or_default());
        let reserved = self.figures.reservations.read().map(|days| days.get(&number).copied().unwrap_or_default());
        let values = self.figures.cancelled_value.read();
        ShopDay {
            orders_made: orders.map(|orders| orders.made),
            orders_made_paid: orders.filter(|_| self.tells_paid()).map(|orders| orders.paid),
            orders_made_cancelled: orders.filter(|_| self.tells_cancelled()).map(|orders| orders.cancelled),
            orders_made_unpaid: orders.map(|orders| orders.unpaid),
            reservations_made: reserved.map(|reserved| reserved.made),
            reservations_made_fulfilled: reserved.filter(|_| self.tells_fulfilled()).map(|reserved| reserved.fulfilled),
            reservations_made_released: reserved.map(|reserved| reserved.released),
            reservations_made_active: reserved.map(|reserved| reserved.active),
            cancelled_value: values.map(|values| self.values(values.iter().filter(|value| value.day == number))),
        }
    }

    /// Sums by currency.
    fn values<'v>(&self, values: impl Iterator<Item = &'v CancelledValue>) -> Vec<Value> {
        let scale = self.plan.figures.amount.as_ref().map_or(0, |amount| amount.scale);
        let mut sums: BTreeMap<Option<String>, Value> = BTreeMap::new();
        for value in values {
            let fresh = Value {
                currency: value.currency.clone(),
                amount: String::new(),
                amount_units: 0,
                orders: 0,
                orders_without_amount: 0,
            };
            let sum = sums.entry(value.currency.clone()).or_insert(fresh);
            sum.amount_units = sum.amount_units.saturating_add(value.amount);
            sum.orders = sum.orders.saturating_add(value.orders);
            let without = value.orders.saturating_sub(value.readable);
            sum.orders_without_amount = sum.orders_without_amount.saturating_add(without);
        }
        let written = |value: Value| Value { amount: write_decimal(value.amount_units, scale), ..value };
        sums.into_values().map(written).collect()
    }

    fn order_figures(&self, days: &BTreeMap<i64, OrdersMade>) -> OrderFigures {
        let sum = days.values().copied().fold(OrdersMade::default(), OrdersMade::plus);
        let told = sum.unpaid.saturating_add(sum.cancelled).saturating_add(sum.paid);
        OrderFigures {
            made: sum.made,
            paid: self.tells_paid().then_some(sum.paid),
            cancelled: self.tells_cancelled().then_some(sum.cancelled),
            still_unpaid: sum.unpaid,
            otherwise: sum.made.saturating_sub(told),
        }
    }

    fn reservation_figures(&self, days: &BTreeMap<i64, ReservationsMade>) -> ReservationFigures {
        let sum = days.values().copied().fold(ReservationsMade::default(), ReservationsMade::plus);
        let told = sum.active.saturating_add(sum.fulfilled).saturating_add(sum.released);
        ReservationFigures {
            made: sum.made,
            units: sum.units,
            fulfilled: self.tells_fulfilled().then_some(sum.fulfilled),
            released: sum.released,
            ended_otherwise: sum.made.saturating_sub(told),
            still_active: sum.active,
            still_due: sum.due,
        }
    }

    /// The rate of each day, oldest first.
    fn rates(&self, days: Days) -> Option<Vec<(Date, Rate)>> {
        let orders = self.figures.orders.read().filter(|_| self.tells_cancelled())?;
        let all = days.from.series(1.day()).take_while(|day| *day <= days.to);
        let rate = |day: Date| Rate::of(&orders.get(&number_of(day)).copied().unwrap_or_default());
        Some(all.map(|day| (day, rate(day))).collect())
    }

    /// The tables in which no index finds the rows of the days.
    fn unindexed(&self) -> Vec<Unindexed> {
        let (plan, figures) = (self.plan, self.figures);
        let mut found = Vec::new();
        // What was not asked for has another reason, which no index takes away.
        let orders = plan.counts_orders().filter(|_| figures.orders.was_asked());
        let reservations = plan.counts_reservations().filter(|_| figures.reservations.was_asked());
        if let (Some(made), FoundBy::Everything) = (orders, plan.orders_by()) {
            found.push(unindexed(&plan.order.table, &made.time, &figures.orders, "orders"));
        }
        if let (Some(made), FoundBy::Everything) = (reservations, plan.reservations_by()) {
            let home = match made.time.home {
                ExpiryHome::Reservation => &plan.reservation.table,
                ExpiryHome::Order => &plan.order.table,
            };
            found.push(unindexed(home, &made.time, &figures.reservations, "reservations"));
        }
        found
    }

    fn unknown(&self) -> Vec<Unknown> {
        let (reasons, figures) = (self.reasons(), self.figures);
        let mut unknown = Vec::new();
        match figures.orders.read() {
            None => unknown.push(reasons.orders(&figures.orders)),
            Some(_) => {
                unknown.extend((!self.tells_paid()).then(|| reasons.paid()));
                unknown.extend((!self.tells_cancelled()).then(|| reasons.cancelled()));
            }
        }
        match figures.reservations.read() {
            None => unknown.push(reasons.reservations(&figures.reservations)),
            Some(_) => unknown.extend((!self.tells_fulfilled()).then(|| reasons.fulfilled())),
        }
        match figures.payments.read() {
            None => unknown.extend(reasons.payments(&figures.payments, &figures.orders)),
            Some(times) => unknown.extend(times.judged.is_none().then(|| reasons.paid_late())),
        }
        if figures.cancelled_value.read().is_none() {
            unknown.push(reasons.value(&figures.cancelled_value));
        }
        unknown
    }
}

/// What the report does not tell of this plan since the database does not know a zone that the profile names.
#[must_use]
pub fn unknown_zones(plan: &Plan, figures: &Figures) -> Vec<Unknown> {
    Reasons { plan, rows_max: 0 }.unknown_zones(figures)
}

/// Makes the shop's part of the report.
pub(super) fn report_shop(days: Days, shop: &ShopSide<'_>) -> ShopReport {
    let figures = shop.figures;
    let rates = shop.rates(days);
    let strange = rates.as_ref().and_then(|rates| judge_rate(rates));
    let rate = figures.orders.read().filter(|_| rates.is_some()).map(|days| {
        let sum = shop.order_figures(days);
        Rate::of(&OrdersMade {
            made: sum.made,
            unpaid: sum.still_unpaid,
            cancelled: sum.cancelled.unwrap_or(0),
            paid: sum.paid.unwrap_or(0),
        })
    });
    let unindexed = shop.unindexed();
    ShopReport {
        orders: figures.orders.read().map(|days| shop.order_figures(days)),
        reservations: figures.reservations.read().map(|days| shop.reservation_figures(days)),
        time_to_payment: figures.payments.read().and_then(payment_figures),
        cancelled_value: figures.cancelled_value.read().map(|values| shop.values(values.iter())),
        cancellation_rate: rate,
        warnings: strange.map(|strange| warning(&strange)).into_iter().collect(),
        unknown: shop.unknown(),
        notes: unindexed.iter().map(|read| read.note.clone()).collect(),
        index_statements: Vec::new(),
        unindexed,
    }
}

fn payment_figures(times: &PaymentTimes) -> Option<PaymentFigures> {
    let shares = shares(&times.seconds)?;
    let mut classes = Vec::with_capacity(CLASSES.len().saturating_add(1));
    let mut from = 0;
    for under in CLASSES.map(Some).into_iter().chain([None]) {
        let within = |seconds: i64| seconds >= from && under.is_none_or(|under| seconds < under);
        let of_class = times.seconds.iter().filter(|(seconds, _)| within(*seconds));
        let orders = of_class.fold(0_u64, |sum, (_, count)| sum.saturating_add(*count));
        classes.push(PaymentClass { under_seconds: under, orders });
        from = under.unwrap_or(from);
    }
    Some(PaymentFigures {
        orders: times.seconds.iter().fold(0_u64, |sum, (_, count)| sum.saturating_add(*count)),
        p50_seconds: shares.p50,
        p95_seconds: shares.p95,
        p99_seconds: shares.p99,
        max_seconds: shares.max,
        classes,
        timeout_judged: times.judged,
        paid_after_expiry: times.judged.map(|_| times.late),
    })
}

fn warning(strange: &Strange) -> String {
    match strange {
        Strange::High { all } => format!(
            "{} of {} decided orders are cancelled ({}): is the timeout too short for these customers, or does a way to pay not work?",
            all.orders_cancelled,
            all.orders_decided,
            write_percent(all.basis_points.unwrap_or(0))
        ),
        Strange::Risen { day, then, else_days } => format!(
            "of the orders of {day}, {} are cancelled ({} of {}), and of those of the other days {}: does a way to pay not work since then?",
            write_percent(then.basis_points.unwrap_or(0)),
            then.orders_cancelled,
            then.orders_decided,
            write_percent(else_days.basis_points.unwrap_or(0))
        ),
    }
}

/// Hundredths of a percent, as people write them: `12.3 %`, rounded down.
#[must_use]
pub fn write_percent(basis_points: u64) -> String {
    let (whole, rest) = (basis_points.checked_div(100), basis_points.checked_rem(100));
    format!("{}.{} %", whole.unwrap_or(0), rest.and_then(|rest| rest.checked_div(10)).unwrap_or(0))
}

/// Smallest units with so many of their digits behind the point: `-0.05`.
#[must_use]
pub fn write_decimal(units: i64, scale: u8) -> String {
    if scale == 0 {
        return units.to_string();
    }
    let digits = usize::from(scale);
    let all = format!("{:0>width$}", units.unsigned_abs(), width = digits.saturating_add(1));
    let (whole, part) = all.split_at_checked(all.len().saturating_sub(digits)).unwrap_or((&all, ""));
    format!("{}{whole}.{part}", if units < 0 { "-" } else { "" })
}

#[cfg(test)]
mod tests;

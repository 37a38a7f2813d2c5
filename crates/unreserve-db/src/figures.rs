//! What the shop's tables tell of some days: every dialect asks the same questions in the same order, each for the same
//! columns.

use std::collections::BTreeMap;

use unreserve_engine::plan::{MadePlan, PaidAt, Plan, TimePlan};
use unreserve_engine::shop::{
    CancelledValue, Figures, OrdersMade, Part, PaymentTimes, ReservationsMade, ShopError, ShopErrorKind,
};

use crate::cells::{Cells, read_count, read_sum};

/// The statements of a plan, where it says how to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Questions<S> {
    pub(crate) orders: Option<S>,
    pub(crate) reservations: Option<S>,
    pub(crate) payments: Option<S>,
    pub(crate) value: Option<S>,
}

/// How a dialect writes each of them, and which times it can compare with others.
pub(crate) struct Writers<S> {
    pub(crate) readable: fn(&TimePlan) -> bool,
    pub(crate) orders: fn(&Plan, &MadePlan) -> S,
    pub(crate) reservations: fn(&Plan, &MadePlan) -> S,
    pub(crate) payments: fn(&Plan, &MadePlan, &PaidAt) -> S,
    pub(crate) value: fn(&Plan) -> Option<S>,
}

impl<S> Questions<S> {
    /// What can be asked of a plan.
    pub(crate) fn of(plan: &Plan, writers: &Writers<S>) -> Self {
        let made = plan.counts_orders().filter(|made| (writers.readable)(&made.time));
        let payments = plan.times_payments().filter(|(_, paid_at)| (writers.readable)(paid_at.time()));
        let reservations = plan.counts_reservations().filter(|made| (writers.readable)(&made.time));
        Self {
            orders: made.map(|made| (writers.orders)(plan, made)),
            reservations: reservations.map(|made| (writers.reservations)(plan, made)),
            payments: payments
                .filter(|_| made.is_some())
                .map(|(made, paid_at)| (writers.payments)(plan, made, paid_at)),
            value: (writers.value)(plan),
        }
    }

    /// All of them.
    #[cfg(test)]
    pub(crate) fn all(&self) -> impl Iterator<Item = &S> {
        [&self.orders, &self.reservations, &self.payments, &self.value].into_iter().flatten()
    }
}

/// Which span a statement is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    /// The shop's own rows.
    Shop,
    /// The profile's part of the ledger.
    Ledger,
}

/// Asks a database.
pub(crate) trait Ask {
    type Statement;
    type Row: Cells;

    /// Whether the database knows the zone that a column is said to be in.
    async fn knows_zone(&mut self, time: &TimePlan) -> Result<bool, ShopError>;

    /// The rows of a statement, in a transaction of its own: none holds its snapshot, or keeps a shop from committing, for
    /// longer than it needs. Nothing where it takes longer than a statement may.
    async fn rows(&mut self, statement: &Self::Statement, of: Of) -> Result<Option<Vec<Self::Row>>, ShopError>;
}

/// Asks what can be asked, each part by itself: what one cannot tell is no failure of the others.
pub(crate) async fn ask<A: Ask>(
    database: &mut A,
    plan: &Plan,
    questions: &Questions<A::Statement>,
    rows_max: u32,
) -> Result<Figures, ShopError> {
    let mut figures = Figures {
        orders: Part::NotAsked,
        reservations: Part::NotAsked,
        payments: Part::NotAsked,
        cancelled_value: Part::NotAsked,
    };
    if let (Some(statement), Some(made)) = (&questions.orders, plan.counts_orders()) {
        figures.orders = if database.knows_zone(&made.time).await? {
            orders(database.rows(statement, Of::Shop).await?, rows_max)?
        } else {
            Part::UnknownZone
        };
    }
    if let (Some(statement), Some((_, paid_at))) = (&questions.payments, plan.times_payments()) {
        let knows_zone = figures.orders != Part::UnknownZone && database.knows_zone(paid_at.time()).await?;
        figures.payments = match &figures.orders {
            _ if !knows_zone => Part::UnknownZone,
            // The same rows would have to be read once more. Whoever allows none only tries whether the statements run.
            Part::TooMany if rows_max > 0 => Part::TooMany,
            Part::TooLong => Part::TooLong,
            _ => payments(database.rows(statement, Of::Shop).await?, plan.judges_timeout())?,
        };
    }
    if let (Some(statement), Some(made)) = (&questions.reservations, plan.counts_reservations()) {
        figures.reservations = if database.knows_zone(&made.time).await? {
            reservations(database.rows(statement, Of::Shop).await?, rows_max)?
        } else {
            Part::UnknownZone
        };
    }
    if let Some(statement) = &questions.value {
        figures.cancelled_value = cancelled_value(database.rows(statement, Of::Ledger).await?, rows_max)?;
    }
    Ok(figures)
}

/// The rows of one part, or why there are none. A statement that takes longer than it may is no failure of the others.
pub(crate) fn rows_or_too_long<R>(outcome: Result<Vec<R>, ShopError>) -> Result<Option<Vec<R>>, ShopError> {
    match outcome {
        Ok(rows) => Ok(Some(rows)),
        Err(error) if error.kind == ShopErrorKind::LockTimeout => Ok(None),
        Err(error) => Err(error),
    }
}

/// Adds rows up by day. The first column is the day, NULL where a row that was read is of none; the second counts them.
fn by_day<R: Cells, T>(
    rows: &[R],
    rows_max: u32,
    name: &'static str,
    made: impl Fn(&R) -> Result<T, ShopError>,
) -> Result<Part<BTreeMap<i64, T>>, ShopError> {
    let mut read = 0_u64;
    let mut days = BTreeMap::new();
    for row in rows {
        read = read.saturating_add(read_count(row, 1, name)?);
        if let Some(day) = row.integer(0, name)? {
            days.insert(day, made(row)?);
        }
    }
    Ok(if read > u64::from(rows_max) { Part::TooMany } else { Part::Read(days) })
}

/// The rows of `figures_orders`: day, made, unpaid, cancelled, paid.
fn orders(rows: Option<Vec<impl Cells>>, rows_max: u32) -> Result<Part<BTreeMap<i64, OrdersMade>>, ShopError> {
    const NAME: &str = "figures_orders";
    let Some(rows) = rows else { return Ok(Part::TooLong) };
    by_day(&rows, rows_max, NAME, |row| {
        Ok(OrdersMade {
            made: read_count(row, 1, NAME)?,
            unpaid: read_count(row, 2, NAME)?,
            cancelled: read_count(row, 3, NAME)?,
            paid: read_count(row, 4, NAME)?,
        })
    })
}

/// The rows of `figures_reservations`: day, made, units, active, due, fulfilled, released.
fn reservations(
    rows: Option<Vec<impl Cells>>,
    rows_max: u32,
) -> Result<Part<BTreeMap<i64, ReservationsMade>>, ShopError> {
    const NAME: &str = "figures_reservations";
    let Some(rows) = rows else { return Ok(Part::TooLong) };
    by_day(&rows, rows_max, NAME, |row| {
        Ok(ReservationsMade {
            made: read_count(row, 1, NAME)?,
            units: read_sum(row, 2, NAME)?,
            active: read_count(row, 3, NAME)?,
            due: read_count(row, 4, NAME)?,
            fulfilled: read_count(row, 5, NAME)?,
            released: read_count(row, 6, NAME)?,
        })
    })
}

/// The rows of `figures_payments`, shortest first: seconds, orders, those of which the expiry is known, those paid after it.
fn payments(rows: Option<Vec<impl Cells>>, judges: bool) -> Result<Part<PaymentTimes>, ShopError> {
    const NAME: &str = "figures_payments";
    let Some(rows) = rows else { return Ok(Part::TooLong) };
    let (mut seconds, mut judged, mut late) = (Vec::with_capacity(rows.len()), 0_u64, 0_u64);
    for row in &rows {
        seconds.push((read_sum(row, 0, NAME)?, read_count(row, 1, NAME)?));
        judged = judged.saturating_add(read_count(row, 2, NAME)?);
        late = late.saturating_add(read_count(row, 3, NAME)?);
    }
    Ok(Part::Read(PaymentTimes { seconds, judged: judges.then_some(judged), late }))
}

/// The rows of `figures_value`: day, currency, orders, those with a readable amount, their sum.
fn cancelled_value(rows: Option<Vec<impl Cells>>, rows_max: u32) -> Result<Part<Vec<CancelledValue>>, ShopError> {
    const NAME: &str = "figures_value";
    let Some(rows) = rows else { return Ok(Part::TooLong) };
    let mut values = Vec::with_capacity(rows.len());
    for row in &rows {
        values.push(CancelledValue {
            day: read_sum(row, 0, NAME)?,
            currency: row.text(1, NAME)?,
            orders: read_count(row, 2, NAME)?,
            readable: read_count(row, 3, NAME)?,
            amount: read_sum(row, 4, NAME)?,
        });
    }
    let read = values.iter().fold(0_u64, |sum, value| sum.saturating_add(value.orders));
    Ok(if read > u64::from(rows_max) { Part::TooMany } else { Part::Read(values) })
}

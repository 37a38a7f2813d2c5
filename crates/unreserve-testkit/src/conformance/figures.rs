//! What the shop's own tables tell of some days.

use std::collections::BTreeMap;

use jiff::Timestamp;
use unreserve_engine::shop::{
    CancelledValue, CheckedShop, Figures, FiguresQuery, OrdersMade, Part, PaymentTimes, ReservationsMade,
};

use super::steps::{acquire, end, whole_batch};
use crate::failure::{Failure, equal, holds, present};
use crate::shops::{
    Cell, Column, ColumnKind, MakeShop, NewReservation, PAYMENTS, Pool, RESERVATIONS, Row, Rules, State, Sweeper,
    Table, World,
};

/// Two days before this instant, and the one after it: a test that runs at midnight sees two of them.
fn days_round(now: Timestamp, rows_max: u32) -> Result<FiguresQuery, Failure> {
    let midnight = |days: i64| {
        let day = now.as_second().div_euclid(86_400).saturating_add(days);
        Timestamp::from_second(day.saturating_mul(86_400))
    };
    Ok(FiguresQuery { from: midnight(-2)?, to: midnight(2)?, rows_max })
}

async fn ask(shop: &mut dyn CheckedShop, rows_max: u32) -> Result<Figures, Failure> {
    let now = shop.outlook(1).await?.now;
    Ok(shop.figures(&days_round(now, rows_max)?).await?)
}

fn read<T>(part: Part<T>, what: &str) -> Result<T, Failure> {
    match part {
        Part::Read(read) => Ok(read),
        Part::TooMany => Err(Failure::new(format!("{what}: too many rows"))),
        Part::TooLong => Err(Failure::new(format!("{what}: took too long"))),
        Part::UnknownZone => Err(Failure::new(format!("{what}: the time zone is not known"))),
        Part::NotAsked => Err(Failure::new(format!("{what}: not asked"))),
    }
}

fn orders(days: &BTreeMap<i64, OrdersMade>) -> (u64, u64, u64, u64) {
    let sum = days.values().copied().fold(OrdersMade::default(), OrdersMade::plus);
    (sum.made, sum.unpaid, sum.cancelled, sum.paid)
}

fn reservations(days: &BTreeMap<i64, ReservationsMade>) -> ReservationsMade {
    days.values().copied().fold(ReservationsMade::default(), ReservationsMade::plus)
}

/// An order that was made so many seconds ago and is worth so much, with a reservation that expires so many seconds from now.
async fn add(
    world: &mut World,
    number: &str,
    status: &str,
    ago: i64,
    worth: Cell,
    new: NewReservation,
) -> Result<String, Failure> {
    world.add_order(number, status).await?;
    let made = [("created_at", Cell::FromNow(ago.saturating_neg())), ("total_amount", worth)];
    world.change_order(number, &made).await?;
    let created_in = ago.saturating_neg();
    world.add_reservation(number, NewReservation { created_in, ..new }).await
}

async fn pay(world: &mut World, number: &str, seconds_ago: i64) -> Result<(), Failure> {
    let id = world.add_payment(number, "succeeded").await?;
    let at = [("created_at", Cell::FromNow(seconds_ago.saturating_neg()))];
    let changed = world.session.update(PAYMENTS, &at, &[("id", Cell::Integer(id))]).await?;
    equal(&changed, &1, "payments dated")
}

/// Nine orders: one fulfilled, one that waits, two that we cancel, one that the shop cancelled, one paid too late, one that
/// is due after the sweep, and two outside the days.
async fn nine_orders(make: MakeShop) -> Result<(World, Box<dyn CheckedShop>), Failure> {
    let mut world = World::new(make, Rules::default()).await?;
    world.add_stock(Pool::Variant, 1, 1_000, Some(100)).await?;
    let decimal = |text: &str| Cell::Decimal(text.to_owned());
    let (waiting, due) = (NewReservation::variant(1, 2, 600), NewReservation::variant(1, 3, -1_800));
    let fulfilled = NewReservation { state: State::Fulfilled, ..due };
    add(&mut world, "paid", "paid", 3_600, decimal("10.00"), fulfilled).await?;
    pay(&mut world, "paid", 3_500).await?;
    add(&mut world, "waits", "pending", 300, decimal("10.00"), waiting).await?;
    add(&mut world, "released", "pending", 3_600, decimal("19.99"), due).await?;
    add(&mut world, "worthless", "failed", 3_600, Cell::Null, due).await?;
    let own = add(&mut world, "own", "cancelled", 3_600, decimal("5.00"), due).await?;
    let ended = [("is_active", Cell::Boolean(false))];
    world.session.update(RESERVATIONS, &ended, &[("reservation_id", Cell::text(own))]).await?;
    add(&mut world, "late", "pending", 3_600, decimal("10.00"), due).await?;
    pay(&mut world, "late", 60).await?;
    let long_ago = NewReservation { state: State::Fulfilled, ..NewReservation::variant(1, 9, -860_000) };
    add(&mut world, "old", "paid", 864_000, decimal("10.00"), long_ago).await?;
    pay(&mut world, "old", 863_000).await?;
    let far_off = NewReservation { state: State::Fulfilled, ..NewReservation::variant(1, 9, 900_000) };
    add(&mut world, "future", "paid", -864_000, decimal("10.00"), far_off).await?;
    let mut shop = world.open().await?;
    let sweeper = Sweeper::new("one");
    acquire(shop.as_mut(), &sweeper).await?;
    whole_batch(shop.as_mut(), &sweeper).await?;
    shop.close(&sweeper.holder.token, &end(&sweeper)).await?;
    add(&mut world, "due", "pending", 3_600, decimal("10.00"), due).await?;
    Ok((world, shop))
}

/// Orders, reservations, payments and values of the days that were asked for, and of no others.
///
/// # Errors
/// It does not hold.
pub async fn counts_what_was_made_in_these_days_and_what_became_of_it(make: MakeShop) -> Result<(), Failure> {
    let (_world, mut shop) = nine_orders(make).await?;
    let figures = ask(shop.as_mut(), 1_000).await?;
    equal(&orders(&read(figures.orders, "orders")?), &(7, 3, 3, 1), "orders made, unpaid, cancelled, paid")?;
    let expected = ReservationsMade { made: 7, units: 20, active: 3, due: 1, fulfilled: 1, released: 2 };
    equal(&reservations(&read(figures.reservations, "reservations")?), &expected, "reservations")?;
    let PaymentTimes { seconds, judged, late } = read(figures.payments, "payments")?;
    let [(soon, 1), (later, 1)] = seconds.as_slice() else {
        return Err(Failure::new(format!("two payments were expected, not {seconds:?}")));
    };
    holds((99..130).contains(soon) && (3_500..3_600).contains(later), &format!("the times, not {seconds:?}"))?;
    equal(&(judged, late), &(Some(2), 1), "how many were judged, and how many were late")?;
    let mut values = read(figures.cancelled_value, "values")?;
    let CancelledValue { currency, orders, readable, amount, .. } = present(values.pop(), "value of cancelled orders")?;
    equal(&(currency, orders, readable, amount), &(None, 2, 1, 1_999), "the value of cancelled orders")?;
    equal(&values.len(), &0, "other days' values")?;

    let now = shop.outlook(1).await?.now;
    let query = days_round(now, 1_000)?;
    let later =
        FiguresQuery { from: query.to, to: query.to.checked_add(jiff::SignedDuration::from_hours(24))?, ..query };
    let figures = shop.figures(&later).await?;
    equal(&read(figures.orders, "orders")?.len(), &0, "days with orders after them")?;
    equal(&read(figures.reservations, "reservations")?.len(), &0, "days with reservations after them")?;
    equal(&read(figures.payments, "payments")?.seconds, &Vec::new(), "payments after them")?;
    equal(&read(figures.cancelled_value, "values")?, &Vec::new(), "values after them")
}

/// A part whose rows are more than were allowed is not answered; the others are.
///
/// # Errors
/// It does not hold.
pub async fn reads_no_more_rows_than_were_allowed(make: MakeShop) -> Result<(), Failure> {
    let (_world, mut shop) = nine_orders(make).await?;
    let figures = ask(shop.as_mut(), 2).await?;
    equal(&figures.orders, &Part::TooMany, "orders")?;
    equal(&figures.reservations, &Part::TooMany, "reservations")?;
    equal(&figures.payments, &Part::TooMany, "payments")?;
    equal(&read(figures.cancelled_value, "values")?.len(), &1, "values of two orders")?;
    equal(&ask(shop.as_mut(), 1).await?.cancelled_value, &Part::TooMany, "values")
}

/// Where the profile does not say how, nothing is asked, and nothing is guessed.
///
/// # Errors
/// It does not hold.
pub async fn asks_for_nothing_that_the_profile_does_not_name(make: MakeShop) -> Result<(), Failure> {
    let mut world = World::new(make, Rules::default()).await?;
    let unnamed = ["created_at", "paid", "amount", "fulfilled"];
    let bare: Vec<&str> =
        world.profile.lines().filter(|line| !unnamed.iter().any(|name| line.starts_with(name))).collect();
    let bare = bare.join("\n");
    world.set_profile(&bare);
    world.add_due_orders(&[("M-1", 1)]).await?;
    let mut shop = world.open().await?;
    let figures = ask(shop.as_mut(), 1_000).await?;
    let nothing = Figures {
        orders: Part::NotAsked,
        reservations: Part::NotAsked,
        payments: Part::NotAsked,
        cancelled_value: Part::NotAsked,
    };
    equal(&figures, &nothing, "what was asked")
}

const TICKETS: &str = r#"
name = "tickets"
[order]
table = "order"
key = "id"
unpaid = { state = 0 }
cancelled = { state = 9 }
cancel = { state = 9 }
created_at = "made"
expires_at = "until"
paid = { state = 1 }
paid_at = "paid"
amount = "cents"
currency = "money"
[reservation]
table = "seat"
key = ["row", "place"]
order = "order"
quantity = "pieces"
active = { taken = true }
release = { taken = false }
"#;

fn tickets() -> [Table; 2] {
    let (small, instant) = (ColumnKind::Integer, ColumnKind::Instant);
    let order = vec![
        Column::new("id", ColumnKind::BigInteger),
        Column::new("state", small),
        Column::new("made", instant),
        Column::new("until", instant),
        Column::nullable("paid", instant),
        Column::new("cents", ColumnKind::BigInteger),
        Column::nullable("money", ColumnKind::Varchar(3)),
    ];
    let seat = vec![
        Column::new("row", ColumnKind::Varchar(5)),
        Column::new("place", small),
        Column::new("order", ColumnKind::BigInteger),
        Column::new("pieces", small),
        Column::new("taken", ColumnKind::Boolean),
    ];
    let table = |name, columns, key: &[&'static str]| Table {
        name,
        columns,
        key: key.to_vec(),
        references: Vec::new(),
        checks: Vec::new(),
    };
    [table("order", order, &["id"]), table("seat", seat, &["row", "place"])]
}

/// Instants that all stand on the order, whole numbers as keys, cents with a currency, keys of two columns.
///
/// # Errors
/// It does not hold.
pub async fn reads_amounts_keys_and_times_of_another_shape(make: MakeShop) -> Result<(), Failure> {
    let mut world = World::bare(make).await?;
    world.session.create(&tickets()).await?;
    let n = Cell::Integer;
    let order = |id: i64, state: i64, until: i64, paid: Cell, cents: i64, money: Cell| {
        [
            ("id", n(id)),
            ("state", n(state)),
            ("made", Cell::FromNow(-7_200)),
            ("until", Cell::FromNow(until)),
            ("paid", paid),
            ("cents", n(cents)),
            ("money", money),
        ]
    };
    let seat = |place: i64, order: i64, taken: bool| {
        [
            ("row", Cell::text("a/b")),
            ("place", n(place)),
            ("order", n(order)),
            ("pieces", n(1)),
            ("taken", Cell::Boolean(taken)),
        ]
    };
    let rows: [(&str, Row<'_>); 8] = [
        ("order", &order(9_007_199_254_740_993, 0, -60, Cell::Null, 1_250, Cell::text("EUR"))),
        ("order", &order(2, 0, -60, Cell::Null, 300, Cell::Null)),
        ("order", &order(3, 1, -3_600, Cell::FromNow(-3_300), 4_000, Cell::text("EUR"))),
        ("order", &order(4, 1, -3_600, Cell::FromNow(-7_190), 4_000, Cell::text("EUR"))),
        ("seat", &seat(1, 9_007_199_254_740_993, true)),
        ("seat", &seat(2, 2, true)),
        ("seat", &seat(3, 3, false)),
        ("seat", &seat(4, 4, false)),
    ];
    for (table, row) in rows {
        world.session.insert(table, row).await?;
    }
    world.set_profile(TICKETS);
    let mut shop = world.open().await?;
    let mut sweeper = Sweeper::new("one");
    sweeper.start.profile = shop.plan().profile.clone();
    acquire(shop.as_mut(), &sweeper).await?;
    equal(&whole_batch(shop.as_mut(), &sweeper).await?.orders_cancelled, &2, "orders cancelled")?;
    let figures = ask(shop.as_mut(), 1_000).await?;
    equal(&orders(&read(figures.orders, "orders")?), &(4, 0, 2, 2), "orders made, unpaid, cancelled, paid")?;
    let expected = ReservationsMade { made: 4, units: 4, active: 0, due: 0, fulfilled: 0, released: 2 };
    equal(&reservations(&read(figures.reservations, "reservations")?), &expected, "reservations")?;
    let PaymentTimes { seconds, judged, late } = read(figures.payments, "payments")?;
    let counts: Vec<u64> = seconds.iter().map(|(_, count)| *count).collect();
    equal(&(counts, judged, late), &(vec![1, 1], Some(2), 1), "payments, those judged, those late")?;
    // Whole minutes from an hour on.
    let (short, long) = (present(seconds.first(), "payment")?.0, present(seconds.last(), "payment")?.0);
    holds(
        (9..40).contains(&short) && long % 60 == 0 && (3_840..3_960).contains(&long),
        &format!("the times, not {seconds:?}"),
    )?;
    let mut values = read(figures.cancelled_value, "values")?;
    values.sort_by(|one, other| one.currency.cmp(&other.currency));
    let told: Vec<_> = values.iter().map(|value| (value.currency.as_deref(), value.readable, value.amount)).collect();
    equal(&told, &vec![(None, 1, 300), (Some("EUR"), 1, 1_250)], "values by currency")
}

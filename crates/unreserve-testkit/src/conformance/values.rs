//! Shops of other shapes: keys of every kind, decimals, counters that are NULL.

use unreserve_engine::plan::Policy;
use unreserve_engine::shop::{CheckedShop, LockTest, ShopErrorKind};

use super::steps::{acquire, prepare, whole_batch};
use crate::failure::{Failure, equal, holds};
use crate::shops::{
    Cell, Column, ColumnKind, MakeShop, NewReservation, Pool, Row, Rules, Source, Sweeper, Table, World,
};

fn table(name: &'static str, columns: Vec<Column>, key: &[&'static str]) -> Table {
    Table { name, columns, key: key.to_vec(), references: Vec::new(), checks: Vec::new() }
}

/// A shop of another shape, opened and with the lease taken.
async fn opened(
    make: MakeShop,
    tables: &[Table],
    profile: &str,
    rows: &[(&str, Row<'_>)],
) -> Result<(World, Box<dyn CheckedShop>, Sweeper), Failure> {
    let mut world = World::bare(make).await?;
    world.session.create(tables).await?;
    for (table, row) in rows {
        world.session.insert(table, row).await?;
    }
    world.set_profile(profile);
    let mut shop = world.open().await?;
    let mut sweeper = Sweeper::new("one");
    sweeper.start.profile = shop.plan().profile.clone();
    acquire(shop.as_mut(), &sweeper).await?;
    Ok((world, shop, sweeper))
}

const NUMBERED: &str = r#"
name = "numbered"
[order]
table = "order"
key = "id"
unpaid = { state = [0, 1] }
cancel = { state = 9, note = "no payment", ended_at = "$now" }
[reservation]
table = "hold"
key = "id"
order = "order"
quantity = "pieces"
expires_at = "until"
created_at = "since"
release = "delete"
[[stock]]
table = "select"
key = { id = "item" }
reserved = "held"
on_hand = "free"
"#;

/// Whole numbers as keys and statuses, reserved words as names, a hold that is deleted, a counter that goes up.
///
/// # Errors
/// It does not hold.
pub async fn keys_of_whole_numbers(make: MakeShop) -> Result<(), Failure> {
    let big = ColumnKind::BigInteger;
    let tables = [
        table(
            "order",
            vec![
                Column::new("id", ColumnKind::Integer),
                Column::new("state", ColumnKind::Integer),
                Column::nullable("note", ColumnKind::Varchar(20)),
                Column::nullable("ended_at", ColumnKind::Instant),
            ],
            &["id"],
        ),
        table("select", vec![Column::new("id", big), Column::new("held", big), Column::new("free", big)], &["id"]),
        table(
            "hold",
            vec![
                Column::new("id", big),
                Column::new("order", ColumnKind::Integer),
                Column::nullable("item", big),
                Column::new("pieces", ColumnKind::Integer),
                Column::new("until", ColumnKind::Instant),
                Column::new("since", ColumnKind::Instant),
            ],
            &["id"],
        ),
    ];
    let n = Cell::Integer;
    let hold = |id: i64, order: i64, item: Cell, pieces: i64, until: i64| {
        [
            ("id", n(id)),
            ("order", n(order)),
            ("item", item),
            ("pieces", n(pieces)),
            ("until", Cell::FromNow(until)),
            ("since", Cell::FromNow(-900)),
        ]
    };
    let rows: &[(&str, Row<'_>)] = &[
        ("select", &[("id", n(9_007_199_254_740_993)), ("held", n(5)), ("free", n(1))]),
        ("order", &[("id", n(-7)), ("state", n(0)), ("note", Cell::Null), ("ended_at", Cell::Null)]),
        ("order", &[("id", n(2)), ("state", n(1)), ("note", Cell::Null), ("ended_at", Cell::Null)]),
        ("order", &[("id", n(3)), ("state", n(2)), ("note", Cell::Null), ("ended_at", Cell::Null)]),
        ("hold", &hold(1, -7, n(9_007_199_254_740_993), 2, -60)),
        ("hold", &hold(2, -7, n(9_007_199_254_740_993), 1, -50)),
        // An item that is not tracked.
        ("hold", &hold(3, 2, Cell::Null, 4, -40)),
        ("hold", &hold(4, 2, n(9_007_199_254_740_993), 1, 600)),
        ("hold", &hold(5, 3, n(9_007_199_254_740_993), 1, -30)),
    ];
    let (mut world, mut shop, sweeper) = opened(make, &tables, NUMBERED, rows).await?;
    let record = whole_batch(shop.as_mut(), &sweeper).await?;
    equal(&(record.reservations, record.units, record.orders_cancelled, record.drift), &(3, 7, 1, 0), "the batch")?;
    let text = |cells: &[&str]| cells.iter().map(|cell| Some((*cell).to_owned())).collect::<Vec<_>>();
    let stock = world.session.read(Source::Shop("select"), &["id", "held", "free"]).await?;
    equal(&stock, &vec![text(&["9007199254740993", "2", "4"])], "the counters")?;
    let mut holds = world.session.read(Source::Shop("hold"), &["id"]).await?;
    holds.sort();
    equal(&holds, &vec![text(&["4"]), text(&["5"])], "the holds that are left")?;
    let mut orders = world.session.read(Source::Shop("order"), &["id", "state"]).await?;
    orders.sort();
    equal(&orders, &vec![text(&["-7", "9"]), text(&["2", "1"]), text(&["3", "2"])], "the orders")
}

const WORDY: &str = r#"
name = "wordy"
[order]
table = "Bestellung"
key = "Schlüssel"
number = "na\"me"
unpaid = { "Zu'stand" = ["offen', DROP TABLE Bestellung; --", "{$1}"] }
cancel = { "Zu'stand" = "stor\"niert' || 'x" }
[reservation]
table = "Bestellung.Zeile"
key = "Schlüssel"
order = "Bestellung"
quantity = "Menge"
expires_at = "bis"
created_at = "seit"
active = { "fest?" = true }
release = { "fest?" = false }
[[stock]]
table = "Lager"
key = { "Artikel" = "Artikel" }
reserved = "vor gemerkt"
"#;

/// Keys, names and statuses that would be SQL if they were not kept apart from it.
///
/// # Errors
/// It does not hold.
pub async fn keys_of_text_that_looks_like_sql(make: MakeShop) -> Result<(), Failure> {
    let text = ColumnKind::Varchar(80);
    let tables = [
        table(
            "Bestellung",
            vec![Column::new("Schlüssel", text), Column::new("na\"me", text), Column::new("Zu'stand", text)],
            &["Schlüssel"],
        ),
        table(
            "Lager",
            vec![Column::new("Artikel", text), Column::new("vor gemerkt", ColumnKind::Integer)],
            &["Artikel"],
        ),
        table(
            "Bestellung.Zeile",
            vec![
                Column::new("Schlüssel", text),
                Column::new("Bestellung", text),
                Column::new("Artikel", text),
                Column::new("Menge", ColumnKind::Integer),
                Column::new("bis", ColumnKind::Instant),
                Column::new("seit", ColumnKind::Instant),
                Column::new("fest?", ColumnKind::Boolean),
            ],
            &["Schlüssel"],
        ),
    ];
    let t = |text: &str| Cell::text(text);
    let order = |key: &str, state: &str| [("Schlüssel", t(key)), ("na\"me", t(key)), ("Zu'stand", t(state))];
    let line = |key: &str, order: &str| {
        [
            ("Schlüssel", t(key)),
            ("Bestellung", t(order)),
            ("Artikel", t("{a,\"b\"}\\NULL")),
            ("Menge", Cell::Integer(1)),
            ("bis", Cell::FromNow(-60)),
            ("seit", Cell::FromNow(-900)),
            ("fest?", Cell::Boolean(true)),
        ]
    };
    let (quoted, braces) = ("'; DROP TABLE \"Lager\"; --", "{\"},NULL,\\");
    let rows: &[(&str, Row<'_>)] = &[
        ("Lager", &[("Artikel", t("{a,\"b\"}\\NULL")), ("vor gemerkt", Cell::Integer(3))]),
        ("Bestellung", &order(quoted, "offen', DROP TABLE Bestellung; --")),
        ("Bestellung", &order(braces, "{$1}")),
        ("Bestellung", &order("NULL", "paid")),
        ("Bestellung.Zeile", &line(quoted, quoted)),
        ("Bestellung.Zeile", &line(braces, braces)),
        ("Bestellung.Zeile", &line("", "NULL")),
    ];
    // A dot in a name: the profile writes it in double quotes.
    let profile = WORDY.replace("\"Bestellung.Zeile\"", "'\"Bestellung.Zeile\"'");
    let (mut world, mut shop, sweeper) = opened(make, &tables, &profile, rows).await?;
    let record = whole_batch(shop.as_mut(), &sweeper).await?;
    equal(&(record.reservations, record.units, record.orders_cancelled), &(2, 2, 2), "the batch")?;
    let mut orders = world.session.read(Source::Shop("Bestellung"), &["Schlüssel", "Zu'stand"]).await?;
    orders.sort();
    let row = |key: &str, state: &str| vec![Some(key.to_owned()), Some(state.to_owned())];
    let mut expected = vec![row(quoted, "stor\"niert' || 'x"), row(braces, "stor\"niert' || 'x"), row("NULL", "paid")];
    expected.sort();
    equal(&orders, &expected, "the orders")?;
    let stock = world.session.read(Source::Shop("Lager"), &["vor gemerkt"]).await?;
    equal(&stock, &vec![vec![Some("1".to_owned())]], "the counter")?;
    holds(shop.explain(quoted, LockTest::Try).await?.is_some(), "an order is found by its key")
}

const COMPOSITE: &str = r#"
name = "composite"
[order]
table = "sale"
key = "id"
unpaid = { state = "open" }
[reservation]
table = "line"
key = ["sale", "place"]
order = "sale"
quantity = "weight"
quantity_scale = 3
expires_at = "until"
created_at = "since"
active = { done_at = "$null" }
release = { done_at = "$now" }
[[stock]]
table = "shelf"
key = { depot = "depot", sku = "item" }
reserved = "held"
on_hand = "free"
"#;

fn composite_tables(counter: ColumnKind) -> [Table; 3] {
    let text = ColumnKind::Varchar(20);
    let number = ColumnKind::Integer;
    [
        table("sale", vec![Column::new("id", number), Column::new("state", text)], &["id"]),
        table(
            "shelf",
            vec![
                Column::new("depot", number),
                Column::new("sku", text),
                Column::nullable("held", counter),
                Column::nullable("free", counter),
            ],
            &["depot", "sku"],
        ),
        table(
            "line",
            vec![
                Column::new("sale", number),
                Column::new("place", number),
                Column::nullable("depot", number),
                Column::nullable("item", text),
                Column::new("weight", ColumnKind::Decimal(12, 3)),
                Column::new("until", ColumnKind::Instant),
                Column::new("since", ColumnKind::Instant),
                Column::nullable("done_at", ColumnKind::Instant),
            ],
            &["sale", "place"],
        ),
    ]
}

fn line(sale: i64, place: i64, item: (Cell, Cell), weight: &str) -> [(&'static str, Cell); 8] {
    [
        ("sale", Cell::Integer(sale)),
        ("place", Cell::Integer(place)),
        ("depot", item.0),
        ("item", item.1),
        ("weight", Cell::Decimal(weight.to_owned())),
        ("until", Cell::FromNow(-60)),
        ("since", Cell::FromNow(-900)),
        ("done_at", Cell::Null),
    ]
}

/// Two columns make a key, weights have three decimals, and orders are never written.
///
/// # Errors
/// It does not hold.
pub async fn composite_keys_decimals_and_deleted_rows(make: MakeShop) -> Result<(), Failure> {
    let decimal = |text: &str| Cell::Decimal(text.to_owned());
    let shelf = |depot: i64, sku: &str, held: &str, free: Cell| {
        [("depot", Cell::Integer(depot)), ("sku", Cell::text(sku)), ("held", decimal(held)), ("free", free)]
    };
    let at = |depot: i64, sku: &str| (Cell::Integer(depot), Cell::text(sku));
    let rows: &[(&str, Row<'_>)] = &[
        ("shelf", &shelf(1, "tea", "10.500", decimal("1.000"))),
        ("shelf", &shelf(2, "tea", "0.250", Cell::Null)),
        ("sale", &[("id", Cell::Integer(1)), ("state", Cell::text("open"))]),
        ("sale", &[("id", Cell::Integer(2)), ("state", Cell::text("open"))]),
        ("line", &line(1, 1, at(1, "tea"), "0.125")),
        ("line", &line(1, 2, at(1, "tea"), "2.001")),
        ("line", &line(2, 1, at(2, "tea"), "0.300")),
        // Half a key is none.
        ("line", &line(2, 2, (Cell::Integer(2), Cell::Null), "1")),
    ];
    let tables = composite_tables(ColumnKind::Decimal(12, 3));
    let (mut world, mut shop, sweeper) = opened(make, &tables, COMPOSITE, rows).await?;
    let record = whole_batch(shop.as_mut(), &sweeper).await?;
    equal(&(record.reservations, record.units, record.orders_cancelled), &(4, 3_426, 0), "the batch")?;
    equal(&record.drift, &50, "the drift, in thousandths")?;
    let mut stock = world.session.read(Source::Shop("shelf"), &["depot", "held", "free"]).await?;
    stock.sort();
    let seen: Vec<Vec<Option<f64>>> = stock
        .iter()
        .map(|row| row.iter().map(|cell| cell.as_ref().and_then(|text| text.parse().ok())).collect())
        .collect();
    let expected = vec![vec![Some(1.0), Some(8.374), Some(3.126)], vec![Some(2.0), Some(0.0), None]];
    equal(&seen, &expected, "the counters")
}

/// A counter that is NULL is not kept: it stays NULL, and nothing of it is drift.
///
/// # Errors
/// It does not hold.
pub async fn a_counter_that_is_null_stays_null(make: MakeShop) -> Result<(), Failure> {
    let mut world = World::new(make, Rules::default()).await?;
    world.add_stock(Pool::Variant, 1, 10, None).await?;
    world.add_order("M-1", "pending").await?;
    world.add_reservation("M-1", NewReservation::variant(1, 3, -600)).await?;
    let mut shop = world.open().await?;
    let sweeper = Sweeper::new("one");
    acquire(shop.as_mut(), &sweeper).await?;
    let before = world.look().await?;
    let record = whole_batch(shop.as_mut(), &sweeper).await?;
    equal(&(record.reservations, record.units, record.stock_rows, record.drift), &(1, 3, 0, 0), "the batch")?;
    let after = world.look().await?;
    equal(&after.stock, &before.stock, "the stock rows")
}

/// Half a kilo of a counter in whole kilos: refused in the plan or for that order, but never rounded.
///
/// # Errors
/// It does not hold.
pub async fn a_fraction_that_a_counter_cannot_hold_is_never_rounded(make: MakeShop) -> Result<(), Failure> {
    let shelf = [
        ("depot", Cell::Integer(1)),
        ("sku", Cell::text("tea")),
        ("held", Cell::Integer(3)),
        ("free", Cell::Integer(1)),
    ];
    let rows: &[(&str, Row<'_>)] = &[
        ("shelf", &shelf),
        ("sale", &[("id", Cell::Integer(1)), ("state", Cell::text("open"))]),
        ("line", &line(1, 1, (Cell::Integer(1), Cell::text("tea")), "0.500")),
    ];
    let mut world = World::bare(make).await?;
    world.session.create(&composite_tables(ColumnKind::Integer)).await?;
    for (table, row) in rows {
        world.session.insert(table, row).await?;
    }
    world.set_profile(COMPOSITE);
    let mut unchecked = world.install().await?;
    let Ok(plan) = world.plan(unchecked.as_mut(), Policy::default()).await else {
        return Ok(());
    };
    let mut shop = unchecked.check(plan.clone()).await?;
    let mut sweeper = Sweeper::new("one");
    sweeper.start.profile.clone_from(&plan.profile);
    acquire(shop.as_mut(), &sweeper).await?;
    let mut batch = shop.begin(sweeper.batch()).await?;
    let settlement = prepare(batch.as_mut(), &plan).await?;
    if let Err(error) = batch.release(&settlement.stock, &settlement.reservations).await {
        let own = matches!(error.kind, ShopErrorKind::Constraint | ShopErrorKind::Invariant);
        holds(own, &format!("it is this order's own trouble: {error}"))?;
        return Ok(batch.rollback().await?);
    }
    batch.rollback().await?;
    // A database whose columns hold whatever is written into them may well hold the fraction.
    whole_batch(shop.as_mut(), &sweeper).await?;
    let stock = world.session.read(Source::Shop("shelf"), &["held"]).await?;
    equal(&stock, &vec![vec![Some("2.5".to_owned())]], "the counter")
}

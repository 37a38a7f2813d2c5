//! What the shop's part of the report says, and what it says it cannot know.

use jiff::civil::date;

use super::*;
use crate::plan::{
    Column, ColumnInfo, IndexInfo, Kind, MadePlan, PaidAt, Policy, Schema, TableInfo, TableName, TimePlan, resolve,
};
use crate::profile::{check, parse};
use crate::shop::Part;

const BARE: &str = r#"
name = "bare"
[order]
table = "orders"
key = "id"
unpaid = { state = ["open"] }
[reservation]
table = "held"
key = "id"
order = "order_id"
quantity = "pieces"
expires_at = "until"
release = "delete"
"#;

const WHOLE: &str = r#"
name = "whole"
time_zone = "UTC"
[order]
table = "orders"
key = "id"
unpaid = { state = ["open"] }
cancelled = { state = ["void"] }
created_at = "made"
paid = { state = ["paid"] }
paid_at = "paid"
amount = "total"
currency = "money"
[reservation]
table = "held"
key = "id"
order = "order_id"
quantity = "pieces"
expires_at = "until"
created_at = "since"
active = { live = true }
release = { live = false }
fulfilled = { sold = true }
"#;

fn table(name: &str, columns: &[(&str, Kind)], indexes: &[&str]) -> TableInfo {
    let column = |(name, kind): &(&str, Kind)| ColumnInfo {
        name: (*name).to_owned(),
        sql_type: "type".to_owned(),
        kind: *kind,
        nullable: true,
        generated: false,
        labels: None,
        samples: Vec::new(),
    };
    let index = |column: &&str| IndexInfo {
        name: format!("{column}_index"),
        columns: vec![(*column).to_owned()],
        condition: None,
    };
    TableInfo {
        asked: TableName { schema: None, table: name.to_owned() },
        schema: None,
        name: name.to_owned(),
        writable: true,
        columns: columns.iter().map(column).collect(),
        indexes: indexes.iter().map(index).collect(),
        references: Vec::new(),
    }
}

fn plan(profile: &str, total: Kind, indexes: &[&str]) -> Plan {
    let profile = check(parse(profile).unwrap()).unwrap();
    let orders = [
        ("id", Kind::Integer),
        ("state", Kind::Text),
        ("made", Kind::DateTime),
        ("paid", Kind::Instant),
        ("total", total),
        ("money", Kind::Text),
    ];
    let held = [
        ("id", Kind::Integer),
        ("order_id", Kind::Integer),
        ("pieces", Kind::Integer),
        ("until", Kind::Instant),
        ("since", Kind::Instant),
        ("live", Kind::Boolean),
        ("sold", Kind::Boolean),
    ];
    let tables = vec![table("orders", &orders, indexes), table("held", &held, indexes)];
    resolve(&profile, &Schema { tables, others: Vec::new() }, Policy::default()).unwrap()
}

fn nothing() -> Figures {
    Figures {
        orders: Part::NotAsked,
        reservations: Part::NotAsked,
        payments: Part::NotAsked,
        cancelled_value: Part::NotAsked,
    }
}

fn days() -> Days {
    Days::between(date(2026, 11, 20), date(2026, 11, 22)).unwrap()
}

fn report(plan: &Plan, figures: &Figures) -> ShopReport {
    report_shop(days(), &ShopSide { plan, figures, rows_max: 1_000 })
}

#[track_caller]
fn reasons(report: &ShopReport, expected: &[(&str, &str)]) {
    let told: Vec<(&str, &str)> =
        report.unknown.iter().map(|unknown| (unknown.figure, unknown.reason.as_str())).collect();
    assert_eq!(told.len(), expected.len(), "{told:?}");
    for ((figure, reason), (wanted, says)) in told.iter().zip(expected) {
        assert!(figure == wanted && reason.contains(says), "{figure}: {reason}, not {wanted}: {says}");
    }
}

#[test]
fn a_profile_that_names_nothing_is_told_what_is_missing() {
    let plan = plan(BARE, Kind::Decimal, &[]);
    let report = report(&plan, &nothing());
    let missing = [
        ("orders", "does not name `order.created_at`"),
        ("reservations", "deletes the reservation's row"),
        ("time_to_payment", "neither `order.paid_at` nor `guard.paid_at`"),
        ("cancelled_value", "does not name `order.amount`"),
    ];
    reasons(&report, &missing);
    assert_eq!((report.orders, report.cancellation_rate, report.warnings.len()), (None, None, 0));
    assert_eq!(ShopSide { plan: &plan, figures: &nothing(), rows_max: 1 }.day(0), ShopDay::default());
}

#[test]
fn a_column_that_only_the_report_reads_and_that_does_not_fit_stops_no_sweep_and_is_told() {
    let strange = plan(WHOLE, Kind::Float, &["made", "since"]);
    assert_eq!(strange.figures.amount, None);
    let figures = Figures { orders: Part::Read(BTreeMap::new()), ..nothing() };
    let told = report(&strange, &figures);
    let amount = told.unknown.iter().find(|unknown| unknown.figure == "cancelled_value").unwrap();
    assert!(amount.reason.contains("`orders.total` has type `type`, which is not an amount"), "{amount:?}");
    // A name that is not there is told with the likely one.
    let slip = plan(&WHOLE.replace("created_at = \"made\"", "created_at = \"mad\""), Kind::Decimal, &[]);
    assert_eq!(slip.figures.order_made, None);
    let told = report(&slip, &nothing());
    assert_eq!(told.unknown[0].remedy.as_deref(), Some("the table has `made`; did you mean that?"));
}

#[test]
fn a_zone_that_nobody_says_is_not_guessed() {
    let plan = plan(&WHOLE.replace("time_zone = \"UTC\"", ""), Kind::Decimal, &["made", "since"]);
    let told = report(&plan, &nothing());
    assert!(told.unknown[0].reason.contains("`made` carries no time zone"), "{:?}", told.unknown);
    assert!(told.unknown.iter().all(|unknown| unknown.figure != "time_to_payment"), "one reason is told once");
}

#[test]
fn a_zone_that_the_database_does_not_know_is_told_part_by_part_and_asks_for_no_index() {
    let zone = "time_zone = \"Europe/Nowhere\"";
    let mut plan = plan(&WHOLE.replace("time_zone = \"UTC\"", zone), Kind::Decimal, &[]);
    let made = plan.figures.order_made.clone().unwrap();
    plan.figures.paid_at = Some(PaidAt::Order(TimePlan {
        column: Column { name: "paid".to_owned(), ..made.time.column.clone() },
        ..made.time.clone()
    }));
    plan.figures.reservation_made = Some(MadePlan {
        time: TimePlan { column: Column { name: "since".to_owned(), ..made.time.column.clone() }, ..made.time },
        indexed: false,
    });
    let of = |column: &str| format!("column `{column}` is said to be in the time zone `Europe/Nowhere`");
    let (made, since, paid) = (of("made"), of("since"), of("paid"));
    let value = Part::Read(Vec::new());
    let all = Figures {
        orders: Part::UnknownZone,
        reservations: Part::UnknownZone,
        payments: Part::UnknownZone,
        cancelled_value: value.clone(),
    };
    let told = report(&plan, &all);
    reasons(&told, &[("orders", &made), ("reservations", &since)]);
    assert_eq!((told.notes.len(), unknown_zones(&plan, &all)), (0, told.unknown));
    let read = Figures {
        orders: Part::Read(BTreeMap::new()),
        reservations: Part::Read(BTreeMap::new()),
        payments: Part::UnknownZone,
        cancelled_value: value,
    };
    let told = report(&plan, &read);
    reasons(&told, &[("time_to_payment", &paid)]);
    assert_eq!((told.notes.len(), unknown_zones(&plan, &read)), (2, told.unknown));
    assert_eq!(unknown_zones(&plan, &nothing()), []);
}

#[test]
fn what_was_not_read_says_why_and_what_helps() {
    let (with, without) = (plan(WHOLE, Kind::Decimal, &["made", "until"]), plan(WHOLE, Kind::Decimal, &[]));
    let figures = Figures {
        orders: Part::TooMany,
        reservations: Part::TooLong,
        payments: Part::TooMany,
        cancelled_value: Part::TooMany,
    };
    for (plan, orders, reservations) in [
        (&with, "ask for fewer days", "ask for fewer and later days"),
        (&without, "create an index on the instant", "create an index on the instant"),
    ] {
        let told = report(plan, &figures);
        let limits = [
            ("orders", "more than 1000 rows"),
            ("reservations", "took longer"),
            ("time_to_payment", "more than 1000 rows"),
            ("cancelled_value", "more than 1000 rows"),
        ];
        reasons(&told, &limits);
        let remedy = |place: usize| told.unknown[place].remedy.as_deref().unwrap();
        assert!(remedy(0).starts_with(orders) && remedy(1).starts_with(reservations), "{:?}", told.unknown);
    }
    assert_eq!(report(&with, &figures).notes, [""; 0]);
    let whole = report(&without, &figures);
    assert_eq!(whole.notes.len(), 2);
    assert_eq!(whole.notes[0], "no index of `orders` begins with `made`, so orders could not be counted");
    let read = report(&without, &Figures { orders: Part::Read(BTreeMap::new()), ..nothing() });
    assert!(read.notes[0].ends_with("so every row of the table was read to count orders"), "{:?}", read.notes);
    let column = |read: &Unindexed| read.index.columns.iter().map(|column: &Column| column.name.clone()).collect();
    let columns: Vec<Vec<String>> = whole.unindexed.iter().map(column).collect();
    assert_eq!(columns, [["made"], ["since"]]);
}

#[test]
fn everything_that_is_known_adds_up() {
    let plan = plan(WHOLE, Kind::Decimal, &["made", "since"]);
    let first = number_of(date(2026, 11, 20));
    let value = |day: i64, currency: &str, orders: u64, readable: u64, amount: i64| CancelledValue {
        day,
        currency: Some(currency.to_owned()),
        orders,
        readable,
        amount,
    };
    let figures = Figures {
        orders: Part::Read(BTreeMap::from([
            (first, OrdersMade { made: 10, unpaid: 1, cancelled: 3, paid: 5 }),
            (first + 2, OrdersMade { made: 4, unpaid: 4, cancelled: 0, paid: 0 }),
        ])),
        reservations: Part::Read(BTreeMap::from([(
            first,
            ReservationsMade { made: 12, units: 20, active: 2, due: 1, fulfilled: 6, released: 3 },
        )])),
        payments: Part::Read(PaymentTimes {
            seconds: vec![(0, 1), (59, 1), (60, 2), (899, 90), (900, 5), (604_800, 1)],
            judged: Some(99),
            late: 6,
        }),
        cancelled_value: Part::Read(vec![
            value(first, "EUR", 2, 1, 1_999),
            value(first, "CHF", 1, 1, -5),
            value(first + 1, "EUR", 1, 1, 1),
        ]),
    };
    let told = report(&plan, &figures);
    reasons(&told, &[]);
    let orders = told.orders.unwrap();
    assert_eq!(
        (orders.made, orders.paid, orders.cancelled, orders.still_unpaid, orders.otherwise),
        (14, Some(5), Some(3), 5, 1)
    );
    let reserved = told.reservations.unwrap();
    assert_eq!(
        (reserved.fulfilled, reserved.released, reserved.ended_otherwise, reserved.still_due),
        (Some(6), 3, 1, 1)
    );
    let rate = told.cancellation_rate.unwrap();
    assert_eq!((rate.orders_decided, rate.basis_points), (9, Some(3_333)));
    let times = told.time_to_payment.unwrap();
    assert_eq!(
        (times.orders, times.p50_seconds, times.p95_seconds, times.p99_seconds, times.max_seconds),
        (100, 899, 900, 900, 604_800)
    );
    let classes: Vec<u64> = times.classes.iter().map(|class| class.orders).collect();
    assert_eq!(classes, [2, 2, 90, 5, 0, 0, 0, 0, 1]);
    assert_eq!((times.timeout_judged, times.paid_after_expiry), (Some(99), Some(6)));
    let values = told.cancelled_value.unwrap();
    let amounts: Vec<_> =
        values.iter().map(|value| (value.amount.as_str(), value.orders, value.orders_without_amount)).collect();
    assert_eq!(amounts, [("-0.05", 1, 0), ("20.00", 3, 1)]);
    let day = ShopSide { plan: &plan, figures: &figures, rows_max: 1 }.day(first + 1);
    assert_eq!((day.orders_made, day.reservations_made_fulfilled), (Some(0), Some(0)));
    assert_eq!(day.cancelled_value.unwrap()[0].amount, "0.01");
}

#[test]
fn fulfilled_and_late_are_not_told_where_the_profile_cannot_tell_them() {
    let text = WHOLE.replace("fulfilled = { sold = true }", "").replace("paid = { state = [\"paid\"] }", "");
    let plan = plan(&text.replace("cancelled = { state = [\"void\"] }", ""), Kind::Decimal, &["made", "since"]);
    let one = OrdersMade { made: 9, unpaid: 1, cancelled: 0, paid: 0 };
    let held = ReservationsMade { made: 5, units: 5, active: 1, due: 0, fulfilled: 0, released: 1 };
    let figures = Figures {
        orders: Part::Read(BTreeMap::from([(number_of(date(2026, 11, 21)), one)])),
        reservations: Part::Read(BTreeMap::from([(number_of(date(2026, 11, 21)), held)])),
        payments: Part::Read(PaymentTimes { seconds: vec![(5, 1)], judged: None, late: 0 }),
        cancelled_value: Part::Read(Vec::new()),
    };
    let told = report(&plan, &figures);
    let missing = [
        ("orders.paid", "`order.paid`"),
        ("orders.cancelled", "`order.cancelled`"),
        ("reservations.fulfilled", "`reservation.fulfilled`"),
        ("paid_after_expiry", "is deleted"),
    ];
    reasons(&told, &missing);
    assert_eq!((told.orders.unwrap().paid, told.orders.unwrap().otherwise), (None, 8));
    assert_eq!((told.reservations.unwrap().fulfilled, told.reservations.unwrap().ended_otherwise), (None, 3));
    assert_eq!(told.cancellation_rate, None);
    assert_eq!(told.time_to_payment.unwrap().paid_after_expiry, None);
    assert_eq!(told.cancelled_value, Some(Vec::new()));
}

#[test]
fn a_strange_rate_is_a_warning() {
    let plan = plan(WHOLE, Kind::Decimal, &["made", "since"]);
    let day = |offset: i8, cancelled: u64| {
        (number_of(date(2026, 11, 20 + offset)), OrdersMade { made: 100, unpaid: 0, cancelled, paid: 100 - cancelled })
    };
    let told = |days: [(i64, OrdersMade); 3]| {
        report(&plan, &Figures { orders: Part::Read(BTreeMap::from(days)), ..nothing() }).warnings
    };
    assert_eq!(told([day(0, 20), day(1, 21), day(2, 22)]), [""; 0]);
    let risen = told([day(0, 20), day(1, 20), day(2, 80)]);
    assert_eq!(
        risen,
        [
            "of the orders of 2026-11-22, 80.0 % are cancelled (80 of 100), and of those of the other days 20.0 %: does a way to pay not work since then?"
        ]
    );
    let high = told([day(0, 90), day(1, 90), day(2, 91)]);
    assert!(high[0].starts_with("271 of 300 decided orders are cancelled (90.3 %)"), "{high:?}");
}

#[test]
fn numbers_are_written_exactly() {
    for (units, scale, text) in
        [(0, 2, "0.00"), (-5, 2, "-0.05"), (123_456, 2, "1234.56"), (7, 0, "7"), (1, 6, "0.000001")]
    {
        assert_eq!(write_decimal(units, scale), text);
    }
    for (points, text) in [(0, "0.0 %"), (9, "0.0 %"), (1_234, "12.3 %"), (10_000, "100.0 %")] {
        assert_eq!(write_percent(points), text);
    }
}

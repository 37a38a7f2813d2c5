//! Customers pay while a sweep is after the same orders: no order is released whose payment was committed before.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::chance::Chance;
use crate::session::Session;
use crate::shop::Shop;
use crate::{audit, wait};

/// How a shop writes down that an order was paid.
#[derive(Clone, Copy)]
enum Style {
    /// The payment first, the order at the end of the same transaction.
    PaymentFirst,
    /// The order first, then the payment, in one transaction.
    OrderFirst,
    /// The payment in a transaction of its own (a webhook), the order in a later one.
    PaymentAlone,
}

impl Style {
    /// The statements of one payment. An order that was cancelled meanwhile stays so: that payment came late.
    fn statements(self, order: &str) -> String {
        let payment = format!("INSERT INTO orders_payment (order_id, status) VALUES ('{order}', 'succeeded');");
        let status = format!(
            "UPDATE orders_order SET payment_status = 'paid', order_status = 'processing', updated_at = now()
             WHERE order_id = '{order}' AND payment_status <> 'cancelled';"
        );
        match self {
            Self::PaymentFirst => format!("BEGIN; {payment} SELECT pg_sleep(0.001); {status} COMMIT;"),
            Self::OrderFirst => format!("BEGIN; {status} SELECT pg_sleep(0.001); {payment} COMMIT;"),
            Self::PaymentAlone => format!("BEGIN; {payment} COMMIT; BEGIN; {status} COMMIT;"),
        }
    }
}

/// Pays orders of those that are due next, until it is told to stop; how many it paid.
fn pay(shop: &Shop, style: Style, mut chance: Chance, stop: &AtomicBool) -> u64 {
    let mut session = shop.session();
    let mut paid = 0;
    while !stop.load(Ordering::Relaxed) {
        let offset = chance.below(150);
        let next = session.texts(&format!(
            "SELECT order_id::text FROM orders_order WHERE payment_status = 'pending' ORDER BY created_at LIMIT 1 OFFSET {offset}"
        ));
        if let Some(order) = next.first() {
            session.run(&style.statements(order));
            paid += 1;
        }
    }
    paid
}

/// Lets two shop threads pay in these styles while `sweep` runs again and again over orders that are all due; how many
/// payments there were.
fn race(shop: &Shop, styles: [Style; 2], lasts: Duration, mut sweep: impl FnMut(&mut Session)) -> u64 {
    let stop = AtomicBool::new(false);
    let mut session = shop.session();
    let mut chance = Chance::from_environment();
    let began = Instant::now();
    thread::scope(|scope| {
        let payers = styles.map(|style| {
            let own = chance.fork();
            let stop = &stop;
            scope.spawn(move || pay(shop, style, own, stop))
        });
        // Told to stop also where the sweep below fails the test.
        let _stopped = wait::OnDrop(|| stop.store(true, Ordering::Relaxed));
        for round in 0.. {
            if began.elapsed() > lasts {
                break;
            }
            shop.fill(&mut session, &format!("r{round}"), 400);
            sweep(&mut session);
        }
        stop.store(true, Ordering::Relaxed);
        payers.map(|payer| payer.join().unwrap()).iter().sum()
    })
}

fn shop() -> Shop {
    let shop = Shop::new();
    shop.session().run("CREATE INDEX ON orders_order (payment_status, created_at)");
    shop
}

/// The race against the program, and what must have come of it.
fn check(styles: [Style; 2]) {
    let shop = shop();
    let mut protected = 0;
    let payments = race(&shop, styles, Duration::from_secs(3), |_| {
        let report = shop.sweep(&["--batch-size", "100"]);
        protected +=
            report["orders_protected"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum::<u64>();
    });
    let mut session = shop.session();
    audit::all_holds(&mut session);
    let cancelled = session.number("SELECT count(*)::text FROM unreserve.entry WHERE kind = 'cancel'");
    let late = session.number(
        "SELECT count(*)::text FROM orders_payment AS p JOIN unreserve.entry AS e ON e.order_key = p.order_id::text AND e.kind = 'cancel'",
    );
    eprintln!("{payments} payments, {late} of them late; {cancelled} orders cancelled, {protected} protected");
    assert!(payments >= 100 && cancelled >= 100, "too little happened to prove anything");
    assert!(late + i64::try_from(protected).unwrap() > 0, "no payment and no sweep ever met at one order");
}

#[test]
fn no_order_is_released_whose_payment_was_committed_before_with_the_payment_or_the_order_written_first() {
    check([Style::PaymentFirst, Style::OrderFirst]);
}

#[test]
fn no_order_is_released_whose_payment_was_committed_before_when_a_webhook_writes_it_alone() {
    check([Style::PaymentAlone, Style::PaymentFirst]);
}

/// What most shops write: one guarded statement, and the stock behind it.
const ONE_STATEMENT: &str = "
BEGIN;
WITH cancelled AS (
    UPDATE orders_order AS o SET order_status = 'cancelled', payment_status = 'cancelled', updated_at = now()
    WHERE o.payment_status = 'pending'
      AND EXISTS (SELECT 1 FROM orders_inventoryreservation AS r WHERE r.order_id = o.order_id AND r.is_active AND r.expires_at <= now())
      AND NOT EXISTS (SELECT 1 FROM orders_payment AS p WHERE p.order_id = o.order_id AND p.status = 'succeeded')
    RETURNING o.order_id
), released AS (
    UPDATE orders_inventoryreservation AS r SET is_active = false, cancelled_at = now()
    FROM cancelled AS c WHERE c.order_id = r.order_id AND r.is_active
), batch AS (
    INSERT INTO unreserve.batch (batch_id, sweep_id, epoch, reservations, units, stock_rows, orders_cancelled, drift)
    SELECT gen_random_uuid(), s.sweep_id, 0, 0, 0, 0, 0, 0 FROM unreserve.sweep AS s
    RETURNING batch_id
)
INSERT INTO unreserve.entry (batch_id, line, kind, order_key, quantity, drift, overdue_us)
SELECT b.batch_id, row_number() OVER (), 'cancel', c.order_id::text, 0, 0, 0 FROM cancelled AS c, batch AS b;
UPDATE products_productvariant AS s SET reserved_quantity = coalesce((SELECT sum(r.quantity)
    FROM orders_inventoryreservation AS r WHERE r.product_variant_id = s.id AND r.is_active), 0);
UPDATE drops_dropproduct AS s SET reserved_quantity = coalesce((SELECT sum(r.quantity)
    FROM orders_inventoryreservation AS r WHERE r.drop_product_id = s.id AND r.is_active), 0);
COMMIT;";

/// The counter-test: where this recipe is not caught, the two tests above prove nothing.
#[test]
fn the_same_race_catches_a_sweep_that_is_one_guarded_statement() {
    const ROUNDS: u32 = 20;
    let shop = shop();
    let mut session = shop.session();
    session.run(
        "INSERT INTO unreserve.sweep (sweep_id, profile, version, holder) VALUES (gen_random_uuid(), 'x', 'x', 'x')",
    );
    for _ in 0..ROUNDS {
        race(&shop, [Style::PaymentAlone, Style::PaymentFirst], Duration::from_millis(500), |sweeper| {
            sweeper.run(ONE_STATEMENT);
        });
        let caught = audit::broken(&mut session).into_iter().find(|line| line.starts_with("I3"));
        if let Some(line) = caught {
            eprintln!("caught: {line}");
            return;
        }
        session.run("DELETE FROM orders_inventoryreservation; DELETE FROM orders_payment; DELETE FROM orders_order; UPDATE products_productvariant SET reserved_quantity = 0; UPDATE drops_dropproduct SET reserved_quantity = 0");
    }
    panic!("{ROUNDS} rounds of the unsafe recipe were not caught");
}

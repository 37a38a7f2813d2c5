//! Customers pay while a sweep is after the same orders: no order is released whose payment was committed before.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use unreserve_engine::sweep::{Silent, sweep};
use unreserve_testkit::clock::StillClock;

use crate::place::{Place, Raw, profile, sweep_request, tables};

/// Tables in which a payment refers to its order by a foreign key.
fn shop() -> String {
    format!(
        "{} ALTER TABLE wp_payments ADD CONSTRAINT of_order FOREIGN KEY (order_id) REFERENCES wp_orders (id);
         INSERT INTO wp_stock SELECT seq, 1000000, 0 FROM seq_1_to_20;",
        tables("INT", "INT", "INT", "DATETIME(6)")
    )
}

async fn fill(raw: &mut Raw, round: u32) {
    let first = round * 1_000 + 1;
    raw.run(&format!(
        "INSERT INTO wp_orders SELECT seq, 'open' FROM seq_{first}_to_{};
         INSERT INTO wp_holds (id, order_id, item, quantity, expires_at)
         SELECT id, id, 1 + id % 20, 1, UTC_TIMESTAMP(6) - INTERVAL 10 MINUTE FROM wp_orders WHERE id >= {first}",
        first + 299
    ))
    .await;
}

/// How a shop writes down that an order was paid.
#[derive(Clone, Copy)]
enum Style {
    /// The payment first, the order in the same transaction.
    PaymentFirst,
    /// The payment in a transaction of its own, as a webhook does.
    PaymentAlone,
}

/// Pays orders of those that are due next. Gives those of which it saw, *after* its own commit, that they were not
/// cancelled yet: these payments came first for certain. Counts those that were too late beside.
async fn pay(place: &Place, style: Style, stop: &AtomicBool, seed: u32) -> (Vec<String>, u32, u32) {
    let mut raw = place.raw().await;
    raw.run("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED").await;
    let (mut first, mut late, mut thrown_out, mut chance) = (Vec::new(), 0, 0, seed);
    while !stop.load(Ordering::Relaxed) {
        chance = chance.wrapping_mul(1_103_515_245).wrapping_add(12_345);
        let offset = (chance >> 16) % 60;
        let open = raw
            .ask(&format!(
                "SELECT id FROM wp_orders AS o WHERE status = 'open'
                 AND NOT EXISTS (SELECT 1 FROM wp_payments AS p WHERE p.order_id = o.id) ORDER BY id LIMIT 1 OFFSET {offset}"
            ))
            .await;
        let Some(order) = open.first() else { continue };
        let payment = format!("INSERT INTO wp_payments (order_id, status) VALUES ({order}, 'ok');");
        let pause = "DO SLEEP(0.002);";
        let done = raw
            .attempt(&match style {
            Style::PaymentFirst => format!(
                "BEGIN; {payment} {pause} UPDATE wp_orders SET status = 'paid' WHERE id = {order} AND status = 'open'; COMMIT"
            ),
            Style::PaymentAlone => format!("BEGIN; {payment} {pause} COMMIT"),
        })
        .await;
        if !done {
            thrown_out += 1;
            continue;
        }
        if raw.ask(&format!("SELECT status FROM wp_orders WHERE id = {order}")).await == ["gone"] {
            late += 1;
        } else {
            first.push(order.clone());
        }
    }
    (first, late, thrown_out)
}

#[expect(clippy::disallowed_methods, reason = "a race lasts for a time")]
fn clock() -> Instant {
    Instant::now()
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// What came of a race.
struct Raced {
    /// Payments that came first for certain.
    first: usize,
    /// Payments that came late.
    late: u32,
    /// Payments that the database threw out as the victims of a deadlock.
    thrown_out: u32,
    /// Orders that were paid first, and cancelled all the same.
    wrong: Vec<String>,
}

/// Lets two shop threads pay while `turn` runs again and again over orders that are all due.
fn race(place: &Place, lasts: Duration, mut turn: impl FnMut()) -> Raced {
    let stop = AtomicBool::new(false);
    let paid = thread::scope(|scope| {
        let payers = [(Style::PaymentFirst, 1), (Style::PaymentAlone, 7)].map(|(style, seed)| {
            let stop = &stop;
            scope.spawn(move || block_on(pay(place, style, stop, seed)))
        });
        let began = clock();
        for round in 0.. {
            if began.elapsed() > lasts {
                break;
            }
            block_on(async { fill(&mut place.raw().await, round).await });
            turn();
        }
        stop.store(true, Ordering::Relaxed);
        payers.map(|payer| payer.join().unwrap())
    });
    let late = paid.iter().map(|(_, late, _)| late).sum();
    let thrown_out = paid.iter().map(|(_, _, thrown_out)| thrown_out).sum();
    let first: Vec<String> = paid.into_iter().flat_map(|(first, _, _)| first).collect();
    let gone = block_on(place.ask("SELECT id FROM wp_orders WHERE status = 'gone'"));
    let wrong = first.iter().filter(|order| gone.contains(order)).cloned().collect();
    Raced { first: first.len(), late, thrown_out, wrong }
}

#[test]
fn no_order_is_released_whose_payment_was_committed_before() {
    let place = block_on(Place::with(&shop()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut shop = runtime.block_on(place.checked(&profile("\"expires_at\"", "time_zone = \"UTC\"")));
    let Raced { first, late, thrown_out, wrong } = race(&place, Duration::from_secs(3), || {
        let request = unreserve_engine::sweep::SweepRequest { batch_size: 50, ..sweep_request() };
        let swept = runtime.block_on(sweep(shop.as_mut(), &StillClock::new(), &request, &mut Silent)).unwrap();
        assert_eq!(swept.stopped_by, None);
    });
    let cancelled = block_on(place.ask("SELECT COUNT(*) FROM unreserve_entry WHERE kind = 'cancel'")).remove(0);
    let cancelled: usize = cancelled.parse().unwrap();
    assert_eq!(thrown_out, 0, "a customer was the victim of a deadlock");
    assert!(wrong.is_empty(), "released although paid before: {wrong:?}");
    assert!(first >= 50 && cancelled >= 50, "too little happened: {first} first, {late} late, {cancelled} cancelled");
    // What the ledger says is what the shop's tables say.
    let counters = "SELECT COUNT(*) FROM wp_stock AS s WHERE 1000000 - reserved <> free
        OR free <> (SELECT COUNT(*) FROM wp_holds AS h WHERE h.item = s.id AND NOT h.active)";
    assert_eq!(block_on(place.ask(counters)), ["0"]);
    let ledger = "SELECT COUNT(*) FROM wp_orders AS o WHERE (o.status = 'gone')
        <> EXISTS (SELECT 1 FROM unreserve_entry AS e WHERE e.kind = 'cancel' AND e.order_key = CAST(o.id AS CHAR))";
    assert_eq!(block_on(place.ask(ledger)), ["0"]);
}

/// The counter-test: where this recipe is not caught, the test above proves nothing.
#[test]
fn the_same_race_catches_a_sweep_that_is_one_guarded_statement() {
    for _ in 0..10 {
        let place = block_on(Place::with(&shop()));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut raw = runtime.block_on(place.raw());
        let Raced { wrong, .. } = race(&place, Duration::from_millis(800), || {
            runtime.block_on(raw.attempt(
                "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED;
                 UPDATE wp_orders AS o SET o.status = 'gone' WHERE o.status = 'open'
                   AND EXISTS (SELECT 1 FROM wp_holds AS h WHERE h.order_id = o.id AND h.active AND h.expires_at <= UTC_TIMESTAMP(6))
                   AND NOT EXISTS (SELECT 1 FROM wp_payments AS p WHERE p.order_id = o.id AND p.status = 'ok')",
            ));
        });
        if !wrong.is_empty() {
            return;
        }
    }
    panic!("ten rounds of the unsafe recipe were not caught");
}

//! The shop at work meanwhile: it always wins, it never fails because of us, and what is due comes back all the same.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::chance::Chance;
use crate::session::Session;
use crate::shop::{Ended, OWN_TABLES, SHOP_TABLES, Shop};
use crate::wait::Running;
use crate::{audit, wait};

/// What the shop's own transactions went through.
#[derive(Debug, Default)]
struct Checkout {
    done: u64,
    refused: Vec<String>,
    longest: Duration,
}

/// Runs a transaction of the shop's again and again, each with its usual patience of two seconds.
fn work(shop: &Shop, stop: &AtomicBool, mut transaction: impl FnMut() -> String) -> Checkout {
    let mut session = shop.session();
    session.run("SET lock_timeout = '2s'");
    let mut checkout = Checkout::default();
    while !stop.load(Ordering::Relaxed) {
        let began = Instant::now();
        match session.attempt(&format!("BEGIN; {} COMMIT;", transaction())) {
            Ok(_) => checkout.done += 1,
            Err(error) => {
                checkout.refused.push(error);
                session.run("ROLLBACK");
            }
        }
        checkout.longest = checkout.longest.max(began.elapsed());
    }
    checkout
}

/// Does something while these many threads of the shop are at work; none of their transactions may fail.
fn meanwhile(shop: &Shop, threads: u32, transaction: impl Fn(&mut Chance) -> String + Sync, act: impl FnOnce()) {
    let stop = AtomicBool::new(false);
    let mut chance = Chance::from_environment();
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                let (mut own, stop, transaction) = (chance.fork(), &stop, &transaction);
                scope.spawn(move || work(shop, stop, || transaction(&mut own)))
            })
            .collect();
        let _stopped = wait::OnDrop(|| stop.store(true, Ordering::Relaxed));
        act();
        stop.store(true, Ordering::Relaxed);
        for worker in workers {
            let checkout = worker.join().unwrap();
            assert_eq!(checkout.refused, Vec::<String>::new(), "the shop's transactions failed because of us");
            assert!(checkout.done > 3, "the shop did not get to work: {checkout:?}");
            eprintln!("{} transactions of the shop, the longest {:?}", checkout.done, checkout.longest);
        }
    });
}

#[test]
fn a_constantly_busy_stock_row_gives_way_within_ten_seconds_and_its_customers_notice_nothing() {
    let shop = Shop::new();
    let mut session = shop.session();
    shop.fill(&mut session, "a", 0);
    let busy = "UPDATE products_productvariant SET updated_at = now() WHERE id = 2; SELECT pg_sleep(0.04);";
    meanwhile(
        &shop,
        3,
        |_| busy.to_owned(),
        || {
            for round in 0..3 {
                // The first order of each filling holds units of variant 2.
                shop.fill(&mut session, &format!("r{round}"), 1);
                let began = Instant::now();
                let report = shop.sweep(&[]);
                assert!(began.elapsed() < Duration::from_secs(10), "it took {:?}", began.elapsed());
                assert_eq!(report["orders_cancelled"], 1, "{report}");
                assert_eq!(report["remaining_due"], false);
            }
        },
    );
    audit::all_holds(&mut session);
}

#[test]
fn a_shop_that_locks_stock_rows_in_the_opposite_order_is_never_the_victim() {
    let shop = Shop::new();
    let mut session = shop.session();
    shop.fill(&mut session, "a", 0);
    let opposite = |chance: &mut Chance| {
        let mut ids: Vec<u64> = (0..6).map(|_| 1 + chance.below(20)).collect();
        ids.sort_unstable();
        ids.dedup();
        let lock = |table: &str| -> String {
            let one =
                |id: &u64| format!("UPDATE {table} SET updated_at = now() WHERE id = {id}; SELECT pg_sleep(0.001);");
            ids.iter().rev().map(one).collect()
        };
        lock("products_productvariant") + &lock("drops_dropproduct")
    };
    let mut cancelled = 0;
    meanwhile(&shop, 2, opposite, || {
        let began = Instant::now();
        for round in 0.. {
            if began.elapsed() > Duration::from_secs(3) {
                break;
            }
            // The test's own filling must not be a victim either: it takes both tables as a whole, in the shop's order.
            session.run("BEGIN; LOCK TABLE products_productvariant IN EXCLUSIVE MODE; LOCK TABLE drops_dropproduct IN EXCLUSIVE MODE");
            shop.fill(&mut session, &format!("r{round}"), 40);
            session.run("COMMIT");
            cancelled += shop.sweep(&["--batch-size", "20"])["orders_cancelled"].as_u64().unwrap();
        }
    });
    assert!(cancelled >= 40, "only {cancelled} orders were cancelled: too little to prove anything");
    let victims = "SELECT deadlocks::text FROM pg_stat_database WHERE datname = current_database()";
    assert_eq!(session.number(victims), 0);
    audit::all_holds(&mut session);
}

#[test]
fn an_order_that_the_shop_has_locked_is_left_alone_and_released_by_the_next_sweep() {
    let shop = Shop::new();
    let mut session = shop.session();
    shop.fill(&mut session, "a", 3);
    let mut checkout = shop.session();
    checkout.run("BEGIN; SELECT 1 FROM orders_order WHERE order_number = 'a-2' FOR UPDATE");
    let report = shop.sweep(&["-v"]);
    assert_eq!(report["orders_cancelled"], 2);
    assert_eq!(report["orders_protected"], serde_json::json!({ "locked": 1 }));
    assert_eq!(report["remaining_due"], true);
    assert!(!report["changes"].to_string().contains("\"a-2\""), "{report}");
    let explained = shop.run(&["explain", "a-2"]).expect(0).stdout;
    assert!(explained.contains("locked by another session"), "{explained}");
    checkout.run("COMMIT");
    let report = shop.sweep(&[]);
    assert_eq!(report["orders_cancelled"], 1);
    assert_eq!(report["remaining_due"], false);
    audit::all_holds(&mut session);
}

#[test]
fn an_order_whose_stock_row_stays_locked_does_not_block_the_others() {
    let shop = Shop::new();
    let mut session = shop.session();
    shop.fill(&mut session, "a", 10);
    let mut checkout = shop.session();
    // The one row that order a-4 has of the drops.
    checkout.run("BEGIN; SELECT 1 FROM drops_dropproduct WHERE id = 9 FOR UPDATE");
    let running: Running = shop.start("state", &["sweep", "--format", "json"]);
    wait::until("the others are released", Duration::from_secs(8), || audit::due(&mut session) == 1);
    assert_eq!(session.texts("SELECT order_number FROM orders_order WHERE payment_status = 'pending'"), ["a-4"]);
    checkout.run("COMMIT");
    let report = Ended::new(&running.output()).expect(0).json();
    assert_eq!(report["orders_cancelled"], 10);
    audit::all_holds(&mut session);
}

/// Locks every row of every table, as the session's one open transaction.
fn lock_everything(session: &mut Session) {
    session.run("BEGIN");
    for table in SHOP_TABLES {
        session.run(&format!("SELECT 1 FROM {table} FOR UPDATE"));
    }
    for table in OWN_TABLES {
        session.run(&format!("SELECT 1 FROM unreserve.{table} FOR UPDATE"));
    }
}

#[test]
fn a_dry_run_ends_and_writes_nothing_while_another_session_has_locked_every_row() {
    let shop = Shop::new();
    let mut session = shop.session();
    shop.fill(&mut session, "a", 20);
    shop.sweep(&[]);
    shop.fill(&mut session, "b", 30);
    let mut checkout = shop.session();
    lock_everything(&mut checkout);
    let before = shop.dump();
    let mut running = shop.start("state", &["sweep", "--dry-run", "--format", "json"]);
    wait::until("the dry run ends", Duration::from_secs(10), || running.has_ended());
    let report = Ended::new(&running.output()).expect(0).json();
    assert_eq!(report["orders_cancelled"], 30);
    assert_eq!(report["reservations_released"], 60);
    shop.expect_unchanged(&before);
    checkout.run("COMMIT");
    assert_eq!(shop.sweep(&[])["orders_cancelled"], 30);
}

/// The search for due orders comes to the last of three and takes a second with it; the index gives them one by one.
const SLOW_SEARCH: &str = "
ALTER TABLE orders_payment RENAME TO paid;
CREATE FUNCTION slowly(text) RETURNS text LANGUAGE plpgsql VOLATILE AS $$ BEGIN
    IF current_query() ~ 'lock_due [*]/ EXECUTE|under locks' THEN PERFORM pg_sleep(1); END IF; RETURN $1; END $$;
CREATE VIEW orders_payment AS SELECT id, order_id, slowly(status) AS status FROM paid;
INSERT INTO paid (order_id, status) SELECT order_id, 'failed' FROM orders_order WHERE order_number = 'a-3';
DROP INDEX orders_inventoryreservation_expires_at_is_active_idx;
CREATE INDEX ON orders_inventoryreservation (expires_at, reservation_id) WHERE is_active;
DELETE FROM orders_inventoryreservation WHERE drop_product_id IS NOT NULL; UPDATE drops_dropproduct SET reserved_quantity = 0;
ANALYZE;";

/// Waits until somebody's statement with these words sleeps, and says whether order `a-1` is free then.
fn first_is_free_during(session: &mut Session, words: &str) -> bool {
    let sleeps = format!(
        "SELECT count(*)::text FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'
         AND pid <> pg_backend_pid() AND query LIKE '%{words}%'"
    );
    wait::until("the search is slow", Duration::from_secs(20), || session.number(&sleeps) > 0);
    session.attempt("SELECT 1 FROM orders_order WHERE order_number = 'a-1' FOR UPDATE NOWAIT").is_ok()
}

#[test]
fn no_order_is_locked_while_others_are_searched_for() {
    let shop = Shop::new();
    let mut session = shop.session();
    shop.fill(&mut session, "a", 3);
    session.run(SLOW_SEARCH);
    session.run(&format!(
        "ALTER DATABASE {} SET enable_seqscan = off; ALTER DATABASE {0} SET enable_sort = off",
        shop.name()
    ));
    // The counter-test: this shop's search does take rows one by one, and would hold the first ones all the while.
    let mut other = shop.session();
    thread::scope(|scope| {
        let search = scope.spawn(move || {
            other.run(
                "BEGIN; /* under locks */ SELECT o.order_id FROM orders_inventoryreservation AS r JOIN orders_order AS o ON o.order_id = r.order_id
                 WHERE r.is_active AND r.expires_at <= now() AND o.payment_status = 'pending'
                   AND NOT coalesce(EXISTS (SELECT 1 FROM orders_payment AS g WHERE g.order_id = o.order_id AND g.status = 'succeeded'), false)
                 ORDER BY r.expires_at, r.reservation_id LIMIT 500 FOR UPDATE OF o SKIP LOCKED; ROLLBACK",
            );
        });
        assert!(
            !first_is_free_during(&mut session, "under locks"),
            "the search reads everything before its first lock"
        );
        search.join().unwrap();
    });
    let running = shop.start("state", &["sweep"]);
    assert!(
        first_is_free_during(&mut session, "lock_due */ EXECUTE"),
        "the first order is locked while the last is searched for"
    );
    Ended::new(&running.output()).expect(0);
    assert_eq!(audit::due(&mut session), 0);
}

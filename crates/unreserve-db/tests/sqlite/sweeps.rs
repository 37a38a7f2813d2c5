//! Sweeps and dry runs of the demo shop, and orders that fail for their own reasons.

use std::path::Path;

use unreserve_db::{Options, demo, open};
use unreserve_engine::ledger::HistoryQuery;
use unreserve_engine::shop::{InstallState, LockTest};
use unreserve_engine::sweep::{Silent, dry_sweep, sweep};

use crate::place::{MALIKLI, Place, Still, check, dump, sweep_request, swept};

async fn reserved(path: &Path) -> Vec<i64> {
    demo::stock_levels(path).await.unwrap().iter().map(|level| level.reserved).collect()
}

#[tokio::test]
async fn one_sweep_gives_back_what_is_due_and_a_second_one_changes_nothing() {
    let place = Place::demo(0).await;
    assert_eq!(reserved(&place.path()).await[..5], [4, 7, 3, 3, 3]);
    let mut shop = place.checked(MALIKLI).await;
    let outcome = swept(shop.as_mut()).await;
    assert_eq!(outcome.facts.protected.get("payment"), Some(&1));
    assert_eq!((outcome.facts.protected.len(), outcome.facts.set_aside, outcome.facts.remaining_due), (1, 0, false));
    let history = shop.history(&HistoryQuery::Latest { limit: 5 }).await.unwrap();
    let [record] = history.as_slice() else { panic!("one sweep: {history:?}") };
    assert_eq!(
        (record.reservations_released, record.units_released, record.orders_cancelled, record.drift_units),
        (8, 18, 4, 2)
    );
    assert_eq!(record.ending.as_deref(), Some("done"));
    assert_eq!(record.orders_protected.get("payment"), Some(&1));
    let levels = reserved(&place.path()).await;
    assert_eq!((&levels[..5], &levels[12..14]), (&[1, 2, 3, 1, 0][..], &[0, 0][..]));
    let states = place
        .ask(
            "SELECT o.order_number, o.order_status, o.payment_status,
                    (SELECT count(*) FROM orders_inventoryreservation r WHERE r.order_id = o.order_id AND r.is_active)
             FROM orders_order o ORDER BY CAST(substr(order_number, 3) AS INTEGER)",
        )
        .await;
    insta::assert_snapshot!(states.join("\n"), @"
    M-1|cancelled|cancelled|0
    M-2|pending_payment|pending|1
    M-3|processing|paid|1
    M-4|pending_payment|pending|1
    M-5|cancelled|cancelled|0
    M-6|processing|pending|0
    M-7|pending_payment|pending|1
    M-8|cancelled|cancelled|0
    M-9|cancelled|cancelled|0
    M-10|pending_payment|pending|0
    M-11|cancelled|cancelled|0
    ");
    // What is written has the form of the shop's own values.
    let stamps = place.ask("SELECT DISTINCT updated_at GLOB '????-??-?? ??:??:??.???' FROM orders_order WHERE order_number IN ('M-1', 'M-9')").await;
    assert_eq!(stamps, ["1"]);
    let entries = shop.entries(record.sweep_id, 100).await.unwrap();
    assert_eq!(entries.len(), 12);
    assert!(
        entries
            .iter()
            .filter(|entry| entry.kind == "release")
            .all(|entry| entry.expires_at.is_some_and(|at| at <= entry.at))
    );

    let before = dump(&place).await;
    let again = swept(shop.as_mut()).await;
    assert_eq!(again.facts.protected.get("payment"), Some(&1));
    assert_eq!(dump(&place).await, before);
    assert_eq!(
        place.ask("SELECT count(*) FROM unreserve_batch").await,
        ["2"],
        "8 reservations in the line, 4 a batch; none of the second sweep"
    );
}

#[tokio::test]
async fn a_dry_run_tells_the_same_and_writes_nothing() {
    let place = Place::demo(0).await;
    let before = std::fs::read(place.path()).unwrap();
    for url in [place.url(), format!("{}?mode=ro", place.url())] {
        let shop = open(&url, Options::default()).await.unwrap();
        let mut shop = check(shop, MALIKLI).await.unwrap();
        assert_eq!(shop.info().installed, InstallState::Absent);
        let (outcome, batches, entries) =
            dry_sweep(shop.as_mut(), &Still::default(), &sweep_request("ours")).await.unwrap();
        let sum = |read: fn(&unreserve_engine::ledger::BatchRecord) -> i64| batches.iter().map(read).sum::<i64>();
        assert_eq!(outcome.facts.protected.get("payment"), Some(&1));
        assert_eq!(sum(|batch| i64::try_from(batch.reservations).unwrap()), 8);
        assert_eq!(sum(|batch| i64::try_from(batch.orders_cancelled).unwrap()), 4);
        assert_eq!((sum(|batch| batch.units), sum(|batch| batch.drift)), (18, 2));
        assert_eq!(entries.len(), 12);
    }
    assert!(std::fs::read(place.path()).unwrap() == before, "not one byte is different");
    assert_eq!(std::fs::read_dir(place.directory.path()).unwrap().count(), 1, "and nothing stands beside the file");
}

#[tokio::test]
async fn a_larger_shop_ends_with_counters_that_fit_its_reservations() {
    let place = Place::demo(1_500).await;
    let drift = "SELECT (SELECT count(*) FROM products_productvariant p WHERE reserved_quantity <> (SELECT coalesce(sum(quantity), 0)
        FROM orders_inventoryreservation r WHERE r.product_variant_id = p.id AND r.is_active)) + (SELECT count(*) FROM drops_dropproduct p
        WHERE reserved_quantity <> (SELECT coalesce(sum(quantity), 0) FROM orders_inventoryreservation r WHERE r.drop_product_id = p.id AND r.is_active))";
    assert_eq!(place.ask(drift).await, ["1"], "the counter of M-9");
    let mut shop = place.checked(MALIKLI).await;
    let outlook = shop.outlook(u64::MAX).await.unwrap();
    assert_eq!(outlook.due_orders, 6 + 15 * 14, "12 expired and 2 leaked of each hundred");
    assert_eq!(shop.outlook(7).await.unwrap().due_orders, 7);
    assert!(outlook.next_expiry.unwrap() > outlook.now);
    let mut request = sweep_request("ours");
    request.batch_size = 100;
    let outcome = sweep(shop.as_mut(), &Still::default(), &request, &mut Silent).await.unwrap();
    assert_eq!(outcome.stopped_by, None);
    assert_eq!(outcome.facts.protected.get("payment"), Some(&(1 + 15 * 2)));
    assert_eq!(place.ask(drift).await, ["0"]);
    let ledger =
        place.ask("SELECT sum(quantity), sum(kind = 'release'), sum(kind = 'cancel') FROM unreserve_entry").await;
    let batches = place.ask("SELECT sum(units), sum(reservations), sum(orders_cancelled) FROM unreserve_batch").await;
    assert_eq!(ledger, batches);
    let explained = shop.explain("M-7", LockTest::Try).await.unwrap().unwrap();
    assert!(explained.guards[0].holds && explained.unpaid && explained.locked == Some(false));
    let explained = shop.explain(&explained.key.to_string(), LockTest::Leave).await.unwrap().unwrap();
    assert_eq!(explained.number.as_deref(), Some("M-7"));
    let released = shop.explain("M-1", LockTest::Try).await.unwrap().unwrap();
    assert_eq!((released.ledger.len(), released.cancelled, released.reservations.len()), (3, true, 2));
    assert!(shop.explain("M-99", LockTest::Try).await.unwrap().is_none());
}

#[tokio::test]
async fn an_order_that_a_trigger_keeps_is_set_aside_and_the_others_are_released() {
    let place = Place::demo(0).await;
    place
        .run(
            "CREATE TRIGGER no_cancel BEFORE UPDATE OF order_status ON orders_order WHEN OLD.order_number = 'M-5'
             BEGIN SELECT RAISE(ABORT, 'the bookkeeping says no'); END",
        )
        .await;
    let mut shop = place.checked(MALIKLI).await;
    let outcome = swept(shop.as_mut()).await;
    assert_eq!((outcome.facts.set_aside, outcome.facts.remaining_due), (1, false));
    let aside = shop.orders_set_aside(10).await.unwrap();
    assert_eq!((aside[0].number.as_deref(), aside[0].attempts), (Some("M-5"), 1));
    assert!(aside[0].reason.contains("the bookkeeping says no"), "{}", aside[0].reason);
    assert_eq!(reserved(&place.path()).await[12], 2, "what M-5 holds of the first drop");
    assert_eq!(place.ask("SELECT sum(reservations) FROM unreserve_batch").await, ["6"]);
    // An hour later, with the trigger gone, it is released and no longer set aside.
    place.run("DROP TRIGGER no_cancel; UPDATE unreserve_set_aside SET retry_at = 0").await;
    let outcome = swept(shop.as_mut()).await;
    assert_eq!(outcome.facts.set_aside, 0);
    assert_eq!(place.ask("SELECT count(*) FROM unreserve_set_aside").await, ["0"]);
    assert_eq!(reserved(&place.path()).await[12], 0);
}

#[tokio::test]
async fn a_trigger_that_swallows_a_write_is_noticed_by_the_count() {
    let place = Place::demo(0).await;
    place
        .run("CREATE TRIGGER quiet BEFORE UPDATE ON products_productvariant WHEN OLD.id = 5 BEGIN SELECT RAISE(IGNORE); END")
        .await;
    let mut shop = place.checked(MALIKLI).await;
    let outcome = swept(shop.as_mut()).await;
    assert_eq!(outcome.facts.set_aside, 1);
    let aside = shop.orders_set_aside(10).await.unwrap();
    assert!(aside[0].reason.contains("0 of 1 rows of `products_productvariant`"), "{}", aside[0].reason);
}

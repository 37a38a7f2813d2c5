//! Who waits for whom: never we for the shop where the shop may wait for us, and no error keeps half a batch.

use std::time::{Duration, Instant};

use unreserve_engine::ledger::SweepStart;
use unreserve_engine::model::{BatchId, EndedReservation, Key, StockChange, StockRef};
use unreserve_engine::shop::{Batch, BatchStart, CheckedShop, Committed, Selection, ShopErrorKind, StockWait};
use unreserve_engine::sweep::{Silent, SweepRequest, sweep};
use unreserve_testkit::clock::StillClock;

use crate::place::{Place, profile, sweep_request, swept, tables};

const DUE: &str = "UTC_TIMESTAMP(6) - INTERVAL 10 MINUTE";

#[expect(clippy::disallowed_methods, reason = "that nothing was waited for is what these tests show")]
fn clock() -> Instant {
    Instant::now()
}

async fn three_due() -> Place {
    Place::with(&format!(
        "{} INSERT INTO wp_stock VALUES (1, 3, 0), (2, 1, 0); INSERT INTO wp_orders VALUES (1, 'open'), (2, 'open'), (3, 'open');
         INSERT INTO wp_holds (id, order_id, item, quantity, expires_at) SELECT id, id, 1, 1, {DUE} FROM wp_orders;",
        tables("INT", "INT", "INT", "DATETIME")
    ))
    .await
}

async fn opened(place: &Place) -> (Box<dyn CheckedShop>, SweepRequest) {
    let mut shop = place.checked(&profile("\"expires_at\"", "time_zone = \"UTC\"")).await;
    let request = sweep_request();
    let start = SweepStart {
        sweep_id: request.sweep_id,
        profile: "small".to_owned(),
        version: "test".to_owned(),
        holder: "here".to_owned(),
    };
    shop.acquire(&request.holder, &start).await.unwrap();
    (shop, request)
}

fn start(request: &SweepRequest) -> BatchStart<'_> {
    BatchStart {
        batch_id: BatchId::new(),
        sweep_id: request.sweep_id,
        token: &request.holder.token,
        lock_wait: Duration::from_millis(300),
    }
}

/// Locks and examines everything; what is to be written.
async fn prepared(batch: &mut dyn Batch) -> (Vec<StockChange>, Vec<EndedReservation>) {
    let rows = batch.lock_due(&Selection { limit: 10, ..Selection::default() }).await.unwrap();
    let keys: Vec<Key> = rows.orders.into_iter().map(|row| row.key).collect();
    let examined = batch.examine(&keys).await.unwrap();
    let stock = [StockRef { pool: 0, key: Key::single("1") }];
    let before = batch.lock_stock(&stock, StockWait::Bounded).await.unwrap().remove(0);
    let ended: Vec<EndedReservation> = examined
        .iter()
        .flat_map(|order| order.reservations.iter().map(move |held| (order, held)))
        .map(|(order, held)| EndedReservation {
            key: held.key.clone(),
            order: order.key.clone(),
            quantity: held.quantity,
            stock: held.stock.clone(),
        })
        .collect();
    let units = unreserve_engine::model::Quantity::new(i64::try_from(ended.len()).unwrap());
    let change = StockChange {
        reserved: before.reserved.map(|counter| counter.minus(units).unwrap()),
        on_hand: before.on_hand.map(|counter| counter.plus(units).unwrap()),
        before,
    };
    (vec![change], ended)
}

#[tokio::test]
async fn a_page_with_orders_that_the_shop_has_locked_is_not_made_full_but_does_not_end_the_line() {
    let place = three_due().await;
    let (mut shop, request) = opened(&place).await;
    let mut raw = place.raw().await;
    raw.run("BEGIN; SELECT * FROM wp_orders WHERE id = 1 FOR UPDATE").await;
    let mut batch = shop.begin(start(&request)).await.unwrap();
    let page = batch.lock_due(&Selection { limit: 2, ..Selection::default() }).await.unwrap();
    let keys: Vec<String> = page.orders.iter().map(|row| row.key.to_string()).collect();
    assert_eq!(keys, ["2"], "what is behind the page would be searched for while order 2 is locked");
    batch.rollback().await.unwrap();
    drop(shop);
    let mut shop = place.checked(&profile("\"expires_at\"", "time_zone = \"UTC\"")).await;
    let request = SweepRequest { batch_size: 1, ..sweep_request() };
    let outcome = sweep(shop.as_mut(), &StillClock::new(), &request, &mut Silent).await.unwrap();
    assert_eq!(outcome.facts.protected, [("locked".to_owned(), 1)].into());
    assert_eq!(place.ask("SELECT id FROM wp_orders WHERE status = 'gone' ORDER BY id").await, ["2", "3"]);
    raw.run("ROLLBACK").await;
}

#[tokio::test]
async fn a_reservation_that_the_shop_has_locked_fails_at_once_and_everything_is_undone() {
    let place = three_due().await;
    let (mut shop, request) = opened(&place).await;
    let before = place.ask("SELECT * FROM wp_stock ORDER BY id").await;
    let mut raw = place.raw().await;
    let mut batch = shop.begin(start(&request)).await.unwrap();
    let (stock, ended) = prepared(batch.as_mut()).await;
    raw.run("BEGIN; SELECT * FROM wp_holds WHERE id = 2 FOR UPDATE").await;
    let began = clock();
    let error = batch.release(&stock, &ended).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_deref()), (ShopErrorKind::LockTimeout, Some("1205")));
    assert!(began.elapsed() < Duration::from_millis(900), "the least that the server's own timeout can be is a second");
    batch.rollback().await.unwrap();
    // The shop gets what it wants without a wait: nothing of ours is locked any more.
    raw.run("SET innodb_lock_wait_timeout = 1; UPDATE wp_stock SET free = free; UPDATE wp_orders SET status = status; COMMIT").await;
    assert_eq!(place.ask("SELECT * FROM wp_stock ORDER BY id").await, before);
    assert_eq!(place.ask("SELECT COUNT(*) FROM unreserve_batch").await, ["0"]);
}

#[tokio::test]
async fn a_lock_that_times_out_in_the_middle_of_the_writes_keeps_nothing_of_the_batch() {
    let place = three_due().await;
    let (mut shop, request) = opened(&place).await;
    let mut raw = place.raw().await;
    // The trigger reaches for a row that the shop has: the server itself waits, and gives up with 1205.
    raw.run(
        "CREATE TRIGGER reach AFTER UPDATE ON wp_holds FOR EACH ROW UPDATE wp_stock SET free = free + 0 WHERE id = 2",
    )
    .await;
    let before = place.ask("SELECT * FROM wp_stock ORDER BY id").await;
    let mut batch = shop.begin(start(&request)).await.unwrap();
    let (stock, ended) = prepared(batch.as_mut()).await;
    raw.run("BEGIN; UPDATE wp_stock SET free = 0 WHERE id = 2").await;
    let error = batch.release(&stock, &ended).await.unwrap_err();
    assert_eq!(error.kind, ShopErrorKind::LockTimeout, "{error:?}");
    batch.rollback().await.unwrap();
    raw.run("COMMIT").await;
    assert_eq!(place.ask("SELECT * FROM wp_stock ORDER BY id").await, before, "the counter had been written already");
    assert_eq!(place.ask("SELECT COUNT(*) FROM wp_holds WHERE active").await, ["3"]);
    raw.run("DROP TRIGGER reach").await;
    drop(shop);
    let mut shop = place.checked(&profile("\"expires_at\"", "time_zone = \"UTC\"")).await;
    assert_eq!(swept(shop.as_mut()).await, (3, 3, 3, 0));
}

#[tokio::test]
async fn a_batch_waits_for_no_payment_that_is_being_written() {
    // Without a foreign key nothing keeps the shop from paying an order that we have locked; if our look at the payments
    // waited for that row, and the shop for our order, the shop would be the one that is thrown out.
    let place = three_due().await;
    let (mut shop, request) = opened(&place).await;
    let mut raw = place.raw().await;
    let mut batch = shop.begin(start(&request)).await.unwrap();
    let (stock, ended) = prepared(batch.as_mut()).await;
    raw.run("BEGIN; INSERT INTO wp_payments (order_id, status) VALUES (2, 'ok')").await;
    let began = clock();
    batch.release(&stock, &ended).await.unwrap();
    batch.cancel_orders(&[Key::single("1"), Key::single("2"), Key::single("3")]).await.unwrap();
    assert!(began.elapsed() < Duration::from_millis(900), "something was waited for");
    batch.rollback().await.unwrap();
    raw.run("COMMIT").await;
    drop(shop);
    let mut shop = place.checked(&profile("\"expires_at\"", "time_zone = \"UTC\"")).await;
    assert_eq!(swept(shop.as_mut()).await, (2, 2, 2, 0));
}

#[tokio::test]
async fn a_payment_that_was_committed_behind_the_last_write_is_seen_before_the_commit() {
    // Without a foreign key the shop may pay an order that we have locked.
    let place = three_due().await;
    let (mut shop, request) = opened(&place).await;
    let everything =
        "SELECT (SELECT GROUP_CONCAT(status ORDER BY id) FROM wp_orders), (SELECT SUM(active) FROM wp_holds),
        (SELECT GROUP_CONCAT(reserved, '/', free ORDER BY id) FROM wp_stock)";
    let before = place.ask(everything).await;
    let mut batch = shop.begin(start(&request)).await.unwrap();
    let (stock, ended) = prepared(batch.as_mut()).await;
    batch.release(&stock, &ended).await.unwrap();
    batch.cancel_orders(&[Key::single("1"), Key::single("2"), Key::single("3")]).await.unwrap();
    place.raw().await.run("INSERT INTO wp_payments (order_id, status) VALUES (2, 'ok')").await;
    let Committed::No(error) = batch.commit().await else { panic!("a paid order was released") };
    assert_eq!((error.kind, error.statement), (ShopErrorKind::Invariant, Some("last_look")), "{error:?}");
    assert_eq!(place.ask(everything).await, before);
    drop(shop);
    let mut shop = place.checked(&profile("\"expires_at\"", "time_zone = \"UTC\"")).await;
    assert_eq!(swept(shop.as_mut()).await, (2, 2, 2, 0));
}

#[tokio::test]
async fn new_orders_are_not_kept_waiting_by_a_batch() {
    // READ COMMITTED: nothing lies on the gaps between rows.
    let place = three_due().await;
    let (mut shop, request) = opened(&place).await;
    let mut batch = shop.begin(start(&request)).await.unwrap();
    let (stock, ended) = prepared(batch.as_mut()).await;
    batch.release(&stock, &ended).await.unwrap();
    let mut raw = place.raw().await;
    raw.run(&format!(
        "SET innodb_lock_wait_timeout = 1; BEGIN; INSERT INTO wp_orders VALUES (4, 'open'); INSERT INTO wp_stock VALUES (3, 0, 0);
         INSERT INTO wp_holds (id, order_id, item, quantity, expires_at) VALUES (4, 4, 2, 1, {DUE}); UPDATE wp_stock SET free = 7 WHERE id = 2; COMMIT"
    ))
    .await;
    batch.rollback().await.unwrap();
}

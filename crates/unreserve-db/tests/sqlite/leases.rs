//! Who may sweep, what a batch leaves behind, and what the ledger keeps.

use sqlx::{AssertSqlSafe, Connection};
use unreserve_engine::ledger::{SetAside, SweepEnd};
use unreserve_engine::model::BatchId;
use unreserve_engine::model::EndedReservation;
use unreserve_engine::shop::{Acquired, Committed, InstallState, Selection, ShopErrorKind, StockWait};

use crate::place::{MALIKLI, Place, dump, holder, start, sweep_start, swept};

#[tokio::test]
async fn only_one_sweeps_and_a_lost_lease_stops_a_batch() {
    let place = Place::demo(0).await;
    let mut one = place.checked(MALIKLI).await;
    let mut other = place.checked(MALIKLI).await;
    let (first, second) = (holder("one", "/one"), holder("other", "/other"));
    let begun = sweep_start("malikli");
    assert_eq!(one.acquire(&first, &begun).await.unwrap(), Acquired::Yes);
    assert_eq!(one.acquire(&first, &begun).await.unwrap(), Acquired::Yes, "again is the same");
    let held = other.acquire(&second, &sweep_start("malikli")).await.unwrap();
    assert!(matches!(&held, Acquired::HeldBy { holder, heard_seconds_ago: 0..=5 } if *holder == first), "{held:?}");
    assert_eq!(
        other.acquire(&second, &sweep_start("another")).await.unwrap(),
        Acquired::Yes,
        "another profile is another lease"
    );
    let error = other.begin(start("other", begun.sweep_id)).await.err().unwrap();
    assert_eq!(error.kind, ShopErrorKind::Fenced);

    // Whoever holds the same state directory's lock on the same machine knows that the other is dead.
    assert_eq!(other.acquire(&holder("third", "/one"), &sweep_start("malikli")).await.unwrap(), Acquired::Yes);
    assert_eq!(one.begin(start("one", begun.sweep_id)).await.err().unwrap().kind, ShopErrorKind::Fenced);
    let aside = SetAside { order: unreserve_engine::model::Key::single("x"), number: None, reason: "r".to_owned() };
    assert_eq!(one.set_aside("one", &aside).await.err().unwrap().kind, ShopErrorKind::Fenced);
    let end = SweepEnd {
        sweep_id: begun.sweep_id,
        ending: unreserve_engine::ledger::Ending::Done,
        duration_micros: 1,
        protected: Default::default(),
        set_aside: 0,
        oldest_overdue_micros: 0,
        remaining_due: false,
        error: None,
    };
    assert_eq!(one.close("one", &end).await.err().unwrap().kind, ShopErrorKind::Fenced);

    // Silence frees the lease as well.
    place.run("UPDATE unreserve_lease SET heard_at = heard_at - 31000 WHERE profile = 'malikli'").await;
    assert_eq!(one.acquire(&first, &begun).await.unwrap(), Acquired::Yes);
    one.close("one", &end).await.unwrap();
    one.close("one", &end).await.unwrap();
    assert_eq!(other.acquire(&second, &sweep_start("malikli")).await.unwrap(), Acquired::Yes);
    assert_eq!(place.ask("SELECT epoch FROM unreserve_lease WHERE profile = 'malikli'").await, ["5"]);
}

#[tokio::test]
async fn a_batch_that_is_dropped_or_rolled_back_leaves_nothing() {
    let place = Place::demo(0).await;
    let mut shop = place.checked(MALIKLI).await;
    let begun = sweep_start("malikli");
    shop.acquire(&holder("ours", "/s"), &begun).await.unwrap();
    let before = dump(&place).await;
    for rolled_back in [true, false] {
        let mut batch = shop.begin(start("ours", begun.sweep_id)).await.unwrap();
        let locked = batch.lock_due(&Selection { limit: 100, ..Selection::default() }).await.unwrap();
        let keys: Vec<_> = locked.orders.iter().map(|row| row.key.clone()).collect();
        let examined = batch.examine(&keys).await.unwrap();
        let due: Vec<_> = examined
            .iter()
            .filter(|order| order.guards.is_empty())
            .flat_map(|order| &order.reservations)
            .filter(|one| one.due)
            .collect();
        let stock: Vec<_> = due
            .iter()
            .flat_map(|one| one.stock.clone())
            .collect::<std::collections::BTreeSet<_>>()
            .into_iter()
            .collect();
        assert_eq!(batch.lock_stock(&stock, StockWait::Bounded).await.unwrap().len(), 5);
        let ended = examined.iter().filter(|order| order.guards.is_empty()).flat_map(|order| {
            let due = order.reservations.iter().filter(|one| one.due);
            due.map(|one| EndedReservation {
                key: one.key.clone(),
                order: order.key.clone(),
                quantity: one.quantity,
                stock: one.stock.clone(),
            })
        });
        batch.release(&[], &ended.collect::<Vec<_>>()).await.unwrap();
        if rolled_back {
            batch.rollback().await.unwrap();
        } else {
            drop(batch);
        }
    }
    // Beginning anew waits for the dropped one, if it is still being undone.
    let batch = shop.begin(start("ours", begun.sweep_id)).await.unwrap();
    assert!(matches!(batch.commit().await, Committed::Yes));
    assert_eq!(dump(&place).await, before);
    assert_eq!(shop.find_batch(BatchId::new()).await.unwrap(), None);
}

#[tokio::test]
async fn a_writer_in_the_way_is_a_lock_timeout_and_not_a_wait_for_ever() {
    let place = Place::demo(0).await;
    let mut shop = place.checked(MALIKLI).await;
    let begun = sweep_start("malikli");
    shop.acquire(&holder("ours", "/s"), &begun).await.unwrap();
    let mut raw = place.raw().await;
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut raw).await.unwrap();
    let error = shop.begin(start("ours", begun.sweep_id)).await.err().unwrap();
    assert_eq!(error.kind, ShopErrorKind::LockTimeout, "{error}");
    // Looking goes on all the same.
    assert_eq!(shop.outlook(100).await.unwrap().due_orders, 6);
    sqlx::raw_sql("COMMIT").execute(&mut raw).await.unwrap();
    let batch = shop.begin(start("ours", begun.sweep_id)).await.unwrap();
    // And a shop that reads while we commit, in the journal mode that shuts readers out, is a No.
    let mut reader = place.raw().await;
    sqlx::raw_sql("BEGIN; SELECT count(*) FROM orders_order").execute(&mut reader).await.unwrap();
    let committed = batch.commit().await;
    assert!(matches!(&committed, Committed::No(error) if error.kind == ShopErrorKind::LockTimeout), "{committed:?}");
    reader.close().await.unwrap();
    drop(shop.begin(start("ours", begun.sweep_id)).await.unwrap());
}

#[tokio::test]
async fn whoever_a_batch_shuts_out_all_the_time_is_told_who_it_is() {
    let place = Place::demo(0).await;
    let mut one = place.checked(MALIKLI).await;
    let mut other = place.checked(MALIKLI).await;
    let (first, second) = (holder("one", "/one"), holder("other", "/other"));
    let begun = sweep_start("malikli");
    one.acquire(&first, &begun).await.unwrap();
    let batch = one.begin(start("one", begun.sweep_id)).await.unwrap();
    let held = other.acquire(&second, &sweep_start("malikli")).await.unwrap();
    assert!(matches!(&held, Acquired::HeldBy { holder, .. } if *holder == first), "{held:?}");
    batch.rollback().await.unwrap();
    // The counter-test: where nobody has the lease, a file that is shut is one that cannot be had.
    place.run("UPDATE unreserve_lease SET token = NULL").await;
    let mut raw = place.raw().await;
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut raw).await.unwrap();
    let error = other.acquire(&second, &sweep_start("malikli")).await.unwrap_err();
    assert_eq!(error.kind, ShopErrorKind::LockTimeout, "{error}");
}

#[tokio::test]
async fn the_ledger_cannot_be_rewritten() {
    let place = Place::demo(0).await;
    let mut shop = place.checked(MALIKLI).await;
    swept(shop.as_mut()).await;
    let mut raw = place.raw().await;
    for table in ["unreserve_entry", "unreserve_batch", "unreserve_sweep", "unreserve_sweep_end"] {
        let column = if table == "unreserve_entry" || table == "unreserve_batch" { "drift" } else { "sweep_id" };
        for sql in [format!("DELETE FROM {table}"), format!("UPDATE {table} SET {column} = {column}")] {
            let error = sqlx::raw_sql(AssertSqlSafe(sql.clone())).execute(&mut raw).await.unwrap_err();
            assert!(error.to_string().contains("append-only"), "{sql}: {error}");
        }
    }
    raw.close().await.unwrap();
    // Installing again changes nothing; a newer ledger is left alone.
    let mut again = place.shop().await;
    assert_eq!(again.install().await.unwrap(), InstallState::Current);
    place.run("INSERT INTO unreserve_meta (version) VALUES (9)").await;
    let mut newer = place.shop().await;
    assert_eq!(newer.info().await.unwrap().installed, InstallState::Newer(9));
    assert_eq!(newer.install().await.unwrap_err().kind, ShopErrorKind::SchemaChanged);
}

#[tokio::test]
async fn the_install_script_is_what_install_does() {
    let (by_script, by_us) = (Place::with("").await, Place::with("").await);
    by_script.run(&by_script.shop().await.install_script()).await;
    by_us.shop().await.install().await.unwrap();
    let tables = "SELECT type, name, sql FROM sqlite_schema ORDER BY name";
    assert_eq!(by_script.ask(tables).await, by_us.ask(tables).await);
}

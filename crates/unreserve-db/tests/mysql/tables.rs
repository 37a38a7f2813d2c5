//! Tables that cannot be swept, and how that is told.

use unreserve_engine::shop::{InstallState, ShopErrorKind};
use unreserve_testkit::servers::MariaDbServer;

use crate::place::{Place, check, plan, profile, swept, tables};

const DUE: &str = "UTC_TIMESTAMP(6) - INTERVAL 10 MINUTE";

async fn refused(place: &Place) -> unreserve_engine::shop::ShopError {
    check(place.shop().await, &profile("\"expires_at\"", "time_zone = \"UTC\"")).await.map(|_| ()).unwrap_err()
}

#[tokio::test]
async fn a_table_whose_changes_cannot_be_undone_is_refused_by_its_name() {
    for table in ["wp_orders", "wp_holds", "wp_stock"] {
        let place = Place::with(&tables("INT", "INT", "INT", "DATETIME")).await;
        place.raw().await.run(&format!("ALTER TABLE {table} ENGINE = MyISAM")).await;
        let error = refused(&place).await;
        assert_eq!(error.kind, ShopErrorKind::SchemaChanged);
        assert!(error.message.contains(table) && error.message.contains("MyISAM"), "{error:?}");
        assert_eq!(
            error.hint.as_deref().unwrap().split(';').next(),
            Some(&*format!("ALTER TABLE `{table}` ENGINE = InnoDB"))
        );
    }
    // Payments are only read, and what is in such a table is seen at once.
    let place = Place::with(&tables("INT", "INT", "INT", "DATETIME")).await;
    place.raw().await.run("ALTER TABLE wp_payments ENGINE = MyISAM").await;
    assert!(check(place.shop().await, &profile("\"expires_at\"", "time_zone = \"UTC\"")).await.is_ok());
}

#[tokio::test]
async fn a_key_without_an_index_is_refused() {
    let place = Place::with(&tables("INT", "INT", "INT", "DATETIME")).await;
    place.raw().await.run("ALTER TABLE wp_stock DROP PRIMARY KEY").await;
    let error = refused(&place).await;
    assert!(error.message.contains("no index of `wp_stock`"), "{error:?}");
    assert!(error.hint.as_deref().unwrap().starts_with("CREATE INDEX unreserve_key ON `wp_stock` (`id`)"), "{error:?}");
}

#[tokio::test]
async fn a_status_that_an_enumeration_does_not_have_is_a_slip_of_the_profile() {
    let place = Place::with(&tables("INT", "INT", "INT", "DATETIME")).await;
    let text = profile("\"expires_at\"", "time_zone = \"UTC\"").replace("\"open\"", "\"opened\"");
    let problems = plan(place.shop().await.as_mut(), &text).await.unwrap_err();
    assert!(problems.contains("did you mean `open`?"), "{problems}");
}

#[tokio::test]
async fn a_view_is_refused_and_a_missing_table_named() {
    let place = Place::with(&tables("INT", "INT", "INT", "DATETIME")).await;
    place
        .raw()
        .await
        .run("RENAME TABLE wp_orders TO real_orders; CREATE VIEW wp_orders AS SELECT * FROM real_orders")
        .await;
    let text = profile("\"expires_at\"", "time_zone = \"UTC\"");
    let problems = plan(place.shop().await.as_mut(), &text).await.unwrap_err();
    assert!(problems.contains("not a table but a view"), "{problems}");
    place.raw().await.run("DROP VIEW wp_orders; RENAME TABLE real_orders TO wp_order").await;
    let problems = plan(place.shop().await.as_mut(), &text).await.unwrap_err();
    assert!(problems.contains("there is a table `wp_order`; did you mean that?"), "{problems}");
}

#[tokio::test]
async fn tables_of_another_database_are_reached_by_its_name() {
    let other = Place::with(&tables("INT", "INT", "INT", "DATETIME")).await;
    let name = other.database.name().to_owned();
    let place = Place::with("SELECT 1").await;
    other
        .raw()
        .await
        .run(&format!(
            "INSERT INTO wp_stock VALUES (1, 1, 0); INSERT INTO wp_orders VALUES (1, 'open');
             INSERT INTO wp_holds (id, order_id, item, quantity, expires_at) VALUES (1, 1, 1, 1, {DUE})"
        ))
        .await;
    let text = profile("\"expires_at\"", "time_zone = \"UTC\"").replace("\"wp_", &format!("\"{name}.wp_"));
    let mut shop = place.checked(&text).await;
    assert_eq!(swept(shop.as_mut()).await, (1, 1, 1, 0));
    assert_eq!(other.ask("SELECT status FROM wp_orders").await, ["gone"]);
    assert_eq!(place.ask("SELECT order_key FROM unreserve_entry WHERE kind = 'cancel'").await, ["1"]);
}

#[tokio::test]
async fn an_install_that_was_cut_off_goes_on_and_may_be_repeated() {
    let place = Place::with(
        "CREATE TABLE unreserve_meta (version INT NOT NULL PRIMARY KEY, installed_at BIGINT NOT NULL) ENGINE = InnoDB",
    )
    .await;
    let mut shop = place.shop().await;
    assert_eq!(shop.info().await.unwrap().installed, InstallState::Absent);
    for _ in 0..2 {
        assert_eq!(shop.install().await.unwrap(), InstallState::Current);
    }
    let engines =
        "SELECT COUNT(*), SUM(engine = 'InnoDB') FROM information_schema.tables WHERE table_schema = DATABASE()";
    assert_eq!(place.ask(engines).await, ["7|7"]);
    place.raw().await.run("INSERT INTO unreserve_meta VALUES (2, 0)").await;
    let mut newer = place.shop().await;
    assert_eq!(newer.info().await.unwrap().installed, InstallState::Newer(2));
    assert_eq!(newer.install().await.unwrap_err().kind, ShopErrorKind::SchemaChanged);
}

#[tokio::test]
async fn a_binary_log_of_statements_is_named_as_the_reason() {
    let server = MariaDbServer::start_with("log-bin = log\nbinlog-format = STATEMENT").unwrap();
    let database = server.create_database().unwrap();
    let url = server.url(&database);
    let mut shop = unreserve_db::open(&url, unreserve_db::Options::default()).await.unwrap();
    shop.install().await.unwrap();
    for sql in tables("INT", "INT", "INT", "DATETIME").split_inclusive(';').filter(|sql| sql.trim().len() > 1) {
        server.run_statement(&format!("USE {database}; {sql}")).unwrap();
    }
    let mut shop = check(shop, &profile("\"expires_at\"", "time_zone = \"UTC\"")).await.unwrap();
    let request = crate::place::sweep_request();
    let start = unreserve_engine::ledger::SweepStart {
        sweep_id: request.sweep_id,
        profile: "small".to_owned(),
        version: "test".to_owned(),
        holder: "here".to_owned(),
    };
    let error = shop.acquire(&request.holder, &start).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_deref()), (ShopErrorKind::Refused, Some("1665")));
    assert!(error.hint.unwrap().contains("binlog_format"));
}

//! Servers that cannot be used, and how that is told.

use std::time::Duration;

use unreserve_db::{Options, open};
use unreserve_engine::shop::{ShopError, ShopErrorKind};
use unreserve_testkit::servers::MariaDbServer;

use crate::place::{Place, check, profile, tables};

async fn refused(url: &str) -> ShopError {
    let options = Options { connect_timeout: Duration::from_secs(3), ..Options::default() };
    open(url, options).await.map(|_| ()).unwrap_err()
}

#[tokio::test]
async fn each_wrong_part_of_an_address_has_its_own_words_and_none_shows_the_password() {
    let place = Place::with("SELECT 1").await;
    let name = place.database.name().to_owned();
    place.raw().await.run(&format!("CREATE USER `{name}_shut`@`%` IDENTIFIED BY 'right'")).await;
    let url = |role: &str| place.database.url_as(role);
    let rows = [
        (url(&format!("{name}_shut:hunter2")), ShopErrorKind::Refused, "password"),
        (url(&format!("{name}_nobody:hunter2")), ShopErrorKind::Refused, "user name"),
        (url(&format!("{name}_shut:right")), ShopErrorKind::Refused, "granted"),
        (place.database.url().replace(&name, "no_such_database"), ShopErrorKind::Refused, "database's name"),
        ("mysql://root:hunter2@127.0.0.1:1/shop".to_owned(), ShopErrorKind::Disconnected, "running"),
        ("mysql://root:hunter2@127.0.0.1".to_owned(), ShopErrorKind::Refused, "/database"),
        ("mysql://root:hunter2@127.0.0.1:port/shop".to_owned(), ShopErrorKind::Refused, "address"),
    ];
    for (url, kind, word) in rows {
        let error = refused(&url).await;
        assert_eq!(error.kind, kind, "{error:?}");
        assert!(error.hint.as_deref().unwrap_or_default().contains(word), "{word}: {error:?}");
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
}

#[tokio::test]
async fn a_server_that_turned_read_only_is_known_before_and_in_the_middle_of_a_sweep() {
    let server = MariaDbServer::start().unwrap();
    let database = server.create_database().unwrap();
    server.run_statement("CREATE USER sweeper@`%`; GRANT ALL ON *.* TO sweeper@`%`; REVOKE SUPER, READ_ONLY ADMIN ON *.* FROM sweeper@`%`").unwrap();
    server.run_statement(&format!("USE {database}; {}", tables("INT", "INT", "INT", "DATETIME"))).unwrap();
    let url = server.url(&database).replace("root@", "sweeper@");
    let mut shop = open(&url, Options::default()).await.unwrap();
    shop.install().await.unwrap();
    let mut shop = check(shop, &profile("\"expires_at\"", "time_zone = \"UTC\"")).await.unwrap();
    server.run_statement("SET GLOBAL read_only = ON").unwrap();
    let request = crate::place::sweep_request();
    let start = unreserve_engine::ledger::SweepStart {
        sweep_id: request.sweep_id,
        profile: "small".to_owned(),
        version: "test".to_owned(),
        holder: "here".to_owned(),
    };
    let error = shop.acquire(&request.holder, &start).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_deref()), (ShopErrorKind::ReadOnly, Some("1290")));
    let mut again = open(&url, Options::default()).await.unwrap();
    let reason = again.info().await.unwrap().read_only.unwrap();
    assert!(reason.starts_with("read_only is on"), "{reason}");
}

#[tokio::test]
async fn a_plain_server_is_no_node_of_a_cluster() {
    let place = Place::with("SELECT 1").await;
    let mut shop = place.shop().await;
    let info = shop.info().await.unwrap();
    assert!(info.product.starts_with("MariaDB ") && info.read_only.is_none(), "{info:?}");
    // What tells a node is there to be asked, and says no.
    assert_eq!(place.ask("SHOW VARIABLES LIKE 'wsrep_on'").await, ["wsrep_on|OFF"]);
}

//! Addresses, files that are none, files that take no writes, and the demo's own file.

use unreserve_db::{Options, demo, open};
use unreserve_engine::shop::{InstallState, ShopErrorKind};
use unreserve_engine::sweep::{Silent, SweepError, sweep};

use crate::place::{MALIKLI, Place, Still, check, holder, sweep_request, sweep_start};

#[tokio::test]
async fn an_address_that_leads_nowhere_says_so() {
    let place = Place::new();
    let refused = async |url: String| open(&url, Options::default()).await.err().unwrap();
    let error = refused(place.url()).await;
    assert_eq!(error.kind, ShopErrorKind::Refused);
    assert!(error.message.contains("there is no database file") && error.hint.is_some());
    assert!(!place.path().exists(), "a database is never created");
    let error = refused(format!("sqlite:{}", place.directory.path().display())).await;
    assert!(error.message.contains("is a directory"));
    std::fs::write(place.path(), "this is a text and has never been a database file, not even for a moment").unwrap();
    let error = refused(place.url()).await;
    assert_eq!(error.kind, ShopErrorKind::Refused);
    assert!(error.message.contains("is not an SQLite database"), "{error}");
}

#[tokio::test]
async fn a_file_that_takes_no_writes_says_why_and_cannot_be_swept() {
    let place = Place::demo(0).await;
    place.shop().await.install().await.unwrap();
    let mut shop = open(&format!("{}?mode=ro", place.url()), Options::default()).await.unwrap();
    let info = shop.info().await.unwrap();
    assert_eq!(
        (info.read_only.as_deref(), info.installed),
        (Some("its address says `mode=ro`"), InstallState::Current)
    );
    let mut shop = check(shop, MALIKLI).await.unwrap();
    let refused = sweep(shop.as_mut(), &Still::default(), &sweep_request("ours"), &mut Silent).await;
    assert!(matches!(refused, Err(SweepError::ReadOnly(_))));
    let error = shop.acquire(&holder("ours", "/s"), &sweep_start("malikli")).await.unwrap_err();
    assert_eq!(error.kind, ShopErrorKind::ReadOnly);

    let mut permissions = std::fs::metadata(place.path()).unwrap().permissions();
    permissions.set_readonly(true);
    std::fs::set_permissions(place.path(), permissions).unwrap();
    // A superuser writes all the same: only what the file really does is told.
    let writable = std::fs::OpenOptions::new().append(true).open(place.path()).is_ok();
    let info = place.shop().await.info().await.unwrap();
    assert_eq!(info.read_only.is_none(), writable, "{:?}", info.read_only);
}

#[tokio::test]
async fn the_demo_replaces_only_what_it_made_itself() {
    let place = Place::demo(0).await;
    let made = demo::create(&place.path(), 30).await.unwrap();
    assert_eq!(made.orders, 41);
    assert_eq!(
        open(&made.url, Options::default()).await.unwrap().info().await.unwrap().installed,
        InstallState::Absent
    );
    let other = Place::with("CREATE TABLE t (x)").await;
    let error = demo::create(&other.path(), 1).await.unwrap_err();
    assert_eq!(error.kind, ShopErrorKind::Refused);
    assert_eq!(other.ask("SELECT count(*) FROM t").await, ["0"]);
    std::fs::write(other.path(), "a letter").unwrap();
    assert_eq!(demo::create(&other.path(), 1).await.unwrap_err().kind, ShopErrorKind::Refused);
    assert_eq!(std::fs::read(other.path()).unwrap(), b"a letter");
    let nowhere = demo::create(&other.directory.path().join("no/such/place.db"), 1).await.unwrap_err();
    assert_eq!(nowhere.kind, ShopErrorKind::Refused);
}

//! Names and values that look like SQL, on real databases: no panic, no injection, no name that the catalogue did not confirm.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests and their helpers may fail"
)]

use std::time::Duration;

use proptest::prelude::*;
use unreserve_db::{Options, open};
use unreserve_engine::plan::{Policy, request, resolve};
use unreserve_engine::profile::{check, parse};
use unreserve_engine::shop::{Answer, Shop};
use unreserve_engine::sweep::{Silent, Stop, SweepRequest, sweep};
use unreserve_testkit::clock::StillClock;
use unreserve_testkit::failure::{Failure, equal};
use unreserve_testkit::shops::{
    Access, Cell, Column, ColumnKind, LOCK_WAIT, MakeShop, PostgresShop, STATEMENT_TIMEOUT, Source, SqliteShop,
    Sweeper, Table, TestShop,
};

fn opener(url: String, statement_timeout: Duration) -> Answer<'static, Box<dyn Shop>> {
    open(&url, Options { statement_timeout, ..Options::default() })
}

fn postgres_shop() -> Result<Box<dyn TestShop>, Failure> {
    PostgresShop::make(opener)
}

fn sqlite_shop() -> Result<Box<dyn TestShop>, Failure> {
    SqliteShop::make(opener)
}

/// What breaks out of a name or a value that is not quoted as it has to be.
const NASTY: [&str; 12] = [
    "select",
    "a\"b",
    "x\"; DROP TABLE canary; --",
    "per cent %s",
    "$1",
    "?1",
    "ünï·cødé",
    "'",
    "two words",
    "back\\slash",
    "*/ x /*",
    ":name",
];

fn nasty() -> impl Strategy<Value = String> {
    (0..NASTY.len(), "[a-z\"' ;$?:*/é-]{0,12}").prop_map(|(index, tail)| format!("{}{tail}", NASTY[index]))
}

/// Seven names that differ from each other also where only the case does, and one value.
fn names() -> impl Strategy<Value = (Vec<String>, String)> {
    (prop::collection::vec(nasty(), 7), nasty()).prop_map(|(names, value)| {
        let numbered = names.iter().enumerate().map(|(index, name)| format!("{index}{name}"));
        // A profile's own words begin with `$`.
        (numbered.collect(), format!("v{value}"))
    })
}

/// A TOML string.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn profile(preamble: &str, names: &[String], value: &str) -> String {
    let n: Vec<String> = names.iter().map(|name| quoted(name)).collect();
    format!(
        "name = \"fuzz\"\n{preamble}[order]\ntable = {}\nkey = {}\nunpaid = {{ {} = [{value}] }}\ncancel = {{ {} = \"gone\" }}\n\
         [reservation]\ntable = {}\nkey = \"id\"\norder = {}\nquantity = {}\nexpires_at = {}\nactive = {{ state = [\"held\"] }}\n\
         release = {{ state = \"free\" }}\n[[stock]]\ntable = \"stock\"\nkey = {{ id = \"item\" }}\nreserved = \"reserved\"\n",
        n[0],
        n[1],
        n[2],
        n[2],
        n[3],
        n[4],
        n[5],
        n[6],
        value = quoted(value),
    )
}

fn leaked(text: &str) -> &'static str {
    Box::leak(text.to_owned().into_boxed_str())
}

/// A shop with those names, one due order, and a table that nobody may touch.
async fn fill(shop: &dyn TestShop, names: &[String], value: &str) -> Result<(), Failure> {
    let n: Vec<&'static str> = names.iter().map(|name| leaked(name)).collect();
    let table =
        |name, columns: Vec<Column>, key| Table { name, columns, key: vec![key], references: vec![], checks: vec![] };
    let text = |name| Column::new(name, ColumnKind::Varchar(200));
    let whole = |name| Column::new(name, ColumnKind::BigInteger);
    let mut session = shop.session().await?;
    session
        .create(&[
            table(n[0], vec![text(n[1]), text(n[2])], n[1]),
            table(
                n[3],
                vec![
                    whole("id"),
                    text(n[4]),
                    whole(n[5]),
                    Column::new(n[6], ColumnKind::Instant),
                    text("state"),
                    whole("item"),
                ],
                "id",
            ),
            table("stock", vec![whole("id"), whole("reserved")], "id"),
            table("canary", vec![whole("id")], "id"),
        ])
        .await?;
    session.insert("canary", &[("id", Cell::Integer(1))]).await?;
    session.insert("stock", &[("id", Cell::Integer(1)), ("reserved", Cell::Integer(2))]).await?;
    // The order's key looks like SQL as well.
    session.insert(n[0], &[(n[1], Cell::text(value)), (n[2], Cell::text(value))]).await?;
    let row = [
        ("id", Cell::Integer(1)),
        (n[4], Cell::text(value)),
        (n[5], Cell::Integer(2)),
        (n[6], Cell::FromNow(-60)),
        ("state", Cell::text("held")),
        ("item", Cell::Integer(1)),
    ];
    session.insert(n[3], &row).await
}

async fn try_names(make: MakeShop, names: Vec<String>, value: String) -> Result<(), Failure> {
    let test_shop = make()?;
    fill(test_shop.as_ref(), &names, &value).await?;
    let mut shop = test_shop.connect(Access::Owner, STATEMENT_TIMEOUT).await?;
    shop.install().await?;
    let text = profile("time_zone = \"UTC\"\n", &names, &value);
    let found = check(parse(&text)?)?;
    let schema = shop.schema(&request(&found)).await?;
    let mut shop = shop.check(resolve(&found, &schema, Policy::default())?).await?;
    let sweeper = Sweeper::new("fuzz");
    let request = SweepRequest {
        sweep_id: sweeper.start.sweep_id,
        holder: sweeper.holder,
        version: "test".to_owned(),
        batch_size: 10,
        max_orders: 10,
        only: None,
        lock_wait: LOCK_WAIT,
        stop: Stop::default(),
    };
    let outcome = sweep(shop.as_mut(), &StillClock::new(), &request, &mut Silent).await?;
    equal(&outcome.stopped_by, &None, "what stopped the sweep")?;
    let mut session = test_shop.session().await?;
    let one = |text: &str| vec![vec![Some(text.to_owned())]];
    equal(&session.read(Source::Shop(&names[0]), &[&names[2]]).await?, &one("gone"), "the order's status")?;
    equal(&session.read(Source::Shop("stock"), &["reserved"]).await?, &one("0"), "the counter")?;
    equal(&session.read(Source::Shop("canary"), &["id"]).await?, &one("1"), "the table that nobody touches")?;
    equal(&session.read(Source::Own("entry"), &["order_key"]).await?.first(), &Some(&vec![Some(value)]), "the ledger")
}

/// A name that the catalogue does not have never comes into a statement.
async fn try_unknown(make: MakeShop, names: Vec<String>, value: String, wrong: usize) -> Result<(), Failure> {
    let test_shop = make()?;
    fill(test_shop.as_ref(), &names, &value).await?;
    let mut shop = test_shop.connect(Access::Owner, STATEMENT_TIMEOUT).await?;
    let mut others = names.clone();
    others[wrong].push('x');
    let found = check(parse(&profile("time_zone = \"UTC\"\n", &others, &value))?)?;
    let schema = shop.schema(&request(&found)).await?;
    match resolve(&found, &schema, Policy::default()) {
        Err(_) => Ok(()),
        Ok(_) => Err(Failure::new(format!("`{}` is in no catalogue, and was planned with", others[wrong]))),
    }
}

fn run(work: impl Future<Output = Result<(), Failure>>) -> Result<(), TestCaseError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(work).map_err(|failure| TestCaseError::fail(format!("{failure:?}")))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn names_and_values_that_look_like_sql_are_only_names_and_values((names, value) in names()) {
        run(try_names(sqlite_shop, names.clone(), value.clone()))?;
        run(try_names(postgres_shop, names, value))?;
    }

    #[test]
    fn a_name_that_the_catalogue_did_not_confirm_is_never_used((names, value) in names(), wrong in 0_usize..7) {
        run(try_unknown(sqlite_shop, names.clone(), value.clone(), wrong))?;
        run(try_unknown(postgres_shop, names, value, wrong))?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_the_profile_parser_panic(text in "(\\PC|\n){0,400}") {
        let _ = parse(&text).map(check);
    }

    #[test]
    fn no_damage_to_a_profile_makes_the_parser_panic(from in 0_usize..1_800, length in 0_usize..40, put in "\\PC{0,12}") {
        let mut text = include_str!("../../../profiles/malikli.toml").to_owned();
        let floor = |text: &str, mut at: usize| { at = at.min(text.len()); while !text.is_char_boundary(at) { at -= 1; } at };
        let (from, to) = (floor(&text, from), floor(&text, from + length));
        text.replace_range(from..to, &put);
        let _ = parse(&text).map(check);
    }
}

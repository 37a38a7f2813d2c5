//! Every rendered statement, as golden files and as a property: identifiers quoted, values only as parameters.

use insta::assert_snapshot;
use unreserve_engine::plan::{
    ColumnInfo, Kind, Plan, Policy, Schema, TableInfo, TableName, advise_index, request, resolve,
};
use unreserve_engine::profile::{check, parse};

use super::figures;
use super::fragments::{Constant, Slot, Statement};
use super::grants::{grants, index_statement};
use super::render::{KeyIndexes, Statements};

/// A column of a catalogue that only this test knows.
pub(super) fn column(name: &str, sql_type: &str) -> ColumnInfo {
    let bare = sql_type.split(['(', ' ']).next().unwrap_or_default();
    let kind = match bare {
        "int" | "bigint" | "tinyint" => Kind::Integer,
        "decimal" => Kind::Decimal,
        "binary" => Kind::Binary,
        "timestamp" => Kind::Instant,
        "datetime" => Kind::DateTime,
        _ => Kind::Text,
    };
    ColumnInfo {
        name: name.to_owned(),
        sql_type: sql_type.to_owned(),
        kind,
        nullable: true,
        generated: false,
        labels: None,
        samples: Vec::new(),
    }
}

/// A table of such a catalogue.
pub(super) fn table(schema: &str, name: &str, columns: Vec<ColumnInfo>) -> TableInfo {
    TableInfo {
        asked: TableName { schema: None, table: name.to_owned() },
        schema: (!schema.is_empty()).then(|| schema.to_owned()),
        name: name.to_owned(),
        writable: true,
        columns,
        indexes: Vec::new(),
        references: Vec::new(),
    }
}

fn columns(rows: &[(&str, &str)]) -> Vec<ColumnInfo> {
    rows.iter().map(|(name, sql_type)| column(name, sql_type)).collect()
}

fn plan(profile: &str, tables: Vec<TableInfo>, policy: Policy) -> Plan {
    let profile = check(parse(profile).unwrap()).unwrap();
    let mut schema = Schema { tables, others: Vec::new() };
    for (asked, table) in request(&profile).tables.iter().zip(&mut schema.tables) {
        table.asked = asked.clone();
    }
    resolve(&profile, &schema, policy).unwrap()
}

/// The statements, as they are where every key is the primary key.
fn render(plan: &Plan, installed: bool) -> Statements {
    let primary = || "PRIMARY".to_owned();
    let stock = plan.stock.iter().map(|_| primary()).collect();
    super::render::render(plan, &KeyIndexes { order: primary(), reservation: primary(), stock }, installed)
}

/// Every statement of a plan.
pub(super) fn every(statements: &Statements) -> Vec<&Statement> {
    statements.reading().into_iter().chain(statements.writing()).collect()
}

/// A golden file's text: each statement, then what is sent for each `?`.
fn written(plan: &Plan) -> String {
    let mut text = String::new();
    let statements = render(plan, true);
    let (looks, figures) = (super::holding::statements(plan), figures::render(plan));
    for statement in every(&statements).into_iter().chain(&looks).chain(figures.all()) {
        text.push_str(&statement.sql);
        let sent = statement.slots.iter().map(|slot| match slot {
            Slot::Given(place) => format!("${place}"),
            Slot::Constant(place) => match statement.constants.get(*place) {
                Some(Constant::Text(text)) => format!("{text:?}"),
                Some(Constant::Integer(number)) => number.to_string(),
                None => "MISSING".to_owned(),
            },
        });
        text.push_str(&format!("\n-- {}\n\n", sent.collect::<Vec<_>>().join(", ")));
    }
    let home = plan.reservation.table.clone();
    let info = table(home.schema.as_deref().unwrap_or_default(), &home.name, Vec::new());
    if let Some(advice) = advise_index(plan, &info) {
        text.push_str(&index_statement(&advice, plan));
        text.push_str("\n\n");
    }
    text.push_str(&grants(plan, "sweeper"));
    text
}

fn malikli() -> Vec<TableInfo> {
    let (instant, uuid, word) = ("datetime(6)", "char(32) character set utf8mb4 collate utf8mb4_general_ci", WORD);
    let stock = |on_hand| {
        columns(&[
            ("id", "bigint"),
            (on_hand, "int unsigned"),
            ("reserved_quantity", "int unsigned"),
            ("updated_at", instant),
        ])
    };
    vec![
        table(
            "",
            "orders_order",
            columns(&[
                ("order_id", uuid),
                ("order_number", word),
                ("order_status", word),
                ("payment_status", word),
                ("total_amount", "decimal(10,2)"),
                ("created_at", instant),
                ("updated_at", instant),
            ]),
        ),
        table(
            "",
            "orders_inventoryreservation",
            columns(&[
                ("reservation_id", uuid),
                ("order_id", uuid),
                ("product_variant_id", "bigint"),
                ("drop_product_id", "bigint"),
                ("quantity", "int unsigned"),
                ("expires_at", instant),
                ("created_at", instant),
                ("is_active", "tinyint"),
                ("cancelled_at", instant),
                ("fulfilled_at", instant),
            ]),
        ),
        table("", "orders_payment", columns(&[("order_id", uuid), ("status", word), ("created_at", instant)])),
        table("", "products_productvariant", stock("stock_quantity")),
        table("", "drops_dropproduct", stock("current_stock_quantity")),
    ]
}

const WORD: &str = "varchar(50) character set utf8mb4 collate utf8mb4_general_ci";

const DEPOT: &str = r#"
name = "depot"
time_zone = "Europe/Vienna"
[order]
table = "shop.sale"
key = "sale_no"
unpaid = { state = ["open", "failed"], paid_at = "$null" }
paid = { state = "paid" }
amount = "total"
currency = "money"
cancel = { state = "void", closed_at = "$now", note = "$null" }
expires_at = "pay_until"
created_at = { column = "born", time = "epoch_seconds" }
[[guard]]
name = "captured"
where = { captured = true }
[[guard]]
name = "invoice"
table = "shop.invoice"
order = "sale_no"
where = { kind = [1, 2], voided_at = "$null" }
paid_at = "settled"
[reservation]
table = "shop.sale_line"
key = ["sale_no", "place"]
order = "sale_no"
quantity = "weight"
quantity_scale = 3
release = "delete"
[[stock]]
table = "shop.shelf"
key = { depot = "depot", sku = "sku" }
reserved = "held"
on_hand = "free"
set = { changed_at = "$now" }
"#;

fn depot() -> Vec<TableInfo> {
    let local = "datetime";
    let letters = "varchar(20) character set latin1 collate latin1_bin";
    vec![
        table(
            "shop",
            "sale",
            columns(&[
                ("sale_no", "binary(16)"),
                ("state", "char(4) character set latin1 collate latin1_swedish_ci"),
                ("paid_at", local),
                ("closed_at", local),
                ("note", "text character set utf8mb4 collate utf8mb4_bin"),
                ("pay_until", local),
                ("born", "bigint unsigned"),
                ("total", "decimal(10,2)"),
                ("money", "char(3) character set utf8mb4 collate utf8mb4_bin"),
                ("captured", "tinyint"),
            ]),
        ),
        table(
            "shop",
            "sale_line",
            columns(&[
                ("sale_no", "binary(16)"),
                ("place", "int"),
                ("depot", "int unsigned"),
                ("sku", letters),
                ("weight", "decimal(12,3)"),
            ]),
        ),
        table(
            "shop",
            "invoice",
            columns(&[("sale_no", "binary(16)"), ("kind", "int"), ("voided_at", local), ("settled", local)]),
        ),
        table(
            "shop",
            "shelf",
            columns(&[
                ("depot", "int unsigned"),
                ("sku", WORD),
                ("held", "decimal(12,3)"),
                ("free", "decimal(12,3)"),
                ("changed_at", "timestamp(3)"),
            ]),
        ),
    ]
}

#[test]
fn the_statements_of_the_malikli_shop() {
    let profile = include_str!("../../../../profiles/malikli.toml");
    assert_snapshot!(written(&plan(profile, malikli(), Policy::default())));
}

#[test]
fn the_statements_of_a_timeout_and_a_grace() {
    let profile = include_str!("../../../../profiles/malikli.toml");
    let minutes = |minutes: u64| std::time::Duration::from_secs(minutes * 60);
    let plan = plan(profile, malikli(), Policy { timeout: Some(minutes(15)), grace: minutes(5) });
    let statements = render(&plan, false);
    assert_snapshot!(format!("{}\n\n{}", statements.line.after.sql, statements.release.sql));
}

#[test]
fn the_statements_of_composite_keys_decimals_local_times_and_deleted_rows() {
    assert_snapshot!(written(&plan(DEPOT, depot(), Policy::default())));
}

mod hostile {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::hostile::{NAMES, hostile, renamed};

    fn depot_plan() -> Plan {
        plan(DEPOT, depot(), Policy::default())
    }

    /// A statement without what is quoted, and what was quoted, unquoted.
    fn taken_apart(sql: &str) -> (String, Vec<String>, Vec<String>) {
        let (mut bare, mut identifiers, mut literals) = (String::new(), Vec::new(), Vec::new());
        let mut letters = sql.chars().peekable();
        while let Some(letter) = letters.next() {
            if letter != '`' && letter != '\'' {
                bare.push(letter);
                continue;
            }
            let mut inside = String::new();
            while let Some(next) = letters.next() {
                if next != letter {
                    inside.push(next);
                } else if letters.peek() == Some(&letter) {
                    letters.next();
                    inside.push(letter);
                } else {
                    break;
                }
            }
            if letter == '`' {
                identifiers.push(inside)
            } else {
                literals.push(inside)
            }
            bare.push('¤');
        }
        (bare, identifiers, literals)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_identifier_is_quoted_and_every_value_is_a_parameter(
            names in prop::collection::vec(hostile("zqname"), NAMES.len()),
            value in hostile("zqvalue"),
            zone in hostile("zqzone"),
        ) {
            let known: BTreeMap<&str, String> = NAMES.iter().copied().zip(names.iter().cloned()).collect();
            let plan = renamed(depot_plan(), &known, &value, &zone);
            let (statements, figures) = (render(&plan, true), figures::render(&plan));
            let looks = super::super::holding::statements(&plan);
            for statement in every(&statements).into_iter().chain(&looks).chain(figures.all()) {
                let (bare, identifiers, literals) = taken_apart(&statement.sql);
                prop_assert!(!bare.contains("zq"), "unquoted in {}", statement.sql);
                prop_assert!(!bare.contains(';'), "two statements in {}", statement.sql);
                prop_assert!(!statement.sql.contains("zqvalue") && !statement.sql.contains("zqzone"), "{}", statement.sql);
                prop_assert!(literals.iter().all(|literal| !literal.contains("zq")), "in a literal: {}", statement.sql);
                for identifier in identifiers.iter().filter(|identifier| identifier.contains("zq")) {
                    prop_assert!(names.contains(identifier), "{identifier:?} is none of the names");
                }
            }
            let sent: Vec<&Constant> = every(&statements).into_iter().flat_map(|one| &one.constants).collect();
            let whole = sent.iter().any(|constant| matches!(constant, Constant::Text(text) if *text == value));
            prop_assert!(whole, "the value is sent as it is");
        }

        #[test]
        fn what_is_printed_for_people_is_quoted_too(
            names in prop::collection::vec(hostile("zqname"), NAMES.len()),
            role in hostile("zqrole"),
        ) {
            let known: BTreeMap<&str, String> = NAMES.iter().copied().zip(names.iter().cloned()).collect();
            let plan = renamed(depot_plan(), &known, "x", "UTC");
            let (bare, identifiers, _) = taken_apart(&grants(&plan, &role));
            prop_assert!(!bare.contains("zq"), "unquoted in {bare}");
            let user = role.rsplit_once('@').map_or(role.as_str(), |(user, _)| user).to_owned();
            prop_assert!(identifiers.contains(&user), "the role is named");
        }
    }

    #[test]
    fn the_search_finds_what_is_not_quoted() {
        let (bare, identifiers, literals) = taken_apart("SELECT `a``b`, 'c''d', zq FROM `x;y`");
        assert_eq!(bare, "SELECT ¤, ¤, zq FROM ¤");
        assert_eq!((identifiers, literals), (vec!["a`b".to_owned(), "x;y".to_owned()], vec!["c'd".to_owned()]));
    }
}

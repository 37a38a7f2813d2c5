//! Every rendered statement, as golden files and as a property: identifiers quoted, values only as parameters.

use insta::assert_snapshot;
use unreserve_engine::plan::{
    Column, ColumnInfo, Kind, Plan, Policy, Schema, TableInfo, TableName, advise_index, request, resolve,
};
use unreserve_engine::profile::{check, parse};

use super::figures;
use super::fragments::{Statement, cast_type};
use super::grants::{grants, index_statement};
use super::render::{Statements, render};

/// A column of a catalogue that only this test knows.
pub(super) fn column(name: &str, sql_type: &str) -> ColumnInfo {
    let bare = sql_type.split('(').next().unwrap_or_default().trim();
    let kind = match bare {
        "integer" | "bigint" => Kind::Integer,
        "numeric" => Kind::Decimal,
        "boolean" => Kind::Boolean,
        "uuid" => Kind::Uuid,
        "timestamp with time zone" => Kind::Instant,
        "timestamp without time zone" => Kind::DateTime,
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
        schema: Some(schema.to_owned()),
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

/// Every statement of a plan, in the order in which a batch uses them.
pub(super) fn every(statements: &Statements) -> Vec<&Statement> {
    let one = [
        &statements.outlook,
        &statements.clock_evidence,
        &statements.unseen,
        &statements.survey.rest,
        &statements.survey.named,
        &statements.lock_due.rest,
        &statements.lock_due.named,
        &statements.examine_orders,
        &statements.examine_reservations,
        &statements.release,
    ];
    let several = statements.read_stock.iter().chain(&statements.lock_stock).chain(&statements.write_stock);
    let explain = [&statements.explain_by_key, &statements.explain_reservations, &statements.try_lock];
    one.into_iter()
        .chain(several)
        .chain(&statements.guarded)
        .chain(&statements.cancel_orders)
        .chain(&statements.explain_by_number)
        .chain(explain)
        .collect()
}

/// A golden file's text: each statement, the index that is asked for, and the grants.
fn written(plan: &Plan) -> String {
    let mut text = String::new();
    let statements = render(plan, true);
    let (looks, figures) = (super::holding::statements(plan), figures::render(plan));
    for statement in every(&statements).into_iter().chain(&looks).chain(figures.all()) {
        text.push_str(&statement.sql);
        text.push_str("\n\n");
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
    let (instant, uuid, word) = ("timestamp with time zone", "uuid", "character varying(50)");
    let stock = |on_hand| {
        columns(&[("id", "bigint"), (on_hand, "integer"), ("reserved_quantity", "integer"), ("updated_at", instant)])
    };
    vec![
        table(
            "public",
            "orders_order",
            columns(&[
                ("order_id", uuid),
                ("order_number", word),
                ("order_status", word),
                ("payment_status", word),
                ("total_amount", "numeric(10,2)"),
                ("created_at", instant),
                ("updated_at", instant),
            ]),
        ),
        table(
            "public",
            "orders_inventoryreservation",
            columns(&[
                ("reservation_id", uuid),
                ("order_id", uuid),
                ("product_variant_id", "bigint"),
                ("drop_product_id", "bigint"),
                ("quantity", "integer"),
                ("expires_at", instant),
                ("created_at", instant),
                ("is_active", "boolean"),
                ("cancelled_at", instant),
                ("fulfilled_at", instant),
            ]),
        ),
        table("public", "orders_payment", columns(&[("order_id", uuid), ("status", word), ("created_at", instant)])),
        table("public", "products_productvariant", stock("stock_quantity")),
        table("public", "drops_dropproduct", stock("current_stock_quantity")),
    ]
}

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
    let local = "timestamp without time zone";
    vec![
        table(
            "shop",
            "sale",
            columns(&[
                ("sale_no", "integer"),
                ("state", "character(4)"),
                ("paid_at", local),
                ("closed_at", local),
                ("note", "text"),
                ("pay_until", local),
                ("born", "bigint"),
                ("total", "numeric(10,2)"),
                ("money", "text"),
                ("captured", "boolean"),
            ]),
        ),
        table(
            "shop",
            "sale_line",
            columns(&[
                ("sale_no", "integer"),
                ("place", "integer"),
                ("depot", "integer"),
                ("sku", "character varying(20)"),
                ("weight", "numeric(12,3)"),
            ]),
        ),
        table(
            "shop",
            "invoice",
            columns(&[("sale_no", "integer"), ("kind", "integer"), ("voided_at", local), ("settled", local)]),
        ),
        table(
            "shop",
            "shelf",
            columns(&[
                ("depot", "integer"),
                ("sku", "character varying(20)"),
                ("held", "numeric(12,3)"),
                ("free", "numeric(12,3)"),
                ("changed_at", local),
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
    assert_snapshot!(format!("{}\n\n{}", statements.survey.rest.sql, statements.release.sql));
}

#[test]
fn the_statements_of_composite_keys_decimals_local_times_and_deleted_rows() {
    assert_snapshot!(written(&plan(DEPOT, depot(), Policy::default())));
}

#[test]
fn a_cast_keeps_a_types_whole_name_and_drops_its_modifiers() {
    let rows = [
        ("character varying(50)", "character varying"),
        ("numeric(12,3)", "numeric"),
        ("timestamp(3) with time zone", "timestamp with time zone"),
        ("character(1)", "bpchar"),
        ("shop.\"od(d\"\"ly)\"", "shop.\"od(d\"\"ly)\""),
        ("\"Status\"", "\"Status\""),
    ];
    for (sql_type, expected) in rows {
        let column = Column { name: "a".to_owned(), sql_type: sql_type.to_owned(), kind: Kind::Text };
        assert_eq!(cast_type(&column), expected, "{sql_type}");
    }
}

mod hostile {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::super::literal::{literal, with_values};
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
            if letter != '"' && letter != '\'' {
                bare.push(letter);
                continue;
            }
            let escapes = letter == '\'' && bare.ends_with('E');
            let mut inside = String::new();
            while let Some(next) = letters.next() {
                if escapes && next == '\\' {
                    inside.extend(letters.next());
                } else if next != letter {
                    assert!(escapes || letter == '"' || next != '\\', "a backslash may mean anything in {sql}");
                    inside.push(next);
                } else if letters.peek() == Some(&letter) {
                    letters.next();
                    inside.push(letter);
                } else {
                    break;
                }
            }
            if letter == '"' {
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
        fn every_identifier_and_every_value_is_quoted(
            names in prop::collection::vec(hostile("zqname"), NAMES.len()),
            value in hostile("zqvalue"),
            zone in hostile("zqzone"),
            given in hostile("zqgiven"),
        ) {
            let known: BTreeMap<&str, String> = NAMES.iter().copied().zip(names.iter().cloned()).collect();
            let plan = renamed(depot_plan(), &known, &value, &zone);
            let statements = render(&plan, true);
            let mut whole = false;
            let looks = super::super::holding::statements(&plan);
            for statement in every(&statements).into_iter().chain(&looks) {
                let (bare, identifiers, literals) = taken_apart(&statement.sql);
                prop_assert!(!bare.contains("zq"), "unquoted in {}", statement.sql);
                prop_assert!(!bare.contains(';'), "two statements in {}", statement.sql);
                for literal in literals.iter().filter(|literal| literal.contains("zq")) {
                    prop_assert!([&value, &zone].contains(&literal), "{literal:?} is none of the values");
                    whole |= *literal == value;
                }
                for identifier in identifiers.iter().filter(|identifier| identifier.contains("zq")) {
                    prop_assert!(names.contains(identifier), "{identifier:?} is none of the names");
                }
                let sent = with_values(&statement.sql, &vec![literal(&given); 40]);
                let (bare, now_identifiers, now_literals) = taken_apart(&sent);
                let places = bare.contains('$') || bare.contains("zq");
                prop_assert!(!places, "a place without its value, or a value without quotes: {sent}");
                prop_assert_eq!(now_identifiers, identifiers);
                let own = now_literals.into_iter().filter(|literal| *literal != given);
                let before = literals.into_iter().filter(|literal| *literal != given);
                prop_assert!(own.eq(before), "another literal was changed in {sent}");
            }
            prop_assert!(whole, "the value stands there as it is");
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
            prop_assert!(identifiers.contains(&role), "the role is named");
        }
    }

    #[test]
    fn the_search_finds_what_is_not_quoted() {
        let (bare, identifiers, literals) = taken_apart(r#"SELECT "a""b", 'c''d', zq FROM "x;y""#);
        assert_eq!(bare, "SELECT ¤, ¤, zq FROM ¤");
        assert_eq!((identifiers, literals), (vec!["a\"b".to_owned(), "x;y".to_owned()], vec!["c'd".to_owned()]));
    }
}

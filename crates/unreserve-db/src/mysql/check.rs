//! Has the database prepare every statement of a plan, before any of them is run.

use std::collections::BTreeSet;

use unreserve_engine::plan::{Assignment, Column, IndexInfo, Plan, ReleasePlan, Table, TimeEncoding};
use unreserve_engine::shop::{ShopError, ShopErrorKind};

use super::connect::Link;
use super::fragments::{list, quoted, table_name};
use super::introspect::{engines, read_indexes};
use super::render::{KeyIndexes, Statements, render};
use super::values::{Parameters, only_row, read_flag};

/// Renders the plan's statements and has each prepared. A statement that locks cannot be prepared in a transaction that
/// takes no writes, so this one takes them, and writes nothing.
///
/// # Errors
/// The first statement that is refused, by name; a table without transactions; a key without an index; a zone that the
/// server does not know.
pub(super) async fn check(link: &mut Link, plan: &Plan, installed: bool) -> Result<Statements, ShopError> {
    refuse_text_instants(plan)?;
    link.begin_write().await?;
    let outcome = checked(link, plan, installed).await;
    let ended = link.rollback().await;
    outcome.and_then(|statements| ended.map(|()| statements))
}

async fn checked(link: &mut Link, plan: &Plan, installed: bool) -> Result<Statements, ShopError> {
    refuse_unknown_zones(link, plan).await?;
    let indexes = key_indexes(link, plan).await?;
    let statements = render(plan, &indexes, installed);
    for statement in statements.reading() {
        link.prepare(statement.name, &statement.sql).await.map_err(of_the_plan)?;
    }
    for statement in statements.writing() {
        match link.prepare(statement.name, &statement.sql).await {
            // Whoever may not write can still look; a sweep is told at its first write.
            Err(error) if error.kind == ShopErrorKind::Permission => {}
            outcome => outcome.map_err(of_the_plan)?,
        }
    }
    Ok(statements)
}

fn of_the_plan(error: ShopError) -> ShopError {
    let kind = match error.kind {
        ShopErrorKind::Other | ShopErrorKind::Constraint => ShopErrorKind::SchemaChanged,
        kind => kind,
    };
    ShopError { kind, ..error }
}

fn refused(message: String) -> ShopError {
    ShopError::new(ShopErrorKind::SchemaChanged, message)
}

/// The indexes that find the rows to lock. Tables whose changes cannot be undone are refused here: half a batch could stay.
async fn key_indexes(link: &mut Link, plan: &Plan) -> Result<KeyIndexes, ShopError> {
    let pools = plan.stock.iter().map(|stock| &stock.table);
    let tables: BTreeSet<Table> =
        [&plan.order.table, &plan.reservation.table].into_iter().chain(pools).cloned().collect();
    let tables: Vec<Table> = tables.into_iter().collect();
    let found = engines(link, &tables).await?;
    let mut of = Vec::new();
    let keys = plan.stock.iter().map(|stock| (&stock.table, stock.key.iter().map(|(own, _)| own).collect::<Vec<_>>()));
    let first =
        [(&plan.order.table, vec![&plan.order.key]), (&plan.reservation.table, plan.reservation.key.iter().collect())];
    for (table, key) in first.into_iter().chain(keys) {
        let Some((database, engine)) = found.get(table) else {
            return Err(refused(format!("table `{}` is gone", table.name)));
        };
        let engine = engine.as_deref().unwrap_or("none");
        if !engine.eq_ignore_ascii_case("innodb") {
            let message = format!(
                "table `{}` has the storage engine {engine}, whose changes cannot be undone: half a batch could stay",
                table.name
            );
            return Err(refused(message)
                .hint(format!("ALTER TABLE {} ENGINE = InnoDB; other tables need not be changed", table_name(table))));
        }
        of.push(index_on(&read_indexes(link, database, &table.name).await?, table, &key)?);
    }
    let mut of = of.into_iter();
    let (order, reservation) = (of.next().unwrap_or_default(), of.next().unwrap_or_default());
    Ok(KeyIndexes { order, reservation, stock: of.collect() })
}

/// The index that finds a row by its key: the first that begins with all of the key's columns, else with one of them.
fn index_on(indexes: &[IndexInfo], table: &Table, key: &[&Column]) -> Result<String, ShopError> {
    let is_key = |column: &String| key.iter().any(|part| part.name == *column);
    let leads = |index: &&IndexInfo, count: usize| {
        index.columns.get(..count).is_some_and(|columns| columns.iter().all(is_key)) && count > 0
    };
    let whole = indexes.iter().find(|index| leads(index, key.len()));
    let found = whole.or_else(|| indexes.iter().find(|index| leads(index, 1)));
    found.map(|index| index.name.clone()).ok_or_else(|| {
        let columns = list(key.iter().map(|column| quoted(&column.name)));
        refused(format!(
            "no index of `{}` begins with its key {columns}: locking one row would lock all of them",
            table.name
        ))
        .hint(format!("CREATE INDEX unreserve_key ON {} ({columns});", table_name(table)))
    })
}

/// Every column that holds an instant, with how it is written.
fn encodings(plan: &Plan) -> Vec<(&Column, &TimeEncoding)> {
    let mut all = vec![(&plan.due.time.column, &plan.due.time.encoding)];
    all.extend(plan.due.created_at.iter().map(|time| (&time.column, &time.encoding)));
    let marks: &[Assignment] = match &plan.reservation.release {
        ReleasePlan::Mark(sets) => sets,
        ReleasePlan::Delete => &[],
    };
    let written = plan.order.cancel.iter().chain(marks).chain(plan.stock.iter().flat_map(|stock| &stock.set));
    all.extend(written.filter_map(|assignment| match assignment {
        Assignment::Now(column, encoding) => Some((column, encoding)),
        Assignment::Value(..) | Assignment::Null(_) => None,
    }));
    all
}

/// The zones of every column that a sweep reads or writes instants of.
async fn refuse_unknown_zones(link: &mut Link, plan: &Plan) -> Result<(), ShopError> {
    for (column, encoding) in encodings(plan) {
        refuse_unknown_zone(link, column, encoding).await?;
    }
    Ok(())
}

/// Whether the server knows the zone. It knows zones by their names only where somebody has loaded them; one that it does not
/// know would make every instant empty.
pub(super) async fn knows_zone(link: &mut Link, encoding: &TimeEncoding) -> Result<bool, ShopError> {
    const SQL: &str = "/* unreserve zone */ SELECT CONVERT_TZ('2020-01-01 00:00:00', ?, '+00:00') IS NOT NULL";
    let Some(zone) = encoding.zone_name() else { return Ok(true) };
    let rows = link.rows("zone", SQL, Parameters::new().text(zone.to_owned()).plain()?).await?;
    read_flag(&only_row(rows, "zone")?, 0, "zone")
}

async fn refuse_unknown_zone(link: &mut Link, column: &Column, encoding: &TimeEncoding) -> Result<(), ShopError> {
    let Some(zone) = encoding.zone_name() else { return Ok(()) };
    if !knows_zone(link, encoding).await? {
        let message =
            format!("column `{}` is said to be in the zone `{zone}`, which this server does not know", column.name);
        return Err(refused(message).hint(
            "load the zones with mariadb-tzinfo-to-sql or mysql_tzinfo_to_sql, or write an offset such as `+02:00` if that holds all the year round",
        ));
    }
    Ok(())
}

/// What a text holds may be no instant at all, and is compared letter by letter.
fn refuse_text_instants(plan: &Plan) -> Result<(), ShopError> {
    let times = [Some(&plan.due.time), plan.due.created_at.as_ref()];
    for time in times.into_iter().flatten() {
        if matches!(time.encoding, TimeEncoding::Text { .. }) {
            let message = format!(
                "column `{}` holds instants as text, which cannot be compared safely in this database",
                time.column.name
            );
            return Err(
                refused(message).hint("use a column of type datetime or timestamp, for example a generated one")
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use unreserve_engine::plan::Kind;

    use super::*;

    fn check(indexes: &[(&str, &[&str])], key: &[&str], expected: Option<&str>) {
        let indexes: Vec<IndexInfo> = indexes
            .iter()
            .map(|(name, columns)| IndexInfo {
                name: (*name).to_owned(),
                columns: columns.iter().map(|column| (*column).to_owned()).collect(),
                condition: None,
            })
            .collect();
        let columns: Vec<Column> = key
            .iter()
            .map(|name| Column { name: (*name).to_owned(), sql_type: "int".to_owned(), kind: Kind::Integer })
            .collect();
        let table = Table { schema: None, name: "t".to_owned() };
        let found = index_on(&indexes, &table, &columns.iter().collect::<Vec<_>>());
        assert_eq!(found.ok().as_deref(), expected, "{key:?}");
    }

    #[test]
    fn a_key_needs_an_index_that_begins_with_it() {
        let primary: (&str, &[&str]) = ("PRIMARY", &["id"]);
        check(&[primary, ("sku", &["sku"])], &["id"], Some("PRIMARY"));
        check(&[primary, ("sku", &["sku"])], &["sku"], Some("sku"));
        check(&[primary, ("both", &["depot", "sku"])], &["sku", "depot"], Some("both"));
        check(&[("depot", &["depot"]), ("both", &["sku", "depot", "x"])], &["sku", "depot"], Some("both"));
        check(&[("depot", &["depot", "x"])], &["sku", "depot"], Some("depot"));
        check(&[primary, ("both", &["depot", "sku"])], &["sku"], None);
        check(&[], &["id"], None);
    }
}

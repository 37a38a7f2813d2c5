//! Reads the catalogue: tables, columns, indexes, foreign keys, and a few values.

use std::collections::BTreeMap;

use unreserve_engine::plan::{ColumnInfo, IndexInfo, Kind, Schema, SchemaRequest, TableInfo, TableName};
use unreserve_engine::shop::{ShopError, ShopErrorKind};

use super::connect::Link;
use super::values::{Parameters, read};
use crate::write::quoted;

/// `$1` the tables' quoted names. One row a column.
const COLUMNS: &str = "/* unreserve schema_columns */
SELECT t.name, n.nspname::text, c.relname::text, c.relkind::text, a.attname::text, format_type(a.atttypid, a.atttypmod),
       coalesce(base.typname, typ.typname)::text, typ.typtype::text, NOT a.attnotnull, a.attgenerated <> '' OR a.attidentity = 'a',
       (SELECT json_agg(e.enumlabel::text ORDER BY e.enumsortorder)::text FROM pg_catalog.pg_enum AS e WHERE e.enumtypid = typ.oid)
FROM unnest($1::text[]) WITH ORDINALITY AS t(name, place)
JOIN pg_catalog.pg_class AS c ON c.oid = to_regclass(t.name)
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_catalog.pg_type AS typ ON typ.oid = a.atttypid
LEFT JOIN pg_catalog.pg_type AS base ON typ.typtype = 'd' AND base.oid = typ.typbasetype
ORDER BY t.place, a.attnum";

/// `$1` the tables' quoted names. One row an index, or a foreign key of one column.
const KEYS: &str = "/* unreserve schema_keys */
SELECT t.name, 'index', i.relname::text,
       to_json(ARRAY(SELECT pg_get_indexdef(x.indexrelid, place::int, true) FROM generate_series(1, x.indnkeyatts) AS place))::text,
       pg_get_expr(x.indpred, x.indrelid)
FROM unnest($1::text[]) AS t(name)
JOIN pg_catalog.pg_index AS x ON x.indrelid = to_regclass(t.name) AND x.indisvalid
JOIN pg_catalog.pg_class AS i ON i.oid = x.indexrelid
UNION ALL
SELECT t.name, 'reference', f.relname::text, json_build_array(a.attname::text)::text, NULL
FROM unnest($1::text[]) AS t(name)
JOIN pg_catalog.pg_constraint AS k ON k.conrelid = to_regclass(t.name) AND k.contype = 'f' AND array_length(k.conkey, 1) = 1
JOIN pg_catalog.pg_class AS f ON f.oid = k.confrelid
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]";

const OTHERS: &str = "/* unreserve schema_others */
SELECT c.relname::text FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'unreserve') ORDER BY 1 LIMIT 500";

/// How many values show how a column is written.
const SAMPLES: u32 = 20;

/// Reads what was asked for, in one read-only transaction.
pub(super) async fn schema(link: &mut Link, request: &SchemaRequest) -> Result<Schema, ShopError> {
    link.begin_read();
    let outcome = read_schema(link, request).await;
    link.end(outcome).await
}

async fn read_schema(link: &mut Link, request: &SchemaRequest) -> Result<Schema, ShopError> {
    let by_name: BTreeMap<String, &TableName> = request.tables.iter().map(|table| (path(table), table)).collect();
    let names: Vec<String> = request.tables.iter().map(path).collect();
    let mut schema = Schema::default();
    for row in link.rows("schema_columns", COLUMNS, Parameters::new().with(names.clone())).await? {
        let cell = "schema_columns";
        let name: String = read(&row, 0, cell)?;
        let Some(asked) = by_name.get(&name) else { continue };
        if schema.table(asked).is_none() {
            let kind: String = read(&row, 3, cell)?;
            schema.tables.push(TableInfo {
                asked: (*asked).clone(),
                schema: Some(read(&row, 1, cell)?),
                name: read(&row, 2, cell)?,
                writable: matches!(kind.as_str(), "r" | "p"),
                columns: Vec::new(),
                indexes: Vec::new(),
                references: Vec::new(),
            });
        }
        let (base, class): (String, String) = (read(&row, 6, cell)?, read(&row, 7, cell)?);
        let column = ColumnInfo {
            name: read(&row, 4, cell)?,
            sql_type: read(&row, 5, cell)?,
            kind: kind_of(&base, &class),
            nullable: read(&row, 8, cell)?,
            generated: read(&row, 9, cell)?,
            labels: read::<Option<String>>(&row, 10, cell)?.map(|labels| texts(&labels, cell)).transpose()?,
            samples: Vec::new(),
        };
        if let Some(table) = schema.tables.last_mut() {
            table.columns.push(column);
        }
    }
    if request.indexes {
        read_keys(link, &by_name, &names, &mut schema).await?;
    }
    read_samples(link, request, &mut schema).await?;
    if schema.tables.len() < request.tables.len() {
        for row in link.rows("schema_others", OTHERS, Parameters::new()).await? {
            schema.others.push(read(&row, 0, "schema_others")?);
        }
    }
    Ok(schema)
}

async fn read_keys(
    link: &mut Link,
    by_name: &BTreeMap<String, &TableName>,
    names: &[String],
    schema: &mut Schema,
) -> Result<(), ShopError> {
    let cell = "schema_keys";
    for row in link.rows(cell, KEYS, Parameters::new().with(names.to_vec())).await? {
        let (name, what, other): (String, String, String) =
            (read(&row, 0, cell)?, read(&row, 1, cell)?, read(&row, 2, cell)?);
        let columns = texts(&read::<String>(&row, 3, cell)?, cell)?;
        let columns: Vec<String> = columns.into_iter().map(|column| unquoted(&column)).collect();
        let Some(table) =
            schema.tables.iter_mut().find(|table| by_name.get(&name).is_some_and(|asked| table.asked == **asked))
        else {
            continue;
        };
        if what == "index" {
            table.indexes.push(IndexInfo { name: other, columns, condition: read(&row, 4, cell)? });
        } else if let Some(column) = columns.into_iter().next() {
            table.references.push((column, other));
        }
    }
    Ok(())
}

/// The values of columns whose type does not say how an instant is written.
async fn read_samples(link: &mut Link, request: &SchemaRequest, schema: &mut Schema) -> Result<(), ShopError> {
    for (asked, name) in &request.samples {
        let Some(table) = schema.tables.iter_mut().find(|table| table.asked == *asked) else { continue };
        let place = format!("{}.{}", quoted(table.schema.as_deref().unwrap_or("public")), quoted(&table.name));
        let Some(column) = table.columns.iter_mut().find(|column| column.name == *name) else { continue };
        if !matches!(column.kind, Kind::Text | Kind::Integer | Kind::Decimal) || !column.samples.is_empty() {
            continue;
        }
        let quoted_name = quoted(name);
        let sql = format!(
            "/* unreserve schema_samples */ SELECT {quoted_name}::text FROM {place} WHERE {quoted_name} IS NOT NULL LIMIT {SAMPLES}"
        );
        for row in link.rows("schema_samples", &sql, Parameters::new()).await? {
            column.samples.push(read(&row, 0, "schema_samples")?);
        }
    }
    Ok(())
}

/// A list, which comes as JSON.
fn texts(json: &str, statement: &'static str) -> Result<Vec<String>, ShopError> {
    serde_json::from_str(json)
        .map_err(|error| ShopError::new(ShopErrorKind::Other, error.to_string()).during(statement))
}

fn path(table: &TableName) -> String {
    match &table.schema {
        Some(schema) => format!("{}.{}", quoted(schema), quoted(&table.table)),
        None => quoted(&table.table),
    }
}

fn unquoted(column: &str) -> String {
    match column.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(inner) => inner.replace("\"\"", "\""),
        None => column.to_owned(),
    }
}

fn kind_of(base: &str, class: &str) -> Kind {
    match (class, base) {
        ("e", _) | (_, "text" | "varchar" | "bpchar" | "name" | "citext") => Kind::Text,
        (_, "int2" | "int4" | "int8") => Kind::Integer,
        (_, "numeric") => Kind::Decimal,
        (_, "float4" | "float8") => Kind::Float,
        (_, "bool") => Kind::Boolean,
        (_, "uuid") => Kind::Uuid,
        (_, "bytea") => Kind::Binary,
        (_, "timestamptz") => Kind::Instant,
        (_, "timestamp") => Kind::DateTime,
        _ => Kind::Other,
    }
}

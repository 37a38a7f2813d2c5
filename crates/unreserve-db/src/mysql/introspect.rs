//! Reads the catalogue: tables, columns, indexes, foreign keys, and a few values.

use std::collections::BTreeMap;

use unreserve_engine::plan::{ColumnInfo, IndexInfo, Kind, Schema, SchemaRequest, Table, TableInfo, TableName};
use unreserve_engine::shop::ShopError;

use super::connect::Link;
use super::fragments::{quoted, table_name};
use super::values::{Parameters, read, read_flag};

/// Database or NULL for our own, table. The same spelling first, since some servers fold the letters of tables' names.
const TABLE: &str = "/* unreserve schema_table */
SELECT CAST(table_schema AS CHAR), CAST(table_name AS CHAR), table_type = 'BASE TABLE', CAST(engine AS CHAR), table_schema = DATABASE()
FROM information_schema.tables WHERE table_schema = COALESCE(?, DATABASE()) AND table_name = ? LIMIT 1";

/// Database, table.
const COLUMNS: &str = "/* unreserve schema_columns */
SELECT CAST(column_name AS CHAR), CAST(data_type AS CHAR), CAST(column_type AS CHAR), CAST(character_set_name AS CHAR),
       CAST(collation_name AS CHAR), is_nullable = 'YES', CAST(extra AS CHAR)
FROM information_schema.columns WHERE table_schema = ? AND table_name = ? ORDER BY ordinal_position";

/// Database, table. The unique ones first, and the primary key before them.
const INDEXES: &str = "/* unreserve schema_indexes */
SELECT CAST(index_name AS CHAR), CAST(COALESCE(column_name, '(expression)') AS CHAR)
FROM information_schema.statistics WHERE table_schema = ? AND table_name = ?
ORDER BY index_name <> 'PRIMARY', non_unique, index_name, seq_in_index";

/// Database, table. Foreign keys of one column.
const REFERENCES: &str = "/* unreserve schema_references */
SELECT CAST(MIN(column_name) AS CHAR), CAST(MIN(referenced_table_name) AS CHAR)
FROM information_schema.key_column_usage
WHERE table_schema = ? AND table_name = ? AND referenced_table_name IS NOT NULL
GROUP BY constraint_name HAVING COUNT(*) = 1";

const OTHERS: &str = "/* unreserve schema_others */
SELECT CAST(table_name AS CHAR) FROM information_schema.tables
WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE' AND LEFT(table_name, 10) <> 'unreserve_' ORDER BY 1 LIMIT 500";

/// How many values show how a column is written.
const SAMPLES: u32 = 20;

/// Reads what was asked for, in one read-only transaction.
pub(super) async fn schema(link: &mut Link, request: &SchemaRequest) -> Result<Schema, ShopError> {
    link.begin_read().await?;
    let outcome = read_schema(link, request).await;
    link.end(outcome).await
}

async fn read_schema(link: &mut Link, request: &SchemaRequest) -> Result<Schema, ShopError> {
    let mut schema = Schema::default();
    for asked in &request.tables {
        if let Some(table) = read_table(link, asked, request).await? {
            schema.tables.push(table);
        }
    }
    if schema.tables.len() < request.tables.len() {
        for row in link.rows("schema_others", OTHERS, Parameters::new().plain()?).await? {
            schema.others.push(read(&row, 0, "schema_others")?);
        }
    }
    Ok(schema)
}

async fn read_table(
    link: &mut Link,
    asked: &TableName,
    request: &SchemaRequest,
) -> Result<Option<TableInfo>, ShopError> {
    let cell = "schema_table";
    let parameters = Parameters::new().maybe(asked.schema.clone()).text(asked.table.clone());
    let rows = link.rows(cell, TABLE, parameters.plain()?).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let (database, name): (String, String) = (read(row, 0, cell)?, read(row, 1, cell)?);
    let own = read_flag(row, 4, cell)?;
    let mut table = TableInfo {
        asked: asked.clone(),
        schema: (!own).then(|| database.clone()),
        columns: read_columns(link, &database, &name).await?,
        indexes: with_rests(read_indexes(link, &database, &name).await?),
        references: Vec::new(),
        writable: read_flag(row, 2, cell)?,
        name,
    };
    let cell = "schema_references";
    for row in link.rows(cell, REFERENCES, place(&database, &table.name).plain()?).await? {
        table.references.push((read(&row, 0, cell)?, read(&row, 1, cell)?));
    }
    let from = table_name(&Table { schema: table.schema.clone(), name: table.name.clone() });
    for (_, wanted) in request.samples.iter().filter(|(of, _)| of == asked) {
        if let Some(column) = table.columns.iter_mut().find(|column| column.name == *wanted)
            && matches!(column.kind, Kind::Text | Kind::Integer | Kind::Decimal)
            && column.samples.is_empty()
        {
            column.samples = read_samples(link, &from, &column.name).await?;
        }
    }
    Ok(Some(table))
}

fn place(database: &str, table: &str) -> Parameters {
    Parameters::new().text(database).text(table)
}

async fn read_columns(link: &mut Link, database: &str, table: &str) -> Result<Vec<ColumnInfo>, ShopError> {
    let cell = "schema_columns";
    let mut columns = Vec::new();
    for row in link.rows(cell, COLUMNS, place(database, table).plain()?).await? {
        let (data_type, column_type): (String, String) = (read(&row, 1, cell)?, read(&row, 2, cell)?);
        let (set, collation): (Option<String>, Option<String>) = (read(&row, 3, cell)?, read(&row, 4, cell)?);
        let extra: String = read(&row, 6, cell)?;
        columns.push(ColumnInfo {
            name: read(&row, 0, cell)?,
            kind: kind_of(&data_type, &column_type),
            sql_type: sql_type(&column_type, set.as_deref().zip(collation.as_deref())),
            nullable: read_flag(&row, 5, cell)?,
            // Not a column whose default is computed: that one can be written.
            generated: extra.contains("VIRTUAL") || extra.contains("STORED") || extra.contains("PERSISTENT"),
            labels: column_type.strip_prefix("enum").map(labels_of),
            samples: Vec::new(),
        });
    }
    Ok(columns)
}

/// The indexes of a table, each with its columns in order.
pub(super) async fn read_indexes(link: &mut Link, database: &str, table: &str) -> Result<Vec<IndexInfo>, ShopError> {
    let cell = "schema_indexes";
    let mut indexes: Vec<IndexInfo> = Vec::new();
    for row in link.rows(cell, INDEXES, place(database, table).plain()?).await? {
        let (name, column): (String, String) = (read(&row, 0, cell)?, read(&row, 1, cell)?);
        if indexes.last().is_none_or(|last| last.name != name) {
            indexes.push(IndexInfo { name, columns: Vec::new(), condition: None });
        }
        if let Some(index) = indexes.last_mut() {
            index.columns.push(column);
        }
    }
    Ok(indexes)
}

/// There are no partial indexes; but one that is led by a column is, for each of its values, an index on the rest over the
/// rows with that value. So it is told once more as that.
fn with_rests(indexes: Vec<IndexInfo>) -> Vec<IndexInfo> {
    let rests: Vec<IndexInfo> = indexes
        .iter()
        .flat_map(|index| {
            (1..index.columns.len()).filter_map(|from| {
                let (led, rest) = index.columns.split_at_checked(from)?;
                Some(IndexInfo { name: index.name.clone(), columns: rest.to_vec(), condition: Some(led.join(", ")) })
            })
        })
        .collect();
    indexes.into_iter().chain(rests).collect()
}

/// The storage engines of some tables, by place and name; nothing for a view.
pub(super) async fn engines(
    link: &mut Link,
    tables: &[Table],
) -> Result<BTreeMap<Table, (String, Option<String>)>, ShopError> {
    let cell = "schema_table";
    let mut found = BTreeMap::new();
    for table in tables {
        let parameters = Parameters::new().maybe(table.schema.clone()).text(table.name.clone());
        for row in link.rows(cell, TABLE, parameters.plain()?).await? {
            found.insert(table.clone(), (read(&row, 0, cell)?, read(&row, 3, cell)?));
        }
    }
    Ok(found)
}

/// A few values as text, the newest first where that is cheap: most tables' rows stand in the order of their key.
async fn read_samples(link: &mut Link, table: &str, column: &str) -> Result<Vec<String>, ShopError> {
    let cell = "schema_samples";
    let column = quoted(column);
    // A column that is empty nearly everywhere must not make this read the whole table.
    let sql = format!(
        "/* unreserve schema_samples */ SELECT CAST(n.value AS CHAR) FROM (SELECT t.{column} AS value FROM {table} AS t LIMIT 20000) AS n \
         WHERE n.value IS NOT NULL LIMIT {SAMPLES}"
    );
    let rows = link.rows(cell, &sql, Parameters::new().plain()?).await?;
    rows.iter().map(|row| read(row, 0, cell)).collect()
}

/// The type as a statement takes it: without a width for show, and with the character set and collation of a text.
fn sql_type(column_type: &str, text: Option<(&str, &str)>) -> String {
    let kept = column_type.replace(" zerofill", "");
    let bare = match kept.split_once('(') {
        Some((name, rest)) if name.ends_with("int") => {
            format!("{name}{}", rest.split_once(')').map_or("", |(_, behind)| behind))
        }
        Some(("decimal", rest)) => format!("decimal({})", rest.split_once(')').map_or(rest, |(inside, _)| inside)),
        _ => kept,
    };
    match text {
        Some((set, collation)) => format!("{bare} character set {set} collate {collation}"),
        None => bare,
    }
}

/// `('a','b''c')`
fn labels_of(list: &str) -> Vec<String> {
    let inside = list.trim().trim_start_matches('(').trim_end_matches(')');
    let mut labels = Vec::new();
    let mut letters = inside.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter != '\'' {
            continue;
        }
        let mut label = String::new();
        while let Some(next) = letters.next() {
            if next != '\'' {
                label.push(next);
            } else if letters.peek() == Some(&'\'') {
                letters.next();
                label.push('\'');
            } else {
                break;
            }
        }
        labels.push(label);
    }
    labels
}

fn kind_of(data_type: &str, column_type: &str) -> Kind {
    match data_type {
        "tinyint" | "smallint" | "mediumint" | "int" | "bigint" => Kind::Integer,
        "decimal" => Kind::Decimal,
        "float" | "double" => Kind::Float,
        "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" | "enum" | "set" => Kind::Text,
        "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" => Kind::Binary,
        "bit" if column_type == "bit(1)" => Kind::Boolean,
        "uuid" => Kind::Uuid,
        "timestamp" => Kind::Instant,
        "datetime" => Kind::DateTime,
        _ => Kind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_told_as_a_statement_takes_it() {
        let utf8 = Some(("utf8mb4", "utf8mb4_bin"));
        let rows = [
            ("int(10) unsigned zerofill", None, "int unsigned"),
            ("bigint(20)", None, "bigint"),
            ("tinyint(1)", None, "tinyint"),
            ("decimal(12,3) unsigned", None, "decimal(12,3)"),
            ("datetime(6)", None, "datetime(6)"),
            ("binary(16)", None, "binary(16)"),
            ("varchar(50)", utf8, "varchar(50) character set utf8mb4 collate utf8mb4_bin"),
        ];
        for (column_type, text, expected) in rows {
            assert_eq!(sql_type(column_type, text), expected);
        }
    }

    #[test]
    fn labels_are_read_with_their_quotes() {
        assert_eq!(labels_of("('open','it''s, void','')"), ["open", "it's, void", ""]);
    }

    #[test]
    fn an_index_led_by_a_column_counts_as_one_on_the_rest() {
        let index = |columns: &[&str], condition: Option<&str>| IndexInfo {
            name: "i".to_owned(),
            columns: columns.iter().map(|column| (*column).to_owned()).collect(),
            condition: condition.map(str::to_owned),
        };
        let told = with_rests(vec![index(&["is_active", "expires_at", "id"], None)]);
        let expected = vec![
            index(&["is_active", "expires_at", "id"], None),
            index(&["expires_at", "id"], Some("is_active")),
            index(&["id"], Some("is_active, expires_at")),
        ];
        assert_eq!(told, expected);
    }
}

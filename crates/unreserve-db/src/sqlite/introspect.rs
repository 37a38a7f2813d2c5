//! Reads the catalogue: tables, columns, indexes, foreign keys, and a few values.

use unreserve_engine::plan::{ColumnInfo, IndexInfo, Kind, Schema, SchemaRequest, TableInfo, TableName};
use unreserve_engine::shop::ShopError;

use super::connect::Link;
use super::values::{Parameters, read, read_flag};
use crate::write::quoted;

/// `?1` the table's name: the same spelling first, any case second.
const TABLE: &str = "/* unreserve schema_table */
SELECT name, type = 'table', wr FROM pragma_table_list WHERE schema = 'main' AND type IN ('table', 'view', 'virtual')
    AND name = ?1 COLLATE NOCASE ORDER BY name = ?1 DESC LIMIT 1";

/// `?1` the table's name. Hidden columns of kind 2 and 3 are computed.
const COLUMNS: &str = "/* unreserve schema_columns */
SELECT name, type, \"notnull\" = 0 AND pk = 0, hidden IN (2, 3) FROM pragma_table_xinfo(?1) WHERE hidden <> 1 ORDER BY cid";

/// `?1` the table's name. An expression has no name.
const INDEXES: &str = "/* unreserve schema_indexes */
SELECT l.name, x.name, s.sql FROM pragma_index_list(?1) AS l
JOIN pragma_index_xinfo(l.name) AS x ON x.key = 1
LEFT JOIN sqlite_schema AS s ON s.type = 'index' AND s.name = l.name
ORDER BY l.seq, x.seqno";

/// `?1` the table's name.
const REFERENCES: &str = "/* unreserve schema_references */
SELECT \"from\", \"table\" FROM pragma_foreign_key_list(?1) WHERE seq = 0 ORDER BY id";

const OTHERS: &str = "/* unreserve schema_others */
SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name NOT LIKE 'unreserve\\_%' ESCAPE '\\'
ORDER BY name LIMIT 500";

/// How many values show how a column is written.
const SAMPLES: u32 = 20;

/// Reads what was asked for, from one state of the file.
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
    // One file is one schema.
    if asked.schema.as_deref().is_some_and(|schema| schema != "main") {
        return Ok(None);
    }
    let cell = "schema_table";
    let rows = link.rows(cell, TABLE, Parameters::new().with(asked.table.clone()).plain()?).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let name: String = read(row, 0, cell)?;
    let writable = read_flag(row, 1, cell)?;
    let by_rowid = writable && !read_flag(row, 2, cell)?;
    let mut table = TableInfo {
        asked: asked.clone(),
        schema: None,
        columns: read_columns(link, &name).await?,
        indexes: read_indexes(link, &name).await?,
        references: Vec::new(),
        writable,
        name,
    };
    let cell = "schema_references";
    for row in link.rows(cell, REFERENCES, Parameters::new().with(table.name.clone()).plain()?).await? {
        table.references.push((read(&row, 0, cell)?, read(&row, 1, cell)?));
    }
    let wanted = request.samples.iter().filter(|(of, _)| of == asked).map(|(_, column)| column);
    for wanted in wanted {
        if let Some(column) = table.columns.iter_mut().find(|column| column.name == *wanted)
            && column.samples.is_empty()
        {
            column.samples = read_samples(link, &table.name, &column.name, by_rowid).await?;
        }
    }
    Ok(Some(table))
}

async fn read_columns(link: &mut Link, table: &str) -> Result<Vec<ColumnInfo>, ShopError> {
    let cell = "schema_columns";
    let mut columns = Vec::new();
    for row in link.rows(cell, COLUMNS, Parameters::new().with(table.to_owned()).plain()?).await? {
        let sql_type: String = read(&row, 1, cell)?;
        columns.push(ColumnInfo {
            name: read(&row, 0, cell)?,
            kind: kind_of(&sql_type),
            sql_type,
            nullable: read_flag(&row, 2, cell)?,
            generated: read_flag(&row, 3, cell)?,
            labels: None,
            samples: Vec::new(),
        });
    }
    Ok(columns)
}

async fn read_indexes(link: &mut Link, table: &str) -> Result<Vec<IndexInfo>, ShopError> {
    let cell = "schema_indexes";
    let mut indexes: Vec<IndexInfo> = Vec::new();
    for row in link.rows(cell, INDEXES, Parameters::new().with(table.to_owned()).plain()?).await? {
        let name: String = read(&row, 0, cell)?;
        let column: Option<String> = read(&row, 1, cell)?;
        let sql: Option<String> = read(&row, 2, cell)?;
        if indexes.last().is_none_or(|last| last.name != name) {
            indexes.push(IndexInfo { name, columns: Vec::new(), condition: sql.as_deref().and_then(condition_of) });
        }
        if let Some(index) = indexes.last_mut() {
            index.columns.push(column.unwrap_or_else(|| "(expression)".to_owned()));
        }
    }
    Ok(indexes)
}

/// What stands behind the last WHERE of an index: its condition can hold no other.
fn condition_of(sql: &str) -> Option<String> {
    let upper = sql.to_ascii_uppercase();
    let place = upper.rfind("WHERE")?;
    let end = place.checked_add("WHERE".len())?;
    let alone = |neighbour: Option<char>| {
        neighbour.is_none_or(|letter| !letter.is_alphanumeric() && letter != '_' && letter != '"')
    };
    let (before, after) = (sql.get(..place)?, sql.get(end..)?);
    (alone(before.chars().next_back()) && alone(after.chars().next().filter(|letter| *letter != '"')))
        .then(|| after.trim().to_owned())
}

/// A few values as text, the newest first where that is cheap.
async fn read_samples(link: &mut Link, table: &str, column: &str, by_rowid: bool) -> Result<Vec<String>, ShopError> {
    let cell = "schema_samples";
    let (table, column) = (quoted(table), quoted(column));
    let newest = if by_rowid { " ORDER BY t.rowid DESC" } else { "" };
    // A column that is empty nearly everywhere must not make this read the whole table.
    let sql = format!(
        "/* unreserve schema_samples */ SELECT CAST(n.value AS TEXT) FROM (SELECT t.{column} AS value FROM {table} AS t{newest} LIMIT 20000) AS n \
         WHERE n.value IS NOT NULL AND typeof(n.value) <> 'blob' LIMIT {SAMPLES}"
    );
    let rows = link.rows(cell, &sql, Parameters::new().plain()?).await?;
    rows.iter().map(|row| read(row, 0, cell)).collect()
}

/// A declared type says little here: date and time stand in the file as text (or as a number, which each statement
/// asks for), and so do UUIDs. The rest follows the rules of affinity: <https://www.sqlite.org/datatype3.html>.
fn kind_of(declared: &str) -> Kind {
    let declared = declared.to_ascii_uppercase();
    let has = |word: &str| declared.contains(word);
    let begins = |word: &str| declared.starts_with(word);
    if begins("DATE") || begins("TIME") || begins("UUID") || begins("GUID") || begins("UNIQUEIDENTIFIER") {
        Kind::Text
    } else if begins("BOOL") {
        Kind::Boolean
    } else if has("INT") {
        Kind::Integer
    } else if has("CHAR") || has("CLOB") || has("TEXT") || begins("STRING") || begins("JSON") || begins("ENUM") {
        Kind::Text
    } else if has("BLOB") || begins("BINARY") || begins("VARBINARY") {
        Kind::Binary
    } else if has("REAL") || has("FLOA") || has("DOUB") {
        Kind::Float
    } else if begins("DEC") || begins("NUM") {
        Kind::Decimal
    } else {
        Kind::Other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_declared_type_tells_what_the_file_holds() {
        let rows = [
            ("integer", Kind::Integer),
            ("BIGINT UNSIGNED", Kind::Integer),
            ("tinyint(1)", Kind::Integer),
            ("bool", Kind::Boolean),
            ("datetime", Kind::Text),
            ("timestamp with time zone", Kind::Text),
            ("date", Kind::Text),
            ("char(32)", Kind::Text),
            ("varchar(20)", Kind::Text),
            ("uuid", Kind::Text),
            ("TEXT", Kind::Text),
            ("decimal(12,2)", Kind::Decimal),
            ("numeric", Kind::Decimal),
            ("real", Kind::Float),
            ("DOUBLE PRECISION", Kind::Float),
            ("blob", Kind::Binary),
            ("binary(16)", Kind::Binary),
            ("", Kind::Other),
        ];
        for (declared, kind) in rows {
            assert_eq!(kind_of(declared), kind, "{declared}");
        }
    }

    #[test]
    fn the_condition_of_a_partial_index_is_read_from_its_text() {
        let rows = [
            ("CREATE INDEX a ON t (b) WHERE is_active = 1", Some("is_active = 1")),
            ("CREATE INDEX a ON t (b)\nwhere \"is_active\"", Some("\"is_active\"")),
            ("CREATE INDEX a ON t (\"where\")", None),
            ("CREATE INDEX somewhere ON t (b)", None),
            ("CREATE INDEX a ON t (b)", None),
        ];
        for (sql, condition) in rows {
            assert_eq!(condition_of(sql).as_deref(), condition, "{sql}");
        }
    }
}

//! How keys travel: as text, many in one JSON parameter, and compared as the column's own type and collation.

use unreserve_engine::plan::{Column, Kind};

use super::fragments::{list, quoted};
use crate::write::all;

/// The character set and the collation of a text column, which stand behind its type.
fn text_rules(column: &Column) -> Option<(&str, &str)> {
    let (_, rest) = column.sql_type.split_once(" character set ")?;
    rest.split_once(" collate ").filter(|_| column.kind == Kind::Text)
}

/// A key column as text; bytes in hexadecimal digits.
pub(super) fn key_text(alias: &str, column: &Column) -> String {
    let name = format!("{alias}.{}", quoted(&column.name));
    match column.kind {
        Kind::Text => format!("CONVERT({name} USING utf8mb4)"),
        Kind::Binary => format!("HEX({name})"),
        Kind::Boolean => format!("CAST({name} + 0 AS CHAR)"),
        _ => format!("CAST({name} AS CHAR)"),
    }
}

/// A key's text as what its column is compared with.
pub(super) fn key_value(column: &Column, text: &str) -> String {
    match column.kind {
        Kind::Binary => format!("UNHEX({text})"),
        Kind::Decimal => format!("CAST({text} AS {})", bare_type(column)),
        _ => text.to_owned(),
    }
}

/// A key's text that stands in our own tables as what its column is compared with, so that an index on the column serves.
pub(super) fn key_as(column: &Column, text: &str) -> String {
    match (column.kind, text_rules(column)) {
        (Kind::Integer, _) if column.sql_type.contains("unsigned") => format!("CAST({text} AS UNSIGNED)"),
        (Kind::Integer | Kind::Boolean, _) => format!("CAST({text} AS SIGNED)"),
        (Kind::Text, Some((set, collation))) => {
            format!("CONVERT({text} USING {}) COLLATE {}", plain(set), plain(collation))
        }
        _ => key_value(column, text),
    }
}

/// A column to compare with another one: two collations do not mix, so the other one's is taken where they differ.
pub(super) fn alike(alias: &str, column: &Column, other: &Column) -> String {
    let name = format!("{alias}.{}", quoted(&column.name));
    match (text_rules(column), text_rules(other)) {
        (Some(own), Some((set, collation))) if own != (set, collation) => {
            format!("CONVERT({name} USING {}) COLLATE {}", plain(set), plain(collation))
        }
        _ => name,
    }
}

/// The type of a column in a JSON table, so that an index on the column serves.
fn json_type(column: &Column) -> String {
    match column.kind {
        Kind::Integer if column.sql_type.contains("unsigned") => "bigint unsigned".to_owned(),
        Kind::Integer => "bigint".to_owned(),
        Kind::Decimal => bare_type(column),
        Kind::Boolean => "tinyint".to_owned(),
        Kind::Text => match text_rules(column) {
            Some((set, collation)) => {
                format!("varchar(1024) character set {} collate {}", plain(set), plain(collation))
            }
            None => "varchar(1024)".to_owned(),
        },
        _ => "varchar(1024) character set utf8mb4".to_owned(),
    }
}

/// `decimal(12,3)`, and nothing that may stand behind it.
fn bare_type(column: &Column) -> String {
    let letters = column.sql_type.split_once(')').map_or(column.sql_type.as_str(), |(kept, _)| kept);
    let kept: String =
        letters.chars().filter(|letter| letter.is_ascii_alphanumeric() || "(,".contains(*letter)).collect();
    if kept.contains('(') { format!("{kept})") } else { kept }
}

/// A name of the catalogue that stands in a statement as it is: letters, digits and `_` alone.
fn plain(name: &str) -> String {
    name.chars().filter(|letter| letter.is_ascii_alphanumeric() || *letter == '_').collect()
}

/// Columns of a JSON table, with the place of the row first. What else stands in a row follows its keys.
pub(super) struct JsonTable {
    columns: Vec<String>,
    parameter: String,
}

impl JsonTable {
    /// Rows that begin with these keys, `k0, k1, …`.
    pub(super) fn new(parameter: String, keys: &[&Column]) -> Self {
        let mut table = Self { columns: vec!["place FOR ORDINALITY".to_owned()], parameter };
        for (index, column) in keys.iter().enumerate() {
            table = table.with(&format!("k{index}"), json_type(column));
        }
        table
    }

    /// One more column.
    pub(super) fn with(mut self, name: &str, kind: String) -> Self {
        let index = self.columns.len().saturating_sub(1);
        self.columns.push(format!("{name} {kind} PATH '$[{index}]'"));
        self
    }

    /// One more column that holds a key.
    pub(super) fn with_key(self, name: &str, column: &Column) -> Self {
        let kind = json_type(column);
        self.with(name, kind)
    }

    /// The table as `t`.
    pub(super) fn finish(self) -> String {
        format!("JSON_TABLE({}, '$[*]' COLUMNS ({})) AS t", self.parameter, list(self.columns))
    }
}

/// That a column holds the value `t.name`, letter by letter also where its collation would take other letters for the same.
pub(super) fn is_key(alias: &str, column: &Column, name: &str) -> String {
    let own = format!("{alias}.{}", quoted(&column.name));
    let same = format!("{own} = {}", key_value(column, &format!("t.{name}")));
    match text_rules(column) {
        Some((_, collation)) if collation.ends_with("_bin") => same,
        Some(_) => format!("{same} AND CAST({own} AS BINARY) = CAST(t.{name} AS BINARY)"),
        None => same,
    }
}

/// That these key columns are those of the row `t`.
pub(super) fn are_keys(alias: &str, columns: &[&Column]) -> String {
    let parts: Vec<String> =
        columns.iter().enumerate().map(|(index, column)| is_key(alias, column, &format!("k{index}"))).collect();
    all(&parts, "TRUE")
}

/// Whether two texts that differ may name the same row of this column.
pub(super) fn folds_letters(column: &Column) -> bool {
    text_rules(column).is_some_and(|(_, collation)| !collation.ends_with("_bin"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, sql_type: &str, kind: Kind) -> Column {
        Column { name: name.to_owned(), sql_type: sql_type.to_owned(), kind }
    }

    #[test]
    fn a_json_table_has_the_types_of_the_columns_it_is_compared_with() {
        let rows = [
            ("bigint unsigned", Kind::Integer, "bigint unsigned"),
            ("int", Kind::Integer, "bigint"),
            ("decimal(12,3)", Kind::Decimal, "decimal(12,3)"),
            ("binary(16)", Kind::Binary, "varchar(1024) character set utf8mb4"),
            ("uuid", Kind::Uuid, "varchar(1024) character set utf8mb4"),
            (
                "char(36) character set latin1 collate latin1_bin",
                Kind::Text,
                "varchar(1024) character set latin1 collate latin1_bin",
            ),
        ];
        for (sql_type, kind, expected) in rows {
            assert_eq!(json_type(&column("k", sql_type, kind)), expected, "{sql_type}");
        }
    }

    #[test]
    fn columns_of_two_collations_are_compared_in_one_of_them() {
        let own = column("a", "varchar(9) character set utf8mb4 collate utf8mb4_general_ci", Kind::Text);
        let other = column("b", "varchar(9) character set utf8mb4 collate utf8mb4_bin", Kind::Text);
        assert_eq!(alike("r", &own, &own), "r.`a`");
        assert_eq!(alike("r", &own, &other), "CONVERT(r.`a` USING utf8mb4) COLLATE utf8mb4_bin");
        assert_eq!(alike("r", &column("n", "int", Kind::Integer), &own), "r.`n`");
    }
}

//! SQL and drivers stay in the crate that knows databases.

use super::Breach;
use super::source::Source;
use super::tokens::Kind;

/// Where statements may stand.
const HOME: &str = "crates/unreserve-db/src/";

/// The folders in it where a driver may be named.
const DIALECT_FOLDERS: [&str; 3] = ["postgres/", "mysql/", "sqlite/"];

/// Crates that speak to a database.
const DRIVERS: [&str; 8] =
    ["sqlx", "sqlx_core", "sqlx_postgres", "sqlx_sqlite", "tokio_postgres", "mysql_async", "rusqlite", "diesel"];

/// What a statement that changes the schema or a session begins with.
const BEGINNINGS: [[&str; 2]; 22] = [
    ["CREATE", "TABLE"],
    ["CREATE", "INDEX"],
    ["CREATE", "UNIQUE"],
    ["CREATE", "SCHEMA"],
    ["CREATE", "TRIGGER"],
    ["CREATE", "VIEW"],
    ["CREATE", "ROLE"],
    ["CREATE", "DATABASE"],
    ["CREATE", "FUNCTION"],
    ["CREATE", "OR"],
    ["ALTER", "TABLE"],
    ["ALTER", "ROLE"],
    ["DROP", "TABLE"],
    ["DROP", "INDEX"],
    ["DROP", "SCHEMA"],
    ["DROP", "TRIGGER"],
    ["INSERT", "INTO"],
    ["DELETE", "FROM"],
    ["SET", "LOCAL"],
    ["SET", "TRANSACTION"],
    ["BEGIN", "IMMEDIATE"],
    ["TRUNCATE", "TABLE"],
];

/// SQL text stands only under `crates/unreserve-db/src/`; tests, their tools and the documents aside.
pub(super) fn statements(source: &Source) -> Vec<Breach> {
    if source.is_in(HOME) {
        return Vec::new();
    }
    let remedy = || format!("move this SQL into a dialect's folder of `{HOME}`");
    if source.path.ends_with(".sql") && !source.is_for_tests() && !source.is_in("docs/") {
        return vec![source.breach(1, "sql", remedy())];
    }
    source
        .product_tokens()
        .filter(|token| matches!(&token.kind, Kind::Text(text) if is_sql(text)))
        .map(|token| source.breach(token.line, "sql", remedy()))
        .collect()
}

/// A driver is named only in a dialect's folder.
pub(super) fn drivers(source: &Source) -> Vec<Breach> {
    let in_folder = source
        .path
        .strip_prefix(HOME)
        .is_some_and(|path| DIALECT_FOLDERS.iter().any(|folder| path.starts_with(folder)));
    if in_folder {
        return Vec::new();
    }
    source
        .product_paths()
        .filter_map(|path| {
            let driver = path.segments.first()?;
            DRIVERS.contains(&&**driver).then(|| {
                let remedy = format!("use `{driver}` only in a dialect's folder of `{HOME}`");
                source.breach(path.line, "driver", remedy)
            })
        })
        .collect()
}

/// Whether a text is SQL and not a sentence: keywords in capitals, or a statement's beginning in small letters.
fn is_sql(text: &str) -> bool {
    let words = words_of(text);
    let first = words.first().copied().unwrap_or_default();
    let follows = |one: &str, other: &str| words.iter().skip_while(|word| **word != one).any(|word| *word == other);
    first == "SELECT"
        || first == "PRAGMA"
        || follows("SELECT", "FROM")
        || follows("UPDATE", "SET")
        || words.windows(2).any(|row| row == ["INSERT", "INTO"] || row == ["DELETE", "FROM"])
        || text.split([';', '\n']).any(begins_a_statement)
}

fn begins_a_statement(text: &str) -> bool {
    let words: Vec<String> = words_of(text).iter().take(2).map(|word| word.to_ascii_uppercase()).collect();
    let upper = words_of(text).first().is_some_and(|word| word.chars().all(|c| c.is_ascii_uppercase()));
    // In small letters only what nobody would begin a sentence with.
    let unmistakable = matches!(
        words_of(text).as_slice(),
        ["insert", "into", ..] | ["delete", "from", ..] | ["create" | "alter" | "drop", "table", ..]
    );
    unmistakable || upper && BEGINNINGS.iter().any(|beginning| words == *beginning)
}

/// The words of a text, without a comment it begins with.
fn words_of(text: &str) -> Vec<&str> {
    let text = text.trim_start();
    let text = text.strip_prefix("/*").and_then(|comment| comment.split_once("*/")).map_or(text, |(_, after)| after);
    text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{bad, good};

    const ELSEWHERE: &str = "crates/unreserve-engine/src/plan/due.rs";

    fn code(text: &str) -> String {
        format!("//! One.\nconst A: &str = r#\"{text}\"#;\n")
    }

    #[test]
    fn finds_a_statement_outside_the_database_crate() {
        for text in [
            "SELECT id FROM orders",
            "SELECT now()",
            "/* unreserve due */ SELECT 1",
            "WITH due AS (SELECT id FROM orders) x",
            "INSERT INTO ledger VALUES (1)",
            "insert into ledger values (1)",
            "UPDATE orders\nSET status = 'x'",
            "DELETE FROM orders",
            "BEGIN; CREATE TABLE a (id int)",
            "SET LOCAL lock_timeout = '1s'",
            "create table a (id int)",
        ] {
            bad(ELSEWHERE, &code(text), "2 sql");
            good("crates/unreserve-db/src/sqlite/render.rs", &code(text));
            good("crates/unreserve/tests/sweep.rs", &code(text));
        }
    }

    #[test]
    fn takes_no_sentence_for_sql() {
        for text in [
            "select an order from the list",
            "Print the CREATE TABLE statements",
            "update the settings and set a limit",
            "Delete from the list what you do not want",
            "CREATED",
            "",
        ] {
            good(ELSEWHERE, &code(text));
        }
        good(ELSEWHERE, "//! One.\n// SELECT a FROM b\n/// SELECT a FROM b\nfn a() {}\n");
        let in_test = "//! One.\n#[cfg(test)]\nmod tests {\n    const A: &str = \"SELECT 1\";\n}\n";
        good(ELSEWHERE, in_test);
    }

    #[test]
    fn finds_an_sql_file_outside_the_database_crate() {
        bad("crates/unreserve/src/demo.sql", "", "1 sql");
        good("crates/unreserve-db/src/sqlite/ledger.sql", "");
        good("crates/unreserve/tests/shop.sql", "");
    }

    #[test]
    fn finds_a_driver_outside_a_dialects_folder() {
        let import = "//! One.\nuse sqlx::{Row, Connection as _};\n";
        assert_eq!(super::super::testing::breaches("crates/unreserve/src/app.rs", import), ["2 driver", "2 driver"]);
        let path = "//! One.\nfn a(_: sqlx::Error) {}\n";
        bad("crates/unreserve-db/src/write.rs", path, "2 driver");
        good("crates/unreserve-db/src/sqlite/connect.rs", path);
        good("crates/unreserve-db/tests/locks.rs", path);
        good("crates/unreserve/src/app.rs", "//! One.\n// sqlx::Error\nfn a() {}\n");
    }
}

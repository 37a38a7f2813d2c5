//! Which crate may depend on which.

use toml::{Table, Value};

use super::Breach;
use super::source::Source;

/// What the product's part of a crate must not depend on, and why.
const FORBIDDEN: [(&str, &[&str], &str); 4] = [
    (
        "unreserve-engine",
        &["unreserve", "unreserve-db", "unreserve-testkit", "sqlx", "tokio", "clap"],
        "the engine is pure: no database, runtime, terminal or test tool",
    ),
    (
        "unreserve-db",
        &["unreserve", "unreserve-testkit"],
        "the arrow goes from the binary to the databases, and test tools are dev-dependencies",
    ),
    (
        "unreserve",
        &["unreserve-testkit", "sqlx"],
        "test tools are dev-dependencies, and drivers belong in `unreserve-db`",
    ),
    ("unreserve-testkit", &["unreserve"], "the test tools know the engine, not its faces"),
];

/// The arrows between the crates go one way; `[dev-dependencies]` are free.
pub(super) fn dependencies(source: &Source) -> Vec<Breach> {
    if !source.path.ends_with("Cargo.toml") {
        return Vec::new();
    }
    let manifest: Table = match source.text.parse() {
        Ok(manifest) => manifest,
        Err(error) => {
            let remedy = format!("not readable: {}", error.message());
            return vec![source.breach(1, "dependency", remedy)];
        }
    };
    let package = manifest.get("package").and_then(|package| package.get("name"));
    let Some((_, forbidden, why)) = FORBIDDEN.iter().find(|(name, ..)| package.and_then(Value::as_str) == Some(*name))
    else {
        return Vec::new();
    };
    let mut names = dependency_names(&manifest);
    for target in tables(manifest.get("target")) {
        names.extend(dependency_names(target));
    }
    names
        .into_iter()
        .filter(|(_, package)| forbidden.contains(package))
        .map(|(key, package)| {
            let line = line_of(&source.text, key);
            source.breach(line, "dependency", format!("do not depend on `{package}`: {why}"))
        })
        .collect()
}

/// The tables that are the values of a table.
fn tables(value: Option<&Value>) -> impl Iterator<Item = &Table> {
    let table = value.and_then(Value::as_table);
    table.into_iter().flat_map(|table| table.values()).filter_map(Value::as_table)
}

/// The key and the real name of each dependency that goes into the product.
fn dependency_names(table: &Table) -> Vec<(&str, &str)> {
    ["dependencies", "build-dependencies"]
        .iter()
        .filter_map(|section| table.get(*section)?.as_table())
        .flatten()
        .map(|(key, value)| {
            let renamed = value.get("package").and_then(Value::as_str);
            (key.as_str(), renamed.unwrap_or(key))
        })
        .collect()
}

/// The line in which a dependency is named, in whichever way it is written.
fn line_of(text: &str, key: &str) -> usize {
    let names_it = |line: &str| {
        let line = line.trim_start_matches('[');
        let line = line.rsplit_once("dependencies.").map_or(line, |(_, rest)| rest);
        let name: String = line.chars().take_while(|c| c.is_alphanumeric() || "-_".contains(*c)).collect();
        name == key
    };
    let before = text.lines().take_while(|line| !names_it(line)).count();
    before.saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{bad, good};

    fn manifest(name: &str, rest: &str) -> String {
        format!("[package]\nname = \"{name}\"\n{rest}\n")
    }

    #[test]
    fn finds_an_arrow_in_the_wrong_direction() {
        for (name, rest, line) in [
            ("unreserve-engine", "[dependencies]\nunreserve-db.workspace = true", 4),
            ("unreserve-engine", "[dependencies]\ntokio = \"1\"", 4),
            ("unreserve-engine", "[dependencies.sqlx]\nversion = \"1\"", 3),
            ("unreserve", "[dependencies]\nkit = { package = \"unreserve-testkit\" }", 4),
            ("unreserve-db", "[target.'cfg(unix)'.dependencies]\nunreserve-testkit = \"1\"", 4),
            ("unreserve-db", "[build-dependencies]\nunreserve = \"1\"", 4),
        ] {
            bad("crates/a/Cargo.toml", &manifest(name, rest), &format!("{line} dependency"));
        }
        bad("crates/a/Cargo.toml", "[package", "1 dependency");
    }

    #[test]
    fn lets_the_right_direction_and_dev_dependencies_be() {
        let rest = "[dependencies]\nunreserve-engine = \"1\"\n[dev-dependencies]\nunreserve-testkit = \"1\"";
        for name in ["unreserve", "unreserve-db", "somebody-else"] {
            good("crates/a/Cargo.toml", &manifest(name, rest));
        }
    }
}

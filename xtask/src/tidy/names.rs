//! Names that may not be used, or not everywhere.

use super::Breach;
use super::source::Source;
use super::tokens::{Kind, word};

/// The names of databases, in small letters.
const DIALECTS: [&str; 4] = ["postgres", "mysql", "mariadb", "sqlite"];

/// Module names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 9] =
    ["util", "utils", "common", "helper", "helpers", "types", "misc", "shared_types", "stuff"];

/// A database is named only in the crate that knows databases. Comments and whole sentences for people may name one; code
/// may not, and neither may a text that is nothing but the name, since that is there to be compared with.
pub(super) fn dialects(source: &Source) -> Vec<Breach> {
    if !source.is_in("crates/") || source.is_in("crates/unreserve-db/") || source.is_for_tests() {
        return Vec::new();
    }
    let remedy = |name: &str| format!("`{name}` is known only in `crates/unreserve-db`: ask for a capability instead");
    let of_file = source
        .is_rust()
        .then(|| dialect_in(&source.path).map(|name| source.breach(1, "dialect", remedy(name))))
        .flatten();
    let of_tokens = source.product_tokens().filter_map(|token| {
        let name = match &token.kind {
            Kind::Word(word) => dialect_in(word),
            Kind::Text(text) => dialect_alone(text),
            _ => None,
        }?;
        Some(source.breach(token.line, "dialect", remedy(name)))
    });
    of_file.into_iter().chain(of_tokens).collect()
}

fn dialect_in(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    DIALECTS.into_iter().find(|dialect| name.contains(dialect))
}

/// The dialect where the text is only its name or the scheme of its URLs: `postgresql`, `sqlite://`.
fn dialect_alone(text: &str) -> Option<&'static str> {
    let name = text.trim_end_matches('/').trim_end_matches(':');
    let name = name.to_ascii_lowercase();
    let is_name = |dialect: &&str| name == **dialect || name == format!("{dialect}ql");
    DIALECTS.into_iter().find(is_name)
}

/// A module's name says what is in it.
pub(super) fn modules(source: &Source) -> Vec<Breach> {
    let remedy = |name: &str| format!("`{name}` says nothing: name the one subject it has");
    let mut breaches = Vec::new();
    if source.is_rust() {
        let path = source.path.strip_suffix(".rs").unwrap_or(&source.path);
        let name = path.split('/').find(|part| EMPTY_NAMES.contains(part));
        breaches.extend(name.map(|name| source.breach(1, "module-name", remedy(name))));
    }
    if let Some(rust) = &source.rust {
        for row in rust.tokens.windows(3) {
            let [first, second, third] = row else {
                continue;
            };
            // Only where the module stands here; of a module in its own file the file is told.
            let (Some("mod"), Some(name), Kind::Mark('{')) = (word(first), word(second), &third.kind) else {
                continue;
            };
            if EMPTY_NAMES.contains(&name) {
                breaches.push(source.breach(second.line, "module-name", remedy(name)));
            }
        }
    }
    breaches
}

/// `#[expect(…, reason = "…")]` goes away when its cause does; `#[allow(…)]` stays.
pub(super) fn allow_attributes(source: &Source) -> Vec<Breach> {
    let Some(rust) = &source.rust else {
        return Vec::new();
    };
    let mut breaches = Vec::new();
    let mut attribute_depth = 0_usize;
    let mut before: Option<&Kind> = None;
    for (token, next) in rust.tokens.iter().zip(rust.tokens.iter().skip(1)) {
        match &token.kind {
            Kind::Mark('[') if attribute_depth > 0 || before == Some(&Kind::Mark('#')) => {
                attribute_depth = attribute_depth.saturating_add(1);
            }
            Kind::Mark(']') => attribute_depth = attribute_depth.saturating_sub(1),
            Kind::Word(name) if name == "allow" && attribute_depth > 0 && next.kind == Kind::Mark('(') => {
                let remedy = "use `#[expect(…, reason = \"…\")]`".to_owned();
                breaches.push(source.breach(token.line, "allow", remedy));
            }
            _ => {}
        }
        before = Some(&token.kind);
    }
    breaches
}

#[cfg(test)]
mod tests {
    use super::super::testing::{bad, good};

    const ENGINE: &str = "crates/unreserve-engine/src/plan/due.rs";

    #[test]
    fn finds_a_dialects_name_in_code() {
        for code in [
            "fn connect_postgres() {}",
            "struct MySqlShop;",
            "fn a() { crate::MARIADB; }",
            "const A: &str = \"sqlite\";",
            "const A: &str = \"postgresql://\";",
        ] {
            let code = format!("//! One.\n{code}\n");
            let path = "crates/unreserve/src/app.rs";
            bad(path, &code, "2 dialect");
            good("crates/unreserve-db/src/lib.rs", &code);
            good("crates/unreserve/tests/sweep.rs", &code);
        }
        bad("crates/unreserve/src/sqlite.rs", "//! One.\n", "1 dialect");
    }

    #[test]
    fn lets_people_read_a_dialects_name() {
        good(
            "crates/unreserve/src/settings.rs",
            "//! Reads the URL of PostgreSQL or SQLite.\n/// `sqlite://FILE`.\n#[arg(help = \"sqlite://FILE or postgres://…\")]\nstruct A;\n",
        );
        let in_test = "//! One.\n#[cfg(test)]\nmod tests {\n    fn postgres() {}\n}\n";
        good(ENGINE, in_test);
    }

    #[test]
    fn finds_a_module_name_that_says_nothing() {
        bad("crates/a/src/common/mod.rs", "//! One.\n", "1 module-name");
        bad("xtask/src/helpers.rs", "//! One.\n", "1 module-name");
        bad(ENGINE, "//! One.\nmod types {}\n", "2 module-name");
        good(ENGINE, "//! One.\nmod quantities {}\nfn types() {}\n");
    }

    #[test]
    fn finds_an_allow() {
        bad(ENGINE, "//! One.\n#![allow(dead_code)]\n", "2 allow");
        bad(ENGINE, "//! One.\n\n#[allow(dead_code)]\nfn a() {}\n", "3 allow");
        bad(ENGINE, "//! One.\n#[cfg_attr(unix, allow(dead_code))]\nfn a() {}\n", "2 allow");
        good(
            ENGINE,
            "//! One.\n// #[allow(dead_code)]\n#[expect(dead_code, reason = \"later\")]\nfn allow() { allow(); }\n",
        );
    }
}

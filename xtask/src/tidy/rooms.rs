//! The engine's rooms import only from rooms the data has passed before.

use super::Breach;
use super::source::Source;
use super::tokens::{PathUse, Role};

/// The rooms in the order in which the data passes them; a room imports only from rooms to its left.
const ROOMS: [&str; 8] = ["model", "profile", "plan", "ledger", "shop", "sweep", "report", "watch"];

const ENGINE: &str = "crates/unreserve-engine/src/";

/// A room imports only from rooms to its left, and names the room it imports from.
pub(super) fn imports(source: &Source) -> Vec<Breach> {
    let Some(module) = module_of(&source.path) else {
        return Vec::new();
    };
    let Some(room) = module.first() else {
        // The root may name every room.
        return Vec::new();
    };
    let Some(place) = place_of(room) else {
        let order = ROOMS.join(", ");
        let remedy = format!("`{room}` is none of the rooms {order}: move it into one of them");
        return vec![source.breach(1, "room", remedy)];
    };
    source
        .product_paths()
        .filter_map(|path| Some((path, target(&module, path)?)))
        .filter_map(|(path, target)| {
            let remedy = match place_of(&target) {
                Some(other) if other > place => {
                    format!("`{room}` may not import from `{target}`, which comes after it")
                }
                Some(_) => return None,
                None if path.role == Role::Macro => return None,
                None => format!("import `{target}` from the room it stands in, not from the root"),
            };
            Some(source.breach(path.line, "room", remedy))
        })
        .collect()
}

fn place_of(room: &str) -> Option<usize> {
    ROOMS.iter().position(|known| *known == room)
}

/// The module a file of the engine holds: `plan/due.rs` is `plan`, `due`; `lib.rs` is nothing.
fn module_of(path: &str) -> Option<Vec<String>> {
    let path = path.strip_prefix(ENGINE)?.strip_suffix(".rs")?;
    let path = path.strip_suffix("/mod").unwrap_or(path);
    Some(match path {
        "lib" => Vec::new(),
        _ => path.split('/').map(str::to_owned).collect(),
    })
}

/// The first name under the crate's root that a path leads to, where it begins with `crate`, `self` or `super`.
fn target(module: &[String], path: &PathUse) -> Option<String> {
    let (first, mut rest) = path.segments.split_first()?;
    let mut here = match first.as_str() {
        "crate" => Vec::new(),
        "self" | "super" => {
            let inner = std::iter::repeat_n(String::new(), path.depth);
            module.iter().cloned().chain(inner).collect()
        }
        _ => return None,
    };
    if rest.is_empty() && path.role != Role::Import {
        // `pub(crate)`, `pub(super)`, `&self`.
        return None;
    }
    if first == "super" {
        here.pop();
        while let Some((next, after)) = rest.split_first().filter(|(next, _)| *next == "super") {
            debug_assert_eq!(next, "super");
            here.pop();
            rest = after;
        }
    }
    here.into_iter().chain(rest.iter().cloned()).next()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{bad, good};

    #[test]
    fn finds_an_import_from_a_room_to_the_right() {
        for (file, line) in [
            ("plan/due.rs", "use crate::sweep::Pace;"),
            ("plan/due.rs", "use crate::{model::Order, report::Report};"),
            ("plan/due.rs", "use super::super::shop::Shop;"),
            ("plan/due.rs", "fn a() { crate::ledger::append() }"),
            ("plan/due.rs", "fn a() { b!(crate::ledger::append()) }"),
            ("plan/mod.rs", "use super::sweep;"),
            ("model.rs", "use crate::profile::*;"),
            ("model.rs", "mod inner { use super::super::plan::Plan; }"),
        ] {
            let path = format!("crates/unreserve-engine/src/{file}");
            bad(&path, &format!("//! One.\n{line}\n"), "2 room");
        }
    }

    #[test]
    fn lets_a_room_import_from_itself_and_from_rooms_to_the_left() {
        for (file, line) in [
            ("sweep/pace.rs", "use crate::{model::Order, sweep::Step};"),
            ("plan/due.rs", "use super::effect::Effect;"),
            ("plan/mod.rs", "use super::profile::Profile;"),
            ("plan/mod.rs", "mod inner { use super::Plan; }"),
            ("plan/mod.rs", "pub(crate) fn a(&self) { self::due::b() }"),
            ("plan/mod.rs", "// crate::sweep\n#[cfg(test)]\nmod tests { use crate::sweep::Pace; }"),
            ("lib.rs", "pub use crate::sweep::Pace;"),
        ] {
            let path = format!("crates/unreserve-engine/src/{file}");
            good(&path, &format!("//! One.\n{line}\n"));
        }
        good("crates/unreserve/src/plan/a.rs", "//! One.\nuse crate::sweep;\n");
    }

    #[test]
    fn finds_an_unknown_room_and_an_import_past_the_rooms() {
        bad("crates/unreserve-engine/src/kitchen/a.rs", "//! One.\n", "1 room");
        bad("crates/unreserve-engine/src/plan/a.rs", "//! One.\nuse crate::Pace;\n", "2 room");
        bad("crates/unreserve-engine/src/plan/a.rs", "//! One.\nuse crate::*;\n", "2 room");
        good("crates/unreserve-engine/src/plan/a.rs", "//! One.\nfn a() { crate::check!(1) }\n");
    }
}

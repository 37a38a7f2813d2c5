//! No file may name a path that only one machine has.

use super::Breach;
use super::source::Source;

// The directories are put together from pieces, so that this file does not hold them itself.

/// Directories that belong to one machine.
const OWN: [&str; 2] = [concat!("/wo", "rk/"), concat!("/ro", "ot/")];

/// Directories whose sub-directories belong to one person each.
const HOMES: [&str; 2] = [concat!("/ho", "me/"), concat!("/Us", "ers/")];

/// A path of one machine does not help anybody else.
pub(super) fn machine(source: &Source) -> Vec<Breach> {
    let lines = (1..).zip(source.text.lines());
    lines
        .filter_map(|(line, text)| {
            let anything = |_: char| true;
            let own = OWN.into_iter().find(|name| begins(text, name, anything));
            let home = || HOMES.into_iter().find(|name| begins(text, name, char::is_alphanumeric));
            let directory = own.or_else(home)?;
            let remedy = format!("a path under `{directory}` exists on one machine only");
            Some(source.breach(line, "machine-path", remedy))
        })
        .collect()
}

/// Whether a path in the text begins with the directory and goes on, if at all, as wanted.
fn begins(text: &str, directory: &str, goes_on: fn(char) -> bool) -> bool {
    text.match_indices(directory).any(|(at, _)| {
        let (before, from) = text.split_at(at);
        let after = from.strip_prefix(directory).unwrap_or_default();
        let is_beginning = !before.ends_with(|c: char| c.is_alphanumeric() || "_-.~*})>".contains(c));
        is_beginning && after.chars().next().map_or_else(|| goes_on('/'), goes_on)
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{bad, good};

    #[test]
    fn finds_a_path_of_one_machine() {
        for text in [
            concat!("a = \"/wo", "rk/main\""),
            concat!("see /ro", "ot/.cargo"),
            concat!("/ho", "me/jane/shop"),
            concat!("(/Us", "ers/jane)"),
        ] {
            bad("docs/a.md", &format!("One\n{text}\n"), "2 machine-path");
        }
    }

    #[test]
    fn takes_no_part_of_another_path_for_one() {
        for text in [
            concat!("frame/wo", "rk/a"),
            concat!("https://example.org/ho", "me/page"),
            concat!("$HOME/ro", "ot/"),
            concat!("everything under /ho", "me/ is hidden"),
        ] {
            good("docs/a.md", text);
        }
    }
}

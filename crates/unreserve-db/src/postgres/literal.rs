//! Values written into the text of a statement.
//!
//! Everything goes through [`literal`]: it means the same whatever `standard_conforming_strings` says, and there is no
//! value that ends it early.

/// A text as a literal.
pub(super) fn literal(text: &str) -> String {
    let doubled = text.replace('\'', "''");
    if text.contains('\\') { format!("E'{}'", doubled.replace('\\', "\\\\")) } else { format!("'{doubled}'") }
}

/// An array as the text that PostgreSQL reads it from.
pub(super) fn array<'a>(elements: impl Iterator<Item = Option<&'a str>>) -> String {
    let mut text = String::from("{");
    for (index, element) in elements.enumerate() {
        if index > 0 {
            text.push(',');
        }
        match element {
            None => text.push_str("NULL"),
            Some(element) => {
                text.push('"');
                for letter in element.chars() {
                    if matches!(letter, '"' | '\\') {
                        text.push('\\');
                    }
                    text.push(letter);
                }
                text.push('"');
            }
        }
    }
    text.push('}');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_ends_its_literal() {
        assert_eq!(literal("O'Brien"), "'O''Brien'");
        assert_eq!(literal(r"a\'; DROP TABLE x; --"), r"E'a\\''; DROP TABLE x; --'");
        assert_eq!(literal(""), "''");
    }

    #[test]
    fn an_array_keeps_null_apart_from_its_name() {
        assert_eq!(array([Some("NULL"), None, Some(r#"a"b\c,}"#)].into_iter()), r#"{"NULL",NULL,"a\"b\\c,}"}"#);
        assert_eq!(array(std::iter::empty()), "{}");
    }
}

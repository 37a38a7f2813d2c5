//! Values written into the text of a statement.
//!
//! Everything goes through [`literal`]: it means the same whatever `standard_conforming_strings` says, and there is no
//! value that ends it early.

/// A text as a literal.
pub(super) fn literal(text: &str) -> String {
    let doubled = text.replace('\'', "''");
    if text.contains('\\') { format!("E'{}'", doubled.replace('\\', "\\\\")) } else { format!("'{doubled}'") }
}

/// A statement with values in place of `$1`, `$2` and so on, which is what [`literal`] gives, or NULL. What stands in quotes or
/// in a comment is left as it is: a column may be called `$1`.
pub(super) fn with_values(sql: &str, values: &[String]) -> String {
    let mut text = String::with_capacity(sql.len());
    let mut rest = sql;
    while let Some(letter) = rest.chars().next() {
        let length = match letter {
            '\'' => quoted_length(rest, letter, text.ends_with(['E', 'e'])),
            '"' => quoted_length(rest, letter, false),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end.saturating_add(2)),
            '$' => {
                let digits = rest.chars().skip(1).take_while(char::is_ascii_digit).count();
                let length = digits.saturating_add(1);
                let place = rest.get(1..length).and_then(|digits| digits.parse::<usize>().ok());
                if let Some(value) = place.and_then(|place| values.get(place.checked_sub(1)?)) {
                    text.push_str(value);
                    rest = rest.get(length..).unwrap_or_default();
                    continue;
                }
                length
            }
            other => other.len_utf8(),
        };
        let (taken, behind) = rest.split_at_checked(length).unwrap_or((rest, ""));
        text.push_str(taken);
        rest = behind;
    }
    text
}

/// How long what begins with a quote is, its last quote included; a doubled quote stands for itself.
fn quoted_length(text: &str, quote: char, backslashes: bool) -> usize {
    let mut letters = text.char_indices().skip(1).peekable();
    while let Some((place, letter)) = letters.next() {
        let escapes = letter == '\\' && backslashes;
        if escapes || (letter == quote && letters.peek().is_some_and(|(_, next)| *next == quote)) {
            letters.next();
        } else if letter == quote {
            return place.saturating_add(1);
        }
    }
    text.len()
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
    fn values_stand_where_their_places_are_and_nowhere_else() {
        let values = ["'a$2'".to_owned(), "NULL".to_owned()];
        let rows = [
            ("SELECT $1::text, $2::bigint, $1", "SELECT 'a$2'::text, NULL::bigint, 'a$2'"),
            (r#"/* $1 */ "a$1""$2" = $2"#, r#"/* $1 */ "a$1""$2" = NULL"#),
            ("'it''s $1' || $2", "'it''s $1' || NULL"),
            (r"E'it''s \' $1' || $2", r"E'it''s \' $1' || NULL"),
            (r"E'\' $1 \\' || $2 || '\' || $2", r"E'\' $1 \\' || NULL || '\' || NULL"),
            ("$3 $ $$ '$1", "$3 $ $$ '$1"),
        ];
        for (sql, expected) in rows {
            assert_eq!(with_values(sql, &values), expected, "{sql}");
        }
    }

    #[test]
    fn an_array_keeps_null_apart_from_its_name() {
        assert_eq!(array([Some("NULL"), None, Some(r#"a"b\c,}"#)].into_iter()), r#"{"NULL",NULL,"a\"b\\c,}"}"#);
        assert_eq!(array(std::iter::empty()), "{}");
    }
}

//! Writes SQL text: quoted identifiers, numbered parameters, joined conditions.

/// An identifier in double quotes, as every dialect with standard quoting takes it.
pub(crate) fn quoted(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}

/// Conditions joined by AND; `empty` where there are none.
pub(crate) fn all(conditions: &[String], empty: &str) -> String {
    if conditions.is_empty() { empty.to_owned() } else { conditions.join(" AND ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_double_inside_an_identifier() {
        assert_eq!(quoted(r#"or"ders; DROP TABLE x"#), r#""or""ders; DROP TABLE x""#);
        assert_eq!(quoted("Bestellung.ß"), "\"Bestellung.ß\"");
    }
}

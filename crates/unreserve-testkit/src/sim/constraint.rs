//! The check constraints of a test shop, read from the few forms of SQL that its tables use.

use std::cmp::Ordering;

use super::value::Datum;

/// One check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Check {
    /// `a >= 0`, `a <= b`
    Compare(Operand, &'static str, Operand),
    /// `a IN ('x', 'y')`
    OneOf(String, Vec<String>),
    /// `a IS NULL`
    IsNull(String),
    /// `(…) <> (…)`
    Differ(Box<Check>, Box<Check>),
}

/// One side of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Operand {
    /// A column.
    Column(String),
    /// A whole number.
    Number(i64),
}

/// The comparisons, the longer ones first.
const SIGNS: [&str; 6] = ["<>", "<=", ">=", "<", ">", "="];

impl Check {
    /// Reads a check; nothing where it is of a form that is not known here.
    #[must_use]
    pub(super) fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Some(inner) = text.strip_prefix('(').and_then(|text| text.strip_suffix(')'))
            && let Some((one, two)) = inner.split_once(") <> (")
        {
            return Some(Self::Differ(Box::new(Self::read(one)?), Box::new(Self::read(two)?)));
        }
        if let Some(column) = text.strip_suffix(" IS NULL") {
            return Some(Self::IsNull(column.to_owned()));
        }
        if let Some((column, list)) = text.split_once(" IN (") {
            let values = list.strip_suffix(')')?.split(',').map(|value| value.trim().trim_matches('\'').to_owned());
            return Some(Self::OneOf(column.to_owned(), values.collect()));
        }
        let sign = SIGNS.into_iter().find(|sign| text.contains(&format!(" {sign} ")))?;
        let (one, two) = text.split_once(&format!(" {sign} "))?;
        Some(Self::Compare(Operand::read(one), sign, Operand::read(two)))
    }

    /// Whether a row passes; what cannot be said because of a NULL passes.
    pub(super) fn passes<'r>(&self, column: &impl Fn(&str) -> Option<&'r Datum>) -> bool {
        self.holds(column) != Some(false)
    }

    fn holds<'r>(&self, column: &impl Fn(&str) -> Option<&'r Datum>) -> Option<bool> {
        match self {
            Self::Compare(one, sign, two) => {
                let ordering = one.value(column)?.cmp(&two.value(column)?);
                Some(match *sign {
                    "<>" => ordering != Ordering::Equal,
                    "<=" => ordering != Ordering::Greater,
                    ">=" => ordering != Ordering::Less,
                    "<" => ordering == Ordering::Less,
                    ">" => ordering == Ordering::Greater,
                    _ => ordering == Ordering::Equal,
                })
            }
            Self::OneOf(name, values) => column(name)?.text().map(|text| values.contains(&text)),
            Self::IsNull(name) => Some(matches!(column(name)?, Datum::Null)),
            Self::Differ(one, two) => Some(one.holds(column)? != two.holds(column)?),
        }
    }
}

impl Operand {
    fn read(text: &str) -> Self {
        text.parse().map_or_else(|_| Self::Column(text.to_owned()), Self::Number)
    }

    fn value<'r>(&self, column: &impl Fn(&str) -> Option<&'r Datum>) -> Option<i64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Column(name) => match column(name)? {
                Datum::Integer(number) | Datum::Decimal(number, _) => Some(*number),
                _ => None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shops::{Rules, malikli_tables};

    #[test]
    fn every_check_of_the_shops_is_read() {
        for check in malikli_tables(Rules::default()).iter().flat_map(|table| &table.checks) {
            assert!(Check::read(check).is_some(), "{check}");
        }
    }

    #[test]
    fn a_check_refuses_passes_and_lets_null_be() {
        let rows = [
            ("a >= 0", Datum::Integer(0), true),
            ("a >= 0", Datum::Integer(-1), false),
            ("a <= b", Datum::Integer(8), false),
            ("a <= b", Datum::Null, true),
            ("a IN ('x', 'y')", Datum::text_of("y"), true),
            ("a IN ('x', 'y')", Datum::text_of("z"), false),
            ("(a IS NULL) <> (b IS NULL)", Datum::Null, true),
            ("(a IS NULL) <> (b IS NULL)", Datum::Integer(1), false),
        ];
        let b = Datum::Integer(7);
        for (text, a, passes) in rows {
            let column = |name: &str| if name == "a" { Some(&a) } else { Some(&b) };
            assert_eq!(Check::read(text).unwrap().passes(&column), passes, "{text} with {a:?}");
        }
    }
}

//! The engine counts in integers.

use super::Breach;
use super::source::Source;
use super::tokens::Kind;

/// No floating point in the engine: neither its types nor a literal that has one of them.
pub(super) fn floats(source: &Source) -> Vec<Breach> {
    if !source.is_in("crates/unreserve-engine/src/") {
        return Vec::new();
    }
    source
        .product_tokens()
        .filter(|token| match &token.kind {
            Kind::Word(word) => matches!(word.as_str(), "f32" | "f64"),
            Kind::Number(number) => is_float(number),
            _ => false,
        })
        .map(|token| {
            let remedy = "use a checked integer in the smallest unit".to_owned();
            source.breach(token.line, "float", remedy)
        })
        .collect()
}

fn is_float(number: &str) -> bool {
    let hexadecimal = number.starts_with("0x");
    !hexadecimal
        && (number.contains(['.', 'e', 'E']) && !number.ends_with("size")
            || number.contains("f32")
            || number.contains("f64"))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{bad, good};

    #[test]
    fn finds_a_float_in_the_engine() {
        for code in ["fn a(_: f64) {}", "const A: A = 1.5;", "const A: A = 1f32;", "const A: A = 1e3;"] {
            let code = format!("//! One.\n{code}\n");
            bad("crates/unreserve-engine/src/plan/due.rs", &code, "2 float");
            good("crates/unreserve/src/app.rs", &code);
        }
    }

    #[test]
    fn takes_no_integer_for_a_float() {
        good(
            "crates/unreserve-engine/src/plan/due.rs",
            "//! One.\n// f64\nconst A: usize = 3usize + 0xfe + 1_000 + a.0;\n",
        );
    }
}

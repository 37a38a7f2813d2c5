//! What a file begins with, and how long it and its functions may be.

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use super::Breach;
use super::source::Source;

const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 70;

/// A file begins with one `//!` sentence that tells its subject.
pub(super) fn first_line(source: &Source) -> Vec<Breach> {
    if !source.is_rust() {
        return Vec::new();
    }
    let first_paragraph: Vec<&str> = source.text.lines().map_while(|line| line.strip_prefix("//! ")).collect();
    let ends = first_paragraph.last().is_some_and(|line| line.ends_with(['.', '!', '?', ':']));
    if ends {
        return Vec::new();
    }
    let remedy = "begin the file with one `//!` sentence that tells its subject".to_owned();
    vec![source.breach(1, "first-line", remedy)]
}

/// A file has at most 600 lines, its tests included.
pub(super) fn file(source: &Source) -> Vec<Breach> {
    let lines = source.text.lines().count();
    let is_ours = source.is_rust() || is_written_for_the_page(&source.path);
    if !is_ours || lines <= FILE_LINES_MAX {
        return Vec::new();
    }
    let remedy = format!("{lines} lines, at most {FILE_LINES_MAX}: split it by subject");
    vec![source.breach(FILE_LINES_MAX, "file-length", remedy)]
}

/// What the page is made of beside the program; not what others have written and we carry.
fn is_written_for_the_page(path: &str) -> bool {
    let ending = path.rsplit('.').next().unwrap_or_default();
    matches!(ending, "css" | "js" | "html") && !path.split('/').any(|part| part == "vendor")
}

/// A function has at most 70 lines, from its first line to its closing brace.
pub(super) fn functions(source: &Source) -> Vec<Breach> {
    let mut long = LongFunctions { source, breaches: Vec::new() };
    if let Some(rust) = &source.rust {
        long.visit_file(&rust.syntax);
    }
    long.breaches
}

struct LongFunctions<'source> {
    source: &'source Source,
    breaches: Vec<Breach>,
}

impl LongFunctions<'_> {
    fn check(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let first = signature.span().start().line;
        let last = block.span().end().line;
        let lines = last.saturating_sub(first).saturating_add(1);
        if lines > FUNCTION_LINES_MAX {
            let name = &signature.ident;
            let remedy = format!("`{name}` has {lines} lines, at most {FUNCTION_LINES_MAX}: split it");
            self.breaches.push(self.source.breach(first, "function-length", remedy));
        }
    }
}

impl<'ast> Visit<'ast> for LongFunctions<'_> {
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.check(&function.sig, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.check(&function.sig, &function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        if let Some(block) = &function.default {
            self.check(&function.sig, block);
        }
        visit::visit_trait_item_fn(self, function);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{bad, good};

    const FILE: &str = "crates/a/src/a.rs";

    #[test]
    fn wants_a_sentence_first() {
        bad(FILE, "", "1 first-line");
        bad(FILE, "fn a() {}\n", "1 first-line");
        bad(FILE, "\n//! One.\n", "1 first-line");
        bad(FILE, "//! No sentence\n", "1 first-line");
        good(FILE, "//! One sentence that goes on\n//! here.\n//!\n//! More\n");
        good("docs/a.md", "");
    }

    #[test]
    fn wants_no_file_of_more_than_600_lines() {
        let file = |lines: usize| format!("//! One.\n{}", "// a\n".repeat(lines.saturating_sub(1)));
        bad(FILE, &file(601), "600 file-length");
        good(FILE, &file(600));
        good("Cargo.lock", &file(5000));
        bad("crates/a/assets/a.css", &file(601), "600 file-length");
        good("crates/a/assets/vendor/a.js", &file(601));
    }

    #[test]
    fn wants_no_function_of_more_than_70_lines() {
        let long = |lines: usize| {
            let body = "        a();\n".repeat(lines.saturating_sub(2));
            format!("    /// Text.\n    fn f() {{\n{body}    }}\n")
        };
        for (before, after) in [("", ""), ("impl A {\n", "}\n"), ("trait A {\n", "}\n"), ("mod a {\n#[test]\n", "}\n")]
        {
            let code = |lines| format!("//! One.\n{before}{}{after}", long(lines));
            let line = code(70).lines().take_while(|line| !line.contains("fn f")).count().saturating_add(1);
            bad(FILE, &code(71), &format!("{line} function-length"));
            good(FILE, &code(70));
        }
    }
}

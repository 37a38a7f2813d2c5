//! One file to check: its place, its text, and for Rust its tokens and syntax.

use std::path::Path;

use super::Breach;
use super::tokens::{PathUse, Token, flatten, paths};
use crate::Failure;

/// A file of the workspace.
pub(super) struct Source {
    /// Relative to the workspace's root, with `/`.
    pub(super) path: String,
    pub(super) text: String,
    /// `None` where the file is not Rust or cannot be parsed.
    pub(super) rust: Option<Rust>,
}

/// The parsed form of a Rust file.
pub(super) struct Rust {
    pub(super) syntax: syn::File,
    pub(super) tokens: Vec<Token>,
    pub(super) paths: Vec<PathUse>,
}

impl Source {
    /// Reads a file, or `None` where it is gone, no file, or not text.
    pub(super) fn read(root: &Path, path: &str) -> Result<Option<Self>, Failure> {
        let file = root.join(path);
        if !file.is_file() {
            return Ok(None);
        }
        let bytes = std::fs::read(&file).map_err(|source| Failure::File { path: path.to_owned(), source })?;
        Ok(String::from_utf8(bytes).ok().map(|text| Self::new(path, text)))
    }

    pub(super) fn new(path: &str, text: String) -> Self {
        let rust = path.ends_with(".rs").then(|| parse(&text).ok()).flatten();
        Self { path: path.to_owned(), text, rust }
    }

    pub(super) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    pub(super) fn is_in(&self, folder: &str) -> bool {
        self.path.starts_with(folder)
    }

    /// Whether the whole file serves tests or development only; a build script, too, never runs in the product.
    pub(super) fn is_for_tests(&self) -> bool {
        self.is_in("crates/unreserve-testkit/")
            || self.is_in("xtask/")
            || self.path.split('/').any(|part| matches!(part, "tests" | "benches" | "tests.rs" | "build.rs"))
    }

    /// The tokens that end up in the product; none in a file for tests.
    pub(super) fn product_tokens(&self) -> impl Iterator<Item = &Token> {
        let rust = self.rust.as_ref().filter(|_| !self.is_for_tests());
        rust.into_iter().flat_map(|rust| &rust.tokens).filter(|token| !token.in_test)
    }

    /// The paths and imports that end up in the product; none in a file for tests.
    pub(super) fn product_paths(&self) -> impl Iterator<Item = &PathUse> {
        let rust = self.rust.as_ref().filter(|_| !self.is_for_tests());
        rust.into_iter().flat_map(|rust| &rust.paths).filter(|path| !path.in_test)
    }

    pub(super) fn breach(&self, line: usize, rule: &'static str, remedy: String) -> Breach {
        Breach { file: self.path.clone(), line, rule, remedy }
    }
}

/// A Rust file that does not parse escapes every other rule.
pub(super) fn parses(source: &Source) -> Vec<Breach> {
    if !source.is_rust() {
        return Vec::new();
    }
    match parse(&source.text) {
        Ok(_) => Vec::new(),
        Err(error) => {
            let line = error.span().start().line;
            vec![source.breach(line, "parse", error.to_string())]
        }
    }
}

fn parse(text: &str) -> syn::Result<Rust> {
    let stream: proc_macro2::TokenStream = text.parse()?;
    let tokens = flatten(stream.clone());
    Ok(Rust { syntax: syn::parse2(stream)?, paths: paths(&tokens), tokens })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{bad, good};

    #[test]
    fn finds_a_file_that_does_not_parse() {
        bad("crates/a/src/a.rs", "//! One.\nfn a() {\n", "2 parse");
        bad("crates/a/src/a.rs", "//! One.\nfn fn a() {}\n", "2 parse");
        good("crates/a/src/a.rs", "//! One.\nfn a() {}\n");
        good("crates/a/src/a.txt", "fn fn");
    }
}

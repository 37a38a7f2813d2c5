//! A Rust file as a flat row of tokens without comments, and the paths in it, macros included.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// What a token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// An identifier or keyword.
    Word(String),
    /// Punctuation, or a bracket of either side.
    Mark(char),
    /// The value of a string literal.
    Text(String),
    /// A number as it is written.
    Number(String),
}

/// One token and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) line: usize,
    /// Whether it belongs to an item that only tests see: `#[cfg(test)]` or `#[test]`.
    pub(super) in_test: bool,
    /// How many modules of this file it is nested in.
    pub(super) depth: usize,
}

/// A path as written, or one import with the whole path to it.
#[derive(Debug, Clone)]
pub(super) struct PathUse {
    pub(super) segments: Vec<String>,
    pub(super) line: usize,
    pub(super) in_test: bool,
    pub(super) depth: usize,
    pub(super) role: Role,
}

/// What a path is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Import,
    /// `path(…)`.
    Call,
    /// `path!…`.
    Macro,
    /// `.name(…)` or `fn name(…)`: a name of its own, not a use of the path.
    OwnName,
    Other,
}

impl PathUse {
    pub(super) fn last(&self) -> &str {
        self.segments.last().map_or("", String::as_str)
    }

    /// Whether `part` occurs in a row somewhere in the path.
    pub(super) fn contains(&self, part: &[&str]) -> bool {
        self.segments.windows(part.len()).any(|row| row == part)
    }
}

/// Flattens a file's tokens; documentation is left out.
pub(super) fn flatten(stream: TokenStream) -> Vec<Token> {
    let mut flat = Flat { tokens: Vec::new() };
    flat.stream(stream, false, 0);
    flat.tokens
}

struct Flat {
    tokens: Vec<Token>,
}

impl Flat {
    fn stream(&mut self, stream: TokenStream, in_test: bool, depth: usize) {
        let mut trees = stream.into_iter().peekable();
        let mut whole = in_test;
        let mut item_in_test = in_test;
        while let Some(tree) = trees.next() {
            let line = tree.span().start().line;
            if is_mark(&tree, '#') {
                let inner = trees.next_if(|next| is_mark(next, '!')).is_some();
                let attribute = trees.next_if(|next| matches!(next, TokenTree::Group(_)));
                let Some(TokenTree::Group(attribute)) = attribute else {
                    continue;
                };
                let content = attribute.stream();
                whole |= inner && is_for_tests(&content);
                item_in_test |= whole || is_for_tests(&content);
                if !starts_with_word(&content, "doc") {
                    self.push(Kind::Mark('#'), line, item_in_test, depth);
                    self.group(Delimiter::Bracket, content, line, item_in_test, depth);
                }
                continue;
            }
            let ends_item = match &tree {
                TokenTree::Punct(mark) => mark.as_char() == ';',
                TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
                _ => false,
            };
            self.tree(tree, line, item_in_test, depth);
            if ends_item {
                item_in_test = whole;
            }
        }
    }

    fn tree(&mut self, tree: TokenTree, line: usize, in_test: bool, depth: usize) {
        match tree {
            TokenTree::Group(group) => {
                let opens_module = group.delimiter() == Delimiter::Brace && self.ends_with_module_name();
                let inner = depth.saturating_add(usize::from(opens_module));
                self.group(group.delimiter(), group.stream(), line, in_test, inner);
            }
            TokenTree::Ident(word) => {
                let word = word.to_string();
                let word = word.strip_prefix("r#").unwrap_or(&word).to_owned();
                self.push(Kind::Word(word), line, in_test, depth);
            }
            TokenTree::Punct(mark) => self.push(Kind::Mark(mark.as_char()), line, in_test, depth),
            TokenTree::Literal(literal) => {
                let kind = match syn::Lit::new(literal.clone()) {
                    syn::Lit::Str(text) => Kind::Text(text.value()),
                    syn::Lit::CStr(text) => Kind::Text(text.value().to_string_lossy().into_owned()),
                    syn::Lit::ByteStr(text) => Kind::Text(String::from_utf8_lossy(&text.value()).into_owned()),
                    syn::Lit::Int(_) | syn::Lit::Float(_) => Kind::Number(literal.to_string()),
                    _ => return,
                };
                self.push(kind, line, in_test, depth);
            }
        }
    }

    fn group(&mut self, delimiter: Delimiter, content: TokenStream, line: usize, in_test: bool, depth: usize) {
        let (open, close) = match delimiter {
            Delimiter::Parenthesis => ('(', ')'),
            Delimiter::Brace => ('{', '}'),
            Delimiter::Bracket => ('[', ']'),
            Delimiter::None => return self.stream(content, in_test, depth),
        };
        self.push(Kind::Mark(open), line, in_test, depth);
        self.stream(content, in_test, depth);
        self.push(Kind::Mark(close), line, in_test, depth);
    }

    fn push(&mut self, kind: Kind, line: usize, in_test: bool, depth: usize) {
        self.tokens.push(Token { kind, line, in_test, depth });
    }

    /// Whether what stands before an opening brace is `mod name`.
    fn ends_with_module_name(&self) -> bool {
        let mut last = self.tokens.iter().rev().map(|token| &token.kind);
        matches!(last.next(), Some(Kind::Word(_))) && matches!(last.next(), Some(Kind::Word(word)) if word == "mod")
    }
}

fn is_mark(tree: &TokenTree, mark: char) -> bool {
    matches!(tree, TokenTree::Punct(punct) if punct.as_char() == mark)
}

fn starts_with_word(stream: &TokenStream, word: &str) -> bool {
    matches!(stream.clone().into_iter().next(), Some(TokenTree::Ident(first)) if first == word)
}

/// Whether an attribute keeps its item out of the product: `test`, `cfg(test)`, `cfg(all(test, …))`.
fn is_for_tests(attribute: &TokenStream) -> bool {
    let text = attribute.to_string();
    let words: Vec<&str> =
        text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty()).collect();
    match words.as_slice() {
        [.., "test"] if words.first() != Some(&"cfg") => starts_with_word(attribute, "test") || text.contains("::"),
        ["cfg", rest @ ..] => rest.contains(&"test") && !rest.contains(&"not"),
        _ => false,
    }
}

/// Finds the paths in a row of tokens; the imports of a `use` are given one by one, each with its whole path.
pub(super) fn paths(tokens: &[Token]) -> Vec<PathUse> {
    let mut found = Vec::new();
    let mut rest = tokens;
    let mut before: Option<&Kind> = None;
    while let Some((first, after)) = rest.split_first() {
        if word(first) == Some("use") && !after.first().is_some_and(|next| next.kind == Kind::Mark('<')) {
            let mut imports = Imports { rest: after, found: &mut found };
            imports.tree(&[]);
            rest = imports.rest;
            before = None;
            continue;
        }
        let Some(name) = word(first) else {
            before = Some(&first.kind);
            rest = after;
            continue;
        };
        let mut segments = vec![name.to_owned()];
        rest = after;
        while let Some((next, after)) = next_segment(rest) {
            segments.push(next.to_owned());
            rest = after;
        }
        let is_own = segments.len() == 1 && matches!(before, Some(Kind::Mark('.')))
            || matches!(before, Some(Kind::Word(word)) if word == "fn");
        let role = match rest.first().map(|token| &token.kind) {
            _ if is_own => Role::OwnName,
            Some(Kind::Mark('(')) => Role::Call,
            Some(Kind::Mark('!')) => Role::Macro,
            _ => Role::Other,
        };
        found.push(path_use(segments, first, role));
        before = Some(&first.kind);
    }
    found
}

fn path_use(segments: Vec<String>, at: &Token, role: Role) -> PathUse {
    PathUse { segments, line: at.line, in_test: at.in_test, depth: at.depth, role }
}

pub(super) fn word(token: &Token) -> Option<&str> {
    match &token.kind {
        Kind::Word(word) => Some(word),
        _ => None,
    }
}

/// The `name` of a following `::name`, and what stands after it.
fn next_segment(tokens: &[Token]) -> Option<(&str, &[Token])> {
    let after = after_colons(tokens)?;
    let (first, after) = after.split_first()?;
    Some((word(first)?, after))
}

fn after_colons(tokens: &[Token]) -> Option<&[Token]> {
    match tokens {
        [a, b, after @ ..] if a.kind == Kind::Mark(':') && b.kind == Kind::Mark(':') => Some(after),
        _ => None,
    }
}

/// Reads the tree of one `use`.
struct Imports<'tokens, 'found> {
    rest: &'tokens [Token],
    found: &'found mut Vec<PathUse>,
}

impl Imports<'_, '_> {
    /// Reads one branch; the prefix is the path to it.
    fn tree(&mut self, prefix: &[String]) {
        let mut path = prefix.to_vec();
        if let Some(after) = after_colons(self.rest) {
            self.rest = after;
        }
        while let Some((first, after)) = self.rest.split_first() {
            match &first.kind {
                Kind::Mark('{') => {
                    self.rest = after;
                    return self.branches(&path);
                }
                Kind::Word(word) if word == "as" => {
                    self.rest = after.get(1..).unwrap_or_default();
                    continue;
                }
                Kind::Word(word) if word == "self" && !path.is_empty() => {}
                Kind::Word(word) => path.push(word.clone()),
                Kind::Mark('*') => path.push("*".to_owned()),
                _ => return,
            }
            self.rest = after_colons(after).unwrap_or(after);
            if !matches!(after.first().map(|next| &next.kind), Some(Kind::Mark(':'))) {
                self.found.push(path_use(path.clone(), first, Role::Import));
            }
        }
    }

    fn branches(&mut self, path: &[String]) {
        while let Some((first, after)) = self.rest.split_first() {
            match first.kind {
                Kind::Mark('}') => {
                    self.rest = after;
                    return;
                }
                Kind::Mark(',') => self.rest = after,
                Kind::Word(_) | Kind::Mark('*' | '{' | ':') => self.tree(path),
                _ => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths_of(code: &str) -> Vec<String> {
        paths(&flatten(code.parse().unwrap()))
            .iter()
            .map(|path| {
                let test = if path.in_test { " test" } else { "" };
                format!("{} {:?} {}{test}", path.segments.join("::"), path.role, path.depth)
            })
            .collect()
    }

    #[test]
    fn gives_each_import_its_whole_path() {
        assert_eq!(
            paths_of("use a::{self, b::{c as d, *}, ::e}; pub use crate::f;"),
            ["a Import 0", "a::b::c Import 0", "a::b::* Import 0", "a::e Import 0", "pub Other 0", "crate::f Import 0",]
        );
    }

    #[test]
    fn tells_calls_macros_methods_and_definitions_apart() {
        assert_eq!(
            paths_of("a::b(1); c!(d::e()); f.g(); fn h() {}"),
            ["a::b Call 0", "c Macro 0", "d::e Call 0", "f Other 0", "g OwnName 0", "fn Other 0", "h OwnName 0",]
        );
    }

    #[test]
    fn marks_what_only_tests_see() {
        let code = "#[cfg(test)] mod t { a(); } #[cfg(not(test))] fn x() { b(); } #[test] fn y() {}
            #[tokio::test] fn z() {} #[cfg(test)] use k; c();";
        let tests: Vec<_> = paths_of(code)
            .into_iter()
            .filter(|path| path.ends_with("test"))
            .filter(|path| path.contains("Call") || path.contains("Import") || path.contains("OwnName"))
            .collect();
        assert_eq!(
            tests,
            [
                "cfg Call 0 test",
                "a Call 1 test",
                "y OwnName 0 test",
                "z OwnName 0 test",
                "cfg Call 0 test",
                "k Import 0 test"
            ]
        );
    }

    #[test]
    fn leaves_comments_and_documentation_out() {
        assert!(flatten("/// a::b\n// c\n".parse().unwrap()).is_empty());
        assert!(flatten("//! a::b\n#![doc = \"x\"]".parse().unwrap()).is_empty());
    }

    #[test]
    fn reads_the_value_of_a_raw_string() {
        let tokens = flatten("r#\"a\"b\"#".parse().unwrap());
        let kinds: Vec<_> = tokens.into_iter().map(|token| token.kind).collect();
        assert_eq!(kinds, [Kind::Text("a\"b".to_owned())]);
    }
}

//! What a command returns when it cannot do what it was asked: the exit number, the causes, the place and the remedy.

pub(crate) mod render;

use std::error::Error;
use std::ops::Range;

use crate::exit::Exit;

/// A failure as a person reads it. Texts are lower case, without a full stop, and hold no secret.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    /// How the program ends because of it.
    pub(crate) exit: Exit,
    /// The class of the error, as in logs and metrics; nothing where it is no database's.
    pub(crate) class: Option<&'static str>,
    /// What could not be done, in one line.
    pub(crate) message: String,
    /// Why, the nearest cause first.
    pub(crate) causes: Vec<String>,
    /// What to do about it, one sentence each.
    pub(crate) hints: Vec<String>,
    /// The text that is meant, where the failure has a place.
    pub(crate) source: Option<Box<SourceText>>,
}

/// A text with the places in it that are meant.
#[derive(Debug, Clone)]
pub(crate) struct SourceText {
    /// What the text is called: a file's name.
    pub(crate) name: String,
    /// The text itself, free of secrets: the lines around each place are shown as they are.
    pub(crate) text: String,
    /// The places, in bytes of the text.
    pub(crate) spots: Vec<Spot>,
}

/// A place in a text, and what is to be said of it.
#[derive(Debug, Clone)]
pub(crate) struct Spot {
    /// The bytes that are meant.
    pub(crate) span: Range<usize>,
    /// What is said beside them.
    pub(crate) label: String,
}

impl Failure {
    /// A failure with nothing but its message.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, class: None, message: message.into(), causes: Vec::new(), hints: Vec::new(), source: None }
    }

    /// Wrong usage, settings or profile.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// The failure that an error with its chain of sources describes.
    pub(crate) fn from_error(exit: Exit, error: &(dyn Error + 'static)) -> Self {
        Self { causes: chain(error.source()), ..Self::new(exit, error.to_string()) }
    }

    /// Adds an error, with its own sources, as the cause.
    pub(crate) fn because(mut self, error: &(dyn Error + 'static)) -> Self {
        self.causes.extend(chain(Some(error)));
        self
    }

    /// Adds the class of the error.
    pub(crate) fn of_class(mut self, class: &'static str) -> Self {
        self.class = Some(class);
        self
    }

    /// The message and its causes in one line.
    pub(crate) fn in_one_line(&self) -> String {
        let texts: Vec<&str> = std::iter::once(&self.message).chain(&self.causes).map(String::as_str).collect();
        texts.join(": ")
    }

    /// Adds what to do about it.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Names the shop whose trouble it is, where it has a name.
    pub(crate) fn of_shop(mut self, shop: Option<&str>) -> Self {
        if let Some(shop) = shop {
            self.message = format!("shop `{shop}`: {}", self.message);
        }
        self
    }

    /// Adds the text that is meant.
    pub(crate) fn in_source(mut self, source: SourceText) -> Self {
        self.source = Some(Box::new(source));
        self
    }
}

/// The texts of an error and its sources. A source that its error already tells in full is not repeated.
pub(crate) fn chain(first: Option<&(dyn Error + 'static)>) -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    for error in std::iter::successors(first, |error| (*error).source()) {
        let text = error.to_string();
        if texts.last().is_none_or(|before| !before.ends_with(&text)) {
            texts.push(text);
        }
    }
    texts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Link {
        text: &'static str,
        #[source]
        source: Option<Box<Link>>,
    }

    #[test]
    fn tells_the_whole_chain_once() {
        let end = Link { text: "refused", source: None };
        let middle = Link { text: "cannot connect: refused", source: Some(Box::new(end)) };
        let top = Link { text: "no answer", source: Some(Box::new(middle)) };
        let failure = Failure::from_error(Exit::DatabaseUnavailable, &top);
        assert_eq!(failure.message, "no answer");
        assert_eq!(failure.causes, ["cannot connect: refused"]);
    }
}

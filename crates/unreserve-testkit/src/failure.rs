//! Why a test failed, and the comparisons that fail it.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;

use unreserve_engine::shop::{ShopError, ShopErrorKind};

/// What a test shop answers, some time later.
pub type Wait<'a, T> = Pin<Box<dyn Future<Output = Result<T, Failure>> + Send + 'a>>;

/// Why a test failed, and where. Its `Debug` is the sentence, since that is what a test runner prints.
pub struct Failure {
    sentence: String,
    place: &'static Location<'static>,
}

impl Failure {
    /// A failure at the caller's place.
    #[track_caller]
    #[must_use]
    pub fn new(sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), place: Location::caller() }
    }

    /// Puts what was done before what went wrong.
    #[must_use]
    pub fn during(mut self, what: &str) -> Self {
        self.sentence = format!("{what}: {}", self.sentence);
        self
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}\n  at {}", self.sentence, self.place)
    }
}

impl<E: Error> From<E> for Failure {
    #[track_caller]
    fn from(error: E) -> Self {
        let mut sentence = error.to_string();
        let mut cause = error.source();
        while let Some(source) = cause {
            sentence.push_str(&format!("; caused by: {source}"));
            cause = source.source();
        }
        Self::new(sentence)
    }
}

/// Fails unless the two are equal.
///
/// # Errors
/// They differ.
#[track_caller]
pub fn equal<A: PartialEq<B> + fmt::Debug, B: fmt::Debug>(actual: &A, expected: &B, what: &str) -> Result<(), Failure> {
    if actual == expected {
        return Ok(());
    }
    Err(Failure::new(format!("{what}:\n  expected {expected:#?}\n  but got  {actual:#?}")))
}

/// Fails unless the condition holds.
///
/// # Errors
/// It does not hold.
#[track_caller]
pub fn holds(condition: bool, what: &str) -> Result<(), Failure> {
    if condition { Ok(()) } else { Err(Failure::new(format!("this does not hold: {what}"))) }
}

/// Fails unless the outcome is an error of that kind, and gives the error.
///
/// # Errors
/// It went well, or the error is of another kind.
#[track_caller]
pub fn fails_as<T: fmt::Debug>(
    outcome: Result<T, ShopError>,
    kind: ShopErrorKind,
    what: &str,
) -> Result<ShopError, Failure> {
    match outcome {
        Err(error) if error.kind == kind => Ok(error),
        Err(error) => {
            Err(Failure::new(format!("{what}: expected an error of kind {kind:?}, got {:?}: {error}", error.kind)))
        }
        Ok(value) => Err(Failure::new(format!("{what}: expected an error of kind {kind:?}, but it gave {value:?}"))),
    }
}

/// The value, or a failure that says what is missing.
///
/// # Errors
/// There is none.
#[track_caller]
pub fn present<T>(value: Option<T>, what: &str) -> Result<T, Failure> {
    match value {
        Some(value) => Ok(value),
        None => Err(Failure::new(format!("there is no {what}"))),
    }
}

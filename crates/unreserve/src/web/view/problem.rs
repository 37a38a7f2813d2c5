//! Why something cannot be shown: what a person reads in place of the figures, and what the API answers with.

use serde::Serialize;
use unreserve_engine::shop::{ShopError, ShopErrorKind};
use utoipa::ToSchema;

use crate::failure::Failure;

/// Why something cannot be answered, as RFC 9457 has it (`application/problem+json`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// The HTTP status: 400 the question was wrong, 404 there is no such thing, 405 the API only reads, 409 several go by
    /// that name, 421 another host was meant, 503 the database does not answer or the shop cannot be read.
    #[schema(example = 404, minimum = 400, maximum = 599)]
    pub(crate) status: u16,
    /// What kind of problem it is, always the same words for one kind.
    #[schema(example = "no such order")]
    pub(crate) title: String,
    /// What happened, in one line and without a secret.
    #[schema(example = "no order goes by `4711`")]
    pub(crate) detail: String,
    /// What to do about it; nothing where nothing can be done.
    #[schema(example = "give the order's key or number as the shop writes it")]
    pub(crate) remedy: Option<String>,
}

impl Problem {
    /// A problem without a remedy.
    pub(crate) fn new(status: u16, title: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { status, title: title.into(), detail: detail.into(), remedy: None }
    }

    /// Adds what to do about it.
    pub(crate) fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// The question cannot be understood.
    pub(crate) fn bad_question(detail: impl Into<String>) -> Self {
        Self::new(400, "bad question", detail)
    }

    /// What a failed attempt comes to: the shop cannot be read.
    pub(crate) fn of_failure(failure: &Failure) -> Self {
        let problem = Self::new(503, "the shop cannot be read", failure.in_one_line());
        Self { remedy: (!failure.hints.is_empty()).then(|| failure.hints.join("; ")), ..problem }
    }

    /// What an error of the database comes to, and what was attempted.
    pub(crate) fn of_shop(error: &ShopError, attempted: &str) -> Self {
        let (status, title) = match error.kind {
            ShopErrorKind::Ambiguous => (409, "several orders go by that name"),
            _ => (503, "the database does not answer"),
        };
        let detail = if status == 409 { error.to_string() } else { format!("{attempted}: {error}") };
        Self { remedy: error.hint.clone(), ..Self::new(status, title, detail) }
    }
}

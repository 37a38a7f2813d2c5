//! What a route is asked: every parameter is read strictly, and one that no route knows is refused, so that a slip of the
//! pen is not taken for an answer.

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;

use super::answer::Refused;
use crate::web::view::{EntriesAsked, Problem, SweepsAsked, SweepsFilter};

/// The parameters behind the `?`.
pub(super) struct Asked<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let asked = Query::<T>::try_from_uri(&parts.uri);
        asked.map(|Query(asked)| Self(asked)).map_err(|error| {
            let source = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
            Refused(Problem::bad_question(source).remedy("`/api/v1/openapi.json` describes every parameter"))
        })
    }
}

/// The part of the path that names one thing.
pub(super) struct Named(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let named = Path::<String>::from_request_parts(parts, state).await;
        named.map(|Path(name)| Self(name)).map_err(|error| Refused(Problem::bad_question(error.body_text())))
    }
}

/// Which shop.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct OfShop {
    /// The shop's name in the settings; needed only where the settings have several.
    #[param(max_length = 100, nullable = false)]
    pub(super) shop: Option<String>,
}

/// Which sweeps.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct OfSweeps {
    /// The shop's name in the settings; needed only where the settings have several.
    #[param(max_length = 100, nullable = false)]
    pub(super) shop: Option<String>,
    /// Only sweeps that ended so; `changed` are those that changed something. All of them where it is left out.
    #[param(inline, nullable = false)]
    pub(super) filter: Option<SweepsFilter>,
    /// `next` of the page before; from the newest sweep on where it is left out.
    #[param(
        pattern = "^[0-9]{1,17}_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
        nullable = false,
        example = "1763863338000000_0193540e-5c1a-7c3e-9d55-3f1b2b6e8a10"
    )]
    pub(super) after: Option<String>,
    /// At most so many sweeps; 50 where it is left out.
    #[param(minimum = 1, maximum = 200, nullable = false)]
    pub(super) limit: Option<u32>,
}

/// Which entries of a sweep.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct OfEntries {
    /// The shop's name in the settings; needed only where the settings have several.
    #[param(max_length = 100, nullable = false)]
    pub(super) shop: Option<String>,
    /// Only entries with this text in the order's number or key, the reservation's key or the stock row; capital letters are as
    /// good as small ones.
    #[param(min_length = 1, max_length = 200, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$", nullable = false)]
    pub(super) matching: Option<String>,
    /// `next` of the page before; from the first entry on where it is left out.
    #[param(
        pattern = "^[0-9]{1,17}_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}_[0-9]{1,18}$",
        nullable = false,
        example = "1763863338000000_0193540e-5c1a-7c3e-9d55-3f1b2b6e8a10_17"
    )]
    pub(super) after: Option<String>,
    /// At most so many entries; 200 where it is left out.
    #[param(minimum = 1, maximum = 1000, nullable = false)]
    pub(super) limit: Option<u32>,
}

/// Which order.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct OfOrder {
    /// The shop's name in the settings; needed only where the settings have several.
    #[param(max_length = 100, nullable = false)]
    pub(super) shop: Option<String>,
    /// The order's number or key; with `number:` or `key:` in front where only one of the two is meant.
    #[param(min_length = 1, max_length = 200, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub(super) order: String,
}

/// A limit within its bounds.
fn limit(given: Option<u32>, usual: u32, most: u32) -> Result<u32, Problem> {
    match given {
        None => Ok(usual),
        Some(given) if (1..=most).contains(&given) => Ok(given),
        Some(given) => Err(Problem::bad_question(format!("`limit` is {given}, and has to be from 1 to {most}"))),
    }
}

impl OfSweeps {
    /// What is asked of the ledger.
    pub(super) fn sweeps(&self) -> Result<SweepsAsked, Problem> {
        let limit = limit(self.limit, 50, 200)?;
        Ok(SweepsAsked { filter: self.filter.unwrap_or_default(), after: self.after.clone(), limit })
    }
}

impl OfEntries {
    /// What is asked of the ledger.
    pub(super) fn entries(&self) -> Result<EntriesAsked, Problem> {
        let limit = limit(self.limit, 200, 1_000)?;
        Ok(EntriesAsked { matching: self.matching.clone(), after: self.after.clone(), limit })
    }
}

//! How the API answers: JSON, and problems as RFC 9457 has them.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::web::view::Problem;

/// What every route gives.
pub(super) type Answer<T> = Result<Json<T>, Refused>;

/// A problem on its way out.
pub(super) struct Refused(pub(super) Problem);

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let kind = HeaderValue::from_static("application/problem+json");
        (status, [(header::CONTENT_TYPE, kind)], Json(self.0)).into_response()
    }
}

/// A value that may be shared with others who asked at the same time.
pub(super) fn json<T: Serialize + Clone>(value: &T) -> Answer<T> {
    Ok(Json(value.clone()))
}

/// There is no such route.
pub(super) async fn no_such_route(uri: Uri) -> Refused {
    let path: String = uri.path().chars().take(100).collect();
    let problem = Problem::new(404, "no such route", format!("below `/api/v1` there is no route `{path}`"));
    Refused(problem.remedy("`/api/v1/openapi.json` describes every route"))
}

/// The API only reads.
pub(super) async fn only_reading() -> Response {
    let problem = Problem::new(405, "the API only reads", "only GET and HEAD are answered here").remedy("use GET");
    ([(header::ALLOW, HeaderValue::from_static("GET, HEAD"))], Refused(problem)).into_response()
}

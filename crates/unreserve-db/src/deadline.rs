//! The deadline on every answer of a database.

use std::future::Future;
use std::time::Duration;

use unreserve_engine::shop::{ShopError, ShopErrorKind};

/// Waits for an answer, but not for ever.
///
/// A call that was cut off leaves its connection in an unknown state (a BEGIN may have been sent, an answer may still
/// come): the caller must drop the connection on `Disconnected`, never use it again.
///
/// # Errors
/// `Disconnected` where no answer came in time.
pub(crate) async fn within<T>(
    limit: Duration,
    statement: &'static str,
    answer: impl Future<Output = T>,
) -> Result<T, ShopError> {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that cuts a database call off")]
    let outcome = tokio::time::timeout(limit, answer).await;
    outcome.map_err(|_| {
        let message = format!("no answer from the database within {} s", limit.as_secs_f32());
        ShopError::new(ShopErrorKind::Disconnected, message).during(statement)
    })
}

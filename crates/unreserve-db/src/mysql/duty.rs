//! Who watches this shop.

use unreserve_engine::model::Holder;
use unreserve_engine::shop::{Acquired, ShopError};

use super::connect::Link;
use super::lease::take_row;
use super::values::Parameters;
use crate::duty::{SILENT_SECONDS, row_name};

const LEAVE: &str =
    "/* unreserve leave_duty */ UPDATE unreserve_lease SET token = NULL WHERE profile = ? AND token = ?";

/// Becomes, or stays, the one who watches.
pub(super) async fn take(link: &mut Link, profile: &str, holder: &Holder) -> Result<Acquired, ShopError> {
    link.begin_write().await?;
    let outcome = take_row(link, &row_name(profile), holder, SILENT_SECONDS.saturating_mul(1_000_000)).await;
    link.end(outcome).await
}

/// Lets the next one watch.
pub(super) async fn leave(link: &mut Link, profile: &str, token: &str) -> Result<(), ShopError> {
    link.begin_write().await?;
    let parameters = Parameters::new().text(row_name(profile)).text(token).plain();
    let outcome = match parameters {
        Ok(parameters) => link.execute("leave_duty", LEAVE, parameters).await,
        Err(error) => Err(error),
    };
    link.end(outcome).await.map(|_| ())
}

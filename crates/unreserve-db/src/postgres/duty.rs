//! Who watches this shop.

use unreserve_engine::model::Holder;
use unreserve_engine::shop::{Acquired, ShopError};

use super::connect::Link;
use super::ledger::{FREE, held_by, lease_row};
use super::message::Transaction;
use super::values::Parameters;
use crate::duty::{SILENT_SECONDS, row_name};

/// `$1` row, `$2` token, `$3` host, `$4` process, `$5` lock file.
const TAKE: &str = "/* unreserve take_duty */
UPDATE unreserve.lease AS l
SET epoch = l.epoch + CASE WHEN l.token = $2::text THEN 0 ELSE 1 END, token = $2::text, host = $3::text,
    process_id = $4::bigint, lock_file = $5::text, heard_at = clock_timestamp(), backend_pid = pg_backend_pid(),
    backend_start = (SELECT a.backend_start FROM pg_stat_get_activity(pg_backend_pid()) AS a)
WHERE l.profile = $1::text AND (FREE)
RETURNING 1";

const LEAVE: &str = "/* unreserve leave_duty */
UPDATE unreserve.lease SET token = NULL, heard_at = clock_timestamp() WHERE profile = $1::text AND token = $2::text";

/// Becomes, or stays, the one who watches.
pub(super) async fn take(link: &mut Link, profile: &str, holder: &Holder) -> Result<Acquired, ShopError> {
    link.begin(Transaction::Lease);
    let outcome = try_take(link, &row_name(profile), holder).await;
    link.end(outcome).await
}

async fn try_take(link: &mut Link, row: &str, holder: &Holder) -> Result<Acquired, ShopError> {
    let sql = TAKE.replace("FREE", &FREE.replace("LEASE", &format!("interval '{SILENT_SECONDS} seconds'")));
    for first in [true, false] {
        let parameters = Parameters::new()
            .with(row.to_owned())
            .with(holder.token.clone())
            .with(holder.host.clone())
            .with(i64::from(holder.process_id))
            .with(holder.lock_file.clone());
        if !link.rows("take_duty", &sql, parameters).await?.is_empty() {
            return Ok(Acquired::Yes);
        }
        if first {
            // The first watch of this profile ever: the row is made, then taken like any other.
            lease_row(link, row).await?;
        }
    }
    held_by(link, holder, row).await
}

/// Lets the next one watch.
pub(super) async fn leave(link: &mut Link, profile: &str, token: &str) -> Result<(), ShopError> {
    link.begin(Transaction::Lease);
    let parameters = Parameters::new().with(row_name(profile)).with(token.to_owned());
    let outcome = link.execute("leave_duty", LEAVE, parameters).await;
    link.end(outcome).await.map(|_| ())
}

//! Who may sweep: taking the lease, and knowing when its holder is gone.

use unreserve_engine::ledger::SweepStart;
use unreserve_engine::model::Holder;
use unreserve_engine::shop::{Acquired, ShopError, ShopErrorKind};

use super::connect::Link;
use super::values::{Parameters, only_row, read, read_count};

/// A lease that was not heard of for so long is free. A live holder is heard of with every batch.
const LEASE_MICROS: i64 = 30_000_000;

/// Profile.
const ROW: &str = "/* unreserve lease_row */ INSERT IGNORE INTO unreserve_lease (profile) VALUES (?)";

/// Profile. The columns of [`Found`].
const LOOK: &str = "/* unreserve holder */
SELECT token, host, process_id, lock_file, TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) - heard_at,
       account = CURRENT_USER() AND server = CONCAT(@@hostname, ':', @@port), connection_id
FROM unreserve_lease WHERE profile = ?";

/// Connection. Everybody may see the connections of their own account.
const ALIVE: &str = "/* unreserve alive */ SELECT COUNT(*) FROM information_schema.processlist WHERE id = ?";

/// Token, host, process, lock file, profile.
const TAKE: &str = "/* unreserve acquire */
UPDATE unreserve_lease SET epoch = epoch + 1, token = ?, host = ?, process_id = ?, lock_file = ?,
       account = CURRENT_USER(), server = CONCAT(@@hostname, ':', @@port), connection_id = CONNECTION_ID(),
       heard_at = TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6))
WHERE profile = ?";

/// Sweep, profile, version, holder.
const BEGIN: &str = "/* unreserve sweep */
INSERT IGNORE INTO unreserve_sweep (sweep_id, profile, version, holder, started_at)
VALUES (?, ?, ?, ?, TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)))";

/// A lease, as it stands.
struct Found {
    /// Who holds it; nobody where it is free.
    holder: Option<Holder>,
    silent_micros: i64,
    /// Whether we would see its connection: the same account on the same server.
    in_sight: bool,
    connection_id: i64,
}

/// Takes the lease, and writes that the sweep begins.
pub(super) async fn acquire(link: &mut Link, holder: &Holder, start: &SweepStart) -> Result<Acquired, ShopError> {
    link.begin_write().await?;
    let outcome = try_acquire(link, holder, start).await;
    match link.end(outcome).await {
        // Whoever is in a batch holds the row: that is an answer too.
        Err(error) if error.kind == ShopErrorKind::LockTimeout => {
            link.begin_read().await?;
            let outcome = look(link, &start.profile, "").await;
            match link.end(outcome).await?.and_then(|found| Some((found.silent_micros, found.holder?))) {
                Some((silent, other)) if other.token != holder.token => Ok(held_by(other, silent)),
                _ => Err(error),
            }
        }
        answer => answer,
    }
}

fn held_by(holder: Holder, silent_micros: i64) -> Acquired {
    Acquired::HeldBy { holder, heard_seconds_ago: silent_micros.checked_div(1_000_000).unwrap_or(0).max(0) }
}

async fn try_acquire(link: &mut Link, holder: &Holder, start: &SweepStart) -> Result<Acquired, ShopError> {
    let taken = take_row(link, &start.profile, holder, LEASE_MICROS).await?;
    if taken == Acquired::Yes {
        let begun = Parameters::new()
            .text(start.sweep_id.to_string())
            .text(start.profile.clone())
            .text(start.version.clone())
            .text(start.holder.clone());
        link.execute("sweep", BEGIN, begun.plain()?).await?;
    }
    Ok(taken)
}

/// Takes the row of a name, if it is free: that nobody holds, that is ours already, whose holder fell silent for so
/// long, whose connection is gone, or whose lock file is the one this process has just been given. The row is locked
/// meanwhile, so that a batch of ours that is still committing is waited for.
pub(super) async fn take_row(
    link: &mut Link,
    name: &str,
    holder: &Holder,
    silent_micros: i64,
) -> Result<Acquired, ShopError> {
    let mut found = look(link, name, " FOR UPDATE").await?;
    if found.is_none() {
        // The first of this name ever: the row is made, then taken like any other.
        link.execute("lease_row", ROW, Parameters::new().text(name).plain()?).await?;
        found = look(link, name, " FOR UPDATE").await?;
    }
    let found =
        found.ok_or_else(|| ShopError::new(ShopErrorKind::Other, "the lease cannot be written").during("lease_row"))?;
    if let Some(other) = found.holder {
        let same_place = other.host == holder.host && other.lock_file == holder.lock_file;
        // A clock that was set back must not keep a dead holder alive for ever.
        let silent = found.silent_micros.saturating_abs();
        if other.token != holder.token
            && !same_place
            && silent < silent_micros
            && (!found.in_sight || is_alive(link, found.connection_id).await?)
        {
            return Ok(held_by(other, silent));
        }
    }
    let taken = Parameters::new()
        .text(holder.token.clone())
        .text(holder.host.clone())
        .integer(i64::from(holder.process_id))
        .text(holder.lock_file.clone())
        .text(name);
    link.execute("acquire", TAKE, taken.plain()?).await?;
    Ok(Acquired::Yes)
}

async fn look(link: &mut Link, profile: &str, lock: &str) -> Result<Option<Found>, ShopError> {
    const NAME: &str = "holder";
    let rows = link.rows(NAME, &format!("{LOOK}{lock}"), Parameters::new().text(profile).plain()?).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let holder = match read::<Option<String>>(row, 0, NAME)? {
        Some(token) => Some(Holder {
            token,
            host: read(row, 1, NAME)?,
            process_id: u32::try_from(read::<i64>(row, 2, NAME)?).unwrap_or(0),
            lock_file: read::<Option<String>>(row, 3, NAME)?.unwrap_or_default(),
        }),
        None => None,
    };
    Ok(Some(Found {
        holder,
        silent_micros: read(row, 4, NAME)?,
        in_sight: read::<Option<i64>>(row, 5, NAME)?.is_some_and(|flag| flag != 0),
        connection_id: read(row, 6, NAME)?,
    }))
}

async fn is_alive(link: &mut Link, connection_id: i64) -> Result<bool, ShopError> {
    let rows = link.rows("alive", ALIVE, Parameters::new().integer(connection_id).plain()?).await?;
    Ok(read_count(&only_row(rows, "alive")?, 0, "alive")? > 0)
}

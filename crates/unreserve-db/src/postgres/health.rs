//! How the sweeps go, and whether this server's version can be relied on.

use unreserve_engine::shop::{AppendOnly, ShopError, Vitals, VitalsQuery};

use super::connect::Link;
use super::message::{Call, Transaction};
use super::values::{Parameters, only_row, read, read_count, read_own_instant, read_sum};
use crate::duty::row_name;
use crate::records;

/// The oldest version that this dialect is written for.
const OLDEST: u32 = 12;

/// `$1` profile, `$2` how many.
const SWEEPS: &str = "/* unreserve recent_sweeps */
SELECT (extract(epoch FROM s.started_at) * 1000000)::bigint, (extract(epoch FROM e.finished_at) * 1000000)::bigint, e.ending, e.duration_us
FROM (SELECT sweep_id, started_at FROM unreserve.sweep WHERE profile = $1::text ORDER BY started_at DESC, sweep_id DESC LIMIT $2::bigint) AS s
LEFT JOIN unreserve.sweep_end AS e ON e.sweep_id = s.sweep_id ORDER BY s.started_at DESC, s.sweep_id DESC";

/// `$1` profile, `$2` days.
const TOTALS: &str = "/* unreserve totals */
SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint,
       (SELECT coalesce(sum(b.drift), 0)::bigint
        FROM (SELECT sweep_id FROM unreserve.sweep
              WHERE profile = $1::text AND started_at >= now() - $2::bigint * interval '1 day' ORDER BY started_at DESC LIMIT 10000) AS s
        JOIN unreserve.batch AS b ON b.sweep_id = s.sweep_id),
       (SELECT count(*) FROM (SELECT 1 FROM unreserve.set_aside WHERE profile = $1::text AND retry_at > now() LIMIT 10000) AS a)";

/// `$1` the row of who sweeps, `$2` the row of who watches. A session of another role hides its beginning: then nobody can tell.
const LEASES: &str = "/* unreserve leases */
SELECT l.profile, l.host, l.process_id, extract(epoch FROM clock_timestamp() - l.heard_at)::bigint,
       CASE WHEN l.backend_pid IS NULL THEN NULL
            WHEN NOT EXISTS (SELECT 1 FROM pg_stat_get_activity(l.backend_pid)) THEN 0
            ELSE (SELECT (a.backend_start = l.backend_start)::int FROM pg_stat_get_activity(l.backend_pid) AS a) END::bigint
FROM unreserve.lease AS l WHERE l.profile IN ($1::text, $2::text) AND l.token IS NOT NULL";

/// `$1` how many batches. Their identities are in the order of time.
const BOOKS: &str = "/* unreserve books */
SELECT count(*), count(*) FILTER (WHERE s.sweep_id IS NULL),
       count(*) FILTER (WHERE (b.reservations, b.units, b.orders_cancelled, b.drift) IS DISTINCT FROM (e.reservations, e.units, e.cancelled, e.drift))
FROM (SELECT * FROM unreserve.batch ORDER BY batch_id DESC LIMIT $1::bigint) AS b
LEFT JOIN unreserve.sweep AS s ON s.sweep_id = b.sweep_id
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE e.kind = 'release') AS reservations, coalesce(sum(e.quantity), 0)::bigint AS units,
           count(*) FILTER (WHERE e.kind = 'cancel') AS cancelled, coalesce(sum(e.drift), 0)::bigint AS drift
    FROM unreserve.entry AS e WHERE e.batch_id = b.batch_id) AS e";

const RIGHTS: &str = "/* unreserve ledger_rights */
SELECT coalesce(bool_or(pg_has_role(c.relowner, 'USAGE')), false),
       string_agg(c.relname, ', ' ORDER BY c.relname) FILTER (WHERE has_table_privilege(c.oid, 'DELETE')
           OR has_table_privilege(c.oid, 'TRUNCATE') OR has_any_column_privilege(c.oid, 'UPDATE'))
FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = 'unreserve' AND c.relname IN ('sweep', 'sweep_end', 'batch', 'entry')";

/// How the sweeps of a profile go.
pub(super) async fn vitals(link: &mut Link, query: &VitalsQuery) -> Result<Vitals, ShopError> {
    let VitalsQuery { profile, days, sweeps_max, batches_max } = query;
    let of_profile = || Parameters::new().with(profile.clone());
    let calls = vec![
        Call::once("recent_sweeps", SWEEPS, of_profile().with(i64::from(*sweeps_max)))?,
        Call::once("totals", TOTALS, of_profile().with(i64::from(*days)))?,
        Call::once("leases", LEASES, of_profile().with(row_name(profile)))?,
        Call::once("books", BOOKS, Parameters::new().with(i64::from(*batches_max)))?,
        Call::once("ledger_rights", RIGHTS, Parameters::new())?,
    ];
    let mut replies = link.transact(Transaction::Read, calls).await?.into_iter();
    let mut next = || replies.next().unwrap_or_default().rows;
    let sweeps = next().iter().map(records::sweep_seen).collect::<Result<_, _>>()?;
    let totals = only_row(next(), "totals")?;
    let (mut lease, mut duty) = (None, None);
    for row in next() {
        let (name, seen) = records::lease_seen(&row)?;
        *(if name == *profile { &mut lease } else { &mut duty }) = Some(seen);
    }
    let books = records::books(&only_row(next(), "books")?)?;
    let rights = only_row(next(), "ledger_rights")?;
    let append_only = match (read(&rights, 0, "ledger_rights")?, read::<Option<String>>(&rights, 1, "ledger_rights")?) {
        (true, _) => AppendOnly::Owned,
        (false, Some(tables)) => AppendOnly::Open(format!("the role may change or delete rows of: {tables}")),
        (false, None) => AppendOnly::Kept,
    };
    Ok(Vitals {
        now: read_own_instant(&totals, 0, "totals")?,
        sweeps,
        drift_units: read_sum(&totals, 1, "totals")?,
        set_aside: read_count(&totals, 2, "totals")?,
        lease,
        duty,
        books,
        append_only,
    })
}

/// Why a server of this version cannot be relied on, if it cannot.
pub(super) fn too_old(version: &str) -> Option<String> {
    let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
    let major: u32 = digits.parse().ok()?;
    (major < OLDEST).then(|| format!("version {OLDEST} is the oldest that can be relied on"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_servers_are_told_from_those_that_will_do() {
        for version in ["12.0", "12beta1", "15.18 (Debian 15.18-0+deb12u1)", "17devel", "unknown"] {
            assert_eq!(too_old(version), None, "{version}");
        }
        for version in ["11.22", "9.6.24", "10"] {
            assert!(too_old(version).is_some_and(|reason| reason.contains("12")), "{version}");
        }
    }
}

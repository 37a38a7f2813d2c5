//! One shop on a server, in which something expires many times a second.

use std::process::Command;
use std::time::Duration;

use unreserve_testkit::servers::PostgresServer;

use super::watched::Watched;
use super::{Lag, Scale, Seen};
use crate::bench::contender::Contenders;
use crate::bench::{BenchError, shop};
use crate::say;

/// Everything begins to expire so much later, when the daemon has long come to rest.
const LEAD: u32 = 8;

/// The reservations that are due expire one after the other, at an even pace.
const SPREAD: &str = "UPDATE orders_inventoryreservation AS r
SET expires_at = clock_timestamp() + interval ':lead seconds' + (i.place - 1) * interval '1 second' / :rate
FROM (SELECT x.reservation_id AS id, row_number() OVER (ORDER BY x.reservation_id) AS place
      FROM orders_inventoryreservation AS x JOIN orders_order AS o USING (order_id)
      WHERE x.is_active AND o.order_number LIKE 'DUE-%') AS i
WHERE i.id = r.reservation_id";

/// From the expiry to the moment the batch's commit was on its way to the disk.
const LAG: &str = "SELECT (extract(epoch FROM pg_xact_commit_timestamp(b.xmin) - e.expires_at) * 1000000)::bigint
FROM unreserve.entry AS e JOIN unreserve.batch AS b USING (batch_id) WHERE e.kind = 'release'";

/// Workers that the server lends to a query bear its name and are no connections.
const CONNECTIONS: &str = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'unreserve%' AND backend_type = 'client backend'";

/// Measures one daemon.
pub(super) fn measure(server: &PostgresServer, contenders: &Contenders, scale: Scale) -> Result<Seen, BenchError> {
    say::line(&format!("loading the shop with {} old orders", scale.old));
    let (template, _) = shop::load(server, contenders, scale.old)?;
    let due = u64::from(scale.rate).saturating_mul(u64::from(scale.seconds));
    let shop = shop::with_due(server, &template, due)?;
    shop.reset()?;
    let spread = SPREAD.replace(":lead", &LEAD.to_string()).replace(":rate", &scale.rate.to_string());
    shop.database.run(&spread)?;
    let mut command = Command::new(&contenders.unreserve);
    command.args(["daemon", "--profile", "malikli", "--state-dir"]).arg(contenders.launcher.directory.join("state"));
    command.env("DATABASE_URL", &shop.database.url);
    let mut daemon = Watched::start(command, &contenders.launcher.directory)?;
    say::line(&format!("{} expiries a second for {} seconds", scale.rate, scale.seconds));
    let mut connections = 0;
    let mut count = || -> Result<(), BenchError> {
        connections = connections.max(shop.database.value::<i64>(CONNECTIONS)?);
        Ok(())
    };
    daemon.watch(Duration::from_secs(u64::from(LEAD)), &mut count)?;
    let busy_load = daemon.watch(Duration::from_secs(u64::from(scale.seconds)), &mut count)?;
    daemon.watch(Duration::from_secs(3), &mut count)?;
    shop.check("the daemon", due)?;
    say::line("and nothing for as long");
    let busy_rest = daemon.watch(Duration::from_secs(u64::from(scale.seconds)), &mut count)?;
    Ok(Seen {
        name: format!("one shop on PostgreSQL, {} expiries a second", scale.rate),
        shops: 1,
        lag: Lag::of(shop.database.column(LAG)?),
        memory: daemon.memory()?,
        threads: daemon.threads,
        open_files: daemon.open_files,
        connections: u64::try_from(connections).ok(),
        busy_load,
        busy_rest,
    })
}

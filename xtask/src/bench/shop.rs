//! The measured shop: loaded once a database, made due again before each run, looked at after it.

use unreserve_testkit::servers::PostgresServer;

use super::BenchError;
use super::contender::Contenders;
use super::database::Database;

const VARIANTS: u64 = 200;
/// Orders that are still in the checkout; whoever touches them has failed. `old_orders.sql` makes so many.
const OPEN: u64 = 100;

/// A database with one number of old and one number of due orders.
#[derive(Debug, Clone)]
pub(super) struct BenchShop {
    pub(super) database: Database,
    pub(super) due: u64,
}

/// Makes a database with so many old orders and nothing due, our own tables and the index that is asked for.
pub(super) fn load(
    server: &PostgresServer,
    contenders: &Contenders,
    old: u64,
) -> Result<(String, Database), BenchError> {
    let name = server.create_database().map_err(BenchError::Server)?;
    let database = Database { url: server.url(&name) };
    let fill = |sql: &str| sql.replace(":old", &old.to_string()).replace(":variants", &VARIANTS.to_string());
    database.run(include_str!("shop.sql"))?;
    database.run(&fill(include_str!("old_orders.sql")))?;
    database.run(include_str!("indexes.sql"))?;
    database.run("ANALYZE")?;
    contenders.set_up(&database)?;
    database.run("VACUUM ANALYZE")?;
    Ok((name, database))
}

/// A copy of a loaded database with so many orders due.
pub(super) fn with_due(server: &PostgresServer, template: &str, due: u64) -> Result<BenchShop, BenchError> {
    let name = format!("{template}_{due}");
    let server_database = Database { url: server.url("postgres") };
    server_database.run(&format!("CREATE DATABASE {name} TEMPLATE {template}"))?;
    let database = Database { url: server.url(&name) };
    let fill = |sql: &str| sql.replace(":due", &due.to_string()).replace(":variants", &VARIANTS.to_string());
    database.run(&fill(include_str!("due.sql")))?;
    Ok(BenchShop { database, due })
}

impl BenchShop {
    /// Makes everything due again, in clean and analysed tables. The checkpoint comes first, so that none comes during
    /// the run, and so that the reset and not the run pays for the first write of each page after it.
    pub(super) fn reset(&self) -> Result<(), BenchError> {
        self.database.run("CHECKPOINT")?;
        self.database.run(include_str!("reset.sql"))?;
        self.database.run("VACUUM (ANALYZE)")?;
        self.check("the reset", 0)
    }

    /// Makes sure that exactly `released` of the due reservations are released, with everything that belongs to it.
    pub(super) fn check(&self, who: &str, released: u64) -> Result<(), BenchError> {
        let left = self.due.saturating_sub(released);
        let wanted = [
            ("reservations that are due still", DUE, left),
            ("orders cancelled", CANCELLED, released),
            ("reservations not yet expired", NOT_EXPIRED, OPEN),
            ("units that the stock holds too many or too few", STOCK_OFF, 0),
        ];
        for (what, sql, expected) in wanted {
            let found: i64 = self.database.value(sql)?;
            if u64::try_from(found) != Ok(expected) {
                return Err(BenchError::Wrong { who: who.to_owned(), found, what, expected });
            }
        }
        Ok(())
    }

    /// How long each transaction of the last sweep took, in microseconds.
    ///
    /// The commit's timestamp is taken just before the server waits for the disk, so it would flatter us. From the start
    /// of one batch to the start of the next is the whole transaction, disk included, and the client's pause after it.
    /// Only the last batch has no next.
    pub(super) fn transactions(&self) -> Result<Vec<i64>, BenchError> {
        self.database.column(TRANSACTIONS)
    }
}

const DUE: &str = "SELECT count(*) FROM orders_inventoryreservation WHERE is_active AND expires_at <= now()";

const CANCELLED: &str = "SELECT count(*) FROM orders_order WHERE order_number LIKE 'DUE-%' AND order_status = 'cancelled' AND payment_status = 'cancelled'";

const NOT_EXPIRED: &str = "SELECT count(*) FROM orders_inventoryreservation WHERE is_active AND expires_at > now()";

const STOCK_OFF: &str = "SELECT coalesce(sum(abs(v.reserved_quantity - coalesce(held.quantity, 0))), 0)::bigint
FROM products_productvariant AS v
LEFT JOIN (SELECT product_variant_id AS id, sum(quantity) AS quantity FROM orders_inventoryreservation WHERE is_active GROUP BY 1) AS held
ON held.id = v.id";

const TRANSACTIONS: &str = "SELECT (extract(epoch FROM
    coalesce(lead(at) OVER (ORDER BY at), pg_xact_commit_timestamp(xmin)) - at) * 1000000)::bigint
FROM unreserve.batch ORDER BY at";

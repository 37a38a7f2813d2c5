//! What the server says of itself: product, version, whether it takes writes, whether it is one of a cluster.

use std::collections::BTreeMap;

use unreserve_engine::shop::{Capability, ShopError, ShopErrorKind, ShopInfo};

use super::connect::{Link, Product};
use super::ledger;
use super::values::{Parameters, only_row, read};

/// What is known of a server beside what everybody is told.
#[derive(Debug, Clone)]
pub(super) struct Server {
    /// What everybody is told.
    pub(super) info: ShopInfo,
    /// Whether a lock that was not to be had rolls the whole transaction back.
    pub(super) rolls_back_on_timeout: bool,
}

const VERSION: &str = "/* unreserve version */ SELECT CAST(VERSION() AS CHAR)";

/// Variables that one of the products has and the other has not.
const VARIABLES: &str = "/* unreserve variables */
SHOW VARIABLES WHERE Variable_name IN ('tx_read_only', 'transaction_read_only', 'read_only', 'super_read_only', 'innodb_read_only',
    'innodb_rollback_on_timeout', 'wsrep_on')";

/// Asks the server; told apart are its products first, since each has its own settings.
pub(super) async fn ask(link: &mut Link) -> Result<Server, ShopError> {
    let row = only_row(link.rows("version", VERSION, Parameters::new().plain()?).await?, "version")?;
    let version: String = read(&row, 0, "version")?;
    let (product, name) = product(&version)?;
    link.product = product;
    let mut variables = BTreeMap::new();
    for row in link.rows("variables", VARIABLES, Parameters::new().plain()?).await? {
        let value: String = read(&row, 1, "variables")?;
        variables.insert(read::<String>(&row, 0, "variables")?, is_on(&value));
    }
    let on = |name: &str| variables.get(name).copied().unwrap_or(false);
    if on("wsrep_on") && !link.cluster {
        link.cluster = true;
        tracing::warn!("{CLUSTER}");
    }
    link.begin_read().await?;
    let installed = ledger::state(link).await;
    let installed = link.end(installed).await?;
    let capability = Capability { row_locks: true, single_writer: false, many_hosts: true };
    // One that is too old was refused above.
    let info = ShopInfo { product: name, too_old: None, read_only: read_only(&on), installed, capability };
    Ok(Server { info, rolls_back_on_timeout: on("innodb_rollback_on_timeout") })
}

/// What nobody can promise where several nodes commit.
const CLUSTER: &str = "this server is a node of a Galera cluster: locks hold on this node alone, so a checkout on another node may be \
     refused at its commit in favour of a batch; connect to the node that the shop writes to";

fn is_on(value: &str) -> bool {
    matches!(value.to_ascii_uppercase().as_str(), "ON" | "1" | "YES")
}

/// Why the server takes no writes of ours, if it does not. Whoever may write on a replica all the same is told so as well:
/// what is released there is undone by nobody.
fn read_only(on: &dyn Fn(&str) -> bool) -> Option<String> {
    let reasons = [
        ("innodb_read_only", "innodb_read_only is on"),
        ("super_read_only", "super_read_only is on: it is a replica, or being one"),
        ("read_only", "read_only is on: it is a replica, or being one"),
        ("tx_read_only", "tx_read_only is on for this account or server"),
        ("transaction_read_only", "transaction_read_only is on for this account or server"),
    ];
    reasons.into_iter().find(|(name, _)| on(name)).map(|(_, reason)| reason.to_owned())
}

/// The product and its name with the version, if it is new enough: `SKIP LOCKED` and JSON tables are needed.
fn product(version: &str) -> Result<(Product, String), ShopError> {
    let (product, name, oldest) = if version.to_ascii_lowercase().contains("mariadb") {
        (Product::MariaDb, "MariaDB", (10, 6, 0))
    } else {
        (Product::MySql, "MySQL", (8, 0, 4))
    };
    // Before 11 a replication client was lied to: `5.5.5-10.11.19-MariaDB`.
    let told = version.strip_prefix("5.5.5-").filter(|_| product == Product::MariaDb).unwrap_or(version);
    let number = told.split(['-', '+', '~']).next().unwrap_or(told);
    let mut parts = number.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let found = (parts.next().unwrap_or(0), parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    if found < oldest {
        let message = format!(
            "{name} {number} is too old: {name} {}.{}.{} is the oldest that can be used",
            oldest.0, oldest.1, oldest.2
        );
        return Err(ShopError::new(ShopErrorKind::Refused, message).hint("upgrade the server"));
    }
    Ok((product, format!("{name} {number}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_products_and_versions_apart() {
        let rows = [
            ("10.11.19-MariaDB-0+deb12u1", Some((Product::MariaDb, "MariaDB 10.11.19"))),
            ("5.5.5-10.6.0-MariaDB-log", Some((Product::MariaDb, "MariaDB 10.6.0"))),
            ("11.4.2-MariaDB-ubu2404", Some((Product::MariaDb, "MariaDB 11.4.2"))),
            ("8.0.36", Some((Product::MySql, "MySQL 8.0.36"))),
            ("8.4.0-commercial", Some((Product::MySql, "MySQL 8.4.0"))),
            ("10.5.23-MariaDB", None),
            ("8.0.3-rc", None),
            ("5.7.44-log", None),
            ("", None),
        ];
        for (version, expected) in rows {
            let found = product(version).ok();
            let found = found.as_ref().map(|(product, name)| (*product, name.as_str()));
            assert_eq!(found, expected, "{version}");
        }
    }

    #[test]
    fn a_replica_says_that_it_is_one() {
        assert_eq!(read_only(&|_| false), None);
        for name in ["read_only", "super_read_only", "innodb_read_only", "tx_read_only", "transaction_read_only"] {
            assert!(read_only(&|asked| asked == name).is_some_and(|reason| reason.starts_with(name)), "{name}");
        }
    }

    #[test]
    fn a_node_of_a_cluster_is_known_by_its_variable() {
        assert!(is_on("ON") && is_on("1"));
        assert!(!is_on("OFF") && !is_on("0") && !is_on(""));
        assert!(CLUSTER.contains("another node") && !CLUSTER.contains("  "));
    }
}

//! The least an account needs, and the index a sweep wants: as SQL to read and run.

use std::collections::{BTreeMap, BTreeSet};

use unreserve_engine::plan::{Assignment, IndexAdvice, Plan, ReleasePlan, Table};

use super::fragments::{list, quoted, table_name};

/// What one table is used for.
#[derive(Default)]
struct Use {
    writes: BTreeSet<String>,
    deletes: bool,
}

/// The statements that give an account exactly what this plan needs. They are run in the shop's database.
pub(crate) fn grants(plan: &Plan, role: &str) -> String {
    let mut uses: BTreeMap<&Table, Use> = BTreeMap::new();
    let written = |assignments: &[Assignment]| -> Vec<String> {
        assignments.iter().map(|assignment| assignment.column().name.clone()).collect()
    };
    let order = uses.entry(&plan.order.table).or_default();
    order.writes.extend(written(&plan.order.cancel));
    // Locking a row needs the right to update some column of it, even where orders are never written.
    if order.writes.is_empty() {
        order.writes.extend(plan.order.unpaid.first().map(|condition| condition.column.name.clone()));
    }
    let reservation = uses.entry(&plan.reservation.table).or_default();
    match &plan.reservation.release {
        ReleasePlan::Delete => reservation.deletes = true,
        ReleasePlan::Mark(sets) => reservation.writes.extend(written(sets)),
    }
    for stock in &plan.stock {
        let entry = uses.entry(&stock.table).or_default();
        entry.writes.extend(written(&stock.set));
        entry.writes.extend([&stock.reserved, &stock.on_hand].into_iter().flatten().map(|column| column.name.clone()));
    }
    for (table, _) in plan.guards.iter().filter_map(|guard| guard.evidence.as_ref()) {
        uses.entry(table).or_default();
    }
    let account = account(role);
    let mut text = format!(
        "-- Everything that sweeping with profile `{}` needs, and no more: to run in the database of the shop.\n",
        plan.profile.replace(['\n', '\r'], " ")
    );
    for (table, entry) in uses {
        let name = table_name(table);
        let mut rights = vec!["SELECT".to_owned()];
        if !entry.writes.is_empty() {
            rights.push(format!("UPDATE ({})", list(entry.writes.iter().map(|column| quoted(column)))));
        }
        if entry.deletes {
            rights.push("DELETE".to_owned());
        }
        text.push_str(&format!("GRANT {} ON {name} TO {account};\n", rights.join(", ")));
    }
    for (table, rights) in OWN_TABLES {
        text.push_str(&format!("GRANT {rights} ON {table} TO {account};\n"));
    }
    text
}

/// The ledger can be added to and read, never changed.
const OWN_TABLES: [(&str, &str); 7] = [
    ("unreserve_meta", "SELECT"),
    ("unreserve_lease", "SELECT, INSERT, UPDATE"),
    ("unreserve_sweep", "SELECT, INSERT"),
    ("unreserve_sweep_end", "SELECT, INSERT"),
    ("unreserve_batch", "SELECT, INSERT"),
    ("unreserve_entry", "SELECT, INSERT"),
    ("unreserve_set_aside", "SELECT, INSERT, UPDATE, DELETE"),
];

/// `user@host`, from anywhere where no host is named.
fn account(role: &str) -> String {
    let (user, host) = role.rsplit_once('@').unwrap_or((role, "%"));
    format!("{}@{}", quoted(user), quoted(host))
}

/// The statement that creates an index without stopping the shop. There are no partial indexes: the columns that say
/// whether a row still holds stock come first instead.
pub(crate) fn index_statement(advice: &IndexAdvice, plan: &Plan) -> String {
    let active = plan.reservation.active.iter().map(|condition| &condition.column);
    let mut columns: Vec<String> = Vec::new();
    let led = active.filter(|_| advice.partial);
    for column in led.chain(&advice.columns) {
        let column = quoted(&column.name);
        if !columns.contains(&column) {
            columns.push(column);
        }
    }
    let what = advice.columns.first().map_or("due", |column| column.name.as_str());
    let name: String = format!("unreserve_{what}_{}", advice.table.name).chars().take(60).collect();
    format!(
        "CREATE INDEX {} ON {} ({}) ALGORITHM = INPLACE LOCK = NONE;",
        quoted(&name),
        table_name(&advice.table),
        list(columns)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_a_user_and_a_host() {
        assert_eq!(account("sweeper"), "`sweeper`@`%`");
        assert_eq!(account("swe`eper@10.0.0.%"), "`swe``eper`@`10.0.0.%`");
    }
}

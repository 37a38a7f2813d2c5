//! The least a role needs, and the index a sweep wants: as SQL to read and run.

use std::collections::{BTreeMap, BTreeSet};

use unreserve_engine::plan::{Assignment, IndexAdvice, Plan, ReleasePlan, Table, Test};

use super::fragments::{list, table_name};
use crate::write::{all, quoted};

/// What one table is used for.
#[derive(Default)]
struct Use {
    writes: BTreeSet<String>,
    deletes: bool,
}

/// The statements that give `role` exactly what this plan needs.
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
    let role = quoted(role);
    let mut text = format!("-- Everything that sweeping with profile `{}` needs, and no more.\n", plan.profile);
    let schemas: BTreeSet<&str> = uses.keys().filter_map(|table| table.schema.as_deref()).collect();
    for schema in schemas {
        text.push_str(&format!("GRANT USAGE ON SCHEMA {} TO {role};\n", quoted(schema)));
    }
    for (table, entry) in uses {
        let name = table_name(table);
        text.push_str(&format!("GRANT SELECT ON {name} TO {role};\n"));
        if !entry.writes.is_empty() {
            text.push_str(&format!(
                "GRANT UPDATE ({}) ON {name} TO {role};\n",
                list(entry.writes.iter().map(|column| quoted(column)))
            ));
        }
        if entry.deletes {
            text.push_str(&format!("GRANT DELETE ON {name} TO {role};\n"));
        }
    }
    text.push_str(&OWN_TABLES.replace("ROLE", &role));
    text
}

/// The ledger can be added to and read, never changed.
const OWN_TABLES: &str = "GRANT USAGE ON SCHEMA unreserve TO ROLE;
GRANT SELECT ON ALL TABLES IN SCHEMA unreserve TO ROLE;
GRANT INSERT ON unreserve.sweep, unreserve.sweep_end, unreserve.batch, unreserve.entry TO ROLE;
GRANT INSERT, UPDATE ON unreserve.lease TO ROLE;
GRANT INSERT, UPDATE, DELETE ON unreserve.set_aside TO ROLE;
";

/// The statement that creates an index without stopping the shop.
pub(crate) fn index_statement(advice: &IndexAdvice, plan: &Plan) -> String {
    let columns = list(advice.columns.iter().map(|column| quoted(&column.name)));
    let what = advice.columns.first().map_or("due", |column| column.name.as_str());
    let name: String = format!("unreserve_{what}_{}", advice.table.name).chars().take(60).collect();
    let condition = if advice.partial { format!(" WHERE {}", active_literally(plan)) } else { String::new() };
    format!(
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS {} ON {} ({columns}){condition};",
        quoted(&name),
        table_name(&advice.table)
    )
}

/// The condition of a partial index is part of its definition, where no parameter can stand; it is printed for a person.
fn active_literally(plan: &Plan) -> String {
    let literal = |text: String| format!("'{}'", text.replace('\'', "''"));
    let parts: Vec<String> = plan
        .reservation
        .active
        .iter()
        .map(|condition| {
            let column = quoted(&condition.column.name);
            match &condition.test {
                Test::Null => format!("{column} IS NULL"),
                Test::NotNull => format!("{column} IS NOT NULL"),
                Test::OneOf(values) => {
                    let values: Vec<String> = values.iter().map(|value| literal(value.text())).collect();
                    match values.as_slice() {
                        [value] => format!("{column} = {value}"),
                        values => format!("{column} IN ({})", values.join(", ")),
                    }
                }
            }
        })
        .collect();
    all(&parts, "true")
}

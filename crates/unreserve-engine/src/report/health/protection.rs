//! How exactly payments are seen: whether one can be committed between our last look and our commit.

use super::check::{Check, CheckId, Status};
use super::facts::{HealthFacts, whole_seconds};
use crate::model::write_duration;
use crate::plan::{Plan, Schema};
use crate::shop::Capability;

/// How exactly payments are seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Protection {
    /// A writer shuts every other writer out, so no payment can come in between.
    OneWriter,
    /// Whatever tells of a payment stands in the order's own row, which is locked, or in rows with a foreign key to it.
    Exact,
    /// These columns tell of payments and have no foreign key to the order.
    WithoutForeignKey(Vec<String>),
}

/// Finds out how exactly payments are seen. The schema must have been asked for with its foreign keys.
#[must_use]
pub fn judge_protection(plan: &Plan, schema: &Schema, capability: Capability) -> Protection {
    if capability.single_writer {
        return Protection::OneWriter;
    }
    let loose = plan.guards.iter().filter_map(|guard| guard.evidence.as_ref()).filter(|(table, column)| {
        let info = schema.tables.iter().find(|info| info.name == table.name && info.schema == table.schema);
        let to_order = |(from, to): &(String, String)| {
            // The catalogue may write the schema before the name.
            *from == column.name && to.rsplit('.').next() == Some(plan.order.table.name.as_str())
        };
        !info.is_some_and(|info| info.references.iter().any(to_order))
    });
    let mut loose: Vec<String> = loose.map(|(table, column)| format!("`{}.{}`", table.name, column.name)).collect();
    loose.dedup();
    if loose.is_empty() { Protection::Exact } else { Protection::WithoutForeignKey(loose) }
}

/// How exactly payments are seen.
pub(super) fn protection(facts: &HealthFacts) -> Check {
    const ID: CheckId = CheckId::Protection;
    facts.judge(ID, &facts.protection, |protection| match protection {
        Protection::OneWriter => Check::plain(ID, Status::Ok, "exact: while a batch writes, nobody else does"),
        Protection::Exact => Check::plain(
            ID,
            Status::Ok,
            "exact: a payment stands in the order's own row, or in a row with a foreign key to it",
        ),
        Protection::WithoutForeignKey(columns) => {
            let columns = columns.join(", ");
            let grace = whole_seconds(facts.grace);
            let status = if grace > 0 { Status::Ok } else { Status::Warning };
            let says = match grace {
                0 => format!(
                    "not exact: {columns} has no foreign key to the order, so a payment may be committed between our last look and our commit"
                ),
                _ => format!(
                    "not exact, since {columns} has no foreign key to the order; a grace of {} gives payments that much time",
                    write_duration(facts.grace)
                ),
            };
            Check::plain(ID, status, says).remedy(
                "add that foreign key, have the shop lock the order's row when it is paid, or set `grace` to longer than the last step of a checkout",
            )
        }
    })
}

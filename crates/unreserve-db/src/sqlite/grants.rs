//! What takes the place of grants, and the index a sweep wants: as SQL to read and run.

use unreserve_engine::plan::{Condition, IndexAdvice, Plan, Test, Value};

use super::fragments::list;
use crate::write::{all, quoted};

/// There are no roles here: whoever may write the file may write everything in it.
pub(crate) fn grants(_: &Plan, role: &str) -> String {
    let role: String = role.chars().filter(|letter| !letter.is_control()).take(60).collect();
    format!(
        "-- SQLite has no roles, so there is nothing to grant to `{role}`: whoever may write the database file may write\n\
         -- everything in it. Give the operating system's user that runs unreserve the right to write the file and its\n\
         -- directory, where the journal stands, and nothing else.\n"
    )
}

/// The statement that creates an index.
pub(crate) fn index_statement(advice: &IndexAdvice, plan: &Plan) -> String {
    let names: Vec<&str> = advice.columns.iter().map(|column| column.name.as_str()).collect();
    let name = quoted(&format!("unreserve_{}_{}", advice.table.name, names.first().copied().unwrap_or("due")));
    let columns = list(names.iter().map(|name| quoted(name)));
    let conditions: Vec<String> = plan.reservation.active.iter().map(literal_condition).collect();
    let condition = if advice.partial { format!(" WHERE {}", all(&conditions, "TRUE")) } else { String::new() };
    format!("CREATE INDEX IF NOT EXISTS {name} ON {} ({columns}){condition};", quoted(&advice.table.name))
}

/// A condition with its values written out: an index takes no parameters.
fn literal_condition(condition: &Condition) -> String {
    let column = quoted(&condition.column.name);
    match &condition.test {
        Test::Null => format!("{column} IS NULL"),
        Test::NotNull => format!("{column} IS NOT NULL"),
        Test::OneOf(values) => match values.as_slice() {
            [one] => format!("{column} = {}", literal(one)),
            several => format!("{column} IN ({})", list(several.iter().map(literal))),
        },
    }
}

fn literal(value: &Value) -> String {
    match value {
        Value::Text(text) => format!("'{}'", text.replace('\'', "''")),
        Value::Integer(number) => number.to_string(),
        Value::Boolean(value) => i64::from(*value).to_string(),
    }
}

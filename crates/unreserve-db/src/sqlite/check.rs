//! Has the database compile every statement of a plan, before any of them is run.

use unreserve_engine::plan::{Assignment, Plan, ReleasePlan, TimeEncoding, Zone};
use unreserve_engine::shop::{ShopError, ShopErrorKind};

use super::connect::Link;
use super::render::Statements;
use super::values::Parameters;

/// Compiles every statement, against one state of the file.
///
/// # Errors
/// The first that is refused, by name; a zone by its name, which this database does not know.
pub(super) async fn check(link: &mut Link, plan: &Plan, statements: &Statements) -> Result<(), ShopError> {
    refuse_named_zones(plan)?;
    link.begin_read().await?;
    let outcome = compile(link, statements).await;
    link.end(outcome).await
}

async fn compile(link: &mut Link, statements: &Statements) -> Result<(), ShopError> {
    // Compiling alone trusts the catalogue as it was read last; only a statement that runs sees that it has changed.
    const FRESH: &str = "/* unreserve check */ SELECT count(*) FROM sqlite_schema";
    link.rows("check", FRESH, Parameters::new().plain()?).await?;
    for statement in statements.all() {
        if let Err(error) = link.prepare(statement.name, &statement.sql).await {
            let kind = match error.kind {
                ShopErrorKind::Other | ShopErrorKind::Constraint => ShopErrorKind::SchemaChanged,
                kind => kind,
            };
            return Err(ShopError { kind, ..error });
        }
    }
    Ok(())
}

/// Offsets are plain arithmetic; when summer begins somewhere, only a table of zones knows.
fn refuse_named_zones(plan: &Plan) -> Result<(), ShopError> {
    let mut encodings = vec![(&plan.due.time.column, &plan.due.time.encoding)];
    encodings.extend(plan.due.created_at.iter().map(|time| (&time.column, &time.encoding)));
    let marks: &[Assignment] = match &plan.reservation.release {
        ReleasePlan::Mark(sets) => sets,
        ReleasePlan::Delete => &[],
    };
    let written = plan.order.cancel.iter().chain(marks).chain(plan.stock.iter().flat_map(|stock| &stock.set));
    encodings.extend(written.filter_map(|assignment| match assignment {
        Assignment::Now(column, encoding) => Some((column, encoding)),
        Assignment::Value(..) | Assignment::Null(_) => None,
    }));
    for (column, encoding) in encodings {
        if let TimeEncoding::Text { zone: Zone::Named(zone), .. } | TimeEncoding::DateTime(Zone::Named(zone)) = encoding
        {
            let message = format!(
                "column `{}` is said to be in the zone `{zone}`, but SQLite knows no zone by its name",
                column.name
            );
            return Err(ShopError::new(ShopErrorKind::SchemaChanged, message)
                .hint("write `UTC` or an offset such as `+02:00` if that holds all the year round; else the shop has to write UTC"));
        }
    }
    Ok(())
}

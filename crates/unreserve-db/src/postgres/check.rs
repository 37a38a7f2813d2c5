//! Has the database prepare every statement of a plan, before any of them is run.

use unreserve_engine::plan::{Plan, TimeEncoding, TimePlan, Zone};
use unreserve_engine::shop::{ShopError, ShopErrorKind};

use super::connect::Link;
use super::fragments::Statement;
use super::message::{Call, Transaction};
use super::render::Statements;
use super::values::Parameters;

/// Prepares every statement; an error says which one was refused.
pub(super) async fn check(
    link: &mut Link,
    plan: &Plan,
    statements: &Statements,
    installed: bool,
) -> Result<(), ShopError> {
    refuse_text_instants(plan)?;
    refuse_unknown_zones(link, plan).await?;
    let all = every(statements, installed);
    match link.prepare(&all).await {
        Ok(()) => Ok(()),
        Err(error) if error.kind == ShopErrorKind::Disconnected => Err(error),
        Err(error) => {
            // Only here: while a batch runs, the same codes may be one order's own trouble.
            let error = ShopError { kind: ShopErrorKind::SchemaChanged, ..error };
            Err(error.hint("the profile does not fit this database's types; `unreserve profile check` compares them"))
        }
    }
}

fn every(statements: &Statements, installed: bool) -> Vec<&Statement> {
    let Statements {
        outlook,
        clock_evidence,
        guarded,
        unseen,
        survey,
        lock_due,
        examine_orders,
        examine_reservations,
        read_stock,
        lock_stock,
        lock_free_stock,
        write_stock,
        release,
        cancel_orders,
        explain_by_number,
        explain_by_key,
        explain_reservations,
        try_lock,
        append_ledger,
    } = statements;
    let one = [
        outlook,
        clock_evidence,
        unseen,
        &survey.rest,
        &survey.named,
        &lock_due.rest,
        &lock_due.named,
        examine_orders,
        examine_reservations,
        release,
        explain_by_key,
        explain_reservations,
        try_lock,
    ];
    let several = read_stock
        .iter()
        .chain(lock_stock)
        .chain(lock_free_stock)
        .chain(write_stock)
        .chain(guarded)
        .chain(cancel_orders)
        .chain(explain_by_number);
    let ours = installed.then_some(append_ledger);
    one.into_iter().chain(several).chain(ours).collect()
}

/// One value that is no instant would fail the whole statement here, and one bad order must not block the others.
fn refuse_text_instants(plan: &Plan) -> Result<(), ShopError> {
    let times = [Some(&plan.due.time), plan.due.created_at.as_ref()];
    for time in times.into_iter().flatten() {
        if matches!(time.encoding, TimeEncoding::Text { .. }) {
            let message = format!(
                "column `{}` holds instants as text, which cannot be compared safely in this database",
                time.column.name
            );
            return Err(ShopError::new(ShopErrorKind::SchemaChanged, message)
                .hint("use a column of type timestamptz or timestamp, for example a generated one"));
        }
    }
    Ok(())
}

/// The zones of the columns that decide about expiry.
async fn refuse_unknown_zones(link: &mut Link, plan: &Plan) -> Result<(), ShopError> {
    for time in [Some(&plan.due.time), plan.due.created_at.as_ref()].into_iter().flatten() {
        refuse_unknown_zone(link, time).await?;
    }
    Ok(())
}

/// Whether the server knows the zone. It takes any word for one of POSIX's, which then is none at all; only its own list says
/// which there are.
pub(super) async fn knows_zone(link: &mut Link, encoding: &TimeEncoding) -> Result<bool, ShopError> {
    const ZONE: &str = "/* unreserve zone */ SELECT name FROM pg_catalog.pg_timezone_names WHERE name = $1::text";
    let TimeEncoding::DateTime(Zone::Named(zone)) = encoding else { return Ok(true) };
    let call = Call::once("zone", ZONE, Parameters::new().with(zone.clone()))?;
    let found = link.transact(Transaction::Read, vec![call]).await?.pop().unwrap_or_default();
    Ok(!found.rows.is_empty())
}

async fn refuse_unknown_zone(link: &mut Link, time: &TimePlan) -> Result<(), ShopError> {
    let TimeEncoding::DateTime(Zone::Named(zone)) = &time.encoding else { return Ok(()) };
    if !knows_zone(link, &time.encoding).await? {
        let message =
            format!("column `{}` is said to be in the zone `{zone}`, which the server does not know", time.column.name);
        return Err(ShopError::new(ShopErrorKind::SchemaChanged, message)
            .hint("write the zone as in `SELECT name FROM pg_timezone_names`, for example `Europe/Berlin`"));
    }
    Ok(())
}

//! Has the database prepare every statement of a plan, before any of them is run.

use unreserve_engine::plan::{Plan, TimeEncoding};
use unreserve_engine::shop::{ShopError, ShopErrorKind};
use uuid::Uuid;

use super::connect::Link;
use super::fragments::Statement;
use super::render::Statements;

/// Prepares every statement in one message; only where one is refused, one by one, to say which.
pub(super) async fn check(link: &mut Link, plan: &Plan, statements: &Statements) -> Result<(), ShopError> {
    refuse_text_instants(plan)?;
    let all = every(statements);
    link.begin_read().await?;
    let prepared = prepare(link, &all).await;
    match link.end(prepared).await {
        Ok(()) => Ok(()),
        Err(error) if error.kind == ShopErrorKind::Disconnected => Err(error),
        Err(first) => Err(find(link, &all).await?.unwrap_or(first)),
    }
}

/// The name is unique, so that two sessions behind one pooler never meet; it is gone before the transaction ends.
async fn prepare(link: &mut Link, statements: &[&Statement]) -> Result<(), ShopError> {
    let name = format!("unreserve_{}", Uuid::now_v7().simple());
    let text = statements
        .iter()
        .enumerate()
        .map(|(index, statement)| format!("PREPARE {name}_{index} AS {}; DEALLOCATE {name}_{index};", statement.sql));
    link.simple("check", text.collect()).await
}

async fn find(link: &mut Link, statements: &[&Statement]) -> Result<Option<ShopError>, ShopError> {
    for statement in statements {
        link.begin_read().await?;
        let prepared = prepare(link, &[statement]).await;
        if let Err(error) = link.end(prepared).await {
            let error = ShopError { statement: Some(statement.name), kind: ShopErrorKind::SchemaChanged, ..error };
            return Ok(Some(
                error.hint("the profile does not fit this database's types; `unreserve profile check` compares them"),
            ));
        }
    }
    Ok(None)
}

fn every(statements: &Statements) -> Vec<&Statement> {
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
    one.into_iter().chain(several).collect()
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

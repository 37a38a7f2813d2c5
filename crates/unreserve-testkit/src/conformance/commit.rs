//! Commits that are refused or cut off: the ledger decides what became of them.

use unreserve_engine::shop::{Committed, ShopErrorKind};

use super::steps::{acquire, whole_batch, write};
use crate::failure::{Failure, equal};
use crate::shops::{Fault, MakeShop, RESERVATIONS, Rules, Sweeper, World};

/// A constraint that is checked at the end refuses the whole batch, ledger and all.
///
/// # Errors
/// It does not hold.
pub async fn a_commit_that_the_shop_refuses_leaves_nothing(make: MakeShop) -> Result<(), Failure> {
    let mut world = World::new(make, Rules::default()).await?;
    world.add_due_orders(&[("M-1", 30)]).await?;
    world.shop.provoke(Fault::RefuseCommit { table: RESERVATIONS }).await?;
    let mut shop = world.open().await?;
    let sweeper = Sweeper::new("one");
    acquire(shop.as_mut(), &sweeper).await?;
    let before = world.look().await?;
    let plan = shop.plan().clone();
    let start = sweeper.batch();
    let batch_id = start.batch_id;
    let mut batch = shop.begin(start).await?;
    write(batch.as_mut(), &plan, batch_id).await?;
    match batch.commit().await {
        Committed::No(error) => equal(&error.kind, &ShopErrorKind::Constraint, "the kind of the refusal")?,
        other => return Err(Failure::new(format!("the commit was refused, but it ended as {other:?}"))),
    }
    equal(&shop.find_batch(batch_id).await?, &None, "the batch in the ledger")?;
    equal(&world.look().await?, &before, "the shop and the ledger")
}

/// The server ends the connection between the last write and COMMIT: the answer is not `Yes`, and the ledger has nothing.
///
/// # Errors
/// It does not hold.
pub async fn a_commit_on_a_connection_that_was_cut_off_is_decided_by_the_ledger(make: MakeShop) -> Result<(), Failure> {
    let mut world = World::new(make, Rules::default()).await?;
    world.add_due_orders(&[("M-1", 30), ("M-2", 20)]).await?;
    let mut shop = world.open().await?;
    let sweeper = Sweeper::new("one");
    acquire(shop.as_mut(), &sweeper).await?;
    let before = world.look().await?;
    let plan = shop.plan().clone();
    let start = sweeper.batch();
    let batch_id = start.batch_id;
    let mut batch = shop.begin(start).await?;
    write(batch.as_mut(), &plan, batch_id).await?;
    world.shop.provoke(Fault::CutConnections).await?;
    match batch.commit().await {
        Committed::Unknown(error) | Committed::No(error) => {
            equal(&error.kind, &ShopErrorKind::Disconnected, "the kind of the error")?;
        }
        Committed::Yes => return Err(Failure::new("a commit that was never sent is said to be durable")),
    }
    // Taking the lease again waits for a commit that is still under way, so that the ledger's answer is final.
    acquire(shop.as_mut(), &sweeper).await?;
    equal(&shop.find_batch(batch_id).await?, &None, "the batch in the ledger")?;
    equal(&world.look().await?, &before, "the shop and the ledger")?;
    let record = whole_batch(shop.as_mut(), &sweeper).await?;
    equal(&record.reservations, &2, "reservations released by the next batch")
}

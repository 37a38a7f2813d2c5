//! L9: a short suite that must catch every fault that is planted on purpose, and finds nothing where none is.

use std::time::Duration;

use serde_json::Value as Json;

use super::customer::Style;
use super::market::refill;
use super::program::{Program, Running, ended_with};
use super::proxy::{Action, Break, server_of};
use super::{Arena, Moment, audit, block_on, clocks, deadlocks, interleave, network, on_threads};
use crate::conformance::{self, fence, guards, locking};
use crate::failure::{Failure, equal, present};
use crate::shops::{Cell, Fault, ORDERS, Rules, Source, World};

/// Of all schedules every so manieth is tried.
const STRIDE: usize = 4;

/// The suite, and which part of it found something.
///
/// # Errors
/// What it found, with the part's name before it.
pub fn hunt(arena: &Arena) -> Result<(), Failure> {
    let networked = server_of(&(arena.make)()?.url()?).is_ok();
    part("poison", block_on(poison(arena)))?;
    part("fence", conformance::run(arena.make, fence::whoever_was_taken_over_can_write_nothing_more))?;
    part("guards", conformance::run(arena.make, guards::a_reservation_that_is_not_as_it_was_examined_is_not_released))?;
    part("clocks", clocks::one_day_ahead(arena))?;
    if block_on(locks_rows(arena))? {
        part("under way", conformance::run(arena.make, locking::skips_an_order_whose_payment_is_under_way))?;
        let seen = locking::examine_sees_a_payment_that_was_committed_after_the_lock;
        part("after the lock", conformance::run(arena.make, seen))?;
    }
    if networked {
        part("locks", block_on(deadlocks::waits_with_nothing_in_hand(arena)))?;
        let Moment { behind, word, .. } = present(arena.moments.last().copied(), "moment of the commit")?;
        let breaks = [Action::CutBefore, Action::CutAfter].map(|action| Break { behind, word, passed: 0, action });
        part("network", block_on(network::try_all(arena, &breaks)).map(drop))?;
    }
    let styles = [Style::StatusOnly, Style::PaymentAlone, Style::TouchOnly];
    let tried = on_threads(2, |half| {
        let schedules = interleave::schedules().into_iter().skip(half * 2).step_by(STRIDE).collect::<Vec<_>>();
        block_on(interleave::run_styles(arena.make, &styles, &schedules))
    });
    part("interleave", tried.map(drop))
}

async fn locks_rows(arena: &Arena) -> Result<bool, Failure> {
    let world = World::new(arena.make, Rules::default()).await?;
    Ok(world.open().await?.info().capability.row_locks)
}

fn part(name: &str, outcome: Result<(), Failure>) -> Result<(), Failure> {
    outcome.map_err(|failure| failure.during(&format!("caught by `{name}`")))
}

/// A trigger of the shop's refuses one order in the middle of a batch: nothing of it stays, the others are released, and what
/// is reported is what the ledger has.
async fn poison(arena: &Arena) -> Result<(), Failure> {
    let mut world = World::new(arena.make, Rules::default()).await?;
    drop(world.open().await?);
    refill(&mut world, 12).await?;
    let value = Cell::text("D-5");
    world.shop.provoke(Fault::Refuse { table: ORDERS, column: "order_number", value }).await?;
    let program = Program::on(arena, &world)?;
    let output = Running::start(&mut program.sweep(&program.url, "state", &[]))?.output()?;
    ended_with(&output, &[1])?;
    let seen = audit::shop(&mut world).await?;
    let report: Json = serde_json::from_slice(&output.stdout).map_err(Failure::from)?;
    let told = present(report.get("reservations_released").and_then(Json::as_u64), "count in the report")?;
    let rows = world.session.read(Source::Own("entry"), &["kind"]).await?;
    let released = rows.iter().filter(|row| row.first().cloned().flatten().as_deref() == Some("release")).count();
    equal(&told, &u64::try_from(released)?, "I9: reservations released, as reported and in the ledger")?;
    equal(&released, &22, "reservations of the orders that nobody refused")?;
    equal(&seen.ledger.set_aside.len(), &1, "orders set aside")
}

/// A mutant must be caught within this.
pub const CAUGHT_WITHIN: Duration = Duration::from_secs(20);

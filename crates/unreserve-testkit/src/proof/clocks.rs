//! L6: the process's own clock and zone decide nothing; columns without a zone are read as they were declared.

use std::path::Path;

use super::market::refill;
use super::program::{Program, Running, ended_with};
use super::{Arena, Figures, audit, block_on, switches};
use crate::failure::{Failure, equal, holds, present};
use crate::servers::find_faketime;
use crate::shops::{ColumnKind, NewReservation, Rules, World, malikli_tables};

/// How far the process's clock is off.
const OFF: [&str; 4] = ["-1d", "-1h", "+1h", "+1d"];

/// What the process thinks its zone is.
const ZONES: [&str; 3] = ["UTC", "America/Lima", "Asia/Tokyo"];

/// Sweeps with clocks that are wrong.
pub(super) fn run(arena: &Arena) -> Result<Figures, Failure> {
    let rounds = arena.intensity.pick(1, 5);
    let mut figures = Figures::default();
    block_on(async {
        for round in 0..rounds {
            let mut world = naive_or_not(arena, round % 2 == 1).await?;
            let has_clock = !world.open().await?.info().capability.single_writer;
            let library = if has_clock { Some(find_faketime()?) } else { None };
            let program = Program::on(arena, &world)?;
            for off in if has_clock { &OFF[..] } else { &OFF[..1] } {
                for zone in ZONES {
                    let told = |failure: Failure| failure.during(&format!("a clock that is {off} off, TZ={zone}"));
                    one(&mut world, &program, library.as_deref().map(|library| (library, *off)), zone)
                        .await
                        .map_err(told)?;
                    figures.operations += 1;
                    figures.faults += 1;
                }
            }
            if !has_clock && round == 0 {
                let why = "the database has no clock but the machine's, and knows no zones: only TZ is tried";
                figures.notes.push(why.to_owned());
            }
            if has_clock && round == 0 {
                let sweeps = switches::run(arena).await?;
                figures.operations += sweeps;
                figures.notes.push(format!("{sweeps} sweeps round a switch of the hour, in zones that have it"));
            }
        }
        Ok(())
    })?;
    Ok(figures)
}

/// A shop whose instants carry a zone, or one whose do not and whose profile says UTC.
pub(super) async fn naive_or_not(arena: &Arena, naive: bool) -> Result<World, Failure> {
    let mut world = World::bare(arena.make).await?;
    let mut tables = malikli_tables(Rules::default());
    if naive {
        for column in tables.iter_mut().flat_map(|table| &mut table.columns) {
            if column.kind == ColumnKind::Instant {
                column.kind = ColumnKind::DateTime;
            }
        }
    }
    world.session.create(&tables).await?;
    drop(world.open().await?);
    Ok(world)
}

/// One sweep of a process whose clock is a day ahead; nothing where the database has no clock but the process's.
pub(super) fn one_day_ahead(arena: &Arena) -> Result<(), Failure> {
    block_on(async {
        let mut world = naive_or_not(arena, false).await?;
        if world.open().await?.info().capability.single_writer {
            return Ok(());
        }
        let program = Program::on(arena, &world)?;
        one(&mut world, &program, Some((&find_faketime()?, "+1d")), "UTC").await
    })
}

/// Due orders are released, and one that expires in half an hour is not, whatever the process believes.
async fn one(world: &mut World, program: &Program, fake: Option<(&Path, &str)>, zone: &str) -> Result<(), Failure> {
    refill(world, 6).await?;
    world.add_order("F-1", "pending").await?;
    // It holds nothing of a counter that is audited: its row is one more.
    world.add_stock(crate::shops::Pool::Variant, 77, 10, Some(1)).await?;
    world.add_reservation("F-1", NewReservation::variant(77, 1, 1_800)).await?;
    let mut command = program.sweep(&program.url, "state", &[]);
    command.env("TZ", zone);
    if let Some((library, off)) = fake {
        // Only the wall clock is wrong: a monotonic clock cannot be.
        command.env("LD_PRELOAD", library).env("FAKETIME", off).env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    }
    ended_with(&Running::start(&mut command)?.output()?, &[0])?;
    let seen = audit::shop(world).await?;
    let cancelled = seen.orders.values().filter(|order| order.payment_status == "cancelled").count();
    equal(&cancelled, &6, "I12: orders cancelled")?;
    let future = present(seen.orders.get("F-1"), "order F-1")?;
    holds(future.payment_status == "pending", "I4: an order that has not expired is left alone")
}

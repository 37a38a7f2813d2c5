//! L5: a network that delays, slices, cuts off and goes silent at every moment of a batch, the answer to COMMIT included.

use std::time::Duration;

use unreserve_engine::shop::ShopErrorKind;
use unreserve_engine::sweep::{Silent, SweepError, sweep};

use super::market::{refill, request, swept};
use super::proxy::{Action, Break, Proxy, server_of};
use super::{Arena, Figures, RealClock, audit, block_on, on_threads};
use crate::failure::{Failure, equal, holds};
use crate::shops::{Rules, World};

/// How long a statement may take behind the proxy; the client gives up after twice that.
const STATEMENT: Duration = Duration::from_millis(400);

/// A moment of a batch.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// What was said before on the same connection.
    pub behind: &'static str,
    /// The word itself; any first word where it is empty.
    pub word: &'static str,
    /// Whether every batch of a connection says it, and not only the first.
    pub again: bool,
}

const fn moment(behind: &'static str, word: &'static str) -> Moment {
    Moment { behind, word, again: !word.is_empty() }
}

const fn only_once(behind: &'static str, word: &'static str) -> Moment {
    Moment { behind, word, again: false }
}

/// The moments of a batch where each statement's name stands before its `EXECUTE`.
pub const EXECUTED: &[Moment] = &[
    moment("", ""),
    moment("unreserve acquire", "BEGIN"),
    moment("", "unreserve fence */"),
    moment("", "unreserve lock_due */ EXECUTE"),
    moment("", "unreserve examine_orders */ EXECUTE"),
    moment("", "unreserve lock_free_stock */ EXECUTE"),
    moment("", "unreserve release */ EXECUTE"),
    moment("", "unreserve append_ledger */ EXECUTE"),
    moment("unreserve append_ledger */ EXECUTE", "COMMIT"),
];

/// The moments of a batch where a statement's text is sent once a connection, and by its number after that.
pub const NUMBERED: &[Moment] = &[
    only_once("", ""),
    only_once("", "unreserve acquire"),
    moment("unreserve acquire", "START TRANSACTION READ WRITE"),
    only_once("", "unreserve fence"),
    // Every lock on an order is taken when this is said.
    moment("", "max_statement_time = 0.300"),
    only_once("", "unreserve append_batch"),
    moment("unreserve append_batch", "COMMIT"),
];

const ACTIONS: [Action; 6] = [
    Action::Delay(Duration::from_millis(150)),
    Action::Slice,
    Action::CutBefore,
    Action::CutAfter,
    Action::Silence,
    Action::HoldAnswer,
];

/// Breaks a sweep's connection once in every way.
pub(super) fn run(arena: &Arena) -> Result<Figures, Failure> {
    let shop = (arena.make)()?;
    if server_of(&shop.url()?).is_err() {
        let why = "there is no network to this database";
        return Ok(Figures { notes: vec![why.to_owned()], ..Figures::default() });
    }
    drop(shop);
    let rounds: u64 = arena.intensity.pick(1, 9);
    let all: Vec<Break> = (0..rounds)
        .flat_map(|round| arena.moments.iter().map(move |moment| (round, *moment)))
        .flat_map(|(round, Moment { behind, word, again })| {
            // At first the first batch, then later ones.
            let passed = if again { round % 3 } else { 0 };
            ACTIONS.map(|action| Break { behind, word, passed, action })
        })
        .collect();
    let tried = on_threads(2, |part| {
        let mine: Vec<Break> = all.iter().skip(part).step_by(2).copied().collect();
        block_on(try_all(arena, &mine))
    })?;
    let (ended_well, stopped) = tried.iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    holds(ended_well > stopped, "most sweeps get over one broken connection")?;
    let faults = u64::try_from(all.len())?;
    let notes =
        vec![format!("{ended_well} sweeps ended well all the same, {stopped} stopped and the next one finished")];
    Ok(Figures { operations: faults * 2, faults, notes, ..Figures::default() })
}

/// How many sweeps ended well, and how many stopped.
pub(super) async fn try_all(arena: &Arena, breaks: &[Break]) -> Result<(u64, u64), Failure> {
    let mut world = World::new(arena.make, Rules::default()).await?;
    let mut direct = world.open().await?;
    let mut counts = (0, 0);
    for place in breaks {
        let told = |failure: Failure| failure.during(&format!("{place:?}"));
        refill(&mut world, 12).await.map_err(told)?;
        let before = world.look().await?;
        let well = broken(arena, &world, *place).await.map_err(told)?;
        if well {
            counts.0 += 1
        } else {
            counts.1 += 1
        }
        let between = world.look().await?;
        audit::stands(&between).map_err(told)?;
        audit::grew(&before, &between).map_err(told)?;
        if well {
            equal(&direct.outlook(100).await?.due_orders, &0, "P6: due orders after a sweep that ended well")
                .map_err(told)?;
        }
        swept(direct.as_mut(), 500).await.map_err(told)?;
        audit::nothing_due(direct.as_mut()).await.map_err(told)?;
        audit::grew(&between, &world.look().await?).map_err(told)?;
        audit::shop(&mut world).await.map_err(told)?;
    }
    Ok(counts)
}

/// One sweep over a connection that breaks; whether it ended well.
async fn broken(arena: &Arena, world: &World, place: Break) -> Result<bool, Failure> {
    let url = world.shop.url()?;
    let proxy = Proxy::to(server_of(&url)?).await?;
    let connecting = place.word.is_empty();
    if connecting {
        proxy.arm(place);
    }
    let through = proxy.url(&url)?;
    let mut found = match (arena.opener)(through.clone(), STATEMENT).await {
        // A start-up that was cut off is told at once, and nothing has happened; the second try passes.
        Err(error) if connecting && error.kind == ShopErrorKind::Disconnected => {
            (arena.opener)(through, STATEMENT).await?
        }
        other => other?,
    };
    let plan = world.plan(found.as_mut(), unreserve_engine::plan::Policy::default()).await?;
    let mut shop = found.check(plan).await?;
    if !connecting {
        proxy.arm(place);
    }
    let outcome = sweep(shop.as_mut(), &RealClock::hurried(4), &request(5), &mut Silent).await;
    let armed = proxy.is_armed();
    proxy.close().await;
    holds(!armed, "the sweep came to the moment at which its connection breaks")?;
    match outcome {
        Ok(outcome) if outcome.stopped_by.is_none() => Ok(true),
        Ok(outcome) => passes(outcome.stopped_by),
        Err(error) => passes(Some(error)),
    }
}

/// A sweep may stop on a broken connection, and on nothing else.
fn passes(error: Option<SweepError>) -> Result<bool, Failure> {
    match error {
        Some(SweepError::Shop(error))
            if matches!(
                error.kind,
                ShopErrorKind::Disconnected | ShopErrorKind::LockTimeout | ShopErrorKind::Retry | ShopErrorKind::Fenced
            ) =>
        {
            Ok(false)
        }
        // Our own earlier connection may hold the lease's row for as long as the network keeps it alive.
        Some(SweepError::Held { .. }) => Ok(false),
        other => Err(Failure::new(format!("a broken connection made the sweep stop with {other:?}"))),
    }
}

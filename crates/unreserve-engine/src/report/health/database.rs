//! The database and what the profile says of it.

use super::check::{Check, CheckId, Status, Threshold, Unit};
use super::facts::{Fact, HealthFacts, plural};

/// An answer that takes longer than this is slow, in milliseconds.
const SLOW_MS: i64 = 1_000;

/// One that takes longer than this keeps sweeps from their work, in milliseconds.
const TOO_SLOW_MS: i64 = 5_000;

/// Whether it answers, and how fast.
pub(super) fn reachable(facts: &HealthFacts) -> Check {
    match &facts.reached {
        Fact::Known(reached) => {
            let latency = i64::try_from(reached.latency.as_millis()).unwrap_or(i64::MAX);
            let says = format!("connected and answered in {latency} ms");
            let threshold = Threshold::of(SLOW_MS, TOO_SLOW_MS);
            Check::figure(CheckId::Database, latency, Unit::Milliseconds, threshold, says)
                .remedy("look at the load of the database and at the network to it")
        }
        Fact::Failed(obstacle) => Check {
            remedy: obstacle.remedy.clone(),
            ..Check::plain(CheckId::Database, Status::Critical, obstacle.says.clone())
        },
        Fact::Unasked => Check::plain(CheckId::Database, Status::Unknown, "not known: it was not asked"),
    }
}

/// Whether its version can be relied on.
pub(super) fn version(facts: &HealthFacts) -> Check {
    const ID: CheckId = CheckId::Version;
    facts.judge(ID, &facts.unless_unreached(), |reached| match &reached.info.too_old {
        None => Check::plain(ID, Status::Ok, reached.info.product.clone()),
        Some(reason) => {
            let says = format!("{} is too old: {reason}", reached.info.product);
            Check::plain(ID, Status::Critical, says).remedy("upgrade the server")
        }
    })
}

/// Whether it takes writes.
pub(super) fn writable(facts: &HealthFacts) -> Check {
    const ID: CheckId = CheckId::Writable;
    facts.judge(ID, &facts.unless_unreached(), |reached| match &reached.info.read_only {
        None => Check::plain(ID, Status::Ok, "it takes writes"),
        Some(reason) => Check::plain(ID, Status::Critical, format!("it takes no writes: {reason}"))
            .remedy("connect to a database that takes writes; nothing is released until then"),
    })
}

/// Whether the profile fits the live schema.
pub(super) fn plan(facts: &HealthFacts) -> Check {
    const ID: CheckId = CheckId::Plan;
    match &facts.plan {
        Fact::Failed(obstacle) => {
            let critical = Check::plain(ID, Status::Critical, obstacle.says.clone());
            let remedy = obstacle.remedy.clone();
            Check {
                remedy: remedy.or_else(|| Some("`unreserve profile check` shows the place".to_owned())),
                ..critical
            }
        }
        plan => facts.judge(ID, plan, |()| {
            Check::plain(ID, Status::Ok, "the profile fits the live schema, and every statement was prepared")
        }),
    }
}

/// Whether the shop's clock and the database's belong together.
pub(super) fn clock(facts: &HealthFacts) -> Check {
    const ID: CheckId = CheckId::Clock;
    facts.judge(ID, &facts.look, |look| match &look.clock {
        Ok(()) => Check::plain(ID, Status::Ok, "the shop's clock and the database's clock fit together"),
        Err(fault) => Check::plain(ID, Status::Critical, fault.to_string()).remedy(fault.hint()),
    })
}

/// Whether the indexes that a sweep wants are there.
pub(super) fn index(facts: &HealthFacts) -> Check {
    const ID: CheckId = CheckId::Index;
    facts.judge(ID, &facts.indexes, |missing| {
        let figure = i64::try_from(missing.len()).unwrap_or(i64::MAX);
        let says = match figure {
            0 => "the indexes that a sweep wants are there".to_owned(),
            1 => "1 index that a sweep wants is missing: sweeps slow down as orders pile up".to_owned(),
            _ => format!(
                "{} that a sweep wants are missing: sweeps slow down as orders pile up",
                plural(figure, "index").replace("indexs", "indexes")
            ),
        };
        Check::figure(ID, figure, Unit::Indexes, Threshold::warning(0), says).remedy(missing.join(" "))
    })
}

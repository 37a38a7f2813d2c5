//! What the ledger says of itself, of counters, and of orders that failed.

use super::check::{Check, CheckId, Status, Threshold, Unit};
use super::facts::{Fact, HealthFacts, VITALS_DAYS, plural};
use crate::shop::{AppendOnly, InstallState, Vitals};

/// How many orders are set aside.
pub(super) fn set_aside(facts: &HealthFacts) -> Check {
    const ID: CheckId = CheckId::SetAside;
    facts.judge(ID, &facts.vitals, |vitals| {
        let figure = i64::try_from(vitals.set_aside).unwrap_or(i64::MAX);
        let verb = if figure == 1 { "is" } else { "are" };
        let says = match figure {
            0 => "no order is set aside".to_owned(),
            _ => format!("{} {verb} set aside: their release failed for their own reasons", plural(figure, "order")),
        };
        Check::figure(ID, figure, Unit::Orders, Threshold::warning(0), says)
            .remedy("`unreserve history` shows each with its reason; it is tried again after an hour")
    })
}

/// How much counters lacked.
pub(super) fn drift(facts: &HealthFacts) -> Check {
    const ID: CheckId = CheckId::Drift;
    facts.judge(ID, &facts.vitals, |vitals| {
        let figure = vitals.drift_units;
        let says = match figure {
            0 => format!("no counter lacked anything in the last {VITALS_DAYS} days"),
            _ => format!(
                "counters lacked {} in the last {VITALS_DAYS} days: they and the reservations disagree",
                plural(figure, "unit")
            ),
        };
        Check::figure(ID, figure, Unit::Units, Threshold::warning(0), says)
            .remedy("`unreserve history show SWEEP` names the stock rows; see what else writes to their counters")
    })
}

/// Whether the ledger can be read, adds up, and only grows.
pub(super) fn ledger(facts: &HealthFacts) -> Check {
    const ID: CheckId = CheckId::Ledger;
    if let Fact::Known(reached) = &facts.reached {
        let not_there = match reached.info.installed {
            InstallState::Current => None,
            InstallState::Absent => {
                Some(("the ledger's tables are not there, or the role may not read them".to_owned(), SETUP))
            }
            InstallState::Old(version) => {
                Some((format!("the ledger's tables are of the old version {version}"), SETUP))
            }
            InstallState::Newer(version) => {
                let says =
                    format!("the ledger's tables are of version {version}, which is newer than this program knows");
                Some((says, "use the newer unreserve"))
            }
        };
        if let Some((says, remedy)) = not_there {
            return Check::plain(ID, Status::Critical, says).remedy(remedy);
        }
    }
    match &facts.vitals {
        Fact::Failed(obstacle) => {
            let critical = Check::plain(ID, Status::Critical, format!("it cannot be read: {}", obstacle.says));
            Check { remedy: obstacle.remedy.clone().or_else(|| Some(SETUP.to_owned())), ..critical }
        }
        vitals => facts.judge(ID, vitals, read),
    }
}

const SETUP: &str =
    "run `unreserve setup` once; where it was run already, `unreserve setup --print-grants` prints what the role needs";

fn read(vitals: &Vitals) -> Check {
    const ID: CheckId = CheckId::Ledger;
    let books = vitals.books;
    let wrong = books.without_sweep.saturating_add(books.sums_differ);
    let figure = i64::try_from(wrong).unwrap_or(i64::MAX);
    let threshold = Threshold { warning: None, critical: Some(0) };
    let looked_at = plural(i64::try_from(books.batches).unwrap_or(i64::MAX), "batch").replace("batchs", "batches");
    if wrong > 0 {
        let says = format!(
            "of the newest {looked_at}, {} belong to no sweep and {} have other sums than their entries: somebody has changed the ledger",
            books.without_sweep, books.sums_differ
        );
        return Check::figure(ID, figure, Unit::Batches, threshold, says)
            .remedy("find out who writes to the ledger's tables; the shop's own backup has them as they were");
    }
    let sums = match books.batches {
        0 => "it has no batch yet".to_owned(),
        1 => "the only batch adds up".to_owned(),
        _ => format!("the newest {looked_at} add up"),
    };
    let check = |says| Check::figure(ID, figure, Unit::Batches, threshold, says);
    match &vitals.append_only {
        AppendOnly::Kept => check(format!("{sums}, and nothing in it can be changed or deleted")),
        AppendOnly::Owned => check(format!(
            "{sums}; this account owns its tables, so only a role of its own would be kept from changing it"
        )),
        AppendOnly::Open(what) => {
            Check { status: Status::Warning, ..check(format!("{sums}, but it can be changed: {what}")) }
                .remedy("take those rights away, or run `unreserve setup` to have missing triggers made again")
        }
    }
}

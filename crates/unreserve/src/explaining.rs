//! What an order's conditions mean, in words: for `explain` and for the page.

use jiff::Timestamp;
use unreserve_engine::shop::{Explanation, ReservationSeen};

use crate::cli::sweep_text::{plural, seconds};

/// One condition of an order, with what was found and what it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Condition {
    /// What was looked at.
    pub(crate) condition: String,
    /// What was found.
    pub(crate) value: String,
    /// What it means.
    pub(crate) verdict: String,
    /// Whether it keeps a sweep from working on the order now.
    pub(crate) protects: bool,
}

/// Every condition that a sweep looks at.
pub(crate) fn conditions(found: &Explanation) -> Vec<Condition> {
    let one = |condition: &str, value: &str, verdict: &str, protects: bool| Condition {
        condition: condition.to_owned(),
        value: value.to_owned(),
        verdict: verdict.to_owned(),
        protects,
    };
    let mut all = Vec::new();
    for seen in &found.unpaid_conditions {
        let value = seen.value.as_deref().unwrap_or("NULL");
        let verdict = if seen.unpaid { "unpaid" } else { "not unpaid: protects" };
        all.push(one(&seen.column, value, verdict, !seen.unpaid && !found.cancelled));
    }
    if found.cancelled {
        all.push(one("status", "cancelled already", "only gives its stock back", false));
    }
    for guard in &found.guards {
        let (value, verdict) = if guard.holds { ("holds", "protects") } else { ("does not hold", "nothing protects") };
        all.push(one(&format!("guard `{}`", guard.name), value, verdict, guard.holds));
    }
    all.push(match found.locked {
        Some(true) => one("row lock", "held by another session", "skipped until it is free", true),
        Some(false) => one("row lock", "free", "can be locked", false),
        None => one("row lock", "could not be tried", "unknown", false),
    });
    all.push(match &found.set_aside {
        Some(aside) => {
            let value = format!("since {}, tried {}", instant(aside.since), plural(aside.attempts, "time"));
            let verdict = format!("tried again at {}: {}", instant(aside.retry_at), aside.reason);
            one("set aside", &value, &verdict, true)
        }
        None => one("set aside", "no", "not kept back", false),
    });
    all
}

/// How one reservation stands.
pub(crate) fn state(reservation: &ReservationSeen) -> String {
    let span = |micros: i64| seconds(micros.checked_div(1_000_000).unwrap_or(0));
    if !reservation.active {
        "ended: holds nothing".to_owned()
    } else if reservation.expired {
        format!("expired {} ago", span(reservation.overdue_micros))
    } else if reservation.expires_at.is_some() {
        format!("not expired yet: in {}", span(reservation.overdue_micros.saturating_neg()))
    } else {
        "never due".to_owned()
    }
}

/// One sentence: what the next sweep does with this order.
pub(crate) fn verdict(found: &Explanation) -> String {
    let active = || found.reservations.iter().filter(|reservation| reservation.active);
    if active().next().is_none() {
        return "Nothing to do: it holds no stock.".to_owned();
    }
    if !found.unpaid && !found.cancelled {
        return "Left alone: its status is not one that the profile lists as unpaid.".to_owned();
    }
    if let Some(guard) = found.guards.iter().find(|guard| guard.holds) {
        return format!("Left alone: guard `{}` holds, so money has come or may be coming.", guard.name);
    }
    if !active().any(|reservation| reservation.expired) {
        return match active().filter_map(|reservation| reservation.expires_at).min() {
            Some(next) => format!("Not expired yet: its next reservation expires at {}.", instant(next)),
            None => "Never due: no reservation of it expires.".to_owned(),
        };
    }
    if let Some(aside) = &found.set_aside {
        return format!("Set aside until {}: {}", instant(aside.retry_at), aside.reason);
    }
    if found.locked == Some(true) {
        return "Due, but locked by another session: the next sweep that finds it free releases it.".to_owned();
    }
    let due = active().filter(|reservation| reservation.expired).count();
    let all = active().count();
    let due = u64::try_from(due).unwrap_or(u64::MAX);
    let what = if due == u64::try_from(all).unwrap_or(u64::MAX) {
        format!("its {}", plural(due, "reservation"))
    } else {
        format!("{due} of its {all} reservations")
    };
    let rest = match (found.cancelled, what.starts_with("its")) {
        (true, _) => "; it is cancelled already",
        (false, true) => " and cancels it",
        (false, false) => " and leaves the order open",
    };
    format!("Due: the next sweep releases {what}{rest}.")
}

/// An instant, to the second.
pub(crate) fn instant(instant: Timestamp) -> String {
    instant.round(jiff::Unit::Second).unwrap_or(instant).to_string()
}

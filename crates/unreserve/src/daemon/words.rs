//! How a shop stands, in a sentence for people.

use std::time::Duration;

use unreserve_engine::model::write_duration;
use unreserve_engine::watch::Standing;

use super::record;

/// The word for the record, and the sentence.
pub(super) fn words(standing: &Standing) -> (record::Standing, String) {
    match standing {
        Standing::Opening => (record::Standing::Opening, "connects and checks the profile".to_owned()),
        Standing::Waiting { next_expiry, expires_in, remaining_due } => {
            let left = if *remaining_due { "; something due was left and is tried again soon" } else { "" };
            let waits = match (next_expiry, expires_in) {
                (Some(at), Some(_)) => format!("waits for the next expiry at {at:.0}"),
                _ => "waits; nothing is reserved".to_owned(),
            };
            (record::Standing::Waiting, format!("{waits}{left}"))
        }
        Standing::Sweeping => (record::Standing::Sweeping, "sweeps".to_owned()),
        Standing::StandingBy { says } => (record::Standing::Standby, format!("stands by: {says}")),
        Standing::BackingOff { trouble, .. } => (record::Standing::BackingOff, format!("tries again: {trouble}")),
        Standing::Halted { trouble, rest } => {
            let then = match rest {
                Some(rest) => format!("; looks again every {}", write_duration(whole(*rest))),
                None => "; does nothing more until it is reloaded or started anew".to_owned(),
            };
            (record::Standing::Halted, format!("halted: {trouble}{then}"))
        }
        Standing::Stopped => (record::Standing::Stopped, "has ended".to_owned()),
    }
}

/// How long until it looks again, as far as it matters to people; nothing where it does not.
pub(super) fn looks_again_in(standing: &Standing, interval: Duration) -> Option<Duration> {
    match standing {
        Standing::Waiting { expires_in, .. } => Some(expires_in.unwrap_or(interval).min(interval)),
        Standing::BackingOff { rest, .. } => Some(*rest),
        Standing::Halted { rest, .. } => *rest,
        Standing::StandingBy { .. } => Some(unreserve_engine::watch::STEP_IN),
        Standing::Opening | Standing::Sweeping => Some(Duration::ZERO),
        Standing::Stopped => None,
    }
}

fn whole(duration: Duration) -> Duration {
    Duration::from_secs(duration.as_secs().max(1))
}

#[cfg(test)]
mod tests {
    use unreserve_engine::watch::{Trouble, TroubleKind};

    use super::*;

    #[test]
    fn each_standing_says_what_it_waits_for() {
        let at = "2026-11-22T10:00:42.7Z".parse().unwrap();
        let waiting = |next_expiry, remaining_due| Standing::Waiting {
            next_expiry,
            expires_in: next_expiry.map(|_| Duration::from_secs(42)),
            remaining_due,
        };
        let trouble = |kind| Trouble::new(kind, "disconnected", "cannot connect");
        let cases = [
            (waiting(None, false), "waits; nothing is reserved"),
            (waiting(Some(at), false), "waits for the next expiry at 2026-11-22T10:00:42Z"),
            (waiting(None, true), "waits; nothing is reserved; something due was left and is tried again soon"),
            (Standing::StandingBy { says: "another".to_owned() }, "stands by: another"),
            (
                Standing::BackingOff { trouble: trouble(TroubleKind::Passing), rest: Duration::from_secs(1) },
                "tries again: cannot connect",
            ),
            (
                Standing::Halted { trouble: trouble(TroubleKind::Unfit), rest: Some(Duration::from_secs(30)) },
                "halted: cannot connect; looks again every 30s",
            ),
        ];
        for (standing, expected) in cases {
            assert_eq!(words(&standing).1, expected);
        }
        let far = Some(Duration::from_secs(42));
        assert_eq!(looks_again_in(&waiting(Some(at), false), Duration::from_secs(300)), far);
        assert_eq!(looks_again_in(&waiting(Some(at), false), Duration::from_secs(30)), Some(Duration::from_secs(30)));
        assert_eq!(looks_again_in(&Standing::Stopped, Duration::from_secs(30)), None);
    }
}

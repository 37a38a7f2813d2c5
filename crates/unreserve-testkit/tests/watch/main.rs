//! The engine's watch on a scripted shop: when it looks, when it sweeps, and what it does about trouble.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a script that is left is a failed test, and its instants are small"
)]

mod script;

use std::time::Duration;

use script::{Kept, Script, secs};
use unreserve_engine::shop::ShopErrorKind;
use unreserve_engine::watch::{Ended, Nudge, Standing, TroubleKind};

#[test]
fn wakes_within_a_moment_of_the_next_expiry() {
    let mut script = Script::until(40_000);
    for expires_at in [10_000, 13_333, 29_999] {
        script.reserve(0, expires_at, 0);
    }
    // Made when it had just looked, and expired before it looks again at the latest.
    script.reserve(30_700, 39_000, 0);
    let kept = script.watch();
    assert_eq!(kept.released, [(10_000, 10_002), (13_333, 13_335), (29_999, 30_001), (39_000, 39_002)]);
    assert_eq!(kept.ended, Ended::Stopped);
}

#[test]
fn what_expires_within_a_moment_shares_a_sweep() {
    let mut script = Script::until(20_000);
    for number in 0..50 {
        script.reserve(0, 10_000 + number, 0);
    }
    let kept = script.watch();
    assert_eq!(kept.released.len(), 50);
    assert_eq!(kept.sweeps, [0, 10_002, 10_202]);
}

#[test]
fn sweeps_at_every_interval_though_nothing_is_due_and_looks_every_four_seconds() {
    let script = Script::until(secs(1_000));
    let kept = script.watch();
    assert_eq!(kept.sweeps, [0, secs(300), secs(600), secs(900)]);
    assert!(kept.rests.iter().all(|rest| *rest <= secs(4)), "{:?}", kept.rests);
    assert!(kept.asked.windows(2).all(|two| two[1] - two[0] <= secs(4)), "{:?}", kept.asked);
}

#[test]
fn backs_off_while_the_database_is_away_and_is_back_soon_after_it_is() {
    let mut script = Script::until(secs(400));
    script.reserve(0, secs(20), 0);
    script.trouble(secs(10), secs(200), ShopErrorKind::Disconnected);
    script.trouble(secs(300), secs(305), ShopErrorKind::Disconnected);
    let kept = script.watch();
    let pauses = kept.rests_after(|standing| matches!(standing, Standing::BackingOff { .. }));
    assert_eq!(pauses[..7], [250, 500, 1_000, 2_000, 4_000, 8_000, 15_000]);
    assert!(pauses.iter().all(|pause| *pause <= secs(30)));
    let released_at = kept.released[0].1;
    assert!((secs(200)..secs(230)).contains(&released_at), "{released_at}");
    // The next trouble begins with a short pause again.
    let again = kept.told.iter().find(|(at, told)| *at > secs(290) && matches!(told, Standing::BackingOff { .. }));
    assert!(matches!(&again.unwrap().1, Standing::BackingOff { rest, .. } if *rest == Duration::from_millis(250)));
    assert_eq!(kept.ended, Ended::Stopped);
}

#[test]
fn halts_where_a_person_has_to_act_and_goes_on_once_they_did() {
    for kind in [ShopErrorKind::SchemaChanged, ShopErrorKind::Permission] {
        let mut script = Script::until(secs(200));
        script.must_fit = true;
        script.reserve(0, secs(20), 0);
        script.trouble(secs(10), secs(100), kind);
        let kept = script.watch();
        let pauses = kept.rests_after(|standing| matches!(standing, Standing::Halted { rest: Some(_), .. }));
        assert_eq!(pauses, [secs(30); 3], "{kind:?}");
        assert!(kept.released[0].1 <= secs(131), "{kind:?}: {:?}", kept.released);
    }
}

#[test]
fn ends_where_the_shop_does_not_fit_from_the_beginning_and_only_where_it_is_asked_to() {
    for must_fit in [true, false] {
        let mut script = Script::until(secs(100));
        script.must_fit = must_fit;
        script.trouble(0, secs(50), ShopErrorKind::SchemaChanged);
        let kept = script.watch();
        match kept.ended {
            Ended::Unfit(trouble) => assert!(must_fit && trouble.kind == TroubleKind::Unfit),
            ended => assert!(!must_fit && ended == Ended::Stopped && kept.sweeps == [secs(60)], "{:?}", kept.sweeps),
        }
    }
}

#[test]
fn whoever_has_stood_by_does_not_end_when_it_steps_in_and_finds_a_shop_that_does_not_fit() {
    let mut script = Script::until(secs(100));
    script.must_fit = true;
    script.held = vec![(0, secs(20))];
    script.trouble(secs(20), secs(50), ShopErrorKind::Permission);
    let kept = script.watch();
    assert_eq!(kept.ended, Ended::Stopped);
    assert_eq!(kept.sweeps.len(), 1, "{:?}", kept.sweeps);
}

#[test]
fn ends_at_a_broken_invariant() {
    let mut script = Script::until(secs(100));
    script.trouble(secs(50), secs(60), ShopErrorKind::Invariant);
    let kept = script.watch();
    assert!(matches!(&kept.ended, Ended::Broken(trouble) if trouble.kind == TroubleKind::Broken));
    assert!(matches!(&kept.told.last().unwrap().1, Standing::Halted { rest: None, .. }), "{:?}", kept.told.last());
    assert!(kept.asked.last().unwrap() < &secs(55));
}

#[test]
fn what_a_person_has_allowed_is_swept_soon_after() {
    let mut script = Script::until(secs(400));
    script.too_many_until = secs(70);
    let kept = script.watch();
    assert!(matches!(&kept.told[2].1, Standing::Halted { rest: Some(rest), .. } if rest.as_secs() == 30));
    assert_eq!(kept.sweeps, [0, secs(30), secs(60), secs(90), secs(390)]);
}

#[test]
fn stands_by_without_a_look_steps_in_and_stands_by_again() {
    let mut script = Script::until(secs(60));
    script.held = vec![(0, secs(21)), (secs(40), secs(50))];
    script.reserve(0, secs(10), 0);
    script.reserve(0, secs(45), 0);
    let kept = script.watch();
    let on_duty = |at: &u64| (secs(21)..secs(44)).contains(at) || *at >= secs(50);
    assert!(kept.asked.iter().chain(&kept.sweeps).all(on_duty), "{:?} {:?}", kept.asked, kept.sweeps);
    assert!(kept.released[0].1 <= secs(23) && kept.released[1].1 <= secs(52), "{:?}", kept.released);
    assert!(kept.told.iter().any(|(_, told)| matches!(told, Standing::StandingBy { says } if says.contains("other"))));
}

#[test]
fn is_heard_of_on_duty_every_few_seconds() {
    let kept = Script::until(secs(400)).watch();
    assert!(kept.duty.windows(2).all(|two| two[1] - two[0] <= secs(5)), "{:?}", kept.duty);
}

#[test]
fn what_is_left_is_tried_again_after_growing_pauses() {
    let mut script = Script::until(secs(300));
    script.reserve(0, secs(10), secs(120));
    let kept = script.watch();
    let tries: Vec<u64> = kept.sweeps.iter().copied().filter(|at| *at >= secs(10)).collect();
    let pauses: Vec<u64> = tries.windows(2).map(|two| two[1] - two[0]).collect();
    assert_eq!(pauses[..5], [250, 500, 1_000, 2_000, 4_000]);
    assert!(pauses.iter().all(|pause| *pause <= secs(34)), "{pauses:?}");
    assert!((secs(120)..secs(154)).contains(&kept.released[0].1), "{:?}", kept.released);
    // Once nothing is left the pauses are short again, and nothing is swept for nothing.
    assert!(tries.iter().filter(|at| **at > secs(155)).count() <= 1, "{tries:?}");
}

#[test]
fn what_expires_while_something_is_left_is_swept_at_once() {
    let mut script = Script::until(secs(300));
    script.reserve(0, secs(10), secs(290));
    script.reserve(0, secs(100), 0);
    let kept = script.watch();
    assert_eq!(kept.released[0], (secs(100), secs(100) + 2));
}

#[test]
fn what_expires_in_the_place_of_what_was_left_is_swept_at_once() {
    let mut script = Script::until(secs(300));
    // The shop itself ends what was left; something else, made meanwhile, expires, and as many are due as before.
    script.reserve(0, secs(10), u64::MAX);
    script.paid_at(secs(91));
    script.reserve(secs(92), secs(100), 0);
    // What was expected next when something was left, is far away.
    script.reserve(0, secs(290), 0);
    let kept = script.watch();
    assert_eq!(kept.released[0], (secs(100), secs(100) + 2));
}

#[test]
fn ends_when_it_is_asked_to_and_leaves_the_duty() {
    let kept = Script::until(secs(10)).watch();
    assert_eq!((kept.ended, kept.left_duty), (Ended::Stopped, vec!["ours".to_owned()]));
    assert_eq!(kept.told.last().unwrap().1, Standing::Stopped);
    // Whoever stands by has nothing to leave.
    let mut script = Script::until(secs(10));
    script.held = vec![(0, secs(100))];
    assert_eq!(script.watch().left_duty, Vec::<String>::new());
}

#[test]
fn looks_or_sweeps_when_somebody_calls() {
    let mut script = Script::until(secs(30));
    script.nudges = vec![(secs(9), Nudge::Look), (secs(18) + 1, Nudge::Sweep)];
    let kept = script.watch();
    assert_eq!(kept.sweeps, [0, secs(18) + 1]);
    assert!(kept.asked.contains(&secs(9)), "{:?}", kept.asked);
}

#[test]
fn a_file_that_nobody_wrote_is_not_read_and_not_kept_open() {
    let mut script = Script::until(secs(100));
    script.is_file = true;
    script.reserve(0, secs(70), 0);
    let kept = script.watch();
    let of_no_use: Vec<&u64> = kept.asked.iter().filter(|at| (5_000..secs(69)).contains(*at)).collect();
    assert!(of_no_use.len() <= 3, "{of_no_use:?}");
    assert_eq!(kept.released[0], (secs(70), secs(70) + 2));
    assert!(kept.disconnects > 10);
    assert_eq!(kept.duty, Vec::<u64>::new());
}

#[test]
fn a_shop_is_checked_anew_every_quarter_of_an_hour() {
    let kept = Script::until(secs(2_000)).watch();
    assert_eq!(kept.opened.len(), 3, "{:?}", kept.opened);
    assert!(kept.opened.windows(2).all(|two| (secs(900)..=secs(904)).contains(&(two[1] - two[0]))));
}

fn expect_no_gap(kept: &Kept) {
    assert!(kept.asked.windows(2).all(|two| two[1] - two[0] <= secs(35)), "{:?}", kept.asked);
}

#[test]
fn never_falls_silent_whatever_goes_wrong() {
    let kinds = [
        ShopErrorKind::Disconnected,
        ShopErrorKind::LockTimeout,
        ShopErrorKind::Full,
        ShopErrorKind::ReadOnly,
        ShopErrorKind::Fenced,
        ShopErrorKind::Constraint,
        ShopErrorKind::Refused,
        ShopErrorKind::Other,
    ];
    let mut script = Script::until(secs(1_000));
    for (place, kind) in (0_u64..).zip(kinds) {
        script.trouble(secs(100 * place + 50), secs(100 * place + 50) + 10, kind);
        script.reserve(0, secs(100 * place + 45), 0);
        // Also in the middle of a sweep.
        script.trouble(secs(100 * place + 45), secs(100 * place + 45) + 10, kind);
    }
    let kept = script.watch();
    assert_eq!((kept.released.len(), kept.ended.clone()), (8, Ended::Stopped));
    expect_no_gap(&kept);
}

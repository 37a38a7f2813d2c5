//! An auditor that finds nothing proves nothing: every fault that can be planted must be found, and by its own name.

use super::choices::Choices;
use super::mutation::Mutation;
use super::run::play;
use super::seeds::{REGRESSIONS, play_seed, regressions};
use super::world::Setup;

const PLAIN: Setup = Setup { mutation: None, skew: 0, trace: false, daemons: true };

/// How many seeds a planted fault may hide from.
const SEEDS: u64 = 400;

#[track_caller]
fn finds(mutation: Mutation, invariants: &[&str]) {
    let setup = Setup { mutation: Some(mutation), ..PLAIN };
    let mut found = Vec::new();
    for seed in 0..SEEDS {
        let Some((_, violation)) = play(&Choices::seeded(seed), 500, setup).unwrap().violation else { continue };
        assert!(invariants.contains(&violation.invariant), "{mutation:?} is called {violation} by seed {seed}");
        found.push(seed);
        if found.len() >= 3 {
            return;
        }
    }
    panic!("{mutation:?} is found by {found:?} of {SEEDS} seeds");
}

#[test]
fn finds_stock_that_is_given_back_twice() {
    finds(Mutation::GivesBackTwice, &["I1", "I2"]);
}

#[test]
fn finds_a_reservation_that_is_released_again() {
    finds(Mutation::ReleasesAgain, &["I2"]);
}

#[test]
fn finds_a_sweep_that_does_not_look_at_payments() {
    finds(Mutation::IgnoresPayments, &["I3"]);
}

#[test]
fn finds_a_lock_that_a_payment_does_not_mind() {
    finds(Mutation::LocksWeakly, &["I3"]);
}

#[test]
fn finds_a_release_before_its_time() {
    finds(Mutation::ReleasesEarly, &["I4"]);
}

#[test]
fn finds_a_sweep_that_believes_the_process() {
    finds(Mutation::BelievesTheProcess, &["I4"]);
}

#[test]
fn finds_a_ledger_that_is_not_written() {
    finds(Mutation::SkipsTheLedger, &["I5"]);
}

#[test]
fn finds_a_ledger_that_forgets() {
    finds(Mutation::ForgetsTheLedger, &["I6"]);
}

#[test]
fn finds_an_order_that_is_never_released() {
    finds(Mutation::OverlooksOrders, &["I7", "late", "takeover"]);
}

#[test]
fn finds_an_order_that_jumps_the_line() {
    finds(Mutation::TakesTheYoungest, &["I8"]);
}

#[test]
fn finds_a_report_that_is_not_the_ledgers() {
    finds(Mutation::Miscounts, &["I9"]);
}

#[test]
fn finds_a_dry_run_that_locks() {
    finds(Mutation::LocksInADryRun, &["I10"]);
}

#[test]
fn finds_a_customer_who_waits_too_long() {
    finds(Mutation::WaitsForEver, &["I11"]);
}

#[test]
fn finds_a_batch_without_the_lease() {
    finds(Mutation::IgnoresTheFence, &["fence"]);
}

#[test]
fn finds_a_watch_that_does_not_look_again_after_trouble() {
    finds(Mutation::ForgetsToLook, &["I7", "late", "takeover", "duty"]);
}

#[test]
fn finds_a_watch_that_trusts_its_own_clock_after_a_suspend() {
    finds(Mutation::TrustsItsClock, &["late"]);
}

#[test]
fn finds_a_watch_that_never_steps_in() {
    finds(Mutation::NeverStepsIn, &["takeover", "late"]);
}

#[test]
fn finds_a_watch_that_misses_expiries() {
    finds(Mutation::MissesExpiries, &["late"]);
}

#[test]
fn finds_a_watch_that_looks_too_seldom() {
    finds(Mutation::LooksTooSeldom, &["late", "takeover"]);
}

#[test]
fn finds_two_who_are_on_duty_at_once() {
    finds(Mutation::SharesTheDuty, &["duty"]);
}

#[test]
fn finds_a_watch_that_ends_and_stays_on_duty() {
    finds(Mutation::KeepsTheDuty, &["stop"]);
}

#[test]
fn the_engine_keeps_every_invariant() {
    let (mut releases, mut commits, mut successions) = (0, 0, 0);
    for seed in 0..200 {
        match play_seed(seed, 500, PLAIN).unwrap() {
            Ok(outcome) => {
                releases += outcome.releases;
                commits += outcome.commits;
                successions += outcome.successions;
            }
            Err(failed) => panic!("{failed}"),
        }
    }
    // A run in which nothing happens keeps every invariant as well.
    assert!(releases > 500 && commits > 5_000, "{releases} releases, {commits} commits");
    assert!(successions > 50, "{successions} successions");
}

#[test]
fn seeds_that_once_showed_a_fault_show_none() {
    let list = regressions(REGRESSIONS).unwrap();
    assert!(!list.is_empty());
    // The first of them are from before anybody watched.
    for ((seed, steps, what), daemons) in list.iter().flat_map(|one| [(one, false), (one, true)]) {
        if let Err(failed) = play_seed(*seed, *steps, Setup { daemons, ..PLAIN }).unwrap() {
            panic!("{what}: {failed}");
        }
    }
}

#[test]
fn one_seed_gives_one_run() {
    let setup = Setup { trace: true, ..PLAIN };
    for seed in 0..20 {
        let (one, two) =
            (play(&Choices::seeded(seed), 500, setup).unwrap(), play(&Choices::seeded(seed), 500, setup).unwrap());
        assert_eq!(one.choices, two.choices, "seed {seed}");
        assert_eq!(one.trace, two.trace, "seed {seed}");
        let again = play(&Choices::given(one.choices.clone()), 500, setup).unwrap();
        assert_eq!(one.trace, again.trace, "seed {seed}, from what was written down");
    }
}

#[test]
fn where_a_processs_clock_stands_does_not_matter() {
    const DAY: i64 = 86_400_000_000;
    for seed in 0..20 {
        let run = |skew| play(&Choices::seeded(seed), 500, Setup { trace: true, skew, ..PLAIN }).unwrap().trace;
        assert_eq!(run(0), run(DAY), "seed {seed}");
    }
}

#[test]
fn a_schedule_is_shrunk_to_what_matters() {
    let setup = Setup { mutation: Some(Mutation::IgnoresPayments), ..PLAIN };
    let failed = (0..SEEDS).find_map(|seed| play_seed(seed, 500, setup).unwrap().err()).unwrap();
    assert_eq!(failed.violation.invariant, "I3");
    let (all, left) = failed.choices;
    assert!(left * 4 < all, "{left} of {all} choices are left");
    let text = failed.to_string();
    assert!(text.ends_with(&format!("cargo xtask sim --seed {} --steps 500", failed.seed)), "{text}");
    assert!(failed.schedule.last().unwrap().contains("VIOLATION I3"), "{text}");
}

//! Each check, from facts alone: well, in trouble, and not known.
#![expect(clippy::arithmetic_side_effects, reason = "helpers of a test may fail it")]

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::plan::ClockFault;
use crate::shop::{AppendOnly, Books, Capability, InstallState, LeaseSeen, Outlook, ShopInfo, SweepSeen, Vitals};

fn now() -> Timestamp {
    Timestamp::from_second(1_795_000_000).unwrap()
}

fn swept(ended_seconds_ago: i64, ending: &str, millis: i64) -> SweepSeen {
    let ended = now() - SignedDuration::from_secs(ended_seconds_ago);
    SweepSeen {
        started_at: ended - SignedDuration::from_millis(millis),
        finished_at: Some(ended),
        ending: Some(ending.to_owned()),
        duration_micros: Some(millis * 1_000),
    }
}

fn vitals() -> Vitals {
    Vitals {
        now: now(),
        sweeps: (0..100).map(|number| swept(60 + number * 300, "done", 100 - number)).collect(),
        drift_units: 0,
        set_aside: 0,
        lease: None,
        duty: None,
        books: Books { batches: 3, without_sweep: 0, sums_differ: 0 },
        append_only: AppendOnly::Kept,
    }
}

fn look() -> Look {
    let outlook = Outlook { now: now(), due_orders: 0, oldest_overdue_micros: 0, next_expiry: None };
    Look { clock: Ok(()), outlook, count_limit: 1_001 }
}

fn reached() -> Reached {
    let capability = Capability { row_locks: true, single_writer: false, many_hosts: true };
    let info = ShopInfo {
        product: "Some database 15".to_owned(),
        too_old: None,
        read_only: None,
        installed: InstallState::Current,
        capability,
    };
    Reached { info, latency: Duration::from_millis(4) }
}

fn well() -> HealthFacts {
    HealthFacts {
        alert_threshold: 100,
        interval: Duration::from_secs(300),
        grace: Duration::ZERO,
        reached: Fact::Known(reached()),
        vitals: Fact::Known(vitals()),
        plan: Fact::Known(()),
        look: Fact::Known(look()),
        indexes: Fact::Known(Vec::new()),
        protection: Fact::Known(Protection::Exact),
        daemon: Fact::Known(DaemonSeen { lives: false, record: None, place: "daemon.json".to_owned() }),
    }
}

fn obstacle<T>(says: &str) -> Fact<T> {
    Fact::Failed(Obstacle { says: says.to_owned(), remedy: Some("do something".to_owned()) })
}

/// One check of these facts; whatever is not well has a remedy, and everything else is well.
#[track_caller]
fn check(facts: &HealthFacts, check: CheckId, status: Status, figure: Option<i64>, says: &str) {
    let report = report_health(facts, &[]);
    assert_eq!(report.checks.len(), CheckId::ALL.len());
    for one in &report.checks {
        if one.check != check {
            assert_eq!(one.status, Status::Ok, "{one:?}");
            continue;
        }
        assert_eq!((one.status, one.figure), (status, figure), "{one:?}");
        assert!(one.says.contains(says), "`{says}` is not in `{}`", one.says);
        assert_eq!(one.remedy.is_some(), status != Status::Ok, "{one:?}");
    }
    assert_eq!(report.status, status);
}

#[test]
fn a_shop_that_is_well_has_nothing_to_do() {
    let report = report_health(&well(), &[]);
    assert_eq!(report.status, Status::Ok, "{report:?}");
    assert!(report.checks.iter().all(|check| check.status == Status::Ok && check.remedy.is_none()));
    let ids: Vec<CheckId> = report.checks.iter().map(|check| check.check).collect();
    assert_eq!(ids, CheckId::ALL);
    let only = report_health(&well(), &[CheckId::Drift]);
    assert_eq!(only.checks.len(), 1);
}

#[test]
fn words_are_read_as_they_are_written() {
    for check in CheckId::ALL {
        assert_eq!(CheckId::parse(check.word()), Some(check));
    }
    assert_eq!(CheckId::parse(" last-sweep"), Some(CheckId::LastSweep));
    assert_eq!(CheckId::parse("everything"), None);
    assert!(Status::Ok < Status::Warning && Status::Warning < Status::Unknown && Status::Unknown < Status::Critical);
}

#[test]
fn a_database_that_is_down_is_critical_and_the_rest_is_not_known() {
    let facts = HealthFacts {
        reached: obstacle("cannot connect"),
        vitals: Fact::Unasked,
        plan: Fact::Unasked,
        look: Fact::Unasked,
        indexes: Fact::Unasked,
        protection: Fact::Unasked,
        ..well()
    };
    let report = report_health(&facts, &[]);
    assert_eq!(report.status, Status::Critical);
    for check in report.checks {
        match check.check {
            CheckId::Database => assert_eq!((check.status, check.says.as_str()), (Status::Critical, "cannot connect")),
            CheckId::Daemon => {
                assert!(check.status == Status::Unknown && check.says.contains("none runs on this machine"))
            }
            _ => {
                assert_eq!(check.status, Status::Unknown, "{check:?}");
                assert_eq!(check.says, "not known: the database was not reached");
            }
        }
    }
}

#[test]
fn the_database_is_judged_by_its_answer() {
    let with = |change: fn(&mut Reached)| {
        let mut reached = reached();
        change(&mut reached);
        HealthFacts { reached: Fact::Known(reached), ..well() }
    };
    let slow = with(|reached| reached.latency = Duration::from_millis(1_001));
    check(&slow, CheckId::Database, Status::Warning, Some(1_001), "in 1001 ms");
    let slower = with(|reached| reached.latency = Duration::from_millis(5_001));
    check(&slower, CheckId::Database, Status::Critical, Some(5_001), "in 5001 ms");
    let old = with(|reached| reached.info.too_old = Some("12 is the oldest".to_owned()));
    check(&old, CheckId::Version, Status::Critical, None, "Some database 15 is too old: 12 is the oldest");
    let read_only = with(|reached| reached.info.read_only = Some("it is a replica".to_owned()));
    check(&read_only, CheckId::Writable, Status::Critical, None, "it takes no writes: it is a replica");
}

#[test]
fn a_profile_that_does_not_fit_is_critical_and_so_is_a_clock() {
    let facts = HealthFacts { plan: obstacle("column `paid` is gone"), look: Fact::Unasked, ..well() };
    let report = report_health(&facts, &[CheckId::Plan, CheckId::Clock]);
    let said: Vec<(Status, &str)> = report.checks.iter().map(|check| (check.status, check.says.as_str())).collect();
    assert_eq!(
        said,
        [(Status::Critical, "column `paid` is gone"), (Status::Unknown, "not known: the profile does not fit")]
    );
    let fault = ClockFault::Unproven { column: "expires_at".to_owned() };
    let facts = HealthFacts { look: Fact::Known(Look { clock: Err(fault), ..look() }), ..well() };
    check(&facts, CheckId::Clock, Status::Critical, None, "`expires_at` carries no time zone");
}

#[test]
fn orders_that_wait_are_counted_and_timed() {
    let due = |orders, seconds: i64| {
        let outlook = Outlook { due_orders: orders, oldest_overdue_micros: seconds * 1_000_000, ..look().outlook };
        HealthFacts { look: Fact::Known(Look { outlook, ..look() }), ..well() }
    };
    let only = CheckId::Overdue;
    check(&due(1, 0), only, Status::Ok, Some(1), "1 order is due");
    check(&due(100, 600), only, Status::Ok, Some(100), "100 orders are due");
    check(&due(101, 0), only, Status::Warning, Some(101), "101 orders are due");
    check(&due(1_001, 0), only, Status::Critical, Some(1_001), "at least 1001 orders are due");
    let oldest = CheckId::OldestOverdue;
    check(&due(1, 600), oldest, Status::Ok, Some(600), "due for 10m");
    check(&due(1, 601), oldest, Status::Warning, Some(601), "due for 10m1s");
    check(&due(1, 1_501), oldest, Status::Critical, Some(1_501), "due for 25m1s");
    let rare = HealthFacts { interval: Duration::from_secs(3_600), ..due(1, 1_501) };
    check(&rare, oldest, Status::Ok, Some(1_501), "due for 25m1s");
}

fn with_vitals(change: impl FnOnce(&mut Vitals)) -> HealthFacts {
    let mut vitals = vitals();
    change(&mut vitals);
    HealthFacts { vitals: Fact::Known(vitals), ..well() }
}

#[test]
fn a_sweep_that_does_not_come_is_missed() {
    let ended = |ago| with_vitals(|vitals| vitals.sweeps = vec![swept(ago, "problems", 5)]);
    let id = CheckId::LastSweep;
    check(&ended(600), id, Status::Ok, Some(600), "ended well 10m ago, and one is to come every 5m");
    check(&ended(601), id, Status::Warning, Some(601), "10m1s ago");
    check(&ended(1_501), id, Status::Critical, Some(1_501), "25m1s ago");
    let failing = with_vitals(|vitals| vitals.sweeps.insert(0, swept(10, "failed", 5)));
    check(&failing, id, Status::Ok, Some(60), "; the newest one ended as `failed`");
    let failed = with_vitals(|vitals| vitals.sweeps = vec![swept(10, "too_many", 5), swept(20, "failed", 5)]);
    check(
        &failed,
        id,
        Status::Critical,
        None,
        "none of the newest 2 sweeps ended well; the newest one ended as `too_many`",
    );
    let never = report_health(&with_vitals(|vitals| vitals.sweeps.clear()), &[id]);
    assert_eq!((never.status, never.checks[0].says.as_str()), (Status::Critical, "no sweep has run yet"));
}

#[test]
fn durations_are_told_by_their_shares() {
    let id = CheckId::SweepDuration;
    check(&well(), id, Status::Ok, Some(95), "mean 50 ms, median 50 ms, longest 100 ms, of 100 sweeps");
    let report = report_health(&well(), &[id]);
    let more: Vec<(&str, i64)> = report.checks[0].more.iter().map(|more| (more.name, more.figure)).collect();
    assert_eq!(more, [("mean", 50), ("p50", 50), ("max", 100)]);
    let slow = with_vitals(|vitals| vitals.sweeps = vec![swept(9, "done", 300_001)]);
    check(&slow, id, Status::Warning, Some(300_001), "of 1 sweep");
    let old = report_health(&with_vitals(|vitals| vitals.sweeps = vec![swept(8 * 86_400, "done", 5)]), &[id]);
    assert_eq!(old.status, Status::Unknown, "{old:?}");
}

#[test]
fn a_holder_that_is_gone_is_told() {
    let held = |heard_seconds_ago, connected| {
        let lease = LeaseSeen { host: "web1".to_owned(), process_id: 7, heard_seconds_ago, connected };
        with_vitals(|vitals| vitals.lease = Some(lease))
    };
    let id = CheckId::Lease;
    check(&held(30, Some(true)), id, Status::Ok, Some(30), "process 7 on web1 is sweeping");
    check(&held(-5, None), id, Status::Ok, Some(0), "heard of 0s ago");
    check(&held(31, None), id, Status::Warning, Some(31), "was not heard of for 31s");
    check(&held(3, Some(false)), id, Status::Warning, Some(3), "its connection is gone");
}

#[test]
fn a_daemon_is_judged_by_its_lock_then_by_what_it_said_then_by_the_database() {
    let seen = |lives, record: Option<(DaemonStanding, &str)>| {
        let record = record.map(|(standing, says)| (standing, says.to_owned()));
        let daemon = DaemonSeen { lives, record, place: "state/daemon.json".to_owned() };
        HealthFacts { daemon: Fact::Known(daemon), ..well() }
    };
    let id = CheckId::Daemon;
    check(&seen(true, None), id, Status::Ok, None, "the daemon lives");
    check(&seen(true, Some((DaemonStanding::Well, "waits"))), id, Status::Ok, None, "the daemon lives: waits");
    check(
        &seen(true, Some((DaemonStanding::BackingOff, "tries again: refused"))),
        id,
        Status::Warning,
        None,
        "cannot reach the database, and tries again: refused",
    );
    check(
        &seen(true, Some((DaemonStanding::Halted, "is halted: a column is gone"))),
        id,
        Status::Critical,
        None,
        "the daemon is halted: a column is gone",
    );
    check(&seen(false, Some((DaemonStanding::Stopped, "ended"))), id, Status::Ok, None, "no daemon watches");
    let killed = seen(false, Some((DaemonStanding::Well, "waits")));
    check(&killed, id, Status::Warning, None, "is gone and did not say why; the last it said was that it waits");
    let report = report_health(&killed, &[id]);
    assert!(report.checks[0].remedy.as_ref().is_some_and(|remedy| remedy.contains("delete `state/daemon.json`")));
    let duty = |heard_seconds_ago, connected| {
        let duty = LeaseSeen { host: "web2".to_owned(), process_id: 9, heard_seconds_ago, connected };
        with_vitals(|vitals| vitals.duty = Some(duty))
    };
    check(&duty(4, Some(true)), id, Status::Ok, None, "process 9 on web2 is on duty");
    check(&duty(4, Some(false)), id, Status::Warning, None, "process 9 on web2 was on duty");
    check(&duty(11, None), id, Status::Warning, None, "last heard of 11s ago");
    check(&duty(90_000, None), id, Status::Ok, None, "no daemon watches");
    let blind = |lives| HealthFacts { vitals: Fact::Unasked, ..seen(lives, None) };
    for (lives, status, says) in
        [(true, Status::Ok, "the daemon lives"), (false, Status::Unknown, "the database cannot be asked for another")]
    {
        let report = report_health(&blind(lives), &[id]);
        assert!(report.status == status && report.checks[0].says.contains(says), "{report:?}");
    }
    let lost = HealthFacts { daemon: obstacle("no right to read it"), ..well() };
    check(&lost, id, Status::Unknown, None, "no right to read it");
}

#[test]
fn the_books_are_judged_by_their_sums_and_by_what_keeps_them() {
    check(
        &with_vitals(|vitals| vitals.set_aside = 1),
        CheckId::SetAside,
        Status::Warning,
        Some(1),
        "1 order is set aside",
    );
    check(&with_vitals(|vitals| vitals.drift_units = 2), CheckId::Drift, Status::Warning, Some(2), "lacked 2 units");
    let id = CheckId::Ledger;
    check(&well(), id, Status::Ok, Some(0), "the newest 3 batches add up, and nothing in it can be changed");
    let wrong = |without_sweep, sums_differ| {
        with_vitals(|vitals| vitals.books = Books { batches: 3, without_sweep, sums_differ })
    };
    check(&wrong(1, 0), id, Status::Critical, Some(1), "1 belong to no sweep and 0 have other sums");
    check(&wrong(0, 2), id, Status::Critical, Some(2), "0 belong to no sweep and 2 have other sums");
    check(&with_vitals(|vitals| vitals.append_only = AppendOnly::Owned), id, Status::Ok, Some(0), "owns its tables");
    let open = with_vitals(|vitals| vitals.append_only = AppendOnly::Open("a trigger is missing".to_owned()));
    check(&open, id, Status::Warning, Some(0), "it can be changed: a trigger is missing");
    let unreadable = report_health(&HealthFacts { vitals: obstacle("permission denied"), ..well() }, &[id]);
    assert_eq!(unreadable.status, Status::Critical);
    for (installed, says) in [
        (InstallState::Absent, "are not there"),
        (InstallState::Old(0), "old version 0"),
        (InstallState::Newer(9), "version 9, which is newer"),
    ] {
        let mut reached = reached();
        reached.info.installed = installed;
        let facts = HealthFacts { reached: Fact::Known(reached), vitals: Fact::Unasked, ..well() };
        let report = report_health(&facts, &[id, CheckId::Drift]);
        let [drift, ledger] = report.checks.as_slice() else { panic!("{report:?}") };
        assert_eq!((ledger.status, drift.status), (Status::Critical, Status::Unknown));
        assert!(ledger.says.contains(says) && drift.says.contains("the ledger's tables are not there"), "{report:?}");
    }
}

#[test]
fn indexes_and_protection_have_their_remedies() {
    let missing = HealthFacts { indexes: Fact::Known(vec!["CREATE a;".to_owned(), "CREATE b;".to_owned()]), ..well() };
    check(&missing, CheckId::Index, Status::Warning, Some(2), "2 indexes that a sweep wants are missing");
    let report = report_health(&missing, &[CheckId::Index]);
    assert_eq!(report.checks[0].remedy.as_deref(), Some("CREATE a; CREATE b;"));
    let loose = Protection::WithoutForeignKey(vec!["`payments.order_id`".to_owned()]);
    let facts = HealthFacts { protection: Fact::Known(loose), ..well() };
    check(&facts, CheckId::Protection, Status::Warning, None, "`payments.order_id` has no foreign key");
    let graced = HealthFacts { grace: Duration::from_secs(120), ..facts };
    check(&graced, CheckId::Protection, Status::Ok, None, "a grace of 2m");
    let alone = HealthFacts { protection: Fact::Known(Protection::OneWriter), ..well() };
    check(&alone, CheckId::Protection, Status::Ok, None, "exact");
}

#[test]
fn episodes_begin_and_end_where_runs_saw_it() {
    let run = |second: i64, facts: &HealthFacts, only: &[CheckId]| {
        let at = Timestamp::from_second(second).unwrap();
        Run::of(&report_health(facts, only), at)
    };
    let drift = |units| with_vitals(|vitals| vitals.drift_units = units);
    let down = HealthFacts { reached: obstacle("refused"), vitals: Fact::Unasked, ..well() };
    let runs = [
        run(1, &well(), &[]),
        run(2, &drift(1), &[]),
        run(3, &drift(5), &[]),
        // It is looked at something else, then the database is down: the drift goes on meanwhile.
        run(4, &well(), &[CheckId::Lease]),
        run(5, &down, &[]),
        run(6, &well(), &[]),
        run(7, &drift(2), &[]),
    ];
    let told: Vec<(CheckId, i64, Option<i64>, String)> = episodes(&runs)
        .into_iter()
        .map(|one| (one.check, one.began_at.as_second(), one.ended_at.map(Timestamp::as_second), one.says))
        .collect();
    let lacked =
        |units: &str| format!("counters lacked {units} in the last 7 days: they and the reservations disagree");
    assert_eq!(
        told,
        [
            (CheckId::Drift, 7, None, lacked("2 units")),
            (CheckId::Database, 5, Some(6), "refused".to_owned()),
            (CheckId::Drift, 2, Some(6), lacked("5 units")),
        ]
    );
    assert!(episodes(&[run(1, &drift(1), &[])]).iter().all(|episode| episode.may_be_older));
}

//! Several instances on one shop: one works, the others are told who, and a dead one stands in nobody's way.

use std::time::{Duration, Instant};

use crate::session::Session;
use crate::shop::{Ended, Shop};
use crate::wait::Running;
use crate::{audit, wait};

const SLOWLY: [&str; 3] = ["sweep", "--batch-size", "10"];

/// How often one sweep's batches were followed by another's: with one at a time, one less than there were sweeps.
const TURNS: &str = "SELECT (count(*) FILTER (WHERE other) - count(DISTINCT sweep_id) + 1)::text FROM (
    SELECT sweep_id, sweep_id <> lag(sweep_id) OVER (ORDER BY at, epoch) AS other FROM unreserve.batch) AS batches";

/// Starts eight at once; all end with 0 or 75, and each of the latter names one of the others.
fn check_eight(state_dir: impl Fn(u32) -> String) {
    let shop = Shop::new();
    let mut session = shop.session();
    shop.fill(&mut session, "a", 300);
    let all: Vec<Running> = (0..8).map(|number| shop.start(&state_dir(number), &SLOWLY)).collect();
    let ids: Vec<u32> = all.iter().map(Running::id).collect();
    let ended: Vec<Ended> = all.into_iter().map(|running| Ended::new(&running.output())).collect();
    for one in &ended {
        assert!(matches!(one.code, 0 | 75), "{}: {}", one.code, one.stderr);
        if one.code == 75 {
            assert!(one.stderr.contains("another instance is sweeping this shop"), "{}", one.stderr);
            let named = ids.iter().any(|id| one.stderr.contains(&format!("process {id} on ")));
            assert!(named, "the holder is none of {ids:?}:\n{}", one.stderr);
            assert_eq!(one.stdout, "");
        }
    }
    assert!(ended.iter().any(|one| one.code == 0), "nobody worked");
    assert!(ended.iter().any(|one| one.code == 75), "nobody was kept out: the backlog is too small");
    audit::all_holds(&mut session);
    assert_eq!(audit::due(&mut session), 0);
    assert_eq!(session.number("SELECT count(*)::text FROM unreserve.entry WHERE kind = 'release'"), 600);
    assert_eq!(session.number(TURNS), 0, "two sweeps worked at the same time");
}

#[test]
fn one_of_eight_with_state_directories_of_their_own_works_and_each_reservation_is_released_once() {
    check_eight(|number| format!("state-{number}"));
}

#[test]
fn one_of_eight_with_the_same_state_directory_works_and_each_reservation_is_released_once() {
    check_eight(|_| "state".to_owned());
}

/// Starts a slow sweep over a large backlog, and returns once it has committed something.
fn started(shop: &Shop, session: &mut Session) -> Running {
    shop.fill(session, "a", 400);
    let running = shop.start("first", &SLOWLY);
    wait::until("a batch is committed", Duration::from_secs(20), || {
        session.number("SELECT count(*)::text FROM unreserve.batch") > 0
    });
    running
}

#[test]
fn a_killed_instance_blocks_nobody_for_longer_than_two_seconds() {
    for state_dir in ["first", "second"] {
        let shop = Shop::new();
        let mut session = shop.session();
        let mut running = started(&shop, &mut session);
        assert!(!running.has_ended(), "the backlog is too small to be killed in the middle");
        running.kill();
        let killed = Instant::now();
        let sweeps = "SELECT count(*)::text FROM unreserve.sweep";
        let mut next = shop.start(state_dir, &["sweep"]);
        wait::until("the next sweep has started", Duration::from_secs(2), || {
            if next.has_ended() && session.number(sweeps) < 2 {
                next = shop.start(state_dir, &["sweep"]);
            }
            session.number(sweeps) == 2
        });
        eprintln!("the next sweep had started {:?} after the kill", killed.elapsed());
        Ended::new(&next.output()).expect(0);
        audit::all_holds(&mut session);
        assert_eq!(audit::due(&mut session), 0);
        let interrupted = shop.run(&["history"]).expect(0).stdout;
        assert!(interrupted.contains("interrupted or running"), "{interrupted}");
    }
}

/// Writes the lease of an instance on another host that was heard of so many seconds ago.
fn lease(session: &mut Session, backend: i64, heard_seconds_ago: u32) {
    session.run(&format!(
        "UPDATE unreserve.lease SET token = 'theirs', host = 'elsewhere', process_id = 4242, lock_file = '/there',
            backend_pid = {backend}, backend_start = (SELECT a.backend_start FROM pg_stat_activity AS a WHERE a.pid = {backend}),
            heard_at = clock_timestamp() - {heard_seconds_ago} * interval '1 second'"
    ));
}

#[test]
fn the_lease_of_another_host_is_taken_over_only_when_it_fell_silent_or_its_connection_is_gone() {
    let shop = Shop::new();
    let mut session = shop.session();
    shop.sweep(&[]);
    let mut theirs = shop.session();
    let backend = theirs.number("SELECT pg_backend_pid()::text");

    shop.fill(&mut session, "a", 5);
    for seconds in [0, 25] {
        lease(&mut session, backend, seconds);
        let before = shop.dump();
        let ended = shop.run(&["sweep"]).expect(75);
        assert!(ended.stderr.contains("process 4242 on elsewhere"), "{}", ended.stderr);
        shop.expect_unchanged(&before);
    }
    lease(&mut session, backend, 31);
    assert_eq!(shop.sweep(&[])["orders_cancelled"], 5);

    shop.fill(&mut session, "b", 5);
    lease(&mut session, backend, 0);
    drop(theirs);
    wait::until("their connection is gone", Duration::from_secs(10), || {
        session.number(&format!("SELECT count(*)::text FROM pg_stat_activity WHERE pid = {backend}")) == 0
    });
    assert_eq!(shop.sweep(&[])["orders_cancelled"], 5);
    audit::all_holds(&mut session);
}

/// A sweep that waits for a stock row as long as the session it returns keeps that row locked.
fn waiting(shop: &Shop) -> (Running, Session) {
    let mut session = shop.session();
    shop.fill(&mut session, "a", 1);
    session.run("BEGIN; SELECT 1 FROM products_productvariant FOR UPDATE");
    let running = shop.start("state", &SLOWLY);
    let mut watching = shop.session();
    wait::until("the sweep waits for the stock row", Duration::from_secs(20), || {
        let waits = "SELECT count(*)::text FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND application_name = 'unreserve'";
        watching.number(waits) > 0
    });
    (running, session)
}

#[test]
fn the_same_database_under_another_address_is_the_same_shop_for_a_second_instance() {
    let shop = Shop::new();
    let (running, mut holding) = waiting(&shop);
    let address = shop.url().replace("127.0.0.1", "localhost");
    assert_ne!(address, shop.url());
    let second = Ended::new(&shop.command_in("state", &address, &["sweep"]).output().unwrap());
    holding.run("COMMIT");
    let first = Ended::new(&running.output());
    assert_eq!((first.code, second.code), (0, 75), "first: {}\nsecond: {}", first.stderr, second.stderr);
    audit::all_holds(&mut shop.session());
}

/// Stops a sweep in the middle of a transaction that holds the lease's row.
fn stop_inside_a_transaction(running: &mut Running, session: &mut Session) {
    for _ in 0..2_000 {
        running.signal("STOP");
        // The server may have more to do that was sent before; then it waits for a client that is silent.
        let mut idle = 0;
        wait::until("the server waits for the client", Duration::from_secs(10), || {
            let sql =
                "SELECT CASE WHEN state_change > clock_timestamp() - interval '50 ms' THEN 0 WHEN state = 'idle in transaction' THEN 1
                            WHEN state = 'idle' THEN 2 ELSE 0 END::text FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'unreserve'";
            idle = session.texts(sql).first().map_or(2, |state| state.parse().unwrap());
            idle > 0
        });
        let lease = session.texts("SELECT profile FROM unreserve.lease FOR UPDATE SKIP LOCKED");
        if idle == 1 && lease.is_empty() {
            return;
        }
        running.signal("CONT");
        assert!(!running.has_ended(), "the backlog is too small to be stopped in the middle");
    }
    panic!("never stopped inside a transaction");
}

#[test]
fn a_second_instance_is_told_who_holds_the_shop_while_the_first_is_frozen_inside_a_transaction() {
    let shop = Shop::new();
    let mut session = shop.session();
    let mut first = started(&shop, &mut session);
    stop_inside_a_transaction(&mut first, &mut session);
    let second = Ended::new(&shop.command_in("second", &shop.url(), &["sweep"]).output().unwrap());
    let named = format!("process {} on ", first.id());

    // What the server does by itself after 15 s of silence inside a transaction.
    session.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'unreserve'");
    let third = || Ended::new(&shop.command_in("third", &shop.url(), &["sweep"]).output().unwrap()).code;
    wait::until("the third takes over", Duration::from_secs(10), || third() == 0);
    first.signal("CONT");
    let first = Ended::new(&first.output()).expect(75);
    assert!(first.stderr.contains("another instance has taken over"), "{}", first.stderr);
    audit::all_holds(&mut session);
    assert_eq!(audit::due(&mut session), 0);

    let second = second.expect(75);
    assert!(second.stderr.contains(&named), "{}", second.stderr);
}

//! `kill -9` at random moments of a sweep: whatever was committed is whole, and the next sweeps finish the rest.

use std::time::Duration;

use crate::audit;
use crate::audit::LedgerSeen;
use crate::chance::Chance;
use crate::shop::Shop;

const KILLS: u32 = 50;
/// The longest the first sweep lives, in microseconds. It is adapted to the machine, so that some sweeps are killed before
/// they have connected, and most in the middle.
const LIFE_MICROS: u64 = 150_000;

#[test]
fn fifty_sweeps_killed_at_random_moments_leave_every_invariant_and_nothing_due_in_the_end() {
    let mut chance = Chance::from_environment();
    let shop = Shop::new();
    let mut session = shop.session();
    shop.fill(&mut session, "a", 1_200);
    let (mut in_the_middle, mut more, mut life) = (0, 0, LIFE_MICROS);
    for kill in 0..KILLS {
        let seen = LedgerSeen::now(&mut session);
        let batches = session.number("SELECT count(*)::text FROM unreserve.batch");
        let mut running = shop.start("state", &["sweep", "--batch-size", "4", "--max-orders", "1000000"]);
        // The moment is the test's input: nothing is waited for here.
        std::thread::sleep(Duration::from_micros(chance.below(life)));
        let ended = running.has_ended();
        running.kill();
        seen.still_stands(&mut session);
        audit::all_holds(&mut session);
        let committed = session.number("SELECT count(*)::text FROM unreserve.batch") > batches;
        in_the_middle += u32::from(committed && !ended);
        life = if committed { life - life / 16 } else { life + life / 6 }.clamp(20_000, 5_000_000);
        if audit::due(&mut session) < 300 {
            more += 1;
            shop.fill(&mut session, &format!("more{kill}"), 600);
        }
    }
    eprintln!("{in_the_middle} of {KILLS} were killed after their first commit; filled up {more} times");
    assert!(in_the_middle >= KILLS / 5, "only {in_the_middle} of {KILLS} were killed in the middle of their work");
    let seen = LedgerSeen::now(&mut session);
    let report = shop.sweep(&[]);
    assert_eq!(report["remaining_due"], false);
    assert_eq!(report["orders_set_aside"], 0);
    seen.still_stands(&mut session);
    audit::all_holds(&mut session);
    assert_eq!(audit::due(&mut session), 0);
    assert_eq!(session.number("SELECT sum(reserved_quantity)::text FROM products_productvariant"), 0);
}

//! Who comes to the live demo's shop, when, and what becomes of it: one seed gives one story. Pure.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

/// How long a reservation of this shop keeps.
pub(super) const KEEPS: Duration = minutes(15);

/// Customers were here for so long before anybody looks: nothing has expired yet, and much is about to.
pub(super) const BEFORE: Duration = Duration::from_secs(14 * 60 + 30);

/// Between two customers lies a minute, more or less.
const BETWEEN: Duration = minutes(1);

/// Bread is baked so often.
const BAKED: Duration = minutes(20);

/// Of the other things, one after the other is delivered so often.
const DELIVERED: Duration = minutes(8);

/// The first number of an order.
const FIRST: u64 = 3_001;

/// What is in front of the oven, and everybody wants.
pub(super) const BREAD: usize = 0;
/// So many products, from the bread on, are for everybody; the two behind them are for the two stories.
const FOR_ALL: usize = 7;
/// What somebody miscounts.
const BOWL: usize = 7;
/// What is in the order that accounting freezes.
const TIN: usize = 8;

const fn minutes(count: u64) -> Duration {
    Duration::from_secs(count.saturating_mul(60))
}

/// Something that happens in the shop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    /// When, in the shop's own time since its first customer came.
    pub(super) at: Duration,
    /// What.
    pub(super) what: What,
}

/// What happens. Products are counted as the shop lists them, and orders as they came.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum What {
    /// A customer places an order for so many pieces of these products.
    Order {
        /// The order.
        order: u64,
        /// Each product once.
        basket: Vec<(usize, i64)>,
    },
    /// The customer pays.
    Pay(u64),
    /// The money arrives; the shop marks the order as paid only later.
    Money(u64),
    /// The customer cancels.
    Cancel(u64),
    /// The shelf of a product is filled up.
    Deliver(usize),
    /// Somebody sets the counter of a product to nothing, while an order holds some of it.
    Miscount(usize),
    /// Accounting freezes an order, though nobody has paid it.
    Freeze(u64),
    /// Accounting has found the money for it.
    Settle(u64),
}

/// What becomes of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Pays(Duration),
    /// The money comes in time, and the order says so only after its reservations have expired.
    IsBookedLate,
    Cancels(Duration),
    Leaves,
}

/// The story, event by event.
#[derive(Debug)]
pub(super) struct Script {
    chance: Chance,
    /// What is known to come, the next first.
    ahead: BinaryHeap<Reverse<(Duration, u64, What)>>,
    /// When the next customer comes.
    next_customer: Duration,
    orders: u64,
    /// Keeps events of one moment in the order in which they were thought of.
    thought_of: u64,
}

impl Script {
    /// The story of this seed, from the beginning.
    pub(super) fn new(seed: u64) -> Self {
        let mut script = Self {
            chance: Chance(seed),
            ahead: BinaryHeap::new(),
            next_customer: Duration::ZERO,
            orders: 0,
            thought_of: 0,
        };
        script.tell_the_stories();
        script.plan(BAKED, What::Deliver(BREAD));
        script.plan(DELIVERED, What::Deliver(1));
        script
    }

    /// What happens next. There is always something.
    pub(super) fn next(&mut self) -> Event {
        let known = self.ahead.peek().map(|Reverse((at, ..))| *at);
        if known.is_none_or(|at| self.next_customer <= at) {
            return self.customer();
        }
        match self.ahead.pop() {
            Some(Reverse((at, _, what))) => {
                if let What::Deliver(product) = what {
                    self.deliver_again(at, product);
                }
                Event { at, what }
            }
            None => self.customer(),
        }
    }

    /// The number of an order, as people know it.
    pub(super) fn number(order: u64) -> String {
        format!("M-{order}")
    }

    /// The two things that go wrong in every shop, once, when somebody who looks has seen it go well for a while.
    fn tell_the_stories(&mut self) {
        let order = self.new_order();
        let at = BEFORE.saturating_add(minutes(8));
        self.plan(at, What::Order { order, basket: vec![(BOWL, 2)] });
        self.plan(at.saturating_add(minutes(5)), What::Miscount(BOWL));
        let order = self.new_order();
        let at = BEFORE.saturating_add(minutes(22));
        self.plan(at, What::Order { order, basket: vec![(TIN, 1)] });
        self.plan(at.saturating_add(minutes(5)), What::Freeze(order));
        self.plan(at.saturating_add(minutes(40)), What::Settle(order));
    }

    fn customer(&mut self) -> Event {
        let at = self.next_customer;
        // From a tenth of the mean to almost twice as much.
        let share = self.chance.between(10, 190);
        self.next_customer = at.saturating_add(part(BETWEEN, share));
        let order = self.new_order();
        let basket = self.basket();
        match self.fate() {
            Fate::Pays(after) => self.plan(at.saturating_add(after), What::Pay(order)),
            Fate::IsBookedLate => {
                let expires_at = at.saturating_add(KEEPS);
                self.plan(expires_at.saturating_sub(minutes(1)), What::Money(order));
                self.plan(expires_at.saturating_add(minutes(3)), What::Pay(order));
            }
            Fate::Cancels(after) => self.plan(at.saturating_add(after), What::Cancel(order)),
            Fate::Leaves => {}
        }
        Event { at, what: What::Order { order, basket } }
    }

    fn fate(&mut self) -> Fate {
        let chance = self.chance.between(0, 99);
        let seconds = |chance: &mut Chance, low, high| Duration::from_secs(chance.between(low, high));
        match chance {
            0..=47 => Fate::Pays(seconds(&mut self.chance, 40, 480)),
            // In the last moment, and after it.
            48..=52 => Fate::Pays(KEEPS.saturating_sub(Duration::from_secs(30))),
            53..=57 => Fate::Pays(KEEPS.saturating_add(seconds(&mut self.chance, 60, 360))),
            58..=61 => Fate::IsBookedLate,
            62..=66 => Fate::Cancels(seconds(&mut self.chance, 120, 600)),
            _ => Fate::Leaves,
        }
    }

    /// One thing or two, mostly a piece of each. Of four customers one wants bread.
    fn basket(&mut self) -> Vec<(usize, i64)> {
        let first = if self.chance.between(0, 99) < 28 { BREAD } else { self.product() };
        let mut basket = vec![(first, self.pieces(first))];
        if self.chance.between(0, 99) < 35 {
            let second = self.product();
            if second != first {
                basket.push((second, self.pieces(second)));
            }
        }
        basket
    }

    /// Anything for everybody but bread.
    fn product(&mut self) -> usize {
        usize::try_from(self.chance.between(1, 6)).unwrap_or(1).min(FOR_ALL.saturating_sub(1))
    }

    fn pieces(&mut self, product: usize) -> i64 {
        let most = if product == BREAD { 2 } else { 3 };
        // The fewer the likelier.
        let pieces = self.chance.between(1, most).min(self.chance.between(1, most));
        i64::try_from(pieces).unwrap_or(1)
    }

    fn deliver_again(&mut self, at: Duration, product: usize) {
        if product == BREAD {
            self.plan(at.saturating_add(BAKED), What::Deliver(BREAD));
        } else {
            let next = product.saturating_add(1);
            let next = if next < FOR_ALL { next } else { 1 };
            self.plan(at.saturating_add(DELIVERED), What::Deliver(next));
        }
    }

    fn new_order(&mut self) -> u64 {
        let order = FIRST.saturating_add(self.orders);
        self.orders = self.orders.saturating_add(1);
        order
    }

    fn plan(&mut self, at: Duration, what: What) {
        self.thought_of = self.thought_of.saturating_add(1);
        self.ahead.push(Reverse((at, self.thought_of, what)));
    }
}

/// So many hundredths of a span.
fn part(span: Duration, hundredths: u64) -> Duration {
    let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX).saturating_mul(hundredths);
    Duration::from_millis(millis.checked_div(100).unwrap_or(0))
}

/// Numbers that look like chance (SplitMix64).
#[derive(Debug)]
struct Chance(u64);

impl Chance {
    /// A number from `low` to `high`, both included.
    fn between(&mut self, low: u64, high: u64) -> u64 {
        let count = high.saturating_sub(low).saturating_add(1);
        low.saturating_add(self.next().checked_rem(count).unwrap_or(0))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use unreserve_db::demo_live::PRODUCTS;

    use super::*;

    fn events(seed: u64, count: usize) -> Vec<Event> {
        let mut script = Script::new(seed);
        (0..count).map(|_| script.next()).collect()
    }

    #[test]
    fn one_seed_gives_one_story_and_another_seed_another() {
        assert_eq!(events(7, 2_000), events(7, 2_000));
        assert_ne!(events(7, 2_000), events(8, 2_000));
    }

    #[test]
    fn time_never_runs_backwards_and_orders_are_placed_before_anything_becomes_of_them() {
        for seed in 0..20 {
            let mut placed = std::collections::BTreeSet::new();
            let mut before = Duration::ZERO;
            for event in events(seed, 3_000) {
                assert!(event.at >= before, "{event:?} after {before:?}");
                before = event.at;
                match event.what {
                    What::Order { order, basket } => {
                        assert!(placed.insert(order), "{order} twice");
                        assert!(!basket.is_empty());
                        for (product, pieces) in &basket {
                            assert!((1..=PRODUCTS[*product].pieces).contains(pieces), "{basket:?}");
                        }
                        assert!(basket.len() == 1 || basket[0].0 != basket[1].0, "{basket:?}");
                    }
                    What::Pay(order)
                    | What::Money(order)
                    | What::Cancel(order)
                    | What::Freeze(order)
                    | What::Settle(order) => assert!(placed.contains(&order), "{order} was never placed"),
                    What::Deliver(product) | What::Miscount(product) => assert!(product < PRODUCTS.len()),
                }
            }
        }
    }

    #[test]
    fn everything_worth_seeing_happens_in_the_first_minutes() {
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        let mut script = Script::new(1);
        let mut ends = BTreeMap::new();
        loop {
            let event = script.next();
            // A little more than a minute at the usual speed.
            if event.at > BEFORE + minutes(65) {
                break;
            }
            let name = match event.what {
                What::Order { order, .. } => {
                    ends.insert(order, event.at + KEEPS);
                    "order"
                }
                What::Pay(order) if event.at > ends[&order] => "late payment",
                What::Pay(order) if event.at + minutes(1) > ends[&order] => "last moment",
                What::Pay(_) => "payment",
                What::Money(_) => "money",
                What::Cancel(_) => "cancel",
                What::Deliver(BREAD) => "bread",
                What::Deliver(_) => "delivery",
                What::Miscount(_) => "miscount",
                What::Freeze(_) => "freeze",
                What::Settle(_) => "settle",
            };
            *seen.entry(name).or_default() += 1;
        }
        for name in [
            "order",
            "payment",
            "late payment",
            "last moment",
            "money",
            "cancel",
            "bread",
            "delivery",
            "miscount",
            "freeze",
            "settle",
        ] {
            assert!(seen.contains_key(name), "no {name} in {seen:?}");
        }
        assert!(seen["order"] > 50, "{seen:?}");
    }
}

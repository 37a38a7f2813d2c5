//! What is known of the live demo: its customers' own counts, and the last things that happened.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use unreserve_db::demo_live::Product;
use unreserve_db::demo_window::{Release, View};

/// So many of the last things are remembered, where nobody takes them away sooner.
const REMEMBERED: usize = 500;

/// How much something that happened wants to be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    /// A shop's everyday life.
    Plain,
    /// Stock is back.
    Good,
    /// Something went wrong, for a customer or for the shop.
    Bad,
}

/// Something that happened, in one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// When, since the demo began.
    pub(super) at: Duration,
    /// How much it wants to be seen.
    pub(super) tone: Tone,
    /// What.
    pub(super) text: String,
}

/// What the customers count themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Counts {
    /// Orders that were placed.
    pub(super) orders: u64,
    /// Orders that were paid.
    pub(super) paid: u64,
    /// Units that were paid.
    pub(super) units_sold: i64,
    /// Customers who found something sold out.
    pub(super) turned_away: u64,
    /// Those of them who would have got it, had everything been given back that had to be.
    pub(super) turned_away_in_vain: u64,
    /// Transactions of the checkout.
    pub(super) transactions: u64,
    /// The longest that one of them took, waits included.
    pub(super) slowest: Duration,
    /// Those that failed.
    pub(super) failed: u64,
    /// How often a product was sold out, and then back.
    pub(super) came_back: u64,
}

/// Everything that is known.
#[derive(Debug, Default)]
pub(super) struct Board {
    /// What the customers count.
    pub(super) counts: Counts,
    /// What the shop showed at the last look; nothing before the first.
    pub(super) view: Option<View>,
    lines: VecDeque<Line>,
    /// Products that a customer found sold out and that are not back.
    sold_out: BTreeSet<String>,
    /// Orders that are set aside and were told.
    aside: BTreeSet<String>,
    /// The first order that was given back, for whoever wants to look one up.
    released: Option<String>,
}

impl Board {
    /// Something happened.
    pub(super) fn say(&mut self, at: Duration, tone: Tone, text: String) {
        self.lines.push_back(Line { at, tone, text });
        if self.lines.len() > REMEMBERED {
            self.lines.pop_front();
        }
    }

    /// The last things that happened, the oldest first.
    pub(super) fn last(&self, count: usize) -> impl Iterator<Item = &Line> {
        self.lines.iter().skip(self.lines.len().saturating_sub(count))
    }

    /// Takes away what happened, the oldest first.
    pub(super) fn take(&mut self) -> Vec<Line> {
        self.lines.drain(..).collect()
    }

    /// An order that can be looked up: one that is set aside, else the first that was given back.
    pub(super) fn an_order(&self) -> Option<&str> {
        self.aside.first().or(self.released.as_ref()).map(String::as_str)
    }

    /// A customer found this product sold out.
    pub(super) fn found_sold_out(&mut self, product: Product) {
        self.sold_out.insert(product.name.to_owned());
    }

    /// Takes in what the shop shows now, and says what is new of it.
    pub(super) fn see(&mut self, at: Duration, view: View) {
        for order in by_order(&view.news) {
            self.released.get_or_insert_with(|| order.number.clone());
            self.say(at, Tone::Good, order.text());
        }
        for aside in &view.set_aside {
            if self.aside.insert(aside.number.clone()) {
                let text = format!("{} is set aside, all others go on: {}", aside.number, aside.reason);
                self.say(at, Tone::Bad, text);
            }
        }
        self.aside.retain(|number| view.set_aside.iter().any(|aside| aside.number == *number));
        let free = |name: &str| view.stock.iter().any(|level| level.name == name && level.stock > level.reserved);
        let back: Vec<String> = self.sold_out.iter().filter(|name| free(name)).cloned().collect();
        for name in back {
            self.sold_out.remove(&name);
            self.counts.came_back = self.counts.came_back.saturating_add(1);
            self.say(at, Tone::Good, format!("{name} can be bought again"));
        }
        self.view = Some(view);
    }
}

/// What one order gave back.
struct GivenBack {
    number: String,
    things: Vec<String>,
    drift: i64,
    overdue_micros: i64,
}

impl GivenBack {
    fn text(&self) -> String {
        let things = self.things.join(", ");
        let late = span(Duration::from_micros(u64::try_from(self.overdue_micros).unwrap_or(0)));
        let drift = match self.drift {
            0 => String::new(),
            drift => format!("; the counter was {drift} too low: drift"),
        };
        format!("{} expired unpaid: {things} back after {late}{drift}", self.number)
    }
}

/// The releases order by order.
fn by_order(news: &[Release]) -> Vec<GivenBack> {
    let mut orders: Vec<GivenBack> = Vec::new();
    for release in news {
        let thing = format!("{} × {}", release.units, release.product);
        match orders.last_mut().filter(|order| order.number == release.number) {
            Some(order) => {
                order.things.push(thing);
                order.drift = order.drift.saturating_add(release.drift);
                order.overdue_micros = order.overdue_micros.max(release.overdue_micros);
            }
            None => orders.push(GivenBack {
                number: release.number.clone(),
                things: vec![thing],
                drift: release.drift,
                overdue_micros: release.overdue_micros,
            }),
        }
    }
    orders
}

/// A short span for people: `7 ms`, `2.4 s`, `3 min 05 s`.
pub(super) fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0 => format!("{} ms", span.as_millis()),
        1..=59 => format!("{seconds}.{} s", span.subsec_millis() / 100),
        _ => {
            let rest = seconds.checked_rem(60).unwrap_or(0);
            format!("{} min {rest:02} s", seconds / 60)
        }
    }
}

#[cfg(test)]
mod tests {
    use unreserve_db::demo::StockLevel;
    use unreserve_db::demo_window::{Aside, Released};

    use super::*;

    fn view(reserved: i64, news: Vec<Release>, set_aside: Vec<Aside>) -> View {
        View {
            units_held: 0,
            orders_held: 0,
            expires_in_ms: None,
            paid_and_cancelled: 0,
            set_aside,
            released: Released::default(),
            stock: vec![StockLevel { name: unreserve_db::demo_live::PRODUCTS[0].name.to_owned(), stock: 4, reserved }],
            news,
        }
    }

    fn release(number: &str, product: &str, drift: i64) -> Release {
        Release { number: number.to_owned(), product: product.to_owned(), units: 2, drift, overdue_micros: 7_400 }
    }

    fn texts(board: &mut Board) -> Vec<String> {
        board.take().into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn what_comes_back_is_told_order_by_order_and_once() {
        let mut board = Board::default();
        let news = vec![release("M-1", "Bread", 0), release("M-1", "Honey", 1), release("M-2", "Honey", 0)];
        board.see(Duration::ZERO, view(4, news, Vec::new()));
        let expected = [
            "M-1 expired unpaid: 2 × Bread, 2 × Honey back after 7 ms; the counter was 1 too low: drift",
            "M-2 expired unpaid: 2 × Honey back after 7 ms",
        ];
        assert_eq!(texts(&mut board), expected);
        assert_eq!(board.an_order(), Some("M-1"));
        board.see(Duration::ZERO, view(4, Vec::new(), Vec::new()));
        assert_eq!(texts(&mut board), [""; 0]);
    }

    #[test]
    fn a_product_is_back_only_after_somebody_found_it_sold_out_and_only_once() {
        let bread = unreserve_db::demo_live::PRODUCTS[0];
        let mut board = Board::default();
        board.see(Duration::ZERO, view(3, Vec::new(), Vec::new()));
        assert_eq!(texts(&mut board), [""; 0]);
        board.found_sold_out(bread);
        board.see(Duration::ZERO, view(4, Vec::new(), Vec::new()));
        assert_eq!(texts(&mut board), [""; 0]);
        board.see(Duration::ZERO, view(2, Vec::new(), Vec::new()));
        board.see(Duration::ZERO, view(2, Vec::new(), Vec::new()));
        assert_eq!(texts(&mut board), ["Sourdough loaf can be bought again"]);
        assert_eq!(board.counts.came_back, 1);
    }

    #[test]
    fn an_order_that_is_set_aside_is_told_once_and_again_when_it_comes_again() {
        let aside = || vec![Aside { number: "M-9".to_owned(), reason: "frozen".to_owned() }];
        let mut board = Board::default();
        board.see(Duration::ZERO, view(4, Vec::new(), aside()));
        board.see(Duration::ZERO, view(4, Vec::new(), aside()));
        assert_eq!(texts(&mut board), ["M-9 is set aside, all others go on: frozen"]);
        assert_eq!(board.an_order(), Some("M-9"));
        board.see(Duration::ZERO, view(4, Vec::new(), Vec::new()));
        board.see(Duration::ZERO, view(4, Vec::new(), aside()));
        assert_eq!(texts(&mut board).len(), 1);
    }

    #[test]
    fn spans_are_short() {
        for (millis, expected) in [(7, "7 ms"), (999, "999 ms"), (2_450, "2.4 s"), (185_000, "3 min 05 s")] {
            assert_eq!(span(Duration::from_millis(millis)), expected);
        }
    }
}

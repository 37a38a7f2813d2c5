//! Plays the story on the shop: every customer's and every employee's step is a transaction of the shop's own.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use unreserve_db::demo_live::{Checkout, NewOrder, PRODUCTS, Paid, Placed, Product};
use unreserve_engine::shop::ShopError;
use unreserve_engine::sweep::Clock;

use super::board::{Board, Tone, span};
use super::script::{BEFORE, BREAD, Event, KEEPS, Script, What};
use crate::clock::ProcessClock;

/// A payment with less time left than this came in the last moment.
const LAST_MOMENT_MICROS: i64 = 1_000_000;

/// Everybody who is at work in the shop, but for the program itself.
pub(super) struct Customers {
    checkout: Checkout,
    script: Script,
    /// How many seconds of the shop are one second here.
    speed: u32,
    clock: ProcessClock,
    board: Rc<RefCell<Board>>,
}

impl Customers {
    /// Those of this story.
    pub(super) fn new(checkout: Checkout, seed: u64, speed: u32, board: Rc<RefCell<Board>>) -> Self {
        Self { checkout, script: Script::new(seed), speed: speed.max(1), clock: ProcessClock::new(), board }
    }

    /// Plays what happened before anybody looks, at once, and gives what comes first after that.
    ///
    /// # Errors
    /// The shop cannot be written.
    pub(super) async fn open(&mut self) -> Result<Event, ShopError> {
        loop {
            let event = self.script.next();
            if event.at > BEFORE {
                return Ok(event);
            }
            let age = self.scaled(BEFORE.saturating_sub(event.at));
            self.play(event.what, age).await?;
        }
    }

    /// Plays what comes from here on, each thing when its time has come. Never ends.
    pub(super) async fn go_on(&mut self, first: Event) {
        self.clock = ProcessClock::new();
        let mut event = first;
        loop {
            let at = self.scaled(event.at.saturating_sub(BEFORE));
            self.clock.sleep(at.saturating_sub(self.clock.elapsed())).await;
            if let Err(error) = self.play(event.what, Duration::ZERO).await {
                tracing::warn!(event = "checkout_failed", "a customer's transaction failed: {error}");
                self.board.borrow_mut().counts.failed = self.counts().failed.saturating_add(1);
                self.say(Tone::Bad, format!("a checkout failed: {error}"));
            }
            event = self.script.next();
        }
    }

    /// Everybody goes home.
    pub(super) async fn close(&mut self) {
        self.checkout.close().await;
    }

    /// A span of the shop's time as it passes here.
    fn scaled(&self, span: Duration) -> Duration {
        span.checked_div(self.speed).unwrap_or(span)
    }

    fn counts(&self) -> super::board::Counts {
        self.board.borrow().counts
    }

    fn say(&self, tone: Tone, text: String) {
        self.board.borrow_mut().say(self.clock.elapsed(), tone, text);
    }

    async fn play(&mut self, what: What, age: Duration) -> Result<(), ShopError> {
        let began = self.clock.elapsed();
        let played = match what {
            What::Order { order, basket } => self.order(order, &basket, age).await,
            What::Pay(order) => self.pay(order).await,
            What::Money(order) => self.money(order).await,
            What::Cancel(order) => self.cancel(order).await,
            What::Deliver(product) => self.deliver(product).await,
            What::Miscount(product) => self.miscount(product).await,
            What::Freeze(order) => self.freeze(order).await,
            What::Settle(order) => self.settle(order).await,
        };
        let took = self.clock.elapsed().saturating_sub(began);
        let counts = &mut self.board.borrow_mut().counts;
        counts.transactions = counts.transactions.saturating_add(1);
        counts.slowest = counts.slowest.max(took);
        played
    }

    async fn order(&mut self, order: u64, basket: &[(usize, i64)], age: Duration) -> Result<(), ShopError> {
        let things: Vec<(Product, i64)> =
            basket.iter().filter_map(|(product, pieces)| Some((*PRODUCTS.get(*product)?, *pieces))).collect();
        let number = Script::number(order);
        let new = NewOrder { number: number.clone(), basket: things.clone(), age, keeps: self.scaled(KEEPS) };
        match self.checkout.place(&new).await? {
            Placed::Reserved => {
                let mut board = self.board.borrow_mut();
                board.counts.orders = board.counts.orders.saturating_add(1);
                let things: Vec<String> =
                    things.iter().map(|(product, pieces)| format!("{pieces} × {}", product.name)).collect();
                board.say(self.clock.elapsed(), Tone::Plain, format!("{number} reserves {}", things.join(", ")));
            }
            Placed::SoldOut { product, held_in_vain } => {
                let mut board = self.board.borrow_mut();
                board.counts.turned_away = board.counts.turned_away.saturating_add(1);
                if held_in_vain > 0 {
                    board.counts.turned_away_in_vain = board.counts.turned_away_in_vain.saturating_add(1);
                }
                board.found_sold_out(product);
                let why = if held_in_vain > 0 { ", held by an expired order" } else { "" };
                let text = format!("a customer finds {} sold out{why}", product.name);
                board.say(self.clock.elapsed(), Tone::Bad, text);
            }
        }
        Ok(())
    }

    async fn pay(&mut self, order: u64) -> Result<(), ShopError> {
        let number = Script::number(order);
        match self.checkout.pay(&number).await? {
            Paid::Yes { units, left_micros } => {
                let left = span(Duration::from_micros(left_micros.unsigned_abs()));
                let text = match left_micros {
                    ..0 => {
                        format!("{number} is booked as paid: its money came in time, nothing was taken")
                    }
                    0..LAST_MOMENT_MICROS => format!("{number} is paid with {left} left and stays: {units} sold"),
                    _ => format!("{number} is paid: {units} sold"),
                };
                let mut board = self.board.borrow_mut();
                board.counts.paid = board.counts.paid.saturating_add(1);
                board.counts.units_sold = board.counts.units_sold.saturating_add(units);
                board.say(self.clock.elapsed(), Tone::Plain, text);
            }
            Paid::TooLate => {
                self.say(Tone::Bad, format!("{number} is paid too late: it is cancelled, the money goes back"))
            }
            Paid::Nothing => {}
        }
        Ok(())
    }

    async fn money(&mut self, order: u64) -> Result<(), ShopError> {
        let number = Script::number(order);
        if self.checkout.receive(&number).await? {
            self.say(Tone::Plain, format!("the money for {number} is there; the shop books it after its time"));
        }
        Ok(())
    }

    async fn cancel(&mut self, order: u64) -> Result<(), ShopError> {
        let number = Script::number(order);
        if let Some(units) = self.checkout.cancel(&number).await? {
            self.say(Tone::Plain, format!("{number} is cancelled by its customer, who gives {units} back"));
        }
        Ok(())
    }

    async fn deliver(&mut self, product: usize) -> Result<(), ShopError> {
        let Some(product) = PRODUCTS.get(product).map(|found| (*found, product == BREAD)) else { return Ok(()) };
        let (product, is_bread) = product;
        let pieces = self.checkout.deliver(product).await?;
        if pieces > 0 {
            let from = if is_bread { "from the oven" } else { "delivered" };
            self.say(Tone::Plain, format!("{from}: {pieces} × {}", product.name));
        }
        Ok(())
    }

    async fn miscount(&mut self, product: usize) -> Result<(), ShopError> {
        let Some(product) = PRODUCTS.get(product) else { return Ok(()) };
        let wrong = self.checkout.miscount(*product).await?;
        if wrong > 0 {
            let text = format!("somebody sets the counter of {} to 0, though {wrong} are reserved", product.name);
            self.say(Tone::Bad, text);
        }
        Ok(())
    }

    async fn freeze(&mut self, order: u64) -> Result<(), ShopError> {
        let number = Script::number(order);
        if self.checkout.freeze(&number).await? {
            self.say(Tone::Bad, format!("accounting freezes {number}: the shop refuses every change of it"));
        }
        Ok(())
    }

    async fn settle(&mut self, order: u64) -> Result<(), ShopError> {
        if self.checkout.thaw(&Script::number(order)).await? {
            self.say(Tone::Plain, format!("accounting has found the money for {}", Script::number(order)));
        }
        self.pay(order).await
    }
}

//! What a sweep needs of the process it runs in: elapsed time, a pause, chance, and somebody who watches.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use crate::ledger::{BatchRecord, SetAside};
use crate::shop::ShopError;

/// The process's monotonic clock. It decides when to look, never what has expired.
pub trait Clock: Send + Sync {
    /// Time since some fixed instant; it never goes back.
    fn elapsed(&self) -> Duration;

    /// Waits.
    fn sleep<'a>(&'a self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

    /// Random bits, for jitter.
    fn jitter(&self) -> u64;
}

/// How far a sweep has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// How many orders were due when it began.
    pub orders_due: u64,
    /// How many were dealt with so far.
    pub orders_done: u64,
    /// How many reservations were released so far.
    pub reservations_released: u64,
}

/// Is told what happens while a sweep runs: for a progress bar and for the log. It decides nothing.
pub trait Observer: Send {
    /// Some orders were dealt with.
    fn progressed(&mut self, progress: Progress);

    /// A batch was committed.
    fn committed(&mut self, record: &BatchRecord, took: Duration);

    /// That batch released so many reservations, each so many microseconds after its expiry.
    fn released(&mut self, _overdue_micros: &[i64]) {}

    /// A batch of so many orders failed, and will be tried again in another form.
    fn failed(&mut self, error: &ShopError, orders: usize);

    /// An order was set aside.
    fn put_aside(&mut self, order: &SetAside);
}

/// Watches nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {
    fn progressed(&mut self, _: Progress) {}
    fn committed(&mut self, _: &BatchRecord, _: Duration) {}
    fn failed(&mut self, _: &ShopError, _: usize) {}
    fn put_aside(&mut self, _: &SetAside) {}
}

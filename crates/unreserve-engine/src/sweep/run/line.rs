//! Works the line of due reservations off: what failed is halved until the one order that failed is found.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use super::{Facts, SweepRequest, sweep_start};
use crate::ledger::SetAside;
use crate::model::{BatchId, Key, Position};
use crate::shop::{Acquired, BatchStart, CheckedShop, Selection, ShopError, ShopErrorKind, StockWait};
use crate::sweep::attempt::{Done, Failed, attempt};
use crate::sweep::clock::{Clock, Observer, Progress};
use crate::sweep::error::SweepError;
use crate::sweep::pace::{PATIENCE, Pace, ROUNDS, TRIES, passing, pause};

/// So many orders failing alone, with nothing going well, is everybody's error.
const SUSPECTS: usize = 10;

type Named = (Key, Option<String>);

/// A piece of work that is still to be done.
#[derive(Debug)]
enum Piece {
    /// The line from here on.
    Rest { after: Option<Position>, tries: u32 },
    /// Some orders of it, whose batch failed.
    Some(Orders),
}

/// Orders that are tried apart from the line.
#[derive(Debug, Clone)]
struct Orders {
    orders: Vec<Named>,
    /// How often in a row an error was taken for a passing one.
    tries: u32,
    /// How often a stock row of theirs was busy.
    rounds: u32,
    /// When they were tried first after the rest of the line was done; nothing before that.
    since: Option<Duration>,
    /// Whether busy stock rows are waited for.
    wait: StockWait,
}

/// One sweep under way.
pub(super) struct Line<'a> {
    shop: &'a mut dyn CheckedShop,
    clock: &'a dyn Clock,
    request: &'a SweepRequest,
    observer: &'a mut dyn Observer,
    pace: Pace,
    /// How far it has come.
    pub(super) progress: Progress,
    /// Orders whose stock row was busy: tried again when the rest is done.
    busy: VecDeque<Orders>,
    /// How many times these were tried, all of them.
    round: u32,
    /// Orders that failed alone before any batch went well.
    suspects: Vec<(SetAside, ShopError)>,
    /// How many orders something was released of.
    orders_released: u64,
    /// Whether a batch went well.
    any_committed: bool,
    /// Orders that were counted as left alone.
    pub(super) protected: HashSet<Key>,
    /// Whether the line was worked off to its end.
    pub(super) ended: bool,
    /// What became of the orders so far.
    pub(super) facts: Facts,
}

impl<'a> Line<'a> {
    pub(super) fn new(
        shop: &'a mut dyn CheckedShop,
        clock: &'a dyn Clock,
        request: &'a SweepRequest,
        observer: &'a mut dyn Observer,
        orders_due: u64,
    ) -> Self {
        let progress = Progress { orders_due, ..Progress::default() };
        let pace = Pace::new(request.batch_size);
        Self {
            shop,
            clock,
            request,
            observer,
            pace,
            progress,
            busy: VecDeque::new(),
            round: 0,
            suspects: Vec::new(),
            orders_released: 0,
            any_committed: false,
            protected: HashSet::new(),
            ended: false,
            facts: Facts::default(),
        }
    }

    /// Works everything off.
    pub(super) async fn work(&mut self, only: Option<Key>) -> Result<(), SweepError> {
        let first = match only {
            Some(key) => Self::apart(vec![(key, None)]),
            None => Piece::Rest { after: None, tries: 0 },
        };
        let mut pieces = vec![first];
        loop {
            if self.request.stop.is_asked() {
                // What was not come to is the next sweep's.
                self.ended = false;
                return self.settle_suspects_if_others_went_well().await;
            }
            let piece = match pieces.pop() {
                Some(piece) => piece,
                None => match self.busy.pop_front() {
                    Some(busy) => {
                        // Once a round, however many there are: their patience is short.
                        if busy.rounds > self.round {
                            self.round = busy.rounds;
                            self.pause(ShopErrorKind::LockTimeout, busy.rounds).await;
                        }
                        let since = busy.since.or_else(|| Some(self.clock.elapsed()));
                        Piece::Some(Orders { since, ..busy })
                    }
                    None => return self.settle_suspects().await,
                },
            };
            let began = self.clock.elapsed();
            match self.attempt(&piece).await {
                Ok(done) => {
                    let took = self.clock.elapsed().saturating_sub(began);
                    self.committed(piece, done, took, &mut pieces).await?;
                }
                Err(failed) => self.failed(piece, failed, &mut pieces).await?,
            }
        }
    }

    fn apart(orders: Vec<Named>) -> Piece {
        Piece::Some(Self::first_try(orders))
    }

    /// Nothing is waited for at first: whoever waits while holding orders may be one in a circle of waiters.
    fn first_try(orders: Vec<Named>) -> Orders {
        Orders { orders, tries: 0, rounds: 0, since: None, wait: StockWait::None }
    }

    async fn attempt(&mut self, piece: &Piece) -> Result<Done, Failed> {
        let (selection, wait) = match piece {
            Piece::Rest { after, .. } => {
                (Selection { after: after.clone(), only: None, limit: self.pace.size() }, StockWait::None)
            }
            // All reservations of these orders, of which each may have many.
            Piece::Some(Orders { orders, wait, .. }) => {
                let only = Some(orders.iter().map(|(key, _)| key.clone()).collect());
                (Selection { after: None, only, limit: 100_000 }, *wait)
            }
        };
        let start = BatchStart {
            batch_id: BatchId::new(),
            sweep_id: self.request.sweep_id,
            token: &self.request.holder.token,
            lock_wait: self.request.lock_wait,
        };
        attempt(self.shop, start, &selection, wait).await
    }

    async fn committed(
        &mut self,
        piece: Piece,
        done: Done,
        took: Duration,
        pieces: &mut Vec<Piece>,
    ) -> Result<(), SweepError> {
        if let Some(record) = done.record {
            self.observer.committed(&record, took);
            self.observer.released(&done.overdue_micros);
            self.any_committed = true;
            self.progress.reservations_released =
                self.progress.reservations_released.saturating_add(record.reservations);
            if matches!(piece, Piece::Rest { .. }) {
                self.pace = self.pace.after_commit(took);
            }
        }
        self.progress.orders_done = self.progress.orders_done.saturating_add(done.orders);
        self.orders_released = self.orders_released.saturating_add(done.released);
        for (key, number, reason) in done.protected {
            self.protect(key, number, reason);
        }
        match piece {
            Piece::Rest { .. } => {
                let busy = Self::first_try(done.busy);
                self.park(busy);
                // The bound holds also where more came due while the sweep ran; what is left is the next one's.
                let enough = self.orders_released >= self.request.max_orders;
                self.ended = done.next.is_none();
                if let Some(next) = done.next.filter(|_| !enough) {
                    pieces.push(Piece::Rest { after: Some(next), tries: 0 });
                }
            }
            Piece::Some(orders) => self.park(Orders { orders: done.busy, ..orders }),
        }
        self.observer.progressed(self.progress);
        let capability = self.shop.info().capability;
        let pause = self.pace.pause(capability, took);
        if !pause.is_zero() {
            self.clock.sleep(pause).await;
        }
        self.settle_suspects_if_others_went_well().await
    }

    /// Keeps orders whose stock row is busy until the rest is done; gives them up when that took too long.
    fn park(&mut self, orders: Orders) {
        if orders.orders.is_empty() {
            return;
        }
        let patience_left = orders.since.is_none_or(|since| self.clock.elapsed().saturating_sub(since) < PATIENCE);
        // Nobody is given up who was not waited for once: what is not there looks busy until then.
        if patience_left || orders.rounds < ROUNDS {
            let rounds = orders.rounds.saturating_add(1).min(ROUNDS);
            // A row that is never seen free is waited for in the end, so that it cannot starve its orders.
            let wait = if rounds < ROUNDS { StockWait::None } else { StockWait::Bounded };
            self.busy.push_back(Orders { tries: 0, rounds, wait, ..orders });
        } else {
            for (key, number) in orders.orders {
                self.protect(key, number, "busy".to_owned());
            }
        }
    }

    async fn failed(&mut self, piece: Piece, failed: Failed, pieces: &mut Vec<Piece>) -> Result<(), SweepError> {
        let Failed { error, orders, next, unknown } = failed;
        self.observer.failed(&error, orders.len());
        if let Some((batch_id, done)) = unknown {
            if self.was_committed(batch_id).await? {
                return self.committed(piece, done, Duration::ZERO, pieces).await;
            }
            if tries(&piece) < TRIES {
                self.pause(error.kind, tries(&piece)).await;
                pieces.push(tried_again(piece));
                return Ok(());
            }
        }
        match error.kind {
            ShopErrorKind::Fenced | ShopErrorKind::ReadOnly | ShopErrorKind::Full | ShopErrorKind::Refused => {
                return Err(SweepError::Shop(error));
            }
            ShopErrorKind::Disconnected | ShopErrorKind::Retry if tries(&piece) < TRIES => {
                self.pause(error.kind, tries(&piece)).await;
                pieces.push(tried_again(piece));
                return Ok(());
            }
            ShopErrorKind::LockTimeout if orders.is_empty() && tries(&piece) < TRIES => {
                self.pause(error.kind, tries(&piece)).await;
                pieces.push(tried_again(piece));
                return Ok(());
            }
            // Nothing was locked, or nothing is known: no order is to blame.
            _ if orders.is_empty() => return Err(SweepError::Shop(error)),
            _ => {}
        }
        let piece = match piece {
            Piece::Rest { .. } => {
                self.ended = next.is_none();
                if let Some(next) = next {
                    pieces.push(Piece::Rest { after: Some(next), tries: 0 });
                }
                Self::first_try(orders)
            }
            Piece::Some(piece) => Orders { orders, ..piece },
        };
        self.isolate(piece, error, pieces).await
    }

    /// Takes a failed batch apart; an order that fails alone is tried again, then kept out of the way.
    async fn isolate(&mut self, failed: Orders, error: ShopError, pieces: &mut Vec<Piece>) -> Result<(), SweepError> {
        let lock = matches!(error.kind, ShopErrorKind::Retry | ShopErrorKind::LockTimeout);
        if lock {
            self.pace = self.pace.after_lock_error();
        }
        let mut orders = failed.orders;
        if orders.len() > 1 {
            let later = orders.split_off(orders.len().div_ceil(2));
            // The last one pushed is worked off first, so that older expiries keep coming first.
            // Whoever does not need the busy row does not wait for it much longer.
            for orders in [later, orders] {
                pieces.push(Piece::Some(Orders { orders, tries: 0, ..failed }));
            }
        } else if lock {
            if failed.wait == StockWait::Bounded {
                self.pause(error.kind, failed.rounds).await;
            }
            self.park(Orders { orders, ..failed });
        } else if error.kind == ShopErrorKind::Invariant && failed.tries == 0 {
            // A count that did not match may have been the shop at work: look once more.
            pieces.push(Piece::Some(Orders { orders, tries: 1, ..failed }));
        } else {
            for (order, number) in orders {
                self.suspect(SetAside { order, number, reason: error.to_string() }, &error).await?;
            }
        }
        Ok(())
    }

    /// An order that failed alone is to blame itself if others went well; if none did, the error may be everybody's,
    /// and then setting orders aside one by one would only hide it.
    async fn suspect(&mut self, aside: SetAside, error: &ShopError) -> Result<(), SweepError> {
        let own_trouble = matches!(error.kind, ShopErrorKind::Constraint | ShopErrorKind::Invariant);
        if own_trouble || self.any_committed {
            return self.set_aside(&aside).await;
        }
        self.suspects.push((aside, error.clone()));
        if self.suspects.len() >= SUSPECTS { Err(SweepError::Shop(error.clone())) } else { Ok(()) }
    }

    async fn settle_suspects_if_others_went_well(&mut self) -> Result<(), SweepError> {
        if self.any_committed {
            for (aside, _) in std::mem::take(&mut self.suspects) {
                self.set_aside(&aside).await?;
            }
        }
        Ok(())
    }

    async fn settle_suspects(&mut self) -> Result<(), SweepError> {
        self.settle_suspects_if_others_went_well().await?;
        match self.suspects.first() {
            Some((_, error)) => Err(SweepError::Shop(error.clone())),
            None => Ok(()),
        }
    }

    /// An order with reservations in two batches is still one order.
    fn protect(&mut self, key: Key, number: Option<String>, reason: String) {
        if !self.protected.contains(&key) {
            self.facts.protect(&key, number, reason);
            self.protected.insert(key);
        }
    }

    async fn set_aside(&mut self, aside: &SetAside) -> Result<(), SweepError> {
        self.observer.put_aside(aside);
        let mut tries = 0;
        loop {
            match self.shop.set_aside(&self.request.holder.token, aside).await {
                Err(error) if passing(error.kind) && tries < TRIES => self.pause(error.kind, tries).await,
                answer => return answer.map_err(SweepError::Shop),
            }
            tries = tries.saturating_add(1);
        }
    }

    /// Asks the ledger, on a new connection, whether a batch was committed after all. Taking the lease again waits for a
    /// commit that is still under way, so the answer is final.
    async fn was_committed(&mut self, batch_id: BatchId) -> Result<bool, SweepError> {
        let start = sweep_start(self.shop, self.request);
        let mut tries = 0_u32;
        loop {
            let found = match self.shop.acquire(&self.request.holder, &start).await {
                // Whoever holds the lease now waited for our batch as well: the ledger's answer is final either way.
                Ok(Acquired::Yes | Acquired::HeldBy { .. }) => self.shop.find_batch(batch_id).await,
                Err(error) => Err(error),
            };
            match found {
                Ok(found) => return Ok(found.is_some()),
                Err(error) if passing(error.kind) && tries < TRIES.saturating_mul(2) => {
                    self.pause(error.kind, tries).await;
                    tries = tries.saturating_add(1);
                }
                Err(error) => return Err(SweepError::Shop(error)),
            }
        }
    }

    async fn pause(&self, kind: ShopErrorKind, tries: u32) {
        pause(self.clock, kind, tries).await;
    }
}

fn tries(piece: &Piece) -> u32 {
    match piece {
        Piece::Rest { tries, .. } | Piece::Some(Orders { tries, .. }) => *tries,
    }
}

fn tried_again(piece: Piece) -> Piece {
    match piece {
        Piece::Rest { after, tries } => Piece::Rest { after, tries: tries.saturating_add(1) },
        Piece::Some(orders) => Piece::Some(Orders { tries: orders.tries.saturating_add(1), ..orders }),
    }
}

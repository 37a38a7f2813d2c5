//! Works the line of due reservations off: what failed is halved until the one order that failed is found.

use std::collections::HashSet;
use std::time::Duration;

use super::{Facts, SweepRequest, sweep_start};
use crate::ledger::SetAside;
use crate::model::{BatchId, Key, Position};
use crate::shop::{Acquired, BatchStart, CheckedShop, Selection, ShopError, ShopErrorKind};
use crate::sweep::attempt::{Done, Failed, attempt};
use crate::sweep::clock::{Clock, Observer, Progress};
use crate::sweep::error::SweepError;
use crate::sweep::pace::{PATIENCE, Pace, TRIES, back_off};

type Named = (Key, Option<String>);

/// A piece of work that is still to be done.
#[derive(Debug)]
enum Piece {
    /// The line from here on.
    Rest { after: Option<Position>, tries: u32 },
    /// Some orders of it, whose batch failed.
    Some { orders: Vec<Named>, tries: u32, since: Duration },
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
    busy: Vec<Piece>,
    /// Orders that were counted as left alone.
    protected: HashSet<Key>,
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
            busy: Vec::new(),
            protected: HashSet::new(),
            facts: Facts::default(),
        }
    }

    /// Works everything off.
    pub(super) async fn work(&mut self, only: Option<Key>) -> Result<(), SweepError> {
        let first = match only {
            Some(key) => Piece::Some { orders: vec![(key, None)], tries: 0, since: self.clock.elapsed() },
            None => Piece::Rest { after: None, tries: 0 },
        };
        let mut pieces = vec![first];
        loop {
            let Some(piece) = pieces.pop().or_else(|| (!self.busy.is_empty()).then(|| self.busy.remove(0))) else {
                return Ok(());
            };
            let began = self.clock.elapsed();
            match self.attempt(&piece).await {
                Ok(done) => {
                    let took = self.clock.elapsed().saturating_sub(began);
                    self.committed(piece, done, took, &mut pieces).await;
                }
                Err(failed) => self.failed(piece, failed, &mut pieces).await?,
            }
        }
    }

    async fn attempt(&mut self, piece: &Piece) -> Result<Done, Failed> {
        let selection = match piece {
            Piece::Rest { after, .. } => Selection { after: after.clone(), only: None, limit: self.pace.size() },
            // All reservations of these orders, of which each may have many.
            Piece::Some { orders, .. } => Selection {
                after: None,
                only: Some(orders.iter().map(|(key, _)| key.clone()).collect()),
                limit: 100_000,
            },
        };
        let start = BatchStart {
            batch_id: BatchId::new(),
            sweep_id: self.request.sweep_id,
            token: &self.request.holder.token,
            lock_wait: self.request.lock_wait,
        };
        attempt(self.shop, start, &selection).await
    }

    async fn committed(&mut self, piece: Piece, done: Done, took: Duration, pieces: &mut Vec<Piece>) {
        if let Some(record) = done.record {
            self.observer.committed(&record, took);
            self.progress.reservations_released =
                self.progress.reservations_released.saturating_add(record.reservations);
            if matches!(piece, Piece::Rest { .. }) {
                self.pace = self.pace.after_commit(took);
            }
        }
        self.progress.orders_done = self.progress.orders_done.saturating_add(done.orders);
        for (key, number, reason) in done.protected {
            self.protect(key, number, reason);
        }
        if let (Piece::Rest { .. }, Some(next)) = (&piece, done.next) {
            pieces.push(Piece::Rest { after: Some(next), tries: 0 });
        }
        self.observer.progressed(self.progress);
        let capability = self.shop.info().capability;
        let pause = self.pace.pause(capability, took);
        if !pause.is_zero() {
            self.clock.sleep(pause).await;
        }
    }

    async fn failed(&mut self, piece: Piece, failed: Failed, pieces: &mut Vec<Piece>) -> Result<(), SweepError> {
        if let Some((batch_id, done)) = failed.unknown {
            if self.was_committed(batch_id).await? {
                self.committed(piece, done, Duration::ZERO, pieces).await;
            } else {
                pieces.push(tried_again(piece));
            }
            return Ok(());
        }
        let error = failed.error;
        self.observer.failed(&error, failed.orders.len());
        match error.kind {
            ShopErrorKind::Disconnected | ShopErrorKind::Retry if tries(&piece) < TRIES => {
                self.pause(error.kind, tries(&piece)).await;
                pieces.push(tried_again(piece));
                Ok(())
            }
            ShopErrorKind::Retry | ShopErrorKind::LockTimeout if failed.orders.is_empty() && tries(&piece) < TRIES => {
                self.pace = self.pace.after_lock_error();
                self.pause(error.kind, tries(&piece)).await;
                pieces.push(tried_again(piece));
                Ok(())
            }
            ShopErrorKind::Retry
            | ShopErrorKind::LockTimeout
            | ShopErrorKind::Constraint
            | ShopErrorKind::Invariant
                if !failed.orders.is_empty() =>
            {
                if let (Piece::Rest { .. }, Some(next)) = (&piece, failed.next) {
                    pieces.push(Piece::Rest { after: Some(next), tries: 0 });
                }
                self.isolate(&piece, failed.orders, error, pieces).await
            }
            _ => Err(SweepError::Shop(error)),
        }
    }

    /// Halves a failed batch; an order that fails alone is tried again, then kept out of the way.
    async fn isolate(
        &mut self,
        piece: &Piece,
        mut orders: Vec<Named>,
        error: ShopError,
        pieces: &mut Vec<Piece>,
    ) -> Result<(), SweepError> {
        let lock = matches!(error.kind, ShopErrorKind::Retry | ShopErrorKind::LockTimeout);
        if lock {
            self.pace = self.pace.after_lock_error();
            self.pause(error.kind, tries(piece)).await;
        }
        let now = self.clock.elapsed();
        if orders.len() > 1 {
            let later = orders.split_off(orders.len().div_ceil(2));
            // The last one pushed is worked off first, so that older expiries keep coming first.
            pieces.push(Piece::Some { orders: later, tries: 0, since: now });
            pieces.push(Piece::Some { orders, tries: 0, since: now });
            return Ok(());
        }
        let (tries, since) = match piece {
            Piece::Some { tries, since, .. } => (*tries, *since),
            Piece::Rest { .. } => (0, now),
        };
        let patient = now.saturating_sub(since) < PATIENCE;
        if lock && patient {
            self.busy.push(Piece::Some { orders, tries: tries.saturating_add(1).min(TRIES), since });
        } else if lock {
            for (key, number) in orders {
                self.protect(key, number, "busy".to_owned());
            }
        } else if error.kind == ShopErrorKind::Invariant && tries == 0 {
            // A count that did not match may have been the shop at work: look once more.
            pieces.push(Piece::Some { orders, tries: 1, since });
        } else {
            for (order, number) in orders {
                let aside = SetAside { order, number, reason: error.to_string() };
                self.set_aside(&aside).await?;
            }
        }
        Ok(())
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
        for tries in 0..TRIES {
            match self.shop.set_aside(&self.request.holder.token, aside).await {
                Ok(()) => return Ok(()),
                Err(error) if passing(error.kind) => self.pause(error.kind, tries).await,
                Err(error) => return Err(SweepError::Shop(error)),
            }
        }
        self.shop.set_aside(&self.request.holder.token, aside).await.map_err(SweepError::Shop)
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
        self.clock.sleep(back_off(kind, tries, self.clock.jitter())).await;
    }
}

/// Whether an error passes by itself.
fn passing(kind: ShopErrorKind) -> bool {
    matches!(kind, ShopErrorKind::Disconnected | ShopErrorKind::Retry | ShopErrorKind::LockTimeout)
}

fn tries(piece: &Piece) -> u32 {
    match piece {
        Piece::Rest { tries, .. } | Piece::Some { tries, .. } => *tries,
    }
}

fn tried_again(piece: Piece) -> Piece {
    match piece {
        Piece::Rest { after, tries } => Piece::Rest { after, tries: tries.saturating_add(1) },
        Piece::Some { orders, tries, since } => Piece::Some { orders, tries: tries.saturating_add(1), since },
    }
}

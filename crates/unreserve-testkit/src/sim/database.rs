//! The database in memory: one state, one time, the way to it, and waits for locks.

use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use unreserve_engine::shop::{ShopError, ShopErrorKind};

use super::journal::Event;
use super::locks::{Mode, RowId, TxId};
use super::store::{Fate, State, Waiting, refusal};
use super::time::{Pace, Time};

/// What becomes of a commit's message and its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitFate {
    /// Both arrive.
    Arrives,
    /// The message is lost: nothing was committed, and nobody knows.
    LostBefore,
    /// The answer is lost: it was committed, and nobody knows.
    LostAfter,
    /// The answer is lost, and the server is still at it for so many microseconds.
    Late(i64),
}

/// The way between a program and the database.
pub trait Weather: Send + Sync + fmt::Debug {
    /// How long a message takes, in microseconds.
    fn latency(&self) -> i64;

    /// What becomes of a commit of ours, sent at this instant.
    fn commit(&self, now: i64) -> CommitFate;

    /// How long it takes the server to see that a client went away at this instant, in microseconds.
    fn notice(&self, now: i64) -> i64;
}

/// A way on which nothing is lost.
#[derive(Debug, Clone, Copy)]
pub struct Calm;

impl Weather for Calm {
    fn latency(&self) -> i64 {
        50
    }

    fn commit(&self, _: i64) -> CommitFate {
        CommitFate::Arrives
    }

    fn notice(&self, _: i64) -> i64 {
        0
    }
}

/// A database that several connections share.
#[derive(Debug, Clone)]
pub struct Database {
    state: Arc<Mutex<State>>,
    /// Its time.
    pub time: Time,
    /// The way to it.
    pub weather: Arc<dyn Weather>,
}

impl Database {
    /// An empty database.
    #[must_use]
    pub fn new(pace: Pace, weather: Arc<dyn Weather>) -> Self {
        Self { state: Arc::new(Mutex::new(State::default())), time: Time::new(pace), weather }
    }

    /// What stands in it, once the server has done what it does by itself.
    pub fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.settle(self.time.now(), self.time.database_now());
        state
    }

    /// A message and its answer's way.
    pub async fn travel(&self) {
        self.time.sleep(self.weather.latency()).await;
    }

    /// Locks a row, and waits for it as long as the transaction may.
    ///
    /// # Errors
    /// `LockTimeout`, `Retry` where this transaction is a deadlock's victim, `Disconnected` where it is gone.
    pub async fn lock(&self, tx: TxId, row: &RowId, mode: Mode) -> Result<(), ShopError> {
        let mut wait = Wait::default();
        poll_fn(|context| {
            let mut state = self.state();
            match self.look(&mut state, (tx, row, mode), &mut wait) {
                Some(outcome) => {
                    finish(&mut state, tx, &wait, (self.time.now(), &outcome));
                    Poll::Ready(outcome)
                }
                None => {
                    state.waiters.push(context.waker().clone());
                    let own = state.txs.get(&tx).and_then(|tx| next_look(tx, &wait));
                    let next = [own, state.next_event()].into_iter().flatten().min();
                    drop(state);
                    if let Some(next) = next {
                        self.time.wake_at(next, context.waker());
                    } else if self.time.is_free() {
                        self.time.wake_at(0, context.waker());
                    }
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// One look at a lock: taken, given up, or to be waited for.
    fn look(
        &self,
        state: &mut State,
        (tx, row, mode): (TxId, &RowId, Mode),
        wait: &mut Wait,
    ) -> Option<Result<(), ShopError>> {
        let now = self.time.now();
        let Some(open) = state.txs.get(&tx) else {
            return Some(Err(broken()));
        };
        let ours = open.ours;
        wait.pass(now);
        if state.locks.take(tx, row, mode) {
            return Some(Ok(()));
        }
        let blockers: Vec<TxId> = state.locks.in_the_way(tx, row, mode).collect();
        wait.since.get_or_insert(now);
        if wait.blockers != blockers {
            // Who waits for a row waits for the transaction that holds it: with the next one it is another wait, for which
            // the limit on a lock and the search for a deadlock begin anew. Only a statement's limit goes on. (Those who
            // queue behind the first waiter of a row wait for him in the servers, and for the holder here.)
            (wait.blockers, wait.holder_since, wait.looked) = (blockers.clone(), now, false);
        }
        let since = wait.holder_since;
        wait.is_behind_us = blockers.iter().any(|other| state.txs.get(other).is_some_and(|tx| tx.ours));
        let open = state.txs.get_mut(&tx)?;
        let until = |limit: Option<i64>, since: i64| limit.map_or(i64::MAX, |limit| since.saturating_add(limit));
        let lock_until = until(open.lock_timeout, since);
        let statement_until = until(open.statement_timeout, open.statement_began);
        let given_up = lock_until.min(statement_until);
        open.waiting = Some(Waiting { row: row.clone(), mode, since, until: given_up });
        if now >= lock_until {
            return Some(Err(refusal(ShopErrorKind::LockTimeout, "55P03", "the lock was not to be had in time")));
        }
        if now >= statement_until {
            return Some(Err(refusal(ShopErrorKind::LockTimeout, "57014", "the statement took too long")));
        }
        if !wait.looked && now >= since.saturating_add(open.deadlock_timeout) {
            wait.looked = true;
            if let Some(our_part) = state.deadlock(tx) {
                if !ours {
                    state.tell(Event::ShopVictim { since, our_part });
                }
                return Some(Err(refusal(ShopErrorKind::Retry, "40P01", "deadlock detected")));
            }
        }
        None
    }

    /// The server ends every connection of ours.
    pub fn cut_ours(&self) {
        let mut state = self.state();
        let ours: Vec<u64> = state.connections.iter().filter(|(_, ours)| **ours).map(|(id, _)| *id).collect();
        for connection in ours {
            state.cut(connection);
        }
    }

    /// The client of a connection is gone.
    pub fn abandon(&self, connection: u64) {
        let now = self.time.now();
        let at = now.saturating_add(self.weather.notice(now));
        self.state().abandon(connection, Fate::Rollback, (now, at));
    }
}

/// A wait under way.
#[derive(Default)]
struct Wait {
    since: Option<i64>,
    /// Those who stand in the way, and since when it is they.
    blockers: Vec<TxId>,
    holder_since: i64,
    /// Whether a deadlock was looked for.
    looked: bool,
    /// When it was looked at last, and whether one of ours stood in the way then.
    last: i64,
    is_behind_us: bool,
    /// How long one of ours stood in the way.
    behind_us: i64,
}

impl Wait {
    /// Time goes by while whoever stood in the way went on standing there.
    fn pass(&mut self, now: i64) {
        if self.is_behind_us {
            self.behind_us = self.behind_us.saturating_add(now.saturating_sub(self.last));
        }
        self.last = now;
    }
}

fn finish(state: &mut State, tx: TxId, wait: &Wait, (now, outcome): (i64, &Result<(), ShopError>)) {
    let Some(open) = state.txs.get_mut(&tx) else { return };
    open.waiting = None;
    open.idle_since = now;
    if let Some(since) = wait.since.filter(|_| !open.ours && wait.behind_us > 0) {
        let in_vain = wait.is_behind_us && outcome.is_err();
        state.tell(Event::ShopWaited { since, micros: wait.behind_us, in_vain });
    }
}

/// When a wait is to be looked at again.
fn next_look(tx: &super::store::Tx, wait: &Wait) -> Option<i64> {
    let waiting = tx.waiting.as_ref()?;
    let deadlock = (!wait.looked).then(|| waiting.since.saturating_add(tx.deadlock_timeout));
    deadlock.into_iter().chain((waiting.until < i64::MAX).then_some(waiting.until)).min()
}

/// The error of a connection that is gone.
#[must_use]
pub fn broken() -> ShopError {
    ShopError::new(ShopErrorKind::Disconnected, "the connection to the database broke off")
}

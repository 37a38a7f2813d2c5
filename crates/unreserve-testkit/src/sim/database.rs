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

    /// What becomes of a commit of ours.
    fn commit(&self) -> CommitFate;

    /// How long it takes the server to see that a client is gone, in microseconds.
    fn notice(&self) -> i64;
}

/// A way on which nothing is lost.
#[derive(Debug, Clone, Copy)]
pub struct Calm;

impl Weather for Calm {
    fn latency(&self) -> i64 {
        50
    }

    fn commit(&self) -> CommitFate {
        CommitFate::Arrives
    }

    fn notice(&self) -> i64 {
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
        let mut wait = Wait { since: None, looked: false, behind_us: false };
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
        let (ours, connection) = (open.ours, open.connection);
        if state.locks.take(tx, row, mode) {
            if ours {
                state.tell(Event::OurLock { connection });
            }
            return Some(Ok(()));
        }
        let since = *wait.since.get_or_insert(now);
        let blockers: Vec<TxId> = state.locks.in_the_way(tx, row, mode).collect();
        wait.behind_us |= blockers.iter().any(|other| state.txs.get(other).is_some_and(|tx| tx.ours));
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
            if let Some(with_us) = state.deadlock(tx) {
                if !ours {
                    state.tell(Event::ShopVictim { with_us });
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
        let at = now.saturating_add(self.weather.notice());
        self.state().abandon(connection, Fate::Rollback, (now, at));
    }
}

struct Wait {
    since: Option<i64>,
    looked: bool,
    behind_us: bool,
}

fn finish(state: &mut State, tx: TxId, wait: &Wait, (now, outcome): (i64, &Result<(), ShopError>)) {
    let Some(open) = state.txs.get_mut(&tx) else { return };
    open.waiting = None;
    open.idle_since = now;
    if let Some(since) = wait.since.filter(|_| !open.ours) {
        let micros = now.saturating_sub(since);
        state.tell(Event::ShopWaited { micros, behind_us: wait.behind_us, in_vain: outcome.is_err() });
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

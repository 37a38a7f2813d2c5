//! The traits that a dialect (and the simulator) implements.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use jiff::Timestamp;

use super::error::ShopError;
use super::explanation::Explanation;
use super::figures::{Figures, FiguresQuery};
use super::holding::{Held, StockHoldings};
use super::vitals::{Vitals, VitalsQuery};
use crate::ledger::{
    BatchRecord, EntriesPage, EntriesQuery, Entry, EntryRecord, HistoryQuery, Lately, LatelyQuery, SetAside,
    SetAsideRecord, SweepEnd, SweepRecord, SweepStart, SweepsPage, SweepsQuery, Tally, TallyQuery,
};
use crate::model::{
    BatchId, EndedReservation, ExaminedOrder, Holder, Key, LockedPage, Position, StockChange, StockRef, StockRow,
    SweepId,
};
use crate::plan::{ClockEvidence, Plan, Schema, SchemaRequest};

/// The reason a dry run gives for an order with values that are no quantities; a sweep sets such an order aside.
pub const UNREADABLE: &str = "unreadable";

/// The reason under which expired reservations without an order are counted, where every other one counts orders.
pub const NO_ORDER: &str = "no_order";

/// What a database answers, some time later. Every answer has a deadline inside: none waits for ever.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, ShopError>> + Send + 'a>>;

/// What a database can do: facts as data, so that nobody asks for its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capability {
    /// Whether rows can be locked one by one, and locked ones skipped.
    pub row_locks: bool,
    /// Whether a writer shuts every other writer out, so that a sweep must pause between its batches.
    pub single_writer: bool,
    /// Whether programs on many hosts may use it at once, so that it has to say which of them is on duty.
    pub many_hosts: bool,
}

/// Whether our own tables are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstallState {
    /// They are not.
    Absent,
    /// They are of an older version.
    Old(u32),
    /// They are as this program needs them.
    Current,
    /// They are of a newer version than this program knows.
    Newer(u32),
}

/// What a database says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShopInfo {
    /// Its product and version.
    pub product: String,
    /// Why its version is too old to be relied on, if it is.
    pub too_old: Option<String>,
    /// Whether it takes no writes, and why.
    pub read_only: Option<String>,
    /// Whether our own tables are there.
    pub installed: InstallState,
    /// What it can do.
    pub capability: Capability,
}

/// What lies ahead, and the database's now, in one answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outlook {
    /// The database's now.
    pub now: Timestamp,
    /// How many orders are due, counted up to the bound that was given.
    pub due_orders: u64,
    /// Microseconds since the oldest due reservation expired; 0 where none is due.
    pub oldest_overdue_micros: i64,
    /// The next instant at which something expires; nothing where nothing is waiting.
    pub next_expiry: Option<Timestamp>,
}

/// A due order that a payment guard protects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuardedOrder {
    /// The order.
    pub key: Key,
    /// The number people know it by.
    pub number: Option<String>,
    /// The guards that hold, by name.
    pub guards: Vec<String>,
}

/// What a sweep leaves behind: read at its end, and for a dry run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftovers {
    /// What lies ahead.
    pub outlook: Outlook,
    /// Orders that are set aside now.
    pub set_aside: u64,
    /// Due orders that a guard protects, each once, oldest first, as many as were asked for. No batch locks them.
    pub guarded: Vec<GuardedOrder>,
    /// Expired reservations that hold stock for an order that is not there, as many as were asked for. Nothing says
    /// whether such an order was paid, so they are only told. 0 where the expiry stands with the order.
    pub without_order: u64,
    /// Whether there may be more of both: only the oldest expired reservations are read, eight for each that may be told.
    pub at_least: bool,
}

/// How many expired reservations are read to tell of so many that are left alone.
#[must_use]
pub fn read_for(count_limit: u64) -> u64 {
    count_limit.saturating_mul(8)
}

/// Which orders a batch takes. Guarded orders are left out, except where they are asked for by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selection {
    /// Only reservations behind this place in the line.
    pub after: Option<Position>,
    /// Only these orders, also where they are set aside; every order where it is left out.
    pub only: Option<Vec<Key>>,
    /// At most so many reservations are looked at to find them.
    pub limit: u32,
}

/// Whether a lock on a stock row is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StockWait {
    /// As long as the batch allows.
    Bounded,
    /// Not at all: rows that others have locked are left out.
    None,
}

/// Whether [`CheckedShop::explain`] may try the lock on the order's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockTest {
    /// It takes the lock, if it is free, and gives it back at once.
    Try,
    /// It takes no lock.
    Leave,
}

/// One page of what a dry run sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Surveyed {
    /// The orders, as a batch would have examined them.
    pub orders: Vec<ExaminedOrder>,
    /// The counters of the stock rows they hold.
    pub stock: Vec<StockRow>,
    /// The last place in the line; nothing where the line ended.
    pub last: Option<Position>,
    /// The database's now.
    pub now: Timestamp,
}

/// How the attempt to become the one that sweeps ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acquired {
    /// We are.
    Yes,
    /// Another instance is.
    HeldBy {
        /// Who.
        holder: Holder,
        /// Seconds since it was heard of last.
        heard_seconds_ago: i64,
    },
}

/// How a commit ended. `Unknown` is a third outcome: the ledger has to be asked before anything else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Committed {
    /// It is durable.
    Yes,
    /// It was refused, and nothing of it stands.
    No(ShopError),
    /// No answer came.
    Unknown(ShopError),
}

/// What a batch begins with.
#[derive(Debug, Clone)]
pub struct BatchStart<'a> {
    /// The batch.
    pub batch_id: BatchId,
    /// The sweep it belongs to.
    pub sweep_id: SweepId,
    /// Our token: the batch fails where the fence does not hold it.
    pub token: &'a str,
    /// How long a lock may be waited for.
    pub lock_wait: Duration,
}

/// Reads the ledger. Every method may be called at any time, and changes nothing.
pub trait Ledger: Send {
    /// The sweeps that a query asks for, newest first.
    fn history<'a>(&'a mut self, query: &'a HistoryQuery) -> Answer<'a, Vec<SweepRecord>>;

    /// The entries of one sweep in the order they were written, at most `limit`.
    fn entries(&mut self, sweep_id: SweepId, limit: u32) -> Answer<'_, Vec<EntryRecord>>;

    /// The orders that are set aside now, oldest first, at most `limit`.
    fn orders_set_aside(&mut self, limit: u32) -> Answer<'_, Vec<SetAsideRecord>>;

    /// Sums over some days of the ledger, made where it stands.
    fn tally<'a>(&'a mut self, query: &'a TallyQuery) -> Answer<'a, Tally>;

    /// How the sweeps of a profile go, in bounded reads.
    fn vitals<'a>(&'a mut self, query: &'a VitalsQuery) -> Answer<'a, Vitals>;

    /// A page of the sweeps of one profile, newest first, in bounded reads.
    fn sweeps_page<'a>(&'a mut self, query: &'a SweepsQuery) -> Answer<'a, SweepsPage>;

    /// A page of the entries of one sweep, in the order they were written, in bounded reads.
    fn entries_page<'a>(&'a mut self, query: &'a EntriesQuery) -> Answer<'a, EntriesPage>;

    /// What came back of late: the sums of each day, and the newest releases.
    fn lately<'a>(&'a mut self, query: &'a LatelyQuery) -> Answer<'a, Lately>;
}

/// A shop's database that has not been checked against a profile: it can be looked at, not swept.
pub trait Shop: Ledger {
    /// What the database says of itself.
    fn info(&mut self) -> Answer<'_, ShopInfo>;

    /// The tables that a plan needs, and a few values. Writes nothing, locks nothing.
    fn schema<'a>(&'a mut self, request: &'a SchemaRequest) -> Answer<'a, Schema>;

    /// The statements that create or upgrade our own tables.
    fn install_script(&self) -> String;

    /// Creates or upgrades our own tables. May be repeated; either everything is done or nothing.
    fn install(&mut self) -> Answer<'_, InstallState>;

    /// Renders the plan's statements and has the database prepare each: only what comes of this can be swept.
    ///
    /// # Errors
    /// A statement that the database refuses, by name.
    fn check(self: Box<Self>, plan: Plan) -> Answer<'static, Box<dyn CheckedShop>>;
}

/// A shop whose plan was checked. After an error of kind `Disconnected` the next call connects again.
pub trait CheckedShop: Ledger {
    /// The plan that was checked.
    fn plan(&self) -> &Plan;

    /// What the database says of itself.
    fn info(&self) -> &ShopInfo;

    /// What a sweep looks at first: what the clock relation is judged by, from a bounded number of rows, and what lies
    /// ahead, with due orders counted up to `count_limit`.
    fn look(&mut self, count_limit: u64) -> Answer<'_, (ClockEvidence, Outlook)>;

    /// What lies ahead; due orders are counted up to `count_limit`.
    fn outlook(&mut self, count_limit: u64) -> Answer<'_, Outlook>;

    /// What is left alone or left over; orders and reservations are counted up to `count_limit`, and of the oldest expired
    /// reservations no more are read than [`read_for`] says.
    fn leftovers(&mut self, count_limit: u64) -> Answer<'_, Leftovers>;

    /// One page of what is due, without a lock and without a write.
    fn survey<'a>(&'a mut self, selection: &'a Selection) -> Answer<'a, Surveyed>;

    /// Everything a sweep would look at for one order, by its key or number; nothing where there is none such.
    fn explain<'a>(&'a mut self, order: &'a str, lock: LockTest) -> Answer<'a, Option<Explanation>>;

    /// What unpaid and unprotected orders hold, by when it comes back; at most `read_max` reservations are read, those
    /// that expire first.
    fn held(&mut self, read_max: u32) -> Answer<'_, Held>;

    /// What is held of each stock row, and its counters; at most `read_max` active reservations are read, and as many
    /// counters. Their order is the database's.
    fn stock_holdings(&mut self, read_max: u32) -> Answer<'_, StockHoldings>;

    /// What the shop's own tables tell of some days, in bounded reads. A part that cannot be answered is told so, and the
    /// others are answered all the same.
    fn figures<'a>(&'a mut self, query: &'a FiguresQuery) -> Answer<'a, Figures>;

    /// Becomes the one that sweeps, and writes that the sweep began. Waits for a batch of ours whose commit is still
    /// under way, so that the ledger's answer afterwards is final.
    fn acquire<'a>(&'a mut self, holder: &'a Holder, start: &'a SweepStart) -> Answer<'a, Acquired>;

    /// Begins a batch. Dropping it rolls back.
    fn begin<'a>(&'a mut self, start: BatchStart<'a>) -> Answer<'a, Box<dyn Batch + 'a>>;

    /// The committed batch of that identity, if there is one.
    fn find_batch(&mut self, batch_id: BatchId) -> Answer<'_, Option<BatchRecord>>;

    /// Records that an order is kept out of the way for an hour.
    fn set_aside<'a>(&'a mut self, token: &'a str, order: &'a SetAside) -> Answer<'a, ()>;

    /// Writes that the sweep ended, and lets the next one in.
    fn close<'a>(&'a mut self, token: &'a str, end: &'a SweepEnd) -> Answer<'a, ()>;

    /// Becomes, or stays, the one instance that watches this shop; to be repeated every few seconds, since whoever was
    /// silent for ten is taken for dead. It decides only who looks: who may write is decided by [`Self::acquire`]. A
    /// database that only one machine reaches says yes to all: a lock of that machine decides there.
    fn take_duty<'a>(&'a mut self, holder: &'a Holder) -> Answer<'a, Acquired>;

    /// Lets the next one watch this shop.
    fn leave_duty<'a>(&'a mut self, token: &'a str) -> Answer<'a, ()>;

    /// Whether it is certain that nobody has written to this database since the outlook was read last. Cheap; a
    /// database that cannot tell says no.
    fn is_unchanged(&mut self) -> bool {
        false
    }

    /// Gives the connection back until the next call.
    fn disconnect(&mut self) {}
}

/// One transaction of a sweep. After any error nothing but [`Batch::rollback`] may be called.
pub trait Batch: Send {
    /// The database instant that splits expired from not, fixed for this batch.
    fn cutoff(&self) -> Timestamp;

    /// Finds a page of orders with an expired reservation, oldest first, and locks those rows of it that nobody else has
    /// locked. No lock is held while they are searched for.
    fn lock_due<'a>(&'a mut self, selection: &'a Selection) -> Answer<'a, LockedPage>;

    /// Re-reads everything about these orders in new statements.
    fn examine<'a>(&'a mut self, orders: &'a [Key]) -> Answer<'a, Vec<ExaminedOrder>>;

    /// Locks these stock rows in the order given and reads their counters. Rows that do not exist are left out, with
    /// [`StockWait::None`] also those that others have locked.
    fn lock_stock<'a>(&'a mut self, stock: &'a [StockRef], wait: StockWait) -> Answer<'a, Vec<StockRow>>;

    /// Writes the counters and ends the reservations. Every write repeats its guard: a reservation must still be due, of
    /// an order that is still unpaid and unguarded, and hold what it held when it was examined; counts must match. The
    /// counters must be as written afterwards, whatever triggers did.
    fn release<'a>(&'a mut self, stock: &'a [StockChange], reservations: &'a [EndedReservation]) -> Answer<'a, ()>;

    /// Cancels these orders, if each is still unpaid, unguarded and without an active reservation.
    fn cancel_orders<'a>(&'a mut self, orders: &'a [Key]) -> Answer<'a, ()>;

    /// Appends what was done.
    fn append_ledger<'a>(&'a mut self, record: &'a BatchRecord, entries: &'a [Entry]) -> Answer<'a, ()>;

    /// Commits.
    fn commit<'a>(self: Box<Self>) -> Pin<Box<dyn Future<Output = Committed> + Send + 'a>>
    where
        Self: 'a;

    /// Undoes everything, and keeps the connection if it is sound.
    fn rollback<'a>(self: Box<Self>) -> Answer<'a, ()>
    where
        Self: 'a;
}

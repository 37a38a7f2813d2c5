//! Shops to sweep: the same tables in every database, changed and read back as data.
//!
//! A database joins by implementing [`TestShop`] and [`Session`] in one file. What a shop's tables look like
//! ([`Table`]), what stands in them ([`Cell`]) and what may go wrong ([`Fault`]) is data, so that a shop that has no SQL at
//! all can join as well.

mod malikli;
mod many;
mod mariadb;
mod postgres;
mod seen;
mod sqlite;
mod table;
mod world;

use std::time::Duration;

use unreserve_engine::shop::{Answer, Shop};

use crate::failure::{Failure, Wait};

pub use malikli::{DROPS, ORDERS, PAYMENTS, RESERVATIONS, Rules, VARIANTS, malikli_tables};
pub use many::{Counted, ROWS};
pub use mariadb::MariaDbShop;
pub use postgres::PostgresShop;
pub use seen::{BatchSeen, EntrySeen, LedgerSeen, OrderSeen, Pool, ReservationSeen, SetAsideSeen, Snapshot, StockSeen};
pub use sqlite::SqliteShop;
pub use table::{Cell, Column, ColumnKind, Reference, Row, Table};
pub use world::{LOCK_WAIT, NewReservation, STATEMENT_TIMEOUT, State, Sweeper, World};

/// Connects `unreserve` to an address: an address, and how long a statement may take.
pub type Opener = fn(String, Duration) -> Answer<'static, Box<dyn Shop>>;

/// Makes an empty shop.
pub type MakeShop = fn() -> Result<Box<dyn TestShop>, Failure>;

/// As whom `unreserve` connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// As the one who owns the shop's tables.
    Owner,
    /// As somebody whose connection takes no writes.
    ReadOnly,
    /// As somebody who may read every table, and nothing else.
    SelectOnly,
}

/// What may go wrong in a database, to be provoked for real.
#[derive(Debug, Clone)]
pub enum Fault<'a> {
    /// Every connection of `unreserve` is cut off by the server.
    CutConnections,
    /// A trigger refuses every change to the rows whose column holds this value.
    Refuse {
        /// The table.
        table: &'a str,
        /// The column.
        column: &'a str,
        /// The value.
        value: Cell,
    },
    /// A commit is refused after any change to this table.
    RefuseCommit {
        /// The table.
        table: &'a str,
    },
    /// A trigger adds one to a counter that is written.
    Meddle {
        /// The table.
        table: &'a str,
        /// The counter.
        column: &'a str,
    },
    /// A column gets another name.
    RenameColumn {
        /// The table.
        table: &'a str,
        /// The column.
        from: &'a str,
        /// Its new name.
        to: &'a str,
    },
    /// Whoever holds the lease was last heard of an hour ago.
    LeaseFellSilent,
    /// Whatever is set aside may be tried again.
    SetAsideRipened,
    /// Nobody looks for deadlocks in this database for a long time, so that a test need not hurry.
    LongWaits,
    /// Before a change to this table, the session turns patient enough to find a deadlock itself.
    FindDeadlocks {
        /// The table.
        table: &'a str,
    },
    /// A change to this table makes the rest of the transaction read-only.
    TurnReadOnly {
        /// The table.
        table: &'a str,
    },
}

/// What an error's code says, in a database's own words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// The database chose us as the victim of a deadlock.
    Deadlock,
    /// A statement that had to wait for a row was ended.
    LockedTooLong,
}

/// Whose table is read.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a> {
    /// One of the shop's.
    Shop(&'a str),
    /// One of our own: `sweep`, `batch`, `entry`, ….
    Own(&'a str),
}

/// A shop in a database of its own, which goes away with this value.
pub trait TestShop: Send + Sync {
    /// What stands before a profile's text in this database, such as the zone of its date-times.
    fn profile_preamble(&self) -> &'static str;

    /// Connects `unreserve`; a statement may take so long.
    fn connect(&self, access: Access, statement_timeout: Duration) -> Answer<'static, Box<dyn Shop>>;

    /// Another connection, as the shop itself makes them.
    fn session(&self) -> Wait<'_, Box<dyn Session>>;

    /// How many sessions of this database wait for a lock right now.
    fn waiting_sessions(&self) -> Wait<'_, u64>;

    /// The code by which this database tells something.
    fn code(&self, code: Code) -> &'static str;

    /// Provokes a fault. One that this database does not know is a failure: no case asks for it there.
    fn provoke<'a>(&'a self, fault: Fault<'a>) -> Wait<'a, ()>;

    /// The address to give to the program.
    ///
    /// # Errors
    /// This shop is nowhere that another process could reach.
    fn url(&self) -> Result<String, Failure> {
        Err(Failure::new("this shop has no address"))
    }

    /// How many orders were released after a payment of theirs had been committed, by the database's own order of
    /// commits; nothing where it keeps none.
    fn released_after_payment(&self) -> Wait<'_, Option<u64>> {
        Box::pin(async { Ok(None) })
    }

    /// How many deadlocks the database has found among its sessions; nothing where it does not count them.
    fn deadlocks(&self) -> Wait<'_, Option<u64>> {
        Box::pin(async { Ok(None) })
    }

    /// Sees to it that the database knows a zone by its name, where it does not by itself.
    fn know_zone<'a>(&'a self, zone: &'a str) -> Wait<'a, ()> {
        let _ = zone;
        Box::pin(async { Ok(()) })
    }

    /// Adds so many due orders with a unit of a stock row of each pool, whose rows are there; whether this database can.
    fn fill_many(&self, orders: u64) -> Wait<'_, bool> {
        let _ = orders;
        Box::pin(async { Ok(false) })
    }

    /// Counts what stands in the shop and the ledger, where there is too much to be read.
    fn count_many(&self) -> Wait<'_, Counted> {
        Box::pin(async { Err(Failure::new("this shop is not filled with many")) })
    }

    /// Kills the server with 9 and starts it again on the same data; returns when it answers.
    fn crash(&self) -> Wait<'_, ()> {
        Box::pin(async { Err(Failure::new("there is no server of this shop alone")) })
    }
}

/// One connection of the shop itself. Outside `begin` and `commit` every statement is its own transaction.
pub trait Session: Send {
    /// Creates tables.
    fn create<'a>(&'a mut self, tables: &'a [Table]) -> Wait<'a, ()>;

    /// Begins a transaction.
    fn begin(&mut self) -> Wait<'_, ()>;

    /// Commits it.
    fn commit(&mut self) -> Wait<'_, ()>;

    /// Undoes it.
    fn rollback(&mut self) -> Wait<'_, ()>;

    /// Adds a row.
    fn insert<'a>(&'a mut self, table: &'a str, row: Row<'a>) -> Wait<'a, ()>;

    /// Changes the rows that hold `rows`, and counts them.
    fn update<'a>(&'a mut self, table: &'a str, set: Row<'a>, rows: Row<'a>) -> Wait<'a, u64>;

    /// Deletes the rows that hold `rows`, and counts them.
    fn delete<'a>(&'a mut self, table: &'a str, rows: Row<'a>) -> Wait<'a, u64>;

    /// Locks the rows that hold `rows` until the transaction ends, and counts them.
    fn lock<'a>(&'a mut self, table: &'a str, rows: Row<'a>) -> Wait<'a, u64>;

    /// Deletes every row of the Malikli shop and of our own tables, all but who holds the lease.
    fn clear(&mut self) -> Wait<'_, ()> {
        Box::pin(async { Err(Failure::new("this shop cannot be cleared")) })
    }

    /// Reads these columns of every row as text, in the order of the columns.
    fn read<'a>(&'a mut self, table: Source<'a>, columns: &'a [&'a str]) -> Wait<'a, Vec<Vec<Option<String>>>>;
}

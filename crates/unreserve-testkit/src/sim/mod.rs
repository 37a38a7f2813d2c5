//! The simulator: a shop in memory that is a peer of the databases, and a world around it in which everything goes wrong.

pub mod auditor;
mod batch;
mod books;
pub mod choices;
pub mod client;
mod constraint;
pub mod crew;
pub mod daemon;
pub mod database;
mod eval;
pub mod executor;
pub mod faults;
mod figures;
mod healing;
mod holding;
pub mod journal;
mod ledger;
mod link;
pub mod locks;
mod looks;
pub mod lying_clock;
pub mod mutation;
pub mod own;
mod pages;
pub mod punctual;
pub mod run;
pub mod seeds;
pub mod shop;
pub mod shrink;
mod statements;
pub mod store;
mod sweeper;
mod tally;
mod test_shop;
pub mod time;
pub mod value;
mod vitals;
mod workload;
pub mod world;

pub use test_shop::SimulatedShop;

#[cfg(test)]
mod planted;

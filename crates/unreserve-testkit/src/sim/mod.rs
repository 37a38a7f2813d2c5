//! The simulator: a shop in memory that is a peer of the databases, and a world around it in which everything goes wrong.

mod batch;
pub mod client;
pub mod constraint;
pub mod database;
pub mod eval;
pub mod journal;
mod ledger;
pub mod link;
pub mod locks;
mod looks;
pub mod mutation;
pub mod own;
pub mod shop;
pub mod statements;
pub mod store;
pub mod test_shop;
pub mod time;
pub mod value;

pub use test_shop::SimulatedShop;

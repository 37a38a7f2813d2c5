//! The rules of giving stock back, free of any database, clock, file or terminal.
//!
//! The rooms, in the order the data passes them; a room imports only from rooms to its left:
//! [`model`] → [`profile`] → [`plan`] → [`ledger`] → [`shop`] → [`sweep`] → [`report`] → [`watch`].

pub mod ledger;
pub mod model;
pub mod plan;
pub mod profile;
pub mod report;
pub mod shop;
pub mod sweep;
pub mod watch;

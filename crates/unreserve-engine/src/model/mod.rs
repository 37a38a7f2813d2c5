//! The words everything else is said in: keys, quantities, spans of time, orders, reservations, stock.

mod duration;
mod id;
mod key;
mod mutant;
mod order;
mod quantity;
mod stock;

pub use duration::{DurationError, parse_duration, write_duration};
pub use id::{BatchId, Holder, SweepId};
pub use key::Key;
pub use mutant::{Mutant, planted};
pub use order::{ActiveReservation, EndedReservation, ExaminedOrder, LockedOrder, LockedPage, Position, StockRef};
pub use quantity::{Quantity, QuantityError};
pub use stock::{StockChange, StockRow};

//! The port: what a sweep asks of a shop's database, by operation.

mod error;
mod explanation;
mod figures;
mod holding;
mod port;
mod vitals;

pub use error::{ShopError, ShopErrorKind};
pub use explanation::{ConditionValueSeen, Explanation, GuardSeen, OrderName, ReservationSeen};
pub use figures::{CancelledValue, Figures, FiguresQuery, OrdersMade, Part, PaymentTimes, ReservationsMade};
pub use holding::{Difference, HELD_MINUTES, Held, HeldSum, StockHolding, StockHoldings};
pub use port::{
    Acquired, Answer, Batch, BatchStart, Capability, CheckedShop, Committed, GuardedOrder, InstallState, Ledger,
    Leftovers, LockTest, NO_ORDER, Outlook, Selection, Shop, ShopInfo, StockWait, Surveyed, UNREADABLE, read_for,
};
pub use vitals::{AppendOnly, Books, LeaseSeen, SweepSeen, Vitals, VitalsQuery};

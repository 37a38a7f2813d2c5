//! A profile resolved against the live schema: [`Profile`](crate::profile::Profile) + [`Schema`] → [`Plan`].

mod clock;
mod condition;
mod due;
mod effect;
mod figures;
mod index;
mod resolve;
mod schema;
mod table;

pub use clock::{ClockEvidence, ClockFault, SKEW, ZONE_WIDTH, judge_clock};
pub use condition::{Assignment, Condition, Test, Value};
pub use due::{Due, Policy, TimeEncoding, TimePlan, Zone};
pub use effect::{ReleasePlan, StockPlan};
pub use figures::{AmountPlan, Currency, FiguresPlan, FoundBy, MadePlan, PaidAt};
pub use index::{IndexAdvice, advise_index, advise_indexes};
pub use resolve::{request, resolve, sweep_request};
pub use schema::{ColumnInfo, IndexInfo, Kind, Schema, SchemaRequest, TableInfo, TableName};
pub use table::{Column, GuardPlan, OrderPlan, Plan, ReservationPlan, Table};

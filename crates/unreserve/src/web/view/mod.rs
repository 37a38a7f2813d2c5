//! What the page and the JSON API show, as values: made from the ledger, the shop and the health checks, never computed
//! a second time. Whoever serves them decides nothing.

mod health;
mod kept;
mod lately;
mod order;
mod overview;
mod problem;
mod reader;
mod sentence;
mod settings;
mod shop;
mod shops;
mod stock;
mod sweeps;

pub(crate) use health::{CheckView, HealthView, StatusWord};
pub(crate) use order::{EventKind, EventView, OrderView};
pub(crate) use overview::{DaemonWord, DueView, HeldUntil, Overview};
pub(crate) use problem::Problem;
pub(crate) use sentence::{Mood, Sentence};
pub(crate) use settings::SettingsView;
pub(crate) use shop::ShopView;
pub(crate) use shops::{ShopName, ShopsView, Views, ask_each};
pub(crate) use stock::StockView;
pub(crate) use sweeps::{
    EntriesAsked, EntryView, EntryWord, SweepSummary, SweepView, SweepWord, SweepsAsked, SweepsFilter, SweepsView,
};

//! What the page and the JSON API show, as values: made from the ledger, the shop and the health checks, never computed
//! a second time. Whoever serves them decides nothing.
#![cfg_attr(not(test), expect(dead_code, reason = "the server that shows these is being written"))]
#![expect(unused_imports, reason = "the server that shows these is being written")]

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

pub(crate) use health::{CheckView, EpisodeView, HealthView, MeasureView, StatusWord};
pub(crate) use order::{ConditionView, EventKind, EventView, OrderView, ReservationView};
pub(crate) use overview::{
    DaemonView, DaemonWord, DueView, Figures, GivenBack, GivenBackDay, HeldUnits, HeldUntil, Overview, ReleaseLag,
};
pub(crate) use problem::Problem;
pub(crate) use sentence::{Mood, Sentence};
pub(crate) use settings::{SettingView, SettingsView};
pub(crate) use shop::ShopView;
pub(crate) use shops::{ShopName, ShopsView, Views};
pub(crate) use stock::{CounterDifference, StockGivenBack, StockHeld, StockView};
pub(crate) use sweeps::{
    EntriesAsked, EntryView, EntryWord, LeftAlone, SweepSummary, SweepView, SweepWord, SweepsAsked, SweepsFilter,
    SweepsView,
};

//! The page: shows how every shop is, live, to whoever may see it, and changes nothing.

mod answer;
pub(crate) mod api;
mod assets;
mod door;
mod events;
mod frame;
pub(crate) mod icons;
mod listening;
mod login;
mod pages;
mod patient;
mod probes;
mod site;
mod token;
pub(crate) mod view;
mod watched;
pub(crate) mod write;

pub(crate) use listening::{Bound, bind};
pub(crate) use site::{Process, Serving, Site};

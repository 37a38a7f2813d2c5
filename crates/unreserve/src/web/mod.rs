//! The page and its JSON API: what is shown, and who serves it.

pub(crate) mod api;
pub(crate) mod view;

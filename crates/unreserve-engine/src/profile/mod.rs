//! What a shop's tables mean, as its owner wrote it down: text → [`ProfileFile`] → [`Profile`].

mod check;
mod file;
mod problem;
mod value;

pub use check::{Expiry, ExpiryHome, Profile, check};
pub use file::{FIELDS, FieldDoc, GuardSection, OrderSection, ProfileFile, ReservationSection, StockSection, parse};
pub use problem::{Problem, Problems, nearest};
pub use value::{ConditionValue, Conditions, Literal, ReleaseAct, SetValue, Sets, TimeColumn};

/// A text of the profile with the place where it stands.
pub type Text = toml::Spanned<String>;

//! The settings as they hold, secrets masked, and where each came from.

use serde::Serialize;
use utoipa::ToSchema;

/// The effective settings of one shop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct SettingsView {
    /// Every setting, in the order of the reference.
    pub(crate) settings: Vec<SettingView>,
    /// What was noticed while the settings were read.
    pub(crate) warnings: Vec<String>,
}

/// One setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct SettingView {
    /// Its key.
    #[schema(example = "database_url")]
    pub(crate) key: &'static str,
    /// Its value, masked where it is a secret; nothing where nobody set it.
    pub(crate) value: Option<String>,
    /// What holds where nobody set it.
    pub(crate) default: &'static str,
    /// Where the value came from.
    #[schema(example = "environment variable `DATABASE_URL`")]
    pub(crate) origin: String,
    /// What it means.
    pub(crate) meaning: &'static str,
}

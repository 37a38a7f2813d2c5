//! The settings as they hold, secrets masked, and where each came from.

use serde::Serialize;
use utoipa::ToSchema;

use crate::cli::settings::{channels, shown};
use crate::settings::{SETTINGS, Settings};

/// The effective settings of one shop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct SettingsView {
    /// Every setting, in the order of the reference, and behind them what the alert channels' tables say.
    pub(crate) settings: Vec<SettingView>,
    /// What was noticed while the settings were read.
    pub(crate) warnings: Vec<String>,
}

/// One setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct SettingView {
    /// Its key.
    #[schema(example = "database_url")]
    pub(crate) key: String,
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

impl SettingsView {
    /// The effective settings, as `settings show --origin` has them.
    pub(super) fn of(settings: &Settings) -> Self {
        let of = |doc: &&crate::settings::SettingDoc| {
            let shown = shown(settings, doc.key);
            SettingView {
                key: doc.key.to_owned(),
                value: shown.value,
                default: doc.default,
                origin: shown.origin,
                meaning: doc.meaning,
            }
        };
        let channels = channels(settings).map(|(key, value, meaning)| SettingView {
            key,
            value: Some(value.value.clone()),
            default: "",
            origin: value.origin.to_string(),
            meaning,
        });
        Self { settings: SETTINGS.iter().map(of).chain(channels).collect(), warnings: settings.warnings.clone() }
    }
}

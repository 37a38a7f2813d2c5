//! The sections of the settings file as they are written. What each key means stands in [`super::table::SETTINGS`].

use serde::Deserialize;
use toml::Spanned;

use super::channel_table::{ChannelText, ListText};
use super::file::SpanText;

/// The `[log]` section.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a section `[log]`")]
pub(super) struct LogText {
    pub(super) format: Option<Spanned<String>>,
    pub(super) level: Option<Spanned<String>>,
    pub(super) file: Option<Spanned<String>>,
    pub(super) max_size: Option<Spanned<String>>,
    pub(super) keep: Option<Spanned<i64>>,
}

/// The `[metrics]` section.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a section `[metrics]`")]
pub(super) struct MetricsText {
    pub(super) file: Option<Spanned<String>>,
}

/// The `[alerts]` section.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a section `[alerts]`")]
pub(super) struct AlertsText {
    pub(super) severity: Option<Spanned<String>>,
    pub(super) after: Option<Spanned<SpanText>>,
    pub(super) repeat: Option<Spanned<SpanText>>,
    pub(super) threshold: Option<Spanned<i64>>,
    pub(super) ignore: Option<Spanned<ListText>>,
    #[serde(default)]
    pub(super) channel: Vec<Spanned<ChannelText>>,
}

/// The `[heartbeat]` section.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a section `[heartbeat]`")]
pub(super) struct HeartbeatText {
    pub(super) url: Option<Spanned<String>>,
    pub(super) url_file: Option<Spanned<String>>,
}

/// The `[web]` section.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a section `[web]`")]
pub(super) struct WebText {
    pub(super) listen: Option<Spanned<String>>,
    pub(super) socket: Option<Spanned<String>>,
    pub(super) token: Option<Spanned<String>>,
    pub(super) token_file: Option<Spanned<String>>,
}

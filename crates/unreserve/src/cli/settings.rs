//! `settings show`: the effective settings, secrets masked, and where each came from.

use serde_json::{Map, Value, json};
use unreserve_engine::model::write_duration;

use crate::cli::args::{Format, SettingsShowArgs};
use crate::settings::{LogFormat, LogLevel, Origin, SETTINGS, Settings, Sourced, channel_meaning, write_size};
use crate::table::Table;

/// The effective settings as text or as one JSON object: of one shop, or of several, one after the other.
pub(crate) fn show(first: &Settings, others: &[Settings], args: &SettingsShowArgs) -> String {
    let all = || std::iter::once(first).chain(others);
    match args.format.format {
        Format::Text => all().map(|settings| text(settings, args.origin)).collect::<Vec<_>>().join("\n"),
        Format::Json if others.is_empty() => object(first, args.origin).to_string(),
        Format::Json => {
            json!({ "shops": all().map(|settings| object(settings, args.origin)).collect::<Vec<_>>() }).to_string()
        }
    }
}

/// One setting as it is shown.
pub(crate) struct Shown {
    /// The value, masked; `None` where the default is not a value but a rule.
    pub(crate) value: Option<String>,
    /// Where it came from.
    pub(crate) origin: String,
}

fn text(settings: &Settings, with_origin: bool) -> String {
    let titles: &[&str] = if with_origin { &["key", "value", "origin"] } else { &["key", "value"] };
    let mut table = Table::new(titles);
    for doc in SETTINGS {
        let Shown { value, origin } = shown(settings, doc.key);
        let value = value.unwrap_or_else(|| format!("({})", doc.default));
        let mut cells = vec![doc.key.to_owned(), value];
        cells.extend(with_origin.then_some(origin));
        table.row(cells);
    }
    for (key, value, _) in channels(settings) {
        let mut cells = vec![key, value.value.clone()];
        cells.extend(with_origin.then(|| value.origin.to_string()));
        table.row(cells);
    }
    table.render()
}

/// What the channels' tables say, by keys such as `alerts.channel.ops.url`, and what each means.
pub(crate) fn channels(settings: &Settings) -> impl Iterator<Item = (String, &Sourced<String>, &'static str)> {
    settings.alerts.channels.iter().flat_map(|channel| {
        let name = channel.name.as_str();
        let told = channel.shown.iter();
        told.map(move |(key, value)| (format!("alerts.channel.{name}.{key}"), value, channel_meaning(key)))
    })
}

fn object(settings: &Settings, with_origin: bool) -> Value {
    let entry = |Shown { value, origin }| {
        if with_origin { json!({ "value": value, "origin": origin }) } else { json!(value) }
    };
    let mut object: Map<String, Value> =
        SETTINGS.iter().map(|doc| (doc.key.to_owned(), entry(shown(settings, doc.key)))).collect();
    object.extend(channels(settings).map(|(key, value, _)| (key, entry(optional(Some(value), Clone::clone)))));
    Value::Object(object)
}

/// The value of a setting and where it came from.
pub(crate) fn shown(settings: &Settings, key: &str) -> Shown {
    let (log, web) = (&settings.log, &settings.web);
    match key {
        "config" => path(&settings.config),
        "env_file" => path(&settings.env_file),
        "shop" => Shown { value: settings.shop.clone(), origin: settings.shop_origin.to_string() },
        "database_url" => optional(settings.database_url.as_ref(), ToString::to_string),
        "profile" => optional(settings.profile.as_ref(), Clone::clone),
        "state_dir" => path(&settings.state_dir),
        "timeout" => optional(settings.timeout.as_ref(), |span| write_duration(*span)),
        "grace" => optional(settings.grace.as_ref(), |span| write_duration(*span)),
        "batch_size" => optional(settings.batch_size.as_ref(), ToString::to_string),
        "max_orders" => optional(settings.max_orders.as_ref(), ToString::to_string),
        "interval" => optional(settings.interval.as_ref(), |span| write_duration(*span)),
        "log.format" => optional(log.format.as_ref(), |format| format_word(*format).to_owned()),
        "log.level" => optional(log.level.as_ref(), |level| level_word(*level).to_owned()),
        "log.file" => optional(log.file.as_ref(), |file| file.display().to_string()),
        "log.max_size" => optional(Some(&log.max_size), |size| write_size(*size)),
        "log.keep" => optional(Some(&log.keep), ToString::to_string),
        "metrics.file" => optional(settings.metrics_file.as_ref(), |file| file.display().to_string()),
        "web.listen" => optional(web.listen.as_ref(), ToString::to_string),
        "web.socket" => optional(web.socket.as_ref(), |path| path.display().to_string()),
        "web.token" => optional(web.token.as_ref(), |_| "***".to_owned()),
        "web.token_file" => optional(web.token_file.as_ref(), |path| path.display().to_string()),
        "alerts.severity" => optional(Some(&settings.alerts.severity), |severity| severity.word().to_owned()),
        "alerts.after" => optional(settings.alerts.after.as_ref(), |span| write_duration(*span)),
        "alerts.repeat" => optional(Some(&settings.alerts.repeat), |span| write_duration(*span)),
        "alerts.threshold" => optional(Some(&settings.alerts.threshold), ToString::to_string),
        "alerts.ignore" => optional(settings.alerts.ignored.as_ref(), |checks| {
            checks.iter().map(|check| check.word()).collect::<Vec<_>>().join(", ")
        }),
        "heartbeat.url" => optional(settings.heartbeat.as_ref(), ToString::to_string),
        _ => optional::<String>(None, Clone::clone),
    }
}

fn path(path: &Sourced<std::path::PathBuf>) -> Shown {
    optional(Some(path), |path| path.display().to_string())
}

fn optional<T>(setting: Option<&Sourced<T>>, write: impl Fn(&T) -> String) -> Shown {
    match setting {
        Some(setting) => Shown { value: Some(write(&setting.value)), origin: setting.origin.to_string() },
        None => Shown { value: None, origin: Origin::Default.to_string() },
    }
}

/// The word that the settings have for a format.
pub(crate) fn format_word(format: LogFormat) -> &'static str {
    match format {
        LogFormat::Text => "text",
        LogFormat::Json => "json",
    }
}

/// The word that the settings have for a level.
pub(crate) fn level_word(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Off => "off",
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    }
}

//! The settings file: TOML, each value with the line it stands on.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use unreserve_engine::profile::nearest;

use crate::failure::{SourceText, Spot};
use crate::settings::channel_table::{self, ChannelTable, ChannelText};
use crate::settings::database_url::{DatabaseUrl, mask};
use crate::settings::env_file::line_at;
use crate::settings::error::SettingsError;
use crate::settings::origin::{Origin, Sourced};
use crate::settings::permissions;
use crate::settings::sections::{AlertsText, HeartbeatText, LogText, MetricsText, WebText};
use crate::settings::shop_table::{self, ShopTable, ShopText};
use crate::settings::table::{self, DATABASE_URL, SHOP, SHOP_NAME, SettingDoc};

const WHAT: &str = "settings file";

/// The settings file as it is written. What each key means stands in [`table::SETTINGS`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileText {
    database_url: Option<Spanned<String>>,
    profile: Option<Spanned<String>>,
    state_dir: Option<Spanned<String>>,
    timeout: Option<Spanned<SpanText>>,
    grace: Option<Spanned<SpanText>>,
    batch_size: Option<Spanned<i64>>,
    max_orders: Option<Spanned<i64>>,
    interval: Option<Spanned<SpanText>>,
    log: Option<LogText>,
    metrics: Option<MetricsText>,
    web: Option<WebText>,
    alerts: Option<AlertsText>,
    heartbeat: Option<HeartbeatText>,
    #[serde(default)]
    shop: Vec<ShopText>,
}

/// The sections of the file that are no shops.
const SECTIONS: [&str; 5] = ["log", "metrics", "web", "alerts", "heartbeat"];

/// A span of time as it is written. A bare number is let through, so that the check can say what is missing.
pub(super) struct SpanText(pub(super) String);

impl<'de> Deserialize<'de> for SpanText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = SpanText;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a span of time such as \"15m\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<SpanText, E> {
                Ok(SpanText(text.to_owned()))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<SpanText, E> {
                Ok(SpanText(number.to_string()))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

/// The values of a settings file, by key.
#[cfg_attr(test, derive(Debug))]
pub(super) struct SettingsFile {
    path: PathBuf,
    text: String,
    values: BTreeMap<&'static str, Value>,
    shops: Vec<ShopTable>,
    channels: Vec<ChannelTable>,
}

/// A value as it would be written in an environment variable, and where it stands.
#[cfg_attr(test, derive(Debug))]
pub(super) struct Value {
    /// The text.
    pub(super) text: String,
    /// Its bytes in the file.
    pub(super) span: Range<usize>,
}

impl SettingsFile {
    /// Reads the file. A missing one is `None` if nobody named it.
    pub(super) fn read(path: &Sourced<PathBuf>) -> Result<Option<Self>, SettingsError> {
        let Some(file) = permissions::read(WHAT, path)? else {
            return Ok(None);
        };
        let read = Self::parse(&path.value, &file.text)?;
        let of_shops = read.shops.iter().filter_map(|shop| shop.get(&DATABASE_URL)).map(|(_, url)| url);
        let mut urls = read.values.get(DATABASE_URL.key).into_iter().chain(of_shops);
        if urls.any(|url| DatabaseUrl::new(url.text.clone()).has_password()) {
            file.demand_privacy(WHAT, &path.value)?;
        }
        let has_token = read.values.contains_key(table::WEB_TOKEN.key);
        if has_token || read.has_secret_address() || read.channels.iter().any(ChannelTable::has_secret) {
            file.demand_privacy_of(WHAT, "a secret", &path.value)?;
        }
        Ok(Some(read))
    }

    /// Reads a text; the path is for what is told of it.
    pub(super) fn parse(path: &Path, text: &str) -> Result<Self, SettingsError> {
        let wrong = |error: toml::de::Error| {
            let span = error.span().unwrap_or(0..0);
            refuse(path, text, span, without_strings(error.message()))
        };
        let keys = DeTable::parse(text).map_err(wrong)?;
        check_keys(path, text, keys.get_ref())?;
        let written: FileText = toml::from_str(text).map_err(wrong)?;
        let refused = |wrong: shop_table::Wrong| refuse(path, text, wrong.span, wrong.message).hinted(wrong.hint);
        let (values, shops, channels) = written.into_values();
        shop_table::check(&shops).map_err(refused)?;
        let channels = channel_table::read(channels).map_err(refused)?;
        Ok(Self { path: path.to_owned(), text: text.to_owned(), values, shops, channels })
    }

    /// Whether a heartbeat's address stands in it: whoever knows it can call there.
    fn has_secret_address(&self) -> bool {
        let doc = &table::HEARTBEAT_URL;
        self.values.contains_key(doc.key) || self.shops.iter().any(|shop| shop.get(doc).is_some())
    }

    /// The value of a key at the top of the file, or in a section of it.
    pub(super) fn get(&self, key: &'static str) -> Option<(&str, Origin)> {
        Some(self.with_origin(key, self.values.get(key)?))
    }

    /// What a shop's own table says of a setting.
    pub(super) fn get_of_shop<'a>(&'a self, shop: &'a ShopTable, doc: &SettingDoc) -> Option<(&'a str, Origin)> {
        let (key, value) = shop.get(doc)?;
        Some(self.with_origin(key, value))
    }

    fn with_origin<'a>(&self, key: &'static str, value: &'a Value) -> (&'a str, Origin) {
        (&value.text, self.origin_of(key, value))
    }

    /// Where a value stands.
    pub(super) fn origin_of(&self, key: &'static str, value: &Value) -> Origin {
        Origin::File { path: self.path.clone(), line: line_at(&self.text, value.span.start), key }
    }

    /// The channels that alerts go to, in the file's order.
    pub(super) fn channels(&self) -> &[ChannelTable] {
        &self.channels
    }

    /// The file, as it was named.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The shops that have a table of their own, in the file's order.
    pub(super) fn shops(&self) -> &[ShopTable] {
        &self.shops
    }

    /// A refusal of a shop as a whole, at its name.
    pub(super) fn refuse_shop(&self, shop: &ShopTable, message: String) -> SettingsError {
        refuse(&self.path, &self.text, shop.name_span(), message)
    }

    /// The directory that relative paths in the file start from.
    pub(super) fn directory(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    /// Shows the place of a value that was refused, while this shop's settings were gathered.
    pub(super) fn locate(&self, error: SettingsError, shop: Option<&ShopTable>) -> SettingsError {
        let of_file = |key: &str| self.values.get(key).map(|value| value.span.clone());
        self.locate_at(error, |key| of_file(key).or_else(|| shop?.span(key)))
    }

    /// Shows the place of a value that was refused, where it was not shown before.
    pub(super) fn locate_at(
        &self,
        error: SettingsError,
        place: impl Fn(&str) -> Option<Range<usize>>,
    ) -> SettingsError {
        match error {
            SettingsError::Value { origin: Origin::File { path, line, key }, problem, hint, source_text: None } => {
                let span = place(key).unwrap_or_default();
                let source_text = Some(Box::new(source_text(&self.path, &self.text, span)));
                SettingsError::Value { origin: Origin::File { path, line, key }, problem, hint, source_text }
            }
            other => other,
        }
    }
}

impl FileText {
    fn into_values(self) -> Written {
        let log = self.log.unwrap_or(LogText { format: None, level: None, file: None, max_size: None, keep: None });
        let web = self.web.unwrap_or_default();
        let nothing = AlertsText {
            severity: None,
            after: None,
            repeat: None,
            threshold: None,
            ignore: None,
            channel: Vec::new(),
        };
        let alerts = self.alerts.unwrap_or(nothing);
        let heartbeat = self.heartbeat.unwrap_or(HeartbeatText { url: None, url_file: None });
        let texts = [
            (DATABASE_URL.key, self.database_url),
            (table::PROFILE.key, self.profile),
            (table::STATE_DIR.key, self.state_dir),
            (table::LOG_FORMAT.key, log.format),
            (table::LOG_LEVEL.key, log.level),
            (table::LOG_FILE.key, log.file),
            (table::LOG_MAX_SIZE.key, log.max_size),
            (table::METRICS_FILE.key, self.metrics.unwrap_or_default().file),
            (table::WEB_LISTEN.key, web.listen),
            (table::WEB_SOCKET.key, web.socket),
            (table::WEB_TOKEN.key, web.token),
            (table::WEB_TOKEN_FILE.key, web.token_file),
            (table::ALERTS_SEVERITY.key, alerts.severity),
            (table::HEARTBEAT_URL.key, heartbeat.url),
            (table::HEARTBEAT_URL_FILE.key, heartbeat.url_file),
        ];
        let spans = [
            (table::TIMEOUT.key, self.timeout),
            (table::GRACE.key, self.grace),
            (table::INTERVAL.key, self.interval),
            (table::ALERTS_AFTER.key, alerts.after),
            (table::ALERTS_REPEAT.key, alerts.repeat),
        ];
        let numbers = [
            (table::BATCH_SIZE.key, self.batch_size),
            (table::MAX_ORDERS.key, self.max_orders),
            (table::LOG_KEEP.key, log.keep),
            (table::ALERTS_THRESHOLD.key, alerts.threshold),
        ];
        let texts = texts.into_iter().filter_map(|(key, text)| value(key, text, |text| text));
        let spans = spans.into_iter().filter_map(|(key, span)| value(key, span, |span| span.0));
        let numbers = numbers.into_iter().filter_map(|(key, number)| value(key, number, |number| number.to_string()));
        let ignored = value(table::ALERTS_IGNORE.key, alerts.ignore, |list| list.0.join(","));
        let values = texts.chain(spans).chain(numbers).chain(ignored).collect();
        (values, self.shop.into_iter().map(ShopTable::from).collect(), alerts.channel)
    }
}

/// The values at the top and in the sections, the shops, and the channels as they are written.
type Written = (BTreeMap<&'static str, Value>, Vec<ShopTable>, Vec<Spanned<ChannelText>>);

/// A value with its key and its place.
pub(super) fn value<T>(
    key: &'static str,
    written: Option<Spanned<T>>,
    text: impl Fn(T) -> String,
) -> Option<(&'static str, Value)> {
    let written = written?;
    let span = written.span();
    Some((key, Value { text: text(written.into_inner()), span }))
}

/// Refuses the first key that is no setting, and says which one is meant; then whatever is no list of shops.
fn check_keys(path: &Path, text: &str, top: &DeTable<'_>) -> Result<(), SettingsError> {
    let mut keys: Vec<(String, Range<usize>)> = Vec::new();
    let prefixed = |prefix: &str, section: &DeTable<'_>| {
        let inner = section.keys().map(|inner| (format!("{prefix}.{}", inner.get_ref()), inner.span()));
        inner.collect::<Vec<_>>()
    };
    for (key, value) in top {
        match (key.get_ref().as_ref(), value.get_ref()) {
            ("alerts", DeValue::Table(section)) => {
                let inner = prefixed("alerts", section);
                keys.extend(inner.into_iter().filter(|(key, _)| key != "alerts.channel"));
                let channels = section.get("channel").and_then(|channels| channels.get_ref().as_array());
                let tables = channels.into_iter().flat_map(|channels| channels.iter());
                let tables = tables.filter_map(|channel| channel.get_ref().as_table());
                keys.extend(tables.flat_map(|channel| prefixed("alerts.channel", channel)));
            }
            (name, DeValue::Table(section)) if SECTIONS.contains(&name) => keys.extend(prefixed(name, section)),
            ("shop", DeValue::Array(shops)) => {
                let tables = shops.iter().filter_map(|shop| shop.get_ref().as_table());
                keys.extend(tables.flat_map(|shop| prefixed("shop", shop)));
            }
            (name, _) if SECTIONS.contains(&name) || name == SHOP.key => {}
            (other, _) => keys.push((other.to_owned(), key.span())),
        }
    }
    keys.sort_by_key(|(_, span)| span.start);
    let is_known = |key: &str| known_keys().any(|known| known == key);
    match keys.into_iter().find(|(key, _)| !is_known(key)) {
        Some((key, span)) => {
            let error = refuse(path, text, span, format!("unknown key `{}`", mask(&key)));
            Err(error.hinted(meant_instead(&key)))
        }
        None => top.iter().find(|(key, _)| key.get_ref() == SHOP.key).map_or(Ok(()), |(key, value)| {
            let wrong = |span, message: &str| {
                let error = refuse(path, text, span, message.to_owned());
                error.hinted("write `[[shop]]` once for each shop, and its settings below it")
            };
            let shops = value.get_ref().as_array().filter(|shops| !shops.is_empty());
            let shops = shops.ok_or_else(|| wrong(key.span(), "`shop` is no list of shops"))?;
            for shop in shops.iter() {
                let table = shop.get_ref().as_table();
                let table = table.ok_or_else(|| wrong(shop.span(), "this is no shop's table"))?;
                if !table.keys().any(|key| SHOP_NAME.key.strip_prefix("shop.") == Some(key.get_ref())) {
                    return Err(refuse(path, text, shop.span(), "a shop needs a `name`".to_owned())
                        .hinted("give each `[[shop]]` a name of its own: `name = \"blue\"`"));
                }
            }
            Ok(())
        }),
    }
}

/// Every key that can stand in the file.
fn known_keys() -> impl Iterator<Item = &'static str> + Clone {
    table::file_keys().chain(table::shop_keys()).chain(channel_table::KEYS.iter().map(|key| key.doc.key))
}

/// Which key is meant by one that is unknown.
fn meant_instead(key: &str) -> String {
    let last = key.rsplit('.').next().unwrap_or(key);
    if key.starts_with("shop.")
        && let Some(meant) =
            table::file_keys().map(|known| known.split('.').next().unwrap_or(known)).find(|known| *known == last)
    {
        return format!("`{meant}` holds for every shop: it stands above the first `[[shop]]`");
    }
    if matches!(key, "shops" | "store" | "stores") {
        return "did you mean `[[shop]]`?".to_owned();
    }
    let known = known_keys;
    // In the wrong section, a key is most likely the one of the same name in the right section.
    let meant = known().find(|known| known.rsplit('.').next() == Some(last)).or_else(|| nearest(key, known()));
    match meant {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => "`unreserve settings show` lists every key".to_owned(),
    }
}

fn refuse(path: &Path, text: &str, span: Range<usize>, message: String) -> SettingsError {
    let line = line_at(text, span.start);
    let column = text
        .get(..span.start)
        .map_or(1, |before| before.rsplit('\n').next().unwrap_or("").chars().count().saturating_add(1));
    let message = message.trim().replace('\n', ", ");
    SettingsError::SettingsFile {
        message: format!("{}:{line}:{column}: {message}", path.display()),
        hint: None,
        source_text: Box::new(source_text(path, text, span)),
    }
}

fn source_text(path: &Path, text: &str, span: Range<usize>) -> SourceText {
    SourceText {
        name: path.display().to_string(),
        text: mask_values(text),
        spots: vec![Spot { span, label: String::new() }],
    }
}

/// The parser quotes a text of the wrong type, which may be the URL: it is left out. Rust's names of types are, too.
fn without_strings(message: &str) -> String {
    let message = &message.replace("expected i64", "expected a whole number");
    match (message.find("string \""), message.rfind('"')) {
        (Some(start), Some(end)) => {
            let before = message.get(..start).unwrap_or_default();
            let after = message.get(end.saturating_add(1)..).unwrap_or_default();
            format!("{before}string{after}")
        }
        _ => message.to_owned(),
    }
}

/// The text with the same length, in which only comments and the values of settings that are no secret can be read:
/// what is wrong with a line may be that a password stands where none is expected.
fn mask_values(text: &str) -> String {
    text.split_inclusive('\n').map(mask_line).collect()
}

fn mask_line(line: &str) -> String {
    let trimmed = line.trim_start();
    let of_header = |c: char| c.is_alphanumeric() || c.is_whitespace() || matches!(c, '[' | ']' | '_' | '-' | '.');
    if trimmed.is_empty() || trimmed.starts_with('[') && trimmed.chars().all(of_header) {
        return line.to_owned();
    }
    let Some((left, right)) = line.split_once('=').filter(|(left, _)| is_one_word(left)) else {
        return stars(line);
    };
    let last = left.trim().rsplit('.').next().unwrap_or_default();
    // A second `=` may begin a second value, of a key that is not looked at; what has a slash and is no path may be the
    // end of an address.
    let is_path = last.ends_with("file") || matches!(last, "profile" | "state_dir");
    let may_be_secret =
        right.contains("//") || right.contains('@') || right.contains('=') || (right.contains('/') && !is_path);
    if !may_be_secret && table::open_names().any(|name| name == last) {
        return line.to_owned();
    }
    format!("{left}={}", stars(right))
}

/// Whether what stands before a `=` is a key and no part of a value.
fn is_one_word(text: &str) -> bool {
    let word = text.trim().trim_start_matches(['#', '{', '[', ' ']);
    word.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '"' | '\''))
}

/// As many stars as there are bytes, so that places stay where they are; blanks and line ends stay too.
fn stars(text: &str) -> String {
    let star = |character: char| match character {
        ' ' | '\t' | '\r' | '\n' => character.to_string(),
        other => "*".repeat(other.len_utf8()),
    };
    text.chars().map(star).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A value that each key can have.
    fn sample(key: &str) -> &'static str {
        match key.rsplit('.').next() {
            Some("batch_size" | "max_orders" | "keep" | "threshold" | "port") => "7",
            _ => "\"15m\"",
        }
    }

    /// The fields that serde knows: it names them all when it meets one that it does not know.
    fn fields(text: &str) -> Vec<String> {
        let error = toml::from_str::<FileText>(text).err().expect("unknown").to_string();
        let list = error.split_once("expected").expect(&error).1.to_owned();
        list.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    }

    #[test]
    fn every_key_is_documented_and_every_documented_key_can_be_written() {
        let documented: Vec<&str> = table::file_keys().collect();
        let text: String = documented.iter().map(|key| format!("{key} = {}\n", sample(key))).collect();
        let file = SettingsFile::parse(Path::new("unreserve.toml"), &text).unwrap();
        for (index, key) in documented.iter().enumerate() {
            let (value, origin) = file.get(key).expect(key);
            assert_eq!(value, sample(key).trim_matches('"'), "{key}");
            assert_eq!(origin.to_string(), format!("unreserve.toml line {}", index + 1));
        }
        let mut written = fields("nothing = 1");
        written.retain(|field| !SECTIONS.contains(&field.as_str()) && field != "shop");
        for section in SECTIONS {
            let inner = fields(&format!("[{section}]\nnothing = 1"));
            written.extend(inner.into_iter().map(|field| format!("{section}.{field}")));
        }
        written.retain(|field| field != "alerts.channel");
        written.sort();
        let mut documented = documented;
        documented.sort_unstable();
        assert_eq!(written, documented);
    }

    #[test]
    fn every_key_of_a_shop_is_documented_and_every_documented_key_can_be_written() {
        let mut documented: Vec<&str> = table::shop_keys().collect();
        let mut written: Vec<String> =
            fields("[[shop]]\nnothing = 1").into_iter().map(|field| format!("shop.{field}")).collect();
        written.sort();
        documented.sort_unstable();
        assert_eq!(written, documented);
        let databases: Vec<&str> = shop_table::DATABASES.iter().filter_map(|doc| doc.in_shop).collect();
        documented.retain(|key| !databases.contains(key) && *key != "shop.name");
        for database in databases {
            let keys: Vec<&str> = documented.iter().copied().chain([database]).collect();
            let lines: Vec<String> =
                keys.iter().map(|key| format!("{} = {}\n", key.trim_start_matches("shop."), sample(key))).collect();
            let text = format!("[[shop]]\nname = \"blue\"\n{}", lines.concat());
            let file = SettingsFile::parse(Path::new("unreserve.toml"), &text).unwrap();
            let [shop] = file.shops() else { panic!("one shop") };
            for (index, key) in keys.iter().enumerate() {
                let doc = table::all().find(|doc| doc.in_shop == Some(key)).expect(key);
                let (value, origin) = file.get_of_shop(shop, doc).expect(key);
                assert_eq!(value, sample(key).trim_matches('"'), "{key}");
                assert_eq!(origin.to_string(), format!("unreserve.toml line {}", index + 3));
            }
        }
    }

    #[test]
    fn every_key_of_a_channel_is_documented_and_belongs_to_the_kinds_that_it_names() {
        let mut written: Vec<String> = fields("[[alerts.channel]]\nnothing = 1")
            .into_iter()
            .map(|field| format!("alerts.channel.{field}"))
            .collect();
        written.sort();
        let mut documented: Vec<&str> = channel_table::KEYS.iter().map(|key| key.doc.key).collect();
        documented.sort_unstable();
        assert_eq!(written, documented);
        for kind in channel_table::KINDS {
            let (own, others): (Vec<_>, Vec<_>) =
                channel_table::KEYS.into_iter().partition(|key| key.kinds.contains(&kind));
            let line = |key: &channel_table::ChannelKey| match channel_table::last(key) {
                "name" => "name = \"x\"\n".to_owned(),
                "kind" => format!("kind = \"{kind}\"\n"),
                last => format!("{last} = {}\n", sample(key.doc.key)),
            };
            let text = format!("[[alerts.channel]]\n{}", own.iter().map(|key| line(key)).collect::<String>());
            let file = SettingsFile::parse(Path::new("unreserve.toml"), &text).unwrap();
            let [channel] = file.channels() else { panic!("one channel") };
            assert!(own.iter().all(|key| channel.get(key).is_some()), "{kind}");
            for other in others {
                let error =
                    SettingsFile::parse(Path::new("unreserve.toml"), &(text.clone() + &line(other))).unwrap_err();
                let expected = format!("a channel of kind `{kind}` has no `{}`", channel_table::last(other));
                assert!(error.to_string().ends_with(&expected), "{error}");
            }
        }
    }

    #[test]
    fn shows_no_value_that_may_be_a_secret() {
        let text = "databse_url = \"postgres://shop:hunter2@h/db\"\n\
                    password = 'hunter2'\n\
                    batch_size = 5 # hunting\n\
                    profile = \"postgres://shop:hunter2@h/db\"\n\
                    \"\"\" postgres://shop:hunter2@h/db\n\
                    # postgres://shop:hunter2@h/db\n\
                    [log]\nfile = \"a.log\"\n[postgres://shop:hunter2@h/db]\n";
        let masked = mask_values(text);
        assert!(!masked.contains("hunter2"), "{masked}");
        assert_eq!(masked.len(), text.len());
        assert!(masked.contains("batch_size = 5 # hunting\n") && masked.contains("[log]\nfile = \"a.log\"\n"));
    }

    #[test]
    fn no_parser_message_repeats_a_text() {
        for text in [
            "batch_size = \"postgres://shop:hunter2@h/db\"",
            "log = \"postgres://shop:hunter2@h/db\"",
            "database_url = postgres://shop:hunter2@h/db",
            "database_url = \"postgres://shop:hunter2@h/db",
            "database_url = [\"hunter2\"]",
            "database_url = { a = \"hunter2\" }",
            "hunter2",
        ] {
            let error = SettingsFile::parse(Path::new("unreserve.toml"), text).expect_err(text);
            let failure = crate::failure::Failure::from(error);
            let shown = crate::failure::render::render(&failure, false);
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }
}

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
use crate::settings::database_url::DatabaseUrl;
use crate::settings::env_file::line_at;
use crate::settings::error::SettingsError;
use crate::settings::origin::{Origin, Sourced};
use crate::settings::permissions;
use crate::settings::table::{self, DATABASE_URL, SETTINGS};

const WHAT: &str = "settings file";

/// The settings file as it is written. What each key means stands in [`SETTINGS`].
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
    log: Option<LogText>,
}

/// The `[log]` section.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a section `[log]`")]
struct LogText {
    format: Option<Spanned<String>>,
    level: Option<Spanned<String>>,
    file: Option<Spanned<String>>,
    keep: Option<Spanned<i64>>,
}

/// A span of time as it is written. A bare number is let through, so that the check can say what is missing.
struct SpanText(String);

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
}

/// A value as it would be written in an environment variable, and where it stands.
#[cfg_attr(test, derive(Debug))]
struct Value {
    text: String,
    span: Range<usize>,
}

impl SettingsFile {
    /// Reads the file. A missing one is `None` if nobody named it.
    pub(super) fn read(path: &Sourced<PathBuf>) -> Result<Option<Self>, SettingsError> {
        let Some(file) = permissions::read(WHAT, path)? else {
            return Ok(None);
        };
        let read = Self::parse(&path.value, &file.text)?;
        let url = read.values.get(DATABASE_URL.key);
        if url.is_some_and(|url| DatabaseUrl::new(url.text.clone()).has_password()) {
            file.demand_privacy(WHAT, &path.value)?;
        }
        Ok(Some(read))
    }

    fn parse(path: &Path, text: &str) -> Result<Self, SettingsError> {
        let wrong = |error: toml::de::Error| {
            let span = error.span().unwrap_or(0..0);
            refuse(path, text, span, without_strings(error.message()))
        };
        let keys = DeTable::parse(text).map_err(wrong)?;
        check_keys(path, text, keys.get_ref())?;
        let written: FileText = toml::from_str(text).map_err(wrong)?;
        Ok(Self { path: path.to_owned(), text: text.to_owned(), values: written.into_values() })
    }

    /// The value of a key.
    pub(super) fn get(&self, key: &'static str) -> Option<(&str, Origin)> {
        let value = self.values.get(key)?;
        let line = line_at(&self.text, value.span.start);
        Some((&value.text, Origin::File { path: self.path.clone(), line, key }))
    }

    /// The directory that relative paths in the file start from.
    pub(super) fn directory(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    /// Shows the place of a value that was refused.
    pub(super) fn locate(&self, error: SettingsError) -> SettingsError {
        match error {
            SettingsError::Value { origin: Origin::File { path, line, key }, problem, hint, .. } => {
                let span = self.values.get(key).map_or(0..0, |value| value.span.clone());
                let source_text = Some(Box::new(source_text(&self.path, &self.text, span)));
                SettingsError::Value { origin: Origin::File { path, line, key }, problem, hint, source_text }
            }
            other => other,
        }
    }
}

impl FileText {
    fn into_values(self) -> BTreeMap<&'static str, Value> {
        let log = self.log.unwrap_or(LogText { format: None, level: None, file: None, keep: None });
        let texts = [
            (DATABASE_URL.key, self.database_url),
            (table::PROFILE.key, self.profile),
            (table::STATE_DIR.key, self.state_dir),
            (table::LOG_FORMAT.key, log.format),
            (table::LOG_LEVEL.key, log.level),
            (table::LOG_FILE.key, log.file),
        ];
        let spans = [(table::TIMEOUT.key, self.timeout), (table::GRACE.key, self.grace)];
        let numbers = [
            (table::BATCH_SIZE.key, self.batch_size),
            (table::MAX_ORDERS.key, self.max_orders),
            (table::LOG_KEEP.key, log.keep),
        ];
        let texts = texts.into_iter().filter_map(|(key, text)| value(key, text, |text| text));
        let spans = spans.into_iter().filter_map(|(key, span)| value(key, span, |span| span.0));
        let numbers = numbers.into_iter().filter_map(|(key, number)| value(key, number, |number| number.to_string()));
        texts.chain(spans).chain(numbers).collect()
    }
}

fn value<T>(
    key: &'static str,
    written: Option<Spanned<T>>,
    text: impl Fn(T) -> String,
) -> Option<(&'static str, Value)> {
    let written = written?;
    let span = written.span();
    Some((key, Value { text: text(written.into_inner()), span }))
}

/// Refuses the first key that is no setting, and says which one is meant.
fn check_keys(path: &Path, text: &str, top: &DeTable<'_>) -> Result<(), SettingsError> {
    let mut keys: Vec<(String, Range<usize>)> = Vec::new();
    for (key, value) in top {
        match value.get_ref() {
            DeValue::Table(section) if key.get_ref() == "log" => {
                keys.extend(section.keys().map(|inner| (format!("log.{}", inner.get_ref()), inner.span())));
            }
            _ if key.get_ref() == "log" => {}
            _ => keys.push((key.get_ref().to_string(), key.span())),
        }
    }
    keys.sort_by_key(|(_, span)| span.start);
    match keys.into_iter().find(|(key, _)| table::in_file(key).is_none()) {
        Some((key, span)) => {
            let known = SETTINGS.iter().filter(|doc| doc.in_file).map(|doc| doc.key);
            // In the wrong section, a key is most likely the one of the same name in the right section.
            let last = key.rsplit('.').next().unwrap_or(&key).to_owned();
            let meant =
                known.clone().find(|known| known.rsplit('.').next() == Some(&last)).or_else(|| nearest(&key, known));
            let error = refuse(path, text, span, format!("unknown key `{key}`"));
            Err(error.hinted(match meant {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => "`unreserve settings show` lists every key".to_owned(),
            }))
        }
        None => Ok(()),
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
    if trimmed.is_empty() || trimmed.starts_with('[') && !trimmed.contains("://") {
        return line.to_owned();
    }
    let open_keys = SETTINGS.iter().filter(|doc| doc.in_file && !doc.secret);
    match line.split_once('=') {
        Some((left, right)) if right.contains("://") || right.contains('@') => {
            format!("{left}={}", stars(right))
        }
        Some((left, right)) => {
            let name = left.trim();
            let is_open = open_keys.map(|doc| doc.key).any(|key| key == name || key.rsplit('.').next() == Some(name));
            if is_open { line.to_owned() } else { format!("{left}={}", stars(right)) }
        }
        None => stars(line),
    }
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

    #[test]
    fn every_key_is_documented_and_every_documented_key_can_be_written() {
        let sample = |key: &str| match key.rsplit('.').next() {
            Some("batch_size" | "max_orders" | "keep") => "7",
            _ => "\"15m\"",
        };
        let documented: Vec<&str> = SETTINGS.iter().filter(|doc| doc.in_file).map(|doc| doc.key).collect();
        let text: String = documented.iter().map(|key| format!("{key} = {}\n", sample(key))).collect();
        let file = SettingsFile::parse(Path::new("unreserve.toml"), &text).unwrap();
        for (index, key) in documented.iter().enumerate() {
            let (value, origin) = file.get(key).expect(key);
            assert_eq!(value, sample(key).trim_matches('"'), "{key}");
            assert_eq!(origin.to_string(), format!("unreserve.toml line {}", index + 1));
        }
        // serde names every field of a struct when it meets one that it does not know.
        let fields = |text: &str| {
            let error = toml::from_str::<FileText>(text).err().expect("unknown").to_string();
            let list = error.split_once("expected").expect(&error).1.to_owned();
            list.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()
        };
        let mut written = fields("nothing = 1");
        written.retain(|field| field != "log");
        written.extend(fields("[log]\nnothing = 1").into_iter().map(|field| format!("log.{field}")));
        written.sort();
        let mut documented = documented;
        documented.sort_unstable();
        assert_eq!(written, documented);
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

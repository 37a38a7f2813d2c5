//! A channel's own table in the settings file, `[[alerts.channel]]`: what it is called, what it is, and where it leads.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use serde::de::{self, Deserializer, SeqAccess, Visitor};
use toml::Spanned;

use crate::settings::file::{SpanText, Value, value};
use crate::settings::shop_table::Wrong;
use crate::settings::table::{Limits, PLAIN, SettingDoc};

/// The most channels of a settings file.
const CHANNELS_MAX: usize = 20;

/// The most characters of a name.
const NAME_LENGTH: usize = 63;

/// The words of the kinds.
pub(super) const KINDS: [&str; 6] = ["email", "slack", "discord", "teams", "webhook", "command"];

const WITH_URL: &[&str] = &["slack", "discord", "teams", "webhook"];
const WITH_TLS: &[&str] = &["email", "slack", "discord", "teams", "webhook"];
const EMAIL: &[&str] = &["email"];
const WEBHOOK: &[&str] = &["webhook"];
const COMMAND: &[&str] = &["command"];

/// A key of a channel's table, and the kinds of channels that have it.
pub(super) struct ChannelKey {
    /// What is known of it.
    pub(super) doc: SettingDoc,
    /// The kinds that have it.
    pub(super) kinds: &'static [&'static str],
}

const fn key(
    key: &'static str,
    kinds: &'static [&'static str],
    default: &'static str,
    meaning: &'static str,
) -> ChannelKey {
    ChannelKey { doc: SettingDoc { key, in_file: false, default, meaning, ..PLAIN }, kinds }
}

const fn limited(of: ChannelKey, unit: &'static str, limits: Limits) -> ChannelKey {
    ChannelKey { doc: SettingDoc { unit, limits, ..of.doc }, ..of }
}

/// A secret has a key of its own, a key with the file that holds it and one with the variable that does.
const fn secret(of: ChannelKey) -> ChannelKey {
    ChannelKey { doc: SettingDoc { secret: true, ..of.doc }, ..of }
}

const NEEDED: &str = "none: it is needed";

pub(super) static NAME: ChannelKey = key(
    "alerts.channel.name",
    &KINDS,
    NEEDED,
    "What the channel is called on the command line, in logs and in metrics. No other channel has the same.",
);

pub(super) static KIND: ChannelKey =
    limited(key("alerts.channel.kind", &KINDS, NEEDED, "What the channel is."), "", Limits::OneOf(&KINDS));

pub(super) static SEVERITY: ChannelKey = limited(
    key(
        "alerts.channel.severity",
        &KINDS,
        "what `alerts.severity` says",
        "What is less severe than this is not told here.",
    ),
    "",
    Limits::OneOf(&["warning", "critical"]),
);

pub(super) static URL: ChannelKey = secret(key(
    "alerts.channel.url",
    WITH_URL,
    NEEDED,
    "The address to send to, `https://…`; whoever knows it can write there, so it is a secret. `http://` is allowed to this very machine, of a `webhook` to others too.",
));

pub(super) static URL_FILE: ChannelKey =
    key("alerts.channel.url_file", WITH_URL, "not set", "The file that holds the `url` and nothing else.");

pub(super) static URL_ENV: ChannelKey =
    key("alerts.channel.url_env", WITH_URL, "not set", "The environment variable that holds the `url`.");

pub(super) static SECRET: ChannelKey = secret(key(
    "alerts.channel.secret",
    WEBHOOK,
    "not set: messages are not signed",
    "The key that messages are signed with, as Standard Webhooks writes it: `whsec_` and 24 to 64 bytes in base64.",
));

pub(super) static SECRET_FILE: ChannelKey =
    key("alerts.channel.secret_file", WEBHOOK, "not set", "The file that holds the `secret` and nothing else.");

pub(super) static SECRET_ENV: ChannelKey =
    key("alerts.channel.secret_env", WEBHOOK, "not set", "The environment variable that holds the `secret`.");

pub(super) static HOST: ChannelKey = key("alerts.channel.host", EMAIL, NEEDED, "The mail server's name.");

pub(super) static TLS: ChannelKey = limited(
    key(
        "alerts.channel.tls",
        EMAIL,
        "implicit",
        "How the connection is encrypted: from the beginning, after `STARTTLS` (which the server then must offer), or not at all, which is allowed to this very machine only.",
    ),
    "",
    Limits::OneOf(&["implicit", "starttls", "none"]),
);

pub(super) static PORT: ChannelKey = limited(
    key("alerts.channel.port", EMAIL, "465; of `starttls` 587; of `none` 25", "The mail server's port."),
    "",
    Limits::Number { least: 1, most: 65_535 },
);

pub(super) static USER: ChannelKey =
    key("alerts.channel.user", EMAIL, "not set: no login", "The user to log in to the mail server as.");

pub(super) static PASSWORD: ChannelKey =
    secret(key("alerts.channel.password", EMAIL, "not set", "The password of `user`."));

pub(super) static PASSWORD_FILE: ChannelKey =
    key("alerts.channel.password_file", EMAIL, "not set", "The file that holds the `password` and nothing else.");

pub(super) static PASSWORD_ENV: ChannelKey =
    key("alerts.channel.password_env", EMAIL, "not set", "The environment variable that holds the `password`.");

pub(super) static FROM: ChannelKey =
    key("alerts.channel.from", EMAIL, NEEDED, "The sender: `unreserve@example.org` or `Shop <unreserve@example.org>`.");

pub(super) static TO: ChannelKey =
    key("alerts.channel.to", EMAIL, NEEDED, "The addressee, or a list of at most 20 of them.");

pub(super) static CA_FILE: ChannelKey = key(
    "alerts.channel.ca_file",
    WITH_TLS,
    "not set",
    "A file with certificates in PEM that are trusted beside those of the public authorities.",
);

pub(super) static ARGV: ChannelKey = key(
    "alerts.channel.command",
    COMMAND,
    NEEDED,
    "The program and its arguments, as a list. No shell reads it; the message comes as JSON on its stdin and in variables `UNRESERVE_ALERT_…`.",
);

pub(super) static TIMEOUT: ChannelKey = limited(
    key("alerts.channel.timeout", COMMAND, "30s", "How long the program may take before it is ended."),
    "span of time: `90s`, `15m`, `1h30m`, `2d`",
    Limits::Span { least_seconds: 1, most_seconds: 60 },
);

/// Every key, in the order in which it is told.
pub(super) static KEYS: [&ChannelKey; 21] = [
    &NAME,
    &KIND,
    &SEVERITY,
    &URL,
    &URL_FILE,
    &URL_ENV,
    &SECRET,
    &SECRET_FILE,
    &SECRET_ENV,
    &HOST,
    &TLS,
    &PORT,
    &USER,
    &PASSWORD,
    &PASSWORD_FILE,
    &PASSWORD_ENV,
    &FROM,
    &TO,
    &CA_FILE,
    &ARGV,
    &TIMEOUT,
];

/// A channel's table as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table `[[alerts.channel]]`")]
pub(super) struct ChannelText {
    name: Option<Spanned<String>>,
    kind: Option<Spanned<String>>,
    severity: Option<Spanned<String>>,
    url: Option<Spanned<String>>,
    url_file: Option<Spanned<String>>,
    url_env: Option<Spanned<String>>,
    secret: Option<Spanned<String>>,
    secret_file: Option<Spanned<String>>,
    secret_env: Option<Spanned<String>>,
    host: Option<Spanned<String>>,
    tls: Option<Spanned<String>>,
    port: Option<Spanned<i64>>,
    user: Option<Spanned<String>>,
    password: Option<Spanned<String>>,
    password_file: Option<Spanned<String>>,
    password_env: Option<Spanned<String>>,
    from: Option<Spanned<String>>,
    to: Option<Spanned<ListText>>,
    ca_file: Option<Spanned<String>>,
    command: Option<Spanned<ListText>>,
    timeout: Option<Spanned<SpanText>>,
}

/// A list of texts, or one text for a list of one.
pub(super) struct ListText(pub(super) Vec<String>);

impl<'de> Deserialize<'de> for ListText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = ListText;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a text, or a list of texts")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<ListText, E> {
                Ok(ListText(vec![text.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut texts: A) -> Result<ListText, A::Error> {
                let mut list = Vec::new();
                while let Some(text) = texts.next_element::<String>()? {
                    list.push(text);
                }
                Ok(ListText(list))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

/// The values of a channel's table, by key: `alerts.channel.url`. A list is kept as JSON.
#[cfg_attr(test, derive(Debug))]
pub(super) struct ChannelTable {
    /// What the channel is called.
    pub(super) name: String,
    /// What it is.
    pub(super) kind: &'static str,
    values: BTreeMap<&'static str, Value>,
}

impl ChannelTable {
    /// The value of a key.
    pub(super) fn get(&self, key: &ChannelKey) -> Option<&Value> {
        self.values.get(key.doc.key)
    }

    /// Where the value of a key stands.
    pub(super) fn span(&self, key: &str) -> Option<Range<usize>> {
        self.values.get(key).map(|value| value.span.clone())
    }

    /// Whether one of its secrets is in the variable of this name.
    pub(super) fn names_variable(&self, name: &str) -> bool {
        [&URL_ENV, &SECRET_ENV, &PASSWORD_ENV]
            .into_iter()
            .filter_map(|key| self.get(key))
            .any(|value| value.text.trim() == name)
    }

    /// Whether a secret stands in it.
    pub(super) fn has_secret(&self) -> bool {
        KEYS.iter().any(|key| key.doc.secret && self.get(key).is_some())
    }
}

impl ChannelText {
    fn values(self) -> BTreeMap<&'static str, Value> {
        let texts = [
            (&NAME, self.name),
            (&KIND, self.kind),
            (&SEVERITY, self.severity),
            (&URL, self.url),
            (&URL_FILE, self.url_file),
            (&URL_ENV, self.url_env),
            (&SECRET, self.secret),
            (&SECRET_FILE, self.secret_file),
            (&SECRET_ENV, self.secret_env),
            (&HOST, self.host),
            (&TLS, self.tls),
            (&USER, self.user),
            (&PASSWORD, self.password),
            (&PASSWORD_FILE, self.password_file),
            (&PASSWORD_ENV, self.password_env),
            (&FROM, self.from),
            (&CA_FILE, self.ca_file),
        ];
        let lists = [(&TO, self.to), (&ARGV, self.command)];
        let mut values = BTreeMap::new();
        values.extend(texts.into_iter().filter_map(|(key, text)| value(key.doc.key, text, |text| text)));
        values.extend(lists.into_iter().filter_map(|(key, list)| {
            value(key.doc.key, list, |list| serde_json::to_string(&list.0).unwrap_or_default())
        }));
        values.extend(value(PORT.doc.key, self.port, |port| port.to_string()));
        values.extend(value(TIMEOUT.doc.key, self.timeout, |span| span.0));
        values
    }
}

/// Takes the tables as they are written, and refuses the first that has no name or kind of its own, or a key that its
/// kind does not have.
pub(super) fn read(written: Vec<Spanned<ChannelText>>) -> Result<Vec<ChannelTable>, Wrong> {
    let mut channels: Vec<ChannelTable> = Vec::new();
    for text in written {
        let whole = text.span();
        if channels.len() >= CHANNELS_MAX {
            return Err(wrong(whole, "this is one channel too many", format!("at most {CHANNELS_MAX} are allowed")));
        }
        let values = text.into_inner().values();
        let (name, kind) = (own_name(&values, &whole, &channels)?, known_kind(&values, &whole)?);
        for key in KEYS.iter().filter(|key| !key.kinds.contains(&kind)) {
            if let Some(value) = values.get(key.doc.key) {
                let message = format!("a channel of kind `{kind}` has no `{}`", last(key));
                let others = format!("it stands in channels of kind {}", key.kinds.join(", "));
                return Err(wrong(value.span.clone(), message, others));
            }
        }
        channels.push(ChannelTable { name, kind, values });
    }
    Ok(channels)
}

/// The key as it stands in the table.
/// What a key of a channel's table means, by its last word; nothing is known of what is no key.
pub(crate) fn channel_meaning(word: &str) -> &'static str {
    KEYS.iter().find(|key| last(key) == word).map_or("", |key| key.doc.meaning)
}

pub(super) fn last(key: &ChannelKey) -> &'static str {
    key.doc.key.rsplit('.').next().unwrap_or(key.doc.key)
}

fn own_name(
    values: &BTreeMap<&'static str, Value>,
    whole: &Range<usize>,
    others: &[ChannelTable],
) -> Result<String, Wrong> {
    let example = "give each `[[alerts.channel]]` a name of its own: `name = \"ops\"`";
    let Some(name) = values.get(NAME.doc.key) else {
        return Err(wrong(whole.clone(), "a channel needs a `name`", example.to_owned()));
    };
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let text = name.text.as_str();
    if text.len() > NAME_LENGTH || !text.starts_with(plain) || !text.chars().all(|c| plain(c) || matches!(c, '-' | '_'))
    {
        let hint = "write `a` to `z`, `0` to `9`, `-` and `_`, beginning with a letter or a digit, at most 63 of them";
        return Err(wrong(name.span.clone(), "this cannot be a channel's name", hint.to_owned()));
    }
    if others.iter().any(|other| other.name == text) {
        return Err(wrong(name.span.clone(), format!("two channels are called `{text}`"), example.to_owned()));
    }
    Ok(text.to_owned())
}

fn known_kind(values: &BTreeMap<&'static str, Value>, whole: &Range<usize>) -> Result<&'static str, Wrong> {
    let one_of = format!("write one of: {}", KINDS.join(", "));
    let Some(kind) = values.get(KIND.doc.key) else {
        return Err(wrong(whole.clone(), "a channel needs a `kind`", one_of));
    };
    let known = KINDS.into_iter().find(|known| *known == kind.text.trim());
    known.ok_or_else(|| wrong(kind.span.clone(), "there is no such kind of channel", one_of))
}

fn wrong(span: Range<usize>, message: impl Into<String>, hint: String) -> Wrong {
    Wrong { span, message: message.into(), hint }
}

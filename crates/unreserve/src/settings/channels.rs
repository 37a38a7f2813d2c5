//! The channels that alerts go to, each with its secrets read from where they are kept.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use unreserve_engine::report::health::Severity;

use crate::settings::channel_table::{
    self, ARGV, CA_FILE, ChannelKey, ChannelTable, FROM, HOST, KIND, PASSWORD, PASSWORD_ENV, PASSWORD_FILE, PORT,
    SECRET, SECRET_ENV, SECRET_FILE, SEVERITY, TIMEOUT, TLS, TO, URL, URL_ENV, URL_FILE, USER,
};
use crate::settings::env_file::EnvFile;
use crate::settings::error::SettingsError;
use crate::settings::file::SettingsFile;
use crate::settings::origin::{Origin, Sourced};
use crate::settings::secret_url::{Scheme, SecretUrl};
use crate::settings::shops::{Meant, owned};
use crate::settings::sources::{Sources, anchored};
use crate::settings::values::Raw;

/// How long a program may take when nobody says anything.
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);

/// The most addressees of a channel.
const TO_MAX: usize = 20;

/// A channel that alerts go to.
#[derive(Debug, Clone)]
pub(crate) struct Channel {
    /// What it is called.
    pub(crate) name: String,
    /// What is less severe than this is not told here.
    pub(crate) severity: Severity,
    /// Where it leads.
    pub(crate) target: Target,
    /// Certificates in PEM that are trusted beside those of the public authorities.
    pub(crate) ca: Option<Vec<u8>>,
    /// What its table says, for `settings show`: the last part of the key, the value with its secrets masked, and
    /// where it came from.
    pub(crate) shown: Vec<(&'static str, Sourced<String>)>,
}

/// Where a channel leads.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    /// A mail server.
    Email(Email),
    /// A webhook of Slack's.
    Slack(SecretUrl),
    /// A webhook of Discord's.
    Discord(SecretUrl),
    /// A workflow of Microsoft Teams.
    Teams(SecretUrl),
    /// Anybody who takes Standard Webhooks.
    Webhook {
        /// The address.
        url: SecretUrl,
        /// The key that messages are signed with; nothing where they are not.
        secret: Option<SecretString>,
    },
    /// A program of this machine's.
    Command {
        /// The program and its arguments; never empty.
        argv: Vec<String>,
        /// How long it may take.
        timeout: Duration,
    },
}

impl Target {
    /// The word of its kind.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Email(_) => "email",
            Self::Slack(_) => "slack",
            Self::Discord(_) => "discord",
            Self::Teams(_) => "teams",
            Self::Webhook { .. } => "webhook",
            Self::Command { .. } => "command",
        }
    }
}

/// How mail is sent.
#[derive(Debug, Clone)]
pub(crate) struct Email {
    /// The mail server.
    pub(crate) host: String,
    /// Its port.
    pub(crate) port: u16,
    /// How the connection is encrypted.
    pub(crate) tls: MailTls,
    /// User and password, where a login is wanted.
    pub(crate) login: Option<(String, SecretString)>,
    /// The sender.
    pub(crate) from: String,
    /// The addressees; never empty.
    pub(crate) to: Vec<String>,
}

/// How a connection to a mail server is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MailTls {
    /// From the beginning.
    Implicit,
    /// After the server was asked to.
    StartTls,
    /// Not at all.
    None,
}

const OF_CHANNEL: Meant = Meant {
    example: "OPS_WEBHOOK",
    itself: "the secret itself has a key without `_env`",
    what: "the channel's secret",
    look: |file: &EnvFile, name| owned(file.private(name)),
};

/// Every channel of the settings file, in its order.
pub(super) fn read(sources: &Sources<'_>, least: Severity) -> Result<Vec<Channel>, SettingsError> {
    let Some(file) = sources.file.as_ref() else { return Ok(Vec::new()) };
    let one = |table: &ChannelTable| {
        let reader = Reader { sources, file, table };
        reader.channel(least).map_err(|error| file.locate_at(error, |key| table.span(key)))
    };
    file.channels().iter().map(one).collect()
}

/// Reads one table.
struct Reader<'a> {
    sources: &'a Sources<'a>,
    file: &'a SettingsFile,
    table: &'a ChannelTable,
}

/// The three keys of a secret: with it, with the file that holds it, with the variable that does.
struct SecretKeys(&'static ChannelKey, &'static ChannelKey, &'static ChannelKey);

impl Reader<'_> {
    fn channel(&self, least: Severity) -> Result<Channel, SettingsError> {
        let severity = match self.raw(&SEVERITY) {
            Some(raw) => severity_of(&raw.word(&SEVERITY.doc)?.value).max(least),
            None => least,
        };
        let mut shown = Vec::new();
        let target = match self.table.kind {
            "email" => Target::Email(self.email(&mut shown)?),
            "slack" => Target::Slack(self.url(Scheme::Encrypted, &mut shown)?),
            "discord" => Target::Discord(self.url(Scheme::Encrypted, &mut shown)?),
            "teams" => Target::Teams(self.url(Scheme::Encrypted, &mut shown)?),
            "webhook" => {
                Target::Webhook { url: self.url(Scheme::Any, &mut shown)?, secret: self.signing_key(&mut shown)? }
            }
            _ => self.command()?,
        };
        let ca = self.certificates()?;
        Ok(Channel { name: self.table.name.clone(), severity, target, ca, shown: self.shown(shown) })
    }

    fn raw(&self, key: &ChannelKey) -> Option<Raw> {
        let value = self.table.get(key)?;
        Some(Raw { text: value.text.clone(), origin: self.file.origin_of(key.doc.key, value) })
    }

    fn text(&self, key: &ChannelKey) -> Result<Option<Sourced<String>>, SettingsError> {
        self.raw(key).map(Raw::text).transpose()
    }

    /// A text without which the channel leads nowhere.
    fn needed(&self, key: &ChannelKey) -> Result<Sourced<String>, SettingsError> {
        self.text(key)?.ok_or_else(|| self.lacks(channel_table::last(key)))
    }

    fn lacks(&self, key: &str) -> SettingsError {
        let kind = self.raw(&KIND).map_or(Origin::Default, |raw| raw.origin);
        SettingsError::value(
            &kind,
            format!("channel `{}` of kind `{}` has no `{key}`", self.table.name, self.table.kind),
        )
        .hinted(format!("add `{key}` to its table `[[alerts.channel]]`; docs/alerts.md has an example of each kind"))
    }

    fn list(&self, key: &ChannelKey) -> Result<Option<Sourced<Vec<String>>>, SettingsError> {
        let Some(raw) = self.raw(key) else { return Ok(None) };
        let list: Vec<String> = serde_json::from_str(&raw.text).unwrap_or_default();
        if list.iter().any(|text| text.trim().is_empty()) || list.is_empty() {
            return Err(SettingsError::value(&raw.origin, "the list is empty, or a text in it is"));
        }
        Ok(Some(Sourced::new(list, raw.origin)))
    }

    /// A secret, from the one place that says it: the table, a file, a variable, or a credential of systemd's.
    fn secret(&self, keys: &SecretKeys, shown: &mut Shown) -> Result<Option<Sourced<String>>, SettingsError> {
        let SecretKeys(direct, in_file, in_env) = keys;
        let said: Vec<&ChannelKey> =
            [*direct, *in_file, *in_env].into_iter().filter(|key| self.table.get(key).is_some()).collect();
        if let [first, second, ..] = said.as_slice() {
            let origin = self.raw(second).map_or(Origin::Default, |raw| raw.origin);
            let (first, second) = (channel_table::last(first), channel_table::last(second));
            let error = SettingsError::value(
                &origin,
                format!("channel `{}` has both `{first}` and `{second}`", self.table.name),
            );
            return Err(error.hinted("keep one of them"));
        }
        let found = if let Some(text) = self.text(direct)? {
            Some(Raw { text: text.value, origin: text.origin })
        } else if let Some(path) = self.text(in_file)? {
            Some(self.sources.named_secret(&direct.doc, &anchored(path, Some(self.file)))?)
        } else if let Some(variable) = self.text(in_env)? {
            Some(self.sources.variable_named(&variable, &OF_CHANNEL)?)
        } else {
            self.sources.credential_named(&format!("alerts.{}.{}", self.table.name, channel_table::last(direct)))?
        };
        let Some(raw) = found else { return Ok(None) };
        shown.push((channel_table::last(direct), Sourced::new("***".to_owned(), raw.origin.clone())));
        raw.text().map(Some)
    }

    fn url(&self, scheme: Scheme, shown: &mut Shown) -> Result<SecretUrl, SettingsError> {
        let found = self.secret(&SecretKeys(&URL, &URL_FILE, &URL_ENV), shown)?;
        let Sourced { value, origin } = found.ok_or_else(|| self.lacks("url"))?;
        let url = SecretUrl::parse(&value, scheme);
        let url = url.map_err(|problem| {
            SettingsError::value(&origin, problem).hinted("write the whole address, as `https://host/path`")
        })?;
        if let Some((_, shown)) = shown.last_mut() {
            shown.value = url.to_string();
        }
        Ok(url)
    }

    fn signing_key(&self, shown: &mut Shown) -> Result<Option<SecretString>, SettingsError> {
        let Some(found) = self.secret(&SecretKeys(&SECRET, &SECRET_FILE, &SECRET_ENV), shown)? else {
            return Ok(None);
        };
        let key = crate::alerts::webhook::key_of(found.value.trim());
        if key.is_none_or(|key| !(24..=64).contains(&key.len())) {
            let error = SettingsError::value(&found.origin, "this is no key of Standard Webhooks");
            return Err(error.hinted(
                "write `whsec_` and 24 to 64 random bytes in base64: `echo whsec_$(openssl rand -base64 32)`",
            ));
        }
        Ok(Some(SecretString::from(found.value.trim().to_owned())))
    }

    fn email(&self, shown: &mut Shown) -> Result<Email, SettingsError> {
        let host = self.needed(&HOST)?;
        let tls = match self.raw(&TLS).map(|raw| raw.word(&TLS.doc)).transpose()? {
            Some(Sourced { value, origin }) if value == "none" => {
                if !matches!(host.value.as_str(), "localhost" | "127.0.0.1" | "::1") {
                    let error = SettingsError::value(&origin, "mail to another machine has to be encrypted");
                    return Err(error.hinted("write `implicit` or `starttls`"));
                }
                MailTls::None
            }
            Some(tls) if tls.value == "starttls" => MailTls::StartTls,
            _ => MailTls::Implicit,
        };
        let port = match self.raw(&PORT) {
            Some(raw) => u16::try_from(raw.number(&PORT.doc)?.value).unwrap_or(u16::MAX),
            None => match tls {
                MailTls::Implicit => 465,
                MailTls::StartTls => 587,
                MailTls::None => 25,
            },
        };
        let password = self.secret(&SecretKeys(&PASSWORD, &PASSWORD_FILE, &PASSWORD_ENV), shown)?;
        let login = match (self.text(&USER)?, password) {
            (Some(user), Some(password)) => Some((user.value, SecretString::from(password.value))),
            (Some(_), None) => return Err(self.lacks("password")),
            (None, Some(_)) => return Err(self.lacks("user")),
            (None, None) => None,
        };
        let from = self.needed(&FROM)?;
        address(&from.value, &from.origin)?;
        let to = self.list(&TO)?.ok_or_else(|| self.lacks("to"))?;
        if to.value.len() > TO_MAX {
            return Err(SettingsError::value(&to.origin, format!("more than {TO_MAX} addressees")));
        }
        to.value.iter().try_for_each(|one| address(one, &to.origin))?;
        Ok(Email { host: host.value, port, tls, login, from: from.value, to: to.value })
    }

    fn command(&self) -> Result<Target, SettingsError> {
        let argv = self.list(&ARGV)?.ok_or_else(|| self.lacks("command"))?;
        let timeout = self.raw(&TIMEOUT).map(|raw| raw.span(&TIMEOUT.doc)).transpose()?;
        Ok(Target::Command { argv: argv.value, timeout: timeout.map_or(TIMEOUT_DEFAULT, |timeout| timeout.value) })
    }

    fn certificates(&self) -> Result<Option<Vec<u8>>, SettingsError> {
        let Some(path) = self.text(&CA_FILE)? else { return Ok(None) };
        let path: Sourced<PathBuf> = anchored(path, Some(self.file));
        if !path.value.exists() {
            return Err(SettingsError::Missing { origin: path.origin, path: path.value });
        }
        let pem = std::fs::read(&path.value).map_err(|source| SettingsError::Unreadable {
            what: "certificates",
            path: path.value.clone(),
            source,
        })?;
        if crate::alerts::trust::certificates(&pem).is_none_or(|certificates| certificates.is_empty()) {
            return Err(SettingsError::value(&path.origin, format!("`{}` holds no certificate", path.value.display()))
                .hinted("write the certificates in PEM: `-----BEGIN CERTIFICATE-----` …"));
        }
        Ok(Some(pem))
    }

    /// What the table says, and where its secrets came from.
    fn shown(&self, secrets: Shown) -> Shown {
        let plain = channel_table::KEYS.into_iter().filter(|key| !key.doc.secret).filter_map(|key| {
            let raw = self.raw(key).filter(|_| key.doc.key != channel_table::NAME.doc.key)?;
            Some((channel_table::last(key), Sourced::new(raw.text, raw.origin)))
        });
        plain.chain(secrets).collect()
    }
}

type Shown = Vec<(&'static str, Sourced<String>)>;

fn address(text: &str, origin: &Origin) -> Result<(), SettingsError> {
    match text.parse::<lettre::message::Mailbox>() {
        Ok(_) => Ok(()),
        Err(_) => Err(SettingsError::value(origin, "this is no mail address")
            .hinted("write for example `ops@example.org` or `Shop <shop@example.org>`")),
    }
}

/// The severity of a word that was checked.
pub(super) fn severity_of(word: &str) -> Severity {
    if word == "critical" { Severity::Critical } else { Severity::Warning }
}

//! Where settings can come from, in the order in which they win: flag, shop's table, environment, credential, env file,
//! top of the settings file.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use unreserve_engine::profile::nearest;

use crate::settings::database_url::DatabaseUrl;
use crate::settings::env_file::EnvFile;
use crate::settings::error::SettingsError;
use crate::settings::file::SettingsFile;
use crate::settings::origin::{Origin, Sourced};
use crate::settings::permissions;
use crate::settings::shop_table::ShopTable;
use crate::settings::table::{self, SETTINGS, SettingDoc};
use crate::settings::values::{Raw, number_between};

/// Directories in which whoever runs a container puts its secrets, with a mode that is not ours to choose.
const CONTAINER_SECRETS: [&str; 2] = ["/run/secrets", "/var/run/secrets"];

/// What errors call a file with a secret and nothing else.
const SECRET_FILE: &str = "secret file";

/// The variable with the directory of systemd's credentials.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// What the command line says of settings.
#[derive(Debug, Clone, Default)]
pub(crate) struct Flags {
    /// `--config`.
    pub(crate) config: Option<PathBuf>,
    /// `--env-file`.
    pub(crate) env_file: Option<PathBuf>,
    /// `--database-url`.
    pub(crate) database_url: Option<DatabaseUrl>,
    /// `--shop`.
    pub(crate) shop: Option<String>,
    /// `--profile`.
    pub(crate) profile: Option<String>,
    /// `--state-dir`.
    pub(crate) state_dir: Option<PathBuf>,
    /// `--timeout`.
    pub(crate) timeout: Option<String>,
    /// `--max-age-minutes`, the old name of a timeout.
    pub(crate) max_age_minutes: Option<String>,
    /// `--grace`.
    pub(crate) grace: Option<String>,
    /// `--batch-size`.
    pub(crate) batch_size: Option<String>,
    /// `--max-orders`.
    pub(crate) max_orders: Option<String>,
    /// `--interval`.
    pub(crate) interval: Option<String>,
    /// `--listen`.
    pub(crate) listen: Option<String>,
    /// `--log-format`.
    pub(crate) log_format: Option<String>,
    /// `--log-level`.
    pub(crate) log_level: Option<String>,
    /// `--log-file`.
    pub(crate) log_file: Option<PathBuf>,
    /// `--metrics-file`.
    pub(crate) metrics_file: Option<PathBuf>,
}

impl Flags {
    /// What the flag of this setting says.
    fn get(&self, doc: &SettingDoc) -> Result<Option<Raw>, SettingsError> {
        let Some(flag) = doc.flag else {
            return Ok(None);
        };
        let origin = Origin::Flag(flag);
        let path = |path: &Option<PathBuf>| match path.as_deref().map(Path::to_str) {
            Some(None) => Err(SettingsError::value(&origin, "the value is not valid UTF-8")),
            Some(Some(text)) => Ok(Some(text.to_owned())),
            None => Ok(None),
        };
        let text = match flag {
            "--config" => path(&self.config)?,
            "--env-file" => path(&self.env_file)?,
            "--database-url" => self.database_url.as_ref().map(|url| url.expose().to_owned()),
            "--shop" => self.shop.clone(),
            "--profile" => self.profile.clone(),
            "--state-dir" => path(&self.state_dir)?,
            "--timeout" => self.timeout.clone(),
            "--grace" => self.grace.clone(),
            "--batch-size" => self.batch_size.clone(),
            "--max-orders" => self.max_orders.clone(),
            "--interval" => self.interval.clone(),
            "--listen" => self.listen.clone(),
            "--log-format" => self.log_format.clone(),
            "--log-level" => self.log_level.clone(),
            "--log-file" => path(&self.log_file)?,
            "--metrics-file" => path(&self.metrics_file)?,
            _ => None,
        };
        Ok(text.map(|text| Raw { text, origin: origin.clone() }))
    }

    /// The flags that can only mean one shop, and whether they are given.
    pub(super) fn of_one_shop(&self) -> [(&'static str, bool); 2] {
        [("--database-url", self.database_url.is_some()), ("--profile", self.profile.is_some())]
    }
}

/// The environment variables of the process, taken once.
#[derive(Clone, Default)]
pub(crate) struct Environment(BTreeMap<String, OsString>);

impl Environment {
    /// The variables that this process was started with.
    pub(crate) fn of_process() -> Self {
        Self::from_variables(std::env::vars_os())
    }

    /// These variables. A name that is not UTF-8 is none of ours.
    pub(crate) fn from_variables(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        Self(variables.into_iter().filter_map(|(name, value)| Some((name.into_string().ok()?, value))).collect())
    }

    /// A variable that is set and valid UTF-8.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.get(name).ok().flatten()
    }

    /// A variable. An empty one counts as not set.
    pub(super) fn get(&self, name: &str) -> Result<Option<&str>, SettingsError> {
        match self.0.get(name).map(|value| value.to_str()) {
            None | Some(Some("")) => Ok(None),
            Some(Some(value)) => Ok(Some(value)),
            Some(None) => {
                Err(SettingsError::value(&Origin::Environment(name.to_owned()), "the value is not valid UTF-8"))
            }
        }
    }
}

/// Everything that can say something about a setting.
pub(super) struct Sources<'a> {
    pub(super) flags: &'a Flags,
    pub(super) environment: &'a Environment,
    pub(super) env_file: Option<EnvFile>,
    pub(super) config: Sourced<PathBuf>,
    pub(super) file: Option<SettingsFile>,
}

impl Sources<'_> {
    /// What the winning source says of a setting, for a shop with a table of its own or for the one shop without;
    /// `None` if nobody says anything.
    pub(super) fn find(
        &self,
        doc: &'static SettingDoc,
        shop: Option<&ShopTable>,
    ) -> Result<Option<Raw>, SettingsError> {
        match self.flags.get(doc)? {
            Some(raw) => Ok(Some(raw)),
            None => self.find_below_flags(doc, shop),
        }
    }

    /// The same, whatever the flags say.
    pub(super) fn find_below_flags(
        &self,
        doc: &'static SettingDoc,
        shop: Option<&ShopTable>,
    ) -> Result<Option<Raw>, SettingsError> {
        if let Some(shop) = shop {
            if doc.key == table::DATABASE_URL.key {
                return self.database_of(shop);
            }
            let file = self.file.as_ref();
            if let Some((text, origin)) = file.and_then(|file| file.get_of_shop(shop, doc)) {
                return Ok(Some(Raw { text: text.to_owned(), origin }));
            }
        }
        for name in doc.env {
            let get = |name: &str| {
                let value = self.environment.get(name)?;
                Ok(value.map(|value| (value.to_owned(), Origin::Environment(name.to_owned()))))
            };
            if let Some(raw) = self.variable(doc, name, get)? {
                return Ok(Some(raw));
            }
        }
        if let Some(raw) = self.credential(doc)? {
            return Ok(Some(raw));
        }
        for name in doc.env {
            let get = |name: &str| {
                let file = self.env_file.as_ref();
                // A database's address may be without a password; any other secret is one as a whole.
                let is_private = doc.secret && doc.key != table::DATABASE_URL.key && !name.ends_with("_FILE");
                let found = match file {
                    Some(file) if is_private => file.private(name)?,
                    file => file.and_then(|file| file.get(name)),
                };
                Ok(found.map(|(value, origin)| (value.to_owned(), origin)))
            };
            if let Some(raw) = self.variable(doc, name, get)? {
                return Ok(Some(raw));
            }
        }
        self.find_at_the_top(doc)
    }

    /// What the top of the settings file says.
    fn find_at_the_top(&self, doc: &'static SettingDoc) -> Result<Option<Raw>, SettingsError> {
        let found = self.file.as_ref().and_then(|file| file.get(doc.key));
        Ok(found.map(|(text, origin)| Raw { text: text.to_owned(), origin }))
    }

    /// A variable, or for a secret the file that its `*_FILE` variant names.
    fn variable(
        &self,
        doc: &SettingDoc,
        name: &str,
        get: impl Fn(&str) -> Result<Option<(String, Origin)>, SettingsError>,
    ) -> Result<Option<Raw>, SettingsError> {
        let direct = get(name)?;
        let from_file = if doc.secret { get(&format!("{name}_FILE"))? } else { None };
        match (direct, from_file) {
            (Some(_), Some(_)) => Err(SettingsError::SetTwice { variable: name.to_owned() }),
            (Some((text, origin)), None) => Ok(Some(Raw { text, origin })),
            (None, Some((path, origin))) => {
                self.named_secret(doc, &Sourced::new(PathBuf::from(path), origin)).map(Some)
            }
            (None, None) => Ok(None),
        }
    }

    /// The secret in a file that somebody named. One with a password must be closed to others, unless it lies where
    /// somebody else puts secrets and chooses their mode. A database's address is only a secret where it has a password.
    pub(super) fn named_secret(&self, doc: &SettingDoc, path: &Sourced<PathBuf>) -> Result<Raw, SettingsError> {
        if !path.value.exists() {
            return Err(SettingsError::Missing { origin: path.origin.clone(), path: path.value.clone() });
        }
        let text = read_secret(SECRET_FILE, &path.value)?;
        let is_database = doc.key == table::DATABASE_URL.key;
        if self.is_handed(&path.value)? {
            return Ok(Raw { text, origin: path.origin.clone() });
        }
        if !is_database {
            permissions::demand_privacy_of(SECRET_FILE, "a secret", &path.value)?;
        } else if DatabaseUrl::new(text.as_str()).has_password() {
            permissions::demand_privacy(SECRET_FILE, &path.value)?;
        }
        Ok(Raw { text, origin: path.origin.clone() })
    }

    /// Whether a file lies where somebody else puts secrets and chooses their mode.
    fn is_handed(&self, path: &Path) -> Result<bool, SettingsError> {
        let credentials = self.environment.get(CREDENTIALS)?.into_iter();
        Ok(credentials.chain(CONTAINER_SECRETS).any(|directory| path.starts_with(directory)))
    }

    /// A secret that systemd put into the credentials directory under the setting's key.
    fn credential(&self, doc: &SettingDoc) -> Result<Option<Raw>, SettingsError> {
        if doc.secret { self.credential_named(doc.key) } else { Ok(None) }
    }

    /// A secret that systemd put into the credentials directory under this name.
    pub(super) fn credential_named(&self, name: &str) -> Result<Option<Raw>, SettingsError> {
        let directory = self.environment.get(CREDENTIALS)?;
        let Some(path) = directory.map(|directory| Path::new(directory).join(name)) else {
            return Ok(None);
        };
        if !path.exists() {
            return Ok(None);
        }
        let text = read_secret("credential", &path)?;
        Ok(Some(Raw { text, origin: Origin::Credential(name.to_owned()) }))
    }

    /// Variables that look like ours and are not, with what was probably meant: a slip of the pen would otherwise go
    /// unnoticed. Names far from all of ours are somebody else's, such as those that Kubernetes sets for a service.
    pub(super) fn misspelt_variables(&self) -> Vec<String> {
        let ours = || SETTINGS.iter().flat_map(|doc| doc.env).copied().filter(|name| name.starts_with("UNRESERVE_"));
        let is_ours = |name: &str| {
            ours().any(|known| name == known || name.strip_suffix("_FILE") == Some(known))
                || name == "UNRESERVE_COMMIT"
                // What a command that is told of an alert gets from us.
                || name.starts_with("UNRESERVE_ALERT_")
        };
        let of_shops = |name: &str| {
            let mut said = self.shops().iter().filter_map(|shop| shop.get(&table::SHOP_DATABASE_URL_ENV));
            said.any(|(_, variable)| variable.text.trim() == name)
                || self.file.iter().flat_map(SettingsFile::channels).any(|channel| channel.names_variable(name))
        };
        let in_env_file = self.env_file.iter().flat_map(EnvFile::names);
        let names = self.environment.0.keys().map(String::as_str).chain(in_env_file);
        names
            .filter(|name| name.starts_with("UNRESERVE_") && !is_ours(name) && !of_shops(name))
            .filter_map(|name| {
                let short = |name: &str| name.trim_start_matches("UNRESERVE_").to_owned();
                let known: Vec<String> = ours().map(short).collect();
                let meant = nearest(&short(name), known.iter().map(String::as_str))?;
                Some(format!("`{name}` is no setting; did you mean `UNRESERVE_{meant}`?"))
            })
            .collect()
    }
}

/// A secret from a file, without the line end that editors put behind it.
fn read_secret(what: &'static str, path: &Path) -> Result<String, SettingsError> {
    let text =
        fs::read_to_string(path).map_err(|source| SettingsError::Unreadable { what, path: path.to_owned(), source })?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// A path from the settings file starts from that file's directory; any other from the working directory.
pub(super) fn anchored(path: Sourced<String>, file: Option<&SettingsFile>) -> Sourced<PathBuf> {
    let value = match (&path.origin, file) {
        (Origin::File { .. }, Some(file)) => file.directory().join(&path.value),
        _ => PathBuf::from(&path.value),
    };
    Sourced::new(value, path.origin)
}

/// A profile that is named like a file in the settings file starts from that file's directory too.
pub(super) fn anchored_profile(profile: Sourced<String>, file: Option<&SettingsFile>) -> Sourced<String> {
    let is_file = profile.value.contains('/') || profile.value.ends_with(".toml");
    if !is_file {
        return profile;
    }
    let path = anchored(profile.clone(), file);
    match path.value.to_str() {
        Some(text) => Sourced::new(text.to_owned(), path.origin),
        None => profile,
    }
}

/// The old name of a timeout, in whole minutes.
pub(super) fn old_timeout(flags: &Flags) -> Result<Option<Sourced<Duration>>, SettingsError> {
    let Some(text) = flags.max_age_minutes.clone() else {
        return Ok(None);
    };
    let raw = Raw { text, origin: Origin::Flag("--max-age-minutes") };
    let most = match table::TIMEOUT.limits {
        table::Limits::Span { most_seconds, .. } => most_seconds.checked_div(60).unwrap_or(0),
        _ => 0,
    };
    let minutes = number_between(&raw, 1, most)?;
    let span = Duration::from_secs(minutes.saturating_mul(60));
    Ok(Some(Sourced::new(span, raw.origin)))
}

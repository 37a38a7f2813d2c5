//! The effective settings: each value with where it came from.

mod alerts;
mod channel_table;
mod channels;
mod database_url;
mod env_file;
mod error;
mod file;
#[cfg(test)]
mod fuzz;
mod origin;
mod permissions;
mod secret_url;
mod sections;
mod shop_table;
mod shops;
mod sources;
mod state_dir;
mod table;
mod values;
mod web;

use std::path::PathBuf;
use std::time::Duration;

pub(crate) use alerts::AlertSettings;
pub(crate) use channel_table::channel_meaning;
pub(crate) use channels::{Channel, Email, MailTls, Target};
pub(crate) use database_url::{DatabaseUrl, mask};
pub(crate) use error::SettingsError;
pub(crate) use origin::{Origin, Sourced};
pub(crate) use secret_url::{Scheme, SecretUrl};
pub(crate) use sources::{Environment, Flags};
pub(crate) use table::{SETTINGS, SettingDoc, reference_markdown};
pub(crate) use values::write_size;
pub(crate) use web::WebSettings;

use env_file::EnvFile;
use file::SettingsFile;
use shops::Chosen;
use sources::{Sources, anchored, anchored_profile, old_timeout};

/// How large a log file grows when nobody says anything, in bytes.
const LOG_MAX_SIZE_DEFAULT: u64 = 10_000_000;

/// How many log files are kept when nobody says anything.
const LOG_KEEP_DEFAULT: u32 = 14;

/// The effective settings. What each means, with unit, default and limits, stands in [`SETTINGS`].
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// The settings file that was looked for, and who named it.
    pub(crate) config: Sourced<PathBuf>,
    /// The env file that was looked for, and who named it.
    pub(crate) env_file: Sourced<PathBuf>,
    /// The shop's name; `None` where the settings file has no shop's table.
    pub(crate) shop: Option<String>,
    /// Who chose the shop: the flag, the variable, or its own name where there was nothing to choose.
    pub(crate) shop_origin: Origin,
    /// The shop's database.
    pub(crate) database_url: Option<Sourced<DatabaseUrl>>,
    /// The name of a shipped profile, or a profile file.
    pub(crate) profile: Option<Sourced<String>>,
    /// The directory for our own files; it may not exist yet.
    pub(crate) state_dir: Sourced<PathBuf>,
    /// How long after its creation a reservation expires; `None` leaves it to the reservation and the profile.
    pub(crate) timeout: Option<Sourced<Duration>>,
    /// How much longer than its expiry a reservation is left alone; `None` is no longer.
    pub(crate) grace: Option<Sourced<Duration>>,
    /// The most orders of one transaction; `None` leaves it to the sweep.
    pub(crate) batch_size: Option<Sourced<u32>>,
    /// The size bound of a sweep; `None` leaves it to the sweep.
    pub(crate) max_orders: Option<Sourced<u64>>,
    /// How long the daemon waits at most between two sweeps; `None` leaves it to the daemon.
    pub(crate) interval: Option<Sourced<Duration>>,
    /// How and where log lines are written.
    pub(crate) log: LogSettings,
    /// Where `sweep` leaves its metrics, whatever the shop; `None` is nowhere.
    pub(crate) metrics_file: Option<Sourced<PathBuf>>,
    /// Where the page is shown, and to whom.
    pub(crate) web: WebSettings,
    /// What is told of trouble, and to whom.
    pub(crate) alerts: AlertSettings,
    /// The address that is called when this shop's sweeps end.
    pub(crate) heartbeat: Option<Sourced<SecretUrl>>,
    /// What its owner should know about the settings, though they can be used. Of several shops the first carries them.
    pub(crate) warnings: Vec<String>,
}

/// How and where log lines are written.
#[derive(Debug, Clone)]
pub(crate) struct LogSettings {
    /// Text or JSON; `None` is text on a terminal, else JSON.
    pub(crate) format: Option<Sourced<LogFormat>>,
    /// The least severe lines that are written; `None` leaves it to the command.
    pub(crate) level: Option<Sourced<LogLevel>>,
    /// The file; `None` is stderr.
    pub(crate) file: Option<Sourced<PathBuf>>,
    /// How large a file grows before the next one is begun, in bytes.
    pub(crate) max_size: Sourced<u64>,
    /// How many files are kept.
    pub(crate) keep: Sourced<u32>,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The least severe log lines that are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogLevel {
    /// None at all.
    Off,
    /// What went wrong.
    Error,
    /// What may go wrong.
    Warn,
    /// What happens.
    Info,
    /// Single orders too.
    Debug,
    /// Everything.
    Trace,
}

impl Settings {
    /// The settings of one shop: the one that was named, the only one, or the one that has no table of its own.
    ///
    /// # Errors
    /// A file cannot be used, a value is not allowed, or nobody says which of several shops is meant. Nothing was
    /// changed.
    pub(crate) fn load(flags: &Flags, environment: &Environment) -> Result<Self, SettingsError> {
        let (sources, env_file) = read(flags, environment)?;
        let shop = sources.only_one()?;
        sources.refuse_twins()?;
        Self::of(&sources, &env_file, shop)
    }

    /// The settings of every shop, in the file's order, or of the one that was named; of the one shop without a table
    /// where there are no tables. At least one.
    ///
    /// # Errors
    /// As for [`Settings::load`]; also where a flag says of all shops what only one can have.
    pub(crate) fn load_shops(flags: &Flags, environment: &Environment) -> Result<Vec<Self>, SettingsError> {
        let (sources, env_file) = read(flags, environment)?;
        let shops = sources.one_or_all()?;
        sources.refuse_twins()?;
        if shops.is_empty() {
            return Ok(vec![Self::of(&sources, &env_file, None)?]);
        }
        let mut all = Vec::with_capacity(shops.len());
        for shop in shops {
            let settings = Self::of(&sources, &env_file, Some(shop))?;
            let warnings = if all.is_empty() { settings.warnings } else { Vec::new() };
            all.push(Self { warnings, ..settings });
        }
        Ok(all)
    }

    /// What holds for a command that works on no shop of the settings file.
    ///
    /// # Errors
    /// A file cannot be used, or a value is not allowed.
    pub(crate) fn load_without_shop(flags: &Flags, environment: &Environment) -> Result<Self, SettingsError> {
        let (sources, env_file) = read(flags, environment)?;
        Self::of(&sources, &env_file, None)
    }

    fn of(sources: &Sources<'_>, env_file: &Sourced<PathBuf>, shop: Option<Chosen<'_>>) -> Result<Self, SettingsError> {
        let table = shop.as_ref().map(|shop| shop.value);
        Self::gather(sources, env_file, shop).map_err(|error| match &sources.file {
            Some(file) => file.locate(error, table),
            None => error,
        })
    }

    fn gather(
        sources: &Sources<'_>,
        env_file: &Sourced<PathBuf>,
        shop: Option<Chosen<'_>>,
    ) -> Result<Self, SettingsError> {
        let file = sources.file.as_ref();
        let own = shop.as_ref().map(|shop| shop.value);
        let text = |doc| sources.find(doc, own)?.map(values::Raw::text).transpose();
        let span = |doc| sources.find(doc, own)?.map(|raw| raw.span(doc)).transpose();
        let number = |doc| sources.find(doc, own)?.map(|raw| raw.number(doc)).transpose();
        let small = |doc| Ok::<_, SettingsError>(number(doc)?.map(small_number));
        let database_url = sources.database(own)?;
        let timeout = match old_timeout(sources.flags)? {
            Some(timeout) => Some(timeout),
            None => span(&table::TIMEOUT)?,
        };
        let mut warnings = sources.misspelt_variables();
        warnings.extend(database_url.as_ref().and_then(visible_password));
        warnings.extend(sources.unused_database());
        Ok(Self {
            config: sources.config.clone(),
            env_file: env_file.clone(),
            shop: own.map(|shop| shop.name.clone()),
            shop_origin: shop.map_or(Origin::Default, |shop| shop.origin),
            database_url,
            profile: text(&table::PROFILE)?.map(|profile| anchored_profile(profile, file)),
            state_dir: match text(&table::STATE_DIR)? {
                Some(path) => anchored(state_dir::first_of_list(path), file),
                None => state_dir::default()?,
            },
            timeout,
            grace: span(&table::GRACE)?,
            batch_size: small(&table::BATCH_SIZE)?,
            max_orders: number(&table::MAX_ORDERS)?,
            interval: span(&table::INTERVAL)?,
            log: LogSettings {
                format: sources.find(&table::LOG_FORMAT, None)?.map(log_format).transpose()?,
                level: sources.find(&table::LOG_LEVEL, None)?.map(log_level).transpose()?,
                file: text(&table::LOG_FILE)?.map(|path| anchored(path, file)),
                max_size: match sources.find(&table::LOG_MAX_SIZE, None)? {
                    Some(raw) => raw.size(&table::LOG_MAX_SIZE)?,
                    None => Sourced::new(LOG_MAX_SIZE_DEFAULT, Origin::Default),
                },
                keep: small(&table::LOG_KEEP)?.unwrap_or(Sourced::new(LOG_KEEP_DEFAULT, Origin::Default)),
            },
            metrics_file: text(&table::METRICS_FILE)?.map(|path| anchored(path, file)),
            web: WebSettings::gather(sources)?,
            alerts: alerts::read(sources)?,
            heartbeat: alerts::heartbeat(sources, own)?,
            warnings,
        })
    }
}

/// Reads the env file and the settings file.
fn read<'a>(flags: &'a Flags, environment: &'a Environment) -> Result<(Sources<'a>, Sourced<PathBuf>), SettingsError> {
    let nowhere = Sourced::new(PathBuf::new(), Origin::Default);
    let mut sources = Sources { flags, environment, env_file: None, config: nowhere, file: None };
    let env_file = named_file(&sources, &table::ENV_FILE)?;
    sources.env_file = EnvFile::read(&env_file)?;
    sources.config = named_file(&sources, &table::CONFIG)?;
    sources.file = SettingsFile::read(&sources.config)?;
    Ok((sources, env_file))
}

/// The path of the env file or the settings file, and whether somebody named it.
fn named_file(sources: &Sources<'_>, doc: &'static SettingDoc) -> Result<Sourced<PathBuf>, SettingsError> {
    Ok(match sources.find(doc, None)? {
        Some(raw) => anchored(raw.text()?, None),
        None => Sourced::new(PathBuf::from(doc.default), Origin::Default),
    })
}

/// Limits of these settings lie far below 32 bits.
fn small_number(number: Sourced<u64>) -> Sourced<u32> {
    Sourced::new(u32::try_from(number.value).unwrap_or(u32::MAX), number.origin)
}

fn log_format(raw: values::Raw) -> Result<Sourced<LogFormat>, SettingsError> {
    let word = raw.word(&table::LOG_FORMAT)?;
    let format = if word.value == "json" { LogFormat::Json } else { LogFormat::Text };
    Ok(Sourced::new(format, word.origin))
}

fn log_level(raw: values::Raw) -> Result<Sourced<LogLevel>, SettingsError> {
    let word = raw.word(&table::LOG_LEVEL)?;
    let level = match word.value.as_str() {
        "off" => LogLevel::Off,
        "error" => LogLevel::Error,
        "info" => LogLevel::Info,
        "debug" => LogLevel::Debug,
        "trace" => LogLevel::Trace,
        _ => LogLevel::Warn,
    };
    Ok(Sourced::new(level, word.origin))
}

/// Everybody on the machine can read a command line.
fn visible_password(url: &Sourced<DatabaseUrl>) -> Option<String> {
    (matches!(url.origin, Origin::Flag(_)) && url.value.has_password()).then(|| {
        "the password in `--database-url` can be read by everyone in the process list; \
         put the URL into the environment as `UNRESERVE_DATABASE_URL` instead"
            .to_owned()
    })
}

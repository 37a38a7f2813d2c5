//! Every setting, said once: its names, meaning, default and limits. Checks, help and the reference page read this.

use std::fmt;
use std::time::Duration;

use unreserve_engine::model::write_duration;

use crate::settings::channel_table::{self, ChannelKey};
use crate::settings::values::write_size;

const DAY_SECONDS: u64 = 86_400;

/// What is known of one setting.
#[derive(Debug)]
pub(crate) struct SettingDoc {
    /// The key: its name in the settings file, where it can stand there.
    pub(crate) key: &'static str,
    /// Whether it can stand at the top of the settings file, where it holds for every shop.
    pub(crate) in_file: bool,
    /// Its key in a shop's own table `[[shop]]`, where it can stand there: `shop.timeout`.
    pub(crate) in_shop: Option<&'static str>,
    /// The flag, where there is one.
    pub(crate) flag: Option<&'static str>,
    /// The environment variables, the one that wins first.
    pub(crate) env: &'static [&'static str],
    /// Whether it is a secret: masked when shown, and readable from a file that a `*_FILE` variable names.
    pub(crate) secret: bool,
    /// What holds when nobody says anything.
    pub(crate) default: &'static str,
    /// What it means.
    pub(crate) meaning: &'static str,
    /// The unit of its value, where it has one.
    pub(crate) unit: &'static str,
    /// What values are allowed.
    pub(crate) limits: Limits,
}

/// What values a setting may have.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Limits {
    /// Any text that is not empty.
    Any,
    /// A whole number, both ends included.
    Number {
        /// The least that is allowed.
        least: u64,
        /// The most that is allowed.
        most: u64,
    },
    /// A span of time, both ends included.
    Span {
        /// The least that is allowed, in seconds.
        least_seconds: u64,
        /// The most that is allowed, in seconds.
        most_seconds: u64,
    },
    /// A size in bytes, both ends included.
    Size {
        /// The least that is allowed, in bytes.
        least: u64,
        /// The most that is allowed, in bytes.
        most: u64,
    },
    /// One of these words.
    OneOf(&'static [&'static str]),
}

impl fmt::Display for Limits {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => Ok(()),
            Self::Number { least, most } => write!(formatter, "{least} to {most}"),
            Self::Span { least_seconds, most_seconds } => write!(
                formatter,
                "{} to {}",
                write_duration(Duration::from_secs(*least_seconds)),
                write_duration(Duration::from_secs(*most_seconds))
            ),
            Self::Size { least, most } => write!(formatter, "{} to {}", write_size(*least), write_size(*most)),
            Self::OneOf(words) => formatter.write_str(&words.join(", ")),
        }
    }
}

pub(super) const PLAIN: SettingDoc = SettingDoc {
    key: "",
    in_file: true,
    in_shop: None,
    flag: None,
    env: &[],
    secret: false,
    default: "not set",
    meaning: "",
    unit: "",
    limits: Limits::Any,
};

pub(super) static CONFIG: SettingDoc = SettingDoc {
    key: "config",
    in_file: false,
    flag: Some("--config"),
    env: &["UNRESERVE_CONFIG"],
    default: "unreserve.toml",
    meaning: "The settings file. It may be missing, unless it was named.",
    ..PLAIN
};

pub(super) static ENV_FILE: SettingDoc = SettingDoc {
    key: "env_file",
    in_file: false,
    flag: Some("--env-file"),
    env: &["UNRESERVE_ENV_FILE"],
    default: ".env",
    meaning: "The env file: lines of `NAME=value`, read as if they were set in the environment. Single quotes keep a `$` as it is. It may be missing, unless it was named.",
    ..PLAIN
};

pub(super) static SHOP: SettingDoc = SettingDoc {
    key: "shop",
    in_file: false,
    flag: Some("--shop"),
    env: &["UNRESERVE_SHOP"],
    default: "the only one, where the settings file has one",
    meaning: "Which of the settings file's shops is meant, by its name. A shop is a table `[[shop]]` with its own `name`, database and settings; what its table does not say holds as for the whole file. With several, a command that works on one shop has to be told which.",
    ..PLAIN
};

pub(super) static SHOP_NAME: SettingDoc = SettingDoc {
    key: "shop.name",
    in_file: false,
    in_shop: Some("shop.name"),
    default: "none: a shop needs one",
    meaning: "What the shop is called on the command line, in logs and in reports. No other shop has the same.",
    unit: "`a` to `z`, `0` to `9`, `-` and `_`, beginning with a letter or a digit, at most 63 of them",
    ..PLAIN
};

pub(super) static SHOP_DATABASE_URL_ENV: SettingDoc = SettingDoc {
    key: "shop.database_url_env",
    in_file: false,
    in_shop: Some("shop.database_url_env"),
    meaning: "The environment variable, or the variable of the env file, that holds the shop's `database_url`. A shop has one of `database_url`, `database_url_env` and `database_url_file`: what `DATABASE_URL` or the top of the file says is never a shop's.",
    ..PLAIN
};

pub(super) static SHOP_DATABASE_URL_FILE: SettingDoc = SettingDoc {
    key: "shop.database_url_file",
    in_file: false,
    in_shop: Some("shop.database_url_file"),
    meaning: "The file that holds the shop's `database_url` and nothing else. A relative path starts from the settings file's directory.",
    ..PLAIN
};

pub(super) static DATABASE_URL: SettingDoc = SettingDoc {
    key: "database_url",
    in_shop: Some("shop.database_url"),
    flag: Some("--database-url"),
    env: &["UNRESERVE_DATABASE_URL", "DATABASE_URL"],
    secret: true,
    meaning: "The shop's database, as `postgres://user:password@host/name`, `mysql://user:password@host/name` or `sqlite://shop.db`. A file that holds a password must not be readable by others, be it the settings file, the env file or the one that a `*_FILE` variable names; below `/run/secrets` and systemd's credentials directory whoever puts it there chooses.",
    ..PLAIN
};

pub(super) static PROFILE: SettingDoc = SettingDoc {
    key: "profile",
    in_shop: Some("shop.profile"),
    flag: Some("--profile"),
    env: &["UNRESERVE_PROFILE"],
    meaning: "What the shop's tables mean: the name of a shipped profile, or a profile file.",
    ..PLAIN
};

pub(super) static STATE_DIR: SettingDoc = SettingDoc {
    key: "state_dir",
    flag: Some("--state-dir"),
    env: &["UNRESERVE_STATE_DIR", "STATE_DIRECTORY"],
    default: "`/var/lib/unreserve` for root, else `unreserve` in the user's state directory (`~/.local/state`)",
    meaning: "The directory for our own files, such as the lock that keeps a second instance out. It is made when it is needed.",
    ..PLAIN
};

pub(super) static TIMEOUT: SettingDoc = SettingDoc {
    key: "timeout",
    in_shop: Some("shop.timeout"),
    flag: Some("--timeout"),
    env: &["UNRESERVE_TIMEOUT"],
    default: "the reservation's own expiry, else 15m",
    meaning: "How long after its creation a reservation expires. Where it is set it replaces an expiry that the shop stored.",
    unit: "span of time: `90s`, `15m`, `1h30m`, `2d`",
    limits: Limits::Span { least_seconds: 1, most_seconds: 3_650 * DAY_SECONDS },
    ..PLAIN
};

pub(super) static GRACE: SettingDoc = SettingDoc {
    key: "grace",
    in_shop: Some("shop.grace"),
    flag: Some("--grace"),
    env: &["UNRESERVE_GRACE"],
    default: "0s",
    meaning: "How much longer than its expiry a reservation is left alone.",
    unit: "span of time: `90s`, `15m`, `1h30m`, `2d`",
    limits: Limits::Span { least_seconds: 0, most_seconds: 365 * DAY_SECONDS },
    ..PLAIN
};

pub(super) static BATCH_SIZE: SettingDoc = SettingDoc {
    key: "batch_size",
    in_shop: Some("shop.batch_size"),
    flag: Some("--batch-size"),
    env: &["UNRESERVE_BATCH_SIZE"],
    default: "500, and fewer while it finds its pace",
    meaning: "The most reservations that one transaction looks at. A sweep looks at fewer at a time where the shop is busy.",
    unit: "reservations",
    limits: Limits::Number { least: 1, most: 5_000 },
    ..PLAIN
};

pub(super) static MAX_ORDERS: SettingDoc = SettingDoc {
    key: "max_orders",
    in_shop: Some("shop.max_orders"),
    flag: Some("--max-orders"),
    env: &["UNRESERVE_MAX_ORDERS"],
    default: "5000",
    meaning: "The size bound: a sweep with more due orders than this stops before its first write.",
    unit: "orders",
    limits: Limits::Number { least: 1, most: 10_000_000 },
    ..PLAIN
};

pub(super) static INTERVAL: SettingDoc = SettingDoc {
    key: "interval",
    in_shop: Some("shop.interval"),
    flag: Some("--interval"),
    env: &["UNRESERVE_INTERVAL"],
    default: "5m",
    meaning: "How long the daemon waits at most between two sweeps of a shop. Where a timer sweeps, how often it does: health and alerts go by it.",
    unit: "span of time: `90s`, `15m`, `1h30m`, `2d`",
    limits: Limits::Span { least_seconds: 1, most_seconds: DAY_SECONDS },
    ..PLAIN
};

pub(super) static LOG_FORMAT: SettingDoc = SettingDoc {
    key: "log.format",
    flag: Some("--log-format"),
    env: &["UNRESERVE_LOG_FORMAT"],
    default: "text on a terminal, else json",
    meaning: "How log lines are written.",
    limits: Limits::OneOf(&["text", "json"]),
    ..PLAIN
};

pub(super) static LOG_LEVEL: SettingDoc = SettingDoc {
    key: "log.level",
    flag: Some("--log-level"),
    env: &["UNRESERVE_LOG_LEVEL"],
    default: "warn for a command, info for the daemon",
    meaning: "The least severe log lines that are written.",
    limits: Limits::OneOf(&["off", "error", "warn", "info", "debug", "trace"]),
    ..PLAIN
};

pub(super) static LOG_FILE: SettingDoc = SettingDoc {
    key: "log.file",
    flag: Some("--log-file"),
    env: &["UNRESERVE_LOG_FILE"],
    default: "stderr",
    meaning: "The file for log lines. A new one is begun each day (UTC) and whenever one is full, with the day and a number before the ending: `unreserve.2026-11-22.log`, `unreserve.2026-11-22.1.log`.",
    ..PLAIN
};

pub(super) static LOG_MAX_SIZE: SettingDoc = SettingDoc {
    key: "log.max_size",
    env: &["UNRESERVE_LOG_MAX_SIZE"],
    default: "10MB",
    meaning: "How large a log file grows before the next one is begun.",
    unit: "size: `500kB`, `10MB`, `1GB`, each a thousand of the one before",
    limits: Limits::Size { least: 10_000, most: 10_000_000_000 },
    ..PLAIN
};

pub(super) static LOG_KEEP: SettingDoc = SettingDoc {
    key: "log.keep",
    env: &["UNRESERVE_LOG_KEEP"],
    default: "14",
    meaning: "How many log files are kept, those of one day counted singly; older ones are deleted.",
    unit: "files",
    limits: Limits::Number { least: 1, most: 3_650 },
    ..PLAIN
};

pub(super) static METRICS_FILE: SettingDoc = SettingDoc {
    key: "metrics.file",
    flag: Some("--metrics-file"),
    env: &["UNRESERVE_METRICS_FILE"],
    default: "none",
    meaning: "The file in which `sweep` leaves its metrics, for node_exporter's textfile collector. It is replaced as a whole after each sweep, counters go on from what it says, and everybody may read it. A shop with a name has a file of its own: `unreserve.prom` becomes `unreserve.blue.prom`. The daemon writes none.",
    ..PLAIN
};

pub(super) static WEB_LISTEN: SettingDoc = SettingDoc {
    key: "web.listen",
    flag: Some("--listen"),
    env: &["UNRESERVE_WEB_LISTEN"],
    default: "not set: the daemon shows no page; for `dashboard`: `127.0.0.1:8420`",
    meaning: "The address and port at which the page is shown. Any address but this machine's own (`127.0.0.1`, `::1`) needs `web.token`. Port 0 lets the system choose one. A change needs a restart.",
    unit: "address and port: `127.0.0.1:8420`, `[::1]:8420`, `localhost:8420`",
    ..PLAIN
};

pub(super) static WEB_SOCKET: SettingDoc = SettingDoc {
    key: "web.socket",
    env: &["UNRESERVE_WEB_SOCKET"],
    default: "not set",
    meaning: "A Unix socket at which the page is shown, beside `web.listen` or instead of it. Only our own account can open it (mode 0600), so it asks for no token: a proxy in front of it decides who may see the page. A relative path starts from the settings file's directory. A change needs a restart.",
    ..PLAIN
};

pub(super) static WEB_TOKEN: SettingDoc = SettingDoc {
    key: "web.token",
    env: &["UNRESERVE_WEB_TOKEN"],
    secret: true,
    default: "not set: at this machine's own address everybody on this machine may look",
    meaning: "What has to be shown to see the page at `web.listen`, its API and its metrics: typed into the form, or sent as `Authorization: Bearer TOKEN`. The page changes nothing, whoever sees it. A change needs a restart, and signs everybody out.",
    unit: "at least 16 printable characters without blanks; `openssl rand -hex 24` makes one",
    ..PLAIN
};

pub(super) static WEB_TOKEN_FILE: SettingDoc = SettingDoc {
    key: "web.token_file",
    meaning: "The file that holds `web.token` and nothing else. It must not be readable by everybody. A relative path starts from the settings file's directory.",
    ..PLAIN
};

pub(super) static ALERTS_SEVERITY: SettingDoc = SettingDoc {
    key: "alerts.severity",
    env: &["UNRESERVE_ALERTS_SEVERITY"],
    default: "warning",
    meaning: "What is less severe than this is told to no channel. A channel may ask for more.",
    limits: Limits::OneOf(&["warning", "critical"]),
    ..PLAIN
};

pub(super) static ALERTS_AFTER: SettingDoc = SettingDoc {
    key: "alerts.after",
    env: &["UNRESERVE_ALERTS_AFTER"],
    default: "1m for the daemon, 0s for a single run",
    meaning: "A problem is told once it has stood for so long, and is over once it was away for so long; one that keeps coming back has to stay away longer, up to an hour.",
    unit: "span of time: `90s`, `15m`, `1h30m`, `2d`",
    limits: Limits::Span { least_seconds: 0, most_seconds: DAY_SECONDS },
    ..PLAIN
};

pub(super) static ALERTS_REPEAT: SettingDoc = SettingDoc {
    key: "alerts.repeat",
    env: &["UNRESERVE_ALERTS_REPEAT"],
    default: "4h",
    meaning: "A problem that lasts is told again so often.",
    unit: "span of time: `90s`, `15m`, `1h30m`, `2d`",
    limits: Limits::Span { least_seconds: 300, most_seconds: 30 * DAY_SECONDS },
    ..PLAIN
};

pub(super) static ALERTS_THRESHOLD: SettingDoc = SettingDoc {
    key: "alerts.threshold",
    env: &["UNRESERVE_ALERTS_THRESHOLD"],
    default: "100",
    meaning: "More due orders than this are a warning, ten times as many critical; `health --alert-threshold` outranks it.",
    unit: "orders",
    limits: Limits::Number { least: 1, most: 1_000_000 },
    ..PLAIN
};

pub(super) static ALERTS_IGNORE: SettingDoc = SettingDoc {
    key: "alerts.ignore",
    env: &["UNRESERVE_ALERTS_IGNORE"],
    default: "none",
    meaning: "Checks that nothing is told of: a list of their names as `unreserve health` shows them, in the environment with commas between.",
    ..PLAIN
};

pub(super) static HEARTBEAT_URL: SettingDoc = SettingDoc {
    key: "heartbeat.url",
    in_shop: Some("shop.heartbeat_url"),
    env: &["UNRESERVE_HEARTBEAT_URL"],
    secret: true,
    meaning: "The address of a dead man's switch, such as healthchecks.io's: it is called after each sweep that ended well, with `/start` behind it before a sweep and with `/fail` after one that did not end well. Whoever watches it hears of it when calls stop. With several shops each has its own.",
    ..PLAIN
};

pub(super) static HEARTBEAT_URL_FILE: SettingDoc = SettingDoc {
    key: "heartbeat.url_file",
    in_shop: Some("shop.heartbeat_url_file"),
    meaning: "The file that holds `heartbeat.url` and nothing else. A relative path starts from the settings file's directory.",
    ..PLAIN
};

/// Every setting, in the order in which they are shown.
pub(crate) static SETTINGS: [&SettingDoc; 27] = [
    &CONFIG,
    &ENV_FILE,
    &SHOP,
    &DATABASE_URL,
    &PROFILE,
    &STATE_DIR,
    &TIMEOUT,
    &GRACE,
    &BATCH_SIZE,
    &MAX_ORDERS,
    &INTERVAL,
    &LOG_FORMAT,
    &LOG_LEVEL,
    &LOG_FILE,
    &LOG_MAX_SIZE,
    &LOG_KEEP,
    &METRICS_FILE,
    &WEB_LISTEN,
    &WEB_SOCKET,
    &WEB_TOKEN,
    &WEB_TOKEN_FILE,
    &ALERTS_SEVERITY,
    &ALERTS_AFTER,
    &ALERTS_REPEAT,
    &ALERTS_THRESHOLD,
    &ALERTS_IGNORE,
    &HEARTBEAT_URL,
];

/// What only a shop's table can say, in the order in which it is told.
static OF_A_SHOP: [&SettingDoc; 3] = [&SHOP_NAME, &SHOP_DATABASE_URL_ENV, &SHOP_DATABASE_URL_FILE];

/// What only the settings file can say of a heartbeat.
static OF_A_HEARTBEAT: [&SettingDoc; 1] = [&HEARTBEAT_URL_FILE];

/// Every setting, and behind some of them what only the settings file can say.
pub(super) fn all() -> impl Iterator<Item = &'static SettingDoc> + Clone {
    SETTINGS.into_iter().flat_map(|doc| {
        let more: &[_] = match doc.key {
            key if key == SHOP.key => &OF_A_SHOP,
            key if key == HEARTBEAT_URL.key => &OF_A_HEARTBEAT,
            _ => &[],
        };
        std::iter::once(doc).chain(more.iter().copied())
    })
}

/// The keys that can stand at the top of the settings file, in its sections too.
pub(super) fn file_keys() -> impl Iterator<Item = &'static str> + Clone {
    all().filter(|doc| doc.in_file).map(|doc| doc.key)
}

/// The keys that can stand in a shop's table, as `shop.timeout`.
pub(super) fn shop_keys() -> impl Iterator<Item = &'static str> + Clone {
    all().filter_map(|doc| doc.in_shop)
}

/// The last parts of the keys whose values may be shown, whoever reads over the shoulder. None of a channel's is among
/// them: its secrets look like anything.
pub(super) fn open_names() -> impl Iterator<Item = &'static str> {
    let open = all().filter(|doc| !doc.secret && (doc.in_file || doc.in_shop.is_some()));
    open.filter_map(|doc| doc.key.rsplit('.').next())
}

/// The reference page's list of settings, as Markdown.
pub(crate) fn reference_markdown() -> String {
    let of_channels = channel_table::KEYS.iter().map(|key| section(&key.doc, &channel_names(key)));
    all().map(|doc| section(doc, &names(doc))).chain(of_channels).collect::<Vec<_>>().join("\n")
}

fn names(doc: &SettingDoc) -> Vec<String> {
    let mut names = Vec::new();
    if doc.in_file {
        names.push(format!("key `{}`", doc.key));
    }
    if let Some(key) = doc.in_shop.and_then(|key| key.rsplit('.').next()) {
        names.push(format!("key `{key}` of a `[[shop]]`"));
    }
    names.extend(doc.flag.map(|flag| format!("flag `{flag}`")));
    for env in doc.env {
        names.push(format!("environment `{env}`"));
        if doc.secret {
            names.push(format!("environment `{env}_FILE`"));
        }
    }
    if doc.secret {
        names.push(format!("systemd credential `{}`", doc.key));
    }
    names
}

fn channel_names(key: &ChannelKey) -> Vec<String> {
    let last = channel_table::last(key);
    let whose =
        if key.kinds.len() == channel_table::KINDS.len() { "any kind".to_owned() } else { key.kinds.join(", ") };
    let mut names = vec![format!("key `{last}` of an `[[alerts.channel]]` ({whose})")];
    if key.doc.secret {
        names.push(format!("systemd credential `alerts.NAME.{last}`"));
    }
    names
}

fn section(doc: &SettingDoc, names: &[String]) -> String {
    let mut text = format!("## {}\n\n{}\n\n- names: {}\n", doc.key, doc.meaning, names.join(", "));
    if !doc.unit.is_empty() {
        text.push_str(&format!("- unit: {}\n", doc.unit));
    }
    text.push_str(&format!("- default: {}\n", doc.default));
    let limits = doc.limits.to_string();
    if !limits.is_empty() {
        text.push_str(&format!("- allowed: {limits}\n"));
    }
    text
}

//! What is told of a shop's trouble, and who is called when sweeps end.

use std::time::Duration;

use unreserve_engine::report::health::{CheckId, Severity};

use crate::health::ALERT_THRESHOLD;
use crate::settings::channels::{self, Channel, severity_of};
use crate::settings::error::SettingsError;
use crate::settings::origin::{Origin, Sourced};
use crate::settings::secret_url::{Scheme, SecretUrl};
use crate::settings::shop_table::ShopTable;
use crate::settings::sources::{Sources, anchored};
use crate::settings::table::{
    ALERTS_AFTER, ALERTS_IGNORE, ALERTS_REPEAT, ALERTS_SEVERITY, ALERTS_THRESHOLD, HEARTBEAT_URL, HEARTBEAT_URL_FILE,
};
use crate::settings::values::Raw;

/// A problem that lasts is told again so often when nobody says anything.
const REPEAT: Duration = Duration::from_secs(4 * 3_600);

/// What is told, how often, and to whom.
#[derive(Debug, Clone)]
pub(crate) struct AlertSettings {
    /// What is less severe is told to nobody.
    pub(crate) severity: Sourced<Severity>,
    /// How long a problem stands before it is told; `None` leaves it to who looks.
    pub(crate) after: Option<Sourced<Duration>>,
    /// How often a problem that lasts is told again.
    pub(crate) repeat: Sourced<Duration>,
    /// More due orders than this are a warning.
    pub(crate) threshold: Sourced<u64>,
    /// Checks that nothing is told of.
    pub(crate) ignored: Option<Sourced<Vec<CheckId>>>,
    /// Where alerts go to; nowhere where there are none.
    pub(crate) channels: Vec<Channel>,
}

/// What is said of alerts.
pub(super) fn read(sources: &Sources<'_>) -> Result<AlertSettings, SettingsError> {
    let span = |doc| sources.find(doc, None)?.map(|raw| raw.span(doc)).transpose();
    let severity = match sources.find(&ALERTS_SEVERITY, None)? {
        Some(raw) => {
            let word = raw.word(&ALERTS_SEVERITY)?;
            Sourced::new(severity_of(&word.value), word.origin)
        }
        None => Sourced::new(Severity::Warning, Origin::Default),
    };
    let threshold = sources.find(&ALERTS_THRESHOLD, None)?.map(|raw| raw.number(&ALERTS_THRESHOLD)).transpose()?;
    Ok(AlertSettings {
        after: span(&ALERTS_AFTER)?,
        repeat: span(&ALERTS_REPEAT)?.unwrap_or(Sourced::new(REPEAT, Origin::Default)),
        threshold: threshold.unwrap_or(Sourced::new(ALERT_THRESHOLD, Origin::Default)),
        ignored: sources.find(&ALERTS_IGNORE, None)?.map(checks).transpose()?,
        channels: channels::read(sources, severity.value)?,
        severity,
    })
}

fn checks(raw: Raw) -> Result<Sourced<Vec<CheckId>>, SettingsError> {
    let words = raw.text.split(',').map(str::trim).filter(|word| !word.is_empty());
    let checks: Option<Vec<CheckId>> = words.map(CheckId::parse).collect();
    let checks = checks.ok_or_else(|| {
        let all: Vec<&str> = CheckId::ALL.into_iter().map(CheckId::word).collect();
        SettingsError::value(&raw.origin, "there is no such check")
            .hinted(format!("the checks are: {}", all.join(", ")))
    })?;
    Ok(Sourced::new(checks, raw.origin))
}

/// The address that is called when a shop's sweeps end.
pub(super) fn heartbeat(
    sources: &Sources<'_>,
    shop: Option<&ShopTable>,
) -> Result<Option<Sourced<SecretUrl>>, SettingsError> {
    let Some(raw) = found(sources, shop)? else { return Ok(None) };
    let url = SecretUrl::parse(&raw.text, Scheme::Any).map_err(|problem| {
        SettingsError::value(&raw.origin, problem).hinted("write the whole address, as `https://host/path`")
    })?;
    Ok(Some(Sourced::new(url, raw.origin)))
}

fn found(sources: &Sources<'_>, shop: Option<&ShopTable>) -> Result<Option<Raw>, SettingsError> {
    let file = sources.file.as_ref();
    let of_shop = |doc| file.and_then(|file| file.get_of_shop(shop?, doc));
    let at_the_top = |key| file.and_then(|file| file.get(key));
    let (url, path) = (of_shop(&HEARTBEAT_URL), of_shop(&HEARTBEAT_URL_FILE));
    let in_file = |path: Option<(&str, Origin)>, url: bool| match path {
        Some((_, origin)) if url => {
            let error = SettingsError::value(&origin, "the heartbeat's address is said twice");
            Err(error.hinted("keep one of them"))
        }
        Some((path, origin)) => {
            let path = Raw { text: path.to_owned(), origin }.text()?;
            sources.named_secret(&HEARTBEAT_URL, &anchored(path, file)).map(Some)
        }
        None => Ok(None),
    };
    if let Some(raw) = in_file(path, url.is_some())? {
        return Ok(Some(raw));
    }
    let top_path = at_the_top(HEARTBEAT_URL_FILE.key);
    match sources.find(&HEARTBEAT_URL, shop)? {
        Some(raw) => {
            in_file(top_path.filter(|_| at_the_top(HEARTBEAT_URL.key).is_some()), true)?;
            Ok(Some(raw))
        }
        None => in_file(top_path, false),
    }
}

//! `service status`: how the service stands, on one screen, or as one JSON object.

use std::path::Path;

use jiff::Timestamp;
use serde_json::{Value, json};
use unreserve_engine::ledger::{HistoryQuery, SweepRecord};
use unreserve_engine::shop::{InstallState, Shop};
use unreserve_engine::sweep::SweepError;

use crate::cli::args::Format;
use crate::cli::sweep_text::{format_milliseconds, plural};
use crate::daemon::record::{self, Record, Standing};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::lock::{self, Purpose};
use crate::opening::{self, block_on, shop_failure, sweep_failure};
use crate::paint::{caution, good, heading};
use crate::profiles;
use crate::service::kind::{Installed, Kind, Manner, Scope};
use crate::service::machine::Machine;
use crate::service::managing::{self, Search};
use crate::settings::Settings;

/// More shops than this are not shown to people.
const SHOPS: usize = 20;

/// How the service stands.
pub(crate) struct Status {
    services: Vec<Service>,
    shops: Vec<ShopStatus>,
    more: Vec<String>,
    /// Whether the daemon is the system's, whose state directory only root looks into, and we are not root.
    hidden: bool,
}

/// One installed service.
struct Service {
    installed: Installed,
    state: String,
}

/// One shop of it.
struct ShopStatus {
    name: Option<String>,
    title: String,
    daemon: Daemon,
    last_sweep: Result<Option<Box<SweepRecord>>, String>,
    orders_set_aside: usize,
}

/// A daemon for a shop, on this machine.
enum Daemon {
    /// None has the shop's lock; an earlier one may have left its record.
    None(Option<Box<Record>>),
    /// One has it, and has written this of itself.
    Alive(Option<Box<Record>>),
}

/// Asks the machine, the daemon's record and each shop's ledger. The suggested commands get the options that are said again.
///
/// # Errors
/// The runtime cannot be started. What cannot be asked is a part of the status.
pub(crate) fn gather(
    found: &[Installed],
    search: &Search,
    shops: &[Settings],
    said_again: &str,
    machine: &Machine,
) -> Result<Status, Failure> {
    let service = |installed: &Installed| Service {
        installed: installed.clone(),
        state: managing::state(installed, search, machine),
    };
    let mut more: Vec<String> = found.iter().flat_map(|installed| managing::commands(installed, machine)).collect();
    more.extend(["unreserve service logs", "unreserve history"].map(|command| format!("{command}{said_again}")));
    more.dedup();
    let shops = shops.iter().map(|settings| shop_status(settings.shop.clone(), settings)).collect();
    let of_system = found.iter().any(|one| one.scope == Scope::System && one.kind.manner() == Manner::Daemon);
    let hidden = of_system && !machine.is_root();
    Ok(Status { services: found.iter().map(service).collect(), shops, more, hidden })
}

fn shop_status(name: Option<String>, settings: &Settings) -> ShopStatus {
    let database = settings.database_url.as_ref().map(|url| url.value.masked()).unwrap_or_default();
    let profile = profiles::load(settings).map(|loaded| loaded.profile.name);
    let daemon = match &profile {
        Ok(profile) => daemon_of(&settings.state_dir.value, &opening::place(settings).unwrap_or_default(), profile),
        Err(_) => Daemon::None(None),
    };
    let place = if database.is_empty() { "no database is set".to_owned() } else { database };
    let (title, refused) = match profile {
        Ok(profile) => (format!("{profile} at {place}"), None),
        Err(failure) => (place, Some(failure.message)),
    };
    let shown = name.as_ref().map_or_else(String::new, |name| format!("shop {name}: "));
    let mut status =
        ShopStatus { name, title: format!("{shown}{title}"), daemon, last_sweep: Ok(None), orders_set_aside: 0 };
    if let Some(refused) = refused {
        status.last_sweep = Err(refused);
        return status;
    }
    match block_on(ledger(settings)) {
        Ok((sweep, set_aside)) => {
            status.last_sweep = Ok(sweep.map(Box::new));
            status.orders_set_aside = set_aside;
        }
        Err(failure) => {
            status.last_sweep = Err([failure.message].into_iter().chain(failure.causes).collect::<Vec<_>>().join(": "))
        }
    }
    status
}

/// What the daemon's lock and its record say. The record alone says nothing of whether it lives.
fn daemon_of(state_dir: &Path, place: &str, profile: &str) -> Daemon {
    let lock_file = state_dir.join(lock::file_name(Purpose::Daemon, place, profile));
    let text = std::fs::read_to_string(record::path_beside(&lock_file)).ok();
    let record = text.and_then(|text| serde_json::from_str::<Record>(&text).ok()).map(Box::new);
    if lock::is_held(&lock_file) { Daemon::Alive(record) } else { Daemon::None(record) }
}

/// The newest sweep, and how many orders are set aside.
async fn ledger(settings: &Settings) -> Result<(Option<SweepRecord>, usize), Failure> {
    const ASIDE: u32 = 1_000;
    let mut shop: Box<dyn Shop> = opening::connect(settings).await?;
    let unreadable = |error| shop_failure(&error, "cannot read the ledger");
    let info = shop.info().await.map_err(unreadable)?;
    if info.installed != InstallState::Current {
        return Err(sweep_failure(&SweepError::NotInstalled(info.installed)));
    }
    let sweeps = shop.history(&HistoryQuery::Latest { limit: 1 }).await.map_err(unreadable)?;
    let aside = shop.orders_set_aside(ASIDE).await.map_err(unreadable)?;
    Ok((sweeps.into_iter().next(), aside.len()))
}

impl Status {
    /// Whether a service is installed, and a daemon lives for every shop where the service is one on this machine.
    pub(crate) fn is_well(&self) -> bool {
        let needs_daemon = |kind| matches!(kind, Kind::Systemd | Kind::Launchd | Kind::Background);
        let daemon = self.services.iter().any(|service| needs_daemon(service.installed.kind));
        if self.hidden {
            return self.services.iter().all(|service| service.state.starts_with("active"));
        }
        let alive = |shop: &ShopStatus| matches!(shop.daemon, Daemon::Alive(_));
        !self.services.is_empty() && (!daemon || self.shops.iter().all(alive))
    }

    /// The status as it was asked for.
    ///
    /// # Errors
    /// It cannot be written as JSON.
    pub(crate) fn written(&self, format: Format) -> Result<String, Failure> {
        match format {
            Format::Text => Ok(self.text()),
            Format::Json => serde_json::to_string(&self.json())
                .map_err(|error| Failure::new(Exit::Problems, "cannot write the status").because(&error)),
        }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        let mut line = |name: &str, value: &str| {
            let value = crate::table::visible(value).into_owned();
            text.push_str(format!("{name:<12}{value}").trim_end());
            text.push('\n');
        };
        if self.services.is_empty() {
            line("installed", "no: `unreserve service install` installs what fits this system");
        }
        for Service { installed, state } in &self.services {
            let whose = if installed.scope == Scope::User { ", the user's own" } else { "" };
            let shop = installed.shop.as_ref().map_or_else(String::new, |shop| format!(", shop {shop}"));
            line("installed", &format!("{}{whose}{shop}: {}", installed.kind.word(), installed.place));
            line("", state);
        }
        for shop in self.shops.iter().take(SHOPS) {
            text.push_str(&format!("\n{}\n{}", heading(&crate::table::visible(&shop.title)), shop.text(self.hidden)));
        }
        let hidden = self.shops.len().saturating_sub(SHOPS);
        if hidden > 0 {
            text.push_str(&format!("\n{hidden} more shops: `--shop NAME` shows one, `--format json` all\n"));
        }
        text.push_str(&format!("\n{}\n", heading("More")));
        for command in &self.more {
            text.push_str(&format!("  {command}\n"));
        }
        text
    }

    fn json(&self) -> Value {
        let service = |service: &Service| {
            let Installed { kind, scope, shop, place } = &service.installed;
            json!({ "kind": kind.word(), "user": *scope == Scope::User, "shop": shop, "place": place, "state": service.state })
        };
        let shop = |shop: &ShopStatus| {
            let (alive, record) = match &shop.daemon {
                Daemon::Alive(record) => (true, record),
                Daemon::None(record) => (false, record),
            };
            json!({
                "shop": shop.name, "title": shop.title, "daemon_alive": alive, "daemon": record,
                "last_sweep": shop.last_sweep.as_ref().ok(), "ledger_error": shop.last_sweep.as_ref().err(),
                "orders_set_aside": shop.orders_set_aside,
            })
        };
        json!({
            "well": self.is_well(),
            "services": self.services.iter().map(service).collect::<Vec<_>>(),
            "shops": self.shops.iter().map(shop).collect::<Vec<_>>(),
            "more": self.more,
        })
    }
}

impl ShopStatus {
    fn text(&self, hidden: bool) -> String {
        let mut text = String::new();
        let mut line = |name: &str, value: &str| text.push_str(&format!("{name:<12}{value}\n"));
        let (alive, record) = match &self.daemon {
            Daemon::Alive(record) => (true, record),
            Daemon::None(record) => (false, record),
        };
        match (alive, record) {
            (true, Some(record)) => {
                line("daemon", &painted(record.standing, &record.says));
                line(
                    "",
                    &format!(
                        "since {}, process {} on {}, version {}",
                        seconds(record.started_at),
                        record.process_id,
                        record.host,
                        record.version
                    ),
                );
            }
            (true, None) => line("daemon", "alive; it has not said yet how it stands"),
            (false, Some(record)) if record.standing != Standing::Stopped => {
                line(
                    "daemon",
                    &caution(&format!(
                        "not running; the last one said at {}: {}",
                        seconds(record.written_at),
                        crate::table::visible(&record.says)
                    )),
                );
            }
            (false, Some(record)) => {
                line("daemon", &format!("not running; the last one was stopped at {}", seconds(record.written_at)))
            }
            (false, None) if hidden => {
                line("daemon", "the system's; only root sees how it stands: sudo unreserve service status")
            }
            (false, None) => line("daemon", "none on this machine"),
        }
        line("last sweep", &self.last_sweep_text());
        if self.orders_set_aside > 0 {
            line(
                "set aside",
                &caution(&format!(
                    "{}: `unreserve history` shows why",
                    plural(u64::try_from(self.orders_set_aside).unwrap_or(u64::MAX), "order")
                )),
            );
        }
        if let Some(at) = record.as_ref().filter(|_| alive).and_then(|record| record.next_look_at) {
            line("next look", &seconds(at));
        }
        if let Some(error) = record.as_ref().and_then(|record| record.last_error.as_ref()) {
            line("last error", &caution(&format!("{}: {}", seconds(error.at), crate::table::visible(&error.text))));
        }
        text
    }

    fn last_sweep_text(&self) -> String {
        match &self.last_sweep {
            Err(why) => caution(&format!("unknown: {}", crate::table::visible(why))),
            Ok(None) => "none yet".to_owned(),
            Ok(Some(sweep)) => {
                let ending = sweep
                    .ending
                    .clone()
                    .map_or_else(|| "interrupted or running".to_owned(), |ending| ending.replace('_', " "));
                let released = plural(sweep.reservations_released, "reservation");
                let took =
                    sweep.duration_ms.map_or_else(String::new, |millis| format!(" in {}", format_milliseconds(millis)));
                let error = sweep.error.as_ref().map_or_else(String::new, |error| format!("; {error}"));
                format!("{} {ending}: {released} released{took}{error} ({})", seconds(sweep.started_at), sweep.sweep_id)
            }
        }
    }
}

/// What a daemon says of itself, so that trouble is seen.
fn painted(standing: Standing, says: &str) -> String {
    let says = crate::table::visible(says);
    match standing {
        Standing::Opening | Standing::Waiting | Standing::Sweeping | Standing::Standby => good(&says),
        Standing::BackingOff | Standing::Halted | Standing::Stopped => caution(&says),
    }
}

/// An instant without its parts of a second.
fn seconds(at: Timestamp) -> String {
    at.round(jiff::Unit::Second).unwrap_or(at).to_string()
}

#[cfg(test)]
mod tests {
    use unreserve_engine::model::SweepId;

    use super::*;
    use crate::daemon::record::LastError;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn record(standing: Standing) -> Option<Box<Record>> {
        Some(Box::new(Record {
            shop: None,
            process_id: 4711,
            host: "shop1".to_owned(),
            version: "0.1.0".to_owned(),
            started_at: at("2026-11-22T10:00:00.5Z"),
            written_at: at("2026-11-22T12:00:00Z"),
            standing,
            says: "waits for the next expiry at 2026-11-22T12:01:00Z".to_owned(),
            next_look_at: Some(at("2026-11-22T12:01:00Z")),
            last_error: Some(LastError {
                at: at("2026-11-22T11:00:00Z"),
                text: "the database \u{1b}[2J is gone".to_owned(),
            }),
        }))
    }

    fn swept() -> Box<SweepRecord> {
        Box::new(SweepRecord {
            sweep_id: SweepId::new(),
            profile: "malikli".to_owned(),
            holder: "process 4711 on shop1".to_owned(),
            started_at: at("2026-11-22T11:59:00Z"),
            finished_at: Some(at("2026-11-22T11:59:01Z")),
            ending: Some("set_aside".to_owned()),
            duration_ms: Some(1_234),
            batches: 1,
            reservations_released: 12,
            units_released: 30,
            stock_rows_updated: 4,
            orders_cancelled: 3,
            drift_units: 0,
            orders_protected: std::collections::BTreeMap::new(),
            orders_set_aside: 1,
            oldest_overdue_seconds: 60,
            remaining_due: false,
            error: None,
        })
    }

    fn status(kind: Kind, daemon: Daemon, last_sweep: Result<Option<Box<SweepRecord>>, String>) -> Status {
        let installed = Installed {
            kind,
            scope: Scope::System,
            shop: None,
            place: "/etc/systemd/system/unreserve.service".to_owned(),
        };
        let title = "malikli at postgres://shop:***@db/shop".to_owned();
        Status {
            services: vec![Service { installed, state: "active (running) since Sun 2026-11-22".to_owned() }],
            shops: vec![ShopStatus { name: None, title, daemon, last_sweep, orders_set_aside: 1 }],
            more: vec!["systemctl status unreserve.service".to_owned(), "unreserve history".to_owned()],
            hidden: false,
        }
    }

    /// As a person sees it, without colours and with the sweep's id as a word.
    fn screen(status: &Status) -> String {
        let text = anstream::adapter::strip_str(&status.text()).to_string();
        match &status.shops[0].last_sweep {
            Ok(Some(sweep)) => text.replace(&sweep.sweep_id.to_string(), "SWEEP"),
            Ok(None) | Err(_) => text,
        }
    }

    #[test]
    fn one_screen_says_how_it_stands() {
        insta::assert_snapshot!(screen(&status(
            Kind::Systemd,
            Daemon::Alive(record(Standing::Waiting)),
            Ok(Some(swept()))
        )));
    }

    #[test]
    fn a_daemon_that_died_is_not_taken_for_one_that_lives() {
        let dead =
            status(Kind::Systemd, Daemon::None(record(Standing::Sweeping)), Err("cannot use the database".to_owned()));
        insta::assert_snapshot!(screen(&dead));
        assert!(!dead.is_well());
    }

    #[test]
    fn all_is_well_only_where_something_is_installed_and_its_daemon_lives() {
        let alive = || Daemon::Alive(None);
        assert!(status(Kind::Background, alive(), Ok(None)).is_well());
        assert!(!status(Kind::Background, Daemon::None(None), Ok(None)).is_well());
        // A schedule has no daemon.
        assert!(status(Kind::Cron, Daemon::None(None), Ok(None)).is_well());
        assert!(!Status { services: Vec::new(), ..status(Kind::Cron, alive(), Ok(None)) }.is_well());
        // Who may not look takes the manager's word.
        let hidden = Status { hidden: true, ..status(Kind::Systemd, Daemon::None(None), Ok(None)) };
        assert!(hidden.is_well() && screen(&hidden).contains("only root sees how it stands"));
    }
}

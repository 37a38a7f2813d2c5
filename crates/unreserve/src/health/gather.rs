//! Finds out what is judged: from the database, the profile, and the files of this machine's daemon.

use std::time::Duration;

use unreserve_engine::plan::{Plan, judge_clock};
use unreserve_engine::report::health::{
    DaemonSeen, DaemonStanding, Fact, HealthFacts, Look, Obstacle, Protection, Reached, judge_protection, vitals_query,
};
use unreserve_engine::shop::{InstallState, Shop, ShopError, ShopInfo, Vitals};
use unreserve_engine::sweep::Clock;

use crate::clock::ProcessClock;
use crate::daemon::INTERVAL;
use crate::daemon::record::{Record, Standing, path_beside};
use crate::failure::Failure;
use crate::lock::{self, Purpose};
use crate::opening;
use crate::profiles;
use crate::settings::Settings;

/// Everything that can be found out of one shop. What cannot is told as such: nothing here fails.
pub(super) async fn gather(settings: &Settings, alert_threshold: u64) -> HealthFacts {
    let mut facts = HealthFacts {
        alert_threshold,
        interval: settings.interval.as_ref().map_or(INTERVAL, |interval| interval.value),
        grace: settings.grace.as_ref().map_or(Duration::ZERO, |grace| grace.value),
        reached: Fact::Unasked,
        vitals: Fact::Unasked,
        plan: Fact::Unasked,
        look: Fact::Unasked,
        indexes: Fact::Unasked,
        protection: Fact::Unasked,
        daemon: Fact::Unasked,
    };
    let profile = match profiles::load(settings) {
        Ok(loaded) => Some(loaded.profile.name),
        Err(failure) => {
            facts.plan = Fact::Failed(obstacle(&failure));
            None
        }
    };
    facts.daemon = profile.as_deref().map_or(Fact::Unasked, |profile| daemon(settings, profile));
    let clock = ProcessClock::new();
    let connected = opening::connect(settings).await;
    let latency = clock.elapsed();
    match connected {
        Err(failure) => facts.reached = Fact::Failed(obstacle(&failure)),
        Ok(shop) => ask(&mut facts, settings, (shop, profile.as_deref()), latency).await,
    }
    facts
}

/// Asks a shop that is connected.
async fn ask(
    facts: &mut HealthFacts,
    settings: &Settings,
    (mut shop, profile): (Box<dyn Shop>, Option<&str>),
    latency: Duration,
) {
    let info = match shop.info().await {
        Ok(info) => info,
        Err(error) => {
            facts.reached = Fact::Failed(of_shop(&error));
            return;
        }
    };
    facts.reached = Fact::Known(Reached { info: info.clone(), latency });
    let Some(profile) = profile else { return };
    facts.vitals = vitals(shop.as_mut(), &info, profile).await;
    let plan = match fit(facts, settings, shop.as_mut(), &info).await {
        Ok(plan) => plan,
        Err(failure) => {
            facts.plan = Fact::Failed(obstacle(&failure));
            return;
        }
    };
    let count_limit = facts.alert_threshold.saturating_mul(10).saturating_add(1);
    match opening::check(shop, plan).await {
        Err(failure) => facts.plan = Fact::Failed(obstacle(&failure)),
        Ok(mut shop) => {
            facts.plan = Fact::Known(());
            facts.look = match shop.look(count_limit).await {
                Err(error) => Fact::Failed(of_shop(&error)),
                Ok((evidence, outlook)) => {
                    Fact::Known(Look { clock: judge_clock(&shop.plan().due, &evidence), outlook, count_limit })
                }
            };
        }
    }
}

async fn vitals(shop: &mut dyn Shop, info: &ShopInfo, profile: &str) -> Fact<Vitals> {
    if info.installed != InstallState::Current {
        return Fact::Unasked;
    }
    match shop.vitals(&vitals_query(profile)).await {
        Ok(vitals) => Fact::Known(vitals),
        Err(error) => Fact::Failed(of_shop(&error)),
    }
}

/// The plan, if the profile fits the schema; what the schema says beside that is told as well.
async fn fit(
    facts: &mut HealthFacts,
    settings: &Settings,
    shop: &mut dyn Shop,
    info: &ShopInfo,
) -> Result<Plan, Failure> {
    let resolved = opening::resolve(settings, shop).await?;
    facts.indexes = match crate::cli::setup::index_advice(settings, &resolved) {
        Ok(missing) => Fact::Known(missing),
        Err(failure) => Fact::Failed(obstacle(&failure)),
    };
    let protection: Protection = judge_protection(&resolved.plan, &resolved.schema, info.capability);
    facts.protection = Fact::Known(protection);
    Ok(resolved.plan)
}

/// What this machine's files say of its daemon. The record alone says nothing of whether it lives: its lock does.
pub(super) fn daemon(settings: &Settings, profile: &str) -> Fact<DaemonSeen> {
    let here = opening::place(settings).unwrap_or_default();
    let lock_file = settings.state_dir.value.join(lock::file_name(Purpose::Daemon, &here, profile));
    let place = path_beside(&lock_file);
    let record = match std::fs::read_to_string(&place) {
        Ok(text) => match serde_json::from_str::<Record>(&text) {
            Ok(record) => Some((standing(record.standing), says(&record))),
            Err(error) => {
                let says = format!("the daemon's record `{}` cannot be read: {error}", place.display());
                return Fact::Failed(Obstacle {
                    says,
                    remedy: Some("restart the daemon; it writes it anew".to_owned()),
                });
            }
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => {
            let says = format!("the daemon's record `{}` cannot be read: {error}", place.display());
            let remedy = Some("run `unreserve health` as the user that the daemon runs as".to_owned());
            return Fact::Failed(Obstacle { says, remedy });
        }
    };
    Fact::Known(DaemonSeen { lives: lock::is_held(&lock_file), record, place: place.display().to_string() })
}

fn standing(standing: Standing) -> DaemonStanding {
    match standing {
        Standing::Opening | Standing::Waiting | Standing::Sweeping | Standing::Standby => DaemonStanding::Well,
        Standing::BackingOff => DaemonStanding::BackingOff,
        Standing::Halted => DaemonStanding::Halted,
        Standing::Stopped => DaemonStanding::Stopped,
    }
}

/// What the daemon does, to be read behind "the daemon".
fn says(record: &Record) -> String {
    let word = record.standing.in_words();
    let says = if record.says.is_empty() { word } else { &record.says };
    if record.standing == Standing::Halted { format!("is {says}") } else { says.to_owned() }
}

fn obstacle(failure: &Failure) -> Obstacle {
    let remedy = (!failure.hints.is_empty()).then(|| failure.hints.join("; "));
    Obstacle { says: failure.in_one_line(), remedy }
}

fn of_shop(error: &ShopError) -> Obstacle {
    Obstacle { says: error.to_string(), remedy: error.hint.clone() }
}

//! The shops of one daemon: each watched on its own, all started, reloaded and ended together.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tracing::Instrument;
use unreserve_engine::sweep::{Clock, Stop};
use unreserve_engine::watch::{Ended, Watching, watch};

use super::bell::Bell;
use super::post::{Shared, ShopPost};
use super::pulse::Pulse;
use super::record::Standing;
use crate::alerts::{self, Beside, Ears, Looks};
use crate::clock::{self, ProcessClock};
use crate::hub::{Hub, Line};
use crate::logging;
use crate::settings::Settings;

/// A sweep comes at least so often where nobody says anything.
pub(crate) const INTERVAL: Duration = Duration::from_secs(300);

/// How often a sweep of this shop is to come.
pub(crate) fn sweeps_every(settings: &Settings) -> Duration {
    settings.interval.as_ref().map_or(INTERVAL, |interval| interval.value)
}

/// At most so many shops that are files are open at once.
const FILES: usize = 16;

/// A shop of which nothing was heard for so long, beyond its rest, hangs.
const SILENT: Duration = Duration::from_secs(45);

/// A shop's place among the others: its name; empty where it has none.
type Name = String;

/// One shop that is watched.
struct Member {
    stop: Stop,
    bell: Bell,
    pulse: Pulse,
    line: Line,
    settings: Settings,
    /// The settings it goes on with when it has ended; nothing where it is to end.
    next: Option<Settings>,
    /// Whether its watch is under way.
    runs: bool,
    /// Who tells of it, also where its watch has come to an end.
    beside: Beside,
}

/// How a member's watch ended, and whose it was.
type End = (Name, Ended);

/// All of them.
pub(super) struct Crew {
    clock: ProcessClock,
    hub: Hub,
    ears: Ears,
    looks: Looks,
    started_at: jiff::Timestamp,
    files: Arc<Semaphore>,
    members: BTreeMap<Name, Member>,
    tasks: JoinSet<End>,
    /// Whether the daemon is to end.
    ending: bool,
    /// How the last one that cannot go on has ended.
    last_end: Option<Ended>,
}

impl Crew {
    /// Nobody yet.
    pub(super) fn new(clock: ProcessClock, hub: Hub, ears: Ears) -> Self {
        Self {
            clock,
            hub,
            ears,
            looks: Looks::default(),
            started_at: clock::utc_now(),
            files: Arc::new(Semaphore::new(FILES)),
            members: BTreeMap::new(),
            tasks: JoinSet::new(),
            ending: false,
            last_end: None,
        }
    }

    /// Begins with these shops. The only one has to fit: whoever starts a daemon must see that mistake there and then.
    pub(super) fn start(&mut self, shops: Vec<Settings>) {
        let must_fit = shops.len() == 1;
        for settings in shops {
            self.begin(settings.shop.clone().unwrap_or_default(), settings, must_fit);
        }
    }

    /// Watches these shops from now on: those that are watched already go on with these settings after the batch they
    /// are in, and those that are not among these end. What does not fit is halted and told, and ends nothing.
    pub(super) fn set(&mut self, shops: Vec<Settings>) {
        let mut wanted: BTreeMap<Name, Settings> =
            shops.into_iter().map(|shop| (shop.shop.clone().unwrap_or_default(), shop)).collect();
        self.members.retain(|name, member| {
            let stays = member.runs || wanted.contains_key(name);
            if !stays {
                member.line.leave();
            }
            stays
        });
        for (name, member) in &mut self.members {
            member.next = wanted.remove(name);
            member.stop.ask();
            member.bell.look();
        }
        let resting: Vec<Name> =
            self.members.iter().filter(|(_, member)| !member.runs).map(|(name, _)| name.clone()).collect();
        for name in resting {
            if let Some(settings) = self.members.get_mut(&name).and_then(|member| member.next.take()) {
                self.begin(name, settings, false);
            }
        }
        for (name, settings) in wanted {
            self.begin(name, settings, false);
        }
    }

    fn begin(&mut self, name: Name, settings: Settings, must_fit: bool) {
        self.last_end = None;
        let interval = sweeps_every(&settings);
        let line = self.hub.join(settings.shop.as_deref(), interval);
        let shared = Shared {
            clock: self.clock,
            stop: Stop::default(),
            bell: Bell::default(),
            pulse: Pulse::new(self.clock.elapsed()),
            line: line.clone(),
            files: Arc::clone(&self.files),
        };
        let watching = Watching { interval, must_fit, stop: shared.stop.clone() };
        // Who told of it before ends before another begins.
        drop(self.members.remove(&name));
        let beside = alerts::attend(&settings, (&self.hub, &line), &self.ears, &self.looks);
        let member = Member {
            stop: shared.stop.clone(),
            bell: shared.bell.clone(),
            pulse: shared.pulse.clone(),
            line,
            settings: settings.clone(),
            next: None,
            runs: true,
            beside,
        };
        let span = settings.shop.as_deref().map_or_else(tracing::Span::none, logging::shop_span);
        let (clock, started_at) = (self.clock, self.started_at);
        let mut post = ShopPost::new(settings, shared, started_at, interval);
        let whose = name.clone();
        let work = async move {
            let ended = watch(&mut post, &clock, &watching).await;
            (whose, ended)
        };
        self.tasks.spawn_local(work.instrument(span));
        self.members.insert(name, member);
    }

    /// Waits until a watch ends, and begins it anew where it has to go on. Never ends where none is under way.
    pub(super) async fn next_end(&mut self) {
        let Some(joined) = self.tasks.join_next().await else {
            return std::future::pending().await;
        };
        let (name, ended) = match joined {
            Ok(end) => end,
            // A fault of ours ends the daemon, as it does where panics abort: whoever has started it begins it anew.
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => return,
            },
        };
        let Some(member) = self.members.get_mut(&name) else { return };
        member.runs = false;
        match (member.next.take(), ended) {
            _ if self.ending => {}
            (Some(settings), _) => self.begin(name, settings, false),
            (None, Ended::Stopped) => {
                if let Some(member) = self.members.remove(&name) {
                    member.line.leave();
                }
            }
            (None, ended) => self.last_end = Some(ended),
        }
    }

    /// Asks everybody to end after the batch they are in.
    pub(super) fn stop(&mut self) {
        self.ending = true;
        for member in self.members.values() {
            member.stop.ask();
            member.bell.look();
        }
    }

    /// From now on nobody tells of any shop.
    pub(super) fn hush(&mut self) {
        self.members.values_mut().for_each(|member| drop(std::mem::take(&mut member.beside)));
    }

    /// Asks everybody for a sweep now; who cannot go on begins anew.
    pub(super) fn sweep(&mut self) {
        let halted: Vec<(Name, Settings)> = self
            .members
            .iter()
            .filter(|(_, member)| !member.runs)
            .map(|(name, member)| (name.clone(), member.settings.clone()))
            .collect();
        for (name, settings) in halted {
            self.begin(name, settings, false);
        }
        self.members.values().for_each(|member| member.bell.sweep());
    }

    /// The settings of everybody.
    pub(super) fn settings(&self) -> impl Iterator<Item = &Settings> {
        self.members.values().map(|member| &member.settings)
    }

    /// Whether nobody is watched any more.
    pub(super) fn is_idle(&self) -> bool {
        self.tasks.is_empty()
    }

    /// How the last one that cannot go on has ended; nothing where there is none.
    pub(super) fn last_end(&self) -> Option<&Ended> {
        self.last_end.as_ref()
    }

    /// Whether every shop's watch reached its database not long ago, or rests for a bounded time.
    pub(super) fn is_alive(&self) -> bool {
        let now = self.clock.elapsed();
        let heard = |until: Option<Duration>| until.is_none_or(|until| now < until.saturating_add(SILENT));
        self.members.values().filter(|member| member.runs).all(|member| heard(member.pulse.until()))
    }

    /// Whether everybody has come to a first look.
    pub(super) fn is_ready(&self) -> bool {
        self.members
            .values()
            .all(|member| !matches!(member.pulse.get().standing, Standing::Opening | Standing::Sweeping))
    }

    /// How everybody stands, in one line.
    pub(super) fn says(&self) -> String {
        let mut beats = self.members.values().map(|member| member.pulse.get());
        if self.members.len() == 1 {
            return beats.next().map_or_else(String::new, |beat| beat.says);
        }
        let mut counts: BTreeMap<&'static str, usize> = BTreeMap::new();
        for beat in beats {
            let count = counts.entry(beat.standing.in_words()).or_default();
            *count = count.saturating_add(1);
        }
        let counts: Vec<String> = counts.into_iter().map(|(word, count)| format!("{count} {word}")).collect();
        format!("{} shops: {}", self.members.len(), counts.join(", "))
    }
}

//! A shop, a process and a clock that follow a script; everything is in milliseconds since the beginning.

use std::future::{Future, ready};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use unreserve_engine::ledger::{
    BatchRecord, EntriesPage, EntriesQuery, EntryRecord, HistoryQuery, Lately, LatelyQuery, SetAside, SetAsideRecord,
    SweepEnd, SweepRecord, SweepStart, SweepsPage, SweepsQuery, Tally, TallyQuery,
};
use unreserve_engine::model::{BatchId, Holder, SweepId};
use unreserve_engine::plan::{ClockEvidence, Plan};
use unreserve_engine::shop::{
    Acquired, Answer, Batch, BatchStart, Capability, CheckedShop, Explanation, Figures, FiguresQuery, Held,
    InstallState, Ledger, Leftovers, LockTest, Outlook, Selection, ShopError, ShopErrorKind, ShopInfo, StockHoldings,
    Surveyed, Vitals, VitalsQuery,
};
use unreserve_engine::sweep::{Clock, Stop, SweepError};
use unreserve_engine::watch::{Ended, Nudge, Opened, Post, Standing, Swept, Trouble, Watching, watch};

/// So many seconds in milliseconds.
pub(crate) const fn secs(secs: u64) -> u64 {
    secs * 1_000
}

/// One reservation.
#[derive(Debug, Clone)]
struct Reserved {
    made_at: u64,
    expires_at: u64,
    locked_until: u64,
    ended: bool,
}

/// What is to happen.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    ends_at: u64,
    /// Whether the watch is to end where the shop does not fit from the beginning.
    pub(crate) must_fit: bool,
    /// When another is on duty.
    pub(crate) held: Vec<(u64, u64)>,
    /// When somebody calls.
    pub(crate) nudges: Vec<(u64, Nudge)>,
    /// Whether it is a file that one machine has.
    pub(crate) is_file: bool,
    /// Until when more is due than a sweep may touch.
    pub(crate) too_many_until: u64,
    reserved: Vec<Reserved>,
    /// When the first reservation is paid.
    paid_at: Option<u64>,
    troubles: Vec<(u64, u64, ShopErrorKind)>,
}

/// What was seen.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    /// How it ended.
    pub(crate) ended: Ended,
    /// When something expired, and when it was released.
    pub(crate) released: Vec<(u64, u64)>,
    /// When sweeps began.
    pub(crate) sweeps: Vec<u64>,
    /// When it asked what lies ahead.
    pub(crate) asked: Vec<u64>,
    /// When it was heard of on duty.
    pub(crate) duty: Vec<u64>,
    /// Who left the duty.
    pub(crate) left_duty: Vec<String>,
    /// How long it wanted to rest.
    pub(crate) rests: Vec<u64>,
    /// What it told, and when.
    pub(crate) told: Vec<(u64, Standing)>,
    /// When it opened the shop.
    pub(crate) opened: Vec<u64>,
    /// How often it gave its connection back.
    pub(crate) disconnects: u64,
    rests_told: Vec<(Standing, u64)>,
}

impl Kept {
    /// The rests that followed when it had told such a thing.
    pub(crate) fn rests_after(&self, told: impl Fn(&Standing) -> bool) -> Vec<u64> {
        self.rests_told.iter().filter(|(standing, _)| told(standing)).map(|(_, rest)| *rest).collect()
    }
}

impl Script {
    /// Nothing happens, until it is asked to end.
    pub(crate) fn until(ends_at: u64) -> Self {
        Self {
            ends_at,
            must_fit: false,
            held: Vec::new(),
            nudges: Vec::new(),
            is_file: false,
            too_many_until: 0,
            reserved: Vec::new(),
            paid_at: None,
            troubles: Vec::new(),
        }
    }

    /// Something is reserved; the shop keeps it locked for a while.
    pub(crate) fn reserve(&mut self, made_at: u64, expires_at: u64, locked_until: u64) {
        self.reserved.push(Reserved { made_at, expires_at, locked_until, ended: false });
    }

    /// The first reservation is paid.
    pub(crate) fn paid_at(&mut self, at: u64) {
        self.paid_at = Some(at);
    }

    /// Every call fails for a while.
    pub(crate) fn trouble(&mut self, from: u64, until: u64, kind: ShopErrorKind) {
        self.troubles.push((from, until, kind));
    }

    /// Plays it.
    pub(crate) fn watch(self) -> Kept {
        let kept = Kept {
            ended: Ended::Stopped,
            released: Vec::new(),
            sweeps: Vec::new(),
            asked: Vec::new(),
            duty: Vec::new(),
            left_duty: Vec::new(),
            rests: Vec::new(),
            told: Vec::new(),
            opened: Vec::new(),
            disconnects: 0,
            rests_told: Vec::new(),
        };
        let (must_fit, stop) = (self.must_fit, Stop::default());
        let stage = Stage(Arc::new(Mutex::new(State { now: 0, asked_at: 0, script: self, kept, stop: stop.clone() })));
        let watching = Watching { interval: Duration::from_secs(300), must_fit, stop };
        let me =
            Holder { token: "ours".to_owned(), host: "here".to_owned(), process_id: 1, lock_file: "/lock".to_owned() };
        let mut process = Process { stage: stage.clone(), me };
        let work = pin!(watch(&mut process, &stage, &watching));
        // Everything answers at once: nothing is ever waited for.
        let Poll::Ready(ended) = work.poll(&mut Context::from_waker(Waker::noop())) else {
            panic!("the watch waits for something that is not in the script")
        };
        let kept = stage.state().kept.clone();
        Kept { ended, ..kept }
    }
}

#[derive(Debug)]
struct State {
    now: u64,
    /// When it was asked last what lies ahead.
    asked_at: u64,
    script: Script,
    kept: Kept,
    stop: Stop,
}

#[derive(Debug, Clone)]
struct Stage(Arc<Mutex<State>>);

impl Stage {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

impl State {
    fn trouble(&self) -> Result<(), ShopError> {
        let now = self.now;
        match self.script.troubles.iter().find(|(from, until, _)| (*from..*until).contains(&now)) {
            Some((.., kind)) => Err(ShopError::new(*kind, "so the script says")),
            None => Ok(()),
        }
    }

    fn pass(&mut self, millis: u64) {
        self.now += millis;
        if self.script.paid_at.is_some_and(|at| at <= self.now) {
            self.script.paid_at = None;
            self.script.reserved[0].ended = true;
        }
        if self.now >= self.script.ends_at {
            self.stop.ask();
        }
    }

    /// What is reserved by now.
    fn holding(&self) -> impl Iterator<Item = &Reserved> {
        self.script.reserved.iter().filter(|one| one.made_at <= self.now && !one.ended)
    }

    fn due(&self) -> u64 {
        u64::try_from(self.holding().filter(|one| one.expires_at <= self.now).count()).unwrap()
    }

    fn outlook(&mut self, limit: u64) -> Result<Outlook, ShopError> {
        self.trouble()?;
        self.kept.asked.push(self.now);
        self.asked_at = self.now;
        let at = |millis: u64| {
            // The database's clock stands elsewhere than the process's.
            let offset = SignedDuration::from_millis(i64::try_from(millis).unwrap());
            Timestamp::from_second(1_780_000_000).unwrap() + offset
        };
        let next = self.holding().map(|one| one.expires_at).filter(|expires_at| *expires_at > self.now).min();
        Ok(Outlook {
            now: at(self.now),
            due_orders: self.due().min(limit),
            oldest_overdue_micros: 0,
            next_expiry: next.map(at),
        })
    }

    fn take_duty(&mut self) -> Result<Acquired, ShopError> {
        self.trouble()?;
        let now = self.now;
        if self.script.held.iter().any(|(from, until)| (*from..*until).contains(&now)) {
            let holder = Holder {
                token: "theirs".to_owned(),
                host: "another".to_owned(),
                process_id: 2,
                lock_file: "/there".to_owned(),
            };
            return Ok(Acquired::HeldBy { holder, heard_seconds_ago: 0 });
        }
        self.kept.duty.push(now);
        Ok(Acquired::Yes)
    }

    fn sweep(&mut self) -> Result<Swept, Trouble> {
        self.trouble().map_err(|error| Trouble::from(&error))?;
        let now = self.now;
        self.kept.sweeps.push(now);
        if now < self.script.too_many_until {
            return Err(Trouble::from(&SweepError::TooMany { due: 9, max: 5 }));
        }
        for one in &mut self.script.reserved {
            if one.made_at <= now && !one.ended && one.expires_at <= now && one.locked_until <= now {
                one.ended = true;
                self.kept.released.push((one.expires_at, now));
            }
        }
        Ok(Swept { remaining_due: self.due() > 0 })
    }
}

impl Clock for Stage {
    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.state().now)
    }

    fn sleep<'a>(&'a self, _: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        panic!("a watch rests, and does not sleep")
    }

    fn jitter(&self) -> u64 {
        0
    }
}

struct Process {
    stage: Stage,
    me: Holder,
}

impl Post<'static> for Process {
    fn me(&self) -> &Holder {
        &self.me
    }

    fn open<'a>(&'a mut self) -> Opened<'a, 'static>
    where
        'static: 'a,
    {
        let mut state = self.stage.state();
        let now = state.now;
        state.kept.opened.push(now);
        let opened = state.trouble().map_err(|error| Trouble::from(&error)).map(|()| {
            let capability =
                Capability { row_locks: true, single_writer: state.script.is_file, many_hosts: !state.script.is_file };
            let info = ShopInfo {
                product: "a script".to_owned(),
                too_old: None,
                read_only: None,
                installed: InstallState::Current,
                capability,
            };
            Box::new(Shop { stage: self.stage.clone(), info }) as Box<dyn CheckedShop>
        });
        Box::pin(ready(opened))
    }

    fn sweep<'a>(
        &'a mut self,
        _: &'a mut (dyn CheckedShop + 'static),
    ) -> Pin<Box<dyn Future<Output = Result<Swept, Trouble>> + 'a>>
    where
        'static: 'a,
    {
        Box::pin(ready(self.stage.state().sweep()))
    }

    fn rest(&mut self, rest: Duration) -> Pin<Box<dyn Future<Output = Nudge> + '_>> {
        let mut state = self.stage.state();
        let millis = u64::try_from(rest.as_millis()).unwrap();
        assert!(millis > 0, "a watch that does not rest is a busy loop");
        state.kept.rests.push(millis);
        if let Some((_, standing)) = state.kept.told.last().cloned() {
            state.kept.rests_told.push((standing, millis));
        }
        let now = state.now;
        let nudge = state.script.nudges.iter().position(|(at, _)| (now..now + millis).contains(at));
        let (millis, nudge) = match nudge {
            Some(place) => {
                let (at, nudge) = state.script.nudges.remove(place);
                (at - now, nudge)
            }
            None => (millis, Nudge::None),
        };
        // A rest is broken off when it is asked to end.
        let left = state.script.ends_at - now;
        state.pass(millis.min(left));
        Box::pin(ready(nudge))
    }

    fn tell(&mut self, standing: &Standing) {
        let mut state = self.stage.state();
        let now = state.now;
        state.kept.told.push((now, standing.clone()));
    }
}

struct Shop {
    stage: Stage,
    info: ShopInfo,
}

/// What a watch never asks for by itself.
fn never<T>(what: &str) -> T {
    panic!("a watch asks for `{what}`")
}

impl Ledger for Shop {
    fn history<'a>(&'a mut self, _: &'a HistoryQuery) -> Answer<'a, Vec<SweepRecord>> {
        never("history")
    }

    fn entries(&mut self, _: SweepId, _: u32) -> Answer<'_, Vec<EntryRecord>> {
        never("entries")
    }

    fn orders_set_aside(&mut self, _: u32) -> Answer<'_, Vec<SetAsideRecord>> {
        never("orders_set_aside")
    }

    fn tally<'a>(&'a mut self, _: &'a TallyQuery) -> Answer<'a, Tally> {
        never("tally")
    }

    fn vitals<'a>(&'a mut self, _: &'a VitalsQuery) -> Answer<'a, Vitals> {
        never("vitals")
    }

    fn sweeps_page<'a>(&'a mut self, _: &'a SweepsQuery) -> Answer<'a, SweepsPage> {
        never("sweeps_page")
    }

    fn entries_page<'a>(&'a mut self, _: &'a EntriesQuery) -> Answer<'a, EntriesPage> {
        never("entries_page")
    }

    fn lately<'a>(&'a mut self, _: &'a LatelyQuery) -> Answer<'a, Lately> {
        never("lately")
    }
}

impl CheckedShop for Shop {
    fn plan(&self) -> &Plan {
        never("plan")
    }

    fn info(&self) -> &ShopInfo {
        &self.info
    }

    fn look(&mut self, _: u64) -> Answer<'_, (ClockEvidence, Outlook)> {
        never("look")
    }

    fn outlook(&mut self, count_limit: u64) -> Answer<'_, Outlook> {
        Box::pin(ready(self.stage.state().outlook(count_limit)))
    }

    fn leftovers(&mut self, _: u64) -> Answer<'_, Leftovers> {
        never("leftovers")
    }

    fn held(&mut self, _: u32) -> Answer<'_, Held> {
        never("held")
    }

    fn stock_holdings(&mut self, _: u32) -> Answer<'_, StockHoldings> {
        never("stock_holdings")
    }

    fn survey<'a>(&'a mut self, _: &'a Selection) -> Answer<'a, Surveyed> {
        never("survey")
    }

    fn explain<'a>(&'a mut self, _: &'a str, _: LockTest) -> Answer<'a, Option<Explanation>> {
        never("explain")
    }

    fn figures<'a>(&'a mut self, _: &'a FiguresQuery) -> Answer<'a, Figures> {
        never("figures")
    }

    fn acquire<'a>(&'a mut self, _: &'a Holder, _: &'a SweepStart) -> Answer<'a, Acquired> {
        never("acquire")
    }

    fn begin<'a>(&'a mut self, _: BatchStart<'a>) -> Answer<'a, Box<dyn Batch + 'a>> {
        never("begin")
    }

    fn find_batch(&mut self, _: BatchId) -> Answer<'_, Option<BatchRecord>> {
        never("find_batch")
    }

    fn set_aside<'a>(&'a mut self, _: &'a str, _: &'a SetAside) -> Answer<'a, ()> {
        never("set_aside")
    }

    fn close<'a>(&'a mut self, _: &'a str, _: &'a SweepEnd) -> Answer<'a, ()> {
        never("close")
    }

    fn take_duty<'a>(&'a mut self, _: &'a Holder) -> Answer<'a, Acquired> {
        Box::pin(ready(self.stage.state().take_duty()))
    }

    fn leave_duty<'a>(&'a mut self, token: &'a str) -> Answer<'a, ()> {
        self.stage.state().kept.left_duty.push(token.to_owned());
        Box::pin(ready(Ok(())))
    }

    fn is_unchanged(&mut self) -> bool {
        let state = self.stage.state();
        let written = |one: &Reserved| one.made_at > state.asked_at && one.made_at <= state.now;
        state.script.is_file && !state.script.reserved.iter().any(written)
    }

    fn disconnect(&mut self) {
        self.stage.state().kept.disconnects += 1;
    }
}

//! SQLite: the shop is a file, and this process opens it like the shop's own programs do.

mod batch;
mod changes;
mod check;
mod connect;
pub mod demo;
pub mod demo_live;
mod demo_past;
pub mod demo_window;
mod errors;
mod explain;
mod figures;
mod fragments;
mod grants;
mod health;
mod holding;
mod introspect;
mod ledger;
mod pages;
mod render;
mod tally;
mod values;

use std::collections::hash_map::RandomState;
use std::collections::{BTreeSet, HashSet};
use std::hash::BuildHasher;
use std::path::PathBuf;

use batch::Unreadable;
use changes::Looks;
pub(crate) use connect::place;
use connect::{Address, Link};
pub(crate) use grants::{grants, index_statement};
use render::Statements;
use unreserve_engine::ledger::{
    BatchRecord, EntriesPage, EntriesQuery, EntryRecord, HistoryQuery, Lately, LatelyQuery, SetAside, SetAsideRecord,
    SweepEnd, SweepRecord, SweepStart, SweepsPage, SweepsQuery, Tally, TallyQuery,
};
use unreserve_engine::model::{BatchId, Holder, Key, LockedPage, StockRef, SweepId};
use unreserve_engine::plan::{ClockEvidence, Plan, Schema, SchemaRequest};
use unreserve_engine::shop::{
    Acquired, Answer, Batch, BatchStart, Capability, CheckedShop, Explanation, Figures, FiguresQuery, GuardedOrder,
    Held, InstallState, Ledger, Leftovers, LockTest, Outlook, Selection, Shop, ShopError, ShopErrorKind, ShopInfo,
    StockHoldings, Surveyed, Vitals, VitalsQuery, read_for,
};
use values::{Parameters, instant, only_row, read, read_count, read_instant};

use crate::Options;
use crate::rows;
use crate::write::quoted;

/// So many due orders are counted by one statement at most.
const COUNTED_AT_ONCE: u64 = 20_000;

/// So many reservations of the line are read by one statement to count more.
const PAGE: u32 = 5_000;

/// Opens the file.
pub(crate) fn open(url: String, options: Options) -> Answer<'static, Box<dyn Shop>> {
    Box::pin(async move {
        let mut link = Link::new(Address::parse(&url)?, options);
        let info = info(&mut link).await?;
        Ok(Box::new(SqliteShop { link, info }) as Box<dyn Shop>)
    })
}

/// The file that an address names.
pub(crate) fn file_of(url: &str) -> Option<PathBuf> {
    Address::parse(url).ok().map(|address| address.path)
}

struct SqliteShop {
    link: Link,
    info: ShopInfo,
}

struct CheckedSqliteShop {
    link: Link,
    info: ShopInfo,
    plan: Plan,
    statements: Statements,
    /// How the file looked before the outlook was read last; nothing where that cannot be relied on.
    looked: Option<Looks>,
}

async fn info(link: &mut Link) -> Result<ShopInfo, ShopError> {
    const SQL: &str = "/* unreserve info */ SELECT sqlite_version(), count(*) FROM sqlite_schema";
    let path = link.address().path.display().to_string();
    let rows =
        link.rows("info", SQL, Parameters::new().plain()?).await.map_err(|error| match error.code.as_deref() {
            Some("26") => ShopError { message: format!("`{path}` is not an SQLite database"), ..error },
            _ => error,
        })?;
    let version: String = read(&only_row(rows, "info")?, 0, "info")?;
    let installed = ledger::state(link).await?;
    let read_only = read_only(link).await?;
    let capability = Capability { row_locks: false, single_writer: true, many_hosts: false };
    Ok(ShopInfo { product: format!("SQLite {version}"), too_old: None, read_only, installed, capability })
}

/// Why the file takes no writes, if it does not: asked of the file itself, with a statement that changes no row. The
/// mode bits alone would lie to a superuser and on a read-only mount.
async fn read_only(link: &mut Link) -> Result<Option<String>, ShopError> {
    const TABLE: &str = "/* unreserve any_table */ SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage > 0 \
        AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name LIKE 'unreserve\\_%' ESCAPE '\\' DESC LIMIT 1";
    let address = link.address().clone();
    if address.read_only {
        return Ok(Some("its address says `mode=ro`".to_owned()));
    }
    let path = address.path.display();
    let parent = address
        .path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or_else(|| std::path::Path::new("."));
    let closed = std::fs::metadata(parent).is_ok_and(|parent| parent.permissions().readonly());
    if closed {
        return Ok(Some(format!("the directory of `{path}` is not writable, where the journal has to stand")));
    }
    let rows = link.rows("any_table", TABLE, Parameters::new().plain()?).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let table: String = read(row, 0, "any_table")?;
    let probe = format!("/* unreserve can_write */ DELETE FROM {} WHERE FALSE", quoted(&table));
    match link.execute("can_write", &probe, Parameters::new().plain()?).await {
        Err(error) if error.kind == ShopErrorKind::ReadOnly => Ok(Some(format!("`{path}` is not writable"))),
        // Whoever writes right now shows that it can be written; whatever else is wrong will show at the first write.
        Ok(_) | Err(_) => Ok(None),
    }
}

macro_rules! reads_the_ledger {
    ($shop:ty, $profile:expr) => {
        impl Ledger for $shop {
            fn history<'a>(&'a mut self, query: &'a HistoryQuery) -> Answer<'a, Vec<SweepRecord>> {
                Box::pin(ledger::history(&mut self.link, query))
            }

            fn entries(&mut self, sweep_id: SweepId, limit: u32) -> Answer<'_, Vec<EntryRecord>> {
                Box::pin(ledger::entries(&mut self.link, sweep_id, limit))
            }

            fn tally<'a>(&'a mut self, query: &'a TallyQuery) -> Answer<'a, Tally> {
                Box::pin(tally::tally(&mut self.link, query))
            }

            fn vitals<'a>(&'a mut self, query: &'a VitalsQuery) -> Answer<'a, Vitals> {
                Box::pin(health::vitals(&mut self.link, query))
            }

            fn sweeps_page<'a>(&'a mut self, query: &'a SweepsQuery) -> Answer<'a, SweepsPage> {
                Box::pin(pages::sweeps_page(&mut self.link, query))
            }

            fn entries_page<'a>(&'a mut self, query: &'a EntriesQuery) -> Answer<'a, EntriesPage> {
                Box::pin(pages::entries_page(&mut self.link, query))
            }

            fn lately<'a>(&'a mut self, query: &'a LatelyQuery) -> Answer<'a, Lately> {
                Box::pin(pages::lately(&mut self.link, query))
            }

            fn orders_set_aside(&mut self, limit: u32) -> Answer<'_, Vec<SetAsideRecord>> {
                let profile: fn(&Self) -> Option<String> = $profile;
                let profile = profile(self);
                Box::pin(async move { ledger::orders_set_aside(&mut self.link, profile.as_deref(), None, limit).await })
            }
        }
    };
}

reads_the_ledger!(SqliteShop, |_| None);
reads_the_ledger!(CheckedSqliteShop, |shop| Some(shop.plan.profile.clone()));

impl Shop for SqliteShop {
    fn info(&mut self) -> Answer<'_, ShopInfo> {
        let info = self.info.clone();
        Box::pin(async move { Ok(info) })
    }

    fn schema<'a>(&'a mut self, request: &'a SchemaRequest) -> Answer<'a, Schema> {
        Box::pin(introspect::schema(&mut self.link, request))
    }

    fn install_script(&self) -> String {
        format!("BEGIN IMMEDIATE;\n\n{}\nCOMMIT;\n", ledger::INSTALL)
    }

    fn install(&mut self) -> Answer<'_, InstallState> {
        Box::pin(async move {
            self.info.installed = ledger::install(&mut self.link).await?;
            Ok(self.info.installed)
        })
    }

    fn check(mut self: Box<Self>, plan: Plan) -> Answer<'static, Box<dyn CheckedShop>> {
        Box::pin(async move {
            let statements = render::render(&plan, self.info.installed == InstallState::Current);
            check::check(&mut self.link, &plan, &statements).await?;
            let Self { link, info } = *self;
            Ok(Box::new(CheckedSqliteShop { link, info, plan, statements, looked: None }) as Box<dyn CheckedShop>)
        })
    }
}

impl CheckedSqliteShop {
    async fn read_clock(&mut self) -> Result<ClockEvidence, ShopError> {
        let now_ms = ledger::now(&mut self.link).await?;
        let now = to_instant(now_ms)?;
        let statement = &self.statements.clock_evidence;
        let parameters = Parameters::new().with(now_ms).finish(statement)?;
        let rows = self.link.rows(statement.name, &statement.sql, parameters).await?;
        let row = only_row(rows, statement.name)?;
        Ok(ClockEvidence {
            now,
            newest_creation: read_instant(&row, 0, statement.name)?,
            recent: read_count(&row, 1, statement.name)?,
            ahead: read_count(&row, 2, statement.name)?,
            backwards: read_count(&row, 3, statement.name)?,
            unreadable: read_count(&row, 4, statement.name)?,
            looked_at: read_count(&row, 5, statement.name)?,
        })
    }

    async fn read_outlook(&mut self, count_limit: u64) -> Result<Outlook, ShopError> {
        let now_ms = ledger::now(&mut self.link).await?;
        let statement = &self.statements.outlook;
        let at_once = count_limit.min(COUNTED_AT_ONCE);
        let parameters = Parameters::new().with(now_ms).with(values::signed(at_once)).finish(statement)?;
        let row = only_row(self.link.rows(statement.name, &statement.sql, parameters).await?, statement.name)?;
        let oldest_ms: Option<i64> = read(&row, 1, statement.name)?;
        let overdue_ms = oldest_ms.map_or(0, |oldest| now_ms.saturating_sub(oldest));
        Ok(Outlook {
            now: to_instant(now_ms)?,
            due_orders: read_count(&row, 0, statement.name)?,
            oldest_overdue_micros: overdue_ms.max(0).saturating_mul(1_000),
            next_expiry: read_instant(&row, 2, statement.name)?,
        })
    }

    /// The rest of the count, where one statement was not enough for it: page after page of the line, each a look of its own,
    /// since whoever reads for long may keep the shop from committing. Outside a transaction.
    async fn count_on(&mut self, outlook: Outlook, count_limit: u64) -> Result<Outlook, ShopError> {
        if outlook.due_orders < COUNTED_AT_ONCE || count_limit <= COUNTED_AT_ONCE {
            return Ok(outlook);
        }
        let now_ms = outlook.now.as_millisecond();
        // Of very many keys only what tells them apart is kept.
        let (numbers, mut seen) = (RandomState::new(), HashSet::new());
        let mut selection = Selection { limit: PAGE, ..Selection::default() };
        loop {
            let found =
                batch::candidates(&mut self.link, &self.plan, &self.statements.survey, now_ms, &selection).await?;
            let page = LockedPage::of(found, PAGE);
            seen.extend(page.orders.iter().map(|order| numbers.hash_one(&order.key)));
            let due_orders = u64::try_from(seen.len()).unwrap_or(u64::MAX).min(count_limit);
            selection.after = page.next;
            if selection.after.is_none() || due_orders >= count_limit {
                return Ok(Outlook { due_orders, ..outlook });
            }
        }
    }

    /// How many rows there were, and each order of them once.
    async fn read_guarded(&mut self, now_ms: i64, limit: u64) -> Result<(usize, Vec<GuardedOrder>), ShopError> {
        let Some(statement) = &self.statements.guarded else { return Ok((0, Vec::new())) };
        let parameters =
            Parameters::new().with(now_ms).with(values::signed(limit)).with(values::signed(read_for(limit)));
        let rows = self.link.rows(statement.name, &statement.sql, parameters.finish(statement)?).await?;
        Ok((rows.len(), rows::guarded(&self.plan, &rows)?))
    }

    async fn read_leftovers(&mut self, count_limit: u64) -> Result<Leftovers, ShopError> {
        let now_ms = ledger::now(&mut self.link).await?;
        let outlook = self.read_outlook(count_limit).await?;
        let guarded = self.read_guarded(now_ms, count_limit).await?;
        let statement = &self.statements.unseen;
        let parameters = Parameters::new().with(now_ms).with(values::signed(read_for(count_limit)));
        let rows = self.link.rows(statement.name, &statement.sql, parameters.finish(statement)?).await?;
        let unseen = only_row(rows, statement.name)?;
        let (without_order, read) = (read_count(&unseen, 0, statement.name)?, read_count(&unseen, 1, statement.name)?);
        let set_aside = match self.info.installed {
            InstallState::Current => ledger::count_set_aside(&mut self.link, &self.plan.profile, now_ms).await?,
            _ => 0,
        };
        Ok(rows::LeftoversRead { count_limit, outlook, set_aside, guarded, without_order, read }.told())
    }

    async fn read_page(&mut self, selection: &Selection) -> Result<Surveyed, ShopError> {
        let (plan, statements) = (&self.plan, &self.statements);
        let now_ms = ledger::now(&mut self.link).await?;
        let found = batch::candidates(&mut self.link, plan, &statements.survey, now_ms, selection).await?;
        let full = found.len() >= usize::try_from(selection.limit).unwrap_or(usize::MAX);
        let last = found.last().filter(|_| full).map(|row| row.position.clone());
        let mut seen = HashSet::new();
        let keys: Vec<Key> = found.into_iter().map(|row| row.key).filter(|key| seen.insert(key.clone())).collect();
        let orders = batch::examine(&mut self.link, (plan, statements), now_ms, &keys, Unreadable::Skip).await?;
        let reservations = orders.iter().flat_map(|order| &order.reservations).filter(|reservation| reservation.due);
        let held: BTreeSet<StockRef> = reservations.flat_map(|reservation| reservation.stock.clone()).collect();
        let held: Vec<StockRef> = held.into_iter().collect();
        let stock = batch::counters(&mut self.link, (plan, statements), &held, Unreadable::Skip).await?;
        Ok(Surveyed { orders, stock, last, now: to_instant(now_ms)? })
    }

    async fn read_order(&mut self, order: &str) -> Result<Option<Explanation>, ShopError> {
        let installed = self.info.installed == InstallState::Current;
        explain::explain(&mut self.link, (&self.plan, &self.statements), installed, order).await
    }
}

fn to_instant(millis: i64) -> Result<jiff::Timestamp, ShopError> {
    instant(millis).ok_or_else(|| ShopError::new(ShopErrorKind::Other, "the database's now is no instant"))
}

impl CheckedShop for CheckedSqliteShop {
    fn plan(&self) -> &Plan {
        &self.plan
    }

    fn info(&self) -> &ShopInfo {
        &self.info
    }

    fn look(&mut self, count_limit: u64) -> Answer<'_, (ClockEvidence, Outlook)> {
        Box::pin(async move {
            self.link.begin_read().await?;
            let outcome = match self.read_clock().await {
                Ok(clock) => self.read_outlook(count_limit).await.map(|outlook| (clock, outlook)),
                Err(error) => Err(error),
            };
            let (clock, outlook) = self.link.end(outcome).await?;
            Ok((clock, self.count_on(outlook, count_limit).await?))
        })
    }

    fn leftovers(&mut self, count_limit: u64) -> Answer<'_, Leftovers> {
        Box::pin(async move {
            self.link.begin_read().await?;
            let outcome = self.read_leftovers(count_limit).await;
            self.link.end(outcome).await
        })
    }

    fn outlook(&mut self, count_limit: u64) -> Answer<'_, Outlook> {
        Box::pin(async move {
            let looks = changes::looks(&self.link.address().path);
            self.looked = None;
            self.link.begin_read().await?;
            let outcome = self.read_outlook(count_limit).await;
            let outlook = self.link.end(outcome).await?;
            let outlook = self.count_on(outlook, count_limit).await?;
            self.looked = looks.filter(|looks| looks.has_settled(outlook.now.as_millisecond()));
            Ok(outlook)
        })
    }

    fn survey<'a>(&'a mut self, selection: &'a Selection) -> Answer<'a, Surveyed> {
        Box::pin(async move {
            self.link.begin_read().await?;
            let outcome = self.read_page(selection).await;
            self.link.end(outcome).await
        })
    }

    fn explain<'a>(&'a mut self, order: &'a str, _: LockTest) -> Answer<'a, Option<Explanation>> {
        Box::pin(async move {
            self.link.begin_read().await?;
            let outcome = self.read_order(order).await;
            self.link.end(outcome).await
        })
    }

    fn held(&mut self, read_max: u32) -> Answer<'_, Held> {
        Box::pin(holding::held(&mut self.link, &self.plan, read_max))
    }

    fn stock_holdings(&mut self, read_max: u32) -> Answer<'_, StockHoldings> {
        Box::pin(holding::stock_holdings(&mut self.link, (&self.plan, &self.statements), read_max))
    }

    fn figures<'a>(&'a mut self, query: &'a FiguresQuery) -> Answer<'a, Figures> {
        Box::pin(figures::ask(&mut self.link, &self.plan, query))
    }

    fn acquire<'a>(&'a mut self, holder: &'a Holder, start: &'a SweepStart) -> Answer<'a, Acquired> {
        Box::pin(ledger::acquire(&mut self.link, holder, start))
    }

    fn begin<'a>(&'a mut self, start: BatchStart<'a>) -> Answer<'a, Box<dyn Batch + 'a>> {
        Box::pin(async move {
            let batch = batch::begin(&mut self.link, &self.plan, &self.statements, start).await?;
            Ok(Box::new(batch) as Box<dyn Batch + 'a>)
        })
    }

    fn find_batch(&mut self, batch_id: BatchId) -> Answer<'_, Option<BatchRecord>> {
        Box::pin(ledger::find_batch(&mut self.link, batch_id))
    }

    fn set_aside<'a>(&'a mut self, token: &'a str, order: &'a SetAside) -> Answer<'a, ()> {
        Box::pin(ledger::set_aside(&mut self.link, &self.plan.profile, token, order))
    }

    fn close<'a>(&'a mut self, token: &'a str, end: &'a SweepEnd) -> Answer<'a, ()> {
        Box::pin(ledger::close(&mut self.link, &self.plan.profile, token, end))
    }

    /// The file is on one machine: a lock of that machine says who watches it.
    fn take_duty<'a>(&'a mut self, _: &'a Holder) -> Answer<'a, Acquired> {
        Box::pin(async { Ok(Acquired::Yes) })
    }

    fn leave_duty<'a>(&'a mut self, _: &'a str) -> Answer<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    fn is_unchanged(&mut self) -> bool {
        self.looked.is_some() && self.looked == changes::looks(&self.link.address().path)
    }

    fn disconnect(&mut self) {
        self.link.cut();
    }
}

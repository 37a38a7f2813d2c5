//! PostgreSQL, 12 and later.

mod batch;
mod check;
mod connect;
mod duty;
mod errors;
mod explain;
mod figures;
mod fragments;
#[cfg(test)]
mod golden;
mod grants;
mod health;
mod holding;
mod introspect;
mod ledger;
mod listen;
mod literal;
mod message;
mod pages;
mod render;
mod rows;
mod tally;
mod values;

use std::collections::HashSet;
use std::time::Duration;

use batch::Unreadable;
use connect::Link;
pub(crate) use connect::place;
pub(crate) use grants::{grants, index_statement};
pub(crate) use listen::listen;
use message::{Call, Transaction};
use render::Statements;
use sqlx::postgres::PgRow;
use unreserve_engine::ledger::{
    BatchRecord, EntriesPage, EntriesQuery, EntryRecord, HistoryQuery, Lately, LatelyQuery, SetAside, SetAsideRecord,
    SweepEnd, SweepRecord, SweepStart, SweepsPage, SweepsQuery, Tally, TallyQuery,
};
use unreserve_engine::model::{BatchId, Holder, StockRef, SweepId};
use unreserve_engine::plan::{ClockEvidence, Plan, Schema, SchemaRequest};
use unreserve_engine::shop::{
    Acquired, Answer, Batch, BatchStart, Capability, CheckedShop, Explanation, Figures, FiguresQuery, Held,
    InstallState, Ledger, Leftovers, LockTest, Outlook, Selection, Shop, ShopError, ShopErrorKind, ShopInfo,
    StockHoldings, Surveyed, Vitals, VitalsQuery, read_for,
};
use values::{Parameters, only_row, read, read_count, read_own_instant};

use crate::Options;
use crate::rows::LeftoversRead;

/// Connects.
pub(crate) fn open(url: String, options: Options) -> Answer<'static, Box<dyn Shop>> {
    Box::pin(async move {
        let mut link = Link::new(&url, options)?;
        let (info, deadlock_timeout) = info(&mut link).await?;
        Ok(Box::new(PgShop { link, info, deadlock_timeout }) as Box<dyn Shop>)
    })
}

struct PgShop {
    link: Link,
    info: ShopInfo,
    deadlock_timeout: Duration,
}

struct CheckedPgShop {
    link: Link,
    info: ShopInfo,
    plan: Plan,
    statements: Statements,
    deadlock_timeout: Duration,
}

const INFO: &str = "/* unreserve info */
SELECT current_setting('server_version'), pg_is_in_recovery(), current_setting('default_transaction_read_only') = 'on',
       (extract(epoch FROM least(current_setting('deadlock_timeout')::interval, (
           SELECT min(CASE WHEN value ~ '^[0-9]+$' THEN value::float8 * interval '1 millisecond'
                           WHEN value ~ '^[0-9.]+ *(us|ms|s|min|h|d)$' THEN value::interval END)
           FROM pg_catalog.pg_db_role_setting, unnest(setconfig) AS one, split_part(one, '=', 2) AS value
           WHERE one LIKE 'deadlock_timeout=%'))) * 1000)::bigint";

async fn info(link: &mut Link) -> Result<(ShopInfo, Duration), ShopError> {
    let calls = vec![Call::once("info", INFO, Parameters::new())?, ledger::whether_there()?];
    let mut replies = link.transact(Transaction::Read, calls).await?.into_iter();
    let mut next = |name| only_row(replies.next().unwrap_or_default().rows, name);
    let (row, there) = (next("info")?, next("state")?);
    let installed = ledger::state(link, &there).await?;
    let version: String = read(&row, 0, "info")?;
    let read_only = if read(&row, 1, "info")? {
        Some("it is a replica in recovery".to_owned())
    } else if read(&row, 2, "info")? {
        Some("default_transaction_read_only is on for this role or database".to_owned())
    } else {
        None
    };
    let deadlock_timeout = Duration::from_millis(read_count(&row, 3, "info")?);
    let too_old = health::too_old(&version);
    let product = format!("PostgreSQL {version}");
    let capability = Capability { row_locks: true, single_writer: false, many_hosts: true };
    Ok((ShopInfo { product, too_old, read_only, installed, capability }, deadlock_timeout))
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
                Box::pin(async move { ledger::orders_set_aside(&mut self.link, profile.as_deref(), limit).await })
            }
        }
    };
}

reads_the_ledger!(PgShop, |_| None);
reads_the_ledger!(CheckedPgShop, |shop| Some(shop.plan.profile.clone()));

impl Shop for PgShop {
    fn info(&mut self) -> Answer<'_, ShopInfo> {
        let info = self.info.clone();
        Box::pin(async move { Ok(info) })
    }

    fn schema<'a>(&'a mut self, request: &'a SchemaRequest) -> Answer<'a, Schema> {
        Box::pin(introspect::schema(&mut self.link, request))
    }

    fn install_script(&self) -> String {
        ledger::INSTALL.to_owned()
    }

    fn install(&mut self) -> Answer<'_, InstallState> {
        Box::pin(async move {
            if let InstallState::Newer(version) = self.info.installed {
                let message =
                    format!("the ledger's tables are of version {version}, which is newer than this program knows");
                return Err(ShopError::new(ShopErrorKind::SchemaChanged, message).hint("use the newer unreserve"));
            }
            self.link.begin(Transaction::Write);
            let outcome = self.link.simple("install", ledger::INSTALL).await;
            self.link.end(outcome).await?;
            self.info = info(&mut self.link).await?.0;
            Ok(self.info.installed)
        })
    }

    fn check(mut self: Box<Self>, plan: Plan) -> Answer<'static, Box<dyn CheckedShop>> {
        Box::pin(async move {
            let installed = self.info.installed == InstallState::Current;
            let statements = render::render(&plan, installed);
            check::check(&mut self.link, &plan, &statements, installed).await?;
            let Self { link, info, deadlock_timeout } = *self;
            Ok(Box::new(CheckedPgShop { link, info, plan, statements, deadlock_timeout }) as Box<dyn CheckedShop>)
        })
    }
}

impl CheckedPgShop {
    /// The outlook, where enough was read for it. Where not, everything is read: a bound that stops a sweep must not be
    /// missed.
    async fn settle_outlook(&mut self, rows: Vec<PgRow>, count_limit: u64) -> Result<Outlook, ShopError> {
        let (outlook, read) = rows::outlook(&only_row(rows, "outlook")?, count_limit, "outlook")?;
        if read < read_for(count_limit) || outlook.due_orders >= count_limit {
            return Ok(outlook);
        }
        let Self { link, statements, .. } = self;
        let all = Call::of(&statements.outlook, Parameters::new().with(i64::MAX))?;
        let reply = link.transact(Transaction::Read, vec![all]).await?.pop().unwrap_or_default();
        rows::outlook(&only_row(reply.rows, "outlook")?, count_limit, "outlook").map(|(outlook, _)| outlook)
    }

    async fn read_outlook(&mut self, count_limit: u64) -> Result<Outlook, ShopError> {
        let Self { link, statements, .. } = self;
        let few = Parameters::new().with(values::signed(read_for(count_limit)));
        let reply = link.transact(Transaction::Read, vec![Call::of(&statements.outlook, few)?]).await?.pop();
        self.settle_outlook(reply.unwrap_or_default().rows, count_limit).await
    }

    async fn read_look(&mut self, count_limit: u64) -> Result<(ClockEvidence, Outlook), ShopError> {
        let Self { link, statements, .. } = self;
        let few = Parameters::new().with(values::signed(read_for(count_limit)));
        let calls = vec![Call::of(&statements.clock_evidence, Parameters::new())?, Call::of(&statements.outlook, few)?];
        let mut replies = link.transact(Transaction::Read, calls).await?.into_iter();
        let mut next = || replies.next().unwrap_or_default().rows;
        let (clock, outlook) = (next(), next());
        let clock = rows::clock_evidence(&only_row(clock, "clock_evidence")?, "clock_evidence")?;
        Ok((clock, self.settle_outlook(outlook, count_limit).await?))
    }

    async fn read_leftovers(&mut self, count_limit: u64) -> Result<Leftovers, ShopError> {
        let Self { link, statements, plan, .. } = self;
        let read = values::signed(read_for(count_limit));
        let few = || Parameters::new().with(read);
        let mut calls = vec![Call::of(&statements.outlook, few())?, Call::of(&statements.unseen, few())?];
        if let Some(guarded) = &statements.guarded {
            calls.push(Call::of(guarded, Parameters::new().with(values::signed(count_limit)).with(read))?);
        }
        let mut replies = link.transact(Transaction::Read, calls).await?.into_iter();
        let mut next = || replies.next().unwrap_or_default().rows;
        let (outlook, unseen, guarded) = (next(), only_row(next(), "unseen")?, next());
        let (without_order, set_aside) = (read_count(&unseen, 0, "unseen")?, read_count(&unseen, 1, "unseen")?);
        let read = read_count(&unseen, 2, "unseen")?;
        let guarded = (guarded.len(), crate::rows::guarded(plan, &guarded)?);
        let outlook = self.settle_outlook(outlook, count_limit).await?;
        Ok(LeftoversRead { count_limit, outlook, set_aside, guarded, without_order, read }.told())
    }

    async fn read_page(&mut self, selection: &Selection) -> Result<Surveyed, ShopError> {
        let (statement, parameters) = batch::selected(&self.plan, &self.statements.survey, selection);
        let rows = self.link.rows(statement.name, &statement.sql, parameters).await?;
        let now_index = self.plan.reservation.key.len().saturating_add(3);
        let now = match rows.first() {
            Some(row) => read_own_instant(row, now_index, statement.name)?,
            None => jiff::Timestamp::UNIX_EPOCH,
        };
        let found = rows
            .iter()
            .map(|row| crate::rows::candidate(&self.plan, row, statement.name))
            .collect::<Result<Vec<_>, _>>()?;
        let full = found.len() >= usize::try_from(selection.limit).unwrap_or(usize::MAX);
        let last = found.last().filter(|_| full).map(|row| row.position.clone());
        let mut keys = Vec::new();
        let mut seen = HashSet::new();
        for row in found {
            if seen.insert(row.key.clone()) {
                keys.push(row.key);
            }
        }
        let orders = batch::examine(&mut self.link, (&self.plan, &self.statements), &keys, Unreadable::Skip).await?;
        let held: std::collections::BTreeSet<StockRef> = orders
            .iter()
            .flat_map(|order| &order.reservations)
            .flat_map(|reservation| reservation.stock.clone())
            .collect();
        let held: Vec<StockRef> = held.into_iter().collect();
        let stock =
            batch::read_counters(&mut self.link, (&self.plan, &self.statements.read_stock), &held, Unreadable::Skip)
                .await?;
        Ok(Surveyed { orders, stock, last, now })
    }
}

impl CheckedShop for CheckedPgShop {
    fn plan(&self) -> &Plan {
        &self.plan
    }

    fn info(&self) -> &ShopInfo {
        &self.info
    }

    fn look(&mut self, count_limit: u64) -> Answer<'_, (ClockEvidence, Outlook)> {
        Box::pin(self.read_look(count_limit))
    }

    fn leftovers(&mut self, count_limit: u64) -> Answer<'_, Leftovers> {
        Box::pin(self.read_leftovers(count_limit))
    }

    fn outlook(&mut self, count_limit: u64) -> Answer<'_, Outlook> {
        Box::pin(self.read_outlook(count_limit))
    }

    fn survey<'a>(&'a mut self, selection: &'a Selection) -> Answer<'a, Surveyed> {
        Box::pin(async move {
            self.link.begin_read();
            let outcome = self.read_page(selection).await;
            self.link.end(outcome).await
        })
    }

    fn explain<'a>(&'a mut self, order: &'a str, lock: LockTest) -> Answer<'a, Option<Explanation>> {
        let installed = self.info.installed == InstallState::Current;
        Box::pin(explain::explain(&mut self.link, (&self.plan, &self.statements), installed, (order, lock)))
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

    fn begin<'a>(&'a mut self, mut start: BatchStart<'a>) -> Answer<'a, Box<dyn Batch + 'a>> {
        // Whoever waits for a deadlock timeout first is the victim: ours must end well before the shop's begins.
        if let Some(third) = self.deadlock_timeout.checked_div(3) {
            start.lock_wait = start.lock_wait.min(third);
        }
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

    fn take_duty<'a>(&'a mut self, holder: &'a Holder) -> Answer<'a, Acquired> {
        Box::pin(duty::take(&mut self.link, &self.plan.profile, holder))
    }

    fn leave_duty<'a>(&'a mut self, token: &'a str) -> Answer<'a, ()> {
        Box::pin(duty::leave(&mut self.link, &self.plan.profile, token))
    }

    fn disconnect(&mut self) {
        self.link.cut();
    }
}

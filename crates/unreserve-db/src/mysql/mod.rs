//! MariaDB, 10.6 and later, and MySQL, 8.0.4 and later.

mod ahead;
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
mod info;
mod introspect;
mod keys;
mod lease;
mod ledger;
mod pages;
mod render;
mod tally;
mod times;
mod values;

use std::collections::{BTreeSet, HashSet};

use batch::{Tools, Unreadable};
use connect::Link;
pub(crate) use connect::place;
pub(crate) use grants::{grants, index_statement};
use info::Server;
use jiff::Timestamp;
use render::Statements;
use unreserve_engine::ledger::{
    BatchRecord, EntriesPage, EntriesQuery, EntryRecord, HistoryQuery, Lately, LatelyQuery, SetAside, SetAsideRecord,
    SweepEnd, SweepRecord, SweepStart, SweepsPage, SweepsQuery, Tally, TallyQuery,
};
use unreserve_engine::model::{BatchId, Holder, Key, StockRef, SweepId};
use unreserve_engine::plan::{ClockEvidence, Plan, Schema, SchemaRequest};
use unreserve_engine::shop::{
    Acquired, Answer, Batch, BatchStart, CheckedShop, Explanation, Figures, FiguresQuery, GuardedOrder, Held,
    InstallState, Ledger, Leftovers, LockTest, Outlook, Selection, Shop, ShopError, ShopInfo, StockHoldings, Surveyed,
    Vitals, VitalsQuery, read_for,
};
use values::{Parameters, only_row, read_count, read_instant};

use crate::Options;
use crate::rows;

/// Connects.
pub(crate) fn open(url: String, options: Options) -> Answer<'static, Box<dyn Shop>> {
    Box::pin(async move {
        let mut link = Link::new(&url, options)?;
        let server = info::ask(&mut link).await?;
        Ok(Box::new(MySqlShop { link, server }) as Box<dyn Shop>)
    })
}

struct MySqlShop {
    link: Link,
    server: Server,
}

struct CheckedMySqlShop {
    link: Link,
    server: Server,
    plan: Plan,
    statements: Statements,
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

reads_the_ledger!(MySqlShop, |_| None);
reads_the_ledger!(CheckedMySqlShop, |shop| Some(shop.plan.profile.clone()));

impl Shop for MySqlShop {
    fn info(&mut self) -> Answer<'_, ShopInfo> {
        let info = self.server.info.clone();
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
            self.server.info.installed = ledger::install(&mut self.link).await?;
            Ok(self.server.info.installed)
        })
    }

    fn check(mut self: Box<Self>, plan: Plan) -> Answer<'static, Box<dyn CheckedShop>> {
        Box::pin(async move {
            let installed = self.server.info.installed == InstallState::Current;
            let statements = check::check(&mut self.link, &plan, installed).await?;
            let Self { link, server } = *self;
            Ok(Box::new(CheckedMySqlShop { link, server, plan, statements }) as Box<dyn CheckedShop>)
        })
    }
}

impl CheckedMySqlShop {
    async fn read_clock(&mut self) -> Result<ClockEvidence, ShopError> {
        let now = ledger::now(&mut self.link).await?;
        let statement = &self.statements.clock_evidence;
        let parameters = Parameters::at(now).finish(statement)?;
        let row = only_row(self.link.rows(statement.name, &statement.sql, parameters).await?, statement.name)?;
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
        let now = ledger::now(&mut self.link).await?;
        let statement = &self.statements.outlook;
        let parameters = Parameters::at(now).integer(values::signed(count_limit)).finish(statement)?;
        let row = only_row(self.link.rows(statement.name, &statement.sql, parameters).await?, statement.name)?;
        let oldest = read_instant(&row, 1, statement.name)?;
        let overdue = oldest.map_or(0, |oldest| now.as_microsecond().saturating_sub(oldest.as_microsecond()));
        Ok(Outlook {
            now,
            due_orders: read_count(&row, 0, statement.name)?,
            oldest_overdue_micros: overdue.max(0),
            next_expiry: read_instant(&row, 2, statement.name)?,
        })
    }

    /// How many rows there were, and each order of them once.
    async fn read_guarded(&mut self, now: Timestamp, limit: u64) -> Result<(usize, Vec<GuardedOrder>), ShopError> {
        let Some(statement) = &self.statements.guarded else { return Ok((0, Vec::new())) };
        let parameters = Parameters::at(now).integer(values::signed(limit)).integer(values::signed(read_for(limit)));
        let rows = self.link.rows(statement.name, &statement.sql, parameters.finish(statement)?).await?;
        Ok((rows.len(), rows::guarded(&self.plan, &rows)?))
    }

    async fn read_leftovers(&mut self, count_limit: u64) -> Result<Leftovers, ShopError> {
        let outlook = self.read_outlook(count_limit).await?;
        let guarded = self.read_guarded(outlook.now, count_limit).await?;
        let statement = &self.statements.unseen;
        let parameters =
            Parameters::at(outlook.now).integer(values::signed(read_for(count_limit))).finish(statement)?;
        let unseen = only_row(self.link.rows(statement.name, &statement.sql, parameters).await?, statement.name)?;
        let (without_order, read) = (read_count(&unseen, 0, statement.name)?, read_count(&unseen, 1, statement.name)?);
        let set_aside = match self.server.info.installed {
            InstallState::Current => ledger::count_set_aside(&mut self.link, &self.plan.profile, outlook.now).await?,
            _ => 0,
        };
        Ok(rows::LeftoversRead { count_limit, outlook, set_aside, guarded, without_order, read }.told())
    }

    async fn read_page(&mut self, selection: &Selection) -> Result<Surveyed, ShopError> {
        let (plan, statements) = (&self.plan, &self.statements);
        let now = ledger::now(&mut self.link).await?;
        let found = batch::candidates(&mut self.link, (plan, &statements.line), now, selection).await?;
        let full = found.len() >= usize::try_from(selection.limit).unwrap_or(usize::MAX);
        let last = found.last().filter(|_| full).map(|row| row.position.clone());
        let mut seen = HashSet::new();
        let keys: Vec<Key> = found.into_iter().map(|row| row.key).filter(|key| seen.insert(key.clone())).collect();
        let orders = batch::examine(&mut self.link, (plan, statements), now, &keys, Unreadable::Skip).await?;
        let reservations = orders.iter().flat_map(|order| &order.reservations);
        let held: BTreeSet<StockRef> = reservations.flat_map(|reservation| reservation.stock.clone()).collect();
        let held: Vec<StockRef> = held.into_iter().collect();
        let stock = batch::counters(&mut self.link, (plan, statements), &held, Unreadable::Skip).await?;
        Ok(Surveyed { orders, stock, last, now })
    }
}

impl CheckedShop for CheckedMySqlShop {
    fn plan(&self) -> &Plan {
        &self.plan
    }

    fn info(&self) -> &ShopInfo {
        &self.server.info
    }

    fn look(&mut self, count_limit: u64) -> Answer<'_, (ClockEvidence, Outlook)> {
        Box::pin(async move {
            self.link.begin_read().await?;
            let outcome = match self.read_clock().await {
                Ok(clock) => self.read_outlook(count_limit).await.map(|outlook| (clock, outlook)),
                Err(error) => Err(error),
            };
            self.link.end(outcome).await
        })
    }

    fn outlook(&mut self, count_limit: u64) -> Answer<'_, Outlook> {
        Box::pin(async move {
            self.link.begin_read().await?;
            let outcome = self.read_outlook(count_limit).await;
            self.link.end(outcome).await
        })
    }

    fn leftovers(&mut self, count_limit: u64) -> Answer<'_, Leftovers> {
        Box::pin(async move {
            self.link.begin_read().await?;
            let outcome = self.read_leftovers(count_limit).await;
            self.link.end(outcome).await
        })
    }

    fn survey<'a>(&'a mut self, selection: &'a Selection) -> Answer<'a, Surveyed> {
        Box::pin(async move {
            self.link.begin_read().await?;
            let outcome = self.read_page(selection).await;
            self.link.end(outcome).await
        })
    }

    fn explain<'a>(&'a mut self, order: &'a str, lock: LockTest) -> Answer<'a, Option<Explanation>> {
        let installed = self.server.info.installed == InstallState::Current;
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
        Box::pin(lease::acquire(&mut self.link, holder, start))
    }

    fn begin<'a>(&'a mut self, start: BatchStart<'a>) -> Answer<'a, Box<dyn Batch + 'a>> {
        let Self { link, server, plan, statements } = self;
        let tools = Tools { plan, statements, may_try_again: !server.rolls_back_on_timeout };
        Box::pin(async move {
            let batch = batch::begin(link, tools, start).await?;
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

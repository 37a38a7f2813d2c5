//! PostgreSQL, 12 and later.

mod batch;
mod check;
mod connect;
mod errors;
mod explain;
mod fragments;
#[cfg(test)]
mod golden;
mod grants;
mod introspect;
mod ledger;
mod render;
mod rows;
mod values;

use std::collections::HashSet;
use std::time::Duration;

use batch::Unreadable;
use connect::Link;
pub(crate) use grants::{grants, index_statement};
use render::Statements;
use unreserve_engine::ledger::{
    BatchRecord, EntryRecord, HistoryQuery, SetAside, SetAsideRecord, SweepEnd, SweepRecord, SweepStart,
};
use unreserve_engine::model::{BatchId, Holder, StockRef, SweepId};
use unreserve_engine::plan::{ClockEvidence, Plan, Schema, SchemaRequest};
use unreserve_engine::shop::{
    Acquired, Answer, Batch, BatchStart, Capability, CheckedShop, Explanation, GuardedOrder, InstallState, Ledger,
    Leftovers, LockTest, Outlook, Selection, Shop, ShopError, ShopErrorKind, ShopInfo, Surveyed,
};
use values::{Parameters, only_row, read, read_count, read_instant, read_now};

use crate::Options;

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
       (extract(epoch FROM current_setting('deadlock_timeout')::interval) * 1000)::bigint";

async fn info(link: &mut Link) -> Result<(ShopInfo, Duration), ShopError> {
    link.begin_read().await?;
    let outcome = read_info(link).await;
    link.end(outcome).await
}

async fn read_info(link: &mut Link) -> Result<(ShopInfo, Duration), ShopError> {
    let row = only_row(link.rows("info", INFO, Parameters::new().finish()?).await?, "info")?;
    let version: String = read(&row, 0, "info")?;
    let read_only = if read(&row, 1, "info")? {
        Some("it is a replica in recovery".to_owned())
    } else if read(&row, 2, "info")? {
        Some("default_transaction_read_only is on for this role or database".to_owned())
    } else {
        None
    };
    let deadlock_timeout = Duration::from_millis(read_count(&row, 3, "info")?);
    let installed = ledger::state(link).await?;
    let product = format!("PostgreSQL {version}");
    let capability = Capability { row_locks: true, single_writer: false };
    Ok((ShopInfo { product, read_only, installed, capability }, deadlock_timeout))
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
            self.link.begin_write().await?;
            let outcome = self.link.simple("install", ledger::INSTALL.to_owned()).await;
            self.link.end(outcome).await?;
            self.info = info(&mut self.link).await?.0;
            Ok(self.info.installed)
        })
    }

    fn check(mut self: Box<Self>, plan: Plan) -> Answer<'static, Box<dyn CheckedShop>> {
        Box::pin(async move {
            let statements = render::render(&plan, self.info.installed == InstallState::Current);
            check::check(&mut self.link, &plan, &statements).await?;
            let Self { link, info, deadlock_timeout } = *self;
            Ok(Box::new(CheckedPgShop { link, info, plan, statements, deadlock_timeout }) as Box<dyn CheckedShop>)
        })
    }
}

impl CheckedPgShop {
    async fn read_clock(&mut self) -> Result<ClockEvidence, ShopError> {
        let statement = &self.statements.clock_evidence;
        let parameters = batch::with_constants(Parameters::new(), statement).finish()?;
        let row = only_row(self.link.rows(statement.name, &statement.sql, parameters).await?, statement.name)?;
        Ok(ClockEvidence {
            now: read_now(&row, 0, statement.name)?,
            newest_creation: read_instant(&row, 1, statement.name)?,
            recent: read_count(&row, 2, statement.name)?,
            ahead: read_count(&row, 3, statement.name)?,
            backwards: read_count(&row, 4, statement.name)?,
            // The types of the columns leave nothing unreadable here.
            unreadable: 0,
            looked_at: read_count(&row, 5, statement.name)?,
        })
    }

    async fn read_outlook(&mut self, count_limit: u64) -> Result<Outlook, ShopError> {
        // Orders are counted, reservations are read: eight of them an order are mostly plenty to know that the bound is
        // passed. Where they are not, everything is read: a bound that stops a sweep must not be missed.
        let few = count_limit.saturating_mul(8);
        let (outlook, rows) = self.read_outlook_of(count_limit, few).await?;
        if rows < few || outlook.due_orders >= count_limit {
            return Ok(outlook);
        }
        self.read_outlook_of(count_limit, u64::MAX).await.map(|(outlook, _)| outlook)
    }

    /// The outlook from so many reservations at most, and how many it was made of.
    async fn read_outlook_of(&mut self, count_limit: u64, rows_max: u64) -> Result<(Outlook, u64), ShopError> {
        let statement = &self.statements.outlook;
        let parameters = batch::with_constants(Parameters::new().with(values::signed(rows_max)), statement).finish()?;
        let row = only_row(self.link.rows(statement.name, &statement.sql, parameters).await?, statement.name)?;
        let now = read_now(&row, 0, statement.name)?;
        let oldest = read_instant(&row, 2, statement.name)?;
        let overdue = oldest.map_or(0, |oldest| now.as_microsecond().saturating_sub(oldest.as_microsecond()));
        let outlook = Outlook {
            now,
            due_orders: read_count(&row, 1, statement.name)?.min(count_limit),
            oldest_overdue_micros: overdue.max(0),
            next_expiry: read_instant(&row, 3, statement.name)?,
        };
        Ok((outlook, read_count(&row, 4, statement.name)?))
    }

    async fn read_guarded(&mut self, limit: u64) -> Result<Vec<GuardedOrder>, ShopError> {
        let Some(statement) = &self.statements.guarded else { return Ok(Vec::new()) };
        let parameters = batch::with_constants(Parameters::new().with(values::signed(limit)), statement).finish()?;
        let mut orders: Vec<GuardedOrder> = Vec::new();
        let mut seen = HashSet::new();
        for row in self.link.rows(statement.name, &statement.sql, parameters).await? {
            let order = rows::guarded(&self.plan, &row, statement.name)?;
            if seen.insert(order.key.clone()) {
                orders.push(order);
            }
        }
        Ok(orders)
    }

    async fn read_leftovers(&mut self, count_limit: u64) -> Result<Leftovers, ShopError> {
        let outlook = self.read_outlook(count_limit).await?;
        let guarded = self.read_guarded(count_limit).await?;
        let statement = &self.statements.unseen;
        let parameters = Parameters::new().with(values::signed(count_limit));
        let parameters = batch::with_constants(parameters, statement).finish()?;
        let row = only_row(self.link.rows(statement.name, &statement.sql, parameters).await?, statement.name)?;
        let (without_order, set_aside) = (read_count(&row, 0, statement.name)?, read_count(&row, 1, statement.name)?);
        Ok(Leftovers { outlook, set_aside, guarded, without_order })
    }

    async fn read_page(&mut self, selection: &Selection) -> Result<Surveyed, ShopError> {
        let (statement, parameters) = batch::selected(&self.plan, &self.statements.survey, selection);
        let rows = self.link.rows(statement.name, &statement.sql, parameters.finish()?).await?;
        let now_index = self.plan.reservation.key.len().saturating_add(2);
        let now = match rows.first() {
            Some(row) => read_now(row, now_index, statement.name)?,
            None => jiff::Timestamp::UNIX_EPOCH,
        };
        let found = rows
            .iter()
            .map(|row| batch::read_candidate(&self.plan, row, statement.name))
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
        Box::pin(async move {
            self.link.begin_read().await?;
            let outcome = match self.read_clock().await {
                Ok(clock) => self.read_outlook(count_limit).await.map(|outlook| (clock, outlook)),
                Err(error) => Err(error),
            };
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

    fn outlook(&mut self, count_limit: u64) -> Answer<'_, Outlook> {
        Box::pin(async move {
            self.link.begin_read().await?;
            let outcome = self.read_outlook(count_limit).await;
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
        let installed = self.info.installed == InstallState::Current;
        Box::pin(explain::explain(&mut self.link, (&self.plan, &self.statements), installed, (order, lock)))
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
}

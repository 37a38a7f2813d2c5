//! The shop in memory behind the port.

use std::time::Duration;

use jiff::Timestamp;
use unreserve_engine::ledger::{
    BatchRecord, EntriesPage, EntriesQuery, EntryRecord, HistoryQuery, Lately, LatelyQuery, SetAside, SetAsideRecord,
    SweepEnd, SweepRecord, SweepStart, SweepsPage, SweepsQuery, Tally, TallyQuery,
};
use unreserve_engine::model::{BatchId, Holder, Key, SweepId};
use unreserve_engine::plan::{ClockEvidence, ColumnInfo, Plan, Schema, SchemaRequest, TableInfo};
use unreserve_engine::shop::{
    Acquired, Answer, Batch, BatchStart, Capability, CheckedShop, Explanation, Figures, FiguresQuery, Held,
    InstallState, Ledger, Leftovers, LockTest, Outlook, Selection, Shop, ShopError, ShopErrorKind, ShopInfo,
    StockHoldings, Surveyed, Vitals, VitalsQuery,
};

use super::batch::{self, Unreadable, examine_orders, examine_reservations, stock_of};
use super::database::Database;
use super::eval::View;
use super::figures::figures;
use super::holding;
use super::ledger;
use super::link::Link;
use super::locks::{Mode, RowId};
use super::looks::{clock_evidence, explain, leftovers, outlook};
use super::mutation::Mutation;
use super::pages;
use super::statements::{fits, prepare};
use super::store::{State, refusal};
use super::tally::tally;
use super::value::{plan_kind, type_name};
use super::vitals::vitals;
use crate::shops::Access;

/// A shop in memory that was not checked.
#[derive(Debug)]
pub struct MemoryShop {
    link: Link,
    info: ShopInfo,
}

/// One whose plan was checked.
#[derive(Debug)]
pub struct CheckedMemoryShop {
    link: Link,
    info: ShopInfo,
    plan: Plan,
}

fn info(database: &Database, access: Access) -> ShopInfo {
    let installed = if database.state().installed { InstallState::Current } else { InstallState::Absent };
    ShopInfo {
        product: "a shop in memory".to_owned(),
        too_old: None,
        read_only: (access == Access::ReadOnly).then(|| "the connection takes no writes".to_owned()),
        installed,
        capability: Capability { row_locks: true, single_writer: false, many_hosts: true },
    }
}

impl MemoryShop {
    /// Connects at the first statement.
    #[must_use]
    pub fn connect(database: &Database, access: Access, statement_timeout: Duration) -> Self {
        let link = Link::new(database, access, statement_timeout);
        Self { info: info(database, access), link }
    }

    /// The same for a dry run, which must neither lock nor write.
    #[must_use]
    pub fn dry(mut self) -> Self {
        self.link.dry = true;
        self
    }
}

macro_rules! reads_the_ledger {
    ($shop:ty, $profile:expr) => {
        impl Ledger for $shop {
            fn history<'a>(&'a mut self, query: &'a HistoryQuery) -> Answer<'a, Vec<SweepRecord>> {
                Box::pin(async move {
                    self.link.ask().await?;
                    Ok(ledger::history(&self.link.database.state(), query))
                })
            }

            fn entries(&mut self, sweep_id: SweepId, limit: u32) -> Answer<'_, Vec<EntryRecord>> {
                Box::pin(async move {
                    self.link.ask().await?;
                    Ok(ledger::entries(&self.link.database.state().own, sweep_id, limit))
                })
            }

            fn tally<'a>(&'a mut self, query: &'a TallyQuery) -> Answer<'a, Tally> {
                Box::pin(async move {
                    self.link.ask().await?;
                    Ok(tally(&self.link.database.state().own, query, self.link.now()))
                })
            }

            fn vitals<'a>(&'a mut self, query: &'a VitalsQuery) -> Answer<'a, Vitals> {
                Box::pin(async move {
                    self.link.ask().await?;
                    Ok(vitals(&self.link.database.state(), query, self.link.now()))
                })
            }

            fn sweeps_page<'a>(&'a mut self, query: &'a SweepsQuery) -> Answer<'a, SweepsPage> {
                Box::pin(async move {
                    self.link.ask().await?;
                    Ok(pages::sweeps_page(&self.link.database.state().own, query))
                })
            }

            fn entries_page<'a>(&'a mut self, query: &'a EntriesQuery) -> Answer<'a, EntriesPage> {
                Box::pin(async move {
                    self.link.ask().await?;
                    Ok(pages::entries_page(&self.link.database.state().own, query))
                })
            }

            fn lately<'a>(&'a mut self, query: &'a LatelyQuery) -> Answer<'a, Lately> {
                Box::pin(async move {
                    self.link.ask().await?;
                    Ok(pages::lately(&self.link.database.state().own, query, self.link.now()))
                })
            }

            fn orders_set_aside(&mut self, limit: u32) -> Answer<'_, Vec<SetAsideRecord>> {
                Box::pin(async move {
                    self.link.ask().await?;
                    let profile: fn(&Self) -> Option<&str> = $profile;
                    let now = self.link.now();
                    Ok(ledger::orders_set_aside(&self.link.database.state().own, profile(self), (now, limit)))
                })
            }
        }
    };
}

reads_the_ledger!(MemoryShop, |_| None);
reads_the_ledger!(CheckedMemoryShop, |shop| Some(&shop.plan.profile));

impl Shop for MemoryShop {
    fn info(&mut self) -> Answer<'_, ShopInfo> {
        let info = self.info.clone();
        Box::pin(async move { Ok(info) })
    }

    fn schema<'a>(&'a mut self, request: &'a SchemaRequest) -> Answer<'a, Schema> {
        Box::pin(async move {
            self.link.ask().await?;
            Ok(schema(&self.link.database.state(), request))
        })
    }

    fn install_script(&self) -> String {
        String::new()
    }

    fn install(&mut self) -> Answer<'_, InstallState> {
        Box::pin(async move {
            self.link.ask().await?;
            if self.info.read_only.is_some() {
                return Err(refusal(ShopErrorKind::ReadOnly, "25006", "the connection takes no writes"));
            }
            self.link.database.state().installed = true;
            self.info.installed = InstallState::Current;
            Ok(InstallState::Current)
        })
    }

    fn check(mut self: Box<Self>, plan: Plan) -> Answer<'static, Box<dyn CheckedShop>> {
        Box::pin(async move {
            self.link.ask().await?;
            prepare(&plan, &self.link.database.state())?;
            let Self { link, info } = *self;
            Ok(Box::new(CheckedMemoryShop { link, info, plan }) as Box<dyn CheckedShop>)
        })
    }
}

fn schema(state: &State, request: &SchemaRequest) -> Schema {
    let mut schema = Schema::default();
    for asked in &request.tables {
        let table = state.table(&asked.table).and_then(|place| state.tables.get(place));
        let Some(table) = table.filter(|_| asked.schema.is_none()) else { continue };
        let columns = table.columns.iter().map(|column| ColumnInfo {
            name: column.name.clone(),
            sql_type: type_name(column.kind),
            kind: plan_kind(column.kind),
            nullable: column.nullable,
            generated: false,
            labels: None,
            samples: Vec::new(),
        });
        schema.tables.push(TableInfo {
            asked: asked.clone(),
            schema: None,
            name: table.name.clone(),
            writable: true,
            columns: columns.collect(),
            indexes: Vec::new(),
            references: table.references.clone(),
        });
    }
    let known = |name: &String| request.tables.iter().any(|asked| asked.table == *name);
    schema.others = state.tables.iter().map(|table| table.name.clone()).filter(|name| !known(name)).collect();
    schema
}

impl CheckedMemoryShop {
    /// A reading statement: its way, and whether it still fits the tables.
    async fn read(&mut self, name: &'static str) -> Result<(), ShopError> {
        self.link.ask().await.map_err(|error| error.during(name))?;
        let state = self.link.database.state();
        if state.schema_version > 0 { fits(&self.plan, &state, name) } else { Ok(()) }
    }

    fn view<'v>(&'v self, state: &'v State) -> View<'v> {
        View { plan: &self.plan, state, tx: None, now: self.link.now() }
    }

    async fn survey_page(&mut self, selection: &Selection) -> Result<Surveyed, ShopError> {
        self.read("survey").await?;
        let (line, now) = {
            let state = self.link.database.state();
            let view = self.view(&state);
            (view.line(selection)?, view.now)
        };
        self.lock_by_mistake(&line).await?;
        let limit = usize::try_from(selection.limit).unwrap_or(usize::MAX);
        let page = line.get(..limit.min(line.len())).unwrap_or_default();
        let last = page.last().filter(|_| page.len() >= limit).map(|last| last.locked().position);
        let mut keys: Vec<Key> = Vec::new();
        for candidate in page {
            if !keys.contains(&candidate.order) {
                keys.push(candidate.order.clone());
            }
        }
        self.read("examine_orders").await?;
        let mut orders = examine_orders(&self.view(&self.link.database.state()), &keys)?;
        self.read("examine_reservations").await?;
        let state = self.link.database.state();
        let view = View { now, ..self.view(&state) };
        examine_reservations(&view, &mut orders, Unreadable::Tell)?;
        let mut stock = Vec::new();
        for row in stock_of(&orders) {
            // A counter that cannot be read is left out: a sweep would set its orders aside.
            stock.extend(view.counters(&row).ok().flatten());
        }
        let now = Timestamp::from_microsecond(now).unwrap_or(Timestamp::UNIX_EPOCH);
        Ok(Surveyed { orders, stock, last, now })
    }

    /// The planted fault of a dry run that locks.
    async fn lock_by_mistake(&mut self, line: &[super::eval::Candidate]) -> Result<(), ShopError> {
        if self.link.database.state().mutation != Some(Mutation::LocksInADryRun) {
            return Ok(());
        }
        let tx = self.link.begin(Duration::from_millis(300)).await?;
        let table = self.view(&self.link.database.state()).table(&self.plan.order.table.name)?.0;
        for candidate in line {
            self.link.database.lock(tx, &RowId { table, key: candidate.order.clone() }, Mode::Update).await?;
        }
        self.link.rollback(tx).await;
        Ok(())
    }

    async fn explain_order(&mut self, order: &str, lock: LockTest) -> Result<Option<Explanation>, ShopError> {
        self.read("explain_order").await?;
        let found = {
            let state = self.link.database.state();
            explain(&self.view(&state), order)?
        };
        let Some(mut found) = found else { return Ok(None) };
        if lock == LockTest::Try
            && let Ok(tx) = self.link.begin(Duration::from_secs(1)).await
        {
            found.locked = {
                let mut state = self.link.database.state();
                let table = state.table(&self.plan.order.table.name);
                table.map(|table| !state.locks.take(tx, &RowId { table, key: found.key.clone() }, Mode::Update))
            };
            self.link.rollback(tx).await;
        }
        Ok(Some(found))
    }
}

impl CheckedShop for CheckedMemoryShop {
    fn plan(&self) -> &Plan {
        &self.plan
    }

    fn info(&self) -> &ShopInfo {
        &self.info
    }

    fn look(&mut self, count_limit: u64) -> Answer<'_, (ClockEvidence, Outlook)> {
        Box::pin(async move {
            self.read("clock_evidence").await?;
            let evidence = clock_evidence(&self.view(&self.link.database.state()))?;
            self.read("outlook").await?;
            Ok((evidence, outlook(&self.view(&self.link.database.state()), count_limit)?))
        })
    }

    fn leftovers(&mut self, count_limit: u64) -> Answer<'_, Leftovers> {
        Box::pin(async move {
            self.read("outlook").await?;
            let outlook = outlook(&self.view(&self.link.database.state()), count_limit)?;
            self.read("guarded").await?;
            leftovers(&self.view(&self.link.database.state()), outlook, count_limit)
        })
    }

    fn outlook(&mut self, count_limit: u64) -> Answer<'_, Outlook> {
        Box::pin(async move {
            self.read("outlook").await?;
            outlook(&self.view(&self.link.database.state()), count_limit)
        })
    }

    fn survey<'a>(&'a mut self, selection: &'a Selection) -> Answer<'a, Surveyed> {
        Box::pin(self.survey_page(selection))
    }

    fn explain<'a>(&'a mut self, order: &'a str, lock: LockTest) -> Answer<'a, Option<Explanation>> {
        Box::pin(self.explain_order(order, lock))
    }

    fn held(&mut self, read_max: u32) -> Answer<'_, Held> {
        Box::pin(async move {
            self.read("held").await?;
            holding::held(&self.view(&self.link.database.state()), read_max)
        })
    }

    fn stock_holdings(&mut self, read_max: u32) -> Answer<'_, StockHoldings> {
        Box::pin(async move {
            self.read("stock_holdings").await?;
            holding::stock_holdings(&self.view(&self.link.database.state()), read_max)
        })
    }

    fn figures<'a>(&'a mut self, query: &'a FiguresQuery) -> Answer<'a, Figures> {
        Box::pin(async move {
            self.read("figures").await?;
            figures(&self.view(&self.link.database.state()), query)
        })
    }

    fn acquire<'a>(&'a mut self, holder: &'a Holder, start: &'a SweepStart) -> Answer<'a, Acquired> {
        Box::pin(ledger::acquire(&mut self.link, holder, start))
    }

    fn begin<'a>(&'a mut self, start: BatchStart<'a>) -> Answer<'a, Box<dyn Batch + 'a>> {
        Box::pin(async move {
            let batch = batch::begin(&mut self.link, &self.plan, start).await?;
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
        Box::pin(ledger::take_duty(&mut self.link, &self.plan.profile, holder))
    }

    fn leave_duty<'a>(&'a mut self, token: &'a str) -> Answer<'a, ()> {
        Box::pin(ledger::leave_duty(&mut self.link, &self.plan.profile, token))
    }
}

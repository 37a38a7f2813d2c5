//! A decorator around any shop: calls are refused, fail after they were done, and are answered late or never.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use unreserve_engine::ledger::{
    BatchRecord, EntriesPage, EntriesQuery, Entry, EntryRecord, HistoryQuery, Lately, LatelyQuery, SetAside,
    SetAsideRecord, SweepEnd, SweepRecord, SweepStart, SweepsPage, SweepsQuery, Tally, TallyQuery,
};
use unreserve_engine::model::{
    BatchId, EndedReservation, ExaminedOrder, Holder, Key, LockedPage, StockChange, StockRef, StockRow, SweepId,
};
use unreserve_engine::plan::{ClockEvidence, Plan};
use unreserve_engine::shop::{
    Acquired, Answer, Batch, BatchStart, CheckedShop, Committed, Explanation, Figures, FiguresQuery, Held, Ledger,
    Leftovers, LockTest, Outlook, Selection, ShopError, ShopErrorKind, ShopInfo, StockHoldings, StockWait, Surveyed,
    Vitals, VitalsQuery,
};
use unreserve_engine::sweep::Clock;

/// What happens to one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing.
    None,
    /// It is refused, and not done.
    Reject(ShopErrorKind),
    /// It is done, and its answer is lost.
    FailAfter,
    /// It is done, its answer is held until the deadline, and lost then.
    Hold(Duration),
    /// It is done, and answered late.
    Slow(Duration),
}

/// Says what happens to each call, by the call's name.
pub trait Troubles: Send + Sync + fmt::Debug {
    /// What happens to the next call.
    fn next(&self, call: &'static str) -> Trouble;
}

/// A shop whose calls meet trouble.
pub struct Faulty<'c> {
    shop: Box<dyn CheckedShop>,
    troubles: Arc<dyn Troubles>,
    clock: &'c dyn Clock,
}

impl<'c> Faulty<'c> {
    /// Puts trouble around a shop; what is held is held on this clock.
    #[must_use]
    pub fn new(shop: Box<dyn CheckedShop>, troubles: Arc<dyn Troubles>, clock: &'c dyn Clock) -> Self {
        Self { shop, troubles, clock }
    }
}

fn lost(call: &'static str) -> ShopError {
    ShopError::new(ShopErrorKind::Disconnected, "the answer was lost").during(call)
}

fn rejected(kind: ShopErrorKind, call: &'static str) -> ShopError {
    ShopError::new(kind, format!("refused on purpose: {}", kind.word())).during(call)
}

/// One call with its trouble.
async fn meet<T>(
    (trouble, clock, call): (Trouble, &dyn Clock, &'static str),
    answer: impl Future<Output = Result<T, ShopError>>,
) -> Result<T, ShopError> {
    match trouble {
        Trouble::None => answer.await,
        Trouble::Reject(kind) => Err(rejected(kind, call)),
        Trouble::FailAfter => answer.await.and(Err(lost(call))),
        Trouble::Hold(time) => {
            let answer = answer.await;
            clock.sleep(time).await;
            answer.and(Err(lost(call)))
        }
        Trouble::Slow(time) => {
            let answer = answer.await;
            clock.sleep(time).await;
            answer
        }
    }
}

macro_rules! meets {
    ($self:ident, $inner:ident, $name:ident($($argument:expr),*)) => {{
        let trouble = ($self.troubles.next(stringify!($name)), $self.clock, stringify!($name));
        Box::pin(async move { meet(trouble, $self.$inner.$name($($argument),*)).await })
    }};
}

impl Ledger for Faulty<'_> {
    fn history<'a>(&'a mut self, query: &'a HistoryQuery) -> Answer<'a, Vec<SweepRecord>> {
        meets!(self, shop, history(query))
    }

    fn entries(&mut self, sweep_id: SweepId, limit: u32) -> Answer<'_, Vec<EntryRecord>> {
        meets!(self, shop, entries(sweep_id, limit))
    }

    fn tally<'a>(&'a mut self, query: &'a TallyQuery) -> Answer<'a, Tally> {
        meets!(self, shop, tally(query))
    }

    fn vitals<'a>(&'a mut self, query: &'a VitalsQuery) -> Answer<'a, Vitals> {
        meets!(self, shop, vitals(query))
    }

    fn sweeps_page<'a>(&'a mut self, query: &'a SweepsQuery) -> Answer<'a, SweepsPage> {
        meets!(self, shop, sweeps_page(query))
    }

    fn entries_page<'a>(&'a mut self, query: &'a EntriesQuery) -> Answer<'a, EntriesPage> {
        meets!(self, shop, entries_page(query))
    }

    fn lately<'a>(&'a mut self, query: &'a LatelyQuery) -> Answer<'a, Lately> {
        meets!(self, shop, lately(query))
    }

    fn orders_set_aside(&mut self, limit: u32) -> Answer<'_, Vec<SetAsideRecord>> {
        meets!(self, shop, orders_set_aside(limit))
    }
}

impl CheckedShop for Faulty<'_> {
    fn plan(&self) -> &Plan {
        self.shop.plan()
    }

    fn info(&self) -> &ShopInfo {
        self.shop.info()
    }

    fn look(&mut self, count_limit: u64) -> Answer<'_, (ClockEvidence, Outlook)> {
        meets!(self, shop, look(count_limit))
    }

    fn outlook(&mut self, count_limit: u64) -> Answer<'_, Outlook> {
        meets!(self, shop, outlook(count_limit))
    }

    fn leftovers(&mut self, count_limit: u64) -> Answer<'_, Leftovers> {
        meets!(self, shop, leftovers(count_limit))
    }

    fn survey<'a>(&'a mut self, selection: &'a Selection) -> Answer<'a, Surveyed> {
        meets!(self, shop, survey(selection))
    }

    fn explain<'a>(&'a mut self, order: &'a str, lock: LockTest) -> Answer<'a, Option<Explanation>> {
        meets!(self, shop, explain(order, lock))
    }

    fn held(&mut self, read_max: u32) -> Answer<'_, Held> {
        meets!(self, shop, held(read_max))
    }

    fn stock_holdings(&mut self, read_max: u32) -> Answer<'_, StockHoldings> {
        meets!(self, shop, stock_holdings(read_max))
    }

    fn figures<'a>(&'a mut self, query: &'a FiguresQuery) -> Answer<'a, Figures> {
        meets!(self, shop, figures(query))
    }

    fn acquire<'a>(&'a mut self, holder: &'a Holder, start: &'a SweepStart) -> Answer<'a, Acquired> {
        meets!(self, shop, acquire(holder, start))
    }

    fn begin<'a>(&'a mut self, start: BatchStart<'a>) -> Answer<'a, Box<dyn Batch + 'a>> {
        let trouble = (self.troubles.next("begin"), self.clock, "begin");
        let troubles = Arc::clone(&self.troubles);
        let clock = self.clock;
        Box::pin(async move {
            let batch = meet(trouble, self.shop.begin(start)).await?;
            Ok(Box::new(FaultyBatch { batch, troubles, clock }) as Box<dyn Batch + 'a>)
        })
    }

    fn find_batch(&mut self, batch_id: BatchId) -> Answer<'_, Option<BatchRecord>> {
        meets!(self, shop, find_batch(batch_id))
    }

    fn set_aside<'a>(&'a mut self, token: &'a str, order: &'a SetAside) -> Answer<'a, ()> {
        meets!(self, shop, set_aside(token, order))
    }

    fn close<'a>(&'a mut self, token: &'a str, end: &'a SweepEnd) -> Answer<'a, ()> {
        meets!(self, shop, close(token, end))
    }

    fn take_duty<'a>(&'a mut self, holder: &'a Holder) -> Answer<'a, Acquired> {
        meets!(self, shop, take_duty(holder))
    }

    fn leave_duty<'a>(&'a mut self, token: &'a str) -> Answer<'a, ()> {
        meets!(self, shop, leave_duty(token))
    }

    fn is_unchanged(&mut self) -> bool {
        self.shop.is_unchanged()
    }

    fn disconnect(&mut self) {
        self.shop.disconnect();
    }
}

struct FaultyBatch<'b> {
    batch: Box<dyn Batch + 'b>,
    troubles: Arc<dyn Troubles>,
    clock: &'b dyn Clock,
}

impl Batch for FaultyBatch<'_> {
    fn cutoff(&self) -> Timestamp {
        self.batch.cutoff()
    }

    fn lock_due<'a>(&'a mut self, selection: &'a Selection) -> Answer<'a, LockedPage> {
        meets!(self, batch, lock_due(selection))
    }

    fn examine<'a>(&'a mut self, orders: &'a [Key]) -> Answer<'a, Vec<ExaminedOrder>> {
        meets!(self, batch, examine(orders))
    }

    fn lock_stock<'a>(&'a mut self, stock: &'a [StockRef], wait: StockWait) -> Answer<'a, Vec<StockRow>> {
        meets!(self, batch, lock_stock(stock, wait))
    }

    fn release<'a>(&'a mut self, stock: &'a [StockChange], reservations: &'a [EndedReservation]) -> Answer<'a, ()> {
        meets!(self, batch, release(stock, reservations))
    }

    fn cancel_orders<'a>(&'a mut self, orders: &'a [Key]) -> Answer<'a, ()> {
        meets!(self, batch, cancel_orders(orders))
    }

    fn append_ledger<'a>(&'a mut self, record: &'a BatchRecord, entries: &'a [Entry]) -> Answer<'a, ()> {
        meets!(self, batch, append_ledger(record, entries))
    }

    fn commit<'a>(self: Box<Self>) -> Pin<Box<dyn Future<Output = Committed> + Send + 'a>>
    where
        Self: 'a,
    {
        let Self { batch, troubles, clock } = *self;
        Box::pin(async move {
            match troubles.next("commit") {
                Trouble::None => batch.commit().await,
                Trouble::Reject(ShopErrorKind::Disconnected) => {
                    drop(batch);
                    Committed::Unknown(lost("commit"))
                }
                Trouble::Reject(kind) => {
                    drop(batch);
                    Committed::No(rejected(kind, "commit"))
                }
                Trouble::FailAfter => match batch.commit().await {
                    Committed::Yes => Committed::Unknown(lost("commit")),
                    other => other,
                },
                Trouble::Hold(time) | Trouble::Slow(time) => {
                    let outcome = batch.commit().await;
                    clock.sleep(time).await;
                    match outcome {
                        Committed::Yes => Committed::Unknown(lost("commit")),
                        other => other,
                    }
                }
            }
        })
    }

    fn rollback<'a>(self: Box<Self>) -> Answer<'a, ()>
    where
        Self: 'a,
    {
        let Self { batch, troubles, clock } = *self;
        let trouble = (troubles.next("rollback"), clock, "rollback");
        Box::pin(meet(trouble, batch.rollback()))
    }
}

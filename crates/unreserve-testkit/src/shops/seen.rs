//! What stands in a shop and in our ledger, read back into structures that can be compared.

use std::collections::BTreeMap;

use super::malikli::{DROPS, ORDERS, PAYMENTS, RESERVATIONS, VARIANTS};
use super::{Session, Source};
use crate::failure::{Failure, present};

/// One of the two pools of stock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pool {
    /// Product variants.
    Variant,
    /// Drops.
    Drop,
}

impl Pool {
    /// The table.
    #[must_use]
    pub const fn table(self) -> &'static str {
        match self {
            Self::Variant => VARIANTS,
            Self::Drop => DROPS,
        }
    }

    /// The reservation's column that points at it.
    #[must_use]
    pub const fn column(self) -> &'static str {
        match self {
            Self::Variant => "product_variant_id",
            Self::Drop => "drop_product_id",
        }
    }

    /// The column with what is on hand.
    #[must_use]
    pub const fn on_hand(self) -> &'static str {
        match self {
            Self::Variant => "stock_quantity",
            Self::Drop => "current_stock_quantity",
        }
    }

    /// The stock row as the ledger writes it.
    #[must_use]
    pub fn label(self, id: i64) -> String {
        format!("{}:{id}", self.table())
    }
}

/// An order's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderSeen {
    /// Its key.
    pub key: String,
    /// Where it stands.
    pub order_status: String,
    /// Whether it was paid.
    pub payment_status: String,
    /// When it was written last, as the database writes it.
    pub updated_at: String,
}

/// A reservation's row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReservationSeen {
    /// The number of its order.
    pub order: String,
    /// Which pool it holds.
    pub pool: Pool,
    /// Which row of it.
    pub item: i64,
    /// How much.
    pub quantity: i64,
    /// Whether it still holds it.
    pub is_active: bool,
    /// Whether `cancelled_at` is set.
    pub is_cancelled: bool,
    /// Its key.
    pub key: String,
}

/// A stock row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockSeen {
    /// What is on hand.
    pub on_hand: i64,
    /// What is reserved of it.
    pub reserved: Option<i64>,
    /// When it was written last, as the database writes it.
    pub updated_at: String,
}

/// A batch of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchSeen {
    /// Its identity.
    pub batch_id: String,
    /// Its sweep.
    pub sweep_id: String,
    /// Reservations released.
    pub reservations: i64,
    /// Units given back.
    pub units: i64,
    /// Orders cancelled.
    pub orders_cancelled: i64,
    /// What counters lacked.
    pub drift: i64,
}

/// An entry of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct EntrySeen {
    /// `release` or `cancel`.
    pub kind: String,
    /// The order's number.
    pub number: Option<String>,
    /// The order's key.
    pub order: String,
    /// The reservation's key.
    pub reservation: Option<String>,
    /// The stock row, as `table:key`.
    pub stock: Option<String>,
    /// What was given back.
    pub quantity: i64,
    /// What the counter lacked.
    pub drift: i64,
    /// The batch it belongs to.
    pub batch_id: String,
}

/// An order that is set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAsideSeen {
    /// Its number.
    pub number: Option<String>,
    /// Why.
    pub reason: String,
    /// How often it was tried.
    pub attempts: i64,
}

/// Our own tables.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LedgerSeen {
    /// The sweeps that began, with how each ended.
    pub sweeps: BTreeMap<String, Option<String>>,
    /// The committed batches.
    pub batches: Vec<BatchSeen>,
    /// The entries, sorted.
    pub entries: Vec<EntrySeen>,
    /// The orders set aside, by key.
    pub set_aside: BTreeMap<String, SetAsideSeen>,
}

/// Everything that stands in a shop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The orders by number.
    pub orders: BTreeMap<String, OrderSeen>,
    /// The reservations, sorted.
    pub reservations: Vec<ReservationSeen>,
    /// The stock rows.
    pub stock: BTreeMap<(Pool, i64), StockSeen>,
    /// The payments: the order's number and the status, sorted.
    pub payments: Vec<(String, String)>,
    /// Our own tables; empty before they are installed.
    pub ledger: LedgerSeen,
}

/// Reads a shop; our own tables only where they are installed.
pub(super) async fn snapshot(session: &mut dyn Session, installed: bool) -> Result<Snapshot, Failure> {
    let mut numbers = BTreeMap::new();
    let mut orders = BTreeMap::new();
    let columns = ["order_id", "order_number", "order_status", "payment_status", "updated_at"];
    for row in session.read(Source::Shop(ORDERS), &columns).await? {
        let mut cells = Cells(row.into_iter());
        let (key, number) = (cells.text()?, cells.text()?);
        numbers.insert(key.clone(), number.clone());
        let order =
            OrderSeen { key, order_status: cells.text()?, payment_status: cells.text()?, updated_at: cells.text()? };
        orders.insert(number, order);
    }
    let number = |key: &str| present(numbers.get(key).cloned(), "order with this key");
    let mut payments = Vec::new();
    for row in session.read(Source::Shop(PAYMENTS), &["order_id", "status"]).await? {
        let mut cells = Cells(row.into_iter());
        payments.push((number(&cells.text()?)?, cells.text()?));
    }
    payments.sort();
    let mut reservations = Vec::new();
    let columns = [
        "reservation_id",
        "order_id",
        "product_variant_id",
        "drop_product_id",
        "quantity",
        "is_active",
        "cancelled_at",
    ];
    for row in session.read(Source::Shop(RESERVATIONS), &columns).await? {
        let mut cells = Cells(row.into_iter());
        let (key, order) = (cells.text()?, number(&cells.text()?)?);
        let (variant, drop) = (cells.maybe_number()?, cells.maybe_number()?);
        let (pool, item) = match (variant, drop) {
            (Some(item), _) => (Pool::Variant, item),
            (None, drop) => (Pool::Drop, present(drop, "stock row of a reservation")?),
        };
        let quantity = cells.number()?;
        let (is_active, is_cancelled) = (cells.truth()?, cells.next().is_some());
        reservations.push(ReservationSeen { order, pool, item, quantity, is_active, is_cancelled, key });
    }
    reservations.sort();
    let mut stock = BTreeMap::new();
    for pool in [Pool::Variant, Pool::Drop] {
        for row in
            session.read(Source::Shop(pool.table()), &["id", pool.on_hand(), "reserved_quantity", "updated_at"]).await?
        {
            let mut cells = Cells(row.into_iter());
            let id = cells.number()?;
            let seen =
                StockSeen { on_hand: cells.number()?, reserved: cells.maybe_number()?, updated_at: cells.text()? };
            stock.insert((pool, id), seen);
        }
    }
    let ledger = if installed { ledger(session).await? } else { LedgerSeen::default() };
    Ok(Snapshot { orders, reservations, stock, payments, ledger })
}

async fn ledger(session: &mut dyn Session) -> Result<LedgerSeen, Failure> {
    let mut seen = LedgerSeen::default();
    for row in session.read(Source::Own("sweep"), &["sweep_id"]).await? {
        seen.sweeps.insert(Cells(row.into_iter()).text()?, None);
    }
    for row in session.read(Source::Own("sweep_end"), &["sweep_id", "ending"]).await? {
        let mut cells = Cells(row.into_iter());
        seen.sweeps.insert(cells.text()?, Some(cells.text()?));
    }
    let columns = ["batch_id", "sweep_id", "reservations", "units", "orders_cancelled", "drift"];
    for row in session.read(Source::Own("batch"), &columns).await? {
        let mut cells = Cells(row.into_iter());
        seen.batches.push(BatchSeen {
            batch_id: cells.text()?,
            sweep_id: cells.text()?,
            reservations: cells.number()?,
            units: cells.number()?,
            orders_cancelled: cells.number()?,
            drift: cells.number()?,
        });
    }
    let columns = ["kind", "order_number", "order_key", "reservation_key", "stock", "quantity", "drift", "batch_id"];
    for row in session.read(Source::Own("entry"), &columns).await? {
        let mut cells = Cells(row.into_iter());
        seen.entries.push(EntrySeen {
            kind: cells.text()?,
            number: cells.next(),
            order: cells.text()?,
            reservation: cells.next(),
            stock: cells.next(),
            quantity: cells.number()?,
            drift: cells.number()?,
            batch_id: cells.text()?,
        });
    }
    seen.entries.sort();
    for row in session.read(Source::Own("set_aside"), &["order_key", "order_number", "reason", "attempts"]).await? {
        let mut cells = Cells(row.into_iter());
        let key = cells.text()?;
        let aside = SetAsideSeen { number: cells.next(), reason: cells.text()?, attempts: cells.number()? };
        seen.set_aside.insert(key, aside);
    }
    Ok(seen)
}

/// The cells of one row, from left to right.
struct Cells(std::vec::IntoIter<Option<String>>);

impl Cells {
    fn next(&mut self) -> Option<String> {
        self.0.next().flatten()
    }

    fn text(&mut self) -> Result<String, Failure> {
        present(self.next(), "value where one must be")
    }

    fn maybe_number(&mut self) -> Result<Option<i64>, Failure> {
        Ok(self.next().map(|text| text.parse::<i64>()).transpose()?)
    }

    fn number(&mut self) -> Result<i64, Failure> {
        present(self.maybe_number()?, "number where one must be")
    }

    fn truth(&mut self) -> Result<bool, Failure> {
        Ok(matches!(self.text()?.as_str(), "true" | "t" | "1"))
    }
}

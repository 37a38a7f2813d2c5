//! The shop's own transactions: the ways in which shops write down that an order was paid, and what else they do meanwhile.

use std::sync::atomic::{AtomicI64, Ordering};

use uuid::Uuid;

use crate::failure::{Failure, present};
use crate::shops::{Cell, ORDERS, PAYMENTS, Pool, RESERVATIONS, Session, Source};

/// One step of the shop's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    Begin,
    Commit,
    Rollback,
    /// Locks the order's row.
    Lock,
    /// Adds the payment.
    Pay,
    /// Sets the order's status, where it was not cancelled meanwhile.
    MarkPaid,
    /// Writes the order's row without a new status.
    Touch,
    /// Ends the reservations as sold, and lowers the counters.
    Fulfil,
    /// Gives the customer another hour.
    Extend,
}

/// How a shop writes down that an order was paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// The payment first, the order after it in the same transaction.
    PaymentFirst,
    /// The payment in a transaction of its own (a webhook), the order in a later one.
    PaymentAlone,
    /// The order's row is locked before anything is written.
    LockFirst,
    /// The order is written, but its status stays as it was.
    TouchOnly,
    /// There is no row of the payment, only the order's status; the reservations stay as they are for now.
    StatusOnly,
    /// The goods are handed out before anything else is written.
    FulfilFirst,
    /// The customer is given more time.
    MoreTime,
    /// The payment is taken back in the same transaction: the order is as unpaid as before.
    Declined,
}

impl Style {
    /// Every style.
    pub const ALL: [Self; 8] = [
        Self::PaymentFirst,
        Self::PaymentAlone,
        Self::LockFirst,
        Self::TouchOnly,
        Self::StatusOnly,
        Self::FulfilFirst,
        Self::MoreTime,
        Self::Declined,
    ];

    /// Its five steps.
    pub(super) fn acts(self) -> [Act; 5] {
        use Act::{Begin, Commit, Extend, Fulfil, Lock, MarkPaid, Pay, Rollback, Touch};
        match self {
            Self::PaymentFirst => [Begin, Pay, MarkPaid, Fulfil, Commit],
            Self::PaymentAlone => [Pay, Begin, MarkPaid, Fulfil, Commit],
            Self::LockFirst => [Begin, Lock, Pay, MarkPaid, Commit],
            Self::TouchOnly => [Begin, Touch, Pay, Touch, Commit],
            Self::StatusOnly => [Begin, MarkPaid, Touch, Touch, Commit],
            Self::FulfilFirst => [Begin, Fulfil, Pay, MarkPaid, Commit],
            Self::MoreTime => [Begin, Extend, Touch, Touch, Commit],
            Self::Declined => [Begin, Pay, MarkPaid, Fulfil, Rollback],
        }
    }
}

/// Payments need keys that no other session gives.
static PAYMENT: AtomicI64 = AtomicI64::new(1_000_000);

/// A number for a payment that this process has not given yet.
pub(super) fn next_payment() -> i64 {
    PAYMENT.fetch_add(1, Ordering::Relaxed)
}

/// One customer's order in the hands of the shop.
pub(super) struct Customer<'a> {
    pub(super) session: &'a mut dyn Session,
    /// The order's key.
    pub(super) order: String,
    /// Whether the database locks rows; else a transaction has locked everything.
    pub(super) row_locks: bool,
    /// What is reserved for it, where the shop knows it without looking.
    pub(super) held: Option<Vec<Held>>,
}

/// What a reservation holds.
#[derive(Debug, Clone)]
pub(super) struct Held {
    /// The reservation's key.
    pub(super) key: String,
    pub(super) pool: Pool,
    pub(super) item: i64,
    pub(super) quantity: i64,
}

impl Customer<'_> {
    fn key(&self) -> (&'static str, Cell) {
        ("order_id", Cell::text(&self.order))
    }

    /// Does one step; how many rows it changed that protect the order.
    pub(super) async fn act(&mut self, act: Act) -> Result<u64, Failure> {
        match act {
            Act::Begin => self.session.begin().await.map(|()| 0),
            Act::Commit => self.session.commit().await.map(|()| 0),
            Act::Rollback => self.session.rollback().await.map(|()| 0),
            Act::Lock if self.row_locks => self.session.lock(ORDERS, &[self.key()]).await.map(|_| 0),
            Act::Lock => Ok(0),
            Act::Pay => self.pay().await.map(|()| 1),
            Act::MarkPaid => {
                let set = [
                    ("order_status", Cell::text("processing")),
                    ("payment_status", Cell::text("paid")),
                    ("updated_at", Cell::FromNow(0)),
                ];
                let rows = [self.key(), ("payment_status", Cell::text("pending"))];
                self.session.update(ORDERS, &set, &rows).await
            }
            Act::Touch => {
                self.session.update(ORDERS, &[("updated_at", Cell::FromNow(0))], &[self.key()]).await.map(|_| 0)
            }
            Act::Fulfil => self.fulfil().await,
            Act::Extend => {
                let rows = [self.key(), ("is_active", Cell::Boolean(true))];
                self.session.update(RESERVATIONS, &[("expires_at", Cell::FromNow(3_600))], &rows).await
            }
        }
    }

    async fn pay(&mut self) -> Result<(), Failure> {
        let row = [
            ("id", Cell::Integer(next_payment())),
            self.key(),
            ("status", Cell::text("succeeded")),
            ("gateway_transaction_id", Cell::text(Uuid::new_v4().to_string())),
        ];
        self.session.insert(PAYMENTS, &row).await
    }

    async fn look_up(&mut self) -> Result<Vec<Held>, Failure> {
        let mut held = Vec::new();
        let columns = ["order_id", "is_active", "product_variant_id", "drop_product_id", "quantity", "reservation_id"];
        for row in self.session.read(Source::Shop(RESERVATIONS), &columns).await? {
            let text = |index: usize| row.get(index).cloned().flatten().unwrap_or_default();
            let active = matches!(text(1).as_str(), "true" | "t" | "1");
            if text(0) == self.order && active {
                let (pool, item) = if text(2).is_empty() { (Pool::Drop, text(3)) } else { (Pool::Variant, text(2)) };
                held.push(Held { key: text(5), pool, item: item.parse()?, quantity: text(4).parse()? });
            }
        }
        Ok(held)
    }

    /// Ends the reservations that are active still, and takes their units from the counters under a lock; from the last
    /// stock row to the first, which is not the order in which a sweep goes.
    async fn fulfil(&mut self) -> Result<u64, Failure> {
        let mut held = match &self.held {
            Some(held) => held.clone(),
            None => self.look_up().await?,
        };
        held.sort_by_key(|held| std::cmp::Reverse((held.pool, held.item)));
        let mut fulfilled = 0;
        for Held { key, pool, item, quantity } in held {
            let set = [("is_active", Cell::Boolean(false)), ("fulfilled_at", Cell::FromNow(0))];
            let rows = [("reservation_id", Cell::text(key)), ("is_active", Cell::Boolean(true))];
            if self.session.update(RESERVATIONS, &set, &rows).await? == 1 {
                self.take(pool, item, -quantity, -quantity).await?;
                fulfilled += 1;
            }
        }
        Ok(fulfilled)
    }

    /// Changes a stock row by so much, as a shop does that reads it under its lock.
    pub(super) async fn take(&mut self, pool: Pool, item: i64, reserved: i64, on_hand: i64) -> Result<(), Failure> {
        let row = [("id", Cell::Integer(item))];
        if self.row_locks {
            self.session.lock(pool.table(), &row).await?;
        }
        let found = self.session.read(Source::Shop(pool.table()), &["id", "reserved_quantity", pool.on_hand()]).await?;
        let found = found.iter().find(|row| row.first().cloned().flatten() == Some(item.to_string()));
        let counter = |index: usize| -> Result<i64, Failure> {
            let text = found.and_then(|row| row.get(index).cloned().flatten());
            Ok(present(text, "counter")?.parse()?)
        };
        let set = [
            ("reserved_quantity", Cell::Integer(counter(1)? + reserved)),
            (pool.on_hand(), Cell::Integer(counter(2)? + on_hand)),
            ("updated_at", Cell::FromNow(0)),
        ];
        self.session.update(pool.table(), &set, &row).await.map(|_| ())
    }
}
